//! A plan as a comment on a pull request: what it comes to, then what could not be seen, then what cannot be undone, then the
//! rest, within so many characters.
//!
//! First the least that is always said: each part with its count. Then lines are added, in the order of their weight, as long
//! as they fit. So nothing is dropped in silence.

use crate::harmless::{code, prose};
use crate::plan_text::why;
use crate::report::{Group, Kind, Level, Report, WaitingKind};
use crate::{count, plural};
use backstay_core::plan::{Action, Change, Finding, Waiting};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// By this line, which no reader sees, a comment is found and written anew.
pub const MARKER: &str = "<!-- backstay: plan -->";

/// The least that a comment may be long: every part with its count fits.
pub const LEAST_CHARS: usize = 8_000;

/// More of a kind than this are told in groups, with a list to unfold.
const FEW: usize = 20;

/// A plan in at most `max_chars` characters; fewer than [`LEAST_CHARS`] count as that many.
#[must_use]
pub fn plan_md(report: &Report<'_>, max_chars: usize) -> String {
    let mut parts = vec![coverage(report)];
    parts.extend(report.kinds.iter().flat_map(changes));
    parts.extend(waiting(report));
    parts.extend(findings(report));
    parts.retain(|part| part.total > 0);
    let head = head(report);
    let mut left = max_chars.max(LEAST_CHARS).saturating_sub(head.chars().count());
    for part in &parts {
        left = left.saturating_sub(part.least());
    }
    for weight in [Weight::Told, Weight::Folded, Weight::Again] {
        for part in parts.iter_mut().filter(|part| part.weight == weight) {
            left = part.fill(left);
        }
    }
    // What is told in groups needs no empty list below them.
    parts.retain(|part| part.weight != Weight::Again || part.shown > 0);
    parts.iter().fold(head, |mut text, part| {
        part.write(&mut text);
        text
    })
}

/// A heading with lines below it.
struct Part {
    /// What stands before the lines.
    before: String,
    /// What stands after them.
    after: String,
    /// What is left out is called so: `more deletes`.
    what: String,
    lines: Vec<Line>,
    /// How many things the lines tell.
    total: usize,
    /// How many lines fit.
    shown: usize,
    weight: Weight,
}

/// Which parts get their room first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// What everybody should read.
    Told,
    /// What is unfolded by whoever wants it.
    Folded,
    /// The same once more, one by one.
    Again,
}

/// One line, and how many things it tells.
struct Line {
    text: String,
    weight: usize,
}

impl Part {
    fn new(before: String, after: &str, what: impl Into<String>, lines: Vec<Line>) -> Self {
        let total = lines.iter().map(|line| line.weight).sum();
        Self { before, after: after.to_owned(), what: what.into(), lines, total, shown: 0, weight: Weight::Told }
    }

    fn weighing(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    /// Its length without any line.
    fn least(&self) -> usize {
        self.before.chars().count() + self.after.chars().count() + self.left_out(self.total).chars().count()
    }

    fn left_out(&self, number: usize) -> String {
        match number {
            0 => String::new(),
            number => format!("\n… and {} more {}, which `backstay show` tells.\n", count(number), self.what),
        }
    }

    /// Takes the lines that fit, and gives back what is left of the room.
    fn fill(&mut self, mut left: usize) -> usize {
        for line in &self.lines {
            let length = line.text.chars().count();
            if length > left {
                break;
            }
            left -= length;
            self.shown += 1;
        }
        left
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.before);
        let shown = &self.lines[..self.shown];
        shown.iter().for_each(|line| out.push_str(&line.text));
        out.push_str(&self.left_out(self.total - shown.iter().map(|line| line.weight).sum::<usize>()));
        out.push_str(&self.after);
    }
}

fn head(report: &Report<'_>) -> String {
    let sign = match report.verdict.level {
        Level::Incomplete => "⚠️",
        Level::Deletes => "🗑️",
        Level::Changes => "✏️",
        Level::InSync => "✅",
    };
    let mut out = format!("{MARKER}\n## {sign} {}\n\n", prose(&report.verdict.text));
    let _ = writeln!(out, "**{}**\n", report.summary());
    if let Some(breakdown) = report.breakdown() {
        let _ = writeln!(out, "{breakdown}  ");
    }
    let _ = writeln!(out, "{}  ", prose(&report.basis));
    if let Some(narrowed) = &report.narrowed {
        let _ = writeln!(out, "**{}**  ", prose(narrowed));
    }
    let digest = report.plan.digest();
    let _ = writeln!(out, "Digest `{digest}`, to be applied before {}", report.plan.basis.valid_until);
    out
}

fn coverage(report: &Report<'_>) -> Part {
    let before = "\n### Could not be read\n\nNothing is planned there: what could not be seen is unknown, not gone.\n\n\
                  | Site | Why |\n|---|---|\n";
    let line = |gap: &crate::report::Gap<'_>| Line {
        text: format!("| {} | {} |\n", code(gap.site.as_str()), prose(gap.because)),
        weight: 1,
    };
    Part::new(before.to_owned(), "", "sites", report.gaps.iter().map(line).collect())
}

/// What a kind of change is called in a heading.
fn heading(kind: &Kind<'_>) -> String {
    let number = kind.changes.len();
    let what = match kind.changes.first().map(|change| &change.action) {
        Some(Action::Delete(_)) => "Delete for good",
        Some(Action::Expire(_)) => "Mark for deletion",
        Some(Action::Revive(_)) => "Take a mark back",
        Some(Action::Lock(_)) => "Lock",
        Some(Action::Tag(_)) => "Mend tags",
        Some(Action::Copy(_)) => "Copy",
        Some(Action::Create(_)) | None => "Create",
    };
    format!("{what}: {} ({})", plural(number, "point"), kind.cause.as_str())
}

