//! Logs: an object store cannot append, so each piece is an object of its own, create-only, numbered below the log's key.
//!
//! ```text
//! journal/20261123t060000z-1f2e3d4c.jsonl/00000001
//! journal/20261123t060000z-1f2e3d4c.jsonl/00000002
//! ```

use super::store::BucketStore;
use crate::seams::{StoreError, check_key, is_log};
use futures::lock::Mutex;
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::BTreeMap;

/// The number of the next piece of each log that this process wrote to.
pub(super) type Tails = Mutex<BTreeMap<String, u64>>;

/// How many pieces are read at once.
const AT_ONCE: usize = 16;

/// The directory that holds nothing but logs: their pieces, which are many, are not listed with them.
const LOGS: &str = "journal";

/// No log is longer than this.
const LONGEST: usize = 256 << 20;

/// Eight digits order pieces by their names.
fn piece(key: &str, number: u64) -> String {
    format!("{key}/{number:08}")
}

/// The log that an object is a piece of.
fn log_of(object: &str) -> Option<&str> {
    object.rsplit_once('/').map(|(log, _)| log).filter(|log| is_log(log))
}

impl BucketStore {
    async fn pieces(&self, key: &str) -> Result<Vec<String>, StoreError> {
        let mut all = self.objects_below(key).await?;
        all.retain(|object| log_of(object) == Some(key));
        Ok(all)
    }

    /// One piece at a time, so that they lie in the order of the calls.
    pub(super) async fn append_to_log(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if !is_log(key) {
            check_key(key)?;
            return Err(StoreError::new(format!("`{key}` is no log: only those can be appended to")));
        }
        let mut tails = self.tails.lock().await;
        let mut next = match tails.get(key) {
            Some(next) => *next,
            None => {
                let last = self.pieces(key).await?;
                let last = last.last().and_then(|object| object.rsplit('/').next()?.parse::<u64>().ok());
                last.unwrap_or(0) + 1
            }
        };
        // A number that is taken belongs to a writer before us, or beside us.
        while !self.create_object(&piece(key, next), value).await? {
            next += 1;
        }
        tails.insert(key.to_owned(), next + 1);
        Ok(())
    }

    pub(super) async fn read_log(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let pieces = self.pieces(key).await?;
        if pieces.is_empty() {
            return Ok(None);
        }
        let read = |object: String| async move { self.read_object(&object).await };
        let mut values = futures::stream::iter(pieces).map(read).buffered(AT_ONCE).boxed();
        let mut whole = Vec::new();
        while let Some(value) = values.try_next().await? {
            whole.extend(value.unwrap_or_default());
            if whole.len() > LONGEST {
                return Err(StoreError::new(format!("{key} is longer than {} MiB: it is none of ours", LONGEST >> 20)));
            }
        }
        Ok(Some(whole))
    }

    pub(super) async fn remove_log(&self, key: &str) -> Result<(), StoreError> {
        self.tails.lock().await.remove(key);
        let pieces = self.pieces(key).await?;
        let remove = |object: String| async move { self.remove_object(&object).await };
        futures::stream::iter(pieces).map(remove).buffered(AT_ONCE).try_collect::<()>().await
    }

    /// All keys that begin with `prefix`; a log is one key.
    pub(super) async fn list_keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let directory = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        if !directory.is_empty() {
            check_key(directory)?;
        }
        let objects = match directory {
            LOGS => self.names_in(directory).await?,
            _ => self.objects_below(directory).await?,
        };
        let mut keys: Vec<String> = objects.iter().map(|object| log_of(object).unwrap_or(object).to_owned()).collect();
        keys.retain(|key| key.starts_with(prefix));
        // A log's pieces lie together, though not where its own name would.
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}
