//! The look itself, and that nothing but the look changes.

use super::{Fault, comments, format};

fn formatted(text: &str) -> String {
    let once = format(text).unwrap_or_else(|fault| panic!("{fault}:\n{text}"));
    assert_eq!(format(&once).as_deref(), Ok(once.as_str()), "formatted again, it changes");
    once
}

#[test]
fn spaces_indentation_and_blank_lines_become_the_same_everywhere() {
    let text = "a:   1   \nb:\n- 1\n-   2\nc:\n    d:   {x: 1,y: [1,2]}\n\n\n\ne: 'one'\n";
    assert_eq!(formatted(text), "a: 1\nb:\n  - 1\n  - 2\nc:\n  d: { x: 1, y: [1, 2] }\n\ne: \"one\"\n");
}

#[test]
fn comments_behind_values_of_neighbouring_lines_stand_in_one_column() {
    let text = "a: 1 # one\nlonger: 22 # two\nno: comment\nb: 3        # three\nc:\n  d: 4 # four\n# a line\ne: 5\n";
    let expected =
        "a: 1        # one\nlonger: 22  # two\nno: comment\nb: 3  # three\nc:\n  d: 4  # four\n# a line\ne: 5\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn what_looks_like_a_comment_within_a_value_is_none() {
    let text = "a: \"x # y\"\nb: 'x # y'\nc: x#y # z\nd: |\n  # text\n  more # text\ne: >-\n  a # b\n";
    let expected = "a: \"x # y\"\nb: \"x # y\"\nc: x#y  # z\nd: |\n  # text\n  more # text\ne: >-\n  a # b\n";
    assert_eq!(formatted(text), expected);
    assert_eq!(comments::of(text), Some(vec!["# z".to_owned()]));
}

#[test]
fn anchors_aliases_quotes_that_matter_and_blocks_stay() {
    let text = "a: &x { b: 1 }\nc: *x\nd: \"0123\"\ne: \"no\"\nf: 'it''s'\ng: |2\n    two\n  deep   \nh: >+\n  kept\n";
    assert_eq!(formatted(text), text);
}

#[test]
fn every_document_of_a_file_stays_with_its_marks() {
    let text = "%YAML 1.2\n---\na: 1\n...\n---\nb: 2\n---\n# nothing\n---\nc: 3\n";
    assert_eq!(formatted(text), text);
}

#[test]
fn the_line_ends_of_a_file_stay_and_the_mark_that_some_editors_put_first_goes() {
    assert_eq!(formatted("a:  1\r\nb:\r\n- 2 # x\r\n"), "a: 1\r\nb:\r\n  - 2  # x\r\n");
    assert_eq!(formatted("\u{feff}a:  1\n"), "a: 1\n");
}

#[test]
fn an_empty_file_stays_empty_and_a_last_line_gets_its_end() {
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n"), "");
    assert_eq!(formatted("a: 1"), "a: 1\n");
    assert_eq!(formatted("# only this"), "# only this\n");
}

#[test]
fn a_flow_collection_that_is_too_long_for_a_line_is_broken_with_its_comments() {
    let items: Vec<String> = (0..20).map(|i| format!("item-number-{i}")).collect();
    let text = formatted(&format!("a: [{}]\n", items.join(", ")));
    assert_eq!(text.lines().count(), 22, "{text}");
    assert_eq!(formatted("a: {\n  # why\n  b: 1, # one\n  c: 2\n}\n"), "a: {\n  # why\n  b: 1,  # one\n  c: 2,\n}\n");
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    let Err(Fault::Unreadable(wrong)) = format("a: 1\nb: [1, 2\nc: 3\n") else { panic!("it is not YAML") };
    assert!((2..=3).contains(&wrong.line), "{wrong:?}");
    assert!(matches!(format("a: \"\u{0}\"\n\tb: 1"), Err(Fault::Unreadable(_))));
}

#[test]
fn what_nests_beyond_reason_is_refused_and_what_only_nests_deeply_is_formatted() {
    let nested = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    assert!(matches!(format(&nested(500)), Err(Fault::Unreadable(_))));
    formatted(&nested(20));
    // Beyond what the parser takes of broken lines it may stay as it is, and nothing worse.
    assert!(matches!(format(&nested(150)), Ok(_) | Err(Fault::WouldChange(_))));
}

#[test]
fn a_value_that_the_formatter_would_change_is_left_alone() {
    // The library drops the second blank line, which `+` keeps.
    assert_eq!(format("a: |+\n  kept\n\n\nb: 1\n"), Err(Fault::WouldChange("a value in it")));
}
