//! Points once more, by their definition: what the snapshots of one place come to that name one attempt.
//!
//! What each of them says was read once ([`crate::snapshots`]); what that makes of them is decided here anew.

use crate::lsn::WalRange;
use crate::name::{SnapshotId, SystemId};
use crate::observed::{Generation, SiteInventory, Snapshot};
use crate::plan::{CopyPoint, CreatePoint};
use crate::seal::{Keyring, OwnedSnapshot, Place as SealPlace};
use crate::snapshots::{self, Progress, Row};
use crate::tags::{PartName, PartRole, PointClass, PointKey};
use jiff::Timestamp;

/// A snapshot of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    row: &'a Row,
}

impl<'a> Seen<'a> {
    /// Whether a seal proves it to be ours.
    pub(super) fn is_genuine(&self) -> bool {
        self.row.is_genuine()
    }

    /// Whether it has this id, of which the print is told with it.
    pub(super) fn is(&self, id: &SnapshotId, print: u64) -> bool {
        self.row.print == print && self.snapshot.id == *id
    }

    /// What a plan that relies on it must have seen.
    pub(super) fn generation(&self) -> Generation {
        self.row.generation(self.snapshot)
    }

    pub(super) fn is_held(&self) -> bool {
        self.row.is_held
    }

    pub(super) fn name(&self) -> Option<&'a PartName> {
        self.row.name.as_ref()
    }

    pub(super) fn created(&self) -> Timestamp {
        self.row.created
    }

    pub(super) fn intent(&self) -> Option<&'a str> {
        self.snapshot.tags.get("backstay-intent")
    }

    pub(super) fn is_marked(&self) -> bool {
        self.row.is_marked
    }

    /// When its tag says that it was marked.
    pub(super) fn marked(&self) -> Option<Timestamp> {
        self.row.marked()
    }

    /// Whether the provider is not done with it.
    pub(super) fn is_being_made(&self) -> bool {
        self.row.progress == Progress::Making
    }

    pub(super) fn has_failed(&self) -> bool {
        self.row.progress == Progress::Failed
    }
}

/// A snapshot by itself, with the tags that matter: it may name anything.
#[derive(Debug, Clone)]
pub(super) struct Tagged<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) is_genuine: bool,
    pub(super) point: Option<&'a str>,
    pub(super) class: Option<&'a str>,
    pub(super) intent: Option<&'a str>,
    part: Option<&'a str>,
    cut: Option<&'a str>,
    system: Option<&'a str>,
    wal: Option<&'a str>,
    seals: usize,
}

impl<'a> Tagged<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, site: &SiteInventory, keyring: &Keyring) -> Self {
        let place = SealPlace { provider: site.provider, account: &site.account };
        let mut tagged = Self {
            snapshot,
            is_genuine: OwnedSnapshot::check(&place, snapshot, keyring).is_ok(),
            point: None,
            class: None,
            intent: None,
            part: None,
            cut: None,
            system: None,
            wal: None,
            seals: 0,
        };
        for (key, value) in snapshot.tags.iter() {
            match key {
                "backstay-point" => tagged.point = Some(value),
                "backstay-class" => tagged.class = Some(value),
                "backstay-intent" => tagged.intent = Some(value),
                "backstay-part" => tagged.part = Some(value),
                "backstay-cut" => tagged.cut = Some(value),
                "backstay-system" => tagged.system = Some(value),
                "backstay-wal" => tagged.wal = Some(value),
                "backstay-seal-1" | "backstay-seal-2" => tagged.seals += 1,
                _ => {}
            }
        }
        tagged
    }

    /// Whether it carries our intent alone: nothing that is added once the facts are known.
    pub(super) fn is_intent_only(&self) -> bool {
        let facts = [self.part, self.cut, self.system, self.wal];
        self.intent.is_some() && self.seals == 0 && facts.iter().all(Option::is_none)
    }

    /// Whether it claims a seal that is not genuine: a stranger neither makes nor breaks a point.
    pub(super) fn is_stranger(&self) -> bool {
        self.seals == 2 && !self.is_genuine
    }
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Every part is there, genuine and ready.
    Whole,
    /// Every part is there and genuine, none failed, and some are not ready.
    BeingMade,
    /// It is no point that can be restored, or ever will be.
    Unusable,
}

/// The snapshots of one attempt at one place: those that are ours, and those that carry no seal.
#[derive(Debug, Clone)]
pub(super) struct Attempt<'a> {
    pub(super) key: PointKey,
    pub(super) class: PointClass,
    pub(super) state: State,
    /// The point, where every part is there and genuine.
    pub(super) facts: Option<Whole<'a>>,
    /// Whether these are doubles of parts of a point that stands beside them.
    pub(super) is_double: bool,
    rows: &'a [Row],
    list: &'a [Snapshot],
}

/// A point of which every part is there, by its sealed facts.
#[derive(Debug, Clone)]
pub(super) struct Whole<'a> {
    pub(super) key: PointKey,
    pub(super) class: PointClass,
    pub(super) cut: Timestamp,
    /// The latest creation time of its snapshots, by the provider.
    pub(super) created: Timestamp,
    pub(super) system: Option<SystemId>,
    pub(super) wal: Option<WalRange>,
    pub(super) held: bool,
    parts: Parts<'a>,
}

/// The parts of a point, in their order.
#[derive(Debug, Clone)]
enum Parts<'a> {
    /// They are there.
    There(&'a [Row], &'a [Snapshot]),
    /// They would be made.
    Planned(Vec<PartName>),
}

