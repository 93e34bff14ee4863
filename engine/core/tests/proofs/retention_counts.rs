//! Retention by window, by count and by floor: each table lists the points, newest first, and the rules that keep them.

use crate::support::judged::{Judged, judged};
use crate::support::lab::{SYSTEM, UPGRADED, time};
use backstay_core::retention::CurrentSystem;
use backstay_core::tags::PointClass;
use insta::assert_snapshot;

#[test]
fn a_window_keeps_what_is_exactly_at_its_edge_and_the_newest_one_older() {
    let table = judged("recoveryWindow: 3d", "2026-11-23T00:00Z").cuts(
        "2026-11-22T00:00Z 2026-11-20T00:00:00.000001Z 2026-11-20T00:00Z 2026-11-19T23:59:59.999999Z 2026-11-19T00:00Z",
    );
    assert_snapshot!(table.show(), @"
    2026-11-22T00:00:00Z: recoveryWindow, minimumRedundancy
    2026-11-20T00:00:00.000001Z: recoveryWindow
    2026-11-20T00:00:00Z: recoveryWindow
    2026-11-19T23:59:59.999999Z: base of recoveryWindow
    2026-11-19T00:00:00Z: -
    ");
}

#[test]
fn a_window_without_any_point_inside_keeps_its_base() {
    let table = judged("recoveryWindow: 1d", "2026-11-23T00:00Z").cuts("2026-10-01T00:00Z 2026-09-01T00:00Z");
    assert_snapshot!(table.show(), @"
    2026-10-01T00:00:00Z: base of recoveryWindow, minimumRedundancy
    2026-09-01T00:00:00Z: -
    ");
}

#[test]
fn a_point_created_later_than_its_cut_is_as_young_as_its_creation() {
    // The middle one is old by its seal, and was created within the window: neither clock alone makes a point older.
    let mut table = judged("recoveryWindow: 3d", "2026-11-23T00:00Z")
        .cuts("2026-11-22T00:00Z 2026-11-19T00:00Z 2026-11-18T00:00Z 2026-11-17T00:00Z");
    table.points[2].created = time("2026-11-21");
    assert_snapshot!(table.show(), @"
    2026-11-22T00:00:00Z: recoveryWindow, minimumRedundancy
    2026-11-19T00:00:00Z: base of recoveryWindow
    2026-11-18T00:00:00Z: recoveryWindow
    2026-11-17T00:00:00Z: -
    ");
}

#[test]
fn last_keeps_the_newest_whatever_their_order() {
    let table = judged("keep: { last: 2 }", "2026-11-23T12:00Z")
        .cuts("2026-11-20T00:00Z 2026-11-23T00:00Z 2026-11-21T00:00Z 2026-11-22T00:00Z");
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: last
    2026-11-21T00:00:00Z: -
    2026-11-20T00:00:00Z: -
    ");
}

#[test]
fn points_of_equal_cuts_fall_by_slot_and_class_so_that_the_choice_is_always_the_same() {
    let mut table = judged("keep: { last: 1, daily: 1 }", "2026-11-23T12:00Z")
        .cuts("2026-11-23T08:00Z 2026-11-23T08:00Z 2026-11-23T08:00Z");
    table.points[0].key.slot = time("2026-11-23T07:00Z");
    table.points[1].key.slot = time("2026-11-23T08:00Z");
    table.points[1].class = PointClass::OnDemand;
    table.points[2].key = "20261123t080000z-2".parse().unwrap();
    assert_snapshot!(table.show(), @"
    2026-11-23T08:00:00Z: last, daily, minimumRedundancy
    2026-11-23T08:00:00Z on-demand: -
    2026-11-23T08:00:00Z: -
    ");
}

#[test]
fn cuts_within_one_second_are_told_apart_by_microseconds() {
    let table = judged("keep: { last: 1 }", "2026-11-23T12:00Z")
        .cuts("2026-11-23T08:00:00.000002Z 2026-11-23T08:00:00.000003Z 2026-11-23T08:00:00.000001Z");
    assert_snapshot!(table.show(), @"
    2026-11-23T08:00:00.000003Z: last, minimumRedundancy
    2026-11-23T08:00:00.000002Z: -
    2026-11-23T08:00:00.000001Z: -
    ");
}

#[test]
fn buckets_with_gaps_count_only_those_that_exist() {
    let table = judged("keep: { daily: 3 }", "2026-11-23T12:00Z").cuts(
        "2026-11-23T06:00Z 2026-11-23T00:00Z 2026-11-10T06:00Z 2026-11-10T00:00Z 2026-08-01T00:00Z 2026-07-01T00:00Z",
    );
    assert_snapshot!(table.show(), @"
    2026-11-23T06:00:00Z: daily, minimumRedundancy
    2026-11-23T00:00:00Z: -
    2026-11-10T06:00:00Z: daily
    2026-11-10T00:00:00Z: -
    2026-08-01T00:00:00Z: daily
    2026-07-01T00:00:00Z: -
    ");
}

#[test]
fn each_rule_stands_alone_and_a_point_may_serve_several() {
    let table = judged("keep: { last: 2, daily: 2, weekly: 2, monthly: 2, yearly: 2 }", "2026-03-02T12:00Z").cuts(
        "2026-03-02T00:00Z 2026-03-01T12:00Z 2026-03-01T00:00Z 2026-02-28T00:00Z 2026-02-22T00:00Z 2026-01-31T00:00Z \
         2025-12-31T00:00Z 2025-06-01T00:00Z",
    );
    assert_snapshot!(table.show(), @"
    2026-03-02T00:00:00Z: last, daily, weekly, monthly, yearly, minimumRedundancy
    2026-03-01T12:00:00Z: last, daily, weekly
    2026-03-01T00:00:00Z: -
    2026-02-28T00:00:00Z: monthly
    2026-02-22T00:00:00Z: -
    2026-01-31T00:00:00Z: -
    2025-12-31T00:00:00Z: yearly
    2025-06-01T00:00:00Z: -
    ");
}

#[test]
fn the_newest_points_of_the_current_system_live_beside_the_newest_of_all() {
    // An upgrade: two points of the new system, then the old ones. Counting all would let the new ones crowd the old out,
    // or the old ones the new (bug 12 of INVARIANTS.md).
    let mut table = judged("keep: { last: 1 }\nminimumRedundancy: 2", "2026-11-23T12:00Z")
        .cuts("2026-11-23T00:00Z 2026-11-22T00:00Z 2026-11-21T00:00Z 2026-11-20T00:00Z 2026-11-19T00:00Z");
    for point in &mut table.points[2..] {
        point.system = Some(SYSTEM);
    }
    for point in &mut table.points[..2] {
        point.system = Some(UPGRADED);
    }
    table.current = CurrentSystem::Known(UPGRADED);
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: minimumRedundancy
    2026-11-21T00:00:00Z: -
    2026-11-20T00:00:00Z: -
    2026-11-19T00:00:00Z: -
    ");
    table.current = CurrentSystem::Known(SYSTEM);
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: -
    2026-11-21T00:00:00Z: minimumRedundancy
    2026-11-20T00:00:00Z: minimumRedundancy
    2026-11-19T00:00:00Z: -
    ");
    table.current = CurrentSystem::NewestPoints;
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: minimumRedundancy
    2026-11-21T00:00:00Z: -
    2026-11-20T00:00:00Z: -
    2026-11-19T00:00:00Z: -
    ");
}

#[test]
fn on_demand_points_have_a_budget_of_their_own_and_count_in_the_others() {
    let mut table = judged("keep: { last: 1 }\nonDemand: { max: 2 }", "2026-11-23T12:00Z")
        .cuts("2026-11-23T00:00Z 2026-11-22T00:00Z 2026-11-21T00:00Z 2026-11-20T00:00Z 2026-11-19T00:00Z");
    for n in [0, 2, 3, 4] {
        table.points[n].class = PointClass::OnDemand;
    }
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z on-demand: last, minimumRedundancy, onDemand
    2026-11-22T00:00:00Z: -
    2026-11-21T00:00:00Z on-demand: onDemand
    2026-11-20T00:00:00Z on-demand: -
    2026-11-19T00:00:00Z on-demand: -
    ");
}

#[test]
fn safety_and_drill_points_are_kept_and_never_count() {
    let mut table = judged("keep: { last: 1, daily: 2 }", "2026-11-23T12:00Z")
        .cuts("2026-11-23T00:00Z 2026-11-22T00:00Z 2026-11-21T00:00Z 2026-11-20T00:00Z 2026-11-19T00:00Z");
    table.points[0].class = PointClass::Safety;
    table.points[1].class = PointClass::Drill;
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z safety: not judged
    2026-11-22T00:00:00Z drill: not judged
    2026-11-21T00:00:00Z: last, daily, minimumRedundancy
    2026-11-20T00:00:00Z: daily
    2026-11-19T00:00:00Z: -
    ");
}

#[test]
fn a_hold_outranks_retention_and_spends_nothing_of_it() {
    let cuts = "2026-11-23T00:00Z 2026-11-22T00:00Z 2026-11-21T00:00Z 2026-11-20T00:00Z 2026-11-19T00:00Z";
    let mut table = judged("keep: { last: 2 }", "2026-11-23T12:00Z").cuts(cuts);
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: last
    2026-11-21T00:00:00Z: -
    2026-11-20T00:00:00Z: -
    2026-11-19T00:00:00Z: -
    ");
    table.points[1].is_held = true;
    table.points[4].is_held = true;
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: held
    2026-11-21T00:00:00Z: last
    2026-11-20T00:00:00Z: -
    2026-11-19T00:00:00Z: held
    ");
}

#[test]
fn what_is_dated_in_the_future_evicts_nothing_and_is_not_expired() {
    let mut table = judged("keep: { last: 1, daily: 1 }", "2026-11-23T12:00Z")
        .cuts("2099-01-01T00:00Z 2026-11-23T12:05:00.000001Z 2026-11-23T12:05Z 2026-11-22T00:00Z 2026-11-21T00:00Z");
    // Its seal says the past, the provider the future.
    table.points[4].created = time("2027-01-01");
    assert_snapshot!(table.show(), @"
    2099-01-01T00:00:00Z: dated in the future
    2026-11-23T12:05:00.000001Z: dated in the future
    2026-11-23T12:05:00Z: last, daily, minimumRedundancy
    2026-11-22T00:00:00Z: -
    2026-11-21T00:00:00Z: dated in the future
    ");
}

#[test]
fn of_two_points_of_one_slot_only_the_newest_stands() {
    let mut table = judged("keep: { last: 2 }\nminimumRedundancy: 2", "2026-11-23T12:00Z")
        .cuts("2026-11-23T00:02Z 2026-11-23T00:01Z 2026-11-22T00:00Z 2026-11-21T00:00Z");
    table.points[0].key = "20261123t000000z-2".parse().unwrap();
    table.points[1].key = "20261123t000000z-1".parse().unwrap();
    assert_snapshot!(table.show(), @"
    2026-11-23T00:02:00Z: last, minimumRedundancy
    2026-11-23T00:01:00Z: -
    2026-11-22T00:00:00Z: last, minimumRedundancy
    2026-11-21T00:00:00Z: -
    ");
    // Of another system, or held, it is no duplicate.
    let held = |table: &Judged| {
        let mut table = table.clone();
        table.points[0].is_held = true;
        table
    };
    assert_snapshot!(held(&table).show(), @"
    2026-11-23T00:02:00Z: held
    2026-11-23T00:01:00Z: last, minimumRedundancy
    2026-11-22T00:00:00Z: last, minimumRedundancy
    2026-11-21T00:00:00Z: -
    ");
    table.points[1].system = Some(UPGRADED);
    assert_snapshot!(table.show(), @"
    2026-11-23T00:02:00Z: last, minimumRedundancy
    2026-11-23T00:01:00Z: last
    2026-11-22T00:00:00Z: minimumRedundancy
    2026-11-21T00:00:00Z: -
    ");
}

#[test]
fn a_minimum_redundancy_of_none_is_one() {
    let mut table = judged("keep: { last: 1 }", "2026-11-23T12:00Z").cuts("2026-11-23T00:00Z 2026-11-22T00:00Z");
    table.retention.minimum_redundancy = 0;
    table.retention.keep.last = 0;
    table.points[0].system = Some(UPGRADED);
    assert_snapshot!(table.show(), @"
    2026-11-23T00:00:00Z: minimumRedundancy
    2026-11-22T00:00:00Z: minimumRedundancy
    ");
}

#[test]
fn no_points_no_judgements() {
    assert_eq!(judged("keep: { last: 1 }", "2026-11-23T12:00Z").show(), "");
}
