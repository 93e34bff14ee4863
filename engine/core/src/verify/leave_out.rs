//! A plan without what breaks an invariant: one cluster's trouble never keeps the others from their backups (INVARIANTS.md 17).
//!
//! A violation in a plan of our own is a defect of the planner. Nothing of what it concerns may run; all else may.

use super::{VerifiedPlan, Violations, ordered, verify_with, violations};
use crate::model::Desired;
use crate::name::ClusterUid;
use crate::observed::Observed;
use crate::plan::{Action, Change, Plan};
use crate::workers::Workers;
use std::collections::BTreeSet;

/// A plan that was checked, and what had to go for it.
#[derive(Debug)]
pub struct Checked {
    /// What is left, and breaks nothing.
    pub plan: VerifiedPlan,
    /// What the whole plan would have broken.
    pub left_out: Option<Violations>,
}

/// Checks a plan. From clusters whose changes break something first the marks and deletes go; if that is not enough, all of
/// their changes. What still breaks something is an error, and nothing of the plan may run.
pub fn verify_or_leave_out(
    workers: &dyn Workers,
    plan: Plan,
    desired: &Desired,
    observed: &Observed,
) -> Result<Checked, Violations> {
    // The whole plan is looked at where it is: almost always nothing is wrong with it.
    let found = violations(workers, &plan, desired, observed, None);
    if found.is_empty() {
        return Ok(Checked { plan: VerifiedPlan(plan), left_out: None });
    }
    let broken = ordered(found);
    let removes = |change: &Change| match &change.action {
        Action::Expire(_) | Action::Delete(_) => true,
        Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => false,
    };
    let smaller = without(plan, &broken, removes);
    let plan = match verify_with(workers, smaller.clone(), desired, observed) {
        Ok(plan) => plan,
        Err(still) => {
            let both = Violations(broken.0.iter().chain(&still.0).cloned().collect());
            verify_with(workers, without(smaller, &both, |_| true), desired, observed)?
        }
    };
    Ok(Checked { plan, left_out: Some(broken) })
}

/// A plan without such changes of the clusters that break something.
fn without(mut plan: Plan, broken: &Violations, goes: impl Fn(&Change) -> bool) -> Plan {
    let clusters: BTreeSet<&ClusterUid> = broken.0.iter().map(|violation| &violation.cluster).collect();
    plan.changes.retain(|change| !(clusters.contains(&change.cluster) && goes(change)));
    plan
}
