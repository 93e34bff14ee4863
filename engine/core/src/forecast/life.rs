//! One cluster's life: its small world, what there is to see of it, and when it must be looked at again.

use super::storage::{self, Shown};
use super::world::World;
use crate::model::{Cluster, Policy, Rates, Retention};
use crate::name::SiteName;
use crate::observed::{Listing, Snapshot};
use crate::plan::{Action, Plan, WaitingFor};
use crate::point::{Catalogue, PointState, RecoveryPoint};
use crate::retention::{self, Candidate, CurrentSystem, KeepReason, Verdict};
use crate::share::Share;
use crate::tags;
use crate::time::{Duration, parse_stamp};
use crate::verify::Violations;
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cluster that is simulated.
pub(super) struct Life {
    pub(super) cluster: Arc<Cluster>,
    pub(super) policy: Arc<Policy>,
    /// How many clusters of the fleet it stands for.
    pub(super) weight: f64,
    pub(super) world: World,
    pub(super) view: View,
    /// What each site stored for how long, up to `since`: bytes times seconds.
    pub(super) stored: BTreeMap<SiteName, u128>,
    since: Timestamp,
    pub(super) made: u64,
    pub(super) deleted: u64,
}

/// A point as it is there.
pub(super) struct Seen {
    pub(super) site: SiteName,
    pub(super) candidate: Candidate,
    pub(super) is_restorable: bool,
    pub(super) is_marked: bool,
}

/// What there is to see of a cluster.
#[derive(Default)]
pub(super) struct View {
    pub(super) points: Vec<Seen>,
    pub(super) bytes: BTreeMap<SiteName, u64>,
    pub(super) snapshots: BTreeMap<SiteName, u64>,
    /// What others made of its disks.
    pub(super) unmanaged: BTreeMap<SiteName, u64>,
    /// When a lock of ours ends, or an unfinished attempt is a day old: the next such instants.
    edges: Vec<Timestamp>,
}

/// A day after it was made, what was never finished is nobody's work any more (decision 6).
const ABANDONED: Duration = Duration::days(1);

impl Life {
    pub(super) fn new(cluster: Arc<Cluster>, policy: Arc<Policy>, weight: f64, world: World, from: Timestamp) -> Self {
        let view = View::of(&world, policy.rates);
        let stored = BTreeMap::new();
        Self { cluster, policy, weight, world, view, stored, since: from, made: 0, deleted: 0 }
    }

