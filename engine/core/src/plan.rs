//! The plan: what will be done, to which exact ids, by which cause, and why.

use crate::canonical::{self, Digest};
use crate::lsn::WalRange;
use crate::model::{ConsistencyWanted, LockMode, Origin};
use crate::name::{
    ClusterName, ClusterUid, DiskId, InstanceId, KmsKey, Location, NodeName, SiteName, SnapshotId, SystemId,
};
use crate::observed::{DatabaseRole, Generation, Provenance};
use crate::tags::{Intent, PartName, PointClass, PointKey, Tags};
use crate::time::{Duration, about, brief};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the plan file's form.
pub const FORMAT_VERSION: &str = "1.0";

/// How long a plan may be applied after it was made.
pub const VALID_FOR: Duration = Duration::hours(1);

/// What will be done, and what it was decided from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// What it was decided from.
    pub basis: Basis,
    /// What will be done, ordered by cluster and by the order of work.
    pub changes: Vec<Change>,
    /// What would be done, but must wait.
    pub waiting: Vec<Waiting>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// How much of the world was seen.
    pub coverage: Vec<SiteCoverage>,
}

/// What a plan was decided from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// The documents.
    pub origin: Origin,
    /// The instant for which it was decided.
    pub as_of: Timestamp,
    /// The host's clock when the observation began.
    pub made_at: Timestamp,
    /// Until when it may be applied, by the host's clock.
    pub valid_until: Timestamp,
    /// Whether the world was seen, or read from a file.
    pub provenance: Provenance,
    /// The documents of the baseline, when there was one.
    pub baseline: Option<Digest>,
    /// How many clusters were planned.
    pub clusters: usize,
}

/// How much of a site was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteCoverage {
    /// Which site.
    pub site: SiteName,
    /// Why it is unknown; `None` when every page was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The site's clock when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<crate::observed::SiteClock>,
    /// How many of our snapshots it showed.
    pub snapshots: usize,
}

/// One action with its subject, cause and reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Whose point.
    pub cluster: ClusterUid,
    /// The cluster's name, for people.
    pub name: ClusterName,
    /// Where: for a copy, the site that receives it.
    pub site: SiteName,
    /// What will be done.
    pub action: Action,
    /// What brought it about.
    pub cause: Cause,
    /// Why, for people.
    pub reason: Reason,
}

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

/// What brought a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The clock.
    Due,
    /// The documents: the change is absent under the baseline.
    Config,
    /// The world changed behind our back.
    Drift,
}

impl Cause {
    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Config => "config",
            Self::Drift => "drift",
        }
    }
}

/// Why a change is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Reason {
    /// The cluster has no restorable point at all.
    FirstPoint,
    /// The latest slot has no point.
    SlotDue {
        /// When the newest restorable point was cut.
        newest: Timestamp,
    },
    /// Earlier attempts at this slot failed or were never finished.
    Retry {
        /// How many.
        attempts: u32,
    },
    /// Somebody asked for it.
    OnDemand,
    /// The policy wants it in another site, too.
    CopyMissing {
        /// Where it lies.
        from: SiteName,
    },
    /// Somebody changed tags that a seal covers.
    TagsChanged {
        /// Which ones.
        keys: Vec<String>,
    },
    /// It is held, and its tag does not say so.
    HoldTagMissing,
    /// It was left by an attempt that was never finished.
    Abandoned {
        /// How long ago it was made.
        ago: Duration,
    },
    /// The policy wants it locked.
    LockMissing {
        /// The policy's `lock.for`.
        period: Duration,
    },
    /// A call that was delivered twice made it, beside a part of a point that stays.
    Double {
        /// How long ago it was marked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        marked: Option<Duration>,
    },
    /// It never became, or no longer is, a point that can be restored.
    Unusable {
        /// What is wrong with it.
        because: String,
    },
    /// Its cluster is being retired, and its retention is over.
    Retired {
        /// The rules, in one line.
        rules: String,
    },
    /// No rule keeps it.
    Beyond {
        /// The rules, in one line.
        rules: String,
    },
    /// Its tombstone is older than the grace.
    GraceOver {
        /// The rules that let it go.
        rules: String,
        /// When the tombstone was made.
        marked: Timestamp,
        /// How long ago that was.
        ago: Duration,
    },
    /// A rule keeps it again.
    KeptAgain,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstPoint => write!(f, "no restorable point yet"),
            Self::SlotDue { newest } => write!(f, "due; newest point is of {}", brief(*newest)),
            Self::Retry { attempts: 1 } => write!(f, "due; one attempt failed"),
            Self::Retry { attempts } => write!(f, "due; {attempts} attempts failed"),
            Self::OnDemand => write!(f, "asked for by a person"),
            Self::CopyMissing { from } => write!(f, "the policy wants a copy of what lies at {from}"),
            Self::TagsChanged { keys } => write!(f, "its seal proves other tags: {}", keys.join(", ")),
            Self::HoldTagMissing => write!(f, "it is held, and its tag does not say so"),
            Self::Abandoned { ago } => write!(f, "left {} ago by an attempt that was never finished", about(*ago)),
            Self::LockMissing { period } => write!(f, "the policy locks it for {period}"),
            Self::Double { marked: None } => {
                f.write_str("a double of a point that stays, made by a call that came twice")
            }
            Self::Double { marked: Some(ago) } => {
                write!(f, "a double of a point that stays, tombstoned {} ago", about(*ago))
            }
            Self::Unusable { because } => write!(f, "it cannot be restored: {because}"),
            Self::Retired { rules } => write!(f, "its cluster is being retired, and it is beyond {rules}"),
            Self::Beyond { rules } => write!(f, "beyond {rules}"),
            Self::GraceOver { rules, ago, .. } => write!(f, "beyond {rules}, tombstoned {} ago", about(*ago)),
            Self::KeptAgain => write!(f, "retention keeps it again"),
        }
    }
}

