//! The files beside labelled points, in memory: what they end with in zeros is counted, not kept.

use async_trait::async_trait;
use backstay_core::name::ClusterUid;
use backstay_core::tags::PointKey;
use backstay_provider::{PointFileId, PointFiles, ProviderError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// So much is compared with zeros at a time.
const BLOCK: usize = 4096;

/// One site's point files.
#[derive(Default)]
pub(crate) struct Files(Mutex<BTreeMap<(ClusterUid, PointKey), BTreeMap<String, Kept>>>);

/// A file without the zeros at its end.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    used: Bytes,
    length: usize,
}

impl Kept {
    fn of(bytes: &Bytes) -> Self {
        let zeros = [0_u8; BLOCK];
        let blocks = bytes.chunks(BLOCK);
        let count = blocks.len();
        let empty = blocks.rev().take_while(|block| **block == zeros[..block.len()]).count();
        let used = ((count - empty) * BLOCK).min(bytes.len());
        Self { used: Bytes::copy_from_slice(&bytes[..used]), length: bytes.len() }
    }
}

impl Clone for Files {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.held().clone()))
    }
}

impl Files {
    fn held(&self) -> MutexGuard<'_, BTreeMap<(ClusterUid, PointKey), BTreeMap<String, Kept>>> {
        self.0.lock().expect("nobody panics while the files are held")
    }

    /// The points that it keeps files of.
    pub(crate) fn points(&self) -> BTreeSet<(ClusterUid, PointKey)> {
        self.held().keys().cloned().collect()
    }

    /// Every file's name with what it holds.
    pub(crate) fn remains(&self) -> BTreeMap<String, Vec<u8>> {
        let held = self.held();
        let points = held.iter().flat_map(|((uid, point), files)| {
            files.iter().map(move |(name, kept)| (format!("{uid}/{point}/{name}"), kept.used.to_vec()))
        });
        points.collect()
    }
}

#[async_trait]
impl PointFiles for Files {
    async fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError> {
        let kept = Kept::of(bytes);
        let mut held = self.held();
        let files = held.entry((id.cluster.clone(), id.point)).or_default();
        match files.get(&id.name) {
            Some(there) if *there != kept => Err(ProviderError::invalid("it is there already, with other bytes")),
            Some(_) => Ok(()),
            None => {
                files.insert(id.name.clone(), kept);
                Ok(())
            }
        }
    }

    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        Ok(self.held().keys().cloned().collect())
    }

    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        let held = self.held();
        let kept = held.get(&(id.cluster.clone(), id.point)).and_then(|files| files.get(&id.name));
        Ok(kept.map(|kept| {
            let mut bytes = kept.used.to_vec();
            bytes.resize(kept.length, 0);
            bytes.into()
        }))
    }

    async fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
        self.held().remove(&(cluster.clone(), point));
        Ok(())
    }
}
