//! The corpus of wrong inputs, `tests/wrong`, with the exact messages that each gives.
//!
//! A directory is a case: its files lie over those of `base`, which is a small fleet that is right. `make` makes what git
//! cannot hold. `expected.txt` is what `validate` says to people, and `expected.json` what it says to machines. A case whose
//! name begins with `read-` is one that looks wrong and is read. `BACKSTAY_UPDATE=1` writes what is expected anew.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use backstay_core::diagnostic::Code;
use backstay_test_support::shell::{Said, Shell};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Files of a case that are none of its inputs.
const OWN: [&str; 3] = ["make", "expected.txt", "expected.json"];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.is_dir() && path.file_name() != Some(OsStr::new("base"))).collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

/// A place with the base, the case's files over it, and what `make` makes.
fn place(case: &Path) -> (TempDir, Shell) {
    let directory = TempDir::new().unwrap();
    lay_over(&corpus().join("base"), directory.path());
    lay_over(case, directory.path());
    for line in fs::read_to_string(case.join("make")).unwrap_or_default().lines() {
        make(directory.path(), line);
    }
    let shell = Shell::in_directory(directory.path());
    (directory, shell)
}

fn lay_over(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            lay_over(&entry.path(), &target);
        } else if !OWN.iter().any(|own| entry.file_name() == *own) {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One line of `make`: a verb and its words, in quotes where they have spaces or escapes.
fn make(root: &Path, line: &str) {
    let words = words(line);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let at = |path: &[u8]| {
        let path = root.join(OsStr::from_bytes(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let number = |word: &[u8]| str::from_utf8(word).unwrap().parse::<usize>().unwrap();
    let add = |path: &[u8], text: &[u8]| {
        fs::OpenOptions::new().create(true).append(true).open(at(path)).unwrap().write_all(text).unwrap();
    };
    match words.as_slice() {
        [b"repeat", times, text, path] => add(path, &text.repeat(number(times))),
        [b"stairs", steps, path] => {
            let stairs: String = (0..number(steps)).map(|step| format!("{}a:\n", " ".repeat(step))).collect();
            add(path, stairs.as_bytes());
        }
        [b"write", path, text] => add(path, text),
        [b"sparse", bytes, path] => fs::File::create(at(path)).unwrap().set_len(number(bytes) as u64).unwrap(),
        [b"directory", path] => fs::create_dir_all(at(path)).unwrap(),
        [b"link", target, path] => symlink(OsStr::from_bytes(target), at(path)).unwrap(),
        [b"socket", path] => drop(UnixListener::bind(at(path)).unwrap()),
        [b"pipe", path] => assert!(Command::new("mkfifo").arg(at(path)).status().unwrap().success()),
        [b"remove", path] => fs::remove_dir_all(at(path)).unwrap(),
        _ => panic!("unknown: {line}"),
    }
}

fn words(line: &str) -> Vec<Vec<u8>> {
    let (mut words, mut word, mut in_quotes) = (Vec::new(), Vec::new(), false);
    let mut rest = line.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b' ' if !in_quotes => words.push(std::mem::take(&mut word)),
            b'\\' => match rest.next().unwrap() {
                b'n' => word.push(b'\n'),
                b'e' => word.push(0x1b),
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    word.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
                }
                other => word.push(other),
            },
            other => word.push(other),
        }
    }
    words.push(word);
    words
}

fn text(said: &Said, directory: &Path) -> String {
    let text = format!("{}{}[exit {}]\n", said.err, said.out, said.code);
    text.replace(directory.to_str().unwrap(), "DIR")
}

/// What machines get: each diagnostic, and the sum.
fn json(said: &Said, directory: &Path) -> String {
    let mut out = String::new();
    for line in said.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if matches!(line["type"].as_str(), Some("diagnostic" | "validated")) {
            let kept: serde_json::Map<String, Value> = line
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, _)| !key.starts_with('@'))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            out += &format!("{:#}\n", Value::Object(kept));
        }
    }
    out.replace(directory.to_str().unwrap(), "DIR")
}

/// Compares with what is expected, or writes it.
fn expect(path: &Path, said: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        fs::write(path, said).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != said {
        let diff = similar::TextDiff::from_lines(expected.as_str(), said).unified_diff().to_string();
        wrong.push(format!("{} says something else now:\n{diff}", path.display()));
    }
}

