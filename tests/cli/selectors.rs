//! A narrowed plan: what is chosen, what is left out, and what is said of it.

use crate::place::Place;
use serde_json::Value;
use std::collections::BTreeSet;

/// Twelve clusters; every third is in the landscape `b`, and the first has no label at all.
fn labelled() -> Place {
    let place = Place::of(12);
    for i in 1..12 {
        let name = format!("metadata: {{ name: db-{i:03} }}");
        let landscape = if i % 3 == 0 { "b" } else { "a" };
        let labels = format!("metadata: {{ name: db-{i:03}, labels: {{ landscape: {landscape} }} }}");
        place.replace("fleet/fleet.yaml", &name, &labels);
    }
    place
}

/// The clusters that a plan changes.
fn planned(place: &Place, selectors: &[&str]) -> BTreeSet<String> {
    let arguments: Vec<&str> = ["plan", "-out=a.plan"].iter().chain(selectors).copied().collect();
    place.done(&arguments);
    let plan: Value = serde_json::from_str(&place.done(&["show", "a.plan", "-json"]).out).unwrap();
    let changes = plan["resource_changes"].as_array().unwrap();
    changes.iter().map(|change| change["name"].as_str().unwrap().to_owned()).collect()
}

fn set(numbers: &[usize]) -> BTreeSet<String> {
    numbers.iter().map(|i| format!("db-{i:03}")).collect()
}

