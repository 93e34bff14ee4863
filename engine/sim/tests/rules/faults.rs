use crate::support::*;
use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::observed::Readiness;
use backstay_sim::{Call, Cloud, Meddle, Profile, Reply, Settings, SimErrorKind};

#[test]
fn a_refused_create_has_no_effect() {
    for (fail, kind) in [
        (SimFailure::Unavailable, SimErrorKind::Unavailable),
        (SimFailure::Throttled, SimErrorKind::Throttled { after: None }),
        (SimFailure::Denied, SimErrorKind::Denied),
    ] {
        let mut cloud = faulty(SimCall::Create, None, fail);
        assert_eq!(cloud.handle(at(0), create("vol-data", "a")).unwrap_err().kind, kind);
        assert!(list(&mut cloud, 0).is_empty());
    }
}

#[test]
fn a_lost_response_has_its_effect_and_an_unknown_outcome() {
    let mut cloud = faulty(SimCall::Create, None, SimFailure::LostResponse);
    let error = cloud.handle(at(0), create("vol-data", "a")).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::OutcomeUnknown);
    let Ok(Reply::Found(found)) = cloud.handle(at(0), Call::FindByIntent { intent: intent("a") }) else { panic!() };
    assert_eq!(found.len(), 1);
}

#[test]
fn a_lost_delete_and_a_lost_tag_have_their_effect_too() {
    let mut cloud = faulty(SimCall::Delete, None, SimFailure::LostResponse);
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let error = cloud.handle(at(1), Call::DeleteSnapshot { id: id.clone() }).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::OutcomeUnknown);
    assert_eq!(describe(&mut cloud, 1, &id).unwrap_err().kind, SimErrorKind::NotFound);

    let mut cloud = faulty(SimCall::Tag, None, SimFailure::LostResponse);
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    cloud.handle(at(1), Call::Tag { id: id.clone(), tags: ours("b") }).unwrap_err();
    assert_eq!(describe(&mut cloud, 1, &id).unwrap().tags, ours("b"));
}

#[test]
fn a_lost_answer_to_a_question_leaves_nothing_unknown() {
    let mut cloud = faulty(SimCall::ListSnapshots, None, SimFailure::LostResponse);
    assert_eq!(snapshots(&mut cloud, 0, None).unwrap_err().kind, SimErrorKind::Unavailable);
}

#[test]
fn a_snapshot_that_fails_later_is_accepted_and_counts_as_pending_for_ever() {
    let mut cloud = faulty(SimCall::Create, None, SimFailure::FailsLater);
    let made = make(&mut cloud, 0, "vol-data", "a");
    assert_eq!(made.readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 229, &made.id).unwrap().readiness, Readiness::CutFixed);
    assert!(matches!(describe(&mut cloud, 230, &made.id).unwrap().readiness, Readiness::Failed { .. }));
    for n in 1..5 {
        make(&mut cloud, 1000 * n, "vol-data", "a");
    }
    assert_eq!(cloud.handle(at(9000), create("vol-data", "a")).unwrap_err().kind, SimErrorKind::Busy);
    cloud.handle(at(9000), Call::DeleteSnapshot { id: made.id }).unwrap();
    make(&mut cloud, 9000, "vol-data", "a");
}

#[test]
fn a_fault_of_one_page_leaves_the_others() {
    let mut cloud = faulty(SimCall::ListSnapshots, Some(2), SimFailure::Unavailable);
    for n in 0..3 {
        make(&mut cloud, n * 300, "vol-data", &n.to_string());
    }
    let first = snapshots(&mut cloud, 900, None).unwrap();
    assert_eq!(snapshots(&mut cloud, 900, first.next).unwrap_err().kind, SimErrorKind::Unavailable);
    assert!(cloud.handle(at(900), Call::ListInstances { page: None }).is_ok(), "another listing");
}

#[test]
fn a_fault_of_the_listing_does_not_reach_describing_or_finding_by_intent() {
    let mut cloud = faulty(SimCall::ListSnapshots, None, SimFailure::Denied);
    let made = make(&mut cloud, 0, "vol-data", "a");
    assert!(describe(&mut cloud, 0, &made.id).is_ok());
    let mut cloud = faulty(SimCall::Describe, None, SimFailure::Denied);
    let call = Call::FindByIntent { intent: intent("a") };
    assert_eq!(cloud.handle(at(0), call).unwrap_err().kind, SimErrorKind::Denied);
}

