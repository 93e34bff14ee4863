//! Mutual exclusion between runs, per cluster, with an epoch. A lease alone authorises effects.

use crate::seams::{Clock, StateStore, StoreError};
use backstay_core::canonical;
use backstay_core::name::ClusterUid;
use backstay_core::observed::HeldLease;
use backstay_core::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a lease lasts unless it is renewed.
const TERM: Duration = Duration::minutes(10);

/// No call is first sent within this much of the deadline (INVARIANTS.md 19).
const MARGIN: Duration = Duration::seconds(30);

/// A lease as the state store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Rises with every holder, and never falls.
    pub epoch: u64,
    /// Which run holds it; nobody when it was released.
    pub holder: Option<String>,
    /// What it is doing, for people.
    pub purpose: String,
    /// Until when, by the holder's host clock.
    pub deadline: Timestamp,
}

/// A lease that this run holds.
#[derive(Debug)]
pub struct Lease {
    key: String,
    record: LeaseRecord,
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
        for key in store.list("leases/").await? {
            let Some(value) = store.get(&key).await? else { continue };
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
    for key in store.list("leases/").await? {
        let Some(Ok(cluster)) = key.strip_prefix("leases/").map(ClusterUid::new) else { continue };
        let Some(value) = store.get(&key).await? else { continue };
        let Ok(record) = serde_json::from_slice::<LeaseRecord>(&value) else { continue };
        if let Some(holder) = record.holder
            && record.deadline >= now
        {
            held.insert(cluster, HeldLease { holder, until: record.deadline });
        }
    }
    Ok(held)
}

fn encode(record: &LeaseRecord) -> Vec<u8> {
    canonical::to_string(record).into_bytes()
}

/// Takes a cluster's lease if it is free or over.
pub async fn acquire(
    store: &dyn StateStore,
    clock: &dyn Clock,
    cluster: &ClusterUid,
    run: &str,
    purpose: &str,
) -> Result<Acquired, StoreError> {
    let key = format!("leases/{cluster}");
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
            && old.holder.is_some()
            && now <= old.deadline
        {
            return Ok(Acquired::HeldByAnother(old.clone()));
        }
        let record = LeaseRecord {
            epoch: old.map_or(0, |old| old.epoch) + 1,
            holder: Some(run.to_owned()),
            purpose: purpose.to_owned(),
            deadline: TERM.after(now),
        };
        if store.swap(&key, present.as_deref(), &encode(&record)).await? {
            return Ok(Acquired::Held(Lease { key, record }));
        }
    }
}

impl Lease {
    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.record.epoch
    }

    /// Makes sure that a call may be sent now, renewing the lease when its second half has begun.
    ///
    /// One long call, as the copy of a large disk, may outlast the term. Then the lease is renewed only if its record is still
    /// our own: whoever took it meanwhile, even for a moment, left another epoch there.
    ///
    /// An error means that it was lost: nothing more may be sent.
    pub async fn guard(&mut self, store: &dyn StateStore, clock: &dyn Clock) -> Result<(), StoreError> {
        let now = clock.now();
        let lost = |why: &str| {
            StoreError::new(format!("the lease {} was lost at epoch {}: {why}", self.key, self.record.epoch))
        };
        let half = Duration::seconds(TERM.as_seconds() / 2);
        if now < half.before(self.record.deadline) {
            return Ok(());
        }
        let renewed = LeaseRecord { deadline: TERM.after(now), ..self.record.clone() };
        if !store.swap(&self.key, Some(&encode(&self.record)), &encode(&renewed)).await? {
            return Err(lost("another run took it"));
        }
        // A store that took longer than the term to answer has renewed nothing.
        if clock.now() > MARGIN.before(renewed.deadline) {
            return Err(lost("its renewal took too long"));
        }
        self.record = renewed;
        Ok(())
    }

    /// Gives it back. The epoch stays, so that it never falls. One that another run took is left to it.
    pub async fn release(self, store: &dyn StateStore) -> Result<(), StoreError> {
        let free = LeaseRecord { holder: None, ..self.record.clone() };
        store.swap(&self.key, Some(&encode(&self.record)), &encode(&free)).await.map(|_| ())
    }
}
