//! Every backend that may hold leases, under one contract: in memory, in a directory, on S3 by two servers, on Azure.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests look at the host"
)]

mod answers;
mod backends;
mod contract;
mod races;
