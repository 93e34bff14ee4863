use crate::support::*;
use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{AttachedDisk, DiskRole};
use backstay_sim::{Call, Cloud, Effect, NewDisk, Profile, Reply, Settings, ShownDisk, SimError, SimErrorKind, World};

fn order(snapshot: &SnapshotId, word: &str) -> Call {
    Call::CreateDisk(NewDisk {
        snapshot: snapshot.clone(),
        instance: instance_id("i-primary"),
        tags: ours(word),
        word: word.to_owned(),
    })
}

fn disk(answer: Result<Reply, SimError>) -> ShownDisk {
    let Ok(Reply::Disk(disk)) = answer else { panic!("{answer:?}") };
    *disk
}

fn attach(disk: &DiskId, instance: &str) -> Call {
    Call::AttachDisk { disk: disk.clone(), instance: instance_id(instance) }
}

fn detach(disk: &DiskId, instance: &str) -> Call {
    Call::DetachDisk { disk: disk.clone(), instance: instance_id(instance) }
}

fn disks_of(cloud: &mut Cloud, instance: &str) -> Vec<AttachedDisk> {
    let Ok(Reply::Instances(page)) = cloud.handle(at(0), Call::ListInstances { page: None }) else { panic!() };
    page.items.into_iter().find(|found| found.id.as_str() == instance).unwrap().disks
}

/// A disk made of a snapshot of `vol-data` that can be attached.
fn restored(cloud: &mut Cloud) -> ShownDisk {
    let id = make(cloud, 0, "vol-data", "a").id;
    let made = disk(cloud.handle(at(1000), order(&id, "disk-a")));
    assert!(!made.is_ready);
    disk(cloud.handle(at(2000), Call::DescribeDisk { id: made.id }))
}

#[test]
fn a_disk_is_made_once_in_every_cloud_and_is_not_ready_at_once() {
    for name in Profile::NAMES {
        let mut cloud = Cloud::new(Profile::named(name).unwrap(), world(), Settings::default());
        let made = restored(&mut cloud);
        assert!(made.is_ready && made.attached_to.is_none(), "{name}");
        assert_eq!((made.size, &made.tags), (100 << 30, &ours("disk-a")));
        let from = made.from.clone().unwrap();
        match cloud.handle(at(2000), order(&from, "disk-a")) {
            Ok(again) => assert_eq!(disk(Ok(again)).id, made.id, "{name}"),
            Err(error) => assert_eq!((name, error.kind), ("gcp", SimErrorKind::AlreadyExists)),
        }
        let other = make(&mut cloud, 2000, "vol-wal", "b").id;
        let error = cloud.handle(at(9000), order(&other, "disk-a")).unwrap_err();
        assert_eq!(error.kind, SimErrorKind::AlreadyExists, "{name}: of another snapshot");
    }
}

#[test]
fn a_disk_is_made_only_of_what_is_ready() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    assert_eq!(cloud.handle(at(229), order(&id, "d")).unwrap_err().kind, SimErrorKind::Busy);
    cloud.handle(at(230), order(&id, "d")).unwrap();
    let mut failing = faulty(SimCall::Create, None, SimFailure::FailsLater);
    let id = make(&mut failing, 0, "vol-data", "a").id;
    assert_eq!(failing.handle(at(9000), order(&id, "d")).unwrap_err().kind, SimErrorKind::Invalid);
    failing.handle(at(9000), Call::DeleteSnapshot { id: id.clone() }).unwrap();
    assert_eq!(failing.handle(at(9000), order(&id, "d")).unwrap_err().kind, SimErrorKind::NotFound);
}

#[test]
fn an_attached_disk_is_listed_with_its_instance_and_what_lies_on_it() {
    let mut cloud = cloud();
    let made = restored(&mut cloud);
    cloud.handle(at(2000), attach(&made.id, "i-standby")).unwrap();
    let listed = disks_of(&mut cloud, "i-standby");
    assert!(listed.is_sorted_by(|a, b| a.id < b.id));
    let found = listed.into_iter().find(|attached| attached.id == made.id).unwrap();
    assert_eq!((found.role, found.size), (DiskRole::Data, 100 << 30));
    let call = Call::CreateSnapshot {
        instance: instance_id("i-standby"),
        part: backstay_sim::NewPart { disk: made.id, ..part("vol-data", "of-the-new-disk") },
    };
    assert_eq!(created(cloud.handle(at(2000), call))[0].size, 100 << 30, "it is a disk as any other");
}

