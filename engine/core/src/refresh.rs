//! What of a plan is still so: everything else is skipped, and nothing is ever added (INVARIANTS.md 10, 11).

use crate::name::{ClusterUid, InstanceId, SiteName, SnapshotId};
use crate::observed::{DatabaseRole, DatabaseState, Instance, Listing, Observed, Readiness, SiteInventory, Snapshot};
use crate::plan::{Action, Change, CopyPoint, CreatePoint, ExpectedSnapshot, MarkPoint, Plan};
use crate::point::{Catalogue, PointState};
use crate::retention;
use crate::seal::Keyring;
use crate::tags::{PartRole, PointClass};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A plan cut down to what is still so.
#[derive(Debug, Clone, PartialEq)]
pub struct Refreshed {
    /// The plan with the changes that remain.
    pub plan: Plan,
    /// The changes that went stale, with the reason.
    pub skipped: Vec<Skipped>,
}

/// A change that went stale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Skipped {
    /// The change.
    pub change: Change,
    /// What is different now.
    pub because: String,
}

/// One site as it is now, by what changes name.
struct Now<'a> {
    inventory: &'a SiteInventory,
    catalogue: Catalogue<'a>,
    instances: BTreeMap<&'a InstanceId, &'a Instance>,
    snapshots: BTreeMap<&'a SnapshotId, &'a Snapshot>,
}

impl<'a> Now<'a> {
    fn of(inventory: &'a SiteInventory, keyring: &'a Keyring) -> Self {
        Self {
            inventory,
            catalogue: Catalogue::of(inventory, keyring),
            instances: inventory.instances.iter().map(|instance| (&instance.id, instance)).collect(),
            snapshots: inventory.snapshots.iter().map(|snapshot| (&snapshot.id, snapshot)).collect(),
        }
    }
}

/// Compares a plan with the world as it is now.
#[must_use]
pub fn refresh(mut plan: Plan, observed: &Observed) -> Refreshed {
    let sites: BTreeMap<_, _> = observed
        .sites
        .iter()
        .filter_map(|(site, listing)| Some((site, Now::of(listing.complete()?, &observed.keyring))))
        .collect();
    let mut skipped = Vec::new();
    plan.changes.retain(|change| {
        let stale = match sites.get(&change.site) {
            None => Some(format!("site {} could not be read", change.site)),
            Some(now) => match &change.action {
                Action::Create(create) => stale_create(change, create, now),
                Action::Copy(copy) => stale_copy(change, copy, now, &sites),
                Action::Tag(_) | Action::Lock(_) => {
                    change.action.relies_on().into_iter().find_map(|expected| stale_snapshot(expected, now))
                }
                Action::Revive(mark) => stale_snapshots(mark, now),
                Action::Expire(mark) => {
                    stale_snapshots(mark, now).or_else(|| stale_records(change, mark, now, observed))
                }
                Action::Delete(mark) => {
                    stale_snapshots(mark, now).or_else(|| stale_records(change, mark, now, observed))
                }
            },
        };
        match stale {
            None => true,
            Some(because) => {
                skipped.push(Skipped { change: change.clone(), because });
                false
            }
        }
    });
    skip_followers(&mut plan, &mut skipped);
    Refreshed { plan, skipped }
}

/// The places that go without a point which a plan was to make or to copy there. A mark may follow such a point: without it
/// the mark waits for the next plan.
#[derive(Debug, Default)]
pub(crate) struct Without(BTreeSet<(ClusterUid, SiteName)>);

impl Without {
    /// Notes a change that is not made.
    pub(crate) fn note(&mut self, change: &Change) {
        if matches!(change.action, Action::Create(_) | Action::Copy(_)) {
            self.0.insert((change.cluster.clone(), change.site.clone()));
        }
    }

    /// Whether a change may rest on what is not made.
    pub(crate) fn has_follower(&self, change: &Change) -> bool {
        matches!(change.action, Action::Expire(_)) && self.0.contains(&(change.cluster.clone(), change.site.clone()))
    }
}

fn skip_followers(plan: &mut Plan, skipped: &mut Vec<Skipped>) {
    let mut without = Without::default();
    skipped.iter().for_each(|skipped| without.note(&skipped.change));
    plan.changes.retain(|change| {
        let follows = without.has_follower(change);
        if follows {
            let because = "the plan's new point is not made".to_owned();
            skipped.push(Skipped { change: change.clone(), because });
        }
        !follows
    });
}

/// The sources must be ready and as they were seen, and the point must not have come to the target meanwhile. What a run that
/// was cut short left there without a seal does not count: the call finds it by its intent.
fn stale_copy(
    change: &Change,
    copy: &CopyPoint,
    target: &Now<'_>,
    sites: &BTreeMap<&SiteName, Now<'_>>,
) -> Option<String> {
    let Some(source) = sites.get(&copy.from) else {
        return Some(format!("site {} could not be read", copy.from));
    };
    for part in &copy.parts {
        if let Some(because) = stale_snapshot(&part.source, source) {
            return Some(because);
        }
        let snapshot = source.snapshots.get(&part.source.id);
        if snapshot.is_none_or(|snapshot| snapshot.readiness != Readiness::Ready) {
            return Some(format!("snapshot {} is not ready", part.source.id));
        }
    }
    let shelf = target.catalogue.shelf(&change.cluster);
    let mut there = shelf.points.iter().filter(|point| point.key == copy.point);
    there.find_map(|point| match point.state {
        PointState::Restorable => Some(format!("point {} was copied since", point.key)),
        PointState::InProgress => Some(format!("point {} is being copied", point.key)),
        PointState::Failed { .. } | PointState::Incomplete { .. } | PointState::Double => None,
    })
}

