//! The state store in a directory: the embedded default.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this file is the seam to the disk")]

use crate::seams::{StateStore, StoreError, check_key};
use async_trait::async_trait;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A directory as a state store. Every write is fsynced, file and directory, before it is answered.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
}

impl FileStore {
    /// A store below this directory, which is made by the first write.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        Ok(self.root.join(key))
    }

    /// Makes the directory that a key lies in. The store's own is told to git when it is made: state is never committed.
    fn make_parent<'a>(&'a self, path: &'a Path) -> Result<&'a Path, StoreError> {
        if !self.root.is_dir() {
            make_directory(&self.root)?;
            ignore(&self.root, "*")?;
        }
        let parent = path.parent().unwrap_or(&self.root);
        make_directory(parent)?;
        Ok(parent)
    }

    /// Whole or not at all: a temporary file, then the name.
    fn write(&self, path: &Path, value: &[u8]) -> Result<(), StoreError> {
        let parent = self.make_parent(path)?;
        let failed = |cause| failed("could not write", path, cause);
        let temporary = Temporary::write(parent, value, 0o666).map_err(failed)?;
        fs::rename(&temporary.0, path).map_err(failed)?;
        sync_directory(parent)
    }

    /// One writer at a time, among all processes, for what must look before it writes.
    fn lock(&self) -> Result<File, StoreError> {
        self.make_parent(&self.root.join(".lock"))?;
        let path = self.root.join(".lock");
        let failed = |cause| failed("could not lock", &path, cause);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

/// A whole and durable file under a name that nobody reads; it is gone when this is dropped, if it was not renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn write(directory: &Path, value: &[u8], mode: u32) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        loop {
            let path = directory.join(format!(".tmp-{}-{}", std::process::id(), unique()));
            let mut file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
                Ok(file) => file,
                // A killed run of the same process id left it, as containers do: theirs is always 1.
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => continue,
                Err(cause) => return Err(cause),
            };
            let temporary = Self(path);
            file.write_all(value)?;
            file.sync_all()?;
            return Ok(temporary);
        }
    }

    /// Gives it a name, and says whether that was free: create-only, even between processes.
    fn link(&self, path: &Path) -> std::io::Result<bool> {
        match fs::hard_link(&self.0, path) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => Err(cause),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is none; any other failure leaves a hidden file that nobody reads.
        let _ = fs::remove_file(&self.0);
    }
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Tells git to leave this be, where nobody has told it anything yet.
fn ignore(directory: &Path, pattern: &str) -> Result<(), StoreError> {
    let path = directory.join(".gitignore");
    let failed = |cause| failed("could not write", &path, cause);
    let temporary = Temporary::write(directory, format!("{pattern}\n").as_bytes(), 0o666).map_err(failed)?;
    temporary.link(&path).map(|_| ()).map_err(failed)
}

fn failed(what: &str, path: &Path, cause: std::io::Error) -> StoreError {
    StoreError { what: format!("{what} {}: {cause}", path.display()), cause: Some(cause) }
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_directory),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(failed("could not make directory", path, cause)),
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|cause| failed("could not sync", path, cause))
}

#[async_trait]
impl StateStore for FileStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(key)?;
        match fs::read(&path) {
            Ok(value) => Ok(Some(value)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(failed("could not read", &path, cause)),
        }
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        let parent = self.make_parent(&path)?;
        let report = |cause| failed("could not write", &path, cause);
        let is_new =
            Temporary::write(parent, value, 0o666).and_then(|temporary| temporary.link(&path)).map_err(report)?;
        if is_new {
            sync_directory(parent)?;
        }
        Ok(is_new)
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(&self.path(key)?, value)
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        let path = self.path(key)?;
        let _one_at_a_time = self.lock()?;
        if self.get(key).await?.as_deref() != expected {
            return Ok(false);
        }
        self.write(&path, value).map(|()| true)
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let path = self.path(key)?;
        let is_new = !path.exists();
        let parent = self.make_parent(&path)?;
        let report = |cause| failed("could not append to", &path, cause);
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(report)?;
        file.write_all(value).and_then(|()| file.sync_data()).map_err(report)?;
        if is_new { sync_directory(parent) } else { Ok(()) }
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), sync_directory),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(failed("could not remove", &path, cause)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut keys = Vec::new();
        let start = match prefix.rsplit_once('/') {
            Some((directory, _)) => self.path(directory)?,
            None => self.root.clone(),
        };
        let mut open = vec![start];
        while let Some(directory) = open.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                // A prefix that ends in a record's own name has nothing below it.
                Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                Err(cause) => return Err(failed("could not list", &directory, cause)),
            };
            for entry in entries {
                let entry = entry.map_err(|cause| failed("could not list", &directory, cause))?;
                let path = entry.path();
                let kind = entry.file_type().map_err(|cause| failed("could not list", &path, cause))?;
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                let relative = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
                match relative {
                    _ if is_hidden => {}
                    _ if kind.is_dir() => open.push(path),
                    Some(key) if key.starts_with(prefix) => keys.push(key.to_owned()),
                    Some(_) | None => {}
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }
}

/// The host's disk, for key files.
#[derive(Debug, Clone, Copy)]
pub struct HostKeyDisk;

impl crate::keys::KeyDisk for HostKeyDisk {
    fn read(&self, path: &Path) -> Result<Option<String>, StoreError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(failed("could not read", path, cause)),
        }
    }

    fn create(&self, path: &Path, content: &str) -> Result<bool, StoreError> {
        let parent = path.parent().unwrap_or(Path::new("."));
        make_directory(parent)?;
        let report = |cause| failed("could not make key", path, cause);
        if let Some(name) = path.file_name() {
            ignore(parent, &format!("/{}", name.display()))?;
        }
        // Whole or not at all: half a key would be taken for a damaged one, and never be replaced.
        let temporary = Temporary::write(parent, content.as_bytes(), 0o600).map_err(report)?;
        let is_new = temporary.link(path).map_err(report)?;
        sync_directory(parent)?;
        Ok(is_new)
    }
}
