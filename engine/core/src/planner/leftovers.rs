//! What was never finished, failed, or lost its parts: it is sealed where it must be, marked a day later, and goes after the
//! grace.
//!
//! None of it is retention's: it counts for nothing. It still goes in two phases, and only while what can be restored stands.

use super::cluster::Outcome;
use super::places::{Kind, Place, Seen};
use super::removals::Judged;
use super::safety;
use super::tombstones::{self, Mark, Ripeness};
use super::view::{View, expected, expected_part};
use crate::observed::{Readiness, Snapshot};
use crate::plan::{Action, MarkPoint, Reason, Repair, Retagged, TagPoint, WaitingFor};
use crate::point::{PointState, RecoveryPoint};
use crate::tags::{self, Intent, PartName, PartRole, PointClass, PointKey};
use crate::time::{Duration, about, to_micros};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// No run still works on what is older than this.
const QUIET: Duration = Duration::days(1);

/// What was sealed as a leftover is not marked before it is this old.
const ADOPTED: Duration = Duration::days(2);

/// The name under which a snapshot is sealed that makes no point.
const UNFINISHED: PartName = PartName { role: PartRole::Unfinished, index: 1, of: 1 };

/// Plans what becomes of a cluster's leftovers, at every place.
pub(super) fn plan(view: &View<'_>, judged: &Judged<'_>, outcome: &mut Outcome) {
    // A place that is unknown may have what is missing elsewhere: then nothing goes anywhere (decision 6).
    if view.places.unknown().is_some() {
        return;
    }
    for (place, seen) in view.places.known() {
        let claimed = claimed_by_strangers(place, seen, outcome);
        // What a restore or a drill made is not this policy's to remove.
        let is_of_schedules = |class| matches!(class, PointClass::Scheduled | PointClass::OnDemand);
        let is_left = |point: &&RecoveryPoint<'_>| {
            let is_free = is_of_schedules(point.class) && !claimed.contains(&point.key);
            is_free && because(point, None).is_some() && !is_being_made(point)
        };
        let left: Vec<&RecoveryPoint<'_>> = seen.points().iter().filter(is_left).collect();
        if left.is_empty() {
            continue;
        }
        let safety = Safety::of(view, judged, place);
        let mut blocked = None;
        for point in left.into_iter().filter(|point| !view.is_held(point)) {
            if point.unsealed.is_empty() {
                blocked = remove(view, place, seen, point, &safety, outcome).err().or(blocked);
            } else if safety.unknown.is_none() {
                adopt(view, place, point, outcome);
            }
        }
        if let Some(because) = blocked {
            wait_once(view, WaitingFor::NotSafe { because }, outcome);
        }
    }
}

/// The points of which a snapshot is there that is not believed, or is mended by this very plan: somebody changed its tags, and
/// what is left of the point is not all that there is of it.
fn claimed_by_strangers(place: &Place<'_>, seen: Seen<'_>, outcome: &Outcome) -> BTreeSet<PointKey> {
    let strangers = seen.shelf.map_or(&[][..], |shelf| &shelf.strangers).iter();
    let named = strangers.filter_map(|stranger| stranger.snapshot.tags.get(tags::POINT)?.parse().ok());
    let here = outcome.changes.iter().filter(|change| change.site == *place.name);
    let mended = here.filter_map(|change| match &change.action {
        Action::Tag(tag) => (tag.repair == Repair::Restore).then_some(tag.point),
        Action::Create(_)
        | Action::Copy(_)
        | Action::Lock(_)
        | Action::Revive(_)
        | Action::Expire(_)
        | Action::Delete(_) => None,
    });
    named.chain(mended).collect()
}

/// Why what is left may not be touched at a place now.
struct Safety {
    /// What must be known, and is not.
    unknown: Option<String>,
    /// The same, or that nobody knows the current system identifier.
    unsafe_now: Option<String>,
    /// What stands against marks besides: the floor as it will be once what is planned and being made is ready.
    floor_soon: Option<String>,
    /// What stands against deletes besides.
    floor_now: Option<String>,
    /// Whether the site counts what failed as unfinished until it is deleted. While that is so no new point can be made, and
    /// the floor would wait for ever: so what failed goes without it. Nothing that counts goes with it.
    failed_is_pending: bool,
}

