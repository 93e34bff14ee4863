use crate::support::*;
use backstay_core::capabilities::{Iaas, Rules};
use backstay_core::observed::Readiness;
use backstay_sim::{Call, Cloud, Meddle, Profile, Settings, SimErrorKind};
use jiff::SignedDuration;

#[test]
fn an_id_is_the_clouds_own_and_follows_from_seed_account_and_number() {
    let ids = |seed| {
        let mut cloud = cloud_with(Settings { seed, ..Settings::default() });
        ["vol-data", "vol-wal"].map(|disk| make(&mut cloud, 0, disk, "a").id)
    };
    let [first, second] = ids(7);
    assert_eq!(ids(7), [first.clone(), second.clone()]);
    assert_ne!(ids(8)[0], first);
    assert_ne!(first, second);
    let digits = first.as_str().strip_prefix("snap-").unwrap();
    assert!(digits.len() == 17 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{first}");
}

#[test]
fn the_id_of_a_deleted_snapshot_is_never_given_again() {
    let mut cloud = cloud();
    let first = make(&mut cloud, 0, "vol-data", "a").id;
    cloud.handle(at(1), Call::DeleteSnapshot { id: first.clone() }).unwrap();
    assert_ne!(make(&mut cloud, 60, "vol-data", "b").id, first);
}

#[test]
fn the_cut_is_fixed_once_create_answers_and_readiness_comes_with_time() {
    let mut cloud = cloud();
    let made = make(&mut cloud, 0, "vol-data", "a");
    assert_eq!((made.readiness, made.created, made.size), (Readiness::CutFixed, at(0), 100 << 30));
    // 30 s and 2 s for each of 100 GiB.
    assert_eq!(describe(&mut cloud, 229, &made.id).unwrap().readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 230, &made.id).unwrap().readiness, Readiness::Ready);
}

#[test]
fn the_first_snapshot_of_a_disk_is_full_and_later_ones_are_incremental() {
    let mut cloud = cloud();
    let full = make(&mut cloud, 0, "vol-data", "a");
    let increment = make(&mut cloud, 300, "vol-data", "b");
    // 30 s and 0.1 s for each of 100 GiB.
    assert_eq!(describe(&mut cloud, 339, &increment.id).unwrap().readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 340, &increment.id).unwrap().readiness, Readiness::Ready);
    for id in [full.id, increment.id] {
        cloud.handle(at(400), Call::DeleteSnapshot { id }).unwrap();
    }
    let again = make(&mut cloud, 500, "vol-data", "c");
    assert_eq!(describe(&mut cloud, 540, &again.id).unwrap().readiness, Readiness::CutFixed, "nothing to build upon");
}

#[test]
fn an_increment_is_not_ready_before_what_it_builds_upon() {
    let mut cloud = cloud();
    make(&mut cloud, 0, "vol-data", "a");
    let increment = make(&mut cloud, 15, "vol-data", "b");
    assert_eq!(describe(&mut cloud, 229, &increment.id).unwrap().readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 230, &increment.id).unwrap().readiness, Readiness::Ready);
}

#[test]
fn a_repeated_create_makes_a_second_snapshot() {
    let mut cloud = cloud();
    let first = make(&mut cloud, 0, "vol-data", "same");
    let second = make(&mut cloud, 15, "vol-data", "same");
    assert_ne!(first.id, second.id);
    let call = Call::FindByIntent { intent: intent("same") };
    let backstay_sim::Reply::Found(found) = cloud.handle(at(15), call).unwrap() else { panic!() };
    assert_eq!(found.iter().map(|s| &s.id).collect::<Vec<_>>(), [&first.id, &second.id], "oldest first");
}

#[test]
fn two_creates_of_one_volume_are_fifteen_seconds_apart() {
    let mut cloud = cloud();
    let first = make(&mut cloud, 0, "vol-data", "a");
    let error = cloud.handle(at(14), create("vol-data", "b")).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::Throttled { after: Some(SignedDuration::from_secs(1)) });
    assert_eq!(error.code, "SnapshotCreationPerVolumeRateExceeded");
    make(&mut cloud, 14, "vol-wal", "c");
    cloud.handle(at(14), Call::DeleteSnapshot { id: first.id }).unwrap();
    assert!(cloud.handle(at(14), create("vol-data", "b")).is_err(), "a delete does not reset the rate");
    make(&mut cloud, 15, "vol-data", "b");
}

