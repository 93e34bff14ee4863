//! What the integration tests share.

pub mod buckets;
pub mod postgres;
pub mod scenario;
pub mod shell;
pub mod store_contract;
mod tamper;
pub mod twice;
