//! A part of a plan, by cluster, label, cause or number of deletes.
//!
//! A selection narrows what is applied, never what was seen: the whole plan was made and checked before, so floors, queues and
//! the blast radius were judged over the whole fleet. A narrowed plan is checked again, as what it is.

use crate::document::nearest;
use crate::model::{Cluster, Desired, Limit};
use crate::name::{ClusterName, ClusterUid};
use crate::observed::Observed;
use crate::plan::{Action, Cause, Change, Finding, Narrowed, Plan, Waiting};
use crate::point::Catalogue;
use crate::refresh::Without;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What a person asked for. Everything that is empty selects all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// These clusters, by name or uid.
    pub clusters: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Those with such labels: all must hold.
    pub labels: Vec<Requirement>,
    /// Only changes of these causes.
    pub causes: BTreeSet<Cause>,
    /// So many deletes at most.
    pub deletes: Option<Limit>,
}

/// What a cluster's labels must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `tier=gold`.
    Is(String, String),
    /// `tier!=gold`: also those that have no such label.
    IsNot(String, String),
    /// `tier`.
    Has(String),
    /// `!tier`.
    Lacks(String),
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.strip_prefix('=').unwrap_or(value))),
            None => (text, None),
        };
        let (is_meant, key) = match (value, key.strip_suffix('!'), key.strip_prefix('!')) {
            (Some(_), Some(key), _) | (None, None, Some(key)) => (false, key),
            (_, _, _) => (true, key),
        };
        let is_plain = |text: &str| !text.is_empty() && !text.contains(['!', '=', ' ', ',']);
        if !is_plain(key) || value.is_some_and(|value| value.contains(['!', '=', ' '])) {
            return Err(format!("`{text}` selects nothing: write tier=gold, tier!=gold, tier or !tier"));
        }
        let key = key.to_owned();
        Ok(match (is_meant, value) {
            (true, Some(value)) => Self::Is(key, value.to_owned()),
            (false, Some(value)) => Self::IsNot(key, value.to_owned()),
            (true, None) => Self::Has(key),
            (false, None) => Self::Lacks(key),
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(key, value) => write!(f, "{key}={value}"),
            Self::IsNot(key, value) => write!(f, "{key}!={value}"),
            Self::Has(key) => write!(f, "{key}"),
            Self::Lacks(key) => write!(f, "!{key}"),
        }
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::Is(key, _) | Self::IsNot(key, _) | Self::Has(key) | Self::Lacks(key) => key,
        }
    }

    fn holds(&self, cluster: &Cluster) -> bool {
        let label = cluster.labels.get(self.key());
        match self {
            Self::Is(_, value) => label == Some(value),
            Self::IsNot(_, value) => label != Some(value),
            Self::Has(_) => label.is_some(),
            Self::Lacks(_) => label.is_none(),
        }
    }
}

