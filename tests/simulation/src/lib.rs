//! The whole engine over simulated clouds in virtual time: random fleets, weeks of runs, faults, crashes and meddling, from one
//! seed, judged from outside.
//!
//! Everything runs in one thread. [`scheduler`] draws which of several runners goes on, [`time`] jumps when all of them wait,
//! [`wires`] carry each call and let it meet a mishap, and [`judge`](life) knows nothing of the planner.

pub mod chance;
pub mod crashes;
mod documents;
mod doubles;
mod files;
mod fresh;
pub mod house;
#[cfg(test)]
mod isolation;
mod judge;
pub mod life;
mod meddling;
mod naive;
mod refine;
pub mod runner;
mod scenes;
pub mod scheduler;
pub mod tally;
mod taps;
pub mod time;
pub mod town;
pub mod trial;
pub mod wires;
mod world;
