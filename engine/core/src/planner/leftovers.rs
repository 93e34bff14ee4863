//! What was never finished, failed, or lost its parts: it is sealed where it must be, marked a day later, and goes after the
//! grace.
//!
//! None of it is retention's: it counts for nothing. It still goes in two phases, and only while what can be restored stands.

use super::changes::{change_at, expected};
use super::cluster::Outcome;
use super::places::{Kind, Place, Places, Seen};
use super::removals::{is_held, judge_at, judge_soon};
use super::tombstones::{self, Mark, Ripeness};
use super::{Subject, World, safety};
use crate::observed::{Readiness, Snapshot};
use crate::plan::{Action, MarkPoint, Reason, Repair, Retagged, TagPoint, WaitingFor};
use crate::point::{PointState, RecoveryPoint};
use crate::retention::{CurrentSystem, Judgement};
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
pub(super) fn plan(
    subject: &Subject<'_>,
    world: &World<'_>,
    places: &Places<'_>,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    // A place that is unknown may have what is missing elsewhere: then nothing goes anywhere (decision 6).
    if places.all.iter().any(|place| place.seen.is_err()) {
        return;
    }
    for place in &places.all {
        let Ok(seen) = place.seen else { continue };
        let claimed = claimed_by_strangers(place, seen, outcome);
        let is_left = |point: &&RecoveryPoint<'_>| {
            // What restores and drills leave behind is theirs to remove.
            let is_of_schedules = matches!(point.class, PointClass::Scheduled | PointClass::OnDemand);
            is_of_schedules && because(point).is_some() && !is_being_made(point) && !claimed.contains(&point.key)
        };
        let left: Vec<&RecoveryPoint<'_>> = seen.points().iter().filter(is_left).collect();
        if left.is_empty() {
            continue;
        }
        let safety = Safety::of(subject, world, places, place, seen, as_of, outcome);
        let mut blocked = None;
        for point in left.into_iter().filter(|point| !is_held(subject, world, point)) {
            if point.unsealed.is_empty() {
                blocked = remove(subject, world, place, point, as_of, &safety, outcome).err().or(blocked);
            } else if safety.unknown.is_none() {
                adopt(subject, world, place, point, as_of, outcome);
            }
        }
        if let Some(because) = blocked {
            wait_once(subject, WaitingFor::NotSafe { because }, outcome);
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
    /// What stands against marks: the floor as it will be once what is planned and being made is ready.
    no_marks: Option<String>,
    /// What stands against deletes.
    no_deletes: Option<String>,
}

impl Safety {
    fn of(
        subject: &Subject<'_>,
        world: &World<'_>,
        places: &Places<'_>,
        place: &Place<'_>,
        seen: Seen<'_>,
        as_of: Timestamp,
        outcome: &Outcome,
    ) -> Self {
        let home = places.home().map_err(str::to_owned);
        let known = home.and_then(|home| safety::current_system(subject.cluster, home.site));
        let current = known.as_ref().copied().unwrap_or(CurrentSystem::NewestPoints);
        let now = judge_at(subject, world, place.retention, seen.points(), current, as_of);
        let soon = match place.kind {
            Kind::Home => judge_soon(subject, world, seen.points(), current, as_of, outcome),
            Kind::Copy(_) | Kind::Former => Vec::new(),
        };
        let sites = places.all.iter().filter_map(|place| place.seen.ok());
        let unknown = sites.filter_map(|seen| safety::obstacle(world, seen.site.inventory)).next();
        let floor = |judgements: &[Judgement]| safety::count_floor(judgements, place.retention);
        let unsafe_now = unknown.clone().or_else(|| known.err());
        let no_marks = unsafe_now.clone().or_else(|| floor(if soon.is_empty() { &now } else { &soon }));
        Self { unknown, no_marks, no_deletes: unsafe_now.or_else(|| floor(&now)) }
    }
}

/// What keeps a point from ever being restored; `None` for one that can be, or may become so.
fn because(point: &RecoveryPoint<'_>) -> Option<String> {
    match &point.state {
        PointState::Restorable | PointState::InProgress => None,
        PointState::Failed { because } => Some(because.clone()),
        PointState::Incomplete { because } => Some((*because).to_owned()),
    }
}

fn all<'a>(point: &'a RecoveryPoint<'_>) -> impl Iterator<Item = &'a Snapshot> {
    point.parts.iter().map(|part| part.snapshot.snapshot()).chain(point.unsealed.iter().copied())
}

fn is_being_made(point: &RecoveryPoint<'_>) -> bool {
    all(point).any(|snapshot| match snapshot.readiness {
        Readiness::Creating | Readiness::CutFixed => true,
        Readiness::Ready | Readiness::Failed { .. } => false,
    })
}

/// Whether all of it was made a day ago. What was sealed as a leftover has another day, so that the plan which follows its
/// adoption does not mark it yet, and who wants to look at it can. What is dated in the future is never old.
fn is_quiet(point: &RecoveryPoint<'_>, as_of: Timestamp) -> bool {
    let is_adopted = point.parts.iter().any(|part| part.name.role == PartRole::Unfinished);
    let since = if is_adopted { ADOPTED } else { QUIET }.before(as_of);
    all(point).all(|snapshot| snapshot.created <= since)
}

/// Seals what carries our intent and nothing else. What has other facts of ours, and no seal, was not left by a run that was
/// cut short: a run writes the facts together with the seal. Somebody took that away, and a person should look.
fn adopt(
    subject: &Subject<'_>,
    world: &World<'_>,
    place: &Place<'_>,
    point: &RecoveryPoint<'_>,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let is_ours = |snapshot: &&Snapshot| {
        let intent = Intent::of(&subject.cluster.uid, point.class, point.key, &snapshot.disk);
        // A copy's intent names its source, which may be gone.
        let is_made_here = snapshot.tags.get(tags::INTENT) == Some(&intent.0);
        let facts = [tags::PART, tags::SYSTEM, tags::WAL, tags::CUT, tags::SEAL_1, tags::SEAL_2];
        let has_facts = facts.iter().any(|key| snapshot.tags.contains_key(key));
        !has_facts && (is_made_here || !matches!(place.kind, Kind::Home))
    };
    let is_leased = world.records().leases.contains_key(&subject.cluster.uid);
    if is_leased || !is_quiet(point, as_of) || !point.unsealed.iter().all(is_ours) {
        return;
    }
    let youngest = all(point).map(|snapshot| snapshot.created).max().unwrap_or(as_of);
    let earliest = point.unsealed.iter().map(|snapshot| snapshot.created).min().unwrap_or(as_of);
    let retagged = |snapshot: &&Snapshot| Retagged {
        expected: expected(snapshot),
        set: tags::when_known(&UNFINISHED, None, None, to_micros(snapshot.created)),
    };
    let snapshots = point.unsealed.iter().map(retagged).collect();
    let tag = TagPoint { point: point.key, class: point.class, cut: earliest, repair: Repair::Adopt, snapshots };
    let reason = Reason::Abandoned { ago: Duration::between(youngest, as_of) };
    change_at(outcome, subject, place.name, Action::Tag(tag), reason);
}

