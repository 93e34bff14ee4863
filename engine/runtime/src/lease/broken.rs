//! Leases as people see them, and how a person takes one away from a run.

use super::{LeaseRecord, encode, key_of};
use crate::seams::{StateStore, StoreError};
use crate::state::read_all;
use backstay_core::name::ClusterUid;
use jiff::Timestamp;

/// What lies where a lease is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lying {
    /// A record.
    Record(LeaseRecord),
    /// Something that cannot be read, and why.
    Damaged(String),
}

impl Lying {
    fn of(value: &[u8]) -> Self {
        serde_json::from_slice(value).map_or_else(|error| Self::Damaged(error.to_string()), Self::Record)
    }
}

/// All leases that anybody ever held, by cluster.
pub async fn list(store: &dyn StateStore) -> Result<Vec<(ClusterUid, Lying)>, StoreError> {
    let all = read_all(store, store.list("leases/").await?).await?;
    let of_cluster = |(key, value): (String, Vec<u8>)| {
        let cluster = ClusterUid::new(key.strip_prefix("leases/")?).ok()?;
        Some((cluster, Lying::of(&value)))
    };
    Ok(all.into_iter().filter_map(of_cluster).collect())
}

/// A lease that was broken: what lay there, and the epoch that nobody holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What lay there.
    pub was: Lying,
    /// The new epoch: the next holder's is one more.
    pub epoch: u64,
}

/// Why a lease was not broken.
#[derive(Debug, thiserror::Error)]
pub enum BreakRefused {
    /// Nobody holds it.
    #[error("nobody holds the lease of {0}: there is nothing to break")]
    Free(ClusterUid),
    /// It is not as it was when the person looked.
    #[error("the lease of {0} changed meanwhile: look again")]
    Changed(ClusterUid),
    /// The state store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a lease away from whoever holds it, if it is still what `seen` shows.
///
/// The epoch rises, so that its holder finds it lost before its next delete, and before anything else when it renews it. Until
/// then that run may go on making, tagging and marking, if it still lives: whoever breaks a lease should know that it does not. A record that cannot be read is replaced by one whose epoch is the time in
/// seconds: more than any number of holders, so that epochs never fall.
pub async fn break_lease(
    store: &dyn StateStore,
    cluster: &ClusterUid,
    seen: &Lying,
    now: Timestamp,
) -> Result<Broken, BreakRefused> {
    let key = key_of(cluster);
    let Some(present) = store.get(&key).await? else { return Err(BreakRefused::Free(cluster.clone())) };
    let was = Lying::of(&present);
    if was != *seen {
        return Err(BreakRefused::Changed(cluster.clone()));
    }
    let record = match &was {
        Lying::Record(LeaseRecord { holder: None, .. }) => return Err(BreakRefused::Free(cluster.clone())),
        Lying::Record(record) => LeaseRecord {
            epoch: record.epoch + 1,
            holder: None,
            purpose: "broken by hand".to_owned(),
            since: None,
            ..record.turned()
        },
        Lying::Damaged(_) => LeaseRecord {
            epoch: u64::try_from(now.as_second()).unwrap_or(0),
            turn: 1,
            holder: None,
            purpose: "broken by hand, since it could not be read".to_owned(),
            since: None,
            deadline: now,
            margin: super::default_margin(),
        },
    };
    if store.swap(&key, Some(&present), &encode(&record)).await? {
        Ok(Broken { was, epoch: record.epoch })
    } else {
        Err(BreakRefused::Changed(cluster.clone()))
    }
}