impl Safety {
    fn of(view: &View<'_>, judged: &Judged<'_>, place: &Place<'_>) -> Self {
        let unknown = view.places.known().find_map(|(_, seen)| safety::obstacle(view.world, seen.site.inventory));
        // A retirement has no floors, so it needs no system identifier.
        let of_system = view.system.as_ref().err().filter(|_| !view.subject.cluster.is_retired);
        let unsafe_now = unknown.clone().or_else(|| of_system.cloned());
        Self {
            unknown,
            unsafe_now,
            floor_soon: judged.soon().floor(place).cloned(),
            floor_now: judged.now.floor(place).cloned(),
            failed_is_pending: place.rules.failed_is_pending,
        }
    }

    fn may_mark(&self, point: &RecoveryPoint<'_>) -> Result<(), String> {
        self.may(point, &self.floor_soon)
    }

    fn may_delete(&self, point: &RecoveryPoint<'_>) -> Result<(), String> {
        self.may(point, &self.floor_now)
    }

    fn may(&self, point: &RecoveryPoint<'_>, floor: &Option<String>) -> Result<(), String> {
        let needs_floor = !(self.failed_is_pending && has_failed(point));
        let obstacle = self.unsafe_now.as_ref().or_else(|| floor.as_ref().filter(|_| needs_floor));
        obstacle.map_or(Ok(()), |because| Err(because.clone()))
    }
}

/// Why a point is of no use; `None` for one that can be restored, or may become so. `marked` tells how long ago it was marked.
fn because(point: &RecoveryPoint<'_>, marked: Option<Duration>) -> Option<Reason> {
    let unusable = |because: &str| {
        let ago = marked.map(|ago| format!("; tombstoned {} ago", about(ago)));
        Some(Reason::Unusable { because: format!("{because}{}", ago.unwrap_or_default()) })
    };
    match &point.state {
        PointState::Restorable | PointState::InProgress => None,
        PointState::Failed { because } => unusable(because),
        PointState::Incomplete { because } => unusable(because),
        PointState::Double => Some(Reason::Double { marked }),
    }
}

fn has_failed(point: &RecoveryPoint<'_>) -> bool {
    point.snapshots().any(|snapshot| matches!(snapshot.readiness, Readiness::Failed { .. }))
}

fn is_being_made(point: &RecoveryPoint<'_>) -> bool {
    point.snapshots().any(|snapshot| match snapshot.readiness {
        Readiness::Creating | Readiness::CutFixed => true,
        Readiness::Ready | Readiness::Failed { .. } => false,
    })
}

/// Whether all of it was made a day ago. What was sealed as a leftover has another day, so that the plan which follows its
/// adoption does not mark it yet, and who wants to look at it can. What is dated in the future is never old.
fn is_quiet(point: &RecoveryPoint<'_>, as_of: Timestamp) -> bool {
    let is_adopted = point.parts.iter().any(|part| part.name.role == PartRole::Unfinished);
    let since = if is_adopted { ADOPTED } else { QUIET }.before(as_of);
    point.snapshots().all(|snapshot| snapshot.created <= since)
}

