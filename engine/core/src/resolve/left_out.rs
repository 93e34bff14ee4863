//! Clusters that are declared and wrong: what lies of them is no orphan.

use crate::document::{Document, Spec};
use crate::model::Cluster;
use crate::name::ClusterUid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The uids that a document names, and that are not among the clusters that are right.
pub(super) fn of(documents: &[Document], clusters: &BTreeMap<ClusterUid, Arc<Cluster>>) -> BTreeSet<ClusterUid> {
    let mut left_out = BTreeSet::new();
    let mut look_at = |uid: &str| {
        left_out.extend(ClusterUid::new(uid).ok().filter(|uid| !clusters.contains_key(uid)));
    };
    for document in documents {
        match &document.spec {
            Spec::Cluster(spec) => look_at(spec.uid.as_str()),
            Spec::ClusterSet(spec) => {
                spec.clusters.iter().flatten().for_each(|item| look_at(item.uid.as_str()));
            }
            Spec::Fleet(_)
            | Spec::Site(_)
            | Spec::Archive(_)
            | Spec::BackupPolicy(_)
            | Spec::Restore(_)
            | Spec::World(_) => {}
        }
    }
    left_out
}
