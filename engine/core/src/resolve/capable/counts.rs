//! How many points a policy comes to, in the long run.

use crate::model::Retention;
use crate::name::ClusterUid;
use crate::schedule::Schedule;
use crate::time::Duration;
use jiff::Timestamp;

/// So many slots of an expression are looked at: more than a week of one an hour.
const SLOTS: usize = 200;
/// 2026-01-01T00:00:00Z: a schedule is looked at from there on. Any other instant would do.
const FROM: i64 = 1_767_225_600;

const DAY: u64 = 86_400;

/// The shortest time between two of its slots; `None` where there are not two.
pub(super) fn shortest_gap(schedule: &Schedule) -> Option<Duration> {
    if let Schedule::Every { interval, .. } = schedule {
        return Some(*interval).filter(|interval| *interval > Duration::ZERO);
    }
    // Each cluster's slots are the same ones, moved: whose they are does not matter.
    let uid = ClusterUid::new("any").ok()?;
    let mut slot = schedule.next_due(&uid, Timestamp::from_second(FROM).ok()?)?;
    let mut shortest: Option<Duration> = None;
    for _ in 0..SLOTS {
        let next = schedule.next_due(&uid, slot)?;
        let gap = Duration::between(slot, next);
        shortest = Some(shortest.map_or(gap, |known| known.min(gap)));
        slot = next;
    }
    shortest
}

/// How many points a window keeps: those in it, and its base.
pub(super) fn in_window(retention: &Retention, gap: Duration) -> u64 {
    let window = retention.recovery_window.map_or(0, Duration::as_seconds);
    if window == 0 { 0 } else { window.div_ceil(gap.as_seconds().max(1)) + 1 }
}

/// How many points there are of a cluster at most: what its rules keep once they have run for long, those that wait out the
/// grace, those that people asked for, and the one that is being made.
///
/// The newest point of a day is the newest of one of its hours, too, so a rule adds only what lies beyond the finer ones. Weeks
/// are no months: those build on days.
pub(super) fn most_points(retention: &Retention, gap: Duration) -> u64 {
    let gap = gap.as_seconds().max(1);
    let keep = retention.keep;
    let window = in_window(retention, Duration::seconds(gap));
    let all = window.max(u64::from(keep.last)).max(u64::from(retention.minimum_redundancy));
    let mut count = all;
    let mut add = |covered: u64, number: u32, length: u64| {
        let length = length.max(gap);
        // The newest point of all is the newest of each rule's first bucket.
        count += u64::from(number).saturating_sub((covered / length).max(1));
        covered.max(u64::from(number) * length)
    };
    let to_the_last = all * gap;
    let hours = add(to_the_last, keep.hourly, 3600);
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
    fn the_shortest_gap_of_an_expression_is_found() {
        let of = |text: &str| {
            let cron = Cron::parse(text).unwrap();
            shortest_gap(&Schedule::Cron { cron, zone: TimeZone::UTC, spread: Duration::ZERO })
        };
        assert_eq!(of("*/5 * * * *"), Some(Duration::minutes(5)));
        assert_eq!(of("0 2,5 * * *"), Some(Duration::hours(3)));
        assert_eq!(of("0 2 * * 0"), Some(Duration::days(7)));
    }
}
