//! Points and retention once more, by their definitions, with no thought of speed.

use super::Context;
use crate::model::{Cluster, Retention};
use crate::name::SnapshotId;
use crate::observed::{DatabaseState, Listing, Readiness, Records, SiteInventory, Snapshot};
use crate::plan::CreatePoint;
use crate::seal::{Keyring, OwnedSnapshot, Place};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A complete point, by its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) point: String,
    pub(super) class: String,
    pub(super) slot: String,
    pub(super) cut: Timestamp,
    pub(super) created: Timestamp,
    pub(super) system: Option<String>,
    pub(super) ids: Vec<String>,
    pub(super) held: bool,
}

/// The snapshots whose seal is genuine.
pub(super) fn owned<'a>(
    site: &SiteInventory,
    snapshots: &[&'a Snapshot],
    keyring: &Keyring,
) -> BTreeSet<&'a SnapshotId> {
    let place = Place { provider: site.provider, account: &site.account };
    let is_genuine = |snapshot: &Snapshot| OwnedSnapshot::check(&place, snapshot, keyring).is_ok();
    snapshots.iter().filter(|snapshot| is_genuine(snapshot)).map(|snapshot| &snapshot.id).collect()
}

fn tag<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a str> {
    snapshot.tags.get(key)
}

/// Every complete point of the cluster: those that are ready, and those that are still being made.
pub(super) fn points(
    cluster: &Cluster,
    snapshots: &[&Snapshot],
    owned: &BTreeSet<&SnapshotId>,
    records: &Listing<Records>,
) -> (Vec<Whole>, Vec<Whole>) {
    let mut by_name: BTreeMap<(&str, &str), Vec<&Snapshot>> = BTreeMap::new();
    for &snapshot in snapshots {
        let claims_a_seal = tag(snapshot, "backstay-seal-1").is_some() && tag(snapshot, "backstay-seal-2").is_some();
        // What claims a seal that is not genuine is a stranger: it neither makes nor breaks a point.
        if claims_a_seal && !owned.contains(&snapshot.id) {
            continue;
        }
        let names = (tag(snapshot, "backstay-point"), tag(snapshot, "backstay-class"), tag(snapshot, "backstay-slot"));
        if let (Some(point), Some(class), Some(slot)) = names
            && point.starts_with(&format!("{slot}-"))
        {
            by_name.entry((point, class)).or_default().push(snapshot);
        }
    }
    let (mut whole, mut being_made) = (Vec::new(), Vec::new());
    for ((point, class), parts) in by_name {
        let Some(found) = complete(cluster, point, class, &parts, owned, records) else { continue };
        let all = |is: fn(&Readiness) -> bool| parts.iter().all(|part| is(&part.readiness));
        if all(|readiness| *readiness == Readiness::Ready) {
            whole.push(found);
        } else if all(|readiness| !matches!(readiness, Readiness::Failed { .. })) {
            being_made.push(found);
        }
    }
    (whole, being_made)
}

fn complete(
    cluster: &Cluster,
    point: &str,
    class: &str,
    parts: &[&Snapshot],
    owned: &BTreeSet<&SnapshotId>,
    records: &Listing<Records>,
) -> Option<Whole> {
    let first = *parts.first()?;
    let total: usize = tag(first, "backstay-part")?.rsplit_once("of")?.1.parse().ok()?;
    if parts.len() != total || !parts.iter().all(|part| owned.contains(&part.id)) {
        return None;
    }
    // What an attempt left behind is sealed as such, so that it can go. It never makes a point (INVARIANTS.md 7).
    if parts.iter().any(|s| tag(s, "backstay-part").is_some_and(|part| part.starts_with("unfinished-"))) {
        return None;
    }
    for number in 1..=total {
        let place = format!("-{number}of{total}");
        if parts.iter().filter(|s| tag(s, "backstay-part").is_some_and(|part| part.ends_with(&place))).count() != 1 {
            return None;
        }
    }
    for key in ["backstay-cut", "backstay-system", "backstay-wal", "backstay-slot"] {
        if !parts.iter().all(|s| tag(s, key) == tag(first, key)) {
            return None;
        }
    }
    let key = point.parse().ok()?;
    let recorded = records.complete().is_some_and(|r| r.holds.contains(&(cluster.uid.clone(), key)));
    Some(Whole {
        point: point.to_owned(),
        class: class.to_owned(),
        slot: tag(first, "backstay-slot")?.to_owned(),
        cut: crate::time::parse_stamp(tag(first, "backstay-cut")?)?,
        created: parts.iter().map(|s| s.created).max()?,
        system: tag(first, "backstay-system").map(str::to_owned),
        ids: parts.iter().map(|s| s.id.to_string()).collect(),
        held: recorded || parts.iter().any(|s| s.tags.contains_key("backstay-hold")),
    })
}

/// The point that a plan would make, as if it were there already.
pub(super) fn hoped(create: &CreatePoint, now: Timestamp) -> Whole {
    Whole {
        point: create.point.to_string(),
        class: create.class.to_string(),
        slot: crate::time::stamp(create.point.slot),
        cut: now,
        created: now,
        system: create.system.map(|system| system.to_string()),
        ids: Vec::new(),
        held: false,
    }
}

