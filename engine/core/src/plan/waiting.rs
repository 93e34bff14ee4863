//! What would be done, but must wait, and what it waits for.

use super::Change;
use crate::name::{ClusterName, ClusterUid, DiskId, SiteName};
use crate::tags::PointKey;
use crate::time::brief;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

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

impl Waiting {
    /// Its place in a plan: by cluster, then by point.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let order = (&self.name, &self.cluster, self.point).cmp(&(&other.name, &other.cluster, other.point));
        order.then_with(|| self.why.to_string().cmp(&other.why.to_string()))
    }

    /// A delete that a limit stops.
    pub(crate) fn stopped(change: &Change, limit: String) -> Self {
        Self {
            cluster: change.cluster.clone(),
            name: change.name.clone(),
            point: Some(change.action.point()),
            why: WaitingFor::BlastRadius { limit },
        }
    }
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
