//! Whose rules a simulated cloud follows, as data. The numbers that core knows too are core's ([`Rules`]).

use backstay_core::capabilities::Rules;
use backstay_core::time::Duration;
use jiff::{SignedDuration, Timestamp};

mod alibaba;
mod aws;
mod azure;
mod gcp;
mod tags;

pub use tags::{TagAlphabet, TagRules};

/// The rules of one cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in a `Site` document.
    pub name: &'static str,
    /// How snapshots are made here, for people.
    pub method: &'static str,
    /// Copies, locks, spacing, groups, quotas, pages and budgets.
    pub rules: Rules,
    /// How a snapshot and a disk come to their ids, and what a repeated call makes.
    pub identity: Identity,
    /// What a snapshot's id is made of.
    pub snapshot_ids: Ids,
    /// What a disk's id is made of.
    pub disk_ids: Ids,
    /// What a listing of snapshots can be narrowed to by the cloud itself.
    pub filter: Filter,
    /// What a question is answered without permission.
    pub denial: Denial,
    /// Whether deleting what is gone is success.
    pub deletes_what_is_gone: bool,
    /// When the instant is fixed that a snapshot shows.
    pub fixed: Fixed,
    /// How long a snapshot takes until it can be restored.
    pub ready: ReadyTime,
    /// How long a copy takes.
    pub copied: ReadyTime,
    /// How long a disk takes that is made from a snapshot, until it can be attached.
    pub disk_ready: ReadyTime,
    /// One disk's snapshot shows one instant.
    pub atomic_disk: bool,
    /// What the listing shows as a copy's disk.
    pub copy_disk: CopyDisk,
    /// How exactly a lock's end is kept.
    pub lock_grain: LockGrain,
    /// What a tag may be.
    pub tags: TagRules,
    /// For how long a caller is told to wait who is throttled, where the cloud says.
    pub retry_after: Option<Duration>,
    /// What its refusals are called.
    pub codes: Codes,
}

/// How a snapshot and a disk come to their ids, and what a repeated call makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The cloud gives them; a repeated call for a snapshot makes another one.
    Given,
    /// The cloud gives them; a repeated call with the same token is answered by what the first one made.
    GivenOncePerToken,
    /// The caller chooses them.
    Named {
        /// What a name may be.
        form: NameForm,
        /// Whether the same call again is answered by what is there, or refused.
        repeats: bool,
    },
}

/// What a name may be that a caller chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// 1 to 80 of `a-z A-Z 0-9 _ -`.
    Azure,
    /// `[a-z]([-a-z0-9]{0,61}[a-z0-9])?`.
    Gcp,
}

impl NameForm {
    /// Whether a text is such a name.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Azure => {
                (1..=80).contains(&bytes.len())
                    && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            }
            Self::Gcp => {
                (1..=63).contains(&bytes.len())
                    && bytes.first().is_some_and(u8::is_ascii_lowercase)
                    && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
                    && bytes.last() != Some(&b'-')
            }
        }
    }
}

/// An id that the cloud gives: a prefix and hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// What it begins with.
    pub prefix: &'static str,
    /// How many digits follow, at most 64.
    pub digits: usize,
}

/// What a listing of snapshots can be narrowed to by the cloud itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// To those with a tag.
    ByTag,
    /// To those with a tag, and shows no more than so many of them, without a word.
    ByTagUpTo(usize),
    /// To nothing: it shows everybody's.
    None,
}

/// What a question is answered without permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// That it is denied.
    Told,
    /// As if there were nothing.
    Silent,
}

/// When the instant is fixed that a snapshot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// When the call returns.
    AtOnce,
    /// Some time later.
    After(Duration),
    /// It is not told apart from being ready.
    WhenReady,
}

/// What a listing shows as a copy's disk: matching a copy to its source by it would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDisk {
    /// An id that means nothing.
    Arbitrary(&'static str),
    /// The source snapshot's id.
    SourceSnapshot,
    /// The disk that the source was taken of.
    SourceDisk,
}

