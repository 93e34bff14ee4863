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
    /// What forecasts reckon with. It changes no plan.
    pub rates: Rates,
}

/// What a forecast of storage reckons with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// How much of a disk is written anew in a day.
    pub change_per_day: Share,
    /// How much of a disk is in use.
    pub used: Share,
}

impl Default for Rates {
    /// 2% a day, of full disks: on the high side for most databases.
    fn default() -> Self {
        Self { change_per_day: Share::percent(2), used: Share::percent(100) }
    }
}

/// A share of a whole, from nothing to all, in hundred-millionths: exact for what documents can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// How many units are the whole.
    const WHOLE: u32 = 100_000_000;

    /// A share of so many whole percent, at most all.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self(if percent > 100 { Self::WHOLE } else { percent * (Self::WHOLE / 100) })
    }

    /// Reads `0.5%`, as the schemas allow it: at most 100%, at most six digits after the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 6 || !plain(whole) || !plain(fraction) {
            return None;
        }
        let units = whole.parse::<u32>().ok()?.checked_mul(1_000_000)?;
        let rest: u32 = format!("{fraction:0<6}").parse().ok()?;
        units.checked_add(rest).filter(|units| *units <= Self::WHOLE).map(Self)
    }

    /// This share of a number, rounded down.
    #[must_use]
    pub fn of(self, number: u64) -> u64 {
        self.over(number, 1, 1)
    }

    /// This share of a number for each whole time, over a part of that time: `over(disk, hours, 24)`. Rounded down.
    #[must_use]
    pub fn over(self, number: u64, part: u64, whole: u64) -> u64 {
        let product = u128::from(number) * u128::from(self.0) * u128::from(part);
        u64::try_from(product / (u128::from(Self::WHOLE) * u128::from(whole.max(1)))).unwrap_or(u64::MAX)
    }
}

/// In percent, as short as it can be written: `2%`, `0.5%`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let digits = format!("{rest:06}");
        let digits = digits.trim_end_matches('0');
        let point = if digits.is_empty() { "" } else { "." };
        f.pad(&format!("{whole}{point}{digits}%"))
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
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

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_reads_and_prints_exactly() {
        for text in ["0%", "2%", "0.5%", "12.000001%", "100%"] {
            assert_eq!(Share::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "%", "2", "101%", "100.000001%", "1.0000001%", "-1%", "+1%", ".5%"] {
            assert_eq!(Share::parse(wrong), None, "{wrong}");
        }
        let gib = 1 << 30;
        assert_eq!((Share::percent(2).of(100 * gib), Share::percent(2).over(100 * gib, 8, 24)), (2 * gib, 2 * gib / 3));
    }
}