#[tokio::test]
async fn every_wrong_input_is_answered_with_its_message() {
    let cases = cases();
    assert!(cases.len() >= 200, "cases are missing: {}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (directory, shell) = place(case);
        let said = shell.run(&["validate"], None).await;
        expect(&case.join("expected.txt"), &text(&said, directory.path()), &mut wrong);
        let said = shell.run(&["validate", "-json"], None).await;
        expect(&case.join("expected.json"), &json(&said, directory.path()), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What the corpus must show as a whole, whatever the messages are.
#[test]
fn every_message_has_a_code_a_place_a_hint_and_no_secret() {
    let mut codes = BTreeSet::new();
    for case in cases() {
        let text = fs::read_to_string(case.join("expected.txt")).unwrap();
        let is_read = name(&case).starts_with("read-");
        assert_eq!(text.ends_with("[exit 0]\n"), is_read || !text.contains("error"), "{}", case.display());
        assert!(!text.to_lowercase().contains("hunter2"), "{}: a secret is shown", case.display());
        let json = fs::read_to_string(case.join("expected.json")).unwrap();
        assert!(!json.to_lowercase().contains("hunter2"), "{}: a secret is told", case.display());
        let plain = |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
        assert!(text.chars().chain(json.chars()).all(plain), "{}: it moves the cursor", case.display());
        for line in serde_json::Deserializer::from_str(&json).into_iter::<Value>() {
            let line = line.unwrap();
            let told = &line["diagnostic"];
            // What ends a command before there are documents has neither.
            let Some(code) = told["code"].as_str() else { continue };
            codes.insert(Code::find(code).unwrap());
            assert!(told["hint"].is_string(), "{}: no hint: {told}", case.display());
            assert!(
                told["file"].is_string()
                    || code == "no-fleet"
                    || told["message"].as_str().unwrap().contains(" more places"),
                "{told}"
            );
        }
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no case gives {missing:?}");
}

#[tokio::test]
async fn on_a_terminal_it_is_the_same_in_colour() {
    let case = corpus().join("one-uid-twice");
    let (_directory, shell) = place(&case);
    let plain = shell.run(&["validate"], None).await;
    let coloured = shell.run_on_terminal(&["validate"], "", &[]).await;
    assert!(coloured.err.contains("\u{1b}[31merror[duplicate-uid]\u{1b}[0m"), "{:?}", coloured.err);
    let mut stripped = String::new();
    for (number, part) in coloured.err.split("\u{1b}[").enumerate() {
        stripped += if number == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    // A terminal breaks long lines between words, but none that quotes a document.
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&stripped), words(&plain.err));
    let quotes = |text: &str| text.lines().filter(|line| line.contains(" |")).map(str::to_owned).collect::<Vec<_>>();
    assert!(quotes(&plain.err).len() > 3);
    assert_eq!(quotes(&stripped), quotes(&plain.err));
    let quiet = shell.run_on_terminal(&["validate"], "", &[("NO_COLOR", "1")]).await;
    assert_eq!(quiet.err, stripped);
}

#[tokio::test]
async fn a_code_is_explained_by_its_name_or_as_it_was_shown() {
    let (_directory, shell) = place(&corpus().join("one-uid-twice"));
    let said = shell.run(&["explain", "duplicate-uid"], None).await;
    assert!(said.code == 0 && said.out.starts_with("duplicate-uid: Two clusters have one uid.\n\n"), "{}", said.out);
    for part in ["\nWrong:\n", "\nRight:\n", "\nWhy: ", "\n      uid: uid-shop\n"] {
        assert!(said.out.contains(part), "{part:?}: {}", said.out);
    }
    assert_eq!(shell.run(&["explain", "error[duplicate-uid]"], None).await, said);
    let slip = shell.run(&["explain", "duplicate-udi"], None).await;
    assert_eq!((slip.code, slip.out.as_str()), (1, ""));
    assert_eq!(slip.err, "error: there is no code `duplicate-udi`; did you mean `duplicate-uid`?\n");
    let unknown = shell.run(&["explain", "E0308"], None).await;
    assert_eq!(unknown.err, "error: there is no code `E0308`; `backstay explain` lists all codes\n");
    let all = shell.run(&["explain"], None).await;
    assert!(Code::ALL.iter().all(|code| all.out.contains(code.summary())), "{}", all.out);
    let json: Value = serde_json::from_str(&shell.run(&["explain", "-json", "tab"], None).await.out).unwrap();
    assert_eq!((&json["type"], &json["code"]), (&Value::from("explanation"), &Value::from("tab")));
    assert_eq!(json["explanation"], Code::Tab.explanation());
    let json: Value = serde_json::from_str(&shell.run(&["explain", "-json"], None).await.out).unwrap();
    assert_eq!(json["codes"].as_array().unwrap().len(), Code::ALL.len());
}
