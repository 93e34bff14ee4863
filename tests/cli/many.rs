//! Ten thousand creates, and the interrupt key in the middle of them.

use crate::place::Place;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

#[test]
fn interrupted_in_ten_thousand_creates_it_tells_what_ran_and_the_next_run_goes_on() {
    let place = Place::of(10_000);
    let mut child = place.binary(&["apply", "-auto-approve", "-json"]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut completed, mut told, mut last) = (String::new(), 0, 0, String::new());
    while out.read_line(&mut line).unwrap() > 0 {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        match value["type"].as_str().unwrap() {
            "apply_complete" => (completed, told) = (completed + 1, told + 1),
            "apply_errored" => told += 1,
            "change_summary" => last = value["@message"].to_string(),
            _ => {}
        }
        if completed == 2_000 && value["type"] == "apply_complete" {
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        }
        line.clear();
    }
    assert_eq!(child.wait().unwrap().code(), Some(8));
    assert_eq!(told, 10_000, "every change is told once, however it ended");
    assert!((2_000..4_000).contains(&completed), "{completed} were completed");
    assert_eq!(last, format!("\"Applied in part. Resources: {completed} added, 0 changed, 0 destroyed.\""));
    // No lease is left: a second run goes on at once, with the same clock.
    let next = place.binary(&["apply", "-auto-approve", "-as-of=+1m"]).output().unwrap();
    let told = String::from_utf8_lossy(&next.stdout);
    let rest = 10_000 - completed;
    assert!(told.contains(&format!("Apply complete! Resources: {rest} added")), "{}", &told[told.len() - 2_000..]);
    assert_eq!(next.status.code(), Some(0));
    let points = place.points();
    assert!(points.len() == 10_000 && points.values().all(|number| *number == 1), "{}", points.len());
}
