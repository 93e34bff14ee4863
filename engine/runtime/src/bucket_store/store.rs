//! Keys and values as objects; conditional writes whose answers may be lost.
#![expect(clippy::disallowed_methods, reason = "this file is the seam to the network: it waits before it asks again")]

use super::error::{Teller, lacks_bucket};
use super::log::Tails;
use crate::seams::{StateStore, StoreError, check_key, is_log};
use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion};
use std::sync::Arc;
use std::time::Duration;

/// No record is larger than this, and no log longer.
const LARGEST_VALUE: u64 = 64 << 20;

/// How often a conditional write is tried while its outcome is unknown, and how long is waited before each further time.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Two clients of one place: one repeats what failed, the other never does.
pub(super) struct Clients {
    /// For what may be repeated blindly.
    pub(super) reads: Arc<dyn ObjectStore>,
    /// For writes under a condition: a repeated one that is refused may have been refused by its own first try.
    pub(super) writes: Arc<dyn ObjectStore>,
}

/// A bucket as a state store.
pub(super) struct BucketStore {
    clients: Clients,
    root: Path,
    teller: Teller,
    pub(super) tails: Tails,
}

/// A value, and what the store calls this version of it.
struct Version {
    value: Vec<u8>,
    update: UpdateVersion,
}

/// What one conditional write came to.
enum Written {
    Yes,
    /// The condition did not hold, or another write was under way.
    Refused,
    /// It may have happened.
    Unknown(Error),
}

impl BucketStore {
    pub(super) fn new(clients: Clients, root: Path, teller: Teller) -> Self {
        Self { clients, root, teller, tails: Tails::default() }
    }

    pub(super) fn path(&self, key: &str) -> Result<Path, StoreError> {
        check_key(key)?;
        let whole = if self.root.as_ref().is_empty() { key.to_owned() } else { format!("{}/{key}", self.root) };
        Path::parse(&whole).map_err(|_| StoreError::new(format!("`{key}` is not a key of the state store")))
    }

    async fn read(&self, key: &str) -> Result<Option<Version>, StoreError> {
        let failed = |error| self.teller.failed("read", key, &error);
        let found = match self.clients.reads.get(&self.path(key)?).await {
            Ok(found) => found,
            Err(error @ Error::NotFound { .. }) => return self.absent(&error, key),
            Err(error) => return Err(failed(error)),
        };
        if found.meta.size > LARGEST_VALUE {
            let mib = LARGEST_VALUE >> 20;
            return Err(StoreError::new(format!("state record {key} is larger than {mib} MiB: it is none of ours")));
        }
        let update = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let value = found.bytes().await.map_err(failed)?.to_vec();
        Ok(Some(Version { value, update }))
    }

    /// Not found is an answer only when the bucket is there.
    fn absent<T>(&self, error: &Error, key: &str) -> Result<Option<T>, StoreError> {
        if lacks_bucket(error) { Err(self.teller.failed("read", key, error)) } else { Ok(None) }
    }

