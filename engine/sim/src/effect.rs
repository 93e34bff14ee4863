//! What calls change: the whole durable state of a simulated site is its effects, in order.

use crate::world::{Disk, Stranger};
use backstay_core::model::LockMode;
use backstay_core::name::{DiskId, InstanceId, KmsKey, Location, SiteName, SnapshotId};
use backstay_core::observed::{DiskRole, Readiness, Snapshot};
use backstay_core::tags::Tags;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One change. A call has at most one, so that a line that was torn by a crash loses a whole call and never half of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Snapshots were accepted, all at one instant.
    SnapshotsCreated {
        /// At least one.
        snapshots: Vec<SnapshotRecord>,
    },
    /// Tags were added or replaced.
    Tagged {
        /// When.
        at: Timestamp,
        /// Of which snapshot.
        id: SnapshotId,
        /// Only those that differ.
        tags: Tags,
    },
    /// Tags were removed.
    Untagged {
        /// When.
        at: Timestamp,
        /// Of which snapshot.
        id: SnapshotId,
        /// Only those that were there.
        keys: BTreeSet<String>,
    },
    /// A snapshot was locked, or its lock was extended.
    Locked {
        /// When.
        at: Timestamp,
        /// Which one.
        id: SnapshotId,
        /// Its lock from now on.
        lock: LockRecord,
    },
    /// A snapshot was deleted, by us or behind our back.
    Deleted {
        /// When.
        at: Timestamp,
        /// Which one.
        id: SnapshotId,
    },
    /// A disk was made from a snapshot.
    DiskCreated {
        /// The disk.
        disk: DiskRecord,
    },
    /// A disk was attached.
    DiskAttached {
        /// When.
        at: Timestamp,
        /// Which one.
        disk: DiskId,
        /// To which machine.
        instance: InstanceId,
    },
    /// A disk was detached.
    DiskDetached {
        /// When.
        at: Timestamp,
        /// Which one.
        disk: DiskId,
    },
    /// A disk was deleted.
    DiskDeleted {
        /// When.
        at: Timestamp,
        /// Which one.
        disk: DiskId,
    },
    /// The virtual clock was moved forward.
    ClockAdvanced {
        /// To here.
        to: Timestamp,
    },
    /// A database server was stopped.
    ServerStopped {
        /// When.
        at: Timestamp,
        /// On which machine.
        instance: InstanceId,
    },
    /// A database server was started.
    ServerStarted {
        /// When.
        at: Timestamp,
        /// On which machine.
        instance: InstanceId,
    },
}

impl Effect {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::SnapshotsCreated { snapshots } => {
                snapshots.iter().map(|snapshot| snapshot.created).max().unwrap_or(Timestamp::MIN)
            }
            Self::DiskCreated { disk } => disk.created,
            Self::Tagged { at, .. }
            | Self::DiskAttached { at, .. }
            | Self::DiskDetached { at, .. }
            | Self::DiskDeleted { at, .. }
            | Self::Untagged { at, .. }
            | Self::Locked { at, .. }
            | Self::Deleted { at, .. }
            | Self::ServerStopped { at, .. }
            | Self::ServerStarted { at, .. } => *at,
            Self::ClockAdvanced { to } => *to,
        }
    }
}

/// An effect that cannot follow those before it: the record of a site was damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A snapshot was created twice.
    #[error("snapshot `{0}` is created a second time")]
    CreatedTwice(SnapshotId),
    /// A snapshot that never was, or was deleted, is changed.
    #[error("snapshot `{0}` is changed, but does not exist")]
    Missing(SnapshotId),
    /// A disk was created twice.
    #[error("disk `{0}` is created a second time")]
    DiskCreatedTwice(DiskId),
}

/// A disk that was made from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRecord {
    /// Its id.
    pub id: DiskId,
    /// The snapshot.
    pub from: SnapshotId,
    /// What lies on it.
    pub role: DiskRole,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The zone that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// From when on it can be attached.
    pub done: Timestamp,
    /// Its tags.
    pub tags: Tags,
    /// The caller's word for it.
    pub word: String,
}

/// A snapshot as the cloud keeps it: its fate is decided when it is accepted, and shows when time has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// Its id.
    pub id: SnapshotId,
    /// The disk that it was taken of.
    pub disk: DiskId,
    /// When it was accepted.
    pub created: Timestamp,
    /// When the instant is fixed that it shows, where that is not when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Timestamp>,
    /// When it is done; the last instant there is if it never is.
    pub done: Timestamp,
    /// Why it fails when it is done, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The source's size in bytes.
    pub size: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key that encrypts it, where the order named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KmsKey>,
    /// Where it is kept, where the order said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What lay on its disk.
    #[serde(default = "unknown_role")]
    pub role: DiskRole,
    /// The caller's word for it, where the cloud keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// Where it was copied from, if it is a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Source>,
    /// Its lock, also one that has run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockRecord>,
}

fn unknown_role() -> DiskRole {
    DiskRole::Unknown
}

/// The snapshot that a copy is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The site that it lies at.
    pub site: SiteName,
    /// Its id there.
    pub snapshot: SnapshotId,
    /// Its disk there.
    pub disk: DiskId,
    /// When it was made; records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
}

/// A lock: until it ends, the snapshot cannot be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRecord {
    /// Who could lift it.
    pub mode: LockMode,
    /// When it began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl SnapshotRecord {
    /// A snapshot that others made before the first call: ready since then.
    pub(crate) fn of_others(id: &SnapshotId, stranger: &Stranger, disk: &Disk) -> Self {
        Self {
            id: id.clone(),
            disk: stranger.disk.clone(),
            created: stranger.made,
            fixed: None,
            done: stranger.made,
            fails: None,
            tags: stranger.tags.clone(),
            size: disk.bytes(),
            encrypted: disk.encrypted,
            kms_key: None,
            location: None,
            role: disk.role.clone(),
            word: None,
            copied: None,
            lock: None,
        }
    }

    /// How far it is at an instant.
    #[must_use]
    pub fn readiness(&self, now: Timestamp) -> Readiness {
        match &self.fails {
            _ if self.fixed.is_some_and(|fixed| now < fixed) => Readiness::Creating,
            _ if now < self.done => Readiness::CutFixed,
            None => Readiness::Ready,
            Some(because) => Readiness::Failed { because: because.clone() },
        }
    }

    /// Whether it will be ready some day.
    #[must_use]
    pub fn succeeds(&self) -> bool {
        self.fails.is_none() && self.done < Timestamp::MAX
    }

    /// Whether a lock forbids its deletion at an instant. A failed snapshot loses its lock (CLOUDS.md 1.3).
    #[must_use]
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.standing_lock(now).is_some_and(|lock| now < lock.until)
    }

    fn standing_lock(&self, now: Timestamp) -> Option<LockRecord> {
        self.lock.filter(|_| self.fails.is_none() || now < self.done)
    }

    /// The snapshot as a listing shows it at an instant.
    #[must_use]
    pub fn shown(&self, now: Timestamp) -> Snapshot {
        Snapshot {
            id: self.id.clone(),
            disk: self.disk.clone(),
            created: self.created,
            readiness: self.readiness(now),
            tags: self.tags.clone(),
            size: self.size,
            encrypted: self.encrypted,
            kms_key: self.kms_key.clone(),
            location: self.location.clone(),
            locked_until: self.standing_lock(now).map(|lock| lock.until),
        }
    }
}
