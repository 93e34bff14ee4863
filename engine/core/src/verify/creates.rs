//! Creates: one point per slot, all disks of one instance, in the right order (INVARIANTS.md 8, POSTGRES.md).

use super::reference::Whole;
use super::slots::Slots;
use super::{Context, Violation};
use crate::model::{ConsistencyWanted, NodeRole, SourcePreference};
use crate::observed::{DatabaseRole, DatabaseState, DiskRole};
use crate::plan::{Action, Change, CreatePoint};
use crate::tags::{Intent, PartRole};
use crate::time::Duration;
use jiff::SignedDuration;
use std::collections::BTreeSet;

pub(super) fn check(context: &Context<'_>, changes: &[&Change], violations: &mut Vec<Violation>) {
    let creates: Vec<&CreatePoint> = changes
        .iter()
        .filter_map(|change| match &change.action {
            Action::Create(create) => Some(create),
            Action::Copy(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Revive(_)
            | Action::Delete(_) => None,
        })
        .collect();
    if creates.len() > 1 {
        violations.push(context.violation(8, "more than one point would be made"));
    }
    for create in creates {
        check_slot(context, create, violations);
        check_parts(context, create, violations);
        check_source(context, create, violations);
    }
}

/// The slot is due, and nothing serves it yet.
fn check_slot(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let slot = create.point.slot;
    let as_of = context.facts.as_of;
    if slot > as_of {
        violations.push(context.violation(15, format!("slot {slot} is in the future")));
    }
    if Slots::of(&context.policy.schedule, as_of, Duration::ZERO).latest(&context.cluster.uid) != Some(slot) {
        violations.push(context.violation(15, format!("slot {slot} is not the latest one of the schedule")));
    }
    // What is dated in the future, by whatever clock, serves nothing.
    let latest = as_of.max(context.site.clock.now);
    let serves = |point: &&Whole| {
        let is_past = point.cut.duration_since(latest) <= SignedDuration::from_mins(5);
        (point.class == "scheduled" || point.class == "on-demand") && point.cut >= slot && is_past
    };
    if context.whole.iter().any(|point| serves(&point)) {
        violations.push(context.violation(8, format!("slot {slot} has a restorable point")));
    }
    if context.being_made.iter().any(|point| serves(&point)) {
        violations.push(context.violation(8, format!("slot {slot} has a point that is being made")));
    }
    let own = create.point.to_string();
    if context.snapshots.iter().any(|snapshot| snapshot.tags.get("backstay-point") == Some(&own)) {
        violations.push(context.violation(8, format!("attempt {own} was made before")));
    }
}

/// All disks that matter, each once, numbered in the order of the cut, the data directory last.
fn check_parts(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let total = create.parts.len();
    for (index, part) in create.parts.iter().enumerate() {
        if usize::from(part.name.index) != index + 1 || usize::from(part.name.of) != total {
            violations.push(context.violation(8, format!("part {} is not in its place", part.name)));
        }
        if part.intent != Intent::of(&context.cluster.uid, create.class, create.point, &part.disk) {
            violations.push(context.violation(9, format!("the intent of {} is not that of its disk", part.name)));
        }
    }
    let roles: Vec<PartRole> = create.parts.iter().map(|part| part.name.role).collect();
    if roles.iter().filter(|role| **role == PartRole::Data).count() != 1 || roles.last() != Some(&PartRole::Data) {
        violations.push(context.violation(8, "the data directory is not cut exactly once, and last"));
    }
    let wal = roles.iter().position(|role| *role == PartRole::Wal);
    let tablespace = roles.iter().rposition(|role| *role == PartRole::Tblspc);
    if wal.zip(tablespace).is_some_and(|(wal, tablespace)| wal < tablespace) {
        violations.push(context.violation(8, "the WAL is cut before a tablespace"));
    }
    let Some(instance) = context.instances.get(&create.instance) else {
        violations.push(context.violation(6, format!("instance {} does not exist", create.instance)));
        return;
    };
    let mut needed: BTreeSet<(&str, String)> = BTreeSet::new();
    for disk in &instance.disks {
        match disk.role {
            DiskRole::Data => needed.insert(("data", disk.id.to_string())),
            DiskRole::Wal => needed.insert(("wal", disk.id.to_string())),
            DiskRole::Tablespace => needed.insert(("tblspc", disk.id.to_string())),
            DiskRole::Other => continue,
            DiskRole::Unknown => {
                violations.push(context.violation(8, format!("what lies on disk {} is not known", disk.id)));
                continue;
            }
        };
        if context.policy.encryption_required && !disk.encrypted {
            violations.push(context.violation(8, format!("disk {} is not encrypted", disk.id)));
        }
    }
    let word = |role: PartRole| match role {
        PartRole::Data => "data",
        PartRole::Wal => "wal",
        PartRole::Tblspc => "tblspc",
        PartRole::Unfinished => "unfinished",
    };
    let planned: BTreeSet<(&str, String)> =
        create.parts.iter().map(|part| (word(part.name.role), part.disk.to_string())).collect();
    if planned != needed || planned.len() != total {
        violations.push(context.violation(8, "the parts are not the disks of the instance"));
    }
    let abilities = &context.site.abilities;
    let is_one_cut = if total == 1 { abilities.atomic_disk || abilities.atomic_group } else { create.atomic_group };
    let says_group = create.atomic_group && !abilities.atomic_group;
    if says_group || (create.consistency == ConsistencyWanted::Crash && !is_one_cut) {
        violations.push(context.violation(8, "the site cannot cut these disks at one instant"));
    }
    if create.consistency != context.policy.consistency {
        violations.push(context.violation(8, "the policy asks for another consistency"));
    }
}

/// The source is one of the cluster's servers, in a role that the policy allows, and fit.
fn check_source(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let node = context.cluster.nodes.iter().find(|node| node.instance == create.instance);
    let attached = context.instances.get(&create.instance).map_or(&[][..], |instance| instance.disks.as_slice());
    for declared in node.into_iter().flat_map(|node| &node.disks) {
        if !attached.iter().any(|disk| disk.id == *declared) {
            violations.push(context.violation(8, format!("disk {declared} is declared, and not attached")));
        }
    }
    let mut primaries = 0;
    for node in context.cluster.nodes.iter().filter(|node| node.role == NodeRole::Postgres) {
        let database = context.instances.get(&node.instance).map(|instance| &instance.database);
        if let Some(DatabaseState::Known(status)) = database
            && status.role == DatabaseRole::Primary
        {
            primaries += 1;
        }
    }
    if primaries > 1 {
        violations.push(context.violation(8, "two servers say that they are the primary"));
    }
    if !node.is_some_and(|node| node.role == NodeRole::Postgres && node.name == create.node) {
        violations.push(context.violation(6, format!("instance {} is not a server of this cluster", create.instance)));
    }
    let database = context.instances.get(&create.instance).map(|instance| &instance.database);
    let status = match database {
        Some(DatabaseState::Known(status)) => status,
        Some(DatabaseState::NotObservable) if create.consistency == ConsistencyWanted::Crash => return,
        Some(DatabaseState::NotObservable | DatabaseState::Unreachable { .. }) | None => {
            violations.push(context.violation(8, "the source's server did not answer"));
            return;
        }
    };
    if create.system != Some(status.system) {
        violations.push(context.violation(10, "the source has another system identifier"));
    }
    if create.role.is_none_or(|role| (role == DatabaseRole::Primary) != (status.role == DatabaseRole::Primary)) {
        violations.push(context.violation(10, "the source has another role"));
    }
    let wanted = context.policy.source;
    match status.role {
        DatabaseRole::Primary if wanted == SourcePreference::Standby => {
            violations.push(context.violation(8, "the policy asks for a standby as the source"));
        }
        DatabaseRole::Standby { .. } if wanted == SourcePreference::Primary => {
            violations.push(context.violation(8, "the policy asks for the primary as the source"));
        }
        DatabaseRole::Standby { lag } => {
            if context.policy.max_standby_lag.is_some_and(|max| lag.is_none_or(|lag| lag > max)) {
                violations.push(context.violation(8, "the standby lags more than the policy allows"));
            }
        }
        DatabaseRole::Primary => {}
    }
    if create.consistency == ConsistencyWanted::Application && (status.backup_running || !status.full_page_writes) {
        violations.push(context.violation(8, "the source's server cannot be backed up now"));
    }
}
