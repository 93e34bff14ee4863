//! What calls change: the whole durable state of a simulated site is its effects, in order.

use backstay_core::model::LockMode;
use backstay_core::name::{DiskId, InstanceId, KmsKey, SiteName, SnapshotId};
use backstay_core::observed::{Readiness, Snapshot};
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
            Self::Tagged { at, .. }
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
}

/// A snapshot as the cloud keeps it: its fate is decided when it is accepted, and shows when time has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// Its id.
    pub id: SnapshotId,
    /// The disk that it was taken of.
    pub disk: DiskId,
    /// When it was accepted, which is also its cut.
    pub created: Timestamp,
    /// When it is done.
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
    /// Where it was copied from, if it is a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Source>,
    /// Its lock, also one that has run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockRecord>,
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
    /// How far it is at an instant.
    #[must_use]
    pub fn readiness(&self, now: Timestamp) -> Readiness {
        match &self.fails {
            _ if now < self.done => Readiness::CutFixed,
            None => Readiness::Ready,
            Some(because) => Readiness::Failed { because: because.clone() },
        }
    }

    /// Whether a lock forbids its deletion at an instant.
    #[must_use]
    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.lock.is_some_and(|lock| now < lock.until)
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
            location: None,
            locked_until: self.lock.map(|lock| lock.until),
        }
    }
}
