//! Tombstones and sightings past their use: they go, or the state store would grow for ever, and every run reads all of it.
//!
//! Forgetting never lets more be deleted, at worst later: a mark without its record counts for nothing and is made anew. So
//! neither a listing that lags does harm, nor a run that is killed between two of these calls. One thing must not come first:
//! a revocation outlives what it revokes (decision 12).

use super::{REVOKED, State, tombstone_prefix, unsegment};
use crate::seams::StoreError;
use backstay_core::canonical::Digest;
use backstay_core::name::{SiteName, SnapshotId};
use backstay_core::observed::{Listing, Observed, Records, SiteInventory};
use backstay_core::time::Duration;
use backstay_core::tombstone::Tombstone;
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many tombstones and sightings one run forgets at most. The next run goes on.
const MOST: usize = 2_000;

/// How many at once.
const AT_ONCE: usize = 16;

/// What nobody needs any more is kept for this long besides: no run still works by it then.
const KEPT: Duration = Duration::days(2);

impl State<'_> {
    /// Forgets the tombstones of snapshots that a whole listing shows to be gone, once their grace is long over, and the
    /// sightings of tombstones that are forgotten or revoked.
    pub async fn forget(&self, observed: &Observed) -> Result<(), StoreError> {
        let Listing::Complete(records) = &observed.records else { return Ok(()) };
        let keys = self.0.list("tombstones/").await?;
        let mut useless = useless_tombstones(&keys, records, observed);
        useless.extend(useless_sightings(records, observed).into_iter().map(|key| vec![key]));
        useless.truncate(MOST);
        // The keys of one tombstone in their order.
        let removals = useless.into_iter().map(|keys| async move {
            for key in &keys {
                self.0.remove(key).await?;
            }
            Ok(())
        });
        futures::stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// The keys of each tombstone that is past its use, in the order in which they must go.
fn useless_tombstones(keys: &[String], records: &Records, observed: &Observed) -> Vec<Vec<String>> {
    let gone = Gone::of(keys, observed);
    let living = living(records);
    let mut useless = Vec::new();
    for key in keys {
        if let Some(revoked) = key.strip_suffix(REVOKED) {
            // A run was cut off between the two.
            if keys.binary_search_by(|other| other.as_str().cmp(revoked)).is_err() {
                useless.push(vec![key.clone()]);
            }
            continue;
        }
        let Some((site, snapshot)) = snapshot_of(key) else { continue };
        let Some(site) = gone.of_site(&site).filter(|site| site.ids.contains(&snapshot)) else { continue };
        let revocation = format!("{key}{REVOKED}");
        let is_revoked = keys.binary_search(&revocation).is_ok();
        match living.get(key.as_str()) {
            _ if is_revoked => useless.push(vec![key.clone(), revocation]),
            // Its sighting first: what is marked by a tombstone that is not sighted waits.
            Some((tombstone, digest)) if is_over(tombstone, site.now) => {
                useless.push(vec![sighting_key(digest), key.clone()]);
            }
            Some(_) | None => {}
        }
    }
    useless
}

fn is_over(tombstone: &Tombstone, now: Timestamp) -> bool {
    KEPT.after(tombstone.content.grace.after(tombstone.content.at)) <= now
}

fn sighting_key(digest: &Digest) -> String {
    format!("sightings/{digest}")
}

/// The tombstones that count, by their keys.
fn living(records: &Records) -> BTreeMap<String, (&Tombstone, Digest)> {
    let all = records.tombstones.values().flat_map(|of_site| of_site.values());
    all.map(|tombstone| {
        let (said, digest) = (&tombstone.content, tombstone.digest());
        let key = format!("{}{}", tombstone_prefix(&said.site, &said.snapshot), digest.brief());
        (key, (tombstone, digest))
    })
    .collect()
}

/// The sightings of no tombstone that counts. A young one may be of a tombstone that was written since the look.
fn useless_sightings(records: &Records, observed: &Observed) -> Vec<String> {
    let earliest = observed.sites.values().filter_map(|listing| Some(listing.complete()?.clock.now)).min();
    let Some(limit) = earliest.map(|now| KEPT.before(now)) else { return Vec::new() };
    let tombstones = records.tombstones.values().flat_map(|of_site| of_site.values());
    let living: BTreeSet<Digest> = tombstones.map(Tombstone::digest).collect();
    let old = records.sightings.iter().filter(|(digest, at)| **at < limit && !living.contains(digest));
    old.map(|(digest, _)| sighting_key(digest)).collect()
}

/// Whose tombstone a key is: `tombstones/<site>/<snapshot>/<digest>`.
fn snapshot_of(key: &str) -> Option<(SiteName, SnapshotId)> {
    let mut segments = key.strip_prefix("tombstones/")?.split('/');
    let (site, id) = (segments.next()?, segments.next()?);
    Some((SiteName::new(site).ok()?, SnapshotId::new(unsegment(id)?).ok()?))
}

/// The snapshots that have tombstones and are gone, by the sites that were read to their end.
struct Gone(BTreeMap<SiteName, AtSite>);

struct AtSite {
    ids: HashSet<SnapshotId>,
    now: Timestamp,
}

impl Gone {
    fn of(keys: &[String], observed: &Observed) -> Self {
        let mut marked: BTreeMap<SiteName, HashSet<SnapshotId>> = BTreeMap::new();
        for (site, id) in keys.iter().filter_map(|key| snapshot_of(key)) {
            marked.entry(site).or_default().insert(id);
        }
        let without_present = |(site, mut ids): (SiteName, HashSet<SnapshotId>)| {
            let inventory: &SiteInventory = observed.sites.get(&site)?.complete()?;
            for snapshot in &inventory.snapshots {
                ids.remove(&snapshot.id);
            }
            Some((site, AtSite { ids, now: inventory.clock.now }))
        };
        Self(marked.into_iter().filter_map(without_present).collect())
    }

    fn of_site(&self, site: &SiteName) -> Option<&AtSite> {
        self.0.get(site)
    }
}