fn stale_create(change: &Change, create: &CreatePoint, now: &Now<'_>) -> Option<String> {
    let latest = retention::TOLERANCE.after(now.inventory.clock.now);
    let shelf = now.catalogue.shelf(&change.cluster);
    for point in &shelf.points {
        // What a person asked for is made beside all others.
        let serves = create.class == PointClass::Scheduled
            && matches!(point.class, PointClass::Scheduled | PointClass::OnDemand)
            && point.cut >= create.point.slot
            && point.cut <= latest;
        match point.state {
            PointState::Restorable if serves => return Some(format!("point {} was made since", point.key)),
            PointState::InProgress if serves => return Some(format!("point {} is being made", point.key)),
            PointState::Restorable
            | PointState::InProgress
            | PointState::Failed { .. }
            | PointState::Incomplete { .. }
            | PointState::Double => {}
        }
    }
    if shelf.attempts.contains(&create.point) {
        return Some(format!("attempt {} was begun by another run", create.point));
    }
    stale_instance(create, now.instances.get(&create.instance).copied())
}

/// Why a point cannot be cut of its instance as that is now; `None` where it can.
#[must_use]
pub fn stale_instance(create: &CreatePoint, now: Option<&Instance>) -> Option<String> {
    let Some(instance) = now else {
        return Some(format!("instance {} is gone", create.instance));
    };
    if disks_of(instance) != planned_disks(create) {
        return Some(format!("the disks of {} changed", create.instance));
    }
    stale_source(create, instance)
}

/// A failover, an upgrade or an outage since the plan: the next plan chooses anew.
fn stale_source(create: &CreatePoint, instance: &Instance) -> Option<String> {
    let status = match &instance.database {
        DatabaseState::Known(status) => status,
        DatabaseState::NotObservable => {
            return create
                .role
                .is_some()
                .then(|| format!("the server of {} cannot be asked any more", create.instance));
        }
        DatabaseState::Unreachable { because } => {
            return Some(format!("the server of {} cannot be reached: {because}", create.instance));
        }
    };
    if create.system.is_some_and(|system| system != status.system) {
        return Some(format!("the server of {} has another system identifier", create.instance));
    }
    let is_primary = |role| role == DatabaseRole::Primary;
    if create.role.is_some_and(|role| is_primary(role) != is_primary(status.role)) {
        return Some(format!("the server of {} changed its role", create.instance));
    }
    None
}

fn disks_of(instance: &Instance) -> Vec<(PartRole, String)> {
    let mut disks: Vec<_> =
        instance.disks.iter().filter_map(|disk| Some((PartRole::of(&disk.role)?, disk.id.to_string()))).collect();
    disks.sort();
    disks
}

fn planned_disks(create: &CreatePoint) -> Vec<(PartRole, String)> {
    let mut disks: Vec<_> = create.parts.iter().map(|part| (part.name.role, part.disk.to_string())).collect();
    disks.sort();
    disks
}

fn stale_snapshots(mark: &MarkPoint, now: &Now<'_>) -> Option<String> {
    mark.snapshots.iter().find_map(|expected| stale_snapshot(expected, now))
}

fn stale_snapshot(expected: &ExpectedSnapshot, now: &Now<'_>) -> Option<String> {
    match now.snapshots.get(&expected.id) {
        None => Some(format!("snapshot {} is not listed any more", expected.id)),
        Some(now) if now.generation() != expected.generation => Some(format!("snapshot {} changed", expected.id)),
        Some(_) => None,
    }
}

/// A hold that was placed, or a tombstone that was revoked since the plan: the tag still stands, the record is gone.
///
/// A delete of what never was marked is not stale but wrong: it is left for [`crate::verify`] to refuse.
fn stale_records(change: &Change, mark: &MarkPoint, now: &Now<'_>, observed: &Observed) -> Option<String> {
    let records = match &observed.records {
        Listing::Complete(records) => records,
        Listing::Unknown { because } => return Some(format!("the state store could not be read: {because}")),
    };
    if records.holds.contains(&(change.cluster.clone(), mark.point)) {
        return Some(format!("point {} is held now", mark.point));
    }
    if !matches!(change.action, Action::Delete(_)) {
        return None;
    }
    let at_site = records.tombstones.get(&change.site);
    let has_record = |id: &SnapshotId| at_site.is_some_and(|tombstones| tombstones.contains_key(id));
    let has_tag = |id: &SnapshotId| now.snapshots.get(id).is_some_and(|s| s.tags.contains_key(crate::tags::EXPIRE));
    let revoked = mark.snapshots.iter().find(|expected| has_tag(&expected.id) && !has_record(&expected.id))?;
    Some(format!("the tombstone of {} was revoked", revoked.id))
}
