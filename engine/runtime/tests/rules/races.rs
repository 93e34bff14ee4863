//! Runs that meet: leases, a look that is too old, cancellation, and sites that must not stop each other.

use crate::engine::{Engine, Planned, changes};
use crate::support::{VirtualClock, at, now};
use async_trait::async_trait;
use backstay_core::name::ClusterUid;
use backstay_core::saga::End;
use backstay_core::time::Duration;
use backstay_runtime::apply::{Applied, ChangeEnd};
use backstay_runtime::events::{Event, Observer, Silent};
use backstay_runtime::lease::{Acquired, Lease, Terms, acquire};
use backstay_runtime::seams::{Clock, StateStore as _};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const START: &str = "2026-11-23T00:00:00Z";

fn hold(engine: &Engine, cluster: &str, run: &str) -> Lease {
    let cluster = ClusterUid::new(cluster).unwrap();
    match now(acquire(&engine.store(), &engine.clock, Terms::default(), &cluster, run, "apply")).unwrap() {
        Acquired::Held(lease) => lease,
        Acquired::HeldByAnother(record) => panic!("{record:?}"),
    }
}

pub(crate) fn ends(applied: &Applied) -> Vec<String> {
    let tell = |end: &ChangeEnd| match end {
        ChangeEnd::Saga(End::Done) => "done".to_owned(),
        ChangeEnd::Saga(End::Stale { because }) => format!("stale: {because}"),
        ChangeEnd::Saga(End::Failed { because }) => format!("failed: {because}"),
        ChangeEnd::LeaseHeld(record) => format!("held by {}", record.holder.as_deref().unwrap()),
        ChangeEnd::Cancelled => "cancelled".to_owned(),
    };
    applied.ended.values().map(tell).collect()
}

fn site_calls(engine: &Engine) -> usize {
    engine.log.lock().unwrap().iter().filter(|(verb, ..)| verb == "site").count()
}

#[test]
fn a_cluster_whose_lease_another_run_holds_is_left_alone_and_the_others_go_on() {
    let engine = Engine::new();
    hold(&engine, "orders-0001", "other");
    let applied = engine.apply(&engine.plan(at(START)), &engine.watched(), "run-1").unwrap();
    assert_eq!(ends(&applied), ["held by other", "done"]);
    assert_eq!(applied.unfinished(&engine.plan(at(START)).plan).len(), 1);
}

#[test]
fn a_run_that_waits_takes_over_a_lease_when_it_is_over_and_looks_again() {
    let engine = Engine::new();
    hold(&engine, "orders-0001", "killed");
    let plan = engine.plan(at(START));
    let wait = SignedDuration::from_mins(11);
    let applied = engine.apply_as(&plan, &engine.watched(), &engine.clock, &Silent, wait, "run-1").unwrap();
    assert_eq!(ends(&applied), ["done", "done"]);
}

#[test]
fn a_plan_made_while_another_run_had_not_sealed_yet_makes_no_second_point() {
    let engine = Arc::new(Engine::new());
    // When the first run is about to seal, a second one looks: it sees snapshots of an unfinished attempt, and plans another
    // for the time when its wait will be over.
    let second: Arc<Mutex<Option<Planned>>> = Arc::default();
    let (other, slot) = (engine.clone(), second.clone());
    *engine.before_tag.lock().unwrap() = Some(Box::new(move || {
        let plan = std::thread::spawn(move || other.plan(Duration::minutes(6).after(at(START)))).join().unwrap();
        *slot.lock().unwrap() = Some(plan);
    }));
    let first = engine.plan(at(START));
    assert_eq!(ends(&engine.apply(&first, &engine.watched(), "run-1").unwrap()), ["done", "done"]);
    let second = second.lock().unwrap().take().unwrap();
    let attempts: Vec<_> = changes(&second).changes.iter().map(|c| c.action.point().to_string()).collect();
    assert_eq!(attempts, ["20261123t000000z-2", "20261122t010000z-1"]);
    let before = site_calls(&engine);
    let applied = engine.apply(&second, &engine.watched(), "run-2").unwrap();
    assert_eq!(
        ends(&applied),
        ["stale: point 20261123t000000z-1 was made since", "stale: point 20261122t010000z-1 was made since"]
    );
    assert_eq!(site_calls(&engine), before);
    let points = engine.points(&engine.plan(at(START)));
    assert_eq!(points.into_values().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_damaged_lease_stops_its_own_cluster_alone() {
    let engine = Engine::new();
    now(engine.store().put("leases/orders-0001", b"{")).unwrap();
    let applied = engine.apply(&engine.plan(at(START)), &engine.watched(), "run-1").unwrap();
    let ends = ends(&applied);
    assert!(ends[0].starts_with("failed: state record leases/orders-0001 is damaged: "), "{ends:?}");
    assert_eq!(ends[1], "done");
}

/// Bug of others 9: a lock stayed after success.
#[test]
fn every_lease_is_given_back_at_the_end_whatever_came_of_the_changes() {
    let engine = Engine::new();
    let world = engine.read("fleet/fleet.yaml");
    engine.write(
        "fleet/fleet.yaml",
        &world.replace("pageSize: 3", "pageSize: 3, faults: [ { call: create, fail: denied } ]"),
    );
    let applied = engine.apply(&engine.plan(at(START)), &engine.watched(), "run-1").unwrap();
    assert!(ends(&applied).iter().all(|end| end.starts_with("failed: ")), "{:?}", ends(&applied));
    for cluster in ["orders-0001", "wiki-0001"] {
        hold(&engine, cluster, "run-2");
    }
}

/// Cancels when the first change starts.
struct Canceller<'a>(&'a AtomicBool, Mutex<Vec<String>>);

impl Observer for Canceller<'_> {
    fn on(&self, event: &Event) {
        let mut told = self.1.lock().unwrap();
        match event {
            Event::ChangeStarted { index, .. } => {
                told.push(format!("{index} started"));
                self.0.store(true, Ordering::SeqCst);
            }
            Event::ChangeEnded { index, .. } => told.push(format!("{index} ended")),
            Event::Page { .. }
            | Event::SiteRead { .. }
            | Event::Settling { .. }
            | Event::Throttled { .. }
            | Event::ClockMoved { .. } => {}
        }
    }
}

