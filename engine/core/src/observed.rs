//! What really exists, as it was seen: listings that are complete, or unknown.

use crate::lsn::{Lsn, Timeline};
pub use crate::marks::{Sightings, Tombstones};
use crate::model::{Origin, ProviderKind};
use crate::name::{AccountId, ClusterUid, DiskId, InstanceId, KmsKey, Location, SiteName, SnapshotId, SystemId};
use crate::plan::Cause;
use crate::seal::Keyring;
pub use crate::snapshots::Snapshots;
use crate::tags::{PointKey, Tags};
use crate::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was seen in one observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The host's clock when the observation began.
    pub at: Timestamp,
    /// Whether this was seen just now, or read from a file.
    pub provenance: Provenance,
    /// What each declared site showed.
    pub sites: BTreeMap<SiteName, Listing<SiteInventory>>,
    /// What the state store remembers.
    pub records: Listing<Records>,
    /// The keys by which our seals are checked.
    pub keyring: Keyring,
}

/// Where an observation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Seen by this run.
    Live,
    /// Read from an inventory file: plans from it are never applied.
    Recorded,
}

/// A listing that was read to its end, or was not. "Could not list" is never an empty list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listing<T> {
    /// Every page of every partition was read.
    Complete(T),
    /// Some page was not; nothing may be concluded from what is missing.
    Unknown {
        /// What failed, for people.
        because: String,
    },
}

impl<T> Listing<T> {
    /// The value, when the listing is complete.
    pub fn complete(&self) -> Option<&T> {
        match self {
            Self::Complete(value) => Some(value),
            Self::Unknown { .. } => None,
        }
    }
}

/// One site, read to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteInventory {
    /// The site's own clock and the host's, read together.
    pub clock: SiteClock,
    /// What kind of provider it is.
    pub provider: ProviderKind,
    /// The account in which all of this lies.
    pub account: AccountId,
    /// What the site can do, as it told or as it was detected.
    pub abilities: Abilities,
    /// Every instance, ordered by id.
    pub instances: Vec<Instance>,
    /// Every snapshot that carries [`crate::tags::MANAGED`], ordered by id.
    pub snapshots: Snapshots,
    /// Every other snapshot of a disk that an instance here has attached, ordered by id.
    #[serde(default)]
    pub unmanaged: Vec<Unmanaged>,
    /// The points that files are kept of, whether or not their snapshots are still there.
    #[serde(default)]
    pub kept_files: BTreeSet<(ClusterUid, PointKey)>,
}

/// A snapshot that does not claim to be ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// Its id.
    pub id: SnapshotId,
    /// The disk that it was taken of.
    pub disk: DiskId,
    /// The site's creation time.
    pub created: Timestamp,
    /// The source's size in bytes.
    pub size: u64,
}

/// A site's clock, read at the time of the observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteClock {
    /// The site's time.
    pub now: Timestamp,
    /// The host's time at the same moment.
    pub host: Timestamp,
    /// Whether the site's time is the caller's to move.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
}

/// What a site can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// One disk's snapshot shows one instant. A plain copy of a live directory does not.
    pub atomic_disk: bool,
    /// All disks of one instance can be cut at the same instant by one call.
    pub atomic_group: bool,
    /// How snapshots are made here, for people: `EBS snapshot`, `btrfs subvolume`, `reflink`, `copy`.
    pub method: String,
}

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its attached disks, ordered by id.
    pub disks: Vec<AttachedDisk>,
    /// What its PostgreSQL server said.
    pub database: DatabaseState,
}

/// A disk that is attached to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedDisk {
    /// Its id.
    pub id: DiskId,
    /// What lies on it, where that could be told.
    pub role: DiskRole,
    /// Its size in bytes; 0 where a site does not tell.
    pub size: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// What lies on a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskRole {
    /// The data directory (and the WAL, unless another disk has it).
    Data,
    /// `pg_wal`.
    Wal,
    /// A tablespace.
    Tablespace,
    /// The operating system, or something else that no point needs.
    Other,
    /// It could not be told.
    Unknown,
}

/// What is known of an instance's PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseState {
    /// There is nothing on this site that could tell.
    NotObservable,
    /// It should have told, but did not.
    Unreachable {
        /// What failed, for people.
        because: String,
    },
    /// It told.
    Known(DatabaseStatus),
}

/// What a PostgreSQL server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// Primary, or standby with its lag.
    pub role: DatabaseRole,
    /// `system_identifier` of `pg_control_system()`.
    pub system: SystemId,
    /// The timeline in use.
    pub timeline: Timeline,
    /// `server_version_num`: 150018 is 15.18.
    pub version: u32,
    /// Whether pages carry checksums.
    pub data_checksums: bool,
    /// Whether `full_page_writes` is on: a backup without it may hold torn pages.
    pub full_page_writes: bool,
    /// Whether a backup is running already, of whatever tool.
    pub backup_running: bool,
}

