//! Recovery points: the snapshots of one attempt, put together from what the sites show.
//!
//! Retention judges a point, never a lone snapshot. Only sealed snapshots make one.

use crate::lsn::WalRange;
use crate::name::{ClusterUid, SnapshotId, SystemId};
use crate::observed::{Readiness, SiteInventory, Snapshot};
use crate::seal::{Keyring, NotOurs, OwnedSnapshot, Place};
use crate::tags::{self, PartName, PointClass, PointKey};
use crate::time::parse_stamp;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
}

impl RecoveryPoint<'_> {
    /// Whether it counts: as a point that satisfies a slot, and for every floor.
    #[must_use]
    pub fn is_restorable(&self) -> bool {
        self.state == PointState::Restorable
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

/// All points at one site, by cluster.
#[derive(Debug, Clone, Default)]
pub struct Catalogue<'a> {
    /// Each cluster's points, newest first.
    pub points: BTreeMap<ClusterUid, Vec<RecoveryPoint<'a>>>,
    /// What claims to be ours and is not, by snapshot id.
    pub strangers: Vec<Stranger<'a>>,
    /// Every attempt that a snapshot, ours or not, or a kept file names: none is made under a name that is in use.
    claimed: BTreeMap<ClusterUid, BTreeSet<PointKey>>,
}

/// What one attempt has gathered so far.
#[derive(Default)]
struct Attempt<'a> {
    parts: Vec<Part<'a>>,
    unsealed: Vec<&'a Snapshot>,
}

impl<'a> Catalogue<'a> {
    /// Puts the points of one site together, in one pass over its snapshots, in whatever order they come.
    #[must_use]
    pub fn of(inventory: &'a SiteInventory, keyring: &Keyring) -> Self {
        let place = Place { provider: inventory.provider, account: &inventory.account };
        let mut attempts: BTreeMap<(ClusterUid, PointClass, PointKey), Attempt<'a>> = BTreeMap::new();
        let mut strangers = Vec::new();
        let mut claimed: BTreeMap<ClusterUid, BTreeSet<PointKey>> = BTreeMap::new();
        for (cluster, key) in &inventory.kept_files {
            claimed.entry(cluster.clone()).or_default().insert(*key);
        }
        for snapshot in &inventory.snapshots {
            let Some(identity) = identity(snapshot) else {
                if let Some((cluster, key)) = claim(snapshot) {
                    claimed.entry(cluster).or_default().insert(key);
                }
                strangers.push(Stranger { snapshot, why: NotOurs::Forged });
                continue;
            };
            claimed.entry(identity.0.clone()).or_default().insert(identity.2);
            match OwnedSnapshot::check(&place, snapshot, keyring) {
                Ok(owned) => match snapshot.tags.get(tags::PART).and_then(|text| text.parse().ok()) {
                    Some(name) => attempts.entry(identity).or_default().parts.push(Part { name, snapshot: owned }),
                    None => strangers.push(Stranger { snapshot, why: NotOurs::Forged }),
                },
                Err(NotOurs::Unsealed) => attempts.entry(identity).or_default().unsealed.push(snapshot),
                Err(why @ (NotOurs::UnknownKey(_) | NotOurs::Forged)) => strangers.push(Stranger { snapshot, why }),
            }
        }
        strangers.sort_by_key(|stranger| &stranger.snapshot.id);
        let mut points: BTreeMap<ClusterUid, Vec<RecoveryPoint<'a>>> = BTreeMap::new();
        for ((cluster, class, key), attempt) in attempts {
            points.entry(cluster).or_default().push(assemble(class, key, attempt));
        }
        for points in points.values_mut() {
            points.sort_by_key(|point| Reverse((point.cut, point.key, point.class)));
        }
        Self { points, strangers, claimed }
    }

    /// The attempts of a cluster of which anything is left, ours or not.
    pub fn attempts_of(&self, uid: &ClusterUid) -> impl Iterator<Item = PointKey> {
        self.claimed.get(uid).into_iter().flatten().copied()
    }

    /// A cluster's points, newest first.
    #[must_use]
    pub fn of_cluster(&self, uid: &ClusterUid) -> &[RecoveryPoint<'a>] {
        self.points.get(uid).map_or(&[], Vec::as_slice)
    }
}

/// Which attempt of which cluster a snapshot names, whatever else is wrong with it.
fn claim(snapshot: &Snapshot) -> Option<(ClusterUid, PointKey)> {
    let cluster = ClusterUid::new(snapshot.tags.get(tags::CLUSTER)?).ok()?;
    Some((cluster, snapshot.tags.get(tags::POINT)?.parse().ok()?))
}

/// Whose point, of which class, which attempt: from the tags of the create call.
fn identity(snapshot: &Snapshot) -> Option<(ClusterUid, PointClass, PointKey)> {
    let tag = |key: &str| snapshot.tags.get(key);
    let cluster = ClusterUid::new(tag(tags::CLUSTER)?).ok()?;
    let class = PointClass::parse(tag(tags::CLASS)?)?;
    let key: PointKey = tag(tags::POINT)?.parse().ok()?;
    (parse_stamp(tag(tags::SLOT)?)? == key.slot).then_some((cluster, class, key))
}

/// The facts that all parts of one point must agree on.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Facts {
    cut: Timestamp,
    system: Option<SystemId>,
    consistency: Consistency,
}

fn facts(snapshot: &Snapshot) -> Option<Facts> {
    let tag = |key: &str| snapshot.tags.get(key);
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
    attempt.parts.sort_by(|a, b| (&a.name, a.snapshot.id()).cmp(&(&b.name, b.snapshot.id())));
    attempt.parts.sort_by_key(|part| part.name.index);
    attempt.unsealed.sort_by_key(|snapshot| &snapshot.id);
    let all = || attempt.parts.iter().map(|part| part.snapshot.snapshot()).chain(attempt.unsealed.iter().copied());
    let known = attempt.parts.first().and_then(|part| facts(part.snapshot.snapshot()));
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
        parts: attempt.parts,
        unsealed: attempt.unsealed,
    }
}

fn state_of(attempt: &Attempt<'_>, expected: Facts) -> PointState {
    let incomplete = |because| PointState::Incomplete { because };
    if !attempt.unsealed.is_empty() {
        return incomplete("some of its snapshots are not sealed");
    }
    let of = attempt.parts.first().map_or(0, |part| part.name.of);
    let complete = attempt.parts.len() == usize::from(of)
        && attempt.parts.iter().zip(1..).all(|(part, index)| part.name.of == of && part.name.index == index);
    if !complete {
        return incomplete("parts are missing or doubled");
    }
    if !attempt.parts.iter().all(|part| facts(part.snapshot.snapshot()) == Some(expected)) {
        return incomplete("its parts disagree");
    }
    let mut in_progress = false;
    for part in &attempt.parts {
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
