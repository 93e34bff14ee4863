//! What holds for every plan over several places, whatever the history.

use super::properties::{GARBAGE, cases, gives_back, history_of_garbage, shuffle, touches};
use crate::support::history::{CLUSTERS, now};
use crate::support::lab::{Lab, site, uid};
use crate::support::show;
use crate::support::wide::{Wide, second, wide};
use backstay_core::canonical;
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::observed::Listing;
use backstay_core::plan::{Action, Cause, Change, Plan, Repair, WaitingFor};
use backstay_core::point::{Catalogue, RecoveryPoint};
use backstay_core::tags::{PointClass, PointKey};
use jiff::SignedDuration;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn verify_accepts_whatever_the_planner_plans(wide in wide()) {
        let lab = wide.lab();
        let plan = lab.plan();
        if let Err(violations) = lab.verify(plan.clone()) {
            prop_assert!(false, "{violations}\n{}", show::work(&plan, &site()));
        }
    }

    #[test]
    fn the_order_of_inputs_never_matters(wide in wide(), seed in any::<u64>()) {
        let lab = wide.lab();
        let mut other = lab.clone();
        shuffle(&mut other, seed);
        prop_assert_eq!(canonical::to_string(&lab.plan()), canonical::to_string(&other.plan()));
    }

    #[test]
    fn only_what_was_made_leaves_something_to_do_and_in_the_end_there_is_nothing(wide in wide()) {
        let mut lab = wide.lab();
        let baseline = lab.baseline.clone();
        let mut plan = lab.plan();
        for _ in 0..60 {
            if plan.changes.is_empty() {
                return Ok(());
            }
            lab.apply(&plan);
            lab.baseline.clone_from(&baseline);
            let next = lab.plan();
            for change in &next.changes {
                prop_assert!(may_follow(&plan, change), "first:\n{}\nthen:\n{}", show::work(&plan, &site()), show::work(&next, &site()));
            }
            plan = next;
        }
        prop_assert!(false, "it never ends:\n{}", show::work(&plan, &site()));
    }

    #[test]
    fn floors_stand_at_each_place_and_over_all(wide in wide()) {
        let lab = wide.lab();
        let plan = lab.plan();
        for name in CLUSTERS {
            check_floors(&lab, &wide, name, &plan)?;
        }
    }

    #[test]
    fn what_is_unknown_at_a_declared_place_stops_every_mark_and_delete(mut wide in wide()) {
        wide.is_unknown = true;
        let lab = wide.lab();
        let removes = |change: &Change| matches!(change.action, Action::Expire(_) | Action::Delete(_));
        let removed = lab.plan().changes.iter().any(removes);
        prop_assert!(!removed || wide.copies.is_none(), "{}", show::work(&lab.plan(), &site()));
    }

    #[test]
    fn what_travels_stays_where_it_came_from(wide in wide()) {
        let lab = wide.lab();
        let plan = lab.plan();
        // Mending the tags of what travels takes nothing away.
        let goes = |change: &&Change| matches!(change.action, Action::Expire(_) | Action::Delete(_));
        let touched: BTreeSet<_> = plan.changes.iter().filter(goes).flat_map(|change| change.action.relies_on().into_iter().map(|snapshot| (&change.site, &snapshot.id))).collect();
        for change in &plan.changes {
            let Action::Copy(copy) = &change.action else { continue };
            prop_assert!(!wide.is_retired || change.cluster != uid(CLUSTERS[0]), "a retired cluster is copied");
            prop_assert!(matches!(copy.class, PointClass::Scheduled | PointClass::OnDemand));
            prop_assert!(copy.cut <= now() + SignedDuration::from_mins(5));
            for part in &copy.parts {
                let is_marked_or_gone = touched.contains(&(&copy.from, &part.source.id));
                prop_assert!(!is_marked_or_gone, "it goes from {} in the same plan:\n{}", copy.from, show::work(&plan, &site()));
            }
        }
    }

    #[test]
    fn a_retirement_is_the_documents_doing_and_makes_nothing(mut wide in wide()) {
        wide.is_retired = true;
        let lab = wide.lab();
        for change in lab.plan().changes.iter().filter(|change| change.cluster == uid(CLUSTERS[0])) {
            prop_assert!(!matches!(change.action, Action::Create(_) | Action::Copy(_)), "{:?}", change);
            let removes = matches!(change.action, Action::Expire(_) | Action::Delete(_));
            prop_assert!(!removes || change.cause != Cause::Due || is_remnant(&lab, change), "{:?}", change);
        }
    }

    #[test]
    fn garbage_at_any_place_makes_nothing_expire(mut wide in wide(), garbage in history_of_garbage()) {
        wide.history.cluster_limit = 100;
        wide.history.fleet_limit = Some(1000);
        let lab = wide.lab();
        wide.there.extend(garbage);
        let with = wide.lab();
        prop_assert!(going(&with).is_subset(&going(&lab)), "without:\n{}\nwith:\n{}", show::work(&lab.plan(), &site()), show::work(&with.plan(), &site()));
    }

    #[test]
    fn a_cluster_that_is_removed_changes_no_other_plan(mut wide in wide()) {
        wide.history.cluster_limit = 100;
        wide.history.fleet_limit = Some(1000);
        let mut lab = wide.lab();
        let before = lab.plan();
        lab.desired.clusters.remove(&uid(CLUSTERS[0]));
        let others: Vec<Change> = before.changes.into_iter().filter(|change| change.cluster != uid(CLUSTERS[0])).collect();
        prop_assert_eq!(others, lab.plan().changes);
    }
}

