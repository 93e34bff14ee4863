//! The snapshots of one site, and what their tags say of them: read once, and forgotten as soon as anything of them may change.
//!
//! Reading is no decision. Which snapshots make a point, and which points count, is decided by [`crate::point`] for the planner
//! and once more by [`crate::verify`].

use crate::lsn::WalRange;
use crate::marks::{Marks, Seen, Told};
use crate::memo::{Bits, Fingerprint, Latest, Memos};
use crate::model::ProviderKind;
use crate::name::{AccountId, ClusterUid, DiskId, SnapshotId, SystemId};
use crate::observed::{Generation, Readiness, SiteInventory, Snapshot};
use crate::seal::{Keyring, NotOurs, OwnedSnapshot, Place};
use crate::tags::{self, Ours, PartName, PartRole, PointClass, PointKey, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

/// Snapshots of one site: a [`Vec`] that remembers what was read of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshots {
    list: Vec<Snapshot>,
    #[serde(skip)]
    readings: Memos<By, Reading>,
}

impl Deref for Snapshots {
    type Target = Vec<Snapshot>;

    fn deref(&self) -> &Vec<Snapshot> {
        &self.list
    }
}

/// Whoever may change them makes what was read of them forgotten.
impl DerefMut for Snapshots {
    fn deref_mut(&mut self) -> &mut Vec<Snapshot> {
        self.readings = Memos::default();
        &mut self.list
    }
}

impl From<Vec<Snapshot>> for Snapshots {
    fn from(list: Vec<Snapshot>) -> Self {
        Self { list, readings: Memos::default() }
    }
}

impl FromIterator<Snapshot> for Snapshots {
    fn from_iter<I: IntoIterator<Item = Snapshot>>(snapshots: I) -> Self {
        Vec::from_iter(snapshots).into()
    }
}

impl<'a> IntoIterator for &'a Snapshots {
    type Item = &'a Snapshot;
    type IntoIter = std::slice::Iter<'a, Snapshot>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a mut Snapshots {
    type Item = &'a mut Snapshot;
    type IntoIter = std::slice::IterMut<'a, Snapshot>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// By what snapshots were read: the seals are judged by it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct By {
    provider: ProviderKind,
    account: AccountId,
    keyring: Keyring,
}

/// What the snapshots of one site say, by cluster. What a cluster's say is read when somebody asks first.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Ordered by uid.
    clusters: Vec<OfCluster>,
    /// The places of those that name no cluster.
    pub(crate) nobodys: Box<[u32]>,
    of_disks: OnceLock<HashMap<DiskId, Vec<u32>>>,
}

/// The snapshots that name one cluster.
#[derive(Debug, Clone)]
struct OfCluster {
    uid: ClusterUid,
    places: Box<[u32]>,
    said: OnceLock<Said>,
    /// What is recorded of them: by what is recorded at the site, and what was seen of that.
    told: Latest<(Arc<Marks>, Arc<Seen>), Told>,
}

/// What the snapshots that name one cluster say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Ordered by key and class.
    attempts: Box<[Named]>,
    rows: Box<[Row]>,
    facts: Box<[Facts]>,
    /// The places of those that are of no attempt that could be ours, by snapshot id.
    pub(crate) strangers: Box<[u32]>,
}

#[derive(Debug, Clone)]
struct Named {
    key: PointKey,
    class: PointClass,
    /// The end of its rows; they begin where those of the one before end.
    end: u32,
}

/// One snapshot of an attempt: genuine, or without a seal.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The provider's creation time.
    pub(crate) created: Timestamp,
    /// Of its id.
    pub(crate) print: u64,
    /// Its place in the list.
    place: u32,
    facts: u32,
    /// Its part, if it is genuine.
    pub(crate) name: Option<PartName>,
    pub(crate) progress: Progress,
    /// Whether a tag says that a hold is on it.
    pub(crate) is_held: bool,
    /// Whether a tag says that it is marked.
    pub(crate) is_marked: bool,
    /// When that was, in microseconds, where it can be read.
    marked: i64,
    /// Of the snapshot.
    generation: Bits,
}

