//! Where a cron expression's minutes lie in real time.
//!
//! Minutes are walked day by day, and within a day found by bisection: placing is monotone, because a later minute of the
//! calendar is never placed before an earlier one.

use super::cron::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The latest instant of the expression at or before `at`.
pub(super) fn latest(cron: &Cron, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let today = zone.to_datetime(at).date();
    // In an overlap around midnight, a minute of tomorrow's date has passed already.
    cron.days_down_from(today.tomorrow().unwrap_or(today)).find_map(|day| {
        let passed = passed(cron, zone, day, at);
        place(zone, cron.minute_of(day, passed.checked_sub(1)?))
    })
}

/// The first instant of the expression after `at`.
pub(super) fn next(cron: &Cron, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
    let today = zone.to_datetime(at).date();
    cron.days_up_from(today).find_map(|day| {
        let passed = passed(cron, zone, day, at);
        if passed < cron.minutes_a_day() { place(zone, cron.minute_of(day, passed)) } else { None }
    })
}

/// How many of a day's minutes are placed at or before `at`.
fn passed(cron: &Cron, zone: &TimeZone, day: jiff::civil::Date, at: Timestamp) -> usize {
    let (mut passed, mut not_passed) = (0, cron.minutes_a_day());
    while passed < not_passed {
        let middle = usize::midpoint(passed, not_passed);
        if place(zone, cron.minute_of(day, middle)).is_some_and(|instant| instant <= at) {
            passed = middle + 1;
        } else {
            not_passed = middle;
        }
    }
    passed
}

/// The one instant at which a minute of the calendar is due; `None` only beyond the years that can be represented.
fn place(zone: &TimeZone, minute: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(minute).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(minute).ok(),
        // It comes twice: the first time counts.
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(minute).ok(),
        // It never comes: the gap's end counts. Read with the offset after the gap, it lies shortly before the transition.
        // A transition may also change a name only, so the offset tells which one it is.
        AmbiguousOffset::Gap { after, .. } => {
            let shortly_before = after.to_timestamp(minute).ok()?;
            zone.following(shortly_before).find(|change| change.offset() == after).map(|change| change.timestamp())
        }
    }
}