#[test]
fn a_disk_is_on_one_instance_and_attaching_again_changes_nothing() {
    let mut cloud = cloud();
    let id = restored(&mut cloud).id;
    for (call, has_effect) in [
        (attach(&id, "i-primary"), true),
        (attach(&id, "i-primary"), false),
        (detach(&id, "i-standby"), false),
        (detach(&id, "i-primary"), true),
        (detach(&id, "i-primary"), false),
        (attach(&id, "i-standby"), true),
    ] {
        cloud.handle(at(2000), call.clone()).unwrap();
        assert_eq!(cloud.log().last().unwrap().effect.is_some(), has_effect, "{call}");
    }
    let error = cloud.handle(at(2000), attach(&id, "i-primary")).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::Busy, "VolumeInUse"));
}

#[test]
fn a_disk_of_the_world_can_be_detached_and_is_then_snapshotted_no_more() {
    let mut cloud = cloud();
    let id = disk_id("vol-data");
    cloud.handle(at(0), detach(&id, "i-primary")).unwrap();
    assert!(disks_of(&mut cloud, "i-primary").iter().all(|attached| attached.id != id));
    let error = cloud.handle(at(0), create("vol-data", "a")).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::NotFound, "InvalidAttachment.NotFound"));
    cloud.handle(at(1), attach(&id, "i-primary")).unwrap();
    make(&mut cloud, 1, "vol-data", "a");
}

#[test]
fn only_a_detached_disk_is_deleted_and_its_snapshot_stays() {
    let mut cloud = cloud();
    let made = restored(&mut cloud);
    let delete = Call::DeleteDisk { id: made.id.clone() };
    cloud.handle(at(2000), attach(&made.id, "i-primary")).unwrap();
    assert_eq!(cloud.handle(at(2000), delete.clone()).unwrap_err().kind, SimErrorKind::Busy);
    cloud.handle(at(2000), detach(&made.id, "i-primary")).unwrap();
    cloud.handle(at(2000), delete.clone()).unwrap();
    assert_eq!(cloud.handle(at(2000), delete).unwrap_err().code, "InvalidVolume.NotFound");
    describe(&mut cloud, 2000, &made.from.unwrap()).unwrap();
    let wal = disk_id("vol-wal");
    cloud.handle(at(2000), detach(&wal, "i-primary")).unwrap();
    cloud.handle(at(2000), Call::DeleteDisk { id: wal.clone() }).unwrap();
    assert_eq!(cloud.handle(at(2000), attach(&wal, "i-primary")).unwrap_err().kind, SimErrorKind::NotFound);
}

#[test]
fn a_disk_is_attached_within_its_zone() {
    let mut spec = spec();
    spec.instances[0].zone = Some("a".into());
    spec.instances[1].zone = Some("b".into());
    let mut cloud = Cloud::new(Profile::aws(), World::parse(&spec).unwrap(), Settings::default());
    let id = restored(&mut cloud).id;
    let error = cloud.handle(at(2000), attach(&id, "i-standby")).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::Invalid, "InvalidVolume.ZoneMismatch"));
    cloud.handle(at(2000), attach(&id, "i-primary")).unwrap();
}

#[test]
fn a_disk_may_be_slow_or_never_ready() {
    for (fail, times, ready_at) in
        [(SimFailure::Slow, Some(3), Some(1015)), (SimFailure::Slow, None, Some(1050)), (SimFailure::Stuck, None, None)]
    {
        let faults = vec![SimFault { times, ..SimFault::of(SimCall::CreateDisk, fail) }];
        let mut cloud = cloud_with(Settings { faults, ..Settings::default() });
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        let made = disk(cloud.handle(at(1000), order(&id, "d"))).id;
        let mut is_ready = |seconds| disk(cloud.handle(at(seconds), Call::DescribeDisk { id: made.clone() })).is_ready;
        assert_eq!(is_ready(1_000_000), ready_at.is_some());
        if let Some(seconds) = ready_at {
            assert_eq!((is_ready(seconds - 1), is_ready(seconds)), (false, true));
        }
    }
}

#[test]
fn what_happened_to_disks_is_replayed() {
    let mut lived = cloud();
    let id = restored(&mut lived).id;
    for call in [
        detach(&disk_id("vol-data"), "i-primary"),
        attach(&id, "i-primary"),
        Call::DeleteDisk { id: disk_id("vol-data") },
    ] {
        lived.handle(at(2000), call).unwrap();
    }
    let mut replayed = cloud();
    for record in lived.log() {
        if let Some(effect) = &record.effect {
            let text = serde_json::to_string(effect).unwrap();
            replayed.apply(&serde_json::from_str::<Effect>(&text).unwrap()).unwrap();
        }
    }
    assert_eq!(disks_of(&mut replayed, "i-primary"), disks_of(&mut lived, "i-primary"));
    let show = Call::DescribeDisk { id };
    assert_eq!(replayed.decide(at(3000), &show), lived.decide(at(3000), &show));
}
