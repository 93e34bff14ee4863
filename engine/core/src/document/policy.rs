//! `BackupPolicy`: how clusters must be recoverable.

use super::text::{CronText, Length, Name, Percent, ZoneName};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How clusters must be recoverable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// When recovery points fall due.
    pub schedule: ScheduleSpec,
    /// Which node's disks are snapshotted. Default: prefer-standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// A standby that lags more is refused as a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_standby_lag: Option<Length>,
    /// What a point must survive. Default: application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<ConsistencyName>,
    /// Which points live.
    pub retention: RetentionSpec,
    /// Copies in other sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<CopySpec>,
    /// The provider's immutability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSpec>,
    /// Whether a disk without encryption is refused as a source. Default: optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionName>,
    /// Recovery to any instant, with WAL archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pitr: Option<PitrSpec>,
    /// What is promised to the owners of the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sla: Option<SlaSpec>,
    /// Restores to a scratch place, to prove that they work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillSpec>,
    /// What `simulate` reckons with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastSpec>,
}

/// When recovery points fall due: `every` or `cron`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = either_every_or_cron)]
pub struct ScheduleSpec {
    /// An interval. Each cluster has its own place within it, by its uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Length>,
    /// A cron expression: minute, hour, day of the month, month, day of the week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<CronText>,
    /// The time zone of the expression, and the one in which retention's days begin. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<ZoneName>,
    /// Over how much time the clusters spread. Default: the whole interval of `every`; nothing after `cron`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Length>,
}

fn either_every_or_cron(schema: &mut Schema) {
    schema.insert("oneOf".into(), json!([{ "required": ["every"] }, { "required": ["cron"] }]));
}

/// Which node's disks are snapshotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceName {
    /// Only the primary.
    Primary,
    /// Only a standby.
    Standby,
    /// A standby that is fit, otherwise the primary.
    PreferStandby,
}

/// What a point must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsistencyName {
    /// A backup session around the cut, so that any set of disks can be cut one after the other.
    Application,
    /// One atomic cut of all disks; PostgreSQL recovers as after a power failure.
    Crash,
}

/// Whether disks must be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncryptionName {
    /// A disk without encryption is refused as a source.
    Required,
    /// Disks are taken as they are.
    Optional,
}

/// Which points live. A point lives as long as any rule wants it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionSpec {
    /// Every point not older than this, plus the newest one older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_window: Option<Length>,
    /// The grandfathers: each rule stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeepSpec>,
    /// The newest restorable points that live whatever their age. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub minimum_redundancy: Option<u32>,
    /// Points that people asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<OnDemandSpec>,
    /// How long a point stays marked before it is deleted. Default: 72h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Length>,
}

/// How many of the existing hours, days, weeks, months and years keep their newest point.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KeepSpec {
    /// The newest points themselves.
    pub last: u32,
    /// Hours.
    pub hourly: u32,
    /// Days, in the schedule's time zone.
    pub daily: u32,
    /// ISO weeks.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
    /// Years.
    pub yearly: u32,
}

/// Points that people asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnDemandSpec {
    /// How many of them live.
    pub max: u32,
}

/// A copy in another site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CopySpec {
    /// The other site.
    pub site: Name,
    /// Which copies live there. Default: those whose originals do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionSpec>,
    /// The key that encrypts the copy, as the provider names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub kms_key: Option<String>,
}

/// The provider's immutability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockSpec {
    /// Who can lift it.
    pub mode: LockMode,
    /// For how long after the cut.
    #[serde(rename = "for")]
    pub period: Length,
}

/// Who can lift a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockMode {
    /// Those who have a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// Recovery to any instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PitrSpec {
    /// The archives that receive the WAL.
    #[schemars(length(min = 1))]
    pub archives: Vec<Name>,
    /// How far the archives may be behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<Length>,
}

/// What is promised. Reported, and raised as findings; it changes no plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaSpec {
    /// How much of the latest data a disaster may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Length>,
    /// How long a restore may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<Length>,
    /// The age of the newest restorable point above which a cluster is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Length>,
}

/// Restores to a scratch place, to prove that they work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrillSpec {
    /// How often.
    pub every: Length,
    /// What is restored. Default: latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<DrillTarget>,
}

/// What `simulate` reckons with. It changes no plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForecastSpec {
    /// How much of a disk is written anew in a day. Default: 2%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_per_day: Option<Percent>,
    /// How much of a disk is in use: the size of its first snapshot. Default: 100%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Percent>,
}

/// What a drill restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillTarget {
    /// The newest point.
    Latest,
    /// Any instant of the recoverable window.
    Random,
}
