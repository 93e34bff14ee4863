//! A plan as people read it at 3 a.m.: what it comes to first, then what cannot be undone, and the summary line last.

use crate::fold::fold;
use crate::paint::{Paint, clean};
use crate::report::{Group, Kind, Level, Report, symbol};
use crate::table::columns;
use crate::{count, plural};
use backstay_core::plan::{Cause, Change, Finding, Plan, Waiting};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// So many lines a plan takes at most, unless all of it is asked for.
const MOST_LINES: usize = 196;

/// How a plan is shown as text.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Whether and how it is coloured.
    pub paint: Paint,
    /// How many places a line has; `None` where lines have no end.
    pub width: Option<usize>,
    /// Every change, finding and wait on a line of its own, however many.
    pub full: bool,
}

impl View {
    /// Without colours, as wide as need be.
    pub const PLAIN: Self = Self { paint: Paint::Plain, width: None, full: false };
}

/// One change on one line, still without colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLine {
    /// `+`, `>`, `~`, `x` or `-`.
    pub symbol: &'static str,
    /// Which point of which cluster.
    pub subject: String,
    /// Why, and by which cause when it is not the clock.
    pub why: String,
}

/// Tells one change.
#[must_use]
pub fn change_line(change: &Change) -> ChangeLine {
    ChangeLine {
        symbol: symbol(&change.action),
        subject: format!("recovery-point {} {}", change.name, brief(change.action.point().slot)),
        why: why(&change.reason.to_string(), change.cause),
    }
}

/// A reason, and its cause when it is not the clock.
pub(crate) fn why(reason: &str, cause: Cause) -> String {
    match cause {
        Cause::Due => clean(reason),
        Cause::Config | Cause::Drift => clean(&format!("{reason} ({})", cause.as_str())),
    }
}

fn paint_symbol(paint: Paint, symbol: &str) -> String {
    match symbol {
        "+" | ">" => paint.green(symbol),
        "-" | "!" => paint.red(symbol),
        _ => paint.yellow(symbol),
    }
}

/// The last line, which other tools parse: verbatim as CLI.md has it.
#[must_use]
pub fn summary_line(plan: &Plan) -> String {
    Report::of(plan).summary()
}

/// A whole plan, ending with the summary line. What is not written out is counted where it would stand.
#[must_use]
pub fn plan_text(report: &Report<'_>, view: View) -> String {
    let mut text = String::new();
    let limits: &[Limits] = if view.full { &[Limits::NONE] } else { &Limits::STEPS };
    for limits in limits {
        text = written(report, view.paint, limits);
        if let Some(width) = view.width {
            text = fold(&text, width);
        }
        if text.lines().count() <= MOST_LINES {
            break;
        }
    }
    text
}

fn written(report: &Report<'_>, paint: Paint, limits: &Limits) -> String {
    let mut out = heading(report, paint);
    coverage(report, paint, limits, &mut out);
    changes(&report.kinds, paint, limits, &mut out);
    waiting(report, paint, limits, &mut out);
    findings(report, paint, limits, &mut out);
    out.push_str(&ending(report, paint));
    out
}

/// How every text of a plan ends.
pub(crate) fn ending(report: &Report<'_>, paint: Paint) -> String {
    let breakdown = report.breakdown().map(|breakdown| format!("{breakdown}\n")).unwrap_or_default();
    format!("{breakdown}{}\n", paint.bold(&report.summary()))
}

/// How many lines each part may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Sites that could not be read.
    gaps: usize,
    /// Changes of a kind that are written out one by one; where there are more, alike ones stand together.
    of_a_kind: usize,
    /// Groups of a kind.
    groups: usize,
    /// Exceptions of a group.
    exceptions: usize,
    /// What waits for a person.
    waiting: usize,
    /// Findings, of all kinds.
    findings: usize,
}

impl Limits {
    const NONE: Self = {
        let most = usize::MAX;
        Self { gaps: most, of_a_kind: most, groups: most, exceptions: most, waiting: most, findings: most }
    };

    /// From the most to the least. The last fits whatever the plan is.
    const STEPS: [Self; 5] = [
        Self { gaps: 40, of_a_kind: 20, groups: 30, exceptions: 10, waiting: 20, findings: 40 },
        Self { gaps: 20, of_a_kind: 20, groups: 12, exceptions: 5, waiting: 15, findings: 25 },
        Self { gaps: 15, of_a_kind: 10, groups: 6, exceptions: 3, waiting: 10, findings: 15 },
        Self { gaps: 10, of_a_kind: 5, groups: 3, exceptions: 2, waiting: 6, findings: 8 },
        Self { gaps: 4, of_a_kind: 1, groups: 1, exceptions: 0, waiting: 2, findings: 2 },
    ];
}

/// How every text of a plan begins.
pub(crate) fn heading(report: &Report<'_>, paint: Paint) -> String {
    let mut out = String::new();
    let verdict = format!("{}.", report.verdict.text);
    let verdict = match report.verdict.level {
        Level::Incomplete | Level::Deletes => paint.red(&verdict),
        Level::Changes | Level::InSync => paint.green(&verdict),
    };
    let _ = writeln!(out, "{}", paint.bold(&verdict));
    let _ = writeln!(out, "{}", paint.dim(&report.basis));
    if let Some(narrowed) = &report.narrowed {
        let _ = writeln!(out, "{}", paint.yellow(&clean(narrowed)));
    }
    out.push('\n');
    out
}

