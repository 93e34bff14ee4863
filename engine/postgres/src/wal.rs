//! WAL files: their names, and the proof that the bytes are those that the name promises.
//!
//! PostgreSQL recycles segments: a file of the right name and size may still hold another segment's bytes. So every page
//! is checked by its header (`src/include/access/xlog_internal.h`).

use backstay_core::lsn::{Lsn, Timeline, WalRange, segment_name};
use backstay_core::name::SystemId;
use std::fmt;

/// The high byte of every `XLOG_PAGE_MAGIC` from PostgreSQL 13 to 17.
const MAGIC_FAMILY: u8 = 0xD1;
/// `XLP_LONG_HEADER`: a segment's first page also tells the system and the segment size.
const LONG_HEADER: u16 = 0x0002;
const LONG_HEADER_BYTES: usize = 40;

/// Whether PostgreSQL could have been made with this WAL segment size: a power of two from 1 MiB to 1 GiB.
#[must_use]
pub fn is_segment_size(bytes: u64) -> bool {
    bytes.is_power_of_two() && ((1 << 20)..=(1 << 30)).contains(&bytes)
}

/// The name of one file in `pg_wal` that a point may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalFileName {
    /// A segment: 24 hexadecimal digits.
    Segment {
        /// Its timeline.
        timeline: Timeline,
        /// The second eight digits.
        high: u32,
        /// The last eight digits.
        low: u32,
    },
    /// The history of a timeline: `00000002.history`.
    History(Timeline),
}

/// A text that names no WAL file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a WAL file: 24 upper-case hexadecimal digits, or 8 and `.history`")]
pub struct InvalidWalFileName(String);

impl WalFileName {
    /// Reads a name strictly: it becomes part of a path.
    pub fn parse(text: &str) -> Result<Self, InvalidWalFileName> {
        let wrong = || InvalidWalFileName(text.chars().take(40).collect());
        let field = |digits: &str| {
            let plain = digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
            if plain { u32::from_str_radix(digits, 16).ok() } else { None }
        };
        let parse = || {
            if let Some(timeline) = text.strip_suffix(".history") {
                return Some(Self::History(Timeline(field(timeline)?)));
            }
            Some(Self::Segment {
                timeline: Timeline(field(text.get(..8)?)?),
                high: field(text.get(8..16)?)?,
                low: field(text.get(16..)?)?,
            })
        };
        parse().ok_or_else(wrong)
    }

    /// Where a segment starts; `None` for a history, and for a name that cannot occur with this segment size.
    #[must_use]
    pub fn start(&self, segment_size: u64) -> Option<Lsn> {
        match self {
            Self::Segment { high, low, .. } => {
                let offset = u64::from(*low).checked_mul(segment_size).filter(|offset| *offset < 1 << 32)?;
                Some(Lsn(u64::from(*high) << 32 | offset))
            }
            Self::History(_) => None,
        }
    }
}

impl fmt::Display for WalFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { timeline, high, low } => write!(f, "{:08X}{high:08X}{low:08X}", timeline.0),
            Self::History(timeline) => write!(f, "{:08X}.history", timeline.0),
        }
    }
}

/// Every file that a labelled point needs from `pg_wal`: its segments, oldest first, after the history of its timeline.
///
/// The first timeline has no history. Recovery to a timeline by its number refuses to start without that file.
#[must_use]
pub fn files_needed(range: &WalRange, segment_size: u64) -> Vec<String> {
    let history = (range.timeline.0 > 1).then(|| WalFileName::History(range.timeline).to_string());
    history.into_iter().chain(range.segments(segment_size)).collect()
}

/// Why the bytes of a segment are not what its name promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongSegment {
    /// Neither the size nor the name fit the server's segment size.
    #[error("segment {name} has {size} bytes instead of {expected}")]
    Size {
        /// The segment.
        name: String,
        /// What was read.
        size: u64,
        /// `wal_segment_size`.
        expected: u64,
    },
    /// A page's header belongs to another place, timeline or system: a recycled or damaged file.
    #[error("segment {name} holds foreign bytes at {at}: {what}")]
    Page {
        /// The segment.
        name: String,
        /// The page.
        at: Lsn,
        /// What is wrong there.
        what: &'static str,
    },
}

