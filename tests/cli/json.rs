//! What machines read.

use crate::place::{Place, lines};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The types of a run's lines, after every line was checked for its form.
fn types(out: &str) -> Vec<String> {
    let lines = lines(out);
    for line in &lines {
        for key in ["@level", "@message", "@module", "@timestamp", "type"] {
            assert!(line[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {line}");
        }
        assert_eq!(line["@module"], "backstay");
        // The host's clock as it was given, and no other: what a run says can be repeated.
        assert_eq!(line["@timestamp"], "2026-11-23T12:00:00Z");
        assert!(["info", "warn", "error"].contains(&line["@level"].as_str().unwrap()));
    }
    assert_eq!(lines[0]["type"], "version");
    assert_eq!(lines.last().unwrap()["type"], "exit");
    assert_eq!(lines.iter().filter(|line| line["type"] == "exit").count(), 1);
    lines.iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
}

fn set(types: &[String]) -> BTreeSet<&str> {
    types.iter().map(String::as_str).collect()
}

#[test]
fn every_command_tells_its_documented_types_line_by_line() {
    let place = Place::small();
    let tell = |arguments: &[&str]| {
        let said = place.done(arguments);
        assert_eq!(said.err, "", "machines get all on standard output");
        types(&said.out)
    };
    assert_eq!(tell(&["validate", "-json"]), ["version", "validated", "exit"]);
    let plan = tell(&["plan", "-json"]);
    assert_eq!(
        set(&plan),
        ["version", "inventory_page", "coverage", "planned_change", "change_summary", "exit"].into()
    );
    let apply = tell(&["apply", "-json", "-auto-approve"]);
    let expected = [
        "version",
        "inventory_page",
        "coverage",
        "planned_change",
        "change_summary",
        "apply_start",
        "apply_complete",
        "apply_progress",
        "status",
        "exit",
    ];
    assert_eq!(set(&apply), expected.into());
    let count = |wanted: &str| apply.iter().filter(|kind| *kind == wanted).count();
    assert_eq!((count("planned_change"), count("apply_start"), count("apply_complete")), (2, 2, 2));
    assert_eq!(
        set(&tell(&["observe", "-json"])),
        ["version", "inventory_page", "coverage", "inventory", "exit"].into()
    );
    assert_eq!(set(&tell(&["status", "-json"])), ["version", "inventory_page", "coverage", "status", "exit"].into());
    assert_eq!(set(&tell(&["status", "orders", "-json"])), set(&tell(&["status", "-json"])));
}

#[test]
fn what_goes_wrong_is_told_to_machines_too() {
    let place = Place::small();
    place.write("fleet/bad.yaml", "kind: Cluster\n");
    let said = place.run(&["validate", "-json"]);
    assert_eq!(said.code, 1);
    assert!(types(&said.out).contains(&"diagnostic".to_owned()));
    let said = place.run(&["apply", "-json"]);
    assert_eq!(said.code, 1);
    let last = &lines(&said.out)[lines(&said.out).len() - 2];
    assert_eq!(last["diagnostic"]["summary"], "nobody can be asked: give -auto-approve, or a plan file");
    let said = place.run(&["plan", "-json", "-chdir=nowhere"]);
    assert_eq!((said.code, types(&said.out)), (1, ["version", "diagnostic", "exit"].map(str::to_owned).to_vec()));
}

#[test]
fn a_call_that_waits_is_told_with_its_site_its_kind_and_how_long() {
    let place = Place::small();
    let fleet = place.read("fleet/fleet.yaml");
    let fault = "pageSize: 3, faults: [ { call: tag, fail: throttled, until: 2026-11-23T00:00:20Z } ]";
    place.write("fleet/fleet.yaml", &fleet.replace("pageSize: 3", fault));
    let said = place.done(&["apply", "-json", "-auto-approve"]);
    assert!(types(&said.out).contains(&"throttled".to_owned()), "{}", said.out);
    let told: Vec<Value> = lines(&said.out).into_iter().filter(|line| line["type"] == "throttled").collect();
    for line in told {
        assert_eq!((&line["site"], &line["class"], &line["@level"]), (&json!("eu"), &json!("tag"), &json!("warn")));
        assert!(line["seconds"].as_i64().is_some_and(|seconds| seconds >= 1), "{line}");
    }
}

#[test]
fn every_change_is_told_once_however_it_ended() {
    let place = Place::small();
    place.done(&["plan", "-out=a.plan"]);
    let lease = json!({ "epoch": 3, "holder": "run-x", "purpose": "apply", "deadline": "2026-11-23T12:05:00Z" });
    place.write(".backstay/leases/orders-0001", &lease.to_string());
    let outcomes = |arguments: &[&str]| -> Vec<(String, Value)> {
        let said = place.run(arguments);
        let mut told: Vec<_> = lines(&said.out)
            .into_iter()
            .filter(|line| ["apply_complete", "apply_errored"].contains(&line["type"].as_str().unwrap()))
            .map(|line| (line["change"]["name"].as_str().unwrap().to_owned(), line["outcome"]["end"].clone()))
            .collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    let expect =
        |orders: &str, wiki: &str| vec![("orders".to_owned(), json!(orders)), ("wiki".to_owned(), json!(wiki))];
    assert_eq!(outcomes(&["apply", "-json", "a.plan"]), expect("lease-held", "done"));
    // The wiki's point was made; what is skipped before the run is told as well.
    assert_eq!(outcomes(&["apply", "-json", "a.plan"]), expect("lease-held", "stale"));
}

#[test]
fn show_json_is_one_value_in_the_form_that_terraforms_users_know() {
    let place = Place::small();
    for hour in ["+0s", "+8h", "+16h", "+24h", "+32h", "+40h"] {
        let at = format!("-as-of={hour}");
        place.done(&["apply", "-auto-approve", if hour == "+0s" { "-as-of=+1m" } else { &at }]);
    }
    place.done(&["plan", "-out=a.plan", "-as-of=+8h"]);
    let said = place.done(&["show", "-json", "a.plan"]);
    assert_eq!(said.err, "");
    let plan: Value = serde_json::from_str(&said.out).expect("conftest reads the whole file as one value");
    assert_eq!(plan["format_version"], "1.0");
    let changes = plan["resource_changes"].as_array().unwrap();
    assert!(!changes.is_empty());
    for change in changes {
        let (actions, before, after) =
            (&change["change"]["actions"], &change["change"]["before"], &change["change"]["after"]);
        match change["action"].as_str().unwrap() {
            "create" => assert!(*actions == json!(["create"]) && before.is_null() && after.is_object()),
            "delete" => assert!(*actions == json!(["delete"]) && before.is_object() && after.is_null()),
            _ => assert!(*actions == json!(["update"]) && before.is_object() && after.is_object()),
        }
        assert_eq!(change["type"], "recovery_point");
        let index = change["index"].as_str().unwrap();
        assert_eq!(change["address"], format!("recovery_point.{}[\"{index}\"]", change["name"].as_str().unwrap()));
    }
    let file: Value = serde_json::from_str(&place.read("a.plan")).unwrap();
    assert_eq!(plan["digest"], file["digest"]);
}

#[test]
fn a_json_run_is_the_same_to_the_byte_when_it_is_repeated() {
    let place = Place::small();
    assert_eq!(place.done(&["plan", "-json"]), place.done(&["plan", "-json"]));
    assert_eq!(place.done(&["plan"]), place.done(&["plan"]));
}