    async fn write(&self, path: &Path, value: &[u8], mode: PutMode) -> Result<Written, Error> {
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.clients.writes.put_opts(path, PutPayload::from(value.to_vec()), options).await {
            Ok(_) => Ok(Written::Yes),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Written::Refused),
            Err(
                error @ (Error::PermissionDenied { .. }
                | Error::Unauthenticated { .. }
                | Error::NotFound { .. }
                | Error::NotImplemented { .. }
                | Error::NotSupported { .. }
                | Error::InvalidPath { .. }
                | Error::UnknownConfigurationKey { .. }),
            ) => Err(error),
            Err(error) => Ok(Written::Unknown(error)),
        }
    }

    /// Create-only. A refusal after a lost answer may be our own doing: then the bytes that lie there tell.
    pub(super) async fn create_object(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        let failed = |error: &Error| self.teller.failed("write", key, error);
        let mut unknown = None;
        for pause in PAUSES {
            match self.write(&path, value, PutMode::Create).await.map_err(|error| failed(&error))? {
                Written::Yes => return Ok(true),
                Written::Unknown(error) => unknown = Some(error),
                Written::Refused => {}
            }
            match self.read(key).await? {
                Some(present) => return Ok(unknown.is_some() && present.value == value),
                // The answer was lost before the write happened, or another write was under way, and failed.
                None => tokio::time::sleep(pause).await,
            }
        }
        Err(self.gave_up(key, unknown))
    }

    /// Compare and swap of a value that is there.
    async fn replace(&self, key: &str, expected: &[u8], value: &[u8]) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        let failed = |error: &Error| self.teller.failed("write", key, error);
        let mut unknown = None;
        for pause in PAUSES {
            let Some(present) = self.read(key).await? else { return Ok(false) };
            if present.value != expected {
                return Ok(unknown.is_some() && present.value == value);
            }
            match self.write(&path, value, PutMode::Update(present.update)).await {
                Ok(Written::Yes) => return Ok(true),
                Ok(Written::Refused) => {}
                Ok(Written::Unknown(error)) => {
                    unknown = Some(error);
                    tokio::time::sleep(pause).await;
                }
                // It was removed since it was read.
                Err(Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(failed(&error)),
            }
        }
        // Only a look tells what the last try came to.
        match self.read(key).await? {
            Some(present) if present.value == expected => Err(self.gave_up(key, unknown)),
            Some(present) => Ok(unknown.is_some() && present.value == value),
            None => Ok(false),
        }
    }

    fn gave_up(&self, key: &str, unknown: Option<Error>) -> StoreError {
        match unknown {
            Some(error) => self.teller.failed("write", key, &error),
            None => StoreError::new(format!("could not write {key}: other writes of it were always under way")),
        }
    }

    pub(super) async fn remove_object(&self, key: &str) -> Result<(), StoreError> {
        match self.clients.reads.delete(&self.path(key)?).await {
            Ok(()) => Ok(()),
            Err(error @ Error::NotFound { .. }) => self.absent::<()>(&error, key).map(|_| ()),
            Err(error) => Err(self.teller.failed("remove", key, &error)),
        }
    }

    pub(super) async fn read_object(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(key).await?.map(|version| version.value))
    }

    /// The keys of all objects below a directory (empty: all), ordered.
    pub(super) async fn objects_below(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let path = if directory.is_empty() { self.root.clone() } else { self.path(directory)? };
        let within = (!path.as_ref().is_empty()).then_some(&path);
        let found: Vec<_> = self
            .clients
            .reads
            .list(within)
            .try_collect()
            .await
            .map_err(|error| self.teller.failed("list", directory, &error))?;
        Ok(self.keys_of(found.iter().map(|object| &object.location)))
    }

    /// What lies in a directory, by its name: objects, and directories without what is in them.
    pub(super) async fn names_in(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(directory)?;
        let found = self.clients.reads.list_with_delimiter(Some(&path)).await;
        let found = found.map_err(|error| self.teller.failed("list", directory, &error))?;
        let objects = found.objects.iter().map(|object| &object.location);
        Ok(self.keys_of(objects.chain(&found.common_prefixes)))
    }

    fn keys_of<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Vec<String> {
        let prefix = if self.root.as_ref().is_empty() { String::new() } else { format!("{}/", self.root) };
        let keys = paths.filter_map(|path| path.as_ref().strip_prefix(&prefix));
        let mut keys: Vec<String> = keys.filter(|key| check_key(key).is_ok()).map(str::to_owned).collect();
        keys.sort_unstable();
        keys
    }
}

fn refuse_log(key: &str) -> Result<(), StoreError> {
    if is_log(key) { Err(StoreError::new(format!("`{key}` is a log: it is only appended to"))) } else { Ok(()) }
}

#[async_trait]
impl StateStore for BucketStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if is_log(key) { self.read_log(key).await } else { self.read_object(key).await }
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        refuse_log(key)?;
        self.create_object(key, value).await
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        refuse_log(key)?;
        let payload = PutPayload::from(value.to_vec());
        let written = self.clients.reads.put(&self.path(key)?, payload).await;
        written.map(|_| ()).map_err(|error| self.teller.failed("write", key, &error))
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        refuse_log(key)?;
        match expected {
            None => self.create_object(key, value).await,
            Some(expected) => self.replace(key, expected, value).await,
        }
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.append_to_log(key, value).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        if is_log(key) { self.remove_log(key).await } else { self.remove_object(key).await }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.list_keys(prefix).await
    }
}
