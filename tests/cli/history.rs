//! `state show`, and what becomes of old journals.

use crate::place::{Place, lines};
use std::fs;

fn journals(place: &Place) -> Vec<String> {
    let directory = place.directory.path().join(".backstay/journal");
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn run_of(name: &str) -> &str {
    name.strip_suffix(".jsonl").unwrap()
}

/// The journal of a run that was killed when so many of its lines were written.
fn cut_off(place: &Place, kept: usize) -> String {
    let name = journals(place).pop().unwrap();
    let path = format!(".backstay/journal/{name}");
    let whole = place.read(&path);
    let some: String = whole.split_inclusive('\n').take(kept).collect();
    place.write(&path, &some);
    run_of(&name).to_owned()
}

#[test]
fn a_run_is_told_with_its_changes_and_their_ends() {
    let place = Place::small();
    assert!(place.done(&["state", "show"]).out.starts_with("No run has left a journal.\n"));
    place.done(&["apply", "-auto-approve"]);
    let told = place.done(&["state", "show"]).out;
    let line = told.lines().nth(1).unwrap();
    assert!(line.contains("        2           0  ended 2026-11-23T12:00:"), "{told}");
    assert!(told.ends_with("Deletes counted against the limit: 0.\n"), "{told}");
    let names = journals(&place);
    let run = run_of(&names[0]);
    let told = place.done(&["state", "show", run]).out;
    assert!(told.contains("\nBegun and ended: 2 changes\n"), "{told}");
    assert_eq!(told.matches("  epoch 1  done\n").count(), 2, "{told}");
    let json = lines(&place.done(&["state", "show", run, "-json"]).out);
    assert_eq!(
        json.iter().filter(|line| line["type"] == "journal").count(),
        place.read(&format!(".backstay/journal/{run}.jsonl")).lines().count()
    );
    let said = place.run(&["state", "show", "nothing"]);
    assert!(said.code == 1 && said.err.contains("there is no run `nothing`"), "{}", said.err);
}

#[test]
fn a_run_that_was_cut_off_shows_the_call_whose_outcome_is_unknown() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    let name = journals(&place).pop().unwrap();
    let whole = place.read(&format!(".backstay/journal/{name}"));
    let cut = whole.lines().position(|line| line.contains("\"effect\":\"cut\"")).unwrap();
    let run = cut_off(&place, cut + 1);
    let told = place.done(&["state", "show", &run]).out;
    assert!(told.contains("has no end: it still runs, or was cut off"), "{told}");
    assert!(told.contains("\nBegun, and without an end: "), "{told}");
    assert!(
        told.contains("  cut: no answer: whether it happened is unknown, and the next run looks first\n"),
        "{told}"
    );
    // Whoever wants to break its lease sees the same.
    let lease =
        format!("{{\"epoch\":9,\"holder\":\"{run}\",\"purpose\":\"apply\",\"deadline\":\"2026-11-23T12:30:00Z\"}}");
    let cluster = if whole.lines().nth(cut).unwrap().contains("orders-0001") { "orders-0001" } else { "wiki-0001" };
    place.write(&format!(".backstay/leases/{cluster}"), &lease);
    let told = place.done(&["lease", "list"]).out;
    assert!(told.contains(": cut: no answer: "), "{told}");
}

#[test]
fn a_damaged_journal_is_told_up_to_its_damage() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    let name = journals(&place).pop().unwrap();
    let path = format!(".backstay/journal/{name}");
    let whole = place.read(&path);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    place.write(&path, &[&lines[..4], &lines[5..]].concat().concat());
    let told = place.done(&["state", "show", run_of(&name)]).out;
    assert!(told.contains(": damaged from line 5 on\n"), "{told}");
}

#[test]
fn the_next_apply_forgets_runs_that_ended_a_month_ago_and_keeps_those_that_did_not() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    place.shell.clock.set("2026-11-24T12:00:00Z".parse().unwrap());
    place.done(&["apply", "-auto-approve", "-as-of=+8h"]);
    let unfinished = cut_off(&place, 3);
    assert_eq!(journals(&place).len(), 2);
    place.shell.clock.set("2027-01-10T12:00:00Z".parse().unwrap());
    place.done(&["apply", "-auto-approve", "-as-of=+8h"]);
    let left = journals(&place);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(run_of(&left[0]), unfinished);
}
