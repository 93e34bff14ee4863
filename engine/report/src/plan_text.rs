//! A plan as people read it at 3 a.m.

use crate::paint::{Paint, clean};
use crate::table::columns;
use crate::{count, plural};
use backstay_core::observed::Provenance;
use backstay_core::plan::{Action, Cause, Change, Finding, Plan, Waiting, WaitingFor};
use backstay_core::time::brief;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many changes of one kind are written out before the rest is only counted.
const MOST_OF_A_KIND: usize = 20;

/// One change on one line, still without colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLine {
    /// `+`, `~`, `x` or `-`.
    pub symbol: &'static str,
    /// Which point of which cluster.
    pub subject: String,
    /// Why, and by which cause when it is not the clock.
    pub why: String,
}

/// Tells one change.
#[must_use]
pub fn change_line(change: &Change) -> ChangeLine {
    let symbol = match change.action {
        Action::Create(_) => "+",
        Action::Copy(_) => ">",
        Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => "~",
        Action::Expire(_) => "x",
        Action::Delete(_) => "-",
    };
    let cause = match change.cause {
        Cause::Due => String::new(),
        Cause::Config | Cause::Drift => format!(" ({})", change.cause.as_str()),
    };
    ChangeLine {
        symbol,
        subject: format!("recovery-point {} {}", change.name, brief(change.action.point().slot)),
        why: clean(&format!("{}{cause}", change.reason)),
    }
}

fn paint_symbol(paint: Paint, symbol: &str) -> String {
    match symbol {
        "+" | ">" => paint.green(symbol),
        "-" => paint.red(symbol),
        "!" => paint.red(symbol),
        _ => paint.yellow(symbol),
    }
}

/// The last line, which other tools parse: verbatim as CLI.md has it.
#[must_use]
pub fn summary_line(plan: &Plan) -> String {
    let counts = plan.counts();
    if plan.changes.is_empty() {
        return "No changes.".to_owned();
    }
    format!("Plan: {} to add, {} to change, {} to destroy.", counts.add, counts.change, counts.destroy)
}

/// A whole plan, ending with the summary line.
#[must_use]
pub fn plan_text(plan: &Plan, paint: Paint) -> String {
    let mut out = String::new();
    header(plan, paint, &mut out);
    coverage(plan, paint, &mut out);
    changes(plan, paint, &mut out);
    waiting(&plan.waiting, paint, &mut out);
    findings(&plan.findings, paint, &mut out);
    breakdown(plan, &mut out);
    let _ = writeln!(out, "{}", paint.bold(&summary_line(plan)));
    out
}

fn header(plan: &Plan, paint: Paint, out: &mut String) {
    let basis = &plan.basis;
    let commit = match &basis.origin.commit {
        Some(commit) => {
            let short = commit.get(..10).unwrap_or(commit);
            format!("commit {short}{}", if basis.origin.dirty { " with changes" } else { "" })
        }
        None => format!("documents {}", basis.origin.documents.brief()),
    };
    let snapshots: usize = plan.coverage.iter().map(|site| site.snapshots).sum();
    let seen = match basis.provenance {
        Provenance::Live => String::new(),
        Provenance::Recorded => ", from a recorded inventory: it cannot be applied".to_owned(),
    };
    let line = format!(
        "As of {}: {} at {}, {}, {commit}{seen}",
        brief(basis.as_of),
        plural(basis.clusters, "cluster"),
        plural(plan.coverage.len(), "site"),
        plural(snapshots, "snapshot"),
    );
    let _ = writeln!(out, "{}\n", paint.dim(&line));
}

fn coverage(plan: &Plan, paint: Paint, out: &mut String) {
    let unknown: Vec<_> = plan.coverage.iter().filter_map(|site| Some((&site.site, site.unknown.as_ref()?))).collect();
    for (site, because) in &unknown {
        let _ = writeln!(out, "  {} site {site} could not be read: {}", paint_symbol(paint, "!"), clean(because));
    }
    if !unknown.is_empty() {
        let _ = writeln!(out, "    nothing is planned there: what could not be seen is unknown, not gone\n");
    }
}

