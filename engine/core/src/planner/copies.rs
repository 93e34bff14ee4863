//! Copies: what a copy site's retention wants and lacks, oldest cut first, and what must wait for that (decision 6).

use super::cluster::Outcome;
use super::places::{Kind, Place, Seen};
use super::room::Room;
use super::view::{self, Id, View, expected_part};
use super::{World, places::Places};
use crate::capabilities::{Copies, Iaas};
use crate::model::{CopyPolicy, Desired, Retention};
use crate::name::{ClusterUid, DiskId, SiteName};
use crate::observed::{Listing, Readiness, Snapshot};
use crate::plan::{Action, Change, CopyPoint, PlannedCopy, Reason, Waiting, WaitingFor};
use crate::point::{Consistency, PointState, RecoveryPoint};
use crate::retention::{self, Candidate, KeepReason, Verdict};
use crate::tags::{self, Intent, PointKey};
use std::collections::{BTreeMap, BTreeSet};

/// The points that copy sites want and lack, with those sites: their sources stay until they have them.
#[derive(Default)]
pub(super) struct Lacking(BTreeMap<Id, Vec<SiteName>>);

impl Lacking {
    /// The sites that must have a point before it may go anywhere.
    pub(super) fn sites(&self, id: Id) -> Option<&Vec<SiteName>> {
        self.0.get(&id)
    }

    fn pin(&mut self, id: Id, site: &SiteName) {
        let sites = self.0.entry(id).or_default();
        if !sites.contains(site) {
            sites.push(site.clone());
        }
    }
}

/// A point where it can be copied from.
#[derive(Clone, Copy)]
struct Source<'a> {
    site: &'a SiteName,
    point: &'a RecoveryPoint<'a>,
}

/// Plans the copies of one cluster, as if there were no other: [`limit`] comes later.
pub(super) fn plan(view: &View<'_>, outcome: &mut Outcome) -> Lacking {
    let mut lacking = Lacking::default();
    pin_travelling(view, &mut lacking);
    if view.subject.cluster.is_retired {
        return lacking;
    }
    for place in &view.places.all {
        if let (Kind::Copy(copy), Ok(seen)) = (place.kind, place.seen) {
            match place.rules.copies {
                Copies::Queued { in_order, .. } => to_site(view, place, copy, seen, in_order, outcome, &mut lacking),
                Copies::None | Copies::PlacedAtCreation => {}
            }
        }
    }
    lacking
}

/// What is on its way to another place is copied from here, whether or not anybody wants the copy any more, and also where
/// the cluster lives by now.
fn pin_travelling(view: &View<'_>, lacking: &mut Lacking) {
    for (place, seen) in view.places.known() {
        let travels = |point: &&RecoveryPoint<'_>| {
            point.snapshots().any(|one| matches!(one.readiness, Readiness::Creating | Readiness::CutFixed))
        };
        for point in seen.points().iter().filter(travels) {
            lacking.pin(view::id(point), place.name);
        }
    }
}

