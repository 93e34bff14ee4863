//! What the integration tests share.

pub mod postgres;
pub mod scenario;
pub mod shell;
mod tamper;
