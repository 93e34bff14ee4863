//! The fleet at a glance: how well each cluster is protected, and what needs a person.
//!
//! Nothing is judged a second time: clusters are as the planner's survey sees them, and what needs a person is drift, what could not be
//! read, and what a plan waits for without an end.

use crate::document::text::Instant;
use crate::drift::{Coverage, Drift, Kind, Severity};
use crate::name::{ClusterName, SiteName};
use crate::plan::{Plan, Waiting, WaitingFor};
use crate::planner::{ClusterState, ClusterStatus};
use crate::tags::PointKey;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the form in which a status is given to machines.
pub const FORMAT_VERSION: &str = "1.0";

/// The fleet at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FleetStatus {
    /// [`FORMAT_VERSION`].
    pub format_version: String,
    /// The fleet's name.
    pub fleet: String,
    /// The instant that it was judged for.
    #[schemars(with = "Instant")]
    pub as_of: Timestamp,
    /// How many clusters are in each state; together they are all of them.
    pub counts: BTreeMap<ClusterState, usize>,
    /// What needs a person, worst first.
    pub needs: Vec<Need>,
    /// How many differences a rule ignores.
    pub ignored: usize,
    /// Every declared cluster, worst first, then by name.
    pub clusters: Vec<ClusterStatus>,
    /// How much of the world was seen.
    pub coverage: Coverage,
}

/// Something that does not go away by itself.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Need {
    /// How bad it is.
    pub severity: Severity,
    /// What it is: a kind of drift, `unread`, or what is waited for.
    #[schemars(with = "String")]
    pub kind: NeedKind,
    /// The cluster, or what it is about where there is none.
    pub subject: String,
    /// The site.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub site: Option<SiteName>,
    /// Since when, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Instant>")]
    pub since: Option<Timestamp>,
    /// What is so.
    pub message: String,
    /// What to do next.
    pub next: String,
}

/// What needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// A site, or the state store, could not be read.
    Unread,
    /// The world differs from what is declared.
    Drift(Kind),
    /// No node of a cluster is fit as a source.
    Source,
    /// A quota of the provider keeps points from being made.
    Quota,
    /// The limit of deletes a day stops them.
    DeleteLimit,
    /// Nothing of a cluster may be marked or deleted now.
    NotSafe,
}

impl NeedKind {
    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Drift(kind) => kind.as_str(),
            Self::Source => "source",
            Self::Quota => "quota",
            Self::DeleteLimit => "delete-limit",
            Self::NotSafe => "not-safe",
        }
    }

    /// What is the matter with so many of a kind.
    #[must_use]
    pub fn heading(self, is_one: bool) -> &'static str {
        match (self, is_one) {
            (Self::Unread, true) => "place could not be read",
            (Self::Unread, false) => "places could not be read",
            (Self::Drift(kind), is_one) => kind.heading(is_one),
            (Self::Source, true) => "cluster has no node that is fit as a source",
            (Self::Source, false) => "clusters have no node that is fit as a source",
            (Self::Quota, true) => "cluster is at a quota of its provider",
            (Self::Quota, false) => "clusters are at a quota of their provider",
            (Self::DeleteLimit, true) => "cluster waits for the limit of deletes a day",
            (Self::DeleteLimit, false) => "clusters wait for the limit of deletes a day",
            (Self::NotSafe, true) => "cluster keeps what should go, since deletes are not safe",
            (Self::NotSafe, false) => "clusters keep what should go, since deletes are not safe",
        }
    }
}

impl Serialize for NeedKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The fleet at a glance: by the clusters as they were surveyed, a plan of the same instant, and the drift that follows from it.
#[must_use]
pub fn status(mut clusters: Vec<ClusterStatus>, plan: &Plan, drift: &Drift) -> FleetStatus {
    clusters.sort_by(|a, b| (a.state, &a.name, &a.uid).cmp(&(b.state, &b.name, &b.uid)));
    let mut counts = BTreeMap::new();
    for cluster in &clusters {
        *counts.entry(cluster.state).or_default() += 1;
    }
    FleetStatus {
        format_version: FORMAT_VERSION.to_owned(),
        fleet: drift.fleet.clone(),
        as_of: drift.as_of,
        counts,
        needs: needs(plan, drift),
        ignored: drift.counts.ignored,
        clusters,
        coverage: drift.coverage.clone(),
    }
}

