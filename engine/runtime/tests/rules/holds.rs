//! Holds: in force at once, released last of all.

use crate::apply::{LATE, aged};
use crate::engine::{Engine, changes};
use crate::races::ends;
use crate::support::{Watched, at, now};
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::Observed;
use backstay_core::plan::Action;
use backstay_core::tags::{self, PointKey};
use backstay_runtime::holds::{HoldRecord, Release, Released, place, read, tagged};
use backstay_runtime::lease::{Acquired, Epochs, Terms, acquire};
use backstay_runtime::seams::{StateStore, StoreError};
use std::sync::atomic::AtomicBool;

fn orders() -> ClusterUid {
    ClusterUid::new("orders-0001").unwrap()
}

fn record(reason: &str) -> HoldRecord {
    HoldRecord { at: at("2026-11-25T12:00:00Z"), by: Some("ann".to_owned()), reason: Some(reason.to_owned()) }
}

#[test]
fn a_hold_that_was_placed_since_the_plan_stops_the_mark_and_the_delete() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    let removed = |action: &Action| match action {
        Action::Expire(mark) | Action::Delete(mark) => Some(mark.point),
        Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => None,
    };
    let of_plan = changes(&plan).changes.iter();
    let to_go: Vec<_> = of_plan.filter_map(|change| Some((&change.cluster, removed(&change.action)?))).collect();
    assert!(to_go.len() >= 2, "{to_go:?}");
    for (cluster, point) in &to_go {
        assert!(now(place(&engine.store(), cluster, *point, &record("INC-1"))).unwrap());
    }
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    for (index, end) in ends(&applied).iter().enumerate() {
        match removed(&changes(&plan).changes[index].action) {
            Some(point) => assert_eq!(*end, format!("stale: point {point} is held now")),
            None => assert_eq!(end, "done"),
        }
    }
    let calls = engine.log.lock().unwrap();
    assert!(calls.iter().all(|(verb, key, _)| verb != "site" || !key.starts_with("delete")), "{calls:?}");
}

#[test]
fn an_earlier_hold_stays_as_it_is() {
    let engine = Engine::new();
    let point = "20261123t000000z-1".parse().unwrap();
    assert!(now(place(&engine.store(), &orders(), point, &record("first"))).unwrap());
    assert!(!now(place(&engine.store(), &orders(), point, &record("second"))).unwrap());
    assert_eq!(now(read(&engine.store(), &orders(), point)).unwrap(), Some(record("first")));
}

/// A fleet with a held point, whose tags say so too.
fn held() -> (Engine, PointKey) {
    let engine = Engine::new();
    engine.converge("2026-11-23T00:00:00Z");
    let point = "20261123t000000z-1".parse().unwrap();
    now(place(&engine.store(), &orders(), point, &record("INC-1"))).unwrap();
    engine.converge("2026-11-23T00:05:00Z");
    (engine, point)
}

fn release(
    engine: &Engine,
    store: &dyn StateStore,
    point: PointKey,
    seen: &Epochs,
    observed: &Observed,
    run: &str,
) -> Result<Released, StoreError> {
    let desired = engine.desired();
    let (sites, cancelled) = (engine.sites(&desired), AtomicBool::new(false));
    let (terms, clock) = (Terms::default(), &engine.clock);
    let release = Release { sites: &sites, store, clock, terms, run, seen, cancelled: &cancelled };
    let tagged: Vec<(&SiteName, &SnapshotId)> = tagged(observed, &orders(), point);
    now(release.carry_out(&orders(), point, &tagged, &record("over")))
}

/// Whether anything of a point is held, by record or tag.
fn is_held(engine: &Engine, point: PointKey) -> bool {
    let seen = engine.plan(at("2026-11-23T00:05:00Z"));
    now(read(&engine.store(), &orders(), point)).unwrap().is_some()
        || !tagged(&seen.observed, &orders(), point).is_empty()
}

#[test]
fn a_release_that_is_cut_short_anywhere_leaves_the_record_and_is_completed_by_the_next() {
    let mut cut_short = 0;
    for nth in 0.. {
        let (engine, point) = held();
        let looked = engine.plan(at("2026-11-23T00:05:00Z"));
        assert_eq!(tagged(&looked.observed, &orders(), point).len(), 2, "both parts say so");
        let store = Watched::failing(&engine.state(), nth, |call, at| call >= at);
        let first = release(&engine, &store, point, &looked.seen, &looked.observed, "run-1");
        if first.is_ok() {
            break;
        }
        cut_short += 1;
        // Whoever died holds the lease until it is over.
        engine.clock.advance(660);
        let looked = engine.plan(at("2026-11-23T00:05:00Z"));
        let was_recorded = now(read(&engine.store(), &orders(), point)).unwrap().is_some();
        assert!(was_recorded || tagged(&looked.observed, &orders(), point).is_empty(), "cut short at call {nth}");
        let seen = now(Epochs::read(&engine.store())).unwrap();
        // The dead run's lease counts as moved; the one who takes it over looks again.
        let second = release(&engine, &engine.store(), point, &seen, &looked.observed, "run-2").unwrap();
        if matches!(second, Released::Failed { .. }) {
            let looked = engine.plan(at("2026-11-23T00:05:00Z"));
            let third = release(&engine, &engine.store(), point, &looked.seen, &looked.observed, "run-3").unwrap();
            assert!(matches!(third, Released::Done), "{third:?}");
        }
        assert!(!is_held(&engine, point), "cut short at call {nth}");
    }
    assert!(cut_short >= 5, "{cut_short}");
}

#[test]
fn a_release_leaves_all_as_it_is_while_another_run_works_or_has_worked_since() {
    let (engine, point) = held();
    let looked = engine.plan(at("2026-11-23T00:05:00Z"));
    let (store, cluster) = (engine.store(), orders());
    let lease = acquire(&store, &engine.clock, Terms::default(), &cluster, "run-x", "apply");
    let Acquired::Held(lease) = now(lease).unwrap() else { panic!("another run holds it") };
    let refused = release(&engine, &engine.store(), point, &looked.seen, &looked.observed, "run-1").unwrap();
    assert!(matches!(refused, Released::LeaseHeld(ref record) if record.holder.as_deref() == Some("run-x")));
    now(lease.release(&engine.store())).unwrap();
    let refused = release(&engine, &engine.store(), point, &looked.seen, &looked.observed, "run-1").unwrap();
    assert!(matches!(refused, Released::Failed { ref because } if because.contains("another run worked")));
    let snapshots = tagged(&engine.plan(at("2026-11-23T00:05:00Z")).observed, &orders(), point).len();
    assert_eq!(snapshots, 2, "{}", tags::HOLD);
    assert_eq!(now(read(&engine.store(), &orders(), point)).unwrap(), Some(record("INC-1")));
}