/// A plan leaves work to the next one only for what it made, and for what waits for that: a copy is made of a point that is
/// ready, a mark waits for copies, a delete for points, and a queue goes on where it stopped.
pub(super) fn may_follow(plan: &Plan, change: &Change) -> bool {
    let own = || plan.changes.iter().filter(|other| other.cluster == change.cluster);
    // What tags made ours is judged by the next plan: only what is sealed can be marked.
    if own().any(gives_back) {
        return true;
    }
    let has_made = own().any(|other| matches!(other.action, Action::Create(_) | Action::Copy(_)));
    let has_queued = plan.waiting.iter().filter(|waiting| waiting.cluster == change.cluster);
    let has_queued = has_queued.into_iter().any(|waiting| matches!(waiting.why, WaitingFor::CopyQueue { .. }));
    let is_of_two_systems = plan.waiting.iter().filter(|waiting| waiting.cluster == change.cluster).any(|waiting| {
        matches!(&waiting.why, WaitingFor::NotSafe { because } if because.contains("different system identifiers"))
    });
    match &change.action {
        Action::Copy(_) => has_made || has_queued,
        Action::Expire(_) | Action::Delete(_) => has_made,
        // A copy has the tags of its own making: a hold is mirrored once it is there.
        Action::Tag(tag) => tag.repair == Repair::MirrorHold && has_made,
        // Where nodes differ in their systems, what a queue brings may make another one current (`shrunk`).
        Action::Revive(_) => has_queued && is_of_two_systems,
        Action::Create(_) | Action::Lock(_) => false,
    }
}

