//! What the state store holds, typed: tombstones, sightings, holds, recent deletes, the baseline.
//!
//! ```text
//! tombstones/<site>/<snapshot>/<digest>           create-only, signed      …/<digest>.revoked
//! sightings/<digest of the tombstone>             create-only
//! holds/<cluster>/<point>   releases/<cluster>/<point>.<instant>
//! deletes/<instant>.<cluster>.<point>             create-only
//! baseline.json   baselines/<digest of documents>.json
//! leases/<cluster>   journal/<run>.jsonl
//! ```

mod forget;

use crate::seams::{StateStore, StoreError};
use backstay_core::canonical::{self, Digest};
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::{BaselineRecord, RecentDelete, Records};
use backstay_core::tags::PointKey;
use backstay_core::time::{Duration, stamp};
use backstay_core::tombstone::Tombstone;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// The typed view of a state store.
#[derive(Clone, Copy)]
pub struct State<'a>(pub &'a dyn StateStore);

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::new(format!("state record {key} is damaged: {error}")))
}

/// An id as one segment of a key.
fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        let is_plain =
            byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || (byte == b'.' && !out.is_empty());
        if is_plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The id that a segment stands for.
fn unsegment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        let mut escaped = || Some([rest.next()?, rest.next()?]);
        bytes.push(if byte == b'%' {
            u8::from_str_radix(std::str::from_utf8(&escaped()?).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

/// How the key of a revocation ends: before it stands the tombstone's.
const REVOKED: &str = ".revoked";

/// How many records are read at once: a store far away answers each in its time.
const READS: usize = 32;

/// The values of these keys, in their order. Another run may have removed one since the listing: it is left out.
pub(crate) async fn read_all(store: &dyn StateStore, keys: Vec<String>) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let reads = keys.into_iter().map(|key| async move {
        let value = store.get(&key).await?;
        Ok(value.map(|value| (key, value)))
    });
    let read = futures::stream::iter(reads).buffered(READS).try_filter_map(|found| async move { Ok(found) });
    read.try_collect().await
}

fn tombstone_prefix(site: &SiteName, snapshot: &SnapshotId) -> String {
    format!("tombstones/{site}/{}/", segment(snapshot.as_str()))
}

impl State<'_> {
    /// Reads all records, as an observation needs them.
    pub async fn records(&self) -> Result<Records, StoreError> {
        let baseline = match self.0.get("baseline.json").await? {
            Some(value) => Some(parse("baseline.json", &value)?),
            None => None,
        };
        let mut records = Records { tombstones: self.tombstones().await?.into(), baseline, ..Records::default() };
        for (key, value) in read_all(self.0, self.0.list("sightings/").await?).await? {
            records.sightings.insert(parse(&key, &format_digest(&key))?, parse(&key, &value)?);
        }
        for key in self.0.list("holds/").await? {
            let hold = key.strip_prefix("holds/").and_then(|rest| rest.split_once('/'));
            let hold =
                hold.and_then(|(uid, point)| Some((ClusterUid::new(uid).ok()?, point.parse::<PointKey>().ok()?)));
            records.holds.insert(hold.ok_or_else(|| StoreError::new(format!("state record {key} is damaged")))?);
        }
        for (key, value) in read_all(self.0, self.0.list("deletes/").await?).await? {
            records.recent_deletes.push(parse(&key, &value)?);
        }
        records.recent_deletes.sort();
        Ok(records)
    }

    /// All tombstones that were not revoked: for each snapshot the youngest.
    async fn tombstones(&self) -> Result<BTreeMap<SiteName, BTreeMap<SnapshotId, Tombstone>>, StoreError> {
        let keys = self.0.list("tombstones/").await?;
        let mut all: BTreeMap<SiteName, BTreeMap<SnapshotId, Tombstone>> = BTreeMap::new();
        let is_revoked = |key: &str| keys.binary_search(&format!("{key}{REVOKED}")).is_ok();
        let counts = |key: &&String| !key.ends_with(REVOKED) && !is_revoked(key);
        for (key, value) in read_all(self.0, keys.iter().filter(counts).cloned().collect()).await? {
            let tombstone: Tombstone = parse(&key, &value)?;
            let said = &tombstone.content;
            if !key.starts_with(&tombstone_prefix(&said.site, &said.snapshot)) {
                return Err(StoreError::new(format!("state record {key} speaks of another snapshot")));
            }
            let of_site = all.entry(said.site.clone()).or_default();
            match of_site.get(&said.snapshot) {
                Some(other) if other.content.at >= said.at => {}
                Some(_) | None => {
                    of_site.insert(said.snapshot.clone(), tombstone);
                }
            }
        }
        Ok(all)
    }

    /// The tombstone of one snapshot that was not revoked.
    pub async fn tombstone(&self, site: &SiteName, snapshot: &SnapshotId) -> Result<Option<Tombstone>, StoreError> {
        let keys = self.0.list(&tombstone_prefix(site, snapshot)).await?;
        let mut youngest: Option<Tombstone> = None;
        for key in &keys {
            if key.ends_with(REVOKED) || keys.binary_search(&format!("{key}{REVOKED}")).is_ok() {
                continue;
            }
            let Some(value) = self.0.get(key).await? else { continue };
            let tombstone: Tombstone = parse(key, &value)?;
            if youngest.as_ref().is_none_or(|other| other.content.at < tombstone.content.at) {
                youngest = Some(tombstone);
            }
        }
        Ok(youngest)
    }

    /// How many tombstones a snapshot has had, revoked ones among them.
    pub async fn count_tombstones(&self, site: &SiteName, snapshot: &SnapshotId) -> Result<u32, StoreError> {
        let keys = self.0.list(&tombstone_prefix(site, snapshot)).await?;
        let count = keys.iter().filter(|key| !key.ends_with(REVOKED)).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Writes a tombstone, create-only. One that was revoked stays revoked.
    pub async fn write_tombstone(&self, tombstone: &Tombstone) -> Result<(), StoreError> {
        let said = &tombstone.content;
        let key = format!("{}{}", tombstone_prefix(&said.site, &said.snapshot), tombstone.digest().brief());
        let is_new = self.0.create(&key, canonical::to_string(tombstone).as_bytes()).await?;
        if !is_new && self.0.get(&format!("{key}{REVOKED}")).await?.is_some() {
            let (snapshot, at) = (&said.snapshot, said.at);
            return Err(StoreError::new(format!(
                "the tombstone of {snapshot} of {at} was revoked: mark it a second later"
            )));
        }
        Ok(())
    }

    /// Revokes every tombstone of a snapshot.
    pub async fn revoke_tombstones(
        &self,
        site: &SiteName,
        snapshot: &SnapshotId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for key in self.0.list(&tombstone_prefix(site, snapshot)).await? {
            if !key.ends_with(REVOKED) {
                self.0.create(&format!("{key}{REVOKED}"), canonical::to_string(&at).as_bytes()).await?;
            }
        }
        Ok(())
    }

    /// Whether a point is held, by its record.
    pub async fn is_held(&self, cluster: &ClusterUid, point: PointKey) -> Result<bool, StoreError> {
        Ok(self.0.get(&format!("holds/{cluster}/{point}")).await?.is_some())
    }

    /// Whether the sweeper has seen a tombstone.
    pub async fn is_sighted(&self, tombstone: &Digest) -> Result<bool, StoreError> {
        Ok(self.0.get(&format!("sightings/{tombstone}")).await?.is_some())
    }

    /// Notes when the sweeper first saw a tombstone; an earlier sighting stays.
    pub async fn sight(&self, tombstone: &Digest, at: Timestamp) -> Result<(), StoreError> {
        self.0.create(&format!("sightings/{tombstone}"), canonical::to_string(&at).as_bytes()).await.map(|_| ())
    }

    /// Counts a delete against the blast radius.
    pub async fn count_delete(&self, delete: &RecentDelete) -> Result<(), StoreError> {
        self.0.create(&key_of_delete(delete), canonical::to_string(delete).as_bytes()).await.map(|_| ())
    }

    /// Forgets deletes that are too old to count.
    pub async fn forget_old_deletes(&self, records: &Records, now: Timestamp) -> Result<(), StoreError> {
        let limit = Duration::days(2).before(now);
        for delete in records.recent_deletes.iter().filter(|delete| delete.at < limit) {
            self.0.remove(&key_of_delete(delete)).await?;
        }
        Ok(())
    }

    /// Writes what the next plan's causes are judged by.
    pub async fn write_baseline(&self, baseline: &BaselineRecord) -> Result<(), StoreError> {
        self.0.put("baseline.json", canonical::to_string(baseline).as_bytes()).await
    }
}

/// A point that goes at two places in one second counts twice.
fn key_of_delete(delete: &RecentDelete) -> String {
    let site = delete.site.as_ref().map_or_else(String::new, |site| format!(".{site}"));
    format!("deletes/{}.{}.{}{site}", stamp(delete.at), delete.cluster, delete.point)
}

/// The digest in a sighting's key, as JSON.
fn format_digest(key: &str) -> Vec<u8> {
    format!("{:?}", key.strip_prefix("sightings/").unwrap_or(key)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{segment, unsegment};

    #[test]
    fn an_id_is_one_plain_segment_and_no_two_ids_share_one() {
        assert_eq!(segment("snap-0abc"), "snap-0abc");
        assert_eq!(segment("/subscriptions/x"), "%2Fsubscriptions%2Fx");
        assert_eq!(segment("..x"), "%2E.x");
        for id in ["snap-0abc", "/subscriptions/x", "..x", "ä%2F"] {
            assert_eq!(unsegment(&segment(id)).as_deref(), Some(id));
        }
        assert_eq!((unsegment("%2"), unsegment("%zz"), unsegment("%FF")), (None, None, None));
    }
}
