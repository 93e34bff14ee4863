//! What a site takes: how often and how many (CLOUDS.md, INVARIANTS.md 26). What its site will refuse is no backup.

use super::Violation;
use super::world::Facts;
use crate::capabilities::{Allowance, CallClass, Rules};
use crate::name::{ClusterUid, DiskId, SiteName};
use crate::observed::{Readiness, SiteInventory};
use crate::plan::{Action, Change, PlannedPart};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// What is there of one disk, whoever made it.
#[derive(Debug, Clone, Default)]
struct OfDisk {
    created: Vec<Timestamp>,
    pending: usize,
    failed: usize,
}

/// Checks what a plan makes, for a site counts it all.
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
        let now = facts.as_of.max(inventory.clock.now);
        let mut parts = Vec::new();
        for change in made {
            if let Action::Create(create) = &change.action {
                parts.extend(create.parts.iter().map(|part| (&change.cluster, part)));
            }
        }
        let there = of_disks(inventory, &parts);
        for ((cluster, part), of_disk) in parts.iter().zip(&there) {
            let mut fail = |what: String| {
                let what = format!("disk {}: {what}", part.disk);
                violations.push(Violation { invariant: 26, cluster: (*cluster).clone(), what });
            };
            check_disk(of_disk, rules, now, &mut fail);
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

/// What is there of each part's disk.
fn of_disks(inventory: &SiteInventory, parts: &[(&ClusterUid, &PlannedPart)]) -> Vec<OfDisk> {
    let mut there = vec![OfDisk::default(); parts.len()];
    let places: HashMap<&DiskId, usize> = parts.iter().zip(0..).map(|((_, part), place)| (&part.disk, place)).collect();
    for snapshot in &inventory.snapshots {
        let Some(of_disk) = places.get(&snapshot.disk).map(|place| &mut there[*place]) else { continue };
        of_disk.created.push(snapshot.created);
        match snapshot.readiness {
            Readiness::Creating | Readiness::CutFixed => of_disk.pending += 1,
            Readiness::Failed { .. } => of_disk.failed += 1,
            Readiness::Ready => {}
        }
    }
    for snapshot in &inventory.unmanaged {
        if let Some(place) = places.get(&snapshot.disk) {
            there[*place].created.push(snapshot.created);
        }
    }
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
