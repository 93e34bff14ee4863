//! Marks and deletes: INVARIANTS.md 1 to 7, 14 and 18.

use super::reference::{self, Whole};
use super::{Context, Facts, Violation};
use crate::model::Limit;
use crate::name::ClusterUid;
use crate::observed::{Listing, Records, Snapshot};
use crate::plan::{Action, Cause, Change, ExpectedSnapshot, MarkPoint, Plan};
use crate::tombstone::Tombstone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(context: &Context<'_>, changes: &[&Change], violations: &mut Vec<Violation>) {
    // What the policy keeps once the points that are planned and being made are there: marks may follow that, deletes never.
    let mut soon: Vec<Whole> = context.whole.iter().chain(&context.being_made).cloned().collect();
    soon.extend(changes.iter().filter_map(|change| match &change.action {
        Action::Create(create) => Some(reference::hoped(create, context.facts.as_of)),
        Action::Copy(_)
        | Action::Tag(_)
        | Action::Lock(_)
        | Action::Expire(_)
        | Action::Delete(_)
        | Action::Revive(_) => None,
    }));
    let removing: Vec<(&Change, &MarkPoint)> = changes
        .iter()
        .filter_map(|change| match &change.action {
            Action::Expire(mark) | Action::Delete(mark) | Action::Revive(mark) => Some((*change, mark)),
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => None,
        })
        .collect();
    if removing.is_empty() {
        return;
    }
    let whole = &context.whole;
    for (change, mark) in &removing {
        check_targets(context, mark, violations);
        match &change.action {
            Action::Expire(_) => {
                check_policy(context, mark, &soon, violations);
                check_conditions(context, violations);
                if mark.grace < context.policy.retention.grace {
                    violations.push(context.violation(3, format!("the mark of {} shortens the grace", mark.point)));
                }
                let is_left = matches!(change.reason, crate::plan::Reason::Unusable { .. });
                if !is_left && !whole.iter().any(|point| point.point == mark.point.to_string()) {
                    violations
                        .push(context.violation(7, format!("{} is not restorable: it is not retention's", mark.point)));
                }
            }
            Action::Delete(_) => {
                check_policy(context, mark, whole, violations);
                check_conditions(context, violations);
                check_two_phases(context, mark, violations);
            }
            Action::Revive(_) | Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => {}
        }
    }
    let deletes = |change: &Change| matches!(change.action, Action::Delete(_));
    check_floor(context, &removing, deletes, whole, violations);
    if removing.iter().any(|(change, _)| matches!(change.action, Action::Expire(_))) {
        let removes = |change: &Change| matches!(change.action, Action::Delete(_) | Action::Expire(_));
        check_floor(context, &removing, removes, &soon, violations);
    }
}

fn find<'a>(context: &Context<'a>, expected: &ExpectedSnapshot) -> Option<&'a Snapshot> {
    context.snapshots.iter().copied().find(|snapshot| snapshot.id == expected.id)
}

/// 5, 6, 7: what is touched exists, is ours by its seal, is of this point, and all of the point is touched.
fn check_targets(context: &Context<'_>, mark: &MarkPoint, violations: &mut Vec<Violation>) {
    let name = mark.point.to_string();
    if mark.snapshots.is_empty() {
        violations.push(context.violation(6, format!("{name} names no snapshot")));
    }
    for expected in &mark.snapshots {
        let Some(snapshot) = find(context, expected) else {
            violations.push(context.violation(6, format!("snapshot {} is not one of this cluster's", expected.id)));
            continue;
        };
        if snapshot.disk != expected.disk || snapshot.generation() != expected.generation {
            violations.push(context.violation(10, format!("snapshot {} is not as the plan saw it", expected.id)));
        }
        if !context.is_owned(snapshot) {
            violations.push(context.violation(5, format!("snapshot {} has no genuine seal", expected.id)));
        }
        if snapshot.tags.get("backstay-point") != Some(name.as_str()) {
            violations.push(context.violation(6, format!("snapshot {} is not of point {name}", expected.id)));
        }
    }
    let class = mark.snapshots.iter().find_map(|expected| find(context, expected)?.tags.get("backstay-class"));
    for snapshot in context.snapshots {
        let has = |key: &str, value: Option<&str>| snapshot.tags.get(key) == value;
        let is_of_point =
            has("backstay-point", Some(name.as_str())) && has("backstay-class", class) && context.is_owned(snapshot);
        if is_of_point && !mark.snapshots.iter().any(|expected| expected.id == snapshot.id) {
            violations.push(context.violation(8, format!("point {name} is touched without its part {}", snapshot.id)));
        }
    }
}

