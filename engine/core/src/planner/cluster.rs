//! One cluster: the point that is due, and what a person should know.

use super::places::{Kind, Place, Places, Seen};
use super::removals::Judged;
use super::view::View;
use super::{Holdings, Subject, World, copies, findings, leftovers, locks, places, removals, source, tags, waits};
use crate::model::Cluster;
use crate::name::{ClusterUid, SiteName};
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
    /// The marks at copy sites that rest on copies of the same plan.
    pub(super) ahead: BTreeSet<(ClusterUid, SiteName, PointKey)>,
    /// How many restorable points there are, of whomever.
    pub(super) restorable: usize,
}

impl Outcome {
    /// What was decided about all clusters together, in their order.
    pub(super) fn of_all(outcomes: Vec<Self>) -> Self {
        let sum = |count: fn(&Self) -> usize| outcomes.iter().map(count).sum::<usize>();
        let mut total = Self {
            changes: Vec::with_capacity(sum(|own| own.changes.len())),
            waiting: Vec::with_capacity(sum(|own| own.waiting.len())),
            findings: Vec::with_capacity(sum(|own| own.findings.len())),
            ..Self::default()
        };
        outcomes.into_iter().for_each(|own| total.append(own));
        total
    }

    fn append(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.waiting.extend(other.waiting);
        self.findings.extend(other.findings);
        self.ahead.extend(other.ahead);
        self.restorable += other.restorable;
    }

    /// Puts the changes into their one order.
    pub(super) fn sort_changes(&mut self) {
        self.changes.sort_by(|a, b| {
            let order = (&a.name, &a.cluster, a.action.rank()).cmp(&(&b.name, &b.cluster, b.action.rank()));
            order.then_with(|| (a.action.point(), &a.site).cmp(&(b.action.point(), &b.site)))
        });
    }