fn to_site<'a>(
    view: &View<'a>,
    place: &Place<'a>,
    copy: &CopyPolicy,
    seen: Seen<'a>,
    in_order: bool,
    outcome: &mut Outcome,
    lacking: &mut Lacking,
) {
    let cluster = view.subject.cluster;
    let is_there = |state: &PointState| matches!(state, PointState::Restorable | PointState::InProgress);
    let judged = |point: &&RecoveryPoint<'_>| view.is_judged(point);
    let there: Vec<Candidate> =
        seen.points().iter().filter(judged).filter(|p| is_there(&p.state)).map(|p| view.candidate(p)).collect();
    let sources = sources(view.places, place, view);
    let names: BTreeSet<Id> = there.iter().map(|point| (point.key, point.class)).collect();
    let missing = sources.iter().filter(|(id, _)| !names.contains(id));
    let all: Vec<Candidate> =
        there.into_iter().chain(missing.map(|(_, source)| view.candidate(source.point))).collect();
    let wanted = wanted(view, &copy.retention, &all);
    let is_ready = |id: &Id| seen.points().iter().any(|point| view::id(point) == *id && point.is_restorable());
    for id in wanted.iter().filter(|id| !is_ready(id)) {
        lacking.pin(*id, place.name);
    }
    let mut open: Vec<Source<'a>> =
        sources.iter().filter(|(id, _)| wanted.contains(id) && !names.contains(id)).map(|(_, s)| *s).collect();
    open.sort_by_key(|source| (source.point.cut, source.point.key, source.point.class));
    let mut busy = if in_order { Busy::of(view, seen, &sources) } else { Busy::default() };
    for source in open {
        let planned = copy_point(cluster, copy, source);
        // Also what failed keeps its place in the order: what comes later of its disks waits.
        let is_next = !in_order || busy.takes(source.point);
        let wait = if has_failed(seen, &planned) {
            Some(WaitingFor::FailedCopy { site: place.name.clone() })
        } else if !is_next {
            Some(WaitingFor::CopyQueue { limit: "of each disk one at a time, in order".to_owned() })
        } else {
            None
        };
        match wait {
            Some(why) => outcome.wait(cluster, Some(planned.point), why),
            None => {
                let reason = Reason::CopyMissing { from: source.site.clone() };
                outcome.change_at(cluster, place.name, Action::Copy(planned), reason);
            }
        }
    }
    await_sources(view, copy, &all, outcome);
}

/// Each point that can be copied to a place, from home where home has it.
fn sources<'a>(places: &Places<'a>, to: &Place<'a>, view: &View<'a>) -> BTreeMap<Id, Source<'a>> {
    let mut sources = BTreeMap::new();
    for (from, seen) in places.known().filter(|(from, _)| from.name != to.name && from.iaas == to.iaas) {
        for point in seen.points().iter().filter(|point| point.is_restorable() && view.is_judged(point)) {
            sources.entry(view::id(point)).or_insert(Source { site: from.name, point });
        }
    }
    sources
}

/// What a copy's retention keeps, if all of these were there. It judges by the cut alone: a copy is made later than its
/// point, and an age that began anew with it would make ever older points the base of the window.
fn wanted(view: &View<'_>, retention: &Retention, all: &[Candidate]) -> BTreeSet<Id> {
    let judge = |is_held: fn(&Candidate) -> bool| {
        let by_cut = all.iter().map(|point| Candidate { created: point.cut, is_held: is_held(point), ..*point });
        retention::judge(by_cut, retention, view.current(), view.as_of)
    };
    let keeps = |verdict: &Verdict| match verdict {
        // A hold alone wants no second object.
        Verdict::Keep(reasons) => reasons.as_slice() != [KeepReason::Hold],
        Verdict::Expire => false,
    };
    let mut judgements = judge(|point| point.is_held);
    if all.iter().any(|point| point.is_held) {
        let held: BTreeSet<Id> = all.iter().filter(|p| p.is_held).map(|p| (p.key, p.class)).collect();
        let as_if_free = judge(|_| false).into_iter();
        judgements.extend(as_if_free.filter(|j| held.contains(&(j.point.key, j.point.class))));
    }
    let kept = judgements.iter().filter(|judgement| keeps(&judgement.verdict));
    kept.map(|judgement| (judgement.point.key, judgement.point.class)).collect()
}

fn copy_point(cluster: &crate::model::Cluster, copy: &CopyPolicy, source: Source<'_>) -> CopyPoint {
    let point = source.point;
    let part = |part: &crate::point::Part<'_>| PlannedCopy {
        name: part.name.clone(),
        source: expected_part(part),
        intent: Intent::of_copy(&cluster.uid, point.class, point.key, part.snapshot.id(), &copy.site),
    };
    CopyPoint {
        point: point.key,
        class: point.class,
        cut: point.cut,
        from: source.site.clone(),
        kms_key: copy.kms_key.clone(),
        system: point.system,
        wal: match point.consistency {
            Consistency::Application(wal) => Some(wal),
            Consistency::Crash => None,
        },
        parts: point.parts.iter().map(part).collect(),
    }
}

