//! How the site looks through the traits.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::model::{LocalSite, Provider, SimCall, SimFailure, SimFault};
use backstay_core::name::{InstanceId, SiteName, SnapshotId};
use backstay_core::observed::DatabaseState;
use backstay_core::tags::{INTENT, PointKey};
use backstay_provider::{Created, ErrorClass, Home, Opener as _, PointFileId};
use backstay_provider_sim::{Meddle, SimOpener};
use bytes::Bytes;
use std::fs;
use support::*;

fn fault(call: SimCall, fail: SimFailure) -> Fleet {
    Fleet::with_faults(vec![SimFault::of(call, fail)])
}

#[test]
fn a_wrong_site_is_refused_when_it_is_opened_and_its_file_is_named() {
    let told = |change: fn(&mut Fleet)| {
        let mut changed = Fleet::new();
        change(&mut changed);
        let (class, message) = refused(changed.try_open());
        assert_eq!(class, ErrorClass::Invalid);
        assert!(message.starts_with("site `aws-eu10`: "), "{message}");
        message
    };
    let no_file = told(|fleet| fleet.declared.world = "nowhere.yaml".into());
    assert!(no_file.contains("nowhere.yaml` cannot be read"), "{no_file}");
    let no_profile = told(|fleet| fleet.declared.profile = "oracle".into());
    assert!(no_profile.contains("no profile `oracle`; there are: aws, azure, gcp, alibaba"), "{no_profile}");
    for (from, to, problem) in [
        ("kind: World", "kind: Site", "it has apiVersion `backstay.dev/v1` and kind `Site`"),
        ("account:", "acount:", "unknown field `acount`"),
        ("vol-wal", "vol-data", "spec.instances[0].disks[2].id: disk `vol-data` is attached to `i-primary` already"),
        ("role: boot", "role: boots", "boots"),
    ] {
        let changed = Fleet::new();
        changed.change_world(from, to);
        let message = refused(changed.try_open()).1;
        assert!(message.contains("world.yaml` is not valid: ") && message.contains(problem), "{message}");
    }
}

#[test]
fn the_opener_opens_simulated_sites_only() {
    let fleet = Fleet::new();
    let opener = SimOpener::new(fleet.host.clone());
    let state = fleet.state();
    let home = Home { fleet: fleet.directory.path(), state: &state };
    let mut site = fleet.site();
    assert!(opener.open(&site, home).unwrap().clock.is_some());
    site.provider = Provider::Local(LocalSite { root: "disks".into(), virtual_clock: true });
    let message = opener.open(&site, home).err().unwrap().message;
    assert_eq!(message, "site `aws-eu10`: it is of kind `local`, not `sim`");
}

#[test]
fn two_sites_of_one_fleet_share_nothing() {
    let mut fleet = Fleet::new();
    let one = create(&fleet.open().capabilities(), "vol-data", 1);
    fleet.name = SiteName::new("aws-eu20").unwrap();
    let other = fleet.open().capabilities();
    assert!(list(&other).is_empty());
    assert_ne!(create(&other, "vol-data", 1).id, one.id, "though they have one seed and one account");
}

#[test]
fn a_declared_failure_has_its_class_and_names_site_call_and_id() {
    for (fail, class) in [
        (SimFailure::Unavailable, ErrorClass::Unavailable),
        (SimFailure::Throttled, ErrorClass::Throttled { after: None }),
        (SimFailure::Denied, ErrorClass::Denied),
        (SimFailure::LostResponse, ErrorClass::OutcomeUnknown),
    ] {
        let site = fault(SimCall::Create, fail).open().capabilities();
        let (told, message) = refused(now(site.store.create(&order("vol-data", 1))));
        assert_eq!(told, class);
        assert!(
            message.starts_with("site `aws-eu10`: snapshot disk `vol-data` of instance `i-primary`: "),
            "{message}"
        );
    }
    let site = fault(SimCall::Describe, SimFailure::Denied).open().capabilities();
    let id = SnapshotId::new("snap-1").unwrap();
    let (class, message) = refused(now(site.inventory.describe(&id)));
    assert_eq!(class, ErrorClass::Denied, "not allowed to look is not absent");
    assert!(message.starts_with("site `aws-eu10`: describe snapshot `snap-1`: UnauthorizedOperation: "), "{message}");
}

