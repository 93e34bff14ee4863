//! The fleet at a glance: each cluster with the points that it has.

use super::cluster::satisfies_slots;
use super::removals::judge;
use super::{Subject, World, safety};
use crate::model::Desired;
use crate::name::{ClusterName, ClusterUid, PolicyName, SiteName};
use crate::observed::Observed;
use crate::point::PointState;
use crate::retention::{CurrentSystem, KeepReason, Verdict};
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use serde::Serialize;

/// How well a cluster is protected, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
}

/// One cluster at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClusterStatus {
    /// Its identity.
    pub uid: ClusterUid,
    /// Its name.
    pub name: ClusterName,
    /// Its site.
    pub site: SiteName,
    /// Its policy.
    pub policy: PolicyName,
    /// How well it is protected.
    pub state: ClusterState,
    /// When its newest restorable point was cut.
    pub newest: Option<Timestamp>,
    /// The age of that point.
    pub age: Option<Duration>,
    /// The cut of its oldest restorable point.
    pub oldest: Option<Timestamp>,
    /// When its next point falls due.
    pub next_due: Option<Timestamp>,
    /// Its points, newest first.
    pub points: Vec<PointStatus>,
    /// Why its site is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// One point at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointStatus {
    /// Slot and attempt.
    pub point: PointKey,
    /// Why it was made.
    pub class: PointClass,
    /// Its cut.
    pub cut: Timestamp,
    /// How far it is: `restorable`, `in-progress`, `failed`, `incomplete`.
    pub state: &'static str,
    /// The rules that keep it; empty when none does, or when it is not restorable.
    pub kept_by: Vec<KeepReason>,
    /// Whether a delete is under way for it.
    pub is_marked: bool,
}

/// Tells the state of every cluster, ordered by name.
#[must_use]
pub fn survey(desired: &Desired, observed: &Observed, as_of: Timestamp) -> Vec<ClusterStatus> {
    let world = World::of(observed);
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
        site: cluster.site.clone(),
        policy: cluster.policy.clone(),
        state: ClusterState::Unknown,
        newest: None,
        age: None,
        oldest: None,
        next_due: policy.schedule.next_due(&cluster.uid, as_of),
        points: Vec::new(),
        because: None,
    };
    let site = match world.site(&cluster.site) {
        Ok(site) => site,
        Err(because) => {
            status.because = Some(because.to_owned());
            return status;
        }
    };
    let shelf = world.catalogues.get(&cluster.site).map(|catalogue| catalogue.shelf(&cluster.uid)).unwrap_or_default();
    let points = shelf.points.as_slice();
    let current = safety::current_system(cluster, site).unwrap_or(CurrentSystem::NewestPoints);
    let judgements = judge(subject, world, points, current, as_of);
    let restorable = || points.iter().filter(|point| satisfies_slots(point));
    status.newest = restorable().map(|point| point.cut).find(|cut| *cut <= as_of);
    status.oldest = restorable().map(|point| point.cut).next_back();
    status.age = status.newest.map(|newest| Duration::between(newest, as_of));
    status.points = points
        .iter()
        .map(|point| PointStatus {
            point: point.key,
            class: point.class,
            cut: point.cut,
            state: match point.state {
                PointState::Restorable => "restorable",
                PointState::InProgress => "in-progress",
                PointState::Failed { .. } => "failed",
                PointState::Incomplete { .. } => "incomplete",
            },
            kept_by: judgements
                .iter()
                .find(|judgement| judgement.point.key == point.key && judgement.point.class == point.class)
                .map_or(Vec::new(), |judgement| match &judgement.verdict {
                    Verdict::Keep(reasons) => reasons.as_slice().to_vec(),
                    Verdict::Expire => Vec::new(),
                }),
            is_marked: point.parts.iter().any(|p| p.snapshot.snapshot().tags.contains_key(crate::tags::EXPIRE)),
        })
        .collect();
    let slot = policy.schedule.latest_due(&cluster.uid, as_of);
    let is_making = points.iter().any(|point| point.state == PointState::InProgress);
    status.state = match (status.newest, status.age) {
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
