//! The plan: what will be done, to which exact ids, by which cause, and why.

mod action;
mod file;
mod finding;
mod reason;
mod waiting;

pub use action::{
    Action, CopyPoint, CreatePoint, ExpectedSnapshot, LockPoint, MarkPoint, PlannedCopy, PlannedPart, Repair, Retagged,
    TagPoint,
};
pub use file::UnreadablePlan;
pub use finding::{Finding, FindingKind};
pub use reason::{Cause, Reason};
pub use waiting::{Waiting, WaitingFor};

use crate::canonical::{self, Digest};
use crate::model::Origin;
use crate::name::{ClusterName, ClusterUid, PolicyName, SiteName};
use crate::observed::Provenance;
use crate::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// What of the whole plan it was narrowed to; `None` for a whole plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
}

/// What a plan was narrowed to. The world was seen, and everything decided, as for the whole plan; only what is to be
/// applied was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// The options by which it was asked for, as they are written.
    pub by: Vec<String>,
    /// How many clusters are left.
    pub clusters: usize,
    /// How many changes were left out.
    pub changes: usize,
    /// How many findings about other clusters are not told.
    pub findings: usize,
    /// The clusters whose changes were left out: they are not done with when the plan is applied.
    pub unfinished: BTreeSet<ClusterUid>,
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
    /// The cluster's policy: what is planned alike is told together.
    pub policy: PolicyName,
    /// What will be done.
    pub action: Action,
    /// What brought it about.
    pub cause: Cause,
    /// Why, for people.
    pub reason: Reason,
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
}
