//! Points that earlier runs left half made, as their journals tell.
//!
//! A run that was cut off between the last cut and the last seal left everything that a point needs, but for the seal. Its
//! journal says what the seal must say. Then the point is sealed, and takes the place of the one that would be made anew.

use super::Context;
use crate::journal::{Entry, read};
use crate::seams::StoreError;
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::observed::Observed;
use backstay_core::plan::{Action, Change, CreatePoint};
use backstay_core::saga::{Effect, End, Event, Saga, take_up};
use backstay_core::tags::{self, PointClass, PointKey};
use futures::lock::Mutex;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many journals are looked through, the latest first.
const JOURNALS: usize = 50;

/// A create that was begun and did not end.
#[derive(Debug, Clone)]
pub(super) struct HalfMade {
    pub(super) change: Change,
    pub(super) saga: Saga,
    pub(super) next: Effect,
}

/// For which slot of which cluster, and where.
type Slot = (ClusterUid, SiteName, Timestamp, PointClass);

/// All that journals tell of, read when something that was seen may be explained by it: most runs never read one.
pub(super) struct Journals {
    /// The slots of which something lies around without a seal.
    unsealed: BTreeSet<(ClusterUid, SiteName, Timestamp)>,
    read: Mutex<Option<Arc<BTreeMap<Slot, HalfMade>>>>,
}

impl Journals {
    /// Nothing is read yet.
    pub(super) fn of(observed: &Observed) -> Self {
        let mut unsealed = BTreeSet::new();
        for (site, listing) in &observed.sites {
            let snapshots = listing.complete().map_or(&[][..], |inventory| &inventory.snapshots);
            for snapshot in snapshots.iter().filter(|snapshot| !snapshot.tags.contains_key(tags::SEAL_1)) {
                let cluster = snapshot.tags.get(tags::CLUSTER).and_then(|uid| ClusterUid::new(uid).ok());
                let point = snapshot.tags.get(tags::POINT).and_then(|text| text.parse::<PointKey>().ok());
                if let (Some(cluster), Some(point)) = (cluster, point) {
                    unsealed.insert((cluster, site.clone(), point.slot));
                }
            }
        }
        Self { unsealed, read: Mutex::default() }
    }

    /// What an earlier run left of this very attempt, or of an earlier attempt at the same slot.
    pub(super) async fn half_made(
        &self,
        context: &Context<'_>,
        change: &Change,
    ) -> Result<Option<HalfMade>, StoreError> {
        let Action::Create(create) = &change.action else { return Ok(None) };
        if !self.unsealed.contains(&(change.cluster.clone(), change.site.clone(), create.point.slot)) {
            return Ok(None);
        }
        let mut read = self.read.lock().await;
        let all = match &*read {
            Some(all) => all.clone(),
            None => read.insert(Arc::new(read_all(context).await?)).clone(),
        };
        let half = all.get(&slot_of(change, create));
        let is_earlier = |half: &&HalfMade| half.change.action.point().attempt <= create.point.attempt;
        Ok(half.filter(is_earlier).cloned())
    }
}

fn slot_of(change: &Change, create: &CreatePoint) -> Slot {
    (change.cluster.clone(), change.site.clone(), create.point.slot, create.class)
}

/// What the latest journals hold of creates without a good end: for each slot the last attempt, by the last run that worked on it.
async fn read_all(context: &Context<'_>) -> Result<BTreeMap<Slot, HalfMade>, StoreError> {
    let mut keys = context.store.list("journal/").await?;
    // A run's id begins with its instant.
    keys.retain(|key| *key != format!("journal/{}.jsonl", context.run));
    let mut begun: BTreeMap<Slot, (Change, Vec<Event>)> = BTreeMap::new();
    for key in keys.iter().skip(keys.len().saturating_sub(JOURNALS)) {
        let Some(bytes) = context.store.get(key).await? else { continue };
        // One that is damaged proves nothing, and stops nobody.
        let Ok(records) = read(&bytes) else { continue };
        let mut open: BTreeMap<usize, Slot> = BTreeMap::new();
        for record in records {
            match record.entry {
                Entry::Change { index, change, .. } => {
                    if let Action::Create(create) = &change.action {
                        let slot = slot_of(&change, create);
                        // A point that is taken up goes on in another run's journal.
                        let (_, answers) = begun.remove(&slot).filter(|(was, _)| *was == *change).unzip();
                        begun.insert(slot.clone(), (*change, answers.unwrap_or_default()));
                        open.insert(index, slot);
                    }
                }
                Entry::Outcome { index, event } => {
                    if let Some((_, answers)) = open.get(&index).and_then(|slot| begun.get_mut(slot)) {
                        answers.push(event);
                    }
                }
                Entry::Ended { index, end: End::Done } => {
                    if let Some(slot) = open.remove(&index) {
                        begun.remove(&slot);
                    }
                }
                Entry::Run { .. }
                | Entry::Intent { .. }
                | Entry::Ended { .. }
                | Entry::Release { .. }
                | Entry::Finished => {}
            }
        }
    }
    let half = begun.into_iter().filter_map(|(slot, (change, answers))| {
        let (saga, next) = take_up(&change.action, answers)?;
        Some((slot, HalfMade { change, saga, next }))
    });
    Ok(half.collect())
}
