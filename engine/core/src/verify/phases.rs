//! The two phases of a delete (INVARIANTS.md 3).

use super::Violation;
use super::world::{Context, Place};
use crate::observed::Listing;
use crate::plan::MarkPoint;
use jiff::Timestamp;

/// Whether a hold is on a point: its record or a tag says so, of whichever snapshot of it at any place.
pub(super) fn is_held(context: &Context<'_>, place: &Place<'_>, mark: &MarkPoint) -> bool {
    let records = context.facts.observed.records.complete();
    let is_recorded = records.is_some_and(|records| records.holds.contains(&(context.cluster.uid.clone(), mark.point)));
    let class = mark.snapshots.iter().find_map(|expected| Some(place.find(&expected.id)?.0.class));
    let attempts = context.places.iter().flat_map(|place| &place.attempts);
    let mut of_point = attempts.filter(|attempt| attempt.key == mark.point && Some(attempt.class) == class);
    is_recorded || of_point.any(|attempt| attempt.snapshots().any(|seen| seen.is_held()))
}

/// 3: a genuine record and its tag, seen by the sweeper, older than both graces; no hold, no lock.
pub(super) fn check(context: &Context<'_>, place: &Place<'_>, mark: &MarkPoint, violations: &mut Vec<Violation>) {
    let Listing::Complete(records) = &context.facts.observed.records else { return };
    let held = is_held(context, place, mark);
    let recorded = records.tombstones.marks_at(place.site, &context.facts.observed.keyring);
    for expected in &mark.snapshots {
        let mut fail = |what: &str| {
            violations.push(context.violation(3, format!("snapshot {}: {what}", expected.id)));
        };
        let Some(tombstone) = recorded.and_then(|recorded| recorded.record(&expected.id)) else {
            fail("it has no tombstone");
            continue;
        };
        let said = &tombstone.content;
        if !tombstone.is_genuine(&context.facts.observed.keyring) {
            fail("its tombstone is forged");
        }
        let is_elsewhere = said.site != *place.site;
        if is_elsewhere
            || said.snapshot != expected.id
            || said.cluster != context.cluster.uid
            || said.point != mark.point
        {
            fail("its tombstone speaks of something else");
        }
        let Some((_, seen)) = place.find(&expected.id) else { continue };
        if seen.marked() != Some(said.at) {
            fail("its tag does not agree with its tombstone");
        }
        let Some(sighted) = records.sightings.seen().of(&tombstone.digest()) else {
            fail("the sweeper has not seen its tombstone");
            continue;
        };
        for grace in [said.grace, context.retention(place).grace] {
            let over = said.at.max(sighted).checked_add(grace.signed()).unwrap_or(Timestamp::MAX);
            if context.facts.as_of < over {
                fail("its grace is not over");
            }
        }
        if seen.snapshot.locked_until.is_some_and(|until| context.facts.as_of < until) {
            fail("it is locked");
        }
        if held {
            fail("it is held");
        }
    }
}
