//! Which node's disks are snapshotted, and in which order.

use super::waits::Disks;
use super::{Site, Subject};
use crate::model::{Cluster, ConsistencyWanted, Node, SourcePreference};
use crate::name::{InstanceId, SystemId};
use crate::observed::{AttachedDisk, DatabaseRole, DatabaseState, DatabaseStatus, DiskRole, Instance, SiteInventory};
use crate::plan::{PlannedPart, WaitingFor};
use crate::tags::{Intent, PartName, PartRole, PointClass, PointKey};

/// The node that was chosen, and its disks in the order of the cut.
pub(super) struct Chosen<'a> {
    pub(super) node: &'a Node,
    pub(super) role: Option<DatabaseRole>,
    pub(super) system: Option<SystemId>,
    pub(super) disks: Vec<(PartRole, &'a AttachedDisk)>,
    pub(super) atomic_group: bool,
}

/// Why no node can be the source now.
pub(super) struct Refusal {
    /// What it waits for: where no node is fit, each with its reason.
    pub(super) why: WaitingFor,
    /// What the site cannot do, and the nearest that it can.
    pub(super) incapable: Option<String>,
}

/// Why one node is not fit.
struct Unfit {
    because: String,
    incapable: Option<String>,
}

/// What an instance's server said; `None` if there is no such instance.
pub(super) fn database_of<'a>(site: &Site<'a>, id: &InstanceId) -> Option<&'a DatabaseState> {
    site.instance(id).map(|instance| &instance.database)
}

/// Instances and disks that the cluster's documents name, and the site lacks.
pub(super) fn missing(cluster: &Cluster, site: &Site<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    for node in &cluster.nodes {
        match site.instance(&node.instance) {
            None => missing.push(format!("instance {} of node {}", node.instance, node.name)),
            Some(instance) => missing.extend(
                node.disks
                    .iter()
                    .filter(|disk| !instance.disks.iter().any(|attached| attached.id == **disk))
                    .map(|disk| format!("disk {disk} of node {}", node.name)),
            ),
        }
    }
    missing
}

/// A node with what was seen of it.
struct Seen<'a> {
    node: &'a Node,
    instance: &'a Instance,
    status: Option<&'a DatabaseStatus>,
}

/// Chooses the source: by role, then fitness, then whether its disks may be snapshotted now, then the node's name, so that the
/// same world gives the same choice.
pub(super) fn choose<'a>(subject: &Subject<'a>, site: &Site<'a>, existing: &Disks<'_>) -> Result<Chosen<'a>, Refusal> {
    let mut reasons = Vec::new();
    let mut seen: Vec<Seen<'a>> = Vec::new();
    for node in subject.cluster.postgres_nodes() {
        match site.instance(&node.instance) {
            None => reasons.push(format!("{}: instance {} does not exist", node.name, node.instance)),
            Some(instance) => match &instance.database {
                DatabaseState::Known(status) => seen.push(Seen { node, instance, status: Some(status) }),
                DatabaseState::NotObservable => seen.push(Seen { node, instance, status: None }),
                DatabaseState::Unreachable { because } => reasons.push(format!("{}: {because}", node.name)),
            },
        }
    }
    seen.sort_by_key(|seen| &seen.node.name);
    let primaries: Vec<&Seen<'_>> =
        seen.iter().filter(|s| s.status.is_some_and(|status| status.role == DatabaseRole::Primary)).collect();
    if let [one, other, ..] = primaries.as_slice() {
        let both = format!("{} and {} both say that they are the primary", one.node.name, other.node.name);
        return Err(Refusal { why: WaitingFor::Source { because: both }, incapable: None });
    }
    let (mut incapable, mut busy) = (None, None);
    let mut candidates: Vec<&Seen<'a>> =
        seen.iter().filter(|s| is_wanted(subject.policy.source, s, seen.len())).collect();
    candidates.sort_by_key(|s| rank(subject.policy.source, s));
    for candidate in candidates {
        match fit(subject, candidate, site.inventory) {
            Ok(chosen) => match existing.busy(chosen.disks.iter().map(|(_, disk)| &disk.id)) {
                None => return Ok(chosen),
                Some(why) => busy = busy.or(Some(why)),
            },
            Err(unfit) => {
                reasons.push(format!("{}: {}", candidate.node.name, unfit.because));
                incapable = incapable.or(unfit.incapable);
            }
        }
    }
    if let Some(why) = busy {
        return Err(Refusal { why, incapable: None });
    }
    if reasons.is_empty() {
        reasons.push(match subject.policy.source {
            SourcePreference::Primary => "no node says that it is the primary".to_owned(),
            SourcePreference::Standby => "no node says that it is a standby".to_owned(),
            SourcePreference::PreferStandby => "no node can tell its role".to_owned(),
        });
    }
    reasons.sort();
    Err(Refusal { why: WaitingFor::Source { because: reasons.join("; ") }, incapable })
}

/// Whether the policy allows this node. One that cannot tell its role is allowed only where it is the only one.
fn is_wanted(preference: SourcePreference, seen: &Seen<'_>, nodes: usize) -> bool {
    match (seen.status.map(|status| status.role), preference) {
        (Some(DatabaseRole::Primary), SourcePreference::Primary | SourcePreference::PreferStandby) => true,
        (Some(DatabaseRole::Primary), SourcePreference::Standby) => false,
        (Some(DatabaseRole::Standby { .. }), SourcePreference::Standby | SourcePreference::PreferStandby) => true,
        (Some(DatabaseRole::Standby { .. }), SourcePreference::Primary) => false,
        (None, SourcePreference::Primary | SourcePreference::PreferStandby) => nodes == 1,
        (None, SourcePreference::Standby) => false,
    }
}

