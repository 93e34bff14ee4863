//! The second opinion: every plan is checked against INVARIANTS.md before anything of it runs.
//!
//! Written apart from the planner, naively, and on purpose without its helpers: what both get wrong must be wrong twice. It may
//! demand less than the planner delivers, where nothing can be lost by it, and never less than an invariant. Both read what a
//! snapshot's tags say, and whether its seal is genuine, in one place ([`crate::snapshots`]); what follows from it each decides
//! for itself.
//!
//! | Invariant | Where a plan shows it |
//! |---|---|
//! | 1 policy floor | `removals`: what a place's retention keeps is neither marked nor deleted. `locks`: only what the policy locks |
//! | 2 count floor | `removals`: over all places, and at home and each copy site besides |
//! | 3 two phases | `phases` |
//! | 4 complete view | `removals`: home, copy sites and the state store; every other action: the sites that it names |
//! | 5 ownership | `removals`, `copies`, `locks`; `repairs`: a mended seal must be genuine, and only an intent alone is adopted |
//! | 6 typed targets | here: the site is one of the cluster's places; everywhere: the ids are snapshots of that point |
//! | 7 incomplete points | `points`: only what is whole and ready counts; `removals`: what is being made never goes |
//! | 8 one point per slot | `creates`; `removals` and `copies`: a point is touched whole; `reference`: doubles |
//! | 9 unknown outcomes | `creates`, `copies`: the intent by which a lost answer is found again. The rest is the executor's |
//! | 10 freshness | everywhere: snapshots, servers and facts are as the plan says. Again by the executor, before each call |
//! | 11 refinement | here: nothing is touched twice. A run's changes are a plan's: `refresh` |
//! | 12 fixpoint | one plan cannot show it: the properties in `tests/proofs` do |
//! | 13 monotone | `reference`: what is dated in the future counts for nothing; the rest takes two plans, as above |
//! | 14 clocks | `removals` |
//! | 15 schedules | `creates`, by `slots` |
//! | 16 removal | here: no change of what is not declared. `reference`: a retired cluster's points live out their spans |
//! | 17 isolation | one plan cannot show it. For its sake an unknown site that is neither home nor copy site blocks nothing |
//! | 18 blast radius | `blast` |
//! | 19-24 | the executor, restores and archives; no plan shows them. `repairs`: nothing is adopted under another run's lease |
//! | 25 pins | `removals`: a copy that is wanted, planned or on its way keeps its source |
//! | 26 liveness | `rates`, `copies`, `locks`: nothing is asked of a site that its own rules refuse, nor more than it takes in an hour |
//!
//! **Which sites must be known** for a mark or a delete: home and each copy site, for what may lie there counts, waits or is
//! wanted. A third site that is unknown may hide former points. They could only have let more go: retention without them keeps
//! more, and floors without them count less. So it does not stop the cluster (17).

mod blast;
mod copies;
mod creates;
mod leave_out;
mod locks;
mod phases;
mod points;
mod rates;
mod reference;
mod removals;
mod repairs;
mod slots;
mod world;

pub use leave_out::{Checked, verify_or_leave_out};

use crate::model::Desired;
use crate::name::{ClusterUid, SiteName, SnapshotId};
use crate::observed::Observed;
use crate::plan::{Action, Change, Plan};
use crate::share::Share;
use crate::snapshots::print_of;
use crate::workers::{self, Alone, Workers};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use world::{Context, Facts};

/// A plan that broke no invariant. [`verify`] alone makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedPlan(Plan);

impl VerifiedPlan {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// Gives the plan back, no longer verified.
    #[must_use]
    pub fn into_plan(self) -> Plan {
        self.0
    }
}

/// Everything that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violations(pub Vec<Violation>);

/// One invariant that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Its number in INVARIANTS.md.
    pub invariant: u8,
    /// The cluster's uid.
    pub cluster: ClusterUid,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "invariant {}: {}: {}", violation.invariant, violation.cluster, violation.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Checks a plan against what is desired and what was observed; all violations are told, not the first.
///
/// It is called with the observation that the plan was made from, or with a fresh one after [`crate::refresh::refresh`].
pub fn verify(plan: Plan, desired: &Desired, observed: &Observed) -> Result<VerifiedPlan, Violations> {
    verify_with(&Alone, plan, desired, observed)
}

/// The same, done by several hands: what one cluster's changes break depends on no other cluster's, and is told in one order.
pub fn verify_with(
    workers: &dyn Workers,
    plan: Plan,
    desired: &Desired,
    observed: &Observed,
) -> Result<VerifiedPlan, Violations> {
    let violations = violations(workers, &plan, desired, observed, None);
    verified(plan, violations)
}

