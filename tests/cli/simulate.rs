//! `simulate`: one forecast for people, for comments and for machines; and nothing is changed by it.

use crate::place::{Place, lines};
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

#[test]
fn it_changes_no_file_and_says_the_same_twice() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    let before = files(place.directory.path());
    assert!(before.keys().any(|path| path.ends_with("seal.key")), "{:?}", before.keys());
    let first = place.done(&["simulate", "-until=30d"]);
    assert!(before == files(place.directory.path()), "a file changed");
    assert_eq!(place.done(&["simulate", "-until=+30d", "-exact"]).out, first.out);
}

#[test]
fn machines_get_one_object_with_its_version_and_every_part() {
    let place = Place::small();
    let said = place.done(&["simulate", "-until=5d", "-json"]);
    let lines = lines(&said.out);
    let told: Vec<_> = lines.iter().filter(|line| line["type"] == "forecast").collect();
    let [line] = told.as_slice() else { panic!("{}", said.out) };
    let forecast = &line["forecast"];
    assert_eq!(forecast["format_version"], "1.0");
    let parts: Vec<&str> = forecast.as_object().unwrap().keys().map(String::as_str).collect();
    let known =
        ["basis", "clusters", "days", "fleet", "format_version", "held_up", "policies", "sites", "total", "unknown"];
    assert_eq!(parts, known);
    assert_eq!(forecast["days"].as_array().unwrap().len(), 5);
    assert_eq!(forecast["basis"]["runs"], 120);
    assert!(line["@message"].as_str().unwrap().starts_with("Until 2026-11-28T00:00Z: "), "{line}");
}

#[test]
fn a_recorded_inventory_begins_a_forecast_and_two_forms_at_once_are_refused() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    place.done(&["observe", "-out=i.json"]);
    let live = place.done(&["simulate", "-until=3d"]).out;
    let recorded = place.done(&["simulate", "-until=3d", "-inventory=i.json"]).out;
    assert_eq!(recorded, live);
    assert_eq!(place.run(&["simulate", "-until=3d", "-md", "-json"]).code, 1);
    assert_eq!(place.run(&["simulate"]).code, 1);
}

#[test]
fn colours_are_on_a_terminal_only_and_never_in_markdown() {
    let place = Place::small();
    assert!(!place.done(&["simulate", "-until=3d"]).out.contains('\u{1b}'));
    let on_terminal = |arguments: &[&str]| crate::place::now(place.shell.run_on_terminal(arguments, "", &[])).out;
    assert!(on_terminal(&["simulate", "-until=3d"]).contains('\u{1b}'));
    assert!(!on_terminal(&["simulate", "-until=3d", "-no-color"]).contains('\u{1b}'));
    assert!(!on_terminal(&["simulate", "-until=3d", "-md"]).contains('\u{1b}'));
}
