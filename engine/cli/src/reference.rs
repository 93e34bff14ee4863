//! The command line described from its own grammar: manual pages and the page of the reference.

use crate::args;
use crate::exit::Code;
use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write as _;

/// The environment variables that change what the command line does.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("BACKSTAY_CLI_ARGS", "arguments of every verb, before those of the command line, which win"),
    ("BACKSTAY_CLI_ARGS_VERB", "the same for one verb: `BACKSTAY_CLI_ARGS_plan`, `BACKSTAY_CLI_ARGS_lease_break`"),
    ("BACKSTAY_IN_AUTOMATION", "set: what to do next is not told"),
    ("CI", "set: nobody is asked, and no bars are drawn, even on a terminal"),
    ("NO_COLOR", "set: no colours, even on a terminal"),
    ("TERM", "`dumb`: no colours and no bars"),
    ("USER", "who holds a point (`hold`)"),
    ("AWS_*", "where a state store on S3 is, and by which credentials: docs/state.md"),
    ("AZURE_*", "where a state store on Azure is, and by which credentials: docs/state.md"),
    ("BACKSTAY_COMPLETE", "set by the scripts of `completion` alone: the arguments are a line to be completed"),
];

/// One verb, or one verb of a verb.
struct Page {
    /// `backstay lease list`
    words: String,
    command: Command,
}

/// Every verb that the help lists, each before its own verbs, the program itself first.
fn pages() -> Vec<Page> {
    let mut grammar = args::grammar();
    grammar.build();
    let mut pages = Vec::new();
    gather(&grammar, "backstay", &mut pages);
    pages
}

fn gather(command: &Command, words: &str, pages: &mut Vec<Page>) {
    pages.push(Page { words: words.to_owned(), command: command.clone() });
    for verb in verbs(command) {
        gather(verb, &format!("{words} {}", verb.get_name()), pages);
    }
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// Flags with the one dash that the house writes.
fn one_dash(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("--") {
        let (before, after) = rest.split_at(at);
        let begins = before.chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || c == '-' || c == '|'));
        let is_flag = begins && after[2..].starts_with(|c: char| c.is_ascii_lowercase());
        out.push_str(before);
        out.push_str(if is_flag { "-" } else { "--" });
        rest = &after[2..];
    }
    out.push_str(rest);
    out
}

/// The same in a manual page, where each dash is escaped, and what is not ASCII.
fn one_dash_of_roff(text: &str) -> String {
    let mut parts = text.split("\\-\\-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(if part.starts_with(|c: char| c.is_ascii_lowercase()) { "\\-" } else { "\\-\\-" });
        out.push_str(part);
    }
    let escaped = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    out.chars().map(escaped).collect()
}

/// Every manual page, by the name of its file.
pub(crate) fn manual() -> std::io::Result<Vec<(String, String)>> {
    let pages = pages();
    let names: Vec<String> = pages.iter().map(|page| page.words.replace(' ', "-")).collect();
    pages
        .iter()
        .zip(&names)
        .map(|(page, name)| {
            let command =
                page.command.clone().name(name.clone()).bin_name(page.words.clone()).display_name(name.clone());
            let mut text = Vec::new();
            let man = Man::new(command).manual("Backstay").source(format!("backstay {}", env!("CARGO_PKG_VERSION")));
            man.render_title(&mut text)?;
            man.render_name_section(&mut text)?;
            man.render_synopsis_section(&mut text)?;
            man.render_description_section(&mut text)?;
            man.render_options_section(&mut text)?;
            if name == "backstay" {
                verbs_section(&page.command).to_writer(&mut text)?;
            }
            closing(name, &names).to_writer(&mut text)?;
            Ok((format!("{name}.1"), one_dash_of_roff(&String::from_utf8_lossy(&text))))
        })
        .collect()
}

fn verbs_section(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["VERBS"]);
    for verb in verbs(command) {
        roff.control("TP", []);
        roff.text([bold(format!("backstay-{}(1)", verb.get_name()))]);
        roff.text([roman(about(verb))]);
    }
    roff
}

fn closing(name: &str, names: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for code in Code::ALL {
        roff.control("TP", []);
        roff.text([bold(code.number().to_string())]);
        roff.text([roman(code.meaning())]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, meaning) in ENVIRONMENT {
        roff.control("TP", []);
        roff.text([bold(variable)]);
        roff.text([roman(meaning)]);
    }
    let related = |other: &&String| {
        let is_below = other.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        let is_above = name.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('-'));
        (is_below && name != "backstay") || is_above
    };
    let also: Vec<String> = names.iter().filter(related).map(|other| format!("{other}(1)")).collect();
    if !also.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([roman(also.join(", "))]);
    }
    roff
}

