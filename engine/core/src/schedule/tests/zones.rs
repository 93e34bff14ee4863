//! All time zones, all transitions from 2000 to 2040: no slot is missed, none runs twice.
//!
//! What bounds it: each distinct zone once (aliases share their data), and around each transition two hours on both sides by
//! the minute. The years between are walked whole for daily schedules in four zones.

use super::calendar::{Naive, compare};
use super::*;
use jiff::SignedDuration;
use jiff::tz::TimeZoneDatabase;

fn zones() -> impl Iterator<Item = TimeZone> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    names.into_iter().map(|name| zone(&name)).filter(TimeZone::is_primary)
}

fn transitions(zone: &TimeZone) -> Vec<Timestamp> {
    let end = at("2040-01-01T00:00:00Z");
    zone.following(at("2000-01-01T00:00:00Z")).map(|change| change.timestamp()).take_while(|at| *at < end).collect()
}

fn numbers(text: &str, values: impl IntoIterator<Item = i8>) -> (String, Vec<i8>) {
    (text.to_owned(), values.into_iter().collect())
}

fn all() -> [(String, Vec<i8>); 3] {
    [numbers("*", 1..=31), numbers("*", 1..=12), numbers("*", 0..=7)]
}

#[test]
fn no_slot_near_a_transition_is_missed_or_doubled() {
    let (mut zones_seen, mut transitions_seen) = (0, 0);
    for zone in zones() {
        zones_seen += 1;
        for change in transitions(&zone) {
            transitions_seen += 1;
            let before = zone.to_datetime(change - SignedDuration::from_nanos(1));
            // Five minutes into the gap, or into the overlap.
            let inside = before.min(zone.to_datetime(change)) + SignedDuration::from_mins(5);
            let (hour, minute) = (inside.hour(), inside.minute());
            let [day, month, weekday] = all();
            let quarters = numbers("*/15", [0, 15, 30, 45]);
            let often = Naive::new([quarters, numbers("*", 0..=23), day.clone(), month.clone(), weekday.clone()]);
            let daily = Naive::new([
                numbers(&minute.to_string(), [minute]),
                numbers(&hour.to_string(), [hour]),
                day,
                month,
                weekday,
            ]);
            let (from, to) = (change - SignedDuration::from_hours(2), change + SignedDuration::from_hours(2));
            for naive in [often, daily] {
                let schedule = Schedule::Cron {
                    cron: Cron::parse(&naive.text).unwrap(),
                    zone: zone.clone(),
                    spread: Duration::ZERO,
                };
                compare(
                    &schedule,
                    &uid("orders"),
                    from,
                    to,
                    &naive.due(&zone, SignedDuration::from_hours(1), from, to),
                );
            }
        }
    }
    // The walk itself must not shrink unseen.
    assert!(zones_seen > 300 && transitions_seen > 10_000, "{zones_seen} zones, {transitions_seen} transitions");
}

#[test]
fn a_daily_schedule_runs_once_a_day_for_forty_years() {
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let schedule = cron("30 2 * * *", name);
        let zone = zone(name);
        let mut day = jiff::civil::date(2000, 1, 1);
        let mut now = at("1999-12-31T23:00:00Z") - SignedDuration::from_hours(12);
        while day.year() < 2040 {
            now = schedule.next_due(&uid("orders"), now).unwrap();
            assert_eq!(zone.to_datetime(now).date(), day, "{name}");
            day = day.tomorrow().unwrap();
        }
    }
}
