//! Locks: only what the policy locks, for as long as it says, and never what must go (INVARIANTS.md 1, docs/decisions/0006).

use super::Violation;
use super::points::Attempt;
use super::removals::check_target;
use super::world::{Context, Place};
use crate::name::SnapshotId;
use crate::observed::Listing;
use crate::plan::{Action, LockPoint};

pub(super) fn check(context: &Context<'_>, violations: &mut Vec<Violation>) {
    for change in context.changes() {
        if let Action::Lock(lock) = &change.action
            && let Some(place) = context.place(&change.site)
        {
            check_policy(context, lock, violations);
            check_site(context, place, lock, violations);
            check_point(context, place, lock, violations);
            check_marks(context, place, lock, violations);
        }
    }
}

fn check_policy(context: &Context<'_>, lock: &LockPoint, violations: &mut Vec<Violation>) {
    let point = lock.point;
    let Some(wanted) = context.policy.lock.filter(|wanted| wanted.mode == lock.mode) else {
        violations.push(context.violation(1, format!("the policy does not lock {point} by {}", lock.mode)));
        return;
    };
    if lock.until != wanted.period.after(lock.cut) {
        violations.push(context.violation(1, format!("the policy locks {point} for {} after its cut", wanted.period)));
    }
    if lock.until <= context.facts.as_of {
        violations.push(context.violation(1, format!("the lock of {point} would be over already")));
    }
}

fn check_site(context: &Context<'_>, place: &Place<'_>, lock: &LockPoint, violations: &mut Vec<Violation>) {
    let rules = context.facts.rules(place.site).and_then(|rules| rules.lock);
    let is_able = rules.is_some_and(|rules| {
        let length = lock.until.duration_since(context.facts.as_of);
        rules.modes.contains(&lock.mode) && length <= rules.longest.signed()
    });
    if !is_able {
        let what = format!("site {} has no {} lock until {}", place.site, lock.mode, lock.until);
        violations.push(context.violation(26, what));
    }
}

/// A whole point that its place's retention keeps: a lock on a double, or on what retention lets go, would keep what must go.
fn check_point<'a>(context: &Context<'a>, place: &Place<'a>, lock: &LockPoint, violations: &mut Vec<Violation>) {
    let name = lock.point;
    for expected in &lock.snapshots {
        check_target(context, place, expected, name, violations);
        let until = place.find(&expected.id).and_then(|(_, seen)| seen.snapshot.locked_until);
        if until.is_some_and(|until| until > lock.until) {
            violations.push(context.violation(1, format!("the lock of {} would become shorter", expected.id)));
        }
    }
    let Some(point) = place.attempt(lock.point, lock.class).and_then(Attempt::whole) else {
        violations.push(context.violation(7, format!("{name} cannot be restored from {}", place.site)));
        return;
    };
    if point.cut != lock.cut {
        violations.push(context.violation(10, format!("{name} has another cut")));
    }
    let is_named = |id: &SnapshotId| lock.snapshots.iter().filter(|expected| expected.id == *id).count() == 1;
    if lock.snapshots.len() != point.ids().len() || !point.ids().all(is_named) {
        violations.push(context.violation(8, format!("{name} is not locked part by part")));
    }
    if !context.kept_at(place, false).has(point) {
        violations.push(context.violation(1, format!("{name} is not kept at {}", place.site)));
    }
}

/// What is marked is on its way out: by its tag or its record.
fn check_marks(context: &Context<'_>, place: &Place<'_>, lock: &LockPoint, violations: &mut Vec<Violation>) {
    let tombstones = match &context.facts.observed.records {
        Listing::Complete(records) => records.tombstones.get(place.site),
        Listing::Unknown { .. } => None,
    };
    for expected in &lock.snapshots {
        let has_tag = place.find(&expected.id).is_some_and(|(_, seen)| seen.is_marked());
        if has_tag || tombstones.is_some_and(|tombstones| tombstones.contains_key(&expected.id)) {
            violations.push(context.violation(3, format!("snapshot {} is marked", expected.id)));
        }
    }
}
