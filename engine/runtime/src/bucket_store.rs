//! The state store in a bucket: Amazon S3 and what speaks its protocol, and Azure Blob Storage.
//!
//! The URL says service, bucket and prefix; account, endpoint and credentials come from the environment, by the names that each
//! service's own tools use (docs/state.md). A build without a service's feature says so.

#[cfg(feature = "bucket")]
mod error;
#[cfg(feature = "bucket")]
mod log;
#[cfg(feature = "bucket")]
mod open;
#[cfg(feature = "bucket")]
mod store;

use crate::seams::{StateStore, StoreError};
use backstay_core::model::{ObjectService, ObjectsUrl};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Opens a place in an object store, with what the environment says about it. Nothing is sent yet.
pub fn open(url: &ObjectsUrl, environment: &BTreeMap<String, String>) -> Result<Arc<dyn StateStore>, StoreError> {
    match url.service {
        #[cfg(feature = "s3")]
        ObjectService::S3 => open::s3(url, environment),
        #[cfg(not(feature = "s3"))]
        ObjectService::S3 => Err(missing(url, environment, "s3")),
        #[cfg(feature = "azure")]
        ObjectService::Azure => open::azure(url, environment),
        #[cfg(not(feature = "azure"))]
        ObjectService::Azure => Err(missing(url, environment, "azure")),
    }
}

#[cfg(not(all(feature = "s3", feature = "azure")))]
fn missing(url: &ObjectsUrl, _: &BTreeMap<String, String>, feature: &str) -> StoreError {
    StoreError::new(format!("the state store {url} cannot be opened: this build lacks the feature `{feature}`"))
}
