//! The state of the fleet, and of one cluster, on a terminal.

mod cluster;
mod fleet;
mod map;
mod table;

pub use cluster::cluster_text;
pub use fleet::{FleetView, status_text};
pub use table::table_text;

use crate::paint::Paint;
use crate::{count, plural};
use backstay_core::planner::{ClusterState, ClusterStatus};

/// Every state with its word and its sign, worst first. The signs can be told apart without colour.
const STATES: [(ClusterState, &str, char); 7] = [
    (ClusterState::Unknown, "unknown", '?'),
    (ClusterState::Unprotected, "unprotected", 'X'),
    (ClusterState::Late, "late", 'L'),
    (ClusterState::Starting, "starting", 's'),
    (ClusterState::Due, "due", 'd'),
    (ClusterState::Protected, "protected", '■'),
    (ClusterState::Retiring, "retiring", 'r'),
];

fn word(state: ClusterState) -> &'static str {
    STATES.iter().find(|(other, ..)| *other == state).map_or("unknown", |(_, word, _)| word)
}

fn sign(state: ClusterState) -> char {
    STATES.iter().find(|(other, ..)| *other == state).map_or('?', |(.., sign)| *sign)
}

/// The state, and of a cluster that is being retired what is left.
fn told(status: &ClusterStatus) -> String {
    match (status.state, status.points.len()) {
        (ClusterState::Retiring, 0) => "retired, nothing left".to_owned(),
        (ClusterState::Retiring, left) => format!("retiring, {} left", plural(left, "point")),
        (state, _) => word(state).to_owned(),
    }
}

fn paint_state(paint: Paint, state: ClusterState, text: &str) -> String {
    match state {
        ClusterState::Unknown | ClusterState::Unprotected | ClusterState::Late => paint.red(text),
        ClusterState::Starting | ClusterState::Due => paint.on_yellow(text),
        ClusterState::Protected => paint.green(text),
        // What is to go is neither well nor ill.
        ClusterState::Retiring => paint.dim(text),
    }
}

/// How many clusters are in each state: `2 late, 10 protected`.
fn tally(statuses: &[ClusterStatus], paint: Paint) -> String {
    let told: Vec<String> = STATES
        .iter()
        .filter_map(|(state, word, _)| {
            let number = statuses.iter().filter(|status| status.state == *state).count();
            (number > 0).then(|| paint_state(paint, *state, &format!("{} {word}", count(number))))
        })
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests;