#[test]
fn a_create_whose_answer_was_lost_is_adopted_by_its_retry() {
    let fleet = fault(SimCall::Create, SimFailure::LostResponse);
    let site = fleet.open().capabilities();
    assert_eq!(refused(now(site.store.create(&order("vol-data", 1)))).0, ErrorClass::OutcomeUnknown);
    let made = list(&site).remove(0);
    let Created::Adopted(adopted) = now(site.store.create(&order("vol-data", 1))).unwrap() else { panic!() };
    assert_eq!(adopted, made);
    assert_eq!(list(&fleet.open().capabilities()), [made]);
}

#[test]
fn a_create_that_cannot_look_first_makes_nothing() {
    let fleet = fault(SimCall::Describe, SimFailure::Unavailable);
    let site = fleet.open().capabilities();
    assert_eq!(refused(now(site.store.create(&order("vol-data", 1)))).0, ErrorClass::Unavailable);
    assert!(list(&site).is_empty());
}

#[test]
fn a_delete_that_cannot_look_first_deletes_nothing() {
    let mut fleet = Fleet::new();
    let made = create(&fleet.open().capabilities(), "vol-data", 1);
    fleet.declared.faults = vec![SimFault::of(SimCall::Describe, SimFailure::Denied)];
    let site = fleet.open().capabilities();
    let refusal = refused(now(site.sweeper.delete(&made.id, &made.disk, &made.generation())));
    assert_eq!(refusal.0, ErrorClass::Denied);
    assert_eq!(list(&site), [made]);
}

#[test]
fn of_duplicates_the_oldest_is_adopted() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    let first = create(&site, "vol-data", 1);
    site.clock.as_ref().unwrap().advance_to(at(600)).unwrap();
    let forged = Meddle::CreateForeign { disk: first.disk.clone(), tags: order("vol-data", 1).tags };
    fleet.open().meddle(forged).unwrap();
    assert_eq!(now(site.inventory.by_intent(&order("vol-data", 1).intent)).unwrap().len(), 2);
    assert_eq!(create(&site, "vol-data", 1).id, first.id);
}

#[test]
fn an_intent_that_another_disk_has_is_not_adopted() {
    let site = Fleet::new().open().capabilities();
    create(&site, "vol-data", 1);
    let mut wrong = order("vol-wal", 1);
    wrong.intent = order("vol-data", 1).intent;
    wrong.tags.insert(INTENT.to_owned(), wrong.intent.0.clone());
    assert_eq!(refused(now(site.store.create(&wrong))).0, ErrorClass::Invalid);
    wrong.tags.remove(INTENT);
    let message = refused(now(site.store.create(&wrong))).1;
    assert!(message.contains("no retry could find it"), "{message}");
}

#[test]
fn a_group_of_which_a_part_is_gone_is_not_completed_at_another_instant() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    let orders = [order("vol-data", 1), order("vol-wal", 1)];
    let made = now(site.store.create_group(&orders)).unwrap();
    let lost = made[0].clone().snapshot().id;
    fleet.open().meddle(Meddle::DeleteSnapshot { id: lost }).unwrap();
    site.clock.as_ref().unwrap().advance_to(at(600)).unwrap();
    let (class, message) = refused(now(site.store.create_group(&orders)));
    assert_eq!(class, ErrorClass::Invalid);
    assert!(message.contains("another attempt must cut all anew"), "{message}");
    assert_eq!(list(&site).len(), 1);
    let mixed = [order("vol-data", 2), order("vol-standby", 2)];
    assert!(now(site.store.create_group(&mixed)).is_err(), "of two instances");
}