fn changes(plan: &Plan, paint: Paint, out: &mut String) {
    if plan.changes.is_empty() {
        return;
    }
    let mut of_kind: BTreeMap<(u8, Cause), (&str, usize)> = BTreeMap::new();
    for change in &plan.changes {
        let action = &change.action;
        of_kind.entry((action.rank(), change.cause)).or_insert((action.verb(), 0)).1 += 1;
    }
    let mut written: BTreeMap<(u8, Cause), usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for change in &plan.changes {
        let kind = (change.action.rank(), change.cause);
        let so_far = written.entry(kind).or_default();
        *so_far += 1;
        if *so_far <= MOST_OF_A_KIND {
            let line = change_line(change);
            rows.push(vec![line.symbol.to_owned(), line.subject, change.site.to_string(), line.why]);
        }
    }
    for row in columns(&rows) {
        let [symbol, rest @ ..] = row.as_slice() else { continue };
        let _ = writeln!(out, "  {} {}", paint_symbol(paint, symbol), rest.join("  "));
    }
    for ((_, cause), (verb, total)) in of_kind {
        if total > MOST_OF_A_KIND {
            let left = count(total - MOST_OF_A_KIND);
            let _ = writeln!(out, "    … and {left} more to {verb} ({}); `show -json` has them all", cause.as_str());
        }
    }
    out.push('\n');
}

fn waiting(waiting: &[Waiting], paint: Paint, out: &mut String) {
    // What waits for the clock only is counted; what waits for a person is named.
    let mut by_kind: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut named = Vec::new();
    for entry in waiting {
        let kind = match &entry.why {
            WaitingFor::SiteUnknown { .. } => "in sites that could not be read",
            WaitingFor::InProgress => "for points that are being made",
            WaitingFor::Grace { .. } => "for the grace of their tombstones",
            WaitingFor::Lock { .. } => "for a lock to end",
            WaitingFor::Sighting => "for the sweeper to see their tombstones",
            WaitingFor::CopyQueue { .. } => "for other copies to end",
            WaitingFor::SourceNotReady => "for the point that is to be copied",
            WaitingFor::Copies { .. } => "for their copies to be ready",
            WaitingFor::DiskSpacing { .. } => "for the provider to take another snapshot of the disk",
            WaitingFor::Budget { .. } => "for the provider to answer more calls",
            WaitingFor::Lease { .. } => "for another run that works on the cluster",
            WaitingFor::BackOff { .. }
            | WaitingFor::FailedCopy { .. }
            | WaitingFor::Source { .. }
            | WaitingFor::NotSafe { .. }
            | WaitingFor::Quota { .. }
            | WaitingFor::BlastRadius { .. } => {
                named.push(entry);
                continue;
            }
        };
        *by_kind.entry(kind).or_default() += 1;
    }
    for entry in named.iter().take(MOST_OF_A_KIND) {
        let point = entry.point.map(|point| format!(" {}", brief(point.slot))).unwrap_or_default();
        let _ =
            writeln!(out, "  {} waiting: {}{point}: {}", paint.cyan("·"), entry.name, clean(&entry.why.to_string()));
    }
    if named.len() > MOST_OF_A_KIND {
        let _ = writeln!(out, "    … and {} more that wait", count(named.len() - MOST_OF_A_KIND));
    }
    for (kind, number) in &by_kind {
        let _ = writeln!(out, "  {} waiting: {} {kind}", paint.cyan("·"), count(*number));
    }
    if !waiting.is_empty() {
        out.push('\n');
    }
}

fn findings(findings: &[Finding], paint: Paint, out: &mut String) {
    for finding in findings.iter().take(2 * MOST_OF_A_KIND) {
        let site = finding.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
        let what = clean(&finding.what.to_string());
        let _ = writeln!(out, "  {} {}{site}: {what}", paint_symbol(paint, "!"), clean(&finding.subject));
    }
    if findings.len() > 2 * MOST_OF_A_KIND {
        let _ = writeln!(out, "    … and {} more findings", count(findings.len() - 2 * MOST_OF_A_KIND));
    }
    if !findings.is_empty() {
        out.push('\n');
    }
}

fn breakdown(plan: &Plan, out: &mut String) {
    if plan.changes.is_empty() {
        return;
    }
    let mut parts = Vec::new();
    let mut of_verb: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
    for action in plan.changes.iter().map(|change| &change.action) {
        of_verb.entry(action.rank()).or_insert((action.verb(), 0)).1 += 1;
    }
    for (verb, number) in of_verb.into_values() {
        parts.push(format!("{} to {verb}", count(number)));
    }
    let mut causes = Vec::new();
    for cause in [Cause::Due, Cause::Config, Cause::Drift] {
        let number = plan.changes.iter().filter(|change| change.cause == cause).count();
        if number > 0 {
            causes.push(format!("{} {}", count(number), cause.as_str()));
        }
    }
    let _ = writeln!(out, "{}; by cause: {}.", parts.join(", "), causes.join(", "));
}
