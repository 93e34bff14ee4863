//! Whose rules a simulated cloud follows, as data.

use backstay_core::capabilities::{Copies, LockRules};
use backstay_core::model::LockMode;
use backstay_core::time::Duration;
use jiff::SignedDuration;

/// The rules of one cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in a `Site` document.
    pub name: &'static str,
    /// How snapshots are made here, for people.
    pub method: &'static str,
    /// What a snapshot's id begins with.
    pub id_prefix: &'static str,
    /// How many hexadecimal digits follow.
    pub id_digits: usize,
    /// How many items a page of a listing has at most.
    pub page_size: usize,
    /// How long a snapshot takes until it can be restored.
    pub ready: ReadyTime,
    /// One disk's snapshot shows one instant.
    pub atomic_disk: bool,
    /// All disks of one instance can be cut at the same instant by one call.
    pub atomic_group: bool,
    /// How many snapshots of one disk may be unfinished. A failed one counts.
    pub pending_per_disk: usize,
    /// How long to wait between two creates of one disk.
    pub create_interval: Duration,
    /// How copies come here.
    pub copies: Copies,
    /// What the listing shows as a copy's disk.
    pub copy_disk: CopyDisk,
    /// Which locks there are; `None` where there are none.
    pub lock: Option<LockRules>,
    /// How exactly a lock's end is kept.
    pub lock_grain: LockGrain,
    /// How many snapshots the account may have.
    pub snapshot_quota: usize,
    /// How many tags a snapshot may have.
    pub tags: usize,
    /// How long a tag's key may be, in characters.
    pub tag_key: usize,
    /// How long a tag's value may be, in characters.
    pub tag_value: usize,
    /// What a tag's key must not begin with.
    pub reserved_tag_prefix: &'static str,
    /// What its refusals are called.
    pub codes: Codes,
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
    /// In whole days from the call.
    DaysFromCall,
    /// In whole days from when the lock began, also where it is extended.
    DaysFromStart,
}

/// How long a snapshot takes until it can be restored.
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
    /// Too many copies on their way.
    pub too_many_copies: &'static str,
    /// There is no such call.
    pub unsupported: &'static str,
    /// A lock forbids it.
    pub locked: &'static str,
    /// The snapshot's state forbids it.
    pub wrong_state: &'static str,
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
#[error("the simulated cloud has no profile `{name}`; there is: {}", Profile::NAMES.join(", "))]
pub struct UnknownProfile {
    /// The name as given.
    pub name: String,
}

impl Profile {
    /// The names of all profiles.
    pub const NAMES: [&'static str; 1] = ["aws"];

    /// The profile of this name.
    pub fn named(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "aws" => Ok(Self::aws()),
            _ => Err(UnknownProfile { name: name.to_owned() }),
        }
    }

    /// EC2 and EBS (CLOUDS.md 1). Readiness times are ours: AWS promises none.
    #[must_use]
    pub fn aws() -> Self {
        Self {
            name: "aws",
            method: "EBS snapshot (simulated)",
            id_prefix: "snap-",
            id_digits: 17,
            page_size: 1000,
            ready: ReadyTime { base: Duration::seconds(30), full_per_gib: 2000, incremental_per_gib: 100 },
            atomic_disk: true,
            atomic_group: true,
            pending_per_disk: 5,
            create_interval: Duration::seconds(15),
            copies: Copies::Queued { parallel: 20, in_order: false },
            copy_disk: CopyDisk::Arbitrary("vol-ffffffff"),
            lock: Some(LockRules {
                modes: &[LockMode::Governance, LockMode::Compliance],
                longest: Duration::days(36_500),
            }),
            lock_grain: LockGrain::Exact,
            snapshot_quota: 100_000,
            tags: 50,
            tag_key: 127,
            tag_value: 256,
            reserved_tag_prefix: "aws:",
            codes: Codes {
                no_snapshot: "InvalidSnapshot.NotFound",
                no_disk: "InvalidVolume.NotFound",
                no_instance: "InvalidInstanceID.NotFound",
                not_attached: "InvalidAttachment.NotFound",
                too_many_pending: "ConcurrentSnapshotLimitExceeded",
                too_soon: "SnapshotCreationPerVolumeRateExceeded",
                too_many_copies: "ResourceLimitExceeded",
                unsupported: "UnsupportedOperation",
                locked: "SnapshotLocked",
                wrong_state: "IncorrectState",
                too_many_snapshots: "SnapshotLimitExceeded",
                too_many_tags: "TagLimitExceeded",
                invalid_value: "InvalidParameterValue",
                invalid_combination: "InvalidParameterCombination",
                throttled: "RequestLimitExceeded",
                denied: "UnauthorizedOperation",
                unavailable: "ServiceUnavailable",
            },
        }
    }
}
