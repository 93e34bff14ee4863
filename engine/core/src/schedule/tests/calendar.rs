//! A second, naive implementation: it walks every minute of real time and looks at the clock on the wall.
//!
//! It never asks a time zone about a civil time. It keeps the latest time that the clock has shown: what the clock skipped is
//! due now, what it shows again was due before.

use super::*;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZoneDatabase};
use proptest::prelude::*;

/// An expression as lists of numbers.
#[derive(Debug, Clone)]
pub(super) struct Naive {
    pub(super) text: String,
    fields: [Vec<i8>; 5],
    either_day: bool,
}

impl Naive {
    pub(super) fn new(fields: [(String, Vec<i8>); 5]) -> Self {
        let texts: Vec<&str> = fields.iter().map(|(text, _)| text.as_str()).collect();
        Self {
            text: texts.join(" "),
            either_day: !texts[2].starts_with('*') && !texts[4].starts_with('*'),
            fields: fields.map(|(_, values)| values),
        }
    }

    fn matches(&self, minute: DateTime) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let weekday = minute.weekday().to_monday_one_offset();
        let by_date = days.contains(&minute.day());
        let by_weekday = weekdays.contains(&weekday) || (weekday == 7 && weekdays.contains(&0));
        minutes.contains(&minute.minute())
            && hours.contains(&minute.hour())
            && months.contains(&minute.month())
            && if self.either_day { by_date || by_weekday } else { by_date && by_weekday }
    }

    /// Every instant from `from` to `to`, both whole minutes, at which the expression is due. The walk begins `earlier`, so
    /// that an overlap that is not over at `from` is seen whole.
    pub(super) fn due(
        &self,
        zone: &TimeZone,
        earlier: SignedDuration,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Timestamp> {
        let number = |civil: DateTime| Offset::UTC.to_timestamp(civil).unwrap().as_second() / 60;
        let civil = |number: i64| Offset::UTC.to_datetime(Timestamp::from_second(number * 60).unwrap());
        let mut now = from - earlier;
        let mut shown = number(zone.to_datetime(now));
        let mut due = Vec::new();
        while now < to {
            now += SignedDuration::from_mins(1);
            let shows = number(zone.to_datetime(now));
            if (shown + 1..=shows).any(|minute| self.matches(civil(minute))) && now >= from {
                due.push(now);
            }
            shown = shown.max(shows);
        }
        due
    }
}

/// Compares everything that a schedule says about a span with what the naive walk found there.
pub(super) fn compare(schedule: &Schedule, cluster: &ClusterUid, from: Timestamp, to: Timestamp, due: &[Timestamp]) {
    let tick = SignedDuration::from_nanos(1);
    let mut previous = None;
    for instant in due.iter().copied() {
        let before = previous.unwrap_or(from - tick);
        assert_eq!(schedule.next_due(cluster, before), Some(instant));
        assert_eq!(schedule.next_due(cluster, instant - tick), Some(instant));
        assert_eq!(schedule.latest_due(cluster, instant), Some(instant));
        assert_eq!(schedule.latest_due(cluster, instant + SignedDuration::from_millis(59_999)), Some(instant));
        let latest = schedule.latest_due(cluster, instant - tick);
        match previous {
            Some(previous) => {
                assert_eq!(latest, Some(previous));
                // Between the two lies what an overlap shows again.
                let between = previous + (instant - previous).checked_div(2).unwrap();
                assert_eq!(schedule.latest_due(cluster, between), Some(previous));
                assert_eq!(schedule.next_due(cluster, between), Some(instant));
            }
            None => assert!(latest.is_none_or(|latest| latest < from)),
        }
        previous = Some(instant);
    }
    let next = schedule.next_due(cluster, previous.unwrap_or(from - tick));
    assert!(next.is_some_and(|next| next > to), "{next:?} is due, but not by the naive walk");
    let latest = schedule.latest_due(cluster, to);
    assert!(latest == previous || (previous.is_none() && latest.is_some_and(|latest| latest < from)));
}