/// Whether something lies there that a copy would find or join, and that can never become whole: a failed snapshot, one that
/// was made from other snapshots than these, or one that a copy would find by its intent and that is not believed.
fn has_failed(seen: Seen<'_>, planned: &CopyPoint) -> bool {
    let is_of_it = |point: &&RecoveryPoint<'_>| view::id(point) == (planned.point, planned.class);
    let mut left = seen.points().iter().filter(is_of_it).flat_map(|point| {
        point.parts.iter().map(|part| part.snapshot.snapshot()).chain(point.unsealed.iter().copied())
    });
    let is_planned = |snapshot: &Snapshot| {
        let intent = snapshot.tags.get(tags::INTENT);
        planned.parts.iter().any(|part| intent == Some(part.intent.0.as_str()))
    };
    let mut strangers = seen.shelf.map_or(&[][..], |shelf| &shelf.strangers).iter();
    left.any(|snapshot| matches!(snapshot.readiness, Readiness::Failed { .. }) || !is_planned(snapshot))
        || strangers.any(|stranger| is_planned(stranger.snapshot))
}

/// The disks of which a copy is on its way or planned, where they are copied one after the other.
#[derive(Default)]
struct Busy<'a> {
    disks: BTreeSet<&'a DiskId>,
    /// Something of the cluster is on its way of which nobody can tell the disks.
    all: bool,
}

impl<'a> Busy<'a> {
    fn of(view: &View<'_>, seen: Seen<'a>, sources: &BTreeMap<Id, Source<'a>>) -> Self {
        let mut busy = Self::default();
        let is_open = |snapshot: &Snapshot| matches!(snapshot.readiness, Readiness::Creating | Readiness::CutFixed);
        let own = view.subject.cluster.uid.as_str();
        let inventory = seen.site.inventory;
        let of_cluster = inventory.snapshots.iter().filter(|s| s.tags.get(tags::CLUSTER) == Some(own));
        for snapshot in of_cluster.filter(|snapshot| is_open(snapshot)) {
            let key: Option<PointKey> = snapshot.tags.get(tags::POINT).and_then(|text| text.parse().ok());
            let mut of_key = sources.iter().filter(|((of, _), _)| Some(*of) == key);
            match of_key.next() {
                Some((_, source)) => busy.disks.extend(disks(source.point)),
                None => busy.all = true,
            }
        }
        busy
    }

    /// Takes a point's disks, unless one of them is taken. What comes later of such a disk waits, too.
    fn takes(&mut self, point: &'a RecoveryPoint<'a>) -> bool {
        let is_free = !self.all && !disks(point).any(|disk| self.disks.contains(disk));
        self.disks.extend(disks(point));
        is_free
    }
}

fn disks<'a>(point: &'a RecoveryPoint<'a>) -> impl Iterator<Item = &'a DiskId> {
    point.parts.iter().map(|part| &part.snapshot.snapshot().disk)
}

/// Tells which points at home will be copied once they are ready.
fn await_sources(view: &View<'_>, copy: &CopyPolicy, all: &[Candidate], outcome: &mut Outcome) {
    let Ok(home) = view.places.home() else { return };
    let has = |point: &RecoveryPoint<'_>| all.iter().any(|other| (other.key, other.class) == view::id(point));
    let open =
        |point: &&RecoveryPoint<'_>| point.state == PointState::InProgress && view.is_judged(point) && !has(point);
    let open: Vec<Candidate> = home.points().iter().filter(open).map(|point| view.candidate(point)).collect();
    if open.is_empty() {
        return;
    }
    let hoped: Vec<Candidate> = all.iter().copied().chain(open.iter().copied()).collect();
    let wanted = wanted(view, &copy.retention, &hoped);
    for point in open.iter().filter(|point| wanted.contains(&(point.key, point.class))) {
        outcome.wait(view.subject.cluster, Some(point.key), WaitingFor::SourceNotReady);
    }
}

