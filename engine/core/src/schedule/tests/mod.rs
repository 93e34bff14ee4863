//! Tables of single cases. `grammar.rs` has the expressions, `calendar.rs` compares with a naive second implementation,
//! `zones.rs` walks the transitions of all time zones.

mod calendar;
mod grammar;
mod zones;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn uid(text: impl AsRef<str>) -> ClusterUid {
    ClusterUid::new(text).unwrap()
}

fn cron(text: &str, name: &str) -> Schedule {
    Schedule::Cron { cron: Cron::parse(text).unwrap(), zone: zone(name), spread: Duration::ZERO }
}

/// Every instant due after `from` and not after `to`, in the zone's own time.
fn due(schedule: &Schedule, name: &str, from: &str, to: &str) -> Vec<String> {
    let (cluster, zone) = (uid("orders"), zone(name));
    let mut instants = Vec::new();
    let mut now = at(from);
    while let Some(next) = schedule.next_due(&cluster, now).filter(|next| *next <= at(to)) {
        assert_eq!(schedule.latest_due(&cluster, next), Some(next));
        let offset = zone.to_offset(next);
        instants.push(format!("{}{offset}", zone.to_datetime(next).strftime("%Y-%m-%dT%H:%M")));
        now = next;
    }
    instants
}

#[test]
fn cron_runs_by_the_clock_on_the_wall() {
    for (expression, name, from, to, expected) in [
        // A new year, seen from a zone that is ahead of UTC by a quarter of an hour.
        (
            "0 */8 * * *",
            "Asia/Kathmandu",
            "2025-12-31T10:15:00Z",
            "2026-01-01T11:00:00Z",
            &["2026-01-01T00:00+05:45", "2026-01-01T08:00+05:45", "2026-01-01T16:00+05:45"][..],
        ),
        // A leap day, and the century year that has none.
        (
            "0 0 29 2 *",
            "UTC",
            "2023-01-01T00:00:00Z",
            "2028-12-31T00:00:00Z",
            &["2024-02-29T00:00+00", "2028-02-29T00:00+00"],
        ),
        (
            "0 0 29 2 *",
            "UTC",
            "2095-01-01T00:00:00Z",
            "2104-12-31T00:00:00Z",
            &["2096-02-29T00:00+00", "2104-02-29T00:00+00"],
        ),
        // Europe/Berlin, 29 March 2026: 02:00 becomes 03:00.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00:00Z",
            "2026-03-30T12:00:00Z",
            &["2026-03-28T02:30+01", "2026-03-29T03:00+02", "2026-03-30T02:30+02"],
        ),
        // All that the gap swallowed, and 03:00 itself, are one.
        (
            "*/15 2,3 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:30:00Z",
            &["2026-03-29T03:00+02", "2026-03-29T03:15+02", "2026-03-29T03:30+02"],
        ),
        // 25 October 2026: 03:00 becomes 02:00. 02:30 comes twice, and counts the first time.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            "2026-10-26T12:00:00Z",
            &["2026-10-25T02:30+02", "2026-10-26T02:30+01"],
        ),
        (
            "0,30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:45:00Z",
            "2026-10-25T02:30:00Z",
            &["2026-10-25T02:00+02", "2026-10-25T02:30+02", "2026-10-25T03:00+01", "2026-10-25T03:30+01"],
        ),
        (
            "15 1-3 * * *",
            "America/New_York",
            "2026-03-08T05:00:00Z",
            "2026-03-08T12:00:00Z",
            &["2026-03-08T01:15-05", "2026-03-08T03:00-04", "2026-03-08T03:15-04"],
        ),
        (
            "15 1 * * *",
            "America/New_York",
            "2026-11-01T00:00:00Z",
            "2026-11-03T00:00:00Z",
            &["2026-11-01T01:15-04", "2026-11-02T01:15-05"],
        ),
        // Half an hour only, at 02:00 both times.
        (
            "*/20 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            "2026-10-03T17:00:00Z",
            &["2026-10-04T02:30+11", "2026-10-04T02:40+11"],
        ),
        (
            "*/20 1,2 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            "2026-04-04T17:00:00Z",
            &[
                "2026-04-05T01:00+11",
                "2026-04-05T01:20+11",
                "2026-04-05T01:40+11",
                "2026-04-05T02:00+10:30",
                "2026-04-05T02:20+10:30",
                "2026-04-05T02:40+10:30",
            ],
        ),
        // There was no 30 December 2011 in Samoa.
        (
            "30 4 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00:00Z",
            "2012-01-01T00:00:00Z",
            &["2011-12-29T04:30-10", "2011-12-31T00:00+14", "2011-12-31T04:30+14", "2012-01-01T04:30+14"],
        ),
        (
            "0 0 30 * *",
            "Pacific/Apia",
            "2011-12-01T00:00:00Z",
            "2012-01-31T00:00:00Z",
            &["2011-12-31T00:00+14", "2012-01-30T00:00+14"],
        ),
    ] {
        assert_eq!(due(&cron(expression, name), name, from, to), expected, "{expression} in {name}");
    }
}

