//! The blast radius of a day's deletes (INVARIANTS.md 18): those that the clock alone had not brought, and those that it did.

use super::Violation;
use super::world::{Facts, Span, span_of_due_deletes};
use crate::model::Limit;
use crate::name::ClusterUid;
use crate::observed::{Listing, Records};
use crate::plan::{Action, Cause, Change, MarkPoint};
use crate::share::Share;
use crate::tags::{PartName, PartRole};
use crate::workers::{self, Workers};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// However few slots there were, so many due deletes are allowed.
const ALWAYS: usize = 10;

/// `share` is what a part of a fleet may use of the fleet's limits; a whole fleet has none.
pub(super) fn check(workers: &dyn Workers, facts: &Facts<'_>, share: Option<&Share>, violations: &mut Vec<Violation>) {
    let Listing::Complete(records) = &facts.observed.records else { return };
    let day_ago = facts.as_of.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    // Each record is a delete of its own: the same point may have gone from two places.
    let (mut due, mut other): (Vec<&ClusterUid>, Vec<&ClusterUid>) = (Vec::new(), Vec::new());
    for delete in records.recent_deletes.iter().filter(|delete| delete.at > day_ago) {
        if delete.cause == Cause::Due { due.push(&delete.cluster) } else { other.push(&delete.cluster) }
    }
    let before = (due.len(), other.len());
    let mut deletes = Vec::new();
    for change in &facts.plan.changes {
        if let Action::Delete(mark) = &change.action {
            deletes.push((change, mark));
        }
    }
    let are_due = workers::map(workers, &deletes, |(change, mark)| is_due(records, change, mark));
    for ((change, _), is_due) in deletes.iter().zip(are_due) {
        if is_due { due.push(&change.cluster) } else { other.push(&change.cluster) }
    }
    if due.len() > before.0 {
        check_due(facts, share, &due, violations);
    }
    if other.len() > before.1 {
        check_others(facts, share, &other, &other[before.1..], violations);
    }
}

/// Whether the clock alone brings a delete. Its mark's cause counts, too: it was made when the documents were the new ones.
fn is_due(records: &Records, change: &Change, mark: &MarkPoint) -> bool {
    let was_marked_by_a_person = mark.snapshots.iter().any(|expected| {
        let tombstone = records.tombstones.get(&change.site).and_then(|at_site| at_site.get(&expected.id));
        tombstone.is_some_and(|tombstone| tombstone.content.cause != Cause::Due)
    });
    change.cause == Cause::Due && !was_marked_by_a_person
}

/// At most twice the slots that fell due in the fleet during the past grace plus one day.
fn check_due(facts: &Facts<'_>, share: Option<&Share>, due: &[&ClusterUid], violations: &mut Vec<Violation>) {
    let Some(last) = due.last() else { return };
    let slots_of = |cluster: &crate::model::Cluster| {
        let policy = facts.desired.policy_of(cluster);
        facts.slots(policy, Span::GraceAndADay).count(&cluster.uid, span_of_due_deletes(policy))
    };
    let slots = || facts.desired.clusters.values().map(|cluster| slots_of(cluster)).sum::<usize>();
    let allowed = match share {
        Some(share) => share.due_deletes,
        None if due.len() <= ALWAYS => ALWAYS,
        None => ALWAYS.max(2 * slots()),
    };
    if due.len() > allowed {
        let what = format!("{} due deletes in a day for the fleet, and the limit is {allowed}", due.len());
        violations.push(Violation { invariant: 18, cluster: (*last).clone(), what });
    }
}

fn check_others(
    facts: &Facts<'_>,
    share: Option<&Share>,
    all: &[&ClusterUid],
    planned: &[&ClusterUid],
    violations: &mut Vec<Violation>,
) {
    let limits = facts.desired.fleet.limits;
    let mut of_cluster: BTreeMap<&ClusterUid, usize> = BTreeMap::new();
    for cluster in all {
        *of_cluster.entry(cluster).or_default() += 1;
    }
    for &cluster in planned {
        let own = of_cluster.get(cluster).copied().unwrap_or(0);
        if own > usize::try_from(limits.cluster).unwrap_or(usize::MAX) {
            let what = format!("{own} deletes in a day for one cluster");
            violations.push(Violation { invariant: 18, cluster: cluster.clone(), what });
        }
    }
    let allowed = share.map_or_else(|| fleet_limit(facts, limits.fleet), |share| share.deletes);
    if let Some(&first) = planned.first()
        && all.len() > allowed
    {
        let what = format!("{} deletes in a day for the fleet, and the limit is {allowed}", all.len());
        violations.push(Violation { invariant: 18, cluster: first.clone(), what });
    }
}

fn fleet_limit(facts: &Facts<'_>, declared: Option<Limit>) -> usize {
    // Coarser than the planner's count, which looks at every seal: what is not ours may widen this limit, and never that.
    let points = || {
        let sites = facts.observed.sites.values().filter_map(Listing::complete);
        let is_first = |part: PartName| part.index == 1 && part.role != PartRole::Unfinished;
        let snapshots = sites.flat_map(|site| &site.snapshots);
        snapshots
            .filter(|snapshot| snapshot.tags.find("backstay-part").and_then(|part| part.part()).is_some_and(is_first))
            .count()
    };
    match declared {
        None => (points() / 100).max(10),
        Some(Limit::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count"
        )]
        Some(Limit::Percent(percent)) => (points() as f64 * percent.clamp(0.0, 100.0) / 100.0).floor() as usize,
    }
}
