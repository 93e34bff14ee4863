//! `Archive`: a store of WAL.

use super::text::{ArchiveLocation, Recipient};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A store of WAL. A cluster may have several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveSpec {
    /// Where it is.
    pub url: ArchiveLocation,
    /// How what lies there is encrypted before it leaves the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<ArchiveEncryption>,
}

/// How WAL is encrypted before it leaves the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveEncryption {
    /// The public keys, any of whose owners can read it.
    #[schemars(length(min = 1))]
    pub recipients: Vec<Recipient>,
}