    /// One run.
    pub(super) fn run(&mut self, at: Timestamp, every: Duration, share: &Share) -> Result<Plan, Violations> {
        let plan = self.world.run(at, every, share)?;
        if !plan.changes.is_empty() {
            self.account_until(at);
            self.view = View::of(&self.world, self.policy.rates);
        }
        for change in &plan.changes {
            match &change.action {
                Action::Create(_) => self.made += 1,
                Action::Delete(_) => self.deleted += 1,
                Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) | Action::Expire(_) => {}
            }
        }
        Ok(plan)
    }

    /// Adds up what was stored since the last change.
    pub(super) fn account_until(&mut self, at: Timestamp) {
        let seconds = u128::from(Duration::between(self.since, at).as_seconds());
        for (site, bytes) in &self.view.bytes {
            *self.stored.entry(site.clone()).or_default() += u128::from(*bytes) * seconds;
        }
        self.since = at;
    }

    /// The first instant after `at` at which something can be different: the next slot, a grace's or a lock's end, a point that
    /// leaves a window. At the latest a day on.
    pub(super) fn next_look(&self, plan: &Plan, at: Timestamp, every: Duration) -> Timestamp {
        let next_run = every.after(at);
        let mut looks = vec![Duration::days(1).after(at)];
        looks.extend(self.policy.schedule.next_due(&self.cluster.uid, at));
        for retention in self.retentions() {
            let Some(window) = retention.recovery_window else { continue };
            // A point as old as the window is within it still.
            let left = self.view.points.iter().map(|seen| window.after(seen.candidate.cut.max(seen.candidate.created)));
            looks.extend(left.filter(|left| *left >= at).min().map(|left| Duration::seconds(1).after(left)));
        }
        looks.extend(self.view.edges.iter().copied().filter(|edge| *edge > at));
        for waiting in &plan.waiting {
            looks.extend(look_of(&waiting.why, next_run));
        }
        for change in &plan.changes {
            looks.push(match &change.action {
                Action::Expire(mark) => mark.grace.after(at),
                // What can be done with a new point, or after a mended one, shows once it is ready.
                Action::Create(_) if self.policy.copies.is_empty() && self.policy.lock.is_none() => continue,
                Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => next_run,
                Action::Delete(_) => continue,
            });
        }
        if self.cluster.is_retired {
            looks.push(next_run);
        }
        looks.into_iter().filter(|look| *look > at).min().unwrap_or(next_run)
    }

    fn retentions(&self) -> impl Iterator<Item = &Retention> {
        [&self.policy.retention].into_iter().chain(self.policy.copies.iter().map(|copy| &copy.retention))
    }

    /// The cuts of its restorable points, wherever they lie, oldest first.
    pub(super) fn cuts(&self) -> Vec<Timestamp> {
        let restorable = self.view.points.iter().filter(|seen| seen.is_restorable);
        let mut cuts: Vec<Timestamp> = restorable.map(|seen| seen.candidate.cut).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// Which rules of its own retention have all that they ask for.
    pub(super) fn filled(&self, at: Timestamp) -> Vec<bool> {
        let retention = &self.policy.retention;
        let home = self.view.points.iter().filter(|seen| seen.is_restorable && seen.site == self.cluster.site);
        let judged = retention::judge(home.map(|seen| seen.candidate), retention, CurrentSystem::NewestPoints, at);
        let kept_by = |reason: KeepReason| {
            let is_kept = |verdict: &Verdict| match verdict {
                Verdict::Keep(reasons) => reasons.as_slice().contains(&reason),
                Verdict::Expire => false,
            };
            judged.iter().filter(|judgement| is_kept(&judgement.verdict)).count()
        };
        rules_of(retention)
            .into_iter()
            .map(|rule| match rule {
                // The newest point before the window shows that the window's first instants can be reached.
                Rule::Window(_) => kept_by(KeepReason::WindowBase) > 0,
                Rule::Keep(reason, count) => kept_by(reason) >= usize::try_from(count).unwrap_or(usize::MAX),
            })
            .collect()
    }
}

/// One rule of a retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Window(Duration),
    Keep(KeepReason, u32),
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Window(window) => write!(f, "recoveryWindow {window}"),
            Self::Keep(reason, count) => write!(f, "{reason} {count}"),
        }
    }
}

/// The rules that a retention declares.
pub(super) fn rules_of(retention: &Retention) -> Vec<Rule> {
    let keep = retention.keep;
    let counted = [
        (KeepReason::Last, keep.last),
        (KeepReason::Hourly, keep.hourly),
        (KeepReason::Daily, keep.daily),
        (KeepReason::Weekly, keep.weekly),
        (KeepReason::Monthly, keep.monthly),
        (KeepReason::Yearly, keep.yearly),
    ];
    let window = retention.recovery_window.map(Rule::Window);
    let counted = counted.into_iter().filter(|(_, count)| *count > 0);
    window.into_iter().chain(counted.map(|(reason, count)| Rule::Keep(reason, count))).collect()
}