/// Why a selection cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unselectable {
    /// No cluster is called so.
    #[error("{option}={given}: there is no such cluster{}", hint(.meant.as_deref()))]
    Cluster {
        /// Which option names it.
        option: &'static str,
        /// What it says.
        given: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// No cluster has such a label.
    #[error("-selector={given}: no cluster has a label `{key}`{}", hint(.meant.as_deref()))]
    Label {
        /// The requirement.
        given: String,
        /// Its key.
        key: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// No cluster has this value of a label.
    #[error("-selector={given}: no cluster has this value{}", hint(.meant.as_deref()))]
    Value {
        /// The requirement.
        given: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// Each option selects something, and together they select nothing.
    #[error("{by} selects no cluster of {clusters}")]
    Nothing {
        /// The options.
        by: String,
        /// How many clusters there are.
        clusters: usize,
    },
}

fn hint(word: Option<&str>) -> String {
    word.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

impl Selection {
    /// Whether it selects everything there is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The options as they are written, in one order.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        let mut options = self.places();
        if !self.causes.is_empty() {
            let causes: Vec<&str> = self.causes.iter().map(|cause| cause.as_str()).collect();
            options.push(format!("-only={}", causes.join(",")));
        }
        options.extend(self.deletes.map(|limit| format!("-max-delete={limit}")));
        options
    }

    /// The options that choose clusters. Long lists are counted: they came from a file.
    fn places(&self) -> Vec<String> {
        let names = |option: &str, names: &[String]| match names {
            names if names.len() > MOST_NAMED => vec![format!("{option}=… ({} names)", names.len())],
            names => names.iter().map(|name| format!("{option}={name}")).collect(),
        };
        let mut options = names("-cluster", &self.clusters);
        options.extend(names("-exclude", &self.exclude));
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(ToString::to_string).collect();
            options.push(format!("-selector={}", labels.join(",")));
        }
        options
    }

    /// The clusters that it selects; or everything that cannot be meant, not the first of it.
    pub fn clusters<'d>(&self, desired: &'d Desired) -> Result<BTreeSet<&'d ClusterUid>, Vec<Unselectable>> {
        let mut wrong = self.unknown(desired);
        let by_name = Names::of(desired);
        let find = |option: &'static str, names: &[String], wrong: &mut Vec<Unselectable>| {
            let mut found = BTreeSet::new();
            for name in names {
                match by_name.find(name) {
                    Some(uid) => drop(found.insert(uid)),
                    None => wrong.push(by_name.unknown(option, name)),
                }
            }
            found
        };
        let named = find("-cluster", &self.clusters, &mut wrong);
        let excluded = find("-exclude", &self.exclude, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let is_chosen = |cluster: &Cluster| {
            (self.clusters.is_empty() || named.contains(&cluster.uid))
                && !excluded.contains(&cluster.uid)
                && self.labels.iter().all(|requirement| requirement.holds(cluster))
        };
        let all = desired.clusters.iter();
        let chosen: BTreeSet<_> = all.filter(|(_, cluster)| is_chosen(cluster)).map(|(uid, _)| uid).collect();
        let by = self.places();
        if chosen.is_empty() && !by.is_empty() {
            return Err(vec![Unselectable::Nothing { by: by.join(" "), clusters: desired.clusters.len() }]);
        }
        Ok(chosen)
    }

    /// Labels that no cluster has: a typing error would select nothing, or everything.
    fn unknown(&self, desired: &Desired) -> Vec<Unselectable> {
        if self.labels.is_empty() {
            return Vec::new();
        }
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, value) in desired.clusters.values().flat_map(|cluster| &cluster.labels) {
            labels.entry(key).or_default().insert(value);
        }
        let judge = |requirement: &Requirement| {
            let (given, key) = (requirement.to_string(), requirement.key());
            let Some(values) = labels.get(key) else {
                let meant = nearest(key, labels.keys().copied()).map(str::to_owned);
                return Some(Unselectable::Label { given, key: key.to_owned(), meant });
            };
            match requirement {
                Requirement::Is(_, value) | Requirement::IsNot(_, value) if !values.contains(value.as_str()) => {
                    let meant = nearest(value, values.iter().copied()).map(|value| format!("{key}={value}"));
                    Some(Unselectable::Value { given, meant })
                }
                Requirement::Is(..) | Requirement::IsNot(..) | Requirement::Has(_) | Requirement::Lacks(_) => None,
            }
        };
        self.labels.iter().filter_map(judge).collect()
    }
}

/// So many names of clusters are written out in a plan's header.
const MOST_NAMED: usize = 5;

/// The clusters of a fleet by their names.
struct Names<'d> {
    desired: &'d Desired,
    by_name: BTreeMap<&'d ClusterName, &'d ClusterUid>,
}

impl<'d> Names<'d> {
    fn of(desired: &'d Desired) -> Self {
        Self { desired, by_name: desired.clusters.values().map(|cluster| (&cluster.name, &cluster.uid)).collect() }
    }

    fn find(&self, given: &str) -> Option<&'d ClusterUid> {
        let named = ClusterName::new(given).ok().and_then(|name| self.by_name.get(&name).copied());
        named.or_else(|| Some(self.desired.clusters.get_key_value(&ClusterUid::new(given).ok()?)?.0))
    }

    fn unknown(&self, option: &'static str, given: &str) -> Unselectable {
        let meant = nearest(given, self.by_name.keys().map(|name| name.as_str())).map(str::to_owned);
        Unselectable::Cluster { option, given: given.to_owned(), meant }
    }
}

