//! Calls as a run makes them: within the budgets that the site enforces, behind the fence, tried again, and looked for when
//! their answers are lost.

use crate::engine::{Engine, changes};
use crate::support::{at, now};
use async_trait::async_trait;
use backstay_core::capabilities::CallClass;
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName};
use backstay_core::saga::End;
use backstay_core::tags::{self, Intent, PointClass, PointKey};
use backstay_provider::CreateSnapshot;
use backstay_runtime::apply::ChangeEnd;
use backstay_runtime::calls::{CallError, Fence};
use backstay_runtime::events::{Event, Observer, Silent};
use backstay_runtime::journal::{Entry, read};
use backstay_runtime::seams::{Clock as _, StateStore as _, StoreError};
use futures::StreamExt as _;
use jiff::SignedDuration;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const START: &str = "2026-11-23T00:00:00Z";

/// What was told of waiting.
#[derive(Default)]
struct Waits(Mutex<Vec<(CallClass, SignedDuration)>>);

impl Observer for Waits {
    fn on(&self, event: &Event) {
        match event {
            Event::Throttled { class, wait, .. } => self.0.lock().unwrap().push((*class, *wait)),
            Event::Page { .. }
            | Event::SiteRead { .. }
            | Event::ChangeStarted { .. }
            | Event::ChangeEnded { .. }
            | Event::Settling { .. }
            | Event::ClockMoved { .. } => {}
        }
    }
}

/// A site of a profile with so many disks at one machine, whose budgets hold.
fn with_disks(profile: &str, disks: usize) -> Engine {
    let engine = Engine::new();
    let fleet = engine.read("fleet/fleet.yaml");
    engine.write("fleet/fleet.yaml", &fleet.replace("profile: aws", &format!("profile: {profile}, budgets: enforced")));
    let mut world = engine.read("fleet/world.yaml");
    world.push_str("    - id: i-big\n      disks:\n");
    for number in 0..disks {
        writeln!(world, "        - {{ id: vol-big-{number}, role: data, sizeGiB: 1 }}").unwrap();
    }
    engine.write("fleet/world.yaml", &world);
    engine
}

fn order(number: usize) -> CreateSnapshot {
    let (cluster, disk) = (ClusterUid::new("big-0001").unwrap(), DiskId::new(format!("vol-big-{number}")).unwrap());
    let point = PointKey { slot: at(START), attempt: 1 };
    let intent = Intent::of(&cluster, PointClass::Scheduled, point, &disk);
    CreateSnapshot {
        instance: InstanceId::new("i-big").unwrap(),
        disk,
        tags: tags::at_creation(&cluster, PointClass::Scheduled, point, &intent),
        intent,
        location: None,
    }
}

#[test]
fn two_thousand_creates_of_the_only_client_are_never_refused() {
    for profile in ["aws", "azure", "alibaba"] {
        let engine = with_disks(profile, 2_000);
        let desired = engine.desired();
        let sites = engine.sites(&desired);
        let waits = Waits::default();
        let site = SiteName::new("eu").unwrap();
        let calls = sites.calls(&site, &engine.clock, &waits).unwrap().of_run("run-1", &engine.cancelled);
        let work = (0..2_000).map(|number| async move { calls.create(&order(number)).await.map(drop) });
        let ends: Vec<_> = now(futures::stream::iter(work).buffer_unordered(64).collect());
        let refused: Vec<_> = ends.into_iter().filter_map(Result::err).collect();
        assert!(refused.is_empty(), "{profile}: {} refused, first {}", refused.len(), refused[0]);
        // Only a wait for the own budget was told, and each was worth it: a refusal is told however short its wait is.
        let told = waits.0.into_inner().unwrap();
        assert!(told.iter().all(|(_, wait)| *wait >= SignedDuration::from_secs(5)), "{profile}: {told:?}");
        let log = engine.log.lock().unwrap();
        let sent = log.iter().filter(|(verb, what, _)| verb == "site" && what == "create").count();
        assert_eq!(sent, 2_000, "{profile}: none was sent twice");
    }
}

/// Lets so many calls pass.
struct Turnstile(AtomicUsize);

#[async_trait]
impl Fence for Turnstile {
    async fn check(&self) -> Result<(), StoreError> {
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::new("the lease was lost")),
        }
    }
}

/// A fault at the only site.
fn with_fault(fault: &str) -> Engine {
    let engine = Engine::new();
    let fleet = engine.read("fleet/fleet.yaml");
    engine.write("fleet/fleet.yaml", &fleet.replace("pageSize: 3", &format!("pageSize: 3, faults: [ {fault} ]")));
    engine
}

