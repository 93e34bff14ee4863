//! What holds for every plan, whatever the history.

use crate::support::history::{CLUSTERS, History, history, now};
use crate::support::lab::{Lab, uid};
use crate::support::show;
use backstay_core::canonical;
use backstay_core::name::ClusterUid;
use backstay_core::observed::{DatabaseState, Listing, Readiness};
use backstay_core::plan::{Action, Cause, Change, Plan, Repair};
use backstay_core::point::{Catalogue, PointState, RecoveryPoint};
use backstay_core::tags::{PointClass, PointKey};
use backstay_core::verify::verify;
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn verify_accepts_whatever_the_planner_plans(history in history()) {
        let lab = history.lab();
        let plan = lab.plan();
        if let Err(violations) = lab.verify(plan.clone()) {
            prop_assert!(false, "{violations}\n{}", show::plan(&plan));
        }
    }

    #[test]
    fn the_order_of_inputs_never_matters(history in history(), seed in any::<u64>()) {
        let lab = history.lab();
        let mut other = lab.clone();
        shuffle(&mut other, seed);
        prop_assert_eq!(canonical::to_string(&lab.plan()), canonical::to_string(&other.plan()));
        let refused = |lab: &Lab| verify(lab.plan(), &lab.desired, &lab.observed).err();
        prop_assert_eq!(refused(&lab), refused(&other));
    }

    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_do(history in history()) {
        let mut lab = history.lab();
        let baseline = lab.baseline.clone();
        let plan = lab.plan();
        lab.apply(&plan);
        lab.baseline = baseline;
        let next = lab.plan();
        // A delete never relies on the success of a create of the same run. Where one waited for that, it comes next.
        let made: BTreeSet<_> = plan.changes.iter().filter(|c| c.action.rank() == 0).map(|c| &c.cluster).collect();
        // What tags made ours is judged by the next plan: only what is sealed can be marked.
        let mended: BTreeSet<_> = plan.changes.iter().filter(|change| gives_back(change)).map(|c| &c.cluster).collect();
        let may_follow = |change: &Change| {
            let follows_a_create = matches!(change.action, Action::Delete(_)) && made.contains(&change.cluster);
            follows_a_create || mended.contains(&change.cluster)
        };
        prop_assert!(next.changes.iter().all(may_follow), "first:\n{}\nthen:\n{}", show::plan(&plan), show::plan(&next));
        let baseline = lab.baseline.clone();
        prop_assert!(lab.verify(next.clone()).is_ok());
        lab.apply(&next);
        lab.baseline = baseline;
        let last = lab.plan();
        prop_assert!(last.changes.is_empty(), "then:\n{}\nlast:\n{}", show::plan(&next), show::plan(&last));
    }

    #[test]
    fn floors_stand_and_only_what_is_ours_goes(history in history()) {
        let mut lab = history.lab();
        let plan = lab.plan();
        for name in CLUSTERS {
            check_cluster(&mut lab, &history, name, &plan)?;
        }
    }

    #[test]
    fn a_cluster_that_is_removed_loses_nothing_and_changes_no_other_plan(mut history in history()) {
        history.cluster_limit = 100;
        history.fleet_limit = Some(1000);
        let mut lab = history.lab();
        let before = lab.plan();
        lab.desired.clusters.remove(&uid(CLUSTERS[0]));
        let after = lab.plan();
        let others = |plan: &Plan| plan.changes.iter().filter(|c| c.cluster != uid(CLUSTERS[0])).cloned().collect::<Vec<_>>();
        prop_assert_eq!(others(&before), after.changes);
    }

    #[test]
    fn garbage_makes_nothing_expire(mut history in history(), garbage in history_of_garbage()) {
        history.cluster_limit = 100;
        history.fleet_limit = Some(1000);
        let lab = history.lab();
        history.points.extend(garbage);
        let with = history.lab();
        let going = |lab: &Lab| -> BTreeSet<(ClusterUid, PointKey)> {
            // Garbage itself may go. What serves a slot by its cut may keep others, whose marks are then taken back.
            let goes = |change: &&Change| matches!(change.action, Action::Expire(_) | Action::Delete(_)) && change.action.point().attempt != GARBAGE;
            lab.plan().changes.iter().filter(goes).map(|change| (change.cluster.clone(), change.action.point())).collect()
        };
        prop_assert!(going(&with).is_subset(&going(&lab)));
    }

    #[test]
    fn causes_tell_documents_from_the_clock(history in history()) {
        let mut lab = history.lab();
        lab.baseline = None;
        for change in &lab.plan().changes {
            let expected = if change.action.rank() == 0 { Cause::Due } else { Cause::Config };
            prop_assert_eq!(change.cause, expected);
        }
        // The documents are those of the last apply: only a tombstone can still say that a change of them brought it.
        lab.baseline = Some(lab.desired.clone());
        for change in &lab.plan().changes {
            prop_assert!(change.cause == Cause::Due || matches!(change.action, Action::Delete(_)), "{:?}", change);
        }
        // The cluster is new: all of it is the documents' doing.
        if let Some(baseline) = &mut lab.baseline {
            baseline.clusters.clear();
        }
        prop_assert!(lab.plan().changes.iter().all(|change| change.cause == Cause::Config));
    }

    #[test]
    fn planner_and_reference_judge_every_point_alike(mut history in history()) {
        history.cluster_limit = 100;
        history.fleet_limit = Some(1000);
        let mut lab = history.lab();
        // Without marks every point that goes is marked by the plan, so its marks show all that was judged.
        for snapshot in match lab.observed.sites.values_mut().next() {
            Some(Listing::Complete(inventory)) => inventory.snapshots.as_mut_slice(),
            Some(Listing::Unknown { .. }) | None => return Ok(()),
        } {
            snapshot.tags.remove(backstay_core::tags::EXPIRE);
        }
        let Listing::Complete(records) = &mut lab.observed.records else { return Ok(()) };
        records.tombstones.clear();
        let plan = lab.plan();
        if plan.waiting.iter().any(|waiting| matches!(waiting.why, backstay_core::plan::WaitingFor::NotSafe { .. })) {
            return Ok(());
        }
        let inventory = lab.inventory().clone();
        let catalogue = Catalogue::of(&inventory, &lab.observed.keyring);
        for cluster in lab.desired.clusters.values() {
            for point in catalogue.shelf(&cluster.uid).points.iter().filter(|point| point.is_restorable()) {
                let is_marked = |change: &&Change| change.cluster == cluster.uid && touches(change, point);
                if plan.changes.iter().any(|change| is_marked(&change)) {
                    continue;
                }
                let mut wrong = plan.clone();
                wrong.changes.push(expire(cluster, point));
                let violations = lab.verify(wrong).err();
                // 2 where the servers tell different systems, or none: then nothing may go at all.
                let is_refused = violations.as_ref().is_some_and(|v| v.0.iter().any(|v| matches!(v.invariant, 1 | 2)));
                prop_assert!(is_refused, "the planner keeps {}, and verify would let it go: {violations:?}", point.key);
            }
        }
    }
}

