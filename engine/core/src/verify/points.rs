//! Points once more, by their definition: what the tags of one place's snapshots say, and which of them a seal proves.

use crate::lsn::WalRange;
use crate::name::{SnapshotId, SystemId};
use crate::observed::{Readiness, SiteInventory, Snapshot};
use crate::plan::{CopyPoint, CreatePoint};
use crate::seal::{Keyring, OwnedSnapshot, Place as SealPlace};
use crate::tags::{PartName, PartRole, PointClass, PointKey, parse_wal_tag};
use crate::time::parse_stamp;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A snapshot with the tags that matter, read once.
#[derive(Debug, Clone)]
pub(super) struct Seen<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) is_genuine: bool,
    pub(super) point: Option<&'a str>,
    pub(super) class: Option<&'a str>,
    pub(super) intent: Option<&'a str>,
    pub(super) is_held: bool,
    pub(super) expires: Option<&'a str>,
    slot: Option<&'a str>,
    part: Option<&'a str>,
    cut: Option<&'a str>,
    system: Option<&'a str>,
    wal: Option<&'a str>,
    seals: usize,
}

impl<'a> Seen<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, site: &SiteInventory, keyring: &Keyring) -> Self {
        let place = SealPlace { provider: site.provider, account: &site.account };
        let mut seen = Self {
            snapshot,
            is_genuine: OwnedSnapshot::check(&place, snapshot, keyring).is_ok(),
            point: None,
            class: None,
            intent: None,
            is_held: false,
            expires: None,
            slot: None,
            part: None,
            cut: None,
            system: None,
            wal: None,
            seals: 0,
        };
        for (key, value) in snapshot.tags.iter() {
            match key {
                "backstay-point" => seen.point = Some(value),
                "backstay-class" => seen.class = Some(value),
                "backstay-intent" => seen.intent = Some(value),
                "backstay-hold" => seen.is_held = true,
                "backstay-expire" => seen.expires = Some(value),
                "backstay-slot" => seen.slot = Some(value),
                "backstay-part" => seen.part = Some(value),
                "backstay-cut" => seen.cut = Some(value),
                "backstay-system" => seen.system = Some(value),
                "backstay-wal" => seen.wal = Some(value),
                "backstay-seal-1" | "backstay-seal-2" => seen.seals += 1,
                _ => {}
            }
        }
        seen
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

    /// Whether the provider is not done with it.
    pub(super) fn is_being_made(&self) -> bool {
        match self.snapshot.readiness {
            Readiness::Creating | Readiness::CutFixed => true,
            Readiness::Ready | Readiness::Failed { .. } => false,
        }
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
    pub(super) point: &'a str,
    pub(super) class: &'a str,
    pub(super) snapshots: Vec<Seen<'a>>,
    pub(super) state: State,
    /// The point, where every part is there and genuine.
    pub(super) facts: Option<Whole<'a>>,
}

/// A point of which every part is there, by its sealed facts.
#[derive(Debug, Clone)]
pub(super) struct Whole<'a> {
    pub(super) key: PointKey,
    pub(super) class: &'a str,
    pub(super) cut: Timestamp,
    /// The latest creation time of its snapshots, by the provider.
    pub(super) created: Timestamp,
    pub(super) system: Option<SystemId>,
    pub(super) wal: Option<WalRange>,
    /// In their order.
    pub(super) parts: Vec<PartName>,
    pub(super) ids: Vec<&'a SnapshotId>,
    pub(super) held: bool,
}

/// By which points are ordered: cut, key and class.
pub(super) type Rank = (Timestamp, PointKey, Option<PointClass>);

