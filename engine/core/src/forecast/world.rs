//! A made-up world in which plans are carried out as values: what a run would leave behind when nothing fails.
//!
//! It begins as a copy of what was observed. What it makes is sealed with a key of its own, made from a fixed seed and known to
//! this world alone: the real key is neither needed nor used, and the real seals stay valid beside it.

use crate::lsn::{Lsn, Timeline, WalRange};
use crate::model::{ConsistencyWanted, Desired};
use crate::name::{SiteName, SnapshotId};
use crate::observed::{
    AttachedDisk, BaselineRecord, Listing, Observed, Readiness, RecentDelete, Records, SiteClock, SiteInventory,
    Snapshot,
};
use crate::plan::{
    Action, Change, CopyPoint, CreatePoint, ExpectedSnapshot, LockPoint, MarkPoint, Plan, PlannedPart, Repair,
    TagPoint, WaitingFor,
};
use crate::planner;
use crate::seal::{Place, SealKey};
use crate::share::Share;
use crate::tags::{self, PointClass, PointKey};
use crate::time::{Duration, stamp, to_micros};
use crate::tombstone::{Tombstone, TombstoneContent};
use crate::verify::{Violations, verify_part};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The seed of the key that seals what exists in forecasts only.
const SEED: [u8; 32] = *b"backstay forecast: nothing real.";

/// The WAL that a labelled point of a made-up world needs: any range does.
const WAL: WalRange = WalRange { timeline: Timeline(1), start: Lsn(0x0200_0028), end: Lsn(0x0200_0138) };

/// What is declared, what is there, and what the last run stood on.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    baseline: Option<Desired>,
    key: SealKey,
    made: u64,
    /// When the last run was.
    last: Option<Timestamp>,
    /// Whether a first run was carried out.
    is_lived_in: bool,
}

/// A copy that would be made now, if there were no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedCopy {
    pub(super) cut: Timestamp,
    pub(super) point: PointKey,
    pub(super) class: PointClass,
    pub(super) site: SiteName,
    /// How many snapshots.
    pub(super) parts: usize,
}

impl World {
    /// A world that begins as what was observed. Its leases are not taken over: they are of runs that end in minutes.
    pub(super) fn new(desired: Desired, mut observed: Observed, baseline: Option<Desired>) -> Self {
        let key = SealKey::from_seed(&SEED);
        observed.keyring.add(key.public());
        if let Listing::Complete(records) = &mut observed.records {
            records.leases.clear();
        }
        Self { desired, observed, baseline, key, made: 0, last: None, is_lived_in: false }
    }

    /// One run of Backstay: plans, has the plan checked, carries it out, and gives it. `every` is the time between runs.
    ///
    /// A violation is a defect of the planner, as it is for `plan`.
    pub(super) fn run(&mut self, at: Timestamp, every: Duration, share: &Share) -> Result<Plan, Violations> {
        self.move_to(at, every);
        let plan = planner::plan_part(&self.desired, &self.observed, self.baseline.as_ref(), at, share);
        let plan = verify_part(plan, &self.desired, &self.observed, share)?.into_plan();
        if !self.is_lived_in {
            self.is_lived_in = true;
            self.sight_tombstones(at);
        }
        for change in &plan.changes {
            self.carry_out(change, at);
        }
        self.finish(&plan);
        Ok(plan)
    }

