//! What a person should know, although nothing is done about it.

use crate::name::{KmsKey, Location, SiteName};
use crate::time::{Duration, about};
use serde::{Deserialize, Serialize};
use std::fmt;

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
