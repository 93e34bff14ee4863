//! What whole lives (tests/simulation) found, each reduced to the smallest world that shows it.

use crate::support::lab::{Lab, Point, disk, time, uid};
use backstay_core::name::SiteName;
use backstay_core::observed::{DiskRole, Readiness};
use backstay_core::tags;
use insta::assert_snapshot;

/// The planner looked for them on the shelf of the disk's own cluster, and its plan was thrown away.
#[test]
fn a_pending_snapshot_that_says_it_is_of_another_cluster_counts_for_its_disk() {
    let policy = "schedule: { every: 8h, spread: 0s }\nsource: primary\nretention: { keep: { last: 3 } }";
    let mut lab = Lab::of(policy, &["orders-db", "wiki"]).with_profile("alibaba").at(time("2026-11-23T08:00Z"));
    lab.put(&Point { readiness: Readiness::CutFixed, unsealed: true, ..Point::at(time("2026-11-23T00:00Z")) });
    // Somebody names the other cluster on a snapshot of this one's disk, whichever of its disks is the source.
    let pending = lab.snapshots()[0].clone();
    for node in 0..2 {
        let mut other = pending.clone();
        other.id = format!("snap-other-{node}").parse().unwrap();
        other.disk = disk("orders-db", node, &DiskRole::Data);
        other.tags.insert(tags::CLUSTER, uid("wiki").to_string());
        lab.snapshots().push(other);
    }
    lab.snapshots().remove(0);
    assert_snapshot!(lab.plan_text(), @"
    + wiki 2026-11-23T08:00Z due: no restorable point yet
    ? orders-db 2026-11-23T08:00Z: a snapshot of vol-orders-db-0-data must be ready first
    ");
}

/// The second opinion took a copy for as young as its creation, and wanted ever older points as the base of the window: plans
/// of copies in order, and of deletes at home, were thrown away.
#[test]
fn what_a_copy_site_wants_is_judged_by_the_cut_however_young_the_copies_are() {
    let us = SiteName::new("us").unwrap();
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 6 } }\n";
    let mut lab = Lab::new(policy).with_profile("azure").with_site("us", "azure");
    lab.set_policy(&format!(
        "{policy}copies: [ {{ site: us, retention: {{ recoveryWindow: 48h, keep: {{ last: 1 }}, minimumRedundancy: 1 }} }} ]"
    ));
    for day in 18..=23 {
        lab.put(&Point::at(time(&format!("2026-11-{day}"))));
    }
    lab.settle();
    let cuts: Vec<_> = lab.cuts_at(&us).iter().map(|cut| cut.strftime("%d").to_string()).collect();
    assert_eq!(cuts, ["21", "22", "23"], "the window begins on the 21st at 01:00, and its base is older");
}
