//! Mutual exclusion between runs, per cluster, with an epoch. A lease alone authorises effects.
//!
//! ```text
//! holder      |<---------------- term ---------------->|
//!             acquired      renewed from here     deadline
//!             |----- calls may be sent -----|-margin-|-margin-|
//! contender                                                   takes it, with the next epoch
//! ```
//!
//! Whoever holds a lease sends no call within the margin before its deadline, and whoever wants it waits for the margin after it.
//! Both go by their own host's clock, so two clocks that differ by less than two margins never let two runs send at once.

mod broken;
mod fence;

pub use broken::{BreakRefused, Broken, Lying, break_lease, list};
pub use fence::{Fence, Lost};

use crate::seams::{Clock, StateStore, StoreError};
use crate::state::read_all;
use backstay_core::canonical;
use backstay_core::name::ClusterUid;
use backstay_core::observed::HeldLease;
use backstay_core::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a lease lasts: ten minutes, with a margin of 30 seconds, unless a test wants to see one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    term: Duration,
    margin: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { term: Duration::minutes(10), margin: Duration::seconds(30) }
    }
}

impl Terms {
    /// A lease lasts for `term` unless it is renewed, which it is from its half on; `margin` is what clocks may differ by, twice.
    ///
    /// `None` where calls could not be sent without a break: the margin must be shorter than half of the term.
    #[must_use]
    pub fn new(term: Duration, margin: Duration) -> Option<Self> {
        (margin.as_seconds() < term.as_seconds() / 2).then_some(Self { term, margin })
    }

    /// When a renewal begins.
    fn half(self) -> Duration {
        Duration::seconds(self.term.as_seconds() / 2)
    }
}

/// A lease as the state store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Rises with every holder, and never falls.
    pub epoch: u64,
    /// Rises with every write, so that no two of them are alike: a store whose answer was lost can see whether it wrote.
    #[serde(default)]
    pub turn: u64,
    /// Which run holds it; nobody when it was released.
    pub holder: Option<String>,
    /// What it is doing, for people.
    pub purpose: String,
    /// Since when, by the holder's host clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Until when, by the holder's host clock.
    pub deadline: Timestamp,
    /// How long before the deadline its holder stops, and how long after it everybody else waits.
    #[serde(default = "default_margin")]
    pub margin: Duration,
}

fn default_margin() -> Duration {
    Terms::default().margin
}

impl LeaseRecord {
    /// The last instant at which it still belongs to its holder, by anybody's clock.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.margin.after(self.deadline)
    }

    /// Whether nobody else may take it.
    #[must_use]
    pub fn is_held_at(&self, now: Timestamp) -> bool {
        self.holder.is_some() && now <= self.until()
    }

    /// What is written next.
    fn turned(&self) -> Self {
        Self { turn: self.turn.saturating_add(1), ..self.clone() }
    }
}

/// A lease that this run holds.
#[derive(Debug)]
pub struct Lease {
    key: String,
    record: LeaseRecord,
    terms: Terms,
    fence: Fence,
}

/// What became of the attempt to take a lease.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Held(Lease),
    /// Another run holds it.
    HeldByAnother(LeaseRecord),
}

/// The leases as they were before the world was looked at: whoever worked on a cluster since shows in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Epochs(BTreeMap<String, u64>);

impl Epochs {
    /// Reads all leases. One that is held, or that cannot be read, counts as moved.
    pub async fn read(store: &dyn StateStore) -> Result<Self, StoreError> {
        let mut epochs = BTreeMap::new();
        for (key, value) in read_all(store, store.list("leases/").await?).await? {
            let epoch = match serde_json::from_slice::<LeaseRecord>(&value) {
                Ok(LeaseRecord { epoch, holder: None, .. }) => epoch,
                Ok(LeaseRecord { holder: Some(_), .. }) | Err(_) => u64::MAX,
            };
            epochs.insert(key, epoch);
        }
        Ok(Self(epochs))
    }

    /// Whether nobody held this lease between the look and us.
    #[must_use]
    pub fn is_next(&self, lease: &Lease) -> bool {
        self.0.get(&lease.key).copied().unwrap_or(0).checked_add(1) == Some(lease.epoch())
    }
}