/// How far a snapshot is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It cannot be restored yet.
    Making,
    /// It can be restored.
    Ready,
    /// It never will.
    Failed,
}

/// The facts of the cut, as one snapshot's tags tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) cut: Timestamp,
    pub(crate) system: Option<SystemId>,
    pub(crate) wal: Option<WalRange>,
}

/// The snapshots of one attempt.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) key: PointKey,
    pub(crate) class: PointClass,
    /// Parts come first, in their order; then what was sealed as left over, and last what carries no seal.
    pub(crate) rows: &'a [Row],
    facts: &'a [Facts],
}

impl<'a> Attempt<'a> {
    /// Some of its snapshots.
    pub(crate) fn only(self, rows: &'a [Row]) -> Self {
        Self { rows, ..self }
    }

    /// What a snapshot of it says of the cut; `None` where that cannot be read.
    pub(crate) fn facts(&self, row: &Row) -> Option<&'a Facts> {
        self.facts.get(index(row.facts))
    }
}

const UNREADABLE: u32 = u32::MAX;
const UNMARKED: i64 = i64::MIN;

impl Row {
    /// The snapshot itself, which is in this list.
    pub(crate) fn of<'a>(&self, list: &'a [Snapshot]) -> &'a Snapshot {
        &list[index(self.place)]
    }

    /// Whether its seal is genuine.
    pub(crate) fn is_genuine(&self) -> bool {
        self.name.is_some()
    }

    /// When it was marked, by its tag.
    pub(crate) fn marked(&self) -> Option<Timestamp> {
        if self.marked == UNMARKED { None } else { Timestamp::from_microsecond(self.marked).ok() }
    }

    /// What [`Snapshot::generation`] is of this row's snapshot.
    pub(crate) fn generation(&self, snapshot: &Snapshot) -> Generation {
        Generation::of_bits(self.generation.get(|| snapshot.generation_bits()))
    }
}

impl Said {
    /// Every attempt, ordered by key and class.
    pub(crate) fn attempts(&self) -> impl ExactSizeIterator<Item = Attempt<'_>> {
        let mut start = 0;
        self.attempts.iter().map(move |named| {
            let rows = &self.rows[start..index(named.end)];
            start = index(named.end);
            Attempt { key: named.key, class: named.class, rows, facts: &self.facts }
        })
    }
}

/// A number that was made of a place in a list.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// By what a snapshot's id is found fast. Two ids may have the same.
pub(crate) fn print_of(id: &SnapshotId) -> u64 {
    Fingerprint::new().text(id.as_str()).get()
}

impl Reading {
    fn find(&self, uid: &ClusterUid) -> Option<&OfCluster> {
        let place = self.clusters.binary_search_by(|of_cluster| of_cluster.uid.cmp(uid)).ok()?;
        self.clusters.get(place)
    }

