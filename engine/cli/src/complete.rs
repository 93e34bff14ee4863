//! Completion of command lines. The script of a shell only asks: the answer comes from the grammar and the documents at
//! each press of the key, so that it never lags behind either.
//!
//! It must never fail loudly, and never look at a site.

use crate::args::{self, ShellName, has_one_dash};
use crate::exit::Code;
use crate::host::{Host, Io};
use backstay_core::model::Origin;
use backstay_core::resolve::resolve;
use backstay_runtime::sources::from_work_tree;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate, complete};
use clap_complete::env::Shells;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Set by the scripts to the shell's name: the arguments are then a line to be completed.
pub(crate) const VARIABLE: &str = "BACKSTAY_COMPLETE";

/// Documents beyond this size are not read for the sake of a name: a key press must not wait.
const MOST_BYTES: usize = 2 << 20;

/// The script that makes a shell ask.
pub(crate) fn registration(shell: ShellName) -> anyhow::Result<String> {
    let builtins = Shells::builtins();
    let completer = builtins.completer(shell.as_str());
    let completer = completer.ok_or_else(|| anyhow::anyhow!("no completion for {}", shell.as_str()))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "backstay", "backstay", "backstay", &mut script)?;
    Ok(String::from_utf8(script)?)
}

/// Answers a shell that asks, one candidate after the other in the form that its script reads.
pub(crate) fn answer(shell: &str, arguments: impl IntoIterator<Item = OsString>, host: &Host, mut io: Io) -> u8 {
    let mut words: Vec<OsString> = arguments.into_iter().skip(1).collect();
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    let variable = |name: &str| host.environment.get(name).map(String::as_str);
    let last = words.len().saturating_sub(1);
    let index = variable("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok()).unwrap_or(last).min(last);
    let separator = variable("_CLAP_IFS").unwrap_or("\n");
    let line = Line::of(words, index);
    let candidates = line.candidates(&host.directory);
    let shown: Vec<String> = candidates
        .iter()
        .map(|(value, help)| match (shell, help) {
            // What zsh takes for the end of the value.
            ("zsh", Some(help)) => format!("{}:{help}", value.replace('\\', "\\\\").replace(':', "\\:")),
            ("zsh", None) => value.replace('\\', "\\\\").replace(':', "\\:"),
            ("fish" | "powershell", Some(help)) => format!("{value}\t{help}"),
            _ => value.clone(),
        })
        .collect();
    let written = io.out.write_all(shown.join(separator).as_bytes()).and_then(|()| io.out.flush());
    if written.is_ok() { Code::Done.number() } else { Code::Error.number() }
}

/// A line, up to the word that is to be completed.
struct Line {
    /// Every flag has two dashes; the program's name comes first.
    words: Vec<OsString>,
    /// Whether the last word was written with one dash, or with none yet.
    has_one_dash: bool,
    /// What of the last word the shell holds for a word of its own: bash splits at `=`.
    split: usize,
}

impl Line {
    fn of(words: Vec<OsString>, index: usize) -> Self {
        let (mut joined, mut split): (Vec<OsString>, usize) = (Vec::new(), 0);
        let mut is_value = false;
        for word in words.into_iter().take(index + 1) {
            split = 0;
            match joined.last_mut().filter(|last| last.as_encoded_bytes().starts_with(b"-")) {
                Some(last) if is_value || word == "=" => {
                    is_value = word == "=";
                    last.push(&word);
                    split = last.len() - if is_value { 0 } else { word.len() };
                }
                Some(_) | None => joined.push(word),
            }
        }
        let last = joined.last().and_then(|word| word.to_str()).unwrap_or_default();
        let has_one_dash = has_one_dash(last) || last == "-" || last.is_empty();
        let mut words: Vec<OsString> = args::doubled(joined).collect();
        if let Some(last) = words.last_mut().filter(|last| *last == "-") {
            last.push("-");
        }
        // A second dash was added to what the shell knows.
        let split = if split > 0 && has_one_dash { split + 1 } else { split };
        Self { words, has_one_dash, split }
    }

    /// Each candidate for the last word as its user writes it, with what it is.
    fn candidates(self, directory: &Path) -> Vec<(String, Option<String>)> {
        let Self { words, has_one_dash, split } = self;
        let root = directory.join(self::chdir(&words).unwrap_or_default());
        let is_empty = words.last().is_some_and(|word| word.is_empty());
        let is_chdir = words.last().is_some_and(|word| word.as_encoded_bytes().starts_with(b"--chdir"))
            || words.iter().rev().nth(1).is_some_and(|word| word == "--chdir");
        let mut grammar = with_clusters(args::grammar(), &root);
        let from = if is_chdir { directory } else { &root };
        let index = words.len().saturating_sub(1);
        let found = complete(&mut grammar, words, index, Some(from)).unwrap_or_default();
        let is_flag = |candidate: &CompletionCandidate| candidate.get_value().as_encoded_bytes().starts_with(b"-");
        // Flags are offered to who begins one, or where nothing else can stand.
        let has_words = is_empty && found.iter().any(|candidate| !is_flag(candidate));
        found
            .iter()
            .filter(|candidate| !(has_words && is_flag(candidate)))
            .filter_map(|candidate| {
                let value = candidate.get_value().to_str().filter(|value| *value != ".")?;
                let value = match value.get(split..) {
                    Some(rest) if split > 0 => rest,
                    Some(_) | None if has_one_dash && value.starts_with("--") => &value[1..],
                    Some(_) | None => value,
                };
                let help =
                    candidate.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned());
                Some((value.to_owned(), help.filter(|help| !help.is_empty())))
            })
            .collect()
    }
}

/// The fleet's directory, where the line names it.
fn chdir(words: &[OsString]) -> Option<PathBuf> {
    let value = |(i, word): (usize, &OsString)| {
        let text = word.to_str()?;
        if text == "--chdir" {
            words.get(i + 1).map(PathBuf::from)
        } else {
            text.strip_prefix("--chdir=").map(Into::into)
        }
    };
    words.iter().enumerate().rev().skip(1).find_map(value)
}

/// The grammar, with the fleet's clusters wherever one is named.
fn with_clusters(grammar: clap::Command, root: &Path) -> clap::Command {
    let is_cluster = |argument: &clap::Arg| {
        let names = argument.get_value_names().unwrap_or_default();
        names.iter().any(|name| *name == "CLUSTER") || (argument.get_id() == "id" && argument.is_positional())
    };
    grammar.mut_subcommands(|command| {
        let command = with_clusters(command, root);
        let root = root.to_owned();
        command.mut_args(move |argument| {
            if !is_cluster(&argument) {
                return argument;
            }
            let root = root.clone();
            argument.add(ArgValueCandidates::new(move || clusters(&root)))
        })
    })
}

/// The names of the clusters that the documents of this directory declare.
fn clusters(root: &Path) -> Vec<CompletionCandidate> {
    let Ok(tree) = from_work_tree(root) else { return Vec::new() };
    if tree.bytes() > MOST_BYTES {
        return Vec::new();
    }
    let origin = Origin { commit: None, dirty: false, documents: tree.digest() };
    let Some(desired) = resolve(&tree, origin).desired else { return Vec::new() };
    let candidate = |name: &str| CompletionCandidate::new(OsStr::new(name));
    desired.clusters.values().map(|cluster| candidate(cluster.name.as_str())).collect()
}
