//! Snapshots of a machine's disks that do not name its cluster: their tags name another one, or nobody. They are nobody's points,
//! and their site counts them all the same.

use super::{Holdings, World, places, waits};
use crate::model::{Cluster, Desired};
use crate::name::{DiskId, SiteName};
use crate::observed::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// A snapshot, with the site where it lies.
pub(super) type Found<'a> = (&'a SiteName, &'a Snapshot);

/// The disks of a site.
pub(super) type Disks<'a> = BTreeSet<(&'a SiteName, &'a DiskId)>;

/// Those of the whole fleet, by site and disk.
#[derive(Default)]
pub(super) struct Astray<'a>(BTreeMap<&'a SiteName, BTreeMap<&'a DiskId, Vec<&'a Snapshot>>>);

impl<'a> Astray<'a> {
    /// Those that name no cluster.
    pub(super) fn of_nobody(world: &World<'a>) -> Self {
        let mut astray = Self::default();
        let nobodys = world.nobodys.iter();
        astray.add(nobodys.flat_map(|(site, strangers)| strangers.iter().map(|stranger| (*site, stranger.snapshot))));
        astray
    }

    /// Adds what was found, and gives the disks of it.
    pub(super) fn add(&mut self, found: impl IntoIterator<Item = Found<'a>>) -> Disks<'a> {
        let mut disks = Disks::new();
        for (site, snapshot) in found {
            self.0.entry(site).or_default().entry(&snapshot.disk).or_default().push(snapshot);
            disks.insert((site, &snapshot.disk));
        }
        disks
    }

    /// Those of one disk.
    pub(super) fn of_disk(&self, site: &SiteName, disk: &DiskId) -> &[&'a Snapshot] {
        self.0.get(site).and_then(|disks| disks.get(disk)).map_or(&[], Vec::as_slice)
    }
}

/// Those that name one cluster, and are of a disk of another's machine, at sites that count by disk.
pub(super) fn on_shelves<'a>(
    world: &World<'a>,
    desired: &Desired,
    cluster: Option<&Cluster>,
    holdings: &Holdings<'a>,
) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for (name, shelf) in holdings {
        let Ok(site) = world.site(name) else { continue };
        if !waits::counts_by_disk(places::rules(desired, name)) {
            continue;
        }
        let nodes = cluster.map_or(&[][..], |cluster| &cluster.nodes).iter();
        let instances = nodes.filter_map(|node| site.instance(&node.instance));
        let own: Vec<&DiskId> = instances.flat_map(|instance| &instance.disks).map(|disk| &disk.id).collect();
        // What is attached to no machine is nobody's source.
        let is_anothers = |disk: &DiskId| !own.contains(&disk) && site.attached.contains(disk);
        found.extend(shelf.snapshots().filter(|s| is_anothers(&s.disk)).map(|snapshot| (*name, snapshot)));
    }
    found
}