/// The system identifier that the cluster's servers agree on: `Err` when they do not, or none can tell and one should.
pub(super) fn current_system(context: &Context<'_>) -> Result<Option<String>, String> {
    let mut told: Vec<String> = Vec::new();
    let mut silent = false;
    for node in &context.cluster.nodes {
        if node.role != crate::model::NodeRole::Postgres {
            continue;
        }
        match context.instances.get(&node.instance).map(|instance| &instance.database) {
            Some(DatabaseState::Known(status)) => told.push(status.system.to_string()),
            Some(DatabaseState::NotObservable) => {}
            Some(DatabaseState::Unreachable { .. }) | None => silent = true,
        }
    }
    told.sort();
    told.dedup();
    match told.len() {
        0 if silent => Err("no server tells the current system identifier".to_owned()),
        0 => Ok(None),
        1 => Ok(told.pop()),
        _ => Err("the servers have different system identifiers".to_owned()),
    }
}

/// Whether a point is dated in the future, by its seal or by the provider.
fn is_from_the_future(point: &Whole, now: Timestamp) -> bool {
    point.cut.max(point.created).duration_since(now) > SignedDuration::from_mins(5)
}

fn is_judged(point: &Whole, now: Timestamp) -> bool {
    (point.class == "scheduled" || point.class == "on-demand") && !is_from_the_future(point, now)
}

/// Whether a newer point of the same slot stands for it.
fn is_duplicate(point: &Whole, all: &[Whole], now: Timestamp) -> bool {
    let may_stand = |p: &Whole| p.class == "scheduled" && is_judged(p, now) && !p.held;
    let same = |other: &Whole| other.slot == point.slot && other.system == point.system;
    may_stand(point) && all.iter().any(|other| may_stand(other) && same(other) && rank(other) > rank(point))
}

/// The points that take part in any count: judged, each slot once.
pub(super) fn counted(points: &[Whole], now: Timestamp) -> Vec<Whole> {
    points.iter().filter(|point| is_judged(point, now) && !is_duplicate(point, points, now)).cloned().collect()
}

/// The system that floors count: the known one, or that of the newest point.
pub(super) fn floor_system(counted: &[Whole], known: Option<&String>) -> Option<String> {
    known.cloned().or_else(|| newest(counted).and_then(|point| point.system.clone()))
}

pub(super) fn newest(points: &[Whole]) -> Option<&Whole> {
    points.iter().max_by_key(|point| rank(point))
}

fn rank(point: &Whole) -> (Timestamp, crate::tags::PointKey, Option<crate::tags::PointClass>) {
    let key = point.point.parse().expect("a whole point's key was parsed before");
    (point.cut, key, crate::tags::PointClass::parse(&point.class))
}

/// Whether the policy keeps a point, rule by rule, each by its own definition.
pub(super) fn is_kept(point: &Whole, all: &[Whole], r: &Retention, known: Option<&String>, now: Timestamp) -> bool {
    if point.held || point.class == "safety" || point.class == "drill" || is_from_the_future(point, now) {
        return true;
    }
    if is_duplicate(point, all, now) {
        return false;
    }
    let counted = counted(all, now);
    // A held point takes no other point's place.
    let newer: Vec<&Whole> = counted.iter().filter(|other| !other.held && rank(other) > rank(point)).collect();
    let fewer_than = |limit: u32, count: usize| u32::try_from(count).is_ok_and(|count| count < limit);
    if newer.is_empty() || fewer_than(r.keep.last, newer.len()) {
        return true;
    }
    if let Some(window) = r.recovery_window {
        let start = now.checked_sub(window.signed()).unwrap_or(Timestamp::MIN);
        let is_inside = |p: &Whole| p.cut.max(p.created) >= start;
        if is_inside(point) || newer.iter().all(|other| is_inside(other)) {
            return true;
        }
    }
    for (count, label) in [
        (r.keep.hourly, "%Y-%m-%d %H"),
        (r.keep.daily, "%Y-%m-%d"),
        (r.keep.weekly, "%G week %V"),
        (r.keep.monthly, "%Y-%m"),
        (r.keep.yearly, "%Y"),
    ] {
        let name = |p: &Whole| r.zone.to_datetime(p.cut).strftime(label).to_string();
        let own = name(point);
        let mut newer_buckets: Vec<String> = newer.iter().map(|other| name(other)).collect();
        newer_buckets.sort();
        newer_buckets.dedup();
        if !newer_buckets.contains(&own) && fewer_than(count, newer_buckets.len()) {
            return true;
        }
    }
    let system = floor_system(&counted, known);
    if point.system == system {
        let peers = newer.iter().filter(|other| other.system == system).count();
        if fewer_than(r.minimum_redundancy.max(1), peers) {
            return true;
        }
    }
    let on_demand = newer.iter().filter(|other| other.class == "on-demand").count();
    point.class == "on-demand" && fewer_than(r.on_demand_max.unwrap_or(0), on_demand)
}
