//! One cluster: the point that is due, and what a person should know.

use super::places::Seen;
use super::{Holdings, Subject, World, findings, leftovers, locks, places, removals, source, tags, waits};
use crate::model::Cluster;
use crate::plan::{Action, Cause, Change, CreatePoint, Finding, FindingKind, Reason, Waiting, WaitingFor};
use crate::point::{PointState, RecoveryPoint};
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What was decided about one cluster, or gathered from all.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) changes: Vec<Change>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) findings: Vec<Finding>,
    /// How many restorable points there are, of whomever.
    pub(super) restorable: usize,
}

impl Outcome {
    pub(super) fn append(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.waiting.extend(other.waiting);
        self.findings.extend(other.findings);
        self.restorable += other.restorable;
    }

    /// Puts everything into its one order.
    pub(super) fn sort(&mut self) {
        self.changes.sort_by(|a, b| {
            let order = (&a.name, &a.cluster, a.action.rank()).cmp(&(&b.name, &b.cluster, b.action.rank()));
            order.then_with(|| a.action.point().cmp(&b.action.point()))
        });
        self.waiting.sort_by(|a, b| {
            let order = (&a.name, &a.cluster, a.point).cmp(&(&b.name, &b.cluster, b.point));
            order.then_with(|| a.why.to_string().cmp(&b.why.to_string()))
        });
        self.findings.sort_by(|a, b| {
            let order = (&a.site, &a.subject).cmp(&(&b.site, &b.subject));
            order.then_with(|| a.what.to_string().cmp(&b.what.to_string()))
        });
        self.findings.dedup();
    }

    pub(super) fn wait(&mut self, cluster: &Cluster, point: Option<PointKey>, why: WaitingFor) {
        self.waiting.push(Waiting { cluster: cluster.uid.clone(), name: cluster.name.clone(), point, why });
    }

    pub(super) fn find(&mut self, cluster: &Cluster, what: FindingKind) {
        let site = Some(cluster.site.clone());
        self.findings.push(Finding { site, subject: cluster.name.to_string(), what });
    }

    pub(super) fn change(&mut self, cluster: &Cluster, action: Action, reason: Reason) {
        self.changes.push(Change {
            cluster: cluster.uid.clone(),
            name: cluster.name.clone(),
            site: cluster.site.clone(),
            action,
            cause: Cause::Due,
            reason,
        });
    }
}

/// Decides all about one cluster, but the causes.
pub(super) fn plan(subject: &Subject<'_>, world: &World<'_>, holdings: &Holdings<'_>, as_of: Timestamp) -> Outcome {
    let cluster = subject.cluster;
    let mut outcome = Outcome::default();
    let places = places::of(subject, world, holdings);
    let home = match places.home() {
        Ok(seen) => seen,
        Err(because) => {
            outcome.wait(cluster, None, WaitingFor::SiteUnknown { because: because.to_owned() });
            return outcome;
        }
    };
    for what in source::missing(cluster, home.site) {
        outcome.find(cluster, FindingKind::Missing { what });
    }
    plan_create(subject, world, home, as_of, &mut outcome);
    tags::plan(subject, world, &places, &mut outcome);
    removals::plan(subject, world, home.site, home.points(), as_of, &mut outcome);
    leftovers::plan(subject, world, &places, as_of, &mut outcome);
    locks::plan(subject, world, &places, as_of, &mut outcome);
    report_state(subject, home.points(), as_of, &mut outcome);
    findings::of_cluster(subject, &places, as_of, &mut outcome);
    waits::lease(subject, world, &mut outcome);
    outcome
}

/// Whether a point satisfies slots: made by schedule or by a person, and whole.
pub(super) fn satisfies_slots(point: &RecoveryPoint<'_>) -> bool {
    point.is_restorable() && is_of_schedules(point)
}

fn is_of_schedules(point: &RecoveryPoint<'_>) -> bool {
    matches!(point.class, PointClass::Scheduled | PointClass::OnDemand)
}

/// An attempt of the slot that no snapshot names. The next number, so that a name is not used again soon.
fn free_attempt(taken: &BTreeSet<u32>) -> u32 {
    let next = taken.last().copied().unwrap_or(0) + 1;
    if next <= PointKey::LAST_ATTEMPT { next } else { (1..).find(|n| !taken.contains(n)).unwrap_or(next) }
}

