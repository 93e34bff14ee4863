//! One fleet over four simulated clouds: the same engine, whatever a snapshot is called and however long its instant takes.

use crate::engine::{Engine, changes};
use crate::support::at;
use backstay_core::plan::Action;
use backstay_core::saga::End;
use backstay_runtime::apply::ChangeEnd;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const CLOUDS: [&str; 4] = ["aws", "azure", "gcp", "alibaba"];

/// A cluster of two disks, labelled, at a site of each cloud.
fn engine() -> Engine {
    let engine = Engine::new();
    let head = "apiVersion: backstay.dev/v1\nkind";
    let mut fleet = format!("{head}: Fleet\nmetadata: {{ name: four }}\nspec: {{}}\n");
    for cloud in CLOUDS {
        write!(
            fleet,
            "---\n{head}: Site\nmetadata: {{ name: {cloud} }}\nspec: {{ provider: sim, profile: {cloud}, world: \
             fleet/world.yaml, pageSize: 3 }}\n---\n{head}: Cluster\nmetadata: {{ name: orders-{cloud} }}\nspec:\n  uid: \
             orders-{cloud}\n  site: {cloud}\n  policy: gold\n  nodes:\n    - {{ name: n0, role: postgres, instance: \
             i-orders-0 }}\n    - {{ name: n1, role: postgres, instance: i-orders-1 }}\n"
        )
        .unwrap();
    }
    engine.write("fleet/fleet.yaml", &fleet);
    engine
}

#[test]
fn one_fleet_over_four_clouds_makes_sealed_points_marks_old_ones_and_deletes_them() {
    let engine = engine();
    let mut deleted = BTreeMap::new();
    for day in 23..27 {
        for hour in [0, 8, 16] {
            let plan = engine.plan(at(&format!("2026-11-{day}T{hour:02}:10:00Z")));
            for change in &changes(&plan).changes {
                if let Action::Delete(_) = &change.action {
                    *deleted.entry(change.site.to_string()).or_insert(0) += 1;
                }
            }
            let run = format!("run-{day}-{hour}");
            let applied = engine.apply(&plan, &engine.watched(), &run).unwrap();
            for (change, end) in &applied.ended {
                assert_eq!(*end, ChangeEnd::Saga(End::Done), "day {day} at {hour}: {change:?}");
            }
        }
    }
    let after = engine.plan(at("2026-11-26T16:20:00Z"));
    let is_create = |action: &Action| matches!(action, Action::Create(_));
    assert!(!changes(&after).changes.iter().any(|change| is_create(&change.action)), "every slot has its point");
    let points = engine.points(&after);
    for cloud in CLOUDS {
        let of_cluster = points.iter().filter(|(name, _)| name.starts_with(&format!("orders-{cloud} ")));
        let counts: Vec<usize> = of_cluster.map(|(_, count)| *count).collect();
        assert!(counts.len() >= 4 && counts.iter().all(|count| *count == 1), "{cloud}: {counts:?}");
        assert!(deleted.get(cloud).is_some_and(|count| *count > 0), "{cloud}: {deleted:?}");
    }
}
