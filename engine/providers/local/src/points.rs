//! Files kept beside a point: its label, its map and its WAL, since there is no archive.

use crate::files::{failed, failing, make_directory, sync_directory, unique, write_synced};
use crate::place::{Place, blocking, read_if_there};
use async_trait::async_trait;
use backstay_core::name::ClusterUid;
use backstay_core::tags::PointKey;
use backstay_postgres::WalFileName;
use backstay_provider::{PointFileId, PointFiles, ProviderError};
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct LocalPointFiles {
    pub(crate) place: Arc<Place>,
}

#[async_trait]
impl PointFiles for LocalPointFiles {
    async fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError> {
        let (place, id, bytes) = (Arc::clone(&self.place), id.clone(), bytes.clone());
        blocking(move || put(&place.root()?, &id, &bytes)).await
    }

    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        let place = Arc::clone(&self.place);
        blocking(move || list(&place.root()?)).await
    }

    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        let (place, id) = (Arc::clone(&self.place), id.clone());
        blocking(move || {
            let path = directory(&place.root()?, &id.cluster, id.point).join(checked(&id.name)?);
            Ok(read_if_there(&path)?.map(Bytes::from))
        })
        .await
    }

    async fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
        let (place, cluster) = (Arc::clone(&self.place), cluster.clone());
        blocking(move || remove(&place.root()?, &cluster, point)).await
    }
}

/// Every point that has a directory; names that are not ours are left alone.
fn list(root: &Path) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
    let mut points = Vec::new();
    let top = root.join("points");
    for cluster in names_in(&top)? {
        let Ok(uid) = ClusterUid::new(&cluster) else { continue };
        let names = names_in(&top.join(&cluster))?;
        points.extend(names.iter().filter_map(|name| Some((uid.clone(), name.parse().ok()?))));
    }
    Ok(points)
}

fn names_in(directory: &Path) -> Result<Vec<String>, ProviderError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", directory, &error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(failing("list", directory))
}

fn directory(root: &Path, cluster: &ClusterUid, point: PointKey) -> PathBuf {
    root.join("points").join(cluster.as_str()).join(point.to_string())
}

/// Only names that a point has: they become paths.
fn checked(name: &str) -> Result<&str, ProviderError> {
    let is_wal = name.strip_prefix("wal/").is_some_and(|file| WalFileName::parse(file).is_ok());
    if is_wal || matches!(name, "backup_label" | "tablespace_map") {
        return Ok(name);
    }
    let shown: String = name.chars().take(40).collect();
    Err(ProviderError::invalid(format!("`{shown}` is no file of a point: backup_label, tablespace_map or wal/SEGMENT")))
}

fn put(root: &Path, id: &PointFileId, bytes: &[u8]) -> Result<(), ProviderError> {
    let point = directory(root, &id.cluster, id.point);
    let target = point.join(checked(&id.name)?);
    let parent = target.parent().expect("a name in a directory has a parent");
    let levels = [&root.join("points"), &root.join("points").join(id.cluster.as_str()), &point, parent];
    for level in levels {
        make_directory(level).map_err(failing("make", level))?;
    }
    let temporary = parent.join(unique(".tmp"));
    write_synced(&temporary, bytes).map_err(failing("write", &temporary))?;
    // A link never replaces: of two writers of one name the second finds the first's bytes.
    let linked = fs::hard_link(&temporary, &target);
    fs::remove_file(&temporary).map_err(failing("remove", &temporary))?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if read_if_there(&target)?.as_deref() != Some(bytes) {
                let message = format!("{} is there already, with other bytes", target.display());
                return Err(ProviderError::invalid(message));
            }
        }
        Err(error) => return Err(failed("write", &target, &error)),
    }
    sync_directory(parent).map_err(failing("sync", parent))
}

/// Takes the directory out of the way first, so that a half-removed point has no file at all.
fn remove(root: &Path, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
    let path = directory(root, cluster, point);
    let parent = path.parent().expect("a point lies in its cluster's directory");
    match fs::rename(&path, parent.join(unique(&format!(".trash-{point}")))) {
        Ok(()) => sync_directory(parent).map_err(failing("sync", parent))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("remove", &path, &error)),
    }
    // Also what a run that died left of this point.
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("list", parent, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(failing("list", parent))?;
        if entry.file_name().to_string_lossy().starts_with(&format!(".trash-{point}-")) {
            match fs::remove_dir_all(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &entry.path(), &error));
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}