/// 1: what a policy keeps is never marked or deleted.
fn check_policy(context: &Context<'_>, mark: &MarkPoint, whole: &[Whole], violations: &mut Vec<Violation>) {
    let now = context.facts.as_of;
    let Ok(known) = reference::current_system(context) else { return };
    for point in whole.iter().filter(|p| mark.snapshots.iter().any(|e| p.ids.contains(&e.id.to_string()))) {
        if reference::is_kept(point, whole, &context.policy.retention, known.as_ref(), now) {
            violations.push(context.violation(1, format!("point {} is kept by the policy", point.point)));
        }
    }
    for expected in &mark.snapshots {
        use crate::observed::Readiness;
        match find(context, expected).map(|snapshot| &snapshot.readiness) {
            Some(Readiness::Creating | Readiness::CutFixed) => {
                violations.push(context.violation(7, format!("snapshot {} is still being made", expected.id)));
            }
            Some(Readiness::Ready | Readiness::Failed { .. }) | None => {}
        }
    }
}

/// 4, 14: records known, clocks together, the current system identifier told.
fn check_conditions(context: &Context<'_>, violations: &mut Vec<Violation>) {
    if let Listing::Unknown { .. } = context.facts.observed.records {
        violations.push(context.violation(4, "the state store could not be read"));
    }
    let clock = context.site.clock;
    if !clock.is_virtual && clock.now.duration_since(clock.host).abs() > SignedDuration::from_mins(5) {
        violations.push(context.violation(14, "the site's clock and the host's are more than 5 minutes apart"));
    }
    if let Err(because) = reference::current_system(context) {
        violations.push(context.violation(2, because));
    }
}

fn record<'a>(records: &'a Records, context: &Context<'_>, expected: &ExpectedSnapshot) -> Option<&'a Tombstone> {
    records.tombstones.get(&context.cluster.site)?.get(&expected.id)
}

/// 3: a genuine record and its tag, seen by the sweeper, older than both graces; no hold, no lock.
fn check_two_phases(context: &Context<'_>, mark: &MarkPoint, violations: &mut Vec<Violation>) {
    let Listing::Complete(records) = &context.facts.observed.records else { return };
    for expected in &mark.snapshots {
        let mut fail = |what: &str| {
            violations.push(context.violation(3, format!("snapshot {}: {what}", expected.id)));
        };
        let Some(tombstone) = record(records, context, expected) else {
            fail("it has no tombstone");
            continue;
        };
        let said = &tombstone.content;
        if !tombstone.is_genuine(&context.facts.observed.keyring) {
            fail("its tombstone is forged");
        }
        let is_elsewhere = said.site != context.cluster.site;
        if is_elsewhere
            || said.snapshot != expected.id
            || said.cluster != context.cluster.uid
            || said.point != mark.point
        {
            fail("its tombstone speaks of something else");
        }
        let Some(snapshot) = find(context, expected) else { continue };
        let tag = snapshot.tags.get("backstay-expire").and_then(crate::time::parse_stamp);
        if tag != Some(said.at) {
            fail("its tag does not agree with its tombstone");
        }
        let Some(seen) = records.sightings.get(&tombstone.digest()) else {
            fail("the sweeper has not seen its tombstone");
            continue;
        };
        for grace in [said.grace, context.policy.retention.grace] {
            let over = said.at.max(*seen).checked_add(grace.signed()).unwrap_or(Timestamp::MAX);
            if context.facts.as_of < over {
                fail("its grace is not over");
            }
        }
        if snapshot.locked_until.is_some_and(|until| context.facts.as_of < until) {
            fail("it is locked");
        }
        if snapshot.tags.contains_key("backstay-hold")
            || records.holds.contains(&(context.cluster.uid.clone(), mark.point))
        {
            fail("it is held");
        }
    }
}

