//! Preconditions are read again just before the first effect: what changed since the plan is skipped, and told (INVARIANTS.md 10).

use crate::engine::{Engine, Planned, changes};
use crate::support::{at, now};
use backstay_core::plan::{Action, Change};
use backstay_core::saga::End;
use backstay_runtime::apply::{Applied, ChangeEnd};
use backstay_runtime::seams::StateStore as _;
use backstay_runtime::state::State;

const LATE: &str = "2026-11-25T16:10:00Z";

/// A day and a half of slots: at [`LATE`] a point is due, one is to be marked, and one to be deleted.
fn aged() -> Engine {
    let engine = Engine::new();
    for (day, hours) in [(23, &[0, 8, 16][..]), (24, &[0, 8, 16]), (25, &[0])] {
        for hour in hours {
            engine.converge(&format!("2026-11-{day}T{hour:02}:00:00Z"));
        }
    }
    engine.log.lock().unwrap().clear();
    engine
}

fn find(plan: &Planned, wanted: fn(&Action) -> bool) -> (usize, Change) {
    let all = changes(plan).changes.iter().enumerate();
    let found = all.into_iter().find(|(_, change)| wanted(&change.action)).unwrap();
    (found.0, found.1.clone())
}

fn stale(applied: &Applied, index: usize) -> &str {
    match &applied.ended[&index] {
        ChangeEnd::Saga(End::Stale { because }) => because,
        other @ (ChangeEnd::Saga(End::Done | End::Failed { .. }) | ChangeEnd::LeaseHeld(_) | ChangeEnd::Cancelled) => {
            panic!("{other:?}")
        }
    }
}

fn is_delete(action: &Action) -> bool {
    matches!(action, Action::Delete(_))
}

fn is_expire(action: &Action) -> bool {
    matches!(action, Action::Expire(_))
}

fn deletes(engine: &Engine) -> usize {
    engine.log.lock().unwrap().iter().filter(|(what, call, _)| what == "site" && call == "delete").count()
}

#[test]
fn a_point_that_was_held_since_the_plan_is_neither_marked_nor_deleted() {
    for wanted in [is_delete as fn(&Action) -> bool, is_expire] {
        let engine = aged();
        let plan = engine.plan(at(LATE));
        let (index, change) = find(&plan, wanted);
        let point = change.action.point();
        now(engine.store().put(&format!("holds/{}/{point}", change.cluster), b"{}")).unwrap();
        let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
        assert_eq!(stale(&applied, index), format!("point {point} is held now"));
    }
}

#[test]
fn a_tombstone_that_was_revoked_since_the_plan_deletes_nothing() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    let (index, change) = find(&plan, is_delete);
    let Action::Delete(mark) = &change.action else { panic!("not a delete") };
    let (store, id) = (engine.store(), &mark.snapshots.last().unwrap().id);
    now(State(&store).revoke_tombstones(&change.site, id, at(LATE))).unwrap();
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    assert_eq!(stale(&applied, index), format!("the tombstone of {id} was revoked"));
    let others = changes(&plan).changes.iter().filter(|other| is_delete(&other.action)).count() - 1;
    assert!(deletes(&engine) <= others * 2, "nothing of that point was deleted");
}

/// 19: its holder may not have asked for minutes; what cannot be undone asks at once.
#[test]
fn a_lease_that_was_broken_lets_nothing_be_deleted_any_more() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    let (index, change) = find(&plan, is_delete);
    let lease = engine.state().join(format!("leases/{}", change.cluster));
    let delete_of = format!(".{}.", change.cluster);
    let store = engine.watched().beside(move |verb, key| {
        if verb == "create" && key.starts_with("deletes/") && key.contains(&delete_of) {
            let broken = std::fs::read_to_string(&lease).unwrap().replace("\"run-1\"", "null");
            assert!(broken.contains("\"holder\":null"), "{broken}");
            std::fs::write(&lease, broken).unwrap();
        }
    });
    let applied = engine.apply(&plan, &store, "run-1").unwrap();
    let ended = &applied.ended[&index];
    let is_lost = |because: &str| because.ends_with("somebody broke or took it");
    assert!(matches!(ended, ChangeEnd::Saga(End::Failed { because }) if is_lost(because)), "{ended:?}");
    let Action::Delete(mark) = &change.action else { panic!("not a delete") };
    let log = engine.log.lock().unwrap();
    let is_of_mark = |id: &str| mark.snapshots.iter().any(|target| id.contains(target.id.as_str()));
    assert!(!log.iter().any(|(what, call, id)| what == "site" && call == "delete" && is_of_mark(id)), "{log:?}");
}

/// 10: a run that waited, or stood still, for longer than its plan is valid begins nothing more.
#[test]
fn by_a_plan_that_expired_nothing_is_begun() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    engine.clock.advance(3_601);
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    let told: Vec<&str> = applied.ended.keys().map(|index| stale(&applied, *index)).collect();
    assert_eq!(told.len(), changes(&plan).changes.len());
    // A mark whose point was not made for that reason says so.
    assert!(told[0].starts_with("the plan expired at "), "{told:?}");
    assert!(!engine.log.lock().unwrap().iter().any(|(what, ..)| what == "site"));
}

#[test]
fn disks_that_moved_since_the_plan_are_not_cut() {
    let engine = Engine::new();
    let plan = engine.plan(at("2026-11-23T00:00:00Z"));
    let world = engine.read("fleet/world.yaml");
    engine.write("fleet/world.yaml", &world.replace("id: vol-orders-1-wal", "id: vol-orders-1-new"));
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    let (index, _) = find(&plan, |action| matches!(action, Action::Create(create) if create.parts.len() == 2));
    assert_eq!(stale(&applied, index), "the disks of i-orders-1 changed");
    assert_eq!(applied.count(|end| *end == ChangeEnd::Saga(End::Done)), 1, "{applied:?}");
}

#[test]
fn a_server_that_changed_its_role_since_the_plan_is_not_a_source() {
    let engine = Engine::new();
    let plan = engine.plan(at("2026-11-23T00:00:00Z"));
    let world = engine.read("fleet/world.yaml");
    engine.write(
        "fleet/world.yaml",
        &world.replace(
            "role: standby, system: \"7300000000000000001\", lag: 2s",
            "role: primary, system: \"7300000000000000001\"",
        ),
    );
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    let (index, _) = find(&plan, |action| matches!(action, Action::Create(create) if create.parts.len() == 2));
    assert!(stale(&applied, index).contains("the server"), "{applied:?}");
}

#[test]
fn a_tombstone_whose_run_was_cut_off_before_the_tag_is_gone_on_with() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    let (index, change) = find(&plan, is_expire);
    let Action::Expire(mark) = &change.action else { panic!("not a mark") };
    let fleet = engine.read("fleet/fleet.yaml");
    engine.write(
        "fleet/fleet.yaml",
        &fleet.replace("pageSize: 3", "pageSize: 3, faults: [ { call: tag, fail: denied } ]"),
    );
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    assert!(matches!(applied.ended[&index], ChangeEnd::Saga(End::Failed { .. } | End::Stale { .. })), "{applied:?}");
    engine.write("fleet/fleet.yaml", &fleet);
    let next = engine.plan(at("2026-11-25T16:40:00Z"));
    engine.apply(&next, &engine.watched(), "run-2").unwrap();
    let store = engine.store();
    for target in &mark.snapshots {
        let count = now(State(&store).count_tombstones(&change.site, &target.id)).unwrap();
        assert!(count <= 1, "{count} tombstones of {}", target.id);
    }
}
