use crate::support::*;
use backstay_core::name::SnapshotId;
use backstay_core::observed::Snapshot;
use backstay_sim::{Call, Cloud, Contradiction, Effect, Meddle, NewDisk, Profile, Settings};
use proptest::prelude::*;

/// The effects of everything that was asked, through their JSON.
fn effects(cloud: &Cloud) -> Vec<Effect> {
    let lines = cloud.log().iter().filter_map(|r| r.effect.as_ref()).map(|e| serde_json::to_string(e).unwrap());
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[test]
fn the_virtual_clock_begins_with_the_world_and_only_moves_forward() {
    let mut cloud = cloud();
    assert_eq!(cloud.clock(), at(0));
    for (to, shown) in [(60, 60), (30, 60), (90, 90)] {
        let now = cloud.clock();
        cloud.handle(now, Call::AdvanceClock { to: at(to) }).unwrap();
        assert_eq!(cloud.clock(), at(shown));
    }
    assert_eq!(effects(&cloud).len(), 2, "an instant that has passed changes nothing");
}

#[test]
fn effects_that_contradict_those_before_are_refused() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let made = effects(&cloud).remove(0);
    assert_eq!(cloud.apply(&made), Err(Contradiction::CreatedTwice(id)));
    let stranger = SnapshotId::new("snap-0").unwrap();
    let deleted = Effect::Deleted { at: at(1), id: stranger.clone() };
    assert_eq!(cloud.apply(&deleted), Err(Contradiction::Missing(stranger)));
}

#[test]
fn deciding_changes_nothing() {
    let cloud = cloud();
    let decision = cloud.decide(at(0), &create("vol-data", "a"));
    assert_eq!(decision, cloud.decide(at(0), &create("vol-data", "a")));
    assert!(cloud.log().is_empty());
}

/// One step of a random history: of which disk or snapshot, and what.
fn step(cloud: &mut Cloud, seconds: i64, kind: u8, which: usize) {
    let known: Vec<Snapshot> = list(cloud, seconds);
    let disk = ["vol-data", "vol-wal", "vol-standby"][which % 3];
    let target = known.get(which.checked_rem(known.len()).unwrap_or(0)).map(|snapshot| snapshot.id.clone());
    let on_target = |call: fn(SnapshotId) -> Call| target.clone().map(call);
    let call = match kind {
        0..4 => Some(create(disk, &which.to_string())),
        4 => on_target(|id| Call::Tag { id, tags: ours("retagged") }),
        5 => on_target(|id| Call::Untag { id, keys: [backstay_core::tags::INTENT.to_owned()].into() }),
        6 => on_target(|id| Call::DeleteSnapshot { id }),
        7 => Some(Call::AdvanceClock { to: at(seconds) }),
        8 => on_target(|id| {
            Call::CreateDisk(NewDisk {
                word: format!("disk-{id}"),
                snapshot: id,
                instance: instance_id("i-primary"),
                tags: ours("d"),
            })
        }),
        9 => Some(Call::DetachDisk { disk: disk_id(disk), instance: instance_id("i-primary") }),
        10 => Some(Call::AttachDisk { disk: disk_id(disk), instance: instance_id("i-primary") }),
        11 => Some(Call::Meddle(Meddle::StopServer { instance: instance_id("i-primary") })),
        _ => Some(Call::Meddle(Meddle::CreateForeign { disk: disk_id(disk), tags: ours("foreign") })),
    };
    if let Some(call) = call {
        // Refusals are part of a history.
        let _ = cloud.handle(at(seconds), call);
    }
}

proptest! {
    #[test]
    fn replayed_effects_give_the_same_cloud(
        name in prop::sample::select(&Profile::NAMES[..]),
        steps in prop::collection::vec((0_u8..13, any::<u16>()), 0..40),
    ) {
        let settings = Settings { seed: 7, page_size: Some(3), ..Settings::default() };
        let new = || Cloud::new(Profile::named(name).unwrap(), world(), settings.clone());
        let mut lived = new();
        for (n, (kind, which)) in (0_i64..).zip(steps) {
            step(&mut lived, n * 200, kind, usize::from(which));
        }
        let mut replayed = new();
        for effect in effects(&lived) {
            replayed.apply(&effect).unwrap();
        }
        prop_assert_eq!(list(&mut replayed, 10_000), list(&mut lived, 10_000));
        prop_assert_eq!(replayed.clock(), lived.clock());
        // Also what cannot be seen: the next id, the rate limits, the servers.
        for call in [create("vol-data", "next"), Call::ListInstances { page: None }] {
            prop_assert_eq!(replayed.decide(at(1), &call), lived.decide(at(1), &call));
        }
    }
}
