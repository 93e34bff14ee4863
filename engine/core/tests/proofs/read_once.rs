//! What is read of snapshots once, and who does the work, changes no decision.

use crate::support::history::{CLUSTERS, History, history};
use crate::support::lab::{Lab, Point, time, uid};
use backstay_core::canonical;
use backstay_core::name::AccountId;
use backstay_core::observed::{Listing, Observed, Readiness, Snapshot};
use backstay_core::plan::{Action, Plan};
use backstay_core::planner::{plan, plan_with};
use backstay_core::point::{Catalogue, Consistency, RecoveryPoint};
use backstay_core::seal::{Keyring, NotOurs, OwnedSnapshot, Place};
use backstay_core::tags::{self, PointClass, PointKey, parse_wal_tag};
use backstay_core::time::parse_stamp;
use backstay_core::verify::{verify, verify_with};
use backstay_core::workers::Workers;
use proptest::prelude::*;

/// The last piece of work first.
struct Backwards;

impl Workers for Backwards {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).rev().for_each(work);
    }
}

/// An observation of which nothing was read yet.
fn anew(observed: &Observed) -> Observed {
    serde_json::from_str(&canonical::to_string(observed)).unwrap()
}

fn plan_of(lab: &Lab, observed: &Observed) -> Plan {
    plan(&lab.desired, observed, lab.baseline.as_ref(), lab.observed.at)
}