/// The leases that runs hold now, by cluster. One that cannot be read is nobody's to tell of: whoever takes it is told.
pub(crate) async fn held(
    store: &dyn StateStore,
    now: Timestamp,
) -> Result<BTreeMap<ClusterUid, HeldLease>, StoreError> {
    let mut held = BTreeMap::new();
    for (key, value) in read_all(store, store.list("leases/").await?).await? {
        let Some(Ok(cluster)) = key.strip_prefix("leases/").map(ClusterUid::new) else { continue };
        let Ok(record) = serde_json::from_slice::<LeaseRecord>(&value) else { continue };
        let until = record.until();
        if record.is_held_at(now)
            && let Some(holder) = record.holder
        {
            held.insert(cluster, HeldLease { holder, until });
        }
    }
    Ok(held)
}

fn key_of(cluster: &ClusterUid) -> String {
    format!("leases/{cluster}")
}

fn encode(record: &LeaseRecord) -> Vec<u8> {
    canonical::to_string(record).into_bytes()
}

/// Takes a cluster's lease if it is free or over.
///
/// A run asks for one cluster's lease once at a time: its id and the turn tell its own write from any other.
pub async fn acquire(
    store: &dyn StateStore,
    clock: &dyn Clock,
    terms: Terms,
    cluster: &ClusterUid,
    run: &str,
    purpose: &str,
) -> Result<Acquired, StoreError> {
    let key = key_of(cluster);
    loop {
        let present = store.get(&key).await?;
        let old: Option<LeaseRecord> = match &present {
            Some(value) => Some(
                serde_json::from_slice(value)
                    .map_err(|error| StoreError::new(format!("state record {key} is damaged: {error}")))?,
            ),
            None => None,
        };
        let now = clock.now();
        if let Some(old) = &old
            && old.is_held_at(now)
        {
            return Ok(Acquired::HeldByAnother(old.clone()));
        }
        let (epoch, turn) = old.map_or((0, 0), |old| (old.epoch, old.turn));
        let record = LeaseRecord {
            epoch: epoch + 1,
            turn: turn + 1,
            holder: Some(run.to_owned()),
            purpose: purpose.to_owned(),
            since: Some(now),
            deadline: terms.term.after(now),
            margin: terms.margin,
        };
        if store.swap(&key, present.as_deref(), &encode(&record)).await? {
            let fence = Fence::until(&key, record.epoch, terms.margin.before(record.deadline));
            return Ok(Acquired::Held(Lease { key, record, terms, fence }));
        }
    }
}

impl Lease {
    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.record.epoch
    }

    /// What a call asks right before it is sent. It follows the lease: when it is renewed, lost or given back.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Makes sure that calls may be sent now, renewing the lease when its second half has begun.
    ///
    /// One long call, as the copy of a large disk, may outlast the term. Then the lease is renewed only if its record is still
    /// our own: whoever took it meanwhile, even for a moment, left another epoch there.
    ///
    /// An error means that nothing more may be sent: it was lost, or the store did not answer.
    pub async fn guard(&mut self, store: &dyn StateStore, clock: &dyn Clock) -> Result<(), StoreError> {
        let now = clock.now();
        let Terms { term, margin } = self.terms;
        if now < self.terms.half().before(self.record.deadline) {
            return Ok(());
        }
        let renewed = LeaseRecord { deadline: term.after(now), ..self.record.turned() };
        if !store.swap(&self.key, Some(&encode(&self.record)), &encode(&renewed)).await? {
            self.fence.close();
            return Err(StoreError::new(self.fence.lost("another run took it").to_string()));
        }
        let deadline = renewed.deadline;
        self.record = renewed;
        self.fence.move_to(margin.before(deadline));
        // A store that took longer than the term to answer has renewed nothing.
        self.fence
            .check(clock.now())
            .map_err(|_| StoreError::new(self.fence.lost("its renewal took too long").to_string()))
    }

    /// Makes sure that the store still says that it is ours: before what cannot be undone. Who breaks a lease stops that at once.
    pub async fn confirm(&self, store: &dyn StateStore) -> Result<(), StoreError> {
        if store.get(&self.key).await?.as_deref() == Some(encode(&self.record).as_slice()) {
            return Ok(());
        }
        self.fence.close();
        Err(StoreError::new(self.fence.lost("somebody broke or took it").to_string()))
    }

    /// Gives it back. The epoch stays, so that it never falls. One that another run took is left to it.
    pub async fn release(self, store: &dyn StateStore) -> Result<(), StoreError> {
        self.fence.close();
        let free = LeaseRecord { holder: None, ..self.record.turned() };
        store.swap(&self.key, Some(&encode(&self.record)), &encode(&free)).await.map(|_| ())
    }
}
