//! Creates: one point per slot, all disks of one instance, in the right order (INVARIANTS.md 8, POSTGRES.md).

use super::Violation;
use super::points::Whole;
use super::reference;
use super::world::{Context, Place, Role, Span};
use crate::model::{ConsistencyWanted, Provider};
use crate::name::SiteName;
use crate::observed::DiskRole;
use crate::plan::{Action, CreatePoint};
use crate::tags::{Intent, PartRole, PointClass};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

mod source;

pub(super) fn check(context: &Context<'_>, violations: &mut Vec<Violation>) {
    let creates: Vec<&CreatePoint> = context
        .changes()
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
    let Some(home) = context.home() else { return };
    for create in creates {
        if context.cluster.is_retired {
            violations.push(context.violation(16, "it is retired: nothing new is made"));
        }
        check_slot(context, home, create, violations);
        check_parts(context, home, create, violations);
        check_location(context, create, violations);
        source::check(context, create, violations);
    }
}

/// The slot is the one for which a point of its kind may be made, and the name is free.
fn check_slot(context: &Context<'_>, home: &Place<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let slot = create.point.slot;
    let as_of = context.facts.as_of;
    if slot > as_of {
        violations.push(context.violation(15, format!("slot {slot} is in the future")));
    }
    match create.class {
        PointClass::Scheduled => check_due(context, home, slot, violations),
        // What a person asks for is due when it is asked for, whatever there is.
        PointClass::OnDemand => {
            if as_of.as_second() != slot.as_second() {
                violations.push(context.violation(15, format!("nobody can have asked for slot {slot} now")));
            }
        }
        PointClass::Safety | PointClass::Drill => {
            violations.push(context.violation(21, "only a restore makes such a point"));
        }
    }
    check_name(context, create, violations);
}

/// A schedule's slot is its latest one, and nothing serves it yet.
fn check_due(context: &Context<'_>, home: &Place<'_>, slot: Timestamp, violations: &mut Vec<Violation>) {
    if context.facts.slots(context.policy, Span::Latest).latest(&context.cluster.uid) != Some(slot) {
        violations.push(context.violation(15, format!("slot {slot} is not the latest one of the schedule")));
    }
    // What is dated in the future, by whatever clock, serves nothing.
    let latest = context.facts.as_of.max(home.inventory.clock.now);
    let serves = |point: &Whole<'_>| {
        let is_past = point.cut.duration_since(latest) <= SignedDuration::from_mins(5);
        reference::is_of_retention(point.class) && point.cut >= slot && is_past
    };
    // Where the cluster lives, and where it lived before. What lies only at a copy site may be made at home once more.
    let places = || context.places.iter().filter(|place| !matches!(place.role, Role::Copy(_)));
    if places().flat_map(Place::whole).any(serves) {
        violations.push(context.violation(8, format!("slot {slot} has a restorable point")));
    }
    if places().flat_map(Place::being_made).any(serves) {
        violations.push(context.violation(8, format!("slot {slot} has a point that is being made")));
    }
}

/// At any place: an old attempt's copy and a new attempt's snapshots must not have one name.
fn check_name(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let own = create.point.to_string();
    let is_used = |place: &Place<'_>| {
        let kept_files = &place.inventory.kept_files;
        let has_files = !kept_files.is_empty() && kept_files.contains(&(context.cluster.uid.clone(), create.point));
        let is_named = place.attempts.iter().any(|attempt| attempt.key == create.point);
        has_files || is_named || place.strangers.iter().any(|one| one.tags.get("backstay-point") == Some(&own))
    };
    if context.places.iter().any(is_used) {
        violations.push(context.violation(8, format!("attempt {own} was made before")));
    }
}

/// The provider is told a place only where it places the one object when it is made: at one of the policy's copy sites.
fn check_location(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let copies = context.policy.copies.iter().filter(|_| context.is_placed_at_creation());
    let wanted: Vec<&str> = copies.map(|copy| location_of(context, &copy.site)).collect();
    let is_right = match &create.location {
        Some(location) => wanted.contains(&location.as_str()),
        None => wanted.is_empty(),
    };
    if !is_right {
        violations.push(context.violation(8, "the policy wants the point at another location"));
    }
}

/// What a provider calls the place of a site: a cloud's region, or the site itself.
fn location_of<'a>(context: &Context<'a>, site: &'a SiteName) -> &'a str {
    match context.facts.desired.sites.get(site).map(|site| &site.provider) {
        Some(Provider::Cloud { region, .. }) => region,
        Some(Provider::Sim(_) | Provider::Local(_)) | None => site.as_str(),
    }
}

/// All disks that matter, each once, numbered in the order of the cut, the data directory last.
fn check_parts(context: &Context<'_>, home: &Place<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
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
    let Some(instance) = context.facts.instance(home.site, &create.instance) else {
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
    let abilities = &home.inventory.abilities;
    let is_one_cut = if total == 1 { abilities.atomic_disk || abilities.atomic_group } else { create.atomic_group };
    let says_group = create.atomic_group && !abilities.atomic_group;
    if says_group || (create.consistency == ConsistencyWanted::Crash && !is_one_cut) {
        violations.push(context.violation(8, "the site cannot cut these disks at one instant"));
    }
    if create.consistency != context.policy.consistency {
        violations.push(context.violation(8, "the policy asks for another consistency"));
    }
}