/// Something that would be done, but must wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Whose.
    pub cluster: ClusterUid,
    /// The cluster's name, for people.
    pub name: ClusterName,
    /// For which point, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointKey>,
    /// What it waits for.
    pub why: WaitingFor,
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum WaitingFor {
    /// The site could not be read.
    SiteUnknown {
        /// What failed.
        because: String,
    },
    /// The point of this slot is being made.
    InProgress,
    /// Attempts at this slot failed: the next one is made a while after the latest.
    BackOff {
        /// When.
        until: Timestamp,
        /// How many failed.
        attempts: u32,
    },
    /// No node is fit to be the source.
    Source {
        /// Why not, for each.
        because: String,
    },
    /// The tombstone is younger than the grace.
    Grace {
        /// Until when.
        until: Timestamp,
    },
    /// The provider's lock.
    Lock {
        /// Until when.
        until: Timestamp,
    },
    /// The sweeper has not itself seen the tombstone yet.
    Sighting,
    /// Marks and deletes are not safe now.
    NotSafe {
        /// Why not.
        because: String,
    },
    /// The limit of deletes a day is reached.
    BlastRadius {
        /// Which limit.
        limit: String,
    },
    /// Other copies come first: the provider makes only so many at a time, or one of a disk in their order.
    CopyQueue {
        /// Which limit.
        limit: String,
    },
    /// The point that is to be copied is not ready yet.
    SourceNotReady,
    /// A copy of it failed, and what is left of that must be removed before it can be copied again.
    FailedCopy {
        /// The site where it lies.
        site: SiteName,
    },
    /// It may not go before its copies are ready.
    Copies {
        /// The sites that lack them.
        sites: Vec<SiteName>,
    },
    /// The provider takes no further snapshot of this disk yet.
    DiskSpacing {
        /// Which disk.
        disk: DiskId,
        /// When it will; `None` where that depends on a snapshot that is being made.
        until: Option<Timestamp>,
    },
    /// The provider keeps no further snapshot of this disk, or of this account.
    Quota {
        /// Which quota.
        limit: String,
    },
    /// The provider answers no more such calls within the time that a plan is valid: the next plan asks for the rest.
    Budget {
        /// Which budget.
        limit: String,
    },
    /// Another run works on the cluster now. Its changes stay in the plan: `apply` waits for it, or leaves the cluster out.
    Lease {
        /// Which run.
        holder: String,
        /// Until when at the latest.
        until: Timestamp,
    },
}

