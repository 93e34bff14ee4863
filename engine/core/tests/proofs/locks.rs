//! Locks: what a place keeps is locked until the policy's time after its cut, and nothing else is.

use super::care::{assert_converged, checked, run, text};
use crate::support::lab::{Lab, Point, site, time};
use backstay_core::name::SiteName;
use backstay_core::observed::{DiskRole, Readiness};
use backstay_core::plan::{Action, Cause};
use backstay_core::tags::PointClass;
use backstay_core::time::Duration;
use insta::assert_snapshot;

const LOCKED: &str =
    "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }\nlock: { mode: governance, for: 14d }";

/// Daily points from the 18th to the 23rd: three more than are kept.
fn six_days(policy: &str) -> Lab {
    let mut lab = Lab::new(policy);
    for day in 18..=23 {
        lab.put(&Point::at(time(&format!("2026-11-{day}"))));
    }
    lab
}

#[test]
fn what_is_kept_is_locked_until_its_cut_and_the_policys_time() {
    let mut lab = six_days(LOCKED);
    let plan = checked(&lab);
    let untils: Vec<_> = plan
        .changes
        .iter()
        .filter_map(|change| match &change.action {
            Action::Lock(lock) => Some((lock.cut, lock.until)),
            Action::Create(_)
            | Action::Copy(_)
            | Action::Tag(_)
            | Action::Revive(_)
            | Action::Expire(_)
            | Action::Delete(_) => None,
        })
        .collect();
    assert_eq!(untils[0], (time("2026-11-21"), time("2026-12-05")));
    assert_snapshot!(run(&mut lab), @"
    l orders-db 2026-11-21T00:00Z due: the policy locks it for 14d
    l orders-db 2026-11-22T00:00Z due: the policy locks it for 14d
    l orders-db 2026-11-23T00:00Z due: the policy locks it for 14d
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ");
    assert_converged(&lab);
    // A locked point that is let go later waits for the end of its lock.
    lab.advance(Duration::days(1));
    run(&mut lab);
    lab.advance(Duration::days(4));
    assert!(text(&lab).contains("? orders-db 2026-11-21T00:00Z: locked by the provider until 2026-12-05T00:00Z"));
}

#[test]
fn a_lock_that_ends_too_soon_is_made_longer_and_one_that_lasts_is_left() {
    let mut lab = six_days(LOCKED);
    run(&mut lab);
    let ids: Vec<_> = lab.snapshots().iter().map(|snapshot| snapshot.id.clone()).collect();
    lab.snapshot(&ids[4]).locked_until = Some(time("2026-12-05"));
    // A provider that counts whole days rounds up.
    lab.snapshot(&ids[5]).locked_until = Some(time("2026-12-08"));
    assert_snapshot!(text(&lab), @"
    l orders-db 2026-11-22T00:00Z due: the policy locks it for 14d
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
}

#[test]
fn what_is_past_its_lock_marked_doubled_unfinished_or_of_the_future_is_not_locked() {
    let mut lab = Lab::new(
        "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 9 } }\nlock: { mode: compliance, for: 2d }",
    );
    lab.put(&Point::at(time("2026-11-20")));
    let marked = lab.put(&Point::at(time("2026-11-22")));
    lab.mark(&marked[0], time("2026-11-22T01:00Z"), Duration::hours(72), Cause::Due);
    lab.put(&Point::at(time("2026-11-23")));
    lab.put(&Point { key: "20261123t000000z-2".parse().unwrap(), ..Point::at(time("2026-11-23T00:10Z")) });
    lab.put(&Point { readiness: Readiness::CutFixed, ..Point::at(time("2026-11-23T00:20Z")) });
    lab.put(&Point { class: PointClass::Safety, ..Point::at(time("2026-11-23T00:30Z")) });
    lab.put(&Point::at(time("2027-11-23")));
    assert_snapshot!(run(&mut lab), @"
    l orders-db 2026-11-23T00:10Z due: the policy locks it for 2d
    < orders-db 2026-11-22T00:00Z due: retention keeps it again
    ~ orders-db 2026-11-23T00:00Z due: beyond last 9
    ! orders-db: future: 1 point dated in the future, kept and not counted
    ");
    // The mark was taken back: now it may be locked.
    assert_snapshot!(run(&mut lab), @"
    l orders-db 2026-11-22T00:00Z due: the policy locks it for 2d
    ? orders-db 2026-11-23T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ! orders-db: future: 1 point dated in the future, kept and not counted
    ");
    assert_converged(&lab);
}

#[test]
fn a_point_of_which_a_part_is_locked_for_longer_is_left_alone() {
    let mut lab = Lab::new(LOCKED);
    let ids = lab.put(&Point { disks: vec![DiskRole::Wal, DiskRole::Data], ..Point::at(time("2026-11-23")) });
    lab.snapshot(&ids[0]).locked_until = Some(time("2027-01-01"));
    // One lock for all parts would make the first one's shorter.
    assert_converged(&lab);
}

#[test]
fn a_marked_point_that_stays_until_another_is_ready_is_not_locked() {
    let mut lab = Lab::new(
        "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 1 } }\nlock: { mode: compliance, for: 9d }",
    );
    let marked = lab.put(&Point::at(time("2026-11-22")));
    lab.mark(&marked[0], time("2026-11-22T01:00Z"), Duration::hours(72), Cause::Due);
    lab.put(&Point { readiness: Readiness::CutFixed, ..Point::at(time("2026-11-23")) });
    assert_converged(&lab);
}

#[test]
fn a_place_where_the_cluster_lived_before_gets_no_new_locks() {
    let mut lab = six_days(LOCKED).with_site("old", "aws");
    let old = SiteName::new("old").unwrap();
    lab.put_at(&old, &Point::at(time("2026-11-17")));
    let plan = checked(&lab);
    let sites =
        plan.changes.iter().filter(|change| matches!(change.action, Action::Lock(_))).map(|change| &change.site);
    assert!(sites.into_iter().all(|at| *at == site()));
}

#[test]
fn a_lock_that_a_policy_adds_is_the_documents_doing() {
    let mut lab = six_days("schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }");
    run(&mut lab);
    lab.set_policy(LOCKED);
    assert_snapshot!(text(&lab), @"
    l orders-db 2026-11-21T00:00Z config: the policy locks it for 14d
    l orders-db 2026-11-22T00:00Z config: the policy locks it for 14d
    l orders-db 2026-11-23T00:00Z config: the policy locks it for 14d
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
}
