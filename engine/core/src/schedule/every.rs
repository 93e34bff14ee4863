//! Multiples of an interval since the Unix epoch, moved by the cluster's offset.

use crate::time::Duration;
use jiff::Timestamp;

/// The latest multiple at or before `at`.
pub(super) fn latest(interval: Duration, offset: Duration, at: Timestamp) -> Option<Timestamp> {
    slot(interval, offset, at, 0)
}

/// The first multiple after `at`.
pub(super) fn next(interval: Duration, offset: Duration, at: Timestamp) -> Option<Timestamp> {
    slot(interval, offset, at, 1)
}

/// The multiple that is `steps` after the latest one at or before `at`.
fn slot(interval: Duration, offset: Duration, at: Timestamp, steps: i64) -> Option<Timestamp> {
    let (interval, offset) = (interval.signed().as_secs(), offset.signed().as_secs());
    // Both bounds are whole seconds, so the fraction of `at` cannot decide between them; only its floor counts.
    let at = if at.subsec_nanosecond() < 0 { at.as_second() - 1 } else { at.as_second() };
    let count = (at - offset).checked_div_euclid(interval)? + steps;
    Timestamp::from_second(count.checked_mul(interval)?.checked_add(offset)?).ok()
}
