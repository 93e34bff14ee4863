//! What retention lets go, at each place: first marked, then, much later, deleted.

use super::cluster::Outcome;
use super::copies::Lacking;
use super::places::{Kind, Place, Seen};
use super::retirement::Span;
use super::safety;
use super::tombstones::{self, FullMark, Mark, Ripeness};
use super::view::{self, Fates, View, expected_part};
use crate::plan::{Action, Cause, MarkPoint, Reason, WaitingFor};
use crate::point::{PointState, RecoveryPoint};
use crate::retention::{self, Candidate};
use crate::time::Duration;

/// Plans marks, revivals and deletes at every place of a cluster.
pub(super) fn plan(view: &View<'_>, judged: &Judged<'_>, lacking: &Lacking, outcome: &mut Outcome) {
    let cluster = view.subject.cluster;
    // Nobody knows what lies there, or lacks: so nothing may go anywhere else, either.
    let unknown = view.places.unknown().map(|(site, because)| format!("copy site {site} could not be read: {because}"));
    if let Some(because) = &unknown {
        outcome.wait(cluster, None, WaitingFor::NotSafe { because: because.clone() });
    }
    // A retirement has no floors, so it needs no system identifier: its machines may be gone.
    let of_system = view.system.as_ref().err().filter(|_| !cluster.is_retired).cloned();
    for (place, seen) in view.places.known() {
        let obstacle = safety::obstacle(view.world, seen.site.inventory);
        let removals = Removals {
            view,
            place,
            rules: rules(view, place),
            obstacle: unknown.clone().or(obstacle).or_else(|| of_system.clone()),
        };
        if let Some(because) = removals.plan(seen, judged, lacking, outcome) {
            outcome.wait(cluster, None, WaitingFor::NotSafe { because });
        }
    }
}

/// What the places keep: now, and once what is planned and being made is ready.
pub(super) struct Judged<'a> {
    pub(super) now: Fates<'a>,
    soon: Option<Fates<'a>>,
}

impl<'a> Judged<'a> {
    /// Judges what lies at the places of a cluster, with what is planned for them already.
    pub(super) fn of(view: &View<'a>, outcome: &Outcome) -> Self {
        Self { now: view::now(view), soon: soon(view, outcome) }
    }

    pub(super) fn soon(&self) -> &Fates<'a> {
        self.soon.as_ref().unwrap_or(&self.now)
    }
}

/// What the places will keep once the points that are planned or being made are restorable; `None` if there are none.
///
/// Marks follow it, so that a plan that was applied leaves nothing to be marked (INVARIANTS.md 12). Deletes never do.
fn soon<'a>(view: &View<'a>, outcome: &Outcome) -> Option<Fates<'a>> {
    let mut any = false;
    let mut all = Vec::new();
    for (place, seen) in view.places.known() {
        let planned = outcome.changes.iter().filter(|change| change.site == *place.name);
        let mut hoped: Vec<Candidate> = planned.filter_map(|change| planned_point(view, &change.action)).collect();
        let being_made = seen.points().iter().filter(|point| point.state == PointState::InProgress);
        hoped.extend(being_made.map(|point| view.candidate(point)));
        any |= !hoped.is_empty();
        hoped.extend(view.restorable(seen));
        all.push((place, hoped));
    }
    any.then(|| Fates::of(view, &all))
}

fn planned_point(view: &View<'_>, action: &Action) -> Option<Candidate> {
    let (key, class, cut, system) = match action {
        Action::Create(create) => (create.point, create.class, view.as_of, create.system),
        Action::Copy(copy) => (copy.point, copy.class, copy.cut, copy.system),
        Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => return None,
    };
    let mut same = view.places.points().filter(|point| view::id(point) == (key, class));
    let is_held = same.any(|point| view.is_held(point));
    Some(Candidate { key, class, cut, created: view.as_of, system, is_held })
}

/// The rules by which points go from a place, in one line.
fn rules(view: &View<'_>, place: &Place<'_>) -> String {
    let rules: Vec<String> = place
        .retentions()
        .map(|retention| match view.subject.cluster.is_retired {
            true => Span::of(&view.subject, retention, view.as_of).to_string(),
            false => retention::rules(retention),
        })
        .collect();
    rules.join(" and ")
}

/// The work at one place.
struct Removals<'v, 'a> {
    view: &'v View<'a>,
    place: &'v Place<'a>,
    rules: String,
    /// Why nothing may be marked or deleted here, whatever retention says.
    obstacle: Option<String>,
}

