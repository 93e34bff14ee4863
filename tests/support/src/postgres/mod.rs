//! Real PostgreSQL servers on the disks of a local site.
//!
//! All of it panics when something is not as a test needs it: a test has nothing better to do.

mod load;
mod root;
mod server;

pub use load::{Bench, Ledger};
pub use root::{FileSystem, Root};
pub use server::{Disks, Recovered, Server, pg_program};
