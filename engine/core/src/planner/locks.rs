//! The provider's own refusal to delete: for what a place keeps, until the policy's time after the cut.

use super::cluster::Outcome;
use super::places::{Kind, Place, Seen};
use super::tombstones::{self, Mark};
use super::view::{self, Fates, View, expected_part};
use crate::model::LockPolicy;
use crate::name::SnapshotId;
use crate::plan::{Action, LockPoint, Reason};
use crate::point::RecoveryPoint;
use crate::retention::KeepReason;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Plans the locks that are missing, at home and at copy sites, of what these keep. Where the cluster lived before, no new ones
/// are set: what is there is to drain. A retired cluster's points have no rule that keeps them, so none is locked.
pub(super) fn plan(view: &View<'_>, kept: &Fates<'_>, outcome: &mut Outcome) {
    let Some(lock) = view.subject.policy.lock else { return };
    for (place, seen) in view.places.known() {
        let is_wanted = matches!(place.kind, Kind::Home | Kind::Copy(_));
        let is_honoured = place.rules.lock.is_some_and(|rules| rules.modes.contains(&lock.mode));
        if is_wanted && is_honoured {
            at_place(view, place, seen, lock, kept, outcome);
        }
    }
}

fn at_place(
    view: &View<'_>,
    place: &Place<'_>,
    seen: Seen<'_>,
    lock: LockPolicy,
    kept: &Fates<'_>,
    outcome: &mut Outcome,
) {
    // What goes, or is taken back by this very plan, is not locked by it.
    let touched: BTreeSet<SnapshotId> = outcome
        .changes
        .iter()
        .filter(|change| change.site == *place.name)
        .filter_map(|change| match &change.action {
            Action::Expire(mark) | Action::Delete(mark) | Action::Revive(mark) => Some(&mark.snapshots),
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => None,
        })
        .flat_map(|snapshots| snapshots.iter().map(|expected| expected.id.clone()))
        .collect();
    let is_touched = |point: &RecoveryPoint<'_>| point.parts.iter().any(|part| touched.contains(part.snapshot.id()));
    let cluster = view.subject.cluster;
    for point in seen.points().iter().filter(|point| point.is_restorable() && lacks(point, lock, view.as_of)) {
        let reasons = kept.reasons(place, view::id(point));
        let is_kept = !reasons.is_empty() && !reasons.iter().any(|reason| is_not_for_locks(*reason));
        let mark = tombstones::of(point, &cluster.uid, seen);
        if !is_kept || is_touched(point) || !matches!(mark, Mark::None) {
            continue;
        }
        let lock_point = LockPoint {
            point: point.key,
            class: point.class,
            cut: point.cut,
            mode: lock.mode,
            until: lock.period.after(point.cut),
            snapshots: point.parts.iter().map(expected_part).collect(),
        };
        let reason = Reason::LockMissing { period: lock.period };
        outcome.change_at(cluster, place.name, Action::Lock(lock_point), reason);
    }
}

/// Whether a lock is still to come, and one of its snapshots is locked for less. Providers may round up; a part that is locked
/// for longer than asked leaves its point alone, since a lock is set for all parts alike, and never made shorter.
fn lacks(point: &RecoveryPoint<'_>, lock: LockPolicy, as_of: Timestamp) -> bool {
    let until = lock.period.after(point.cut);
    let locked = || point.parts.iter().map(|part| part.snapshot.snapshot().locked_until);
    let is_short = locked().any(|locked| locked.is_none_or(|locked| locked < until));
    until > as_of && is_short && locked().flatten().all(|locked| locked <= until)
}

/// What is kept because nobody judges it, or because its date is wrong: a lock would make that last.
fn is_not_for_locks(reason: KeepReason) -> bool {
    match reason {
        KeepReason::Class | KeepReason::Future => true,
        KeepReason::Hold
        | KeepReason::Window
        | KeepReason::WindowBase
        | KeepReason::Last
        | KeepReason::Hourly
        | KeepReason::Daily
        | KeepReason::Weekly
        | KeepReason::Monthly
        | KeepReason::Yearly
        | KeepReason::Redundancy
        | KeepReason::OnDemand => false,
    }
}
