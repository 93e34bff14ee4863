//! The fleet at a glance: each cluster with the points that it has.

use super::cluster::satisfies_slots;
use super::places;
use super::view::{self, Fates, Id, View};
use super::{Subject, World};
use crate::document::text::{Instant, Length};
use crate::model::Desired;
use crate::name::{ClusterName, ClusterUid, PolicyName, SiteName};
use crate::observed::Observed;
use crate::point::{PointState, RecoveryPoint};
use crate::retention::KeepReason;
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How well a cluster is protected, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterState {
    /// Its site could not be read.
    Unknown,
    /// It has no restorable point, and none is being made.
    Unprotected,
    /// Its newest restorable point is older than the policy's `sla.maxAge`.
    Late,
    /// Its first point is being made.
    Starting,
    /// Its latest slot has no restorable point yet.
    Due,
    /// All is as declared.
    Protected,
    /// It is being retired: nothing new is made, and what is left goes by its retention.
    Retiring,
}

/// One cluster at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ClusterStatus {
    /// Its identity.
    #[schemars(with = "String")]
    pub uid: ClusterUid,
    /// Its name.
    #[schemars(with = "String")]
    pub name: ClusterName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its site.
    #[schemars(with = "String")]
    pub site: SiteName,
    /// Its policy.
    #[schemars(with = "String")]
    pub policy: PolicyName,
    /// How well it is protected.
    pub state: ClusterState,
    /// When its newest restorable point was cut.
    #[schemars(with = "Option<Instant>")]
    pub newest: Option<Timestamp>,
    /// The age of that point.
    #[schemars(with = "Option<Length>")]
    pub age: Option<Duration>,
    /// The cut of its oldest restorable point.
    #[schemars(with = "Option<Instant>")]
    pub oldest: Option<Timestamp>,
    /// When its next point falls due.
    #[schemars(with = "Option<Instant>")]
    pub next_due: Option<Timestamp>,
    /// Stretches of the recovery window in which points are further apart than the policy means them to be, oldest first.
    pub gaps: Vec<Gap>,
    /// Its points, newest first.
    pub points: Vec<PointStatus>,
    /// Why its site is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A stretch without points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Gap {
    /// The cut of the last point before it.
    #[schemars(with = "Instant")]
    pub from: Timestamp,
    /// The cut of the first point after it; now, where there is none yet.
    #[schemars(with = "Instant")]
    pub to: Timestamp,
}

/// One point at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PointStatus {
    /// Slot and attempt.
    #[schemars(with = "String")]
    pub point: PointKey,
    /// Why it was made.
    #[schemars(with = "String")]
    pub class: PointClass,
    /// Its cut.
    #[schemars(with = "Instant")]
    pub cut: Timestamp,
    /// How far it is, where it is farthest: `restorable`, `in-progress`, `failed`, `incomplete`.
    pub state: &'static str,
    /// The rules that keep it, at whatever place; empty when none does, or when it is not restorable.
    #[schemars(with = "Vec<String>")]
    pub kept_by: Vec<KeepReason>,
    /// Whether a delete is under way for it, at every place where it lies.
    pub is_marked: bool,
    /// Whether a hold is on it.
    pub is_held: bool,
    /// Until when its providers refuse its deletion, at every place where it lies.
    #[schemars(with = "Option<Instant>")]
    pub locked_until: Option<Timestamp>,
    /// The sites where it lies, home first.
    #[schemars(with = "Vec<String>")]
    pub places: Vec<SiteName>,
}

