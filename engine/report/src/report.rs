//! One Report of a plan: everything that a view shows, decided once. Text, Markdown and JSON draw it.
//!
//! Nothing is cut here. A view that shows less than everything counts what it leaves out.

use crate::general::General;
use crate::{count, plural};
use backstay_core::name::{ClusterUid, PolicyName, SiteName};
use backstay_core::observed::Provenance;
use backstay_core::plan::{Action, Cause, Change, Counts, Finding, FindingKind, Plan, Waiting, WaitingFor};
use backstay_core::time::brief;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer changes than this are told one by one beside many that are alike.
const FEW: usize = 20;

/// Everything that the views show of a plan.
#[derive(Debug, Clone)]
pub struct Report<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// What it comes to, in one line.
    pub verdict: Verdict,
    /// What it was made from, in one line.
    pub basis: String,
    /// What it was narrowed to, in one line.
    pub narrowed: Option<String>,
    /// The sites that could not be read, and why.
    pub gaps: Vec<Gap<'p>>,
    /// The changes: one entry for each action and cause, what cannot be undone first.
    pub kinds: Vec<Kind<'p>>,
    /// What waits: what needs a person first.
    pub waiting: Vec<WaitingKind<'p>>,
    /// What a person should know: the worst first.
    pub findings: Vec<FindingKinds<'p>>,
    /// How many changes there are, as the summary line counts them.
    pub counts: Counts,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How much attention it needs.
    pub level: Level,
    /// In words.
    pub text: String,
}

/// How much attention a plan needs, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something could not be seen: nothing is said of it.
    Incomplete,
    /// Something is deleted.
    Deletes,
    /// Something changes, and nothing is deleted.
    Changes,
    /// Nothing changes.
    InSync,
}

/// A site that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap<'p> {
    /// Which one.
    pub site: &'p SiteName,
    /// Why.
    pub because: &'p str,
}

/// All changes of one action and one cause.
#[derive(Debug, Clone)]
pub struct Kind<'p> {
    /// `+`, `>`, `~`, `x` or `-`.
    pub symbol: &'static str,
    /// The action's word.
    pub verb: &'static str,
    /// What brought them about.
    pub cause: Cause,
    /// All of them, in the plan's order.
    pub changes: Vec<&'p Change>,
    /// The same changes, alike ones together; the largest group first.
    pub groups: Vec<Group<'p>>,
}

/// Changes that differ only in cluster and slot.
#[derive(Debug, Clone)]
pub struct Group<'p> {
    /// Where.
    pub site: &'p SiteName,
    /// By which policy.
    pub policy: &'p PolicyName,
    /// Why, in general.
    pub reason: String,
    /// The changes that are the same.
    pub same: Vec<&'p Change>,
    /// How many clusters they are of.
    pub clusters: usize,
    /// The changes of the same action, cause, place and policy for which another reason holds.
    pub exceptions: Vec<&'p Change>,
}

impl Group<'_> {
    /// How many changes it stands for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.same.len() + self.exceptions.len()
    }

    /// Whether it stands for none, which no group does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.same.is_empty() && self.exceptions.is_empty()
    }

    /// `same change x 9,412 clusters (3 exceptions below)`.
    #[must_use]
    pub fn told(&self) -> String {
        let points = match self.same.len() {
            points if points == self.clusters => String::new(),
            points => format!(", {} points", count(points)),
        };
        let exceptions = match self.exceptions.len() {
            0 => String::new(),
            number => format!(" ({} below)", plural(number, "exception")),
        };
        format!("same change x {}{points}{exceptions}", plural(self.clusters, "cluster"))
    }
}

/// All that waits for the same.
#[derive(Debug, Clone)]
pub struct WaitingKind<'p> {
    /// What for, in words that follow `waiting: 12`.
    pub told: &'static str,
    /// Whether a person should look at each.
    pub is_named: bool,
    /// All of them.
    pub all: Vec<&'p Waiting>,
}

/// All findings of one kind.
#[derive(Debug, Clone)]
pub struct FindingKinds<'p> {
    /// The word that it begins with.
    pub word: &'static str,
    /// All of them.
    pub all: Vec<&'p Finding>,
}

impl<'p> Report<'p> {
    /// Reports on a plan.
    #[must_use]
    pub fn of(plan: &'p Plan) -> Self {
        let gaps: Vec<Gap<'p>> = plan
            .coverage
            .iter()
            .filter_map(|site| Some(Gap { site: &site.site, because: site.unknown.as_deref()? }))
            .collect();
        let counts = plan.counts();
        Self {
            plan,
            verdict: verdict(plan, counts, gaps.len()),
            basis: basis(plan),
            narrowed: narrowed(plan),
            gaps,
            kinds: kinds(&plan.changes),
            waiting: waiting(&plan.waiting),
            findings: findings(&plan.findings),
            counts,
        }
    }

