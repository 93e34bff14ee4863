//! What every call must pass right before it is sent.

use crate::seams::StoreError;
use async_trait::async_trait;

/// Whether calls may still be sent (INVARIANTS.md 19). It is asked before each one, and again after each time of waiting.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Lets one call pass, after renewing what must be renewed for that. An error means that none passes any more.
    async fn check(&self) -> Result<(), StoreError>;
}

/// For whoever only looks: reading needs no lease.
#[derive(Debug, Clone, Copy)]
pub struct Unfenced;

#[async_trait]
impl Fence for Unfenced {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
