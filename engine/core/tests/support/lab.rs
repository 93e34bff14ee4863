//! A made-up fleet with its snapshots, in which a plan can be made, checked and carried out, all as values.

use super::fleet::{declare, instances_of};
use backstay_core::lsn::{Lsn, Timeline, WalRange};
use backstay_core::model::{ConsistencyWanted, Desired, Provider, ProviderKind};
use backstay_core::name::{AccountId, ClusterUid, DiskId, InstanceId, SiteName, SnapshotId, SystemId};
use backstay_core::observed::{
    Abilities, AttachedDisk, BaselineRecord, DatabaseState, DatabaseStatus, DiskRole, Instance, Listing, Observed,
    Provenance, Readiness, RecentDelete, Records, SiteClock, SiteInventory, Snapshot,
};
use backstay_core::plan::{
    Action, Cause, Change, CopyPoint, CreatePoint, LockPoint, MarkPoint, Plan, Repair, TagPoint,
};
use backstay_core::planner;
use backstay_core::seal::{Keyring, Place, SealKey};
use backstay_core::tags::{self, Intent, PointClass, PointKey};
use backstay_core::time::{Duration, stamp, to_micros};
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_core::verify::{VerifiedPlan, Violations, verify};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The system identifier of every cluster's servers, unless a test says otherwise.
pub const SYSTEM: SystemId = SystemId(7_301_234_567_890_123_456);
/// That of the servers after an upgrade.
pub const UPGRADED: SystemId = SystemId(7_401_234_567_890_123_456);
/// The one site.
pub const SITE: &str = "eu";

/// An instant, as people write it: `2026-11-23T08:00Z`.
pub fn time(text: &str) -> Timestamp {
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 => format!("{}:00Z", &text[..16]),
        _ => text.to_owned(),
    };
    full.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A fleet, what is seen of it, and the key that seals.
#[derive(Clone)]
pub struct Lab {
    pub desired: Desired,
    pub baseline: Option<Desired>,
    pub observed: Observed,
    pub key: SealKey,
    pub now: Timestamp,
    clusters: Vec<String>,
    policy: String,
    limits: String,
    /// Further sites, with their profiles.
    further: Vec<(String, String)>,
    /// Whose rules the first site follows.
    profile: String,
    /// Clusters that are being retired.
    retired: BTreeSet<String>,
    /// Clusters that live at another site than the first.
    moved: BTreeMap<String, SiteName>,
    serial: u32,
}

/// A point to be put into a lab, whole and sealed unless told otherwise.
#[derive(Debug, Clone)]
pub struct Point {
    pub cluster: String,
    pub key: PointKey,
    pub class: PointClass,
    pub cut: Timestamp,
    pub created: Timestamp,
    pub system: Option<SystemId>,
    pub disks: Vec<DiskRole>,
    pub readiness: Readiness,
    pub hold_tag: bool,
    pub locked_until: Option<Timestamp>,
    /// Carry an intent only.
    pub unsealed: bool,
}

impl Point {
    /// A scheduled point of `orders-db`, cut at an instant that is its slot, too.
    pub fn at(cut: Timestamp) -> Self {
        let slot = Timestamp::from_second(cut.as_second()).unwrap();
        Self {
            cluster: "orders-db".to_owned(),
            key: PointKey { slot, attempt: 1 },
            class: PointClass::Scheduled,
            cut,
            created: cut,
            system: Some(SYSTEM),
            disks: vec![DiskRole::Data],
            readiness: Readiness::Ready,
            hold_tag: false,
            locked_until: None,
            unsealed: false,
        }
    }
}

impl Lab {
    /// One cluster, `orders-db`, under a policy: the keys of `spec`, each on its line.
    pub fn new(policy: &str) -> Self {
        Self::of(policy, &["orders-db"])
    }

