//! Where clusters and sites are declared: for those who point at the documents. It costs a second parse, so it is asked for only
//! when there is something to point at.

use super::clash::pointer;
use crate::diagnostic::Place;
use crate::document::{Document, Page, SourceTree, Spec, Spot, parse};
use crate::name::{ClusterUid, SiteName};
use std::collections::{BTreeMap, BTreeSet};

/// Where each of them is declared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeclaredAt {
    /// Clusters, by their names in their documents.
    pub clusters: BTreeMap<ClusterUid, Place>,
    /// Sites, likewise.
    pub sites: BTreeMap<SiteName, Place>,
}

/// Looks these clusters and sites up. What is declared nowhere, or cannot be read, is missing.
#[must_use]
pub fn declared_at(sources: &SourceTree, clusters: &BTreeSet<&ClusterUid>, sites: &BTreeSet<&SiteName>) -> DeclaredAt {
    let mut found = DeclaredAt::default();
    if clusters.is_empty() && sites.is_empty() {
        return found;
    }
    let parsed = parse(sources);
    let place = |document: &Document, at: &str| {
        let page: &Page<'_> = &parsed.pages[document.seat.page];
        page.place(document.seat.index, Spot::Value(at))
    };
    for document in &parsed.documents {
        match &document.spec {
            Spec::Cluster(spec) => {
                let Ok(uid) = ClusterUid::new(spec.uid.as_str()) else { continue };
                if clusters.contains(&uid) {
                    let at = place(document, "/metadata/name");
                    found.clusters.insert(uid, at);
                }
            }
            Spec::ClusterSet(spec) => {
                let items = spec.clusters.iter().enumerate();
                for (number, item) in items.filter_map(|(number, item)| Some((number, item.as_ref()?))) {
                    let Ok(uid) = ClusterUid::new(item.uid.as_str()) else { continue };
                    if clusters.contains(&uid) {
                        let at = place(document, &pointer(Some(number), "/name"));
                        found.clusters.insert(uid, at);
                    }
                }
            }
            Spec::Site(_) => {
                let Ok(name) = SiteName::new(document.metadata.name.as_str()) else { continue };
                if sites.contains(&name) {
                    let at = place(document, "/metadata/name");
                    found.sites.insert(name, at);
                }
            }
            Spec::Fleet(_) | Spec::Archive(_) | Spec::BackupPolicy(_) | Spec::Restore(_) | Spec::World(_) => {}
        }
    }
    found
}
