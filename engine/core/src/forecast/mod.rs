//! `simulate`: the same planner, run forward in virtual time over a made-up copy of the world. It changes nothing.
//!
//! The model is "what if Backstay runs every hour, and nothing fails": at each run that can matter for a cluster the real planner
//! plans, the second opinion checks, and the plan is carried out in the made-up world. What runs in between is left
//! out, since it would do nothing. So instants are as exact as the time between runs.
//!
//! What is simplified, beside failures that do not happen:
//!
//! - Servers, disks and sites stay as they were observed. What is being made is ready when the next run comes.
//! - Clusters are planned one by one. What the fleet has as a whole is shared out among them: the limits of deletes in the order
//!   of a plan, what a site takes of copies at a time oldest cut first, and what an account may have of snapshots.
//! - A copy is ready when the next run comes, as a point is.
//! - Storage is reckoned from the rate of change that the policy states ([`storage`]), the stored bytes of what exists already
//!   as well, since no cloud tells them.
//! - WAL archives are not in it: this version has none.
//!
//! A fleet of many clusters is foretold from a sample of it, and then says so.

mod calls;
mod carve;
mod ledger;
mod life;
mod outcome;
mod run;
mod shares;
pub mod storage;
mod tell;
mod world;

pub use outcome::{
    Basis, BudgetUse, ClusterForecast, Day, Example, ExamplePoint, FORMAT_VERSION, Forecast, HeldUp, PolicyForecast,
    RuleFilled, SiteForecast, Total, Unknown, Window,
};

use crate::model::Desired;
use crate::observed::Observed;
use crate::time::Duration;
use crate::verify::Violations;
use jiff::Timestamp;

/// What a forecast assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumptions {
    /// When the first run is: now.
    pub from: Timestamp,
    /// The end: the last run comes before it.
    pub until: Timestamp,
    /// How often Backstay runs.
    pub every: Duration,
    /// How many clusters are simulated.
    pub sample: Sample,
}

/// How many clusters are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// All.
    All,
    /// About as many, spread over policies, sites and sizes of disks, if the fleet has more.
    AtMost(usize),
}

/// Why nothing can be foretold.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    /// The end is not after the beginning.
    #[error("{until} is not after {from}")]
    Past {
        /// The first run.
        from: Timestamp,
        /// The end.
        until: Timestamp,
    },
    /// Runs cannot follow each other without time between them.
    #[error("the time between two runs must be a minute at least")]
    TooOften,
    /// It would take hours.
    #[error("that is more than {} runs: give a longer time between them, or an earlier end", run::MOST_RUNS)]
    TooManyRuns,
    /// A plan broke an invariant.
    #[error("the plan for {at} broke an invariant. This is a defect of Backstay:\n{violations}")]
    Violation {
        /// Which run.
        at: Timestamp,
        /// What it broke.
        violations: Violations,
    },
}

/// Runs the fleet forward, and tells what came of it. Deterministic; the order of its inputs does not matter.
pub fn forecast(
    desired: &Desired,
    observed: &Observed,
    baseline: Option<&Desired>,
    assumptions: &Assumptions,
) -> Result<Forecast, Impossible> {
    let Assumptions { from, until, every, .. } = *assumptions;
    if until <= from {
        return Err(Impossible::Past { from, until });
    }
    if every < Duration::minutes(1) {
        return Err(Impossible::TooOften);
    }
    if run::runs(assumptions) > run::MOST_RUNS {
        return Err(Impossible::TooManyRuns);
    }
    let mut walk = run::Walk::new(desired, observed, baseline, assumptions);
    walk.go(assumptions)?;
    Ok(tell::tell(&walk, observed, assumptions))
}
