//! What a simulated cloud can be asked, and what it answers.

use crate::effect::Source;
use crate::postgres::{Backup, FinishedBackup};
use backstay_core::capabilities::CallClass;
use backstay_core::model::{LockMode, SimCall};
use backstay_core::name::{DiskId, InstanceId, KmsKey, Location, SnapshotId};
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
    /// One page of all snapshots.
    ListSnapshots {
        /// Only those that carry [`backstay_core::tags::MANAGED`], where the cloud can tell ([`crate::Filter`]).
        only_ours: bool,
        /// Where to go on.
        page: Option<String>,
    },
    /// One page of all snapshots of attached disks that do not carry [`backstay_core::tags::MANAGED`].
    ListUnmanaged {
        /// Where to go on.
        page: Option<String>,
    },
    /// One machine.
    DescribeInstance {
        /// Which one.
        id: InstanceId,
    },
    /// One snapshot, whosever it is.
    DescribeSnapshot {
        /// Which one.
        id: SnapshotId,
    },
    /// Whether a call would be allowed: a dry run.
    CheckPermission {
        /// Which call.
        of: SimCall,
    },
    /// All snapshots with this intent, oldest first. A cloud without a filter by tag has no such call.
    FindByIntent {
        /// The value of their tag [`backstay_core::tags::INTENT`].
        intent: Intent,
    },
    /// A snapshot of one disk. What a repeated call makes is the cloud's [`crate::Identity`].
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
    /// A disk from a snapshot. No cloud makes a second one of a repeated call.
    CreateDisk(NewDisk),
    /// One disk, whosever it is.
    DescribeDisk {
        /// Which one.
        id: DiskId,
    },
    /// All disks with this intent. A cloud without a filter by tag has no such call.
    FindDisks {
        /// The value of their tag [`backstay_core::tags::INTENT`].
        intent: Intent,
    },
    /// Attaches a disk; one that is attached there already stays so.
    AttachDisk {
        /// Which one.
        disk: DiskId,
        /// To which machine.
        instance: InstanceId,
    },
    /// Detaches a disk; one that is not attached there stays as it is.
    DetachDisk {
        /// Which one.
        disk: DiskId,
        /// From which machine.
        instance: InstanceId,
    },
    /// Deletes a disk that is attached nowhere.
    DeleteDisk {
        /// Which one.
        id: DiskId,
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
    /// The caller's own word for it: its name where the caller chooses names, its token where there are tokens.
    pub word: Option<String>,
    /// Where it is to be kept, on a cloud that places snapshots when it makes them.
    pub location: Option<Location>,
}

/// The order to make a disk from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDisk {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The machine in whose zone it is to lie.
    pub instance: InstanceId,
    /// The tags that the disk is born with.
    pub tags: Tags,
    /// The caller's own word for it, as in [`NewPart::word`].
    pub word: String,
}

/// A disk as a site shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDisk {
    /// Its id.
    pub id: DiskId,
    /// Its size in bytes.
    pub size: u64,
    /// The snapshot that it was made from, where there is one.
    pub from: Option<SnapshotId>,
    /// Whether it can be attached.
    pub is_ready: bool,
    /// The machine that it is attached to.
    pub attached_to: Option<InstanceId>,
    /// Its tags.
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
    /// The caller's own word for it, as in [`NewPart::word`].
    pub word: Option<String>,
}

