//! The capability traits.

use crate::ProviderError;
use async_trait::async_trait;
use backstay_core::lsn::WalRange;
use backstay_core::model::{LockMode, PostgresAddress, ProviderKind};
use backstay_core::name::{
    AccountId, ClusterUid, DiskId, InstanceId, KmsKey, Location, SiteName, SnapshotId, SystemId,
};
use backstay_core::observed::{Abilities, DatabaseState, Generation, Instance, SiteClock, Snapshot, Unmanaged};
use backstay_core::tags::{Intent, PointKey, Tags};
use bytes::Bytes;
use jiff::Timestamp;

/// Where a listing goes on; opaque to all but its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it, in the provider's order.
    pub items: Vec<T>,
    /// Where the next one starts; `None` on the last.
    pub next: Option<PageToken>,
}

/// What is true of a whole site.
#[derive(Debug, Clone)]
pub struct SiteFacts {
    /// The kind of provider, as seals name it.
    pub provider: ProviderKind,
    /// The account in which everything lies.
    pub account: AccountId,
    /// What it can do.
    pub abilities: Abilities,
    /// Its clock and the host's, read together. `host` is filled in by the caller's clock where the provider has none.
    pub clock: SiteClock,
}

/// One snapshot, asked for by its id.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum Description {
    /// It is there.
    Present(Snapshot),
    /// The site said explicitly that there is no such snapshot.
    Absent,
}

/// Listing and describing. No method has an effect.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// What is true of the whole site. `host` is the caller's clock, read just before.
    async fn facts(&self, host: Timestamp) -> Result<SiteFacts, ProviderError>;

    /// One page of all instances. The disks' roles and the database's state are filled in as far as the site itself tells.
    async fn instances(&self, page: Option<PageToken>) -> Result<Page<Instance>, ProviderError>;

    /// One instance, read now, as [`Inventory::instances`] shows it; `None` where the site says explicitly that there is none. A
    /// site that shows instances in listings only says so by an error of class `Invalid`.
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, ProviderError> {
        Err(ProviderError::invalid(format!("describe instance `{id}`: this site lists instances only")))
    }

    /// One page of all snapshots that carry [`backstay_core::tags::MANAGED`]. A page may have none of them and still not be
    /// the last. Where a site shows nothing without permission, "nothing" is an error unless the permission is proven.
    async fn snapshots(&self, page: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError>;

    /// One page of all snapshots that do *not* carry [`backstay_core::tags::MANAGED`], of disks that are attached to an
    /// instance here. A site that cannot tell them apart cheaply may leave this out, and says so by an error of class
    /// `Invalid`.
    async fn unmanaged(&self, page: Option<PageToken>) -> Result<Page<Unmanaged>, ProviderError> {
        let _ = page;
        Err(ProviderError::invalid("this site does not list the snapshots of others"))
    }

    /// One snapshot, read now. An answer other than `Ok` means that nothing is known.
    async fn describe(&self, id: &SnapshotId) -> Result<Description, ProviderError>;

    /// All snapshots that carry this intent, read now: how a retry finds its own work.
    async fn by_intent(&self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError>;
}

/// The order to snapshot one disk.
#[derive(Debug, Clone)]
pub struct CreateSnapshot {
    /// The instance that the disk must be attached to.
    pub instance: InstanceId,
    /// The disk.
    pub disk: DiskId,
    /// The operation id: a repeated call with the same intent makes no second snapshot where the site can tell.
    pub intent: Intent,
    /// Tags that the snapshot is born with.
    pub tags: Tags,
    /// Where the provider is to keep it; `None` leaves it to the site's own.
    pub location: Option<Location>,
}

/// The order to copy one snapshot here from another site.
#[derive(Debug, Clone)]
pub struct CopySnapshot {
    /// The site that it is copied from. Both are of one kind of provider.
    pub from: SiteName,
    /// The snapshot there, as it was just read.
    pub source: Snapshot,
    /// The operation id, as in [`CreateSnapshot::intent`].
    pub intent: Intent,
    /// Tags that the copy is born with: none is inherited.
    pub tags: Tags,
    /// The key that encrypts the copy; `None` leaves it to the provider.
    pub kms_key: Option<KmsKey>,
}

/// What became of a create.
#[derive(Debug, Clone)]
pub enum Created {
    /// It was made by this call.
    Created(Snapshot),
    /// An earlier call with the same intent had made it.
    Adopted(Snapshot),
}

impl Created {
    /// The snapshot, whoever made it.
    #[must_use]
    pub fn snapshot(self) -> Snapshot {
        match self {
            Self::Created(snapshot) | Self::Adopted(snapshot) => snapshot,
        }
    }
}

/// Creating and tagging snapshots.
#[async_trait]
pub trait Store: Send + Sync {
    /// Snapshots one disk. When it returns, the call is durable at the site; the snapshot may still be
    /// [`backstay_core::observed::Readiness::Creating`].
    async fn create(&self, order: &CreateSnapshot) -> Result<Created, ProviderError>;

    /// Snapshots several disks of one instance at the same instant: one snapshot an order, in the same order. Only where
    /// [`Abilities::atomic_group`] is told; otherwise an error of class `Invalid`.
    async fn create_group(&self, orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError>;

    /// Copies one snapshot here. When it returns, the call is durable at the site, and the copy is on its way: it may still
    /// be [`backstay_core::observed::Readiness::CutFixed`] for hours.
    ///
    /// An error of class `Invalid` where there are no copies ([`backstay_core::capabilities::Copies`]); of class `Busy` where
    /// the source is not ready, or other copies must end first.
    async fn copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        Err(ProviderError::invalid(format!("copy snapshot `{}`: this site makes no copies", order.source.id)))
    }

    /// Adds or replaces these tags, and leaves all others. Repeating it changes nothing.
    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError>;

    /// Removes these tags where they are. Repeating it changes nothing.
    async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), ProviderError>;
}

