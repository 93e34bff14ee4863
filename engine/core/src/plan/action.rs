//! What will be done, to which exact ids.

use crate::lsn::WalRange;
use crate::model::{ConsistencyWanted, LockMode};
use crate::name::{DiskId, InstanceId, KmsKey, Location, NodeName, SiteName, SnapshotId, SystemId};
use crate::observed::{DatabaseRole, Generation};
use crate::tags::{Intent, PartName, PointClass, PointKey, Tags};
use crate::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    /// Makes a point.
    Create(CreatePoint),
    /// Copies a point to another site.
    Copy(CopyPoint),
    /// Mends the tags of a point's snapshots.
    Tag(TagPoint),
    /// Has the provider refuse a point's deletion.
    Lock(LockPoint),
    /// Takes a mark back.
    Revive(MarkPoint),
    /// Marks a point for deletion.
    Expire(MarkPoint),
    /// Deletes a marked point.
    Delete(MarkPoint),
}

impl Action {
    /// Its place in the order of work within a cluster: create, copy, tag, lock, revive, expire, delete.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Create(_) => 0,
            Self::Copy(_) => 1,
            Self::Tag(_) => 2,
            Self::Lock(_) => 3,
            Self::Revive(_) => 4,
            Self::Expire(_) => 5,
            Self::Delete(_) => 6,
        }
    }

    /// The point that it makes or touches.
    #[must_use]
    pub fn point(&self) -> PointKey {
        match self {
            Self::Create(create) => create.point,
            Self::Copy(copy) => copy.point,
            Self::Tag(tag) => tag.point,
            Self::Lock(lock) => lock.point,
            Self::Expire(mark) | Self::Revive(mark) | Self::Delete(mark) => mark.point,
        }
    }

    /// The snapshots that must be as the plan saw them: for a copy, those of the source.
    #[must_use]
    pub fn relies_on(&self) -> Vec<&ExpectedSnapshot> {
        match self {
            Self::Create(_) => Vec::new(),
            Self::Copy(copy) => copy.parts.iter().map(|part| &part.source).collect(),
            Self::Tag(tag) => tag.snapshots.iter().map(|snapshot| &snapshot.expected).collect(),
            Self::Lock(lock) => lock.snapshots.iter().collect(),
            Self::Expire(mark) | Self::Revive(mark) | Self::Delete(mark) => mark.snapshots.iter().collect(),
        }
    }

    /// The word for JSON and logs.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Copy(_) => "copy",
            Self::Tag(_) => "tag",
            Self::Lock(_) => "lock",
            Self::Expire(_) => "expire",
            Self::Revive(_) => "revive",
            Self::Delete(_) => "delete",
        }
    }
}

/// How to make a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreatePoint {
    /// Slot and attempt.
    pub point: PointKey,
    /// Why it is made.
    pub class: PointClass,
    /// The node whose disks are snapshotted.
    pub node: NodeName,
    /// Its instance.
    pub instance: InstanceId,
    /// The node's place in replication when the plan was made; `None` where nothing could tell.
    pub role: Option<DatabaseRole>,
    /// What the point must survive.
    pub consistency: ConsistencyWanted,
    /// Whether all parts are cut by one atomic call.
    pub atomic_group: bool,
    /// The system identifier that the server must have.
    pub system: Option<SystemId>,
    /// Where the provider is told to keep the snapshots; `None` leaves it to the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The parts in the order of the cut: tablespaces, then WAL, the data directory last.
    pub parts: Vec<PlannedPart>,
}

/// One disk to be snapshotted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPart {
    /// Its name in the point.
    pub name: PartName,
    /// The disk.
    pub disk: DiskId,
    /// The token by which a retry finds its own work.
    pub intent: Intent,
}

/// How to copy a point to another site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyPoint {
    /// Slot and attempt: the copy has the same.
    pub point: PointKey,
    /// Why the point was made.
    pub class: PointClass,
    /// Its sealed cut.
    pub cut: Timestamp,
    /// Where it is copied from.
    pub from: SiteName,
    /// The key that encrypts the copy; `None` leaves it to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KmsKey>,
    /// Its sealed system identifier.
    pub system: Option<SystemId>,
    /// Its sealed WAL range; `None` for a point of one atomic cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal: Option<WalRange>,
    /// Its parts, in the order of the cut.
    pub parts: Vec<PlannedCopy>,
}

/// One snapshot to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCopy {
    /// Its name in the point.
    pub name: PartName,
    /// The snapshot at the site that it is copied from.
    pub source: ExpectedSnapshot,
    /// The token by which a retry finds its own work: [`Intent::of_copy`].
    pub intent: Intent,
}

/// Tags to be mended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagPoint {
    /// Slot and attempt.
    pub point: PointKey,
    /// Why the point was made.
    pub class: PointClass,
    /// Its sealed cut; for what was never sealed, the earliest creation time.
    pub cut: Timestamp,
    /// What is mended.
    pub repair: Repair,
    /// Its snapshots, with the tags that each is to have.
    pub snapshots: Vec<Retagged>,
}

/// What is wrong with a point's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// Somebody changed sealed tags, and the seal itself proves what they were.
    Restore,
    /// A hold is recorded, and its tag is missing.
    MirrorHold,
    /// Left by an attempt that was never finished: sealed as such ([`crate::tags::PartRole::Unfinished`]), so that it can be
    /// marked and removed like all that is ours (INVARIANTS.md 5).
    Adopt,
}

/// One snapshot with the tags that it is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retagged {
    /// The snapshot as it was seen.
    pub expected: ExpectedSnapshot,
    /// The tags to add or replace. Where it is to be sealed ([`Repair::Adopt`]), the seal comes on top.
    pub set: Tags,
}

/// A point that the provider is to keep, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockPoint {
    /// Slot and attempt.
    pub point: PointKey,
    /// Why the point was made.
    pub class: PointClass,
    /// Its sealed cut.
    pub cut: Timestamp,
    /// Who can lift the lock.
    pub mode: LockMode,
    /// Until when: the cut and the policy's `lock.for`.
    pub until: Timestamp,
    /// Its snapshots.
    pub snapshots: Vec<ExpectedSnapshot>,
}

/// A point to be marked, revived or deleted, by the exact ids of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkPoint {
    /// Slot and attempt.
    pub point: PointKey,
    /// Its sealed cut.
    pub cut: Timestamp,
    /// The grace that its tombstone carries, or that the delete waited for.
    pub grace: Duration,
    /// Its snapshots.
    pub snapshots: Vec<ExpectedSnapshot>,
    /// Whether they are doubles of parts of a point that stays: then what is kept beside it stays, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_double: bool,
}

/// A snapshot that an action relies on, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedSnapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The disk that it was taken of.
    pub disk: DiskId,
    /// Its state when it was seen.
    pub generation: Generation,
}
