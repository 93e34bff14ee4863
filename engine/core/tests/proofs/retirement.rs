//! Retirement: a cluster's points go to the last one, each when its time would have been over.

use crate::support::lab::{Lab, Point, time, uid};
use backstay_core::name::SiteName;
use backstay_core::plan::{Action, Cause};
use backstay_core::planner::{ClusterState, survey};
use backstay_core::tags::PointClass;
use backstay_core::time::Duration;
use insta::assert_snapshot;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }";

fn us() -> SiteName {
    SiteName::new("us").unwrap()
}

fn of_day(day: u32) -> Point {
    Point::at(time(&format!("2026-11-{day}")))
}

/// One point a day, from 20 to 23 November; it is 23 November, 01:00, and the cluster is being retired.
fn retiring() -> Lab {
    let mut lab = Lab::new(THREE);
    for day in 20..=23 {
        lab.put(&of_day(day));
    }
    lab.retire("orders-db", true);
    lab
}

#[test]
fn a_retired_cluster_makes_nothing_and_goes_to_the_last_point() {
    let mut lab = retiring();
    assert_snapshot!(lab.apply_plan(), @"~ orders-db 2026-11-20T00:00Z config: its cluster is being retired, and it is beyond 3d (daily 3)");
    lab.assert_settled();
    let mut days = Vec::new();
    for hour in 1..240 {
        lab.set_time(Duration::hours(hour).after(time("2026-11-23T01:00Z")));
        let text = lab.apply_plan();
        if text.contains("orders-db 2026") && !text.starts_with('?') {
            days.push(format!("{} {}", lab.now.strftime("%dT%H"), text.lines().next().unwrap()));
        }
        lab.assert_settled();
    }
    assert_snapshot!(days.join("\n"), @"
    24T01 ~ orders-db 2026-11-21T00:00Z config: its cluster is being retired, and it is beyond 3d (daily 3)
    25T01 ~ orders-db 2026-11-22T00:00Z config: its cluster is being retired, and it is beyond 3d (daily 3)
    26T01 ~ orders-db 2026-11-23T00:00Z config: its cluster is being retired, and it is beyond 3d (daily 3)
    27T01 - orders-db 2026-11-21T00:00Z config: beyond 3d (daily 3), tombstoned 3d ago
    28T01 - orders-db 2026-11-22T00:00Z config: beyond 3d (daily 3), tombstoned 3d ago
    29T01 - orders-db 2026-11-23T00:00Z config: beyond 3d (daily 3), tombstoned 3d ago
    ");
    assert!(lab.cuts().is_empty());
    assert_eq!(lab.plan_text(), "nothing to do\n");
}

#[test]
fn at_most_five_points_a_day_go() {
    let mut lab = Lab::new("schedule: { every: 1h, spread: 0s }\nretention: { keep: { hourly: 3 }, grace: 1h }");
    for hour in 0..12 {
        lab.put(&Point::at(Duration::hours(hour).before(time("2026-11-20"))));
    }
    lab.retire("orders-db", true);
    let mut left = Vec::new();
    for day in 0..4 {
        for hours in [0, 2] {
            lab.set_time(Duration::hours(day * 24 + hours).after(time("2026-11-23T01:00Z")));
            lab.apply_plan();
        }
        left.push(lab.cuts().len());
    }
    assert_eq!(left, [7, 2, 0, 0]);
}

#[test]
fn holds_and_locks_outlast_a_retirement_and_points_of_restores_stay() {
    let mut lab = retiring();
    lab.records().holds.insert((uid("orders-db"), "20261120t000000z-1".parse().unwrap()));
    let locked = lab.snapshots()[1].id.clone();
    lab.snapshot(&locked).locked_until = Some(time("2027-01-01"));
    lab.put(&Point { class: PointClass::Safety, ..of_day(19) });
    for day in 0..20 {
        lab.set_time(Duration::days(day).after(time("2026-11-23T01:00Z")));
        lab.apply_plan();
    }
    assert_snapshot!(lab.plan_text(), @"? orders-db 2026-11-21T00:00Z: locked by the provider until 2027-01-01T00:00Z");
    assert_eq!(lab.cuts(), [time("2026-11-19"), time("2026-11-20"), time("2026-11-21")]);
}

#[test]
fn machines_that_are_gone_do_not_stop_a_retirement() {
    let mut lab = retiring();
    lab.inventory().instances.clear();
    lab.set_time(time("2026-11-27T01:00Z"));
    let plan = lab.plan();
    assert_eq!(plan.changes.len(), 4, "{}", lab.plan_text());
    assert!(plan.changes.iter().all(|change| change.cause == Cause::Config));
    assert!(plan.waiting.is_empty());
}

#[test]
fn a_retirement_that_is_undone_takes_its_marks_back() {
    let mut lab = retiring();
    lab.set_time(time("2026-11-26T01:00Z"));
    lab.apply_plan();
    lab.retire("orders-db", false);
    assert_snapshot!(lab.plan_text(), @"
    + orders-db 2026-11-26T00:00Z config: due; newest point is of 2026-11-23T00:00Z
    < orders-db 2026-11-22T00:00Z config: retention keeps it again
    < orders-db 2026-11-23T00:00Z config: retention keeps it again
    ? orders-db 2026-11-20T00:00Z: tombstoned; grace until 2026-11-29T01:00Z
    ");
    lab.settle();
    assert_eq!(lab.cuts().len(), 5);
}

#[test]
fn copies_of_a_retired_cluster_go_by_their_own_rules_and_none_is_made() {
    let mut lab = Lab::new(THREE).with_site("us", "aws");
    lab.set_policy(&format!("{THREE}\ncopies: [ {{ site: us, retention: {{ keep: {{ weekly: 1 }}, grace: 1h }} }} ]"));
    for day in 20..=23 {
        lab.put(&of_day(day));
    }
    for day in 21..=22 {
        lab.put_at(&us(), &of_day(day));
    }
    lab.retire("orders-db", true);
    lab.baseline = Some(lab.desired.clone());
    let mut to_day = |days: std::ops::Range<u64>| {
        for day in days {
            lab.set_time(Duration::days(day).after(time("2026-11-23T02:00Z")));
            lab.apply_plan();
        }
        (lab.cuts().len(), lab.cuts_at(&us()).len())
    };
    assert_eq!(to_day(0..5), (2, 2));
    assert_eq!(to_day(5..7), (0, 1));
    assert_eq!(to_day(7..9), (0, 0));
}

/// The instant at which a point of 1 November is first marked, as days and hours after it.
fn marked_after(policy: &str) -> String {
    let mut lab = Lab::new(policy).at(time("2026-11-01T00:30Z"));
    lab.put(&Point::at(time("2026-11-01")));
    lab.retire("orders-db", true);
    let marks = |lab: &Lab| lab.plan().changes.iter().any(|change| matches!(change.action, Action::Expire(_)));
    let (mut early, mut late) = (0_u64, 60 * 24 * 3650);
    while early < late {
        let middle = u64::midpoint(early, late);
        lab.set_time(Duration::minutes(middle).after(time("2026-11-01")));
        if marks(&lab) { late = middle } else { early = middle + 1 }
    }
    format!("{}d {}h {}m", early / 1440, early % 1440 / 60, early % 60)
}

#[test]
fn each_rule_counts_as_the_time_that_it_would_have_spanned() {
    let with = |schedule: &str, retention: &str| {
        marked_after(&format!("schedule: {{ {schedule} }}\nretention: {{ {retention} }}"))
    };
    let daily = "every: 24h, spread: 0s";
    let hourly = "every: 1h, spread: 0s";
    // A minute later than the span: older means older.
    let cases = [
        (hourly, "keep: { hourly: 30 }", "1d 6h 1m"),
        (hourly, "keep: { daily: 3 }", "3d 0h 1m"),
        (hourly, "keep: { weekly: 2 }", "14d 0h 1m"),
        (hourly, "keep: { monthly: 2 }", "62d 0h 1m"),
        (hourly, "keep: { yearly: 2 }", "732d 0h 1m"),
        (hourly, "keep: { last: 7 }", "0d 7h 1m"),
        (hourly, "recoveryWindow: 36h", "1d 12h 1m"),
        (hourly, "recoveryWindow: 36h, keep: { daily: 2, hourly: 3 }", "2d 0h 1m"),
        (daily, "keep: { hourly: 1 }", "1d 0h 1m"),
        (daily, "keep: { daily: 2 }, minimumRedundancy: 5, onDemand: { max: 90 }", "5d 0h 1m"),
        // Mondays to Fridays: the weekend is the longest gap.
        ("cron: 0 3 * * mon-fri", "keep: { last: 2 }", "6d 0h 1m"),
    ];
    for (schedule, retention, expected) in cases {
        assert_eq!(with(schedule, retention), expected, "{schedule}: {retention}");
    }
}

#[test]
fn a_cluster_that_is_being_retired_is_never_late_or_due() {
    let mut lab = Lab::new(&format!("{THREE}\nsla: {{ maxAge: 26h }}"));
    lab.put(&of_day(20));
    let state = |lab: &Lab| survey(&lab.desired, &lab.observed, lab.now).remove(0).state;
    assert_eq!(state(&lab), ClusterState::Late);
    assert!(lab.text().contains("! orders-db: late"), "{}", lab.text());
    lab.retire("orders-db", true);
    assert_eq!(serde_json::to_value(state(&lab)).unwrap(), "retiring");
    assert!(!lab.text().contains("late"), "{}", lab.text());
    // A site that cannot be read is still told: nobody knows what is left.
    lab.site_is_unknown();
    assert_eq!(state(&lab), ClusterState::Unknown);
}
