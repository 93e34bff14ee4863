//! What a forecast tells.

use crate::model::{Origin, Share};
use crate::name::{ClusterName, ClusterUid, PolicyName, SiteName};
use crate::time::Duration;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of a forecast's form.
pub const FORMAT_VERSION: &str = "1.0";

/// What will be created, expired, stored and paid until an instant, if Backstay runs as assumed and nothing fails.
///
/// Counts of points and snapshots are per site: a copy is a point of its own site. Bytes are bytes; money is in the one
/// currency of the fleet's prices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// [`FORMAT_VERSION`].
    pub format_version: &'static str,
    /// The fleet's name.
    pub fleet: String,
    /// What was assumed.
    pub basis: Basis,
    /// What could not be read: nothing is foretold of it.
    pub unknown: Vec<Unknown>,
    /// Each day of the calendar in UTC, the first and the last possibly in part.
    pub days: Vec<Day>,
    /// The whole time.
    pub total: Total,
    /// Each declared site that was read.
    pub sites: Vec<SiteForecast>,
    /// Each policy that a simulated cluster has.
    pub policies: Vec<PolicyForecast>,
    /// Each cluster that was simulated, by name.
    pub clusters: Vec<ClusterForecast>,
    /// What held changes up, beside the clock.
    pub held_up: Vec<HeldUp>,
}

/// What was assumed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Basis {
    /// The documents.
    pub origin: Origin,
    /// The first run.
    pub from: Timestamp,
    /// The end: runs come before it.
    pub until: Timestamp,
    /// The time between two runs.
    pub every: Duration,
    /// How many clusters there are at the sites that were read.
    pub clusters: usize,
    /// How many of them were simulated: if fewer, they are a sample, and all figures are scaled up.
    pub simulated: usize,
    /// How often Backstay runs until the end.
    pub runs: u64,
}

impl Basis {
    /// Whether the figures are scaled up from a sample.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.simulated < self.clusters
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Which site; `None` for the state store.
    pub site: Option<SiteName>,
    /// Why.
    pub because: String,
    /// How many clusters nothing is foretold of.
    pub clusters: usize,
}

/// One day, as it ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Day {
    /// Which, in UTC.
    pub date: Date,
    /// Points made.
    pub made: u64,
    /// Points copied.
    pub copied: u64,
    /// Points marked for deletion.
    pub marked: u64,
    /// Marks taken back.
    pub revived: u64,
    /// Points deleted, by cause.
    pub deleted: BTreeMap<&'static str, u64>,
    /// Points that live when it ends, marked ones with them.
    pub living: u64,
    /// The same by class.
    pub living_by_class: BTreeMap<&'static str, u64>,
    /// The same by site.
    pub living_by_site: BTreeMap<SiteName, u64>,
    /// What is stored when it ends.
    pub bytes: u64,
    /// What a month at that level costs, where sites have prices.
    pub cost_per_month: Option<f64>,
}

impl Day {
    /// Points deleted, whatever the cause.
    #[must_use]
    pub fn all_deleted(&self) -> u64 {
        self.deleted.values().sum()
    }
}

/// The whole time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Total {
    /// Points made, by class.
    pub made: BTreeMap<&'static str, u64>,
    /// Points copied.
    pub copied: u64,
    /// Points marked for deletion.
    pub marked: u64,
    /// Points deleted, by cause.
    pub deleted: BTreeMap<&'static str, u64>,
    /// Points that lived when it began.
    pub living_before: u64,
    /// What was stored when it began.
    pub bytes_before: u64,
    /// What the storage of the whole time costs, where sites have prices.
    pub cost: Option<f64>,
}

/// One site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteForecast {
    /// Which.
    pub site: SiteName,
    /// Snapshots at the beginning.
    pub snapshots_before: u64,
    /// Snapshots at the end.
    pub snapshots: u64,
    /// Most snapshots at the end of any day.
    pub most_snapshots: u64,
    /// How many the account may have in the region, where there is such a rule.
    pub snapshot_quota: Option<u32>,
    /// Snapshots that no readable cluster explains: they stay as they are, and are counted above.
    pub unexplained: u64,
    /// Bytes at the beginning.
    pub bytes_before: u64,
    /// Bytes at the end.
    pub bytes: u64,
    /// The price of a month of one GiB; `None` where the fleet declares none.
    pub gib_month: Option<f64>,
    /// What the whole time costs.
    pub cost: Option<f64>,
    /// What a month at the last level costs.
    pub cost_per_month: Option<f64>,
    /// Calls of the whole time, by class.
    pub calls: BTreeMap<&'static str, u64>,
    /// Each budget that is used, in its busiest hour.
    pub budgets: Vec<BudgetUse>,
}

/// A budget of calls in its busiest hour.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetUse {
    /// What the cloud calls it.
    pub budget: &'static str,
    /// When that hour begins.
    pub hour: Timestamp,
    /// How many calls it takes then.
    pub calls: u64,
    /// How many the budget gives in an hour.
    pub allowed: u64,
}

impl BudgetUse {
    /// The part of it that is used, in percent.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn percent(&self) -> f64 {
        self.calls as f64 * 100.0 / (self.allowed.max(1)) as f64
    }
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyForecast {
    /// Which.
    pub policy: PolicyName,
    /// How many clusters have it.
    pub clusters: u64,
    /// How much of a disk is written anew in a day.
    pub change_per_day: Share,
    /// How much of a disk is in use.
    pub used: Share,
    /// Its points at the end of each day.
    pub living: Vec<u64>,
    /// How far back restores reach at the end.
    pub window: Window,
    /// The largest gap between neighbouring points of one cluster at the end of any day.
    pub worst_gap: Option<Duration>,
    /// Each rule of its retention, and when it is filled.
    pub rules: Vec<RuleFilled>,
    /// One of its clusters, with its points at the end.
    pub example: Option<Example>,
}

/// How far back restores reach, over several clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The least that a cluster reaches back: the age of its oldest restorable point.
    pub shortest: Option<Duration>,
    /// The median.
    pub median: Option<Duration>,
    /// The largest gap between neighbouring restorable points of one cluster, and between its newest and the end.
    pub largest_gap: Option<Duration>,
    /// Simulated clusters without any restorable point.
    pub without: usize,
}

/// When a rule of a retention has all that it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFilled {
    /// The rule, as documents write it: `daily 14`.
    pub rule: String,
    /// The day on which the last cluster has it; `None` if that is after the end.
    pub filled: Option<Date>,
}

/// One cluster's points at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its name.
    pub cluster: ClusterName,
    /// Its points, oldest first.
    pub points: Vec<ExamplePoint>,
}

/// One point at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExamplePoint {
    /// Its cut.
    pub cut: Timestamp,
    /// Whether it is marked for deletion.
    pub is_marked: bool,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterForecast {
    /// Its identity.
    pub uid: ClusterUid,
    /// Its name.
    pub name: ClusterName,
    /// Where it lives.
    pub site: SiteName,
    /// Its policy.
    pub policy: PolicyName,
    /// Points made.
    pub made: u64,
    /// Points deleted.
    pub deleted: u64,
    /// Points at the end, at all sites.
    pub points: u64,
    /// Bytes at the end, at all sites.
    pub bytes: u64,
    /// The age of its oldest restorable point at the end.
    pub reaches_back: Option<Duration>,
    /// The largest gap between neighbouring restorable points at the end.
    pub largest_gap: Option<Duration>,
}

/// Something that held changes up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldUp {
    /// Its code, as plans have it.
    pub code: &'static str,
    /// For people: one of the reasons.
    pub because: String,
    /// How many clusters it concerned.
    pub clusters: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}
