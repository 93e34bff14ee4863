//! A fleet cut into its clusters, each a small world of its own.
//!
//! Clusters decide nothing about each other but what the fleet has as a whole ([`super::shares`] shares that out), so a cluster
//! that is planned alone is planned as in its fleet, at a cost that does not grow with it.

use super::world::World;
use crate::model::{Cluster, Desired};
use crate::name::{ClusterUid, DiskId, InstanceId, SiteName};
use crate::observed::{Instance, Listing, Observed, Records, SiteInventory, Snapshot};
use crate::tags;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that was observed, found by cluster.
pub(super) struct Fleet<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    baseline: Option<&'a Desired>,
    /// Our snapshots by the uid that they name, each with its site.
    snapshots: BTreeMap<&'a str, Vec<(&'a SiteName, &'a Snapshot)>>,
    instances: BTreeMap<(&'a SiteName, &'a InstanceId), &'a Instance>,
}

impl<'a> Fleet<'a> {
    pub(super) fn of(desired: &'a Desired, observed: &'a Observed, baseline: Option<&'a Desired>) -> Self {
        let mut snapshots: BTreeMap<&str, Vec<(&SiteName, &Snapshot)>> = BTreeMap::new();
        let mut instances = BTreeMap::new();
        for (name, inventory) in observed.sites.iter().filter_map(|(name, site)| Some((name, site.complete()?))) {
            for snapshot in &inventory.snapshots {
                let uid = snapshot.tags.get(tags::CLUSTER).unwrap_or_default();
                snapshots.entry(uid).or_default().push((name, snapshot));
            }
            instances.extend(inventory.instances.iter().map(|instance| ((name, &instance.id), instance)));
        }
        Self { desired, observed, baseline, snapshots, instances }
    }

    /// The clusters whose home was read, by name.
    pub(super) fn clusters(&self) -> Vec<&'a Arc<Cluster>> {
        let is_read = |cluster: &&Arc<Cluster>| {
            self.observed.sites.get(&cluster.site).is_some_and(|listing| listing.complete().is_some())
        };
        let mut all: Vec<&Arc<Cluster>> = self.desired.clusters.values().filter(is_read).collect();
        all.sort_by(|a, b| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
        all
    }

    /// What no readable cluster explains: it stays as it is.
    pub(super) fn unexplained(&self) -> impl Iterator<Item = (&'a SiteName, &'a Snapshot)> {
        let declared: BTreeSet<&str> = self.desired.clusters.keys().map(ClusterUid::as_str).collect();
        let strangers = self.snapshots.iter().filter(move |(uid, _)| !declared.contains(**uid));
        strangers.flat_map(|(_, snapshots)| snapshots.iter().copied())
    }

    /// The bytes of all disks that a cluster's nodes have: by it, samples are spread.
    pub(super) fn size_of(&self, cluster: &Cluster) -> u64 {
        self.instances_of(&cluster.site, cluster).flat_map(|instance| &instance.disks).map(|disk| disk.size).sum()
    }

    fn instances_of(&self, site: &'a SiteName, cluster: &Cluster) -> impl Iterator<Item = &'a Instance> {
        cluster.nodes.iter().filter_map(move |node| self.instances.get(&(site, &node.instance)).copied())
    }

    /// One cluster with its own part of everything.
    pub(super) fn world_of(&self, cluster: &Cluster) -> World {
        let own = self.snapshots.get(cluster.uid.as_str()).map_or(&[][..], Vec::as_slice);
        let sites = self.observed.sites.iter().map(|(name, listing)| {
            let small = match listing {
                Listing::Unknown { because } => Listing::Unknown { because: because.clone() },
                Listing::Complete(inventory) => Listing::Complete(self.place_of(cluster, name, inventory, own)),
            };
            (name.clone(), small)
        });
        let observed = Observed {
            at: self.observed.at,
            provenance: self.observed.provenance,
            sites: sites.collect(),
            records: match &self.observed.records {
                Listing::Unknown { because } => Listing::Unknown { because: because.clone() },
                Listing::Complete(records) => Listing::Complete(records_of(cluster, records, own)),
            },
            keyring: self.observed.keyring.clone(),
        };
        let baseline = self.baseline.map(|baseline| only(baseline, &cluster.uid));
        World::new(only(self.desired, &cluster.uid), observed, baseline)
    }

    fn place_of(
        &self,
        cluster: &Cluster,
        name: &'a SiteName,
        inventory: &SiteInventory,
        own: &[(&SiteName, &Snapshot)],
    ) -> SiteInventory {
        let instances: Vec<Instance> = self.instances_of(name, cluster).cloned().collect();
        let disks: BTreeSet<&DiskId> = instances.iter().flat_map(|one| &one.disks).map(|disk| &disk.id).collect();
        let unmanaged = inventory.unmanaged.iter().filter(|one| disks.contains(&one.disk)).cloned().collect();
        let kept = inventory.kept_files.iter().filter(|(uid, _)| *uid == cluster.uid).cloned().collect();
        SiteInventory {
            clock: inventory.clock,
            provider: inventory.provider,
            account: inventory.account.clone(),
            abilities: inventory.abilities.clone(),
            snapshots: own.iter().filter(|(site, _)| *site == name).map(|(_, one)| (*one).clone()).collect(),
            instances,
            unmanaged,
            kept_files: kept,
        }
    }
}

/// A fleet with one cluster. A baseline that did not have it has none.
fn only(desired: &Desired, uid: &ClusterUid) -> Desired {
    let cluster = desired.clusters.get(uid);
    let policy = cluster.map(|cluster| (cluster.policy.clone(), desired.policy_of(cluster).clone()));
    Desired {
        origin: desired.origin.clone(),
        fleet: desired.fleet.clone(),
        sites: desired.sites.clone(),
        policies: policy.into_iter().collect(),
        clusters: cluster.map(|cluster| (uid.clone(), cluster.clone())).into_iter().collect(),
        left_out: BTreeSet::new(),
    }
}

fn records_of(cluster: &Cluster, records: &Records, own: &[(&SiteName, &Snapshot)]) -> Records {
    let mut small = Records { baseline: records.baseline.clone(), ..Records::default() };
    if let Some(baseline) = &mut small.baseline {
        baseline.unfinished.retain(|uid| *uid == cluster.uid);
    }
    for (site, snapshot) in own {
        let Some(tombstone) = records.tombstones.get(*site).and_then(|at_site| at_site.get(&snapshot.id)) else {
            continue;
        };
        let digest = tombstone.digest();
        small.sightings.extend(records.sightings.get_key_value(&digest).map(|(digest, at)| (digest.clone(), *at)));
        let at_site = small.tombstones.entry((*site).clone()).or_default();
        at_site.insert(snapshot.id.clone(), tombstone.clone());
    }
    small.holds = records.holds.iter().filter(|(uid, _)| *uid == cluster.uid).cloned().collect();
    small.recent_deletes = records.recent_deletes.iter().filter(|one| one.cluster == cluster.uid).cloned().collect();
    small
}
