//! All snapshots of a simulated cloud, with the indices that its rules need.

use crate::effect::{Contradiction, Effect, LockRecord, SnapshotRecord};
use crate::world::World;
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::tags::{INTENT, Tags};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How many creates of a disk are remembered: no cloud's window holds more.
pub(crate) const LATEST: usize = 8;

/// All snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shelf {
    snapshots: BTreeMap<SnapshotId, SnapshotRecord>,
    of_disk: BTreeMap<DiskId, BTreeSet<SnapshotId>>,
    /// By intent, then by age: a retry takes the oldest (CLOUDS.md 1.5).
    of_intent: BTreeMap<String, BTreeSet<(Timestamp, SnapshotId)>>,
    /// When each disk was last snapshotted, also where those snapshots are gone: the latest, oldest first.
    creates: BTreeMap<DiskId, Vec<Timestamp>>,
    /// How many there ever were: ids are never used twice.
    ever: u64,
}

impl Shelf {
    pub(crate) fn len(&self) -> usize {
        self.snapshots.len()
    }

    pub(crate) fn ever(&self) -> u64 {
        self.ever
    }

    pub(crate) fn get(&self, id: &SnapshotId) -> Option<&SnapshotRecord> {
        self.snapshots.get(id)
    }

    /// All snapshots in the order of their ids, from the first one after `after`.
    pub(crate) fn after(&self, after: Option<&SnapshotId>) -> impl Iterator<Item = &SnapshotRecord> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.snapshots.range((from, Bound::Unbounded)).map(|(_, snapshot)| snapshot)
    }

    pub(crate) fn of_disk(&self, disk: &DiskId) -> impl Iterator<Item = &SnapshotRecord> {
        self.of_disk.get(disk).into_iter().flatten().filter_map(|id| self.snapshots.get(id))
    }

    /// Those with this intent, oldest first.
    pub(crate) fn of_intent(&self, intent: &str) -> impl Iterator<Item = &SnapshotRecord> {
        self.of_intent.get(intent).into_iter().flatten().filter_map(|(_, id)| self.snapshots.get(id))
    }

    /// When a disk was last snapshotted, oldest first: as many as any cloud's rules look at.
    pub(crate) fn creates(&self, disk: &DiskId) -> &[Timestamp] {
        self.creates.get(disk).map_or(&[], Vec::as_slice)
    }

    /// What others made before the first call: it uses up no rate of its disk, and no number of ours.
    pub(crate) fn stocked(world: &World) -> Self {
        let mut shelf = Self::default();
        for (id, stranger) in &world.snapshots {
            let Some((disk, _)) = world.disk(&stranger.disk) else { continue };
            shelf.of_disk.entry(stranger.disk.clone()).or_default().insert(id.clone());
            let snapshot = SnapshotRecord::of_others(id, stranger, disk);
            shelf.index_intent(&snapshot);
            shelf.snapshots.insert(id.clone(), snapshot);
        }
        shelf
    }

    /// Replays what an effect does to snapshots.
    pub(crate) fn apply(&mut self, effect: &Effect) -> Result<(), Contradiction> {
        match effect {
            Effect::SnapshotsCreated { snapshots } => snapshots.iter().try_for_each(|snapshot| self.add(snapshot)),
            Effect::Tagged { id, tags, .. } => self.retag(id, |all| all.extend(tags.clone())),
            Effect::Untagged { id, keys, .. } => self.retag(id, |all| all.retain(|key, _| !keys.contains(key))),
            Effect::Locked { id, lock, .. } => self.lock(id, *lock),
            Effect::Deleted { id, .. } => self.remove(id),
            Effect::DiskCreated { .. }
            | Effect::DiskAttached { .. }
            | Effect::DiskDetached { .. }
            | Effect::DiskDeleted { .. }
            | Effect::ClockAdvanced { .. }
            | Effect::ServerStopped { .. }
            | Effect::ServerStarted { .. } => Ok(()),
        }
    }

    fn add(&mut self, snapshot: &SnapshotRecord) -> Result<(), Contradiction> {
        if self.snapshots.contains_key(&snapshot.id) {
            return Err(Contradiction::CreatedTwice(snapshot.id.clone()));
        }
        self.ever += 1;
        // A copy is no snapshot of a disk here: it uses up none of its disk's rate.
        if snapshot.copied.is_none() {
            let creates = self.creates.entry(snapshot.disk.clone()).or_default();
            creates.push(snapshot.created);
            creates.sort_unstable();
            creates.drain(..creates.len().saturating_sub(LATEST));
        }
        self.of_disk.entry(snapshot.disk.clone()).or_default().insert(snapshot.id.clone());
        self.index_intent(snapshot);
        self.snapshots.insert(snapshot.id.clone(), snapshot.clone());
        Ok(())
    }

    fn remove(&mut self, id: &SnapshotId) -> Result<(), Contradiction> {
        let snapshot = self.snapshots.remove(id).ok_or_else(|| Contradiction::Missing(id.clone()))?;
        self.forget_intent(&snapshot);
        remove_from(&mut self.of_disk, &snapshot.disk, id);
        Ok(())
    }

    /// Changes a snapshot's tags, and keeps the indices true.
    fn retag(&mut self, id: &SnapshotId, change: impl FnOnce(&mut Tags)) -> Result<(), Contradiction> {
        let mut snapshot = self.snapshots.get(id).cloned().ok_or_else(|| Contradiction::Missing(id.clone()))?;
        self.forget_intent(&snapshot);
        change(&mut snapshot.tags);
        self.index_intent(&snapshot);
        self.snapshots.insert(id.clone(), snapshot);
        Ok(())
    }

    fn lock(&mut self, id: &SnapshotId, lock: LockRecord) -> Result<(), Contradiction> {
        let snapshot = self.snapshots.get_mut(id).ok_or_else(|| Contradiction::Missing(id.clone()))?;
        snapshot.lock = Some(lock);
        Ok(())
    }

    fn index_intent(&mut self, snapshot: &SnapshotRecord) {
        if let Some(intent) = snapshot.tags.get(INTENT) {
            let entry = (snapshot.created, snapshot.id.clone());
            self.of_intent.entry(intent.to_owned()).or_default().insert(entry);
        }
    }

    fn forget_intent(&mut self, snapshot: &SnapshotRecord) {
        if let Some(intent) = snapshot.tags.get(INTENT) {
            remove_from(&mut self.of_intent, intent, &(snapshot.created, snapshot.id.clone()));
        }
    }
}

/// Removes one value under a key, and the key with its last value.
fn remove_from<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized, V: Ord>(
    index: &mut BTreeMap<K, BTreeSet<V>>,
    key: &Q,
    value: &V,
) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}
