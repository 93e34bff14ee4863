//! One PostgreSQL service instance.

use crate::name::{ClusterName, ClusterUid, DiskId, InstanceId, NodeName, PolicyName, SiteName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The `Cluster` document, or one item of a `ClusterSet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its identity.
    pub uid: ClusterUid,
    /// Its name, for people.
    pub name: ClusterName,
    /// Free labels, for selectors.
    pub labels: BTreeMap<String, String>,
    /// Where it lives.
    pub site: SiteName,
    /// How it must be recoverable.
    pub policy: PolicyName,
    /// Its virtual machines, in the order written.
    pub nodes: Vec<Node>,
    /// Its backups end: nothing new is made, and what is there goes after its retention, to the last one.
    pub is_retired: bool,
}

/// One virtual machine of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name within the cluster.
    pub name: NodeName,
    /// What runs on it.
    pub role: NodeRole,
    /// The machine's id at the site.
    pub instance: InstanceId,
    /// Disks that must be attached: an assertion. A mismatch refuses.
    pub disks: Vec<DiskId>,
    /// How its server is reached, where Backstay itself does.
    pub postgres: Option<PostgresAddress>,
}

/// What runs on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// A PostgreSQL server: primary or standby, which is observed.
    Postgres,
    /// A pgpool-II node.
    Pgpool,
}

/// Where a PostgreSQL server listens. Passwords come from a pass file (`PGPASSFILE`), never from a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresAddress {
    /// An address, or the directory of a Unix socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role to connect as: a member of `pg_monitor` and `pg_read_server_files` that may run the backup functions.
    pub user: String,
    /// The database to connect to.
    pub database: String,
}

impl Cluster {
    /// The nodes that run PostgreSQL.
    pub fn postgres_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role == NodeRole::Postgres)
    }
}
