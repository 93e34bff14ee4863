//! How a cluster must be recoverable.

use crate::name::{KmsKey, PolicyName, SiteName};
use crate::schedule::Schedule;
use crate::time::Duration;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The `BackupPolicy` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// When points fall due.
    pub schedule: Schedule,
    /// Which node's disks are snapshotted.
    pub source: SourcePreference,
    /// A standby that lags more is refused as a source.
    pub max_standby_lag: Option<Duration>,
    /// What a point must survive.
    pub consistency: ConsistencyWanted,
    /// Which points live.
    pub retention: Retention,
    /// Where else each point must lie.
    pub copies: Vec<CopyPolicy>,
    /// For how long the provider itself must refuse deletes.
    pub lock: Option<LockPolicy>,
    /// Whether a disk without encryption is refused as a source.
    pub encryption_required: bool,
    /// `sla.maxAge`: the age of the newest restorable point above which a cluster is late.
    pub max_age: Option<Duration>,
}

/// One other site where each point must lie.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyPolicy {
    /// Which site.
    pub site: SiteName,
    /// Which copies live there: what `copies[].retention` says, and the policy's own where it is silent.
    pub retention: Retention,
    /// The key that encrypts the copies; `None` leaves it to the provider.
    pub kms_key: Option<KmsKey>,
}

/// The provider's immutability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockPolicy {
    /// Who can lift it.
    pub mode: LockMode,
    /// For how long after the cut.
    pub period: Duration,
}

/// Who can lift a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Those who have a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Governance => "governance",
            Self::Compliance => "compliance",
        })
    }
}

/// Which node's disks are snapshotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourcePreference {
    /// Only the primary.
    Primary,
    /// Only a standby.
    Standby,
    /// A standby that is fit, otherwise the primary.
    PreferStandby,
}

/// What a point must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsistencyWanted {
    /// A backup session around the cut, so that any set of disks can be cut one after the other.
    Application,
    /// One atomic cut of all disks; PostgreSQL recovers as after a power failure.
    Crash,
}

impl fmt::Display for ConsistencyWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Application => "application",
            Self::Crash => "crash",
        })
    }
}

/// Which points live.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    /// Every point not older than this, plus the newest one older.
    pub recovery_window: Option<Duration>,
    /// The grandfathers, each rule on its own.
    pub keep: Keep,
    /// At least 1: the newest restorable points of the current system identifier that always live.
    pub minimum_redundancy: u32,
    /// How many on-demand points live beside all others.
    pub on_demand_max: Option<u32>,
    /// How long a tombstone must stand before the delete.
    pub grace: Duration,
    /// In which days, weeks, months and years begin.
    pub zone: TimeZone,
}

/// How many of the existing buckets of each size keep their newest point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The newest points themselves.
    pub last: u32,
    /// Hours of the policy's time zone.
    pub hourly: u32,
    /// Days.
    pub daily: u32,
    /// ISO weeks.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
    /// Years.
    pub yearly: u32,
}
