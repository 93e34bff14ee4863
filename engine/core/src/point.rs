//! Recovery points: the snapshots of one attempt, put together from what the sites show.
//!
//! Retention judges a point, never a lone snapshot. Only sealed snapshots make one.

use crate::lsn::WalRange;
use crate::name::{ClusterUid, SnapshotId, SystemId};
use crate::observed::{Readiness, SiteInventory, Snapshot};
use crate::seal::{Keyring, NotOurs, OwnedSnapshot, Place};
use crate::tags::{self, Ours, PartName, PartRole, PointClass, PointKey};
use crate::time::parse_stamp;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a point can be recovered to by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// One atomic cut: PostgreSQL recovers as after a power failure.
    Crash,
    /// A labelled backup: it needs this WAL to become consistent.
    Application(WalRange),
}

/// How far a point is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointState {
    /// All parts are there, sealed, of one attempt, and ready.
    Restorable,
    /// All parts are there and sealed; some are not ready yet.
    InProgress,
    /// A part will never be ready.
    Failed {
        /// What its site said.
        because: String,
    },
    /// Parts are missing, unsealed or disagree: it was never finished, or was damaged.
    Incomplete {
        /// What is wrong with it.
        because: &'static str,
    },
}

/// One part: an owned snapshot and its place in the point.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Its name, as sealed.
    pub name: PartName,
    /// The snapshot.
    pub snapshot: OwnedSnapshot<'a>,
}

/// The volume snapshots of one attempt at one site.
#[derive(Debug, Clone)]
pub struct RecoveryPoint<'a> {
    /// Slot and attempt.
    pub key: PointKey,
    /// Why it was made.
    pub class: PointClass,
    /// The instant that it shows; for a point without sealed facts, the earliest creation time of its snapshots.
    pub cut: Timestamp,
    /// The latest creation time of its snapshots, by the provider.
    pub created: Timestamp,
    /// The system identifier, where it was known.
    pub system: Option<SystemId>,
    /// What it can be recovered to.
    pub consistency: Consistency,
    /// How far it is.
    pub state: PointState,
    /// Its sealed parts, in the order of the cut.
    pub parts: Vec<Part<'a>>,
    /// Its snapshots that carry only our intent.
    pub unsealed: Vec<&'a Snapshot>,
    /// Whether a tag of one of its sealed parts says that it is held.
    pub is_tagged_held: bool,
    /// Whether a tag of one of its sealed parts says that it is marked.
    pub is_tagged_marked: bool,
}

impl<'a> RecoveryPoint<'a> {
    /// Whether it counts: as a point that satisfies a slot, and for every floor.
    #[must_use]
    pub fn is_restorable(&self) -> bool {
        self.state == PointState::Restorable
    }

    /// Its snapshots, sealed or not.
    pub fn snapshots(&self) -> impl Iterator<Item = &'a Snapshot> {
        self.parts.iter().map(|part| part.snapshot.snapshot()).chain(self.unsealed.iter().copied())
    }
}

/// A snapshot that claims to be ours, and is not.
#[derive(Debug, Clone)]
pub struct Stranger<'a> {
    /// The snapshot.
    pub snapshot: &'a Snapshot,
    /// What is wrong.
    pub why: NotOurs,
}

/// The snapshots of one site, grouped by the cluster that they claim.
///
/// Grouping is cheap; a cluster's points are put together when somebody asks for its [`Shelf`].
#[derive(Debug, Clone)]
pub struct Catalogue<'a> {
    inventory: &'a SiteInventory,
    keyring: &'a Keyring,
    /// Places in the inventory's list of snapshots.
    groups: BTreeMap<ClusterUid, Vec<u32>>,
    /// Those that name no cluster.
    nobodys: Vec<u32>,
}

/// All that lies at one site of one cluster.
#[derive(Debug, Clone, Default)]
pub struct Shelf<'a> {
    /// Its points, newest first.
    pub points: Vec<RecoveryPoint<'a>>,
    /// What claims to be ours and is not, by snapshot id.
    pub strangers: Vec<Stranger<'a>>,
    /// Every attempt that a snapshot, ours or not, or a kept file names: none is made under a name that is in use.
    pub attempts: BTreeSet<PointKey>,
}

impl<'a> Shelf<'a> {
    /// Whether there is nothing on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.strangers.is_empty() && self.attempts.is_empty()
    }

    /// All snapshots that claim the cluster, believed or not.
    pub fn snapshots(&self) -> impl Iterator<Item = &'a Snapshot> {
        let strangers = self.strangers.iter().map(|stranger| stranger.snapshot);
        self.points.iter().flat_map(RecoveryPoint::snapshots).chain(strangers)
    }
}

