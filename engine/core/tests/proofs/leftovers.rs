//! What was never finished goes: sealed where it must be, then marked, then deleted. What can be restored stays.

use super::care::{assert_converged, run, text};
use crate::support::lab::{Lab, Point, site, time, uid};
use backstay_core::name::SnapshotId;
use backstay_core::observed::{DiskRole, HeldLease, Readiness};
use backstay_core::tags;
use backstay_core::time::Duration;
use insta::assert_snapshot;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }";

/// Three daily points, and an attempt of the 22nd that was cut off.
fn lab() -> (Lab, SnapshotId) {
    let mut lab = Lab::new(THREE);
    for day in 21..=23 {
        lab.put(&Point::at(time(&format!("2026-11-{day}"))));
    }
    let key = "20261122t000000z-2".parse().unwrap();
    let ids = lab.put(&Point { unsealed: true, key, ..Point::at(time("2026-11-22T00:30Z")) });
    (lab, ids[0].clone())
}

#[test]
fn a_leftover_is_sealed_as_such_then_marked_then_deleted() {
    let (mut lab, id) = lab();
    assert_snapshot!(run(&mut lab), @"
    t orders-db 2026-11-22T00:30Z due: left 1d ago by an attempt that was never finished
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    assert_converged(&lab);
    assert_eq!(lab.snapshot(&id).tags.get(tags::PART), Some("unfinished-1of1"));
    // It makes no point, although it is the only part of one.
    assert!(text(&lab).contains("unfinished: 1 snapshot"));
    lab.advance(Duration::days(1));
    assert_snapshot!(run(&mut lab), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-22T00:30Z due: it cannot be restored: it was never finished
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    assert_converged(&lab);
    lab.advance(Duration::days(3));
    assert_snapshot!(run(&mut lab), @"
    + orders-db 2026-11-27T00:00Z due: due; newest point is of 2026-11-24T01:00Z
    ~ orders-db 2026-11-22T00:00Z due: beyond daily 3
    - orders-db 2026-11-21T00:00Z due: beyond daily 3, tombstoned 3d ago
    - orders-db 2026-11-22T00:30Z due: it cannot be restored: it was never finished; tombstoned 3d ago
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    assert_converged(&lab);
    assert!(lab.snapshots().iter().all(|snapshot| snapshot.id != id));
}

#[test]
fn what_a_run_may_still_work_on_is_left() {
    let (mut lab, id) = lab();
    let holder = "run-7".to_owned();
    lab.records().leases.insert(uid("orders-db"), HeldLease { holder, until: time("2026-11-23T02:00Z") });
    assert!(!text(&lab).contains("t orders-db"), "another run works on the cluster");
    lab.records().leases.clear();
    lab.snapshot(&id).created = time("2026-11-22T01:00:01Z");
    assert!(!text(&lab).contains("t orders-db"), "it is less than a day old");
    lab.snapshot(&id).created = time("2026-11-22");
    lab.snapshot(&id).readiness = Readiness::CutFixed;
    assert!(!text(&lab).contains("t orders-db"), "it is still being made");
    lab.snapshot(&id).readiness = Readiness::Ready;
    assert!(text(&lab).contains("t orders-db"));
}

#[test]
fn what_lost_its_seal_or_was_never_meant_is_not_adopted() {
    let (mut lab, id) = lab();
    // Somebody took the seal of a point away. A run writes facts and seal together.
    let newest = lab.snapshots()[2].id.clone();
    lab.advance(Duration::days(2));
    for key in [tags::SEAL_1, tags::SEAL_2] {
        lab.snapshot(&newest).tags.remove(key);
    }
    // An intent that is none of ours.
    lab.snapshot(&id).tags.insert(tags::INTENT, "0123456789012345678901234567890123456789");
    let plan = run(&mut lab);
    assert!(!plan.contains("never finished\n") && !plan.contains("t orders-db"), "{plan}");
}

/// A copy of a snapshot's tags without its seal and facts, on another snapshot: as a cloud makes it of a call that came twice.
fn double_of(lab: &mut Lab, id: &SnapshotId) -> SnapshotId {
    let mut double = lab.snapshot(id).clone();
    double.id = SnapshotId::new("snap-double").unwrap();
    for key in [tags::SEAL_1, tags::SEAL_2, tags::PART, tags::SYSTEM, tags::WAL, tags::CUT] {
        double.tags.remove(key);
    }
    lab.snapshots().push(double);
    SnapshotId::new("snap-double").unwrap()
}

#[test]
fn a_double_goes_alone_and_its_point_counts_all_the_while() {
    let (mut lab, left) = lab();
    lab.snapshots().retain(|snapshot| snapshot.id != left);
    let newest = lab.snapshots()[2].id.clone();
    let double = double_of(&mut lab, &newest);
    // The point is there: nothing is made in its place.
    assert_snapshot!(text(&lab), @"! orders-db: doubles: 1 snapshot beside the same one of a point that stays");
    let steps = [
        (1, "t orders-db 2026-11-23T00:00Z due: a double of a point that stays, made by a call that came twice"),
        (1, "~ orders-db 2026-11-23T00:00Z due: a double of a point that stays, made by a call that came twice"),
        (3, "- orders-db 2026-11-23T00:00Z due: a double of a point that stays, tombstoned 3d ago"),
    ];
    for (days, step) in steps {
        lab.advance(Duration::days(days));
        let plan = run(&mut lab);
        assert!(plan.contains(step) && !plan.contains("attempt failed"), "{plan}");
        assert_converged(&lab);
    }
    let is_there = |lab: &mut Lab, id: &SnapshotId| lab.snapshots().iter().any(|snapshot| snapshot.id == *id);
    assert!(!is_there(&mut lab, &double) && is_there(&mut lab, &newest));
}

#[test]
fn what_has_an_intent_of_its_own_is_no_double() {
    let (mut lab, left) = lab();
    lab.snapshots().retain(|snapshot| snapshot.id != left);
    let newest = lab.snapshots()[2].id.clone();
    let double = double_of(&mut lab, &newest);
    lab.snapshot(&double).tags.insert(tags::INTENT, "0123456789012345678901234567890123456789");
    assert_snapshot!(text(&lab), @"
    + orders-db 2026-11-23T00:00Z due: due; one attempt failed
    ! orders-db: unfinished: 2 snapshots of points that never completed
    ");
}

#[test]
fn an_orphans_leftovers_stay() {
    let (lab, _) = lab();
    let lab = lab.without_cluster("orders-db");
    assert_snapshot!(text(&lab), @"! uid-orders-db: orphan: 4 points that no cluster explains, kept");
}

#[test]
fn a_failed_point_and_one_that_lost_parts_go_after_a_day() {
    let (mut lab, id) = lab();
    lab.snapshots().retain(|snapshot| snapshot.id != id);
    let failed = Readiness::Failed { because: "internal error".to_owned() };
    let key = "20261121t000000z-2".parse().unwrap();
    lab.put(&Point { readiness: failed.clone(), key, ..Point::at(time("2026-11-21T00:30Z")) });
    lab.put(&Point { readiness: failed, ..Point::at(time("2026-11-22T01:10Z")) });
    assert_snapshot!(run(&mut lab), @"
    ~ orders-db 2026-11-21T00:30Z due: it cannot be restored: internal error
    ! orders-db: unfinished: 2 snapshots of points that never completed
    ");
    assert_converged(&lab);
}

#[test]
fn nothing_that_is_left_goes_while_the_floor_does_not_stand() {
    let (mut lab, _) = lab();
    run(&mut lab);
    lab.advance(Duration::days(1));
    run(&mut lab);
    lab.advance(Duration::days(4));
    // Another major version: no point of it yet, and no server that could make one.
    lab.upgrade("orders-db");
    for node in 0..2 {
        lab.status("orders-db", node).full_page_writes = false;
    }
    assert_snapshot!(text(&lab), @"
    ? orders-db: no deletes now: 0 restorable point(s) of the current system identifier, and minimumRedundancy is 1
    ? orders-db 2026-11-28T00:00Z: no node is fit as a source: orders-db-0: full_page_writes is off; orders-db-1: full_page_writes is off
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
}

#[test]
fn nothing_that_is_left_goes_where_something_is_not_known() {
    let (mut lab, _) = lab();
    run(&mut lab);
    lab.advance(Duration::days(1));
    let mut unknown = lab.clone();
    unknown.records_are_unknown();
    assert!(!text(&unknown).contains("~ "));
    let mut apart = lab.clone();
    apart.inventory().clock.is_virtual = false;
    apart.inventory().clock.host = time("2026-11-24T00:00Z");
    assert!(!text(&apart).contains("~ "));
    let mut silent = lab.clone();
    silent.status("orders-db", 0).system = crate::support::lab::UPGRADED;
    assert!(!text(&silent).contains("~ "));
    assert!(text(&lab).contains("~ orders-db"));
}

#[test]
fn a_held_leftover_stays() {
    let (mut lab, id) = lab();
    lab.snapshot(&id).tags.insert(tags::HOLD, "1");
    run(&mut lab);
    lab.advance(Duration::days(1));
    let plan = run(&mut lab);
    assert!(!plan.contains("~ orders-db 2026-11-22"), "{plan}");
    assert!(lab.records().tombstones.get(&site()).is_none_or(|records| !records.contains_key(&id)));
}

/// One point is whole, and two are the floor. Each attempt at the next one failed, five of them, of the one disk that may be
/// snapshotted.
fn stuck(profile: &str) -> Lab {
    let spec = "schedule: { every: 24h, spread: 0s }\nsource: standby\nretention: { keep: { daily: 3 }, minimumRedundancy: 2 }";
    let mut lab = Lab::new(spec).with_profile(profile);
    lab.put(&Point::at(time("2026-11-22")));
    for n in 1..=5 {
        let readiness = Readiness::Failed { because: "internal error".to_owned() };
        let key = format!("20261123t000000z-{n}").parse().unwrap();
        lab.put(&Point { key, readiness, ..Point::at(time("2026-11-23T00:10Z")) });
    }
    lab
}

#[test]
fn what_failed_and_counts_as_unfinished_goes_below_the_floor_so_that_a_point_can_be_made() {
    let mut lab = stuck("aws");
    lab.advance(Duration::days(1));
    assert_snapshot!(lab.apply_plan(), @"
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ? orders-db 2026-11-24T00:00Z: no further snapshot: vol-orders-db-1-data has 5 failed snapshots, which count as unfinished until they are deleted
    ");
    lab.assert_converged();
    // Both phases, and the whole grace.
    lab.advance(Duration::seconds(3 * 86_400 - 1));
    assert!(!lab.plan_text().contains("- orders-db"), "{}", lab.plan_text());
    lab.advance(Duration::seconds(1));
    assert_snapshot!(lab.apply_plan(), @"
    - orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error; tombstoned 3d ago
    - orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error; tombstoned 3d ago
    - orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error; tombstoned 3d ago
    - orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error; tombstoned 3d ago
    - orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error; tombstoned 3d ago
    ? orders-db 2026-11-27T00:00Z: no further snapshot: vol-orders-db-1-data has 5 failed snapshots, which count as unfinished until they are deleted
    ");
    assert_snapshot!(lab.apply_plan(), @"+ orders-db 2026-11-27T00:00Z drift: due; newest point is of 2026-11-22T00:00Z");
    lab.assert_converged();
}

#[test]
fn what_failed_stays_below_the_floor_where_it_stops_nothing_and_where_something_is_not_known() {
    // There the points go on, and the floor will stand.
    let mut lab = stuck("azure");
    for node in 0..2 {
        lab.status("orders-db", node).full_page_writes = false;
    }
    lab.advance(Duration::days(1));
    assert!(!lab.plan_text().contains("~ "), "{}", lab.plan_text());
    let mut silent = stuck("aws");
    silent.advance(Duration::days(1));
    silent.status("orders-db", 0).system = crate::support::lab::UPGRADED;
    assert!(!silent.plan_text().contains("~ "), "{}", silent.plan_text());
    // A held one, and what is no failure: the floor protects them as ever.
    let mut lab = stuck("aws");
    let ids: Vec<SnapshotId> = lab.snapshots().iter().map(|snapshot| snapshot.id.clone()).collect();
    lab.snapshot(&ids[1]).tags.insert(tags::HOLD, "1");
    let key = "20261122t120000z-1".parse().unwrap();
    let lost =
        lab.put(&Point { disks: vec![DiskRole::Wal, DiskRole::Data], key, ..Point::at(time("2026-11-22T12:00Z")) });
    lab.snapshots().retain(|snapshot| snapshot.id != lost[0]);
    lab.advance(Duration::days(1));
    assert_snapshot!(lab.plan_text(), @"
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ~ orders-db 2026-11-23T00:10Z due: it cannot be restored: internal error
    ? orders-db: no deletes now: 1 restorable point(s) of the current system identifier, and minimumRedundancy is 2
    ? orders-db 2026-11-24T00:00Z: no further snapshot: vol-orders-db-1-data has 5 failed snapshots, which count as unfinished until they are deleted
    ");
}
