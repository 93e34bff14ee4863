//! A point that a person asks for: beside the schedule's, checked like any other.

use crate::support::lab::{Lab, Point, time, uid};
use backstay_core::observed::{Listing, Readiness};
use backstay_core::plan::{Action, CreatePoint, Plan, Reason, WaitingFor};
use backstay_core::planner::{Refused, on_demand};
use backstay_core::tags::{PointClass, PointKey};
use backstay_core::verify::verify;

const POLICY: &str = "schedule: { every: 8h, spread: 0s }\nretention: { keep: { last: 3 }, onDemand: { max: 1 } }";

fn asked(lab: &Lab) -> Result<Plan, Refused> {
    on_demand(&lab.desired, &lab.observed, &uid("orders-db"), Some("an upgrade"), lab.now)
}

fn create(plan: &Plan) -> &CreatePoint {
    let [change] = plan.changes.as_slice() else { panic!("{plan:?}") };
    let Action::Create(create) = &change.action else { panic!("{change:?}") };
    create
}

#[test]
fn it_is_made_although_the_slot_has_a_point_and_its_slot_is_the_second_of_asking() {
    let mut lab = Lab::new(POLICY).at(time("2026-11-23T09:30:07.250Z"));
    lab.put(&Point::at(time("2026-11-23T08:00Z")));
    assert!(lab.plan().changes.is_empty(), "nothing is due");
    let plan = asked(&lab).unwrap();
    let made = create(&plan);
    assert_eq!((made.class, made.point.to_string().as_str()), (PointClass::OnDemand, "20261123t093007z-1"));
    assert_eq!(plan.changes[0].reason, Reason::OnDemand { because: Some("an upgrade".to_owned()) });
    assert_eq!(plan.changes[0].reason.to_string(), "asked for by a person: an upgrade");
    verify(plan, &lab.desired, &lab.observed).unwrap();
}

#[test]
fn it_satisfies_the_schedule_and_is_kept_beside_what_the_schedule_keeps() {
    let mut lab = Lab::new(POLICY).at(time("2026-11-23T08:30Z"));
    lab.put(&Point { class: PointClass::OnDemand, ..Point::at(time("2026-11-23T08:10Z")) });
    assert!(lab.plan().changes.is_empty(), "the slot of 08:00 is served");
}

#[test]
fn an_attempt_that_left_something_is_not_used_again_and_a_point_of_the_same_second_is_told() {
    let mut lab = Lab::new(POLICY).at(time("2026-11-23T09:30Z"));
    let key = |attempt| PointKey { slot: time("2026-11-23T09:30Z"), attempt };
    lab.put(&Point { key: key(1), readiness: Readiness::Failed { because: "x".to_owned() }, ..Point::at(key(1).slot) });
    assert_eq!(create(&asked(&lab).unwrap()).point, key(2));
    lab.put(&Point { key: key(2), class: PointClass::OnDemand, ..Point::at(key(2).slot) });
    assert_eq!(asked(&lab), Err(Refused::Exists(key(2))));
}

#[test]
fn what_stands_in_its_way_is_told() {
    let lab = Lab::new(POLICY);
    assert_eq!(on_demand(&lab.desired, &lab.observed, &uid("nobody"), None, lab.now), Err(Refused::NotDeclared));
    let mut lab = Lab::new(POLICY);
    let site = lab.observed.sites.keys().next().unwrap().clone();
    lab.observed.sites.insert(site, Listing::Unknown { because: "no answer".to_owned() });
    let Err(Refused::Wait { why: WaitingFor::SiteUnknown { because }, .. }) = asked(&lab) else { panic!() };
    assert_eq!(because, "no answer");
}

#[test]
fn the_second_opinion_takes_no_other_slot_and_no_other_class() {
    let lab = Lab::new(POLICY).at(time("2026-11-23T09:30Z"));
    let refused = |change: &dyn Fn(&mut CreatePoint)| {
        let mut plan = asked(&lab).unwrap();
        let Action::Create(create) = &mut plan.changes[0].action else { panic!() };
        change(create);
        for part in &mut create.parts {
            part.intent = backstay_core::tags::Intent::of(&uid("orders-db"), create.class, create.point, &part.disk);
        }
        verify(plan, &lab.desired, &lab.observed).map(|_| ()).unwrap_err().to_string()
    };
    let earlier = refused(&|create| create.point.slot = time("2026-11-23T09:29Z"));
    assert!(earlier.contains("nobody can have asked for slot"), "{earlier}");
    let safety = refused(&|create| create.class = PointClass::Safety);
    assert!(safety.contains("only a restore makes such a point"), "{safety}");
    let scheduled = refused(&|create| create.class = PointClass::Scheduled);
    assert!(scheduled.contains("is not the latest one of the schedule"), "{scheduled}");
}
