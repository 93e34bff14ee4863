//! Files that count only once they are durable.

use backstay_provider::{ErrorClass, ProviderError};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a directory's entries durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes one directory level, durably. One that is there may have been made by a run that died before its sync.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    // Snapshots and WAL hold a database's contents: they are for the one who runs Backstay.
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_directory(path.parent().unwrap_or(Path::new("/")))
}

/// Replaces a file atomically and durably. Callers hold the lock that guards it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let temporary = directory.join(unique(".tmp-file"));
    let written = write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(directory));
    if written.is_err() {
        // What failed is told; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a new file and syncs its bytes; its name is not durable yet.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name that no other process on this host uses now, and no other call in this one.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    // A process of the same id may have died here before: the time keeps them apart.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}-{}-{:x}-{count}", std::process::id(), since.as_nanos())
}

/// Names the path in an error of the operating system, and classes it.
pub(crate) fn failed(doing: &str, path: &Path, error: &io::Error) -> ProviderError {
    use io::ErrorKind as Kind;
    let is_any_of = |kinds: [Kind; 2]| kinds.contains(&error.kind());
    let class = if is_any_of([Kind::PermissionDenied, Kind::ReadOnlyFilesystem]) {
        ErrorClass::Denied
    } else if is_any_of([Kind::StorageFull, Kind::QuotaExceeded]) {
        ErrorClass::QuotaExceeded
    } else {
        ErrorClass::Unavailable
    };
    ProviderError::new(class, format!("cannot {doing} {}: {error}", path.display()))
}

/// For `map_err`.
pub(crate) fn failing<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> ProviderError + 'a {
    move |error| failed(doing, path, &error)
}
