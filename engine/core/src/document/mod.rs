//! The declared documents as written: the shapes that the JSON Schemas are generated from, and how files become them.
//!
//! What a document *means* is decided by [`crate::resolve`].

pub mod archive;
pub mod cluster;
mod explain;
mod file;
pub mod fleet;
pub mod ignores;
mod marks;
mod page;
mod parse;
pub mod policy;
pub mod restore;
pub mod schema;
pub mod site;
mod source;
pub mod text;
mod value;
pub mod world;

pub(crate) use page::{Page, Spot, child, nearest};
pub(crate) use parse::{Document, Parsed, Seat, parse};
pub(crate) use source::Absent;
pub use source::SourceTree;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the documents' format.
pub const API_VERSION: &str = "backstay.dev/v1";

/// The kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// What holds for the fleet as a whole.
    Fleet,
    /// One account and region.
    Site,
    /// A store of WAL.
    Archive,
    /// How clusters must be recoverable.
    BackupPolicy,
    /// One PostgreSQL service instance.
    Cluster,
    /// Many clusters with shared defaults.
    ClusterSet,
    /// One restore of one cluster.
    Restore,
    /// What exists at a simulated site.
    World,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Fleet,
        Self::Site,
        Self::Archive,
        Self::BackupPolicy,
        Self::Cluster,
        Self::ClusterSet,
        Self::Restore,
        Self::World,
    ];

    /// The name as documents write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Site => "Site",
            Self::Archive => "Archive",
            Self::BackupPolicy => "BackupPolicy",
            Self::Cluster => "Cluster",
            Self::ClusterSet => "ClusterSet",
            Self::Restore => "Restore",
            Self::World => "World",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What every document has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The document's name, unique within its kind.
    pub name: text::Name,
    /// Free labels, for selectors.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    #[schemars(with = "cluster::LabelMap")]
    pub labels: cluster::Labels,
}

/// What a document says, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// A `Fleet`.
    Fleet(fleet::FleetSpec),
    /// A `Site`.
    Site(site::SiteSpec),
    /// An `Archive`.
    Archive(archive::ArchiveSpec),
    /// A `BackupPolicy`.
    BackupPolicy(policy::PolicySpec),
    /// A `Cluster`.
    Cluster(cluster::ClusterSpec),
    /// A `ClusterSet`.
    ClusterSet(cluster::ClusterSetSpec),
    /// A `Restore`.
    Restore(restore::RestoreSpec),
    /// A `World`.
    World(world::WorldSpec),
}

impl Spec {
    /// The kind of document that says it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Fleet(_) => Kind::Fleet,
            Self::Site(_) => Kind::Site,
            Self::Archive(_) => Kind::Archive,
            Self::BackupPolicy(_) => Kind::BackupPolicy,
            Self::Cluster(_) => Kind::Cluster,
            Self::ClusterSet(_) => Kind::ClusterSet,
            Self::Restore(_) => Kind::Restore,
            Self::World(_) => Kind::World,
        }
    }
}
