//! What the adapter makes of each cloud's ways.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::name::{DiskId, InstanceId, SiteName};
use backstay_core::observed::Readiness;
use backstay_core::tags::{INTENT, Intent, Tags};
use backstay_provider::{CreateDisk, Created, Description, ErrorClass, ProviderError};
use backstay_provider_sim::Meddle;
use backstay_sim::Call;
use jiff::SignedDuration;
use support::*;

const PROFILES: [&str; 4] = ["aws", "azure", "gcp", "alibaba"];

fn of(profile: &str, faults: Vec<SimFault>) -> Fleet {
    let mut fleet = Fleet::with_faults(faults);
    fleet.declared.profile = profile.to_owned();
    fleet
}

fn class<T>(answer: Result<T, ProviderError>) -> Option<ErrorClass> {
    answer.err().map(|error| error.class)
}

/// Bug 28 of INVARIANTS.md: an empty listing from missing permission reads as "all gone".
#[test]
fn an_empty_listing_from_missing_permission_is_an_error_and_never_all_gone() {
    for profile in PROFILES {
        for call in [SimCall::Any, SimCall::ListSnapshots, SimCall::ListInstances, SimCall::Describe] {
            let mut fleet = of(profile, vec![]);
            let made = create(&fleet.open().capabilities(), "vol-data", 1);
            fleet.declared.faults = vec![SimFault::of(call, SimFailure::Denied)];
            let inventory = fleet.open().capabilities().inventory;
            let is_hit = |name| call == SimCall::Any || call == name;
            let denied = |name| is_hit(name).then_some(ErrorClass::Denied);
            let found = [
                class(now(inventory.snapshots(None))),
                class(now(inventory.unmanaged(None))),
                class(now(inventory.instances(None))),
                class(now(inventory.describe(&made.id))),
                class(now(inventory.by_intent(&order("vol-data", 1).intent))),
            ];
            let expected = [
                denied(SimCall::ListSnapshots),
                denied(SimCall::ListSnapshots),
                denied(SimCall::ListInstances),
                denied(SimCall::Describe),
                denied(SimCall::Describe),
            ];
            assert_eq!(found, expected, "{profile}: {call:?}");
        }
    }
}

