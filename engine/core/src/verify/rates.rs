//! What a site takes: how often and how many (CLOUDS.md, INVARIANTS.md 26). A create that its site will refuse is no backup.

use super::Violation;
use super::world::Facts;
use crate::capabilities::Rules;
use crate::name::{ClusterUid, DiskId, SiteName};
use crate::observed::{Readiness, SiteInventory};
use crate::plan::{Action, PlannedPart};
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

/// Checks every create of a plan, for a site counts them all.
pub(super) fn check(facts: &Facts<'_>, violations: &mut Vec<Violation>) {
    let mut by_site: BTreeMap<&SiteName, Vec<(&ClusterUid, &PlannedPart)>> = BTreeMap::new();
    for change in &facts.plan.changes {
        if let Action::Create(create) = &change.action {
            let parts = create.parts.iter().map(|part| (&change.cluster, part));
            by_site.entry(&change.site).or_default().extend(parts);
        }
    }
    for (site, parts) in by_site {
        let (Some(inventory), Some(rules)) = (facts.inventory(site), facts.rules(site)) else { continue };
        check_site(inventory, rules, &parts, violations);
        let now = facts.as_of.max(inventory.clock.now);
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

fn check_site(
    inventory: &SiteInventory,
    rules: &Rules,
    parts: &[(&ClusterUid, &PlannedPart)],
    violations: &mut Vec<Violation>,
) {
    let after = inventory.snapshots.len() + inventory.unmanaged.len() + parts.len();
    let Some((cluster, _)) = parts.first() else { return };
    if exceeds(after, rules.snapshots_per_site) {
        let what = format!("the site would have {after} snapshots, and takes fewer");
        violations.push(Violation { invariant: 26, cluster: (*cluster).clone(), what });
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
