//! The backends that may hold leases.

use backstay_runtime::file_store::FileStore;
use backstay_runtime::memory_store::MemoryStore;
use backstay_runtime::seams::StateStore;
use backstay_test_support::buckets::{Bucket, Emulator};
use backstay_test_support::store_contract::Open;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// More keys than a page of S3's has.
pub(crate) const MANY: usize = 1_050;

/// A backend, with what it stands on.
pub(crate) struct Backend {
    open: Box<Open>,
    pub(crate) bucket: Option<Arc<Bucket>>,
    _directory: Option<TempDir>,
}

impl Backend {
    pub(crate) fn open(&self) -> &Open {
        self.open.as_ref()
    }

    pub(crate) fn memory() -> Self {
        let places: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::default();
        let open = move |place: &str| -> Arc<dyn StateStore> {
            places.lock().unwrap().entry(place.to_owned()).or_default().clone()
        };
        Self { open: Box::new(open), bucket: None, _directory: None }
    }

    pub(crate) fn directory() -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().to_owned();
        let open = move |place: &str| -> Arc<dyn StateStore> { Arc::new(FileStore::new(root.join(place))) };
        Self { open: Box::new(open), bucket: None, _directory: Some(directory) }
    }

    pub(crate) fn bucket(emulator: Emulator) -> Self {
        let bucket = Arc::new(emulator.start());
        let opened = bucket.clone();
        let open = move |place: &str| opened.open(&format!("fleet/{place}"));
        Self { open: Box::new(open), bucket: Some(bucket), _directory: None }
    }
}
