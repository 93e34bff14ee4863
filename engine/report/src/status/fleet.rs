//! The fleet at a glance: the heat map, what needs a person, then the worst clusters. 10,000 clusters fit 80 columns by 50 lines.

use super::{map, table, tally};
use crate::fold::fold;
use crate::paint::{Paint, clean};
use crate::{count, plural};
use backstay_core::drift::Severity;
use backstay_core::planner::ClusterStatus;
use backstay_core::status::{FleetStatus, Need, NeedKind};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// By this label the map is grouped where clusters have it, unless asked otherwise.
const LANDSCAPE: &str = "landscape";
/// From so many clusters on there is a map.
const FEWEST: usize = 4;
/// How many rows of signs it has at most.
const MAP_ROWS: usize = 10;
/// How many kinds of needs are told.
const MOST_NEEDS: usize = 4;
/// How many lines what is so may take in a small fleet; in a large one a single one.
const NEED_LINES: usize = 4;
/// How many clusters are listed of a large fleet, and how many of one that fits a screen by itself.
const MOST_ROWS: usize = 10;
const SMALL: usize = 25;

/// How a status is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct FleetView<'a> {
    /// How many columns there are.
    pub width: usize,
    /// By what the map is grouped: `site`, `policy` or a label.
    pub group_by: Option<&'a str>,
    /// Whether every cluster is listed.
    pub all: bool,
    /// Colour, or none.
    pub paint: Paint,
}

/// The fleet at a glance, ending with its sum.
#[must_use]
pub fn status_text(status: &FleetStatus, view: &FleetView<'_>) -> String {
    let FleetView { width, paint, .. } = *view;
    let mut out = String::new();
    let head = format!("Fleet {} as of {}", status.fleet, brief(status.as_of));
    let sum = format!("{}: {}", plural(status.clusters.len(), "cluster"), tally(&status.clusters, paint));
    out.push_str(&fold(&format!("{}: {sum}\n\n", paint.bold(&head)), width));
    if status.clusters.len() >= FEWEST {
        let by_landscape = status.clusters.iter().any(|cluster| cluster.labels.contains_key(LANDSCAPE));
        let key = view.group_by.unwrap_or(if by_landscape { LANDSCAPE } else { "site" });
        map::draw(&status.clusters, &|cluster| group(cluster, key), (width, MAP_ROWS), paint, &mut out);
        out.push('\n');
    }
    let lines = if status.clusters.len() <= SMALL { NEED_LINES } else { 1 };
    needs(&status.needs, width, lines, paint, &mut out);
    let most = match (view.all, status.clusters.len()) {
        (true, all) => all,
        (false, all) if all <= SMALL => SMALL,
        (false, _) => MOST_ROWS,
    };
    let order: Vec<&ClusterStatus> = status.clusters.iter().collect();
    table::rows(&order, most, width, paint, &mut out);
    if order.len() > most {
        let _ = writeln!(out, "  … and {} more; `status -all` lists them", count(order.len() - most));
    }
    let ignored = match status.ignored {
        0 => String::new(),
        number => format!(" {} ignored by rules; `drift` tells which.", plural(number, "difference")),
    };
    let needed = match status.needs.len() {
        0 if status.coverage.is_complete => "Nothing needs a person.".to_owned(),
        number => format!(
            "{} a person.",
            if number == 1 { "1 thing needs".to_owned() } else { format!("{} things need", count(number)) }
        ),
    };
    let _ = writeln!(out, "\n{}{ignored}", paint.bold(&needed));
    out
}

fn group(cluster: &ClusterStatus, key: &str) -> String {
    match key {
        "site" => cluster.site.to_string(),
        "policy" => cluster.policy.to_string(),
        label => cluster.labels.get(label).map_or_else(|| format!("no {label}"), |value| clean(value)),
    }
}

/// What needs a person, by kind: the first of each by name, how many more, and the next step.
fn needs(needs: &[Need], width: usize, lines: usize, paint: Paint, out: &mut String) {
    if needs.is_empty() {
        return;
    }
    let kinds: Vec<&[Need]> = needs.chunk_by(|a, b| (a.severity, a.kind) == (b.severity, b.kind)).collect();
    for several in kinds.iter().take(MOST_NEEDS) {
        let Some(first) = several.first() else { continue };
        let heading = format!("{} {}", count(several.len()), first.kind.heading(several.len() == 1));
        let mark = match first.severity {
            Severity::Error => paint.red("!"),
            Severity::Warning | Severity::Note => paint.on_yellow("!"),
        };
        let _ = writeln!(out, "  {mark} {}", paint.bold(&cut(&heading, width.saturating_sub(4))));
        let told = match several {
            [one] if one.kind == NeedKind::Unread => {
                format!("{} could not be read: {}", clean(&one.subject), clean(&one.message))
            }
            [one] => format!("{}: {}", clean(&one.subject), clean(&one.message)),
            several => names(several, width.saturating_sub(4)),
        };
        indented(&told, width, lines, out);
        let steps: std::collections::BTreeSet<&str> = several.iter().map(|need| need.next.as_str()).collect();
        let step = if steps.len() == 1 { first.next.clone() } else { format!("{}; and other steps", first.next) };
        indented(&format!("{} {}", paint.dim("next:"), clean(&step)), width, 2, out);
    }
    let rest: usize = kinds.iter().skip(MOST_NEEDS).map(|several| several.len()).sum();
    if rest > 0 {
        let _ = writeln!(out, "  … and {} more of other kinds; `drift` tells them", count(rest));
    }
    out.push('\n');
}

/// A text on at most so many lines; what is cut off is told in full by `drift`.
fn indented(text: &str, width: usize, lines: usize, out: &mut String) {
    let folded = fold(&format!("    {text}\n"), width.saturating_sub(1));
    let all = folded.lines().count();
    for (i, line) in folded.lines().take(lines).enumerate() {
        let more = if i + 1 == lines && all > lines { "…" } else { "" };
        let _ = writeln!(out, "{line}{more}");
    }
}

/// As many names as fit, and how many more there are.
fn names(several: &[Need], width: usize) -> String {
    let mut out = String::new();
    for (i, need) in several.iter().enumerate() {
        let name = clean(&need.subject);
        let more = format!(" and {} more", count(several.len() - i));
        let room = width.saturating_sub(if i + 1 == several.len() { 0 } else { more.len() + 8 });
        if i > 0 && out.chars().count() + name.chars().count() + 2 > room {
            out.push_str(&more);
            return out;
        }
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(&name);
    }
    out
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
