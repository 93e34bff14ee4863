//! What a simulated cloud can be asked, and what it answers.

use crate::effect::Source;
use crate::postgres::{Backup, FinishedBackup};
use backstay_core::model::{LockMode, SimCall};
use backstay_core::name::{DiskId, InstanceId, KmsKey, SnapshotId};
use backstay_core::observed::{DatabaseState, Instance, Snapshot, Unmanaged};
use backstay_core::tags::{Intent, Tags};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// One page of all machines.
    ListInstances {
        /// Where to go on.
        page: Option<String>,
    },
    /// One page of all snapshots that carry [`backstay_core::tags::MANAGED`].
    ListSnapshots {
        /// Where to go on.
        page: Option<String>,
    },
    /// One page of all snapshots of attached disks that do not carry [`backstay_core::tags::MANAGED`].
    ListUnmanaged {
        /// Where to go on.
        page: Option<String>,
    },
    /// One snapshot, whosever it is.
    DescribeSnapshot {
        /// Which one.
        id: SnapshotId,
    },
    /// All snapshots with this intent, oldest first.
    FindByIntent {
        /// The value of their tag [`backstay_core::tags::INTENT`].
        intent: Intent,
    },
    /// A snapshot of one disk. A repeated call makes a second one: EC2 has no token for it (CLOUDS.md 1.5).
    CreateSnapshot {
        /// The machine that the disk must be attached to.
        instance: InstanceId,
        /// The disk and the tags.
        part: NewPart,
    },
    /// Snapshots of several disks of one machine at the same instant. All or none.
    CreateGroup {
        /// The machine.
        instance: InstanceId,
        /// Its disks, each with its tags. (EC2 itself takes one set of tags for all of them.)
        parts: Vec<NewPart>,
    },
    /// A copy of another site's snapshot. A repeated call makes a second one, as [`Call::CreateSnapshot`] does.
    CopySnapshot(NewCopy),
    /// Locks a snapshot, or extends its lock.
    LockSnapshot {
        /// Which one.
        id: SnapshotId,
        /// Who can lift it.
        mode: LockMode,
        /// At least until here.
        until: Timestamp,
    },
    /// Adds or replaces tags.
    Tag {
        /// Of which snapshot.
        id: SnapshotId,
        /// Which ones.
        tags: Tags,
    },
    /// Removes tags.
    Untag {
        /// Of which snapshot.
        id: SnapshotId,
        /// Which ones; those that are not there are ignored.
        keys: BTreeSet<String>,
    },
    /// Deletes a snapshot.
    DeleteSnapshot {
        /// Which one.
        id: SnapshotId,
    },
    /// What a machine's server says of itself.
    DatabaseStatus {
        /// The machine.
        instance: InstanceId,
    },
    /// `pg_backup_start`.
    BeginBackup {
        /// The machine.
        instance: InstanceId,
        /// The backup's label.
        label: String,
    },
    /// `pg_backup_stop`.
    StopBackup {
        /// What [`Call::BeginBackup`] answered.
        backup: Backup,
    },
    /// Reads one WAL segment or history file that the backup's slot keeps.
    ReadWal {
        /// What [`Call::BeginBackup`] answered.
        backup: Backup,
        /// The file's name.
        name: String,
    },
    /// Moves the virtual clock forward; an instant that has passed changes nothing.
    AdvanceClock {
        /// To here.
        to: Timestamp,
    },
    /// Something that happens behind our back.
    Meddle(Meddle),
}

/// What tests do behind Backstay's back. No fault, rate or quota stops it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meddle {
    /// Somebody deletes a snapshot.
    DeleteSnapshot {
        /// Which one.
        id: SnapshotId,
    },
    /// Somebody makes a snapshot, with whatever tags: also ones that look like ours.
    CreateForeign {
        /// Of which disk.
        disk: DiskId,
        /// With which tags.
        tags: Tags,
    },
    /// Somebody changes a snapshot's tags.
    Retag {
        /// Of which snapshot.
        id: SnapshotId,
        /// Which ones.
        tags: Tags,
    },
    /// A database server stops answering.
    StopServer {
        /// On which machine.
        instance: InstanceId,
    },
    /// A database server answers again.
    StartServer {
        /// On which machine.
        instance: InstanceId,
    },
}

/// The order to snapshot one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// The disk.
    pub disk: DiskId,
    /// The tags that the snapshot is born with.
    pub tags: Tags,
}

/// The order to copy one snapshot here. The cloud itself knows no other: the caller vouches for the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCopy {
    /// What is copied.
    pub source: Source,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it is encrypted: then the copy is too.
    pub encrypted: bool,
    /// The key that encrypts the copy.
    pub kms_key: Option<KmsKey>,
    /// The tags that the copy is born with: none is inherited.
    pub tags: Tags,
}