/// By which points are ordered: cut, key and class.
pub(super) type Rank = (Timestamp, PointKey, PointClass);

impl<'a> Whole<'a> {
    /// The names of its parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = &PartName> {
        let (there, planned): (&[Row], &[PartName]) = match &self.parts {
            Parts::There(rows, _) => (rows, &[]),
            Parts::Planned(names) => (&[], names),
        };
        there.iter().filter_map(|row| row.name.as_ref()).chain(planned)
    }

    /// Its snapshots; what would be made has none.
    pub(super) fn ids(&self) -> impl ExactSizeIterator<Item = &'a SnapshotId> + use<'a> {
        let (rows, list): (&[Row], &[Snapshot]) = match self.parts {
            Parts::There(rows, list) => (rows, list),
            Parts::Planned(_) => (&[], &[]),
        };
        rows.iter().map(|row| &row.of(list).id)
    }

    /// The same, as if its copy were as old as its cut, and held or not.
    pub(super) fn by_its_cut(&self, held: bool) -> Self {
        Self { created: self.cut, held, ..self.clone() }
    }

    pub(super) fn rank(&self) -> Rank {
        (self.cut, self.key, self.class)
    }

    /// Whether it is the same point at another place: name and facts are the same, only the snapshots are others.
    pub(super) fn is_same(&self, other: &Whole<'_>) -> bool {
        let facts = |p: &Whole<'_>| (p.cut, p.system, p.wal);
        (self.key, self.class) == (other.key, other.class)
            && facts(self) == facts(other)
            && self.parts().eq(other.parts())
    }

    /// The point that a plan would make, as if it were there already.
    pub(super) fn of_create(create: &CreatePoint, now: Timestamp) -> Whole<'static> {
        Whole {
            key: create.point,
            class: create.class,
            cut: now,
            created: now,
            system: create.system,
            wal: None,
            held: false,
            parts: Parts::Planned(create.parts.iter().map(|part| part.name.clone()).collect()),
        }
    }

    /// The copy that a plan would make, as if it were there already.
    pub(super) fn of_copy(copy: &CopyPoint, now: Timestamp) -> Whole<'static> {
        Whole {
            key: copy.point,
            class: copy.class,
            cut: copy.cut,
            created: now,
            system: copy.system,
            wal: copy.wal,
            held: false,
            parts: Parts::Planned(copy.parts.iter().map(|part| part.name.clone()).collect()),
        }
    }
}

impl<'a> Attempt<'a> {
    /// What the snapshots come to that name one attempt. Where some of them are a point that did not fail, and each of the
    /// others carries the intent of one of its parts, the others are doubles: no part of it, and no point.
    pub(super) fn all_of(named: snapshots::Attempt<'a>, list: &'a [Snapshot]) -> impl Iterator<Item = Self> {
        let all = Self::of(named, list);
        let ends = if all.facts.is_some() { 0..0 } else { 1..named.rows.len() };
        let intent = |row: &Row| row.of(list).tags.get("backstay-intent");
        for end in ends {
            let (parts, others) = named.rows.split_at(end);
            let point = Self::of(named.only(parts), list);
            let is_double = |row: &Row| intent(row).is_some() && parts.iter().any(|part| intent(part) == intent(row));
            if point.state != State::Unusable && others.iter().all(is_double) {
                let doubles = Self { state: State::Unusable, facts: None, is_double: true, rows: others, ..all };
                return std::iter::once(point).chain(Some(doubles));
            }
        }
        std::iter::once(all).chain(None)
    }

    fn of(named: snapshots::Attempt<'a>, list: &'a [Snapshot]) -> Self {
        let facts = complete(&named, list);
        let is_any = |progress| named.rows.iter().any(|row| row.progress == progress);
        let state = if facts.is_none() || is_any(Progress::Failed) {
            State::Unusable
        } else if is_any(Progress::Making) {
            State::BeingMade
        } else {
            State::Whole
        };
        Self { key: named.key, class: named.class, state, facts, is_double: false, rows: named.rows, list }
    }

    /// Its snapshots.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = Seen<'a>> + use<'a> {
        let (rows, list) = (self.rows, self.list);
        rows.iter().map(|row| Seen { snapshot: row.of(list), row })
    }

    /// The point, where it can be restored.
    pub(super) fn whole(&self) -> Option<&Whole<'a>> {
        self.facts.as_ref().filter(|_| self.state == State::Whole)
    }
}

fn complete<'a>(named: &snapshots::Attempt<'a>, list: &'a [Snapshot]) -> Option<Whole<'a>> {
    let rows = named.rows;
    let first = named.facts(rows.first()?)?;
    let count = rows.len();
    // What an attempt left behind is sealed as such, so that it can go. It never makes a point (INVARIANTS.md 7).
    let is_part = |row: &Row, number: u16| {
        let name = row.name.as_ref().filter(|_| row.is_genuine());
        name.is_some_and(|name| {
            name.role != PartRole::Unfinished && name.index == number && usize::from(name.of) == count
        })
    };
    let counts_up = rows.iter().zip(1..).all(|(row, number)| is_part(row, number));
    let agree = rows.iter().all(|row| named.facts(row) == Some(first));
    if !counts_up || !agree {
        return None;
    }
    Some(Whole {
        key: named.key,
        class: named.class,
        cut: first.cut,
        created: rows.iter().map(|row| row.created).max()?,
        system: first.system,
        wal: first.wal,
        held: rows.iter().any(|row| row.is_held),
        parts: Parts::There(rows, list),
    })
}
