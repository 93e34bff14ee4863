//! Marks and deletes: INVARIANTS.md 1, 2, 4 to 8, 14 and 25. The two phases are in `phases`.

use super::Violation;
use super::phases;
use super::points::{Attempt, Rank, Seen, Whole};
use super::reference::{self, Kept};
use super::world::{Context, Place, Role};
use crate::name::{SiteName, SnapshotId};
use crate::observed::{Listing, Readiness, Snapshot};
use crate::plan::{Action, Change, ExpectedSnapshot, MarkPoint};
use crate::snapshots::print_of;
use crate::tags::{Intent, PointKey};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// For how long an attempt that did not end well is left alone: a run may still work on it (docs/decisions/0006).
pub(super) const LEFT_ALONE: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let removals = Removals::of(context);
    if removals.all.is_empty() {
        return;
    }
    check_sites(context, violations);
    for removal in &removals.all {
        check_targets(context, removal, violations);
        match &removal.change.action {
            Action::Expire(_) | Action::Delete(_) => {
                check_conditions(context, removal.place, violations);
                removals.check_policy(removal, violations);
            }
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => {}
        }
        match &removal.change.action {
            Action::Delete(_) => {
                phases::check(context, removal.place, removal.mark, violations);
                removals.check_copies(removal, violations);
            }
            Action::Expire(mark) if mark.grace < context.retention(removal.place).grace => {
                violations.push(context.violation(3, format!("the mark of {} shortens the grace", mark.point)));
            }
            Action::Expire(_)
            | Action::Create(_)
            | Action::Copy(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Revive(_) => {}
        }
    }
    if context.cluster.is_retired {
        // A retired cluster's points go to the last one, by their age (16).
        return;
    }
    removals.check_floors(false, violations);
    if removals.all.iter().any(|removal| matches!(removal.change.action, Action::Expire(_))) {
        removals.check_floors(true, violations);
    }
}

/// A mark, a delete or a mark that is taken back.
struct Removal<'c, 'a> {
    change: &'c Change,
    mark: &'c MarkPoint,
    place: &'c Place<'a>,
    /// The attempts of which it touches a snapshot.
    attempts: Vec<&'c Attempt<'a>>,
}

/// All of a cluster's, with what may not go.
struct Removals<'c, 'a> {
    context: &'c Context<'a>,
    all: Vec<Removal<'c, 'a>>,
    /// By site: what may not be deleted, for points that are ready count alone (2, 7).
    kept: BTreeMap<&'c SiteName, Kept>,
    /// By site: what may not be marked. That may follow the points that are planned and being made.
    kept_soon: BTreeMap<&'c SiteName, Kept>,
    /// By copy site: what it wants.
    wanted: BTreeMap<&'c SiteName, Kept>,
    deleted: BTreeSet<(&'c SiteName, &'c SnapshotId)>,
    marked: BTreeSet<(&'c SiteName, &'c SnapshotId)>,
}

impl<'c, 'a> Removals<'c, 'a> {
    fn of(context: &'c Context<'a>) -> Self {
        let mut removals = Self {
            context,
            all: Vec::new(),
            kept: BTreeMap::new(),
            kept_soon: BTreeMap::new(),
            wanted: BTreeMap::new(),
            deleted: BTreeSet::new(),
            marked: BTreeSet::new(),
        };
        for change in context.changes() {
            let (Action::Expire(mark) | Action::Delete(mark) | Action::Revive(mark)) = &change.action else { continue };
            let Some(place) = context.place(&change.site) else { continue };
            let ids = || mark.snapshots.iter().map(|expected| (&change.site, &expected.id));
            match &change.action {
                Action::Expire(_) => {
                    removals.marked.extend(ids());
                    removals.kept_soon.entry(&change.site).or_insert_with(|| context.kept_at(place, true));
                }
                Action::Delete(_) => {
                    removals.deleted.extend(ids());
                    removals.kept.entry(&change.site).or_insert_with(|| context.kept_at(place, false));
                }
                Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => {}
            }
            let prints: Vec<(&SnapshotId, u64)> = mark.snapshots.iter().map(|e| (&e.id, print_of(&e.id))).collect();
            let touches = |seen: Seen<'_>| prints.iter().any(|(id, print)| seen.is(id, *print));
            let attempts = place.attempts.iter().filter(|attempt| attempt.snapshots().any(touches)).collect();
            removals.all.push(Removal { change, mark, place, attempts });
        }
        if !removals.deleted.is_empty() && !context.cluster.is_retired {
            removals.wanted = context.copies().map(|copy| (&copy.site, context.wanted_at(copy))).collect();
        }
        removals
    }

