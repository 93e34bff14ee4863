//! A cluster over its places: what is lost at one lies at another, moves, and points that are placed when they are made.

use crate::support::lab::{Lab, Point, site, time};
use backstay_core::name::SiteName;
use backstay_core::observed::Readiness;
use backstay_core::plan::Action;
use backstay_core::planner::{ClusterState, survey};
use backstay_core::time::Duration;
use insta::assert_snapshot;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }\n";

fn us() -> SiteName {
    SiteName::new("us").unwrap()
}

fn of_day(day: u32) -> Point {
    Point::at(time(&format!("2026-11-{day}")))
}

#[test]
fn a_home_that_lost_its_points_is_served_by_the_copies_and_keeps_them() {
    let mut lab = Lab::new(THREE).with_site("us", "aws");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us }} ]"));
    lab.baseline = Some(lab.desired.clone());
    for day in 20..=23 {
        lab.put_at(&us(), &of_day(day));
    }
    assert_snapshot!(lab.plan_text(), @"~ orders-db 2026-11-20T00:00Z at us due: beyond daily 3");
    let status = survey(&lab.desired, &lab.observed, lab.now).remove(0);
    assert_eq!(status.state, ClusterState::Protected);
    assert_eq!(status.points[0].places, [us()]);
    assert!(status.points[0].kept_by.len() > 1);
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-20T00:00Z at us due: beyond daily 3
    ");
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-24T01:00Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-21T00:00Z at us due: beyond daily 3
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ");
    lab.assert_settled();
    let status = survey(&lab.desired, &lab.observed, lab.now).remove(0);
    assert_eq!(status.points[0].places, [site(), us()]);
}

#[test]
fn an_attempt_that_a_copy_has_is_not_made_again() {
    let mut lab = Lab::new(THREE).with_site("us", "aws");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us }} ]"));
    let ids = lab.put_at(&us(), &of_day(23));
    lab.snapshot(&ids[0]).readiness = backstay_core::observed::Readiness::Failed { because: "no".to_owned() };
    assert_eq!(lab.plan().changes[0].action.point().to_string(), "20261123t000000z-2");
}

#[test]
fn a_cluster_that_moved_is_backed_up_there_and_its_old_site_drains_by_retention() {
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { recoveryWindow: 3d }";
    let mut lab = Lab::new(policy).with_site("us", "aws");
    for day in 18..=23 {
        lab.put(&of_day(day));
    }
    lab.settle();
    lab.move_to("orders-db", &us());
    // What was made before the move serves its slot.
    assert_snapshot!(lab.plan_text(), @"
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-24T00:00Z at us config: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-20T00:00Z config: beyond recoveryWindow 3d
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
    lab.assert_settled();
    for day in 25..=36 {
        lab.set_time(Duration::days(day - 23).after(time("2026-11-23T01:00Z")));
        lab.settle();
    }
    // What was made at either site is one line of points: the old site drains to the last one.
    assert_snapshot!(lab.plan_text(), @"
    ? orders-db 2026-11-29T00:00Z: tombstoned; grace until 2026-12-07T01:00Z
    ? orders-db 2026-11-30T00:00Z: tombstoned; grace until 2026-12-08T01:00Z
    ? orders-db 2026-12-01T00:00Z: tombstoned; grace until 2026-12-09T01:00Z
    ");
    assert_eq!(lab.cuts(), []);
    assert_eq!(lab.cuts_at(&us()).len(), 8, "{:?}", lab.cuts_at(&us()));
}

#[test]
fn a_move_back_makes_a_former_site_home_again() {
    let mut lab = Lab::new(THREE).with_site("us", "aws");
    lab.put(&of_day(22));
    lab.move_to("orders-db", &us());
    lab.apply_plan();
    lab.move_to("orders-db", &site());
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.apply_plan(), @"+ orders-db 2026-11-24T00:00Z config: due; newest point is of 2026-11-23T01:00Z");
    lab.assert_settled();
}

#[test]
fn where_there_are_no_copies_the_one_object_is_placed_and_lives_as_long_as_any_retention_wants() {
    let mut lab = Lab::new(THREE).with_profile("gcp").with_site("us", "gcp");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us, retention: {{ keep: {{ daily: 5 }}, grace: 96h }} }} ]"));
    lab.baseline = Some(lab.desired.clone());
    for day in 15..=22 {
        lab.put(&of_day(day));
    }
    let plan = lab.plan();
    let Action::Create(create) = &plan.changes[0].action else { panic!("{plan:?}") };
    assert_eq!(create.location.as_ref().unwrap().as_str(), "us");
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-23T00:00Z due: due; newest point is of 2026-11-22T00:00Z
    ~ orders-db 2026-11-15T00:00Z due: beyond daily 3 and daily 5
    ~ orders-db 2026-11-16T00:00Z due: beyond daily 3 and daily 5
    ~ orders-db 2026-11-17T00:00Z due: beyond daily 3 and daily 5
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3 and daily 5
    ");
    lab.assert_settled();
    // The longer of the two graces.
    lab.set_time(time("2026-11-26T02:00Z"));
    assert!(!lab.plan_text().contains("- orders-db"));
    lab.set_time(time("2026-11-27T01:00Z"));
    assert_eq!(lab.plan_text().matches("- orders-db").count(), 4, "{}", lab.plan_text());
}