fn coverage(report: &Report<'_>, paint: Paint, limits: &Limits, out: &mut String) {
    for gap in report.gaps.iter().take(limits.gaps) {
        let because = clean(gap.because);
        let _ = writeln!(out, "  {} site {} could not be read: {because}", paint_symbol(paint, "!"), gap.site);
    }
    more(report.gaps.len(), limits.gaps, "sites that could not be read", out);
    if !report.gaps.is_empty() {
        let _ = writeln!(out, "    nothing is planned there: what could not be seen is unknown, not gone\n");
    }
}

/// Says how many are not written out, so that nothing is dropped in silence.
fn more(number: usize, most: usize, what: &str, out: &mut String) {
    if number > most {
        let _ = writeln!(out, "    … and {} more {what}", count(number - most));
    }
}

fn changes(kinds: &[Kind<'_>], paint: Paint, limits: &Limits, out: &mut String) {
    // Lists that stand below each other have their columns in common.
    let mut listed: Vec<&Change> = Vec::new();
    for kind in kinds {
        if kind.changes.len() <= limits.of_a_kind {
            listed.extend(&kind.changes);
        } else {
            list(&listed, paint, out);
            listed.clear();
            grouped(kind, paint, limits, out);
        }
    }
    list(&listed, paint, out);
    if !kinds.is_empty() {
        out.push('\n');
    }
}

fn list(changes: &[&Change], paint: Paint, out: &mut String) {
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let line = change_line(change);
            vec![line.symbol.to_owned(), line.subject, change.site.to_string(), line.why]
        })
        .collect();
    lines(&rows, "  ", paint, out);
}

/// Rows whose first cell is a symbol.
fn lines(rows: &[Vec<String>], indent: &str, paint: Paint, out: &mut String) {
    for row in columns(rows) {
        let [symbol, rest @ ..] = row.as_slice() else { continue };
        let _ = writeln!(out, "{indent}{} {}", paint_symbol(paint, symbol), rest.join("  "));
    }
}

fn grouped(kind: &Kind<'_>, paint: Paint, limits: &Limits, out: &mut String) {
    let shown = &kind.groups[..kind.groups.len().min(limits.groups)];
    let rows: Vec<Vec<String>> = shown.iter().map(|group| row(kind, group)).collect();
    for (row, group) in columns(&rows).iter().zip(shown) {
        let [symbol, rest @ ..] = row.as_slice() else { continue };
        let _ = writeln!(out, "  {} {}", paint_symbol(paint, symbol), rest.join("  "));
        let exceptions: Vec<&Change> = group.exceptions.iter().take(limits.exceptions).copied().collect();
        let rows: Vec<Vec<String>> = exceptions.iter().map(|change| exception(change)).collect();
        lines(&rows, "      ", paint, out);
        if group.exceptions.len() > limits.exceptions {
            let left = count(group.exceptions.len() - limits.exceptions);
            let _ = writeln!(out, "        … and {left} more exceptions");
        }
    }
    let rest = &kind.groups[shown.len()..];
    if !rest.is_empty() {
        let changes: usize = rest.iter().map(Group::len).sum();
        let groups = plural(rest.len(), "group");
        let _ = writeln!(out, "    … and {} more to {} in {groups}; -full shows all", count(changes), kind.verb);
    }
}

fn row(kind: &Kind<'_>, group: &Group<'_>) -> Vec<String> {
    vec![
        kind.symbol.to_owned(),
        kind.verb.to_owned(),
        group.told(),
        format!("{}/{}", group.site, group.policy),
        why(&group.reason, kind.cause),
    ]
}

fn exception(change: &Change) -> Vec<String> {
    let line = change_line(change);
    vec![line.symbol.to_owned(), line.subject, line.why]
}

fn waiting(report: &Report<'_>, paint: Paint, limits: &Limits, out: &mut String) {
    let named: Vec<_> = report.waiting.iter().filter(|kind| kind.is_named).collect();
    let total: usize = named.iter().map(|kind| kind.all.len()).sum();
    // Each kind has its share, so that many of one kind do not hide another.
    let share = (limits.waiting / named.len().max(1)).max(1);
    for kind in named {
        let most = if total <= limits.waiting { kind.all.len() } else { share };
        for entry in kind.all.iter().take(most) {
            let _ = writeln!(out, "  {} waiting: {}", paint.cyan("·"), waits(entry));
        }
        more(kind.all.len(), most, &format!("wait {}", kind.told), out);
    }
    for kind in report.waiting.iter().filter(|kind| !kind.is_named) {
        let _ = writeln!(out, "  {} waiting: {} {}", paint.cyan("·"), count(kind.all.len()), kind.told);
    }
    if !report.waiting.is_empty() {
        out.push('\n');
    }
}

fn waits(entry: &Waiting) -> String {
    let point = entry.point.map(|point| format!(" {}", brief(point.slot))).unwrap_or_default();
    format!("{}{point}: {}", entry.name, clean(&entry.why.to_string()))
}

fn findings(report: &Report<'_>, paint: Paint, limits: &Limits, out: &mut String) {
    // Each kind has its share, so that many of one kind do not hide another.
    let share = (limits.findings / report.findings.len().max(1)).max(1);
    for kind in &report.findings {
        let most = if report.plan.findings.len() <= limits.findings { kind.all.len() } else { share };
        for finding in kind.all.iter().take(most) {
            let _ = writeln!(out, "  {} {}", paint_symbol(paint, "!"), found(finding));
        }
        more(kind.all.len(), most, &format!("findings: {}", kind.word), out);
    }
    if !report.findings.is_empty() {
        out.push('\n');
    }
}

fn found(finding: &Finding) -> String {
    let site = finding.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
    format!("{}{site}: {}", clean(&finding.subject), clean(&finding.what.to_string()))
}
