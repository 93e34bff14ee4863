//! How much the snapshots of a disk take up, and what that costs.
//!
//! The oldest snapshot of a disk holds all that is in use, each later one what was written since its predecessor. When one in
//! the middle goes, what it alone held is merged into the next: the change between the two neighbours is counted over the whole
//! time between them, and never beyond what is in use. Blocks that are written twice are counted twice until that bound, so the
//! figures err on the high side.

use crate::model::Rates;
use crate::time::Duration;
use jiff::Timestamp;

/// A provider's month, in hours: all clouds of today bill by it.
pub const HOURS_A_MONTH: u64 = 730;

const GIB: f64 = 1_073_741_824.0;
const DAY: u64 = 86_400;

/// One snapshot of a disk: which instant it shows, and how large the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The instant.
    pub at: Timestamp,
    /// The disk's size in bytes.
    pub size: u64,
}

/// The bytes that all snapshots of one disk take up, in whatever order they come.
#[must_use]
pub fn of_disk(mut snapshots: Vec<Shown>, rates: Rates) -> u64 {
    snapshots.sort_unstable();
    let full = snapshots.first().map_or(0, |first| rates.used.of(first.size));
    snapshots.windows(2).fold(full, |sum, pair| {
        let seconds = Duration::between(pair[0].at, pair[1].at).as_seconds();
        let changed = rates.change_per_day.over(pair[1].size, seconds, DAY);
        sum.saturating_add(changed.min(rates.used.of(pair[1].size)))
    })
}

/// What so many bytes cost for so many seconds, at a price for a month of one GiB.
#[must_use]
pub fn cost(byte_seconds: f64, gib_month: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a month has few seconds")]
    let month = (HOURS_A_MONTH * 3600) as f64;
    byte_seconds / GIB / month * gib_month
}

/// What a level costs a month.
#[must_use]
pub fn cost_of_month(bytes: f64, gib_month: f64) -> f64 {
    bytes / GIB * gib_month
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Share;

    const G: u64 = 1 << 30;

    fn shown(day: u32, hour: u32) -> Shown {
        Shown { at: format!("2026-11-{day:02}T{hour:02}:00:00Z").parse().unwrap(), size: 100 * G }
    }

    fn rates(change: u32, used: u32) -> Rates {
        Rates { change_per_day: Share::percent(change), used: Share::percent(used) }
    }

    #[test]
    fn a_full_one_and_three_increments() {
        // 100 GiB, and three days of 5% each.
        let four = vec![shown(3, 0), shown(1, 0), shown(4, 0), shown(2, 0)];
        assert_eq!(of_disk(four, rates(5, 100)), 115 * G);
        // 60% in use: 60 GiB, and the same change.
        assert_eq!(of_disk(vec![shown(1, 0), shown(2, 12)], rates(5, 60)), 60 * G + 15 * G / 2);
        assert_eq!(of_disk(vec![shown(1, 0)], rates(5, 100)), 100 * G);
        assert_eq!(of_disk(Vec::new(), rates(5, 100)), 0);
    }

    #[test]
    fn a_deletion_in_the_middle_merges_what_it_held_into_the_next() {
        // 40% a day: the days hold 40, 40 and 40; without the second one the third holds 80, as much as was written since.
        let without = |day: u32| {
            let kept = [1, 2, 3, 4].into_iter().filter(|kept| *kept != day).map(|day| shown(day, 0));
            of_disk(kept.collect(), rates(40, 100))
        };
        assert_eq!(without(0), 220 * G);
        assert_eq!(without(2), 220 * G);
        // Without the first, the second is the full one; without the last, what it held is gone.
        assert_eq!((without(1), without(4)), (180 * G, 180 * G));
        // Never more than is in use: two days at 60% are one disk.
        let far = vec![shown(1, 0), shown(3, 0)];
        assert_eq!(of_disk(far, rates(60, 100)), 200 * G);
    }

    #[test]
    fn a_month_of_100_gib_at_five_cents_is_five() {
        let bytes = 100.0 * GIB;
        assert!((cost_of_month(bytes, 0.05) - 5.0).abs() < 1e-9);
        assert!((cost(bytes * 730.0 * 3600.0, 0.05) - 5.0).abs() < 1e-9);
        assert!((cost(bytes * 73.0 * 3600.0, 0.05) - 0.5).abs() < 1e-9);
    }
}
