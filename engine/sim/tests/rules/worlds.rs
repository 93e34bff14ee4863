use crate::support::*;
use backstay_core::document::world::WorldSpec;
use backstay_sim::{Call, Profile, SimErrorKind, World};

#[test]
fn an_impossible_world_is_refused_with_its_place() {
    type Spoil = fn(&mut WorldSpec);
    let wrong: [(Spoil, &str); 9] = [
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
    ];
    for (spoil, message) in wrong {
        let mut spec = spec();
        spoil(&mut spec);
        let error = World::parse(&spec).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
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