/// The page `docs/reference/cli.md`.
pub(crate) fn markdown() -> String {
    let pages = pages();
    let mut out = String::from(
        "# The command line\n\nMade from the grammar itself by `backstay man -markdown`; a test keeps it so.\n\n\
         A flag may be written with one dash or with two, and its value after `=` or a space: `-chdir=DIR`, `--chdir DIR`.\n\
         `backstay help VERB` and `backstay VERB -help` tell what stands here.\n\n## Verbs\n\n| Verb | |\n|---|---|\n",
    );
    for page in pages.iter().skip(1) {
        let link = page.words.replace(' ', "-");
        let _ = writeln!(out, "| [`{}`](#{link}) | {} |", page.words, cell(&about(&page.command)));
    }
    out.push_str("\n## Options of every verb\n\n");
    if let Some(first) = pages.first() {
        table(&mut out, first.command.get_arguments().filter(|argument| argument.is_global_set()));
    }
    for page in pages.iter().skip(1) {
        verb(&mut out, page);
    }
    let precedence = crate::exit::Codes::precedence().map(|code| code.number().to_string()).join(", ");
    let _ = write!(
        out,
        "\n## Exit codes\n\nWhere several hold, the first of {precedence} is returned; `-json` tells all.\n\n| Code | Meaning |\n|---|---|\n"
    );
    for code in Code::ALL {
        let _ = writeln!(out, "| {} | {} |", code.number(), cell(code.meaning()));
    }
    out.push_str("\n## Environment\n\n| Variable | Meaning |\n|---|---|\n");
    for (variable, meaning) in ENVIRONMENT {
        let _ = writeln!(out, "| `{variable}` | {} |", cell(meaning));
    }
    out
}

fn verb(out: &mut String, page: &Page) {
    let mut command = page.command.clone();
    let usage = one_dash(&command.render_usage().to_string());
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let _ = write!(out, "\n## `{}`\n\n{}\n\n```\n{usage}\n```\n", page.words, sentence(&page.command));
    let own: Vec<&Arg> = page.command.get_arguments().filter(|argument| !argument.is_global_set()).collect();
    if own.iter().any(|argument| is_told(argument)) {
        out.push('\n');
        table(out, own.into_iter());
    }
    let below: Vec<String> = verbs(&page.command).map(|verb| format!("`{} {}`", page.words, verb.get_name())).collect();
    if !below.is_empty() {
        let _ = writeln!(out, "\nIts verbs: {}.", below.join(", "));
    }
}

fn is_told(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_action(), ArgAction::Help | ArgAction::Version)
}

fn table<'a>(out: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    out.push_str("| Argument | |\n|---|---|\n");
    for argument in arguments.filter(|argument| is_told(argument)) {
        let takes_value = argument.get_action().takes_values();
        let value = argument.get_value_names().unwrap_or_default().join(" ");
        let written = match argument.get_long() {
            Some(long) if takes_value => format!("-{long}={value}"),
            Some(long) => format!("-{long}"),
            None => value,
        };
        let mut told = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let choices = argument.get_possible_values();
        let shown = choices.iter().filter(|choice| !choice.is_hide_set());
        if takes_value && !argument.is_hide_possible_values_set() && !choices.is_empty() {
            let names: Vec<String> = shown.map(|choice| format!("`{}`", choice.get_name())).collect();
            let _ = write!(told, ". One of {}", names.join(", "));
        }
        let defaults = argument.get_default_values();
        if takes_value && !argument.is_hide_default_value_set() && !defaults.is_empty() {
            let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
            let _ = write!(told, ". Default: `{}`", defaults.join(" "));
        }
        if matches!(argument.get_action(), ArgAction::Append) {
            told.push_str(". May be given more than once");
        }
        let _ = writeln!(out, "| `{}` | {} |", written.replace('|', "\\|"), cell(&told));
    }
}

/// Text within a table.
fn cell(text: &str) -> String {
    one_dash(text).replace('|', "\\|").replace('\n', " ")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn sentence(command: &Command) -> String {
    let told = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let told = one_dash(told.trim_end());
    if told.ends_with('.') { told } else { told + "." }
}

#[cfg(test)]
mod tests {
    use super::one_dash;

    #[test]
    fn a_flag_loses_one_dash_and_nothing_else_does() {
        for (written, house) in [
            ("[--out=FILE] --json", "[-out=FILE] -json"),
            ("`--chdir`", "`-chdir`"),
            ("a -- b --", "a -- b --"),
            ("x--y ---z |---|---|", "x--y ---z |---|---|"),
            ("-h, --help", "-h, -help"),
        ] {
            assert_eq!(one_dash(written), house);
        }
    }
}
