//! The tags that make a snapshot ours, in the narrowest cloud's alphabet (CLOUDS.md 6: GCP labels).
//!
//! Written in the create call: [`MANAGED`], [`CLUSTER`], [`SLOT`], [`CLASS`], [`POINT`], [`INTENT`]. Added when known and
//! then sealed: [`PART`], [`SYSTEM`], [`WAL`], [`CUT`], [`SEAL_1`], [`SEAL_2`]. Mirrors of records: [`EXPIRE`], [`HOLD`].

use crate::lsn::{Lsn, Timeline, WalRange};
use crate::name::{ClusterUid, DiskId};
use crate::observed::DiskRole;
use crate::time::{parse_stamp, stamp};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

mod packed;
mod value;

pub(crate) use packed::Ours;
pub use packed::Tags;
pub(crate) use value::Value;

/// Marks a snapshot as ours: `1`.
pub const MANAGED: &str = "backstay-managed";
/// The cluster's uid.
pub const CLUSTER: &str = "backstay-cluster";
/// The due slot that the point was made for.
pub const SLOT: &str = "backstay-slot";
/// The point's [`PointClass`].
pub const CLASS: &str = "backstay-class";
/// The point: slot and attempt. Parts group only within one attempt.
pub const POINT: &str = "backstay-point";
/// The hash by which a retry finds its own work.
pub const INTENT: &str = "backstay-intent";
/// Which part of the point this snapshot is: `data-1of2`.
pub const PART: &str = "backstay-part";
/// The system identifier.
pub const SYSTEM: &str = "backstay-system";
/// The WAL range of a labelled point.
pub const WAL: &str = "backstay-wal";
/// The instant that the snapshot shows.
pub const CUT: &str = "backstay-cut";
/// Key id and the signature's first half.
pub const SEAL_1: &str = "backstay-seal-1";
/// The signature's second half.
pub const SEAL_2: &str = "backstay-seal-2";
/// When its tombstone was made.
pub const EXPIRE: &str = "backstay-expire";
/// That it is held.
pub const HOLD: &str = "backstay-hold";

/// The tags that a seal covers, in the order in which it covers them.
pub const SEALED: [&str; 10] = [MANAGED, CLUSTER, SLOT, CLASS, POINT, INTENT, PART, SYSTEM, WAL, CUT];

/// Why a point was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointClass {
    /// A schedule asked for it.
    Scheduled,
    /// A person asked for it.
    OnDemand,
    /// Made before a restore.
    Safety,
    /// Made by a drill.
    Drill,
}

impl PointClass {
    /// The word in the tag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::OnDemand => "on-demand",
            Self::Safety => "safety",
            Self::Drill => "drill",
        }
    }

    /// Reads the word in the tag.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Scheduled, Self::OnDemand, Self::Safety, Self::Drill].into_iter().find(|class| class.as_str() == text)
    }
}

impl fmt::Display for PointClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One attempt to make one point of a cluster: `20261123t080000z-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PointKey {
    /// The due slot, in whole seconds.
    pub slot: Timestamp,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl PointKey {
    /// The highest attempt that a tag can name.
    pub const LAST_ATTEMPT: u32 = 999_999;
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", stamp(self.slot), self.attempt))
    }
}

/// A text that is not a point's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a point: a slot and an attempt, as in 20261123t080000z-1")]
pub struct InvalidPointKey(String);

impl PointKey {
    /// The point of this text, if it is one of the slot of that text. Each snapshot has both as tags.
    pub(crate) fn of_slot(point: &str, slot: &str) -> Option<Self> {
        let attempt = point.strip_prefix(slot)?.strip_prefix('-')?;
        Some(Self { slot: parse_stamp(slot)?, attempt: Self::parse_attempt(attempt)? })
    }

    fn parse_attempt(text: &str) -> Option<u32> {
        let plain = !text.starts_with(['0', '+']) && text.len() <= 6;
        text.parse().ok().filter(|_| plain)
    }
}

impl FromStr for PointKey {
    type Err = InvalidPointKey;
    fn from_str(text: &str) -> Result<Self, InvalidPointKey> {
        text.rsplit_once('-')
            .and_then(|(slot, attempt)| Some(Self { slot: parse_stamp(slot)?, attempt: Self::parse_attempt(attempt)? }))
            .ok_or_else(|| InvalidPointKey(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for PointKey {
    type Error = InvalidPointKey;
    fn try_from(text: String) -> Result<Self, InvalidPointKey> {
        text.parse()
    }
}

impl From<PointKey> for String {
    fn from(key: PointKey) -> String {
        key.to_string()
    }
}

/// Which part of its point a snapshot is: `data-1of2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartName {
    /// What lies on the disk.
    pub role: PartRole,
    /// From 1, in the order of the cut.
    pub index: u16,
    /// How many parts make the point.
    pub of: u16,
}