fn changes(kind: &Kind<'_>) -> Vec<Part> {
    let more = format!("to {}", kind.verb);
    if kind.changes.len() <= FEW {
        let before = format!("\n### `{}` {}\n\n{POINTS}", kind.symbol, heading(kind));
        let lines = kind.changes.iter().map(|change| point(kind, change, 1)).collect();
        return vec![Part::new(before, "", more, lines)];
    }
    let before = format!("\n### `{}` {}\n\n{GROUPS}", kind.symbol, heading(kind));
    let groups = Part::new(before, "", more, kind.groups.iter().flat_map(|group| group_lines(kind, group)).collect());
    let before = format!("\n<details><summary>All {} one by one</summary>\n\n{POINTS}", count(kind.changes.len()));
    let lines = kind.changes.iter().map(|change| point(kind, change, 1)).collect();
    let list = Part::new(before, "\n</details>\n", format!("to {}", kind.verb), lines).weighing(Weight::Again);
    vec![groups, list]
}

const POINTS: &str = "| Cluster | Point | Site | Policy | Why |\n|---|---|---|---|---|\n";
const GROUPS: &str = "| Same change | Site | Policy | Why |\n|---|---|---|---|\n";

fn point(kind: &Kind<'_>, change: &Change, weight: usize) -> Line {
    let text = format!(
        "| {} | {} | {} | {} | {} |\n",
        code(change.name.as_str()),
        brief(change.action.point().slot),
        code(change.site.as_str()),
        code(change.policy.as_str()),
        prose(&why(&change.reason.to_string(), kind.cause)),
    );
    Line { text, weight }
}

fn group_lines(kind: &Kind<'_>, group: &Group<'_>) -> Vec<Line> {
    let place = format!("{} | {}", code(group.site.as_str()), code(group.policy.as_str()));
    let reason = prose(&why(&group.reason, kind.cause));
    let mut lines =
        vec![Line { text: format!("| {} | {place} | {reason} |\n", group.told()), weight: group.same.len() }];
    lines.extend(group.exceptions.iter().map(|change| {
        let subject = format!("{} {}", code(change.name.as_str()), brief(change.action.point().slot));
        let reason = prose(&why(&change.reason.to_string(), kind.cause));
        Line { text: format!("| exception: {subject} | {place} | {reason} |\n"), weight: 1 }
    }));
    lines
}

fn waiting(report: &Report<'_>) -> Vec<Part> {
    let (named, counted): (Vec<_>, Vec<_>) = report.waiting.iter().partition(|kind| kind.is_named);
    let lines: Vec<Line> = named.iter().flat_map(|kind| &kind.all).map(|entry| named_wait(entry)).collect();
    let heading = |what: &str, number: usize| format!("\n### {what}: {}\n\n", count(number));
    let look = heading("Waits, and somebody should look", lines.len());
    let mut parts = if lines.len() <= FEW {
        vec![Part::new(look, "", "that wait", lines)]
    } else {
        let before = format!("\n<details><summary>All {} one by one</summary>\n\n", count(lines.len()));
        let list = Part::new(before, "\n</details>\n", "that wait", lines).weighing(Weight::Again);
        vec![Part::new(look, "", "that wait", kinds_of_waits(&named)), list]
    };
    let counted = kinds_of_waits(&counted);
    let number = counted.iter().map(|line| line.weight).sum();
    parts.push(Part::new(heading("Waits", number), "", "that wait", counted));
    parts
}

fn kinds_of_waits(kinds: &[&WaitingKind<'_>]) -> Vec<Line> {
    let line = |kind: &&WaitingKind<'_>| {
        let number = kind.all.len();
        Line { text: format!("- {} {}\n", count(number), prose(kind.told)), weight: number }
    };
    kinds.iter().map(line).collect()
}

fn named_wait(entry: &Waiting) -> Line {
    let point = entry.point.map(|point| format!(" {}", brief(point.slot))).unwrap_or_default();
    let text = format!("- {}{point}: {}\n", code(entry.name.as_str()), prose(&entry.why.to_string()));
    Line { text, weight: 1 }
}

fn findings(report: &Report<'_>) -> Vec<Part> {
    let number = report.plan.findings.len();
    let title = format!("\n### Findings: {}\n", count(number));
    let mut parts: Vec<Part> = Vec::new();
    for kind in &report.findings {
        let lines: Vec<Line> = kind.all.iter().map(|finding| found(finding)).collect();
        let title = if parts.is_empty() { title.as_str() } else { "" };
        let (before, after) = if kind.all.len() <= FEW {
            (format!("{title}\n"), "")
        } else {
            let summary = format!("{}: {}", kind.word, count(kind.all.len()));
            (format!("{title}\n<details><summary>{summary}</summary>\n\n"), "\n</details>\n")
        };
        let weight = if after.is_empty() { Weight::Told } else { Weight::Folded };
        parts.push(Part::new(before, after, format!("findings: {}", kind.word), lines).weighing(weight));
    }
    parts
}

fn found(finding: &Finding) -> Line {
    let site = finding.site.as_ref().map(|site| format!(" at {}", code(site.as_str()))).unwrap_or_default();
    let text = format!("- {}{site}: {}\n", code(&finding.subject), prose(&finding.what.to_string()));
    Line { text, weight: 1 }
}
