//! When points fall due.
//!
//! A schedule is a pure function of the cluster's uid and an instant: what is due is never remembered, so nothing can be
//! forgotten. `every.rs` counts multiples of an interval; `cron.rs` reads expressions, and `civil.rs` places their minutes
//! in a time zone with its gaps and overlaps; `spread.rs` gives each cluster its own place.

use crate::name::ClusterUid;
use crate::time::Duration;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

mod civil;
mod cron;
mod every;
mod spread;
#[cfg(test)]
mod tests;

pub use cron::{Cron, InvalidCron};

/// When points fall due.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// At multiples of the interval since the Unix epoch, each cluster at its own place within the interval.
    Every {
        /// The interval. Without length nothing ever falls due.
        interval: Duration,
        /// Over how much of it the clusters spread; the whole interval unless declared. More than the interval counts as
        /// the interval.
        spread: Duration,
    },
    /// At the instants of a cron expression.
    Cron {
        /// The expression.
        cron: Cron,
        /// In which time zone. A minute in a DST gap is due once, at the gap's end, together with all others of that gap;
        /// one in an overlap is due once, the first time (INVARIANTS.md 15).
        zone: TimeZone,
        /// Over how much time after each instant the clusters spread; nothing unless declared. It may exceed the time
        /// between two instants.
        spread: Duration,
    },
}

impl Schedule {
    /// The latest instant, at or before `at`, at which a point of this cluster fell due: whole seconds.
    #[must_use]
    pub fn latest_due(&self, uid: &ClusterUid, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { interval, spread } => every::latest(*interval, spread::of(uid, *spread.min(interval)), at),
            // A cluster's offset is the same after every instant, so its slots are the instants, moved: their order and
            // their distances stay, however long the offset is.
            Self::Cron { cron, zone, spread } => {
                let offset = spread::of(uid, *spread).signed();
                civil::latest(cron, zone, at.checked_sub(offset).ok()?)?.checked_add(offset).ok()
            }
        }
    }

    /// The first instant after `at` at which a point of this cluster falls due: whole seconds.
    #[must_use]
    pub fn next_due(&self, uid: &ClusterUid, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { interval, spread } => every::next(*interval, spread::of(uid, *spread.min(interval)), at),
            Self::Cron { cron, zone, spread } => {
                let offset = spread::of(uid, *spread).signed();
                civil::next(cron, zone, at.checked_sub(offset).ok()?)?.checked_add(offset).ok()
            }
        }
    }
}

/// A schedule's slots within a span, for as many clusters as there are: the expression is looked at once.
pub(crate) struct Recent<'a> {
    schedule: &'a Schedule,
    since: Timestamp,
    until: Timestamp,
    /// The instants of a cron expression, ascending, before a cluster's offset is added.
    instants: Vec<Timestamp>,
}

impl<'a> Recent<'a> {
    /// The slots after `since`, and not after `until`.
    pub(crate) fn of(schedule: &'a Schedule, since: Timestamp, until: Timestamp) -> Self {
        let mut instants = Vec::new();
        if let Schedule::Cron { cron, zone, spread } = schedule {
            let first = spread.before(since);
            let mut latest = civil::latest(cron, zone, until);
            while let Some(instant) = latest.filter(|instant| *instant > first) {
                instants.push(instant);
                let before = instant.checked_sub(SignedDuration::from_nanos(1)).ok();
                latest = before.and_then(|before| civil::latest(cron, zone, before));
            }
            instants.reverse();
        }
        Self { schedule, since, until, instants }
    }

    /// How many of them a cluster has.
    pub(crate) fn count(&self, uid: &ClusterUid) -> usize {
        match self.schedule {
            Schedule::Every { interval, .. } => {
                let latest = self.schedule.latest_due(uid, self.until);
                let Some(latest) = latest.filter(|slot| *slot > self.since) else { return 0 };
                // A slot at `since` itself is too old. All instants but `since` are whole seconds.
                let nanos = latest.duration_since(self.since).as_nanos() - 1;
                let each = interval.signed().as_nanos();
                nanos.checked_div(each).and_then(|n| usize::try_from(n).ok()).map_or(0, |n| n + 1)
            }
            Schedule::Cron { spread, .. } => {
                let offset = spread::of(uid, *spread);
                let until = |end: Timestamp| self.instants.partition_point(|instant| offset.after(*instant) <= end);
                until(self.until).saturating_sub(until(self.since))
            }
        }
    }
}