#[test]
fn meddling_is_stopped_by_no_fault_and_no_limit() {
    let mut cloud = faulty(SimCall::Delete, None, SimFailure::Denied);
    let made = make(&mut cloud, 0, "vol-data", "a");
    let foreign = Meddle::CreateForeign { disk: disk_id("vol-data"), tags: ours("forged") };
    assert_eq!(created(cloud.handle(at(1), Call::Meddle(foreign))).len(), 1);
    cloud.handle(at(2), Call::Meddle(Meddle::DeleteSnapshot { id: made.id.clone() })).unwrap();
    assert_eq!(describe(&mut cloud, 2, &made.id).unwrap_err().kind, SimErrorKind::NotFound);
}

fn with(fault: SimFault) -> Cloud {
    cloud_with(Settings { seed: 7, faults: vec![fault], page_size: Some(2), ..Settings::default() })
}

#[test]
fn a_call_that_is_delivered_twice_makes_two_where_the_cloud_cannot_tell() {
    let counts = Profile::NAMES.map(|name| {
        let faults = vec![SimFault::of(SimCall::Create, SimFailure::Repeated)];
        let mut cloud = Cloud::new(Profile::named(name).unwrap(), world(), Settings { faults, ..Settings::default() });
        assert_eq!(created(cloud.handle(at(0), create("vol-data", "a"))).len(), 1, "one answer");
        let Ok(Reply::Snapshots(page)) = cloud.handle(at(0), Call::ListSnapshots { only_ours: false, page: None })
        else {
            panic!()
        };
        page.items.len()
    });
    assert_eq!(counts, [2, 1, 1, 1]);
}

#[test]
fn a_delete_that_is_delivered_twice_is_answered_by_the_second() {
    let mut cloud = with(SimFault::of(SimCall::Delete, SimFailure::Repeated));
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    assert_eq!(cloud.handle(at(1), Call::DeleteSnapshot { id }).unwrap_err().kind, SimErrorKind::NotFound);
    assert!(list(&mut cloud, 1).is_empty());
}

#[test]
fn a_stale_listing_shows_what_was_within_the_horizon() {
    let mut cloud = with(SimFault::of(SimCall::ListSnapshots, SimFailure::Stale));
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    assert!(list(&mut cloud, 0).is_empty(), "made just now");
    describe(&mut cloud, 0, &id).unwrap();
    assert_eq!(list(&mut cloud, 300).len(), 1, "older than the horizon of five minutes");
    cloud.handle(at(300), Call::Tag { id: id.clone(), tags: ours("b") }).unwrap();
    assert_eq!(list(&mut cloud, 300)[0].tags, ours("a"));
    cloud.handle(at(310), Call::DeleteSnapshot { id }).unwrap();
    assert_eq!(list(&mut cloud, 310).len(), 1, "still shown");
    assert!(list(&mut cloud, 700).is_empty());
}

#[test]
fn a_stale_look_by_intent_does_not_see_what_was_just_made() {
    let mut cloud = with(SimFault::of(SimCall::Describe, SimFailure::Stale));
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    assert_eq!(describe(&mut cloud, 0, &id).unwrap_err().kind, SimErrorKind::NotFound);
    let find = Call::FindByIntent { intent: intent("a") };
    assert_eq!(cloud.handle(at(0), find.clone()), Ok(Reply::Found(vec![])));
    let Ok(Reply::Found(found)) = cloud.handle(at(301), find) else { panic!() };
    assert_eq!(found.len(), 1);
}

