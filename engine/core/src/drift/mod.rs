//! Drift: how the world differs from what is declared. It is told, and never repaired here.
//!
//! Nothing is judged a second time. A plan of the same instant says what is wrong; here that gets a class, a severity, a
//! meaning and a next step. Work that is due, and not late, is no drift; neither is what a changed document asks for.

mod gather;
mod ignore;
mod kinds;

pub use ignore::{Pattern, Rule};
pub use kinds::{Class, InvalidClass, Kind, Severity};

use crate::document::SourceTree;
use crate::document::text::Instant;
use crate::model::{Desired, Origin};
use crate::name::{ClusterName, ClusterUid, SiteName, SnapshotId};
use crate::observed::{Listing, Observed};
use crate::plan::Plan;
use crate::planner;
use crate::resolve::declared_at;
use crate::workers::Workers;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the form in which drift is given to machines.
pub const FORMAT_VERSION: &str = "1.0";

/// How the world differs from what is declared, at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Drift {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The fleet's name.
    pub fleet: String,
    /// The documents.
    pub origin: Documents,
    /// The instant that it was judged for.
    #[schemars(with = "Instant")]
    pub as_of: Timestamp,
    /// Every declared cluster, by name.
    pub clusters: Vec<Looked>,
    /// The differences, worst first; those that a rule ignores come last.
    pub items: Vec<Item>,
    /// How many there are. What is ignored is counted apart.
    pub counts: Counts,
    /// The rules that ignore drift, and what each did.
    pub rules: Vec<RuleUse>,
    /// How much of the world was seen.
    pub coverage: Coverage,
}

/// Which documents drift was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Documents {
    /// The git commit, when the documents are in a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the documents differ from that commit.
    pub dirty: bool,
    /// The digest over every document.
    pub documents: String,
}

impl Documents {
    fn of(origin: &Origin) -> Self {
        Self { commit: origin.commit.clone(), dirty: origin.dirty, documents: origin.documents.to_string() }
    }
}

/// A cluster that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Looked {
    /// Its identity.
    #[schemars(with = "String")]
    pub uid: ClusterUid,
    /// Its name.
    #[schemars(with = "String")]
    pub name: ClusterName,
    /// Its site.
    #[schemars(with = "String")]
    pub site: SiteName,
    /// Whether its site could be read: otherwise nothing is known of it.
    pub is_known: bool,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Item {
    /// What sort of difference it is.
    pub class: Class,
    /// What exactly it is.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The identity of the cluster that it is about; of an orphan, the one that its points name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cluster: Option<ClusterUid>,
    /// The cluster's name, where it is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<ClusterName>,
    /// The site.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub site: Option<SiteName>,
    /// What it is about.
    pub subject: Subject,
    /// The snapshots, where it is about single ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotSeen>,
    /// Since when, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Instant>")]
    pub since: Option<Timestamp>,
    /// What is so.
    pub message: String,
    /// What it means for who relies on the backups.
    pub meaning: String,
    /// What to do next.
    pub next: String,
    /// Where the cluster or site is declared, where that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
    /// The rule that ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
}

/// What a difference is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Which one: a name, a point's slot and attempt, an id.
    pub id: String,
}

/// What a difference can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A cluster as a whole.
    Cluster,
    /// One point.
    Point,
    /// One snapshot.
    Snapshot,
    /// An instance or a disk that a document names.
    Machine,
    /// A rule that ignores drift.
    Rule,
}

/// A snapshot that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SnapshotSeen {
    /// Its id.
    #[schemars(with = "String")]
    pub id: SnapshotId,
    /// When it was made, by its site.
    #[schemars(with = "Instant")]
    pub created: Timestamp,
}

/// Where something is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Declared {
    /// The file, relative to the fleet's directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// The rule that ignores a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ignored {
    /// Where it stands: `file:line:column`.
    pub rule: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when.
    #[schemars(with = "Instant")]
    pub expires: Timestamp,
}

/// What a rule did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RuleUse {
    /// Where it stands, who answers for it, why, and until when.
    #[serde(flatten)]
    pub rule: Ignored,
    /// Whether its time is over.
    pub is_expired: bool,
    /// How many differences it ignores; of an expired one, how many it would.
    pub matches: usize,
}

/// How many differences there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Counts {
    /// Those that no rule ignores.
    pub total: usize,
    /// Those that a rule ignores.
    pub ignored: usize,
    /// The total by severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// The total by class.
    pub by_class: BTreeMap<Class, usize>,
    /// How many declared clusters the total is about.
    pub clusters: usize,
}

impl Counts {
    fn of(items: &[Item]) -> Self {
        let mut counts = Self::default();
        let mut clusters = BTreeSet::new();
        for item in items {
            if item.ignored.is_some() {
                counts.ignored += 1;
                continue;
            }
            counts.total += 1;
            *counts.by_severity.entry(item.severity).or_default() += 1;
            *counts.by_class.entry(item.class).or_default() += 1;
            clusters.extend(item.name.as_ref().and(item.cluster.as_ref()));
        }
        Self { clusters: clusters.len(), ..counts }
    }
}

/// How much of the world was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Coverage {
    /// Whether all of it was: otherwise "in sync" cannot be said.
    pub is_complete: bool,
    /// Every declared site.
    pub sites: Vec<SiteSeen>,
    /// Why the state store's records could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_unknown: Option<String>,
}

