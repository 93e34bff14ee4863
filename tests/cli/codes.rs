//! Each exit code, by the simplest thing that brings it about.

use crate::place::{Place, now};
use serde_json::json;
use std::sync::atomic::Ordering;

#[test]
fn zero_when_nothing_differs_and_two_when_something_does_and_was_asked_for() {
    let place = Place::small();
    assert_eq!(place.run(&["plan"]).code, 0);
    assert_eq!(place.run(&["plan", "-detailed-exitcode"]).code, 2);
    place.done(&["apply", "-auto-approve"]);
    let said = place.done(&["plan", "-detailed-exitcode"]);
    assert!(said.out.ends_with("No changes.\n"));
}

#[test]
fn one_when_a_document_is_wrong_though_the_others_are_served() {
    let place = Place::small();
    place.write("fleet/bad.yaml", "kind: Cluster\n");
    assert_eq!(place.run(&["validate"]).code, 1);
    let said = place.run(&["apply", "-auto-approve"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("Apply complete! Resources: 2 added"), "{}", said.out);
}

#[test]
fn three_when_a_change_failed_and_three_when_it_went_stale() {
    let place = Place::small();
    place.done(&["plan", "-out=a.plan"]);
    place.replace("fleet/fleet.yaml", "pageSize: 3", "pageSize: 3, faults: [ { call: create, fail: denied } ]");
    let said = place.run(&["apply", "-auto-approve"]);
    assert_eq!(said.code, 3);
    assert!(said.out.contains("Applied in part."), "{}", said.out);
    place.replace("fleet/fleet.yaml", ", faults: [ { call: create, fail: denied } ]", "");
    place.done(&["apply", "-auto-approve", "-as-of=+1m"]);
    assert_eq!(place.run(&["apply", "a.plan"]).code, 3);
}

#[test]
fn four_when_the_plan_expired_and_four_when_no_commit_holds_its_documents() {
    let place = Place::small();
    place.done(&["plan", "-out=a.plan"]);
    place.replace("policies/policies.yaml", "last: 3", "last: 4");
    assert_eq!(place.run(&["apply", "a.plan"]).code, 4);
    place.replace("policies/policies.yaml", "last: 4", "last: 3");
    place.shell.clock.set("2026-11-23T13:00:01Z".parse().unwrap());
    let said = place.run(&["apply", "a.plan"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (4, "error: the plan expired at 2026-11-23T13:00:00Z: make a new one\n")
    );
}

#[test]
fn five_when_the_plan_was_changed_after_it_was_made() {
    let place = Place::small();
    place.done(&["plan", "-out=a.plan"]);
    place.replace("a.plan", "orders-1", "orders-0");
    assert_eq!(place.run(&["apply", "a.plan"]).code, 5);
    assert_eq!(place.run(&["show", "a.plan"]).code, 5);
}

#[test]
fn six_when_another_run_holds_the_lease_until_its_deadline() {
    let place = Place::small();
    let lease = json!({ "epoch": 3, "holder": "run-x", "purpose": "apply", "deadline": "2026-11-23T12:05:00Z" });
    place.write(".backstay/leases/orders-0001", &lease.to_string());
    let said = place.run(&["apply", "-auto-approve"]);
    assert_eq!(said.code, 6);
    let told = "skipped: run run-x holds the lease until 2026-11-23T12:05:30Z: wait with -lease-timeout=11m";
    assert!(said.err.contains(told), "{}", said.err);
    assert!(said.out.contains("Resources: 1 added"), "the other cluster is served: {}", said.out);
    // Who waits takes it over when it is over; time is made up here.
    place.done(&["apply", "-auto-approve", "-lease-timeout=11m"]);
    assert!(place.read(".backstay/leases/orders-0001").contains("\"epoch\":4"));
}

#[test]
fn seven_when_a_site_or_the_state_store_could_not_be_read() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    let fault = "pageSize: 3, faults: [ { call: list-snapshots, fail: unavailable } ]";
    place.replace("fleet/fleet.yaml", "pageSize: 3", fault);
    for command in [&["plan"][..], &["apply", "-auto-approve"], &["observe"], &["status"]] {
        assert_eq!(place.run(command).code, 7, "{command:?}");
    }
    place.replace("fleet/fleet.yaml", fault, "pageSize: 3");
    assert_eq!(place.run(&["plan"]).code, 0);
    // What was marked and held is as much a part of the world.
    place.write(".backstay/tombstones/eu/snap-1/x", "{");
    for command in [&["plan"][..], &["apply", "-auto-approve"], &["observe"], &["status"]] {
        assert_eq!(place.run(command).code, 7, "{command:?}");
    }
    assert!(place.run(&["observe"]).out.contains("! the state store could not be read: state record tombstones/eu"));
}

#[test]
fn eight_when_a_person_says_no_and_eight_when_a_signal_came() {
    let place = Place::small();
    for answer in ["no", "y", "", "YES"] {
        let said = now(place.shell.run(&["apply"], Some(answer)));
        assert_eq!(said.code, 8, "{answer:?}");
        assert!(said.err.ends_with("Cancelled: nothing was done.\n"), "{}", said.err);
    }
    place.shell.cancelled.store(true, Ordering::SeqCst);
    let said = place.run(&["apply", "-auto-approve"]);
    assert_eq!(said.code, 8);
    assert!(said.out.contains("Applied in part. Resources: 0 added"), "{}", said.out);
    place.shell.cancelled.store(false, Ordering::SeqCst);
    place.done(&["apply", "-auto-approve"]);
}

#[test]
fn without_somebody_to_ask_there_is_no_prompt() {
    let place = Place::small();
    let without = place.run(&["apply"]);
    let forbidden = now(place.shell.run(&["apply", "-input=false"], Some("yes")));
    let for_machines = now(place.shell.run(&["apply", "-json"], Some("yes")));
    for said in [&without, &forbidden, &for_machines] {
        assert_eq!(said.code, 1);
        assert!(!said.err.contains("Do you want"), "{}", said.err);
    }
    assert_eq!(now(place.shell.run(&["apply", "-input=true"], Some("yes"))).code, 0);
}
