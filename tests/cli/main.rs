//! The command line as its users meet it: in one process and made-up time where that is enough, the real binary where not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bugs_of_others;
mod codes;
mod completion;
mod drift;
mod fmt;
mod git;
mod grammar;
mod history;
mod init;
mod json;
mod killed;
mod leases;
mod many;
mod paused;
mod place;
mod plans;
mod process;
mod schemas;
mod selectors;
mod simulate;
mod terminal;
mod views;
