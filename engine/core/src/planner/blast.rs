//! The blast radius (INVARIANTS.md 18): deletes that the clock alone would not have brought stay few in any 24 hours.

use super::World;
use super::cluster::Outcome;
use crate::model::{Desired, Limit};
use crate::name::ClusterUid;
use crate::plan::{Action, Cause, Change, Waiting, WaitingFor};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Turns deletes beyond the limits into waiting. Only deletes: the backups go on.
pub(super) fn limit(total: &mut Outcome, desired: &Desired, world: &World<'_>, as_of: Timestamp) {
    let fleet_limit = fleet_limit(desired, total.restorable);
    let cluster_limit = usize::try_from(desired.fleet.limits.cluster).unwrap_or(usize::MAX);
    let since = Duration::days(1).before(as_of);
    let recent = world.records().recent_deletes.iter().filter(|delete| delete.at > since && delete.cause != Cause::Due);
    let mut of_fleet = 0;
    let mut of_cluster: BTreeMap<ClusterUid, usize> = BTreeMap::new();
    for delete in recent {
        of_fleet += 1;
        *of_cluster.entry(delete.cluster.clone()).or_default() += 1;
    }
    total.sort();
    let mut stopped = Vec::new();
    total.changes.retain(|change| {
        if !counts(change) {
            return true;
        }
        let own = of_cluster.entry(change.cluster.clone()).or_default();
        let limit = if *own >= cluster_limit {
            format!("{cluster_limit} a day for one cluster")
        } else if of_fleet >= fleet_limit {
            format!("{fleet_limit} a day for the fleet")
        } else {
            *own += 1;
            of_fleet += 1;
            return true;
        };
        stopped.push(Waiting {
            cluster: change.cluster.clone(),
            name: change.name.clone(),
            point: Some(change.action.point()),
            why: WaitingFor::BlastRadius { limit },
        });
        false
    });
    total.waiting.extend(stopped);
}

fn counts(change: &Change) -> bool {
    matches!(change.action, Action::Delete(_)) && change.cause != Cause::Due
}

/// Only restorable points count: what was never finished, or claims to be ours, must not widen the limit.
fn fleet_limit(desired: &Desired, points: usize) -> usize {
    match desired.fleet.limits.fleet {
        None => (points / 100).max(10),
        Some(Limit::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count"
        )]
        Some(Limit::Percent(percent)) => (points as f64 * percent.clamp(0.0, 100.0) / 100.0) as usize,
    }
}