#[test]
fn an_overlap_around_midnight_does_not_hide_a_minute_that_has_passed() {
    // America/St_Johns, 7 November 2010: 00:01 became 23:01 of the day before. 00:00 had been due.
    let schedule = cron("0 0 * * *", "America/St_Johns");
    let midnight = at("2010-11-07T02:30:00Z");
    assert_eq!(zone("America/St_Johns").to_datetime(midnight).to_string(), "2010-11-07T00:00:00");
    for now in ["2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z", "2010-11-07T03:00:00Z", "2010-11-08T03:29:59Z"] {
        assert_eq!(schedule.latest_due(&uid("orders"), at(now)), Some(midnight), "{now}");
        assert_eq!(schedule.next_due(&uid("orders"), at(now)), Some(at("2010-11-08T03:30:00Z")), "{now}");
    }
}

#[test]
fn every_counts_from_the_epoch() {
    let hour = Duration::hours(1);
    let schedule = |interval, spread| Schedule::Every { interval, spread };
    let plain = schedule(Duration::hours(8), Duration::ZERO);
    for (now, latest, next) in [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z", "2026-11-23T16:00:00Z"),
        ("2026-11-23T07:59:59.999999999Z", "2026-11-23T00:00:00Z", "2026-11-23T08:00:00Z"),
        ("2026-11-23T08:00:00.000000001Z", "2026-11-23T08:00:00Z", "2026-11-23T16:00:00Z"),
        ("2026-12-31T23:59:59Z", "2026-12-31T16:00:00Z", "2027-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T08:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T16:00:00Z", "1970-01-01T00:00:00Z"),
        ("1969-12-31T16:00:00Z", "1969-12-31T16:00:00Z", "1970-01-01T00:00:00Z"),
    ] {
        assert_eq!(plain.latest_due(&uid("a"), at(now)), Some(at(latest)), "{now}");
        assert_eq!(plain.next_due(&uid("a"), at(now)), Some(at(next)), "{now}");
    }

    // A spread beyond the interval is the interval: two clusters never lie a whole slot apart.
    for cluster in 0..50 {
        let cluster = uid(format!("c{cluster}"));
        let now = at("2026-11-23T08:00:00Z");
        assert_eq!(
            schedule(hour, Duration::days(3)).latest_due(&cluster, now),
            schedule(hour, hour).latest_due(&cluster, now)
        );
        let offset = spread::of(&cluster, hour);
        assert!(offset < hour);
        assert_eq!(schedule(hour, hour).latest_due(&cluster, offset.after(now)), Some(offset.after(now)));
        assert_eq!(schedule(hour, hour).next_due(&cluster, offset.after(now)), Some(offset.after(hour.after(now))));
    }
}

#[test]
fn beyond_the_calendar_nothing_is_due() {
    let no_interval = Schedule::Every { interval: Duration::ZERO, spread: Duration::ZERO };
    assert_eq!(no_interval.latest_due(&uid("a"), at("2026-01-01T00:00:00Z")), None);
    assert_eq!(no_interval.next_due(&uid("a"), at("2026-01-01T00:00:00Z")), None);
    for schedule in [
        Schedule::Every { interval: Duration::days(3653), spread: Duration::days(3653) },
        cron("0 0 1 1 *", "Europe/Berlin"),
        cron("* * * * *", "Pacific/Apia"),
    ] {
        assert_eq!(schedule.latest_due(&uid("a"), Timestamp::MIN), None);
        assert_eq!(schedule.next_due(&uid("a"), Timestamp::MAX), None);
        assert!(schedule.latest_due(&uid("a"), Timestamp::MAX).is_some());
        assert!(schedule.next_due(&uid("a"), Timestamp::MIN).is_some());
    }
}

#[test]
fn the_longest_wait_is_found_from_both_sides() {
    // Across 2100 two such days are 40 years apart, or 12.
    let sundays: Vec<i16> = (2000..2200).filter(|year| is_leap_sunday(*year)).collect();
    assert!(sundays.windows(2).any(|pair| pair[1] - pair[0] == 40), "{sundays:?}");
    let schedule = cron("0 0 29 2 */7", "UTC");
    for pair in sundays.windows(2) {
        let [early, late] = [pair[0], pair[1]].map(|year| at(&format!("{year}-02-29T00:00:00Z")));
        assert_eq!(schedule.next_due(&uid("a"), early), Some(late));
        assert_eq!(schedule.latest_due(&uid("a"), late - jiff::SignedDuration::from_secs(1)), Some(early));
    }
}

