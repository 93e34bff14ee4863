//! When points fall due, once more: a walk over the minutes of real time, with an eye on the clock on the wall.
//!
//! Shared with nobody: of the schedule only its declared text, zone, interval and spread are read. The walk never asks a time zone
//! about a civil time. It keeps the latest minute that the clock has shown: what the clock skipped is due now, what it shows
//! again was due before (INVARIANTS.md 15, docs/decisions/0004).

use crate::name::ClusterUid;
use crate::schedule::Schedule;
use crate::time::Duration;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use sha2::{Digest as _, Sha256};

#[cfg(test)]
mod tests;

const DAY: i64 = 86_400;

/// How far the walk looks back for a slot, in days, until it finds one: the last is longer than any expression can wait.
const LOOK_BACK: [i64; 4] = [2, 35, 400, 41 * 366];

/// A policy's slots, before each cluster's own offset is added: what one walk found, for all clusters of the policy.
pub(super) struct Slots<'a> {
    schedule: &'a Schedule,
    /// The end of the walk.
    at: i64,
    /// The instants of a cron expression, ascending: everything since some day that a longer look back only moves.
    found: Vec<i64>,
    since: i64,
}

impl<'a> Slots<'a> {
    /// Walks so far back that every cluster's latest slot at or before `at` is seen, and everything of the `span` before it.
    pub(super) fn of(schedule: &'a Schedule, at: Timestamp, span: Duration) -> Self {
        let at = at.as_second();
        let mut slots = Self { schedule, at, found: Vec::new(), since: at };
        if let Schedule::Cron { cron, zone, spread } = schedule {
            let expression = Expression::read(&cron.to_string());
            let spread = seconds(*spread);
            for days in LOOK_BACK {
                slots.since = at - spread - (days * DAY).max(seconds(span) + DAY);
                slots.found = expression.walk(zone, slots.since, at);
                if slots.found.first().is_some_and(|first| *first <= at - spread) {
                    break;
                }
            }
        }
        slots
    }

    /// A cluster's latest slot.
    pub(super) fn latest(&self, uid: &ClusterUid) -> Option<Timestamp> {
        let offset = self.offset(uid);
        let latest = match self.schedule {
            Schedule::Every { interval, .. } if seconds(*interval) == 0 => return None,
            Schedule::Every { interval, .. } => self.at - (self.at - offset).rem_euclid(seconds(*interval)),
            Schedule::Cron { .. } => offset + self.found.iter().rev().find(|slot| **slot + offset <= self.at)?,
        };
        Timestamp::from_second(latest).ok()
    }

    /// How many slots a cluster had in the `span` before the end of the walk.
    pub(super) fn count(&self, uid: &ClusterUid, span: Duration) -> usize {
        let (offset, start) = (self.offset(uid), self.at - seconds(span));
        match self.schedule {
            Schedule::Every { interval, .. } if seconds(*interval) == 0 => 0,
            Schedule::Every { interval, .. } => {
                let before = |instant: i64| (instant - offset).div_euclid(seconds(*interval));
                usize::try_from(before(self.at) - before(start)).unwrap_or(0)
            }
            Schedule::Cron { .. } => {
                let is_inside = |slot: &&i64| **slot + offset > start && **slot + offset <= self.at;
                self.found.iter().filter(is_inside).count()
            }
        }
    }

    /// The longest time between two slots that follow each other within the `span`; the span itself when there are no two.
    pub(super) fn longest_gap(&self, uid: &ClusterUid, span: Duration) -> Duration {
        match self.schedule {
            Schedule::Every { interval, .. } => *interval,
            Schedule::Cron { .. } => {
                let (offset, start) = (self.offset(uid), self.at - seconds(span));
                let is_inside = |slot: &i64| *slot + offset > start && *slot + offset <= self.at;
                let inside: Vec<i64> = self.found.iter().copied().filter(is_inside).collect();
                let longest = inside.windows(2).map(|two| two[1] - two[0]).max();
                longest.map_or(span, |gap| Duration::seconds(gap.unsigned_abs()))
            }
        }
    }

    /// A cluster's place in the spread, from the hash of its uid.
    fn offset(&self, uid: &ClusterUid) -> i64 {
        let spread = match self.schedule {
            Schedule::Every { interval, spread } => spread.as_seconds().min(interval.as_seconds()),
            Schedule::Cron { spread, .. } => spread.as_seconds(),
        };
        let hash = Sha256::digest(format!("backstay schedule spread\n{uid}"));
        let number = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let offset = match spread {
            0 => 0,
            1..3600 => number % spread,
            _ => number % (spread / 60) * 60,
        };
        i64::try_from(offset).expect("a spread is at most ten years")
    }
}

