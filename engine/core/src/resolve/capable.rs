//! What a policy asks of the sites of its clusters, and they cannot do (`capabilities.rs`).
//!
//! It is said once for each policy and site, at the policy, with the nearest that the site can. Only the clusters of that policy
//! at that site are left out: the same policy may be right elsewhere.

use super::counts;
use super::report::Report;
use crate::capabilities::{Copies, Iaas, Rules};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::document::{Document, Spec, Spot};
use crate::model::{Cluster, LockPolicy, Policy, Site};
use crate::name::{ClusterUid, PolicyName, SiteName};
use crate::schedule::Schedule;
use crate::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many of the clusters that are left out are named.
const NAMED: usize = 5;

type Sites = BTreeMap<SiteName, Arc<Site>>;

/// Takes out the clusters whose sites cannot honour their policies, and says why.
pub(super) fn check(
    documents: &[Document],
    sites: &Sites,
    policies: &BTreeMap<PolicyName, Arc<Policy>>,
    clusters: &mut BTreeMap<ClusterUid, Arc<Cluster>>,
    report: &mut Report<'_, '_>,
) {
    let mut asked: BTreeMap<(PolicyName, SiteName), Vec<ClusterUid>> = BTreeMap::new();
    for (uid, cluster) in clusters.iter() {
        asked.entry((cluster.policy.clone(), cluster.site.clone())).or_default().push(uid.clone());
    }
    for ((policy, site), uids) in asked {
        let (Some(policy), Some(site)) = (policies.get(&policy), sites.get(&site)) else { continue };
        let problems = problems(policy, site, sites);
        if problems.is_empty() {
            continue;
        }
        let taken_out: Vec<Arc<Cluster>> = uids.iter().filter_map(|uid| clusters.remove(uid)).collect();
        let of_policy = |document: &&Document| {
            matches!(document.spec, Spec::BackupPolicy(_)) && document.metadata.name.as_str() == policy.name.as_str()
        };
        let Some(document) = documents.iter().find(of_policy) else { continue };
        for problem in problems {
            report.add(document, problem.spot(), || {
                Diagnostic::error(Code::Incapable, &problem.message).hint(problem.hint(&taken_out))
            });
        }
    }
}

/// One thing that a site cannot do.
struct Problem {
    /// Where the policy asks for it, and whether the key or its value is marked.
    pointer: String,
    is_key: bool,
    message: String,
    /// The site, and the nearest that it can.
    site: SiteName,
    nearest: String,
}

impl Problem {
    fn spot(&self) -> Spot<'_> {
        if self.is_key { Spot::Key(&self.pointer) } else { Spot::Value(&self.pointer) }
    }

    fn hint(&self, clusters: &[Arc<Cluster>]) -> String {
        let named: Vec<String> = clusters.iter().take(NAMED).map(|cluster| quote(cluster.name.as_str())).collect();
        let more = clusters.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let verb = if clusters.len() == 1 { "is" } else { "are" };
        let (site, nearest, named) = (&self.site, &self.nearest, named.join(", "));
        format!("the nearest that `{site}` can honour is {nearest}; until then {named}{more} {verb} left out")
    }
}

fn problems(policy: &Policy, home: &Site, sites: &Sites) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(copies(policy, home, sites));
    if let Some(lock) = policy.lock {
        let copy_sites = policy.copies.iter().filter_map(|copy| sites.get(&copy.site)).map(Arc::as_ref);
        problems.extend(std::iter::once(home).chain(copy_sites).filter_map(|site| self::lock(lock, site)));
    }
    problems.extend(too_often(policy, home));
    problems.extend(too_many(policy, home));
    problems
}

