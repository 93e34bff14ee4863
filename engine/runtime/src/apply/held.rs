//! A cluster's lease while something is done to it: what every one of its calls must pass.

use crate::calls::Fence;
use crate::lease::Lease;
use crate::seams::{Clock, StateStore, StoreError};
use async_trait::async_trait;
use futures::lock::Mutex;

/// A lease that is kept as long as calls need it.
pub(crate) struct Held<'a> {
    lease: Mutex<Lease>,
    epoch: u64,
    store: &'a dyn StateStore,
    clock: &'a dyn Clock,
}

impl<'a> Held<'a> {
    pub(crate) fn new(lease: Lease, store: &'a dyn StateStore, clock: &'a dyn Clock) -> Self {
        let epoch = lease.epoch();
        Self { lease: Mutex::new(lease), epoch, store, clock }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Reads the lease again: before what cannot be undone.
    pub(crate) async fn confirm(&self) -> Result<(), StoreError> {
        self.lease.lock().await.confirm(self.store).await
    }

    pub(crate) async fn release(self) -> Result<(), StoreError> {
        self.lease.into_inner().release(self.store).await
    }
}

#[async_trait]
impl Fence for Held<'_> {
    async fn check(&self) -> Result<(), StoreError> {
        self.lease.lock().await.guard(self.store, self.clock).await
    }
}