    /// What the snapshots of a site say.
    pub(crate) fn of<'a>(inventory: &'a SiteInventory, keyring: &Keyring) -> &'a Self {
        let is_by =
            |by: &By| by.provider == inventory.provider && by.account == inventory.account && by.keyring == *keyring;
        let read = || {
            let by = By { provider: inventory.provider, account: inventory.account.clone(), keyring: keyring.clone() };
            (by, Self::group(&inventory.snapshots))
        };
        inventory.snapshots.readings.get(&is_by, &read)
    }

    fn group(list: &[Snapshot]) -> Self {
        // A fleet's uids are few, its snapshots many: each uid is checked and kept once.
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<(Option<ClusterUid>, Vec<u32>)> = Vec::new();
        for (snapshot, place) in list.iter().zip(0..) {
            let uid = snapshot.tags.get(tags::CLUSTER).unwrap_or_default();
            let number = *numbers.entry(uid).or_insert_with(|| {
                groups.push((ClusterUid::new(uid).ok(), Vec::new()));
                groups.len() - 1
            });
            groups[number].1.push(place);
        }
        let (mut clusters, mut nobodys) = (Vec::new(), Vec::new());
        for (uid, places) in groups {
            match uid {
                Some(uid) => clusters.push(OfCluster {
                    uid,
                    places: places.into(),
                    said: OnceLock::new(),
                    told: Latest::default(),
                }),
                None => nobodys.extend(places),
            }
        }
        clusters.sort_by(|a, b| a.uid.cmp(&b.uid));
        Self { clusters, nobodys: nobodys.into(), of_disks: OnceLock::new() }
    }

    /// Every cluster that a snapshot names, in order.
    pub(crate) fn clusters(&self) -> impl Iterator<Item = &ClusterUid> {
        self.clusters.iter().map(|of_cluster| &of_cluster.uid)
    }

    /// The snapshot of an id, which names this cluster as a rule.
    pub(crate) fn snapshot<'a>(&self, id: &SnapshotId, uid: &ClusterUid, list: &'a [Snapshot]) -> Option<&'a Snapshot> {
        let places = self.find(uid).map_or(&[][..], |of_cluster| &of_cluster.places);
        let mut own = places.iter().map(|place| &list[index(*place)]);
        own.find(|snapshot| snapshot.id == *id).or_else(|| list.iter().find(|snapshot| snapshot.id == *id))
    }

    /// Whether a snapshot names this cluster.
    pub(crate) fn names(&self, uid: &ClusterUid) -> bool {
        self.find(uid).is_some()
    }

    /// What the snapshots that name a cluster say; `None` where there is none.
    pub(crate) fn said_of(&self, uid: &ClusterUid, inventory: &SiteInventory, keyring: &Keyring) -> Option<&Said> {
        let of_cluster = self.find(uid)?;
        Some(of_cluster.said.get_or_init(|| Said::read(&of_cluster.places, inventory, keyring)))
    }

    /// What is recorded of the snapshots of a cluster's attempts.
    pub(crate) fn told_of(
        &self,
        uid: &ClusterUid,
        inventory: &SiteInventory,
        keyring: &Keyring,
        marks: &Arc<Marks>,
        seen: &Arc<Seen>,
    ) -> Option<Arc<Told>> {
        let (of_cluster, said) = (self.find(uid)?, self.said_of(uid, inventory, keyring)?);
        let is_this = |(m, s): &(Arc<Marks>, Arc<Seen>)| Arc::ptr_eq(m, marks) && Arc::ptr_eq(s, seen);
        let rows = said.rows.iter().map(|row| (row.print, &row.of(&inventory.snapshots).id));
        let find = || ((Arc::clone(marks), Arc::clone(seen)), marks.of(seen, rows));
        Some(of_cluster.told.get(is_this, find))
    }

    /// The places of all that was taken of a disk, whoever it names.
    pub(crate) fn of_disk(&self, disk: &DiskId, list: &[Snapshot]) -> &[u32] {
        let of_disks = self.of_disks.get_or_init(|| {
            let mut of_disks: HashMap<DiskId, Vec<u32>> = HashMap::new();
            for (snapshot, place) in list.iter().zip(0..) {
                match of_disks.get_mut(&snapshot.disk) {
                    Some(places) => places.push(place),
                    None => drop(of_disks.insert(snapshot.disk.clone(), vec![place])),
                }
            }
            of_disks
        });
        of_disks.get(disk).map_or(&[], Vec::as_slice)
    }
}

/// One snapshot of an attempt, before it has its place.
struct Found {
    key: PointKey,
    class: PointClass,
    facts: Option<Facts>,
    row: Row,
}