/// What lies on a part's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartRole {
    /// The data directory.
    Data,
    /// `pg_wal` on a disk of its own.
    Wal,
    /// A tablespace.
    Tblspc,
    /// Left by an attempt that was never finished: it makes no point, and only its removal is planned.
    Unfinished,
}

impl PartRole {
    /// The part that a disk of this role makes; `None` for disks that no point needs.
    #[must_use]
    pub fn of(role: &DiskRole) -> Option<Self> {
        match role {
            DiskRole::Data => Some(Self::Data),
            DiskRole::Wal => Some(Self::Wal),
            DiskRole::Tablespace => Some(Self::Tblspc),
            DiskRole::Other | DiskRole::Unknown => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Wal => "wal",
            Self::Tblspc => "tblspc",
            Self::Unfinished => "unfinished",
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}of{}", self.role.as_str(), self.index, self.of))
    }
}

/// A text that is not a part's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a part of a point, as in data-1of2")]
pub struct InvalidPartName(String);

impl FromStr for PartName {
    type Err = InvalidPartName;
    fn from_str(text: &str) -> Result<Self, InvalidPartName> {
        let parse = || {
            let (role, place) = text.split_once('-')?;
            let (index, of) = place.split_once("of")?;
            let role = [PartRole::Data, PartRole::Wal, PartRole::Tblspc, PartRole::Unfinished]
                .into_iter()
                .find(|r| r.as_str() == role)?;
            let (index, of) = (index.parse().ok()?, of.parse().ok()?);
            (index >= 1 && index <= of).then_some(Self { role, index, of })
        };
        parse().ok_or_else(|| InvalidPartName(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for PartName {
    type Error = InvalidPartName;
    fn try_from(text: String) -> Result<Self, InvalidPartName> {
        text.parse()
    }
}

impl From<PartName> for String {
    fn from(name: PartName) -> String {
        name.to_string()
    }
}

/// The hash by which a retry finds its own work: of cluster, point, disk and attempt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intent(pub String);

impl Intent {
    /// The intent to snapshot one disk for one attempt at one point.
    #[must_use]
    pub fn of(cluster: &ClusterUid, class: PointClass, point: PointKey, disk: &DiskId) -> Self {
        let text = format!("backstay intent 1\n{cluster}\n{class}\n{point}\n{disk}\n");
        Self::hash(&text)
    }

    /// The intent to copy one snapshot of a point to another site.
    #[must_use]
    pub fn of_copy(
        cluster: &ClusterUid,
        class: PointClass,
        point: PointKey,
        source: &crate::name::SnapshotId,
        to: &crate::name::SiteName,
    ) -> Self {
        Self::hash(&format!("backstay copy intent 1\n{cluster}\n{class}\n{point}\n{source}\n{to}\n"))
    }

    fn hash(text: &str) -> Self {
        // 160 bits: no two intents of any fleet collide, and the tag stays short.
        Self(crate::canonical::Digest::of(text.as_bytes()).as_str()[..40].to_owned())
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The tags of the create call.
#[must_use]
pub fn at_creation(cluster: &ClusterUid, class: PointClass, point: PointKey, intent: &Intent) -> Tags {
    [
        (MANAGED, "1".to_owned()),
        (CLUSTER, cluster.to_string()),
        (SLOT, stamp(point.slot)),
        (CLASS, class.to_string()),
        (POINT, point.to_string()),
        (INTENT, intent.to_string()),
    ]
    .into_iter()
    .collect()
}

/// The tags that are added once the facts of the cut are known, still without the seal.
#[must_use]
pub fn when_known(
    part: &PartName,
    system: Option<crate::name::SystemId>,
    wal: Option<WalRange>,
    cut: Timestamp,
) -> Tags {
    let mut tags = Tags::new();
    tags.insert(PART, part.to_string());
    tags.insert(CUT, stamp(cut));
    if let Some(system) = system {
        tags.insert(SYSTEM, system.to_string());
    }
    if let Some(wal) = wal {
        tags.insert(WAL, wal_tag(wal));
    }
    tags
}

/// `00000001-0000000002000028-0000000002000138`: timeline, start, end.
fn wal_tag(wal: WalRange) -> String {
    format!("{:08x}-{:016x}-{:016x}", wal.timeline.0, wal.start.0, wal.end.0)
}

/// Reads the WAL tag; anything but what we write is `None`.
#[must_use]
pub fn parse_wal_tag(text: &str) -> Option<WalRange> {
    let bytes = text.as_bytes();
    let hexadecimal = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_u64, |number, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            Some(number << 4 | u64::from(digit))
        })
    };
    if bytes.len() != 42 || bytes[8] != b'-' || bytes[25] != b'-' {
        return None;
    }
    let timeline = Timeline(u32::try_from(hexadecimal(0, 8)?).ok()?);
    let (start, end) = (Lsn(hexadecimal(9, 25)?), Lsn(hexadecimal(26, 42)?));
    (start <= end).then_some(WalRange { timeline, start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_keys_and_parts_round_trip_and_reject_strangers() {
        let key: PointKey = "20261123t080000z-12".parse().unwrap();
        assert_eq!((key.attempt, key.to_string().as_str()), (12, "20261123t080000z-12"));
        for wrong in ["", "20261123t080000z", "20261123t080000z-0", "20261123t080000z-+1", "x-1"] {
            assert!(wrong.parse::<PointKey>().is_err(), "{wrong}");
        }
        let part: PartName = "tblspc-3of3".parse().unwrap();
        assert_eq!(part.to_string(), "tblspc-3of3");
        for wrong in ["", "data", "data-0of1", "data-2of1", "boot-1of1"] {
            assert!(wrong.parse::<PartName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_tag_fits_the_narrowest_cloud() {
        let uid = ClusterUid::new("0d9f6a52-4a3e-4c0e-9d31-000000000001").unwrap();
        let point: PointKey = "20261123t080000z-999999".parse().unwrap();
        let intent = Intent::of(&uid, PointClass::OnDemand, point, &DiskId::new("vol-1").unwrap());
        let mut tags = at_creation(&uid, PointClass::OnDemand, point, &intent);
        let wal = WalRange { timeline: Timeline(u32::MAX), start: Lsn(u64::MAX), end: Lsn(u64::MAX) };
        let part = "tblspc-999of999".parse().unwrap();
        let system = Some(crate::name::SystemId(u64::MAX));
        tags.extend(when_known(&part, system, Some(wal), "2026-11-23T08:00:00.123456Z".parse().unwrap()));
        assert_eq!(tags.get(WAL).and_then(parse_wal_tag), Some(wal));
        for (key, value) in tags.iter() {
            for text in [key, value] {
                let narrow = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
                assert!(text.len() <= 63 && text.bytes().all(narrow), "{key}={value}");
            }
        }
    }
}
