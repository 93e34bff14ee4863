//! Holds that people place and release: the record first, the tags after it.
//!
//! A point is held by its record or by a tag (DESIGN.md). So a hold is in force once its record is durable, whatever else fails;
//! and a release takes the tags first and the record last: whoever is cut short between leaves the point held.
//!
//! ```text
//! holds/<cluster>/<point>               create-only: who, when, why
//! releases/<cluster>/<point>.<instant>  create-only: the same of the release
//! ```

use crate::apply::held::Held;
use crate::calls::Fence as _;
use crate::events::Silent;
use crate::journal::{Entry, Journal};
use crate::lease::{self, Acquired, Epochs, LeaseRecord, Terms};
use crate::seams::{Clock, StateStore, StoreError};
use crate::sites::Sites;
use backstay_core::canonical;
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::{Listing, Observed};
use backstay_core::tags::{self, PointKey};
use backstay_core::time::stamp;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicBool;

/// Who placed or released a hold, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// By the host's clock.
    pub at: Timestamp,
    /// The login name, where the host tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// In a person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn key(cluster: &ClusterUid, point: PointKey) -> String {
    format!("holds/{cluster}/{point}")
}

/// Places a hold, and says whether it is new. An earlier one stays as it is.
pub async fn place(
    store: &dyn StateStore,
    cluster: &ClusterUid,
    point: PointKey,
    hold: &HoldRecord,
) -> Result<bool, StoreError> {
    store.create(&key(cluster, point), canonical::to_string(hold).as_bytes()).await
}

/// The record of a hold. One that cannot be read still holds.
pub async fn read(
    store: &dyn StateStore,
    cluster: &ClusterUid,
    point: PointKey,
) -> Result<Option<HoldRecord>, StoreError> {
    let Some(value) = store.get(&key(cluster, point)).await? else { return Ok(None) };
    let unread = HoldRecord { at: Timestamp::UNIX_EPOCH, by: None, reason: None };
    Ok(Some(serde_json::from_slice(&value).unwrap_or(unread)))
}

/// Every snapshot of a point that a tag holds, wherever it lies, sealed or not.
#[must_use]
pub fn tagged<'o>(
    observed: &'o Observed,
    cluster: &ClusterUid,
    point: PointKey,
) -> Vec<(&'o SiteName, &'o SnapshotId)> {
    let point = point.to_string();
    let mut found = Vec::new();
    for (site, listing) in &observed.sites {
        let Listing::Complete(inventory) = listing else { continue };
        let is_meant = |tags: &tags::Tags| {
            tags.contains_key(tags::HOLD)
                && tags.get(tags::CLUSTER) == Some(cluster.as_str())
                && tags.get(tags::POINT) == Some(&point)
        };
        found.extend(inventory.snapshots.iter().filter(|s| is_meant(&s.tags)).map(|s| (site, &s.id)));
    }
    found
}

/// What a release needs besides the point.
pub struct Release<'a> {
    /// The opened sites.
    pub sites: &'a Sites,
    /// The state store.
    pub store: &'a dyn StateStore,
    /// The host's clock.
    pub clock: &'a dyn Clock,
    /// How long leases last.
    pub terms: Terms,
    /// This run's id.
    pub run: &'a str,
    /// The leases as they were before the tags were looked for.
    pub seen: &'a Epochs,
    /// Set when no new call may be started.
    pub cancelled: &'a AtomicBool,
}

/// How a release ended.
#[derive(Debug)]
pub enum Released {
    /// Nothing holds the point any more.
    Done,
    /// Another run works on the cluster; nothing was changed.
    LeaseHeld(LeaseRecord),
    /// It is held still.
    Failed {
        /// What went wrong.
        because: String,
    },
}

impl Release<'_> {
    /// Takes the tags of these snapshots, then the record. Only one run at a time works on a cluster.
    pub async fn carry_out(
        &self,
        cluster: &ClusterUid,
        point: PointKey,
        tagged: &[(&SiteName, &SnapshotId)],
        release: &HoldRecord,
    ) -> Result<Released, StoreError> {
        let lease = match lease::acquire(self.store, self.clock, self.terms, cluster, self.run, "hold -release").await?
        {
            Acquired::Held(lease) => lease,
            Acquired::HeldByAnother(record) => return Ok(Released::LeaseHeld(record)),
        };
        let is_as_seen = self.seen.is_next(&lease);
        let held = Held::new(lease, self.store, self.clock);
        let ended = if is_as_seen {
            self.under_lease(&held, cluster, point, tagged, release).await
        } else {
            let because = "another run worked on this cluster since it was looked at: release it again".to_owned();
            Ok(Released::Failed { because })
        };
        let given_back = held.release().await;
        let ended = ended?;
        given_back.map(|()| ended)
    }

    async fn under_lease(
        &self,
        held: &Held<'_>,
        cluster: &ClusterUid,
        point: PointKey,
        tagged: &[(&SiteName, &SnapshotId)],
        release: &HoldRecord,
    ) -> Result<Released, StoreError> {
        let journal = Journal::open(self.store, self.clock, self.run);
        let entry = Entry::Release { cluster: cluster.clone(), point, epoch: held.epoch(), release: release.clone() };
        journal.write(entry).await?;
        for (site, snapshot) in tagged {
            let untagged = match self.sites.calls(site, self.clock, &Silent) {
                Ok(calls) => {
                    let calls = calls.of_run(self.run, self.cancelled).behind(held);
                    let untagged = calls.untag(snapshot, &[tags::HOLD]).await;
                    untagged.map_err(|error| format!("{site}: {snapshot}: {error}"))
                }
                Err(because) => Err(because),
            };
            if let Err(because) = untagged {
                return Ok(Released::Failed { because });
            }
        }
        // The record goes by the same rule as any call.
        if let Err(lost) = held.check().await {
            return Ok(Released::Failed { because: lost.to_string() });
        }
        let text = canonical::to_string(release);
        self.store.create(&format!("releases/{cluster}/{point}.{}", stamp(release.at)), text.as_bytes()).await?;
        self.store.remove(&key(cluster, point)).await?;
        journal.write(Entry::Finished).await?;
        Ok(Released::Done)
    }
}
