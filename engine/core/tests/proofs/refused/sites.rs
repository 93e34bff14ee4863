//! A cluster with copies at a second site, for plans that are made by hand.

use super::day;
use crate::support::lab::{Lab, Point, SYSTEM, WAL, time, uid};
use backstay_core::model::{Cluster, CopyPolicy, Policy, Provider, Retention};
use backstay_core::name::{AccountId, SiteName, SnapshotId};
use backstay_core::observed::{DatabaseState, Listing, SiteInventory, Snapshot};
use backstay_core::plan::{
    Action, Cause, Change, CopyPoint, ExpectedSnapshot, MarkPoint, Plan, PlannedCopy, Reason, Repair, Retagged,
    TagPoint,
};
use backstay_core::seal::Place;
use backstay_core::tags::{self, Intent, PointClass, PointKey, Tags};
use backstay_core::time::{Duration, stamp};
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `orders-db` lives at `eu` and has a point a day, of 17 to 23 November; its policy keeps three there. It has copies of 17 to 22
/// at `us`, where five are kept. At both, the point of the 17th is marked and may go. `ap` is empty.
pub(super) struct Sites {
    pub(super) lab: Lab,
    /// What the plan does.
    pub(super) changes: Vec<Change>,
    serial: u32,
}

const POLICY: &str = "\
schedule: { every: 24h, spread: 0s }
retention:
  keep: { daily: 3 }
  minimumRedundancy: 2
  grace: 72h";

pub(super) fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

pub(super) fn key(number: u32) -> PointKey {
    PointKey { slot: day(number), attempt: 1 }
}

impl Sites {
    pub(super) fn new() -> Self {
        let mut lab = Lab::of(POLICY, &["orders-db", "billing-db"]).at(time("2026-11-24T01:00Z"));
        for number in 17..=23 {
            lab.put(&Point::at(day(number)));
        }
        let mut sites = Self { lab, changes: Vec::new(), serial: 0 };
        sites.declare("us", "444455556666");
        sites.declare("ap", "777788889999");
        sites.policy(|policy| {
            let mut retention: Retention = policy.retention.clone();
            retention.keep.daily = 5;
            policy.copies.push(CopyPolicy { site: site("us"), retention, kms_key: None });
        });
        for number in 17..=22 {
            sites.copied(number, "us");
        }
        for at in ["eu", "us"] {
            sites.mark(17, at);
        }
        sites
    }

    fn declare(&mut self, name: &str, account: &str) {
        let mut declared = (*self.lab.desired.sites[&site("eu")]).clone();
        declared.name = site(name);
        self.lab.desired.sites.insert(site(name), Arc::new(declared));
        let mut inventory = self.lab.inventory().clone();
        inventory.account = AccountId::new(account).unwrap();
        inventory.instances.clear();
        inventory.snapshots.clear();
        self.lab.observed.sites.insert(site(name), Listing::Complete(inventory));
    }

    pub(super) fn policy(&mut self, change: impl FnOnce(&mut Policy)) {
        let name = self.lab.desired.clusters[&uid("orders-db")].policy.clone();
        let mut policy = (*self.lab.desired.policies[&name]).clone();
        change(&mut policy);
        self.lab.desired.policies.insert(name, Arc::new(policy));
    }

    pub(super) fn cluster(&mut self, change: impl FnOnce(&mut Cluster)) {
        let mut cluster = (*self.lab.desired.clusters[&uid("orders-db")]).clone();
        change(&mut cluster);
        self.lab.desired.clusters.insert(uid("orders-db"), Arc::new(cluster));
    }

    /// Whose rules a site follows.
    pub(super) fn profile(&mut self, name: &str, profile: &str) {
        let mut declared = (*self.lab.desired.sites[&site(name)]).clone();
        if let Provider::Sim(sim) = &mut declared.provider {
            sim.profile = profile.to_owned();
        }
        self.lab.desired.sites.insert(site(name), Arc::new(declared));
    }

    pub(super) fn at(&mut self, name: &str) -> &mut SiteInventory {
        match self.lab.observed.sites.get_mut(&site(name)) {
            Some(Listing::Complete(inventory)) => inventory,
            Some(Listing::Unknown { .. }) | None => panic!("{name} is unknown"),
        }
    }

    pub(super) fn is_unknown(&mut self, name: &str) {
        let unknown = Listing::Unknown { because: "page 2 failed".to_owned() };
        self.lab.observed.sites.insert(site(name), unknown);
    }

    /// The one snapshot of a day's point at a site.
    pub(super) fn snapshot(&mut self, number: u32, name: &str) -> &mut Snapshot {
        let point = key(number).to_string();
        let is_of = |s: &&mut Snapshot| s.tags.get(tags::POINT) == Some(&point) && s.tags.get(tags::CLUSTER).is_some();
        self.at(name).snapshots.iter_mut().find(is_of).unwrap()
    }

    pub(super) fn id(&mut self, number: u32, name: &str) -> SnapshotId {
        self.snapshot(number, name).id.clone()
    }

    pub(super) fn lose(&mut self, number: u32, name: &str) {
        let id = self.id(number, name);
        self.at(name).snapshots.retain(|snapshot| snapshot.id != id);
    }

    pub(super) fn seal(&mut self, snapshot: &mut Snapshot, name: &str) {
        let key = self.lab.key.clone();
        let inventory = self.at(name);
        let seal = key.seal(&Place { provider: inventory.provider, account: &inventory.account }, snapshot);
        snapshot.tags.extend(seal);
    }

