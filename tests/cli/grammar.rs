//! Arguments: both spellings, what is unknown, what the help says.

use crate::place::{Place, now};
use std::fs;
use std::path::Path;

#[test]
fn a_flag_is_written_with_one_dash_or_two_with_its_value_after_a_sign_or_a_space() {
    for flags in [["-auto-approve", "-as-of=+1h"], ["--auto-approve", "--as-of=+1h"]] {
        let place = Place::small();
        let said = place.done(&["apply", flags[0], flags[1]]);
        assert!(said.out.contains("As of 2026-11-23T01:00Z"), "{}", said.out);
    }
    let place = Place::small();
    place.done(&["plan", "-as-of", "+1h", "--out", "a.plan"]);
    place.done(&["-no-color", "show", "a.plan"]);
    place.done(&["show", "--", "a.plan"]);
}

#[test]
fn an_unknown_flag_is_an_error_with_a_hint_and_never_the_code_of_differences() {
    let place = Place::small();
    for (arguments, hint) in [
        (&["plan", "-detailed-exitcodes"][..], "--detailed-exitcode"),
        (&["apply", "-auto-aprove"], "--auto-approve"),
        (&["aply"], "apply"),
        (&["plan", "-as-of=yesterday"], "write an instant as"),
        (&["apply", "a.plan", "-as-of=+1h"], "cannot be used with"),
        (&["plan", "-parallelism=many"], "invalid digit"),
        (&["show"], "FILE"),
        (&[], "Usage"),
        (&["help", "pln"], "plan"),
        (&["lease"], "Usage"),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}");
        assert!(said.err.contains(hint) && said.out.is_empty(), "{arguments:?}: {}{}", said.out, said.err);
    }
}

#[test]
fn chdir_moves_the_fleet_and_every_file_name_as_terraforms_does() {
    let place = Place::small();
    let name = place.directory.path().file_name().unwrap().to_str().unwrap().to_owned();
    let mut above = Place::small();
    above.shell.directory = place.directory.path().parent().unwrap().to_owned();
    let chdir = format!("-chdir={name}");
    assert_eq!(above.run(&[&chdir, "plan", "-out=a.plan"]).code, 0);
    assert!(place.directory.path().join("a.plan").exists());
    assert_eq!(above.run(&[&chdir, "show", "a.plan"]).code, 0);
    assert_eq!(above.run(&["apply", &chdir, "a.plan"]).code, 0);
    assert_eq!(above.run(&["observe", &chdir, "-out=i.json"]).code, 0);
    assert_eq!(above.run(&["plan", &chdir, "-inventory=i.json"]).code, 0);
    let nowhere = above.run(&["plan", "-chdir=nowhere"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("nowhere: expected fleet/ and policies/ there"), "{}", nowhere.err);
}

#[test]
fn version_is_told_in_every_way_that_hands_know() {
    let place = Place::small();
    let said = place.done(&["version"]);
    assert_eq!(said.out, format!("Backstay {}\nproviders: sim, local\n", env!("CARGO_PKG_VERSION")));
    for flag in ["-version", "--version", "-v", "-V"] {
        assert_eq!(place.done(&[flag]).out, format!("backstay {}\n", env!("CARGO_PKG_VERSION")));
    }
    let json: serde_json::Value = serde_json::from_str(&place.done(&["version", "-json"]).out).unwrap();
    assert_eq!(json["backstay"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["providers"], serde_json::json!(["sim", "local"]));
    assert_eq!(json["type"], "version");
}

/// Every verb, in the order of the help.
const VERBS: [&str; 17] = [
    "init",
    "validate",
    "fmt",
    "observe",
    "plan",
    "show",
    "apply",
    "status",
    "backup",
    "drift",
    "hold",
    "simulate",
    "state",
    "lease",
    "completion",
    "explain",
    "version",
];

#[test]
fn help_is_given_in_every_way_that_hands_know() {
    let place = Place::small();
    let help = place.done(&["plan", "-help"]).out;
    assert!(help.contains("Usage: backstay plan"), "{help}");
    for arguments in [&["help", "plan"][..], &["plan", "--help"], &["plan", "-h"]] {
        assert_eq!(place.done(arguments).out, help, "{arguments:?}");
    }
    let whole = place.done(&["-help"]).out;
    for arguments in [&["help"][..], &["--help"], &["-h"]] {
        assert_eq!(place.done(arguments).out, whole, "{arguments:?}");
    }
    assert_eq!(place.done(&["help", "lease", "break"]).out, place.done(&["lease", "break", "-help"]).out);
    // Alone it tells the same, on the other stream: nothing was done.
    let alone = place.run(&[]);
    assert_eq!((alone.code, alone.out.as_str(), alone.err.as_str()), (1, "", whole.as_str()));
}

#[test]
fn the_help_of_every_command_is_as_it_was_reviewed() {
    let place = Place::small();
    let commands: Vec<&str> = std::iter::once("").chain(VERBS).collect();
    let mut help = String::new();
    for command in commands {
        let arguments: Vec<&str> = [command, "-help"].into_iter().filter(|word| !word.is_empty()).collect();
        // The real binary: in one process the width of the tester's terminal would show.
        let output = place.binary(&arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty());
        help += &format!("$ backstay {}\n{}\n", arguments.join(" "), String::from_utf8(output.stdout).unwrap());
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/help.txt");
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        fs::write(&golden, &help).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    assert!(help == expected, "the help changed; BACKSTAY_UPDATE=1 writes {} anew:\n{help}", golden.display());
}

#[test]
fn nothing_that_is_not_built_is_in_the_help() {
    let place = Place::small();
    let help = place.done(&["-help"]).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands, VERBS.into_iter().chain(["help"]).collect::<Vec<_>>());
    for unbuilt in ["restore", "drill", "wal "] {
        assert!(!help.contains(unbuilt), "{unbuilt}");
    }
    // Every command that is listed does something: it knows its own help.
    for command in commands {
        assert_eq!(now(place.shell.run(&[command, "-help"], None)).code, 0, "{command}");
    }
}