impl Whole<'_> {
    pub(super) fn rank(&self) -> Rank {
        (self.cut, self.key, PointClass::parse(self.class))
    }

    /// Whether it is the same point at another place: name and facts are the same, only the snapshots are others.
    pub(super) fn is_same(&self, other: &Whole<'_>) -> bool {
        let facts = |p: &Whole<'_>| (p.cut, p.system, p.wal);
        (self.key, self.class) == (other.key, other.class) && facts(self) == facts(other) && self.parts == other.parts
    }

    /// The point that a plan would make, as if it were there already.
    pub(super) fn of_create(create: &CreatePoint, now: Timestamp) -> Whole<'static> {
        Whole {
            key: create.point,
            class: create.class.as_str(),
            cut: now,
            created: now,
            system: create.system,
            wal: None,
            parts: create.parts.iter().map(|part| part.name.clone()).collect(),
            ids: Vec::new(),
            held: false,
        }
    }

    /// The copy that a plan would make, as if it were there already.
    pub(super) fn of_copy(copy: &CopyPoint, now: Timestamp) -> Whole<'static> {
        Whole {
            key: copy.point,
            class: copy.class.as_str(),
            cut: copy.cut,
            created: now,
            system: copy.system,
            wal: copy.wal,
            parts: copy.parts.iter().map(|part| part.name.clone()).collect(),
            ids: Vec::new(),
            held: false,
        }
    }
}

/// Puts the snapshots of a cluster at one place together; what belongs to no attempt of ours comes second.
pub(super) fn attempts<'a>(snapshots: Vec<Seen<'a>>) -> (Vec<Attempt<'a>>, Vec<Seen<'a>>) {
    let mut by_name: BTreeMap<(&str, &str), Vec<Seen<'_>>> = BTreeMap::new();
    let mut strangers = Vec::new();
    for seen in snapshots {
        match (seen.point, seen.class, seen.slot) {
            (Some(point), Some(class), Some(slot))
                if !seen.is_stranger() && point.strip_prefix(slot).is_some_and(|rest| rest.starts_with('-')) =>
            {
                by_name.entry((point, class)).or_default().push(seen);
            }
            _ => strangers.push(seen),
        }
    }
    let attempts = by_name.into_iter().map(|((point, class), snapshots)| {
        let facts = complete(point, class, &snapshots);
        let all = |is: fn(&Readiness) -> bool| snapshots.iter().all(|seen| is(&seen.snapshot.readiness));
        let state = if facts.is_none() || !all(|readiness| !matches!(readiness, Readiness::Failed { .. })) {
            State::Unusable
        } else if all(|readiness| *readiness == Readiness::Ready) {
            State::Whole
        } else {
            State::BeingMade
        };
        Attempt { point, class, snapshots, state, facts }
    });
    (attempts.collect(), strangers)
}

fn complete<'a>(point: &str, class: &'a str, parts: &[Seen<'a>]) -> Option<Whole<'a>> {
    let first = parts.first()?;
    let mut names: Vec<PartName> = parts.iter().map(|seen| seen.part?.parse().ok()).collect::<Option<_>>()?;
    names.sort_by_key(|name| name.index);
    // What an attempt left behind is sealed as such, so that it can go. It never makes a point (INVARIANTS.md 7).
    let counts_up = names.iter().zip(1..).all(|(name, number)| {
        name.role != PartRole::Unfinished && name.index == number && usize::from(name.of) == names.len()
    });
    let facts = |seen: &Seen<'a>| (seen.slot, seen.cut, seen.system, seen.wal);
    let agree = parts.iter().all(|seen| seen.is_genuine && facts(seen) == facts(first));
    if !counts_up || !agree {
        return None;
    }
    let system = match first.system {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    let wal = match first.wal {
        Some(text) => Some(parse_wal_tag(text)?),
        None => None,
    };
    Some(Whole {
        key: point.parse().ok()?,
        class,
        cut: parse_stamp(first.cut?)?,
        created: parts.iter().map(|seen| seen.snapshot.created).max()?,
        system,
        wal,
        parts: names,
        ids: parts.iter().map(|seen| &seen.snapshot.id).collect(),
        held: parts.iter().any(|seen| seen.is_held),
    })
}