impl WaitingFor {
    /// Whether it is the protection of INVARIANTS.md 18 that stops it: `apply` then exits 5.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::BlastRadius { .. })
    }
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SiteUnknown { because } => write!(f, "the site could not be read: {because}"),
            Self::InProgress => write!(f, "the point is being made"),
            Self::BackOff { until, attempts: 1 } => {
                write!(f, "one attempt failed; the next not before {}", brief(*until))
            }
            Self::BackOff { until, attempts } => {
                write!(f, "{attempts} attempts failed; the next not before {}", brief(*until))
            }
            Self::Source { because } => write!(f, "no node is fit as a source: {because}"),
            Self::Grace { until } => write!(f, "tombstoned; grace until {}", brief(*until)),
            Self::Lock { until } => write!(f, "locked by the provider until {}", brief(*until)),
            Self::Sighting => write!(f, "tombstoned; not yet seen by the sweeper"),
            Self::NotSafe { because } => write!(f, "no deletes now: {because}"),
            Self::CopyQueue { limit } => write!(f, "other copies come first: {limit}"),
            Self::SourceNotReady => write!(f, "the point that is to be copied is not ready yet"),
            Self::FailedCopy { site } => {
                write!(f, "a copy at {site} failed, and what is left of it must be removed first")
            }
            Self::Copies { sites } => {
                let sites: Vec<&str> = sites.iter().map(SiteName::as_str).collect();
                write!(f, "its copy is not ready at {}", sites.join(", "))
            }
            Self::DiskSpacing { disk, until: Some(until) } => {
                write!(f, "no further snapshot of {disk} before {}", brief(*until))
            }
            Self::DiskSpacing { disk, until: None } => write!(f, "a snapshot of {disk} must be ready first"),
            Self::Quota { limit } => write!(f, "no further snapshot: {limit}"),
            Self::Budget { limit } => write!(f, "not in this plan any more: {limit}"),
            Self::Lease { holder, until } => {
                write!(f, "run {holder} works on it now, until {} at the latest", brief(*until))
            }
            Self::BlastRadius { limit } => write!(f, "delete limit reached: {limit}"),
        }
    }
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Where, when it is about one site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    /// The subject: a cluster's name, or a uid or id that no document explains.
    pub subject: String,
    /// What it is.
    pub what: FindingKind,
}

