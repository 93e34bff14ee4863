//! What a create waits for at its disks, and what a cluster waits for while another run works on it.

use super::care::{assert_converged, home_is, run, text};
use crate::support::lab::{Lab, Point, disk, time, uid};
use backstay_core::capabilities::Iaas;
use backstay_core::name::SnapshotId;
use backstay_core::observed::{DatabaseRole, DiskRole, HeldLease, Readiness, Unmanaged};
use backstay_core::plan::Action;
use backstay_core::tags;
use backstay_core::time::Duration;
use insta::assert_snapshot;
use jiff::Timestamp;

const HOURLY: &str = "schedule: { every: 1h, spread: 0s }\nretention: { keep: { last: 600 } }";
const PRIMARY: &str = "schedule: { every: 1h, spread: 0s }\nsource: primary\nretention: { keep: { last: 600 } }";

/// It is 01:00, and a point is due. The points that are put are of the standby's disk.
fn lab(policy: &str, iaas: Iaas) -> Lab {
    let mut lab = Lab::new(policy);
    lab.put(&Point::at(time("2026-11-22T12:00Z")));
    home_is(&mut lab, iaas);
    lab
}

/// Snapshots of both nodes' disks that Backstay did not make.
fn others(lab: &mut Lab, created: &[Timestamp]) {
    for node in 0..2 {
        for created in created {
            let number = lab.inventory().unmanaged.len();
            let id = SnapshotId::new(format!("snap-other-{number}")).unwrap();
            let disk = disk("orders-db", node, &DiskRole::Data);
            lab.inventory().unmanaged.push(Unmanaged { id, disk, created: *created, size: 1 });
        }
    }
}

