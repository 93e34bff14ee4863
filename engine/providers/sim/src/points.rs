//! The files beside labelled points: `points/<cluster>/<point>/<name>`.

use crate::durable;
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::tags::PointKey;
use backstay_provider::{PointFileId, ProviderError};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// One site's point files.
#[derive(Debug)]
pub(crate) struct Points {
    site: SiteName,
    root: PathBuf,
}

impl Points {
    pub(crate) fn new(site: SiteName, root: PathBuf) -> Self {
        Self { site, root }
    }

    pub(crate) fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError> {
        let path = self.path(id)?;
        let kept = self.store(&path, bytes).map_err(|error| self.failed("keep", id, &error))?;
        if kept {
            Ok(())
        } else {
            let message = "it is there already, with other bytes";
            Err(ProviderError::invalid(format!("site `{}`: keep {}: {message}", self.site, shown(id))))
        }
    }

    pub(crate) fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        let path = self.path(id)?;
        read(&path).map(|bytes| bytes.map(Bytes::from)).map_err(|error| self.failed("read", id, &error))
    }

    /// Every point that has a directory.
    pub(crate) fn list(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        let failed =
            |error: io::Error| ProviderError::unavailable(format!("site `{}`: list points: {error}", self.site));
        let mut points = Vec::new();
        for cluster in names_in(&self.root).map_err(failed)? {
            let Ok(uid) = ClusterUid::new(&cluster) else { continue };
            let names = names_in(&self.root.join(&cluster)).map_err(failed)?;
            points.extend(names.iter().filter_map(|name| Some((uid.clone(), name.parse().ok()?))));
        }
        Ok(points)
    }

    pub(crate) fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
        let directory = self.directory(cluster, point);
        self.forget(&directory).map_err(|error| {
            let what = format!("remove the files of point `{point}` of cluster `{cluster}`");
            ProviderError::unavailable(format!("site `{}`: {what}: {error}", self.site))
        })
    }

    /// Keeps a file; `false` if its name is taken by other bytes.
    fn store(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        let directory = path.parent().expect("a point's file lies in the point's directory");
        durable::create_dir_all(&self.root)?;
        // Between the look and the rename nobody else may put the same name, nor remove the point.
        let _lock = self.lock()?;
        if let Some(there) = read(path)? {
            // Whoever wrote it may have died before its name was durable.
            durable::sync_dir(directory)?;
            return Ok(there == bytes);
        }
        durable::create_dir_all(directory)?;
        // One name is enough under the lock, and what a crash left there is written over.
        let temporary = self.root.join(".incoming");
        write_sparsely(&temporary, bytes)?;
        fs::rename(&temporary, path)?;
        durable::sync_dir(directory)?;
        Ok(true)
    }

    fn forget(&self, directory: &Path) -> io::Result<()> {
        if !directory.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        durable::sync_dir(directory.parent().expect("a point's directory lies in its cluster's"))
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.root.join(".lock");
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn directory(&self, cluster: &ClusterUid, point: PointKey) -> PathBuf {
        self.root.join(cluster.as_str()).join(point.to_string())
    }

    /// The path of a file whose name cannot climb out, nor meet our own files.
    fn path(&self, id: &PointFileId) -> Result<PathBuf, ProviderError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let is_segment =
            |text: &str| !text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.bytes().all(plain);
        let mut segments = id.name.split('/');
        if segments.clone().count() > 2 || !segments.all(is_segment) {
            let rule = "a name is one or two parts of letters, digits, `_`, `-` and `.`, and no part begins with `.`";
            let name = id.name.escape_debug();
            return Err(ProviderError::invalid(format!(
                "site `{}`: `{name}` names no point's file: {rule}",
                self.site
            )));
        }
        Ok(self.directory(&id.cluster, id.point).join(&id.name))
    }

    fn failed(&self, verb: &str, id: &PointFileId, error: &io::Error) -> ProviderError {
        ProviderError::unavailable(format!("site `{}`: {verb} {}: {error}", self.site, shown(id)))
    }
}

fn shown(id: &PointFileId) -> String {
    format!("`{}` of point `{}` of cluster `{}`", id.name, id.point, id.cluster)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file durably, and leaves the zeros at its end to the file system: a fleet's segments are mostly that.
fn write_sparsely(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Block by block: a comparison of memory is quick even where nothing is optimised.
    static BLOCK: [u8; 64 << 10] = [0; 64 << 10];
    let blocks = bytes.rchunks(BLOCK.len());
    let zeros: usize = blocks.take_while(|block| **block == BLOCK[..block.len()]).map(<[u8]>::len).sum();
    let used = bytes.len() - zeros;
    let mut file = File::create(path)?;
    file.write_all(&bytes[..used])?;
    file.set_len(u64::try_from(bytes.len()).expect("a length fits 64 bits"))?;
    file.sync_all()
}

/// The names in a directory; none where there is no directory.
fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(directory) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
