//! The declared documents as meant: parsed once, checked, with every reference resolved.

mod cluster;
mod fleet;
mod policy;
mod state;

pub use cluster::{Cluster, Node, NodeRole, PostgresAddress};
pub use fleet::{
    DeleteLimits, Fleet, Limit, LocalSite, Prices, Provider, ProviderKind, SimCall, SimFailure, SimFault, SimSite, Site,
};
pub use policy::{
    ConsistencyWanted, CopyPolicy, Keep, LockMode, LockPolicy, Policy, Rates, Retention, Share, SourcePreference,
};
pub use state::{InvalidStateUrl, ObjectService, ObjectsUrl, StateUrl};

use crate::canonical::Digest;
use crate::name::{ClusterUid, PolicyName, SiteName};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that is declared, at one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Where the documents came from.
    pub origin: Origin,
    /// The one `Fleet` document.
    pub fleet: Fleet,
    /// Every declared site.
    pub sites: BTreeMap<SiteName, Arc<Site>>,
    /// Every declared policy.
    pub policies: BTreeMap<PolicyName, Arc<Policy>>,
    /// Every cluster that could be read, by its identity.
    pub clusters: BTreeMap<ClusterUid, Arc<Cluster>>,
    /// Clusters that are declared, and were left out since their documents are wrong: they are no orphans.
    pub left_out: BTreeSet<ClusterUid>,
}

/// Which documents these are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Origin {
    /// The git commit, when the documents are in a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the documents differ from that commit.
    #[serde(default)]
    pub dirty: bool,
    /// The digest over every document's path and bytes.
    pub documents: Digest,
}

impl Desired {
    /// The policy of a cluster.
    ///
    /// Panics if the cluster is not of this fleet: resolution leaves no dangling reference.
    #[must_use]
    pub fn policy_of(&self, cluster: &Cluster) -> &Arc<Policy> {
        self.policies.get(&cluster.policy).expect("resolution refuses a cluster whose policy is unknown")
    }

    /// The site of a cluster; as above.
    #[must_use]
    pub fn site_of(&self, cluster: &Cluster) -> &Arc<Site> {
        self.sites.get(&cluster.site).expect("resolution refuses a cluster whose site is unknown")
    }
}
