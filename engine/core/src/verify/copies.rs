//! Copies: a point's sealed facts, at a site of its policy, by that site's queue (INVARIANTS.md 5 to 10, 26).

use super::Violation;
use super::points::{Attempt, Seen, State, Tagged, Whole};
use super::reference::{self, Kept};
use super::removals::check_target;
use super::world::{Context, Facts, Place};
use crate::capabilities::{Copies, Iaas};
use crate::model::CopyPolicy;
use crate::name::{ClusterUid, DiskId, SiteName};
use crate::observed::{Readiness, SiteInventory, Snapshot};
use crate::plan::{Action, CopyPoint, PlannedCopy};
use crate::seal::Keyring;
use crate::tags::{Intent, PointClass};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let mut planned = BTreeSet::new();
    let mut wanted: BTreeMap<&SiteName, Kept> = BTreeMap::new();
    for change in context.changes() {
        let Action::Copy(copy) = &change.action else { continue };
        // Others are told already: `check_places`.
        let target = context.copies().find(|policy| policy.site == change.site);
        let (Some(target), Some(there)) = (target, context.place(&change.site)) else {
            if context.is_placed_at_creation() {
                violations.push(context.violation(26, format!("site {} makes no copies", change.site)));
            }
            continue;
        };
        if context.cluster.is_retired {
            violations.push(context.violation(16, "it is retired: nothing more is copied"));
        }
        if !planned.insert((&change.site, copy.point, copy.class)) {
            violations.push(context.violation(8, format!("{} is copied twice", copy.point)));
        }
        check_way(context, copy, target, violations);
        check_target_place(context, copy, there, violations);
        let Some(source) = check_source(context, copy, target, violations) else { continue };
        let wanted = wanted.entry(&target.site).or_insert_with(|| context.wanted_at(target));
        if !wanted.has(source) {
            violations.push(context.violation(1, format!("{} is not kept at {}", copy.point, target.site)));
        }
        check_order(context, copy, there, wanted, violations);
    }
}

/// The provider can copy from there to here.
fn check_way(context: &Context<'_>, copy: &CopyPoint, target: &CopyPolicy, violations: &mut Vec<Violation>) {
    let sites = &context.facts.desired.sites;
    let (from, to) = (sites.get(&copy.from), sites.get(&target.site));
    let is_way = from.zip(to).is_some_and(|(from, to)| {
        let is_queued = matches!(Iaas::of(to).rules().copies, Copies::Queued { .. });
        from.kind() == to.kind() && Iaas::of(from) == Iaas::of(to) && copy.from != target.site && is_queued
    });
    if !is_way {
        let what = format!("nothing can be copied from {} to {}", copy.from, target.site);
        violations.push(context.violation(26, what));
    }
    if copy.kms_key != target.kms_key {
        violations.push(context.violation(8, "the policy asks for another key"));
    }
}

/// The point that is copied: whole and ready where it is copied from, and the plan says of it what is sealed.
fn check_source<'c>(
    context: &'c Context<'_>,
    copy: &CopyPoint,
    target: &CopyPolicy,
    violations: &mut Vec<Violation>,
) -> Option<&'c Whole<'c>> {
    let Some(from) = context.place(&copy.from) else {
        let what = format!("{} is none of its places, or was not read to its end", copy.from);
        violations.push(context.violation(4, what));
        return None;
    };
    let name = copy.point;
    for part in &copy.parts {
        check_target(context, from, &part.source, name, violations);
        let intent = Intent::of_copy(&context.cluster.uid, copy.class, copy.point, &part.source.id, &target.site);
        if part.intent != intent {
            violations.push(context.violation(9, format!("the intent of {} is not that of its source", part.name)));
        }
    }
    let attempt = from.attempt(copy.point, copy.class);
    let Some((attempt, point)) = attempt.and_then(|attempt| Some((attempt, attempt.whole()?))) else {
        violations.push(context.violation(7, format!("{name} cannot be restored from {}", copy.from)));
        return None;
    };
    if (copy.cut, copy.system, copy.wal) != (point.cut, point.system, point.wal) {
        violations.push(context.violation(10, format!("other facts of {name} are sealed")));
    }
    if !has_all_parts(copy, attempt, point) {
        violations.push(context.violation(8, format!("{name} is not copied part by part")));
    }
    Some(point)
}

fn has_all_parts(copy: &CopyPoint, attempt: &Attempt<'_>, point: &Whole<'_>) -> bool {
    let is_of = |part: &PlannedCopy| {
        let source = attempt.snapshots().find(|seen| seen.snapshot.id == part.source.id);
        source.is_some_and(|seen| seen.name() == Some(&part.name))
    };
    copy.parts.iter().map(|part| &part.name).eq(point.parts()) && copy.parts.iter().all(is_of)
}