#[test]
fn a_lost_lease_lets_no_call_pass_not_even_one_that_is_tried_again() {
    let engine = with_fault("{ call: create, fail: throttled }");
    engine.write("fleet/world.yaml", &with_disks("aws", 1).read("fleet/world.yaml"));
    let desired = engine.desired();
    let sites = engine.sites(&desired);
    let site = SiteName::new("eu").unwrap();
    for passes in 0..3 {
        let fence = Turnstile(AtomicUsize::new(passes * 2));
        engine.log.lock().unwrap().clear();
        let calls = sites.calls(&site, &engine.clock, &Silent).unwrap();
        let calls = calls.of_run("run-1", &engine.cancelled).behind(&fence);
        let end = now(calls.create(&order(0)));
        assert!(matches!(&end, Err(CallError::NotSent(because)) if because == "the lease was lost"), "{end:?}");
        let log = engine.log.lock().unwrap();
        // Each sending takes two passes: before it, and after the wait that follows.
        assert_eq!(log.iter().filter(|(verb, ..)| verb == "site").count(), passes, "{log:?}");
    }
}

/// Counts what passes.
#[derive(Default)]
struct Counter(AtomicUsize);

#[async_trait]
impl Fence for Counter {
    async fn check(&self) -> Result<(), StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Cancels as soon as something is waited for.
struct Impatient<'a>(&'a AtomicBool);

impl Observer for Impatient<'_> {
    fn on(&self, event: &Event) {
        if matches!(event, Event::Throttled { .. }) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// A site in real time that is always too busy.
fn throttled_in_real_time() -> Engine {
    let engine = with_fault("{ call: describe, fail: throttled }");
    engine.write("fleet/fleet.yaml", &engine.read("fleet/fleet.yaml").replace("clock: virtual", "clock: real"));
    engine
}

#[test]
fn a_call_that_waits_passes_the_fence_every_second_so_that_its_lease_lives_on() {
    let engine = throttled_in_real_time();
    let desired = engine.desired();
    let sites = engine.sites(&desired);
    let (site, fence, started) = (SiteName::new("eu").unwrap(), Counter::default(), engine.clock.now());
    let calls = sites.calls(&site, &engine.clock, &Silent).unwrap();
    let calls = calls.of_run("run-1", &engine.cancelled).behind(&fence);
    let end = now(calls.by_intent(&order(0).intent));
    assert!(matches!(&end, Err(CallError::Refused(_))), "{end:?}");
    let waited = engine.clock.now().duration_since(started).as_secs();
    assert!((600..=900).contains(&waited), "{waited} s");
    let passed = i64::try_from(fence.0.load(Ordering::SeqCst)).unwrap();
    assert!(passed >= waited, "{passed} passes in {waited} s");
}

#[test]
fn a_cancelled_run_waits_no_longer() {
    let engine = throttled_in_real_time();
    let desired = engine.desired();
    let sites = engine.sites(&desired);
    let (site, started) = (SiteName::new("eu").unwrap(), engine.clock.now());
    let observer = Impatient(&engine.cancelled);
    let calls = sites.calls(&site, &engine.clock, &observer).unwrap().of_run("run-1", &engine.cancelled);
    let end = now(calls.by_intent(&order(0).intent));
    assert!(matches!(&end, Err(CallError::NotSent(because)) if because == "the run was cancelled"), "{end:?}");
    assert!(engine.clock.now().duration_since(started) <= SignedDuration::from_secs(1));
}

#[test]
fn a_look_at_a_made_up_world_moves_no_clock_and_one_at_a_real_one_waits() {
    for is_virtual in [true, false] {
        let engine =
            if is_virtual { with_fault("{ call: describe, fail: throttled }") } else { throttled_in_real_time() };
        let desired = engine.desired();
        let sites = engine.sites(&desired);
        let (site, started) = (SiteName::new("eu").unwrap(), engine.clock.now());
        let calls = sites.calls(&site, &engine.clock, &Silent).unwrap();
        assert!(now(calls.by_intent(&order(0).intent)).is_err());
        assert_eq!(engine.clock.now() == started, is_virtual);
        assert!(!engine.state().join("sim/eu/effects.jsonl").exists(), "its clock was moved");
    }
}

#[test]
fn what_the_site_asks_for_is_waited_for_and_told_and_the_call_gets_through() {
    let until = "2026-11-23T00:03:00Z";
    let engine = with_fault(&format!("{{ call: create, fail: throttled, until: {until} }}"));
    let plan = engine.plan(at(START));
    let waits = Waits::default();
    let applied =
        engine.apply_as(&plan, &engine.watched(), &engine.clock, &waits, SignedDuration::ZERO, "run-1").unwrap();
    assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)), "{applied:?}");
    let told = waits.0.into_inner().unwrap();
    assert!(told.iter().any(|(class, _)| matches!(class, CallClass::Create | CallClass::CreateGroup)), "{told:?}");
    let sum = told.iter().fold(SignedDuration::ZERO, |sum, (_, wait)| sum + *wait);
    assert!(sum >= SignedDuration::from_mins(2), "{sum}");
}