/// Turns copies beyond what a site takes, at a time or in all, into waiting: over the whole fleet, oldest cut first. What was to be
/// marked because of them waits without a word.
pub(super) fn limit(total: &mut Outcome, desired: &Desired, world: &World<'_>, room: &mut Room<'_>) {
    let mut queued: Vec<(usize, &CopyPoint)> = Vec::new();
    for (index, change) in total.changes.iter().enumerate() {
        if let Action::Copy(copy) = &change.action {
            queued.push((index, copy));
        }
    }
    if queued.is_empty() {
        return;
    }
    queued.sort_by_key(|(index, copy)| {
        let change = &total.changes[*index];
        (copy.cut, &change.cluster, copy.point, copy.class, &change.site)
    });
    let mut under_way: BTreeMap<&SiteName, usize> = BTreeMap::new();
    let mut late: BTreeMap<usize, WaitingFor> = BTreeMap::new();
    for (index, copy) in queued {
        let site = &total.changes[index].site;
        let Some(Copies::Queued { parallel, .. }) = desired.sites.get(site).map(|site| Iaas::of(site).rules().copies)
        else {
            continue;
        };
        let open = under_way.entry(site).or_insert_with(|| on_their_way(desired, world, site));
        let shared = world.share.and_then(|share| share.copies.get(site).copied());
        let most = shared.unwrap_or_else(|| usize::try_from(parallel).unwrap_or(usize::MAX));
        let fits = if *open + copy.parts.len() <= most {
            room.take(&total.changes[index])
        } else {
            Err(WaitingFor::CopyQueue { limit: format!("{site} takes {parallel} at a time") })
        };
        match fits {
            Ok(()) => *open += copy.parts.len(),
            Err(why) => drop(late.insert(index, why)),
        }
    }
    let stopped: BTreeSet<(ClusterUid, SiteName)> =
        late.keys().map(|index| (total.changes[*index].cluster.clone(), total.changes[*index].site.clone())).collect();
    let ahead = std::mem::take(&mut total.ahead);
    let relies_on_them = |change: &Change| {
        let at = (change.cluster.clone(), change.site.clone());
        matches!(change.action, Action::Expire(_))
            && stopped.contains(&at)
            && ahead.contains(&(at.0, at.1, change.action.point()))
    };
    let changes = std::mem::take(&mut total.changes);
    for (index, change) in changes.into_iter().enumerate() {
        match late.remove(&index) {
            Some(why) => total.waiting.push(Waiting {
                cluster: change.cluster.clone(),
                name: change.name.clone(),
                point: Some(change.action.point()),
                why,
            }),
            None if relies_on_them(&change) => {}
            None => total.changes.push(change),
        }
    }
}

/// How many copies a site is making: what is ours there, not ready yet, and of a cluster that does not live there.
fn on_their_way(desired: &Desired, world: &World<'_>, site: &SiteName) -> usize {
    let Some(Listing::Complete(inventory)) = world.observed.sites.get(site) else { return 0 };
    let is_made_here = |snapshot: &Snapshot| {
        let uid = snapshot.tags.get(tags::CLUSTER).and_then(|uid| ClusterUid::new(uid).ok());
        uid.and_then(|uid| desired.clusters.get(&uid)).is_some_and(|cluster| cluster.site == *site)
    };
    let is_open = |snapshot: &&Snapshot| matches!(snapshot.readiness, Readiness::Creating | Readiness::CutFixed);
    inventory.snapshots.iter().filter(is_open).filter(|snapshot| !is_made_here(snapshot)).count()
}
