//! One cluster at one instant, with what each of its places keeps: now, and once what is under way is ready.

use super::places::{Kind, Place, Places, Seen};
use super::retirement::Span;
use super::{Subject, World, safety};
use crate::observed::Snapshot;
use crate::plan::ExpectedSnapshot;
use crate::point::{Part, RecoveryPoint};
use crate::retention::{self, Candidate, CurrentSystem, KeepReason, KeepReasons, Verdict};
use crate::tags::{PointClass, PointKey};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a point is, wherever it lies. Two points of one id at two places are one point, copied.
pub(super) type Id = (PointKey, PointClass);

pub(super) fn id(point: &RecoveryPoint<'_>) -> Id {
    (point.key, point.class)
}

/// One cluster with its places, at one instant.
pub(super) struct View<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) world: &'a World<'a>,
    pub(super) places: &'a Places<'a>,
    pub(super) as_of: Timestamp,
    /// The cluster's current system identifier, or why it is not known.
    pub(super) system: Result<CurrentSystem, String>,
    held: BTreeSet<Id>,
}

impl<'a> View<'a> {
    pub(super) fn of(
        subject: &Subject<'a>,
        world: &'a World<'a>,
        places: &'a Places<'a>,
        home: Seen<'a>,
        as_of: Timestamp,
    ) -> Self {
        let holds = world.holds_of(&subject.cluster.uid);
        let is_held = |point: &&RecoveryPoint<'_>| {
            // Also what has no seal: a hold that nobody proved only ever keeps more.
            holds.contains(&point.key) || point.is_tagged_held
        };
        let held = places.points().filter(is_held).map(id).collect();
        let system = safety::current_system(subject.cluster, home.site);
        Self { subject: *subject, world, places, as_of, system, held }
    }

    /// The current system identifier as far as it can be told.
    pub(super) fn current(&self) -> CurrentSystem {
        self.system.as_ref().copied().unwrap_or(CurrentSystem::NewestPoints)
    }

    /// A hold counts if record or tag says so, at whatever place: what is held at one is held at all.
    pub(super) fn is_held(&self, point: &RecoveryPoint<'_>) -> bool {
        self.held.contains(&id(point))
    }

    pub(super) fn candidate(&self, point: &RecoveryPoint<'_>) -> Candidate {
        Candidate::of(point, self.is_held(point))
    }

    /// What retention judges at a place.
    pub(super) fn restorable(&self, seen: Seen<'a>) -> Vec<Candidate> {
        seen.points().iter().filter(|point| point.is_restorable()).map(|point| self.candidate(point)).collect()
    }

    /// Whether a point is judged by retention at all: not those of restores, nor what is dated in the future.
    pub(super) fn is_judged(&self, point: &RecoveryPoint<'_>) -> bool {
        let is_of_schedules = matches!(point.class, PointClass::Scheduled | PointClass::OnDemand);
        is_of_schedules && point.cut.max(point.created) <= retention::TOLERANCE.after(self.as_of)
    }
}

/// Why each candidate of a place lives; those that are let go are missing. Ordered by what they are.
#[derive(Default)]
struct Kept(Vec<(Id, KeepReasons)>);

impl Kept {
    fn get(&self, id: Id) -> Option<&KeepReasons> {
        let place = self.0.binary_search_by_key(&id, |(other, _)| *other).ok()?;
        self.0.get(place).map(|(_, reasons)| reasons)
    }

    /// With what others keep: what both do is kept for all of their reasons.
    fn and(mut self, others: impl IntoIterator<Item = (Id, KeepReasons)>) -> Self {
        self.0.extend(others);
        self.0.sort_by_key(|(id, _)| *id);
        self.0.dedup_by(|(id, more), (kept, reasons)| {
            let is_same = id == kept;
            if is_same {
                more.as_slice().iter().for_each(|reason| reasons.add(*reason));
            }
            is_same
        });
        self
    }
}

/// What one place keeps.
struct AtPlace {
    kept: Kept,
    /// Why the place's own floor does not stand.
    floor: Option<String>,
}

impl AtPlace {
    fn of(view: &View<'_>, place: &Place<'_>, candidates: &[Candidate]) -> Self {
        let mut kept = Kept::default();
        let mut floor = None;
        for retention in place.retentions() {
            if view.subject.cluster.is_retired {
                let span = Span::of(&view.subject, retention, view.as_of);
                let living = candidates.iter().filter(|candidate| !span.is_over(candidate, view.as_of));
                kept = kept.and(living.map(|candidate| ((candidate.key, candidate.class), KeepReasons::NONE)));
                continue;
            }
            let judgements = retention::judge(candidates.iter().copied(), retention, view.current(), view.as_of);
            floor = floor.or_else(|| safety::count_floor(&judgements, retention));
            kept = kept.and(judgements.iter().filter_map(|judgement| match &judgement.verdict {
                Verdict::Keep(reasons) => Some(((judgement.point.key, judgement.point.class), *reasons)),
                Verdict::Expire => None,
            }));
        }
        Self { kept, floor }
    }
}

impl AtPlace {
    /// With what the floor of others keeps, and with their obstacle.
    fn with_floor_of(mut self, others: Self) -> Self {
        let is_of_floor = |reasons: &KeepReasons| reasons.as_slice().contains(&KeepReason::Redundancy);
        let mut of_floor = others.kept;
        of_floor.0.retain(|(_, reasons)| is_of_floor(reasons));
        self.kept.0.retain(|(id, _)| of_floor.get(*id).is_none());
        Self { kept: self.kept.and(of_floor.0), floor: others.floor }
    }
}

