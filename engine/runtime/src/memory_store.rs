//! A state store in memory: the contract's own words, and nothing that can fail. Tests and simulations use it.

use crate::seams::{StateStore, StoreError, check_key};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys with their values. A clone is another store, which begins as this one is.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryStore {
    /// All that it holds, to look at or to tamper with.
    pub fn values(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.values().clone()))
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        Ok(self.values().get(key).cloned())
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        self.swap(key, None, value).await
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        check_key(key)?;
        self.values().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        check_key(key)?;
        let mut values = self.values();
        if values.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        values.insert(key.to_owned(), value.to_vec());
        Ok(true)
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        check_key(key)?;
        self.values().entry(key.to_owned()).or_default().extend_from_slice(value);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        self.values().remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let values = self.values();
        let from = values.range(prefix.to_owned()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }
}
