//! What retention lets go: first marked, then, much later, deleted.

use super::cluster::Outcome;
use super::tombstones::{self, Mark, Ripeness};
use super::{Site, Subject, World, safety};
use crate::observed::Readiness;
use crate::plan::{Action, ExpectedSnapshot, MarkPoint, Reason, WaitingFor};
use crate::point::{PointState, RecoveryPoint};
use crate::retention::{self, Candidate, CurrentSystem, Judgement, Verdict};
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

pub(super) fn plan(
    subject: &Subject<'_>,
    world: &World<'_>,
    site: &Site<'_>,
    points: &[RecoveryPoint<'_>],
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let Subject { cluster, policy, .. } = *subject;
    let records = world.records();
    let known = safety::current_system(cluster, site);
    let current = known.as_ref().copied().unwrap_or(CurrentSystem::NewestPoints);
    let rules = retention::rules(&policy.retention);
    let judgements = judge(subject, world, points, current, as_of);
    let soon = judge_soon(subject, world, points, current, as_of, outcome);
    let verdicts_soon: BTreeMap<(PointKey, PointClass), &Verdict> =
        soon.iter().map(|judgement| ((judgement.point.key, judgement.point.class), &judgement.verdict)).collect();
    let unsafe_now = safety::obstacle(world, site.inventory).or_else(|| known.err());
    let floor = |judgements: &[Judgement]| safety::count_floor(judgements, &policy.retention);
    let no_marks = unsafe_now.clone().or_else(|| floor(if soon.is_empty() { &judgements } else { &soon }));
    let no_deletes = unsafe_now.or_else(|| floor(&judgements));
    let mut blocked = None;
    for judgement in &judgements {
        let Some(point) = points.iter().find(|p| p.key == judgement.point.key && p.class == judgement.point.class)
        else {
            continue;
        };
        let mark = tombstones::of(point, cluster, records, &world.observed.keyring);
        let verdict_soon = verdicts_soon.get(&(point.key, point.class)).copied().unwrap_or(&judgement.verdict);
        let obstacle = match (verdict_soon, &judgement.verdict, &mark) {
            (Verdict::Keep(_), _, Mark::None) => continue,
            // Taking a mark back only ever keeps more: it needs no further safety.
            (Verdict::Keep(_), _, Mark::Partial | Mark::Full(_)) => {
                let revive = Action::Revive(mark_point(point, Duration::ZERO));
                outcome.change(cluster, revive, Reason::KeptAgain);
                continue;
            }
            // It is let go once the point that is being made is restorable. Until then it may be marked, never deleted.
            (Verdict::Expire, Verdict::Keep(_), Mark::Full(_)) => continue,
            (Verdict::Expire, _, Mark::None | Mark::Partial) => &no_marks,
            (Verdict::Expire, Verdict::Expire, Mark::Full(_)) => &no_deletes,
        };
        match obstacle {
            None => remove(subject, point, &mark, &rules, as_of, outcome),
            Some(because) => blocked = Some(because),
        }
    }
    // A delete that a crash cut short leaves a point without all its parts: what is left of it is marked, and goes.
    for point in points.iter().filter(|point| is_remnant(point) && !is_held(subject, world, point)) {
        let mark = tombstones::of(point, cluster, records, &world.observed.keyring);
        match (&mark, &no_deletes) {
            (Mark::Full(_), None) => remove(subject, point, &mark, &rules, as_of, outcome),
            (Mark::Full(_), Some(because)) => blocked = Some(because),
            (Mark::None | Mark::Partial, _) => {}
        }
    }
    if let Some(because) = blocked {
        outcome.wait(cluster, None, WaitingFor::NotSafe { because: because.clone() });
    }
}

/// What retention will say once the points that are planned or being made are restorable; nothing if there are none.
///
/// Marks follow it, so that a plan that was applied leaves nothing to be marked (INVARIANTS.md 12). Deletes never do.
fn judge_soon(
    subject: &Subject<'_>,
    world: &World<'_>,
    points: &[RecoveryPoint<'_>],
    current: CurrentSystem,
    as_of: Timestamp,
    outcome: &Outcome,
) -> Vec<Judgement> {
    let planned = outcome.changes.iter().filter_map(|change| match &change.action {
        Action::Create(create) => Some(Candidate {
            key: create.point,
            class: create.class,
            cut: as_of,
            created: as_of,
            system: create.system,
            is_held: false,
        }),
        Action::Copy(_)
        | Action::Tag(_)
        | Action::Lock(_)
        | Action::Expire(_)
        | Action::Revive(_)
        | Action::Delete(_) => None,
    });
    let being_made = points.iter().filter(|point| point.state == PointState::InProgress);
    let mut hoped: Vec<Candidate> = planned.chain(being_made.map(|point| candidate(subject, world, point))).collect();
    if hoped.is_empty() {
        return Vec::new();
    }
    hoped.extend(points.iter().filter(|point| point.is_restorable()).map(|point| candidate(subject, world, point)));
    retention::judge(hoped, &subject.policy.retention, current, as_of)
}

/// Judges a cluster's restorable points.
pub(super) fn judge(
    subject: &Subject<'_>,
    world: &World<'_>,
    points: &[RecoveryPoint<'_>],
    current: CurrentSystem,
    as_of: Timestamp,
) -> Vec<Judgement> {
    let restorable = points.iter().filter(|point| point.is_restorable());
    let candidates = restorable.map(|point| candidate(subject, world, point));
    retention::judge(candidates, &subject.policy.retention, current, as_of)
}

fn candidate(subject: &Subject<'_>, world: &World<'_>, point: &RecoveryPoint<'_>) -> Candidate {
    Candidate::of(point, is_held(subject, world, point))
}

/// A hold counts if record or tag says so.
fn is_held(subject: &Subject<'_>, world: &World<'_>, point: &RecoveryPoint<'_>) -> bool {
    world.records().holds.contains(&(subject.cluster.uid.clone(), point.key))
        || point.parts.iter().any(|part| part.snapshot.snapshot().tags.contains_key(crate::tags::HOLD))
}

/// What is left of a point that was whole once: parts of it are gone, and none is still being made.
fn is_remnant(point: &RecoveryPoint<'_>) -> bool {
    let is_being_made = point.parts.iter().any(|part| match part.snapshot.snapshot().readiness {
        Readiness::Creating | Readiness::CutFixed => true,
        Readiness::Ready | Readiness::Failed { .. } => false,
    });
    let is_incomplete = matches!(point.state, PointState::Incomplete { .. });
    is_incomplete && point.unsealed.is_empty() && !point.parts.is_empty() && !is_being_made
}

/// Marks a point that no rule keeps, or deletes it once its mark is ripe.
fn remove(
    subject: &Subject<'_>,
    point: &RecoveryPoint<'_>,
    mark: &Mark,
    rules: &str,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let Subject { cluster, policy, .. } = *subject;
    let grace = policy.retention.grace;
    let full = match mark {
        Mark::None | Mark::Partial => {
            let reason = Reason::Beyond { rules: rules.to_owned() };
            outcome.change(cluster, Action::Expire(mark_point(point, grace)), reason);
            return;
        }
        Mark::Full(full) => full,
    };
    let wait = match full.ripeness(point, grace, as_of) {
        Ripeness::Unseen => WaitingFor::Sighting,
        Ripeness::Grace { until } => WaitingFor::Grace { until },
        Ripeness::Locked { until } => WaitingFor::Lock { until },
        Ripeness::Ripe => {
            let ago = Duration::between(full.at, as_of);
            let reason = Reason::GraceOver { rules: rules.to_owned(), marked: full.at, ago };
            outcome.change(cluster, Action::Delete(mark_point(point, full.grace.max(grace))), reason);
            if let Some(change) = outcome.changes.last_mut() {
                change.cause = full.cause;
            }
            return;
        }
    };
    outcome.wait(cluster, Some(point.key), wait);
}

fn mark_point(point: &RecoveryPoint<'_>, grace: Duration) -> MarkPoint {
    let snapshots = point
        .parts
        .iter()
        .map(|part| part.snapshot.snapshot())
        .map(|snapshot| ExpectedSnapshot {
            id: snapshot.id.clone(),
            disk: snapshot.disk.clone(),
            generation: snapshot.generation(),
        })
        .collect();
    MarkPoint { point: point.key, cut: point.cut, grace, snapshots }
}
