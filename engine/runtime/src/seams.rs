//! The seams: time, chance and durable memory. `main` gives the real ones, simulations give their own.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// The host's clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The host's time.
    fn now(&self) -> Timestamp;

    /// Waits. In virtual time it returns at once, and time has passed.
    async fn sleep(&self, length: SignedDuration);
}

/// Chance, for keys and run ids.
pub trait Entropy: Send + Sync {
    /// 32 random bytes of the operating system's best.
    fn bytes(&self) -> Result<[u8; 32], StoreError>;
}

/// Durable memory: what an object store can do. Keys are `/`-separated plain names.
///
/// A key that ends in `.jsonl` is a log: it is only appended to, by one writer at a time, read and removed. Any other key is
/// never appended to.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads a value; `None` if there is none.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes a value only if there is none, and says whether it did. Durable when it returns.
    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError>;

    /// Writes a value, whole or not at all. Durable when it returns.
    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Writes a value only if the present one is `expected`, and says whether it did.
    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError>;

    /// Adds to a value's end. Durable when it returns.
    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Removes a value where there is one.
    async fn remove(&self, key: &str) -> Result<(), StoreError>;

    /// All keys that begin with `prefix`, ordered.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;
}

/// Whether it is the key of a log.
#[must_use]
pub fn is_log(key: &str) -> bool {
    key.ends_with(".jsonl")
}

/// Refuses what is no key: it could climb out of its directory, or mean two things to two stores.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    let is_plain = |segment: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.%".contains(&b);
        !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(allowed)
    };
    if key.split('/').all(is_plain) {
        Ok(())
    } else {
        Err(StoreError::new(format!("`{key}` is not a key of the state store")))
    }
}

/// The state store, or a source of chance, failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    /// What failed, with its place.
    pub what: String,
    /// The cause.
    #[source]
    pub cause: Option<std::io::Error>,
}

impl StoreError {
    /// An error without a cause of the operating system.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None }
    }
}