impl Call {
    /// By which name a fault is declared for it; `None` for what cannot be made to fail.
    #[must_use]
    pub fn fault_name(&self) -> Option<SimCall> {
        match self {
            Self::ListInstances { .. } => Some(SimCall::ListInstances),
            Self::ListSnapshots { .. } | Self::ListUnmanaged { .. } => Some(SimCall::ListSnapshots),
            // Both read a few snapshots now; a fault of the long listing must not make every create fail too.
            Self::DescribeInstance { .. }
            | Self::DescribeSnapshot { .. }
            | Self::FindByIntent { .. }
            | Self::DescribeDisk { .. }
            | Self::FindDisks { .. } => Some(SimCall::Describe),
            Self::CheckPermission { of } => Some(*of),
            Self::CreateDisk(_) => Some(SimCall::CreateDisk),
            Self::AttachDisk { .. } | Self::DetachDisk { .. } => Some(SimCall::Attach),
            Self::DeleteDisk { .. } => Some(SimCall::DeleteDisk),
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

    /// As what clouds count it; `None` for what is no call to a cloud.
    #[must_use]
    pub fn class(&self) -> Option<CallClass> {
        match self {
            Self::ListInstances { .. }
            | Self::ListSnapshots { .. }
            | Self::ListUnmanaged { .. }
            | Self::CheckPermission { .. }
            | Self::FindByIntent { .. }
            | Self::FindDisks { .. } => Some(CallClass::List),
            Self::DescribeInstance { .. } | Self::DescribeSnapshot { .. } | Self::DescribeDisk { .. } => {
                Some(CallClass::Describe)
            }
            Self::CreateSnapshot { .. } => Some(CallClass::Create),
            Self::CreateGroup { .. } => Some(CallClass::CreateGroup),
            Self::CopySnapshot(_) => Some(CallClass::Copy),
            Self::LockSnapshot { .. } => Some(CallClass::Lock),
            Self::Tag { .. } | Self::Untag { .. } => Some(CallClass::Tag),
            Self::DeleteSnapshot { .. } => Some(CallClass::Delete),
            Self::CreateDisk(_) => Some(CallClass::CreateDisk),
            Self::AttachDisk { .. } | Self::DetachDisk { .. } => Some(CallClass::Attach),
            Self::DeleteDisk { .. } => Some(CallClass::DeleteDisk),
            Self::DatabaseStatus { .. }
            | Self::BeginBackup { .. }
            | Self::StopBackup { .. }
            | Self::ReadWal { .. }
            | Self::AdvanceClock { .. }
            | Self::Meddle(_) => None,
        }
    }

    /// Whether it only asks. A lost answer to a question changed nothing.
    #[must_use]
    pub fn is_question(&self) -> bool {
        match self {
            Self::ListInstances { .. }
            | Self::ListSnapshots { .. }
            | Self::ListUnmanaged { .. }
            | Self::DescribeInstance { .. }
            | Self::DescribeSnapshot { .. }
            | Self::CheckPermission { .. }
            | Self::FindByIntent { .. }
            | Self::DescribeDisk { .. }
            | Self::FindDisks { .. }
            | Self::DatabaseStatus { .. }
            | Self::BeginBackup { .. }
            | Self::StopBackup { .. }
            | Self::ReadWal { .. } => true,
            Self::CreateSnapshot { .. }
            | Self::CreateGroup { .. }
            | Self::CopySnapshot(_)
            | Self::LockSnapshot { .. }
            | Self::Tag { .. }
            | Self::Untag { .. }
            | Self::DeleteSnapshot { .. }
            | Self::CreateDisk(_)
            | Self::AttachDisk { .. }
            | Self::DetachDisk { .. }
            | Self::DeleteDisk { .. }
            | Self::AdvanceClock { .. }
            | Self::Meddle(_) => false,
        }
    }
}

/// For error messages: what was asked, and of what.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListInstances { page: None } => f.write_str("list instances"),
            Self::ListInstances { page: Some(_) } => f.write_str("list further instances"),
            Self::ListSnapshots { page: None, .. } => f.write_str("list snapshots"),
            Self::ListSnapshots { page: Some(_), .. } => f.write_str("list further snapshots"),
            Self::ListUnmanaged { page: None } => f.write_str("list the snapshots of others"),
            Self::ListUnmanaged { page: Some(_) } => f.write_str("list further snapshots of others"),
            Self::DescribeInstance { id } => write!(f, "describe instance `{id}`"),
            Self::DescribeSnapshot { id } => write!(f, "describe snapshot `{id}`"),
            Self::CheckPermission { .. } => f.write_str("check the permission to ask"),
            Self::CreateDisk(NewDisk { snapshot, .. }) => write!(f, "make a disk from snapshot `{snapshot}`"),
            Self::DescribeDisk { id } => write!(f, "describe disk `{id}`"),
            Self::FindDisks { intent } => write!(f, "find disks of intent `{intent}`"),
            Self::AttachDisk { disk, instance } => write!(f, "attach disk `{disk}` to instance `{instance}`"),
            Self::DetachDisk { disk, instance } => write!(f, "detach disk `{disk}` from instance `{instance}`"),
            Self::DeleteDisk { id } => write!(f, "delete disk `{id}`"),
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
    /// To [`Call::DescribeInstance`].
    Instance(Box<Instance>),
    /// To [`Call::DescribeSnapshot`].
    Snapshot(Box<Snapshot>),
    /// To [`Call::FindByIntent`].
    Found(Vec<Snapshot>),
    /// To everything that creates snapshots, in the order that was asked.
    Created(Vec<Snapshot>),
    /// To [`Call::CreateDisk`] and [`Call::DescribeDisk`].
    Disk(Box<ShownDisk>),
    /// To [`Call::FindDisks`].
    Disks(Vec<ShownDisk>),
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