#[test]
fn a_permission_that_comes_and_goes_never_makes_a_listing_shorter() {
    let mut fleet = of("alibaba", vec![]);
    let made =
        [create(&fleet.open().capabilities(), "vol-data", 1), create(&fleet.open().capabilities(), "vol-wal", 1)];
    let fault = SimFault { percent: Some(50), ..SimFault::of(SimCall::Any, SimFailure::Denied) };
    fleet.declared.faults = vec![fault];
    // Each reading of this clock may fall into another minute.
    fleet.declared.virtual_clock = false;
    fleet.declared.page_size = Some(1);
    let inventory = fleet.open().capabilities().inventory;
    let (mut whole, mut refused) = (0, 0);
    for _ in 0..60 {
        let mut listed = Vec::new();
        let mut token = None;
        let answer = loop {
            match now(inventory.snapshots(token)) {
                Ok(page) => {
                    listed.extend(page.items);
                    token = page.next;
                    if token.is_none() {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error.class),
            }
        };
        match answer {
            Ok(()) => {
                assert_eq!(listed.len(), made.len());
                whole += 1;
            }
            Err(class) => {
                assert_eq!(class, ErrorClass::Denied);
                refused += 1;
            }
        }
    }
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
}

#[test]
fn a_listing_is_never_asked_by_a_tag_where_that_stops_without_a_word() {
    let by_tag = PROFILES.map(|profile| {
        let site = of(profile, vec![]).open();
        list(&site.capabilities());
        site.calls().iter().any(|record| matches!(record.call, Call::ListSnapshots { only_ours: true, .. }))
    });
    assert_eq!(by_tag, [true, false, true, false]);
}

#[test]
fn strangers_on_a_page_are_left_out_and_the_pages_go_on() {
    for profile in PROFILES {
        let fleet = of(profile, vec![]);
        for _ in 0..5 {
            let foreign = Meddle::CreateForeign { disk: DiskId::new("vol-data").unwrap(), tags: Tags::new() };
            fleet.open().meddle(foreign).unwrap();
        }
        let site = fleet.open().capabilities();
        site.clock.as_ref().unwrap().advance_to(at(100_000)).unwrap();
        let made = create(&site, "vol-wal", 1);
        assert_eq!(list(&site).iter().map(|s| &s.id).collect::<Vec<_>>(), [&made.id], "{profile}");
    }
}

#[test]
fn a_create_whose_answer_was_lost_is_adopted_in_every_cloud() {
    for profile in PROFILES {
        let fleet = of(profile, vec![SimFault::of(SimCall::Create, SimFailure::LostResponse)]);
        let site = fleet.open().capabilities();
        assert_eq!(class(now(site.store.create(&order("vol-data", 1)))), Some(ErrorClass::OutcomeUnknown));
        let Created::Adopted(adopted) = now(site.store.create(&order("vol-data", 1))).unwrap() else { panic!() };
        assert_eq!(list(&fleet.open().capabilities()), [adopted], "{profile}");
    }
}

#[test]
fn a_retry_that_a_stale_look_misleads_makes_a_second_one_on_aws_only() {
    let made = PROFILES.map(|profile| {
        let mut fleet = of(profile, vec![]);
        create(&fleet.open().capabilities(), "vol-data", 1);
        fleet.open().capabilities().clock.unwrap().advance_to(at(20)).unwrap();
        fleet.declared.faults = vec![SimFault::of(SimCall::Describe, SimFailure::Stale)];
        let site = fleet.open().capabilities();
        let answer = now(site.store.create(&order("vol-data", 1)));
        if profile == "gcp" {
            assert_eq!(class(answer), Some(ErrorClass::AlreadyExists));
        } else {
            answer.unwrap();
        }
        fleet.declared.faults.clear();
        list(&fleet.open().capabilities()).len()
    });
    assert_eq!(made, [2, 1, 1, 1], "and the oldest of its intent is the one that counts");
}

#[test]
fn a_name_that_was_taken_from_us_is_neither_adopted_nor_overwritten() {
    for profile in ["azure", "gcp"] {
        let site = of(profile, vec![]).open().capabilities();
        let made = create(&site, "vol-data", 1);
        now(site.store.untag(&made.id, &[INTENT])).unwrap();
        let (told, message) = refused(now(site.store.create(&order("vol-data", 1))));
        assert_eq!(told, ErrorClass::Invalid, "{message}");
        assert!(message.contains("which is not tagged as ours"), "{message}");
        assert!(now(site.inventory.by_intent(&order("vol-data", 1).intent)).unwrap().is_empty());
    }
}

#[test]
fn disks_outlive_the_process_and_are_listed_with_their_instance() {
    for profile in PROFILES {
        let fleet = of(profile, vec![]);
        let site = fleet.open().capabilities();
        let snapshot = create(&site, "vol-data", 1);
        site.clock.as_ref().unwrap().advance_to(at(100_000)).unwrap();
        let instance = InstanceId::new("i-primary").unwrap();
        let wanted = order("vol-data", 7);
        let disk_order = CreateDisk {
            snapshot: snapshot.id,
            instance: instance.clone(),
            intent: wanted.intent.clone(),
            tags: wanted.tags,
        };
        let made = now(site.restorer.clone().unwrap().create_disk(&disk_order)).unwrap();
        site.clock.as_ref().unwrap().advance_to(at(200_000)).unwrap();
        now(site.restorer.unwrap().attach(&made.id, &instance)).unwrap();

        let again = fleet.open().capabilities();
        let restorer = again.restorer.clone().unwrap();
        assert_eq!(now(restorer.create_disk(&disk_order)).unwrap().id, made.id, "{profile}");
        let shown = now(restorer.describe_disk(&made.id)).unwrap().unwrap();
        assert_eq!((shown.attached_to, shown.is_ready), (Some(instance.clone()), true));
        let listed = now(again.inventory.instances(None)).unwrap().items;
        let primary = listed.iter().find(|found| found.id == instance).unwrap();
        assert!(primary.disks.iter().any(|disk| disk.id == made.id), "{profile}: {primary:?}");
        let stranger = Intent("another".to_owned());
        assert_eq!(class(now(again.sweeper.delete_disk(&made.id, &stranger))), Some(ErrorClass::Busy));
        assert_eq!(class(now(again.sweeper.delete_disk(&made.id, &wanted.intent))), Some(ErrorClass::Busy));
        now(restorer.detach(&made.id, &instance)).unwrap();
        now(again.sweeper.delete_disk(&made.id, &wanted.intent)).unwrap();
        assert_eq!(now(fleet.open().capabilities().restorer.unwrap().describe_disk(&made.id)).unwrap(), None);
    }
}

#[test]
fn a_disk_of_the_world_is_nobodys_to_delete() {
    let site = Fleet::new().open().capabilities();
    let (disk, instance) = (DiskId::new("vol-wal").unwrap(), InstanceId::new("i-primary").unwrap());
    now(site.restorer.unwrap().detach(&disk, &instance)).unwrap();
    let intent = order("vol-wal", 1).intent;
    assert_eq!(class(now(site.sweeper.delete_disk(&disk, &intent))), Some(ErrorClass::Busy));
}

#[test]
fn a_clock_that_is_off_says_so_and_a_virtual_one_only_says_so() {
    let mut fleet = Fleet::new();
    fleet.declared.clock_skew = SignedDuration::from_mins(-10);
    let site = fleet.open().capabilities();
    let facts = now(site.inventory.facts(at(9))).unwrap();
    assert_eq!(facts.clock.now, at(-600));
    assert_eq!(site.clock.as_ref().unwrap().now().unwrap(), at(0));
    assert_eq!(create(&site, "vol-data", 1).created, at(0));

    let mut fleet = Fleet::new();
    fleet.declared.clock_skew = SignedDuration::from_mins(10);
    fleet.declared.virtual_clock = false;
    let site = fleet.open().capabilities();
    assert_eq!(now(site.inventory.facts(at(9))).unwrap().clock.now, at(609));
    let host = at(6 * 3600);
    assert!(create(&site, "vol-data", 1).created >= host + SignedDuration::from_mins(10));
}

#[test]
fn budgets_are_enforced_where_the_site_declares_it() {
    let mut fleet = Fleet::new();
    let list_often = |fleet: &Fleet| {
        let inventory = fleet.open().capabilities().inventory;
        (0..101).find_map(|_| now(inventory.instances(None)).err())
    };
    assert!(list_often(&fleet).is_none());
    fleet.declared.enforces_budgets = true;
    let error = list_often(&fleet).unwrap();
    assert_eq!(error.class, ErrorClass::Throttled { after: Some(SignedDuration::from_millis(50)) });
    assert!(error.message.contains("the budget `Describe* with a filter` is used up"), "{}", error.message);
}

#[test]
fn a_delete_of_what_somebody_else_deletes_meanwhile_is_success() {
    for profile in PROFILES {
        let mut fleet = of(profile, vec![]);
        let made = create(&fleet.open().capabilities(), "vol-data", 1);
        fleet.declared.faults = vec![SimFault::of(SimCall::Delete, SimFailure::Repeated)];
        let site = fleet.open().capabilities();
        now(site.sweeper.delete(&made.id, &made.disk, &made.generation())).unwrap();
        assert!(matches!(now(site.inventory.describe(&made.id)).unwrap(), Description::Absent), "{profile}");
    }
}

#[test]
fn copies_and_their_source_are_of_one_kind_of_cloud() {
    let mut fleet = of("azure", vec![]);
    let opener = fleet.opener();
    let home = fleet.open_by(&opener);
    let source = create(&home, "vol-data", 1);
    home.clock.as_ref().unwrap().advance_to(at(100_000)).unwrap();
    let from = fleet.name.clone();
    fleet.name = SiteName::new("elsewhere").unwrap();
    fleet.declared.profile = "aws".to_owned();
    let away = fleet.open_by(&opener);
    let wanted = order("vol-data", 2);
    let copy =
        backstay_provider::CopySnapshot { from, source, intent: wanted.intent, tags: wanted.tags, kms_key: None };
    let (told, message) = refused(now(away.store.copy(&copy)));
    assert_eq!(told, ErrorClass::Invalid);
    assert!(message.contains("clouds copy only among their own"), "{message}");
}

#[test]
fn a_snapshot_is_creating_until_its_instant_is_fixed() {
    let states = PROFILES.map(|profile| {
        let site = of(profile, vec![]).open().capabilities();
        create(&site, "vol-data", 1).readiness == Readiness::Creating
    });
    assert_eq!(states, [false, true, true, true]);
}
