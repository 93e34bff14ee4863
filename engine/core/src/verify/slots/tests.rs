//! The walk against the schedule's own arithmetic, which shares nothing with it.

use super::*;
use crate::schedule::Cron;
use jiff::SignedDuration;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

fn uid(text: &str) -> ClusterUid {
    ClusterUid::new(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(text: &str, zone: &str, spread: Duration) -> Schedule {
    Schedule::Cron { cron: Cron::parse(text).unwrap(), zone: TimeZone::get(zone).unwrap(), spread }
}

fn latest(text: &str, zone: &str, now: &str) -> String {
    let schedule = cron(text, zone, Duration::ZERO);
    Slots::of(&schedule, at(now), Duration::ZERO).latest(&uid("orders")).unwrap().to_string()
}

#[test]
fn a_slot_in_a_gap_runs_once_at_its_end_and_one_in_an_overlap_the_first_time() {
    // The clock goes from 02:00 to 03:00 at 01:00Z.
    for (now, due) in [
        ("2026-03-29T00:59:59Z", "2026-03-28T01:30:00Z"),
        ("2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"),
        ("2026-03-30T00:29:59Z", "2026-03-29T01:00:00Z"),
        ("2026-03-30T00:30:00Z", "2026-03-30T00:30:00Z"),
    ] {
        assert_eq!(latest("30 2 * * *", "Europe/Berlin", now), due, "{now}");
    }
    // The clock goes from 03:00 back to 02:00 at 01:00Z.
    for (now, due) in [
        ("2026-10-25T00:29:59Z", "2026-10-24T00:30:00Z"),
        ("2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-26T01:30:00Z", "2026-10-26T01:30:00Z"),
    ] {
        assert_eq!(latest("30 2 * * *", "Europe/Berlin", now), due, "{now}");
    }
    // Samoa had no 30 December 2011.
    assert_eq!(latest("0 12 30 12 *", "Pacific/Apia", "2011-12-31T00:00:00Z"), "2011-12-30T10:00:00Z");
    // Half an hour each way.
    assert_eq!(latest("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00:00Z"), "2026-10-03T15:30:00Z");
}

#[test]
fn a_rare_slot_is_found_however_long_ago_it_was() {
    assert_eq!(latest("0 0 29 feb mon", "UTC", "2027-02-27T00:00:00Z"), "2027-02-22T00:00:00Z");
    assert_eq!(latest("0 0 29 feb *", "UTC", "2027-02-28T00:00:00Z"), "2024-02-29T00:00:00Z");
    assert_eq!(latest("@yearly", "UTC", "2027-12-31T23:59:59Z"), "2027-01-01T00:00:00Z");
}

#[test]
fn slots_are_counted_and_their_longest_gap_is_measured() {
    let week = Duration::days(7);
    let weekdays = cron("0 6 * * mon-fri", "UTC", Duration::ZERO);
    let slots = Slots::of(&weekdays, at("2026-11-23T06:00:00Z"), Duration::days(400));
    assert_eq!((slots.count(&uid("a"), week), slots.count(&uid("a"), Duration::days(3))), (5, 1));
    assert_eq!(slots.longest_gap(&uid("a"), Duration::days(400)), Duration::days(3));
    let every = Schedule::Every { interval: Duration::hours(8), spread: Duration::ZERO };
    let slots = Slots::of(&every, at("2026-11-23T08:00:00Z"), week);
    assert_eq!((slots.count(&uid("a"), week), slots.longest_gap(&uid("a"), week)), (21, Duration::hours(8)));
    let leap = cron("0 0 29 feb *", "UTC", Duration::ZERO);
    let slots = Slots::of(&leap, at("2026-11-23T08:00:00Z"), Duration::days(400));
    assert_eq!(
        (slots.count(&uid("a"), week), slots.longest_gap(&uid("a"), Duration::days(400))),
        (0, Duration::days(400))
    );
}

/// One element of a field's list.
fn element(low: i8, high: i8, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    (0..6, low..=high, low..=high, 1..high - low).prop_map(move |(shape, a, b, step)| {
        let (first, last) = (a.min(b), a.max(b));
        match shape {
            0 => "*".to_owned(),
            1 => format!("*/{step}"),
            2 => format!("{first}-{last}"),
            3 => format!("{first}-{last}/{step}"),
            4 if !words.is_empty() => words[usize::try_from(a).unwrap() % words.len()].to_owned(),
            _ => format!("{a}"),
        }
    })
}

fn field(low: i8, high: i8, words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let list = prop::collection::vec(element(low, high, words), 1..3).prop_map(|elements| elements.join(","));
    prop_oneof![Just("*".to_owned()), list]
}

fn expression() -> impl Strategy<Value = String> {
    let months = &["jan", "FEB", "mar", "Oct", "dec"];
    let weekdays = &["sun", "Mon", "fri", "SAT"];
    (field(0, 59, &[]), field(0, 23, &[]), field(1, 31, &[]), field(1, 12, months), field(0, 7, weekdays))
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

/// A time zone, and an instant that is near one of its transitions in two of three cases.
fn moment() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let seconds = at("2000-01-03T00:00:00Z").as_second()..at("2040-01-01T00:00:00Z").as_second();
    (prop::sample::select(names), seconds, 0..3, -200_000..200_000_i64).prop_map(|(name, second, choice, off)| {
        let zone = TimeZone::get(&name).unwrap();
        let random = Timestamp::from_second(second).unwrap();
        let change = if choice == 0 { None } else { zone.following(random).next().map(|change| change.timestamp()) };
        (zone, change.map_or(random, |change| change + SignedDuration::from_secs(off)))
    })
}

proptest! {
    // A case walks at least four days by the minute; rare expressions walk years by the day.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_walk_and_the_schedule_agree_on_cron(
        text in expression(),
        (zone, now) in moment(),
        spread in prop_oneof![Just(0), 1..200_000_u64],
        cluster in "[a-z]{8}",
    ) {
        let Ok(cron) = Cron::parse(&text) else { return Ok(()) };
        let schedule = Schedule::Cron { cron, zone, spread: Duration::seconds(spread) };
        let cluster = uid(&cluster);
        let week = Duration::days(7);
        let slots = Slots::of(&schedule, now, week);
        prop_assert_eq!(slots.latest(&cluster), schedule.latest_due(&cluster, now));
        let (mut count, mut next) = (0, schedule.next_due(&cluster, week.before(Timestamp::from_second(now.as_second()).unwrap())));
        while next.is_some_and(|slot| slot <= now) && count < 500 {
            count += 1;
            next = schedule.next_due(&cluster, next.unwrap());
        }
        prop_assert!(slots.count(&cluster, week) == count || count == 500);
    }

    #[test]
    fn the_walk_and_the_schedule_agree_on_every(
        interval in 1..400_000_u64,
        spread in 0..400_000_u64,
        second in -4_000_000_000..4_000_000_000_i64,
        cluster in "[a-z]{8}",
    ) {
        let schedule = Schedule::Every { interval: Duration::seconds(interval), spread: Duration::seconds(spread) };
        let (cluster, now) = (uid(&cluster), Timestamp::from_second(second).unwrap());
        prop_assert_eq!(Slots::of(&schedule, now, Duration::ZERO).latest(&cluster), schedule.latest_due(&cluster, now));
    }
}
