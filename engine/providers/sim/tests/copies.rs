//! Copies between two simulated sites, and locks.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::model::{LockMode, SimCall, SimFailure, SimFault};
use backstay_core::name::SiteName;
use backstay_core::observed::Readiness;
use backstay_core::tags::{INTENT, Intent, MANAGED, PART, Tags};
use backstay_provider::{Capabilities, CopySnapshot, Created, ErrorClass};
use support::{Fleet, at, create, now, refused};

fn two_sites(fleet: &mut Fleet) -> (Capabilities, Capabilities) {
    let opener = fleet.opener();
    let home = fleet.open_by(&opener);
    fleet.name = SiteName::new("aws-eu20").unwrap();
    (home, fleet.open_by(&opener))
}

#[test]
fn a_copy_waits_for_its_source_and_is_adopted_when_repeated() {
    let mut fleet = Fleet::new();
    let (home, away) = two_sites(&mut fleet);
    let source = create(&home, "vol-data", 1);
    let intent = Intent("copy-1".to_owned());
    let tags = Tags::from_iter([(MANAGED, "1"), (INTENT, "copy-1")]);
    let from = SiteName::new("aws-eu10").unwrap();
    let order = CopySnapshot { from, source, intent, tags: tags.clone(), kms_key: None };
    assert_eq!(refused(now(away.store.copy(&order))).0, ErrorClass::Busy);
    home.clock.as_ref().unwrap().advance_to(at(100_000)).unwrap();
    let Created::Created(copy) = now(away.store.copy(&order)).unwrap() else { panic!("it was adopted") };
    assert_eq!((copy.disk.as_str(), &copy.tags, &copy.readiness), ("vol-ffffffff", &tags, &Readiness::CutFixed));
    let Created::Adopted(again) = now(away.store.copy(&order)).unwrap() else { panic!("it was made twice") };
    assert_eq!(again.id, copy.id);
}

#[test]
fn a_lock_is_only_extended_and_forbids_the_delete() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    let id = create(&site, "vol-data", 1).id;
    let locker = site.locker.as_ref().unwrap();
    for (asked, told) in [(9000, 9000), (5000, 9000), (9000, 9000), (9500, 9500)] {
        assert_eq!(now(locker.lock(&id, LockMode::Compliance, at(asked))).unwrap(), at(told));
    }
    // Another process sees it in the journal.
    let seen = support::describe(&fleet.open().capabilities(), &id).unwrap();
    assert_eq!(seen.locked_until, Some(at(9500)));
    assert_eq!(refused(now(site.sweeper.delete(&id, &seen.disk, &seen.generation()))).0, ErrorClass::Locked);
    site.clock.as_ref().unwrap().advance_to(at(9500)).unwrap();
    let seen = support::describe(&site, &id).unwrap();
    now(site.sweeper.delete(&id, &seen.disk, &seen.generation())).unwrap();
    assert!(support::describe(&site, &id).is_none());
}

/// Found by whole lives: a retry adopted the other one, both were sealed as one part, and the copy was spoilt.
#[test]
fn of_a_copy_that_was_delivered_twice_the_sealed_one_is_adopted() {
    for number in 1..=8 {
        let mut fleet = Fleet::new();
        let source = create(&fleet.open().capabilities(), "vol-data", 1);
        fleet.open().capabilities().clock.unwrap().advance_to(at(100_000)).unwrap();
        let opener = fleet.opener();
        let _home = fleet.open_by(&opener);
        fleet.name = SiteName::new("aws-eu20").unwrap();
        fleet.declared.seed = number;
        fleet.declared.faults = vec![SimFault::of(SimCall::Create, SimFailure::Repeated)];
        let away = fleet.open_by(&opener);
        let intent = Intent("copy-1".to_owned());
        let tags = Tags::from_iter([(MANAGED, "1"), (INTENT, "copy-1")]);
        let from = SiteName::new("aws-eu10").unwrap();
        let order = CopySnapshot { from, source, intent: intent.clone(), tags, kms_key: None };
        let Created::Created(copy) = now(away.store.copy(&order)).unwrap() else { panic!("it was adopted") };
        assert_eq!(now(away.inventory.by_intent(&intent)).unwrap().len(), 2);
        now(away.store.tag(&copy.id, &support::tag(PART, "data-1of1"))).unwrap();
        let Created::Adopted(again) = now(away.store.copy(&order)).unwrap() else { panic!("it was made again") };
        assert_eq!(again.id, copy.id);
    }
}
