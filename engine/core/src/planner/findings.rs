//! What a person should know of what lies where: it is told, and kept. One finding a kind for each cluster and site.

use super::cluster::Outcome;
use super::places::{Kind, Place, Places, Seen};
use super::{Holdings, Subject, World};
use crate::model::Desired;
use crate::name::{ClusterUid, SiteName, SnapshotId};
use crate::observed::Snapshot;
use crate::plan::{Action, Change, Finding, FindingKind, Repair};
use crate::point::{RecoveryPoint, Stranger};
use crate::seal::NotOurs;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Where a cluster's points lie although it does not live there, and strangers among them.
pub(super) fn of_holdings(
    desired: &Desired,
    uid: &ClusterUid,
    holdings: &Holdings<'_>,
    changes: &[Change],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (site, shelf) in holdings {
        let points = shelf.points.len();
        if points > 0
            && let Some((subject, what)) = unexplained(desired, uid, site, points)
        {
            findings.push(Finding { site: Some((*site).clone()), subject, what });
        }
        findings.extend(of_strangers(site, &shelf.strangers, changes));
    }
    findings
}

/// Why points lie at a site where no document puts them; `None` where one does.
fn unexplained(desired: &Desired, uid: &ClusterUid, site: &SiteName, points: usize) -> Option<(String, FindingKind)> {
    match desired.clusters.get(uid) {
        Some(cluster) => {
            let is_copy_site = desired.policy_of(cluster).copies.iter().any(|copy| copy.site == *site);
            let is_declared = cluster.site == *site || is_copy_site;
            let moved = FindingKind::Moved { points, home: cluster.site.clone() };
            (!is_declared).then(|| (cluster.name.to_string(), moved))
        }
        None if desired.left_out.contains(uid) => Some((uid.to_string(), FindingKind::LeftOut { points })),
        None => Some((uid.to_string(), FindingKind::Orphan { points })),
    }
}

/// Strangers that name no cluster, at every site that was read.
pub(super) fn of_nobody(world: &World<'_>, changes: &[Change]) -> Vec<Finding> {
    world.nobodys.iter().flat_map(|(site, strangers)| of_strangers(site, strangers, changes)).collect()
}

/// Those whose tags are mended are ours.
fn of_strangers(site: &SiteName, strangers: &[Stranger<'_>], changes: &[Change]) -> Vec<Finding> {
    if strangers.is_empty() {
        return Vec::new();
    }
    let mended: BTreeSet<&SnapshotId> = changes
        .iter()
        .filter(|change| change.site == *site)
        .filter_map(|change| match &change.action {
            Action::Tag(tag) => (tag.repair == Repair::Restore).then_some(&tag.snapshots),
            Action::Create(_)
            | Action::Copy(_)
            | Action::Lock(_)
            | Action::Revive(_)
            | Action::Expire(_)
            | Action::Delete(_) => None,
        })
        .flatten()
        .map(|retagged| &retagged.expected.id)
        .collect();
    let find = |stranger: &Stranger<'_>| {
        let why = match &stranger.why {
            NotOurs::Unsealed => return None,
            NotOurs::UnknownKey(_) | NotOurs::Forged => stranger.why.to_string(),
        };
        let subject = stranger.snapshot.id.to_string();
        Some(Finding { site: Some(site.clone()), subject, what: FindingKind::Foreign { why } })
    };
    strangers.iter().filter(|stranger| !mended.contains(&stranger.snapshot.id)).filter_map(find).collect()
}

/// What is not as the documents want it, and cannot be made so: at every place of a cluster.
pub(super) fn of_cluster(subject: &Subject<'_>, places: &Places<'_>, as_of: Timestamp, outcome: &mut Outcome) {
    let mut points = 0;
    for place in &places.all {
        let Ok(seen) = place.seen else { continue };
        points += seen.points().len();
        let kinds = [
            unencrypted(subject, seen),
            other_key(place, seen),
            misplaced(places, place, seen),
            future_dated(seen, as_of),
            unmanaged(subject, place, seen),
        ];
        for what in kinds.into_iter().flatten() {
            let site = Some(place.name.clone());
            outcome.findings.push(Finding { site, subject: subject.cluster.name.to_string(), what });
        }
    }
    if subject.cluster.is_retired {
        outcome.find(subject.cluster, FindingKind::Retiring { points });
    }
}

/// How many points have a snapshot like this; `None` where none has.
fn with_part(seen: Seen<'_>, is_so: impl Fn(&Snapshot) -> bool) -> Option<usize> {
    let has_one = |point: &&RecoveryPoint<'_>| point.parts.iter().any(|part| is_so(part.snapshot.snapshot()));
    let count = seen.points().iter().filter(has_one).count();
    (count > 0).then_some(count)
}

fn unencrypted(subject: &Subject<'_>, seen: Seen<'_>) -> Option<FindingKind> {
    let points = with_part(seen, |snapshot| subject.policy.encryption_required && !snapshot.encrypted)?;
    Some(FindingKind::Unencrypted { points })
}

/// Copies alone have a key of their own, and only some sites tell which one it is.
fn other_key(place: &Place<'_>, seen: Seen<'_>) -> Option<FindingKind> {
    let Kind::Copy(copy) = place.kind else { return None };
    let wanted = copy.kms_key.as_ref()?;
    let points = with_part(seen, |snapshot| snapshot.kms_key.as_ref().is_some_and(|key| key != wanted))?;
    Some(FindingKind::OtherKey { points, wanted: wanted.clone() })
}

/// Where there are no copies, the one object lies where it was placed: not where the policy wants it since it changed. Only what
/// tells its location is judged.
fn misplaced(places: &Places<'_>, place: &Place<'_>, seen: Seen<'_>) -> Option<FindingKind> {
    let wanted = places.placed.as_ref().filter(|_| matches!(place.kind, Kind::Home))?;
    let points = with_part(seen, |snapshot| snapshot.location.as_ref().is_some_and(|location| location != wanted))?;
    Some(FindingKind::Misplaced { points, wanted: wanted.clone() })
}

fn future_dated(seen: Seen<'_>, as_of: Timestamp) -> Option<FindingKind> {
    let is_future = |point: &&RecoveryPoint<'_>| seen.site.is_in_the_future(point.cut.max(point.created), as_of);
    let points = seen.points().iter().filter(is_future).count();
    (points > 0).then_some(FindingKind::FutureDated { points })
}

/// What others made of the disks that the cluster has now.
fn unmanaged(subject: &Subject<'_>, place: &Place<'_>, seen: Seen<'_>) -> Option<FindingKind> {
    if !matches!(place.kind, Kind::Home) {
        return None;
    }
    let instances = subject.cluster.nodes.iter().filter_map(|node| seen.site.instance(&node.instance));
    let snapshots =
        instances.flat_map(|instance| &instance.disks).map(|disk| seen.site.unmanaged_of(&disk.id).len()).sum();
    (snapshots > 0).then_some(FindingKind::Unmanaged { snapshots })
}
