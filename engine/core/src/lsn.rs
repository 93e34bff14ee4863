//! Places in the write-ahead log.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A byte position in the WAL, written by PostgreSQL as `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A text that is not two hexadecimal halves with a slash between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a WAL location: two hexadecimal halves of at most 8 digits, as in 16/B374D848")]
pub struct InvalidLsn(String);

impl FromStr for Lsn {
    type Err = InvalidLsn;
    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let half = |s: &str| match s.len() {
            1..=8 if s.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(s, 16).ok(),
            _ => None,
        };
        text.split_once('/')
            .and_then(|(high, low)| Some(Lsn(half(high)? << 32 | half(low)?)))
            .ok_or_else(|| InvalidLsn(text.to_owned()))
    }
}

impl TryFrom<String> for Lsn {
    type Error = InvalidLsn;
    fn try_from(text: String) -> Result<Self, InvalidLsn> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> String {
        lsn.to_string()
    }
}

/// A timeline number; a promotion begins a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timeline(pub u32);

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The WAL that a labelled point needs to become consistent: from the label's start to the backup's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalRange {
    /// The timeline on which the backup began (from the label).
    pub timeline: Timeline,
    /// `START WAL LOCATION` of the label.
    pub start: Lsn,
    /// What `pg_backup_stop` returned.
    pub end: Lsn,
}

impl WalRange {
    /// The names of all segments that hold this range, oldest first.
    ///
    /// `segment_size` in bytes is a power of two from 1 MiB to 1 GiB (`wal_segment_size`). The end is exclusive: a
    /// backup that ends exactly on a segment's first byte does not need that segment.
    #[must_use]
    pub fn segments(&self, segment_size: u64) -> Vec<String> {
        let first = self.start.0 / segment_size;
        let last = self.end.0.saturating_sub(1).max(self.start.0) / segment_size;
        (first..=last).map(|number| segment_name(self.timeline, number, segment_size)).collect()
    }
}

/// PostgreSQL's 24-digit file name of the segment with this number (`XLogFileName`).
#[must_use]
pub fn segment_name(timeline: Timeline, number: u64, segment_size: u64) -> String {
    let per_id = 0x1_0000_0000 / segment_size;
    format!("{:08X}{:08X}{:08X}", timeline.0, number / per_id, number % per_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB16: u64 = 16 << 20;

    #[test]
    fn lsn_text_round_trips_and_wrong_ones_are_refused() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        for wrong in ["", "/", "1", "1/", "/1", "1/123456789", "+1/2", "1/ 2"] {
            assert!(wrong.parse::<Lsn>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_needs_exactly_the_segments_that_it_touches() {
        let range = |start, end| WalRange { timeline: Timeline(1), start: Lsn(start), end: Lsn(end) };
        assert_eq!(range(0x0200_0028, 0x0200_0138).segments(MIB16), ["000000010000000000000002"]);
        assert_eq!(range(0x0200_0028, 0x0300_0000).segments(MIB16), ["000000010000000000000002"]);
        assert_eq!(
            range(0xFF00_0028, 0x1_0000_0001).segments(MIB16),
            ["0000000100000000000000FF", "000000010000000100000000"]
        );
    }
}