/// Locking snapshots, so that the provider itself refuses their deletion. Unlocking is in no role of ours.
#[async_trait]
pub trait Locker: Send + Sync {
    /// Locks one snapshot at least until `until`, and tells until when it is locked now. A lock is only ever extended:
    /// repeating the call changes nothing.
    ///
    /// Providers lock for whole days, so the answer may be up to a day later than was asked for.
    async fn lock(&self, id: &SnapshotId, mode: LockMode, until: Timestamp) -> Result<Timestamp, ProviderError>;
}

/// A disk, by its id, whether or not it is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its id.
    pub id: DiskId,
    /// Its size in bytes.
    pub size: u64,
    /// The snapshot that it was made from, where there is one.
    pub from: Option<SnapshotId>,
    /// Whether it can be attached.
    pub is_ready: bool,
    /// The instance that it is attached to.
    pub attached_to: Option<InstanceId>,
    /// Its tags.
    pub tags: Tags,
}

/// The order to make a disk from a snapshot.
#[derive(Debug, Clone)]
pub struct CreateDisk {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The instance beside which the disk is to lie: in its zone, so that it can be attached there.
    pub instance: InstanceId,
    /// The operation id: a retry finds its own work by it.
    pub intent: Intent,
    /// Tags that the disk is born with.
    pub tags: Tags,
}

/// Making, attaching and detaching disks.
#[async_trait]
pub trait Restorer: Send + Sync {
    /// Makes a disk from a snapshot; one that an earlier call with this intent made is adopted. An error of class `Busy`
    /// where the snapshot is not ready yet.
    async fn create_disk(&self, order: &CreateDisk) -> Result<Disk, ProviderError>;

    /// One disk, read now; `None` where the site says explicitly that there is none.
    async fn describe_disk(&self, id: &DiskId) -> Result<Option<Disk>, ProviderError>;

    /// All disks that carry this intent, read now.
    async fn disks_by_intent(&self, intent: &Intent) -> Result<Vec<Disk>, ProviderError>;

    /// Attaches a disk. Repeating it changes nothing; a disk that is attached elsewhere, or not ready yet, is an error of
    /// class `Busy`; one in another zone of class `Invalid`.
    async fn attach(&self, disk: &DiskId, instance: &InstanceId) -> Result<(), ProviderError>;