fn seconds(length: Duration) -> i64 {
    length.signed().as_secs()
}

/// Which minutes, hours, days, months and weekdays a cron expression names.
struct Expression {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    /// Both day fields are restricted: one that matches is enough.
    either_day: bool,
}

impl Expression {
    /// Reads a text that is known to be an expression: it came from a parsed one.
    fn read(text: &str) -> Self {
        let lower = text.trim().to_ascii_lowercase();
        let written = match lower.as_str() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            fields => fields,
        };
        let fields: Vec<&str> = written.split_whitespace().collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or("*");
        let mut weekdays = named(field(4), 0, 7);
        // 7 is a second Sunday.
        weekdays[0] |= weekdays[7];
        Self {
            minutes: named(field(0), 0, 59),
            hours: named(field(1), 0, 23),
            days: named(field(2), 1, 31),
            months: named(field(3), 1, 12),
            weekdays,
            either_day: !field(2).starts_with('*') && !field(4).starts_with('*'),
        }
    }

    fn has_day(&self, day: Date) -> bool {
        let is = |set: &[bool], value: i8| usize::try_from(value).is_ok_and(|value| set[value]);
        let by_date = is(&self.days, day.day());
        let by_weekday = is(&self.weekdays, day.weekday().to_sunday_zero_offset());
        let by_day = if self.either_day { by_date || by_weekday } else { by_date && by_weekday };
        by_day && is(&self.months, day.month())
    }

    fn has(&self, minute: DateTime) -> bool {
        let is = |set: &[bool], value: i8| usize::try_from(value).is_ok_and(|value| set[value]);
        is(&self.minutes, minute.minute()) && is(&self.hours, minute.hour()) && self.has_day(minute.date())
    }

    /// Every whole minute after `from`, and at or before `to`, at which the expression is due, in seconds.
    fn walk(&self, zone: &TimeZone, from: i64, to: i64) -> Vec<i64> {
        let mut due = Vec::new();
        // Two days earlier: an overlap that is not over at `from` is seen whole.
        let mut now = from.div_euclid(60) - 2 * 1440;
        let mut shown = wall_clock(zone, now);
        while now < to.div_euclid(60) {
            // Where no day from yesterday to the day after tomorrow is named, a day of real time has nothing to show.
            if (-1..=2).all(|days| !date_of(shown + days * 1440).is_some_and(|day| self.has_day(day))) {
                now += 1440;
                shown = wall_clock(zone, now);
                continue;
            }
            now += 1;
            let shows = wall_clock(zone, now);
            let is_due = (shown + 1..=shows).any(|minute| civil(minute).is_some_and(|minute| self.has(minute)));
            if is_due && now * 60 > from {
                due.push(now * 60);
            }
            shown = shown.max(shows);
        }
        due.retain(|slot| *slot <= to);
        due
    }
}

/// What the clock on the wall shows at a minute of real time, both as minutes since 1970.
fn wall_clock(zone: &TimeZone, minute: i64) -> i64 {
    let offset = Timestamp::from_second(minute * 60).map_or(0, |instant| zone.to_offset(instant).seconds());
    minute + i64::from(offset).div_euclid(60)
}

fn civil(minute: i64) -> Option<DateTime> {
    Timestamp::from_second(minute * 60).ok().map(|instant| Offset::UTC.to_datetime(instant))
}

fn date_of(minute: i64) -> Option<Date> {
    civil(minute).map(DateTime::date)
}

/// The numbers that a field names, each at its own place.
fn named(field: &str, low: usize, high: usize) -> Vec<bool> {
    let mut set = vec![false; high + 1];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((first, last)) => (number(first, high), number(last, high)),
            None => (number(range, high), number(range, high)),
        };
        for value in (first..=last.min(high)).step_by(step.parse().unwrap_or(1).max(1)) {
            set[value] = true;
        }
    }
    set
}

/// A number, or the name of a month or a weekday.
fn number(text: &str, high: usize) -> usize {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let month = MONTHS.iter().position(|name| *name == text && high == 12).map(|place| place + 1);
    let weekday = WEEKDAYS.iter().position(|name| *name == text && high == 7);
    month.or(weekday).unwrap_or_else(|| text.parse().unwrap_or(usize::MAX))
}