/// A server's place in replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseRole {
    /// It accepts writes.
    Primary,
    /// It replays.
    Standby {
        /// How far its replayed commits are behind; unknown when it cannot be told.
        lag: Option<Duration>,
    },
}

/// A snapshot as its site shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The disk that it was taken of.
    pub disk: DiskId,
    /// The site's creation time.
    pub created: Timestamp,
    /// How far it is.
    pub readiness: Readiness,
    /// Its tags.
    pub tags: Tags,
    /// The source's size in bytes.
    pub size: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key that encrypts it, where the site tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<KmsKey>,
    /// Where the provider keeps it, where that is not simply its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Until when the provider itself refuses its deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Timestamp>,
}

impl Snapshot {
    /// A digest of everything that may change about it: what a plan saw, and what must still be so.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation::of_bits(self.generation_bits())
    }

    /// The first 48 bits of the digest, which a generation is written of.
    pub(crate) fn generation_bits(&self) -> u64 {
        let Self { id, disk, created, readiness, tags, size, encrypted, kms_key, location, locked_until } = self;
        let mut message = Vec::with_capacity(1024);
        // Each field with its length, and whether it is there at all: no two different snapshots give the same bytes.
        let mut field = |bytes: Option<&[u8]>| {
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            message.extend_from_slice(&length.to_le_bytes());
            message.extend_from_slice(bytes.unwrap_or_default());
        };
        field(Some(id.as_str().as_bytes()));
        field(Some(disk.as_str().as_bytes()));
        field(Some(&created.as_nanosecond().to_le_bytes()));
        let (word, because) = match readiness {
            Readiness::Creating => ("creating", None),
            Readiness::CutFixed => ("cut-fixed", None),
            Readiness::Ready => ("ready", None),
            Readiness::Failed { because } => ("failed", Some(because.as_bytes())),
        };
        field(Some(word.as_bytes()));
        field(because);
        field(Some(&size.to_le_bytes()));
        field(Some(&[u8::from(*encrypted)]));
        field(kms_key.as_ref().map(|key| key.as_str().as_bytes()));
        field(location.as_ref().map(|location| location.as_str().as_bytes()));
        field(locked_until.map(|until| until.as_nanosecond().to_le_bytes()).as_ref().map(<[u8; 16]>::as_slice));
        for (key, value) in tags.texts() {
            field(Some(key.as_bytes()));
            field(Some(value.as_bytes()));
        }
        let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(Sha256::digest(&message));
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

/// The state of a snapshot that a plan relied on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub String);

impl Generation {
    /// The first 48 bits of a digest, in hexadecimal.
    pub(crate) fn of_bits(bits: u64) -> Self {
        Self(format!("{bits:012x}"))
    }
}

/// How far a snapshot is (CLOUDS.md 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// Its instant is not yet fixed.
    Creating,
    /// Its instant is fixed; it cannot be restored yet.
    CutFixed,
    /// It can be restored.
    Ready,
    /// It will never be restorable.
    Failed {
        /// What the site said.
        because: String,
    },
}

/// What the state store remembers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// Tombstones that were not revoked, by site and snapshot.
    pub tombstones: Tombstones,
    /// When the sweeper itself first saw a tombstone, by the tombstone's digest.
    pub sightings: Sightings,
    /// Points that nothing may expire.
    pub holds: BTreeSet<(ClusterUid, PointKey)>,
    /// Deletes of the last 24 hours of site time.
    pub recent_deletes: Vec<RecentDelete>,
    /// The leases that other runs hold now, by cluster.
    #[serde(default)]
    pub leases: BTreeMap<ClusterUid, HeldLease>,
    /// What the last apply stood on.
    pub baseline: Option<BaselineRecord>,
}

/// A lease that another run holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLease {
    /// Which run.
    pub holder: String,
    /// Until when, by the host's clock.
    pub until: Timestamp,
}

/// A delete that counts against the blast radius (INVARIANTS.md 18).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecentDelete {
    /// When, by the site's clock.
    pub at: Timestamp,
    /// Whose point.
    pub cluster: ClusterUid,
    /// Which point.
    pub point: PointKey,
    /// Where it lay. Records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// What brought it about. Records of earlier versions only counted what the clock had not brought.
    #[serde(default = "RecentDelete::before_causes")]
    pub cause: Cause,
}

impl RecentDelete {
    fn before_causes() -> Cause {
        Cause::Config
    }
}

/// What the last apply stood on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineRecord {
    /// The documents that it applied.
    pub origin: Origin,
    /// Its `as_of`.
    pub as_of: Timestamp,
    /// Clusters whose changes did not all succeed.
    pub unfinished: BTreeSet<ClusterUid>,
}

/// A WAL position with its timeline, as a server reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalPosition {
    /// The timeline.
    pub timeline: Timeline,
    /// The place on it.
    pub lsn: Lsn,
}