/// What a segment's pages must state.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The server's system identifier.
    pub system: SystemId,
    /// `wal_segment_size`.
    pub segment_size: u64,
    /// Pages below it must have been written; behind it lies whatever a recycled file held.
    pub up_to: Lsn,
}

/// Checks that the first page of a segment, and every other below `up_to`, belongs where the segment's name says.
///
/// A switch leaves the rest of its segment zero, page headers included: that is accepted, except below `up_to` in the
/// segment in which `up_to` lies.
pub fn check_segment(name: &WalFileName, bytes: &[u8], expected: &Expected) -> Result<(), WrongSegment> {
    let wrong_size = || WrongSegment::Size {
        name: name.to_string(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        expected: expected.segment_size,
    };
    let (WalFileName::Segment { timeline, .. }, Some(start)) = (name, name.start(expected.segment_size)) else {
        return Err(wrong_size());
    };
    if u64::try_from(bytes.len()) != Ok(expected.segment_size) {
        return Err(wrong_size());
    }
    let page_error = |at, what| WrongSegment::Page { name: name.to_string(), at, what };
    let first = Page(&bytes[..LONG_HEADER_BYTES]);
    let page_size = usize::try_from(first.u32_at(36)).unwrap_or(0);
    let sane = page_size.is_power_of_two() && (1024..=65_536).contains(&page_size);
    if first.u16_at(2) & LONG_HEADER == 0 || !sane {
        return Err(page_error(start, "it has no long page header"));
    }
    if first.u64_at(24) != expected.system.0 {
        return Err(page_error(start, "another system's WAL"));
    }
    if u64::from(first.u32_at(32)) != expected.segment_size {
        return Err(page_error(start, "another segment size"));
    }
    let ends_inside = expected.up_to.0 < start.0 + expected.segment_size;
    for (page, at) in bytes.chunks(page_size).zip((start.0..).step_by(page_size)) {
        if at > start.0 && at >= expected.up_to.0 {
            break;
        }
        let at = Lsn(at);
        let place = usize::try_from(at.0 - start.0).expect("an offset within the segment");
        if !ends_inside && bytes[place..].iter().all(|byte| *byte == 0) {
            break;
        }
        let page = Page(page);
        if page.0[1] != MAGIC_FAMILY || page.u16_at(0) != first.u16_at(0) {
            return Err(page_error(at, "no WAL page"));
        }
        if page.u64_at(8) != at.0 {
            return Err(page_error(at, "a page of another place"));
        }
        // The first segment of a new timeline begins with pages of the old one.
        if page.u32_at(4) > timeline.0 {
            return Err(page_error(at, "a page of a later timeline"));
        }
    }
    Ok(())
}

struct Page<'a>(&'a [u8]);

impl Page<'_> {
    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four bytes"))
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("eight bytes"))
    }
}