/// Nothing of the point is there but what an earlier call for the same parts left.
fn check_target_place(context: &Context<'_>, copy: &CopyPoint, there: &Place<'_>, violations: &mut Vec<Violation>) {
    let Some(attempt) = there.attempt(copy.point, copy.class) else { return };
    match attempt.state {
        State::Whole => violations.push(context.violation(8, format!("{} is there already", copy.point))),
        State::BeingMade => violations.push(context.violation(8, format!("{} is on its way already", copy.point))),
        State::Unusable => {
            let is_own = |seen: Seen<'_>| copy.parts.iter().any(|part| seen.intent() == Some(&part.intent.0));
            if !attempt.snapshots().all(is_own) {
                violations.push(context.violation(8, format!("something else of {} is there", copy.point)));
            }
        }
    }
}

/// Where a disk's copies keep their order: nothing older of the disk is still missing.
fn check_order(
    context: &Context<'_>,
    copy: &CopyPoint,
    there: &Place<'_>,
    wanted: &Kept,
    violations: &mut Vec<Violation>,
) {
    if !is_in_order(context.facts, there.site) {
        return;
    }
    let disks: BTreeSet<&DiskId> = copy.parts.iter().map(|part| &part.source.disk).collect();
    let is_missing = |point: &Whole<'_>| {
        let mut known = there.whole().chain(there.being_made());
        // What is kept only because nobody judges it, or by a hold alone, is not copied: it holds up nothing.
        let is_copied = !point.held && reference::is_judged(point, context.facts.as_of);
        is_copied && wanted.has(point) && !known.any(|p| p.is_same(point))
    };
    for from in context.places.iter().filter(|place| place.site != there.site) {
        for attempt in from.attempts.iter().filter(|attempt| attempt.state == State::Whole) {
            let Some(point) = &attempt.facts else { continue };
            let shares_a_disk = attempt.snapshots().any(|seen| disks.contains(&seen.snapshot.disk));
            if shares_a_disk && point.cut < copy.cut && is_missing(point) {
                violations.push(context.violation(26, format!("{} must be copied before {}", point.key, copy.point)));
            }
        }
    }
}

fn is_in_order(facts: &Facts<'_>, site: &SiteName) -> bool {
    facts.rules(site).is_some_and(|rules| matches!(rules.copies, Copies::Queued { in_order: true, .. }))
}

/// What a receiving site takes at a time, over the whole fleet.
pub(super) fn check_queues(facts: &Facts<'_>, violations: &mut Vec<Violation>) {
    let mut planned: BTreeMap<&SiteName, Vec<(&ClusterUid, &PlannedCopy)>> = BTreeMap::new();
    for change in &facts.plan.changes {
        if let Action::Copy(copy) = &change.action {
            planned.entry(&change.site).or_default().extend(copy.parts.iter().map(|part| (&change.cluster, part)));
        }
    }
    for (site, parts) in planned {
        let (Some(inventory), Some(rules)) = (facts.inventory(site), facts.rules(site)) else { continue };
        let Copies::Queued { parallel, in_order } = rules.copies else { continue };
        let on_their_way: Vec<&Snapshot> = {
            let keyring = &facts.observed.keyring;
            inventory.snapshots.iter().filter(|s| is_copy_on_its_way(s, inventory, keyring)).collect()
        };
        let is_found = |part: &PlannedCopy| {
            on_their_way.iter().any(|snapshot| snapshot.tags.get("backstay-intent") == Some(&part.intent.0))
        };
        // A call that finds an earlier one's copy begins no other.
        let new: Vec<_> = parts.iter().filter(|(_, part)| !is_found(part)).collect();
        let mut fail = |cluster: &ClusterUid, what: String| {
            violations.push(Violation { invariant: 26, cluster: cluster.clone(), what });
        };
        let count = on_their_way.len() + new.len();
        if let Some((cluster, _)) = new.last()
            && count > usize::try_from(parallel).unwrap_or(usize::MAX)
        {
            fail(cluster, format!("{count} copies at a time to {site}, which takes {parallel}"));
        }
        let mut busy: BTreeSet<&DiskId> = on_their_way.iter().map(|snapshot| &snapshot.disk).collect();
        for (cluster, part) in new {
            if in_order && !busy.insert(&part.source.disk) {
                fail(cluster, format!("more than one copy of disk {} at a time to {site}", part.source.disk));
            }
        }
    }
}

/// Whether a snapshot is a copy of ours that its provider is not done with: it carries another intent than that to cut its disk.
fn is_copy_on_its_way(snapshot: &Snapshot, inventory: &SiteInventory, keyring: &Keyring) -> bool {
    match snapshot.readiness {
        Readiness::Creating | Readiness::CutFixed => {}
        Readiness::Ready | Readiness::Failed { .. } => return false,
    }
    let seen = Tagged::of(snapshot, inventory, keyring);
    let cut = || {
        let uid = ClusterUid::new(snapshot.tags.get("backstay-cluster")?).ok()?;
        Some(Intent::of(&uid, PointClass::parse(seen.class?)?, seen.point?.parse().ok()?, &snapshot.disk))
    };
    !seen.is_stranger() && seen.intent.is_some_and(|intent| cut().is_none_or(|cut| cut.0 != intent))
}
