//! The tour (`docs/tour.md`) says what really happens: every command of it is run by a real shell in a copy of this repository,
//! and what it says must be what stands below it. `BACKSTAY_UPDATE=1 cargo test --test tour` writes the page anew.
//!
//! In a block that opens with ```` ```console ````, a line that begins with `$ ` is a command. A line `…` stands for any lines, and what was
//! left out stays left out when the page is written anew. A commit's id is not compared: the reader's is another one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by unwrap, and may read files")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What stands for lines that are left out.
const LEFT_OUT: &str = "…";

#[test]
fn every_command_of_the_tour_says_what_stands_below_it() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tour.md");
    let text = fs::read_to_string(&page).unwrap();
    let reader = Reader::new();
    let (mut actual, mut commands, mut lines) = (String::new(), 0, text.lines().peekable());
    while let Some(line) = lines.next() {
        writeln!(actual, "{line}").unwrap();
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("a block begins with a command: {line}"));
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| *line != "```" && !line.starts_with("$ ")) {
                expected.push(line);
            }
            let said = reader.run(command);
            writeln!(actual, "$ {command}").unwrap();
            actual.push_str(&shortened(&said, &expected));
            commands += 1;
        }
    }
    assert!(commands >= 20, "the tour has lost its commands: {commands}");
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        fs::write(&page, &actual).unwrap();
    } else if masked(&actual) != masked(&text) {
        let (text, actual) = (masked(&text), masked(&actual));
        let difference = similar::TextDiff::from_lines(&text, &actual);
        panic!("docs/tour.md says something else now:\n{}", difference.unified_diff().header("written", "said"));
    }
}

/// Somebody who has cloned this repository, and follows the tour.
struct Reader {
    directory: TempDir,
}

impl Reader {
    fn new() -> Self {
        let reader = Self { directory: TempDir::new().unwrap() };
        let from = Path::new(env!("CARGO_MANIFEST_DIR"));
        for part in ["fleet", "policies", "schemas", "docs/tour", ".gitignore"] {
            copy(&from.join(part), &reader.clone_of().join(part));
        }
        let begin = "git init -q -b main . && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm 'The example'";
        assert_eq!(reader.run(begin), "");
        reader
    }

    fn clone_of(&self) -> PathBuf {
        self.directory.path().join("backstay")
    }

    /// What a person sees who types this: both streams, as they come.
    fn run(&self, command: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_backstay")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(self.clone_of()).env("PATH", path);
        for (name, value) in [("GIT_AUTHOR_NAME", "a"), ("GIT_COMMITTER_NAME", "a")] {
            bash.env(name, value);
        }
        for (name, value) in [("GIT_AUTHOR_EMAIL", "a@example.org"), ("GIT_COMMITTER_EMAIL", "a@example.org")] {
            bash.env(name, value);
        }
        for name in ["COLUMNS", "NO_COLOR", "TERM", "CI", "BACKSTAY_CLI_ARGS"] {
            bash.env_remove(name);
        }
        let output = bash.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<&str> = said.lines().map(str::trim_end).collect();
        let mut said = said.join("\n").trim_matches('\n').to_owned();
        if !said.is_empty() {
            said.push('\n');
        }
        match output.status.code() {
            Some(0) => said,
            Some(code) => format!("{said}[exit {code}]\n"),
            None => panic!("`{command}` was killed: {said}"),
        }
    }
}

/// What was said, with the same lines left out as where it was written down, as long as what is written there is still said.
fn shortened(said: &str, written: &[&str]) -> String {
    let all: Vec<&str> = said.lines().collect();
    let as_said = || all.iter().map(|line| format!("{line}\n")).collect();
    let (mut out, mut at) = (String::new(), 0);
    let mut lines = written.iter().peekable();
    while let Some(line) = lines.next() {
        if *line != LEFT_OUT {
            match all.get(at) {
                Some(next) if masked(next) == masked(line) => writeln!(out, "{next}").unwrap(),
                Some(_) | None => return as_said(),
            }
            at += 1;
            continue;
        }
        writeln!(out, "{LEFT_OUT}").unwrap();
        at = match lines.peek() {
            None => all.len(),
            Some(next) => match all.iter().skip(at).position(|line| masked(line) == masked(next)) {
                Some(skipped) => at + skipped,
                None => return as_said(),
            },
        };
    }
    if at == all.len() { out } else { as_said() }
}

/// The text without what differs from reader to reader: the ids of commits and digests of plans.
fn masked(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 10 && word.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    let mask = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(core) { word.replace(core, "ID") } else { word.to_owned() }
    };
    text.split_inclusive([' ', '\n'])
        .map(|word| {
            let end = word.trim_end_matches([' ', '\n']).len();
            format!("{}{}", mask(&word[..end]), &word[end..])
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        fs::copy(from, to).unwrap();
    }
}