#[test]
fn a_copy_that_no_cloud_can_make_is_not_planned_and_nothing_waits_for_it() {
    let mut lab = Lab::new(THREE).with_site("us", "gcp");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us, retention: {{ keep: {{ daily: 9 }} }} }} ]"));
    for day in 19..=23 {
        lab.put(&of_day(day));
    }
    let plan = lab.plan();
    assert!(plan.changes.iter().all(|change| matches!(change.action, Action::Expire(_))), "{}", lab.plan_text());
    assert_eq!(plan.changes.len(), 2);
}

#[test]
fn a_failed_slot_is_tried_again_after_a_while_that_doubles() {
    use backstay_core::observed::Readiness;
    let mut lab = Lab::new(THREE).at(time("2026-11-24T00:10Z"));
    lab.put(&of_day(23));
    let mut waits = Vec::new();
    for attempt in 1..=7 {
        let plan = lab.plan();
        assert!(matches!(plan.changes[0].action, Action::Create(_)), "{}", lab.plan_text());
        lab.apply(&plan);
        let now = lab.now;
        for snapshot in lab.snapshots().iter_mut().filter(|snapshot| snapshot.created == now) {
            snapshot.readiness = Readiness::Failed { because: "no quota".to_owned() };
        }
        let mut waited = 0;
        while lab.plan().changes.is_empty() {
            if attempt == 3 && waited == 0 {
                assert_snapshot!(lab.plan_text(), @"? orders-db 2026-11-24T00:00Z: 3 attempts failed; the next not before 2026-11-24T00:45Z");
            }
            lab.advance(Duration::minutes(1));
            waited += 1;
        }
        waits.push(waited);
    }
    assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
    // The next slot has no failed attempt yet. Where slots come often, no wait takes more than a quarter of what is between.
    let hourly = "schedule: { every: 40m, spread: 0s }\nretention: { keep: { daily: 3 } }";
    let mut lab = lab.with_policy(hourly).at(time("2026-11-25T00:00Z"));
    lab.snapshots().retain(|snapshot| snapshot.readiness == Readiness::Ready);
    for attempt in 1..=3 {
        let key = format!("20261125t000000z-{attempt}").parse().unwrap();
        let readiness = Readiness::Failed { because: "no quota".to_owned() };
        lab.put(&Point { key, readiness, ..Point::at(time("2026-11-25T00:00:30Z")) });
    }
    lab.set_time(time("2026-11-25T00:10:29Z"));
    assert!(lab.plan().changes.is_empty(), "{}", lab.plan_text());
    lab.set_time(time("2026-11-25T00:10:30Z"));
    assert_eq!(lab.plan().changes.len(), 1, "{}", lab.plan_text());
}

#[test]
fn a_run_that_was_cut_short_makes_no_attempt_wait() {
    let mut lab = Lab::daily("orders-db", 3).at(time("2026-11-24T00:02Z"));
    let key = "20261124t000000z-1".parse().unwrap();
    lab.put(&Point { key, unsealed: true, ..Point::at(time("2026-11-24T00:01Z")) });
    assert!(lab.plan_text().starts_with("+ orders-db 2026-11-24T00:00Z"), "{}", lab.plan_text());
}

#[test]
fn what_is_being_made_where_the_cluster_lived_serves_its_slot() {
    let us = SiteName::new("us").unwrap();
    let mut lab = Lab::daily("orders-db", 3).with_site("us", "aws").at(time("2026-11-24T00:10Z"));
    let key = "20261124t000000z-1".parse().unwrap();
    let readiness = Readiness::CutFixed;
    lab.put(&Point { key, readiness, ..Point::at(time("2026-11-24T00:05Z")) });
    lab.move_to("orders-db", &us);
    assert!(lab.plan().changes.iter().all(|change| !matches!(change.action, Action::Create(_))), "{}", lab.plan_text());
    assert!(lab.plan_text().contains("? orders-db 2026-11-24T00:00Z: the point is being made"), "{}", lab.plan_text());
}