    /// 1, 7: what a policy keeps is never marked or deleted, nor what somebody may be making.
    fn check_policy(&self, removal: &Removal<'c, 'a>, violations: &mut Vec<Violation>) {
        let (context, site) = (self.context, removal.place.site);
        let is_mark = matches!(removal.change.action, Action::Expire(_));
        let kept = if is_mark { self.kept_soon.get(site) } else { self.kept.get(site) };
        for attempt in &removal.attempts {
            let name = attempt.key;
            if attempt.snapshots().any(|seen| seen.is_being_made()) {
                violations.push(context.violation(7, format!("point {name} is still being made")));
                continue;
            }
            if let Some(point) = attempt.whole() {
                if kept.is_some_and(|kept| kept.has(point)) {
                    violations.push(context.violation(1, format!("point {name} is kept by the policy at {site}")));
                }
                continue;
            }
            if is_mark {
                // The delete only follows a mark, which `phases` checks.
                self.check_unusable(removal, attempt, violations);
            }
        }
    }

    /// 1, 7: what is no point is marked once nobody can be making it, unless it is held or somebody else's to remove.
    fn check_unusable(&self, removal: &Removal<'c, 'a>, attempt: &Attempt<'_>, violations: &mut Vec<Violation>) {
        let (context, name) = (self.context, attempt.key);
        if !reference::is_of_retention(attempt.class) {
            violations.push(context.violation(1, format!("{name} is of class {}", attempt.class)));
        }
        let is_old = |seen: Seen<'_>| context.facts.as_of.duration_since(seen.created()) >= LEFT_ALONE;
        if !attempt.snapshots().all(is_old) {
            violations.push(context.violation(7, format!("{name} was begun less than a day ago")));
        }
        if phases::is_held(context, removal.place, removal.mark) {
            violations.push(context.violation(1, format!("{name} is held")));
        }
    }