/// Marks what is of no use, and deletes it once its mark is ripe; or tells why that may not be.
fn remove(
    subject: &Subject<'_>,
    world: &World<'_>,
    place: &Place<'_>,
    point: &RecoveryPoint<'_>,
    as_of: Timestamp,
    safety: &Safety,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let Some(because) = because(point) else { return Ok(()) };
    let may = |obstacle: &Option<String>| obstacle.clone().map_or(Ok(()), Err);
    let grace = place.retention.grace;
    let mark_point = |grace| MarkPoint {
        point: point.key,
        cut: point.cut,
        grace,
        snapshots: point.parts.iter().map(|part| expected(part.snapshot.snapshot())).collect(),
    };
    let mark = tombstones::of(point, subject.cluster, place.name, world.records(), &world.observed.keyring);
    let full = match mark {
        Mark::Full(full) => full,
        Mark::None | Mark::Partial if !is_quiet(point, as_of) => return Ok(()),
        Mark::None | Mark::Partial => {
            may(&safety.no_marks)?;
            let expire = Action::Expire(mark_point(grace));
            change_at(outcome, subject, place.name, expire, Reason::Unusable { because });
            return Ok(());
        }
    };
    let wait = match full.ripeness(point, grace, as_of) {
        Ripeness::Unseen => WaitingFor::Sighting,
        Ripeness::Grace { until } => WaitingFor::Grace { until },
        Ripeness::Locked { until } => WaitingFor::Lock { until },
        Ripeness::Ripe => {
            may(&safety.no_deletes)?;
            let ago = about(Duration::between(full.at, as_of));
            let reason = Reason::Unusable { because: format!("{because}; tombstoned {ago} ago") };
            change_at(outcome, subject, place.name, Action::Delete(mark_point(full.grace.max(grace))), reason);
            if let Some(change) = outcome.changes.last_mut() {
                change.cause = full.cause;
            }
            return Ok(());
        }
    };
    outcome.wait(subject.cluster, Some(point.key), wait);
    Ok(())
}

fn wait_once(subject: &Subject<'_>, why: WaitingFor, outcome: &mut Outcome) {
    let cluster = subject.cluster;
    if !outcome.waiting.iter().any(|waiting| waiting.cluster == cluster.uid && waiting.why == why) {
        outcome.wait(cluster, None, why);
    }
}
