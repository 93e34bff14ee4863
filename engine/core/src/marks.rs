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
use std::sync::OnceLock;

/// The records of one site, by snapshot.
type AtSite = BTreeMap<SnapshotId, Tombstone>;

/// Tombstones by site and snapshot: a map that remembers what was found out of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tombstones {
    by_site: BTreeMap<SiteName, AtSite>,
    #[serde(skip)]
    found: Memos<Keyring, BTreeMap<SiteName, Marks>>,
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
    pub(crate) fn marks_at(&self, site: &SiteName, keyring: &Keyring) -> Option<&Marks> {
        let of = |site: &SiteName, at_site: &AtSite| {
            let (prints, order) = Prints::of(at_site.keys().map(print_of));
            let in_order: Vec<(&SnapshotId, &Tombstone)> = at_site.iter().collect();
            let records = order.into_iter().map(|place| {
                let (id, record) = in_order[index(place)];
                Kept { id: id.clone(), record: record.clone(), said: OnceLock::new() }
            });
            let records = records.collect();
            (site.clone(), Marks { site: site.clone(), keyring: keyring.clone(), prints, records })
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
    said: OnceLock<Option<Said>>,
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
    /// Of the record, as sightings have it.
    pub(crate) digest: u64,
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

impl Marks {
    /// Whether there may be a record of a snapshot.
    pub(crate) fn may_have(&self, print: u64) -> bool {
        self.prints.find(print) != Found::None
    }

    /// The record of a snapshot, which is read when somebody asks first.
    pub(crate) fn of(&self, print: u64, snapshot: &SnapshotId) -> Record<'_> {
        let kept = match self.prints.find(print) {
            Found::None => return Record::None,
            // Two snapshots, of which nobody can tell here which is meant.
            Found::Several => return Record::Wrong,
            Found::One(place) => &self.records[place],
        };
        let said = kept.said.get_or_init(|| Said::read(&kept.record, &self.site, &kept.id, &self.keyring));
        said.as_ref().filter(|_| kept.id == *snapshot).map_or(Record::Wrong, Record::Genuine)
    }

    /// The record itself, whatever it says.
    pub(crate) fn record(&self, snapshot: &SnapshotId) -> Option<&Tombstone> {
        let Found::One(place) = self.prints.find(print_of(snapshot)) else { return None };
        Some(&self.records[place]).filter(|kept| kept.id == *snapshot).map(|kept| &kept.record)
    }
}

impl Said {
    /// Reads a record by what it must speak of.
    pub(crate) fn read(record: &Tombstone, site: &SiteName, snapshot: &SnapshotId, keyring: &Keyring) -> Option<Self> {
        let said = &record.content;
        let is_right = said.site == *site && said.snapshot == *snapshot && record.is_genuine(keyring);
        is_right.then(|| Self {
            cluster: text_print(said.cluster.as_str()),
            point: said.point,
            at: said.at,
            grace: said.grace,
            cause: said.cause,
            digest: text_print(record.digest().as_str()),
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
    found: Memos<(), Seen>,
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
struct Seen {
    prints: Prints,
    at: Box<[Timestamp]>,
}

impl Sightings {
    /// When the record of this print was seen. Of two that have the same, none was.
    pub(crate) fn of(&self, print: u64) -> Option<Timestamp> {
        let find = || {
            let (prints, order) = Prints::of(self.by_digest.keys().map(|digest| text_print(digest.as_str())));
            let instants: Vec<Timestamp> = self.by_digest.values().copied().collect();
            ((), Seen { prints, at: order.into_iter().map(|place| instants[index(place)]).collect() })
        };
        let seen = self.found.get(&|()| true, &find);
        match seen.prints.find(print) {
            Found::One(place) => seen.at.get(place).copied(),
            Found::None | Found::Several => None,
        }
    }
}
