//! `plan -ref` and `plan -base`: the documents of commits, and what a change of them causes.

use crate::place::{Place, lines};
use std::fs;
use std::path::Path;
use std::process::Command;

fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(at)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The small fleet in a repository, committed.
fn committed() -> Place {
    let place = Place::small();
    git(place.directory.path(), &["init", "-q"]);
    commit(&place, "first");
    place
}

fn commit(place: &Place, message: &str) {
    git(place.directory.path(), &["add", "-A"]);
    git(place.directory.path(), &["commit", "-q", "-m", message]);
}

#[test]
fn a_plan_of_a_commit_has_its_documents_whatever_the_work_tree_says() {
    let place = committed();
    let whole = place.done(&["plan"]).out;
    place.write("fleet/fleet.yaml", "broken: [");
    assert_eq!(place.run(&["plan"]).code, 1);
    assert_eq!(place.done(&["plan", "-ref=HEAD"]).out, whole, "the same to the byte");
    assert_eq!(place.done(&["plan", "-ref=main"]).out, whole);
    place.done(&["plan", "-ref", "main", "-out=a.plan"]);
    // The plan's commit holds its documents, so it is applied all the same.
    let said = place.done(&["apply", "a.plan"]);
    assert!(said.out.contains("Resources: 2 added"), "{}", said.out);
}

#[test]
fn a_dirty_tree_is_told_in_the_plan_and_a_commit_is_never_dirty() {
    let place = committed();
    let head = git(place.directory.path(), &["rev-parse", "--short=10", "HEAD"]);
    assert!(place.done(&["plan"]).out.contains(&format!("commit {head}\n")));
    place.replace("policies/policies.yaml", "last: 3", "last: 4");
    assert!(place.done(&["plan"]).out.contains(&format!("commit {head} with changes")));
    assert!(place.done(&["plan", "-ref=HEAD"]).out.contains(&format!("commit {head}\n")));
}

#[test]
fn a_ref_that_is_not_there_is_an_error_with_a_hint() {
    let place = committed();
    for (arguments, told) in [
        (&["plan", "-ref=mian"][..], "error: there is no commit `mian` in this repository\nhint: did you mean `main`?"),
        (&["plan", "-base=mian"], "hint: did you mean `main`?"),
        (&["plan", "-ref=main:nowhere"], "has no directory nowhere"),
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{arguments:?}");
        assert!(said.err.contains(told), "{arguments:?}: {}", said.err);
    }
    let said = Place::small().run(&["plan", "-ref=main"]);
    assert!(said.err.contains("is in no git repository"), "{}", said.err);
    let place = committed();
    git(place.directory.path(), &["checkout", "-q", "--orphan", "empty"]);
    git(place.directory.path(), &["rm", "-rfq", "."]);
    git(place.directory.path(), &["commit", "-q", "--allow-empty", "-m", "nothing"]);
    let said = place.run(&["plan", "-ref=empty"]);
    assert!(said.err.contains("there are no documents in `empty`"), "{}", said.err);
    assert_eq!(place.run(&["plan", "-ref=main"]).code, 7, "the documents are there, the site's world is not");
}

