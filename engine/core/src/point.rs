//! Recovery points: the snapshots of one attempt, put together from what the sites show.
//!
//! Retention judges a point, never a lone snapshot. Only sealed snapshots make one.

use crate::lsn::WalRange;
use crate::marks::{Marks, Seen, Told};
use crate::name::{ClusterUid, SnapshotId, SystemId};
use crate::observed::{Readiness, SiteInventory, Snapshot};
use crate::seal::{Keyring, NotOurs, OwnedSnapshot, Place};
use crate::snapshots::{Attempt, Progress, Reading, Row, index};
use crate::tags::{self, PartName, PartRole, PointClass, PointKey};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::sync::Arc;

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
    /// Not a point: a call that was delivered twice made these beside the parts of a point that stands.
    Double,
}

/// One part: an owned snapshot and its place in the point.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    /// Its name, as sealed.
    pub name: PartName,
    /// The snapshot.
    pub snapshot: OwnedSnapshot<'a>,
    /// What its tags say.
    pub(crate) row: &'a Row,
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
    /// Whether a tag of one of its snapshots says that it is held, sealed or not: a hold that nobody proved only ever keeps more.
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

/// The snapshots of one site, by the cluster that they claim.
///
/// A cluster's points are put together when somebody asks for its [`Shelf`].
#[derive(Debug, Clone, Copy)]
pub struct Catalogue<'a> {
    inventory: &'a SiteInventory,
    keyring: &'a Keyring,
    reading: &'a Reading,
}

/// All that lies at one site of one cluster.
#[derive(Debug, Clone, Default)]
pub struct Shelf<'a> {
    /// Its points, newest first.
    pub points: Vec<RecoveryPoint<'a>>,
    /// What claims to be ours and is not, by snapshot id.
    pub strangers: Vec<Stranger<'a>>,
    /// Every attempt that a snapshot, ours or not, or a kept file names, in any order: none is made under a name that is in use.
    pub attempts: Vec<PointKey>,
    /// What is recorded of its snapshots, where anything is recorded at the site.
    pub(crate) told: Option<Arc<Told>>,
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
    /// The snapshots of one site, in whatever order they come.
    #[must_use]
    pub fn of(inventory: &'a SiteInventory, keyring: &'a Keyring) -> Self {
        Self { inventory, keyring, reading: Reading::of(inventory, keyring) }
    }

    /// Every cluster of which anything is here, ours or not, each once.
    pub fn clusters(&self) -> impl Iterator<Item = &'a ClusterUid> {
        let mut kept: Vec<&ClusterUid> = self.inventory.kept_files.iter().map(|(uid, _)| uid).collect();
        kept.retain(|uid| !self.reading.names(uid));
        kept.sort_unstable();
        kept.dedup();
        self.reading.clusters().chain(kept)
    }

    /// What is here of a cluster.
    #[must_use]
    pub fn shelf(&self, uid: &ClusterUid) -> Shelf<'a> {
        let mut shelf = Shelf::default();
        if let Some(said) = self.reading.said_of(uid, self.inventory, self.keyring) {
            shelf.strangers = said.strangers.iter().map(|place| self.stranger(*place, true)).collect();
            let attempts = said.attempts();
            shelf.points = attempts.flat_map(|attempt| assemble(attempt, &self.inventory.snapshots)).collect();
            shelf.points.sort_by_key(|point| Reverse((point.cut, point.key, point.class)));
            shelf.attempts = shelf.points.iter().map(|point| point.key).collect();
            shelf.attempts.extend(shelf.strangers.iter().filter_map(|stranger| named_by(stranger.snapshot)));
        }
        if !self.inventory.kept_files.is_empty() {
            let first = (uid.clone(), PointKey { slot: Timestamp::MIN, attempt: 0 });
            let kept = self.inventory.kept_files.range(first..).take_while(|(cluster, _)| cluster == uid);
            shelf.attempts.extend(kept.map(|(_, key)| *key));
        }
        shelf
    }

    /// What is recorded of a cluster's snapshots here.
    pub(crate) fn told(&self, uid: &ClusterUid, marks: &Arc<Marks>, seen: &Arc<Seen>) -> Option<Arc<Told>> {
        self.reading.told_of(uid, self.inventory, self.keyring, marks, seen)
    }

    /// What claims to be ours, and names no cluster, by snapshot id.
    #[must_use]
    pub fn strangers(&self) -> Vec<Stranger<'a>> {
        let mut strangers: Vec<Stranger<'_>> =
            self.reading.nobodys.iter().map(|place| self.stranger(*place, false)).collect();
        strangers.sort_by_key(|stranger| &stranger.snapshot.id);
        strangers
    }

    /// `is_claimed` tells whether it names a cluster.
    fn stranger(&self, place: u32, is_claimed: bool) -> Stranger<'a> {
        let snapshot = &self.inventory.snapshots[index(place)];
        let place = Place { provider: self.inventory.provider, account: &self.inventory.account };
        let tag = |key: &str| snapshot.tags.get(key);
        let is_named = is_claimed
            && tag(tags::POINT)
                .zip(tag(tags::SLOT))
                .is_some_and(|(point, slot)| PointKey::of_slot(point, slot).is_some())
            && tag(tags::CLASS).and_then(PointClass::parse).is_some();
        let why = match OwnedSnapshot::check(&place, snapshot, self.keyring) {
            Err(why @ NotOurs::UnknownKey(_)) if is_named => why,
            // What names no attempt is not ours, whatever seals it.
            Ok(_) | Err(NotOurs::UnknownKey(_) | NotOurs::Forged | NotOurs::Unsealed) => NotOurs::Forged,
        };
        Stranger { snapshot, why }
    }
}