#[test]
fn clusters_are_chosen_by_name_uid_file_and_label_and_left_out_by_name() {
    let place = labelled();
    place.write("some.txt", "# the two that matter\ndb-003\ndb-uid-005   # by its uid\n\n");
    for (selectors, expected) in [
        (&["-cluster=db-001"][..], set(&[1])),
        (&["-cluster=db-001,db-002", "-cluster", "db-uid-004"], set(&[1, 2, 4])),
        (&["-cluster-file=some.txt"], set(&[3, 5])),
        (&["-cluster-file=some.txt", "-exclude=db-003"], set(&[5])),
        (&["-selector=landscape=b"], set(&[3, 6, 9])),
        (&["-selector=landscape!=a"], set(&[0, 3, 6, 9])),
        (&["-selector=!landscape"], set(&[0])),
        (&["-selector=landscape,landscape!=a"], set(&[3, 6, 9])),
        (&["-selector=landscape==b", "-exclude=db-006,db-009"], set(&[3])),
    ] {
        assert_eq!(planned(&place, selectors), expected, "{selectors:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_before_the_world_is_looked_at_and_all_of_it_is_told() {
    let place = labelled();
    place.write("none.txt", "# nobody\n");
    for (selectors, told) in [
        (&["-cluster=db-01"][..], "-cluster=db-01: there is no such cluster; did you mean `db-001`?"),
        (&["-exclude=orders"], "-exclude=orders: there is no such cluster\n"),
        (&["-selector=landscpe=b"], "no cluster has a label `landscpe`; did you mean `landscape`?"),
        (&["-selector=landscape!=aa"], "no cluster has this value; did you mean `landscape=a`?"),
        (&["-cluster=db-001", "-exclude=db-001"], "-cluster=db-001 -exclude=db-001 selects no cluster of 12"),
        (&["-cluster-file=none.txt"], "none.txt names no cluster: write one name a line"),
        (&["-cluster-file=nowhere.txt"], "nowhere.txt: No such file or directory"),
        (&["-only=dew"], "possible values: due, config, drift"),
        (&["-max-delete=many"], "`many` is no limit: write a number as 10, or a share as 1%"),
        (&["-max-delete=101%"], "is no limit"),
        (&["-selector=a=b=c"], "selects nothing: write tier=gold"),
    ] {
        let arguments: Vec<&str> = ["plan"].iter().chain(selectors).copied().collect();
        let said = place.run(&arguments);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{selectors:?}");
        assert!(said.err.contains(told), "{selectors:?}: {}", said.err);
    }
    let said = place.run(&["plan", "-cluster=x-1,x-2", "-exclude=x-3"]);
    assert_eq!(said.err.matches("there is no such cluster").count(), 3, "{}", said.err);
}

#[test]
fn a_narrowed_plan_says_so_and_its_file_is_applied_as_it_is() {
    let place = labelled();
    let said = place.done(&["plan", "-out=a.plan", "-selector=landscape=b"]);
    let told = "Narrowed by -selector=landscape=b to 3 of 12 clusters; left out: 9 changes\n";
    assert!(said.out.contains(told), "{}", said.out);
    assert!(place.done(&["show", "a.plan"]).out.contains(told));
    let plan: Value = serde_json::from_str(&place.done(&["show", "a.plan", "-json"]).out).unwrap();
    assert_eq!((&plan["complete"], &plan["basis"]["narrowed"]["clusters"]), (&false.into(), &3.into()));
    // A plan file takes no planning option.
    for option in ["-cluster=db-001", "-only=due", "-max-delete=1", "-selector=landscape"] {
        assert_eq!(place.run(&["apply", "a.plan", option]).code, 1, "{option}");
    }
    let said = place.done(&["apply", "a.plan"]);
    assert!(said.out.contains("Resources: 3 added"), "{}", said.out);
    // Whom it left out is not done with, and the rest is planned as ever.
    assert!(place.read(".backstay/baseline.json").contains("db-uid-000"));
    assert!(place.done(&["plan", "-detailed-exitcode", "-cluster=db-003,db-006"]).out.ends_with("No changes.\n"));
    let said = place.done(&["apply", "-auto-approve", "-exclude=db-011"]);
    assert!(said.out.contains("Resources: 8 added"), "{}", said.out);
    assert_eq!(planned(&place, &[]), set(&[11]));
}

#[test]
fn deletes_beyond_the_given_limit_stop_with_five_and_the_backups_go_on() {
    let place = Place::of(4);
    for hour in ["+1m", "+8h", "+16h", "+24h", "+32h"] {
        place.done(&["apply", "-auto-approve", &format!("-as-of={hour}")]);
    }
    // By now each cluster's oldest point has had its grace.
    let all = place.done(&["plan", "-as-of=+24h"]).out;
    assert!(all.contains("4 to destroy."), "{all}");
    let said = place.run(&["plan", "-as-of=+24h", "-max-delete=1", "-out=a.plan"]);
    assert_eq!(said.code, 5);
    assert!(said.out.contains("1 to destroy."), "{}", said.out);
    assert_eq!(said.out.matches("delete limit reached: 1 in this plan, by -max-delete=1").count(), 3, "{}", said.out);
    assert_eq!(place.run(&["plan", "-as-of=+24h", "-max-delete=4"]).code, 0);
    // A share is one of all points: of 16, 15% are two.
    let said = place.run(&["plan", "-as-of=+24h", "-max-delete=15%"]);
    assert_eq!(said.code, 5);
    assert!(said.out.contains("2 to destroy.") && said.out.contains("by -max-delete=15%"), "{}", said.out);
    let said = place.run(&["apply", "-auto-approve", "-as-of=+24h", "-max-delete=0"]);
    assert_eq!(said.code, 5);
    assert!(said.out.contains("0 destroyed.") && said.out.contains("Resources: 4 added"), "{}", said.out);
}

#[test]
fn only_what_a_cause_brought_about_is_left_with_what_it_rests_on() {
    let place = Place::of(2);
    for hour in ["+1m", "+8h", "+16h", "+24h"] {
        place.done(&["apply", "-auto-approve", &format!("-as-of={hour}")]);
    }
    place.replace("fleet/fleet.yaml", "last: 3", "last: 1");
    let causes = |only: &str| -> BTreeSet<String> {
        place.done(&["plan", "-out=a.plan", "-as-of=+8h", only]);
        let plan: Value = serde_json::from_str(&place.done(&["show", "a.plan", "-json"]).out).unwrap();
        let changes = plan["resource_changes"].as_array().unwrap();
        changes.iter().map(|change| change["cause"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(causes("-only=due"), BTreeSet::from(["due".to_owned()]));
    assert_eq!(causes("-only=drift"), BTreeSet::new());
    assert_eq!(causes("-only=due,config,drift"), BTreeSet::from(["config".to_owned(), "due".to_owned()]));
}

#[test]
fn another_digest_than_the_approved_one_is_refused() {
    let place = Place::small();
    place.done(&["plan", "-out=a.plan"]);
    let file: Value = serde_json::from_str(&place.read("a.plan")).unwrap();
    let digest = file["digest"].as_str().unwrap();
    let other = format!("-approved-digest={}", "0".repeat(64));
    let said = place.run(&["apply", "a.plan", &other]);
    assert_eq!(said.code, 5);
    assert!(said.err.contains(&format!("another plan was approved: the digest of a.plan is {digest}")), "{}", said.err);
    assert_eq!(place.run(&["apply", &other]).code, 1, "without a file there is nothing that was approved");
    place.done(&["apply", "a.plan", &format!("-approved-digest={digest}")]);
}
