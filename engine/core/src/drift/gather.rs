//! From a plan to differences: which of its findings, changes and waits are drift.

use super::{Item, Kind, SnapshotSeen, Subject, SubjectKind};
use crate::model::{Cluster, Desired};
use crate::name::{ClusterName, ClusterUid, SiteName};
use crate::observed::{Observed, SiteInventory};
use crate::plan::{Action, Cause, Change, Finding, FindingKind, Plan, Repair, Waiting, WaitingFor};
use crate::point::{Catalogue, PointState, RecoveryPoint};
use crate::tags::{PartRole, PointKey};
use crate::time::{Duration, brief};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// For how long a copy or a lock may be outstanding where the policy has no `sla.maxAge`.
const PATIENCE: Duration = Duration::days(1);

/// Every difference, in no order.
pub(super) fn items(plan: &Plan, desired: &Desired, observed: &Observed) -> Vec<Item> {
    let gather = Gather::of(plan, desired, observed);
    let mut items: Vec<Item> = plan.findings.iter().flat_map(|finding| gather.of_finding(finding)).collect();
    items.extend(plan.changes.iter().filter_map(|change| gather.of_change(change)));
    items.extend(plan.waiting.iter().filter_map(|waiting| gather.of_waiting(waiting)));
    items
}

/// What the differences are gathered from, found fast.
struct Gather<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    as_of: Timestamp,
    has_baseline: bool,
    by_name: BTreeMap<&'a str, Vec<&'a Cluster>>,
    /// What each cluster waits for before it gets a point.
    waits: BTreeMap<&'a ClusterUid, &'a WaitingFor>,
    /// The clusters that get a point by the next apply.
    creates: BTreeSet<&'a ClusterUid>,
}

impl<'a> Gather<'a> {
    fn of(plan: &'a Plan, desired: &'a Desired, observed: &'a Observed) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Cluster>> = BTreeMap::new();
        for cluster in desired.clusters.values() {
            by_name.entry(cluster.name.as_str()).or_default().push(cluster);
        }
        let mut waits = BTreeMap::new();
        for waiting in plan.waiting.iter().filter(|waiting| stops_points(&waiting.why)) {
            waits.entry(&waiting.cluster).or_insert(&waiting.why);
        }
        let creates = plan.changes.iter().filter(|change| matches!(change.action, Action::Create(_)));
        Self {
            desired,
            observed,
            as_of: plan.basis.as_of,
            has_baseline: plan.basis.baseline.is_some(),
            by_name,
            waits,
            creates: creates.map(|change| &change.cluster).collect(),
        }
    }

    fn of_finding(&self, finding: &Finding) -> Vec<Item> {
        let cluster = self.named(finding);
        let whole = |kind, message: String, next: &str| {
            let subject = Subject { kind: SubjectKind::Cluster, id: finding.subject.clone() };
            vec![self.item(kind, cluster, finding.site.as_ref(), subject, message, next.to_owned())]
        };
        let told = finding.what.to_string();
        let said = without_word(&told);
        match &finding.what {
            FindingKind::Late { age, max_age } => cluster.map(|c| self.late(c, *age, *max_age)).into_iter().collect(),
            FindingKind::Missing { what } => {
                let subject = Subject { kind: SubjectKind::Machine, id: what.clone() };
                let next = "bring it back, or write into the document what runs now";
                let site = finding.site.as_ref();
                vec![self.item(Kind::MachineMissing, cluster, site, subject, said, next.to_owned())]
            }
            FindingKind::Foreign { .. } => {
                let subject = Subject { kind: SubjectKind::Snapshot, id: finding.subject.clone() };
                let next =
                    "find out who made or changed it; a lost seal key can be put back, and then it is believed again";
                let site = finding.site.as_ref();
                vec![self.item(Kind::ForeignSeal, cluster, site, subject, said, next.to_owned())]
            }
            FindingKind::Orphan { .. } => {
                let mut items = whole(
                    Kind::Orphan,
                    said,
                    "declare a cluster with this uid again; with `retire: true` its points go after their retention",
                );
                for item in &mut items {
                    item.cluster = ClusterUid::new(&finding.subject).ok();
                }
                items
            }
            FindingKind::Unmanaged { .. } => cluster.and_then(|cluster| self.unmanaged(cluster)).into_iter().collect(),
            FindingKind::Unencrypted { .. } => whole(
                Kind::Unencrypted,
                said,
                "encrypt the disks at their provider: points made after that are encrypted",
            ),
            FindingKind::OtherKey { .. } => whole(
                Kind::OtherKey,
                said,
                "check who changed the key; new copies take the policy's, old ones expire by retention",
            ),
            FindingKind::Misplaced { .. } => {
                whole(Kind::Misplaced, said, "new points go to the right place; these expire by their retention")
            }
            FindingKind::FutureDated { .. } => {
                whole(Kind::FutureDated, said, "compare the clocks of the site and of the hosts that run Backstay")
            }
            FindingKind::Unfinished { .. } => cluster.map(|cluster| self.damaged(cluster)).unwrap_or_default(),
            // The documents explain these, or are themselves what is wrong; doubles are taken away by the runs to come.
            FindingKind::Doubles { .. }
            | FindingKind::Incapable { .. }
            | FindingKind::Moved { .. }
            | FindingKind::Retiring { .. }
            | FindingKind::LeftOut { .. } => Vec::new(),
        }
    }

