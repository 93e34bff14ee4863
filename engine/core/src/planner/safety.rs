//! What must be known before anything is marked or deleted. Unknown is not absent.

use super::source::database_of;
use super::{Site, World};
use crate::model::{Cluster, Retention};
use crate::observed::{DatabaseState, Listing, SiteInventory};
use crate::retention::{CurrentSystem, Judgement};
use crate::time::Duration;
use std::collections::BTreeSet;

/// How far a site's clock and the host's may be apart (INVARIANTS.md 14).
const SKEW: Duration = Duration::minutes(5);

/// Why nothing may be marked or deleted at a site now.
pub(super) fn obstacle(world: &World<'_>, inventory: &SiteInventory) -> Option<String> {
    if let Listing::Unknown { because } = &world.observed.records {
        return Some(format!("the state store could not be read: {because}"));
    }
    let clock = inventory.clock;
    let apart = clock.now.duration_since(clock.host).abs();
    if !clock.is_virtual && apart > SKEW.signed() {
        let apart = Duration::between(clock.now.min(clock.host), clock.now.max(clock.host));
        return Some(format!("the site's clock and this host's are {apart} apart"));
    }
    None
}

/// The cluster's current system identifier, or why it is not known.
pub(super) fn current_system(cluster: &Cluster, site: &Site<'_>) -> Result<CurrentSystem, String> {
    let mut systems = BTreeSet::new();
    let mut silent = Vec::new();
    for node in cluster.postgres_nodes() {
        match database_of(site, &node.instance) {
            Some(DatabaseState::Known(status)) => {
                systems.insert(status.system);
            }
            Some(DatabaseState::Unreachable { because }) => silent.push(format!("{}: {because}", node.name)),
            Some(DatabaseState::NotObservable) => {}
            None => silent.push(format!("{}: instance {} does not exist", node.name, node.instance)),
        }
    }
    let mut systems = systems.into_iter();
    match (systems.next(), systems.next()) {
        (Some(system), None) => Ok(CurrentSystem::Known(system)),
        (Some(one), Some(other)) => Err(format!("its nodes have different system identifiers, {one} and {other}")),
        (None, _) if silent.is_empty() => Ok(CurrentSystem::NewestPoints),
        (None, _) => Err(format!("its system identifier is not known: {}", silent.join("; "))),
    }
}

/// Whether the count floor stands: without it nothing at all may go (INVARIANTS.md 2).
pub(super) fn count_floor(judgements: &[Judgement], retention: &Retention) -> Option<String> {
    let floor = retention.minimum_redundancy.max(1);
    let standing = judgements.iter().filter(|judgement| judgement.stands_for_floor).count();
    if judgements.is_empty() || standing >= usize::try_from(floor).unwrap_or(usize::MAX) {
        return None;
    }
    Some(format!("{standing} restorable point(s) of the current system identifier, and minimumRedundancy is {floor}"))
}
