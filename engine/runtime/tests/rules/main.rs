//! The rules of the runtime, each by a test: in virtual time, over a scripted or a simulated site.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at the disk")]

mod apply;
mod bugs_of_others;
mod calls;
mod clouds;
mod documents;
mod engine;
mod forget;
mod fresh;
mod git;
mod half_made;
mod holds;
mod journal;
mod keys;
mod lease;
mod observe;
mod races;
mod state;
mod store;
mod support;