#[test]
fn a_site_without_a_virtual_clock_follows_the_host() {
    let mut fleet = Fleet::new();
    fleet.declared.virtual_clock = false;
    let site = fleet.open().capabilities();
    assert!(site.clock.is_none());
    let facts = now(site.inventory.facts(at(9))).unwrap();
    assert_eq!((facts.clock.now, facts.clock.host, facts.clock.is_virtual), (at(9), at(9), false));
    let made = create(&site, "vol-data", 1);
    assert!(made.created > at(6 * 3600), "the host's clock, not the world's start");
    let behind = now(site.inventory.facts(at(9))).unwrap();
    assert_eq!(behind.clock.now, made.created, "a cloud's clock does not go back");
}

#[test]
fn a_running_backup_is_seen_until_its_session_ends() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    let databases = site.databases.clone().unwrap();
    let instance = InstanceId::new("i-primary").unwrap();
    let is_running = || match now(databases.status(&instance, None)) {
        DatabaseState::Known(status) => status.backup_running,
        DatabaseState::NotObservable | DatabaseState::Unreachable { .. } => panic!(),
    };
    assert!(!is_running());
    let session = now(databases.begin_backup(&instance, None, "x")).unwrap();
    assert!(is_running());
    drop(session);
    assert!(!is_running());
    let mut session = now(databases.begin_backup(&instance, None, "x")).unwrap();
    now(session.stop()).unwrap();
    assert_eq!(now(session.stop()).unwrap_err().class, ErrorClass::Invalid);
    now(session.close()).unwrap();
    assert!(!is_running());
    fleet.open().meddle(Meddle::StopServer { instance: instance.clone() }).unwrap();
    assert_eq!(refused(now(databases.begin_backup(&instance, None, "x")).map(|_| ())).0, ErrorClass::Unavailable);
}

#[test]
fn a_point_file_survives_what_a_crash_left_and_takes_no_room_for_zeros() {
    let fleet = Fleet::new();
    let files = fleet.open().capabilities().point_files.unwrap();
    let point = PointKey { slot: at(0), attempt: 1 };
    let id = PointFileId { cluster: cluster(), point, name: "wal/000000010000000000000002".into() };
    let bytes = Bytes::from([vec![7; 100], vec![0; 1 << 20]].concat());
    let points = fleet.state().join("sim/aws-eu10/points");
    fs::create_dir_all(&points).unwrap();
    fs::write(points.join(".incoming"), "torn by a crash, and longer than what follows".repeat(9)).unwrap();
    now(files.put(&id, &bytes)).unwrap();
    let again = fleet.open().capabilities().point_files.unwrap();
    assert_eq!(now(again.get(&id)).unwrap(), Some(bytes.clone()));
    now(again.put(&id, &bytes)).unwrap();
    let message = refused(now(again.put(&id, &bytes.slice(1..)))).1;
    assert_eq!(
        message,
        "site `aws-eu10`: keep `wal/000000010000000000000002` of point `20261123t000000z-1` of cluster \
         `0d9f6a52-0001`: it is there already, with other bytes"
    );
    let path = points.join("0d9f6a52-0001/20261123t000000z-1/wal/000000010000000000000002");
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.len(), bytes.len() as u64);
    let on_disk = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    assert!(on_disk <= 64 << 10, "{on_disk} bytes on disk");
}

#[test]
fn what_this_process_asked_can_be_read_back() {
    let fleet = Fleet::new();
    let site = fleet.open();
    create(&site.capabilities(), "vol-data", 1);
    create(&fleet.open().capabilities(), "vol-wal", 1);
    let calls: Vec<String> = site.calls().iter().map(|record| record.call.to_string()).collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].starts_with("find snapshots of intent"));
    assert_eq!(calls[1], "snapshot disk `vol-data` of instance `i-primary`");
}
