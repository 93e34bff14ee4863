//! Mended tags: a genuine seal is the proof, never the guess (INVARIANTS.md 5, docs/decisions/0006).

use super::Violation;
use super::points::Tagged;
use super::removals::LEFT_ALONE;
use super::world::Context;
use crate::observed::{Listing, SiteInventory};
use crate::plan::{Action, Repair, Retagged, TagPoint};
use crate::tags::{PointClass, SEALED, Tags};
use crate::time::{parse_stamp, stamp, to_micros};

pub(super) fn check(context: &Context<'_>, violations: &mut Vec<Violation>) {
    for change in context.changes() {
        let Action::Tag(tag) = &change.action else { continue };
        let Some(inventory) = context.facts.inventory(&change.site) else { continue };
        if tag.snapshots.is_empty() {
            violations.push(context.violation(6, format!("{} names no snapshot", tag.point)));
        }
        if tag.repair == Repair::Adopt {
            check_lease(context, violations);
        }
        for retagged in &tag.snapshots {
            let id = &retagged.expected.id;
            let Some(snapshot) = context.facts.retagged(&change.site, id) else {
                violations.push(context.violation(6, format!("snapshot {id} does not exist")));
                continue;
            };
            if snapshot.disk != retagged.expected.disk || snapshot.generation() != retagged.expected.generation {
                violations.push(context.violation(10, format!("snapshot {id} is not as the plan saw it")));
            }
            let seen = Tagged::of(snapshot, inventory, &context.facts.observed.keyring);
            let found = match tag.repair {
                Repair::Restore => restore(context, inventory, tag, retagged, &seen),
                Repair::MirrorHold => mirror_hold(context, tag, retagged, &seen),
                Repair::Adopt => adopt(context, tag, retagged, &seen),
            };
            let found = found.into_iter().map(|(number, what)| context.violation(number, format!("{id}: {what}")));
            violations.extend(found);
        }
    }
}

type Found = Vec<(u8, &'static str)>;

fn push_unless(found: &mut Found, is_right: bool, number: u8, what: &'static str) {
    if !is_right {
        found.push((number, what));
    }
}

/// Whose point the tags speak of.
fn names(context: &Context<'_>, tag: &TagPoint, tags: &Tags) -> bool {
    let is = |key: &str, value: &str| tags.get(key) == Some(value);
    is("backstay-cluster", context.cluster.uid.as_str())
        && is("backstay-point", &tag.point.to_string())
        && is("backstay-class", tag.class.as_str())
}

/// Only sealed tags change, of what has no genuine seal now, and then the seal is genuine.
fn restore(
    context: &Context<'_>,
    inventory: &SiteInventory,
    tag: &TagPoint,
    retagged: &Retagged,
    seen: &Tagged<'_>,
) -> Found {
    let mut found = Vec::new();
    push_unless(&mut found, !seen.is_genuine, 11, "its seal is genuine already");
    push_unless(
        &mut found,
        retagged.set.keys().all(|key| SEALED.contains(&key)),
        5,
        "no seal covers all that would change",
    );
    let mut mended = seen.snapshot.clone();
    mended.tags.extend(retagged.set.clone());
    let mended = Tagged::of(&mended, inventory, &context.facts.observed.keyring);
    push_unless(&mut found, mended.is_genuine, 5, "its seal does not fit the tags that it would have");
    push_unless(&mut found, names(context, tag, &mended.snapshot.tags), 6, "it would be of another point");
    let is_cut = mended.snapshot.tags.get("backstay-cut") == Some(&stamp(tag.cut));
    push_unless(&mut found, is_cut, 10, "it would have another cut");
    found
}

/// Only the tag of a hold is set, of what is ours and held by its record.
fn mirror_hold(context: &Context<'_>, tag: &TagPoint, retagged: &Retagged, seen: &Tagged<'_>) -> Found {
    let mut found = Vec::new();
    push_unless(&mut found, seen.is_genuine, 5, "it has no genuine seal");
    push_unless(&mut found, names(context, tag, &seen.snapshot.tags), 6, "it is of another point");
    push_unless(&mut found, retagged.set.keys().eq(["backstay-hold"]), 11, "more than its hold would change");
    match &context.facts.observed.records {
        Listing::Complete(records) => {
            let is_held = records.holds.contains(&(context.cluster.uid.clone(), tag.point));
            push_unless(&mut found, is_held, 11, "no record holds it");
        }
        Listing::Unknown { .. } => found.push((4, "the state store could not be read")),
    }
    found
}

/// What carries our intent and nothing else becomes a leftover, which makes no point, once nobody can be working on it.
fn adopt(context: &Context<'_>, tag: &TagPoint, retagged: &Retagged, seen: &Tagged<'_>) -> Found {
    let mut found = Vec::new();
    let (snapshot, tags) = (seen.snapshot, &seen.snapshot.tags);
    let slot = stamp(tag.point.slot);
    let is_ours = tags.get("backstay-managed") == Some("1")
        && tags.get("backstay-slot") == Some(&slot)
        && seen.class.and_then(PointClass::parse).is_some()
        && seen.intent.is_some_and(is_an_intent);
    push_unless(&mut found, is_ours && seen.is_intent_only(), 5, "it carries more or less than our intent");
    push_unless(&mut found, names(context, tag, tags), 6, "it is of another point");
    let age = context.facts.as_of.duration_since(snapshot.created);
    push_unless(&mut found, age >= LEFT_ALONE, 7, "it was made less than a day ago");
    push_unless(
        &mut found,
        retagged.set.keys().eq(["backstay-cut", "backstay-part"]),
        7,
        "more than its facts would be set",
    );
    let is_leftover = retagged.set.get("backstay-part") == Some("unfinished-1of1");
    push_unless(&mut found, is_leftover, 7, "it would be sealed as more than a leftover");
    // What is said to be younger than it is lives longer; to be older, never.
    let cut = retagged.set.get("backstay-cut").and_then(parse_stamp);
    let is_true = cut.is_some_and(|cut| cut >= to_micros(snapshot.created) && cut <= context.facts.as_of);
    push_unless(&mut found, is_true, 14, "it would be sealed as older than it is, or as of the future");
    found
}

/// Whether a text has the form of an intent: 40 hexadecimal digits.
fn is_an_intent(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// 19: what another run works on is not left over.
fn check_lease(context: &Context<'_>, violations: &mut Vec<Violation>) {
    match &context.facts.observed.records {
        Listing::Complete(records) if !records.leases.contains_key(&context.cluster.uid) => {}
        Listing::Complete(_) => violations.push(context.violation(19, "another run works on it")),
        Listing::Unknown { .. } => violations.push(context.violation(4, "the state store could not be read")),
    }
}