fn rank(preference: SourcePreference, seen: &Seen<'_>) -> u8 {
    let is_standby = matches!(seen.status.map(|status| status.role), Some(DatabaseRole::Standby { .. }));
    match preference {
        SourcePreference::PreferStandby if is_standby => 0,
        SourcePreference::PreferStandby | SourcePreference::Primary | SourcePreference::Standby => 1,
    }
}

/// Whether this node can be the source, with its disks in the order of the cut.
fn fit<'a>(subject: &Subject<'_>, seen: &Seen<'a>, inventory: &SiteInventory) -> Result<Chosen<'a>, Unfit> {
    let no = |because: String| Unfit { because, incapable: None };
    let declared_but_absent =
        seen.node.disks.iter().find(|disk| !seen.instance.disks.iter().any(|attached| attached.id == **disk));
    if let Some(disk) = declared_but_absent {
        return Err(no(format!("disk {disk} is declared, but not attached")));
    }
    if let Some(status) = seen.status {
        check_server(subject, status).map_err(no)?;
    }
    let disks = ordered_disks(seen.instance).map_err(no)?;
    if subject.policy.encryption_required
        && let Some((_, disk)) = disks.iter().find(|(_, disk)| !disk.encrypted)
    {
        return Err(no(format!("disk {} is not encrypted, and the policy requires it", disk.id)));
    }
    check_abilities(subject, seen, inventory, disks.len())?;
    Ok(Chosen {
        node: seen.node,
        role: seen.status.map(|status| status.role),
        system: seen.status.map(|status| status.system),
        atomic_group: inventory.abilities.atomic_group && disks.len() > 1,
        disks,
    })
}

/// What the server itself says against being the source (POSTGRES.md, "Taking a recovery point", 1).
fn check_server(subject: &Subject<'_>, status: &DatabaseStatus) -> Result<(), String> {
    if let (DatabaseRole::Standby { lag }, Some(max)) = (status.role, subject.policy.max_standby_lag) {
        match lag {
            None => return Err("its lag is not known".to_owned()),
            Some(lag) if lag > max => return Err(format!("it lags {lag}, more than maxStandbyLag {max}")),
            Some(_) => {}
        }
    }
    match subject.policy.consistency {
        ConsistencyWanted::Application if !status.full_page_writes => Err("full_page_writes is off".to_owned()),
        ConsistencyWanted::Application if status.backup_running => Err("another backup is running".to_owned()),
        ConsistencyWanted::Application | ConsistencyWanted::Crash => Ok(()),
    }
}

/// The disks that a point needs: tablespaces, then WAL, the data directory last, since its pg_control must be the latest.
fn ordered_disks(instance: &Instance) -> Result<Vec<(PartRole, &AttachedDisk)>, String> {
    if let Some(disk) = instance.disks.iter().find(|disk| disk.role == DiskRole::Unknown) {
        return Err(format!("what lies on disk {} cannot be told", disk.id));
    }
    let mut disks: Vec<(PartRole, &AttachedDisk)> =
        instance.disks.iter().filter_map(|disk| Some((PartRole::of(&disk.role)?, disk))).collect();
    let place = |role: PartRole| match role {
        PartRole::Tblspc | PartRole::Unfinished => 0,
        PartRole::Wal => 1,
        PartRole::Data => 2,
    };
    disks.sort_by(|a, b| (place(a.0), &a.1.id).cmp(&(place(b.0), &b.1.id)));
    match disks.iter().filter(|(role, _)| *role == PartRole::Data).count() {
        1 => Ok(disks),
        0 => Err("none of its disks holds a data directory".to_owned()),
        _ => Err("more than one of its disks holds a data directory".to_owned()),
    }
}

/// Whether the site can honour the policy's consistency for this many disks.
fn check_abilities(
    subject: &Subject<'_>,
    seen: &Seen<'_>,
    inventory: &SiteInventory,
    disks: usize,
) -> Result<(), Unfit> {
    let abilities = &inventory.abilities;
    let refuse = |because: String, nearest: &str| Unfit { incapable: Some(format!("{because}; {nearest}")), because };
    match subject.policy.consistency {
        ConsistencyWanted::Application if seen.status.is_none() => Err(refuse(
            "`consistency: application` needs a server that can be asked, and nothing here can".to_owned(),
            "give the node a `postgres` address",
        )),
        ConsistencyWanted::Application => Ok(()),
        ConsistencyWanted::Crash => {
            let is_atomic =
                if disks == 1 { abilities.atomic_disk || abilities.atomic_group } else { abilities.atomic_group };
            if is_atomic {
                return Ok(());
            }
            let what = format!(
                "`consistency: crash` needs one atomic cut of {disks} disk(s), and {} here has none",
                abilities.method
            );
            Err(refuse(what, "the nearest that this site can honour is `consistency: application`"))
        }
    }
}

/// The parts of a point to be made from the chosen node.
pub(super) fn parts(cluster: &Cluster, class: PointClass, key: PointKey, chosen: &Chosen<'_>) -> Vec<PlannedPart> {
    let of = u16::try_from(chosen.disks.len()).unwrap_or(u16::MAX);
    chosen
        .disks
        .iter()
        .zip(1..=of)
        .map(|((role, disk), index)| PlannedPart {
            name: PartName { role: *role, index, of },
            disk: disk.id.clone(),
            intent: Intent::of(&cluster.uid, class, key, &disk.id),
        })
        .collect()
}