/// As many cases as fit into every run; `PROPTEST_CASES` asks for more.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { few } else { asked.cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

/// The attempt that garbage claims to be.
pub(crate) const GARBAGE: u32 = 7;

/// Whether a change makes ours what was not: a stranger, or a snapshot without a seal.
pub(crate) fn gives_back(change: &Change) -> bool {
    matches!(&change.action, Action::Tag(tag) if tag.repair != Repair::MirrorHold)
}

/// Points that must not count: from the future, forged, of unknown keys, never sealed; each an attempt of its own.
pub(crate) fn history_of_garbage() -> impl Strategy<Value = Vec<crate::support::history::Drawn>> {
    use crate::support::history::{Drawn, Flaw, Hold, Mark};
    let flaw = proptest::sample::select(vec![
        Flaw::CutInFuture,
        Flaw::CreatedInFuture,
        Flaw::Forged,
        Flaw::UnknownKey,
        Flaw::Unsealed,
        Flaw::Failed,
    ]);
    let one = (0..2usize, 0..600i64, flaw).prop_map(|(cluster, hours_ago, flaw)| Drawn {
        cluster,
        hours_ago,
        micros: 0,
        attempt: GARBAGE,
        class: PointClass::Scheduled,
        parts: 1,
        is_upgraded: false,
        flaw,
        mark: Mark::None,
        hold: Hold::None,
        is_locked: false,
    });
    proptest::collection::vec(one, 1..6)
}

fn expire(cluster: &backstay_core::model::Cluster, point: &RecoveryPoint<'_>) -> Change {
    use backstay_core::plan::{ExpectedSnapshot, MarkPoint, Reason};
    let snapshots = point.parts.iter().map(|part| part.snapshot.snapshot());
    let expected = |s: &backstay_core::observed::Snapshot| ExpectedSnapshot {
        id: s.id.clone(),
        disk: s.disk.clone(),
        generation: s.generation(),
    };
    Change {
        cluster: cluster.uid.clone(),
        name: cluster.name.clone(),
        site: cluster.site.clone(),
        policy: cluster.policy.clone(),
        action: Action::Expire(MarkPoint {
            point: point.key,
            cut: point.cut,
            grace: backstay_core::time::Duration::hours(72),
            snapshots: snapshots.map(expected).collect(),
            is_double: false,
        }),
        cause: Cause::Due,
        reason: Reason::KeptAgain,
    }
}

