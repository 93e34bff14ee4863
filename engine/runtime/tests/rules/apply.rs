//! Apply: the order of journal and calls, and a store that fails at every one of them.

use crate::engine::{Engine, changes};
use crate::support::{Watched, at, now};
use backstay_core::plan::Action;
use backstay_core::saga::End;
use backstay_runtime::apply::{Applied, ChangeEnd};
use backstay_runtime::journal::{Entry, Record, read};
use backstay_runtime::seams::{StateStore as _, StoreError};
use jiff::SignedDuration;
use std::collections::BTreeMap;

const START: &str = "2026-11-23T00:00:00Z";

/// A day and a half of slots, so that points were marked and one delete is due at [`LATE`].
const BEFORE: [&str; 7] = [
    START,
    "2026-11-23T08:00:00Z",
    "2026-11-23T16:00:00Z",
    "2026-11-24T00:00:00Z",
    "2026-11-24T08:00:00Z",
    "2026-11-24T16:00:00Z",
    "2026-11-25T00:00:00Z",
];
pub(crate) const LATE: &str = "2026-11-25T16:10:00Z";

pub(crate) fn aged() -> Engine {
    let engine = Engine::new();
    for as_of in BEFORE {
        engine.converge(as_of);
    }
    engine.log.lock().unwrap().clear();
    engine
}

fn all_done(applied: &Applied) -> bool {
    applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done))
}

#[test]
fn every_call_stands_between_its_intent_and_its_outcome() {
    let engine = aged();
    let plan = engine.plan(at(LATE));
    let has = |wanted: fn(&Action) -> bool| changes(&plan).changes.iter().any(|change| wanted(&change.action));
    assert!(has(|a| matches!(a, Action::Create(_))) && has(|a| matches!(a, Action::Expire(_))));
    assert!(has(|a| matches!(a, Action::Delete(_))));
    assert!(all_done(&engine.apply(&plan, &engine.watched(), "run-1").unwrap()));
    // Clusters work at once: each change has one call open at most, and no call is made while none is.
    let (mut open, mut calls, mut journal, mut told) = (BTreeMap::new(), 0, String::new(), 0);
    for (verb, key, value) in engine.log.lock().unwrap().iter() {
        if verb == "append" {
            journal.push_str(value);
            let records = read(journal.as_bytes()).unwrap();
            for record in &records[told..] {
                match &record.entry {
                    Entry::Intent { index, effect, .. } => {
                        assert!(open.insert(*index, effect.clone()).is_none(), "{effect:?}");
                    }
                    Entry::Outcome { index, .. } => assert!(open.remove(index).is_some(), "an outcome of nothing"),
                    Entry::Change { index, .. } | Entry::Ended { index, .. } => {
                        assert!(!open.contains_key(index), "{value}");
                    }
                    Entry::Run { .. } | Entry::Release { .. } | Entry::Finished => assert!(open.is_empty(), "{value}"),
                }
            }
            told = records.len();
        } else if verb == "site" || !key.starts_with("leases/") {
            assert!(!open.is_empty(), "{verb} {key} {value} without an intent");
            calls += 1;
        }
    }
    assert!(calls > 15, "{calls}");
}

#[test]
fn a_journal_tells_the_whole_run_from_beginning_to_end() {
    let engine = Engine::new();
    engine.apply(&engine.plan(at(START)), &engine.watched(), "run-1").unwrap();
    let records: Vec<Record> = read(&now(engine.store().get("journal/run-1.jsonl")).unwrap().unwrap()).unwrap();
    assert!(matches!(records[0].entry, Entry::Run { .. }));
    assert_eq!(records.last().unwrap().entry, Entry::Finished);
    assert!(records.iter().zip(1..).all(|(record, number)| record.seq == number));
    let ended = records.iter().filter(|r| matches!(r.entry, Entry::Ended { end: End::Done, .. })).count();
    assert_eq!(ended, 2);
}

