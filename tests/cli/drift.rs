//! `drift`: it says how the world differs, in every form, and changes nothing by asking.

use crate::place::{Place, lines};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a directory, with its bytes.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A machine that is not there, points that nobody declares, and a rule that ignores one of them.
fn adrift() -> Place {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    place.replace("fleet/fleet.yaml", "i-orders-0", "i-orders-9");
    place.replace("fleet/fleet.yaml", "uid: wiki-0001", "uid: wiki-0002");
    place.write(
        "drift-ignore.yaml",
        "apiVersion: backstay.dev/v1\nkind: DriftIgnore\nspec:\n  rules:\n    - classes: [orphan]\n      \
         cluster: wiki-*\n      owner: team <wiki>\n      reason: \"A & B: moves | soon\"\n      expires: 2026-12-31\n    \
         - classes: [late]\n      owner: nobody\n      reason: old\n      expires: 2026-01-01\n",
    );
    place
}

#[test]
fn asking_writes_nothing_not_even_the_first_time() {
    let place = Place::small();
    let before = files(place.directory.path());
    place.done(&["drift"]);
    assert!(before == files(place.directory.path()), "a file changed before there was a state");
    let place = adrift();
    let before = files(place.directory.path());
    assert!(before.keys().any(|path| path.ends_with("seal.key")));
    for form in ["-md", "-sarif", "-junit", "-json"] {
        assert_eq!(place.run(&["drift", form]).code, 2, "{form}");
    }
    assert!(before == files(place.directory.path()), "a file changed");
}

#[test]
fn the_code_is_2_for_drift_7_for_what_was_not_read_1_for_a_wrong_rule_and_0_else() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    assert_eq!(place.run(&["drift"]).code, 0);
    let place = adrift();
    assert_eq!(place.run(&["drift"]).code, 2);
    assert_eq!(place.run(&["drift", "-class=unmanaged,unlocked"]).code, 2, "an expired rule speaks for all classes");
    let world = place.read("fleet/fleet.yaml");
    place.replace("fleet/fleet.yaml", "pageSize: 3", "faults: [ { call: list-snapshots, fail: denied } ]");
    let said = place.run(&["drift", "-json"]);
    assert_eq!(said.code, 7, "{}", said.out);
    let last = lines(&said.out).pop().unwrap();
    assert_eq!(last["codes"], serde_json::json!([2, 7]), "JSON tells both: {last}");
    place.write("fleet/fleet.yaml", &world);
    place.replace("drift-ignore.yaml", "[late]", "[gap]");
    assert_eq!(place.run(&["drift"]).code, 1);
    assert_eq!(place.run(&["drift", "-md", "-sarif"]).code, 1, "one form at a time");
    assert_eq!(place.run(&["drift", "-sarif", "-json"]).code, 1);
}

/// The one `drift` line of a JSON run.
fn told(out: &str) -> Value {
    let mut all = lines(out).into_iter().filter(|line| line["type"] == "drift");
    let one = all.next().expect("a line of drift");
    assert!(all.next().is_none());
    one["drift"].clone()
}

#[test]
fn machines_get_every_item_with_the_place_where_its_cluster_is_declared() {
    let place = adrift();
    let said = place.run(&["drift", "-json"]);
    let drift = told(&said.out);
    let items = drift["items"].as_array().unwrap();
    assert_eq!(
        items.len() as u64,
        drift["counts"]["total"].as_u64().unwrap() + drift["counts"]["ignored"].as_u64().unwrap()
    );
    let machine = items.iter().find(|item| item["kind"] == "machine-missing").unwrap();
    assert_eq!(machine["name"], "orders");
    let line = machine["declared"]["line"].as_u64().unwrap();
    let text = place.read("fleet/fleet.yaml");
    assert!(text.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().contains("orders"), "{machine}");
    let streamed = lines(&said.out).iter().filter(|line| line["type"] == "resource_drift").count();
    assert_eq!(streamed as u64, drift["counts"]["total"].as_u64().unwrap());
    let orphan = items.iter().find(|item| item["class"] == "orphan").unwrap();
    assert_eq!(orphan["ignored"]["owner"], "team <wiki>");
    assert_eq!(orphan["declared"]["file"], "fleet/fleet.yaml", "an orphan points at its site");
}

/// What `tests/judge_drift.py` judges by the published schemas, written anew by each run of the tests.
#[test]
fn every_form_is_written_out_for_those_who_judge_it() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drift");
    drop(fs::remove_dir_all(&directory));
    fs::create_dir_all(&directory).unwrap();
    let in_sync = Place::small();
    in_sync.done(&["apply", "-auto-approve"]);
    let unread = adrift();
    unread.replace("fleet/fleet.yaml", "pageSize: 3", "faults: [ { call: list-snapshots, fail: denied } ]");
    for (name, place) in [("in-sync", in_sync), ("adrift", adrift()), ("unread", unread)] {
        let write = |ending: &str, text: &str| fs::write(directory.join(format!("{name}.{ending}")), text).unwrap();
        write("sarif", &place.run(&["drift", "-sarif"]).out);
        write("junit.xml", &place.run(&["drift", "-junit"]).out);
        write("drift.json", &told(&place.run(&["drift", "-json"]).out).to_string());
        let said = place.run(&["status", "-json"]).out;
        let mut status = lines(&said).into_iter().find(|line| line["type"] == "status").unwrap();
        // What every line has is no part of the status.
        status.as_object_mut().unwrap().retain(|key, _| !key.starts_with('@') && key != "type");
        write("status.json", &status.to_string());
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 12);
}

#[test]
fn sarif_results_have_their_class_as_rule_and_point_into_the_documents() {
    let place = adrift();
    let sarif: Value = serde_json::from_str(&place.run(&["drift", "-sarif"]).out).unwrap();
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let has_place = result["locations"][0]["physicalLocation"]["region"]["startLine"].is_u64();
        assert_eq!(has_place, result["ruleId"] != "expired-rule", "{result}");
    }
    let ignored = run["results"].as_array().unwrap().iter().find(|result| result["ruleId"] == "orphan").unwrap();
    assert!(ignored["suppressions"][0]["justification"].as_str().unwrap().contains("A & B: moves | soon"));
    let twice: Value = serde_json::from_str(&place.run(&["drift", "-sarif"]).out).unwrap();
    assert_eq!(twice, sarif, "the same bytes for the same world");
}

#[test]
fn junit_has_one_case_a_cluster_and_what_is_ignored_is_skipped() {
    let place = adrift();
    let xml = place.run(&["drift", "-junit"]).out;
    for cluster in ["orders", "wiki"] {
        assert_eq!(xml.matches(&format!("<testcase name=\"{cluster}\" ")).count(), 1, "{xml}");
    }
    assert!(xml.contains("<failure type=\"missing\""), "{xml}");
    assert!(xml.contains("<skipped message="), "{xml}");
    assert!(xml.contains("team &lt;wiki&gt;: A &amp; B"), "{xml}");
    assert!(xml.contains("<failure type=\"expired-rule\""), "{xml}");
}
