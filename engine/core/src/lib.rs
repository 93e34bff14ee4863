//! What must be, what is, and the plan between them.
//!
//! Every decision of Backstay is made here, as a pure function of its inputs and of `now`: no clock, no disk, no
//! network, no randomness. `tests/purity.rs` keeps it so.
//!
//! ```text
//! documents -> resolve -> Desired --+
//!                         Observed -+- plan(baseline, as_of) -> verify -> VerifiedPlan
//! ```

pub mod admission;
pub mod canonical;
pub mod capabilities;

pub mod diagnostic;
pub mod document;
pub mod drift;
pub mod forecast;
mod instances;
pub mod inventory;
pub mod lsn;
mod marks;
mod memo;
pub mod model;
pub mod name;
pub mod narrow;
pub mod observed;
pub mod plan;
pub mod planner;
pub mod point;
mod prints;
pub mod refresh;
pub mod resolve;
pub mod retention;
pub mod saga;
pub mod schedule;
pub mod seal;
mod share;
mod snapshots;
pub mod status;
pub mod tags;
mod text;
pub mod time;
pub mod tombstone;
pub mod verify;
pub mod workers;