/// 2: after every delete the floor stands, and the newest restorable point survives.
fn check_floor(
    context: &Context<'_>,
    removing: &[(&Change, &MarkPoint)],
    removes: fn(&Change) -> bool,
    whole: &[Whole],
    violations: &mut Vec<Violation>,
) {
    let goes = |point: &Whole| {
        removing.iter().any(|(change, mark)| {
            removes(change) && mark.snapshots.iter().any(|expected| point.ids.contains(&expected.id.to_string()))
        })
    };
    if !removing.iter().any(|(change, _)| removes(change)) {
        return;
    }
    let Ok(known) = reference::current_system(context) else { return };
    let counted = reference::counted(whole, context.facts.as_of);
    let system = reference::floor_system(&counted, known.as_ref());
    let floor = usize::try_from(context.policy.retention.minimum_redundancy.max(1)).unwrap_or(usize::MAX);
    let left = counted.iter().filter(|point| point.system == system && !goes(point)).count();
    // Without any whole point there is nothing to protect by counting: only remnants of deletes may go then.
    let touches_whole = counted.iter().any(goes);
    if left < floor && (touches_whole || !counted.is_empty()) {
        violations
            .push(context.violation(2, format!("{left} restorable points would be left, and the floor is {floor}")));
    }
    if reference::newest(&counted).is_some_and(goes) {
        violations.push(context.violation(2, "the newest restorable point would go"));
    }
}

/// 18: deletes that the clock alone had not brought stay within the limits of a day.
pub(super) fn check_blast_radius(facts: &Facts<'_>, plan: &Plan, violations: &mut Vec<Violation>) {
    let Listing::Complete(records) = &facts.observed.records else { return };
    let day_ago = facts.as_of.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
    let mut subjects: Vec<_> = records
        .recent_deletes
        .iter()
        .filter(|delete| delete.at > day_ago && delete.cause != Cause::Due)
        .map(|delete| delete.cluster.clone())
        .collect();
    let before = subjects.len();
    for change in &plan.changes {
        let Action::Delete(mark) = &change.action else { continue };
        let was_marked_by_a_person = mark.snapshots.iter().any(|expected| {
            let tombstone = records.tombstones.get(&change.site).and_then(|at_site| at_site.get(&expected.id));
            tombstone.is_some_and(|tombstone| tombstone.content.cause != Cause::Due)
        });
        if was_marked_by_a_person || change.cause != Cause::Due {
            subjects.push(change.cluster.clone());
        }
    }
    if subjects.len() == before {
        return;
    }
    let limits = facts.desired.fleet.limits;
    let mut of_cluster: BTreeMap<&ClusterUid, usize> = BTreeMap::new();
    for subject in &subjects {
        *of_cluster.entry(subject).or_default() += 1;
    }
    for cluster in &subjects[before..] {
        let own = of_cluster.get(cluster).copied().unwrap_or(0);
        if own > usize::try_from(limits.cluster).unwrap_or(usize::MAX) {
            let what = format!("{own} deletes in a day for one cluster");
            violations.push(Violation { invariant: 18, cluster: cluster.clone(), what });
        }
    }
    let allowed = fleet_limit(facts, limits.fleet);
    if subjects.len() > allowed {
        let what = format!("{} deletes in a day for the fleet, and the limit is {allowed}", subjects.len());
        violations.push(Violation { invariant: 18, cluster: subjects[before].clone(), what });
    }
}

fn fleet_limit(facts: &Facts<'_>, declared: Option<Limit>) -> usize {
    // Coarser than the planner's count, which looks at every seal: what is not ours may widen this limit, and never that.
    let mut points = BTreeSet::new();
    for ((site, uid), snapshots) in &facts.claimed {
        let named = |s: &&'_ Snapshot| {
            Some((s.tags.get("backstay-point")?.to_owned(), s.tags.get("backstay-class")?.to_owned()))
        };
        points.extend(snapshots.iter().filter_map(named).map(|name| (*site, *uid, name)));
    }
    match declared {
        None => (points.len() / 100).max(10),
        Some(Limit::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count"
        )]
        Some(Limit::Percent(percent)) => (points.len() as f64 * percent.clamp(0.0, 100.0) / 100.0).floor() as usize,
    }
}