fn plan_create(subject: &Subject<'_>, world: &World<'_>, home: Seen<'_>, as_of: Timestamp, outcome: &mut Outcome) {
    let Subject { cluster, policy, .. } = *subject;
    let (site, points, attempts) = (home.site, home.points(), home.shelf.map(|shelf| &shelf.attempts));
    let Some(slot) = policy.schedule.latest_due(&cluster.uid, as_of) else { return };
    // A point dated in the future, by whatever clock, must not stop the backups until then.
    let may_serve = |point: &&RecoveryPoint<'_>| {
        is_of_schedules(point) && point.cut >= slot && !site.is_in_the_future(point.cut, as_of)
    };
    if points.iter().filter(may_serve).any(RecoveryPoint::is_restorable) {
        return;
    }
    // A point whose instant is fixed since the slot will satisfy it, unless it fails: then it is made again.
    if let Some(point) = points.iter().filter(may_serve).find(|point| point.state == PointState::InProgress) {
        outcome.wait(cluster, Some(point.key), WaitingFor::InProgress);
        return;
    }
    let taken: BTreeSet<u32> =
        attempts.into_iter().flatten().filter(|key| key.slot == slot).map(|key| key.attempt).collect();
    let key = PointKey { slot, attempt: free_attempt(&taken) };
    let rules = places::rules(subject.desired, &cluster.site);
    let existing = waits::Disks { rules, home, nobodys: waits::nobodys(world, &cluster.site), as_of };
    let chosen = match source::choose(subject, site, &existing) {
        Ok(chosen) => chosen,
        Err(refusal) => {
            if let Some(what) = refusal.incapable {
                outcome.find(cluster, FindingKind::Incapable { what });
            }
            outcome.wait(cluster, Some(key), refusal.why);
            return;
        }
    };
    let is_past = |point: &&RecoveryPoint<'_>| !site.is_in_the_future(point.cut, as_of);
    let newest = points.iter().filter(is_past).find(|point| satisfies_slots(point)).map(|point| point.cut);
    let earlier = points.iter().filter(|point| point.key.slot == slot && !point.is_restorable()).count();
    let reason = match (u32::try_from(earlier).unwrap_or(u32::MAX), newest) {
        (attempts @ 1.., _) => Reason::Retry { attempts },
        (0, Some(newest)) => Reason::SlotDue { newest },
        (0, None) => Reason::FirstPoint,
    };
    let create = CreatePoint {
        point: key,
        class: PointClass::Scheduled,
        node: chosen.node.name.clone(),
        instance: chosen.node.instance.clone(),
        role: chosen.role,
        consistency: policy.consistency,
        atomic_group: chosen.atomic_group,
        system: chosen.system,
        location: None,
        parts: source::parts(cluster, PointClass::Scheduled, key, &chosen),
    };
    outcome.change(cluster, Action::Create(create), reason);
}

fn report_state(subject: &Subject<'_>, points: &[RecoveryPoint<'_>], as_of: Timestamp, outcome: &mut Outcome) {
    let cluster = subject.cluster;
    let newest = points.iter().find(|point| satisfies_slots(point) && point.cut <= as_of);
    let will_create = outcome.changes.iter().any(|change| matches!(change.action, Action::Create(_)));
    let late = match (newest, subject.policy.max_age) {
        (Some(point), Some(max)) => {
            let age = Duration::between(point.cut, as_of);
            (age > max).then_some(FindingKind::Late { age: Some(age), max_age: Some(max) })
        }
        (Some(_), None) => None,
        // A new cluster whose first point is planned, or is being made, is not late.
        (None, max_age) => {
            let in_hand = will_create || points.iter().any(|point| point.state == PointState::InProgress);
            (!in_hand).then_some(FindingKind::Late { age: None, max_age })
        }
    };
    if let Some(late) = late {
        outcome.find(cluster, late);
    }
    let unfinished: usize = points
        .iter()
        .filter(|point| match &point.state {
            PointState::Restorable | PointState::InProgress => false,
            PointState::Failed { .. } => true,
            PointState::Incomplete { .. } => true,
        })
        .map(|point| point.parts.len() + point.unsealed.len())
        .sum();
    if unfinished > 0 {
        outcome.find(cluster, FindingKind::Unfinished { snapshots: unfinished });
    }
}
