//! One cluster: its state, its timeline, and its points with the rules that keep them.

use super::{paint_state, told};
use crate::drawn::{Line, ends};
use crate::paint::{Paint, clean};
use crate::plural;
use crate::table::columns;
use backstay_core::planner::{ClusterStatus, PointStatus};
use backstay_core::time::{about, brief};
use jiff::Timestamp;
use std::fmt::Write as _;

/// How wide the timeline is drawn at most.
const WIDEST: usize = 120;

/// One cluster, on lines of at most `width`, but for the words that are longer.
#[must_use]
pub fn cluster_text(status: &ClusterStatus, as_of: Timestamp, width: usize, paint: Paint) -> String {
    let mut out = String::new();
    let state = paint_state(paint, status.state, &told(status));
    let _ = writeln!(
        out,
        "{} ({}) at {}, policy {}: {state}",
        paint.bold(status.name.as_str()),
        status.uid,
        status.site,
        status.policy
    );
    if let Some(because) = &status.because {
        let _ = writeln!(out, "  {}", clean(because));
        return out;
    }
    facts(status, as_of, &mut out);
    timeline(status, as_of, width, paint, &mut out);
    points(status, as_of, paint, &mut out);
    out
}

fn facts(status: &ClusterStatus, as_of: Timestamp, out: &mut String) {
    let restorable = status.points.iter().filter(|point| point.state == "restorable").count();
    if let (Some(newest), Some(age)) = (status.newest, status.age) {
        let _ = writeln!(
            out,
            "  newest point {} ({} old), {}",
            brief(newest),
            about(age),
            plural(restorable, "restorable point")
        );
    }
    if let Some(next) = status.next_due {
        let _ = writeln!(out, "  next point due {}", brief(next));
    }
    if let [.., last] = status.gaps.as_slice() {
        let open = if last.to == as_of { ", still open" } else { "" };
        let (from, to) = (brief(last.from), brief(last.to));
        let _ = writeln!(
            out,
            "  {} in the recovery window; the last from {from} to {to}{open}",
            plural(status.gaps.len(), "gap")
        );
    }
}

/// A row for each thing that can be said of points; rows with nothing in them are left out.
fn timeline(status: &ClusterStatus, as_of: Timestamp, width: usize, paint: Paint, out: &mut String) {
    let Some(oldest) = status.points.iter().map(|point| point.cut).min() else { return };
    let end = status.next_due.unwrap_or(as_of).max(as_of);
    let is_restorable = |point: &PointStatus| point.state == "restorable";
    let marks = |sign: char, has: &dyn Fn(&PointStatus) -> bool| -> Vec<(Timestamp, char)> {
        status.points.iter().rev().filter(|point| has(point)).map(|point| (point.cut, sign)).collect()
    };
    let mut kept: Vec<(Timestamp, char)> = status.next_due.map(|next| (next, '○')).into_iter().collect();
    kept.extend(marks('●', &|point| is_restorable(point) && !point.is_marked && !point.kept_by.is_empty()));
    let mut rows: Vec<(String, Vec<(Timestamp, char)>)> = vec![
        ("kept".to_owned(), kept),
        (
            "unkept".to_owned(),
            marks('◦', &|point| is_restorable(point) && !point.is_marked && point.kept_by.is_empty()),
        ),
        ("marked".to_owned(), marks('†', &|point| is_restorable(point) && point.is_marked)),
        ("held".to_owned(), marks('H', &|point| point.is_held)),
        ("locked".to_owned(), marks('L', &|point| point.locked_until.is_some())),
        ("making".to_owned(), marks('◌', &|point| point.state == "in-progress")),
        ("failed".to_owned(), marks('×', &|point| !is_restorable(point) && point.state != "in-progress")),
    ];
    let mut sites: Vec<_> = status.points.iter().flat_map(|point| &point.places).collect();
    sites.sort_by_key(|site| (**site != status.site, *site));
    sites.dedup();
    // Where all lies at home, that needs no row.
    if sites.iter().any(|site| **site != status.site) {
        rows.extend(sites.iter().map(|site| (format!("at {site}"), marks('■', &|point| point.places.contains(site)))));
    }
    rows.retain(|(_, signs)| !signs.is_empty());
    let label = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0).max(if status.gaps.is_empty() {
        0
    } else {
        4
    });
    let cells = width.saturating_sub(label + 6).clamp(20, WIDEST);
    let line = Line { cells, from: oldest, to: end };
    out.push('\n');
    for (label_text, signs) in &rows {
        let _ = writeln!(out, "  {label_text:<label$}  {}", line.points(signs.iter().copied(), paint));
    }
    if !status.gaps.is_empty() {
        let gaps = status.gaps.iter().map(|gap| (gap.from, gap.to));
        let _ = writeln!(out, "  {:<label$}  {}", "gaps", line.stretches(gaps, paint));
    }
    let right = status.next_due.map_or_else(|| brief(end), |next| format!("next due {}", brief(next)));
    let _ = writeln!(out, "  {}  {}", " ".repeat(label), paint.dim(&ends(&brief(oldest), &right, cells + 2)));
}

fn points(status: &ClusterStatus, as_of: Timestamp, paint: Paint, out: &mut String) {
    if status.points.is_empty() {
        return;
    }
    let is_spread = status.points.iter().any(|point| point.places != [status.site.clone()]);
    let mut rows = vec![["CUT", "POINT", "CLASS", "STATE"].map(str::to_owned).to_vec()];
    if is_spread {
        rows[0].push("AT".to_owned());
    }
    rows[0].push("WHY".to_owned());
    for point in &status.points {
        let mut cells =
            vec![brief(point.cut), point.point.to_string(), point.class.to_string(), point.state.to_owned()];
        if is_spread {
            let places: Vec<&str> = point.places.iter().map(|place| place.as_str()).collect();
            cells.push(places.join(" "));
        }
        cells.push(why(point, as_of));
        rows.push(cells);
    }
    out.push('\n');
    for (i, cells) in columns(&rows).into_iter().enumerate() {
        let line = cells.join("  ");
        let line = line.trim_end();
        let _ = writeln!(out, "  {}", if i == 0 { paint.dim(line) } else { line.to_owned() });
    }
}

fn why(point: &PointStatus, as_of: Timestamp) -> String {
    let kept: Vec<String> = point.kept_by.iter().map(ToString::to_string).collect();
    let mut told = match (point.state, kept.is_empty(), point.is_marked) {
        ("restorable", true, true) => vec!["tombstoned".to_owned()],
        ("restorable", true, false) => vec!["no rule keeps it".to_owned()],
        ("restorable", false, _) => vec![format!("kept by {}", kept.join(", "))],
        _ => Vec::new(),
    };
    if let Some(until) = point.locked_until.filter(|until| *until > as_of) {
        told.push(format!("locked until {}", brief(until)));
    }
    told.join("; ")
}