    /// Several clusters under one policy.
    pub fn of(policy: &str, clusters: &[&str]) -> Self {
        let key = SealKey::from_seed(&[7; 32]);
        let now = time("2026-11-23T01:00Z");
        let clusters: Vec<String> = clusters.iter().map(|&name| name.to_owned()).collect();
        let limits = "{ cluster: 5 }".to_owned();
        let desired = declare(policy, &clusters, &limits, &[]);
        let instances = clusters.iter().flat_map(|name| instances_of(name)).collect();
        let inventory = inventory("111122223333", instances, now);
        let observed = Observed {
            at: now,
            provenance: Provenance::Live,
            sites: [(site(), Listing::Complete(inventory))].into_iter().collect(),
            records: Listing::Complete(Records::default()),
            keyring: Keyring::new([key.public()]),
        };
        let policy = policy.to_owned();
        let baseline = Some(desired.clone());
        Self {
            baseline,
            desired,
            observed,
            key,
            now,
            clusters,
            policy,
            limits,
            further: Vec::new(),
            profile: "aws".to_owned(),
            retired: BTreeSet::new(),
            moved: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Declares another site of this profile, with an account of its own. Nothing is there.
    #[must_use]
    pub fn with_site(mut self, name: &str, profile: &str) -> Self {
        self.further.push((name.to_owned(), profile.to_owned()));
        let account = format!("44445555666{}", self.further.len());
        let seen = Listing::Complete(inventory(&account, Vec::new(), self.now));
        self.observed.sites.insert(SiteName::new(name).unwrap(), seen);
        self.declare();
        self.baseline = Some(self.desired.clone());
        self
    }

    /// Reads the documents again. The baseline stays.
    fn declare(&mut self) {
        self.desired = declare(&self.policy, &self.clusters, &self.limits, &self.further);
        let first = (SITE.to_owned(), self.profile.clone());
        for (name, profile) in self.further.iter().chain([&first]) {
            let site = self.desired.sites.get_mut(&SiteName::new(name).unwrap()).unwrap();
            if let Provider::Sim(sim) = &mut Arc::make_mut(site).provider {
                sim.profile.clone_from(profile);
            }
        }
        for (uid, cluster) in &mut self.desired.clusters {
            let cluster = Arc::make_mut(cluster);
            cluster.is_retired = self.retired.contains(cluster.name.as_str());
            if let Some(site) = self.moved.get(cluster.name.as_str()) {
                cluster.site = site.clone();
            }
            assert_eq!(*uid, cluster.uid);
        }
    }

    /// Gives the first site another profile. The baseline follows.
    #[must_use]
    pub fn with_profile(mut self, profile: &str) -> Self {
        profile.clone_into(&mut self.profile);
        self.declare();
        self.baseline = Some(self.desired.clone());
        self
    }

    /// Declares that a cluster is being retired, or not any more. The baseline stays.
    pub fn retire(&mut self, cluster: &str, is_retired: bool) {
        match is_retired {
            true => self.retired.insert(cluster.to_owned()),
            false => self.retired.remove(cluster),
        };
        self.declare();
    }

    /// Moves a cluster with its machines to another site. What was made stays where it is, and so does the baseline.
    pub fn move_to(&mut self, cluster: &str, to: &SiteName) {
        let own = [instance(cluster, 0), instance(cluster, 1)];
        let from = self.moved.insert(cluster.to_owned(), to.clone()).unwrap_or_else(site);
        let all = std::mem::take(&mut self.inventory_at(&from).instances);
        let (going, staying) = all.into_iter().partition(|instance| own.contains(&instance.id));
        self.inventory_at(&from).instances = staying;
        let there: Vec<Instance> = going;
        self.inventory_at(to).instances.extend(there);
        self.declare();
    }

    /// A cluster with one point a day, the newest an hour old, under a policy that keeps 30 days.
    pub fn daily(cluster: &str, days: u32) -> Self {
        let mut lab = Self::of(DAILY, &[cluster]);
        lab.put_daily(cluster, days);
        lab
    }

    /// Puts one point a day, the newest of today's midnight.
    pub fn put_daily(&mut self, cluster: &str, days: u32) {
        for day in (0..days).rev() {
            let cut = Duration::days(u64::from(day)).before(time("2026-11-23"));
            self.put(&Point { cluster: cluster.to_owned(), ..Point::at(cut) });
        }
    }

    /// Moves every clock.
    #[must_use]
    pub fn at(mut self, instant: Timestamp) -> Self {
        self.set_time(instant);
        self
    }

    pub fn set_time(&mut self, instant: Timestamp) {
        self.now = instant;
        self.observed.at = instant;
        for listing in self.observed.sites.values_mut() {
            if let Listing::Complete(inventory) = listing {
                inventory.clock = SiteClock { now: instant, host: instant, ..inventory.clock };
            }
        }
    }

    pub fn advance(&mut self, length: Duration) {
        self.set_time(length.after(self.now));
    }

    /// Declares another policy. The baseline stays.
    #[must_use]
    pub fn with_policy(mut self, policy: &str) -> Self {
        self.set_policy(policy);
        self
    }

    pub fn set_policy(&mut self, policy: &str) {
        self.policy = policy.to_owned();
        self.declare();
    }

    /// Declares other limits of deletes a day. The baseline stays.
    #[must_use]
    pub fn with_limits(mut self, limits: &str) -> Self {
        self.limits = limits.to_owned();
        self.declare();
        self
    }

    /// Takes a cluster out of the documents. What is seen stays.
    #[must_use]
    pub fn without_cluster(mut self, name: &str) -> Self {
        self.clusters.retain(|cluster| cluster != name);
        self.declare();
        self
    }

    #[must_use]
    pub fn without_baseline(mut self) -> Self {
        self.baseline = None;
        self
    }

    pub fn inventory(&mut self) -> &mut SiteInventory {
        self.inventory_at(&site())
    }

    pub fn inventory_at(&mut self, site: &SiteName) -> &mut SiteInventory {
        match self.observed.sites.get_mut(site) {
            Some(Listing::Complete(inventory)) => inventory,
            Some(Listing::Unknown { .. }) | None => panic!("site {site} is unknown"),
        }
    }

    pub fn snapshots(&mut self) -> &mut Vec<Snapshot> {
        &mut self.inventory().snapshots
    }

    pub fn records(&mut self) -> &mut Records {
        match &mut self.observed.records {
            Listing::Complete(records) => records,
            Listing::Unknown { .. } => panic!("the records are unknown"),
        }
    }

    pub fn site_is_unknown(&mut self) {
        self.observed.sites.insert(site(), Listing::Unknown { because: "page 2 of 3 failed".to_owned() });
    }

    /// Another site cannot be read.
    pub fn is_unknown(&mut self, site: &SiteName) {
        self.observed.sites.insert(site.clone(), Listing::Unknown { because: "page 2 of 3 failed".to_owned() });
    }

    pub fn records_are_unknown(&mut self) {
        self.observed.records = Listing::Unknown { because: "no answer".to_owned() };
    }

    /// What an instance's server says; `node` is 0 for the primary, 1 for the standby.
    pub fn database(&mut self, cluster: &str, node: usize) -> &mut DatabaseState {
        let id = instance(cluster, node);
        &mut self.inventory().instances.iter_mut().find(|instance| instance.id == id).unwrap().database
    }

    pub fn status(&mut self, cluster: &str, node: usize) -> &mut DatabaseStatus {
        match self.database(cluster, node) {
            DatabaseState::Known(status) => status,
            DatabaseState::NotObservable | DatabaseState::Unreachable { .. } => panic!("it says nothing"),
        }
    }

    pub fn disks(&mut self, cluster: &str, node: usize) -> &mut Vec<AttachedDisk> {
        let id = instance(cluster, node);
        &mut self.inventory().instances.iter_mut().find(|instance| instance.id == id).unwrap().disks
    }

    /// Gives both servers of a cluster a new system identifier.
    pub fn upgrade(&mut self, cluster: &str) {
        for node in 0..2 {
            self.status(cluster, node).system = UPGRADED;
        }
    }

    /// Puts a point's snapshots, and gives their ids.
    pub fn put(&mut self, point: &Point) -> Vec<SnapshotId> {
        self.put_at(&site(), point)
    }

    /// The same, at another site: a copy there, or what was made when the cluster lived there.
    pub fn put_at(&mut self, site: &SiteName, point: &Point) -> Vec<SnapshotId> {
        let of = u16::try_from(point.disks.len()).unwrap();
        let cluster = uid(&point.cluster);
        let mut ids = Vec::new();
        for (role, index) in point.disks.iter().zip(1..=of) {
            let disk = disk(&point.cluster, 1, role);
            let intent = Intent::of(&cluster, point.class, point.key, &disk);
            let mut tags = tags::at_creation(&cluster, point.class, point.key, &intent);
            if !point.unsealed {
                let name = tags::PartName { role: tags::PartRole::of(role).unwrap(), index, of };
                tags.extend(tags::when_known(&name, point.system, Some(WAL), to_micros(point.cut)));
            }
            if point.hold_tag {
                tags.insert(tags::HOLD.to_owned(), "1".to_owned());
            }
            let id = self.put_raw(site, disk, point.created, point.readiness.clone(), tags, !point.unsealed);
            self.snapshot(&id).locked_until = point.locked_until;
            ids.push(id);
        }
        ids
    }

    fn put_raw(
        &mut self,
        site: &SiteName,
        disk: DiskId,
        created: Timestamp,
        readiness: Readiness,
        tags: tags::Tags,
        is_sealed: bool,
    ) -> SnapshotId {
        self.serial += 1;
        let id = SnapshotId::new(format!("snap-{:05}", self.serial)).unwrap();
        let mut snapshot = Snapshot {
            id: id.clone(),
            disk,
            created,
            readiness,
            tags,
            size: 1 << 30,
            encrypted: true,
            kms_key: None,
            location: None,
            locked_until: None,
        };
        if is_sealed {
            self.seal_at(site, &mut snapshot);
        }
        self.snapshots_at(site).push(snapshot);
        id
    }

    /// Seals what a snapshot says now, as one of the first site.
    pub fn seal(&self, snapshot: &mut Snapshot) {
        self.seal_at(&site(), snapshot);
    }

    pub fn snapshot(&mut self, id: &SnapshotId) -> &mut Snapshot {
        let all = self.observed.sites.values_mut().filter_map(|listing| match listing {
            Listing::Complete(inventory) => Some(&mut inventory.snapshots),
            Listing::Unknown { .. } => None,
        });
        all.flatten().find(|snapshot| snapshot.id == *id).unwrap()
    }

    /// Where a snapshot lies.
    pub fn site_of(&self, id: &SnapshotId) -> SiteName {
        let has = |listing: &Listing<SiteInventory>| {
            listing.complete().is_some_and(|inventory| inventory.snapshots.iter().any(|snapshot| snapshot.id == *id))
        };
        self.observed.sites.iter().find(|(_, listing)| has(listing)).unwrap().0.clone()
    }

    /// Marks a snapshot as an expiry did at that instant, and lets the sweeper see it then.
    pub fn mark(&mut self, id: &SnapshotId, at: Timestamp, grace: Duration, cause: Cause) -> Tombstone {
        let at = Timestamp::from_second(at.as_second()).unwrap();
        let site = self.site_of(id);
        let snapshot = self.snapshot(id);
        let content = TombstoneContent {
            site: site.clone(),
            snapshot: id.clone(),
            cluster: ClusterUid::new(&snapshot.tags[tags::CLUSTER]).unwrap(),
            point: snapshot.tags[tags::POINT].parse().unwrap(),
            number: 1,
            at,
            grace,
            cause,
            reason: "beyond daily 30".to_owned(),
        };
        snapshot.tags.insert(tags::EXPIRE.to_owned(), stamp(at));
        let tombstone = Tombstone::sign(content, &self.key);
        self.records().sightings.entry(tombstone.digest()).or_insert(at);
        self.records().tombstones.entry(site).or_default().insert(id.clone(), tombstone.clone());
        tombstone
    }

    /// Plans for the lab's instant.
    pub fn plan(&self) -> Plan {
        planner::plan(&self.desired, &self.observed, self.baseline.as_ref(), self.now)
    }

    pub fn verify(&self, plan: Plan) -> Result<VerifiedPlan, Violations> {
        verify(plan, &self.desired, &self.observed)
    }

    /// Plans, has the plan checked, and gives it.
    pub fn verified(&self) -> Plan {
        match self.verify(self.plan()) {
            Ok(verified) => verified.into_plan(),
            Err(violations) => panic!("the plan was refused:\n{violations}\n{}", super::show::plan(&self.plan())),
        }
    }

    /// The checked plan as text.
    pub fn text(&self) -> String {
        super::show::plan(&self.verified())
    }

    /// Carries a plan out, as the executor would when nothing fails.
    pub fn apply(&mut self, plan: &Plan) {
        for change in &plan.changes {
            match &change.action {
                Action::Create(create) => self.create(change, create, plan.basis.as_of),
                Action::Copy(copy) => self.copy(change, copy, plan.basis.as_of),
                Action::Tag(tag) => self.retag(change, tag),
                Action::Lock(lock) => self.lock(change, lock),
                Action::Expire(mark) => self.expire(change, mark, plan.basis.as_of),
                Action::Revive(mark) => self.revive(change, mark),
                Action::Delete(mark) => self.delete(change, mark, plan.basis.as_of),
            }
        }
        self.baseline = Some(self.desired.clone());
        if let Listing::Complete(records) = &mut self.observed.records {
            let origin = self.desired.origin.clone();
            records.baseline = Some(BaselineRecord { origin, as_of: plan.basis.as_of, unfinished: BTreeSet::new() });
        }
    }

    /// Plans, checks and applies; gives the plan as text.
    pub fn run(&mut self) -> String {
        let plan = self.verified();
        self.apply(&plan);
        super::show::plan(&plan)
    }

    fn create(&mut self, change: &Change, create: &CreatePoint, now: Timestamp) {
        let wal = (create.consistency == ConsistencyWanted::Application).then_some(WAL);
        for part in &create.parts {
            let mut tags = tags::at_creation(&change.cluster, create.class, create.point, &part.intent);
            tags.extend(tags::when_known(&part.name, create.system, wal, to_micros(now)));
            self.put_raw(&change.site, part.disk.clone(), now, Readiness::Ready, tags, true);
        }
    }

    /// The snapshots of the site that a change is at.
    pub fn snapshots_at(&mut self, site: &SiteName) -> &mut Vec<Snapshot> {
        &mut self.inventory_at(site).snapshots
    }

    /// A copy is ready at once, and known by an id of its own. One that is there by its intent is only sealed.
    fn copy(&mut self, change: &Change, copy: &CopyPoint, now: Timestamp) {
        for part in &copy.parts {
            self.serial += 1;
            let id = SnapshotId::new(format!("snap-{:05}", self.serial)).unwrap();
            let source = self.snapshots_at(&copy.from).iter().find(|s| s.id == part.source.id).unwrap().clone();
            let there = self.snapshots_at(&change.site);
            let found = there.iter().position(|s| s.tags.get(tags::INTENT) == Some(&part.intent.0));
            let mut made = match found {
                Some(place) => there.remove(place),
                None => Snapshot {
                    id,
                    created: now,
                    kms_key: copy.kms_key.clone(),
                    location: None,
                    locked_until: None,
                    tags: tags::at_creation(&change.cluster, copy.class, copy.point, &part.intent),
                    ..source
                },
            };
            made.tags.extend(tags::when_known(&part.name, copy.system, copy.wal, copy.cut));
            self.seal_at(&change.site, &mut made);
            self.snapshots_at(&change.site).push(made);
        }
    }

    fn retag(&mut self, change: &Change, tag: &TagPoint) {
        for retagged in &tag.snapshots {
            let id = &retagged.expected.id;
            let place = self.snapshots_at(&change.site).iter().position(|s| s.id == *id).unwrap();
            let mut snapshot = self.snapshots_at(&change.site).remove(place);
            snapshot.tags.extend(retagged.set.clone());
            if tag.repair == Repair::Adopt {
                self.seal_at(&change.site, &mut snapshot);
            }
            self.snapshots_at(&change.site).insert(place, snapshot);
        }
    }

    fn lock(&mut self, change: &Change, lock: &LockPoint) {
        for expected in &lock.snapshots {
            let snapshot = self.snapshots_at(&change.site).iter_mut().find(|s| s.id == expected.id).unwrap();
            snapshot.locked_until = snapshot.locked_until.max(Some(lock.until));
        }
    }

    /// Seals what a snapshot says now, for the site that it lies at.
    pub fn seal_at(&self, site: &SiteName, snapshot: &mut Snapshot) {
        let inventory = self.observed.sites.get(site).and_then(Listing::complete).unwrap();
        let place = Place { provider: inventory.provider, account: &inventory.account };
        let seal = self.key.seal(&place, snapshot);
        snapshot.tags.extend(seal);
    }

    fn expire(&mut self, change: &Change, mark: &MarkPoint, now: Timestamp) {
        for expected in &mark.snapshots {
            let existing =
                self.records().tombstones.get(&change.site).and_then(|records| records.get(&expected.id)).cloned();
            match existing {
                // Create-only: what is there stays, and the tag is made to agree with it.
                Some(record) if record.is_genuine(&self.observed.keyring) && record.content.point == mark.point => {
                    let tag = stamp(record.content.at);
                    self.snapshot(&expected.id).tags.insert(tags::EXPIRE.to_owned(), tag);
                    self.records().sightings.entry(record.digest()).or_insert(now);
                }
                Some(_) | None => {
                    self.mark(&expected.id, now, mark.grace, change.cause);
                }
            }
        }
    }

    fn revive(&mut self, change: &Change, mark: &MarkPoint) {
        for expected in &mark.snapshots {
            self.snapshot(&expected.id).tags.remove(tags::EXPIRE);
            if let Listing::Complete(records) = &mut self.observed.records {
                records.tombstones.entry(change.site.clone()).or_default().remove(&expected.id);
            }
        }
    }

    fn delete(&mut self, change: &Change, mark: &MarkPoint, now: Timestamp) {
        for expected in &mark.snapshots {
            self.snapshots_at(&change.site).retain(|snapshot| snapshot.id != expected.id);
            self.records().tombstones.entry(change.site.clone()).or_default().remove(&expected.id);
        }
        let (cluster, site, cause) = (change.cluster.clone(), Some(change.site.clone()), change.cause);
        self.records().recent_deletes.push(RecentDelete { at: now, cluster, point: mark.point, site, cause });
    }

    /// What is left: each point as its cut, oldest first.
    pub fn cuts(&mut self) -> Vec<Timestamp> {
        self.cuts_at(&site())
    }

    /// What is left at another site.
    pub fn cuts_at(&mut self, site: &SiteName) -> Vec<Timestamp> {
        let cut = |snapshot: &Snapshot| backstay_core::time::parse_stamp(snapshot.tags.get(tags::CUT)?);
        let cuts: BTreeSet<Timestamp> = self.snapshots_at(site).iter().filter_map(cut).collect();
        cuts.into_iter().collect()
    }

    /// That plan as text, without findings.
    pub fn plan_text(&self) -> String {
        shown(&self.verified())
    }

    /// Carries that plan out, and gives it as text, without findings.
    pub fn apply_plan(&mut self) -> String {
        let plan = self.verified();
        self.apply(&plan);
        shown(&plan)
    }

    /// Plans and applies until nothing is left to do now.
    pub fn settle(&mut self) {
        for _ in 0..40 {
            if self.verified().changes.is_empty() {
                return;
            }
            self.apply_plan();
        }
        panic!("it never settles:\n{}", self.plan_text());
    }

    /// Nothing is left to do now.
    pub fn assert_settled(&self) {
        let plan = self.verified();
        assert!(plan.changes.is_empty(), "not settled:\n{}", super::show::plan(&plan));
    }

    /// Another plan at the same instant does nothing.
    pub fn assert_converged(&self) {
        let plan = self.verified();
        assert!(plan.changes.is_empty(), "not converged:\n{}", super::show::plan(&plan));
    }
}

/// A plan as text, without findings; what is not at the first site says where it is.
pub fn shown(plan: &Plan) -> String {
    super::show::work(plan, &site())
}

/// What a site of simulated AWS shows, with nothing but these machines.
fn inventory(account: &str, instances: Vec<Instance>, now: Timestamp) -> SiteInventory {
    SiteInventory {
        clock: SiteClock { now, host: now, is_virtual: true },
        provider: ProviderKind::Sim,
        account: AccountId::new(account).unwrap(),
        abilities: Abilities { atomic_disk: true, atomic_group: true, method: "EBS snapshot".to_owned() },
        instances,
        snapshots: Vec::new().into(),
        unmanaged: Vec::new(),
        kept_files: BTreeSet::new(),
    }
}

/// One point a day at midnight, 30 of them kept.
pub const DAILY: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 30 } }";

/// The WAL that every labelled point of a lab needs.
pub const WAL: WalRange = WalRange { timeline: Timeline(1), start: Lsn(0x0200_0028), end: Lsn(0x0200_0138) };

pub fn site() -> SiteName {
    SiteName::new(SITE).unwrap()
}

pub fn uid(cluster: &str) -> ClusterUid {
    ClusterUid::new(format!("uid-{cluster}")).unwrap()
}

pub fn instance(cluster: &str, node: usize) -> InstanceId {
    InstanceId::new(format!("i-{cluster}-{node}")).unwrap()
}

pub fn disk(cluster: &str, node: usize, role: &DiskRole) -> DiskId {
    let word = match role {
        DiskRole::Data => "data",
        DiskRole::Wal => "wal",
        DiskRole::Tablespace => "tblspc",
        DiskRole::Other => "root",
        DiskRole::Unknown => "unknown",
    };
    DiskId::new(format!("vol-{cluster}-{node}-{word}")).unwrap()
}

pub fn attached(cluster: &str, node: usize, role: DiskRole) -> AttachedDisk {
    AttachedDisk { id: disk(cluster, node, &role), role, size: 1 << 30, encrypted: true }
}
