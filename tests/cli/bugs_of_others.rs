//! Bugs of others that show on the command line (INVARIANTS.md; docs/bugs-of-others.md lists them all).

use crate::place::Place;
use std::collections::BTreeSet;

/// How the site's document ends where nothing goes wrong.
const HEALTHY: &str = "clock: virtual }";

/// Bug of others 20: throttling aborted the rest of a batch, and the program exited with 0.
#[test]
fn bug_20_throttling_stops_nobody_else_and_is_no_success() {
    let place = Place::of(12);
    let always = "clock: virtual, faults: [ { call: create, fail: throttled } ] }";
    place.replace("fleet/fleet.yaml", HEALTHY, always);
    let said = place.run(&["apply", "-auto-approve"]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    let failed = said.err.lines().filter(|line| line.starts_with("  + recovery-point db-"));
    let failed = failed.filter(|line| line.contains("RequestLimitExceeded")).count();
    assert_eq!(failed, 12, "every change is told, and why:\n{}", said.err);
    // Where patience helps, nothing fails; that there was need of it is told.
    let often = "clock: virtual, faults: [ { call: create, fail: throttled, percent: 50 } ] }";
    place.replace("fleet/fleet.yaml", always, often);
    let said = place.done(&["apply", "-auto-approve", "-json", "-as-of=+2h"]);
    assert!(said.out.contains("\"type\":\"throttled\""), "{}", said.out);
    let points = place.points();
    let clusters: BTreeSet<&str> = points.keys().filter_map(|point| point.split(' ').next()).collect();
    assert_eq!(clusters.len(), 12, "the next run makes what is missing: {points:?}");
    assert!(points.values().all(|number| *number == 1), "{points:?}");
}

/// Bug of others 28: an empty listing, since the permission was lost, read as "all gone". Alibaba answers so.
#[test]
fn bug_28_an_empty_listing_without_permission_is_unknown_and_not_all_gone() {
    let place = Place::of(2);
    place.replace("fleet/fleet.yaml", "profile: aws", "profile: alibaba");
    place.done(&["apply", "-auto-approve"]);
    let points = place.points();
    assert_eq!(points.len(), 2);
    for call in ["list-snapshots", "list-instances", "any"] {
        let effects = place.read(".backstay/sim/eu/effects.jsonl");
        let fault = format!("clock: virtual, faults: [ {{ call: {call}, fail: denied }} ] }}");
        place.replace("fleet/fleet.yaml", HEALTHY, &fault);
        for command in [&["plan"][..], &["status"], &["apply", "-auto-approve"]] {
            let said = place.run(command);
            assert_eq!(said.code, 7, "{call} {command:?}: {}{}", said.out, said.err);
            assert!(said.out.contains("eu could not be read"), "{call} {command:?}: {}{}", said.out, said.err);
        }
        assert_eq!(place.read(".backstay/sim/eu/effects.jsonl"), effects, "{call}: something was done");
        place.replace("fleet/fleet.yaml", &fault, HEALTHY);
    }
    assert_eq!(place.points(), points);
}
