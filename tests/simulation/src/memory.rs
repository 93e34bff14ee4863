//! A state store in memory: the contract's own words, and nothing that can fail.

use async_trait::async_trait;
use backstay_runtime::seams::{StateStore, StoreError};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Keys with their values.
#[derive(Default)]
pub struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    /// All that it holds, to look at or to tamper with.
    pub fn values(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().expect("nobody panics while the store is held")
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.values().clone()))
    }
}

#[async_trait]
impl StateStore for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.values().get(key).cloned())
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let mut values = self.values();
        if values.contains_key(key) {
            return Ok(false);
        }
        values.insert(key.to_owned(), value.to_vec());
        Ok(true)
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.values().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        let mut values = self.values();
        if values.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        values.insert(key.to_owned(), value.to_vec());
        Ok(true)
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.values().entry(key.to_owned()).or_default().extend_from_slice(value);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.values().remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let values = self.values();
        let from = values.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }
}