fn is_leap_sunday(year: i16) -> bool {
    jiff::civil::Date::new(year, 2, 29).is_ok_and(|day| day.weekday() == jiff::civil::Weekday::Sunday)
}

#[test]
fn a_spread_longer_than_the_slots_moves_them_all_alike() {
    let hourly = |spread| Schedule::Cron { cron: Cron::parse("@hourly").unwrap(), zone: TimeZone::UTC, spread };
    for cluster in 0..200 {
        let cluster = uid(format!("cluster-{cluster}"));
        let spread = Duration::hours(30);
        let offset = spread::of(&cluster, spread);
        let now = at("2026-11-23T12:34:56Z");
        // All instants of the two days before, moved: the greatest that is not in the future.
        let moved = (0..48).map(|hours| offset.after(Duration::hours(hours).before(at("2026-11-23T12:00:00Z"))));
        assert_eq!(hourly(spread).latest_due(&cluster, now), moved.filter(|instant| *instant <= now).max());
    }
}

#[test]
fn clusters_spread_evenly() {
    // 10,000 clusters over 8 hours, counted by 5 minutes: 96 bins of 104 on average. Six standard deviations (61) are
    // never left by an even hash; the uids are fixed, so this cannot fail by chance.
    let spread = Duration::hours(8);
    let mut bins = [0_u32; 96];
    for cluster in 0..10_000_u32 {
        let offset = spread::of(&uid(format!("0d9f6a52-{cluster:04}")), spread).as_seconds();
        bins[usize::try_from(offset / 300).unwrap()] += 1;
    }
    assert!(bins.iter().all(|count| (44..=165).contains(count)), "{bins:?}");
    // The measure of the whole: chi squared with 95 degrees of freedom stays below 150 in all but 3 of 10,000 cases.
    let chi: f64 = bins.iter().map(|count| (f64::from(*count) - 104.17).powi(2) / 104.17).sum();
    assert!(chi < 150.0, "{chi}");
}

#[test]
fn a_cluster_keeps_its_place_for_ever() {
    // These are promises to running fleets: another hash would shift every schedule.
    let places = |spread: Duration| {
        ["orders", "billing", "0d9f6a52-0001"].map(|name| spread::of(&uid(name), spread).as_seconds())
    };
    assert_eq!(places(Duration::hours(8)), [13_800, 23_400, 21_960]);
    // Below an hour by the second.
    assert_eq!(places(Duration::minutes(40)), [230, 870, 366]);
}

#[test]
fn slots_counted_for_many_clusters_are_those_of_each_alone() {
    let spread = |spread, schedule| match schedule {
        Schedule::Cron { cron, zone, .. } => Schedule::Cron { cron, zone, spread },
        Schedule::Every { interval, .. } => Schedule::Every { interval, spread },
    };
    let every = |hours| Schedule::Every { interval: Duration::hours(hours), spread: Duration::hours(hours) };
    let schedules = [
        every(8),
        spread(Duration::ZERO, every(1)),
        every(0),
        cron("30 */6 * * *", "Europe/Berlin"),
        spread(Duration::hours(9), cron("30 */6 * * *", "Europe/Berlin")),
        spread(Duration::days(3), cron("0 2,3 * * *", "America/New_York")),
        spread(Duration::minutes(50), cron("0 0 1 * *", "UTC")),
    ];
    // Across both transitions of the clock in autumn, and bounds that are slots, or a hair beside them.
    let spans = [
        ("2026-10-21T12:34:56.5Z", "2026-11-03T00:00:00Z"),
        ("2026-10-25T00:00:00Z", "2026-10-25T08:00:00Z"),
        ("2026-10-24T23:59:59.999Z", "2026-11-01T00:00:00.001Z"),
    ];
    for (schedule, (since, until)) in schedules.iter().flat_map(|one| spans.iter().map(move |span| (one, *span))) {
        let recent = Recent::of(schedule, at(since), at(until));
        for number in 0..40 {
            let cluster = uid(format!("db-{number}"));
            let alone = std::iter::successors(schedule.next_due(&cluster, at(since)), |slot| {
                schedule.next_due(&cluster, *slot)
            });
            let expected = alone.take_while(|slot| *slot <= at(until)).count();
            assert_eq!(recent.count(&cluster), expected, "{schedule:?} {since} {until} {cluster}");
        }
    }
}
