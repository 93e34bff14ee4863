//! Drift as Markdown, for an issue or a comment.

use super::{Group, by_class, groups, heading, rows_each, since, site, sum, unread, who};
use crate::count;
use crate::forecast_md::safe;
use backstay_core::drift::{Drift, Severity};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// By it, a later run finds its own comment.
const MARKER: &str = "<!-- backstay drift -->";
/// The longest comment that all hosts take, in characters (CLI.md).
const LONGEST: usize = 60_000;
/// How many differences are written out at most, all kinds together.
const MOST_ROWS: usize = 200;
/// How many rules and sites are named.
const MOST_NAMED: usize = 20;

/// All drift, its sum first; at most 60,000 characters. What does not fit is counted.
#[must_use]
pub fn drift_md(drift: &Drift) -> String {
    let mut out = format!("{MARKER}\n### {}\n\n**{}**", safe(&heading(drift)), safe(&sum(drift)));
    if let Some(classes) = by_class(drift) {
        let _ = write!(out, " {}", safe(&classes));
    }
    out.push_str("\n\n");
    let unread = unread(drift);
    if !unread.is_empty() {
        out.push_str("> **\"In sync\" cannot be said:** what could not be seen is unknown, not gone.\n>\n");
        for line in unread.iter().take(MOST_NAMED) {
            let _ = writeln!(out, "> - {}", safe(line));
        }
        if unread.len() > MOST_NAMED {
            let _ = writeln!(out, "> - … and {} more", count(unread.len() - MOST_NAMED));
        }
        out.push('\n');
    }
    let groups = groups(drift);
    let most = rows_each(&groups, MOST_ROWS);
    let rules = rules(drift);
    for group in &groups {
        let whole = section(group, most);
        // First without its rows, then not at all: but always counted.
        let room = LONGEST.saturating_sub(out.chars().count() + rules.chars().count() + 1_000);
        if whole.chars().count() <= room {
            out.push_str(&whole);
        } else {
            out.push_str(&section(group, 0));
        }
    }
    out.push_str(&rules);
    out
}

fn section(group: &Group<'_>, most: usize) -> String {
    let severity = group.kind.severity();
    let sign = match severity {
        Severity::Error => "🔴",
        Severity::Warning => "🟠",
        Severity::Note => "🔵",
    };
    let mut out = format!(
        "#### {sign} {}: {} (`{}`)\n\n{}.\n\n",
        severity.as_str(),
        safe(&group.heading()),
        group.kind.as_str(),
        sentence(group.kind.meaning()),
    );
    if most > 0 {
        out.push_str("| Cluster | Site | Since | What |\n| --- | --- | --- | --- |\n");
        for item in group.items.iter().take(most) {
            let cells = [who(item), site(item), since(item), item.message.clone()].map(|cell| safe(&cell));
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    if group.items.len() > most {
        let _ = writeln!(out, "… and {} more; `-json` has them all.\n", count(group.items.len() - most));
    }
    for step in group.steps().iter().take(3) {
        let _ = writeln!(out, "- **Next:** {}", safe(step));
    }
    out.push('\n');
    out
}

fn rules(drift: &Drift) -> String {
    if drift.rules.is_empty() {
        return String::new();
    }
    let ignored = count(drift.counts.ignored);
    let mut out = format!("<details><summary>Rules that ignore drift: {ignored} ignored</summary>\n\n");
    out.push_str("| Rule | Owner | Until | Ignores | Why |\n| --- | --- | --- | --- | --- |\n");
    for used in drift.rules.iter().take(MOST_NAMED) {
        let ignores = if used.is_expired { "nothing: expired".to_owned() } else { count(used.matches) };
        let rule = &used.rule;
        let cells = [&rule.rule, &rule.owner, &brief(rule.expires), &ignores, &rule.reason].map(|cell| safe(cell));
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if drift.rules.len() > MOST_NAMED {
        let _ = writeln!(out, "\n… and {} more rules", count(drift.rules.len() - MOST_NAMED));
    }
    out.push_str("\n</details>\n");
    out
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
