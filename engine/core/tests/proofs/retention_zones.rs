//! Retention by the calendar: days, weeks, months and years begin in the policy's time zone.

use crate::support::judged::judged_in;
use insta::assert_snapshot;

#[test]
fn a_day_begins_at_the_zones_midnight() {
    let cuts = "2026-06-02T00:00Z 2026-06-01T22:00Z 2026-06-01T21:59:59Z 2026-06-01T04:00Z 2026-06-01T03:59:59Z 2026-05-31T12:00Z";
    let table = |zone| judged_in(zone, "keep: { daily: 2 }", "2026-06-02T12:00Z").cuts(cuts).show();
    assert_snapshot!(table("UTC"), @"
    2026-06-02T00:00:00Z: daily, minimumRedundancy
    2026-06-01T22:00:00Z: daily
    2026-06-01T21:59:59Z: -
    2026-06-01T04:00:00Z: -
    2026-06-01T03:59:59Z: -
    2026-05-31T12:00:00Z: -
    ");
    assert_snapshot!(table("Europe/Berlin"), @"
    2026-06-02T00:00:00Z: daily, minimumRedundancy
    2026-06-01T22:00:00Z: -
    2026-06-01T21:59:59Z: daily
    2026-06-01T04:00:00Z: -
    2026-06-01T03:59:59Z: -
    2026-05-31T12:00:00Z: -
    ");
    assert_snapshot!(table("America/New_York"), @"
    2026-06-02T00:00:00Z: daily, minimumRedundancy
    2026-06-01T22:00:00Z: -
    2026-06-01T21:59:59Z: -
    2026-06-01T04:00:00Z: -
    2026-06-01T03:59:59Z: daily
    2026-05-31T12:00:00Z: -
    ");
}

#[test]
fn a_day_of_23_and_one_of_25_hours_is_one_day_each() {
    // Berlin skips 02:00 to 03:00 on 29 March 2026, and has it twice on 25 October.
    let spring = judged_in("Europe/Berlin", "keep: { daily: 3 }", "2026-03-31T00:00Z")
        .cuts("2026-03-29T22:00Z 2026-03-29T21:59:59Z 2026-03-28T23:00Z 2026-03-28T22:59:59Z");
    assert_snapshot!(spring.show(), @"
    2026-03-29T22:00:00Z: daily, minimumRedundancy
    2026-03-29T21:59:59Z: daily
    2026-03-28T23:00:00Z: -
    2026-03-28T22:59:59Z: daily
    ");
    let autumn = judged_in("Europe/Berlin", "keep: { daily: 3 }", "2026-10-27T00:00Z")
        .cuts("2026-10-25T23:00Z 2026-10-25T22:59:59Z 2026-10-24T22:00Z 2026-10-24T21:59:59Z");
    assert_snapshot!(autumn.show(), @"
    2026-10-25T23:00:00Z: daily, minimumRedundancy
    2026-10-25T22:59:59Z: daily
    2026-10-24T22:00:00Z: -
    2026-10-24T21:59:59Z: daily
    ");
    let york = judged_in("America/New_York", "keep: { daily: 3 }", "2026-11-03T00:00Z")
        .cuts("2026-11-02T05:00Z 2026-11-02T04:59:59Z 2026-11-01T04:00Z 2026-11-01T03:59:59Z");
    assert_snapshot!(york.show(), @"
    2026-11-02T05:00:00Z: daily, minimumRedundancy
    2026-11-02T04:59:59Z: daily
    2026-11-01T04:00:00Z: -
    2026-11-01T03:59:59Z: daily
    ");
}

#[test]
fn an_hour_that_comes_twice_is_one_bucket_and_one_that_is_skipped_is_none() {
    let twice = judged_in("Europe/Berlin", "keep: { hourly: 3 }", "2026-10-25T06:00Z")
        .cuts("2026-10-25T02:30Z 2026-10-25T01:30Z 2026-10-25T00:30Z 2026-10-24T23:30Z 2026-10-24T22:30Z");
    assert_snapshot!(twice.show(), @"
    2026-10-25T02:30:00Z: hourly, minimumRedundancy
    2026-10-25T01:30:00Z: hourly
    2026-10-25T00:30:00Z: -
    2026-10-24T23:30:00Z: hourly
    2026-10-24T22:30:00Z: -
    ");
    let skipped = judged_in("America/New_York", "keep: { hourly: 3 }", "2026-03-08T12:00Z")
        .cuts("2026-03-08T07:30Z 2026-03-08T06:30Z 2026-03-08T05:30Z 2026-03-08T04:30Z");
    assert_snapshot!(skipped.show(), @"
    2026-03-08T07:30:00Z: hourly, minimumRedundancy
    2026-03-08T06:30:00Z: hourly
    2026-03-08T05:30:00Z: hourly
    2026-03-08T04:30:00Z: -
    ");
}

#[test]
fn hours_that_alternate_are_counted_once_each() {
    // Troll goes back by two hours: 01, 02, 01, 02.
    let troll = judged_in("Antarctica/Troll", "keep: { hourly: 3 }", "2026-10-25T06:00Z").cuts(
        "2026-10-25T03:30Z 2026-10-25T02:30Z 2026-10-25T01:30Z 2026-10-25T00:30Z 2026-10-24T23:30Z 2026-10-24T22:30Z",
    );
    assert_snapshot!(troll.show(), @"
    2026-10-25T03:30:00Z: hourly, minimumRedundancy
    2026-10-25T02:30:00Z: hourly
    2026-10-25T01:30:00Z: hourly
    2026-10-25T00:30:00Z: -
    2026-10-24T23:30:00Z: -
    2026-10-24T22:30:00Z: -
    ");
}

#[test]
fn an_iso_week_belongs_to_the_year_that_has_its_thursday() {
    // 2026 has 53 weeks: 1 January 2027 is a Friday of 2026-W53. 29 December 2025 is a Monday of 2026-W01.
    let table = judged_in("UTC", "keep: { weekly: 3 }", "2027-01-05T00:00Z")
        .cuts("2027-01-04T00:00Z 2027-01-03T23:59:59Z 2027-01-01T00:00Z 2026-12-28T00:00Z 2026-12-27T23:59:59Z");
    assert_snapshot!(table.show(), @"
    2027-01-04T00:00:00Z: weekly, minimumRedundancy
    2027-01-03T23:59:59Z: weekly
    2027-01-01T00:00:00Z: -
    2026-12-28T00:00:00Z: -
    2026-12-27T23:59:59Z: weekly
    ");
    let table = judged_in("UTC", "keep: { weekly: 1, yearly: 2 }", "2026-01-04T23:59:59Z")
        .cuts("2026-01-04T00:00Z 2026-01-01T00:00Z 2025-12-31T00:00Z 2025-12-29T00:00Z 2025-12-28T00:00Z");
    assert_snapshot!(table.show(), @"
    2026-01-04T00:00:00Z: weekly, yearly, minimumRedundancy
    2026-01-01T00:00:00Z: -
    2025-12-31T00:00:00Z: yearly
    2025-12-29T00:00:00Z: -
    2025-12-28T00:00:00Z: -
    ");
}

#[test]
fn a_new_year_begins_in_the_zone() {
    let cuts = "2026-12-31T23:30Z 2026-12-31T22:30Z 2026-01-01T04:30Z 2025-12-31T23:30Z 2025-12-31T22:30Z";
    let table = |zone| judged_in(zone, "keep: { yearly: 2 }", "2027-01-01T12:00Z").cuts(cuts).show();
    assert_snapshot!(table("UTC"), @"
    2026-12-31T23:30:00Z: yearly, minimumRedundancy
    2026-12-31T22:30:00Z: -
    2026-01-01T04:30:00Z: -
    2025-12-31T23:30:00Z: yearly
    2025-12-31T22:30:00Z: -
    ");
    assert_snapshot!(table("Europe/Berlin"), @"
    2026-12-31T23:30:00Z: yearly, minimumRedundancy
    2026-12-31T22:30:00Z: yearly
    2026-01-01T04:30:00Z: -
    2025-12-31T23:30:00Z: -
    2025-12-31T22:30:00Z: -
    ");
    assert_snapshot!(table("America/New_York"), @"
    2026-12-31T23:30:00Z: yearly, minimumRedundancy
    2026-12-31T22:30:00Z: -
    2026-01-01T04:30:00Z: yearly
    2025-12-31T23:30:00Z: -
    2025-12-31T22:30:00Z: -
    ");
}

#[test]
fn a_leap_day_is_a_day_of_february() {
    let table = judged_in("UTC", "keep: { daily: 3, monthly: 2 }", "2024-03-01T12:00Z")
        .cuts("2024-03-01T00:00Z 2024-02-29T23:59:59Z 2024-02-29T00:00Z 2024-02-28T00:00Z 2024-01-31T00:00Z");
    assert_snapshot!(table.show(), @"
    2024-03-01T00:00:00Z: daily, monthly, minimumRedundancy
    2024-02-29T23:59:59Z: daily, monthly
    2024-02-29T00:00:00Z: -
    2024-02-28T00:00:00Z: daily
    2024-01-31T00:00:00Z: -
    ");
}

#[test]
fn months_of_any_length_are_one_bucket() {
    let table = judged_in("Europe/Berlin", "keep: { monthly: 4 }", "2026-04-02T00:00Z")
        .cuts("2026-03-31T22:00Z 2026-03-31T21:59:59Z 2026-02-28T23:00Z 2026-02-28T22:59:59Z 2026-01-31T23:00Z 2026-01-31T22:59:59Z");
    assert_snapshot!(table.show(), @"
    2026-03-31T22:00:00Z: monthly, minimumRedundancy
    2026-03-31T21:59:59Z: monthly
    2026-02-28T23:00:00Z: -
    2026-02-28T22:59:59Z: monthly
    2026-01-31T23:00:00Z: -
    2026-01-31T22:59:59Z: monthly
    ");
}
