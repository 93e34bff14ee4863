//! What a site takes: how often and how many (CLOUDS.md, INVARIANTS.md 26). What its site will refuse is no backup.

use super::Violation;
use super::world::{Context, Facts};
use crate::capabilities::{Allowance, CallClass, Rules};
use crate::name::{DiskId, SiteName};
use crate::observed::{Readiness, SiteInventory};
use crate::plan::{Action, Change};
use crate::snapshots::index;
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is there of one disk, whoever made it.
#[derive(Debug, Clone, Default)]
struct OfDisk {
    created: Vec<Timestamp>,
    pending: usize,
    failed: usize,
}

/// Checks what a plan makes in all, for a site counts it all.
pub(super) fn check(facts: &Facts<'_>, violations: &mut Vec<Violation>) {
    let mut by_site: BTreeMap<&SiteName, Vec<&Change>> = BTreeMap::new();
    for change in &facts.plan.changes {
        match change.action {
            Action::Create(_) | Action::Copy(_) => by_site.entry(&change.site).or_default().push(change),
            Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => {}
        }
    }
    for (site, made) in by_site {
        let (Some(inventory), Some(rules)) = (facts.inventory(site), facts.rules(site)) else { continue };
        check_site(inventory, rules, &made, violations);
    }
}

/// Checks the disks of which a cluster's point is made, whoever made what is there of them.
pub(super) fn check_disks(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let facts = context.facts;
    for change in context.changes() {
        let Action::Create(create) = &change.action else { continue };
        let (Some(inventory), Some(rules)) = (facts.inventory(&change.site), facts.rules(&change.site)) else {
            continue;
        };
        let now = facts.as_of.max(inventory.clock.now);
        for part in &create.parts {
            let mut fail = |what: String| {
                violations.push(context.violation(26, format!("disk {}: {what}", part.disk)));
            };
            check_disk(&of_disk(facts, &change.site, inventory, &part.disk), rules, now, &mut fail);
        }
    }
}

/// What a site may have in all, and how many calls it answers in the hour of a plan.
fn check_site(inventory: &SiteInventory, rules: &Rules, made: &[&Change], violations: &mut Vec<Violation>) {
    let Some(cluster) = made.first().map(|change| &change.cluster) else { return };
    let mut fail = |what: String| violations.push(Violation { invariant: 26, cluster: cluster.clone(), what });
    let mut after = inventory.snapshots.len() + inventory.unmanaged.len();
    let mut calls: BTreeMap<CallClass, usize> = BTreeMap::new();
    for change in made {
        let (class, count, parts) = match &change.action {
            Action::Create(create) if create.atomic_group && create.parts.len() > 1 => {
                (CallClass::CreateGroup, 1, create.parts.len())
            }
            Action::Create(create) => (CallClass::Create, create.parts.len(), create.parts.len()),
            Action::Copy(copy) => (CallClass::Copy, copy.parts.len(), copy.parts.len()),
            Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => continue,
        };
        after += parts;
        *calls.entry(class).or_default() += count;
    }
    if exceeds(after, rules.snapshots_per_site) {
        fail(format!("the site would have {after} snapshots, and takes fewer"));
    }
    for budget in rules.budgets {
        let asked: usize = calls.iter().filter(|(class, _)| budget.calls.contains(class)).map(|(_, count)| count).sum();
        let an_hour = |each: Duration| 3600 / each.as_seconds().max(1);
        let allowed = match budget.allowance {
            Allowance::Bucket { capacity, refill, every } => u64::from(capacity) + u64::from(refill) * an_hour(every),
            Allowance::Window { calls, length } => u64::from(calls) * an_hour(length),
        };
        if u64::try_from(asked).unwrap_or(u64::MAX) > allowed {
            fail(format!("{asked} calls of {} in one plan, and an hour has {allowed}", budget.name));
        }
    }
}

/// What is there of a disk.
fn of_disk(facts: &Facts<'_>, site: &SiteName, inventory: &SiteInventory, disk: &DiskId) -> OfDisk {
    let mut there = OfDisk::default();
    let list = inventory.snapshots.as_slice();
    let places = facts.reading(site).map_or(&[][..], |reading| reading.of_disk(disk, list));
    for snapshot in places.iter().map(|place| &list[index(*place)]) {
        there.created.push(snapshot.created);
        match snapshot.readiness {
            Readiness::Creating | Readiness::CutFixed => there.pending += 1,
            Readiness::Failed { .. } => there.failed += 1,
            Readiness::Ready => {}
        }
    }
    there.created.extend(facts.unmanaged(site, disk));
    there
}

fn check_disk(there: &OfDisk, rules: &Rules, now: Timestamp, fail: &mut impl FnMut(String)) {
    let within = |length: Duration| {
        // What is dated in the future tells nothing of the past.
        let is_within = |created: &&Timestamp| **created <= now && **created > length.before(now);
        there.created.iter().filter(is_within).count()
    };
    let spacing = rules.spacing;
    if within(spacing.interval) > 0 {
        fail(format!("it was snapshotted less than {} ago", spacing.interval));
    }
    if exceeds(within(spacing.window) + 1, Some(spacing.most)) {
        fail(format!("it was snapshotted {} times within {}", spacing.most, spacing.window));
    }
    let pending = there.pending + if rules.failed_is_pending { there.failed } else { 0 };
    if exceeds(pending + 1, rules.pending_per_disk) {
        fail(format!("{pending} snapshots are unfinished"));
    }
    if exceeds(there.created.len() + 1, rules.snapshots_per_disk) {
        fail(format!("it has {} snapshots", there.created.len()));
    }
}

fn exceeds(count: usize, limit: Option<u32>) -> bool {
    limit.is_some_and(|limit| count > usize::try_from(limit).unwrap_or(usize::MAX))
}