/// The attempt that a snapshot names, believed or not.
fn named_by(snapshot: &Snapshot) -> Option<PointKey> {
    snapshot.tags.get(tags::POINT)?.parse().ok()
}

/// The point of an attempt; and beside it, where it stands, the doubles of its parts.
fn assemble<'a>(attempt: Attempt<'a>, list: &'a [Snapshot]) -> impl Iterator<Item = RecoveryPoint<'a>> {
    let (point, doubles) = match state_of(&attempt, list) {
        PointState::Incomplete { because } => without_doubles(attempt, list)
            .unwrap_or((point_of(attempt, PointState::Incomplete { because }, list), None)),
        state @ (PointState::Restorable | PointState::InProgress | PointState::Failed { .. } | PointState::Double) => {
            (point_of(attempt, state, list), None)
        }
    };
    std::iter::once(point).chain(doubles)
}

/// A cloud without tokens makes two of what a call asks for that is delivered twice. The parts that come first and are a point by
/// themselves are that point, where each of the others carries the intent of one of them: it is a double, and no part.
fn without_doubles<'a>(
    attempt: Attempt<'a>,
    list: &'a [Snapshot],
) -> Option<(RecoveryPoint<'a>, Option<RecoveryPoint<'a>>)> {
    let intent = |row: &Row| row.of(list).tags.get(tags::INTENT);
    (1..attempt.rows.len()).find_map(|end| {
        let (parts, others) = attempt.rows.split_at(end);
        let point = attempt.only(parts);
        let is_double = |row: &Row| intent(row).is_some() && parts.iter().any(|part| intent(part) == intent(row));
        let state = state_of(&point, list);
        let stands = matches!(state, PointState::Restorable | PointState::InProgress);
        (stands && others.iter().all(is_double)).then(|| {
            let doubles = attempt.only(others);
            (point_of(point, state, list), Some(point_of(doubles, PointState::Double, list)))
        })
    })
}

fn point_of<'a>(attempt: Attempt<'a>, state: PointState, list: &'a [Snapshot]) -> RecoveryPoint<'a> {
    let Attempt { key, class, rows, .. } = attempt;
    let sealed = rows.iter().take_while(|row| row.is_genuine()).count();
    let (sealed, unsealed) = rows.split_at(sealed);
    let known = sealed.first().and_then(|row| attempt.facts(row));
    let created = || rows.iter().map(|row| row.created);
    let parts = sealed
        .iter()
        .filter_map(|row| Some(Part { name: row.name.clone()?, snapshot: OwnedSnapshot::known(row, list)?, row }));
    RecoveryPoint {
        key,
        class,
        cut: known.map_or_else(|| created().min().unwrap_or(key.slot), |facts| facts.cut),
        created: created().max().unwrap_or(key.slot),
        system: known.and_then(|facts| facts.system),
        consistency: known.and_then(|facts| facts.wal).map_or(Consistency::Crash, Consistency::Application),
        state,
        parts: parts.collect(),
        unsealed: unsealed.iter().map(|row| row.of(list)).collect(),
        is_tagged_held: rows.iter().any(|row| row.is_held),
        is_tagged_marked: sealed.iter().any(|row| row.is_marked),
    }
}

fn state_of(attempt: &Attempt<'_>, list: &[Snapshot]) -> PointState {
    let incomplete = |because| PointState::Incomplete { because };
    let rows = attempt.rows;
    let Some(expected) = rows.first().filter(|row| row.is_genuine()).and_then(|row| attempt.facts(row)) else {
        return incomplete("it was never sealed");
    };
    if !rows.iter().all(|row| row.is_genuine()) {
        return incomplete("some of its snapshots are not sealed");
    }
    let names = || rows.iter().filter_map(|row| row.name.as_ref());
    if names().any(|name| name.role == PartRole::Unfinished) {
        return incomplete("it was never finished");
    }
    let of = names().next().map_or(0, |name| name.of);
    let complete =
        rows.len() == usize::from(of) && names().zip(1..).all(|(name, index)| name.of == of && name.index == index);
    if !complete {
        return incomplete("parts are missing or doubled");
    }
    if !rows.iter().all(|row| attempt.facts(row) == Some(expected)) {
        return incomplete("its parts disagree");
    }
    let failed = rows.iter().find(|row| row.progress == Progress::Failed).map(|row| &row.of(list).readiness);
    if let Some(Readiness::Failed { because }) = failed {
        return PointState::Failed { because: because.clone() };
    }
    let in_progress = rows.iter().any(|row| row.progress == Progress::Making);
    if in_progress { PointState::InProgress } else { PointState::Restorable }
}

/// The ids of a point's snapshots, sealed or not.
#[must_use]
pub fn snapshot_ids(point: &RecoveryPoint<'_>) -> Vec<SnapshotId> {
    let sealed = point.parts.iter().map(|part| part.snapshot.id());
    sealed.chain(point.unsealed.iter().map(|snapshot| &snapshot.id)).cloned().collect()
}
