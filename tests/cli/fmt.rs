//! `fmt`: one look, no other meaning, and nothing lost on the way.

use crate::place::{Place, now};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const UGLY: &str = "# why\napiVersion:   backstay.dev/v1\nkind: Fleet\nmetadata: {name: small}   # it\nspec: {}\n";
const FINE: &str = "# why\napiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: small }  # it\nspec: {}\n";

#[test]
fn every_document_of_the_fleet_is_formatted_and_only_those_that_need_it_are_named() {
    let place = Place::small();
    let before = place.done(&["plan"]).out;
    place.done(&["fmt"]);
    assert_eq!(place.done(&["fmt"]).out, "", "what is formatted is left alone");
    place.write("fleet/deep/er/ugly.yaml", "a:   1\n");
    place.write("fleet/.hidden.yaml", "a:   1\n");
    place.write("fleet/notes.txt", "a:   1\n");
    assert_eq!(place.done(&["fmt"]).out, "fleet/deep/er/ugly.yaml\n");
    assert_eq!(place.read("fleet/deep/er/ugly.yaml"), "a: 1\n");
    assert_eq!(place.read("fleet/.hidden.yaml"), "a:   1\n");
    fs::remove_dir_all(place.directory.path().join("fleet/deep")).unwrap();
    let digest = |out: &str| out.lines().filter(|line| !line.contains("documents ")).collect::<Vec<_>>().join("\n");
    assert_eq!(digest(&place.done(&["plan"]).out), digest(&before), "the same plan");
}

#[test]
fn check_writes_nothing_lists_what_is_not_formatted_and_exits_with_three() {
    let place = Place::small();
    place.done(&["fmt"]);
    place.done(&["fmt", "-check"]);
    place.write("fleet/ugly.yaml", UGLY);
    let said = place.run(&["fmt", "-check"]);
    assert_eq!((said.code, said.out.as_str()), (3, "fleet/ugly.yaml\n"));
    assert_eq!(place.read("fleet/ugly.yaml"), UGLY);
    let said = place.run(&["fmt", "-check", "-diff"]);
    assert_eq!(said.code, 3);
    assert_eq!(
        said.out,
        "fleet/ugly.yaml\n--- a/fleet/ugly.yaml\n+++ b/fleet/ugly.yaml\n@@ -1,5 +1,5 @@\n # why\n\
         -apiVersion:   backstay.dev/v1\n+apiVersion: backstay.dev/v1\n kind: Fleet\n\
         -metadata: {name: small}   # it\n+metadata: { name: small }  # it\n spec: {}\n"
    );
    let coloured = now(place.shell.run_on_terminal(&["fmt", "-check", "-diff"], "", &[]));
    assert!(coloured.out.contains("\u{1b}[32m+apiVersion: backstay.dev/v1\u{1b}[0m"), "{:?}", coloured.out);
    let json = place.run(&["fmt", "-check", "-diff", "-json"]);
    let line = crate::place::lines(&json.out).into_iter().find(|line| line["type"] == "format").unwrap();
    assert_eq!((line["file"].as_str(), line["written"].as_bool()), (Some("fleet/ugly.yaml"), Some(false)));
    assert!(line["diff"].as_str().unwrap().contains("+metadata: { name: small }  # it"));
}

#[test]
fn a_file_that_is_no_yaml_is_told_with_its_place_and_the_others_are_done() {
    let place = Place::small();
    place.done(&["fmt"]);
    place.write("fleet/a-bad.yaml", "a: 1\nb: [1, 2\nc: 3\n");
    place.write("fleet/b-binary.yaml", "");
    fs::write(place.directory.path().join("fleet/b-binary.yaml"), [0xff, 0x00, 0x41]).unwrap();
    place.write("fleet/ugly.yaml", UGLY);
    let said = place.run(&["fmt"]);
    assert_eq!((said.code, said.out.as_str()), (1, "fleet/ugly.yaml\n"));
    assert!(said.err.contains("fleet/a-bad.yaml:") && said.err.contains("fleet/b-binary.yaml"), "{}", said.err);
    assert_eq!(place.read("fleet/a-bad.yaml"), "a: 1\nb: [1, 2\nc: 3\n");
    assert_eq!(place.read("fleet/ugly.yaml"), FINE);
}

#[test]
fn what_the_formatter_would_change_is_left_alone_with_a_warning() {
    let place = Place::small();
    place.done(&["fmt"]);
    let text = "a: |+\n  kept\n\n\nb:   1\n";
    place.write("fleet/kept.yaml", text);
    let said = place.run(&["fmt", "-check"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert!(said.err.contains("formatting would change a value in it"), "{}", said.err);
    assert_eq!(place.read("fleet/kept.yaml"), text);
}

#[test]
fn a_written_file_keeps_its_mode_its_link_and_nothing_is_left_beside_it() {
    let place = Place::small();
    place.write("elsewhere/real.yaml", UGLY);
    let root = place.directory.path();
    fs::set_permissions(root.join("elsewhere/real.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../elsewhere/real.yaml", root.join("fleet/link.yaml")).unwrap();
    place.done(&["fmt", "fleet/link.yaml"]);
    assert!(fs::symlink_metadata(root.join("fleet/link.yaml")).unwrap().is_symlink());
    assert_eq!(place.read("elsewhere/real.yaml"), FINE);
    assert_eq!(fs::metadata(root.join("elsewhere/real.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(root.join("elsewhere")).unwrap().count(), 1);
    place.write("fleet/locked.yaml", UGLY);
    fs::set_permissions(root.join("fleet/locked.yaml"), fs::Permissions::from_mode(0o444)).unwrap();
    let said = place.run(&["fmt", "fleet/locked.yaml"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("write-protected"), "{}", said.err);
    assert_eq!(place.read("fleet/locked.yaml"), UGLY);
}

#[test]
fn files_and_directories_can_be_named_and_recursion_is_asked_for() {
    let place = Place::small();
    for path in ["docs/a.yaml", "docs/deep/b.yml", "docs/c.json"] {
        place.write(path, "a:   1\n");
    }
    assert_eq!(place.run(&["fmt", "docs", "-check"]).out, "docs/a.yaml\n");
    assert_eq!(place.run(&["fmt", "docs", "-check", "-recursive"]).out, "docs/a.yaml\ndocs/deep/b.yml\n");
    assert_eq!(place.run(&["fmt", "./docs/deep/b.yml", "-check"]).out, "docs/deep/b.yml\n");
    for (arguments, told) in [
        (&["fmt", "docs/c.json"][..], "is not YAML by its name"),
        (&["fmt", "nowhere.yaml"], "there is no file nowhere.yaml"),
        (&["fmt", "-", "docs"], "`-` stands alone"),
        (&["fmt", "-chdir=docs"], "there are no documents in"),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}");
        assert!(said.err.contains(told), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn standard_input_is_formatted_to_standard_output() {
    let place = Place::small();
    let said = now(place.shell.run(&["fmt", "-"], Some("a:   1")));
    assert_eq!((said.code, said.out.as_str()), (0, "a: 1\n"));
    let said = now(place.shell.run(&["fmt", "-", "-check"], Some("a:   1")));
    assert_eq!((said.code, said.out.as_str()), (3, ""));
    let said = now(place.shell.run(&["fmt", "-", "-diff"], Some("a:   1")));
    assert!(said.out.ends_with("@@ -1 +1 @@\n-a:   1\n+a: 1\n"), "{}", said.out);
    let said = now(place.shell.run(&["fmt", "-"], Some("a: [")));
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("standard input:"), "{}", said.err);
}