/// Something that changes what was observed, or by what it is judged.
fn change(lab: &mut Lab, how: u8, which: usize) {
    let Some(Listing::Complete(inventory)) = lab.observed.sites.values_mut().next() else { return };
    let snapshots = &mut *inventory.snapshots;
    let place = which % snapshots.len().max(1);
    match (how, snapshots.get_mut(place)) {
        (0, Some(snapshot)) => drop(snapshot.tags.remove(tags::PART)),
        (1, Some(snapshot)) => snapshot.tags.insert(tags::HOLD, "1"),
        (2, Some(snapshot)) => snapshot.readiness = Readiness::Failed { because: "broken".to_owned() },
        (3, Some(snapshot)) => snapshot.created = time("2026-11-20"),
        (4, Some(_)) => drop(snapshots.remove(place)),
        (5, _) => lab.observed.keyring = Keyring::default(),
        (6, _) => inventory.account = AccountId::new("999999999999").unwrap(),
        _ => snapshots.reverse(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_was_read_is_forgotten_when_it_changes(history in history(), how in 0_u8..8, which in any::<usize>()) {
        let mut lab = history.lab();
        let first = plan_of(&lab, &lab.observed);
        prop_assert_eq!(&first, &plan_of(&lab, &lab.observed), "of what was read already");
        prop_assert_eq!(&first, &plan_of(&lab, &anew(&lab.observed)));
        change(&mut lab, how, which);
        let changed = plan_of(&lab, &lab.observed);
        prop_assert_eq!(&changed, &plan_of(&lab, &anew(&lab.observed)));
        let refused = |observed: &Observed, plan: &Plan| verify(plan.clone(), &lab.desired, observed).err();
        for plan in [&first, &changed] {
            prop_assert_eq!(refused(&lab.observed, plan), refused(&anew(&lab.observed), plan));
        }
    }

    #[test]
    fn what_is_read_is_what_each_snapshot_says(history in history()) {
        check_shelves(&history)?;
    }
}

/// Each snapshot is on its cluster's shelf once, and there it is what its own tags say, read by themselves.
fn check_shelves(history: &History) -> Result<(), TestCaseError> {
    let lab = history.lab();
    for inventory in lab.observed.sites.values().filter_map(Listing::complete) {
        let catalogue = Catalogue::of(inventory, &lab.observed.keyring);
        let place = Place { provider: inventory.provider, account: &inventory.account };
        for name in CLUSTERS {
            let shelf = catalogue.shelf(&uid(name));
            let mut all: Vec<_> = shelf.snapshots().map(|snapshot| &snapshot.id).collect();
            all.sort();
            let is_own = |snapshot: &&Snapshot| snapshot.tags.get(tags::CLUSTER) == Some(uid(name).as_str());
            let mut own: Vec<_> = inventory.snapshots.iter().filter(is_own).map(|snapshot| &snapshot.id).collect();
            own.sort();
            prop_assert_eq!(all, own);
            for point in &shelf.points {
                check_point(point)?;
                for part in &point.parts {
                    let snapshot = part.snapshot.snapshot();
                    prop_assert!(OwnedSnapshot::check(&place, snapshot, &lab.observed.keyring).is_ok());
                    prop_assert_eq!(snapshot.tags.get(tags::PART).map(str::to_owned), Some(part.name.to_string()));
                }
                for unsealed in &point.unsealed {
                    let why = OwnedSnapshot::check(&place, unsealed, &lab.observed.keyring).err();
                    prop_assert_eq!(why, Some(NotOurs::Unsealed));
                }
            }
        }
    }
    Ok(())
}

fn check_point(point: &RecoveryPoint<'_>) -> Result<(), TestCaseError> {
    for snapshot in point.snapshots() {
        let tag = |key: &str| snapshot.tags.get(key);
        prop_assert_eq!(tag(tags::POINT).and_then(|text| text.parse::<PointKey>().ok()), Some(point.key));
        prop_assert_eq!(tag(tags::CLASS).and_then(PointClass::parse), Some(point.class));
    }
    let snapshots = || point.snapshots();
    let has = |key: &str| snapshots().any(|snapshot| snapshot.tags.contains_key(key));
    prop_assert_eq!(point.is_tagged_held, has(tags::HOLD));
    prop_assert_eq!(Some(point.created), snapshots().map(|snapshot| snapshot.created).max());
    if point.is_restorable() {
        prop_assert!(snapshots().all(|snapshot| snapshot.readiness == Readiness::Ready));
        for snapshot in snapshots() {
            let tag = |key: &str| snapshot.tags.get(key);
            prop_assert_eq!(tag(tags::CUT).and_then(parse_stamp), Some(point.cut));
            prop_assert_eq!(tag(tags::SYSTEM).map(|text| text.parse().unwrap()), point.system);
            let wal = match point.consistency {
                Consistency::Application(wal) => Some(wal),
                Consistency::Crash => None,
            };
            prop_assert_eq!(tag(tags::WAL).and_then(parse_wal_tag), wal);
        }
    }
    Ok(())
}

#[test]
fn many_hands_plan_the_same_and_refuse_the_same_in_one_order() {
    let names: Vec<String> = (0..200).map(|number| format!("db-{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 2 } }";
    let mut lab = Lab::of(policy, &names).at(time("2026-11-24T01:00Z"));
    for name in &names {
        for day in 20..24 {
            lab.put(&Point { cluster: (*name).to_owned(), ..Point::at(time(&format!("2026-11-{day}"))) });
        }
    }
    let baseline = lab.baseline.as_ref();
    let alone = lab.plan();
    let by_many = plan_with(&Backwards, &lab.desired, &lab.observed, baseline, alone.basis.as_of);
    assert_eq!(canonical::to_string(&alone), canonical::to_string(&by_many));
    assert!(verify_with(&Backwards, alone.clone(), &lab.desired, &lab.observed).is_ok());
    // Every mark becomes a delete of what has no tombstone.
    let mut wrong = alone;
    for change in &mut wrong.changes {
        if let Action::Expire(mark) = &change.action {
            change.action = Action::Delete(mark.clone());
        }
    }
    let refused = verify(wrong.clone(), &lab.desired, &lab.observed).unwrap_err();
    assert!(refused.0.len() > names.len() && refused.0.is_sorted());
    assert_eq!(verify_with(&Backwards, wrong, &lab.desired, &lab.observed).unwrap_err(), refused);
}
