//! `Restore`: one restore of one cluster. It runs once, by its uid.

use super::text::{Instant, Length, LsnText, Name, Uid};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// One restore of one cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreSpec {
    /// Its identity: a restore runs once.
    pub uid: Uid,
    /// The cluster that is restored.
    pub cluster: Name,
    /// Whose backup is taken. Default: the cluster's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RestoreSource>,
    /// What the restore must reach.
    pub recover_to: RecoveryTarget,
    /// How it goes. Default: staged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RestoreMode>,
    /// How long the old disks are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_old_disks: Option<Length>,
    /// What must be true afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<RestoreCheck>,
    /// After this it is not started any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Instant>,
    /// Why, for those who review it.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// Whose backup is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreSource {
    /// Another cluster may be the source.
    pub cluster: Name,
}

/// What a restore must reach: exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = exactly_one)]
pub struct RecoveryTarget {
    /// The end of the proven WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<bool>,
    /// The first consistent instant of the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immediate: Option<bool>,
    /// An instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Instant>,
    /// A transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<u64>,
    /// A log sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<LsnText>,
    /// A named restore point (`pg_create_restore_point`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// A recovery point of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub point: Option<String>,
}

fn exactly_one(schema: &mut Schema) {
    let keys = ["latest", "immediate", "time", "xid", "lsn", "name", "point"];
    let branches: Vec<_> = keys.iter().map(|key| json!({ "required": [key] })).collect();
    schema.insert("oneOf".into(), branches.into());
}

/// How a restore goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestoreMode {
    /// Everything is made and replayed beside the running database, which stops only for the swap.
    Staged,
    /// The database stops first.
    StopFirst,
    /// Another cluster is made.
    NewCluster,
}

/// What must be true after a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreCheck {
    /// A statement that answers with one true.
    #[schemars(length(min = 1, max = 10000))]
    pub sql: String,
}
