//! The provider's own refusal to delete: for what a place keeps, until the policy's time after the cut.

use super::changes::{change_at, expected};
use super::cluster::Outcome;
use super::places::{Kind, Place, Places, Seen};
use super::removals::judge_at;
use super::tombstones::{self, Mark};
use super::{Subject, World, safety};
use crate::model::LockPolicy;
use crate::plan::{Action, LockPoint, Reason};
use crate::point::RecoveryPoint;
use crate::retention::{CurrentSystem, KeepReason, Verdict};
use crate::tags::{PointClass, PointKey};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Plans the locks that are missing, at home and at copy sites. Where the cluster lived before, no new ones are set: what is
/// there is to drain.
pub(super) fn plan(
    subject: &Subject<'_>,
    world: &World<'_>,
    places: &Places<'_>,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let Some(lock) = subject.policy.lock else { return };
    let known =
        places.home().map_err(str::to_owned).and_then(|home| safety::current_system(subject.cluster, home.site));
    // What is not known only ever locks less: nothing of another system identifier is kept by the floor alone.
    let current = known.unwrap_or(CurrentSystem::NewestPoints);
    for place in &places.all {
        let is_wanted = matches!(place.kind, Kind::Home | Kind::Copy(_));
        let is_honoured = place.rules.lock.is_some_and(|rules| rules.modes.contains(&lock.mode));
        if let (true, true, Ok(seen)) = (is_wanted, is_honoured, place.seen) {
            at_place(subject, world, place, seen, lock, current, as_of, outcome);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one place of one cluster, as it was seen")]
fn at_place(
    subject: &Subject<'_>,
    world: &World<'_>,
    place: &Place<'_>,
    seen: Seen<'_>,
    lock: LockPolicy,
    current: CurrentSystem,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let lacking: Vec<&RecoveryPoint<'_>> =
        seen.points().iter().filter(|point| point.is_restorable() && lacks(point, lock, as_of)).collect();
    if lacking.is_empty() {
        return;
    }
    let judgements = judge_at(subject, world, place.retention, seen.points(), current, as_of);
    let kept: BTreeSet<(PointKey, PointClass)> = judgements
        .iter()
        .filter(|judgement| match &judgement.verdict {
            Verdict::Keep(reasons) => !reasons.as_slice().iter().any(|reason| is_not_for_locks(*reason)),
            Verdict::Expire => false,
        })
        .map(|judgement| (judgement.point.key, judgement.point.class))
        .collect();
    // What goes, or is taken back by this very plan, is not locked by it.
    let touched: BTreeSet<PointKey> = outcome
        .changes
        .iter()
        .filter(|change| change.site == *place.name)
        .filter_map(|change| match &change.action {
            Action::Expire(mark) | Action::Delete(mark) | Action::Revive(mark) => Some(mark.point),
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => None,
        })
        .collect();
    for point in lacking {
        let mark = tombstones::of(point, subject.cluster, place.name, world.records(), &world.observed.keyring);
        let is_marked = !matches!(mark, Mark::None);
        if is_marked || touched.contains(&point.key) || !kept.contains(&(point.key, point.class)) {
            continue;
        }
        let lock_point = LockPoint {
            point: point.key,
            class: point.class,
            cut: point.cut,
            mode: lock.mode,
            until: lock.period.after(point.cut),
            snapshots: point.parts.iter().map(|part| expected(part.snapshot.snapshot())).collect(),
        };
        let reason = Reason::LockMissing { period: lock.period };
        change_at(outcome, subject, place.name, Action::Lock(lock_point), reason);
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