    /// 25: a source waits for its copies. What a copy site wants and lacks is not deleted at home, nor where it lies last; and
    /// what is being copied is not deleted at all.
    fn check_copies(&self, removal: &Removal<'c, 'a>, violations: &mut Vec<Violation>) {
        let (context, place) = (self.context, removal.place);
        for point in removal.attempts.iter().filter_map(|attempt| attempt.whole()) {
            let is_elsewhere = |other: &Place<'_>| {
                other.site != place.site
                    && other.whole().any(|p| p.is_same(point) && !self.goes(other, p, &self.deleted))
            };
            for (site, wanted) in self.wanted.iter().filter(|(site, _)| **site != place.site) {
                let is_ready = context.place(site).is_some_and(|there| there.whole().any(|p| p.is_same(point)));
                let is_source = place.role == Role::Home || !context.places.iter().any(is_elsewhere);
                if wanted.has(point) && !is_ready && is_source {
                    violations.push(context.violation(25, format!("the copy of {} at {site} is not ready", point.key)));
                }
            }
        }
        for expected in &removal.mark.snapshots {
            if self.is_copied(place, expected) {
                violations.push(context.violation(25, format!("snapshot {} is being copied", expected.id)));
            }
        }
    }

    /// Whether a copy of it is planned or on its way.
    fn is_copied(&self, place: &Place<'_>, expected: &ExpectedSnapshot) -> bool {
        let is_planned = self.context.changes().any(|change| match &change.action {
            Action::Copy(copy) => {
                copy.from == *place.site && copy.parts.iter().any(|part| part.source.id == expected.id)
            }
            Action::Create(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Revive(_)
            | Action::Delete(_) => false,
        });
        is_planned
            || self.context.places.iter().filter(|other| other.site != place.site).any(|other| {
                let snapshots = other.attempts.iter().flat_map(Attempt::snapshots);
                let strangers = other.strangers.iter().copied();
                let all = snapshots.filter(|seen| seen.is_being_made()).map(|seen| seen.snapshot).chain(strangers);
                all.filter(|snapshot| is_being_made(snapshot)).any(|one| self.is_copy_of(one, other, place, expected))
            })
    }

    fn is_copy_of(&self, one: &Snapshot, there: &Place<'_>, here: &Place<'_>, expected: &ExpectedSnapshot) -> bool {
        let Some(point) = here.find(&expected.id).and_then(|(attempt, _)| attempt.facts.as_ref()) else { return false };
        let uid = &self.context.cluster.uid;
        let intent = Intent::of_copy(uid, point.class, point.key, &expected.id, there.site);
        one.tags.get("backstay-intent") == Some(&intent.0)
    }

    fn goes(&self, place: &Place<'_>, point: &Whole<'_>, ids: &BTreeSet<(&SiteName, &SnapshotId)>) -> bool {
        point.ids().any(|id| ids.contains(&(place.site, id)))
    }

    /// 26: what failed counts as unfinished at some sites until it is deleted, and no point is made meanwhile. A floor that
    /// waits for such a point must not protect what failed.
    fn blocks_new_points(&self, removal: &Removal<'c, 'a>) -> bool {
        let rules = self.context.facts.rules(removal.place.site);
        rules.is_some_and(|rules| rules.failed_is_pending)
            && removal.attempts.iter().all(|attempt| attempt.snapshots().any(|seen| seen.has_failed()))
    }

    /// 2: after every delete the floors stand, and the newest restorable point survives. With `soon`: after every mark, too,
    /// once the points that are planned and being made are there.
    fn check_floors(&self, soon: bool, violations: &mut Vec<Violation>) {
        let context = self.context;
        let ids: BTreeSet<(&SiteName, &SnapshotId)> =
            if soon { self.deleted.union(&self.marked).copied().collect() } else { self.deleted.clone() };
        if ids.is_empty() {
            return;
        }
        // What no change touches does not go, and need not be looked for.
        let touched: BTreeSet<Rank> = self
            .all
            .iter()
            .flat_map(|removal| &removal.attempts)
            .filter_map(|a| Some(a.facts.as_ref()?.rank()))
            .collect();
        let places: Vec<_> = context.places.iter().map(|place| (place, context.points_at(place, soon))).collect();
        // A point goes when it goes from every place where it lies.
        let is_gone = |point: &Whole<'_>| {
            let stays = |place: &Place<'_>, p: &Whole<'_>| p.is_same(point) && !self.goes(place, p, &ids);
            let is_touched = touched.contains(&point.rank());
            is_touched && !places.iter().any(|(place, points)| points.iter().any(|p| stays(place, p)))
        };
        let everywhere = context.everywhere(soon);
        let lowest = context.policy.retention.minimum_redundancy;
        let goes_as_remnant = |removal: &Removal<'_, '_>| match &removal.change.action {
            Action::Delete(_) => true,
            Action::Expire(_) => soon,
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => false,
        };
        let stands_for_remnants = self.all.iter().any(|r| goes_as_remnant(r) && !self.blocks_new_points(r));
        let overall = Floor { lowest, stands_for_remnants, what: "anywhere" };
        let counted = reference::counted(&everywhere, context.facts.as_of);
        overall.check(context, &counted, &is_gone, violations);
        for (place, points) in &places {
            // A former site drains: what lies there counts over all places only.
            if place.role == Role::Former {
                continue;
            }
            let lowest = context.retention(place).minimum_redundancy;
            let at = format!("at {}", place.site);
            let own = Floor { lowest, stands_for_remnants: false, what: &at };
            let goes = |point: &Whole<'_>| touched.contains(&point.rank()) && self.goes(place, point, &ids);
            // What lies at home alone was counted already.
            let is_all = place.role == Role::Home && points.len() == everywhere.len();
            let own_counted = if is_all { None } else { Some(reference::counted(points, context.facts.as_of)) };
            own.check(context, own_counted.as_deref().unwrap_or(&counted), &goes, violations);
        }
    }
}

/// How many points must be left, and of what.
struct Floor<'f> {
    lowest: u32,
    /// Whether it must stand even if nothing that counts goes.
    stands_for_remnants: bool,
    what: &'f str,
}