impl<'a> Removals<'_, 'a> {
    /// Gives the reason why something could not be marked or deleted, if there was one.
    fn plan(&self, seen: Seen<'a>, judged: &Judged<'_>, lacking: &Lacking, outcome: &mut Outcome) -> Option<String> {
        let at = |floor: Option<&String>| floor.map(|floor| self.told(floor));
        let no_marks = self.obstacle.clone().or_else(|| at(judged.soon().floor(self.place)));
        let no_deletes = self.obstacle.clone().or_else(|| at(judged.now.floor(self.place)));
        let mut blocked = None;
        for point in seen.points().iter().filter(|point| point.is_restorable()) {
            let id = view::id(point);
            let (keeps_now, keeps_soon) = (judged.now.keeps(self.place, id), judged.soon().keeps(self.place, id));
            let mark = tombstones::of(point, &self.view.subject.cluster.uid, seen);
            let obstacle = match (keeps_soon, keeps_now, &mark) {
                (true, _, Mark::None) => continue,
                // Taking a mark back only ever keeps more: it needs no further safety.
                (true, _, Mark::Partial | Mark::Full(_)) => {
                    let revive = Action::Revive(mark_point(point, Duration::ZERO));
                    outcome.change_at(self.view.subject.cluster, self.place.name, revive, Reason::KeptAgain);
                    continue;
                }
                // It is let go once the point that is being made is restorable. Until then it may be marked, never deleted.
                (false, true, Mark::Full(_)) => continue,
                (false, _, Mark::None | Mark::Partial) => &no_marks,
                (false, false, Mark::Full(_)) => &no_deletes,
            };
            match (obstacle, lacking.sites(id)) {
                (Some(because), _) => blocked = Some(because.clone()),
                (None, Some(sites)) => {
                    let why = WaitingFor::Copies { sites: sites.clone() };
                    outcome.wait(self.view.subject.cluster, Some(point.key), why);
                }
                (None, None) => {
                    self.remove(point, &mark, outcome);
                    // Also where the floor will only stand by what is copied.
                    let rests_on_copies = keeps_now || judged.now.floor(self.place).is_some();
                    if rests_on_copies && matches!(self.place.kind, Kind::Copy(_)) {
                        let cluster = self.view.subject.cluster.uid.clone();
                        outcome.ahead.insert((cluster, self.place.name.clone(), point.key));
                    }
                }
            }
        }
        blocked
    }

    /// Home goes without saying.
    fn told(&self, floor: &str) -> String {
        match self.place.kind {
            Kind::Home => floor.to_owned(),
            Kind::Copy(_) | Kind::Former => format!("at {}: {floor}", self.place.name),
        }
    }

    /// Marks a point that no rule keeps, or deletes it once its mark is ripe.
    fn remove(&self, point: &RecoveryPoint<'_>, mark: &Mark, outcome: &mut Outcome) {
        let cluster = self.view.subject.cluster;
        let grace = self.place.grace();
        let full = match mark {
            Mark::None | Mark::Partial => {
                let expire = Action::Expire(mark_point(point, grace));
                outcome.change_at(cluster, self.place.name, expire, self.reason());
                self.attribute(outcome, Cause::Due);
                return;
            }
            Mark::Full(full) => full,
        };
        match full.ripeness(point, grace, self.view.as_of) {
            Ripeness::Unseen => outcome.wait(cluster, Some(point.key), WaitingFor::Sighting),
            Ripeness::Grace { until } => outcome.wait(cluster, Some(point.key), WaitingFor::Grace { until }),
            Ripeness::Locked { until } => outcome.wait(cluster, Some(point.key), WaitingFor::Lock { until }),
            Ripeness::Ripe => self.delete(point, full, grace, outcome),
        }
    }

    fn delete(&self, point: &RecoveryPoint<'_>, full: &FullMark, grace: Duration, outcome: &mut Outcome) {
        let ago = Duration::between(full.at, self.view.as_of);
        let reason = Reason::GraceOver { rules: self.rules.clone(), marked: full.at, ago };
        let delete = Action::Delete(mark_point(point, full.grace.max(grace)));
        outcome.change_at(self.view.subject.cluster, self.place.name, delete, reason);
        self.attribute(outcome, full.cause);
    }

    fn reason(&self) -> Reason {
        match self.view.subject.cluster.is_retired {
            true => Reason::Retired { rules: self.rules.clone() },
            false => Reason::Beyond { rules: self.rules.clone() },
        }
    }

    /// What a retirement takes away is the documents' doing, whoever marked it.
    fn attribute(&self, outcome: &mut Outcome, cause: Cause) {
        let least = if self.view.subject.cluster.is_retired { Cause::Config } else { Cause::Due };
        if let Some(change) = outcome.changes.last_mut() {
            change.cause = cause.max(least);
        }
    }
}

fn mark_point(point: &RecoveryPoint<'_>, grace: Duration) -> MarkPoint {
    let snapshots = point.parts.iter().map(expected_part).collect();
    MarkPoint { point: point.key, cut: point.cut, grace, snapshots, is_double: false }
}