/// How much of a site was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SiteSeen {
    /// Which site.
    #[schemars(with = "String")]
    pub site: SiteName,
    /// How many of our snapshots it showed.
    pub snapshots: usize,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// Tells how the world differs from what is declared.
#[must_use]
pub fn drift(
    workers: &dyn Workers,
    desired: &Desired,
    observed: &Observed,
    baseline: Option<&Desired>,
    as_of: Timestamp,
) -> Drift {
    let plan = planner::plan_with(workers, desired, observed, baseline, as_of);
    of_plan(&plan, desired, observed)
}

/// The same by a plan that was made of the same documents and the same observation.
#[must_use]
pub fn of_plan(plan: &Plan, desired: &Desired, observed: &Observed) -> Drift {
    let records_unknown = match &observed.records {
        Listing::Complete(_) => None,
        Listing::Unknown { because } => Some(because.clone()),
    };
    let sites: Vec<SiteSeen> = plan
        .coverage
        .iter()
        .map(|site| SiteSeen { site: site.site.clone(), snapshots: site.snapshots, unknown: site.unknown.clone() })
        .collect();
    let is_complete = records_unknown.is_none() && sites.iter().all(|site| site.unknown.is_none());
    let unknown: BTreeSet<&SiteName> =
        sites.iter().filter(|site| site.unknown.is_some()).map(|site| &site.site).collect();
    let mut clusters: Vec<Looked> = desired
        .clusters
        .values()
        .map(|cluster| Looked {
            uid: cluster.uid.clone(),
            name: cluster.name.clone(),
            site: cluster.site.clone(),
            is_known: !unknown.contains(&cluster.site),
        })
        .collect();
    clusters.sort_by(|a, b| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
    let mut drift = Drift {
        format_version: FORMAT_VERSION.to_owned(),
        fleet: desired.fleet.name.clone(),
        origin: Documents::of(&plan.basis.origin),
        as_of: plan.basis.as_of,
        clusters,
        items: gather::items(plan, desired, observed),
        counts: Counts::default(),
        rules: Vec::new(),
        coverage: Coverage { is_complete, sites, records_unknown },
    };
    drift.settle();
    drift
}

impl Drift {
    /// Ignores what the rules ignore; a rule whose time is over becomes a difference itself.
    #[must_use]
    pub fn ignoring(mut self, rules: &[Rule]) -> Self {
        ignore::apply(&mut self, rules);
        self.settle();
        self
    }

    /// Only these classes, and only what began at `since` or later. What nobody can date stays.
    #[must_use]
    pub fn narrowed(mut self, classes: &BTreeSet<Class>, since: Option<Timestamp>) -> Self {
        // A rule that has expired speaks for whoever asks about anything.
        let is_asked = |class: Class| classes.is_empty() || class == Class::ExpiredRule || classes.contains(&class);
        self.items.retain(|item| is_asked(item.class));
        if let Some(since) = since {
            for item in self.items.iter_mut().filter(|item| !item.snapshots.is_empty()) {
                item.snapshots.retain(|snapshot| snapshot.created >= since);
                if let Some(first) = item.snapshots.iter().map(|snapshot| snapshot.created).min() {
                    item.since = Some(first);
                    item.message = gather::unmanaged_message(item.snapshots.len());
                }
            }
            self.items.retain(|item| item.since.is_none_or(|began| began >= since));
        }
        self.settle();
        self
    }

    /// Looks up where each cluster and site is declared.
    #[must_use]
    pub fn located(mut self, sources: &SourceTree) -> Self {
        let clusters: BTreeSet<&ClusterUid> = self.items.iter().filter_map(|item| item.cluster.as_ref()).collect();
        let sites: BTreeSet<&SiteName> = self.items.iter().filter_map(|item| item.site.as_ref()).collect();
        let places = declared_at(sources, &clusters, &sites);
        for item in &mut self.items {
            let of_cluster = item.cluster.as_ref().and_then(|uid| places.clusters.get(uid));
            let place = of_cluster.or_else(|| places.sites.get(item.site.as_ref()?));
            item.declared = place.filter(|place| place.line > 0).map(|place| Declared {
                file: place.file.clone(),
                line: place.line,
                column: place.column,
            });
        }
        self
    }

    /// Whether there is drift that no rule ignores.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.counts.total > 0
    }

    /// The rules that could ignore something, and ignore nothing. Where not all was seen, none can be said to.
    pub fn idle_rules(&self) -> impl Iterator<Item = &RuleUse> {
        let is_idle = |rule: &&RuleUse| self.coverage.is_complete && rule.matches == 0 && !rule.is_expired;
        self.rules.iter().filter(is_idle)
    }

    /// Puts the items into their one order, and counts them.
    fn settle(&mut self) {
        self.items.sort_by(|a, b| {
            let order = |item: &Item| (item.ignored.is_some(), item.severity, item.class, item.kind);
            let who = (&a.name, &a.cluster, &a.site, &a.subject).cmp(&(&b.name, &b.cluster, &b.site, &b.subject));
            order(a).cmp(&order(b)).then(who).then_with(|| a.message.cmp(&b.message))
        });
        self.counts = Counts::of(&self.items);
    }
}