    /// The last line of every text, which other tools parse: verbatim as CLI.md has it.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.plan.changes.is_empty() {
            return "No changes.".to_owned();
        }
        let Counts { add, change, destroy } = self.counts;
        format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
    }

    /// How many of each action and of each cause, in one line; `None` where nothing changes.
    #[must_use]
    pub fn breakdown(&self) -> Option<String> {
        if self.kinds.is_empty() {
            return None;
        }
        let mut of_verbs: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
        let mut of_causes: BTreeMap<Cause, usize> = BTreeMap::new();
        for kind in &self.kinds {
            let Some(first) = kind.changes.first() else { continue };
            of_verbs.entry(first.action.rank()).or_insert((kind.verb, 0)).1 += kind.changes.len();
            *of_causes.entry(kind.cause).or_default() += kind.changes.len();
        }
        let verbs: Vec<String> =
            of_verbs.into_values().map(|(verb, number)| format!("{} to {verb}", count(number))).collect();
        let causes: Vec<String> =
            of_causes.into_iter().map(|(cause, number)| format!("{} {}", count(number), cause.as_str())).collect();
        Some(format!("{}; by cause: {}.", verbs.join(", "), causes.join(", ")))
    }

    /// How many things wait.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.plan.waiting.len()
    }
}

fn verdict(plan: &Plan, counts: Counts, gaps: usize) -> Verdict {
    let (level, text) = match (gaps, counts.destroy, plan.changes.len()) {
        (1.., _, _) => {
            let sites = plural(plan.coverage.len(), "site");
            let deletes = match counts.destroy {
                0 => String::new(),
                deletes => format!("; {}", deleted(deletes)),
            };
            let text = format!("Not everything was seen: {} of {sites} could not be read{deletes}", count(gaps));
            (Level::Incomplete, text)
        }
        (0, 0, 0) if plan.waiting.is_empty() => (Level::InSync, "In sync: there is nothing to do".to_owned()),
        (0, 0, 0) => (Level::InSync, format!("Nothing to do now; {} waiting", count(plan.waiting.len()))),
        (0, 0, 1..) => (Level::Changes, "Nothing will be deleted".to_owned()),
        (0, deletes @ 1.., _) => (Level::Deletes, deleted(deletes)),
    };
    Verdict { level, text }
}

fn deleted(points: usize) -> String {
    format!("{} will be deleted for good", plural(points, "recovery point"))
}

fn basis(plan: &Plan) -> String {
    let basis = &plan.basis;
    let commit = match &basis.origin.commit {
        Some(commit) => {
            let short = commit.get(..10).unwrap_or(commit);
            format!("commit {short}{}", if basis.origin.dirty { " with changes" } else { "" })
        }
        None => format!("documents {}", basis.origin.documents.brief()),
    };
    let snapshots: usize = plan.coverage.iter().map(|site| site.snapshots).sum();
    let seen = match basis.provenance {
        Provenance::Live => "",
        Provenance::Recorded => ", from a recorded inventory: it cannot be applied",
    };
    format!(
        "As of {}: {} at {}, {}, {commit}{seen}",
        brief(basis.as_of),
        plural(basis.clusters, "cluster"),
        plural(plan.coverage.len(), "site"),
        plural(snapshots, "snapshot"),
    )
}

fn narrowed(plan: &Plan) -> Option<String> {
    let narrowed = plan.basis.narrowed.as_ref()?;
    let told = [(narrowed.changes, "change"), (narrowed.findings, "finding")];
    let left_out: Vec<String> =
        told.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| plural(number, what)).collect();
    let left_out = if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    Some(format!(
        "Narrowed by {} to {} of {}{left_out}",
        narrowed.by.join(" "),
        count(narrowed.clusters),
        plural(plan.basis.clusters, "cluster"),
    ))
}

/// The place of an action among others: what cannot be undone first, what is made last.
fn urgency(action: &Action) -> u8 {
    match action {
        Action::Delete(_) => 0,
        Action::Expire(_) => 1,
        Action::Revive(_) => 2,
        Action::Lock(_) => 3,
        Action::Tag(_) => 4,
        Action::Copy(_) => 5,
        Action::Create(_) => 6,
    }
}

/// The sign of an action.
pub(crate) fn symbol(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "+",
        Action::Copy(_) => ">",
        Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => "~",
        Action::Expire(_) => "x",
        Action::Delete(_) => "-",
    }
}

fn kinds(changes: &[Change]) -> Vec<Kind<'_>> {
    let mut kinds: BTreeMap<(u8, std::cmp::Reverse<Cause>), Kind<'_>> = BTreeMap::new();
    for change in changes {
        // Drift and the documents before what the clock brings.
        let key = (urgency(&change.action), std::cmp::Reverse(change.cause));
        let kind = kinds.entry(key).or_insert_with(|| Kind {
            symbol: symbol(&change.action),
            verb: change.action.verb(),
            cause: change.cause,
            changes: Vec::new(),
            groups: Vec::new(),
        });
        kind.changes.push(change);
    }
    let mut kinds: Vec<Kind<'_>> = kinds.into_values().collect();
    for kind in &mut kinds {
        kind.groups = groups(&kind.changes);
    }
    kinds
}