impl<'a> Catalogue<'a> {
    /// Groups the snapshots of one site, in whatever order they come.
    #[must_use]
    pub fn of(inventory: &'a SiteInventory, keyring: &'a Keyring) -> Self {
        // A fleet's uids are few, its snapshots many: each uid is checked and kept once.
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut lists: Vec<(Option<ClusterUid>, Vec<u32>)> = Vec::new();
        for (snapshot, place) in inventory.snapshots.iter().zip(0_u32..) {
            let uid = snapshot.tags.get(tags::CLUSTER).unwrap_or_default();
            let number = *numbers.entry(uid).or_insert_with(|| {
                lists.push((ClusterUid::new(uid).ok(), Vec::new()));
                lists.len() - 1
            });
            lists[number].1.push(place);
        }
        let mut catalogue = Self { inventory, keyring, groups: BTreeMap::new(), nobodys: Vec::new() };
        for (uid, places) in lists {
            match uid {
                Some(uid) => drop(catalogue.groups.insert(uid, places)),
                None => catalogue.nobodys.extend(places),
            }
        }
        for (uid, _) in &inventory.kept_files {
            if !catalogue.groups.contains_key(uid) {
                catalogue.groups.insert(uid.clone(), Vec::new());
            }
        }
        catalogue
    }

    /// Every cluster of which anything is here, ours or not.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterUid> {
        self.groups.keys()
    }

    /// What is here of a cluster.
    #[must_use]
    pub fn shelf(&self, uid: &ClusterUid) -> Shelf<'a> {
        let mut shelf = self.put_together(self.groups.get(uid).map_or(&[], Vec::as_slice), true);
        let first = (uid.clone(), PointKey { slot: Timestamp::MIN, attempt: 0 });
        let kept = self.inventory.kept_files.range(first..).take_while(|(cluster, _)| cluster == uid);
        shelf.attempts.extend(kept.map(|(_, key)| *key));
        shelf
    }

    /// What claims to be ours, and names no cluster, by snapshot id.
    #[must_use]
    pub fn strangers(&self) -> Vec<Stranger<'a>> {
        self.put_together(&self.nobodys, false).strangers
    }

    /// `is_claimed` tells whether these snapshots name a cluster.
    fn put_together(&self, places: &[u32], is_claimed: bool) -> Shelf<'a> {
        let place = Place { provider: self.inventory.provider, account: &self.inventory.account };
        let mut shelf = Shelf::default();
        let mut found: Vec<(PointKey, PointClass, Found<'a>)> = Vec::with_capacity(places.len());
        let mut stranger = |snapshot, why| shelf.strangers.push(Stranger { snapshot, why });
        for snapshot in places.iter().filter_map(|place| self.inventory.snapshots.get(usize::try_from(*place).ok()?)) {
            let ours = snapshot.tags.ours();
            let (point, slot) = (ours.get(tags::POINT), ours.get(tags::SLOT));
            let class = ours.get(tags::CLASS).and_then(PointClass::parse);
            let key = point.zip(slot).and_then(|(point, slot)| PointKey::of_slot(point, slot));
            let (true, Some(key), Some(class)) = (is_claimed, key, class) else {
                shelf.attempts.extend(point.and_then(|text| text.parse::<PointKey>().ok()));
                stranger(snapshot, NotOurs::Forged);
                continue;
            };
            if found.last().is_none_or(|(last, _, _)| *last != key) {
                shelf.attempts.insert(key);
            }
            match OwnedSnapshot::check_tags(&place, snapshot, &ours, self.keyring) {
                Ok(owned) => match ours.get(tags::PART).and_then(|text| text.parse().ok()) {
                    Some(name) => {
                        let said = Said {
                            facts: facts(&ours),
                            is_held: ours.get(tags::HOLD).is_some(),
                            is_marked: ours.get(tags::EXPIRE).is_some(),
                        };
                        found.push((key, class, Found::Part(Part { name, snapshot: owned }, said)));
                    }
                    None => stranger(snapshot, NotOurs::Forged),
                },
                Err(NotOurs::Unsealed) => found.push((key, class, Found::Unsealed(snapshot))),
                Err(why @ (NotOurs::UnknownKey(_) | NotOurs::Forged)) => stranger(snapshot, why),
            }
        }
        shelf.strangers.sort_by_key(|stranger| &stranger.snapshot.id);
        found.sort_by_key(|(key, class, _)| (*key, *class));
        let mut rest = found.into_iter().peekable();
        while let Some((key, class, first)) = rest.next() {
            let mut attempt = Attempt::default();
            attempt.take(first);
            while let Some((_, _, next)) =
                rest.next_if(|(other, other_class, _)| (*other, *other_class) == (key, class))
            {
                attempt.take(next);
            }
            shelf.points.push(assemble(class, key, attempt));
        }
        shelf.points.sort_by_key(|point| Reverse((point.cut, point.key, point.class)));
        shelf
    }
}

