//! The rules that a simulated cloud keeps, each by its name.
// A test panics on every other answer.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod budgets;
mod creating;
mod disks;
mod faults;
mod listing;
mod postgres;
mod profiles;
mod replay;
mod support;
mod tagging;
mod worlds;