/// Alike ones together, by place and policy; what is few of its kind is an exception of what is many.
fn groups<'p>(changes: &[&'p Change]) -> Vec<Group<'p>> {
    let mut places: BTreeMap<(&SiteName, &PolicyName), BTreeMap<String, Vec<&'p Change>>> = BTreeMap::new();
    for change in changes {
        let of_place = places.entry((&change.site, &change.policy)).or_default();
        of_place.entry(General::key(&change.reason)).or_default().push(change);
    }
    let mut groups = Vec::new();
    for ((site, policy), reasons) in places {
        let mut alike: Vec<Vec<&Change>> = reasons.into_values().collect();
        // The order of equal ones is that of their reasons.
        alike.sort_by_key(|same| std::cmp::Reverse(same.len()));
        let mut of_place: Vec<Group<'p>> = Vec::new();
        for same in alike {
            match of_place.first_mut() {
                Some(largest) if same.len() < FEW => largest.exceptions.extend(same),
                Some(_) | None => of_place.push(group(site, policy, same)),
            }
        }
        groups.extend(of_place);
    }
    groups.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| (a.site, a.policy).cmp(&(b.site, b.policy))));
    groups
}

fn group<'p>(site: &'p SiteName, policy: &'p PolicyName, same: Vec<&'p Change>) -> Group<'p> {
    let clusters: BTreeSet<&ClusterUid> = same.iter().map(|change| &change.cluster).collect();
    let reasons = same.iter().map(|change| General::new(&change.reason));
    let reason = reasons.reduce(General::with).map(|general| general.to_string()).unwrap_or_default();
    Group { site, policy, reason, clusters: clusters.len(), same, exceptions: Vec::new() }
}

fn waiting(waiting: &[Waiting]) -> Vec<WaitingKind<'_>> {
    let mut kinds: BTreeMap<(u8, &'static str), Vec<&Waiting>> = BTreeMap::new();
    for entry in waiting {
        kinds.entry(waits_for(&entry.why)).or_default().push(entry);
    }
    kinds.into_iter().map(|((rank, told), all)| WaitingKind { told, is_named: rank < LAST_NAMED, all }).collect()
}

/// What waits for a person, or for what a person should know of, is named; what ranks from here on waits for the clock, and
/// is counted.
const LAST_NAMED: u8 = 10;

/// How much it needs a person, the most with the lowest number; and what it waits for.
fn waits_for(why: &WaitingFor) -> (u8, &'static str) {
    match why {
        WaitingFor::BlastRadius { .. } => (0, "for a limit of deletes"),
        WaitingFor::NotSafe { .. } => (1, "until deletes are safe"),
        WaitingFor::Source { .. } => (2, "for a node that is fit as a source"),
        WaitingFor::BackOff { .. } => (3, "after failed attempts"),
        WaitingFor::FailedCopy { .. } => (4, "after a failed copy"),
        WaitingFor::Quota { .. } => (5, "for a provider's quota"),
        WaitingFor::SiteUnknown { .. } => (10, "in sites that could not be read"),
        WaitingFor::InProgress => (11, "for points that are being made"),
        WaitingFor::Grace { .. } => (12, "for the grace of their tombstones"),
        WaitingFor::Lock { .. } => (13, "for a lock to end"),
        WaitingFor::Sighting => (14, "for the sweeper to see their tombstones"),
        WaitingFor::CopyQueue { .. } => (15, "for other copies to end"),
        WaitingFor::SourceNotReady => (16, "for the point that is to be copied"),
        WaitingFor::Copies { .. } => (17, "for their copies to be ready"),
        WaitingFor::DiskSpacing { .. } => (18, "for the provider to take another snapshot of the disk"),
        WaitingFor::Budget { .. } => (19, "for the provider to answer more calls"),
        WaitingFor::Lease { .. } => (20, "for another run that works on the cluster"),
    }
}

fn findings(findings: &[Finding]) -> Vec<FindingKinds<'_>> {
    let mut kinds: BTreeMap<(u8, &'static str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        kinds.entry(severity(&finding.what)).or_default().push(finding);
    }
    kinds.into_iter().map(|((_, word), all)| FindingKinds { word, all }).collect()
}

/// How bad it is, the worst with the lowest number, and the word that it begins with.
fn severity(what: &FindingKind) -> (u8, &'static str) {
    match what {
        FindingKind::Late { .. } => (0, "late"),
        FindingKind::Missing { .. } => (1, "missing"),
        FindingKind::Incapable { .. } => (2, "incapable"),
        FindingKind::LeftOut { .. } => (3, "left out"),
        FindingKind::Foreign { .. } => (4, "foreign"),
        FindingKind::Unencrypted { .. } => (5, "unencrypted"),
        FindingKind::OtherKey { .. } => (6, "other key"),
        FindingKind::Misplaced { .. } => (7, "misplaced"),
        FindingKind::FutureDated { .. } => (8, "future"),
        FindingKind::Unfinished { .. } => (9, "unfinished"),
        FindingKind::Orphan { .. } => (10, "orphan"),
        FindingKind::Unmanaged { .. } => (11, "unmanaged"),
        FindingKind::Moved { .. } => (12, "moved"),
        FindingKind::Retiring { .. } => (13, "retiring"),
        FindingKind::Doubles { .. } => (14, "doubles"),
    }
}