#[test]
fn reordered_pages_still_show_everything_once() {
    let faults = vec![SimFault::of(SimCall::ListSnapshots, SimFailure::Reordered)];
    let mut cloud = cloud_with(Settings { faults, page_size: Some(3), ..Settings::default() });
    for n in 0..7 {
        make(&mut cloud, n * 300, "vol-data", &n.to_string());
    }
    let mut ids: Vec<_> = list(&mut cloud, 9000).into_iter().map(|snapshot| snapshot.id).collect();
    assert!(!ids.is_sorted(), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}

#[test]
fn a_fault_has_its_chance_and_the_same_history_the_same_faults() {
    let history = |seed| {
        let faults = vec![SimFault { percent: Some(30), ..SimFault::of(SimCall::Tag, SimFailure::Unavailable) }];
        let mut cloud = cloud_with(Settings { seed, faults, ..Settings::default() });
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        let tag = |n: i64| Call::Tag { id: id.clone(), tags: ours(&n.to_string()) };
        (0..200).map(|n| cloud.handle(at(n), tag(n)).is_err()).collect::<Vec<bool>>()
    };
    let failed = history(1).iter().filter(|failed| **failed).count();
    assert!((30..90).contains(&failed), "{failed} of 200");
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn an_outage_hits_every_call_between_its_instants() {
    let mut cloud = with(SimFault {
        from: Some(at(100)),
        until: Some(at(200)),
        ..SimFault::of(SimCall::Any, SimFailure::Unavailable)
    });
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    for (seconds, is_out) in [(99, false), (100, true), (199, true), (200, false)] {
        let calls = [
            Call::ListInstances { page: None },
            Call::ListSnapshots { only_ours: true, page: None },
            Call::DescribeSnapshot { id: id.clone() },
            Call::FindByIntent { intent: intent("a") },
            Call::Tag { id: id.clone(), tags: ours("a") },
            Call::DescribeDisk { id: disk_id("vol-data") },
            Call::DetachDisk { disk: disk_id("vol-boot"), instance: instance_id("i-primary") },
        ];
        for call in calls {
            let answer = cloud.handle(at(seconds), call.clone());
            assert_eq!(answer.is_err_and(|error| error.kind == SimErrorKind::Unavailable), is_out, "{call}");
        }
    }
}

#[test]
fn a_stuck_snapshot_never_becomes_ready_and_later_ones_do_not_wait_for_it() {
    let until = Some(at(100));
    let mut cloud = with(SimFault { until, ..SimFault::of(SimCall::Create, SimFailure::Stuck) });
    let stuck = make(&mut cloud, 0, "vol-data", "a").id;
    let next = make(&mut cloud, 100, "vol-data", "b").id;
    assert_eq!(describe(&mut cloud, 1_000_000, &stuck).unwrap().readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 330, &next).unwrap().readiness, Readiness::Ready);
    cloud.handle(at(1_000_000), Call::DeleteSnapshot { id: stuck }).unwrap();
}

#[test]
fn a_slow_snapshot_takes_several_times_as_long() {
    let mut cloud = with(SimFault { times: Some(4), ..SimFault::of(SimCall::Create, SimFailure::Slow) });
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    assert_eq!(describe(&mut cloud, 4 * 230 - 1, &id).unwrap().readiness, Readiness::CutFixed);
    assert_eq!(describe(&mut cloud, 4 * 230, &id).unwrap().readiness, Readiness::Ready);
}

#[test]
fn a_lost_permission_is_told_by_three_clouds_and_hidden_by_one() {
    for (name, code) in Profile::NAMES.into_iter().zip([
        Some("UnauthorizedOperation"),
        Some("AuthorizationFailed"),
        Some("forbidden"),
        None,
    ]) {
        let profile = Profile::named(name).unwrap();
        let mut cloud = Cloud::new(profile, world(), Settings::default());
        let made = created(cloud.handle(at(0), create("vol-data", "a"))).remove(0);
        let effect = cloud.log()[0].effect.clone().unwrap();
        let faults = vec![SimFault::of(SimCall::Any, SimFailure::Denied)];
        let profile = Profile::named(name).unwrap();
        let mut cloud = Cloud::new(profile, world(), Settings { faults, ..Settings::default() });
        cloud.apply(&effect).unwrap();
        let answer = cloud.handle(at(0), Call::ListSnapshots { only_ours: false, page: None });
        match code {
            Some(code) => assert_eq!(answer.unwrap_err().code, code),
            None => {
                let Ok(Reply::Snapshots(page)) = answer else { panic!("{answer:?}") };
                assert!(page.items.is_empty() && page.next.is_none());
            }
        }
        let looked = cloud.handle(at(0), Call::DescribeSnapshot { id: made.id }).unwrap_err();
        assert_eq!(looked.kind == SimErrorKind::NotFound, code.is_none(), "{name}");
        let checked = cloud.handle(at(0), Call::CheckPermission { of: SimCall::ListSnapshots }).unwrap_err();
        assert_eq!(checked.kind, SimErrorKind::Denied, "{name}: a dry run tells");
        assert_eq!(cloud.handle(at(0), create("vol-wal", "b")).unwrap_err().kind, SimErrorKind::Denied, "{name}");
    }
}

#[test]
fn a_throttled_caller_is_told_how_long_to_wait_where_the_cloud_says() {
    let waits = Profile::NAMES.map(|name| {
        let faults = vec![SimFault::of(SimCall::Create, SimFailure::Throttled)];
        let mut cloud = Cloud::new(Profile::named(name).unwrap(), world(), Settings { faults, ..Settings::default() });
        match cloud.handle(at(0), create("vol-data", "a")).unwrap_err().kind {
            SimErrorKind::Throttled { after } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(waits, [None, Some(20), None, Some(60)]);
}
