//! Deleting snapshots: the one capability that destroys.

use crate::btrfs;
use crate::files::{failed, failing, sync_directory, unique};
use crate::place::{Place, blocking};
use crate::record::{Shelf, contents};
use crate::store::UNFINISHED;
use async_trait::async_trait;
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::Generation;
use backstay_provider::{ErrorClass, ProviderError, Sweeper};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a deleted snapshot is called until its files are gone: it is never listed half.
const TRASH: &str = ".trash-";

pub(crate) struct LocalSweeper {
    pub(crate) place: Arc<Place>,
}

#[async_trait]
impl Sweeper for LocalSweeper {
    async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError> {
        let (place, id, disk, generation) = (Arc::clone(&self.place), id.clone(), disk.clone(), generation.clone());
        blocking(move || delete(&place, &id, &disk, &generation)).await
    }
}

fn delete(place: &Place, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError> {
    let root = place.root()?;
    let shelf = Shelf::of(&root);
    {
        let _lock = place.lock(&root)?;
        if let Some(record) = shelf.read(id.as_str())? {
            let found = shelf.show(record);
            let changed = |what: &str| ProviderError::new(ErrorClass::Busy, format!("snapshot {id} {what}"));
            if found.disk != *disk {
                return Err(changed(&format!("is of disk {}, not of {disk}", found.disk)));
            }
            if found.generation() != *generation {
                return Err(changed("has changed since it was planned to be deleted"));
            }
            discard(&shelf, &shelf.directory(id.as_str()))?;
        }
        discard_what_nobody_finishes(&shelf)?;
    }
    empty_trash(&shelf)
}

/// From this rename on the snapshot is deleted; only its space is not free yet.
fn discard(shelf: &Shelf, path: &Path) -> Result<(), ProviderError> {
    let trash = shelf.directory(&unique(TRASH.trim_end_matches('-')));
    fs::rename(path, &trash).map_err(failing("rename", path))?;
    sync_directory(shelf.path()).map_err(|error| unknown(&failed("sync", shelf.path(), &error)))
}

/// A half-made snapshot whose maker died is no longer locked.
fn discard_what_nobody_finishes(shelf: &Shelf) -> Result<(), ProviderError> {
    for path in named(shelf, UNFINISHED)? {
        match File::open(&path).map(|directory| directory.try_lock()) {
            Ok(Ok(())) => discard(shelf, &path)?,
            Ok(Err(_)) => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "cannot look at a half-made snapshot"),
        }
    }
    Ok(())
}

/// Removes what is in the trash: of this delete, and of any that died before it was done.
fn empty_trash(shelf: &Shelf) -> Result<(), ProviderError> {
    for path in named(shelf, TRASH)? {
        match remove_snapshot_directory(&path) {
            Ok(()) => {}
            // Another process removes it, too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unknown(&failed("remove", &path, &error))),
        }
    }
    Ok(())
}

/// The snapshot may be gone already: a caller that looks again sees that, and a repeated delete goes on here.
fn unknown(error: &ProviderError) -> ProviderError {
    ProviderError::new(ErrorClass::OutcomeUnknown, &*error.message)
}

fn named(shelf: &Shelf, prefix: &str) -> Result<Vec<PathBuf>, ProviderError> {
    let entries = match fs::read_dir(shelf.path()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", shelf.path(), &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failing("list", shelf.path()))?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Removes a snapshot's directory, whatever it was made by.
pub(crate) fn remove_snapshot_directory(path: &Path) -> io::Result<()> {
    let contents = contents(path);
    match btrfs::is_subvolume(&contents) {
        Ok(true) => btrfs::delete(&contents)?,
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::remove_dir_all(path)
}
