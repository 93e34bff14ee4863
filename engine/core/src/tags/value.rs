//! The values of our tags in a form that is smaller than their texts, where the text is exactly what we write.
//!
//! Somebody may have changed a tag: what is not exactly ours stays a text, so that every value comes back byte for byte.

use super::{
    CLASS, CUT, EXPIRE, INTENT, MANAGED, PART, POINT, PartName, PartRole, PointClass, PointKey, SYSTEM, WAL,
    parse_wal_tag, wal_tag,
};
use crate::lsn::{Lsn, Timeline, WalRange};
use crate::name::SystemId;
use crate::seal::{SealBytes, seal_texts};
use crate::time::{parse_stamp, stamp};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use std::borrow::Cow;

/// A tag's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Managed,
    Class(PointClass),
    /// Of a cut, a mark, or the slot that the point names, too.
    Instant(Timestamp),
    Intent(&'a [u8; 20]),
    Part(PartName),
    Point(PointKey),
    /// The seal's first tag.
    Seal(&'a SealBytes),
    /// The second one of the same.
    SealRest(&'a SealBytes),
    System(SystemId),
    Wal(WalRange),
}

const CLASSES: [PointClass; 4] = [PointClass::Scheduled, PointClass::OnDemand, PointClass::Safety, PointClass::Drill];
const ROLES: [PartRole; 4] = [PartRole::Data, PartRole::Wal, PartRole::Tblspc, PartRole::Unfinished];

impl<'a> Value<'a> {
    /// The value of one of our keys, whose text need not be one that we write.
    pub(super) fn parse(key: &str, text: &'a str, intent: &'a mut [u8; 20]) -> Self {
        let value = match key {
            MANAGED => Some(Self::Managed),
            CLASS => PointClass::parse(text).map(Self::Class),
            CUT | EXPIRE => parse_stamp(text).map(Self::Instant),
            PART => text.parse().ok().map(Self::Part),
            POINT => text.parse().ok().map(Self::Point),
            SYSTEM => text.parse().ok().map(Self::System),
            WAL => parse_wal_tag(text).map(Self::Wal),
            INTENT if text.len() == 40 && HEXLOWER.decode_mut(text.as_bytes(), intent).is_ok() => {
                Some(Self::Intent(intent))
            }
            _ => None,
        };
        // A number may be written in several ways, and only one of them is ours.
        value.filter(|value| value.text() == text).unwrap_or(Self::Text(text))
    }

    /// The text of the tag.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        Cow::Owned(match self {
            Self::Text(text) => return Cow::Borrowed(text),
            Self::Managed => return Cow::Borrowed("1"),
            Self::Class(class) => return Cow::Borrowed(class.as_str()),
            Self::Instant(instant) => stamp(*instant),
            Self::Intent(bytes) => HEXLOWER.encode(*bytes),
            Self::Part(part) => part.to_string(),
            Self::Point(point) => point.to_string(),
            Self::Seal(seal) => seal_texts(seal)[0].clone(),
            Self::SealRest(seal) => seal_texts(seal)[1].clone(),
            Self::System(system) => system.to_string(),
            Self::Wal(wal) => wal_tag(*wal),
        })
    }

    /// A value that is no text, in bytes: as many as its key asks for.
    ///
    /// A slot is told by the point, and the seal's second tag by the first one.
    pub(super) fn write(&self, packed: &mut Vec<u8>, is_slot: bool) {
        match self {
            Self::Text(_) | Self::Managed | Self::SealRest(_) => {}
            Self::Instant(_) if is_slot => {}
            Self::Class(class) => packed.push(number_of(*class, CLASSES)),
            Self::Instant(instant) => packed.extend(instant.as_microsecond().to_le_bytes()),
            Self::Intent(bytes) => packed.extend(*bytes),
            Self::Part(part) => {
                packed.push(number_of(part.role, ROLES));
                packed.extend(part.index.to_le_bytes());
                packed.extend(part.of.to_le_bytes());
            }
            Self::Point(point) => {
                packed.extend(point.slot.as_microsecond().to_le_bytes());
                packed.extend(point.attempt.to_le_bytes());
            }
            Self::Seal(seal) => packed.extend(*seal),
            Self::System(system) => packed.extend(system.0.to_le_bytes()),
            Self::Wal(wal) => {
                packed.extend(wal.timeline.0.to_le_bytes());
                packed.extend(wal.start.0.to_le_bytes());
                packed.extend(wal.end.0.to_le_bytes());
            }
        }
    }

    /// Reads what [`Self::write`] wrote of one of our keys, and takes it from the bytes; `None` where it wrote no such thing.
    pub(super) fn read(key: &str, packed: &mut &'a [u8]) -> Option<Self> {
        Some(match key {
            MANAGED => Self::Managed,
            CLASS => Self::Class(*CLASSES.get(usize::from(take::<1>(packed)?[0]))?),
            CUT | EXPIRE => Self::Instant(instant(take(packed)?)?),
            INTENT => Self::Intent(take(packed)?),
            PART => {
                let role = *ROLES.get(usize::from(take::<1>(packed)?[0]))?;
                let (index, of) = (u16::from_le_bytes(*take(packed)?), u16::from_le_bytes(*take(packed)?));
                Self::Part((index >= 1 && index <= of).then_some(PartName { role, index, of })?)
            }
            POINT => {
                let (slot, attempt) = (instant(take(packed)?)?, u32::from_le_bytes(*take(packed)?));
                let is_one = (1..=PointKey::LAST_ATTEMPT).contains(&attempt);
                Self::Point(is_one.then_some(PointKey { slot, attempt })?)
            }
            SYSTEM => Self::System(SystemId(u64::from_le_bytes(*take(packed)?))),
            WAL => {
                let timeline = Timeline(u32::from_le_bytes(*take(packed)?));
                let start = Lsn(u64::from_le_bytes(*take(packed)?));
                let end = Lsn(u64::from_le_bytes(*take(packed)?));
                Self::Wal((start <= end).then_some(WalRange { timeline, start, end })?)
            }
            _ => return None,
        })
    }

    /// The instant that a cut or a mark tells.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        if let Self::Instant(instant) = self { Some(*instant) } else { parse_stamp(&self.text()) }
    }

    pub(crate) fn class(&self) -> Option<PointClass> {
        if let Self::Class(class) = self { Some(*class) } else { PointClass::parse(&self.text()) }
    }

    pub(crate) fn part(&self) -> Option<PartName> {
        if let Self::Part(part) = self { Some(part.clone()) } else { self.text().parse().ok() }
    }

    pub(crate) fn system(&self) -> Option<SystemId> {
        if let Self::System(system) = self { Some(*system) } else { self.text().parse().ok() }
    }

    pub(crate) fn wal(&self) -> Option<WalRange> {
        if let Self::Wal(wal) = self { Some(*wal) } else { parse_wal_tag(&self.text()) }
    }

    /// The point, if it is one of the slot that another tag tells.
    pub(crate) fn point_of(&self, slot: &Self) -> Option<PointKey> {
        if let (Self::Point(point), Self::Instant(instant)) = (self, slot)
            && point.slot == *instant
        {
            return Some(*point);
        }
        PointKey::of_slot(&self.text(), &slot.text())
    }
}

/// The next bytes, if there are so many.
pub(super) fn take<'a, const N: usize>(packed: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (bytes, rest) = packed.split_first_chunk()?;
    *packed = rest;
    Some(bytes)
}

fn instant(micros: &[u8; 8]) -> Option<Timestamp> {
    Timestamp::from_microsecond(i64::from_le_bytes(*micros)).ok()
}

fn number_of<T: PartialEq + Copy, const N: usize>(one: T, all: [T; N]) -> u8 {
    let place = all.iter().position(|other| *other == one).expect("all of them are there");
    u8::try_from(place).expect("there are few")
}