/// Tells the state of every cluster, ordered by name.
#[must_use]
pub fn survey(desired: &Desired, observed: &Observed, as_of: Timestamp) -> Vec<ClusterStatus> {
    let world = World::of(observed, None);
    let mut all: Vec<ClusterStatus> =
        desired.clusters.values().map(|cluster| one(&Subject::of(desired, cluster), &world, as_of)).collect();
    all.sort_by(|a, b| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
    all
}

fn one(subject: &Subject<'_>, world: &World<'_>, as_of: Timestamp) -> ClusterStatus {
    let Subject { cluster, policy, .. } = *subject;
    let mut status = ClusterStatus {
        uid: cluster.uid.clone(),
        name: cluster.name.clone(),
        labels: cluster.labels.clone(),
        site: cluster.site.clone(),
        policy: cluster.policy.clone(),
        state: ClusterState::Unknown,
        newest: None,
        age: None,
        oldest: None,
        next_due: policy.schedule.next_due(&cluster.uid, as_of).filter(|_| !cluster.is_retired),
        gaps: Vec::new(),
        points: Vec::new(),
        because: None,
    };
    let holdings = world.holdings(&cluster.uid);
    let places = places::of(subject, world, &holdings);
    let home = match places.home() {
        Ok(home) => home,
        Err(because) => {
            status.because = Some(because.to_owned());
            return status;
        }
    };
    let view = View::of(subject, world, &places, home, as_of);
    let restorable = || places.points().filter(|point| satisfies_slots(point)).map(|point| point.cut);
    status.newest = restorable().filter(|cut| *cut <= as_of).max();
    status.oldest = restorable().min();
    status.age = status.newest.map(|newest| Duration::between(newest, as_of));
    status.points = points(&view, &view::now(&view));
    if !cluster.is_retired {
        status.gaps = gaps(subject, restorable().filter(|cut| *cut <= as_of).collect(), as_of);
    }
    let slot = policy.schedule.latest_due(&cluster.uid, as_of);
    let is_making = home.points().iter().any(|point| point.state == PointState::InProgress);
    status.state = match (status.newest, status.age) {
        _ if cluster.is_retired => ClusterState::Retiring,
        (Some(newest), Some(age)) => match policy.max_age {
            Some(max) if age > max => ClusterState::Late,
            Some(_) | None if slot.is_some_and(|slot| newest < slot) => ClusterState::Due,
            Some(_) | None => ClusterState::Protected,
        },
        (None, _) | (_, None) if is_making => ClusterState::Starting,
        (None, _) | (_, None) => ClusterState::Unprotected,
    };
    status
}

/// Where points are too far apart: beyond `sla.maxAge`, or without it where a whole slot has none. Only within the recovery window:
/// before that, retention thins points out by itself.
fn gaps(subject: &Subject<'_>, mut cuts: Vec<Timestamp>, as_of: Timestamp) -> Vec<Gap> {
    let Subject { cluster, policy, .. } = *subject;
    let Some(window) = policy.retention.recovery_window else { return Vec::new() };
    cuts.sort_unstable();
    cuts.dedup();
    cuts.push(as_of);
    let is_too_far = |from: Timestamp, to: Timestamp| match policy.max_age {
        Some(most) => Duration::between(from, to) > most,
        None => {
            let next = |instant| policy.schedule.next_due(&cluster.uid, instant);
            next(from).and_then(next).is_some_and(|second| second < to)
        }
    };
    let start = window.before(as_of);
    let pairs = cuts.windows(2).map(|pair| Gap { from: pair[0], to: pair[1] });
    pairs.filter(|gap| gap.from >= start && is_too_far(gap.from, gap.to)).collect()
}

/// Each point once, newest first, with what its places say of it.
fn points(view: &View<'_>, fates: &Fates<'_>) -> Vec<PointStatus> {
    let mut all: BTreeMap<Id, PointStatus> = BTreeMap::new();
    for (place, seen) in view.places.known() {
        for point in seen.points().iter().filter(|point| point.state != PointState::Double) {
            let id = view::id(point);
            let is_marked = point.parts.iter().any(|p| p.snapshot.snapshot().tags.contains_key(crate::tags::EXPIRE));
            let kept_by = if point.is_restorable() { fates.reasons(place, id) } else { &[] };
            // What one snapshot lacks, the whole point lacks: `None` comes first.
            let locked_until = point.snapshots().map(|snapshot| snapshot.locked_until).min().flatten();
            let locked_until = locked_until.filter(|until| *until > view.as_of);
            let status = all.entry(id).or_insert_with(|| PointStatus {
                point: point.key,
                class: point.class,
                cut: point.cut,
                state: word(point),
                kept_by: Vec::new(),
                is_marked,
                is_held: view.is_held(point),
                locked_until,
                places: Vec::new(),
            });
            if rank(word(point)) < rank(status.state) {
                status.state = word(point);
            }
            status.is_marked &= is_marked;
            status.locked_until = status.locked_until.min(locked_until);
            status.places.push(place.name.clone());
            status.kept_by.extend(kept_by);
        }
    }
    let mut points: Vec<PointStatus> = all.into_values().collect();
    for point in &mut points {
        point.kept_by.sort();
        point.kept_by.dedup();
    }
    points.sort_by_key(|point| Reverse((point.cut, point.point, point.class)));
    points
}

fn word(point: &RecoveryPoint<'_>) -> &'static str {
    match point.state {
        PointState::Restorable => "restorable",
        PointState::InProgress => "in-progress",
        PointState::Failed { .. } => "failed",
        PointState::Incomplete { .. } | PointState::Double => "incomplete",
    }
}

/// The farthest first.
fn rank(word: &str) -> usize {
    ["restorable", "in-progress", "failed", "incomplete"].iter().position(|state| *state == word).unwrap_or(usize::MAX)
}
