//! What the state store has of tombstones, found by snapshot: what was found out of a record is kept until any of them may change.

use crate::canonical::Digest;
use crate::memo::{Fingerprint, Memos};
use crate::name::{SiteName, SnapshotId};
use crate::plan::Cause;
use crate::prints::{Found, Prints};
use crate::seal::Keyring;
use crate::snapshots::{index, print_of};
use crate::tags::PointKey;
use crate::time::Duration;
use crate::tombstone::Tombstone;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The records of one site, by snapshot.
type AtSite = BTreeMap<SnapshotId, Tombstone>;

/// Tombstones by site and snapshot: a map that remembers what was found out of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tombstones {
    by_site: BTreeMap<SiteName, AtSite>,
    #[serde(skip)]
    found: Memos<Keyring, BTreeMap<SiteName, Arc<Marks>>>,
}

impl Deref for Tombstones {
    type Target = BTreeMap<SiteName, AtSite>;

    fn deref(&self) -> &Self::Target {
        &self.by_site
    }
}

/// Whoever may change them makes what was found out of them forgotten.
impl DerefMut for Tombstones {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.found = Memos::default();
        &mut self.by_site
    }
}

impl From<BTreeMap<SiteName, AtSite>> for Tombstones {
    fn from(by_site: BTreeMap<SiteName, AtSite>) -> Self {
        Self { by_site, found: Memos::default() }
    }
}

impl<'a> IntoIterator for &'a Tombstones {
    type Item = (&'a SiteName, &'a AtSite);
    type IntoIter = btree_map::Iter<'a, SiteName, AtSite>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_site.iter()
    }
}

impl Tombstones {
    /// What was found out of the records of a site, by these keys.
    pub(crate) fn marks_at(&self, site: &SiteName, keyring: &Keyring) -> Option<&Arc<Marks>> {
        let of = |site: &SiteName, at_site: &AtSite| {
            let (prints, order) = Prints::of(at_site.keys().map(print_of));
            let in_order: Vec<(&SnapshotId, &Tombstone)> = at_site.iter().collect();
            let records = order.into_iter().map(|place| {
                let (id, record) = in_order[index(place)];
                Kept { id: id.clone(), record: record.clone() }
            });
            let records = records.collect();
            (site.clone(), Arc::new(Marks { site: site.clone(), keyring: keyring.clone(), prints, records }))
        };
        let find = || (keyring.clone(), self.by_site.iter().map(|(site, own)| of(site, own)).collect());
        self.found.get(&|by| by == keyring, &find).get(site)
    }
}

/// The records of one site, by the prints of their snapshots' ids.
#[derive(Debug)]
pub(crate) struct Marks {
    site: SiteName,
    keyring: Keyring,
    prints: Prints,
    records: Box<[Kept]>,
}

/// A record, with the snapshot under which it is kept.
#[derive(Debug)]
struct Kept {
    id: SnapshotId,
    record: Tombstone,
}

/// What a genuine record of the right place says.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Of the cluster's uid.
    pub(crate) cluster: u64,
    pub(crate) point: PointKey,
    pub(crate) at: Timestamp,
    pub(crate) grace: Duration,
    pub(crate) cause: Cause,
    /// When the sweeper saw it first.
    pub(crate) seen: Option<Timestamp>,
}

/// What there is of a snapshot.
pub(crate) enum Record<'a> {
    /// No record.
    None,
    /// One that is forged, or speaks of another snapshot.
    Wrong,
    /// A genuine one.
    Genuine(&'a Said),
}

/// What is recorded of the snapshots of one cluster at one site: of each that has a record, by its print.
#[derive(Debug)]
pub(crate) struct Told(Box<[(u64, Option<Said>)]>);

impl Told {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What there is of the snapshot of this print.
    pub(crate) fn of(&self, print: u64) -> Record<'_> {
        match self.0.binary_search_by_key(&print, |(other, _)| *other).ok().and_then(|place| self.0.get(place)) {
            None => Record::None,
            Some((_, None)) => Record::Wrong,
            Some((_, Some(said))) => Record::Genuine(said),
        }
    }
}

