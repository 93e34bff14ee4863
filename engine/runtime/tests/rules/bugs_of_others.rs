//! Bugs of others that an apply could have (INVARIANTS.md; docs/bugs-of-others.md lists them all).

use crate::engine::{Engine, changes};
use crate::support::{at, now};
use backstay_core::model::LockMode;
use backstay_core::name::{SiteName, SnapshotId};
use backstay_core::plan::{Action, MarkPoint};
use backstay_core::saga::End;
use backstay_runtime::apply::ChangeEnd;
use backstay_runtime::events::Silent;
use std::fmt::Write as _;

const POLICY: &str = "apiVersion: backstay.dev/v1\nkind: BackupPolicy\nmetadata: { name: gold }\nspec:\n  \
    schedule: { cron: \"0 */8 * * *\" }\n  source: primary\n  consistency: application\n  \
    retention: { keep: { last: 2 }, grace: 8h }\n";

/// Clusters with two disks each at one site; three points each, one of them marked.
fn of(clusters: usize) -> Engine {
    let engine = Engine::new();
    let mut fleet = "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: many }\nspec: {}\n---\n\
        apiVersion: backstay.dev/v1\nkind: Site\nmetadata: { name: eu }\n\
        spec: { provider: sim, profile: aws, seed: 1, world: fleet/world.yaml, clock: virtual }\n"
        .to_owned();
    let mut world = "apiVersion: backstay.dev/v1\nkind: World\nmetadata: { name: eu }\nspec:\n  \
        start: 2026-11-23T00:00:00Z\n  account: \"111122223333\"\n  instances:\n"
        .to_owned();
    for i in 0..clusters {
        write!(
            fleet,
            "---\napiVersion: backstay.dev/v1\nkind: Cluster\nmetadata: {{ name: db-{i:03} }}\nspec:\n  \
             uid: db-uid-{i:03}\n  site: eu\n  policy: gold\n  nodes:\n    \
             - {{ name: db-{i:03}-0, role: postgres, instance: i-{i:03} }}\n"
        )
        .unwrap();
        write!(
            world,
            "    - id: i-{i:03}\n      postgres: {{ role: primary, system: \"73000000000000{i:05}\" }}\n      \
             disks: [ {{ id: vol-{i:03}-d, role: data, sizeGiB: 2 }}, {{ id: vol-{i:03}-w, role: wal, sizeGiB: 2 }} ]\n"
        )
        .unwrap();
    }
    engine.write("fleet/fleet.yaml", &fleet);
    engine.write("fleet/world.yaml", &world);
    engine.write("policies/policies.yaml", POLICY);
    for as_of in ["2026-11-23T00:00:00Z", "2026-11-23T08:00:00Z", "2026-11-23T16:00:00Z"] {
        engine.converge(as_of);
    }
    engine.log.lock().unwrap().clear();
    engine
}

const LATE: &str = "2026-11-24T00:30:00Z";

fn deletes(engine: &Engine) -> Vec<String> {
    let log = engine.log.lock().unwrap();
    log.iter().filter(|(_, verb, _)| verb == "delete").map(|(.., id)| id.clone()).collect()
}

/// Bug of others 4: the snapshot was deleted, then the delete was refused by policy, and half a backup was left.
///
/// A point's parts are all looked at before the first of them goes: a lock that came after the plan keeps every part.
#[test]
fn bug_4_a_refused_delete_has_deleted_nothing() {
    for locked in [0, 1] {
        let engine = of(1);
        let plan = engine.plan(at(LATE));
        let target = |action: &Action| match action {
            Action::Delete(MarkPoint { snapshots, .. }) => Some(snapshots[locked].id.clone()),
            Action::Create(_)
            | Action::Copy(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Revive(_) => None,
        };
        let all = &changes(&plan).changes;
        let (index, id): (usize, SnapshotId) =
            all.iter().enumerate().find_map(|(index, change)| Some((index, target(&change.action)?))).unwrap();
        let (desired, site) = (engine.desired(), SiteName::new("eu").unwrap());
        let sites = engine.sites(&desired);
        let calls = sites.calls(&site, &engine.clock, &Silent).unwrap();
        now(calls.lock(&id, LockMode::Governance, at("2026-12-24T00:00:00Z"))).unwrap();
        let applied = engine.apply(&plan, &engine.watched(), "run-1").unwrap();
        let because = format!("snapshot {id} changed since the plan");
        assert_eq!(applied.ended[&index], ChangeEnd::Saga(End::Stale { because }));
        assert_eq!(deletes(&engine), [] as [&str; 0]);
        assert_eq!(engine.points(&engine.plan(at(LATE))).len(), 4, "all points are whole, and one was made");
    }
}

/// Bug of others 8: thousands of deletes were begun at once, and exhausted the process.
#[test]
fn bug_8_no_more_deletes_are_under_way_than_was_allowed() {
    let aged = of(10);
    for parallelism in [3, 5] {
        let mut engine = aged.copied();
        engine.parallelism = parallelism;
        let applied = engine.apply(&engine.plan(at(LATE)), &engine.watched(), "run-1").unwrap();
        assert!(applied.ended.values().all(|end| *end == ChangeEnd::Saga(End::Done)), "{applied:?}");
        assert_eq!((deletes(&engine).len(), engine.deletes.most()), (20, parallelism));
    }
}
