//! How much is left of one budget.

use backstay_core::capabilities::Allowance;
use jiff::Timestamp;

/// Nanoseconds since 1970: a bucket's intervals divide to them without a rest that would ever let a call through too early.
type Nanos = i128;

/// From this length on a window is long: five minutes.
const LONG: Nanos = 300 * 1_000_000_000;

/// What is left of one budget, as this client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A bucket that is full again at an instant.
    Bucket {
        /// How many it holds.
        capacity: u32,
        /// How long one token takes to come back.
        interval: Nanos,
        /// When it is full.
        full_at: Nanos,
    },
    /// A window, and what was taken in it.
    Window {
        /// How many calls each window has.
        calls: u32,
        /// How long each is.
        length: Nanos,
        /// When the one that `used` is about began.
        start: Nanos,
        /// What was taken.
        used: u32,
    },
}

impl Level {
    pub(super) fn full(allowance: Allowance) -> Self {
        match allowance {
            Allowance::Bucket { capacity, refill, every } => {
                let (every, refill) = (every.signed().as_nanos(), i128::from(refill.max(1)));
                // Rounded up: a client may be a little slower than the cloud, never faster.
                let interval = (every + refill - 1) / refill;
                Self::Bucket { capacity, interval, full_at: Nanos::MIN / 4 }
            }
            Allowance::Window { calls, length } => {
                let length = length.signed().as_nanos().max(1);
                Self::Window { calls, length, start: Nanos::MIN / 4, used: 0 }
            }
        }
    }

    /// The earliest instant, not before `now`, at which there is room for this many calls behind the `older` ones. More than it
    /// ever holds count as all of it.
    pub(super) fn room_at(&self, now: Timestamp, calls: u32, older: u32) -> Timestamp {
        let at = now.as_nanosecond();
        let all = calls.saturating_add(older);
        let free = match *self {
            Self::Bucket { capacity, interval, full_at } => {
                let beyond = i128::from(all) - i128::from(capacity);
                if beyond > 0 && older > 0 {
                    at.max(full_at) + beyond * interval
                } else {
                    full_at + beyond.min(0) * interval
                }
            }
            Self::Window { calls: most, length, start, used } => {
                let current = at.div_euclid(length) * length;
                let used = if start == current { used } else { 0 };
                let is_first = used == 0 && older == 0;
                if is_first || used.saturating_add(all) <= most { at } else { current + length }
            }
        };
        instant(free.max(at))
    }

    /// Takes this many calls.
    pub(super) fn take(&mut self, now: Timestamp, calls: u32) {
        let at = now.as_nanosecond();
        match self {
            Self::Bucket { interval, full_at, .. } => *full_at = at.max(*full_at) + i128::from(calls) * *interval,
            Self::Window { length, start, used, .. } => {
                let current = at.div_euclid(*length) * *length;
                if *start != current {
                    (*start, *used) = (current, 0);
                }
                *used = used.saturating_add(calls);
            }
        }
    }

    /// Somebody else used it up: nothing is left. Of a long window nothing is concluded from one refusal.
    pub(super) fn empty(&mut self, now: Timestamp) {
        let at = now.as_nanosecond();
        match self {
            Self::Bucket { capacity, interval, full_at } => {
                *full_at = at.max(*full_at).max(at + i128::from(*capacity) * *interval);
            }
            Self::Window { calls, length, start, used } if *length <= LONG => {
                *start = at.div_euclid(*length) * *length;
                *used = *calls;
            }
            Self::Window { .. } => {}
        }
    }
}

/// The instant, rounded up to what clocks here tell.
fn instant(nanos: Nanos) -> Timestamp {
    let micros = (nanos + 999).div_euclid(1_000) * 1_000;
    Timestamp::from_nanosecond(micros).unwrap_or(Timestamp::MAX)
}