#[test]
fn a_cancelled_run_starts_no_new_call_tells_every_change_once_and_gives_its_leases_back() {
    let engine = Engine::new();
    let plan = engine.plan(at(START));
    let observer = Canceller(&engine.cancelled, Mutex::default());
    let applied =
        engine.apply_as(&plan, &engine.watched(), &engine.clock, &observer, SignedDuration::ZERO, "run-1").unwrap();
    assert_eq!(ends(&applied), ["failed: the run was cancelled", "cancelled"]);
    assert_eq!(site_calls(&engine), 0);
    let mut told = observer.1.into_inner().unwrap();
    told.sort();
    assert_eq!(told, ["0 ended", "0 started", "1 ended"]);
    engine.cancelled.store(false, Ordering::SeqCst);
    let applied = engine.apply(&engine.plan(at(START)), &engine.watched(), "run-2").unwrap();
    assert_eq!(ends(&applied), ["done", "done"]);
}

/// A clock during whose third wait somebody cancels.
struct Impatient<'a>(VirtualClock, &'a AtomicBool, AtomicUsize);

#[async_trait]
impl Clock for Impatient<'_> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, length: SignedDuration) {
        self.0.sleep(length).await;
        if self.2.fetch_add(1, Ordering::SeqCst) == 2 {
            self.1.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_run_that_waits_for_a_lease_can_be_cancelled() {
    let engine = Engine::new();
    hold(&engine, "orders-0001", "other");
    let plan = engine.plan(at(START));
    let clock = Impatient(engine.clock.clone(), &engine.cancelled, AtomicUsize::new(0));
    let wait = SignedDuration::from_hours(1);
    let applied = engine.apply_as(&plan, &engine.watched(), &clock, &Silent, wait, "run-1").unwrap();
    assert_eq!(ends(&applied), ["cancelled", "cancelled"]);
    assert_eq!(clock.2.load(Ordering::SeqCst), 3);
}

#[test]
fn a_clock_that_cannot_be_moved_stops_its_own_site_alone() {
    let mut engine = Engine::new();
    let fleet = engine.read("fleet/fleet.yaml");
    let second = "---\napiVersion: backstay.dev/v1\nkind: Site\nmetadata: { name: us }\nspec: { provider: sim, profile: aws, \
         seed: 2, world: fleet/world.yaml, clock: virtual }\n---\napiVersion: backstay.dev/v1\nkind: Cluster\n\
         metadata: { name: blog }\nspec:\n  uid: blog-0001\n  site: us\n  policy: bronze\n  nodes:\n    \
         - { name: blog-0, role: postgres, instance: i-wiki-0 }\n";
    engine.write("fleet/fleet.yaml", &format!("{fleet}{second}"));
    let plan = engine.plan(at("2026-11-23T02:00:00Z"));
    engine.broken_clock = Some("us");
    let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
    assert_eq!(
        ends(&applied),
        ["stale: the clock of site us could not be moved: the root is not mounted", "done", "done"]
    );
}
