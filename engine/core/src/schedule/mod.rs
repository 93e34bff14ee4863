//! When points fall due.
//!
//! A schedule is a pure function of the cluster's uid and an instant: what is due is never remembered, so nothing can be
//! forgotten. `every.rs` counts multiples of an interval; `cron.rs` reads expressions, and `civil.rs` places their minutes
//! in a time zone with its gaps and overlaps; `spread.rs` gives each cluster its own place.

use crate::name::ClusterUid;
use crate::time::Duration;
use jiff::Timestamp;
use jiff::tz::TimeZone;

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