/// When what waits is to be looked at again; `None` where only the instants that are known anyway can help.
fn look_of(why: &WaitingFor, next_run: Timestamp) -> Option<Timestamp> {
    match why {
        WaitingFor::Grace { until } | WaitingFor::Lock { until } | WaitingFor::BackOff { until, .. } => Some(*until),
        WaitingFor::DiskSpacing { until, .. } => Some(until.unwrap_or(next_run)),
        WaitingFor::InProgress
        | WaitingFor::Sighting
        | WaitingFor::BlastRadius { .. }
        | WaitingFor::CopyQueue { .. }
        | WaitingFor::Budget { .. }
        | WaitingFor::SourceNotReady
        | WaitingFor::FailedCopy { .. }
        | WaitingFor::Copies { .. }
        | WaitingFor::Quota { .. } => Some(next_run),
        // The servers stay as they were observed, and so do the sites.
        WaitingFor::SiteUnknown { .. }
        | WaitingFor::Source { .. }
        | WaitingFor::NotSafe { .. }
        | WaitingFor::Lease { .. } => None,
    }
}

impl View {
    /// How many points it can be restored from.
    pub(super) fn restorable(&self) -> u64 {
        u64::try_from(self.points.iter().filter(|seen| seen.is_restorable).count()).unwrap_or(u64::MAX)
    }

    fn of(world: &World, rates: Rates) -> Self {
        let mut view = Self::default();
        for (site, listing) in &world.observed.sites {
            let Listing::Complete(inventory) = listing else { continue };
            if !inventory.unmanaged.is_empty() {
                view.unmanaged.insert(site.clone(), u64::try_from(inventory.unmanaged.len()).unwrap_or(u64::MAX));
            }
            if inventory.snapshots.is_empty() {
                continue;
            }
            let catalogue = Catalogue::of(inventory, &world.observed.keyring);
            let points: Vec<_> = catalogue.clusters().flat_map(|uid| catalogue.shelf(uid).points).collect();
            view.points.extend(points.iter().map(|point| seen(site, point)));
            view.bytes.insert(site.clone(), bytes(&inventory.snapshots, rates));
            view.snapshots.insert(site.clone(), u64::try_from(inventory.snapshots.len()).unwrap_or(u64::MAX));
            view.edges.extend(inventory.snapshots.iter().filter_map(|snapshot| snapshot.locked_until));
            let unfinished = points.iter().filter(|point| is_unfinished(point));
            view.edges.extend(unfinished.map(|point| Duration::seconds(1).after(ABANDONED.after(point.created))));
        }
        view
    }
}

fn is_unfinished(point: &RecoveryPoint<'_>) -> bool {
    match point.state {
        PointState::Restorable | PointState::InProgress => false,
        PointState::Failed { .. } | PointState::Incomplete { .. } | PointState::Double => true,
    }
}

fn seen(site: &SiteName, point: &RecoveryPoint<'_>) -> Seen {
    let has = |key: &str| point.parts.iter().any(|part| part.snapshot.snapshot().tags.contains_key(key));
    Seen {
        site: site.clone(),
        candidate: Candidate::of(point, has(tags::HOLD)),
        is_restorable: point.is_restorable(),
        is_marked: has(tags::EXPIRE),
    }
}

/// What snapshots take up, disk by disk. A copy's disk means nothing at some sites: its part tells it apart.
pub(super) fn bytes<'a>(snapshots: impl IntoIterator<Item = &'a Snapshot>, rates: Rates) -> u64 {
    /// The cluster, the disk and the part.
    type Disk<'a> = (Cow<'a, str>, &'a str, Cow<'a, str>);
    let mut disks: BTreeMap<Disk<'_>, Vec<Shown>> = BTreeMap::new();
    for snapshot in snapshots {
        let tag = |key: &str| snapshot.tags.value(key);
        let (cluster, part) = (tag(tags::CLUSTER).unwrap_or_default(), tag(tags::PART).unwrap_or_default());
        let at = tag(tags::CUT).and_then(|text| parse_stamp(&text)).unwrap_or(snapshot.created);
        disks.entry((cluster, snapshot.disk.as_str(), part)).or_default().push(Shown { at, size: snapshot.size });
    }
    disks.into_values().map(|disk| storage::of_disk(disk, rates)).sum()
}