/// Narrows a whole plan. What rests on a change that is left out is left out with it.
pub fn narrow(
    plan: Plan,
    selection: &Selection,
    desired: &Desired,
    observed: &Observed,
) -> Result<Plan, Vec<Unselectable>> {
    if selection.is_all() {
        return Ok(plan);
    }
    let chosen = selection.clusters(desired)?;
    let mut left_out = LeftOut::default();
    let mut plan = plan;
    plan.changes.retain(|change| {
        let is_meant = chosen.contains(&change.cluster)
            && (selection.causes.is_empty() || selection.causes.contains(&change.cause));
        is_meant || left_out.take(change)
    });
    plan.changes.retain(|change| !left_out.without.has_follower(change) || left_out.count(change));
    let findings = plan.findings.len();
    if chosen.len() < desired.clusters.len() {
        let names: BTreeSet<&str> = chosen.iter().map(|uid| desired.clusters[*uid].name.as_str()).collect();
        plan.waiting.retain(|waiting| chosen.contains(&waiting.cluster));
        plan.findings.retain(|finding: &Finding| names.contains(finding.subject.as_str()));
    }
    if let Some(limit) = selection.deletes {
        stop_deletes(&mut plan, limit, observed);
    }
    plan.basis.narrowed = Some(Narrowed {
        by: selection.written(),
        clusters: chosen.len(),
        changes: left_out.changes,
        findings: findings - plan.findings.len(),
        unfinished: left_out.clusters,
    });
    Ok(plan)
}

/// A narrowed plan from which more had to go, since it may not stand without what was left out: that is noted in it.
#[must_use]
pub fn without_rest(before: &Plan, mut after: Plan) -> Plan {
    // Both have the same order.
    let mut kept = after.changes.iter().peekable();
    let gone = before.changes.iter().filter(|change| kept.next_if(|next| next == change).is_none());
    let gone: Vec<&Change> = gone.collect();
    if let Some(narrowed) = &mut after.basis.narrowed {
        narrowed.changes += gone.len();
        narrowed.unfinished.extend(gone.iter().map(|change| change.cluster.clone()));
    }
    after
}

#[derive(Default)]
struct LeftOut {
    without: Without,
    clusters: BTreeSet<ClusterUid>,
    changes: usize,
}

impl LeftOut {
    /// Notes what is left out; never keeps it.
    fn take(&mut self, change: &Change) -> bool {
        self.without.note(change);
        self.count(change)
    }

    fn count(&mut self, change: &Change) -> bool {
        self.clusters.insert(change.cluster.clone());
        self.changes += 1;
        false
    }
}

/// Deletes beyond a limit wait, as they do beyond the fleet's own (INVARIANTS.md 18).
fn stop_deletes(plan: &mut Plan, limit: Limit, observed: &Observed) {
    let is_delete = |change: &Change| matches!(change.action, Action::Delete(_));
    let wanted = plan.changes.iter().filter(|change| is_delete(change)).count();
    let most = match limit {
        // A share is a share of all points: they are counted where there is need.
        Limit::Percent(_) if wanted == 0 => return,
        Limit::Count(_) => limit.of(0),
        Limit::Percent(_) => limit.of(restorable(observed)),
    };
    let mut deletes = 0;
    let mut stopped = Vec::new();
    plan.changes.retain(|change| {
        deletes += usize::from(is_delete(change));
        let goes_on = !is_delete(change) || deletes <= most;
        if !goes_on {
            let limit = format!("{most} in this plan, by -max-delete={limit}");
            stopped.push(Waiting::stopped(change, limit));
        }
        goes_on
    });
    plan.waiting.extend(stopped);
    plan.waiting.sort_by(Waiting::order);
}

/// How many restorable points there are, of whomever: what the fleet's own limit is a share of, too.
fn restorable(observed: &Observed) -> usize {
    let sites = observed.sites.values().filter_map(|listing| listing.complete());
    sites
        .map(|inventory| {
            let catalogue = Catalogue::of(inventory, &observed.keyring);
            let of = |uid| catalogue.shelf(uid).points.iter().filter(|point| point.is_restorable()).count();
            catalogue.clusters().map(of).sum::<usize>()
        })
        .sum()
}
