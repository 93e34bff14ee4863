//! Worlds that went wrong in one way each: the whole plan as text, then applied, then planned again.

use crate::support::lab::{Lab, Point, UPGRADED, attached, site, time, uid};
use backstay_core::model::Provider;
use backstay_core::name::SnapshotId;
use backstay_core::observed::{DatabaseRole, DatabaseState, DiskRole, Readiness};
use backstay_core::plan::Cause;
use backstay_core::seal::SealKey;
use backstay_core::tags::{self, PointClass};
use backstay_core::time::Duration;
use insta::assert_snapshot;
use jiff::SignedDuration;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }";
const TWO_DISKS: [DiskRole; 2] = [DiskRole::Wal, DiskRole::Data];

/// One point of two disks a day, from 18 to 23 November; it is 23 November, 01:00.
fn six_days() -> Lab {
    let mut lab = Lab::new(THREE);
    for node in 0..2 {
        lab.disks("orders-db", node).push(attached("orders-db", node, DiskRole::Wal));
    }
    for day in 18..=23 {
        lab.put(&Point { disks: TWO_DISKS.to_vec(), ..Point::at(time(&format!("2026-11-{day}"))) });
    }
    lab
}

fn parts(lab: &mut Lab, day: u32) -> Vec<SnapshotId> {
    let created = time(&format!("2026-11-{day}"));
    lab.snapshots().iter().filter(|snapshot| snapshot.created == created).map(|snapshot| snapshot.id.clone()).collect()
}

fn mark(lab: &mut Lab, day: u32) {
    for id in parts(lab, day) {
        lab.mark(&id, time("2026-11-19T01:00Z"), Duration::hours(72), Cause::Due);
    }
}

