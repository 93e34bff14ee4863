//! How many points a policy comes to, how far apart they are and how long they live, in the long run.

use crate::model::Retention;
use crate::name::ClusterUid;
use crate::schedule::Schedule;
use crate::time::Duration;
use jiff::Timestamp;
use std::iter::successors;

/// So many slots of an expression are looked at: more than a week of one an hour.
const SLOTS: usize = 200;
/// 2026-01-01T00:00:00Z: a schedule is looked at from there on. Any other instant would do.
const FROM: i64 = 1_767_225_600;

const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// The shortest time between two of its slots; `None` where there are not two.
pub(super) fn shortest_gap(schedule: &Schedule) -> Option<Duration> {
    gaps(schedule)?.min()
}

/// The longest time between two of its slots; `None` where there are not two.
pub(super) fn longest_gap(schedule: &Schedule) -> Option<Duration> {
    gaps(schedule)?.max()
}

/// The time from each slot to the next, over as many as are looked at.
fn gaps(schedule: &Schedule) -> Option<impl Iterator<Item = Duration>> {
    // Each cluster's slots are the same ones, moved: whose they are does not matter.
    let uid = ClusterUid::new("any").ok()?;
    let is_regular = match schedule {
        Schedule::Every { interval, .. } if *interval == Duration::ZERO => return None,
        Schedule::Every { .. } => true,
        Schedule::Cron { .. } => false,
    };
    let first = schedule.next_due(&uid, Timestamp::from_second(FROM).ok()?)?;
    let slots = successors(Some(first), move |slot| schedule.next_due(&uid, *slot));
    let mut before = first;
    let gaps = slots.skip(1).map(move |slot| Duration::between(std::mem::replace(&mut before, slot), slot));
    Some(gaps.take(if is_regular { 1 } else { SLOTS }))
}

/// The longest that any point is kept before its grace begins, when points are `gap` apart.
pub(super) fn longest_life(retention: &Retention, gap: Duration) -> Duration {
    let keep = retention.keep;
    let rules = [
        (keep.hourly, HOUR),
        (keep.daily, DAY),
        (keep.weekly, 7 * DAY),
        (keep.monthly, 31 * DAY),
        (keep.yearly, 366 * DAY),
    ];
    let by_rules = rules.map(|(number, length)| u64::from(number) * length.max(gap.as_seconds()));
    let counted = u64::from(keep.last.max(retention.minimum_redundancy)) * gap.as_seconds();
    Duration::seconds(by_rules.into_iter().fold(counted.max(window(retention)), u64::max))
}

/// For how long every point is kept before its grace begins, when points are `gap` apart or more: a rule keeps each of them
/// only where they are as far apart as its own hours, days or weeks.
pub(super) fn surest_life(retention: &Retention, gap: Duration) -> Duration {
    let keep = retention.keep;
    let gap = gap.as_seconds();
    let rules = [(keep.hourly, HOUR), (keep.daily, DAY), (keep.weekly, 7 * DAY), (keep.monthly, 31 * DAY)];
    // One day in spring has 23 hours.
    let spares_none = |length: u64| gap >= length || (length >= DAY && gap + HOUR >= length);
    let by_rules =
        rules.map(|(number, length)| if spares_none(length) { u64::from(number) * gap.max(length) } else { 0 });
    let counted = u64::from(keep.last.max(retention.minimum_redundancy)) * gap;
    Duration::seconds(by_rules.into_iter().fold(counted.max(window(retention)), u64::max))
}

fn window(retention: &Retention) -> u64 {
    retention.recovery_window.map_or(0, Duration::as_seconds)
}

/// How many points a window keeps: those in it, and its base.
pub(super) fn in_window(retention: &Retention, gap: Duration) -> u64 {
    let window = window(retention);
    if window == 0 { 0 } else { window.div_ceil(gap.as_seconds().max(1)) + 1 }
}

