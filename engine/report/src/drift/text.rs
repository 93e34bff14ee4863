//! Drift on a terminal: worst first, never more lines than one scrolls through.

use super::{Group, by_class, groups, heading, rows_each, since, site, sum, unread, who};
use crate::count;
use crate::paint::{Paint, clean};
use crate::table::columns;
use backstay_core::drift::{Drift, Severity};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// How many differences are written out at most, all kinds together.
const MOST_ROWS: usize = 70;
/// How many sites, rules or steps are named.
const MOST_NAMED: usize = 12;

/// All drift, ending with its sum.
#[must_use]
pub fn drift_text(drift: &Drift, paint: Paint) -> String {
    let mut out = format!("{}\n\n", paint.dim(&heading(drift)));
    coverage(drift, paint, &mut out);
    let groups = groups(drift);
    let most = rows_each(&groups, MOST_ROWS);
    for group in &groups {
        tell(group, most, paint, &mut out);
    }
    ignored(drift, paint, &mut out);
    if let Some(classes) = by_class(drift) {
        let _ = writeln!(out, "{classes}");
    }
    let _ = writeln!(out, "{}", paint.bold(&sum(drift)));
    out
}

fn coverage(drift: &Drift, paint: Paint, out: &mut String) {
    let unread = unread(drift);
    for line in unread.iter().take(MOST_NAMED) {
        let _ = writeln!(out, "  {} {}", paint.red("!"), clean(line));
    }
    if unread.len() > MOST_NAMED {
        let _ = writeln!(out, "    … and {} more", count(unread.len() - MOST_NAMED));
    }
    if !unread.is_empty() {
        let _ = writeln!(out, "    what could not be seen is unknown, not gone: \"in sync\" cannot be said\n");
    }
}

fn tell(group: &Group<'_>, most: usize, paint: Paint, out: &mut String) {
    let severity = group.kind.severity();
    let word = format!("{}[{}]", severity.as_str(), group.kind.as_str());
    let word = match severity {
        Severity::Error => paint.red(&word),
        Severity::Warning => paint.on_yellow(&word),
        Severity::Note => paint.bold(&word),
    };
    let _ = writeln!(out, "{word}: {}", paint.bold(&group.heading()));
    let has_since = group.items.iter().any(|item| item.since.is_some());
    let rows: Vec<Vec<String>> = group
        .items
        .iter()
        .take(most)
        .map(|item| {
            let mut row = vec![clean(&who(item)), site(item)];
            if has_since {
                row.push(format!("since {}", since(item)));
            }
            row.push(clean(&item.message));
            row
        })
        .collect();
    for cells in columns(&rows) {
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    if group.items.len() > most {
        let _ = writeln!(out, "  … and {} more; -json has them all", count(group.items.len() - most));
    }
    let _ = writeln!(out, "{} {}", paint.dim("  means:"), group.kind.meaning());
    let steps = group.steps();
    for (i, step) in steps.iter().take(if steps.len() > 2 { 1 } else { 2 }).enumerate() {
        let _ = writeln!(out, "{} {}", paint.dim(if i == 0 { "  next: " } else { "        " }), clean(step));
    }
    if steps.len() > 2 {
        let _ = writeln!(out, "         … and {} other steps", count(steps.len() - 1));
    }
    out.push('\n');
}

fn ignored(drift: &Drift, paint: Paint, out: &mut String) {
    let working: Vec<_> = drift.rules.iter().filter(|rule| rule.matches > 0 && !rule.is_expired).collect();
    let idle: Vec<_> = drift.idle_rules().collect();
    let rows: Vec<Vec<String>> = working
        .iter()
        .map(|rule| {
            let until = format!("until {}", brief(rule.rule.expires));
            let why = format!("{}: {}", clean(&rule.rule.owner), clean(&rule.rule.reason));
            vec![clean(&rule.rule.rule), format!("ignores {}", count(rule.matches)), until, why]
        })
        .collect();
    for cells in columns(&rows).iter().take(MOST_NAMED) {
        let _ = writeln!(out, "  {} {}", paint.dim("·"), cells.join("  ").trim_end());
    }
    for rule in idle.iter().take(MOST_NAMED) {
        let (at, owner) = (clean(&rule.rule.rule), clean(&rule.rule.owner));
        let _ = writeln!(out, "  {} {at}  ignores nothing: {owner} can remove it", paint.cyan("·"));
    }
    let more = working.len().saturating_sub(MOST_NAMED) + idle.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        let _ = writeln!(out, "    … and {} more rules; -json has them all", count(more));
    }
    if !working.is_empty() || !idle.is_empty() {
        out.push('\n');
    }
}
