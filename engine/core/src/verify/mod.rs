//! The second opinion: every plan is checked against INVARIANTS.md before anything of it runs.
//!
//! Written apart from the planner, naively, and on purpose without its helpers: what both get wrong must be wrong twice.

mod creates;
mod reference;
mod removals;

use crate::model::{Cluster, Desired, Policy};
use crate::name::{ClusterUid, InstanceId, SiteName, SnapshotId};
use crate::observed::{Instance, Listing, Observed, SiteInventory, Snapshot};
use crate::plan::{Action, Change, Plan};
use reference::Whole;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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
    let facts = Facts::of(&plan, desired, observed);
    let mut violations = Vec::new();
    let mut by_cluster: BTreeMap<&ClusterUid, Vec<&Change>> = BTreeMap::new();
    for change in &plan.changes {
        by_cluster.entry(&change.cluster).or_default().push(change);
    }
    for (uid, changes) in by_cluster {
        match facts.cluster(uid, &changes) {
            Ok(context) => {
                creates::check(&context, &changes, &mut violations);
                removals::check(&context, &changes, &mut violations);
            }
            Err(violation) => violations.push(violation),
        }
    }
    for change in &plan.changes {
        if matches!(change.action, Action::Copy(_)) {
            let what = format!("nobody checks a {} yet", change.action.verb());
            violations.push(Violation { invariant: 11, cluster: change.cluster.clone(), what });
        }
    }
    check_distinct(&plan, &mut violations);
    removals::check_blast_radius(&facts, &plan, &mut violations);
    if violations.is_empty() {
        return Ok(VerifiedPlan(plan));
    }
    violations.sort();
    violations.dedup();
    Err(Violations(violations))
}

/// The inputs, indexed once.
struct Facts<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    as_of: jiff::Timestamp,
    /// Snapshots by site and the uid that their tag claims.
    claimed: BTreeMap<(&'a SiteName, &'a str), Vec<&'a Snapshot>>,
    /// Instances by site and id.
    instances: BTreeMap<&'a SiteName, BTreeMap<&'a InstanceId, &'a Instance>>,
}

/// One cluster with what was seen of it.
struct Context<'a> {
    facts: &'a Facts<'a>,
    cluster: &'a Cluster,
    policy: &'a Policy,
    site: &'a SiteInventory,
    instances: &'a BTreeMap<&'a InstanceId, &'a Instance>,
    snapshots: &'a [&'a Snapshot],
    /// The snapshots whose seal is genuine.
    owned: BTreeSet<&'a SnapshotId>,
    /// The points that can be restored.
    whole: Vec<Whole>,
    /// The points of which every part is there, and some are not ready yet.
    being_made: Vec<Whole>,
}

impl Context<'_> {
    fn is_owned(&self, snapshot: &Snapshot) -> bool {
        self.owned.contains(&snapshot.id)
    }

    fn violation(&self, invariant: u8, what: impl Into<String>) -> Violation {
        Violation { invariant, cluster: self.cluster.uid.clone(), what: what.into() }
    }
}

impl<'a> Facts<'a> {
    fn of(plan: &Plan, desired: &'a Desired, observed: &'a Observed) -> Self {
        let mut claimed: BTreeMap<(&SiteName, &str), Vec<&Snapshot>> = BTreeMap::new();
        let mut instances = BTreeMap::new();
        for (site, listing) in &observed.sites {
            if let Listing::Complete(inventory) = listing {
                let by_id = inventory.instances.iter().map(|instance| (&instance.id, instance)).collect();
                instances.insert(site, by_id);
                for snapshot in &inventory.snapshots {
                    let uid = snapshot.tags.get("backstay-cluster").unwrap_or("");
                    claimed.entry((site, uid)).or_default().push(snapshot);
                }
            }
        }
        Self { desired, observed, as_of: plan.basis.as_of, claimed, instances }
    }

    fn cluster(&'a self, uid: &ClusterUid, changes: &[&Change]) -> Result<Context<'a>, Violation> {
        let violation = |invariant, what: String| Violation { invariant, cluster: uid.clone(), what };
        let Some(cluster) = self.desired.clusters.get(uid) else {
            return Err(violation(16, "it is not declared: what is removed from the fleet is kept".to_owned()));
        };
        if let Some(change) = changes.iter().find(|change| change.site != cluster.site) {
            return Err(violation(6, format!("it lives at {}, and a change is for {}", cluster.site, change.site)));
        }
        let Some(Listing::Complete(site)) = self.observed.sites.get(&cluster.site) else {
            return Err(violation(4, format!("site {} was not read to its end", cluster.site)));
        };
        let Some(instances) = self.instances.get(&cluster.site) else {
            return Err(violation(4, format!("site {} was not read to its end", cluster.site)));
        };
        let snapshots = self.claimed.get(&(&cluster.site, cluster.uid.as_str())).map_or(&[][..], Vec::as_slice);
        let owned = reference::owned(site, snapshots, &self.observed.keyring);
        let (whole, being_made) = reference::points(cluster, snapshots, &owned, &self.observed.records);
        let policy = self.desired.policy_of(cluster);
        Ok(Context { facts: self, cluster, policy, site, instances, snapshots, owned, whole, being_made })
    }
}

/// No snapshot and no point is touched twice by one plan.
fn check_distinct(plan: &Plan, violations: &mut Vec<Violation>) {
    let mut touched: BTreeSet<(&SiteName, &SnapshotId)> = BTreeSet::new();
    for change in &plan.changes {
        let snapshots = match &change.action {
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => continue,
            Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark) => &mark.snapshots,
        };
        for expected in snapshots {
            if !touched.insert((&change.site, &expected.id)) {
                let what = format!("snapshot {} is touched twice", expected.id);
                violations.push(Violation { invariant: 11, cluster: change.cluster.clone(), what });
            }
        }
    }
}