    /// A cluster of a finding. Names are for people: where two have one, the one at the finding's site is meant.
    fn named(&self, finding: &Finding) -> Option<&'a Cluster> {
        let all = self.by_name.get(finding.subject.as_str())?;
        let at_home = all.iter().find(|cluster| Some(&cluster.site) == finding.site.as_ref());
        at_home.or_else(|| all.first()).copied()
    }

    fn item(
        &self,
        kind: Kind,
        cluster: Option<&Cluster>,
        site: Option<&SiteName>,
        subject: Subject,
        message: String,
        next: String,
    ) -> Item {
        Item {
            class: kind.class(),
            kind,
            severity: kind.severity(),
            cluster: cluster.map(|cluster| cluster.uid.clone()),
            name: cluster.map(|cluster| cluster.name.clone()),
            site: site.cloned(),
            subject,
            snapshots: Vec::new(),
            since: None,
            message,
            meaning: kind.meaning().to_owned(),
            next,
            declared: None,
            ignored: None,
        }
    }

    fn late(&self, cluster: &Cluster, age: Option<Duration>, max_age: Option<Duration>) -> Item {
        let what = match age {
            Some(age) => FindingKind::Late { age: Some(age), max_age }.to_string(),
            None => "no restorable point".to_owned(),
        };
        let kind = if age.is_some() { Kind::Late } else { Kind::NoPoint };
        let mut message = without_word(&what);
        let next = if let Some(why) = self.waits.get(&cluster.uid) {
            message = format!("{message}; {why}");
            "remove what it waits for, then `backstay apply`"
        } else if self.creates.contains(&cluster.uid) {
            "`backstay apply` makes a point now"
        } else {
            "`backstay plan` says what is to be done"
        };
        let subject = Subject { kind: SubjectKind::Cluster, id: cluster.name.to_string() };
        let mut item = self.item(kind, Some(cluster), Some(&cluster.site), subject, message, next.to_owned());
        // It is late since its newest point became too old.
        item.since = age.zip(max_age).map(|(age, max)| max.after(age.before(self.as_of)));
        item
    }

    fn unmanaged(&self, cluster: &Cluster) -> Option<Item> {
        let site = self.site(&cluster.site)?;
        let of_cluster = site.instances.iter().filter(|i| cluster.nodes.iter().any(|node| node.instance == i.id));
        let disks: BTreeSet<_> = of_cluster.flat_map(|instance| &instance.disks).map(|disk| &disk.id).collect();
        let theirs = site.unmanaged.iter().filter(|snapshot| disks.contains(&snapshot.disk));
        let snapshots: Vec<SnapshotSeen> =
            theirs.map(|snapshot| SnapshotSeen { id: snapshot.id.clone(), created: snapshot.created }).collect();
        let subject = Subject { kind: SubjectKind::Cluster, id: cluster.name.to_string() };
        let message = unmanaged_message(snapshots.len());
        let next = "find out which tool makes them; stop it, or let a rule ignore them".to_owned();
        let mut item = self.item(Kind::Unmanaged, Some(cluster), Some(&cluster.site), subject, message, next);
        item.since = snapshots.iter().map(|snapshot| snapshot.created).min();
        item.snapshots = snapshots;
        Some(item)
    }

    /// Points that were sealed as a whole, and are none any more. What was never finished is Backstay's own to clear up.
    fn damaged(&self, cluster: &Cluster) -> Vec<Item> {
        let Some(site) = self.site(&cluster.site) else { return Vec::new() };
        let shelf = Catalogue::of(site, &self.observed.keyring).shelf(&cluster.uid);
        let items = shelf.points.iter().filter_map(|point| {
            let because = damage(point)?;
            let message = format!("{because}; {} left of the point of {}", plural(point.parts.len()), brief(point.cut));
            let next = "find out who deleted them; `backstay apply` marks what is left for deletion".to_owned();
            Some(self.item(Kind::PointDamaged, Some(cluster), Some(&cluster.site), of_point(point.key), message, next))
        });
        items.collect()
    }

    fn of_change(&self, change: &Change) -> Option<Item> {
        let cluster = self.desired.clusters.get(&change.cluster).map(AsRef::as_ref);
        let apply = "`backstay apply` mends it";
        let item = |kind, message: String, next: &str| {
            let subject = of_point(change.action.point());
            self.item(kind, cluster, Some(&change.site), subject, message, next.to_owned())
        };
        let why = change.reason.to_string();
        match &change.action {
            Action::Create(create) if change.cause == Cause::Drift => {
                let message = format!("the slot {} was served, and has no point any more", brief(create.point.slot));
                let records = self.observed.records.complete();
                let mut gone =
                    item(Kind::PointGone, message, "find out who deleted it; `backstay apply` makes a point now");
                // It was there when the last apply ended.
                gone.since = records.and_then(|records| records.baseline.as_ref()).map(|baseline| baseline.as_of);
                Some(gone)
            }
            Action::Copy(copy) if self.is_overdue(change, copy.cut) => {
                let message = format!("the point of {} has no copy here; {why}", brief(copy.cut));
                Some(Item { since: Some(copy.cut), ..item(Kind::CopyMissing, message, "`backstay apply` copies it") })
            }
            Action::Lock(lock) if self.is_overdue(change, lock.cut) => {
                let message = format!("the point of {} is not locked; {why}", brief(lock.cut));
                Some(Item { since: Some(lock.cut), ..item(Kind::Unlocked, message, "`backstay apply` locks it") })
            }
            Action::Tag(tag) => match tag.repair {
                Repair::Restore => {
                    Some(item(Kind::TagsChanged, why, "find out who may write tags; `backstay apply` mends them"))
                }
                Repair::MirrorHold => Some(item(Kind::HoldTagMissing, why, apply)),
                Repair::Adopt => None,
            },
            Action::Create(_)
            | Action::Copy(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Revive(_)
            | Action::Delete(_) => None,
        }
    }

    /// Copies that cannot be made, or not yet.
    fn of_waiting(&self, waiting: &Waiting) -> Option<Item> {
        let point = waiting.point?;
        let site = match &waiting.why {
            WaitingFor::FailedCopy { site } => Some(site),
            WaitingFor::CopyQueue { .. } => None,
            WaitingFor::SiteUnknown { .. }
            | WaitingFor::InProgress
            | WaitingFor::BackOff { .. }
            | WaitingFor::Source { .. }
            | WaitingFor::Grace { .. }
            | WaitingFor::Lock { .. }
            | WaitingFor::Sighting
            | WaitingFor::NotSafe { .. }
            | WaitingFor::BlastRadius { .. }
            | WaitingFor::SourceNotReady
            | WaitingFor::Copies { .. }
            | WaitingFor::DiskSpacing { .. }
            | WaitingFor::Quota { .. }
            | WaitingFor::Budget { .. }
            | WaitingFor::Lease { .. } => return None,
        };
        let cluster = self.desired.clusters.get(&waiting.cluster)?;
        if !self.is_older(cluster, point.slot) {
            return None;
        }
        let message = format!("the point of {} is not copied: {}", brief(point.slot), waiting.why);
        let next = "`backstay plan` says what goes first".to_owned();
        let mut item = self.item(Kind::CopyMissing, Some(cluster), site, of_point(point), message, next);
        item.since = Some(point.slot);
        Some(item)
    }

    /// Whether a change should have been made by now: not one that the documents ask for since the last apply.
    fn is_overdue(&self, change: &Change, cut: Timestamp) -> bool {
        let is_asked_now = self.has_baseline && change.cause == Cause::Config;
        let cluster = self.desired.clusters.get(&change.cluster);
        !is_asked_now && cluster.is_some_and(|cluster| self.is_older(cluster, cut))
    }

    fn is_older(&self, cluster: &Cluster, instant: Timestamp) -> bool {
        let patience = self.desired.policy_of(cluster).max_age.unwrap_or(PATIENCE);
        Duration::between(instant, self.as_of) > patience
    }

    fn site(&self, name: &SiteName) -> Option<&'a SiteInventory> {
        self.observed.sites.get(name)?.complete()
    }
}