    /// Detaches a disk, and never deletes it. Repeating it changes nothing, and neither does detaching it from where it is not
    /// attached.
    async fn detach(&self, disk: &DiskId, instance: &InstanceId) -> Result<(), ProviderError>;
}

/// Deleting snapshots and released disks: the one capability that destroys.
#[async_trait]
pub trait Sweeper: Send + Sync {
    /// Deletes one snapshot if it still is what the caller saw: same id, same source disk, same generation.
    ///
    /// The provider reads it again immediately before the call (INVARIANTS.md 6); a difference is an error of class `Busy`
    /// and nothing is deleted. One that is explicitly gone already is success.
    async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError>;

    /// Deletes one disk if it carries this intent, and is attached nowhere: it is read again immediately before the call. One
    /// that is explicitly gone already is success; one that is attached, or carries another intent, is an error of class
    /// `Busy`, and nothing is deleted.
    async fn delete_disk(&self, id: &DiskId, intent: &Intent) -> Result<(), ProviderError> {
        Err(ProviderError::invalid(format!("delete disk `{id}` of intent `{intent}`: this site makes no disks")))
    }
}

/// The PostgreSQL servers of a site that Backstay itself reaches.
#[async_trait]
pub trait Databases: Send + Sync {
    /// What the server on this instance says of itself. A server that cannot be asked is
    /// [`DatabaseState::Unreachable`], not an error.
    async fn status(&self, instance: &InstanceId, address: Option<&PostgresAddress>) -> DatabaseState;

    /// Begins a backup on one pinned session (POSTGRES.md, "Taking a recovery point", 3).
    async fn begin_backup(
        &self,
        instance: &InstanceId,
        address: Option<&PostgresAddress>,
        label: &str,
    ) -> Result<Box<dyn BackupSession>, ProviderError>;
}

/// What is known once a backup has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStart {
    /// The server's system identifier.
    pub system: SystemId,
    /// Whether the server is a standby.
    pub is_standby: bool,
}

/// What a finished backup left: a labelled point cannot be recovered without it.
#[derive(Debug, Clone)]
pub struct BackupEnd {
    /// Start and timeline from the label, end from the stop.
    pub wal: WalRange,
    /// `backup_label`, verbatim.
    pub label: Bytes,
    /// `tablespace_map`, verbatim; empty when there are no tablespaces.
    pub map: Bytes,
    /// The WAL segment size in bytes.
    pub segment_size: u64,
}

/// A backup that is running on a pinned session. Dropping it ends the session, and with it the backup.
#[async_trait]
pub trait BackupSession: Send {
    /// What is known since it began.
    fn start(&self) -> &BackupStart;

    /// Stops the backup. The session stays open, and its slot keeps the WAL, until [`BackupSession::close`].
    ///
    /// "the standby was promoted during online backup" is an error of class `Invalid`: the point must be discarded.
    async fn stop(&mut self) -> Result<BackupEnd, ProviderError>;

    /// Reads one WAL segment or history file by its name while the slot still keeps it.
    async fn wal_file(&mut self, name: &str) -> Result<Bytes, ProviderError>;

    /// Ends the session and drops its temporary slot.
    async fn close(self: Box<Self>) -> Result<(), ProviderError>;
}

/// Names one file beside a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointFileId {
    /// Whose point.
    pub cluster: ClusterUid,
    /// Which point.
    pub point: PointKey,
    /// `backup_label`, `tablespace_map`, or `wal/<segment>`.
    pub name: String,
}

/// Files kept beside a point, where there is no archive.
#[async_trait]
pub trait PointFiles: Send + Sync {
    /// Stores a file; durable when it returns. The same name with the same bytes succeeds; with other bytes it is an error.
    async fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError>;

    /// The points that files are kept of.
    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError>;

    /// Reads a file back; `None` if there is none.
    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError>;

    /// Removes all files of a point that was deleted. Repeating it changes nothing.
    async fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError>;
}

/// A clock that is ours to move.
pub trait VirtualClock: Send + Sync {
    /// The site's time.
    fn now(&self) -> Result<Timestamp, ProviderError>;

    /// Moves the site's time forward, durably; an instant that has passed changes nothing.
    fn advance_to(&self, instant: Timestamp) -> Result<(), ProviderError>;
}