    /// What lies at a site after a day's point was copied there from `eu`.
    pub(super) fn copied(&mut self, number: u32, to: &str) {
        self.serial += 1;
        let source = self.snapshot(number, "eu").clone();
        let intent = Intent::of_copy(&uid("orders-db"), PointClass::Scheduled, key(number), &source.id, &site(to));
        let mut copy = Snapshot { id: SnapshotId::new(format!("copy-{:05}", self.serial)).unwrap(), ..source };
        copy.tags.remove(tags::EXPIRE);
        copy.tags.insert(tags::INTENT, intent.to_string());
        self.seal(&mut copy, to);
        self.at(to).snapshots.push(copy);
    }

    /// Marks a day's point at a site, genuinely, and seen on the 19th.
    pub(super) fn mark(&mut self, number: u32, name: &str) {
        let at = day(19);
        let snapshot = self.snapshot(number, name);
        snapshot.tags.insert(tags::EXPIRE, stamp(at));
        let content = TombstoneContent {
            site: site(name),
            snapshot: snapshot.id.clone(),
            cluster: uid("orders-db"),
            point: key(number),
            number: 1,
            at,
            grace: Duration::hours(72),
            cause: Cause::Due,
            reason: "beyond daily 3".to_owned(),
        };
        let id = content.snapshot.clone();
        let tombstone = Tombstone::sign(content, &self.lab.key);
        let records = self.lab.records();
        records.sightings.insert(tombstone.digest(), at);
        records.tombstones.entry(site(name)).or_default().insert(id, tombstone);
    }

    pub(super) fn expect(&mut self, number: u32, name: &str) -> ExpectedSnapshot {
        let snapshot = self.snapshot(number, name);
        ExpectedSnapshot { id: snapshot.id.clone(), disk: snapshot.disk.clone(), generation: snapshot.generation() }
    }

    pub(super) fn plan(&mut self, name: &str, action: Action) {
        let cluster = &self.lab.desired.clusters[&uid("orders-db")];
        let reason = Reason::KeptAgain;
        let change = Change {
            cluster: cluster.uid.clone(),
            name: cluster.name.clone(),
            site: site(name),
            policy: cluster.policy.clone(),
            action,
            cause: Cause::Due,
            reason,
        };
        self.changes.push(change);
    }

    fn mark_of(&mut self, number: u32, name: &str) -> MarkPoint {
        let snapshots = vec![self.expect(number, name)];
        MarkPoint { point: key(number), cut: day(number), grace: Duration::hours(72), snapshots, is_double: false }
    }

    pub(super) fn expire(&mut self, number: u32, name: &str) {
        let mark = self.mark_of(number, name);
        self.plan(name, Action::Expire(mark));
    }

    pub(super) fn delete(&mut self, number: u32, name: &str) {
        let mark = self.mark_of(number, name);
        self.plan(name, Action::Delete(mark));
    }

    /// Marks it as of the 19th, and deletes it.
    pub(super) fn mark_and_delete(&mut self, number: u32, name: &str) {
        self.mark(number, name);
        self.delete(number, name);
    }

    pub(super) fn copy(&mut self, number: u32, from: &str, to: &str) {
        let source = self.expect(number, from);
        let intent = Intent::of_copy(&uid("orders-db"), PointClass::Scheduled, key(number), &source.id, &site(to));
        let copy = CopyPoint {
            point: key(number),
            class: PointClass::Scheduled,
            cut: day(number),
            from: site(from),
            kms_key: None,
            system: Some(SYSTEM),
            wal: Some(WAL),
            parts: vec![PlannedCopy { name: "data-1of1".parse().unwrap(), source, intent }],
        };
        self.plan(to, Action::Copy(copy));
    }

    pub(super) fn tag(&mut self, number: u32, name: &str, repair: Repair, set: Tags) {
        let expected = self.expect(number, name);
        let tag = TagPoint {
            point: key(number),
            class: PointClass::Scheduled,
            cut: day(number),
            repair,
            snapshots: vec![Retagged { expected, set }],
        };
        self.plan(name, Action::Tag(tag));
    }

    pub(super) fn last<T>(&mut self, change: impl FnOnce(&mut Action) -> T) -> T {
        change(&mut self.changes.last_mut().unwrap().action)
    }
}

/// A plan made by hand, and the invariants that it breaks.
pub(super) type Case = (&'static str, &'static [u8], fn(&mut Sites));

/// Checks each plan in a world of its own.
pub(super) fn check_sites(cases: &[Case]) {
    let mut wrong = String::new();
    for (name, breaks, make) in cases {
        let mut sites = Sites::new();
        make(&mut sites);
        let plan = Plan { changes: sites.changes.clone(), ..sites.lab.plan() };
        assert!(!plan.changes.is_empty(), "{name}: nothing is planned");
        let result = sites.lab.verify(plan);
        let broken: BTreeSet<u8> = result.as_ref().err().into_iter().flat_map(|v| &v.0).map(|v| v.invariant).collect();
        if !broken.iter().eq(breaks.iter()) {
            let text = result.err().map_or_else(|| "it passes".to_owned(), |violations| violations.to_string());
            wrong += &format!("{name}: {breaks:?} expected:\n{text}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// No server of the cluster answers.
pub(super) fn servers_are_gone(sites: &mut Sites) {
    for node in 0..2 {
        *sites.lab.database("orders-db", node) = DatabaseState::Unreachable { because: "no such host".to_owned() };
    }
}

pub(super) fn hours_ago(hours: u64) -> Timestamp {
    Duration::hours(hours).before(time("2026-11-24T01:00Z"))
}