impl Marks {
    /// What is recorded of these snapshots, each with its print, and when that was seen.
    pub(crate) fn of<'s>(&self, seen: &Seen, snapshots: impl Iterator<Item = (u64, &'s SnapshotId)>) -> Told {
        let recorded = snapshots.filter_map(|(print, id)| Some((print, self.read(seen, print, id)?)));
        let mut told: Vec<(u64, Option<Said>)> = recorded.collect();
        told.sort_by_key(|(print, _)| *print);
        // Two snapshots, of which nobody can tell here which is meant.
        told.dedup_by(|(other, _), (print, said)| {
            let is_same = other == print;
            if is_same {
                *said = None;
            }
            is_same
        });
        Told(told.into())
    }

    /// What the record of a snapshot says, if there is one; nothing for a wrong one.
    fn read(&self, seen: &Seen, print: u64, snapshot: &SnapshotId) -> Option<Option<Said>> {
        match self.prints.find(print) {
            Found::None => None,
            Found::Several => Some(None),
            Found::One(place) => {
                let kept = self.records.get(place).filter(|kept| kept.id == *snapshot);
                Some(kept.and_then(|kept| Said::read(&kept.record, &self.site, snapshot, &self.keyring, seen)))
            }
        }
    }

    /// The record itself, whatever it says.
    pub(crate) fn record(&self, snapshot: &SnapshotId) -> Option<&Tombstone> {
        let Found::One(place) = self.prints.find(print_of(snapshot)) else { return None };
        Some(&self.records[place]).filter(|kept| kept.id == *snapshot).map(|kept| &kept.record)
    }
}

impl Said {
    /// Reads a record by what it must speak of.
    fn read(
        record: &Tombstone,
        site: &SiteName,
        snapshot: &SnapshotId,
        keyring: &Keyring,
        seen: &Seen,
    ) -> Option<Self> {
        let said = &record.content;
        let is_right = said.site == *site && said.snapshot == *snapshot && record.is_genuine(keyring);
        is_right.then(|| Self {
            cluster: text_print(said.cluster.as_str()),
            point: said.point,
            at: said.at,
            grace: said.grace,
            cause: said.cause,
            seen: seen.of(&record.digest()),
        })
    }
}

/// By what a text is found fast.
pub(crate) fn text_print(text: &str) -> u64 {
    Fingerprint::new().text(text).get()
}

/// When the sweeper itself first saw a tombstone, by the tombstone's digest: a map that is searched fast.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sightings {
    by_digest: BTreeMap<Digest, Timestamp>,
    #[serde(skip)]
    found: Memos<(), Arc<Seen>>,
}

impl Deref for Sightings {
    type Target = BTreeMap<Digest, Timestamp>;

    fn deref(&self) -> &Self::Target {
        &self.by_digest
    }
}

impl DerefMut for Sightings {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.found = Memos::default();
        &mut self.by_digest
    }
}

/// Sightings by the prints of digests.
#[derive(Debug)]
pub(crate) struct Seen {
    prints: Prints,
    at: Box<[Timestamp]>,
}

impl Seen {
    /// When a record was seen. Of two that have the same print, none was.
    pub(crate) fn of(&self, digest: &Digest) -> Option<Timestamp> {
        match self.prints.find(text_print(digest.as_str())) {
            Found::One(place) => self.at.get(place).copied(),
            Found::None | Found::Several => None,
        }
    }
}

impl Sightings {
    /// All of them, to be searched fast.
    pub(crate) fn seen(&self) -> &Arc<Seen> {
        let find = || {
            let (prints, order) = Prints::of(self.by_digest.keys().map(|digest| text_print(digest.as_str())));
            let instants: Vec<Timestamp> = self.by_digest.values().copied().collect();
            ((), Arc::new(Seen { prints, at: order.into_iter().map(|place| instants[index(place)]).collect() }))
        };
        self.found.get(&|()| true, &find)
    }
}
