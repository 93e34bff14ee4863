//! What brought each change about: the clock, the documents, or the world behind our back.

use super::{Holdings, Subject, World, cluster};
use crate::model::Desired;
use crate::plan::{Action, Cause, Change, Reason, WaitingFor};
use cluster::Outcome;
use jiff::Timestamp;

/// Gives each change its cause.
///
/// *Config*: the change is absent under the baseline. *Drift*: a slot that the last apply had served is empty again.
/// *Due*: all else. Without a baseline only creates are due (DESIGN.md).
pub(super) fn attribute(
    outcome: &mut Outcome,
    subject: &Subject<'_>,
    world: &World<'_>,
    come_first: Option<&WaitingFor>,
    holdings: &Holdings<'_>,
    baseline: Option<&Desired>,
    as_of: Timestamp,
) {
    if outcome.changes.is_empty() {
        return;
    }
    let Some(baseline) = baseline else {
        for change in &mut outcome.changes {
            change.cause = match change.action {
                Action::Create(_) => Cause::Due,
                Action::Copy(_)
                | Action::Tag(_)
                | Action::Lock(_)
                | Action::Expire(_)
                | Action::Revive(_)
                | Action::Delete(_) => Cause::Config,
            };
        }
        return;
    };
    let before = changes_under(baseline, subject, world, come_first, holdings, as_of);
    for change in &mut outcome.changes {
        let is_old = match &before {
            Before::Same => true,
            Before::Absent => false,
            Before::Changed(changes) => changes.iter().any(|old| is_same_work(old, change)),
        };
        if !is_old {
            change.cause = Cause::Config;
        } else if change.cause == Cause::Due && is_drift(change, world) {
            change.cause = Cause::Drift;
        }
    }
}

/// What the baseline would have done for this cluster.
enum Before {
    /// Its documents are the same: so is its plan.
    Same,
    /// It was not declared.
    Absent,
    /// It was declared otherwise.
    Changed(Vec<Change>),
}

fn changes_under(
    baseline: &Desired,
    subject: &Subject<'_>,
    world: &World<'_>,
    come_first: Option<&WaitingFor>,
    holdings: &Holdings<'_>,
    as_of: Timestamp,
) -> Before {
    let Subject { desired, cluster, .. } = *subject;
    let Some(old) = baseline.clusters.get(&cluster.uid) else { return Before::Absent };
    let is_same = **old == *cluster
        && baseline.policy_of(old) == desired.policy_of(cluster)
        && baseline.site_of(old) == desired.site_of(cluster)
        && desired.policy_of(cluster).copies.iter().all(|c| baseline.sites.get(&c.site) == desired.sites.get(&c.site));
    if is_same {
        return Before::Same;
    }
    Before::Changed(cluster::plan(&Subject::of(baseline, old), world, come_first, holdings, as_of).changes)
}

/// Whether two changes do the same. Two creates do, whatever slot they serve: both say that a point is due now.
fn is_same_work(old: &Change, new: &Change) -> bool {
    match (&old.action, &new.action) {
        (Action::Create(_), Action::Create(_)) => true,
        (Action::Expire(a), Action::Expire(b))
        | (Action::Revive(a), Action::Revive(b))
        | (Action::Delete(a), Action::Delete(b)) => a.point == b.point && old.site == new.site,
        (Action::Copy(a), Action::Copy(b)) => a.point == b.point && old.site == new.site,
        (Action::Tag(a), Action::Tag(b)) => a.point == b.point && a.repair == b.repair && old.site == new.site,
        (Action::Lock(a), Action::Lock(b)) => a.point == b.point && a.mode == b.mode && old.site == new.site,
        (
            Action::Create(_)
            | Action::Copy(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Revive(_)
            | Action::Delete(_),
            _,
        ) => false,
    }
}

/// Whether a create repeats what the last apply had done: its slot was due then, and the cluster was left finished.
fn is_drift(change: &Change, world: &World<'_>) -> bool {
    let (Action::Create(create), Some(baseline)) = (&change.action, &world.records().baseline) else { return false };
    let was_served = create.point.slot <= baseline.as_of && !baseline.unfinished.contains(&change.cluster);
    was_served && !matches!(change.reason, Reason::Retry { .. })
}