/// What a part's tags say, read once.
struct Said {
    facts: Option<Facts>,
    is_held: bool,
    is_marked: bool,
}

/// One snapshot of an attempt.
enum Found<'a> {
    Part(Part<'a>, Said),
    Unsealed(&'a Snapshot),
}

/// What one attempt has gathered so far.
#[derive(Default)]
struct Attempt<'a> {
    parts: Vec<(Part<'a>, Said)>,
    unsealed: Vec<&'a Snapshot>,
}

impl<'a> Attempt<'a> {
    fn take(&mut self, found: Found<'a>) {
        match found {
            Found::Part(part, said) => self.parts.push((part, said)),
            Found::Unsealed(snapshot) => self.unsealed.push(snapshot),
        }
    }
}

/// The facts that all parts of one point must agree on.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Facts {
    cut: Timestamp,
    system: Option<SystemId>,
    consistency: Consistency,
}

fn facts(ours: &Ours<'_>) -> Option<Facts> {
    let tag = |key: &str| ours.get(key);
    let system = match tag(tags::SYSTEM) {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    let consistency = match tag(tags::WAL) {
        Some(text) => Consistency::Application(tags::parse_wal_tag(text)?),
        None => Consistency::Crash,
    };
    Some(Facts { cut: parse_stamp(tag(tags::CUT)?)?, system, consistency })
}

fn assemble<'a>(class: PointClass, key: PointKey, mut attempt: Attempt<'a>) -> RecoveryPoint<'a> {
    let order = |part: &Part<'_>| (part.name.index, part.name.role, part.name.of);
    attempt.parts.sort_by(|(a, _), (b, _)| (order(a), a.snapshot.id()).cmp(&(order(b), b.snapshot.id())));
    attempt.unsealed.sort_by_key(|snapshot| &snapshot.id);
    let all = || attempt.parts.iter().map(|(part, _)| part.snapshot.snapshot()).chain(attempt.unsealed.iter().copied());
    let known = attempt.parts.first().and_then(|(_, said)| said.facts);
    let state = match known {
        Some(facts) => state_of(&attempt, facts),
        None => PointState::Incomplete { because: "it was never sealed" },
    };
    let earliest = all().map(|snapshot| snapshot.created).min().unwrap_or(key.slot);
    RecoveryPoint {
        key,
        class,
        cut: known.map_or(earliest, |facts| facts.cut),
        created: all().map(|snapshot| snapshot.created).max().unwrap_or(key.slot),
        system: known.and_then(|facts| facts.system),
        consistency: known.map_or(Consistency::Crash, |facts| facts.consistency),
        state,
        is_tagged_held: attempt.parts.iter().any(|(_, said)| said.is_held),
        is_tagged_marked: attempt.parts.iter().any(|(_, said)| said.is_marked),
        parts: attempt.parts.into_iter().map(|(part, _)| part).collect(),
        unsealed: attempt.unsealed,
    }
}

fn state_of(attempt: &Attempt<'_>, expected: Facts) -> PointState {
    let incomplete = |because| PointState::Incomplete { because };
    if !attempt.unsealed.is_empty() {
        return incomplete("some of its snapshots are not sealed");
    }
    if attempt.parts.iter().any(|(part, _)| part.name.role == PartRole::Unfinished) {
        return incomplete("it was never finished");
    }
    let of = attempt.parts.first().map_or(0, |(part, _)| part.name.of);
    let complete = attempt.parts.len() == usize::from(of)
        && attempt.parts.iter().zip(1..).all(|((part, _), index)| part.name.of == of && part.name.index == index);
    if !complete {
        return incomplete("parts are missing or doubled");
    }
    if !attempt.parts.iter().all(|(_, said)| said.facts == Some(expected)) {
        return incomplete("its parts disagree");
    }
    let mut in_progress = false;
    for (part, _) in &attempt.parts {
        match &part.snapshot.snapshot().readiness {
            Readiness::Ready => {}
            Readiness::Creating | Readiness::CutFixed => in_progress = true,
            Readiness::Failed { because } => return PointState::Failed { because: because.clone() },
        }
    }
    if in_progress { PointState::InProgress } else { PointState::Restorable }
}

/// The ids of a point's snapshots, sealed or not.
#[must_use]
pub fn snapshot_ids(point: &RecoveryPoint<'_>) -> Vec<SnapshotId> {
    let sealed = point.parts.iter().map(|part| part.snapshot.id());
    sealed.chain(point.unsealed.iter().map(|snapshot| &snapshot.id)).cloned().collect()
}