/// What is said of snapshots that others made.
pub(super) fn unmanaged_message(snapshots: usize) -> String {
    without_word(&FindingKind::Unmanaged { snapshots }.to_string())
}

/// What was the matter with a sealed point, unless it is on its way out.
fn damage(point: &RecoveryPoint<'_>) -> Option<&'static str> {
    let is_whole = !point.parts.is_empty() && point.unsealed.is_empty() && !point.is_tagged_marked;
    let is_leftover = point.parts.iter().any(|part| part.name.role == PartRole::Unfinished);
    match point.state {
        PointState::Incomplete { because } if is_whole && !is_leftover => Some(because),
        PointState::Incomplete { .. }
        | PointState::Double
        | PointState::Restorable
        | PointState::InProgress
        | PointState::Failed { .. } => None,
    }
}

fn of_point(point: PointKey) -> Subject {
    Subject { kind: SubjectKind::Point, id: point.to_string() }
}

fn plural(snapshots: usize) -> String {
    if snapshots == 1 { "1 snapshot is".to_owned() } else { format!("{snapshots} snapshots are") }
}

/// A finding's text begins with its word, which the class says already.
fn without_word(text: &str) -> String {
    text.split_once(": ").map_or(text, |(_, rest)| rest).to_owned()
}

/// Whether it keeps a cluster from getting a point.
fn stops_points(why: &WaitingFor) -> bool {
    match why {
        WaitingFor::InProgress
        | WaitingFor::BackOff { .. }
        | WaitingFor::Source { .. }
        | WaitingFor::DiskSpacing { .. }
        | WaitingFor::Quota { .. }
        | WaitingFor::Budget { .. }
        | WaitingFor::Lease { .. } => true,
        WaitingFor::SiteUnknown { .. }
        | WaitingFor::Grace { .. }
        | WaitingFor::Lock { .. }
        | WaitingFor::Sighting
        | WaitingFor::NotSafe { .. }
        | WaitingFor::BlastRadius { .. }
        | WaitingFor::CopyQueue { .. }
        | WaitingFor::SourceNotReady
        | WaitingFor::FailedCopy { .. }
        | WaitingFor::Copies { .. } => false,
    }
}

/// The name and uid of a cluster, for rules.
pub(super) fn who(item: &Item) -> impl Iterator<Item = &str> {
    let names = item.name.iter().map(ClusterName::as_str);
    names.chain(item.cluster.iter().map(ClusterUid::as_str))
}