#[test]
fn what_a_cut_short_delete_left_is_finished_off() {
    let mut lab = six_days();
    for day in [18, 19, 20] {
        mark(&mut lab, day);
    }
    let gone = parts(&mut lab, 18).remove(0);
    lab.snapshots().retain(|snapshot| snapshot.id != gone);
    assert_snapshot!(lab.run(), @"
    - orders-db 2026-11-18T00:00Z due: it cannot be restored: parts are missing or doubled; tombstoned 4d ago
    - orders-db 2026-11-19T00:00Z due: beyond daily 3, tombstoned 4d ago
    - orders-db 2026-11-20T00:00Z due: beyond daily 3, tombstoned 4d ago
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    lab.assert_converged();
    assert_eq!(lab.snapshots().len(), 6);
}

#[test]
fn what_is_left_of_a_held_point_or_one_in_the_making_stays() {
    let mut lab = six_days();
    for day in [18, 19] {
        mark(&mut lab, day);
        let gone = parts(&mut lab, day).remove(0);
        lab.snapshots().retain(|snapshot| snapshot.id != gone);
    }
    lab.records().holds.insert((uid("orders-db"), "20261118t000000z-1".parse().unwrap()));
    let open = parts(&mut lab, 19).remove(0);
    lab.snapshot(&open).readiness = Readiness::CutFixed;
    assert_snapshot!(lab.run(), @"
    t orders-db 2026-11-18T00:00Z due: it is held, and its tag does not say so
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ! orders-db: unfinished: 2 snapshots of points that never completed
    ");
}

#[test]
fn a_mark_that_was_cut_short_is_completed_or_taken_back() {
    let mut lab = six_days();
    // Of a point that goes, one part is marked. Of one that stays, one has a record, and another one a tag alone.
    let going = parts(&mut lab, 20).remove(0);
    lab.mark(&going, time("2026-11-22T01:00Z"), Duration::hours(72), Cause::Due);
    let staying = parts(&mut lab, 22);
    lab.mark(&staying[0], time("2026-11-22T01:00Z"), Duration::hours(72), Cause::Due);
    lab.snapshot(&staying[0]).tags.remove(tags::EXPIRE);
    lab.snapshot(&staying[1]).tags.insert(tags::EXPIRE.to_owned(), "20261101t000000z".to_owned());
    assert_snapshot!(lab.run(), @"
    < orders-db 2026-11-22T00:00Z due: retention keeps it again
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ");
    lab.assert_converged();
    assert!(!lab.records().tombstones[&site()].contains_key(&staying[0]));
    // The grace of the whole runs from its youngest mark.
    lab.set_time(time("2026-11-25T01:00Z"));
    assert!(!lab.text().contains("- orders-db 2026-11-20"));
}

#[test]
fn a_record_whose_tag_was_taken_away_deletes_nothing() {
    let mut lab = six_days();
    mark(&mut lab, 18);
    for id in parts(&mut lab, 18) {
        lab.snapshot(&id).tags.remove(tags::EXPIRE);
    }
    assert!(lab.text().contains("~ orders-db 2026-11-18"));
}

#[test]
fn grace_runs_from_the_sweepers_own_sighting_however_old_a_record_claims_to_be() {
    let mut lab = Lab::daily("orders-db", 31);
    let oldest = lab.snapshots()[0].id.clone();
    let backdated = lab.mark(&oldest, time("2026-11-01"), Duration::hours(72), Cause::Due);
    lab.records().sightings.insert(backdated.digest(), time("2026-11-22T12:00Z"));
    assert_snapshot!(lab.plan_text(), @"? orders-db 2026-10-24T00:00Z: tombstoned; grace until 2026-11-25T12:00Z");
}

#[test]
fn two_points_of_one_slot_become_one_by_tombstone() {
    let mut lab = six_days();
    let again = Point {
        key: "20261123t000000z-2".parse().unwrap(),
        disks: TWO_DISKS.to_vec(),
        ..Point::at(time("2026-11-23T00:20Z"))
    };
    lab.put(&again);
    assert_snapshot!(lab.run(), @"
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-23T00:00Z due: beyond daily 3
    ");
    lab.assert_converged();
}

#[test]
fn a_point_in_the_making_is_awaited_and_a_failed_one_is_made_again() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    let key = "20261124t000000z-1".parse().unwrap();
    let ids = lab.put(&Point { key, readiness: Readiness::CutFixed, ..Point::at(time("2026-11-24T00:10Z")) });
    assert_snapshot!(lab.run(), @"
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ? orders-db 2026-11-24T00:00Z: the point is being made
    ");
    lab.assert_converged();
    lab.snapshot(&ids[0]).readiness = Readiness::Failed { because: "internal error".to_owned() };
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-24T00:00Z due: due; one attempt failed
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    lab.assert_converged();
}

#[test]
fn a_safety_point_in_the_making_stops_no_backup() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    let safety = PointClass::Safety;
    lab.put(&Point { class: safety, readiness: Readiness::CutFixed, ..Point::at(time("2026-11-24T00:10Z")) });
    assert!(lab.run().starts_with("+ orders-db 2026-11-24T00:00Z"));
}

#[test]
fn failed_attempts_one_after_the_other_delete_nothing_that_is_kept() {
    // Bug 1 of INVARIANTS.md. Every day the point fails; what it would displace is marked, and never deleted.
    let mut lab = six_days();
    // Where a failed snapshot does not count as unfinished: elsewhere no further one would be made after five.
    let mut site = (*lab.desired.sites[&crate::support::lab::site()]).clone();
    if let Provider::Sim(sim) = &mut site.provider {
        sim.profile = "azure".to_owned();
    }
    lab.desired.sites.insert(site.name.clone(), std::sync::Arc::new(site));
    for day in 24..=40 {
        let now = time("2026-11-23T01:00Z") + SignedDuration::from_hours((day - 23) * 24);
        lab.set_time(now);
        let plan = lab.verified();
        lab.apply(&plan);
        for snapshot in lab.snapshots().iter_mut() {
            if snapshot.created == now {
                snapshot.readiness = Readiness::Failed { because: "no quota".to_owned() };
            }
        }
    }
    for day in [21, 22, 23] {
        assert_eq!(parts(&mut lab, day).len(), 2, "{day} is kept");
    }
    assert!(parts(&mut lab, 20).is_empty());
    // The next one succeeds: what it displaces was marked long ago, and goes with the plan after it.
    lab.set_time(time("2026-12-20T01:00Z"));
    lab.run();
    assert_eq!(parts(&mut lab, 21).len(), 2);
    assert_snapshot!(lab.run().lines().filter(|line| !line.starts_with('!')).collect::<Vec<_>>().join("\n"), @"
    - orders-db 2026-11-21T00:00Z due: beyond daily 3, tombstoned 26d ago
    ? orders-db 2026-12-10T00:00Z: tombstoned; grace until 2026-12-23T01:00Z
    ");
}

#[test]
fn a_point_from_the_future_stops_no_backup() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    lab.put(&Point { disks: TWO_DISKS.to_vec(), ..Point::at(time("2027-11-24")) });
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ! orders-db: future: 1 point dated in the future, kept and not counted
    ");
    lab.assert_converged();
}

#[test]
fn a_look_into_the_past_of_points_takes_them_as_they_are() {
    // `-as-of` before the newest points: nothing is due that they serve, and they displace nothing.
    let mut lab = six_days();
    lab.set_time(time("2026-11-24T01:00Z"));
    lab.run();
    lab.now = time("2026-11-20T12:00Z");
    assert_snapshot!(lab.text(), @"
    < orders-db 2026-11-18T00:00Z due: retention keeps it again
    < orders-db 2026-11-19T00:00Z due: retention keeps it again
    < orders-db 2026-11-20T00:00Z due: retention keeps it again
    < orders-db 2026-11-21T00:00Z due: retention keeps it again
    ");
}

#[test]
fn an_attempt_that_a_foreign_snapshot_names_is_not_made() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    let key = std::mem::replace(&mut lab.key, SealKey::from_seed(&[9; 32]));
    lab.put(&Point::at(time("2026-11-24")));
    lab.put(&Point { key: "20261124t000000z-999999".parse().unwrap(), ..Point::at(time("2026-11-24")) });
    lab.key = key;
    let plan = lab.verified();
    assert_eq!(plan.changes[0].action.point().to_string(), "20261124t000000z-2");
    lab.apply(&plan);
    lab.assert_converged();
}

#[test]
fn an_intent_that_was_never_sealed_is_told_and_a_new_attempt_is_made() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    let key = "20261124t000000z-1".parse().unwrap();
    lab.put(&Point { unsealed: true, key, ..Point::at(time("2026-11-24T00:10Z")) });
    lab.put(&Point {
        unsealed: true,
        key: "20261124t000000z-3".parse().unwrap(),
        ..Point::at(time("2026-11-24T00:20Z"))
    });
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-24T00:00Z due: due; 2 attempts failed
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ! orders-db: unfinished: 2 snapshots of points that never completed
    ");
    lab.assert_converged();
}

#[test]
fn an_upgrade_keeps_the_old_points_until_the_new_floor_stands() {
    let mut lab = six_days()
        .with_policy("schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 1 }, minimumRedundancy: 2 }");
    lab.baseline = Some(lab.desired.clone());
    lab.upgrade("orders-db");
    assert_snapshot!(lab.run(), @"? orders-db: no deletes now: 0 restorable point(s) of the current system identifier, and minimumRedundancy is 2");
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ? orders-db: no deletes now: 1 restorable point(s) of the current system identifier, and minimumRedundancy is 2
    ");
    lab.set_time(time("2026-11-25T01:00Z"));
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-25T00:00Z due: due; newest point is of 2026-11-24T01:00Z
    ~ orders-db 2026-11-18T00:00Z due: beyond last 1
    ~ orders-db 2026-11-19T00:00Z due: beyond last 1
    ~ orders-db 2026-11-20T00:00Z due: beyond last 1
    ~ orders-db 2026-11-21T00:00Z due: beyond last 1
    ~ orders-db 2026-11-22T00:00Z due: beyond last 1
    ~ orders-db 2026-11-23T00:00Z due: beyond last 1
    ");
}

#[test]
fn servers_that_disagree_or_are_silent_stop_deletes_and_not_backups() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    mark(&mut lab, 18);
    let mut apart = lab.clone();
    apart.status("orders-db", 0).system = UPGRADED;
    assert_snapshot!(apart.text(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ? orders-db: no deletes now: its nodes have different system identifiers, 7301234567890123456 and 7401234567890123456
    ");
    let mut silent = lab.clone();
    for node in 0..2 {
        *silent.database("orders-db", node) = DatabaseState::Unreachable { because: "timeout".to_owned() };
    }
    assert_snapshot!(silent.text(), @"
    ? orders-db: no deletes now: its system identifier is not known: orders-db-0: timeout; orders-db-1: timeout
    ? orders-db 2026-11-24T00:00Z: no node is fit as a source: orders-db-0: timeout; orders-db-1: timeout
    ");
    let mut both = lab.clone();
    both.status("orders-db", 1).role = DatabaseRole::Primary;
    assert_snapshot!(both.text(), @"
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    - orders-db 2026-11-18T00:00Z due: beyond daily 3, tombstoned 5d ago
    ? orders-db 2026-11-24T00:00Z: no node is fit as a source: orders-db-0 and orders-db-1 both say that they are the primary
    ");
}

#[test]
fn what_could_not_be_seen_stops_only_what_needs_it() {
    let mut lab = six_days().at(time("2026-11-24T01:00Z"));
    mark(&mut lab, 18);
    let mut unknown = lab.clone();
    unknown.site_is_unknown();
    assert_snapshot!(unknown.text(), @"? orders-db: the site could not be read: page 2 of 3 failed");
    let mut unknown = lab.clone();
    unknown.records_are_unknown();
    assert_snapshot!(unknown.text(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ? orders-db: no deletes now: the state store could not be read: no answer
    ");
    let mut apart = lab.clone();
    apart.inventory().clock.is_virtual = false;
    apart.inventory().clock.host += SignedDuration::from_millis(300_001);
    assert_snapshot!(apart.text(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ? orders-db: no deletes now: the site's clock and this host's are 5m apart
    ");
}

#[test]
fn a_removed_cluster_is_an_orphan_and_keeps_all() {
    let mut lab = six_days();
    mark(&mut lab, 18);
    let mut lab = lab.without_cluster("orders-db").at(time("2027-11-24"));
    assert_snapshot!(lab.run(), @"! uid-orders-db: orphan: 6 points that no cluster explains, kept");
}

#[test]
fn a_lock_outlasts_the_grace() {
    let mut lab = six_days();
    for day in [18, 19, 20] {
        mark(&mut lab, day);
    }
    for id in parts(&mut lab, 18) {
        lab.snapshot(&id).locked_until = Some(time("2026-11-23T02:00Z"));
    }
    assert_snapshot!(lab.run(), @"
    - orders-db 2026-11-19T00:00Z due: beyond daily 3, tombstoned 4d ago
    - orders-db 2026-11-20T00:00Z due: beyond daily 3, tombstoned 4d ago
    ? orders-db 2026-11-18T00:00Z: locked by the provider until 2026-11-23T02:00Z
    ");
    lab.advance(Duration::hours(1));
    assert_snapshot!(lab.run(), @"- orders-db 2026-11-18T00:00Z due: beyond daily 3, tombstoned 4d 1h ago");
}

#[test]
fn causes_are_told_apart() {
    // The schedule is due, the documents changed, and somebody deleted a point that the last run had made.
    let mut lab = six_days();
    lab.run();
    let newest = parts(&mut lab, 23);
    lab.snapshots().retain(|snapshot| !newest.contains(&snapshot.id));
    assert_snapshot!(lab.text(), @"
    + orders-db 2026-11-23T00:00Z drift: due; newest point is of 2026-11-22T00:00Z
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.text(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-22T00:00Z
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
    lab.set_policy("schedule: { every: 1h, spread: 0s }\nretention: { keep: { daily: 2 } }");
    assert_snapshot!(lab.text(), @"
    + orders-db 2026-11-24T01:00Z due: due; newest point is of 2026-11-22T00:00Z
    ~ orders-db 2026-11-21T00:00Z config: beyond daily 2
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
}
