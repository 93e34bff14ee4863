//! The blast radius (INVARIANTS.md 18): in any 24 hours, deletes that the clock alone would not have brought stay few, and
//! those that it brought stay in proportion to the slots that fell due.

use super::World;
use super::cluster::Outcome;
use crate::model::Desired;
use crate::name::{ClusterUid, PolicyName};
use crate::plan::{Action, Cause, Change, Waiting};
use crate::schedule::Recent;
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// So many due deletes a day are always allowed.
const FEW: usize = 10;

/// What was deleted within the last 24 hours, together with what the plan deletes.
struct Spent {
    of_cluster: BTreeMap<ClusterUid, usize>,
    of_fleet: usize,
    due: usize,
}

/// Turns deletes beyond the limits into waiting. Only deletes: the backups go on.
pub(super) fn limit(total: &mut Outcome, desired: &Desired, world: &World<'_>, as_of: Timestamp) {
    let cluster_limit = usize::try_from(desired.fleet.limits.cluster).unwrap_or(usize::MAX);
    let mut spent = Spent::of(world, as_of);
    let (fleet_limit, due_limit) = match world.share {
        Some(share) => (share.deletes, share.due_deletes),
        None => (fleet_limit(desired, total.restorable), due_limit_of(total, desired, spent.due, as_of)),
    };
    total.sort_changes();
    let mut stopped = Vec::new();
    total.changes.retain(|change| {
        if !matches!(change.action, Action::Delete(_)) {
            return true;
        }
        let refused = match change.cause {
            Cause::Due => spent.take_due(due_limit),
            Cause::Config | Cause::Drift => spent.take(change, cluster_limit, fleet_limit),
        };
        let Err(limit) = refused else { return true };
        stopped.push(Waiting::stopped(change, limit));
        false
    });
    total.waiting.extend(stopped);
}

impl Spent {
    fn of(world: &World<'_>, as_of: Timestamp) -> Self {
        let since = Duration::days(1).before(as_of);
        let mut spent = Self { of_cluster: BTreeMap::new(), of_fleet: 0, due: 0 };
        for delete in world.records().recent_deletes.iter().filter(|delete| delete.at > since) {
            match delete.cause {
                Cause::Due => spent.due += 1,
                Cause::Config | Cause::Drift => spent.count(&delete.cluster),
            }
        }
        spent
    }

    fn count(&mut self, cluster: &ClusterUid) {
        self.of_fleet += 1;
        *self.of_cluster.entry(cluster.clone()).or_default() += 1;
    }

    /// Counts a delete that the clock alone had not brought, or names the limit that is reached.
    fn take(&mut self, change: &Change, cluster_limit: usize, fleet_limit: usize) -> Result<(), String> {
        let own = self.of_cluster.get(&change.cluster).copied().unwrap_or(0);
        if own >= cluster_limit {
            return Err(format!("{cluster_limit} a day for one cluster"));
        }
        if self.of_fleet >= fleet_limit {
            return Err(format!("{fleet_limit} a day for the fleet"));
        }
        self.count(&change.cluster);
        Ok(())
    }

    fn take_due(&mut self, limit: usize) -> Result<(), String> {
        if self.due >= limit {
            return Err(format!("{limit} a day that fall due, for the fleet"));
        }
        self.due += 1;
        Ok(())
    }
}

/// Only restorable points count: what was never finished, or claims to be ours, must not widen the limit.
pub(crate) fn fleet_limit(desired: &Desired, points: usize) -> usize {
    match desired.fleet.limits.fleet {
        None => (points / 100).max(10),
        Some(limit) => limit.of(points),
    }
}

/// The limit of due deletes; its slots are counted only where there is need.
fn due_limit_of(total: &Outcome, desired: &Desired, spent: usize, as_of: Timestamp) -> usize {
    let is_due = |change: &&Change| matches!(change.action, Action::Delete(_)) && change.cause == Cause::Due;
    if spent + total.changes.iter().filter(is_due).count() <= FEW {
        return FEW;
    }
    due_limit(desired, as_of)
}

/// Twice the slots that fell due in the fleet during the past grace plus one day.
pub(crate) fn due_limit(desired: &Desired, as_of: Timestamp) -> usize {
    let mut of_policies: BTreeMap<&PolicyName, Recent<'_>> = BTreeMap::new();
    let slots = desired.clusters.values().map(|cluster| {
        let recent = of_policies.entry(&cluster.policy).or_insert_with(|| {
            let policy = desired.policy_of(cluster);
            Recent::of(&policy.schedule, Duration::days(1).before(policy.retention.grace.before(as_of)), as_of)
        });
        recent.count(&cluster.uid)
    });
    slots.sum::<usize>().saturating_mul(2).max(FEW)
}