impl Said {
    fn read(places: &[u32], inventory: &SiteInventory, keyring: &Keyring) -> Self {
        let list = inventory.snapshots.as_slice();
        let place_of_seals = Place { provider: inventory.provider, account: &inventory.account };
        let mut found = Vec::with_capacity(places.len());
        let mut strangers = Vec::new();
        for place in places {
            match Found::read(*place, &list[index(*place)], &place_of_seals, keyring) {
                Some(one) => found.push(one),
                None => strangers.push(*place),
            }
        }
        strangers.sort_by_key(|place| &list[index(*place)].id);
        let order = |one: &Found| {
            let part = one.row.name.as_ref().map(|name| (name.index, name.role, name.of));
            let is_left = one.row.name.as_ref().is_some_and(|name| name.role == PartRole::Unfinished);
            (one.key, one.class, part.is_none(), is_left, part)
        };
        let age = |one: &Found| (one.row.created, &list[index(one.row.place)].id);
        found.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| age(a).cmp(&age(b))));
        let mut said = Self { strangers: strangers.into(), ..Self::default() };
        let (mut attempts, mut facts): (Vec<Named>, Vec<Facts>) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(found.len());
        for one in found {
            let mut row = one.row;
            row.facts = match one.facts {
                // The parts of a point agree as a rule.
                Some(own) => {
                    if facts.last() != Some(&own) {
                        facts.push(own);
                    }
                    place(facts.len() - 1)
                }
                None => UNREADABLE,
            };
            rows.push(row);
            let end = place(rows.len());
            match attempts.last_mut().filter(|last| (last.key, last.class) == (one.key, one.class)) {
                Some(last) => last.end = end,
                None => attempts.push(Named { key: one.key, class: one.class, end }),
            }
        }
        said.attempts = attempts.into();
        said.rows = rows.into();
        said.facts = facts.into();
        said
    }
}

fn place(number: usize) -> u32 {
    u32::try_from(number).expect("no site has so many snapshots")
}

impl Found {
    /// What a snapshot says that is of an attempt, and ours or without a seal; `None` for strangers.
    fn read(place: u32, snapshot: &Snapshot, place_of_seals: &Place<'_>, keyring: &Keyring) -> Option<Self> {
        let ours = snapshot.tags.ours();
        let key = ours.get(tags::POINT)?.point_of(ours.get(tags::SLOT)?)?;
        let class = ours.get(tags::CLASS)?.class()?;
        let name = match OwnedSnapshot::check_tags(place_of_seals, snapshot, &ours, keyring) {
            Ok(_) => Some(ours.get(tags::PART)?.part()?),
            Err(NotOurs::Unsealed) => None,
            Err(NotOurs::UnknownKey(_) | NotOurs::Forged) => return None,
        };
        let row = Row {
            created: snapshot.created,
            print: print_of(&snapshot.id),
            place,
            facts: UNREADABLE,
            name,
            progress: match snapshot.readiness {
                Readiness::Creating | Readiness::CutFixed => Progress::Making,
                Readiness::Ready => Progress::Ready,
                Readiness::Failed { .. } => Progress::Failed,
            },
            is_held: ours.get(tags::HOLD).is_some(),
            is_marked: ours.get(tags::EXPIRE).is_some(),
            // A tag tells no more than microseconds.
            marked: ours.get(tags::EXPIRE).and_then(Value::instant).map_or(UNMARKED, Timestamp::as_microsecond),
            generation: Bits::default(),
        };
        Some(Self { key, class, facts: facts_of(&ours), row })
    }
}

fn facts_of(ours: &Ours<'_>) -> Option<Facts> {
    let system = match ours.get(tags::SYSTEM) {
        Some(value) => Some(value.system()?),
        None => None,
    };
    let wal = match ours.get(tags::WAL) {
        Some(value) => Some(value.wal()?),
        None => None,
    };
    Some(Facts { cut: ours.get(tags::CUT)?.instant()?, system, wal })
}