    /// Puts everything into its one order.
    pub(super) fn sort(&mut self) {
        self.sort_changes();
        self.waiting.sort_by(Waiting::order);
        // Two places of a cluster may wait for the same.
        self.waiting.dedup();
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

    /// Plans something at the cluster's home.
    pub(super) fn change(&mut self, cluster: &Cluster, action: Action, reason: Reason) {
        self.change_at(cluster, &cluster.site, action, reason);
    }

    /// Plans something at one of the cluster's places.
    pub(super) fn change_at(&mut self, cluster: &Cluster, site: &SiteName, action: Action, reason: Reason) {
        self.changes.push(Change {
            cluster: cluster.uid.clone(),
            name: cluster.name.clone(),
            site: site.clone(),
            policy: cluster.policy.clone(),
            action,
            cause: Cause::Due,
            reason,
        });
    }
}

/// Decides all about one cluster, but the causes.
///
/// `come_first` tells why its create must wait: its site takes those of others first.
pub(super) fn plan(
    subject: &Subject<'_>,
    world: &World<'_>,
    come_first: Option<&WaitingFor>,
    holdings: &Holdings<'_>,
    as_of: Timestamp,
) -> Outcome {
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
    if !cluster.is_retired {
        for what in source::missing(cluster, home.site) {
            outcome.find(cluster, FindingKind::Missing { what });
        }
        plan_create(subject, come_first, &places, home, as_of, &mut outcome);
    }
    tags::plan(subject, world, &places, &mut outcome);
    let view = View::of(subject, world, &places, home, as_of);
    let lacking = copies::plan(&view, &mut outcome);
    let judged = Judged::of(&view, &outcome);
    removals::plan(&view, &judged, &lacking, &mut outcome);
    leftovers::plan(&view, &judged, &mut outcome);
    locks::plan(&view, &judged.now, &mut outcome);
    report_state(subject, &places, home, as_of, &mut outcome);
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
pub(super) fn free_attempt(taken: &BTreeSet<u32>) -> u32 {
    let next = taken.last().copied().unwrap_or(0) + 1;
    if next <= PointKey::LAST_ATTEMPT { next } else { (1..).find(|n| !taken.contains(n)).unwrap_or(next) }
}

fn plan_create(
    subject: &Subject<'_>,
    come_first: Option<&WaitingFor>,
    places: &Places<'_>,
    home: Seen<'_>,
    as_of: Timestamp,
    outcome: &mut Outcome,
) {
    let Subject { cluster, policy, .. } = *subject;
    let Some(slot) = policy.schedule.latest_due(&cluster.uid, as_of) else { return };
    // A point dated in the future, by whatever clock, must not stop the backups until then.
    let may_serve = |seen: Seen<'_>, point: &RecoveryPoint<'_>| {
        is_of_schedules(point) && point.cut >= slot && !seen.site.is_in_the_future(point.cut, as_of)
    };
    // Wherever it lies: what a copy site has can bring the cluster back.
    let serves = |seen: Seen<'_>| seen.points().iter().any(|point| point.is_restorable() && may_serve(seen, point));
    if places.known().any(|(_, seen)| serves(seen)) {
        return;
    }
    // A point whose instant is fixed since the slot will satisfy it, unless it fails: then it is made again.
    let in_hand = |(place, seen): (&Place<'_>, Seen<'_>)| {
        let is_being_made =
            |point: &&RecoveryPoint<'_>| point.state == PointState::InProgress && may_serve(seen, point);
        seen.points().iter().find(is_being_made).filter(|_| !matches!(place.kind, Kind::Copy(_))).map(|point| point.key)
    };
    if let Some(point) = places.known().find_map(in_hand) {
        outcome.wait(cluster, Some(point), WaitingFor::InProgress);
        return;
    }
    // At every place: a copy has the name of its point.
    let named = places.known().filter_map(|(_, seen)| seen.shelf).flat_map(|shelf| &shelf.attempts);
    let taken: BTreeSet<u32> = named.filter(|key| key.slot == slot).map(|key| key.attempt).collect();
    let key = PointKey { slot, attempt: free_attempt(&taken) };
    if let Some(wait) = back_off(subject, home, slot, as_of) {
        outcome.wait(cluster, Some(key), wait);
        return;
    }
    let rules = places::rules(subject.desired, &cluster.site);
    let existing = waits::Disks { rules, home: home.site, as_of };
    let chosen = match source::choose(subject, home.site, &existing) {
        Ok(chosen) => chosen,
        Err(refusal) => {
            if let Some(what) = refusal.incapable {
                outcome.find(cluster, FindingKind::Incapable { what });
            }
            outcome.wait(cluster, Some(key), refusal.why);
            return;
        }
    };
    if let Some(why) = come_first {
        outcome.wait(cluster, Some(key), why.clone());
        return;
    }
    let newest = newest(places, as_of);
    let earlier = home.points().iter().filter(|point| point.key.slot == slot && !point.is_restorable()).count();
    let reason = match (u32::try_from(earlier).unwrap_or(u32::MAX), newest) {
        (attempts @ 1.., _) => Reason::Retry { attempts },
        (0, Some(newest)) => Reason::SlotDue { newest },
        (0, None) => Reason::FirstPoint,
    };
    let create = create(subject, places, PointClass::Scheduled, key, &chosen);
    outcome.change(cluster, Action::Create(create), reason);
}

/// How to make a point of what was chosen.
pub(super) fn create(
    subject: &Subject<'_>,
    places: &Places<'_>,
    class: PointClass,
    key: PointKey,
    chosen: &source::Chosen<'_>,
) -> CreatePoint {
    CreatePoint {
        point: key,
        class,
        node: chosen.node.name.clone(),
        instance: chosen.node.instance.clone(),
        role: chosen.role,
        consistency: subject.policy.consistency,
        atomic_group: chosen.atomic_group,
        system: chosen.system,
        location: places.placed.clone(),
        parts: source::parts(subject.cluster, class, key, chosen),
    }
}

/// The cut of the newest restorable point of all places, none from the future.
fn newest(places: &Places<'_>, as_of: Timestamp) -> Option<Timestamp> {
    let cuts = places.known().flat_map(|(_, seen)| {
        let is_past = move |point: &&RecoveryPoint<'_>| !seen.site.is_in_the_future(point.cut, as_of);
        seen.points().iter().filter(|point| satisfies_slots(point)).filter(is_past).map(|point| point.cut)
    });
    cuts.max()
}

/// The wait after the first failed attempt at a slot; each further one doubles it.
const FIRST_WAIT: Duration = Duration::minutes(5);
/// The longest one.
const LONGEST_WAIT: Duration = Duration::hours(1);

/// How long the next attempt at a slot must wait, by what is left of those that failed. Never longer than a quarter of the
/// time to the next slot, so that a cluster soon has its point when the trouble ends (INVARIANTS.md 26).
fn back_off(subject: &Subject<'_>, home: Seen<'_>, slot: Timestamp, as_of: Timestamp) -> Option<WaitingFor> {
    // What a run that was cut short has left is no failure of the site: the next run goes on at once.
    let has_failed = |point: &&RecoveryPoint<'_>| match point.state {
        PointState::Failed { .. } => point.key.slot == slot,
        PointState::Incomplete { .. } | PointState::Double | PointState::Restorable | PointState::InProgress => false,
    };
    let failed = home.points().iter().filter(has_failed);
    let made: Vec<Timestamp> =
        failed.map(|point| point.created).filter(|made| !home.site.is_in_the_future(*made, as_of)).collect();
    let latest = made.iter().max()?;
    let doubled = u32::try_from(made.len() - 1).ok().and_then(|times| 1_u64.checked_shl(times)).unwrap_or(u64::MAX);
    let longer = Duration::seconds(FIRST_WAIT.as_seconds().saturating_mul(doubled));
    let next = subject.policy.schedule.next_due(&subject.cluster.uid, slot);
    let quarter = next.map_or(LONGEST_WAIT, |next| Duration::seconds(Duration::between(slot, next).as_seconds() / 4));
    let until = longer.min(LONGEST_WAIT).min(quarter).after(*latest);
    let attempts = u32::try_from(made.len()).unwrap_or(u32::MAX);
    (as_of < until).then_some(WaitingFor::BackOff { until, attempts })
}

fn report_state(subject: &Subject<'_>, places: &Places<'_>, home: Seen<'_>, as_of: Timestamp, outcome: &mut Outcome) {
    let cluster = subject.cluster;
    let points = home.points();
    let past = places.points().filter(|point| satisfies_slots(point) && point.cut <= as_of);
    let newest = past.map(|point| point.cut).max();
    let will_create = outcome.changes.iter().any(|change| matches!(change.action, Action::Create(_)));
    let late = match (newest, subject.policy.max_age) {
        (Some(cut), Some(max)) => {
            let age = Duration::between(cut, as_of);
            (age > max).then_some(FindingKind::Late { age: Some(age), max_age: Some(max) })
        }
        (Some(_), None) => None,
        // A new cluster whose first point is planned, or is being made, is not late.
        (None, max_age) => {
            let in_hand = will_create || points.iter().any(|point| point.state == PointState::InProgress);
            (!in_hand).then_some(FindingKind::Late { age: None, max_age })
        }
    };
    if let Some(late) = late.filter(|_| !cluster.is_retired) {
        outcome.find(cluster, late);
    }
    let (mut unfinished, mut doubles) = (0, 0);
    for point in points {
        let snapshots = point.parts.len() + point.unsealed.len();
        match &point.state {
            PointState::Restorable | PointState::InProgress => {}
            PointState::Failed { .. } | PointState::Incomplete { .. } => unfinished += snapshots,
            PointState::Double => doubles += snapshots,
        }
    }
    if doubles > 0 {
        outcome.find(cluster, FindingKind::Doubles { snapshots: doubles });
    }
    if unfinished > 0 {
        outcome.find(cluster, FindingKind::Unfinished { snapshots: unfinished });
    }
}
