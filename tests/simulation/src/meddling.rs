//! What happens at a site behind Backstay's back.

use crate::chance::Chance;
use crate::life::Story;
use crate::town::{Cluster, index};
use crate::world::{EXPIRE, HOLD, Snapshot};
use backstay_core::name::{DiskId, InstanceId, SnapshotId};
use backstay_core::tags::Tags;
use backstay_sim::Meddle;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What somebody does.
const DEEDS: [&str; 12] = [
    "stops a server",
    "starts a server",
    "starts a server",
    "deletes a snapshot",
    "forges a snapshot",
    "makes a snapshot of no one",
    "dates a snapshot in the future",
    "takes a snapshot to another slot",
    "takes a snapshot to another cluster",
    "backdates a mark",
    "holds a snapshot",
    "breaks a seal",
];

impl Story<'_> {
    /// Somebody does something at a site, if there is anything to do it to.
    pub(crate) fn meddle(&mut self, site: usize) {
        let here: Vec<_> = self.town.clusters.iter().filter(|cluster| cluster.site == site).cloned().collect();
        if here.is_empty() {
            return;
        }
        let instances: Vec<String> = here.iter().flat_map(Cluster::instances).collect();
        let instance = self.chance.one_of(&instances);
        let deed = self.chance.one_of(&DEEDS);
        // A lock holds against everyone.
        let world = &self.worlds[site];
        let unlocked = world.snapshots.iter().filter(|(_, snapshot)| !snapshot.is_locked(world.now));
        let snapshots: Vec<String> = unlocked.map(|(id, _)| id.clone()).collect();
        let about_servers = deed.contains("server");
        if snapshots.is_empty() && !about_servers {
            return;
        }
        let target = if about_servers { String::new() } else { self.chance.one_of(&snapshots) };
        let tags = self.worlds[site].snapshots.get(&target).map(|snapshot| snapshot.tags.clone()).unwrap_or_default();
        let meddle = meddle(deed, &instance, &target, &tags, &mut self.chance);
        self.house.meddle(&self.town.sites[site].name, [meddle]);
        self.tally.count(format!("somebody {deed}"));
    }

    /// Every server answers again, and what a cloud never finished or failed to make is gone from it.
    pub(crate) fn heal(&mut self) {
        for (number, site) in self.town.sites.iter().enumerate() {
            let mut meddles = Vec::new();
            for cluster in self.town.clusters.iter().filter(|cluster| cluster.site == number) {
                for instance in cluster.instances() {
                    meddles.push(Meddle::StartServer { instance: InstanceId::new(&instance).expect("an id") });
                }
            }
            let world = &self.worlds[number];
            let never = |snapshot: &Snapshot| snapshot.fails || snapshot.done == Timestamp::MAX;
            let is_over = |snapshot: &Snapshot| never(snapshot) && !snapshot.is_locked(world.now);
            for (id, _) in world.snapshots.iter().filter(|(_, snapshot)| is_over(snapshot)) {
                meddles.push(Meddle::DeleteSnapshot { id: SnapshotId::new(id).expect("an id") });
            }
            self.house.meddle(&site.name, meddles);
        }
    }
}

fn meddle(deed: &str, instance: &str, target: &str, tags: &BTreeMap<String, String>, chance: &mut Chance) -> Meddle {
    let disk = DiskId::new(format!("vol-{instance}-d")).expect("an id");
    let retag = |key: &str, value: &str| Meddle::Retag {
        id: SnapshotId::new(target).expect("an id"),
        tags: Tags::from_iter([(key, value.to_owned())]),
    };
    let forge = |changes: &[(&str, &str)]| {
        let mut tags = tags.clone();
        tags.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Meddle::CreateForeign { disk: disk.clone(), tags: tags.into_iter().collect() }
    };
    match deed {
        "stops a server" => Meddle::StopServer { instance: InstanceId::new(instance).expect("an id") },
        "starts a server" => Meddle::StartServer { instance: InstanceId::new(instance).expect("an id") },
        "deletes a snapshot" => Meddle::DeleteSnapshot { id: SnapshotId::new(target).expect("an id") },
        // A copy of a real snapshot's tags on one that Backstay did not make.
        "forges a snapshot" => forge(&[]),
        "makes a snapshot of no one" => Meddle::CreateForeign { disk, tags: Tags::new() },
        "dates a snapshot in the future" => {
            forge(&[("backstay-slot", "20991231t000000z"), ("backstay-cut", "20991231t000000z")])
        }
        "takes a snapshot to another slot" => retag("backstay-slot", "20261020t010203z"),
        "takes a snapshot to another cluster" => retag("backstay-cluster", ["uid-0", "uid-1"][index(chance, 2)]),
        "backdates a mark" => retag(EXPIRE, "20200101t000000z"),
        "holds a snapshot" => retag(HOLD, "1"),
        "breaks a seal" => retag("backstay-seal-2", "aaaa"),
        other => unreachable!("nobody {other}"),
    }
}
