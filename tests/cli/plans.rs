//! Plan files and the commits that they name.

use crate::place::Place;
use git2::{IndexAddOption, Repository, Signature};

fn commit(place: &Place) -> String {
    let repository = Repository::init(place.directory.path()).unwrap();
    let mut index = repository.index().unwrap();
    index.add_all(["fleet", "policies"], IndexAddOption::DEFAULT, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::new("a", "a@example.org", &git2::Time::new(0, 0)).unwrap();
    let parents: Vec<_> = repository.head().ok().and_then(|head| head.peel_to_commit().ok()).into_iter().collect();
    let parents: Vec<_> = parents.iter().collect();
    repository.commit(Some("HEAD"), &who, &who, "as it is", &tree, &parents).unwrap().to_string()
}

#[test]
fn a_plan_of_a_commit_is_applied_with_that_commits_documents_after_the_work_tree_moved_on() {
    let place = Place::small();
    let first = commit(&place);
    place.done(&["plan", "-out=a.plan"]);
    // Somebody merges a change that declares another policy and drops a cluster.
    let fleet = place.read("fleet/fleet.yaml");
    let wiki = fleet.rfind("---\n").unwrap();
    place.write("fleet/fleet.yaml", &fleet[..wiki]);
    place.replace("policies/policies.yaml", "recoveryWindow: 1d", "recoveryWindow: 2d");
    commit(&place);
    let said = place.done(&["apply", "a.plan"]);
    assert!(said.out.contains("Resources: 2 added") && said.out.contains("2 clusters"), "{}", said.out);
    // What it stood on is that commit, not what the work tree holds.
    let baseline = place.read(".backstay/baseline.json");
    assert!(baseline.contains(&format!("\"commit\":\"{first}\"")), "{baseline}");
}

#[test]
fn a_plan_of_documents_that_no_commit_holds_is_stale_once_they_change() {
    let place = Place::small();
    commit(&place);
    place.replace("policies/policies.yaml", "last: 3", "last: 4");
    place.done(&["plan", "-out=a.plan"]);
    place.replace("policies/policies.yaml", "last: 4", "last: 5");
    let said = place.run(&["apply", "a.plan"]);
    assert_eq!(said.code, 4);
    assert!(said.err.contains("no commit holds them: make a new one"), "{}", said.err);
}

#[test]
fn a_plan_whose_commit_is_not_here_is_stale_and_says_what_to_fetch() {
    let place = Place::small();
    let first = commit(&place);
    place.done(&["plan", "-out=a.plan"]);
    std::fs::remove_dir_all(place.directory.path().join(".git")).unwrap();
    place.replace("policies/policies.yaml", "last: 3", "last: 4");
    commit(&place);
    let said = place.run(&["apply", "a.plan"]);
    assert_eq!(said.code, 4);
    let told = format!("there is no commit `{first}`");
    assert!(said.err.contains(&told) && said.err.contains("fetch that commit, or make a new one"), "{}", said.err);
}

#[test]
fn a_plan_outlives_a_commit_that_changes_no_document() {
    let place = Place::small();
    commit(&place);
    place.done(&["plan", "-out=a.plan"]);
    place.write("fleet/README.md", "words");
    commit(&place);
    place.done(&["apply", "a.plan"]);
}

#[test]
fn a_plan_that_cannot_be_applied_says_so_when_it_is_made() {
    let place = Place::small();
    place.replace("fleet/fleet.yaml", "clock: virtual", "clock: real");
    let said = place.done(&["plan", "-out=a.plan", "-as-of=+8h"]);
    assert!(said.err.contains("It is not to be applied: the plan is for "), "{}", said.err);
    let applied = place.run(&["apply", "a.plan"]);
    assert_eq!(applied.code, 5, "{}", applied.err);
}

#[test]
fn a_file_that_is_no_plan_or_inventory_is_named_with_what_is_wrong() {
    let place = Place::small();
    place.write("x", "not json");
    for (arguments, told) in [
        (&["apply", "x"][..], "error: x: it is not a plan file: "),
        (&["show", "x"], "error: x: it is not a plan file: "),
        (&["plan", "-inventory=x"], "x is not an inventory (expected ident at line 1 column 2)"),
        (&["apply", "y"], "y: No such file or directory"),
        (&["plan", "-out=no/such/a.plan"], "no/such/a.plan: No such file or directory"),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}");
        assert!(said.err.contains(told), "{arguments:?}: {}", said.err);
    }
}

/// Both forms of an inventory say the same, whether or not the key is there that signed it; a changed file is refused.
#[test]
fn an_inventory_is_read_in_either_form_and_a_changed_one_is_refused() {
    let place = Place::small();
    place.done(&["apply", "-auto-approve"]);
    place.done(&["observe", "-out=i.json"]);
    place.done(&["observe", "-out=i.inventory"]);
    let plan = |file: &str| place.done(&["plan", "-as-of=+8h", &format!("-inventory={file}")]).out;
    let by_json = plan("i.json");
    assert!(by_json.contains("from a recorded inventory: it cannot be applied"), "{by_json}");
    assert_eq!(plan("i.inventory"), by_json);
    let path = place.directory.path().join("i.inventory");
    let mut bytes = std::fs::read(&path).unwrap();
    // Who has another key checks every seal, and comes to the same.
    let key = place.directory.path().join(".backstay/seal.key");
    let ours = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_eq!(plan("i.inventory"), by_json);
    std::fs::write(&key, ours).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = place.run(&["plan", "-inventory=i.inventory"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("i.inventory is not an inventory (it "), "{}", said.err);
    assert!(said.err.contains("`backstay observe -out` writes one"), "{}", said.err);
}
