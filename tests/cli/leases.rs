//! `lease list` and `lease break`.

use crate::place::{Place, lines, now};
use serde_json::json;

const LEASE: &str = ".backstay/leases/orders-0001";

/// Run `run-x` holds the lease of `orders` until five past noon; it is noon.
fn held() -> Place {
    let place = Place::small();
    let lease = json!({ "epoch": 3, "turn": 7, "holder": "run-x", "purpose": "apply",
        "since": "2026-11-23T11:55:00Z", "deadline": "2026-11-23T12:05:00Z", "margin": "30s" });
    place.write(LEASE, &lease.to_string());
    place
}

#[test]
fn leases_are_listed_with_holder_times_and_epoch() {
    let place = Place::small();
    assert_eq!(place.done(&["lease", "list"]).out, "No lease was ever taken.\n");
    place.done(&["apply", "-auto-approve"]);
    let told = place.done(&["lease", "list"]).out;
    assert!(told.contains("orders-db") || told.contains("orders"), "{told}");
    assert_eq!(told.matches("  free\n").count(), 2, "{told}");
    let place = held();
    let told = place.done(&["lease", "list"]).out;
    let line = told.lines().nth(1).unwrap();
    assert!(line.ends_with("3  2026-11-23T11:55:00Z  2026-11-23T12:05:30Z  held by run-x; apply"), "{told}");
    place.shell.clock.set("2026-11-23T12:05:31Z".parse().unwrap());
    assert!(place.done(&["lease", "list"]).out.contains("expired, was held by run-x"));
    let json = lines(&place.done(&["lease", "list", "-json"]).out);
    let lease = json.iter().find(|line| line["type"] == "lease").unwrap();
    assert_eq!(lease["lease"]["holder"], "run-x");
    assert_eq!(lease["lease"]["expired"], true);
    assert_eq!(lease["lease"]["epoch"], 3);
}

#[test]
fn breaking_a_lease_asks_says_whose_it_was_and_raises_the_epoch() {
    let place = held();
    let said = now(place.shell.run(&["lease", "break", "orders-0001"], Some("no")));
    assert_eq!(said.code, 8, "{}", said.err);
    assert!(place.read(LEASE).contains("\"epoch\":3"));
    let said = place.run(&["lease", "break", "orders-0001"]);
    assert!(said.code == 1 && said.err.contains("nobody can be asked: give -auto-approve"), "{}", said.err);
    let said = now(place.shell.run(&["lease", "break", "orders-0001"], Some("yes")));
    assert_eq!(said.code, 0, "{}", said.err);
    for told in [
        "Run run-x holds the lease of orders since 2026-11-23T11:55:00Z, at epoch 3.",
        "It was doing: apply",
        "If it still runs, it may go on sending calls until 2026-11-23T12:05:00Z, beside whoever takes the lease.",
    ] {
        assert!(said.err.contains(told), "{}", said.err);
    }
    assert_eq!(said.out, "The lease of orders is broken; its epoch is 4 now.\n");
    // Nobody waits for anything now, and the next holder's epoch is one more.
    place.done(&["apply", "-auto-approve"]);
    assert!(place.read(LEASE).contains("\"epoch\":5"), "{}", place.read(LEASE));
}

#[test]
fn a_free_lease_and_one_of_nobody_are_not_broken() {
    let place = Place::small();
    let said = place.run(&["lease", "break", "orders", "-auto-approve"]);
    assert!(said.code == 1 && said.err.contains("nobody ever held a lease of `orders`"), "{}", said.err);
    place.done(&["apply", "-auto-approve"]);
    let before = place.read(LEASE);
    let said = place.run(&["lease", "break", "orders", "-auto-approve"]);
    assert!(said.code == 1, "{}", said.err);
    assert!(said.err.contains("nobody holds the lease of orders-0001: there is nothing to break"), "{}", said.err);
    assert_eq!(place.read(LEASE), before);
}

#[test]
fn a_damaged_lease_can_be_broken_and_its_epoch_never_falls() {
    let place = Place::small();
    place.write(LEASE, "{\"epoch\":41,");
    assert!(place.done(&["lease", "list"]).out.contains("damaged: "));
    let said = place.done(&["lease", "break", "orders-0001", "-auto-approve"]);
    assert!(said.err.contains("The lease of orders is damaged: "), "{}", said.err);
    // The time in seconds: more than any number of holders.
    assert!(said.out.contains("its epoch is 1795435200 now"), "{}", said.out);
    place.done(&["apply", "-auto-approve"]);
    assert!(place.read(LEASE).contains("\"epoch\":1795435201"));
}