impl Call {
    /// By which name a fault is declared for it; `None` for what cannot be made to fail.
    #[must_use]
    pub fn fault_name(&self) -> Option<SimCall> {
        match self {
            Self::ListInstances { .. } => Some(SimCall::ListInstances),
            Self::ListSnapshots { .. } | Self::ListUnmanaged { .. } => Some(SimCall::ListSnapshots),
            // Both read a few snapshots now; a fault of the long listing must not make every create fail too.
            Self::DescribeSnapshot { .. } | Self::FindByIntent { .. } => Some(SimCall::Describe),
            Self::CreateSnapshot { .. } | Self::CreateGroup { .. } | Self::CopySnapshot(_) => Some(SimCall::Create),
            Self::Tag { .. } | Self::Untag { .. } | Self::LockSnapshot { .. } => Some(SimCall::Tag),
            Self::DeleteSnapshot { .. } => Some(SimCall::Delete),
            Self::DatabaseStatus { .. }
            | Self::BeginBackup { .. }
            | Self::StopBackup { .. }
            | Self::ReadWal { .. }
            | Self::AdvanceClock { .. }
            | Self::Meddle(_) => None,
        }
    }
}

/// For error messages: what was asked, and of what.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListInstances { page: None } => f.write_str("list instances"),
            Self::ListInstances { page: Some(_) } => f.write_str("list further instances"),
            Self::ListSnapshots { page: None } => f.write_str("list snapshots"),
            Self::ListSnapshots { page: Some(_) } => f.write_str("list further snapshots"),
            Self::ListUnmanaged { page: None } => f.write_str("list the snapshots of others"),
            Self::ListUnmanaged { page: Some(_) } => f.write_str("list further snapshots of others"),
            Self::DescribeSnapshot { id } => write!(f, "describe snapshot `{id}`"),
            Self::FindByIntent { intent } => write!(f, "find snapshots of intent `{intent}`"),
            Self::CreateSnapshot { instance, part } => {
                write!(f, "snapshot disk `{}` of instance `{instance}`", part.disk)
            }
            Self::CreateGroup { instance, parts } => {
                write!(f, "snapshot {} disks of instance `{instance}` together", parts.len())
            }
            Self::CopySnapshot(NewCopy { source, .. }) => {
                write!(f, "copy snapshot `{}` of site `{}`", source.snapshot, source.site)
            }
            Self::LockSnapshot { id, until, .. } => write!(f, "lock snapshot `{id}` until {until}"),
            Self::Tag { id, .. } => write!(f, "tag snapshot `{id}`"),
            Self::Untag { id, .. } => write!(f, "untag snapshot `{id}`"),
            Self::DeleteSnapshot { id } => write!(f, "delete snapshot `{id}`"),
            Self::DatabaseStatus { instance } => write!(f, "ask the server of instance `{instance}`"),
            Self::BeginBackup { instance, .. } => write!(f, "begin a backup on instance `{instance}`"),
            Self::StopBackup { backup } => write!(f, "stop the backup on instance `{}`", backup.instance()),
            Self::ReadWal { backup, name } => write!(f, "read WAL file `{name}` of instance `{}`", backup.instance()),
            Self::AdvanceClock { to } => write!(f, "advance the clock to {to}"),
            Self::Meddle(meddle) => write!(f, "{meddle}"),
        }
    }
}

impl fmt::Display for Meddle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteSnapshot { id } => write!(f, "delete snapshot `{id}` behind our back"),
            Self::CreateForeign { disk, .. } => write!(f, "make a foreign snapshot of disk `{disk}`"),
            Self::Retag { id, .. } => write!(f, "tag snapshot `{id}` behind our back"),
            Self::StopServer { instance } => write!(f, "stop the server of instance `{instance}`"),
            Self::StartServer { instance } => write!(f, "start the server of instance `{instance}`"),
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it, ordered by id.
    pub items: Vec<T>,
    /// The token of the next one; `None` on the last.
    pub next: Option<String>,
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To [`Call::ListInstances`].
    Instances(Page<Instance>),
    /// To [`Call::ListSnapshots`].
    Snapshots(Page<Snapshot>),
    /// To [`Call::ListUnmanaged`].
    Unmanaged(Page<Unmanaged>),
    /// To [`Call::LockSnapshot`]: when the lock ends.
    Locked(Timestamp),
    /// To [`Call::DescribeSnapshot`].
    Snapshot(Box<Snapshot>),
    /// To [`Call::FindByIntent`].
    Found(Vec<Snapshot>),
    /// To everything that creates snapshots, in the order that was asked.
    Created(Vec<Snapshot>),
    /// To what has nothing to say.
    Done,
    /// To [`Call::DatabaseStatus`].
    Database(DatabaseState),
    /// To [`Call::BeginBackup`].
    Begun(Backup),
    /// To [`Call::StopBackup`].
    Finished(FinishedBackup),
    /// To [`Call::ReadWal`].
    WalFile(Vec<u8>),
}
