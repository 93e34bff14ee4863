//! What a run left half made: the next one looks first, and goes on with what is proven.

use crate::engine::{Engine, changes};
use crate::support::{Watched, at, now};
use backstay_core::plan::Action;
use backstay_core::saga::{Effect, End};
use backstay_runtime::apply::ChangeEnd;
use backstay_runtime::journal::{Entry, Record, read};
use backstay_runtime::seams::StateStore as _;
use std::fs;

const START: &str = "2026-11-23T00:00:00Z";
const LATER: &str = "2026-11-23T00:20:00Z";

fn journal(engine: &Engine, run: &str) -> Vec<Record> {
    let bytes = now(engine.store().get(&format!("journal/{run}.jsonl"))).unwrap();
    bytes.map(|bytes| read(&bytes).unwrap()).unwrap_or_default()
}

fn site_calls(engine: &Engine, verb: &str) -> usize {
    engine.log.lock().unwrap().iter().filter(|(what, call, _)| what == "site" && call == verb).count()
}

/// A first apply whose every tag is refused: all is there but the seals.
fn unsealed() -> Engine {
    let engine = Engine::new();
    let fleet = engine.read("fleet/fleet.yaml");
    engine.write(
        "fleet/fleet.yaml",
        &fleet.replace("pageSize: 3", "pageSize: 3, faults: [ { call: tag, fail: denied } ]"),
    );
    let applied = engine.apply(&engine.plan(at(START)), &engine.watched(), "run-1").unwrap();
    assert!(applied.ended.values().all(|end| matches!(end, ChangeEnd::Saga(End::Failed { .. }))), "{applied:?}");
    engine.write("fleet/fleet.yaml", &fleet);
    engine.log.lock().unwrap().clear();
    engine
}

#[test]
fn a_point_that_lacks_only_its_seal_is_sealed_and_not_cut_again() {
    let engine = unsealed();
    let plan = engine.plan(at(LATER));
    assert_eq!(changes(&plan).changes.len(), 2, "both are due again");
    let applied = engine.apply(&plan, &engine.watched(), "run-2").unwrap();
    assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)), "{applied:?}");
    assert_eq!((site_calls(&engine, "create"), site_calls(&engine, "tag")), (0, 3));
    // The journal tells whose create was gone on with: the first attempt's.
    let attempts: Vec<u32> = journal(&engine, "run-2")
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Change { change, .. } => Some(change.action.point().attempt),
            Entry::Run { .. }
            | Entry::Intent { .. }
            | Entry::Outcome { .. }
            | Entry::Ended { .. }
            | Entry::Release { .. }
            | Entry::Finished => None,
        })
        .collect();
    assert_eq!(attempts, [1, 1]);
    let after = engine.plan(at(LATER));
    assert_eq!(changes(&after).changes, []);
    let points = engine.points(&after);
    assert!(points.len() == 2 && points.values().all(|count| *count == 1), "{points:?}");
}

/// Spoils what a run left.
type Ruin = fn(&Engine);

#[test]
fn one_that_is_not_what_the_journal_says_is_cut_anew() {
    // The label is gone from beside the point; a snapshot is gone; the journals are gone.
    let ruin: [(&str, Ruin); 3] = [
        ("label", |engine| fs::remove_dir_all(engine.state().join("sim/eu/points")).unwrap()),
        ("tags", |engine| {
            let path = engine.state().join("sim/eu/effects.jsonl");
            assert!(path.exists());
            let desired = engine.desired();
            let sites = engine.sites(&desired);
            let site = backstay_core::name::SiteName::new("eu").unwrap();
            let calls = sites.calls(&site, &engine.clock, &backstay_runtime::events::Silent).unwrap();
            for snapshot in now(calls.snapshots(None)).unwrap().items {
                let forged = [("backstay-cut".to_owned(), "20261122t000000z".to_owned())].into_iter().collect();
                now(calls.tag(&snapshot.id, &forged)).unwrap();
            }
        }),
        ("journals", |engine| fs::remove_dir_all(engine.state().join("journal")).unwrap()),
    ];
    for (what, ruin) in ruin {
        let engine = unsealed();
        ruin(&engine);
        engine.log.lock().unwrap().clear();
        let applied = engine.apply(&engine.plan(at(LATER)), &engine.watched(), "run-2").unwrap();
        assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)), "{what}: {applied:?}");
        // `wiki` keeps no label.
        let anew = if what == "label" { 1 } else { 2 };
        assert_eq!(site_calls(&engine, "create"), anew, "{what}");
        let points = engine.points(&engine.plan(at(LATER)));
        assert!(points.len() == 2 && points.values().all(|count| *count == 1), "{what}: {points:?}");
    }
}

/// Whether the journal shows the files of the labelled point durable, and its change not ended.
fn lacks_only_its_seal(records: &[Record]) -> bool {
    let keeps = |record: &Record| match &record.entry {
        Entry::Intent { index, effect: Effect::KeepFiles, .. } => Some(*index),
        Entry::Run { .. }
        | Entry::Change { .. }
        | Entry::Intent { .. }
        | Entry::Outcome { .. }
        | Entry::Ended { .. }
        | Entry::Release { .. }
        | Entry::Finished => None,
    };
    let found = records.iter().enumerate().find_map(|(place, record)| Some((place, keeps(record)?)));
    let Some((kept, index)) = found else { return false };
    let is_answer = |record: &Record| matches!(&record.entry, Entry::Outcome { index: of, .. } if *of == index);
    let is_end = |record: &Record| matches!(&record.entry, Entry::Ended { index: of, end: End::Done } if *of == index);
    records[kept..].iter().any(is_answer) && !records.iter().any(is_end)
}

#[test]
fn wherever_a_run_is_cut_off_after_the_files_are_kept_nothing_is_cut_twice() {
    let mut taken_up = 0;
    for n in 1.. {
        let engine = Engine::new();
        let plan = engine.plan(at(START));
        let is_create = |action: &Action| matches!(action, Action::Create(_));
        assert!(changes(&plan).changes.iter().all(|change| is_create(&change.action)));
        let store = Watched::failing(&engine.state(), n, |number, at| number >= at).telling(&engine.log);
        let outcome = engine.apply(&plan, &store, "run-1");
        if store.calls() < n {
            outcome.unwrap();
            break;
        }
        let half = lacks_only_its_seal(&journal(&engine, "run-1"));
        engine.clock.advance(700);
        engine.apply(&engine.plan(at(LATER)), &engine.watched(), "run-2").unwrap();
        let log = engine.log.lock().unwrap().clone();
        let cuts =
            log.iter().filter(|(what, call, of)| what == "site" && call == "create" && of == "i-orders-1").count();
        assert!(!half || cuts == 1, "cut off at call {n}, and cut {cuts} times");
        taken_up += usize::from(half);
        let points = engine.points(&engine.plan(at(LATER)));
        assert!(points.len() == 2 && points.values().all(|count| *count == 1), "call {n}: {points:?}");
    }
    assert!(taken_up >= 4, "{taken_up}");
}

#[test]
fn the_same_plan_applied_again_after_a_crash_goes_on_where_it_stopped() {
    let engine = unsealed();
    let again = engine.plan(at(START));
    // A plan of the first attempt, as a file would bring it back: the same changes, seen against the world as it is now.
    let applied = engine.apply(&again, &engine.watched(), "run-2").unwrap();
    assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)), "{applied:?}");
}
