//! The heat map: one sign a cluster, in groups, worst first. Where there are more clusters than room, a sign stands for several of one
//! state: nothing that is wrong is ever hidden.

use super::table::legend;
use super::{paint_state, sign};
use crate::count;
use crate::paint::Paint;
use backstay_core::planner::{ClusterState, ClusterStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many clusters a sign may stand for.
const SCALES: [usize; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];
/// How wide the names of groups are at most.
const NAME: usize = 20;
/// The fewest signs that a row can have.
const NARROWEST: usize = 8;

/// One group, its clusters worst first.
struct Group<'a> {
    name: &'a str,
    states: Vec<ClusterState>,
}

impl Group<'_> {
    /// Its signs, each for so many clusters of one state.
    fn signs(&self, scale: usize) -> Vec<ClusterState> {
        let runs = self.states.chunk_by(|a, b| a == b);
        runs.flat_map(|run| run.chunks(scale)).filter_map(|several| several.first().copied()).collect()
    }
}

/// Draws it, at most `rows` rows of signs and as wide as `width`; a legend stands below.
pub(super) fn draw(
    clusters: &[ClusterStatus],
    group_by: &dyn Fn(&ClusterStatus) -> String,
    (width, rows): (usize, usize),
    paint: Paint,
    out: &mut String,
) {
    let mut by_name: BTreeMap<String, Vec<ClusterState>> = BTreeMap::new();
    for cluster in clusters {
        by_name.entry(group_by(cluster)).or_default().push(cluster.state);
    }
    let mut groups: Vec<Group<'_>> = by_name
        .iter_mut()
        .map(|(name, states)| {
            states.sort_unstable();
            Group { name, states: std::mem::take(states) }
        })
        .collect();
    groups.sort_by(|a, b| (a.states.first(), a.name).cmp(&(b.states.first(), b.name)));
    let name = groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0).min(NAME);
    let number = groups.iter().map(|group| count(group.states.len()).len()).max().unwrap_or(1);
    let across = width.saturating_sub(name + number + 6).max(NARROWEST);
    let shown = groups.len().min(rows.max(1));
    let needed = |scale: usize| -> usize {
        groups.iter().take(shown).map(|group| group.signs(scale).len().div_ceil(across)).sum()
    };
    let scale = SCALES.into_iter().find(|scale| needed(*scale) <= rows).unwrap_or(clusters.len().max(1));
    for group in groups.iter().take(shown) {
        let signs = group.signs(scale);
        for (i, line) in signs.chunks(across).enumerate() {
            let (label, size) =
                if i == 0 { (cut(group.name, name), count(group.states.len())) } else { Default::default() };
            let _ = writeln!(out, "  {label:<name$}  {size:>number$}  {}", painted(line, paint));
        }
    }
    if groups.len() > shown {
        let rest = &groups[shown..];
        let clusters: usize = rest.iter().map(|group| group.states.len()).sum();
        let _ = writeln!(out, "  … and {} more groups with {} clusters", count(rest.len()), count(clusters));
    }
    let states: BTreeSet<ClusterState> = clusters.iter().map(|cluster| cluster.state).collect();
    let each = if scale == 1 { String::new() } else { format!("  (up to {} each)", count(scale)) };
    let _ = writeln!(out, "  {}{}", legend(&states, paint), paint.dim(&each));
}

/// Runs of one state are painted as one.
fn painted(states: &[ClusterState], paint: Paint) -> String {
    let runs = states.chunk_by(|a, b| a == b);
    runs.map(|run| {
        let signs: String = run.iter().map(|state| sign(*state)).collect();
        run.first().map_or_else(String::new, |state| paint_state(paint, *state, &signs))
    })
    .collect()
}

fn cut(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let kept: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}
