//! What a change of the documents causes: two plans over one observation, compared.

use crate::paint::{Paint, clean};
use crate::plan_text::change_line;
use crate::table::columns;
use crate::{count, plural};
use backstay_core::plan::{Action, Change, Finding, Plan, Waiting};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many lines of each part are written out before the rest is only counted.
const MOST_OF_A_PART: usize = 40;

/// The difference of two plans.
#[derive(Debug, Default)]
pub struct Caused<'p> {
    /// What is planned only with the change.
    pub appears: Vec<&'p Change>,
    /// What would have been planned without it.
    pub vanishes: Vec<&'p Change>,
    /// What is planned otherwise: as without the change, and as with it.
    pub differs: Vec<(&'p Change, &'p Change)>,
    /// How many changes are the same.
    pub same: usize,
    /// What begins to wait, with the change.
    pub waits: Vec<&'p Waiting>,
    /// What a person should know, with the change only.
    pub findings: Vec<&'p Finding>,
    /// How many findings end with it.
    pub mended: usize,
}

/// What a change is about: one kind of work, on one point, at one place.
type Subject<'p> = (&'p str, u8, &'p str, String);

fn subject(change: &Change) -> Subject<'_> {
    (change.cluster.as_str(), change.action.rank(), change.site.as_str(), change.action.point().to_string())
}

impl<'p> Caused<'p> {
    /// Compares the plan of the base with the plan of what is proposed.
    #[must_use]
    pub fn between(base: &'p Plan, proposed: &'p Plan) -> Self {
        let mut caused = Self::default();
        let mut before: BTreeMap<Subject<'p>, &'p Change> =
            base.changes.iter().map(|change| (subject(change), change)).collect();
        for change in &proposed.changes {
            match before.remove(&subject(change)) {
                None => caused.appears.push(change),
                Some(was) if was.action == change.action && was.reason == change.reason => caused.same += 1,
                Some(was) => caused.differs.push((was, change)),
            }
        }
        caused.vanishes = base.changes.iter().filter(|change| before.contains_key(&subject(change))).collect();
        caused.waits = only_in(&proposed.waiting, &base.waiting);
        caused.findings = only_in(&proposed.findings, &base.findings);
        caused.mended = only_in(&base.findings, &proposed.findings).len();
        caused
    }

    /// Whether the change causes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.appears.is_empty() && self.vanishes.is_empty() && self.differs.is_empty()
    }

    /// The summary line, of what appears and what differs: what vanishes is nothing to do.
    #[must_use]
    pub fn summary(&self) -> String {
        let (mut add, mut change, mut destroy) = (0, 0, 0);
        for planned in self.appears.iter().chain(self.differs.iter().map(|(_, planned)| planned)) {
            match planned.action {
                Action::Create(_) | Action::Copy(_) => add += 1,
                Action::Tag(_) | Action::Lock(_) | Action::Revive(_) | Action::Expire(_) => change += 1,
                Action::Delete(_) => destroy += 1,
            }
        }
        if add + change + destroy == 0 {
            return "No changes.".to_owned();
        }
        format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
    }
}

/// What the first list has and the second has not.
fn only_in<'p, T: Serialize>(these: &'p [T], others: &[T]) -> Vec<&'p T> {
    let text = |entry: &T| serde_json::to_string(entry).unwrap_or_default();
    let others: BTreeSet<String> = others.iter().map(text).collect();
    these.iter().filter(|entry| !others.contains(&text(entry))).collect()
}

/// The difference as people read it, ending with the summary line. `base` names what it is compared with.
#[must_use]
pub fn base_text(caused: &Caused<'_>, base: &str, paint: Paint) -> String {
    let mut out = String::new();
    if caused.is_empty() {
        let _ = writeln!(out, "Compared with {}, the documents change nothing of the plan.\n", clean(base));
    } else {
        let _ = writeln!(out, "Compared with {}, the documents cause this:\n", clean(base));
    }
    part(&mut out, paint, "Planned with the change only", caused.appears.iter().map(|change| line(change, None)));
    let differs = caused.differs.iter().map(|(without, with)| line(with, Some(without)));
    part(&mut out, paint, "Planned otherwise than without it", differs);
    part(&mut out, paint, "No longer planned", caused.vanishes.iter().map(|change| line(change, None)));
    let waits = caused.waits.iter().map(|wait| format!("{}: {}", wait.name, clean(&wait.why.to_string())));
    lines(&mut out, &paint.cyan("·"), "waiting: ", &waits.collect::<Vec<_>>());
    let findings = caused.findings.iter().map(|finding| {
        let site = finding.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
        format!("{}{site}: {}", clean(&finding.subject), clean(&finding.what.to_string()))
    });
    lines(&mut out, &paint.red("!"), "", &findings.collect::<Vec<_>>());
    if caused.mended > 0 {
        let _ = writeln!(out, "{} with it.\n", ends(caused.mended));
    }
    let parts = [
        (caused.appears.len(), "appears", "appear"),
        (caused.differs.len(), "differs", "differ"),
        (caused.vanishes.len(), "vanishes", "vanish"),
    ];
    let effects = parts.iter().filter(|(number, ..)| *number > 0);
    let mut told: Vec<String> =
        effects.map(|(n, one, many)| format!("{} {}", count(*n), if *n == 1 { one } else { many })).collect();
    if caused.same > 0 || told.is_empty() {
        told.push(format!("{} with and without it", plural(caused.same, "change")));
    }
    let _ = writeln!(out, "{}.", told.join(", "));
    let _ = writeln!(out, "{}", paint.bold(&caused.summary()));
    out
}

fn ends(number: usize) -> String {
    if number == 1 { "1 finding ends".to_owned() } else { format!("{} findings end", count(number)) }
}

/// The cells of a change; where it was planned for another reason before, that reason too.
fn line(change: &Change, before: Option<&Change>) -> Vec<String> {
    let line = change_line(change);
    let before = before.map(change_line).filter(|before| before.why != line.why);
    let why = match before {
        Some(before) => format!("{}; without it: {}", line.why, before.why),
        None => line.why,
    };
    vec![line.symbol.to_owned(), line.subject, change.site.to_string(), why]
}

fn part(out: &mut String, paint: Paint, title: &str, rows: impl ExactSizeIterator<Item = Vec<String>>) {
    let all = rows.len();
    if all == 0 {
        return;
    }
    let _ = writeln!(out, "{title}:");
    let rows: Vec<Vec<String>> = rows.take(MOST_OF_A_PART).collect();
    for row in columns(&rows) {
        let [symbol, rest @ ..] = row.as_slice() else { continue };
        let symbol = match symbol.as_str() {
            "+" | ">" => paint.green(symbol),
            "-" => paint.red(symbol),
            other => paint.yellow(other),
        };
        let _ = writeln!(out, "  {symbol} {}", rest.join("  "));
    }
    if all > MOST_OF_A_PART {
        let _ = writeln!(out, "    … and {} more; `-json` has them all", count(all - MOST_OF_A_PART));
    }
    out.push('\n');
}

fn lines(out: &mut String, symbol: &str, before: &str, told: &[String]) {
    for line in told.iter().take(MOST_OF_A_PART) {
        let _ = writeln!(out, "  {symbol} {before}{line}");
    }
    if told.len() > MOST_OF_A_PART {
        let _ = writeln!(out, "    … and {} more", count(told.len() - MOST_OF_A_PART));
    }
    if !told.is_empty() {
        out.push('\n');
    }
}
