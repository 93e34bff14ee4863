//! What no declared cluster explains: it is told, and kept.

use super::World;
use crate::model::Desired;
use crate::plan::{Finding, FindingKind};
use crate::seal::NotOurs;

/// Orphans and strangers of every site that was read.
pub(super) fn of_sites(desired: &Desired, world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (site, catalogue) in &world.catalogues {
        let mut find = |subject: String, what| findings.push(Finding { site: Some((*site).clone()), subject, what });
        for (uid, points) in &catalogue.points {
            let is_explained = desired.clusters.get(uid).is_some_and(|cluster| cluster.site == **site);
            if !is_explained {
                find(uid.to_string(), FindingKind::Orphan { points: points.len() });
            }
        }
        for stranger in &catalogue.strangers {
            let why = match &stranger.why {
                NotOurs::Unsealed => continue,
                NotOurs::UnknownKey(_) | NotOurs::Forged => stranger.why.to_string(),
            };
            find(stranger.snapshot.id.to_string(), FindingKind::Foreign { why });
        }
    }
    findings
}
