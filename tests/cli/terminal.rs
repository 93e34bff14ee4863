//! Colour, prompts and progress: on a terminal only.

use crate::place::{Place, now};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

const ESCAPE: char = '\u{1b}';

#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let place = Place::small();
    let on_terminal = |arguments: &[&str], environment: &[(&str, &str)]| {
        now(place.shell.run_on_terminal(arguments, "", environment)).out.contains(ESCAPE)
    };
    assert!(on_terminal(&["plan"], &[]));
    assert!(!on_terminal(&["plan"], &[("NO_COLOR", "1")]));
    assert!(on_terminal(&["plan"], &[("NO_COLOR", "")]), "an empty NO_COLOR says nothing");
    assert!(!on_terminal(&["plan"], &[("TERM", "dumb")]));
    assert!(!on_terminal(&["plan", "-no-color"], &[]));
    assert!(!on_terminal(&["plan", "-json"], &[]));
    assert!(!place.run(&["plan"]).out.contains(ESCAPE));
    assert!(!place.run(&["plan", "-chdir=nowhere"]).err.contains(ESCAPE));
}

/// Runs the real binary on a terminal of its own, with these words typed.
fn on_a_terminal(place: &Place, arguments: &str, typed: &str) -> (String, i32) {
    // `exec`: a shell left waiting would hear the interrupt key too, and end with 130 for its own sake.
    let command = format!("stty cols 80 rows 24; exec {} {arguments}", env!("CARGO_BIN_EXE_backstay"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(place.directory.path()).env("TERM", "xterm-256color");
    script.env_remove("NO_COLOR").env_remove("CI");
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux gives a terminal");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut byte, mut typed) = (Vec::new(), [0], Some(typed));
    while screen.read(&mut byte).unwrap() == 1 {
        shown.push(byte[0]);
        // What is typed before the question would go elsewhere.
        if shown.ends_with(b"is accepted: ")
            && let Some(typed) = typed.take()
        {
            keyboard.write_all(typed.as_bytes()).unwrap();
        }
    }
    (String::from_utf8_lossy(&shown).into_owned(), child.wait().unwrap().code().unwrap())
}

#[test]
fn on_a_terminal_a_person_is_asked_and_yes_is_done() {
    let place = Place::of(30);
    let (shown, code) = on_a_terminal(&place, "apply", "yes\n");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Do you want Backstay to do this? Only `yes` is accepted:"), "{shown}");
    assert!(shown.contains("applying ["), "the bar is drawn: {shown}");
    assert!(shown.contains("Apply complete! Resources: 30 added"), "{shown}");
    let (shown, code) = on_a_terminal(&place, "apply", "no\n");
    assert_eq!(code, 0, "nothing is left to do, so nothing is asked: {shown}");
    assert!(!shown.contains("Do you want"), "{shown}");
}

#[test]
fn the_interrupt_key_at_the_prompt_ends_it_and_nothing_was_done() {
    let place = Place::of(3);
    let (shown, code) = on_a_terminal(&place, "apply", "\u{3}");
    assert_eq!(code, 8, "{shown}");
    assert!(shown.contains("Cancelled."), "{shown}");
    assert!(!place.directory.path().join(".backstay").exists(), "not even the state was begun");
}

#[test]
fn on_a_narrow_terminal_lines_are_broken_between_words_and_in_a_file_never() {
    let place = Place::small();
    place.replace(
        "fleet/fleet.yaml",
        "metadata: { name: orders }",
        "metadata: { name: orders-of-the-whole-of-europe }",
    );
    let shown = now(place.shell.run_on_terminal(&["plan", "-no-color"], "", &[])).out;
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("  eu\n      no restorable point yet\n"), "{shown}");
    let filed = place.run(&["plan"]).out;
    assert!(filed.lines().any(|line| line.chars().count() > 80), "{filed}");
}
