//! A plan meets a changed world: what is stale is skipped, and nothing is ever added.

use super::properties::cases;
use crate::support::history::{History, history};
use crate::support::lab::{Lab, Point, UPGRADED, attached, site, time, uid};
use backstay_core::name::InstanceId;
use backstay_core::observed::{DatabaseRole, DatabaseState, DiskRole, Readiness};
use backstay_core::plan::{Cause, Change, Plan};
use backstay_core::refresh::refresh;
use backstay_core::tags;
use backstay_core::time::Duration;
use insta::assert_snapshot;
use proptest::prelude::*;

/// A world whose plan creates, revives, expires and deletes one point each.
fn world() -> (Lab, Plan) {
    let mut lab = Lab::new("schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }");
    lab.set_time(time("2026-11-24T01:00Z"));
    for (day, marked) in [(19, true), (21, false), (22, true), (23, false)] {
        let ids = lab.put(&Point::at(time(&format!("2026-11-{day}"))));
        if marked {
            lab.mark(&ids[0], time("2026-11-20T01:00Z"), Duration::hours(72), Cause::Due);
        }
    }
    let plan = lab.verified();
    (lab, plan)
}

/// What is skipped after a change of the world, each with its reason; the rest is as planned.
fn skipped(change: impl FnOnce(&mut Lab)) -> String {
    let (mut lab, plan) = world();
    change(&mut lab);
    let refreshed = refresh(plan.clone(), &lab.observed);
    let left: Vec<&Change> = refreshed.plan.changes.iter().chain(refreshed.skipped.iter().map(|s| &s.change)).collect();
    assert!(left.len() == plan.changes.len() && plan.changes.iter().all(|change| left.contains(&change)));
    assert!(lab.verify(refreshed.plan).is_ok(), "what is left is not safe");
    let line = |s: &backstay_core::refresh::Skipped| format!("{}: {}", s.change.action.verb(), s.because);
    refreshed.skipped.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn second(lab: &mut Lab, number: usize) -> backstay_core::name::SnapshotId {
    lab.snapshots()[number].id.clone()
}

#[test]
fn the_same_world_skips_nothing() {
    assert_eq!(skipped(|_| {}), "");
    let (_, plan) = world();
    assert_snapshot!(crate::support::show::plan(&plan), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    < orders-db 2026-11-22T00:00Z due: retention keeps it again
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    - orders-db 2026-11-19T00:00Z due: beyond daily 3, tombstoned 4d ago
    ");
}

#[test]
fn a_point_that_another_run_made_is_not_made_again() {
    let soon = time("2026-11-24T01:00:10Z");
    assert_snapshot!(skipped(|lab| {
        lab.set_time(soon);
        lab.put(&Point { key: "20261124t000000z-5".parse().unwrap(), ..Point::at(soon) });
    }), @"
    create: point 20261124t000000z-5 was made since
    expire: the plan's new point is not made
    ");
    assert_snapshot!(skipped(|lab| {
        lab.set_time(soon);
        let key = "20261124t000000z-5".parse().unwrap();
        lab.put(&Point { key, readiness: Readiness::CutFixed, ..Point::at(soon) });
    }), @"
    create: point 20261124t000000z-5 is being made
    expire: the plan's new point is not made
    ");
}

#[test]
fn a_create_whose_source_changed_is_skipped() {
    assert_snapshot!(skipped(|lab| {
        let gone = InstanceId::new("i-orders-db-1").unwrap();
        lab.inventory().instances.retain(|instance| instance.id != gone);
    }), @"
    create: instance i-orders-db-1 is gone
    expire: the plan's new point is not made
    ");
    assert_snapshot!(skipped(|lab| lab.disks("orders-db", 1).push(attached("orders-db", 1, DiskRole::Wal))), @"
    create: the disks of i-orders-db-1 changed
    expire: the plan's new point is not made
    ");
    assert_snapshot!(skipped(|lab| {
        lab.status("orders-db", 0).role = DatabaseRole::Standby { lag: None };
        lab.status("orders-db", 1).role = DatabaseRole::Primary;
    }), @"
    create: the server of i-orders-db-1 changed its role
    expire: the plan's new point is not made
    ");
    assert_snapshot!(skipped(|lab| {
        *lab.database("orders-db", 1) = DatabaseState::Unreachable { because: "connection refused".to_owned() };
    }), @"
    create: the server of i-orders-db-1 cannot be reached: connection refused
    expire: the plan's new point is not made
    ");
    assert_snapshot!(skipped(|lab| *lab.database("orders-db", 1) = DatabaseState::NotObservable), @"
    create: the server of i-orders-db-1 cannot be asked any more
    expire: the plan's new point is not made
    ");
    let (mut lab, plan) = world();
    lab.status("orders-db", 1).system = UPGRADED;
    assert_snapshot!(refresh(plan, &lab.observed).skipped[0].because, @"the server of i-orders-db-1 has another system identifier");
}

#[test]
fn what_is_to_go_and_changed_is_skipped() {
    assert_snapshot!(skipped(|lab| {
        let id = second(lab, 0);
        lab.snapshots().retain(|snapshot| snapshot.id != id);
    }), @"delete: snapshot snap-00001 is not listed any more");
    assert_snapshot!(skipped(|lab| {
        let id = second(lab, 0);
        lab.snapshot(&id).tags.insert(tags::HOLD.to_owned(), "1".to_owned());
    }), @"delete: snapshot snap-00001 changed");
    assert_snapshot!(skipped(|lab| {
        for day in [19, 21] {
            let key = format!("202611{day}t000000z-1").parse().unwrap();
            lab.records().holds.insert((uid("orders-db"), key));
        }
    }), @"
    expire: point 20261121t000000z-1 is held now
    delete: point 20261119t000000z-1 is held now
    ");
    assert_snapshot!(skipped(|lab| {
        lab.records().tombstones.insert(site(), std::collections::BTreeMap::new());
    }), @"delete: the tombstone of snap-00001 was revoked");
}

#[test]
fn what_could_not_be_read_is_skipped() {
    assert_snapshot!(skipped(Lab::site_is_unknown), @"
    create: site eu could not be read
    revive: site eu could not be read
    expire: site eu could not be read
    delete: site eu could not be read
    ");
    assert_snapshot!(skipped(Lab::records_are_unknown), @"
    expire: the state store could not be read: no answer
    delete: the state store could not be read: no answer
    ");
}

#[test]
fn a_plan_that_was_applied_has_no_effect_again() {
    let (mut lab, plan) = world();
    lab.apply(&plan);
    let refreshed = refresh(plan.clone(), &lab.observed);
    assert_eq!(refreshed.plan.changes, []);
    assert_eq!(refreshed.skipped.len(), plan.changes.len());
}

fn two_worlds() -> impl Strategy<Value = (History, History)> {
    (history(), history()).prop_map(|(one, other)| {
        // The same beginning, and then other things happened.
        let mut then = one.clone();
        then.points.extend(other.points.into_iter().take(4));
        (then.servers, then.trouble) = (other.servers, other.trouble);
        (one, then)
    })
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn whatever_happened_nothing_is_added(worlds in two_worlds()) {
        let (one, then) = worlds;
        let plan = one.lab().plan();
        let lab = then.lab();
        let refreshed = refresh(plan.clone(), &lab.observed);
        prop_assert_eq!(refreshed.plan.changes.len() + refreshed.skipped.len(), plan.changes.len());
        for change in &refreshed.plan.changes {
            prop_assert!(plan.changes.contains(change));
        }
        prop_assert_eq!(&refreshed.plan.basis, &plan.basis);
        // Once refreshed, a plan stays as it is.
        let again = refresh(refreshed.plan, &lab.observed);
        prop_assert!(again.skipped.is_empty());
    }

    #[test]
    fn a_plan_that_was_applied_is_stale_in_every_part(history in history()) {
        let mut lab = history.lab();
        let plan = lab.plan();
        lab.apply(&plan);
        // A revive whose records could not be read removed a tag, and that is all that it could.
        prop_assert!(refresh(plan, &lab.observed).plan.changes.iter().all(|change| change.action.verb() == "revive"));
    }
}