#[test]
fn a_disk_is_not_snapshotted_sooner_than_its_site_allows() {
    let mut lab = lab(HOURLY, Iaas::Gcp);
    others(&mut lab, &[time("2026-11-23T00:55Z")]);
    assert_snapshot!(run(&mut lab), @"
    ? orders-db 2026-11-23T01:00Z: no further snapshot of vol-orders-db-1-data before 2026-11-23T01:05Z
    ! orders-db: unmanaged: 2 snapshots of its disks that Backstay did not make
    ");
    lab.set_time(time("2026-11-23T01:05Z"));
    assert_snapshot!(run(&mut lab), @"
    + orders-db 2026-11-23T01:00Z drift: due; newest point is of 2026-11-22T12:00Z
    ! orders-db: unmanaged: 2 snapshots of its disks that Backstay did not make
    ");
    assert_converged(&lab);
}

#[test]
fn a_window_that_is_full_opens_when_its_oldest_leaves_it() {
    let mut lab = lab(HOURLY, Iaas::Azure);
    let created: Vec<Timestamp> = (0..7).map(|n| Duration::seconds(30 * n).before(time("2026-11-23T00:59Z"))).collect();
    others(&mut lab, &created);
    assert!(text(&lab).contains("before 2026-11-23T01:01Z"), "{}", text(&lab));
    lab.inventory().unmanaged.retain(|snapshot| snapshot.created > time("2026-11-23T00:56Z"));
    assert!(text(&lab).starts_with("+ orders-db"));
}

#[test]
fn another_node_whose_disks_are_free_is_the_source_instead() {
    let mut lab = lab(HOURLY, Iaas::Gcp);
    others(&mut lab, &[time("2026-11-23T00:55Z")]);
    let standby = disk("orders-db", 1, &DiskRole::Data);
    lab.inventory().unmanaged.retain(|snapshot| snapshot.disk == standby);
    let plan = super::care::checked(&lab);
    let Action::Create(create) = &plan.changes[0].action else { panic!("no create") };
    assert_eq!(create.node.as_str(), "orders-db-0");
}

#[test]
fn what_is_dated_in_the_future_stops_no_backup() {
    let mut lab = lab(HOURLY, Iaas::Gcp);
    others(&mut lab, &[time("2030-01-01")]);
    assert!(text(&lab).starts_with("+ orders-db"));
}

#[test]
fn unfinished_snapshots_of_a_disk_are_counted_and_failed_ones_where_the_site_does() {
    let failed = |iaas, count: u32| {
        let mut lab = lab(PRIMARY, iaas);
        // The primary is the one whose disk has the points.
        lab.status("orders-db", 1).role = DatabaseRole::Primary;
        lab.status("orders-db", 0).role = DatabaseRole::Standby { lag: None };
        for n in 1..=count {
            let readiness = Readiness::Failed { because: "internal error".to_owned() };
            let key = format!("20261122t200000z-{n}").parse().unwrap();
            lab.put(&Point { key, readiness, ..Point::at(time("2026-11-22T20:00Z")) });
        }
        text(&lab)
    };
    assert!(failed(Iaas::Aws, 4).starts_with("+ orders-db"));
    assert_snapshot!(failed(Iaas::Aws, 5), @"
    ? orders-db 2026-11-23T01:00Z: no further snapshot: vol-orders-db-1-data has 5 failed snapshots, which count as unfinished until they are deleted
    ! orders-db: unfinished: 5 snapshots of points that never completed
    ");
    assert!(failed(Iaas::Azure, 5).starts_with("+ orders-db"));
    // One that is being made for another purpose holds up the next where only one may be on its way.
    let mut lab = lab(HOURLY, Iaas::Alibaba);
    let class = backstay_core::tags::PointClass::Safety;
    lab.put(&Point { class, readiness: Readiness::CutFixed, ..Point::at(time("2026-11-23T00:50Z")) });
    for node in 0..2 {
        lab.status("orders-db", node).role = DatabaseRole::Primary;
    }
    lab.status("orders-db", 0).role = DatabaseRole::Standby { lag: None };
    let primary = lab.with_policy(PRIMARY);
    let mut primary = primary;
    home_is(&mut primary, Iaas::Alibaba);
    assert_snapshot!(text(&primary), @"? orders-db 2026-11-23T01:00Z: a snapshot of vol-orders-db-1-data must be ready first");
}

#[test]
fn a_disk_that_has_all_the_snapshots_it_may_have_gets_no_other() {
    let mut lab = lab(HOURLY, Iaas::Alibaba);
    let long_ago = vec![time("2026-01-01"); 256];
    others(&mut lab, &long_ago);
    assert_snapshot!(text(&lab), @"
    ? orders-db 2026-11-23T01:00Z: no further snapshot: vol-orders-db-1-data has 257 snapshots, and 256 is the most
    ! orders-db: unmanaged: 512 snapshots of its disks that Backstay did not make
    ");
    lab.inventory().unmanaged.truncate(254);
    assert!(text(&lab).starts_with("+ orders-db"));
}

/// A snapshot of the standby's disk, five minutes old, whose tag names another cluster, or nobody.
fn under_another_name(lab: &mut Lab, name: Option<&str>) {
    let ids = lab.put(&Point::at(time("2026-11-23T00:55Z")));
    let snapshot = lab.snapshot(&ids[0]);
    match name {
        Some(name) => snapshot.tags.insert(tags::CLUSTER, uid(name).as_str()),
        None => {
            snapshot.tags.remove(tags::CLUSTER);
        }
    }
}

#[test]
fn what_is_made_of_a_disk_under_another_name_counts_for_the_disk() {
    for name in [Some("billing-db"), Some("gone-db"), None] {
        let spec = "schedule: { every: 1h, spread: 0s }\nsource: standby\nretention: { keep: { last: 600 } }";
        let mut lab = Lab::of(spec, &["orders-db", "billing-db"]);
        home_is(&mut lab, Iaas::Gcp);
        under_another_name(&mut lab, name);
        let plan = text(&lab);
        let own: Vec<&str> = plan.lines().filter(|line| line.starts_with("? orders-db ")).collect();
        let expected =
            "? orders-db 2026-11-23T01:00Z: no further snapshot of vol-orders-db-1-data before 2026-11-23T01:05Z";
        assert_eq!(own, [expected], "{plan}");
        assert!(plan.contains("+ billing-db"), "{plan}");
        // Another node's disks are free: it is the source instead.
        let mut lab = lab.with_policy(HOURLY);
        home_is(&mut lab, Iaas::Gcp);
        let plan = super::care::checked(&lab);
        let create = plan.changes.iter().find(|change| change.cluster == uid("orders-db"));
        let Some(Action::Create(create)) = create.map(|change| &change.action) else { panic!("{plan:?}") };
        assert_eq!(create.node.as_str(), "orders-db-0");
    }
}

#[test]
fn unfinished_ones_under_another_name_are_counted_too() {
    let mut lab =
        lab("schedule: { every: 1h, spread: 0s }\nsource: standby\nretention: { keep: { last: 600 } }", Iaas::Alibaba);
    under_another_name(&mut lab, Some("gone-db"));
    lab.snapshots().last_mut().unwrap().readiness = Readiness::CutFixed;
    let plan = text(&lab);
    assert!(
        plan.contains("? orders-db 2026-11-23T01:00Z: a snapshot of vol-orders-db-1-data must be ready first"),
        "{plan}"
    );
}

#[test]
fn a_lease_of_another_run_is_told_and_the_changes_stay() {
    let mut lab = lab(HOURLY, Iaas::Aws);
    let lease = HeldLease { holder: "run-7".to_owned(), until: time("2026-11-23T01:10Z") };
    lab.records().leases.insert(uid("orders-db"), lease);
    assert_snapshot!(run(&mut lab), @"
    + orders-db 2026-11-23T01:00Z due: due; newest point is of 2026-11-22T12:00Z
    ? orders-db: run run-7 works on it now, until 2026-11-23T01:10Z at the latest
    ");
    // Nothing is to be done: then nobody waits.
    assert_snapshot!(text(&lab), @"nothing to do");
}
