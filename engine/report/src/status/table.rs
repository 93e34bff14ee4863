//! The clusters as rows, worst first.

use super::{STATES, paint_state, tally, told};
use crate::paint::{Paint, clean};
use crate::table::columns;
use crate::{count, plural};
use backstay_core::planner::{ClusterState, ClusterStatus};
use backstay_core::time::{about, brief};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The fleet after a run: its sum, and its clusters, worst first, then by name; at most `most` of them, the rest counted.
#[must_use]
pub fn table_text(fleet: &str, statuses: &[ClusterStatus], as_of: Timestamp, most: usize, paint: Paint) -> String {
    let mut out = String::new();
    let head = format!("Fleet {fleet} as of {}: {}", brief(as_of), plural(statuses.len(), "cluster"));
    let _ = writeln!(out, "{}: {}\n", paint.bold(&head), tally(statuses, paint));
    let mut order: Vec<&ClusterStatus> = statuses.iter().collect();
    order.sort_by(|a, b| (a.state, &a.name, &a.uid).cmp(&(b.state, &b.name, &b.uid)));
    let unknown: BTreeSet<_> = statuses.iter().filter_map(|s| Some((&s.site, s.because.as_ref()?))).collect();
    for (site, because) in &unknown {
        let _ = writeln!(out, "  {} site {site} could not be read: {}", paint.red("!"), clean(because));
    }
    if !unknown.is_empty() {
        out.push('\n');
    }
    rows(&order, most, usize::MAX, paint, &mut out);
    if order.len() > most {
        let _ = writeln!(out, "  … and {} more; `status -all` lists them", count(order.len() - most));
    }
    out
}

/// The heads of the columns.
const HEADS: [&str; 8] = ["CLUSTER", "SITE", "POLICY", "STATE", "NEWEST POINT", "AGE", "POINTS", "NEXT DUE"];
/// Which column is the state.
const STATE: usize = 3;
/// What is left out where there is no room, the first one first.
const LEAST: [usize; 4] = [2, 6, 7, 1];

/// The rows under their heads, at most `most`, without the columns for which there is no room: a broken row reads badly.
pub(super) fn rows(order: &[&ClusterStatus], most: usize, width: usize, paint: Paint, out: &mut String) {
    let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
    rows.extend(order.iter().take(most).map(|status| row(status)));
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count() + 2).max().unwrap_or(0);
    let mut shown: Vec<usize> = (0..HEADS.len()).collect();
    let mut least = LEAST.into_iter();
    while shown.iter().map(|column| wide(*column)).sum::<usize>() > width
        && let Some(column) = least.next()
    {
        shown.retain(|other| *other != column);
    }
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| shown.iter().map(|column| row[*column].clone()).collect()).collect();
    let states = order.iter().take(most).map(|status| Some(status.state));
    for (cells, state) in columns(&rows).into_iter().zip(std::iter::once(None).chain(states)) {
        let painted: Vec<String> = cells
            .iter()
            .zip(&shown)
            .map(|(cell, column)| match state {
                None => paint.dim(cell),
                Some(state) if *column == STATE => paint_cell(paint, state, cell),
                Some(_) => cell.clone(),
            })
            .collect();
        let _ = writeln!(out, "  {}", painted.join("  ").trim_end());
    }
}

/// Only the word, not the room after it: some states are painted on a ground.
fn paint_cell(paint: Paint, state: ClusterState, cell: &str) -> String {
    let word = cell.trim_end();
    format!("{}{}", paint_state(paint, state, word), &cell[word.len()..])
}

fn row(status: &ClusterStatus) -> Vec<String> {
    let instant = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), brief);
    vec![
        status.name.to_string(),
        status.site.to_string(),
        status.policy.to_string(),
        told(status),
        instant(status.newest),
        status.age.map_or_else(|| "-".to_owned(), about),
        status.points.iter().filter(|point| point.state == "restorable").count().to_string(),
        instant(status.next_due),
    ]
}

/// The signs of the states that there are, with their words.
pub(super) fn legend(states: &BTreeSet<ClusterState>, paint: Paint) -> String {
    let present = STATES.iter().filter(|(state, ..)| states.contains(state));
    let told: Vec<String> = present
        .map(|(state, word, sign)| format!("{} {word}", paint_state(paint, *state, &sign.to_string())))
        .collect();
    told.join("  ")
}