/// Seals what carries our intent and nothing else. What has other facts of ours, and no seal, was not left by a run that was
/// cut short: a run writes the facts together with the seal. Somebody took that away, and a person should look.
fn adopt(view: &View<'_>, place: &Place<'_>, point: &RecoveryPoint<'_>, outcome: &mut Outcome) {
    let (cluster, as_of) = (view.subject.cluster, view.as_of);
    let is_ours = |snapshot: &&Snapshot| {
        let intent = Intent::of(&cluster.uid, point.class, point.key, &snapshot.disk);
        // A copy's intent names its source, which may be gone.
        let is_made_here = snapshot.tags.get(tags::INTENT) == Some(&intent.0);
        let facts = [tags::PART, tags::SYSTEM, tags::WAL, tags::CUT, tags::SEAL_1, tags::SEAL_2];
        let has_facts = facts.iter().any(|key| snapshot.tags.contains_key(key));
        !has_facts && (is_made_here || !matches!(place.kind, Kind::Home))
    };
    let is_leased = view.world.records().leases.contains_key(&cluster.uid);
    if is_leased || !is_quiet(point, as_of) || !point.unsealed.iter().all(is_ours) {
        return;
    }
    let youngest = point.snapshots().map(|snapshot| snapshot.created).max().unwrap_or(as_of);
    let earliest = point.unsealed.iter().map(|snapshot| snapshot.created).min().unwrap_or(as_of);
    let retagged = |snapshot: &&Snapshot| Retagged {
        expected: expected(snapshot),
        set: tags::when_known(&UNFINISHED, None, None, to_micros(snapshot.created)),
    };
    let snapshots = point.unsealed.iter().map(retagged).collect();
    let tag = TagPoint { point: point.key, class: point.class, cut: earliest, repair: Repair::Adopt, snapshots };
    let reason = match point.state {
        PointState::Double => Reason::Double { marked: None },
        PointState::Restorable | PointState::InProgress | PointState::Failed { .. } | PointState::Incomplete { .. } => {
            Reason::Abandoned { ago: Duration::between(youngest, as_of) }
        }
    };
    outcome.change_at(cluster, place.name, Action::Tag(tag), reason);
}

/// Marks what is of no use, and deletes it once its mark is ripe; or tells why that may not be.
fn remove(
    view: &View<'_>,
    place: &Place<'_>,
    seen: Seen<'_>,
    point: &RecoveryPoint<'_>,
    safety: &Safety,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let (cluster, as_of) = (view.subject.cluster, view.as_of);
    let Some(reason) = because(point, None) else { return Ok(()) };
    let grace = place.grace();
    let mark_point = |grace| MarkPoint {
        point: point.key,
        cut: point.cut,
        grace,
        snapshots: point.parts.iter().map(expected_part).collect(),
        is_double: point.state == PointState::Double,
    };
    let mark = tombstones::of(point, &cluster.uid, seen);
    if !is_quiet(point, as_of) {
        return Ok(());
    }
    let full = match mark {
        Mark::Full(full) => full,
        Mark::None | Mark::Partial => {
            safety.may_mark(point)?;
            let expire = Action::Expire(mark_point(grace));
            outcome.change_at(cluster, place.name, expire, reason);
            // A floor that will only stand by what is copied.
            if safety.floor_now.is_some() && matches!(place.kind, Kind::Copy(_)) {
                outcome.ahead.insert((cluster.uid.clone(), place.name.clone(), point.key));
            }
            return Ok(());
        }
    };
    let wait = match full.ripeness(point, grace, as_of) {
        Ripeness::Unseen => WaitingFor::Sighting,
        Ripeness::Grace { until } => WaitingFor::Grace { until },
        Ripeness::Locked { until } => WaitingFor::Lock { until },
        Ripeness::Ripe => {
            safety.may_delete(point)?;
            let reason = because(point, Some(Duration::between(full.at, as_of))).unwrap_or(reason);
            outcome.change_at(cluster, place.name, Action::Delete(mark_point(full.grace.max(grace))), reason);
            if let Some(change) = outcome.changes.last_mut() {
                change.cause = full.cause;
            }
            return Ok(());
        }
    };
    outcome.wait(cluster, Some(point.key), wait);
    Ok(())
}

fn wait_once(view: &View<'_>, why: WaitingFor, outcome: &mut Outcome) {
    let cluster = view.subject.cluster;
    if !outcome.waiting.iter().any(|waiting| waiting.cluster == cluster.uid && waiting.why == why) {
        outcome.wait(cluster, None, why);
    }
}