/// What all places keep.
pub(super) struct Fates<'a> {
    at: BTreeMap<&'a str, AtPlace>,
    /// The newest points of all places together, as many as the policy's floor asks for: one object of each stays.
    shared: BTreeSet<Id>,
    /// Why the policy's floor does not stand over all places.
    floor: Option<String>,
}

impl<'a> Fates<'a> {
    /// Judges what lies, or will lie, at each place.
    pub(super) fn of(view: &View<'a>, candidates: &[(&Place<'a>, Vec<Candidate>)]) -> Self {
        // What was made at home and at former sites is one line of points: so a former site drains as its points grow old.
        let is_of_line = |place: &Place<'_>| matches!(place.kind, Kind::Home | Kind::Former);
        let has_former = candidates.iter().any(|(place, own)| matches!(place.kind, Kind::Former) && !own.is_empty());
        let judged = |place: &Place<'_>, own: &[Candidate]| {
            let alone = AtPlace::of(view, place, own);
            if !has_former || !is_of_line(place) {
                return alone;
            }
            // What a place has is as old there as its own provider says: its own objects speak first.
            let here = candidates.iter().filter(|(other, _)| other.name == place.name);
            let line = distinct(here.chain(candidates.iter().filter(|(other, _)| is_of_line(other))));
            let of_line = AtPlace::of(view, place, &line);
            match place.kind {
                // Home keeps a floor of its own besides.
                Kind::Home | Kind::Copy(_) => of_line.with_floor_of(alone),
                Kind::Former => AtPlace { floor: None, ..of_line },
            }
        };
        let at = candidates.iter().map(|(place, own)| (place.name.as_str(), judged(place, own))).collect();
        let mut fates = Self { at, shared: BTreeSet::new(), floor: None };
        // What lies at home alone is judged by the policy's own retention, and its floor with it.
        let elsewhere = candidates.iter().skip(1).any(|(_, own)| !own.is_empty());
        if elsewhere && !view.subject.cluster.is_retired {
            fates.share(view, candidates);
        } else if let Some((home, _)) = candidates.first() {
            fates.floor = fates.at.get(home.name.as_str()).and_then(|at| at.floor.clone());
        }
        fates
    }

    fn share(&mut self, view: &View<'a>, candidates: &[(&Place<'a>, Vec<Candidate>)]) {
        let retention = &view.subject.policy.retention;
        let judgements = retention::judge(distinct(candidates), retention, view.current(), view.as_of);
        self.floor = safety::count_floor(&judgements, retention);
        let is_of_floor = |verdict: &Verdict| match verdict {
            Verdict::Keep(reasons) => reasons.as_slice().contains(&KeepReason::Redundancy),
            Verdict::Expire => false,
        };
        let floor = judgements.iter().filter(|judgement| is_of_floor(&judgement.verdict));
        self.shared = floor.map(|judgement| (judgement.point.key, judgement.point.class)).collect();
    }

    /// Whether a point must stay at a place.
    pub(super) fn keeps(&self, place: &Place<'_>, id: Id) -> bool {
        let kept_at = |at: &AtPlace| at.kept.get(id).is_some();
        let mut others = self.at.iter().filter(|(name, _)| **name != place.name.as_str());
        self.at.get(place.name.as_str()).is_some_and(kept_at)
            || (self.shared.contains(&id) && !others.any(|(_, at)| kept_at(at)))
    }

    /// Why nothing at all may go from a place: its own floor, or that of all places, does not stand.
    pub(super) fn floor(&self, place: &Place<'_>) -> Option<&String> {
        self.at.get(place.name.as_str()).and_then(|at| at.floor.as_ref()).or(self.floor.as_ref())
    }

    /// The rules that keep a point at a place.
    pub(super) fn reasons(&self, place: &Place<'_>, id: Id) -> &[KeepReason] {
        self.at.get(place.name.as_str()).and_then(|at| at.kept.get(id)).map_or(&[], KeepReasons::as_slice)
    }
}

/// Each point once, however many places have it: as it is at the first of them.
fn distinct<'c, 'a: 'c>(candidates: impl IntoIterator<Item = &'c (&'c Place<'a>, Vec<Candidate>)>) -> Vec<Candidate> {
    let mut distinct: BTreeMap<Id, Candidate> = BTreeMap::new();
    for candidate in candidates.into_iter().flat_map(|(_, own)| own) {
        distinct.entry((candidate.key, candidate.class)).or_insert(*candidate);
    }
    distinct.into_values().collect()
}

/// Judges what lies at each place that was read.
pub(super) fn now<'a>(view: &View<'a>) -> Fates<'a> {
    let candidates: Vec<_> = view.places.known().map(|(place, seen)| (place, view.restorable(seen))).collect();
    Fates::of(view, &candidates)
}

/// The same of a point's part.
pub(super) fn expected_part(part: &Part<'_>) -> ExpectedSnapshot {
    let snapshot = part.snapshot.snapshot();
    let generation = part.row.generation(snapshot);
    ExpectedSnapshot { id: snapshot.id.clone(), disk: snapshot.disk.clone(), generation }
}

/// A snapshot that an action relies on, as it was seen.
pub(super) fn expected(snapshot: &Snapshot) -> ExpectedSnapshot {
    ExpectedSnapshot { id: snapshot.id.clone(), disk: snapshot.disk.clone(), generation: snapshot.generation() }
}
