use crate::support::*;
use backstay_core::model::{SimCall, SimFailure};
use backstay_core::observed::Readiness;
use backstay_sim::{Call, Meddle, Reply, SimErrorKind};

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
