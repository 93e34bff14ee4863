//! The baseline: the documents that the last apply stood on, from their commit, or from the state store's copy.

use crate::seams::{StateStore, StoreError};
use crate::sources::{Sources, from_commit, key_of};
use crate::state::State;
use backstay_core::canonical;
use backstay_core::document::SourceTree;
use backstay_core::model::Desired;
use backstay_core::name::ClusterUid;
use backstay_core::observed::BaselineRecord;
use backstay_core::resolve::resolve;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

/// The desired state of the last apply; `None` when there was none, or when it cannot be read any more.
///
/// Without it, causes are only less precise: every mark counts as brought about by the documents.
pub async fn load(
    store: &dyn StateStore,
    record: Option<&BaselineRecord>,
    current: &Desired,
    root: &Path,
) -> Option<Desired> {
    let record = record?;
    if record.origin.documents == current.origin.documents {
        return Some(current.clone());
    }
    let tree = match &record.origin {
        origin if !origin.dirty && origin.commit.is_some() => {
            from_commit(root, origin.commit.as_deref().unwrap_or_default()).map(|sources| sources.tree).ok()
        }
        origin => stored(store, &key_of(&origin.documents)).await,
    };
    let tree = tree.filter(|tree| tree.digest() == record.origin.documents)?;
    resolve(&tree, record.origin.clone()).desired
}

async fn stored(store: &dyn StateStore, key: &str) -> Option<SourceTree> {
    let value = store.get(key).await.ok()??;
    let texts: Vec<(String, String)> = serde_json::from_slice(&value).ok()?;
    let mut tree = SourceTree::new();
    for (path, text) in texts {
        tree.insert(path, text);
    }
    Some(tree)
}

/// Records what this apply stood on. Documents that no commit holds are kept as a copy.
pub async fn record(
    store: &dyn StateStore,
    sources: &Sources,
    as_of: Timestamp,
    unfinished: BTreeSet<ClusterUid>,
) -> Result<(), StoreError> {
    let origin = sources.origin.clone();
    if origin.commit.is_none() || origin.dirty {
        store.create(&key_of(&origin.documents), canonical::to_string(&sources.texts).as_bytes()).await?;
    }
    State(store).write_baseline(&BaselineRecord { origin, as_of, unfinished }).await
}