#[test]
fn applying_an_applied_plan_again_has_no_effect() {
    let engine = Engine::new();
    let plan = engine.plan(at(START));
    assert!(all_done(&engine.apply(&plan, &engine.watched(), "run-1").unwrap()));
    let before = engine.plan(at(START)).observed.sites;
    engine.log.lock().unwrap().clear();
    let again = engine.apply(&plan, &engine.watched(), "run-2").unwrap();
    assert_eq!(again.ended.len(), 2);
    assert!(again.ended.values().all(|end| matches!(end, ChangeEnd::Saga(End::Stale { .. }))), "{again:?}");
    assert!(!engine.log.lock().unwrap().iter().any(|(verb, ..)| verb == "site"));
    let after = engine.plan(at(START)).observed.sites;
    let snapshots = |sites: &std::collections::BTreeMap<_, backstay_core::observed::Listing<_>>| {
        sites
            .values()
            .map(|l: &backstay_core::observed::Listing<backstay_core::observed::SiteInventory>| {
                l.complete().unwrap().snapshots.clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(snapshots(&before), snapshots(&after));
}

/// Whether and how a run told that the store failed.
fn told(outcome: &Result<Applied, StoreError>) -> Option<String> {
    match outcome {
        Err(error) => Some(error.to_string()),
        Ok(applied) => applied.ended.values().find_map(|end| match end {
            ChangeEnd::Saga(End::Failed { because } | End::Stale { because }) => Some(because.clone()),
            ChangeEnd::Saga(End::Done) | ChangeEnd::LeaseHeld(_) | ChangeEnd::Cancelled => None,
        }),
    }
}

/// The points once nothing is left to do, which takes two runs at most: marks may follow the points that a run made.
fn settled(engine: &Engine, as_of: &str) -> BTreeMap<String, usize> {
    let later = at(as_of) + SignedDuration::from_secs(700);
    for run in ["run-2", "run-3"] {
        let applied = engine.apply(&engine.plan(later), &engine.watched(), run).unwrap();
        assert!(all_done(&applied), "{applied:?}");
    }
    let end = engine.plan(later);
    assert_eq!(changes(&end).changes, []);
    engine.points(&end)
}

/// Fails the store at its n-th call, for every n until a run gets through; then what a later run makes of it.
fn fail_at_every_call(base: &Engine, as_of: &str, fails: fn(usize, usize) -> bool) -> usize {
    let whole = base.copied();
    whole.apply(&whole.plan(at(as_of)), &whole.watched(), "run-1").unwrap();
    let expected = settled(&whole, as_of);
    for n in 1.. {
        let engine = base.copied();
        let plan = engine.plan(at(as_of));
        let store = Watched::failing(&engine.state(), n, fails).telling(&engine.log);
        let outcome = engine.apply(&plan, &store, "run-1");
        if store.calls() < n {
            assert!(all_done(&outcome.unwrap()));
            return n - 1;
        }
        let because = told(&outcome).unwrap_or_else(|| panic!("call {n} failed, and nobody was told"));
        assert!(because.contains("the disk is full") || because.contains("was lost at epoch"), "call {n}: {because}");
        let log = engine.log.lock().unwrap().clone();
        let failed = log.iter().position(|(verb, ..)| verb == "failed").unwrap();
        let is_for_good = fails(n + 1, n);
        if is_for_good || log[failed].1.starts_with("journal/") {
            let after: Vec<_> = log[failed..].iter().filter(|(verb, ..)| verb == "site").collect();
            assert!(after.is_empty(), "call {n} failed, and then: {after:?}");
        }
        // The next run, after the lease of the broken one is over, ends where an unbroken one would have.
        engine.clock.advance(700);
        let points = settled(&engine, as_of);
        assert!(points.values().all(|number| *number == 1), "call {n}: {points:?}");
        assert_eq!(points, expected, "after call {n} failed");
    }
    unreachable!("some run gets through")
}

#[test]
fn a_store_that_fails_for_good_at_any_call_of_a_first_apply_stops_it_there() {
    let calls = fail_at_every_call(&Engine::new(), START, |number, at| number >= at);
    assert!(calls > 30, "{calls}");
}

#[test]
fn a_store_that_fails_once_at_any_call_of_a_first_apply_is_told_and_recovered_from() {
    fail_at_every_call(&Engine::new(), START, |number, at| number == at);
}

#[test]
fn a_store_that_fails_for_good_while_points_are_marked_and_deleted_stops_it_there() {
    let calls = fail_at_every_call(&aged(), LATE, |number, at| number >= at);
    assert!(calls > 60, "{calls}");
}

#[test]
fn a_store_that_fails_once_while_points_are_marked_and_deleted_is_told_and_recovered_from() {
    fail_at_every_call(&aged(), LATE, |number, at| number == at);
}