/// INVARIANTS.md 2 for home and copy sites by themselves, and over all of them. A former site drains.
fn check_floors(lab: &Lab, wide: &Wide, name: &str, plan: &Plan) -> Result<(), TestCaseError> {
    let is_retired = wide.is_retired && name == CLUSTERS[0];
    let Some(current) = current_system(lab, name) else { return Ok(()) };
    let mut left: BTreeSet<(PointKey, PointClass)> = BTreeSet::new();
    let mut had: BTreeMap<(PointKey, PointClass), jiff::Timestamp> = BTreeMap::new();
    let mut went = false;
    for (place, listing) in &lab.observed.sites {
        let Listing::Complete(inventory) = listing else { continue };
        let catalogue = Catalogue::of(inventory, &lab.observed.keyring);
        let points = catalogue.shelf(&uid(name)).points;
        let counted: Vec<&RecoveryPoint<'_>> = points.iter().filter(|point| counts(point)).collect();
        let deleted = |point: &&&RecoveryPoint<'_>| {
            let own = plan.changes.iter().filter(|change| change.cluster == uid(name) && change.site == *place);
            own.into_iter().any(|change| matches!(change.action, Action::Delete(_)) && touches(change, point))
        };
        went |= counted.iter().any(|point| deleted(&point));
        for point in &counted {
            had.insert((point.key, point.class), point.cut);
        }
        let staying: Vec<_> = counted.iter().filter(|point| !deleted(point)).collect();
        left.extend(staying.iter().map(|point| (point.key, point.class)));
        if is_retired || !counted.iter().any(|point| deleted(&point)) {
            continue;
        }
        let own_floor = match (&wide.copies, *place == second()) {
            (Some(wanted), true) => wanted.minimum_redundancy,
            (Some(_) | None, false) => wide.history.policy.minimum_redundancy,
            (None, true) => continue,
        };
        let current = current.or_else(|| counted.first().and_then(|point| point.system));
        let standing = staying.iter().filter(|point| point.system == current).count();
        prop_assert!(standing >= own_floor as usize, "2: {standing} left of {name} at {place}");
        prop_assert!(
            !counted.first().is_some_and(|point| deleted(&point)),
            "2: the newest of {name} goes from {place}"
        );
    }
    if went && !is_retired {
        let newest = had.iter().max_by_key(|(id, cut)| (**cut, **id)).map(|(id, _)| *id);
        prop_assert!(newest.is_none_or(|newest| left.contains(&newest)), "2: the newest of all goes");
        prop_assert!(left.len() >= wide.history.policy.minimum_redundancy as usize, "2: {} left over all", left.len());
    }
    Ok(())
}

/// The one system identifier that the servers tell; the inner `None` where none can tell.
fn current_system(lab: &Lab, name: &str) -> Option<Option<backstay_core::name::SystemId>> {
    use backstay_core::observed::DatabaseState;
    if !matches!(lab.observed.sites.get(&site()), Some(Listing::Complete(_))) {
        return None;
    }
    let mut lab = lab.clone();
    let systems: BTreeSet<_> = (0..2)
        .filter_map(|node| match lab.database(name, node) {
            DatabaseState::Known(status) => Some(status.system),
            DatabaseState::Unreachable { .. } | DatabaseState::NotObservable => None,
        })
        .collect();
    match systems.iter().collect::<Vec<_>>().as_slice() {
        [] => Some(None),
        [one] => Some(Some(**one)),
        _ => None,
    }
}

fn counts(point: &RecoveryPoint<'_>) -> bool {
    point.is_restorable()
        && matches!(point.class, PointClass::Scheduled | PointClass::OnDemand)
        && point.cut.max(point.created) <= now() + SignedDuration::from_mins(5)
}

/// Whether a change is about what a delete that was cut short has left.
fn is_remnant(lab: &Lab, change: &Change) -> bool {
    let Some(Listing::Complete(inventory)) = lab.observed.sites.get(&change.site) else { return false };
    let catalogue = Catalogue::of(inventory, &lab.observed.keyring);
    catalogue.shelf(&change.cluster).points.iter().any(|point| touches(change, point) && !point.is_restorable())
}

fn going(lab: &Lab) -> BTreeSet<(ClusterUid, SiteName, PointKey)> {
    let removes = |change: &&Change| {
        matches!(change.action, Action::Expire(_) | Action::Delete(_)) && change.action.point().attempt != GARBAGE
    };
    let plan = lab.plan();
    let going = plan.changes.iter().filter(removes);
    going.map(|change| (change.cluster.clone(), change.site.clone(), change.action.point())).collect()
}