#[test]
fn a_site_that_stays_throttled_or_down_is_given_up_and_told() {
    for (fail, word) in [("throttled", "RequestLimitExceeded"), ("unavailable", "ServiceUnavailable")] {
        let engine = with_fault(&format!("{{ call: create, fail: {fail} }}"));
        let plan = engine.plan(at(START));
        let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
        for end in applied.ended.values() {
            assert!(matches!(end, ChangeEnd::Saga(End::Failed { because }) if because.contains(word)), "{end:?}");
        }
    }
}

#[test]
fn one_clusters_throttling_or_refusal_never_stops_another() {
    // The first one is given up after 15 minutes; by then the site answers the second one.
    let throttled = with_fault("{ call: create, fail: throttled, until: 2026-11-23T00:16:00Z }");
    let refused = Engine::new();
    for engine in [throttled, refused] {
        let plan = engine.plan(at(START));
        let world = engine.read("fleet/world.yaml");
        if !engine.read("fleet/fleet.yaml").contains("faults") {
            engine.write("fleet/world.yaml", &world.replace("id: i-orders-1", "id: i-another"));
        }
        let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
        let failed = applied.count(|end| matches!(end, ChangeEnd::Saga(End::Failed { .. } | End::Stale { .. })));
        let done = applied.count(|end| *end == ChangeEnd::Saga(End::Done));
        assert_eq!((failed, done), (1, 1), "{applied:?}");
    }
}

#[test]
fn every_lost_answer_is_looked_for_and_nothing_is_made_twice() {
    for call in ["create", "tag", "delete"] {
        let engine =
            with_fault(&format!("{{ call: {call}, fail: lost-response, from: 2026-11-23T00:00:00Z, percent: 60 }}"));
        let mut run = 0;
        for day in 23..27 {
            for hour in [0, 8, 16] {
                run += 1;
                let plan = engine.plan(at(&format!("2026-11-{day}T{hour:02}:10:00Z")));
                engine.apply(&plan, &engine.watched(), &format!("run-{run}")).unwrap();
            }
        }
        let log = engine.log.lock().unwrap().clone();
        let journals = now(engine.store().list("journal/")).unwrap();
        let mut unknown = 0;
        for key in journals {
            for record in read(&now(engine.store().get(&key)).unwrap().unwrap()).unwrap() {
                if let Entry::Ended { end: End::Failed { because }, .. } = record.entry {
                    unknown += usize::from(because.contains("outcome is unknown"));
                }
            }
        }
        assert!(unknown <= 2, "{call}: {unknown} changes ended unknown");
        assert!(log.iter().filter(|(verb, ..)| verb == "site").count() > 30, "{call}");
        let points = engine.points(&engine.plan(at("2026-11-27T00:00:00Z")));
        assert!(points.len() > 3 && points.values().all(|count| *count == 1), "{call}: {points:?}");
    }
}

#[test]
fn a_cluster_is_worked_on_in_order_and_what_was_made_comes_first() {
    let engine = Engine::new();
    for day in 23..26 {
        for hour in [0, 8, 16] {
            engine.converge(&format!("2026-11-{day}T{hour:02}:00:00Z"));
        }
    }
    let plan = engine.plan(at("2026-11-26T00:10:00Z"));
    let applied = engine.apply(&plan, &engine.watched(), "run-last").unwrap();
    assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)));
    let records = read(&now(engine.store().get("journal/run-last.jsonl")).unwrap().unwrap()).unwrap();
    let mut ranks = std::collections::BTreeMap::<String, Vec<&str>>::new();
    for record in &records {
        if let Entry::Change { change, .. } = &record.entry {
            ranks.entry(change.cluster.to_string()).or_default().push(change.action.verb());
        }
    }
    let order = ["create", "copy", "tag", "lock", "revive", "expire", "delete"];
    let place = |verb: &&str| order.iter().position(|known| known == verb).unwrap();
    assert!(ranks.values().any(|verbs| verbs.len() > 2), "{ranks:?}");
    for verbs in ranks.values() {
        assert!(verbs.is_sorted_by_key(place), "{verbs:?}");
    }
    assert!(!changes(&plan).changes.is_empty());
}
