//! The key that seals: read from its file, or made by the first apply where that is safe.

use crate::seams::{Entropy, StateStore, StoreError};
use backstay_core::observed::{Listing, Observed, Snapshot};
use backstay_core::seal::{Keyring, SealKey};
use backstay_core::tags;
use std::path::{Path, PathBuf};

/// Where the seal key lies, and who may make it.
#[derive(Debug, Clone)]
pub struct KeyFile {
    /// The file.
    pub path: PathBuf,
    /// Whether the first apply may make it: only where every site is simulated or local.
    pub may_be_made: bool,
}

/// The disk that keys lie on: a seam, since a key file is not a record of the state store.
pub trait KeyDisk: Send + Sync {
    /// Reads the file; `None` if there is none.
    fn read(&self, path: &Path) -> Result<Option<String>, StoreError>;

    /// Makes the file, readable by its owner alone, durably and whole; an existing one stays. Says whether it was made.
    fn create(&self, path: &Path, content: &str) -> Result<bool, StoreError>;
}

/// Whether a key has sealed snapshots already, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedBefore {
    /// Sealed snapshots are there.
    Yes,
    /// None was seen, and a site could not be read: unknown is not absent.
    Unknown,
    /// Every site was read, and there is none.
    No,
}

impl SealedBefore {
    /// What an observation tells.
    #[must_use]
    pub fn of(observed: &Observed) -> Self {
        let is_sealed = |snapshot: &Snapshot| snapshot.tags.contains_key(tags::SEAL_1);
        let mut complete = observed.sites.values().filter_map(Listing::complete);
        if complete.any(|site| site.snapshots.iter().any(is_sealed)) {
            Self::Yes
        } else if observed.sites.values().any(|site| site.complete().is_none()) {
            Self::Unknown
        } else {
            Self::No
        }
    }
}

impl KeyFile {
    /// The public keys by which seals are checked: none before the first apply.
    pub fn keyring(&self, disk: &dyn KeyDisk) -> Result<Keyring, StoreError> {
        Ok(Keyring::new(self.key(disk)?.map(|key| key.public())))
    }

    /// The key itself; `None` before it is made.
    pub fn key(&self, disk: &dyn KeyDisk) -> Result<Option<SealKey>, StoreError> {
        let Some(text) = disk.read(&self.path)? else { return Ok(None) };
        match SealKey::parse(&text) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(StoreError::new(format!(
                "{} is {error}: put the right file back; what the key has sealed is lost without it",
                self.path.display()
            ))),
        }
    }

    /// The key, which is made now if there is none and that is allowed.
    ///
    /// It is refused when snapshots or records exist that an earlier key sealed, or when nobody can tell: a lost key must be
    /// found, not replaced.
    pub async fn key_or_make(
        &self,
        disk: &dyn KeyDisk,
        entropy: &dyn Entropy,
        store: &dyn StateStore,
        sealed: SealedBefore,
    ) -> Result<SealKey, StoreError> {
        if let Some(key) = self.key(disk)? {
            return Ok(key);
        }
        let path = self.path.display();
        if !self.may_be_made {
            return Err(StoreError::new(format!(
                "there is no seal key at {path}; a fleet on clouds does not make its own: put it there"
            )));
        }
        let why_not = match sealed {
            SealedBefore::Yes => Some("snapshots exist that one has sealed: put it back"),
            SealedBefore::Unknown => {
                Some("a site could not be read, where one may have sealed snapshots: put it back, or try again")
            }
            SealedBefore::No if !store.list("tombstones/").await?.is_empty() => {
                Some("snapshots exist that one has sealed: put it back")
            }
            SealedBefore::No => None,
        };
        if let Some(why_not) = why_not {
            return Err(StoreError::new(format!("there is no seal key at {path}, and {why_not}")));
        }
        let key = SealKey::from_seed(&entropy.bytes()?);
        if disk.create(&self.path, &key.to_file_content())? {
            return Ok(key);
        }
        // Another run made one meanwhile: there is only one.
        self.key(disk)?.ok_or_else(|| StoreError::new(format!("the seal key at {path} vanished while it was made")))
    }
}
