//! What others got wrong (INVARIANTS.md, "Bugs of others"), each kept out by a test that names what happened.

use super::care::{assert_converged, checked, run, text};
use crate::support::lab::{DAILY, Lab, Point, UPGRADED, attached, site, time, uid};
use crate::support::{base, resolved};
use backstay_core::name::SnapshotId;
use backstay_core::observed::{DiskRole, Readiness};
use backstay_core::plan::{Action, Cause};
use backstay_core::point::Catalogue;
use backstay_core::saga::{Effect, End, Event, Saga};
use backstay_core::tags;
use backstay_core::time::Duration;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 3 } }";

/// Daily points from the 18th to the 23rd, of which the first three are marked, and ripe.
fn ripe(policy: &str) -> (Lab, Vec<SnapshotId>) {
    let mut lab = Lab::new(policy);
    let mut all = Vec::new();
    for day in 18..=23 {
        all.extend(lab.put(&Point::at(time(&format!("2026-11-{day}")))));
    }
    for id in &all[..3] {
        lab.mark(id, time("2026-11-19T01:00Z"), Duration::hours(72), Cause::Due);
    }
    (lab, all)
}

fn count(lab: &mut Lab, ids: &[SnapshotId]) -> usize {
    lab.snapshots().iter().filter(|snapshot| ids.contains(&snapshot.id)).count()
}

#[test]
fn bug_1_a_run_of_failed_backups_makes_retention_delete_the_only_good_ones() {
    let (mut lab, all) = ripe(THREE);
    for day in 1..40 {
        lab.set_time(Duration::days(day).after(time("2026-11-23T01:00Z")));
        let now = lab.now;
        run(&mut lab);
        for snapshot in lab.snapshots().iter_mut().filter(|snapshot| snapshot.created == now) {
            snapshot.readiness = Readiness::Failed { because: "no quota".to_owned() };
        }
        assert_eq!(count(&mut lab, &all[3..]), 3, "day {day}");
    }
}

#[test]
fn bug_3_metadata_is_deleted_although_the_snapshots_deletion_failed() {
    let (lab, _) = ripe(THREE);
    let plan = checked(&lab);
    let delete = plan.changes.iter().find(|change| matches!(change.action, Action::Delete(_))).unwrap();
    let (mut saga, mut effect) = Saga::begin(&delete.action);
    let mut done = Vec::new();
    while let Some(next) = effect {
        let is_delete = matches!(next, Effect::Delete { .. });
        let failed = Event::Failed { because: "the snapshot is in use".to_owned() };
        let event = if is_delete { failed } else { Event::Done };
        effect = saga.next(event).unwrap();
        done.push(next);
    }
    assert!(matches!(saga.end(), Some(End::Failed { .. })));
    // Neither the files beside the point nor its record went.
    assert!(!done.iter().any(|effect| matches!(effect, Effect::RemoveFiles | Effect::RevokeTombstone { .. })));
}

#[test]
fn bug_7_a_missing_snapshot_makes_the_cleanup_fail_for_ever() {
    let (mut lab, all) = ripe(THREE);
    // Somebody deleted one of them by hand. Its record stays behind.
    lab.snapshots().retain(|snapshot| snapshot.id != all[0]);
    assert_eq!(run(&mut lab).matches("- orders-db").count(), 2);
    assert_converged(&lab);
    assert_eq!(count(&mut lab, &all), 3);
}

#[test]
fn bug_12_after_an_upgrade_keep_the_last_deletes_the_new_ones() {
    let mut lab =
        Lab::new("schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 1 }, minimumRedundancy: 2 }");
    for day in 18..=22 {
        lab.put(&Point::at(time(&format!("2026-11-{day}"))));
    }
    lab.upgrade("orders-db");
    let new = lab.put(&Point { system: Some(UPGRADED), ..Point::at(time("2026-11-23")) });
    let old: Vec<SnapshotId> =
        lab.snapshots().iter().map(|snapshot| snapshot.id.clone()).filter(|id| *id != new[0]).collect();
    for id in &old {
        lab.mark(id, time("2026-11-19T01:00Z"), Duration::hours(72), Cause::Due);
    }
    let plan = run(&mut lab);
    assert!(!plan.contains("- orders-db"), "one new point is less than the floor:\n{plan}");
    assert_eq!(count(&mut lab, &new), 1);
}