#[test]
fn a_bare_repository_is_planned_by_a_ref() {
    let place = committed();
    let bare = place.directory.path().join("bare.git");
    git(place.directory.path(), &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let whole = place.done(&["plan"]).out;
    let said = place.run(&["plan", "-chdir=bare.git"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("expected fleet/ and policies/ there"), "{}", said.err);
    // What exists at a simulated site is no document: it is on the disk, as a cloud is where it is.
    place.write("bare.git/fleet/world.yaml", &place.read("fleet/world.yaml"));
    assert_eq!(place.done(&["plan", "-chdir=bare.git", "-ref=main"]).out, whole);
}

#[test]
fn a_base_shows_only_what_the_change_causes() {
    let place = committed();
    place.done(&["apply", "-auto-approve"]);
    for hours in ["8h", "16h", "24h", "32h"] {
        place.done(&["apply", "-auto-approve", &format!("-as-of=+{hours}")]);
    }
    let plain = place.done(&["plan", "-as-of=+8h"]).out;
    assert!(plain.contains("+ recovery-point"), "{plain}");
    // Nothing changed: what is due is not the change's.
    let said = place.done(&["plan", "-as-of=+8h", "-base=HEAD", "-detailed-exitcode"]);
    assert!(said.out.starts_with("Compared with HEAD ("), "{}", said.out);
    assert!(
        said.out.contains("the documents change nothing of the plan") && said.out.ends_with("No changes.\n"),
        "{}",
        said.out
    );
    place.replace("policies/policies.yaml", "last: 3", "last: 1");
    let said = place.run(&["plan", "-as-of=+8h", "-base=HEAD", "-detailed-exitcode"]);
    assert_eq!(said.code, 2, "{}", said.err);
    for line in [
        "--- a/policies/policies.yaml",
        "+++ b/policies/policies.yaml",
        "Planned with the change only:",
        "x recovery-point",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }
    assert!(!said.out.contains("+ recovery-point"), "what is due anyway is not shown: {}", said.out);
    // The other way round it vanishes.
    commit(&place, "shorter");
    place.replace("policies/policies.yaml", "last: 1", "last: 3");
    let said = place.run(&["plan", "-as-of=+8h", "-base=HEAD"]);
    assert!(
        said.out.contains("No longer planned:\n  x recovery-point") && said.out.ends_with("No changes.\n"),
        "{}",
        said.out
    );
    // Between two commits, whatever the work tree says.
    let said = place.run(&["plan", "-as-of=+8h", "-base=HEAD~1", "-ref=HEAD"]);
    assert!(said.out.contains("Planned with the change only:\n  x recovery-point"), "{}", said.out);
}

#[test]
fn a_part_of_a_plan_is_compared_with_the_same_part() {
    let place = committed();
    let change = |from: &str, to: &str| place.replace("policies/policies.yaml", from, to);
    place.done(&["apply", "-auto-approve"]);
    for hours in ["8h", "16h", "24h", "48h"] {
        place.done(&["apply", "-auto-approve", &format!("-as-of=+{hours}")]);
    }
    change("last: 3", "last: 1");
    let whole = place.done(&["plan", "-as-of=+8h", "-base=HEAD"]).out;
    assert!(whole.contains("x recovery-point wiki"), "{whole}");
    let part = place.done(&["plan", "-as-of=+8h", "-base=HEAD", "-cluster=wiki"]).out;
    assert!(part.contains("x recovery-point wiki") && !part.contains("No longer planned"), "{part}");
    let other = place.done(&["plan", "-as-of=+8h", "-base=HEAD", "-cluster=orders"]).out;
    assert!(other.contains("the documents change nothing of the plan"), "{other}");
    let due = place.done(&["plan", "-as-of=+8h", "-base=HEAD", "-only=due"]).out;
    assert!(!due.contains("(config)") && due.contains("beyond last 1; without it: beyond last 3"), "{due}");
    for view in ["-md", "-full", "-group-by=site", "-max-delete=3"] {
        let said = place.run(&["plan", "-base=HEAD", view]);
        assert_eq!(said.code, 1, "{view}");
        assert!(said.err.contains("cannot be used with"), "{view}: {}", said.err);
    }
}

#[test]
fn a_cluster_that_comes_and_a_site_that_goes_are_told_by_their_points() {
    let place = committed();
    place.done(&["apply", "-auto-approve"]);
    let fleet = place.read("fleet/fleet.yaml");
    let (before, wiki) = fleet.split_at(fleet.rfind("---\n").unwrap());
    place.write("fleet/fleet.yaml", before);
    let said = place.run(&["plan", "-base=main"]);
    assert!(said.out.contains("-  name") || said.out.contains("-metadata: { name: wiki }"), "{}", said.out);
    assert!(said.out.contains("! wiki-0001"), "an orphan appears: {}", said.out);
    commit(&place, "without wiki");
    place.write("fleet/fleet.yaml", &(before.to_owned() + &wiki.replace("wiki", "news")));
    let said = place.run(&["plan", "-base=main", "-json"]);
    let lines = lines(&said.out);
    assert!(lines.iter().any(|line| line["type"] == "document_change" && line["file"] == "fleet/fleet.yaml"));
    assert_eq!(
        lines.iter().find(|line| line["type"] == "change_summary").unwrap()["base"]["name"].as_str().unwrap()[..4],
        *"main"
    );
    // A site that only the base declares is seen for it, and is no part of the plan.
    let place = committed();
    let fleet = place.read("fleet/fleet.yaml");
    place.write("fleet/fleet.yaml", &fleet.replace("name: eu }", "name: us }").replace("site: eu", "site: us"));
    let world = place.read("fleet/world.yaml").replace("name: eu", "name: us");
    place.write("fleet/world.yaml", &world);
    let said = place.run(&["plan", "-base=main"]);
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("Planned with the change only:\n  + recovery-point"), "{}", said.out);
    assert!(said.out.contains("No longer planned:\n  + recovery-point"), "{}", said.out);
}

#[test]
fn the_difference_of_documents_hides_secrets_and_is_bounded() {
    let place = committed();
    let secret = "hunter2hunter2";
    let policies = place.read("policies/policies.yaml");
    place.write("policies/policies.yaml", &format!("# password: {secret}\n# \u{202e}der\n{policies}"));
    let many: String = (0..400).map(|i| format!("# line {i}\n")).collect();
    place.write("policies/z.yaml", &many);
    let said = place.done(&["plan", "-base=HEAD"]);
    assert!(!said.out.contains(secret) && said.out.contains("+# password:"), "{}", said.out);
    assert!(!said.out.contains('\u{202e}'), "{:?}", said.out);
    assert!(said.out.contains("more in 1 file; `git diff` shows them"), "{}", said.out);
    assert!(said.out.lines().count() < 230);
    let json = place.done(&["plan", "-base=HEAD", "-json"]).out;
    assert!(!json.contains(secret));
}

#[test]
fn a_base_whose_documents_are_wrong_is_compared_as_far_as_it_goes() {
    let place = committed();
    place.write("fleet/more.yaml", "kind: Cluster\n");
    commit(&place, "wrong");
    fs::remove_file(place.directory.path().join("fleet/more.yaml")).unwrap();
    let said = place.done(&["plan", "-base=HEAD"]);
    assert!(
        said.err.contains("has 1 error in its documents") || said.err.contains("errors in its documents"),
        "{}",
        said.err
    );
    place.write("fleet/fleet.yaml", "# nothing\n");
    commit(&place, "nothing");
    let said = place.run(&["plan", "-base=HEAD~1", "-ref=HEAD~1"]);
    assert_eq!(said.code, 1, "the ref's own mistakes count");
    let said = place.run(&["plan", "-base=HEAD", "-ref=HEAD~2"]);
    assert!(said.err.contains("have no fleet to compare with"), "{}", said.err);
}

#[test]
fn a_repository_of_another_user_is_told_with_what_git_wants() {
    let place = committed();
    if std::os::unix::fs::chown(place.directory.path().join(".git"), Some(12_345), None).is_err()
        || std::os::unix::fs::chown(place.directory.path(), Some(12_345), None).is_err()
    {
        return; // Only root can give it away.
    }
    let run = |arguments: &[&str]| {
        let output = place
            .binary(arguments)
            .env("HOME", "/nonexistent")
            .env_remove("SUDO_UID")
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, err) = run(&["plan", "-ref=main"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("belongs to another user") && err.contains("git config --global --add safe.directory /"),
        "{err}"
    );
    let (code, out, err) = run(&["plan"]);
    assert_eq!(code, Some(0), "the documents themselves can be read: {err}");
    assert!(
        out.contains("documents ") && err.contains("note: which commit these documents are is unknown"),
        "{out}{err}"
    );
}