    /// The copies that this run would make, if the world were alone; nothing is done.
    pub(super) fn wanted_copies(&mut self, at: Timestamp, every: Duration) -> Vec<WantedCopy> {
        self.move_to(at, every);
        let plan = planner::plan_part(&self.desired, &self.observed, self.baseline.as_ref(), at, &Share::default());
        let of_change = |change: Change| match change.action {
            Action::Copy(copy) => Some(WantedCopy {
                cut: copy.cut,
                point: copy.point,
                class: copy.class,
                site: change.site,
                parts: copy.parts.len(),
            }),
            Action::Create(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Revive(_)
            | Action::Expire(_)
            | Action::Delete(_) => None,
        };
        plan.changes.into_iter().filter_map(of_change).collect()
    }

    /// How many snapshots at a site are still being made.
    pub(super) fn on_their_way(&self, site: &SiteName) -> usize {
        let inventory = self.observed.sites.get(site).and_then(Listing::complete);
        inventory.map_or(0, |inventory| inventory.snapshots.iter().filter(|s| is_being_made(&s.readiness)).count())
    }

    /// Moves every clock. What was being made when the last run ended is ready by now.
    fn move_to(&mut self, at: Timestamp, every: Duration) {
        if self.last == Some(at) {
            return;
        }
        self.observed.at = at;
        let is_later = self.last.is_some();
        for inventory in self.inventories() {
            let clock = inventory.clock;
            let apart = clock.now.duration_since(clock.host);
            let now = if clock.is_virtual { at } else { at.checked_add(apart).unwrap_or(at) };
            inventory.clock = SiteClock { now, host: at, ..clock };
            let unready = inventory.snapshots.iter_mut().filter(|s| is_being_made(&s.readiness));
            for snapshot in unready.filter(|_| is_later) {
                snapshot.readiness = Readiness::Ready;
            }
        }
        let day_ago = Duration::days(1).before(at);
        if let Listing::Complete(records) = &mut self.observed.records {
            records.recent_deletes.retain(|delete| delete.at > day_ago);
            // Runs in between, which had nothing to do here, moved it, too.
            if let Some(baseline) = records.baseline.as_mut().filter(|_| is_later) {
                baseline.as_of = baseline.as_of.max(every.before(at));
            }
        }
        self.last = Some(at);
    }

    fn inventories(&mut self) -> impl Iterator<Item = &mut SiteInventory> {
        self.observed.sites.values_mut().filter_map(|listing| match listing {
            Listing::Complete(inventory) => Some(inventory),
            Listing::Unknown { .. } => None,
        })
    }

    fn inventory(&mut self, site: &SiteName) -> Option<&mut SiteInventory> {
        match self.observed.sites.get_mut(site) {
            Some(Listing::Complete(inventory)) => Some(inventory),
            Some(Listing::Unknown { .. }) | None => None,
        }
    }

    fn snapshot(&mut self, site: &SiteName, id: &SnapshotId) -> Option<&mut Snapshot> {
        self.inventory(site)?.snapshots.iter_mut().find(|snapshot| snapshot.id == *id)
    }

    fn records(&mut self) -> Option<&mut Records> {
        match &mut self.observed.records {
            Listing::Complete(records) => Some(records),
            Listing::Unknown { .. } => None,
        }
    }

    fn carry_out(&mut self, change: &Change, at: Timestamp) {
        match &change.action {
            Action::Create(create) => self.create(change, create, at),
            Action::Copy(copy) => self.copy(change, copy, at),
            Action::Tag(tag) => self.retag(change, tag),
            Action::Lock(lock) => self.lock(change, lock),
            Action::Expire(mark) => mark.snapshots.iter().for_each(|target| self.mark(change, mark, target, at)),
            Action::Revive(mark) => mark.snapshots.iter().for_each(|target| self.revive(change, &target.id)),
            Action::Delete(mark) => self.delete(change, mark, at),
        }
    }

    fn next_id(&mut self) -> Option<SnapshotId> {
        self.made += 1;
        SnapshotId::new(format!("forecast-{}", self.made)).ok()
    }

    fn create(&mut self, change: &Change, create: &CreatePoint, at: Timestamp) {
        let wal = match create.consistency {
            ConsistencyWanted::Application => Some(WAL),
            ConsistencyWanted::Crash => None,
        };
        for part in &create.parts {
            let Some(disk) = self.disk(change, create, part) else { continue };
            let Some(id) = self.next_id() else { continue };
            let mut made = tags::at_creation(&change.cluster, create.class, create.point, &part.intent);
            made.extend(tags::when_known(&part.name, create.system, wal, to_micros(at)));
            let snapshot = Snapshot {
                id,
                disk: disk.id,
                created: at,
                readiness: Readiness::Ready,
                tags: made,
                size: disk.size,
                encrypted: disk.encrypted,
                kms_key: None,
                location: create.location.clone(),
                locked_until: None,
            };
            self.seal_and_put(&change.site, snapshot);
        }
    }

    fn disk(&mut self, change: &Change, create: &CreatePoint, part: &PlannedPart) -> Option<AttachedDisk> {
        let instance = self.inventory(&change.site)?.instances.iter().find(|one| one.id == create.instance)?;
        instance.disks.iter().find(|disk| disk.id == part.disk).cloned()
    }

    fn seal_and_put(&mut self, site: &SiteName, mut snapshot: Snapshot) {
        let key = self.key.clone();
        let Some(Listing::Complete(inventory)) = self.observed.sites.get_mut(site) else { return };
        let place = Place { provider: inventory.provider, account: &inventory.account };
        let seal = key.seal(&place, &snapshot);
        snapshot.tags.extend(seal);
        inventory.snapshots.push(snapshot);
    }

    /// A copy is ready when the next run comes. One that is there by its intent is only sealed.
    fn copy(&mut self, change: &Change, copy: &CopyPoint, at: Timestamp) {
        for part in &copy.parts {
            let Some(source) = self.snapshot(&copy.from, &part.source.id).cloned() else { continue };
            let Some(id) = self.next_id() else { continue };
            let Some(there) = self.inventory(&change.site) else { continue };
            let found = there.snapshots.iter().position(|s| s.tags.get(tags::INTENT) == Some(&part.intent.0));
            let mut made = match found {
                Some(place) => there.snapshots.remove(place),
                None => Snapshot {
                    id,
                    created: at,
                    kms_key: copy.kms_key.clone(),
                    location: None,
                    locked_until: None,
                    tags: tags::at_creation(&change.cluster, copy.class, copy.point, &part.intent),
                    ..source
                },
            };
            made.tags.extend(tags::when_known(&part.name, copy.system, copy.wal, copy.cut));
            self.seal_and_put(&change.site, made);
        }
    }

    fn retag(&mut self, change: &Change, tag: &TagPoint) {
        for retagged in &tag.snapshots {
            let Some(inventory) = self.inventory(&change.site) else { continue };
            let id = &retagged.expected.id;
            let Some(place) = inventory.snapshots.iter().position(|snapshot| snapshot.id == *id) else { continue };
            inventory.snapshots[place].tags.extend(retagged.set.clone());
            match tag.repair {
                Repair::Restore | Repair::MirrorHold => {}
                Repair::Adopt => {
                    let snapshot = inventory.snapshots.remove(place);
                    self.seal_and_put(&change.site, snapshot);
                }
            }
        }
    }

    fn lock(&mut self, change: &Change, lock: &LockPoint) {
        for expected in &lock.snapshots {
            if let Some(snapshot) = self.snapshot(&change.site, &expected.id) {
                snapshot.locked_until = snapshot.locked_until.max(Some(lock.until));
            }
        }
    }

    /// A record that already counts stays. One that does not is revoked: its grace begins anew.
    fn mark(&mut self, change: &Change, mark: &MarkPoint, target: &ExpectedSnapshot, at: Timestamp) {
        let site = &change.site;
        let tag = self.snapshot(site, &target.id).and_then(|s| s.tags.get(tags::EXPIRE).map(str::to_owned));
        let keyring = &self.observed.keyring;
        let present =
            self.observed.records.complete().and_then(|records| records.tombstones.get(site)?.get(&target.id));
        if present.is_some_and(|old| old.is_genuine(keyring) && tag.as_deref() == Some(&stamp(old.content.at))) {
            return;
        }
        let number = present.map_or(0, |old| old.content.number) + 1;
        let content = TombstoneContent {
            site: site.clone(),
            snapshot: target.id.clone(),
            cluster: change.cluster.clone(),
            point: mark.point,
            number,
            at: Timestamp::from_second(at.as_second()).unwrap_or(at),
            grace: mark.grace,
            cause: change.cause,
            reason: change.reason.to_string(),
        };
        let tombstone = Tombstone::sign(content, &self.key);
        if let Some(snapshot) = self.snapshot(site, &target.id) {
            snapshot.tags.insert(tags::EXPIRE, stamp(tombstone.content.at));
        }
        if let Some(records) = self.records() {
            records.sightings.entry(tombstone.digest()).or_insert(at);
            records.tombstones.entry(site.clone()).or_default().insert(target.id.clone(), tombstone);
        }
    }

    fn revive(&mut self, change: &Change, id: &SnapshotId) {
        if let Some(snapshot) = self.snapshot(&change.site, id) {
            snapshot.tags.remove(tags::EXPIRE);
        }
        self.forget_tombstone(&change.site, id);
    }

    fn forget_tombstone(&mut self, site: &SiteName, id: &SnapshotId) {
        if let Some(records) = self.records()
            && let Some(tombstone) = records.tombstones.get_mut(site).and_then(|at_site| at_site.remove(id))
        {
            records.sightings.remove(&tombstone.digest());
        }
    }

    fn delete(&mut self, change: &Change, mark: &MarkPoint, at: Timestamp) {
        let gone: BTreeSet<&SnapshotId> = mark.snapshots.iter().map(|target| &target.id).collect();
        if let Some(inventory) = self.inventory(&change.site) {
            inventory.snapshots.retain(|snapshot| !gone.contains(&snapshot.id));
            inventory.kept_files.remove(&(change.cluster.clone(), mark.point));
        }
        for id in gone {
            self.forget_tombstone(&change.site, id);
        }
        if let Some(records) = self.records() {
            let (cluster, cause) = (change.cluster.clone(), change.cause);
            records.recent_deletes.push(RecentDelete {
                at,
                cluster,
                point: mark.point,
                cause,
                site: Some(change.site.clone()),
            });
        }
    }

    /// The sweeper's own first sighting starts the grace of what others marked.
    fn sight_tombstones(&mut self, at: Timestamp) {
        let Listing::Complete(records) = &mut self.observed.records else { return };
        for (site, tombstones) in &records.tombstones {
            let Some(Listing::Complete(inventory)) = self.observed.sites.get(site) else { continue };
            for (id, tombstone) in tombstones {
                let tag = stamp(tombstone.content.at);
                let shows_tag = |s: &Snapshot| s.id == *id && s.tags.get(tags::EXPIRE) == Some(&tag);
                if inventory.snapshots.iter().any(shows_tag) {
                    records.sightings.entry(tombstone.digest()).or_insert(at);
                }
            }
        }
    }

    fn finish(&mut self, plan: &Plan) {
        let waits_for_its_point = |why: &WaitingFor| match why {
            WaitingFor::SiteUnknown { .. }
            | WaitingFor::InProgress
            | WaitingFor::BackOff { .. }
            | WaitingFor::Source { .. }
            | WaitingFor::DiskSpacing { .. }
            | WaitingFor::Quota { .. } => true,
            WaitingFor::Grace { .. }
            | WaitingFor::Lock { .. }
            | WaitingFor::Sighting
            | WaitingFor::NotSafe { .. }
            | WaitingFor::CopyQueue { .. }
            | WaitingFor::SourceNotReady
            | WaitingFor::FailedCopy { .. }
            | WaitingFor::Copies { .. }
            | WaitingFor::Lease { .. }
            | WaitingFor::BlastRadius { .. } => false,
        };
        let waiting = plan.waiting.iter().filter(|waiting| waits_for_its_point(&waiting.why));
        let unfinished = waiting.map(|waiting| waiting.cluster.clone()).collect();
        let origin = self.desired.origin.clone();
        if let Some(records) = self.records() {
            records.baseline = Some(BaselineRecord { origin, as_of: plan.basis.as_of, unfinished });
        }
        self.baseline = Some(self.desired.clone());
    }
}

fn is_being_made(readiness: &Readiness) -> bool {
    match readiness {
        Readiness::Creating | Readiness::CutFixed => true,
        Readiness::Ready | Readiness::Failed { .. } => false,
    }
}