fn needs(plan: &Plan, drift: &Drift) -> Vec<Need> {
    let mut needs: Vec<Need> = unread(&drift.coverage).collect();
    let mut told: BTreeSet<&ClusterName> = BTreeSet::new();
    for item in drift.items.iter().filter(|item| item.ignored.is_none() && item.severity != Severity::Note) {
        told.extend(&item.name);
        let name = item.name.as_ref().map(ToString::to_string);
        needs.push(Need {
            severity: item.severity,
            kind: NeedKind::Drift(item.kind),
            subject: name.unwrap_or_else(|| item.subject.id.clone()),
            site: item.site.clone(),
            since: item.since,
            message: item.message.clone(),
            next: item.next.clone(),
        });
    }
    // What is late says already what it waits for.
    let waiting = plan.waiting.iter().filter(|waiting| !told.contains(&waiting.name)).filter_map(of_waiting);
    let mut once: BTreeMap<(NeedKind, String), Need> = BTreeMap::new();
    for need in waiting {
        once.entry((need.kind, need.subject.clone())).or_insert(need);
    }
    needs.extend(once.into_values());
    needs.sort_by(|a, b| (a.severity, a.kind, &a.subject).cmp(&(b.severity, b.kind, &b.subject)));
    needs
}

fn unread(coverage: &Coverage) -> impl Iterator<Item = Need> {
    let need = |subject: String, site: Option<SiteName>, because: &str| Need {
        severity: Severity::Error,
        kind: NeedKind::Unread,
        subject,
        site,
        since: None,
        message: because.to_owned(),
        next: "repair the way there: until then nothing is known of what lies there".to_owned(),
    };
    let sites = coverage.sites.iter();
    let sites =
        sites.filter_map(move |s| Some(need(format!("site {}", s.site), Some(s.site.clone()), s.unknown.as_ref()?)));
    let records = coverage.records_unknown.iter().map(move |because| need("the state store".to_owned(), None, because));
    sites.chain(records)
}

fn of_waiting(waiting: &Waiting) -> Option<Need> {
    let (kind, next) = match &waiting.why {
        WaitingFor::Source { .. } => (NeedKind::Source, "bring a node back that the policy takes as a source"),
        WaitingFor::Quota { .. } => (NeedKind::Quota, "raise the quota, or let fewer snapshots live"),
        WaitingFor::BlastRadius { .. } => {
            (NeedKind::DeleteLimit, "look at what changed; if it is meant, raise `limits.deletesPerDay` for a day")
        }
        WaitingFor::NotSafe { .. } => (NeedKind::NotSafe, "remove what makes it unsafe: until then all is kept"),
        WaitingFor::SiteUnknown { .. }
        | WaitingFor::InProgress
        | WaitingFor::BackOff { .. }
        | WaitingFor::Grace { .. }
        | WaitingFor::Lock { .. }
        | WaitingFor::Sighting
        | WaitingFor::CopyQueue { .. }
        | WaitingFor::SourceNotReady
        | WaitingFor::FailedCopy { .. }
        | WaitingFor::Copies { .. }
        | WaitingFor::DiskSpacing { .. }
        | WaitingFor::Budget { .. }
        | WaitingFor::Lease { .. } => return None,
    };
    let of_point = |point: PointKey| format!("{}: {}", crate::time::brief(point.slot), waiting.why);
    Some(Need {
        severity: Severity::Warning,
        kind,
        subject: waiting.name.to_string(),
        site: None,
        since: None,
        message: waiting.point.map_or_else(|| waiting.why.to_string(), of_point),
        next: next.to_owned(),
    })
}