/// The name of the segment that holds this place.
#[must_use]
pub fn segment_of(timeline: Timeline, at: Lsn, segment_size: u64) -> String {
    segment_name(timeline, at.0 / segment_size, segment_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn expected(up_to: u64) -> Expected {
        Expected { system: SystemId(7), segment_size: MIB, up_to: Lsn(up_to) }
    }

    /// A 1 MiB segment of timeline 2 with a header on every page.
    fn segment(start: u64) -> Vec<u8> {
        let mut bytes = vec![0x55; 1 << 20];
        for (page, at) in bytes.chunks_mut(8192).zip((start..).step_by(8192)) {
            page[..2].copy_from_slice(&0xD110u16.to_le_bytes());
            page[2..4].copy_from_slice(&u16::to_le_bytes(if at == start { LONG_HEADER } else { 0 }));
            page[4..8].copy_from_slice(&2u32.to_le_bytes());
            page[8..16].copy_from_slice(&at.to_le_bytes());
        }
        bytes[24..32].copy_from_slice(&7u64.to_le_bytes());
        bytes[32..36].copy_from_slice(&(1u32 << 20).to_le_bytes());
        bytes[36..40].copy_from_slice(&8192u32.to_le_bytes());
        bytes
    }

    #[test]
    fn names_are_read_strictly() {
        let name = WalFileName::parse("0000000200000001000000FF").unwrap();
        assert_eq!(name.start(16 * MIB), Some(Lsn(0x1_FF00_0000)));
        assert_eq!(name.start(32 * MIB), None, "there is no segment FF of 32 MiB");
        assert_eq!(name.to_string(), "0000000200000001000000FF");
        assert_eq!(WalFileName::parse("00000002.history").unwrap().to_string(), "00000002.history");
        for wrong in [
            "",
            "../passwd",
            "0000000200000001000000fF",
            "0000000200000001000000FF.partial",
            "000000020000000100000FF",
            "00000002.history.",
            "+0000002.history",
            "000000020000000100000é",
        ] {
            assert!(WalFileName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_segment_is_what_its_name_says() {
        let name = WalFileName::parse("000000020000000000000003").unwrap();
        let start = 3 * MIB;
        check_segment(&name, &segment(start), &expected(start + MIB)).unwrap();
        // The timeline's first segment begins with pages of the one before.
        let mut forked = segment(start);
        forked[4..8].copy_from_slice(&1u32.to_le_bytes());
        check_segment(&name, &forked, &expected(start + MIB)).unwrap();
    }

    #[test]
    fn a_recycled_tail_is_refused_below_the_end_and_ignored_behind_it() {
        let name = WalFileName::parse("000000020000000000000003").unwrap();
        let start = 3 * MIB;
        let mut bytes = segment(start);
        let tail = segment(MIB);
        bytes[8192 * 10..].copy_from_slice(&tail[8192 * 10..]);
        check_segment(&name, &bytes, &expected(start + 8192 * 10)).unwrap();
        let refused = check_segment(&name, &bytes, &expected(start + 8192 * 10 + 1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "segment 000000020000000000000003 holds foreign bytes at 0/314000: a page of another place"
        );
    }

    #[test]
    fn a_switch_leaves_zeros_which_only_the_end_may_not_have() {
        let name = WalFileName::parse("000000020000000000000003").unwrap();
        let start = 3 * MIB;
        let mut bytes = segment(start);
        bytes[8192 * 4..].fill(0);
        check_segment(&name, &bytes, &expected(start + MIB)).unwrap();
        assert!(check_segment(&name, &bytes, &expected(start + 8192 * 5)).is_err());
        bytes[8192 * 100] = 1;
        assert!(check_segment(&name, &bytes, &expected(start + MIB)).is_err(), "a hole is not a switch");
    }

    #[test]
    fn foreign_systems_sizes_and_timelines_are_refused() {
        let name = WalFileName::parse("000000020000000000000003").unwrap();
        let start = 3 * MIB;
        let with = |at: usize, value: u8| {
            let mut bytes = segment(start);
            bytes[at] = value;
            check_segment(&name, &bytes, &expected(start + MIB)).unwrap_err().to_string()
        };
        assert!(with(24, 8).contains("another system's WAL"));
        assert!(with(35, 1).contains("another segment size"));
        assert!(with(4, 3).contains("a later timeline"));
        assert!(with(2, 0).contains("no long page header"));
        assert!(with(8192 + 1, 0).contains("no WAL page"));
        let short = check_segment(&name, &segment(start)[1..], &expected(start + MIB)).unwrap_err();
        assert_eq!(short.to_string(), "segment 000000020000000000000003 has 1048575 bytes instead of 1048576");
    }

    #[test]
    fn a_later_timeline_needs_its_history() {
        let range = |timeline| WalRange { timeline: Timeline(timeline), start: Lsn(0x20_0028), end: Lsn(0x30_0001) };
        assert_eq!(files_needed(&range(1), MIB), ["000000010000000000000002", "000000010000000000000003"]);
        assert_eq!(files_needed(&range(2), MIB)[0], "00000002.history");
        assert_eq!(segment_of(Timeline(1), Lsn(0x20_0028), MIB), "000000010000000000000002");
    }
}