/// What a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum FindingKind {
    /// Points of a cluster that no document declares. They are kept.
    Orphan {
        /// How many.
        points: usize,
    },
    /// The newest restorable point is older than `sla.maxAge`, or there is none.
    Late {
        /// Its age; `None` when there is none.
        age: Option<Duration>,
        /// What the policy allows.
        max_age: Option<Duration>,
    },
    /// An instance or disk that the fleet names, and the site lacks.
    Missing {
        /// `instance i-1` or `disk vol-1`.
        what: String,
    },
    /// A snapshot that claims to be ours, and is not.
    Foreign {
        /// Why not.
        why: String,
    },
    /// Snapshots that calls which came twice made beside points that stay.
    Doubles {
        /// How many.
        snapshots: usize,
    },
    /// Snapshots of attempts that were never finished, or failed.
    Unfinished {
        /// How many.
        snapshots: usize,
    },
    /// The policy asks for what the site cannot do.
    Incapable {
        /// What, and the nearest that it can.
        what: String,
    },
    /// Points at a site where the cluster lived before: they live out their retention there.
    Moved {
        /// How many.
        points: usize,
        /// Where the cluster lives now.
        home: SiteName,
    },
    /// The cluster is being retired.
    Retiring {
        /// How many points it still has.
        points: usize,
    },
    /// A cluster's documents are wrong, so it was left out: its points are kept.
    LeftOut {
        /// How many points it has.
        points: usize,
    },
    /// Snapshots of the cluster's disks that Backstay did not make.
    Unmanaged {
        /// How many.
        snapshots: usize,
    },
    /// Points that are not encrypted, although the policy requires it.
    Unencrypted {
        /// How many.
        points: usize,
    },
    /// Points that are encrypted with another key than the policy's.
    OtherKey {
        /// How many.
        points: usize,
        /// The policy's key.
        wanted: KmsKey,
    },
    /// Points that lie somewhere else than the policy says. They cannot be moved.
    Misplaced {
        /// How many.
        points: usize,
        /// Where the policy wants them.
        wanted: Location,
    },
    /// Points that are dated in the future: they count for nothing, and are kept.
    FutureDated {
        /// How many.
        points: usize,
    },
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orphan { points: 1 } => write!(f, "orphan: 1 point that no cluster explains, kept"),
            Self::Orphan { points } => write!(f, "orphan: {points} points that no cluster explains, kept"),
            Self::Late { age: Some(age), max_age: Some(max) } => {
                write!(f, "late: newest point is {} old, maxAge {max}", about(*age))
            }
            Self::Late { .. } => write!(f, "late: no restorable point"),
            Self::Missing { what } => write!(f, "missing: {what} does not exist at the site"),
            Self::Foreign { why } => write!(f, "foreign: {why}"),
            Self::Doubles { snapshots: 1 } => {
                write!(f, "doubles: 1 snapshot beside the same one of a point that stays")
            }
            Self::Doubles { snapshots } => {
                write!(f, "doubles: {snapshots} snapshots beside the same ones of points that stay")
            }
            Self::Unfinished { snapshots: 1 } => write!(f, "unfinished: 1 snapshot of a point that never completed"),
            Self::Unfinished { snapshots } => {
                write!(f, "unfinished: {snapshots} snapshots of points that never completed")
            }
            Self::Incapable { what } => write!(f, "incapable: {what}"),
            Self::Moved { points, home } => {
                write!(
                    f,
                    "moved: {} of a cluster that lives at {home} now, kept by its retention",
                    count(*points, "point")
                )
            }
            Self::Retiring { points: 0 } => write!(f, "retired: nothing is left; remove its document"),
            Self::Retiring { points } => write!(f, "retiring: {} left", count(*points, "point")),
            Self::LeftOut { points } => {
                write!(f, "left out: its documents are wrong; {} kept", count(*points, "point"))
            }
            Self::Unmanaged { snapshots } => {
                write!(f, "unmanaged: {} of its disks that Backstay did not make", count(*snapshots, "snapshot"))
            }
            Self::Unencrypted { points } => {
                write!(f, "unencrypted: {}, and the policy requires encryption", count(*points, "point"))
            }
            Self::OtherKey { points, wanted } => {
                write!(f, "other key: {} not encrypted with {wanted}", count(*points, "point"))
            }
            Self::Misplaced { points, wanted } => {
                write!(f, "misplaced: {} not at {wanted}, where the policy wants them", count(*points, "point"))
            }
            Self::FutureDated { points } => {
                write!(f, "future: {} dated in the future, kept and not counted", count(*points, "point"))
            }
        }
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// How many of each kind a plan does, as the summary line counts them (CLI.md).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Creates and copies.
    pub add: usize,
    /// Tags, locks, revives and expires.
    pub change: usize,
    /// Deletes.
    pub destroy: usize,
}

impl Plan {
    /// Counts the changes.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.action {
                Action::Create(_) | Action::Copy(_) => counts.add += 1,
                Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) => counts.change += 1,
                Action::Delete(_) => counts.destroy += 1,
            }
        }
        counts
    }

    /// Whether every site was read to its end.
    #[must_use]
    pub fn is_coverage_complete(&self) -> bool {
        self.coverage.iter().all(|site| site.unknown.is_none())
    }

    /// The SHA-256 of its canonical JSON.
    #[must_use]
    pub fn digest(&self) -> Digest {
        canonical::digest(self)
    }

    /// The plan file: canonical JSON of the plan with its digest, and a line's end.
    #[must_use]
    pub fn to_file(&self) -> String {
        let file = PlanFile { digest: self.digest(), plan: self.clone() };
        let mut text = canonical::to_string(&file);
        text.push('\n');
        text
    }

    /// Reads a plan file. Every byte must be as [`Plan::to_file`] wrote it.
    pub fn from_file(text: &str) -> Result<Self, UnreadablePlan> {
        let file: PlanFile = serde_json::from_str(text).map_err(|error| UnreadablePlan::Form(error.to_string()))?;
        if file.plan.format_version != FORMAT_VERSION {
            return Err(UnreadablePlan::Version(file.plan.format_version));
        }
        if file.plan.digest() != file.digest || file.plan.to_file() != text {
            return Err(UnreadablePlan::Digest);
        }
        Ok(file.plan)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    digest: Digest,
    plan: Plan,
}

/// Why a plan file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePlan {
    /// It is not a plan file.
    #[error("it is not a plan file: {0}")]
    Form(String),
    /// It is of another version.
    #[error("its format version is {0}, and this version reads {FORMAT_VERSION}")]
    Version(String),
    /// It was changed after it was made.
    #[error("its digest does not fit its content: it was changed after it was made")]
    Digest,
}