pub(crate) fn touches(change: &Change, point: &RecoveryPoint<'_>) -> bool {
    match &change.action {
        Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => false,
        Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark) => {
            mark.snapshots.iter().any(|expected| point.parts.iter().any(|part| *part.snapshot.id() == expected.id))
        }
    }
}

/// Turns every list round and round; what is a set or a map has no order.
pub(crate) fn shuffle(lab: &mut Lab, seed: u64) {
    fn mix<T>(list: &mut [T], mut seed: u64) {
        for i in (1..list.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            list.swap(i, usize::try_from(seed >> 33).unwrap() % (i + 1));
        }
    }
    if let Listing::Complete(records) = &mut lab.observed.records {
        mix(&mut records.recent_deletes, seed);
    }
    for site in lab.observed.sites.values_mut() {
        let Listing::Complete(inventory) = site else { continue };
        mix(&mut inventory.snapshots, seed);
        mix(&mut inventory.instances, seed);
        for instance in &mut inventory.instances {
            mix(&mut instance.disks, seed);
        }
    }
}

/// INVARIANTS.md 1, 2, 4, 5, 7, 8 and 16, each by its own words, for one cluster.
fn check_cluster(lab: &mut Lab, history: &History, name: &str, plan: &Plan) -> Result<(), TestCaseError> {
    let own: Vec<&Change> = plan.changes.iter().filter(|change| change.cluster == uid(name)).collect();
    if own.is_empty() {
        return Ok(());
    }
    prop_assert!(name != "ghost-db", "16: an undeclared cluster is touched");
    let Some(Listing::Complete(inventory)) = lab.observed.sites.values().next() else {
        return Err(TestCaseError::fail("4: a site that could not be read is touched"));
    };
    let removes = |change: &&&Change| matches!(change.action, Action::Expire(_) | Action::Delete(_));
    if matches!(lab.observed.records, Listing::Unknown { .. }) {
        prop_assert!(!own.iter().any(|change| removes(&change)), "4: something goes, and the records are unknown");
    }
    let catalogue = Catalogue::of(inventory, &lab.observed.keyring);
    let points = catalogue.shelf(&uid(name)).points;
    let is_counted = |point: &RecoveryPoint<'_>| {
        point.is_restorable()
            && matches!(point.class, PointClass::Scheduled | PointClass::OnDemand)
            && point.cut.max(point.created) <= now() + jiff::SignedDuration::from_mins(5)
    };
    let deleted = |point: &&RecoveryPoint<'_>| {
        own.iter().any(|change| matches!(change.action, Action::Delete(_)) && touches(change, point))
    };
    for point in points.iter().filter(deleted) {
        for part in &point.parts {
            let readiness = &part.snapshot.snapshot().readiness;
            prop_assert!(!matches!(readiness, Readiness::Creating | Readiness::CutFixed), "7: it is being made");
        }
        prop_assert!(point.state != PointState::InProgress);
    }
    let systems: BTreeSet<_> = (0..2)
        .filter_map(|node| match lab.clone().database(name, node) {
            DatabaseState::Known(status) => Some(status.system),
            DatabaseState::Unreachable { .. } | DatabaseState::NotObservable => None,
        })
        .collect();
    let counted: Vec<&RecoveryPoint<'_>> = points.iter().filter(|point| is_counted(point)).collect();
    if counted.iter().any(&deleted) {
        let current = match systems.iter().collect::<Vec<_>>().as_slice() {
            [] => counted.first().and_then(|point| point.system),
            [one] => Some(**one),
            _ => return Err(TestCaseError::fail("2: deletes, and the system identifier is not known")),
        };
        let left = counted.iter().filter(|point| point.system == current && !deleted(point)).count();
        prop_assert!(left >= history.policy.minimum_redundancy as usize, "2: {left} left");
        prop_assert!(!counted.first().is_some_and(deleted), "2: the newest goes");
    }
    let known: BTreeSet<_> =
        points.iter().flat_map(|point| &point.parts).map(|part| part.snapshot.id().clone()).collect();
    let creates: Vec<_> = own
        .iter()
        .filter_map(|change| match &change.action {
            Action::Create(create) => Some(create),
            Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => None,
            Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark) => {
                assert!(mark.snapshots.iter().all(|expected| known.contains(&expected.id)), "5: not ours");
                None
            }
        })
        .collect();
    prop_assert!(creates.len() <= 1, "8: two points at once");
    for create in creates {
        let serves = |point: &&&RecoveryPoint<'_>| point.cut >= create.point.slot;
        prop_assert!(counted.iter().filter(serves).count() == 0, "8: the slot is served");
        prop_assert!(points.iter().all(|point| point.key != create.point), "8: the attempt is in use");
    }
    Ok(())
}