/// Copies go between sites of one kind, reached in the same way.
fn copies(policy: &Policy, home: &Site, sites: &Sites) -> Vec<Problem> {
    let iaas = Iaas::of(home);
    let of_copy = |number: usize, message: String, nearest: &str| Problem {
        pointer: format!("/spec/copies/{number}/site"),
        is_key: false,
        message,
        site: home.name.clone(),
        nearest: nearest.to_owned(),
    };
    let mut problems = Vec::new();
    for (number, copy) in policy.copies.iter().enumerate() {
        let Some(site) = sites.get(&copy.site) else { continue };
        let other = Iaas::of(site);
        let (from, to) = (&home.name, &site.name);
        match iaas.rules().copies {
            Copies::None => {
                let message = format!("nothing can be copied from `{from}` to `{to}`: {iaas} has no copies");
                problems.push(of_copy(number, message, "no `copies`"));
            }
            Copies::Queued { .. } | Copies::PlacedAtCreation if other != iaas || site.kind() != home.kind() => {
                let message = format!("nothing can be copied from `{from}` on {iaas} to `{to}` on {other}");
                problems.push(of_copy(number, message, &format!("a copy to another site on {iaas}")));
            }
            Copies::PlacedAtCreation if number > 0 => {
                let message = format!("`{from}` keeps a point in one place, and this is another one for it");
                problems.push(of_copy(number, message, "one copy: there the one object is placed"));
            }
            Copies::Queued { .. } | Copies::PlacedAtCreation => {}
        }
    }
    problems
}

fn lock(lock: LockPolicy, site: &Site) -> Option<Problem> {
    let (iaas, name) = (Iaas::of(site), &site.name);
    let problem = |key: &str, message: String, nearest: String| {
        let pointer = format!("/spec/lock{key}");
        Some(Problem { pointer, is_key: key.is_empty(), message, site: name.clone(), nearest })
    };
    let Some(rules) = iaas.rules().lock else {
        let message = format!("`{name}` cannot lock snapshots: {iaas} has no lock");
        return problem("", message, "no `lock`".to_owned());
    };
    if !rules.modes.contains(&lock.mode) {
        let modes: Vec<String> = rules.modes.iter().map(|mode| format!("`mode: {mode}`")).collect();
        let message = format!("`{name}` has no {} lock: {iaas} does not know it", lock.mode);
        return problem("/mode", message, modes.join(" or "));
    }
    if lock.period > rules.longest {
        let message = format!("`{name}` locks for {} at most, and this asks for {}", rules.longest, lock.period);
        return problem("/for", message, format!("`for: {}`", rules.longest));
    }
    None
}

/// The time that must pass between two points in the long run, by the site's rules of one disk.
fn least_gap(rules: &Rules) -> Duration {
    let most = u64::from(rules.spacing.most.max(1));
    rules.spacing.interval.max(Duration::seconds(rules.spacing.window.as_seconds().div_ceil(most)))
}

fn too_often(policy: &Policy, site: &Site) -> Option<Problem> {
    let (name, iaas) = (&site.name, Iaas::of(site));
    let least = least_gap(iaas.rules());
    let gap = counts::shortest_gap(&policy.schedule)?;
    if gap >= least {
        return None;
    }
    let key = match policy.schedule {
        Schedule::Every { .. } => "every",
        Schedule::Cron { .. } => "cron",
    };
    Some(Problem {
        pointer: format!("/spec/schedule/{key}"),
        is_key: false,
        message: format!("points fall due {gap} apart, and {iaas} takes a disk's snapshots {least} apart at the least"),
        site: name.clone(),
        nearest: format!("`every: {least}`"),
    })
}

fn too_many(policy: &Policy, site: &Site) -> Option<Problem> {
    let (name, iaas) = (&site.name, Iaas::of(site));
    let most = u64::from(iaas.rules().snapshots_per_disk?);
    let gap = counts::shortest_gap(&policy.schedule)?;
    let needed = counts::most_points(&policy.retention, gap);
    if needed <= most {
        return None;
    }
    let by_rules = needed - counts::in_window(&policy.retention, gap);
    let fitting = Duration::seconds(most.saturating_sub(by_rules + 1) * gap.as_seconds());
    let nearest = match policy.retention.recovery_window {
        Some(window) if by_rules + 1 < most && fitting < window => format!("`recoveryWindow: {fitting}`"),
        Some(_) | None => format!("a retention of {most} points, the grace included"),
    };
    Some(Problem {
        pointer: "/spec/retention".to_owned(),
        is_key: true,
        message: format!("this keeps up to {needed} points, and {iaas} keeps {most} snapshots of a disk"),
        site: name.clone(),
        nearest,
    })
}