#[test]
fn a_volume_has_at_most_five_pending_snapshots() {
    let mut cloud = cloud();
    for n in 0..5 {
        make(&mut cloud, n * 15, "vol-data", &n.to_string());
    }
    let error = cloud.handle(at(75), create("vol-data", "5")).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::Busy, "ConcurrentSnapshotLimitExceeded"));
    make(&mut cloud, 75, "vol-wal", "other volumes have their own limit");
    make(&mut cloud, 240, "vol-data", "5");
}

#[test]
fn a_group_is_cut_at_one_instant_and_made_whole_or_not_at_all() {
    let mut cloud = cloud();
    let group = |parts: &[&str]| Call::CreateGroup {
        instance: instance_id("i-primary"),
        parts: parts.iter().map(|disk| part(disk, disk)).collect(),
    };
    let made = created(cloud.handle(at(0), group(&["vol-wal", "vol-data"])));
    assert_eq!(made.iter().map(|s| s.disk.as_str()).collect::<Vec<_>>(), ["vol-wal", "vol-data"]);
    assert!(made.iter().all(|s| s.created == at(0)));

    make(&mut cloud, 20, "vol-data", "x");
    assert!(cloud.handle(at(30), group(&["vol-wal", "vol-data"])).is_err(), "vol-data was snapshotted 10 s ago");
    assert_eq!(list(&mut cloud, 30).len(), 3);
    for wrong in [&["vol-wal", "vol-standby"][..], &["vol-wal", "vol-wal"], &[]] {
        assert!(cloud.handle(at(60), group(wrong)).is_err(), "{wrong:?}");
    }
    assert_eq!(list(&mut cloud, 60).len(), 3);
}

#[test]
fn an_unknown_disk_and_one_of_another_instance_are_not_found() {
    let mut cloud = cloud();
    let mut refused = |instance: &str, disk: &str| {
        let call = Call::CreateSnapshot { instance: instance_id(instance), part: part(disk, "a") };
        let error = cloud.handle(at(0), call).unwrap_err();
        assert_eq!(error.kind, SimErrorKind::NotFound);
        error.to_string()
    };
    assert_eq!(refused("i-primary", "vol-no"), "InvalidVolume.NotFound: the volume `vol-no` does not exist");
    assert_eq!(refused("i-no", "vol-data"), "InvalidInstanceID.NotFound: the instance `i-no` does not exist");
    assert_eq!(
        refused("i-standby", "vol-data"),
        "InvalidAttachment.NotFound: the volume `vol-data` is attached to the instance `i-primary`, not to `i-standby`"
    );
}

#[test]
fn the_account_has_a_quota_of_snapshots_that_foreign_ones_use_too() {
    let rules = Rules { snapshots_per_site: Some(2), ..*Iaas::Aws.rules() };
    let profile = Profile { rules, ..Profile::aws() };
    let mut cloud = Cloud::new(profile, world(), Settings::default());
    let foreign = Meddle::CreateForeign { disk: disk_id("vol-boot"), tags: Default::default() };
    cloud.handle(at(0), Call::Meddle(foreign)).unwrap();
    make(&mut cloud, 0, "vol-data", "a");
    let error = cloud.handle(at(60), create("vol-data", "b")).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::QuotaExceeded, "SnapshotLimitExceeded"));
    assert_eq!(Profile::aws().rules.snapshots_per_site, Some(100_000));
}

#[test]
fn tags_over_a_limit_refuse_the_create() {
    let mut cloud = cloud();
    let mut refused = |key: &str, value: &str| {
        let mut part = part("vol-data", "a");
        part.tags.insert(key.to_owned(), value.to_owned());
        cloud.handle(at(0), Call::CreateSnapshot { instance: instance_id("i-primary"), part }).unwrap_err()
    };
    for (key, value) in [("k".repeat(128), "v".into()), ("k".into(), "v".repeat(257)), ("aws:x".into(), "v".into())] {
        assert_eq!(refused(&key, &value).code, "InvalidParameterValue");
    }
    assert!(list(&mut cloud, 0).is_empty());
}

#[test]
fn time_never_goes_back_behind_what_has_happened() {
    let mut cloud = cloud();
    let first = make(&mut cloud, 100, "vol-data", "a");
    let second = make(&mut cloud, 50, "vol-wal", "b");
    assert_eq!(second.created, first.created);
}
