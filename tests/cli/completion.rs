//! Completion in a real bash, the manual, and the page of the reference.

use crate::place::Place;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What bash offers at the end of a line, by its own completion function.
fn completed(place: &Place, line: &str) -> Vec<String> {
    let binary = Path::new(env!("CARGO_BIN_EXE_backstay"));
    // The line is split as bash splits it: at blanks, and at `=` too.
    let script = r#"
        set -u
        source <(backstay completion bash)
        line=$1
        COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9
        spaced=${line//=/ = }
        read -ra COMP_WORDS <<< "$spaced"
        [[ $line == *" " || $line == *"=" ]] && COMP_WORDS+=("")
        COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
        COMPREPLY=()
        _clap_complete_backstay backstay "${COMP_WORDS[COMP_CWORD]}" ""
        printf '%s\n' "${COMPREPLY[@]-}"
    "#;
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", script, "bash", line])
        .current_dir(place.directory.path())
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_flags_values_files_and_clusters() {
    let place = Place::small();
    for (line, expected) in [
        ("backstay pl", &["plan"][..]),
        ("backstay state ", &["show", "help"]),
        ("backstay plan -inv", &["-inventory"]),
        ("backstay plan --inv", &["--inventory"]),
        ("backstay plan -json -inventory=fle", &["fleet/"]),
        ("backstay completion z", &["zsh"]),
        ("backstay apply -role=s", &["store", "sweep"]),
        ("backstay apply -role s", &["store", "sweep"]),
        ("backstay status ", &["orders", "wiki"]),
        ("backstay status w", &["wiki"]),
        ("backstay lease break o", &["orders"]),
        ("backstay show fleet/fl", &["fleet/fleet.yaml"]),
        ("backstay -chdir=policies show ", &["policies.yaml"]),
        ("backstay nothing-like-it x", &[]),
    ] {
        let mut found = completed(&place, line);
        found.retain(|word| word != "help" || expected.contains(&"help"));
        assert_eq!(found, expected, "{line}");
    }
    let flags = completed(&place, "backstay apply -");
    assert!(flags.contains(&"-auto-approve".to_owned()) && flags.contains(&"-chdir".to_owned()), "{flags:?}");
    assert!(flags.iter().all(|flag| !flag.starts_with("--")), "{flags:?}");
    let verbs = completed(&place, "backstay ");
    assert!(verbs.contains(&"simulate".to_owned()) && verbs.iter().all(|verb| !verb.starts_with('-')), "{verbs:?}");
}

#[test]
fn fish_completes_with_what_each_word_means() {
    let place = Place::small();
    let binary = Path::new(env!("CARGO_BIN_EXE_backstay")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let script = "backstay completion fish | source; for line in $argv; complete -C $line; end";
    let lines = ["backstay sim", "backstay plan -inv", "backstay status w", "backstay apply -role=sw"];
    let mut fish = Command::new("fish");
    fish.args(["--no-config", "-c", script]).args(lines).current_dir(place.directory.path()).env("PATH", path);
    // A shell that is not on this machine is passed over.
    let Ok(output) = fish.env("HOME", place.directory.path()).output() else { return };
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "simulate\tWhat will be made, kept, stored and paid until an instant; changes nothing\n\
         -inventory\tPlan over a recorded inventory; such a plan is never applied\nwiki\n\
         -role=sweep\tDeletes alone, and the sightings that start their grace\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn completion_is_quiet_where_there_is_no_fleet_or_a_broken_one() {
    let place = Place::empty();
    let has_names = |place: &Place| completed(place, "backstay status ").iter().any(|word| !word.starts_with('-'));
    assert!(!has_names(&place));
    let place = Place::small();
    place.write("fleet/broken.yaml", "a: [\n");
    assert_eq!(completed(&place, "backstay status "), ["orders", "wiki"]);
    place.write("fleet/fleet.yaml", "a: [\n");
    assert!(!has_names(&place));
}

#[test]
fn every_shell_has_a_script_that_it_can_read() {
    let place = Place::small();
    for (shell, check) in
        [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["-n"]), ("powershell", &[]), ("elvish", &["-compileonly"])]
    {
        let script = place.done(&["completion", shell]).out;
        assert!(script.contains("BACKSTAY_COMPLETE") && script.contains("backstay"), "{shell}: {script}");
        let path = place.directory.path().join(format!("completion.{shell}"));
        fs::write(&path, &script).unwrap();
        // Shells that are not on this machine are passed over.
        if let Ok(output) = Command::new(shell).args(check).arg(&path).output()
            && !check.is_empty()
        {
            assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    assert_eq!(place.done(&["completion", "pwsh"]).out, place.done(&["completion", "powershell"]).out);
    let said = place.run(&["completion", "tcsh"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("possible values: bash, zsh, fish, powershell, elvish"), "{}", said.err);
}

#[test]
fn there_is_a_manual_page_for_each_verb_and_man_shows_it_without_a_complaint() {
    let place = Place::small();
    place.done(&["man", "share/man1"]);
    let directory = place.directory.path().join("share/man1");
    let mut pages: Vec<String> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    for page in ["backstay.1", "backstay-plan.1", "backstay-lease.1", "backstay-lease-break.1"] {
        assert!(pages.contains(&page.to_owned()), "{pages:?}");
    }
    for page in &pages {
        let text = fs::read_to_string(directory.join(page)).unwrap();
        assert!(!text.contains("\\-\\-"), "{page} has two dashes: {text}");
        let Ok(output) =
            Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou"]).arg(directory.join(page)).output()
        else {
            continue;
        };
        assert!(output.stderr.is_empty(), "{page}: {}", String::from_utf8_lossy(&output.stderr));
        let shown = String::from_utf8(output.stdout).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT"] {
            assert!(shown.contains(section), "{page} has no {section}");
        }
    }
}

#[test]
fn the_page_of_the_reference_is_what_the_grammar_says() {
    let place = Place::small();
    let page = place.done(&["man", "-markdown"]).out;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/cli.md");
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &page).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(page == expected, "docs/reference/cli.md has drifted; BACKSTAY_UPDATE=1 writes it anew:\n{page}");
}
