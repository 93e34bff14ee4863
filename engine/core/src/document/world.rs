//! `World`: what exists at a simulated site before Backstay comes. A disk that is not in it does not exist.

use super::text::{Account, Id, Instant, Length, SystemText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What exists at a simulated site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldSpec {
    /// The first instant of a virtual clock, in RFC 3339.
    #[schemars(with = "Instant")]
    pub start: String,
    /// The account in which everything lies.
    #[schemars(with = "Account")]
    pub account: String,
    /// The virtual machines.
    pub instances: Vec<WorldInstance>,
    /// Snapshots that others made, by hand or with another tool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<WorldSnapshot>,
}

/// One snapshot that somebody else made before Backstay came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldSnapshot {
    /// Its id.
    #[schemars(with = "Id")]
    pub id: String,
    /// The disk that it was taken of: one of this world's.
    #[schemars(with = "Id")]
    pub disk: String,
    /// When it was made, in RFC 3339: before the world's first instant.
    #[schemars(with = "Instant")]
    pub made: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldInstance {
    /// Its id.
    #[schemars(with = "Id")]
    pub id: String,
    /// The zone that it lies in: disks are attached within one only. Default: one that is as good as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Id>")]
    pub zone: Option<String>,
    /// Its attached disks.
    #[serde(default)]
    pub disks: Vec<WorldDisk>,
    /// The PostgreSQL server on it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<WorldPostgres>,
}

/// One attached disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldDisk {
    /// Its id.
    #[schemars(with = "Id")]
    pub id: String,
    /// What lies on it.
    pub role: WorldDiskRole,
    /// Its size in GiB.
    #[serde(rename = "sizeGiB", default = "default_size")]
    #[schemars(range(min = 1, max = 65536))]
    pub size_gib: u32,
    /// Whether it is encrypted.
    #[serde(default = "default_encrypted")]
    pub encrypted: bool,
}

fn default_size() -> u32 {
    100
}

fn default_encrypted() -> bool {
    true
}

/// What lies on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorldDiskRole {
    /// The operating system.
    Boot,
    /// The data directory.
    Data,
    /// `pg_wal`.
    Wal,
    /// A tablespace.
    Tablespace,
    /// Something else.
    Other,
}

/// A simulated PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldPostgres {
    /// Primary or standby.
    pub role: WorldPostgresRole,
    /// The system identifier, as `pg_controldata` prints it.
    #[schemars(with = "SystemText")]
    pub system: String,
    /// The timeline.
    #[serde(default = "default_timeline")]
    #[schemars(range(min = 1))]
    pub timeline: u32,
    /// How far a standby is behind: `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Length>")]
    pub lag: Option<String>,
    /// Whether it answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down: bool,
}

fn default_timeline() -> u32 {
    1
}

/// A server's place in replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorldPostgresRole {
    /// It accepts writes.
    Primary,
    /// It replays.
    Standby,
}