impl Floor<'_> {
    fn check(
        &self,
        context: &Context<'_>,
        counted: &[&Whole<'_>],
        goes: &dyn Fn(&Whole<'_>) -> bool,
        violations: &mut Vec<Violation>,
    ) {
        let Ok(known) = context.current_system() else { return };
        let system = reference::floor_system(counted, known);
        let floor = usize::try_from(self.lowest.max(1)).unwrap_or(usize::MAX);
        let left = counted.iter().filter(|point| point.system == system && !goes(point)).count();
        // Without any whole point there is nothing to protect by counting: only remnants of deletes may go then.
        let must_stand = counted.iter().any(|point| goes(point)) || (self.stands_for_remnants && !counted.is_empty());
        if left < floor && must_stand {
            let what = format!("{left} restorable points would be left {}, and the floor is {floor}", self.what);
            violations.push(context.violation(2, what));
        }
        if counted.first().is_some_and(|newest| goes(newest)) {
            violations.push(context.violation(2, format!("the newest restorable point {} would go", self.what)));
        }
    }
}

/// 5, 6, 8, 10: what is touched exists, is as it was seen, is ours by its seal, is of this point, and all of the point is touched.
fn check_targets(context: &Context<'_>, removal: &Removal<'_, '_>, violations: &mut Vec<Violation>) {
    let (mark, place) = (removal.mark, removal.place);
    let name = mark.point;
    if mark.snapshots.is_empty() {
        violations.push(context.violation(6, format!("{name} names no snapshot")));
    }
    for expected in &mark.snapshots {
        check_target(context, place, expected, name, violations);
    }
    if removal.attempts.iter().any(|attempt| attempt.is_double != mark.is_double) {
        let what =
            if mark.is_double { "are doubles of no point that stands" } else { "are doubles of a point that stands" };
        violations.push(context.violation(8, format!("the snapshots of {name} {what}")));
    }
    if removal.attempts.len() > 1 {
        violations.push(context.violation(6, format!("{name} names snapshots of several points")));
    }
    let of_point = removal.attempts.iter().filter(|attempt| attempt.key == name);
    for seen in of_point.flat_map(|attempt| attempt.snapshots()) {
        let is_named = mark.snapshots.iter().any(|expected| expected.id == seen.snapshot.id);
        if seen.is_genuine() && !is_named {
            let what = format!("point {name} is touched without its part {}", seen.snapshot.id);
            violations.push(context.violation(8, what));
        }
    }
}

/// A snapshot that a plan names as one of a point's.
pub(super) fn check_target(
    context: &Context<'_>,
    place: &Place<'_>,
    expected: &ExpectedSnapshot,
    point: PointKey,
    violations: &mut Vec<Violation>,
) {
    let id = &expected.id;
    let found = place.find(id);
    let stranger = || place.strangers.iter().copied().find(|stranger| stranger.id == *id);
    let Some(snapshot) = found.map(|(_, seen)| seen.snapshot).or_else(stranger) else {
        violations.push(context.violation(6, format!("snapshot {id} is not one of this cluster's")));
        return;
    };
    let generation = found.map_or_else(|| snapshot.generation(), |(_, seen)| seen.generation());
    if snapshot.disk != expected.disk || generation != expected.generation {
        violations.push(context.violation(10, format!("snapshot {id} is not as the plan saw it")));
    }
    // What is of no attempt is not ours, whatever seals it.
    if !found.is_some_and(|(_, seen)| seen.is_genuine()) {
        violations.push(context.violation(5, format!("snapshot {id} has no genuine seal")));
    }
    if found.is_some_and(|(attempt, _)| attempt.key != point) {
        violations.push(context.violation(6, format!("snapshot {id} is not of point {point}")));
    }
}

/// 4: where something of the cluster may lie was seen to its end.
fn check_sites(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let is_removal = |change: &Change| matches!(change.action, Action::Expire(_) | Action::Delete(_));
    if !context.changes().any(is_removal) {
        return;
    }
    let copies = context.copies().map(|copy| &copy.site);
    for site in std::iter::once(&context.cluster.site).chain(copies) {
        if context.facts.inventory(site).is_none() {
            violations.push(context.violation(4, format!("site {site} was not read to its end")));
        }
    }
}

/// 4, 14: records known, clocks together, the current system identifier told.
fn check_conditions(context: &Context<'_>, place: &Place<'_>, violations: &mut Vec<Violation>) {
    if let Listing::Unknown { .. } = context.facts.observed.records {
        violations.push(context.violation(4, "the state store could not be read"));
    }
    let clock = place.inventory.clock;
    if !clock.is_virtual && clock.now.duration_since(clock.host).abs() > SignedDuration::from_mins(5) {
        violations.push(context.violation(14, "the site's clock and the host's are more than 5 minutes apart"));
    }
    let is_counted = !context.cluster.is_retired && context.home().is_some();
    if let Err(because) = context.current_system()
        && is_counted
    {
        violations.push(context.violation(2, because));
    }
}

fn is_being_made(snapshot: &Snapshot) -> bool {
    match snapshot.readiness {
        Readiness::Creating | Readiness::CutFixed => true,
        Readiness::Ready | Readiness::Failed { .. } => false,
    }
}
