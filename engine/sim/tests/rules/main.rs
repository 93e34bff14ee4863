//! The rules that a simulated cloud keeps, each by its name.
// A test panics on every other answer.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod creating;
mod faults;
mod listing;
mod postgres;
mod replay;
mod support;
mod tagging;
mod worlds;
