//! The fleet at a glance, and one cluster with its timeline.

use crate::drawn::{WIDTH, ends, line_of_time};
use crate::paint::{Paint, clean};
use crate::table::columns;
use crate::{count, plural};
use backstay_core::planner::{ClusterState, ClusterStatus};
use backstay_core::time::{about, brief};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STATES: [(ClusterState, &str); 7] = [
    (ClusterState::Unknown, "unknown"),
    (ClusterState::Unprotected, "unprotected"),
    (ClusterState::Late, "late"),
    (ClusterState::Starting, "starting"),
    (ClusterState::Due, "due"),
    (ClusterState::Protected, "protected"),
    (ClusterState::Retiring, "retiring"),
];

fn word(state: ClusterState) -> &'static str {
    STATES.iter().find(|(other, _)| *other == state).map_or("unknown", |(_, word)| word)
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
        ClusterState::Starting | ClusterState::Due => paint.yellow(text),
        ClusterState::Protected => paint.green(text),
        // What is to go is neither well nor ill.
        ClusterState::Retiring => paint.dim(text),
    }
}

/// The fleet: worst first, then by name; at most `most` clusters, the rest counted.
#[must_use]
pub fn status_text(fleet: &str, statuses: &[ClusterStatus], as_of: Timestamp, most: usize, paint: Paint) -> String {
    let mut out = String::new();
    let tally: Vec<String> = STATES
        .iter()
        .filter_map(|(state, word)| {
            let number = statuses.iter().filter(|status| status.state == *state).count();
            (number > 0).then(|| paint_state(paint, *state, &format!("{} {word}", count(number))))
        })
        .collect();
    let head = format!("Fleet {fleet} as of {}: {}", brief(as_of), plural(statuses.len(), "cluster"));
    let _ = writeln!(out, "{}: {}\n", paint.bold(&head), tally.join(", "));
    let mut order: Vec<&ClusterStatus> = statuses.iter().collect();
    order.sort_by(|a, b| (a.state, &a.name, &a.uid).cmp(&(b.state, &b.name, &b.uid)));
    let unknown: BTreeSet<_> = statuses.iter().filter_map(|s| Some((&s.site, s.because.as_ref()?))).collect();
    for (site, because) in &unknown {
        let _ = writeln!(out, "  {} site {site} could not be read: {}", paint.red("!"), clean(because));
    }
    if !unknown.is_empty() {
        out.push('\n');
    }
    let mut rows = vec![header()];
    rows.extend(order.iter().take(most).map(|status| row(status)));
    let states = order.iter().take(most).map(|status| Some(status.state));
    for (cells, state) in columns(&rows).into_iter().zip(std::iter::once(None).chain(states)) {
        let painted: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(i, cell)| match state {
                None => paint.dim(cell),
                Some(state) if i == 3 => paint_state(paint, state, cell),
                Some(_) => cell.clone(),
            })
            .collect();
        let _ = writeln!(out, "  {}", painted.join("  ").trim_end());
    }
    if order.len() > most {
        let _ = writeln!(out, "  … and {} more; `status -json` has them all", count(order.len() - most));
    }
    out
}

fn header() -> Vec<String> {
    ["CLUSTER", "SITE", "POLICY", "STATE", "NEWEST POINT", "AGE", "POINTS", "NEXT DUE"].map(str::to_owned).to_vec()
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

/// One cluster: its state, its timeline, its points with the rules that keep them.
#[must_use]
pub fn cluster_text(status: &ClusterStatus, as_of: Timestamp, paint: Paint) -> String {
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
    if let Some(next) = status.next_due {
        let _ = writeln!(out, "  next point due {}", brief(next));
    }
    if let Some(oldest) = status.points.iter().map(|point| point.cut).min() {
        let _ = writeln!(out, "\n  {}", timeline(status, oldest, as_of, paint));
        let _ = writeln!(out, "  {}", paint.dim(&ends(&brief(oldest), &brief(as_of), WIDTH + 2)));
    }
    // Where all lies at home, that needs no column.
    let is_spread = status.points.iter().any(|point| point.places != [status.site.clone()]);
    let rows: Vec<Vec<String>> = status
        .points
        .iter()
        .map(|point| {
            let kept: Vec<String> = point.kept_by.iter().map(ToString::to_string).collect();
            let why = match (point.state, kept.is_empty(), point.is_marked) {
                ("restorable", true, true) => "tombstoned".to_owned(),
                ("restorable", true, false) => "no rule keeps it".to_owned(),
                ("restorable", false, _) => format!("kept by {}", kept.join(", ")),
                _ => String::new(),
            };
            let mut cells =
                vec![brief(point.cut), point.point.to_string(), point.class.to_string(), point.state.to_owned()];
            if is_spread {
                cells.push(match point.places.as_slice() {
                    [one] => one.to_string(),
                    several => format!("{} sites", several.len()),
                });
            }
            cells.push(why);
            cells
        })
        .collect();
    out.push('\n');
    for cells in columns(&rows) {
        let _ = writeln!(out, "  {}", cells.join("  ").trim_end());
    }
    out
}

/// `●` restorable, `◌` being made, `×` never finished, `†` marked for deletion.
fn timeline(status: &ClusterStatus, oldest: Timestamp, as_of: Timestamp, paint: Paint) -> String {
    let points = status.points.iter().rev().map(|point| {
        let sign = match point.state {
            "restorable" if point.is_marked => '†',
            "restorable" => '●',
            "in-progress" => '◌',
            _ => '×',
        };
        (point.cut, sign)
    });
    line_of_time(points, oldest, as_of, paint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstay_core::name::{ClusterName, ClusterUid, PolicyName, SiteName};
    use backstay_core::planner::PointStatus;
    use backstay_core::tags::PointClass;

    fn retiring(points: usize) -> ClusterStatus {
        let cut: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        let point = PointStatus {
            point: "20261123t000000z-1".parse().unwrap(),
            class: PointClass::Scheduled,
            cut,
            state: "restorable",
            kept_by: Vec::new(),
            is_marked: true,
            places: vec![SiteName::new("eu").unwrap()],
        };
        ClusterStatus {
            uid: ClusterUid::new("uid-old-db").unwrap(),
            name: ClusterName::new("old-db").unwrap(),
            site: SiteName::new("eu").unwrap(),
            policy: PolicyName::new("gold").unwrap(),
            state: ClusterState::Retiring,
            newest: None,
            age: None,
            oldest: None,
            next_due: None,
            points: vec![point; points],
            because: None,
        }
    }

    #[test]
    fn a_cluster_that_is_being_retired_says_what_is_left() {
        let text = |points| {
            let status = retiring(points);
            let all = status_text("f", std::slice::from_ref(&status), Timestamp::UNIX_EPOCH, 9, Paint::Plain);
            let one = cluster_text(&status, Timestamp::UNIX_EPOCH, Paint::Plain);
            format!("{all}\n{one}")
        };
        let left = text(2);
        assert!(left.contains("1 cluster: 1 retiring\n"), "{left}");
        assert!(left.contains("gold    retiring, 2 points left  -"), "{left}");
        assert!(left.contains("policy gold: retiring, 2 points left\n"), "{left}");
        assert!(text(0).contains("retired, nothing left"), "{}", text(0));
    }
}
