//! How a plan is shown: text, Markdown, tables, and files for machines beside the screen.

use crate::place::{Place, lines, now};
use backstay_report::MARKER;
use serde_json::Value;

#[test]
fn a_plan_is_shown_as_markdown_with_its_marker_and_its_digest() {
    let place = Place::of(30);
    let said = place.done(&["plan", "-md", "-out=a.plan"]);
    assert!(said.out.starts_with(MARKER), "{}", said.out);
    let shown = place.done(&["show", "a.plan", "-md"]);
    assert_eq!(said.out, shown.out);
    let file: Value = serde_json::from_str(&place.read("a.plan")).unwrap();
    assert!(shown.out.contains(file["digest"].as_str().unwrap()), "{}", shown.out);
    assert!(shown.out.contains("same change x 30 clusters"), "{}", shown.out);
    // A narrow terminal breaks no line of it.
    let on_terminal = now(place.shell.run_on_terminal(&["show", "a.plan", "-md"], "", &[])).out;
    assert_eq!(on_terminal, shown.out);
    for (arguments, told) in [
        (&["show", "a.plan", "-md", "-json"][..], "cannot be used with"),
        (&["show", "a.plan", "-md", "-max-chars=10"], "at least 8000"),
        (&["show", "a.plan", "-group-by=color"], "choose among site, policy, action, cause and cluster"),
    ] {
        let said = place.run(arguments);
        assert!(said.code == 1 && said.err.contains(told), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn a_plan_is_grouped_counted_or_shown_in_full() {
    let place = Place::of(230);
    let said = place.done(&["plan", "-out=a.plan"]);
    assert!(
        said.out.contains("  + create  same change x 230 clusters  eu/gold  no restorable point yet\n"),
        "{}",
        said.out
    );
    assert!(said.out.lines().count() < 20, "{}", said.out);
    let full = place.done(&["show", "a.plan", "-full"]).out;
    assert_eq!(full.matches("  + recovery-point db-").count(), 230);
    let table = place.done(&["show", "a.plan", "-group-by=site,action"]).out;
    assert!(table.contains("  SITE  ACTION  DESTROY  CHANGE  ADD  CLUSTERS\n"), "{table}");
    assert!(table.contains("  eu    create        0       0  230       230\n"), "{table}");
    assert!(table.contains("\nPlan: 230 to add, 0 to change, 0 to destroy.\n"), "{table}");
}

#[test]
fn a_file_for_machines_has_every_line_and_the_screen_is_for_people() {
    let place = Place::small();
    let people = place.done(&["plan"]).out;
    let said = place.done(&["plan", "-json-into=events.json"]);
    assert_eq!(said.out, people);
    assert_eq!(place.read("events.json"), place.done(&["plan", "-json"]).out);
    let applied = place.done(&["apply", "-auto-approve", "-json-into=events.json"]);
    assert!(applied.out.contains("Apply complete! Resources: 2 added"), "{}", applied.out);
    let events = lines(&place.read("events.json"));
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    assert_eq!(events.iter().filter(|event| kind(event) == "apply_complete").count(), 2);
    assert_eq!((kind(&events[0]), kind(&events[events.len() - 1])), ("version".to_owned(), "exit".to_owned()));
    for command in [&["validate"][..], &["observe"], &["status"], &["state", "show"], &["lease", "list"]] {
        let arguments: Vec<&str> = command.iter().copied().chain(["-json-into=events.json"]).collect();
        let said = place.done(&arguments);
        let other: Vec<&str> = command.iter().copied().chain(["-json"]).collect();
        assert!(!said.out.starts_with('{'), "{command:?}: {}", said.out);
        assert_eq!(place.read("events.json"), place.done(&other).out, "{command:?}");
    }
    let said = place.run(&["plan", "-json-into=no/such/file"]);
    assert!(said.code == 1 && said.err.contains("could not write no/such/file"), "{}", said.err);
    assert_eq!(place.run(&["plan", "-json", "-json-into=x"]).code, 1);
    // What goes wrong is there, too.
    let said = place.run(&["plan", "-cluster=nobody", "-json-into=events.json"]);
    assert_eq!(said.code, 1);
    let events = lines(&place.read("events.json"));
    assert_eq!((kind(&events[1]), &events[2]["codes"]), ("diagnostic".to_owned(), &serde_json::json!([1])));
}

#[test]
fn words_of_the_environment_come_before_those_of_the_command_line_which_win() {
    let mut place = Place::small();
    place
        .shell
        .environment
        .insert("BACKSTAY_CLI_ARGS_plan".to_owned(), "-cluster=wiki -out='a b.plan' -as-of=+1h".to_owned());
    place.shell.environment.insert("BACKSTAY_CLI_ARGS".to_owned(), "-parallelism=3".to_owned());
    let said = place.done(&["plan"]);
    assert!(said.out.contains("to 1 of 2 clusters") && said.out.contains("As of 2026-11-23T01:00Z"), "{}", said.out);
    assert!(said.err.contains("The plan is in a b.plan, digest "), "{}", said.err);
    let said = place.done(&["plan", "-as-of=+2h", "-parallelism=4"]);
    assert!(said.out.contains("As of 2026-11-23T02:00Z"), "{}", said.out);
    place.done(&["status"]);
    place.shell.environment.insert("BACKSTAY_CLI_ARGS".to_owned(), "-chdir='x".to_owned());
    let said = place.run(&["plan"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (1, "error: BACKSTAY_CLI_ARGS is `-chdir='x`: a quotation mark is not closed\n")
    );
}

#[test]
fn where_nobody_watches_nobody_is_asked_and_a_pipeline_gets_no_advice() {
    let place = Place::small();
    let asked = |environment: &[(&str, &str)]| now(place.shell.run_on_terminal(&["apply"], "no\n", environment));
    let said = asked(&[("CI", "true")]);
    assert!(said.code == 1 && said.err.contains("nobody can be asked: give -auto-approve"), "{}", said.err);
    assert_eq!(asked(&[("CI", "false")]).code, 8);
    assert_eq!(asked(&[]).code, 8);
    let hint = "`backstay apply a.plan` applies exactly it";
    let planned =
        |environment: &[(&str, &str)]| now(place.shell.run_on_terminal(&["plan", "-out=a.plan"], "", environment)).err;
    assert!(planned(&[]).contains(hint));
    let automated = planned(&[("BACKSTAY_IN_AUTOMATION", "1")]);
    assert!(!automated.contains(hint) && automated.contains("digest"), "{automated}");
}
