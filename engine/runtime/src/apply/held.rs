//! A cluster's lease while its changes are made: what every one of its calls must pass.

use super::Context;
use crate::calls::Fence;
use crate::lease::Lease;
use crate::seams::{Clock, StateStore, StoreError};
use async_trait::async_trait;
use futures::lock::Mutex;

/// A lease that is kept as long as calls need it.
pub(super) struct Held<'a> {
    lease: Mutex<Lease>,
    epoch: u64,
    store: &'a dyn StateStore,
    clock: &'a dyn Clock,
}

impl<'a> Held<'a> {
    pub(super) fn new(lease: Lease, context: &Context<'a>) -> Self {
        let epoch = lease.epoch();
        Self { lease: Mutex::new(lease), epoch, store: context.store, clock: context.clock }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) async fn release(self) -> Result<(), StoreError> {
        self.lease.into_inner().release(self.store).await
    }
}

#[async_trait]
impl Fence for Held<'_> {
    async fn check(&self) -> Result<(), StoreError> {
        self.lease.lock().await.guard(self.store, self.clock).await
    }
}
