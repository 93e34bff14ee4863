use crate::support::*;
use backstay_core::document::world::{WorldSnapshot, WorldSpec};
use backstay_sim::{Call, Cloud, Profile, Reply, Settings, SimErrorKind, World};

#[test]
fn an_impossible_world_is_refused_with_its_place() {
    type Spoil = fn(&mut WorldSpec);
    let wrong: [(Spoil, &str); 13] = [
        (|s| s.start = "yesterday".into(), "spec.start: `yesterday` is not an instant"),
        (|s| s.account = "a b".into(), "spec.account: `a b` is not an account id"),
        (|s| s.instances[1].id = "i-primary".into(), "spec.instances[1].id: there are two instances `i-primary`"),
        (|s| s.instances[0].disks[1].id = "../x".into(), "spec.instances[0].disks[1].id: "),
        (
            |s| s.instances[1].disks[0].id = "vol-data".into(),
            "spec.instances[1].disks[0].id: disk `vol-data` is attached to `i-primary` already",
        ),
        (|s| s.instances[0].disks[0].size_gib = 0, "spec.instances[0].disks[0].sizeGiB: "),
        (|s| s.instances[0].postgres.as_mut().unwrap().system = "x".into(), "spec.instances[0].postgres.system: "),
        (|s| s.instances[0].postgres.as_mut().unwrap().lag = Some("1s".into()), "spec.instances[0].postgres.lag: "),
        (|s| s.instances[0].postgres.as_mut().unwrap().timeline = 0, "spec.instances[0].postgres.timeline: "),
        (|s| s.snapshots = vec![by_hand("../x", "vol-data")], "spec.snapshots[0].id: "),
        (|s| s.snapshots = vec![by_hand("snap-1", "vol-x")], "spec.snapshots[0].disk: there is no disk `vol-x`"),
        (
            |s| s.snapshots = vec![by_hand("snap-1", "vol-data"), by_hand("snap-1", "vol-wal")],
            "spec.snapshots[1].id: there are two snapshots `snap-1`",
        ),
        (
            |s| {
                s.snapshots =
                    vec![WorldSnapshot { made: "2026-11-23T00:00:01Z".into(), ..by_hand("snap-1", "vol-data") }]
            },
            "spec.snapshots[0].made: it was made after the world began",
        ),
    ];
    for (spoil, message) in wrong {
        let mut spec = spec();
        spoil(&mut spec);
        let error = World::parse(&spec).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

fn by_hand(id: &str, disk: &str) -> WorldSnapshot {
    WorldSnapshot { id: id.into(), disk: disk.into(), made: "2026-11-22T22:00:00Z".into(), tags: Default::default() }
}

#[test]
fn what_others_made_before_is_listed_apart_and_can_be_tagged_and_deleted() {
    let mut spec = spec();
    spec.snapshots = vec![by_hand("snap-1", "vol-data")];
    let mut cloud = Cloud::new(Profile::aws(), World::parse(&spec).unwrap(), Settings::default());
    let Reply::Unmanaged(page) = cloud.handle(at(0), Call::ListUnmanaged { page: None }).unwrap() else { panic!() };
    let [stranger] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!((stranger.id.as_str(), stranger.disk.as_str(), stranger.size), ("snap-1", "vol-data", 100 << 30));
    assert_eq!(stranger.created.to_string(), "2026-11-22T22:00:00Z");
    // It takes no number and no rate from the snapshots that are made.
    let made = make(&mut cloud, 0, "vol-data", "a");
    assert_eq!(made.id, make(&mut cloud_with(Settings::default()), 0, "vol-data", "a").id);
    let id = stranger.id.clone();
    cloud.handle(at(60), Call::Tag { id: id.clone(), tags: ours("c") }).unwrap();
    assert!(describe(&mut cloud, 60, &id).is_ok_and(|snapshot| snapshot.tags.contains_key("backstay-managed")));
    cloud.handle(at(60), Call::DeleteSnapshot { id: id.clone() }).unwrap();
    assert!(describe(&mut cloud, 61, &id).is_err());
    cloud.replace_world(World::parse(&spec).unwrap());
    assert!(describe(&mut cloud, 62, &id).is_err(), "what was deleted comes back");
}

#[test]
fn a_disk_that_left_the_world_is_gone_and_its_snapshots_stay() {
    let mut cloud = cloud();
    let made = make(&mut cloud, 0, "vol-data", "a");
    let mut other = spec();
    other.instances[0].disks.retain(|disk| disk.id != "vol-data");
    cloud.replace_world(World::parse(&other).unwrap());
    assert_eq!(cloud.handle(at(60), create("vol-data", "b")).unwrap_err().kind, SimErrorKind::NotFound);
    assert_eq!(describe(&mut cloud, 60, &made.id).unwrap().id, made.id);
    cloud.handle(at(60), Call::Tag { id: made.id.clone(), tags: ours("c") }).unwrap();
    cloud.handle(at(60), Call::DeleteSnapshot { id: made.id }).unwrap();
}

#[test]
fn an_unknown_profile_is_refused_with_those_that_exist() {
    let error = Profile::named("oracle").unwrap_err();
    assert_eq!(error.to_string(), "the simulated cloud has no profile `oracle`; there are: aws, azure, gcp, alibaba");
    for name in Profile::NAMES {
        assert_eq!(Profile::named(name).unwrap().name, name);
    }
}
