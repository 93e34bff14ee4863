//! One site's directories, its time and its lock.

use crate::clock::Clock;
use crate::files::{failed, failing};
use crate::method::Method;
use backstay_provider::ProviderError;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads the host's clock.
pub(crate) type HostTime = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One site.
pub(crate) struct Place {
    root: PathBuf,
    pub(crate) clock: Clock,
    method: Mutex<Option<Method>>,
}

impl Place {
    pub(crate) fn new(root: PathBuf, host: HostTime, is_virtual: bool) -> Self {
        Self { clock: Clock::new(root.clone(), host, is_virtual), root, method: Mutex::new(None) }
    }

    /// The site's root, without symbolic links. An absent or unmounted one is an error: it is never an empty site.
    pub(crate) fn root(&self) -> Result<PathBuf, ProviderError> {
        let root = self.root.canonicalize().map_err(failing("open the site's root", &self.root))?;
        for directory in ["disks", "instances"] {
            if !root.join(directory).is_dir() {
                let is_mounted = "is it mounted? A local site has the directories `disks` and `instances`";
                let message = format!("{} has no directory `{directory}`; {is_mounted}", root.display());
                return Err(ProviderError::unavailable(message));
            }
        }
        Ok(root)
    }

    /// How this site makes snapshots: looked at once, so that what was promised stays true.
    pub(crate) fn method(&self, root: &Path) -> Result<Method, ProviderError> {
        let mut method = self.method.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(method) = *method {
            return Ok(method);
        }
        let detected = Method::detect(root).map_err(failing("look at", root))?;
        *method = Some(detected);
        Ok(detected)
    }

    /// Keeps other processes from changing names and records at the same time. Dropping the file releases it.
    pub(crate) fn lock(&self, root: &Path) -> Result<File, ProviderError> {
        lock(root)
    }
}

/// See [`Place::lock`].
pub(crate) fn lock(root: &Path) -> Result<File, ProviderError> {
    let path = root.join(".lock");
    let lock = || {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(failing("lock", &path))
}

/// An id that can be one directory's name. Others name nothing at a local site.
pub(crate) fn is_plain(id: &str) -> bool {
    !id.contains('/') && !id.starts_with('.')
}

/// The names in a directory, ordered; hidden ones are ours or the file system's.
pub(crate) fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        if let Ok(name) = entry?.file_name().into_string()
            && is_plain(&name)
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs work that waits for the disk where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ProviderError::unavailable("the process is shutting down")),
        },
    }
}

/// The text of a small file; `None` if it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, ProviderError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}
