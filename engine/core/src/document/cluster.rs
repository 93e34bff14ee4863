//! `Cluster` and `ClusterSet`: PostgreSQL service instances.

use super::text::{HttpUrl, Id, LabelKey, LabelValue, Name, Uid};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Free labels, for selectors.
pub type Labels = BTreeMap<LabelKey, LabelValue>;

/// One PostgreSQL service instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// Its identity, chosen once: it survives renames and moves.
    pub uid: Uid,
    /// The site where it lives.
    pub site: Name,
    /// The policy that says how it must be recoverable.
    pub policy: Name,
    /// Its virtual machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeSpec>,
    /// Finds the nodes by the tags of their machines instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<DiscoverSpec>,
    /// Ends the cluster's backups, after their retention. Needs a review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<bool>,
}

/// Many clusters with shared defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSetSpec {
    /// What holds for those that do not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<ClusterDefaults>,
    /// The clusters. An item that was wrong, and reported, is `None`: the others keep their places.
    #[schemars(with = "Vec<ClusterItem>")]
    pub clusters: Vec<Option<ClusterItem>>,
}

/// What holds for the clusters of a set that do not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterDefaults {
    /// The site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Name>,
    /// The policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Name>,
    /// Labels; those of a cluster come on top.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "LabelMap")]
    pub labels: Labels,
}

/// One cluster of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterItem {
    /// Its name, for people.
    pub name: Name,
    /// Its labels, on top of the set's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "LabelMap")]
    pub labels: Labels,
    /// Its identity, chosen once: it survives renames and moves.
    pub uid: Uid,
    /// The site where it lives, unless the defaults say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Name>,
    /// The policy that says how it must be recoverable, unless the defaults say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Name>,
    /// Its virtual machines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeSpec>,
    /// Finds the nodes by the tags of their machines instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discover: Option<DiscoverSpec>,
    /// Ends the cluster's backups, after their retention. Needs a review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<bool>,
}

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSpec {
    /// Its name within the cluster.
    pub name: Name,
    /// What runs on it.
    pub role: NodeRoleName,
    /// The machine's id at the site.
    pub instance: Id,
    /// Disks that must be attached: an assertion. A mismatch refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Id>,
    /// The address of the agent on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<HttpUrl>,
    /// How its server is reached. Passwords come from a pass file, never from a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresSpec>,
}

/// What runs on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRoleName {
    /// A PostgreSQL server. Primary or standby: that is observed.
    Postgres,
    /// A pgpool-II node.
    Pgpool,
}

/// How a PostgreSQL server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PostgresSpec {
    /// An address, or the directory of a Unix socket. Default: /var/run/postgresql.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[!-?A-~]{1,512}$"))]
    pub host: Option<String>,
    /// The port. Default: 5432.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The role to connect as. Default: postgres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub user: Option<String>,
    /// The database to connect to. Default: postgres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
}

/// Finds nodes by the tags of their machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscoverSpec {
    /// The tags that all of the cluster's machines have.
    pub tags: BTreeMap<String, String>,
}

/// The schema of [`Labels`]: its keys have a form, too.
pub(super) struct LabelMap;

impl JsonSchema for LabelMap {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Free labels, for selectors.",
            "propertyNames": generator.subschema_for::<LabelKey>(),
            "additionalProperties": generator.subschema_for::<LabelValue>(),
        })
    }
}
