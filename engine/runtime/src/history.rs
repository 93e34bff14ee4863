//! What runs have done, as their journals tell it.

use crate::holds::HoldRecord;
use crate::journal::{DIRECTORY, Entry, Reading, Record, key_of, read_on};
use crate::seams::{StateStore, StoreError};
use backstay_core::canonical::Digest;
use backstay_core::name::ClusterUid;
use backstay_core::plan::Change;
use backstay_core::saga::{Effect, End, Event};
use backstay_core::tags::PointKey;
use backstay_core::time::{Duration, stamp};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How long the journal of a run that ended is kept.
const KEPT: Duration = Duration::days(30);

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// What its journal says, and where it is damaged.
    pub reading: Reading,
}

/// How a run began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beginning<'a> {
    /// The host's clock.
    pub at: Timestamp,
    /// The plan's digest.
    pub plan: &'a Digest,
    /// The plan's instant.
    pub as_of: Timestamp,
}

/// What became of one change of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Story<'a> {
    /// Its place in the plan.
    pub index: usize,
    /// The change.
    pub change: &'a Change,
    /// The epoch of the lease that it ran under.
    pub epoch: u64,
    /// When it began, by the host's clock.
    pub began: Timestamp,
    /// Its calls, in their order.
    pub calls: Vec<Call<'a>>,
    /// How it ended; `None` when the journal does not say.
    pub end: Option<&'a End>,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call<'a> {
    /// When it was about to be made.
    pub at: Timestamp,
    /// The call.
    pub effect: &'a Effect,
    /// Its answer; without one, whether it happened is unknown.
    pub answer: Option<&'a Event>,
}

/// The ids of all runs whose journals are there, the oldest first.
pub async fn runs(store: &dyn StateStore) -> Result<Vec<String>, StoreError> {
    let keys = store.list(DIRECTORY).await?;
    let id = |key: &String| Some(key.strip_prefix(DIRECTORY)?.strip_suffix(".jsonl")?.to_owned());
    Ok(keys.iter().filter_map(id).collect())
}

/// Reads one run; `None` when it has no journal.
pub async fn load(store: &dyn StateStore, id: &str) -> Result<Option<Run>, StoreError> {
    let value = store.get(&key_of(id)).await?;
    Ok(value.map(|bytes| Run { id: id.to_owned(), reading: read_on(&bytes) }))
}

/// Removes the journals of runs that ended long ago. Those of runs that did not end stay.
pub async fn forget_old(store: &dyn StateStore, now: Timestamp) -> Result<(), StoreError> {
    // A run's id begins with the instant when it did.
    let limit = stamp(KEPT.before(now));
    for id in runs(store).await?.into_iter().filter(|id| *id < limit) {
        if load(store, &id).await?.is_some_and(|run| run.ended_at().is_some()) {
            store.remove(&key_of(&id)).await?;
        }
    }
    Ok(())
}

impl Run {
    /// How it began.
    #[must_use]
    pub fn beginning(&self) -> Option<Beginning<'_>> {
        self.reading.records.iter().find_map(|record| match &record.entry {
            Entry::Run { plan, as_of } => Some(Beginning { at: record.at, plan, as_of: *as_of }),
            Entry::Change { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. }
            | Entry::Ended { .. }
            | Entry::Release { .. }
            | Entry::Finished => None,
        })
    }

    /// The hold that it was to release, when it began, and by whom and why: such a run has no plan.
    #[must_use]
    pub fn release(&self) -> Option<(Timestamp, &ClusterUid, PointKey, &HoldRecord)> {
        let first = self.reading.records.first()?;
        match &first.entry {
            Entry::Release { cluster, point, release, .. } => Some((first.at, cluster, *point, release)),
            Entry::Run { .. }
            | Entry::Change { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. }
            | Entry::Ended { .. }
            | Entry::Finished => None,
        }
    }

    /// When it ended; one that has no end still runs, or was cut off.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        let last: &Record = self.reading.records.last()?;
        (self.reading.damaged.is_none() && last.entry == Entry::Finished).then_some(last.at)
    }

    /// What became of each change that it began, by its place in the plan.
    #[must_use]
    pub fn stories(&self) -> Vec<Story<'_>> {
        let mut stories: BTreeMap<usize, Story<'_>> = BTreeMap::new();
        for Record { at, entry, .. } in &self.reading.records {
            match entry {
                Entry::Change { index, change, epoch } => {
                    let (index, epoch) = (*index, *epoch);
                    stories.insert(index, Story { index, change, epoch, began: *at, calls: Vec::new(), end: None });
                }
                Entry::Intent { index, effect, .. } => {
                    if let Some(story) = stories.get_mut(index) {
                        story.calls.push(Call { at: *at, effect, answer: None });
                    }
                }
                Entry::Outcome { index, event } => {
                    if let Some(call) = stories.get_mut(index).and_then(|story| story.calls.last_mut()) {
                        call.answer = Some(event);
                    }
                }
                Entry::Ended { index, end } => {
                    if let Some(story) = stories.get_mut(index) {
                        story.end = Some(end);
                    }
                }
                Entry::Run { .. } | Entry::Release { .. } | Entry::Finished => {}
            }
        }
        stories.into_values().collect()
    }

    /// What it did last for a cluster.
    #[must_use]
    pub fn last_of(&self, cluster: &ClusterUid) -> Option<Story<'_>> {
        let all = self.stories().into_iter().filter(|story| story.change.cluster == *cluster);
        all.max_by_key(|story| story.calls.last().map_or(story.began, |call| call.at))
    }
}
