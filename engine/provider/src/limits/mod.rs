//! How fast a client calls, so that no cloud has to refuse it: the clouds' own budgets, kept on our side.
//!
//! All of it is pure: `now` comes in, an instant to wait for comes out. One [`Limiter`] counts for one account in one region,
//! whoever calls there. What it does not know (other clients, an earlier process) the cloud tells by refusing: see
//! [`Limiter::throttled`].
//!
//! How many snapshots of a disk are unfinished, and in which order its copies go, is for the planner, which sees them. Within
//! a run the calls for one disk never overlap: a disk belongs to one cluster, whose changes are made one after another.

mod cost;
mod level;
mod limiter;

pub use cost::{Cost, Request};
pub use limiter::{Limiter, Ticket, Verdict};

/// How many calls of one class are under way at a time, for one account in one region. No cloud documents a limit; this many
/// keep any budget busy, since an answer takes seconds at most.
pub const AT_ONCE: usize = 32;