#[test]
fn bug_13_an_empty_parameter_means_automatic_deletion() {
    let written = "    recoveryWindow: 14d\n    keep: { daily: 14 }\n";
    for empty in [
        "",
        "    keep: {}\n",
        "    keep: { daily: 0 }\n",
        "    recoveryWindow: 0d\n",
        "    recoveryWindow:\n",
        "    keep:\n",
    ] {
        let mut files = base();
        let gold = files.get_mut("policies/gold.yaml").unwrap();
        *gold = gold.replace(written, empty);
        let resolution = resolved(&files);
        assert!(resolution.diagnostics.has_errors(), "{empty:?} is no retention");
        let desired = resolution.desired.unwrap();
        assert!(desired.clusters.is_empty(), "{empty:?}: its clusters are left out");
        assert_eq!(desired.left_out.len(), 3, "and known as such");
    }
}

#[test]
fn bug_14_a_policy_that_is_removed_deletes_everything() {
    let (lab, all) = ripe(THREE);
    let mut lab = lab;
    let mut gone = lab.desired.clone();
    // As documents without the policy resolve.
    gone.policies.clear();
    gone.left_out.extend(std::mem::take(&mut gone.clusters).into_keys());
    lab.desired = gone;
    for _ in 0..10 {
        lab.advance(Duration::days(10));
        assert!(!run(&mut lab).contains("- "));
    }
    assert_eq!(count(&mut lab, &all), 6);
    let mut files = base();
    files.remove("policies/gold.yaml");
    assert_eq!(resolved(&files).desired.unwrap().left_out.len(), 3);
}

#[test]
fn bug_21_two_attempts_parts_make_one_corrupt_point() {
    let mut lab = Lab::new(DAILY);
    for node in 0..2 {
        lab.disks("orders-db", node).push(attached("orders-db", node, DiskRole::Wal));
    }
    // Each attempt lost the other part.
    let disks = vec![DiskRole::Wal, DiskRole::Data];
    let first = lab.put(&Point { disks: disks.clone(), ..Point::at(time("2026-11-23")) });
    let key = "20261123t000000z-2".parse().unwrap();
    let second = lab.put(&Point { disks, key, ..Point::at(time("2026-11-23")) });
    lab.snapshots().retain(|snapshot| snapshot.id != first[0] && snapshot.id != second[1]);
    let inventory = lab.inventory().clone();
    let shelf = Catalogue::of(&inventory, &lab.observed.keyring).shelf(&uid("orders-db"));
    assert!(shelf.points.iter().all(|point| !point.is_restorable()));
    let plan = checked(&lab);
    let Action::Create(create) = &plan.changes[0].action else { panic!("no create") };
    assert_eq!((create.point.attempt, create.parts.len()), (3, 2), "all parts are cut anew");
}

#[test]
fn bug_26_garbage_snapshots_evict_good_ones_by_count() {
    let (mut lab, all) = ripe(THREE);
    for n in 1..=20 {
        let key = format!("20261123t000000z-{}", n + 1).parse().unwrap();
        let cut = Duration::minutes(n).after(time("2026-11-23"));
        let point = Point { key, ..Point::at(cut) };
        match n % 4 {
            0 => drop(lab.put(&Point { unsealed: true, ..point })),
            1 => drop(lab.put(&Point { readiness: Readiness::Failed { because: "no".to_owned() }, ..point })),
            2 => drop(lab.put(&Point { cut: time("2030-01-01"), ..point })),
            _ => {
                let ids = lab.put(&point);
                for key in [tags::CUT, tags::PART, tags::SYSTEM] {
                    lab.snapshot(&ids[0]).tags.insert(key, "0");
                }
            }
        }
    }
    for day in 0..6 {
        lab.set_time(Duration::days(day).after(time("2026-11-23T01:00Z")));
        // No server is fit: nothing new is made.
        for node in 0..2 {
            lab.status("orders-db", node).full_page_writes = false;
        }
        run(&mut lab);
        assert_eq!(count(&mut lab, &all[3..]), 3, "day {day}:\n{}", text(&lab));
    }
    assert!(lab.records().tombstones[&site()].keys().all(|id| !all[3..].contains(id)));
}
