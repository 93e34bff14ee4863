//! A plan by what people ask for: one line for each site, policy or action, with its counts.

use crate::count;
use crate::paint::Paint;
use crate::plan_text::View;
use crate::report::Report;
use crate::table::columns;
use backstay_core::name::ClusterUid;
use backstay_core::plan::{Action, Change};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::str::FromStr;

/// What changes are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Where they are made.
    Site,
    /// By which policy.
    Policy,
    /// What is done.
    Action,
    /// What brought them about.
    Cause,
    /// Whose points.
    Cluster,
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "site" => Self::Site,
            "policy" => Self::Policy,
            "action" => Self::Action,
            "cause" => Self::Cause,
            "cluster" => Self::Cluster,
            _ => return Err("choose among site, policy, action, cause and cluster".to_owned()),
        })
    }
}

impl By {
    fn heading(self) -> &'static str {
        match self {
            Self::Site => "SITE",
            Self::Policy => "POLICY",
            Self::Action => "ACTION",
            Self::Cause => "CAUSE",
            Self::Cluster => "CLUSTER",
        }
    }

    fn of(self, change: &Change) -> &str {
        match self {
            Self::Site => change.site.as_str(),
            Self::Policy => change.policy.as_str(),
            Self::Action => change.action.verb(),
            Self::Cause => change.cause.as_str(),
            Self::Cluster => change.name.as_str(),
        }
    }
}

/// So many lines are shown, unless all are asked for.
const MOST_LINES: usize = 180;

#[derive(Default)]
struct Tally<'p> {
    destroy: usize,
    change: usize,
    add: usize,
    clusters: BTreeSet<&'p ClusterUid>,
}

impl<'p> Tally<'p> {
    fn take(&mut self, change: &'p Change) {
        match change.action {
            Action::Create(_) | Action::Copy(_) => self.add += 1,
            Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) => self.change += 1,
            Action::Delete(_) => self.destroy += 1,
        }
        self.clusters.insert(&change.cluster);
    }

    fn cells(&self) -> [String; 4] {
        [self.destroy, self.change, self.add, self.clusters.len()].map(count)
    }
}

/// A plan's changes, counted by these; most deletes first. It begins and ends as the whole text does.
#[must_use]
pub fn plan_table(report: &Report<'_>, by: &[By], view: View) -> String {
    let mut rows: BTreeMap<Vec<&str>, Tally<'_>> = BTreeMap::new();
    for change in &report.plan.changes {
        rows.entry(by.iter().map(|by| by.of(change)).collect()).or_default().take(change);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.destroy, tally.change, tally.add)));
    let most = if view.full { rows.len() } else { rows.len().min(MOST_LINES) };
    let heads = by.iter().map(|by| by.heading()).chain(["DESTROY", "CHANGE", "ADD", "CLUSTERS"]);
    let mut cells = vec![heads.map(str::to_owned).collect::<Vec<_>>()];
    for (key, tally) in &rows[..most] {
        cells.push(key.iter().map(|cell| (*cell).to_owned()).chain(tally.cells()).collect());
    }
    let mut out = crate::plan_text::heading(report, view.paint);
    if !rows.is_empty() {
        write(&cells, by.len(), view.paint, &mut out);
        if most < rows.len() {
            let left = rows[most..].iter().map(|(_, tally)| tally.destroy + tally.change + tally.add).sum();
            let _ = writeln!(out, "    … and {} more changes in {} lines", count(left), count(rows.len() - most));
        }
        out.push('\n');
    }
    out.push_str(&crate::plan_text::ending(report, view.paint));
    out
}

fn write(cells: &[Vec<String>], names: usize, paint: Paint, out: &mut String) {
    for (i, row) in columns(&right_aligned(cells, names)).iter().enumerate() {
        let line = row.join("  ");
        let line = line.trim_end();
        let _ = writeln!(out, "  {}", if i == 0 { paint.dim(line) } else { line.to_owned() });
    }
}

/// Numbers stand with their ends below each other.
fn right_aligned(cells: &[Vec<String>], names: usize) -> Vec<Vec<String>> {
    let width = |column: usize| cells.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..cells.first().map_or(0, Vec::len)).map(width).collect();
    let align = |(i, cell): (usize, &String)| {
        if i < names { cell.clone() } else { format!("{cell:>width$}", width = widths[i]) }
    };
    cells.iter().map(|row| row.iter().enumerate().map(align).collect()).collect()
}
