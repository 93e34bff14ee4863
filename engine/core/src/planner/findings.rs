//! What no declared cluster explains: it is told, and kept.

use super::{Holdings, World};
use crate::model::Desired;
use crate::name::{ClusterUid, SiteName};
use crate::plan::{Finding, FindingKind};
use crate::point::Stranger;
use crate::seal::NotOurs;

/// Orphans and strangers among what lies of one cluster.
pub(super) fn of_holdings(desired: &Desired, uid: &ClusterUid, holdings: &Holdings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (site, shelf) in holdings {
        let is_explained = desired.clusters.get(uid).is_some_and(|cluster| cluster.site == **site);
        if !is_explained && !shelf.points.is_empty() {
            let what = FindingKind::Orphan { points: shelf.points.len() };
            findings.push(Finding { site: Some((*site).clone()), subject: uid.to_string(), what });
        }
        findings.extend(of_strangers(site, &shelf.strangers));
    }
    findings
}

/// Strangers that name no cluster, at every site that was read.
pub(super) fn of_nobody(world: &World<'_>) -> Vec<Finding> {
    world.catalogues.iter().flat_map(|(site, catalogue)| of_strangers(site, &catalogue.strangers())).collect()
}

fn of_strangers(site: &SiteName, strangers: &[Stranger<'_>]) -> Vec<Finding> {
    let find = |stranger: &Stranger<'_>| {
        let why = match &stranger.why {
            NotOurs::Unsealed => return None,
            NotOurs::UnknownKey(_) | NotOurs::Forged => stranger.why.to_string(),
        };
        let subject = stranger.snapshot.id.to_string();
        Some(Finding { site: Some(site.clone()), subject, what: FindingKind::Foreign { why } })
    };
    strangers.iter().filter_map(find).collect()
}