/// One element of a list with the numbers that it means.
fn element(low: i8, high: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
    (0..5, low..=high, low..=high, 1..high - low).prop_map(move |(shape, a, b, step)| {
        let (first, last) = (a.min(b), a.max(b));
        let every = |from: i8, to: i8, step: i8| (from..=to).filter(|value| (value - from) % step == 0).collect();
        match shape {
            0 => ("*".to_owned(), every(low, high, 1)),
            1 => (format!("*/{step}"), every(low, high, step)),
            2 => (format!("{a}"), vec![a]),
            3 => (format!("{first}-{last}"), every(first, last, 1)),
            _ => (format!("{first}-{last}/{step}"), every(first, last, step)),
        }
    })
}

fn field(low: i8, high: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
    let list = prop::collection::vec(element(low, high), 1..4).prop_map(|elements| {
        let (texts, values): (Vec<String>, Vec<Vec<i8>>) = elements.into_iter().unzip();
        (texts.join(","), values.concat())
    });
    prop_oneof![1 => Just(("*".to_owned(), (low..=high).collect())), 2 => list]
}

fn expression() -> impl Strategy<Value = Naive> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7))
        .prop_map(|(minute, hour, day, month, weekday)| Naive::new([minute, hour, day, month, weekday]))
}

/// A time zone, and an instant that is near one of its transitions in two of three cases.
fn moment() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let seconds = at("2000-01-03T00:00:00Z").as_second()..at("2040-01-01T00:00:00Z").as_second();
    (prop::sample::select(names), seconds, 0..3, -2880..2880_i64).prop_map(|(name, second, choice, minutes)| {
        let zone = zone(&name);
        let random = Timestamp::from_second(second / 60 * 60).unwrap();
        let change = if choice == 0 { None } else { zone.following(random).next().map(|change| change.timestamp()) };
        let near = change.map_or(random, |change| change + SignedDuration::from_mins(minutes));
        (zone, near)
    })
}

proptest! {
    // A case walks four days by the minute in two ways; failures are printed small, and not written into the tree.
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cron_agrees_with_a_naive_walk(
        naive in expression(),
        (zone, middle) in moment(),
        spread in prop_oneof![Just(0), 1..200_000_u64],
        cluster in "[a-z]{8}",
    ) {
        let parsed = Cron::parse(&naive.text);
        prop_assume!(!matches!(parsed, Err(InvalidCron::NeverFires { .. })));
        let (cluster, spread) = (uid(cluster), Duration::seconds(spread));
        let offset = spread::of(&cluster, spread).signed();
        let (from, to) = (middle - SignedDuration::from_hours(36), middle + SignedDuration::from_hours(36));
        let due: Vec<Timestamp> = naive.due(&zone, SignedDuration::from_hours(26), from, to).into_iter().map(|instant| instant + offset).collect();
        let schedule = Schedule::Cron { cron: parsed.unwrap(), zone, spread };
        compare(&schedule, &cluster, from + offset, to + offset, &due);
    }

    #[test]
    fn every_agrees_with_counting(
        interval in 1..400_000_u64,
        spread in 0..400_000_u64,
        nanos in -4_000_000_000_000_000_000..4_000_000_000_000_000_000_i128,
        cluster in "[a-z]{8}",
    ) {
        let (interval, spread) = (Duration::seconds(interval), Duration::seconds(spread));
        let cluster = uid(cluster);
        let now = Timestamp::from_nanosecond(nanos).unwrap();
        let schedule = Schedule::Every { interval, spread };
        let latest = schedule.latest_due(&cluster, now).unwrap();
        let next = schedule.next_due(&cluster, now).unwrap();
        prop_assert!(latest <= now && now < next);
        prop_assert_eq!(next, interval.after(latest));
        prop_assert_eq!(latest.subsec_nanosecond(), 0);
        let place = latest.as_second().rem_euclid(interval.signed().as_secs()).unsigned_abs();
        prop_assert_eq!(Duration::seconds(place), spread::of(&cluster, spread.min(interval)));
        prop_assert_eq!(schedule.latest_due(&cluster, next), Some(next));
        prop_assert_eq!(schedule.next_due(&cluster, latest - SignedDuration::from_nanos(1)), Some(latest));
    }
}
