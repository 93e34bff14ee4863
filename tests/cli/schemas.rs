//! What machines read is what `schemas/` says, on real output. `tests/judge_schemas.py` says the same with another validator:
//! it reads what this test keeps in `tests/outputs`.

use crate::place::{Place, lines};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(root().join("schemas").join(name)).unwrap();
    jsonschema::draft202012::options().build(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn complaints(schema: &Validator, value: &Value) -> Vec<String> {
    schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Compares with what is kept, or keeps it.
fn keep(name: &str, text: &str) {
    let path = root().join("tests/outputs").join(name);
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} has drifted: run this test with BACKSTAY_UPDATE=1", path.display());
}

/// A place where points were made, marked and deleted, and the output of every step.
fn lived() -> (Place, String) {
    let place = Place::small();
    let mut told = String::new();
    for hour in ["+1m", "+8h", "+16h", "+24h", "+32h", "+40h", "+48h"] {
        told.push_str(&place.run(&["apply", "-json", "-auto-approve", &format!("-as-of={hour}")]).out);
    }
    place.replace("fleet/fleet.yaml", "pageSize: 3", "pageSize: 3, faults: [ { call: create, fail: denied } ]");
    told.push_str(&place.run(&["apply", "-json", "-auto-approve", "-as-of=+8h"]).out);
    let faults = "faults: [ { call: create, fail: denied } ]";
    place.replace("fleet/fleet.yaml", faults, "faults: [ { call: list-snapshots, fail: unavailable } ]");
    told.push_str(&place.run(&["plan", "-json"]).out);
    place.replace("fleet/fleet.yaml", ", faults: [ { call: list-snapshots, fail: unavailable } ]", "");
    (place, told)
}

#[test]
fn a_plans_json_is_what_its_schema_says_and_the_schema_is_not_content_with_less() {
    let (place, _) = lived();
    place.done(&["plan", "-out=a.plan", "-as-of=+8h"]);
    let text = place.done(&["show", "a.plan", "-json"]).out;
    let plan: Value = serde_json::from_str(&text).unwrap();
    let schema = schema("plan.schema.json");
    assert_eq!(complaints(&schema, &plan), Vec::<String>::new());
    let pretty = serde_json::to_string_pretty(&plan).unwrap();
    keep("plan.json", &format!("{pretty}\n"));
    for key in plan.as_object().unwrap().keys() {
        let mut less = plan.clone();
        less.as_object_mut().unwrap().remove(key);
        assert!(!schema.is_valid(&less), "{key}");
    }
    let mut more = plan;
    more["resource_changes"][0]["change"]["unheard_of"] = Value::Null;
    assert!(!schema.is_valid(&more));
}

#[test]
fn every_line_of_a_run_is_what_the_schema_of_its_type_says() {
    let (place, mut told) = lived();
    let lease =
        serde_json::json!({ "epoch": 9, "holder": "run-x", "purpose": "apply", "deadline": "2026-11-23T12:05:00Z" });
    place.write(".backstay/leases/orders-0001", &lease.to_string());
    told.push_str(&place.run(&["apply", "-json", "-auto-approve", "-as-of=+8h"]).out);
    place.write("fleet/bad.yaml", "kind: Cluster\n");
    for command in [&["validate", "-json"][..], &["plan", "-json", "-cluster=nobody"], &["status", "-json"]] {
        told.push_str(&place.run(command).out);
    }
    std::fs::remove_file(place.directory.path().join("fleet/bad.yaml")).unwrap();
    let slow = Place::small();
    let fault = "pageSize: 3, faults: [ { call: tag, fail: throttled, until: 2026-11-23T00:00:20Z } ]";
    slow.replace("fleet/fleet.yaml", "pageSize: 3", fault);
    told.push_str(&slow.done(&["apply", "-json", "-auto-approve"]).out);
    let schema = schema("events.schema.json");
    let events = lines(&told);
    let mut kinds = BTreeSet::new();
    let mut kept = String::new();
    for event in &events {
        assert_eq!(complaints(&schema, event), Vec::<String>::new(), "{event}");
        // One of each kind is kept for the other validator.
        if kinds.insert(event["type"].as_str().unwrap()) {
            writeln!(kept, "{event}").unwrap();
        }
        let mut less = event.clone();
        less.as_object_mut().unwrap().remove("@message");
        assert!(!schema.is_valid(&less), "{event}");
    }
    let documented = [
        "version",
        "diagnostic",
        "planned_change",
        "resource_drift",
        "change_summary",
        "apply_start",
        "apply_progress",
        "apply_complete",
        "apply_errored",
        "inventory_page",
        "throttled",
        "coverage",
        "exit",
    ];
    for kind in documented {
        assert!(kinds.contains(kind), "{kind} never came: {kinds:?}");
    }
    keep("events.ndjson", &kept);
}