/// How exactly a lock's end is kept. It never ends before the instant that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockGrain {
    /// To the instant.
    Exact,
    /// In whole days from the call, or from when the snapshot is ready where that is later.
    DaysFromCall,
    /// In whole days from when the lock began, also where it is extended.
    DaysFromStart,
}

/// How long something takes until it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyTime {
    /// However small the disk is.
    pub base: Duration,
    /// For each GiB of a disk that has no snapshot yet, in milliseconds.
    pub full_per_gib: u32,
    /// For each GiB of a disk that has one, in milliseconds.
    pub incremental_per_gib: u32,
}

impl ReadyTime {
    /// The whole time for a disk of this size.
    #[must_use]
    pub fn of(&self, gib: u32, is_full: bool) -> SignedDuration {
        let per_gib = if is_full { self.full_per_gib } else { self.incremental_per_gib };
        let millis = i64::from(gib) * i64::from(per_gib);
        self.base.signed().saturating_add(SignedDuration::from_millis(millis))
    }
}

/// What a cloud calls its refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// No such snapshot.
    pub no_snapshot: &'static str,
    /// No such disk.
    pub no_disk: &'static str,
    /// No such instance.
    pub no_instance: &'static str,
    /// The disk is not attached to that instance.
    pub not_attached: &'static str,
    /// Too many unfinished snapshots of one disk.
    pub too_many_pending: &'static str,
    /// Too soon after the last create of that disk.
    pub too_soon: &'static str,
    /// Too many snapshots of one disk.
    pub too_many_of_disk: &'static str,
    /// Too many copies on their way.
    pub too_many_copies: &'static str,
    /// There is no such call.
    pub unsupported: &'static str,
    /// A lock forbids it.
    pub locked: &'static str,
    /// The snapshot's or the disk's state forbids it.
    pub wrong_state: &'static str,
    /// The disk is attached to an instance.
    pub in_use: &'static str,
    /// The disk lies in another zone.
    pub wrong_zone: &'static str,
    /// The name is taken, by the same or by something else.
    pub name_taken: &'static str,
    /// The account has all the snapshots that it may have.
    pub too_many_snapshots: &'static str,
    /// Too many tags.
    pub too_many_tags: &'static str,
    /// A value that is not allowed.
    pub invalid_value: &'static str,
    /// The same disk twice in one call, or none.
    pub invalid_combination: &'static str,
    /// Too many calls.
    pub throttled: &'static str,
    /// Missing permission.
    pub denied: &'static str,
    /// The service is down.
    pub unavailable: &'static str,
}

/// A profile that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulated cloud has no profile `{name}`; there are: {}", Profile::NAMES.join(", "))]
pub struct UnknownProfile {
    /// The name as given.
    pub name: String,
}

impl Profile {
    /// The names of all profiles.
    pub const NAMES: [&'static str; 4] = ["aws", "azure", "gcp", "alibaba"];

    /// The profile of this name.
    pub fn named(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "aws" => Ok(Self::aws()),
            "azure" => Ok(Self::azure()),
            "gcp" => Ok(Self::gcp()),
            "alibaba" => Ok(Self::alibaba()),
            _ => Err(UnknownProfile { name: name.to_owned() }),
        }
    }

    /// How many items a page of a listing has at most.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.rules.page_size as usize
    }

    /// When the instant is fixed of a snapshot that was accepted and is ready at these instants.
    pub(crate) fn fixed_at(&self, accepted: Timestamp, done: Timestamp, times: u32) -> Timestamp {
        match self.fixed {
            Fixed::AtOnce => accepted,
            Fixed::After(length) => {
                let length = length.signed().saturating_mul(i32::try_from(times).unwrap_or(i32::MAX));
                accepted.checked_add(length).unwrap_or(Timestamp::MAX).min(done)
            }
            Fixed::WhenReady => done,
        }
    }
}
