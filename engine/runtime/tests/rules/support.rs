//! What the tests share: a clock that moves when told, a store that records and fails on demand.

use async_trait::async_trait;
use backstay_runtime::file_store::FileStore;
use backstay_runtime::seams::{Clock, Entropy, StateStore, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Runs what does not really wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A clock that moves when it is told, or waited for.
#[derive(Clone)]
pub(crate) struct VirtualClock(Arc<Mutex<Timestamp>>);

impl VirtualClock {
    pub(crate) fn noon() -> Self {
        Self(Arc::new(Mutex::new(at("2026-11-23T12:00:00Z"))))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, length: SignedDuration) {
        *self.0.lock().unwrap() += length;
    }
}

/// Always the same bytes.
pub(crate) struct Fixed(pub(crate) u8);

impl Entropy for Fixed {
    fn bytes(&self) -> Result<[u8; 32], StoreError> {
        Ok([self.0; 32])
    }
}

/// A store that tells every write, and fails from its n-th call on, or at it alone.
pub(crate) struct Watched {
    inner: FileStore,
    calls: AtomicUsize,
    fails: fn(usize, usize) -> bool,
    at: usize,
    writes: Log,
    /// What happens beside a call, by its verb and its key.
    beside: Option<Beside>,
}

type Beside = Box<dyn Fn(&str, &str) + Send + Sync>;

/// What was done, in its order: the verb, the key, the value.
pub(crate) type Log = Arc<Mutex<Vec<(String, String, String)>>>;

impl Watched {
    pub(crate) fn new(root: &Path) -> Self {
        Self::failing(root, 0, |_, _| false)
    }

    /// Tells its writes to a log that others write to as well.
    pub(crate) fn telling(self, writes: &Log) -> Self {
        Self { writes: writes.clone(), ..self }
    }

    /// Something else happens just before each call.
    pub(crate) fn beside(self, happens: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self { beside: Some(Box::new(happens)), ..self }
    }

    pub(crate) fn failing(root: &Path, at: usize, fails: fn(usize, usize) -> bool) -> Self {
        Self {
            inner: FileStore::new(root),
            calls: AtomicUsize::new(0),
            fails,
            at,
            writes: Arc::default(),
            beside: None,
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn count(&self, verb: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if let Some(beside) = &self.beside {
            beside(verb, key);
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if (self.fails)(number, self.at) {
            self.writes.lock().unwrap().push(("failed".to_owned(), key.to_owned(), String::new()));
            return Err(StoreError::new(format!("the disk is full: {verb} {key}")));
        }
        if !matches!(verb, "get" | "list") {
            let value = String::from_utf8_lossy(value).into_owned();
            self.writes.lock().unwrap().push((verb.to_owned(), key.to_owned(), value));
        }
        Ok(())
    }
}

#[async_trait]
impl StateStore for Watched {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.count("get", key, b"")?;
        self.inner.get(key).await
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        self.count("create", key, value)?;
        self.inner.create(key, value).await
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.count("put", key, value)?;
        self.inner.put(key, value).await
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        self.count("swap", key, value)?;
        self.inner.swap(key, expected, value).await
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.count("append", key, value)?;
        self.inner.append(key, value).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.count("remove", key, b"")?;
        self.inner.remove(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.count("list", prefix, b"")?;
        self.inner.list(prefix).await
    }
}