/// The same for the plan of a part of a fleet, which keeps to its share of what the whole one may delete.
pub(crate) fn verify_part(
    plan: Plan,
    desired: &Desired,
    observed: &Observed,
    share: &Share,
) -> Result<VerifiedPlan, Violations> {
    let violations = violations(&Alone, &plan, desired, observed, Some(share));
    verified(plan, violations)
}

fn verified(plan: Plan, violations: Vec<Violation>) -> Result<VerifiedPlan, Violations> {
    if violations.is_empty() { Ok(VerifiedPlan(plan)) } else { Err(ordered(violations)) }
}

fn ordered(mut violations: Vec<Violation>) -> Violations {
    violations.sort();
    violations.dedup();
    Violations(violations)
}

fn violations(
    workers: &dyn Workers,
    plan: &Plan,
    desired: &Desired,
    observed: &Observed,
    share: Option<&Share>,
) -> Vec<Violation> {
    let facts = Facts::of(plan, desired, observed);
    let uids: Vec<&ClusterUid> = facts.by_cluster.keys().copied().collect();
    let of_clusters = workers::map(workers, &uids, |uid| of_cluster(&facts, uid));
    let mut violations: Vec<Violation> = of_clusters.into_iter().flatten().collect();
    copies::check_queues(&facts, &mut violations);
    rates::check(&facts, &mut violations);
    check_distinct(plan, &mut violations);
    blast::check(workers, &facts, share, &mut violations);
    violations
}

/// What the changes of one cluster break.
fn of_cluster<'a>(facts: &'a Facts<'a>, uid: &ClusterUid) -> Vec<Violation> {
    let mut violations = Vec::new();
    let Some(cluster) = facts.desired.clusters.get(uid) else {
        let what = "it is not declared: what is removed from the fleet is kept".to_owned();
        violations.push(Violation { invariant: 16, cluster: uid.clone(), what });
        return violations;
    };
    let context = Context::of(facts, cluster);
    check_places(&context, &mut violations);
    creates::check(&context, &mut violations);
    rates::check_disks(&context, &mut violations);
    copies::check(&context, &mut violations);
    repairs::check(&context, &mut violations);
    locks::check(&context, &mut violations);
    removals::check(&context, &mut violations);
    violations
}

/// 4, 6: a change is at one of its cluster's places, and that place was read to its end. The checks of each action then skip
/// what lies nowhere.
fn check_places(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let cluster = context.cluster;
    for change in context.changes() {
        let is_copy_site = context.policy.copies.iter().any(|copy| copy.site == change.site);
        let is_legal = match &change.action {
            Action::Create(_) => change.site == cluster.site,
            Action::Copy(_) => is_copy_site && change.site != cluster.site,
            // Its tags may claim another cluster, or be no proof of a point yet: `repairs` looks for the snapshot itself.
            Action::Tag(_) => context.facts.desired.sites.contains_key(&change.site),
            Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => {
                change.site == cluster.site || is_copy_site || context.place(&change.site).is_some()
            }
        };
        if !is_legal {
            let what = format!("a {} at {}, and it lives at {}", change.action.verb(), change.site, cluster.site);
            violations.push(context.violation(6, what));
        } else if context.facts.inventory(&change.site).is_none() {
            violations.push(context.violation(4, format!("site {} was not read to its end", change.site)));
        }
    }
}

/// 11: no snapshot is touched twice by one plan.
fn check_distinct(plan: &Plan, violations: &mut Vec<Violation>) {
    // Hardly ever are there two with the same print: only then are their names asked.
    let mut prints: Vec<u64> =
        plan.changes.iter().flat_map(|change| change.action.relies_on()).map(|e| print_of(&e.id)).collect();
    prints.sort_unstable();
    if prints.windows(2).all(|two| two[0] != two[1]) {
        return;
    }
    let mut touched: HashSet<(bool, &SiteName, &SnapshotId)> = HashSet::new();
    for change in &plan.changes {
        let (is_tag, snapshots): (bool, Vec<&SnapshotId>) = match &change.action {
            Action::Create(_) | Action::Copy(_) => continue,
            Action::Tag(tag) => (true, tag.snapshots.iter().map(|retagged| &retagged.expected.id).collect()),
            Action::Lock(lock) => (false, lock.snapshots.iter().map(|expected| &expected.id).collect()),
            Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark) => {
                (false, mark.snapshots.iter().map(|expected| &expected.id).collect())
            }
        };
        for id in snapshots {
            if !touched.insert((is_tag, &change.site, id)) {
                violations.push(touched_twice(change, id));
            }
        }
    }
}

fn touched_twice(change: &Change, id: &SnapshotId) -> Violation {
    let what = format!("snapshot {id} is touched twice");
    Violation { invariant: 11, cluster: change.cluster.clone(), what }
}
