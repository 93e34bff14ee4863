//! The plan: what will be done, to which exact ids, by which cause, and why.

use crate::canonical::{self, Digest};
use crate::model::{ConsistencyWanted, Origin};
use crate::name::{ClusterName, ClusterUid, DiskId, InstanceId, NodeName, SiteName, SnapshotId, SystemId};
use crate::observed::{DatabaseRole, Generation, Provenance};
use crate::tags::{Intent, PartName, PointClass, PointKey};
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
    /// Where.
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
    /// Marks a point for deletion.
    Expire(MarkPoint),
    /// Takes that mark back.
    Revive(MarkPoint),
    /// Deletes a marked point.
    Delete(MarkPoint),
}

impl Action {
    /// Its place in the order of work within a cluster: create, revive, expire, delete.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Create(_) => 0,
            Self::Revive(_) => 1,
            Self::Expire(_) => 2,
            Self::Delete(_) => 3,
        }
    }

    /// The point that it makes or touches.
    #[must_use]
    pub fn point(&self) -> PointKey {
        match self {
            Self::Create(create) => create.point,
            Self::Expire(mark) | Self::Revive(mark) | Self::Delete(mark) => mark.point,
        }
    }

    /// The word for JSON and logs.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
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
            Self::Source { because } => write!(f, "no node is fit as a source: {because}"),
            Self::Grace { until } => write!(f, "tombstoned; grace until {}", brief(*until)),
            Self::Lock { until } => write!(f, "locked by the provider until {}", brief(*until)),
            Self::Sighting => write!(f, "tombstoned; not yet seen by the sweeper"),
            Self::NotSafe { because } => write!(f, "no deletes now: {because}"),
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
            Self::Unfinished { snapshots: 1 } => write!(f, "unfinished: 1 snapshot of a point that never completed"),
            Self::Unfinished { snapshots } => {
                write!(f, "unfinished: {snapshots} snapshots of points that never completed")
            }
            Self::Incapable { what } => write!(f, "incapable: {what}"),
        }
    }
}

/// How many of each kind a plan does, as the summary line counts them (CLI.md).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Creates.
    pub add: usize,
    /// Expires and revives.
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
                Action::Create(_) => counts.add += 1,
                Action::Expire(_) | Action::Revive(_) => counts.change += 1,
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