/// How many points there are of a cluster at most: what its rules keep once they have run for long, those that wait out the
/// grace, those that people asked for, and the one that is being made.
///
/// The newest point of a day is the newest of one of its hours, too, so a rule adds only what lies beyond the finer ones, and
/// never the newest point of all. Weeks are no months: those build on days.
pub(super) fn most_points(retention: &Retention, gap: Duration) -> u64 {
    let gap = gap.as_seconds().max(1);
    let keep = retention.keep;
    let window = in_window(retention, Duration::seconds(gap));
    let all = window.max(u64::from(keep.last)).max(u64::from(retention.minimum_redundancy));
    let mut count = all;
    let mut add = |covered: u64, number: u32, length: u64| {
        let length = length.max(gap);
        count += u64::from(number).saturating_sub((covered / length).max(1));
        covered.max(u64::from(number) * length)
    };
    let to_the_last = all * gap;
    let hours = add(to_the_last, keep.hourly, HOUR);
    let days = add(hours, keep.daily, DAY);
    add(days, keep.weekly, 7 * DAY);
    let months = add(days, keep.monthly, 31 * DAY);
    add(months, keep.yearly, 366 * DAY);
    count + retention.grace.as_seconds().div_ceil(gap) + u64::from(retention.on_demand_max.unwrap_or(0)) + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by it")]
mod tests {
    use super::*;
    use crate::model::Keep;
    use crate::schedule::Cron;
    use jiff::tz::TimeZone;

    fn keeps(window: Option<u64>, keep: Keep) -> Retention {
        Retention {
            recovery_window: window.map(Duration::days),
            keep,
            minimum_redundancy: 1,
            on_demand_max: None,
            grace: Duration::ZERO,
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn a_rule_adds_only_what_lies_beyond_the_finer_ones() {
        let hour = Duration::hours(1);
        let daily = |daily| Keep { daily, ..Keep::default() };
        // The one that is being made is the last of each sum.
        assert_eq!(most_points(&keeps(Some(7), Keep::default()), hour), 169 + 1);
        assert_eq!(most_points(&keeps(Some(7), daily(7)), hour), 169 + 1);
        assert_eq!(most_points(&keeps(Some(7), daily(30)), hour), 169 + 23 + 1);
        assert_eq!(most_points(&keeps(None, daily(30)), Duration::days(1)), 30 + 1);
        let all = Keep { hourly: 24, daily: 7, weekly: 4, monthly: 12, yearly: 3, last: 2 };
        assert_eq!(most_points(&keeps(None, all), hour), 2 + 22 + 6 + 3 + 11 + 2 + 1);
        let graced = Retention { grace: Duration::hours(72), ..keeps(None, daily(30)) };
        assert_eq!(most_points(&graced, hour), 30 + 72 + 1);
    }

    #[test]
    fn how_long_points_live_depends_on_the_rules_and_on_how_far_they_are_apart() {
        let keep = |keep: Keep| keeps(None, keep);
        let daily = keep(Keep { daily: 30, ..Keep::default() });
        assert_eq!(longest_life(&daily, Duration::hours(8)), Duration::days(30));
        // Two of three points of a day are let go with the next one.
        assert_eq!(surest_life(&daily, Duration::hours(8)), Duration::hours(8));
        assert_eq!(surest_life(&daily, Duration::hours(23)), Duration::days(30));
        let last = keep(Keep { last: 9, ..Keep::default() });
        assert_eq!(longest_life(&last, Duration::hours(8)), Duration::days(3));
        let window = keeps(Some(14), Keep { yearly: 3, ..Keep::default() });
        assert_eq!(surest_life(&window, Duration::hours(8)), Duration::days(14));
        assert_eq!(longest_life(&window, Duration::hours(8)), Duration::days(3 * 366));
    }

    #[test]
    fn the_shortest_gap_of_an_expression_is_found() {
        let of = |text: &str| {
            let cron = Cron::parse(text).unwrap();
            shortest_gap(&Schedule::Cron { cron, zone: TimeZone::UTC, spread: Duration::ZERO })
        };
        assert_eq!(of("*/5 * * * *"), Some(Duration::minutes(5)));
        assert_eq!(of("0 2,5 * * *"), Some(Duration::hours(3)));
        assert_eq!(of("0 2 * * 0"), Some(Duration::days(7)));
        let workdays = Cron::parse("0 2 * * 1-5").unwrap();
        let schedule = Schedule::Cron { cron: workdays, zone: TimeZone::UTC, spread: Duration::ZERO };
        assert_eq!(longest_gap(&schedule), Some(Duration::days(3)));
    }
}
