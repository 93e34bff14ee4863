//! Everything between a plan and the world: observe, apply, remember.
//!
//! Order, retry, journal and leases live here; *why* a point expires does not. Time, chance, disk and network reach this
//! crate only through the seams of [`seams`] and the provider traits, so that the whole engine runs single-threaded in
//! virtual time.

pub mod apply;
pub mod baseline;
pub mod bucket_store;
pub mod calls;
mod documents;
pub mod events;
mod execute;
pub mod file_store;
pub mod git;
pub mod history;
pub mod holds;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod memory_store;
pub mod observe;
pub mod seams;
pub mod sites;
pub mod sources;
pub mod state;
pub mod threads;
pub mod watch;
