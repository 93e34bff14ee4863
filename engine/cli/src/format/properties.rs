//! Random documents and every document that there is: formatted twice is formatted once, and what is said stays.

use super::comments;
use super::meaning::Meaning;
use super::{Fault, format};
use proptest::prelude::*;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// A value that can be written in several ways.
#[derive(Debug, Clone)]
enum Node {
    Scalar(String),
    Block(char, Vec<String>),
    List(Vec<Node>, Look),
    Map(Vec<(String, Node)>, Look),
}

/// How it is written.
#[derive(Debug, Clone)]
struct Look {
    is_flow: bool,
    indent: usize,
    spaces: usize,
    comment: Option<String>,
    above: Option<String>,
    blank_lines: usize,
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_-]{0,12}",
        "[0-9]{1,4}",
        Just("~".to_owned()),
        Just("\"no\"".to_owned()),
        Just("'it''s # not'".to_owned()),
        Just("\"a: b # c\\n\"".to_owned()),
        Just("a b  c#d".to_owned()),
        Just("''".to_owned()),
        Just("http://x/y?z=1".to_owned()),
        Just("2026-11-23T08:00:00Z".to_owned()),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    let words = || proptest::option::weighted(0.3, "# ?[a-z #'\"]{0,20}");
    (any::<bool>(), 1_usize..5, 1_usize..4, words(), words(), 0_usize..3).prop_map(
        |(is_flow, indent, spaces, comment, above, blank_lines)| Look {
            is_flow,
            indent,
            spaces,
            comment,
            above,
            blank_lines,
        },
    )
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        4 => scalar().prop_map(Node::Scalar),
        1 => (prop_oneof![Just('|'), Just('>')], proptest::collection::vec("[a-z]{1,8}( [a-z#]{1,8})?", 1..4))
            .prop_map(|(style, lines)| Node::Block(style, lines)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..4), look()).prop_map(|(items, look)| Node::List(items, look)),
            (proptest::collection::vec(("[a-z]{1,6}", inner), 0..4), look())
                .prop_map(|(entries, look)| Node::Map(entries, look)),
        ]
    })
}

/// In one line, where everything can be.
fn flow(node: &Node) -> String {
    match node {
        Node::Scalar(text) => {
            if text.contains('#') && !text.starts_with(['"', '\'']) {
                "x".to_owned()
            } else {
                text.clone()
            }
        }
        Node::Block(_, lines) => format!("\"{}\"", lines.join(" ")),
        Node::List(items, _) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(",")),
        Node::Map(entries, _) => {
            let entries: Vec<String> =
                entries.iter().enumerate().map(|(i, (key, value))| format!("{key}{i}: {}", flow(value))).collect();
            format!("{{ {} }}", entries.join(","))
        }
    }
}

/// What follows a key or a dash, from the blank behind it on.
fn write(node: &Node, depth: usize, out: &mut String) {
    let is_empty = matches!(node, Node::List(items, _) if items.is_empty())
        || matches!(node, Node::Map(entries, _) if entries.is_empty());
    match node {
        Node::Scalar(text) => *out += &format!(" {text}\n"),
        Node::Block(style, lines) => {
            *out += &format!(" {style}\n");
            for line in lines {
                *out += &format!("{}{line}\n", " ".repeat(depth + 1));
            }
        }
        Node::List(_, look) | Node::Map(_, look) if look.is_flow || is_empty => *out += &format!(" {}\n", flow(node)),
        Node::List(items, look) => {
            *out += &behind(look);
            for item in items {
                before(look, depth + look.indent, out);
                *out += &format!("{}-", " ".repeat(depth + look.indent));
                write(item, depth + look.indent + 1, out);
            }
        }
        Node::Map(entries, look) => {
            *out += &behind(look);
            for (i, (key, value)) in entries.iter().enumerate() {
                before(look, depth + look.indent, out);
                *out += &format!("{}{key}{i}:{}", " ".repeat(depth + look.indent), " ".repeat(look.spaces - 1));
                write(value, depth + look.indent, out);
            }
        }
    }
}

fn behind(look: &Look) -> String {
    look.comment.as_ref().map(|comment| format!("{}{comment}", " ".repeat(look.spaces))).unwrap_or_default() + "\n"
}

fn before(look: &Look, depth: usize, out: &mut String) {
    out.push_str(&"\n".repeat(look.blank_lines));
    if let Some(above) = &look.above {
        *out += &format!("{}{above}\n", " ".repeat(depth));
    }
}

/// Formats and looks again; says whether it was formatted.
fn holds(text: &str) -> bool {
    let formatted = match format(text) {
        Ok(formatted) => formatted,
        Err(Fault::Unreadable(_) | Fault::WouldChange(_)) => return false,
        Err(Fault::NoThread(because)) => panic!("{because}"),
    };
    assert_eq!(format(&formatted).as_deref(), Ok(formatted.as_str()), "formatted again, it changes:\n{text}");
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (before, after) = (Meaning::of(&plain).unwrap(), Meaning::of(&formatted).unwrap());
    assert_eq!(before.difference(&after), None, "{text}");
    assert_eq!(comments::of(&plain), comments::of(&formatted.replace("\r\n", "\n")), "{text}");
    assert!(formatted.is_empty() || formatted.ends_with('\n') && !formatted.ends_with("\n\n\n"));
    true
}

#[test]
fn random_documents_are_formatted_once_and_for_all() {
    let (done, all) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let documents = proptest::collection::vec(("[a-z]{1,6}", node()), 1..5);
    runner
        .run(&documents, |entries| {
            let mut text = String::new();
            for (i, (key, value)) in entries.iter().enumerate() {
                text += &format!("{key}{i}:");
                write(value, 0, &mut text);
            }
            all.set(all.get() + 1);
            done.set(done.get() + usize::from(holds(&text)));
            Ok(())
        })
        .unwrap();
    assert!(done.get() * 10 >= all.get() * 9, "only {} of {} were formatted", done.get(), all.get());
}

proptest! {
    #[test]
    fn no_text_makes_the_formatter_fall(text in "[-a-z:#&*!|>{}\\[\\],'\" \n\t%?]{0,60}") {
        holds(&text);
    }
}

fn yaml_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_document_of_this_repository_is_formatted_once_and_for_all() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for directory in ["fleet", "policies", "tests/scenarios"] {
        yaml_below(&top.join(directory), &mut good);
    }
    yaml_below(&top.join("tests/wrong"), &mut wrong);
    assert!(good.len() > 10, "{good:?}");
    for path in good {
        assert!(holds(&std::fs::read_to_string(&path).unwrap()), "{} was not formatted", path.display());
    }
    // Wrong as documents; many are sound as YAML all the same.
    for path in wrong {
        if let Ok(text) = std::fs::read_to_string(&path) {
            holds(&text);
        }
    }
}
