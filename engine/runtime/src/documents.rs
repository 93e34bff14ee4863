//! The documents on disk: every file below `fleet/` and `policies/`, read once, within bounds, and never waited for.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this file is the seam to the documents' disk"
)]

use crate::seams::StoreError;
use backstay_core::document::SourceTree;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The most bytes that all documents together may have: eight times those of the largest fleets.
const LARGEST_TREE: u64 = 256 << 20;

/// A document's path, and what was read of it.
pub(crate) type Document = (String, Content);

/// What was read of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// Nothing, and why.
    Unreadable(String),
    /// Nothing, since it has so many bytes.
    TooLarge(u64),
}

/// Every document below the fleet's directory, by its path relative to it: `fleet/**` and `policies/**`.
///
/// A file that cannot be read is among them: one bad file never hides the others. A directory that cannot be listed is an
/// error, since nobody knows what is in it.
pub(crate) fn read_documents(root: &Path) -> Result<Vec<Document>, StoreError> {
    let mut walk = Walk {
        root,
        // A root that is not there holds nothing that a link could lead out of.
        real_root: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
        documents: Vec::new(),
        seen: BTreeMap::new(),
        left: LARGEST_TREE,
    };
    let mut open: Vec<PathBuf> = vec![root.join("policies"), root.join("fleet")];
    while let Some(directory) = open.pop() {
        // The first in the order of names is the next one.
        open.extend(walk.list(&directory)?.into_iter().rev());
    }
    walk.documents.sort();
    Ok(walk.documents)
}

struct Walk<'r> {
    root: &'r Path,
    real_root: PathBuf,
    documents: Vec<Document>,
    /// The directories that were listed, by device and inode.
    seen: BTreeMap<(u64, u64), String>,
    /// How many more bytes are read.
    left: u64,
}

impl Walk<'_> {
    /// Takes the documents of a directory, and gives the directories in it.
    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let failed = |cause: std::io::Error| StoreError {
            what: format!("could not list {}: {cause}; nobody knows what is declared in it", directory.display()),
            cause: Some(cause),
        };
        let metadata = match fs::metadata(directory) {
            Ok(metadata) => metadata,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(failed(cause)),
        };
        let name = self.name(directory);
        // Also what ends links that lead in a circle.
        if let Some(first) = self.seen.get(&(metadata.dev(), metadata.ino())) {
            let because = format!("it is the directory `{first}` once more: a link leads there");
            self.documents.push((name, Content::Unreadable(because)));
            return Ok(Vec::new());
        }
        self.seen.insert((metadata.dev(), metadata.ino()), name);
        let mut paths: Vec<PathBuf> = fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(failed)?;
        paths.sort();
        Ok(paths.into_iter().filter(|path| self.take(path)).collect())
    }

    /// A path relative to the fleet's directory. What is no text is shown as far as it is.
    fn name(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// Takes a file, if it is a document; tells whether the path is a directory to be listed.
    fn take(&mut self, path: &Path) -> bool {
        // Editors keep locks and copies of their own, some of them links to nowhere.
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            return false;
        }
        let name = self.name(path);
        let is_document = SourceTree::takes(&name);
        let mut refuse = |because: &str| {
            self.documents.push((name.clone(), Content::Unreadable(because.to_owned())));
            false
        };
        // Follows links: a mounted ConfigMap is made of them.
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            // It could be a directory of documents.
            Err(cause) if is_document || path.is_symlink() => return refuse(&of_a_link(&cause)),
            Err(_) => return false,
        };
        let is_outside = || fs::canonicalize(path).map_or(true, |real| !real.starts_with(&self.real_root));
        if (is_document || metadata.is_dir()) && path.is_symlink() && is_outside() {
            return refuse(
                "it is a link that leads out of the fleet's directory, and what is there is nobody's to review",
            );
        }
        match (metadata.is_dir(), is_document) {
            (true, true) => refuse("it is a directory, and has the name of a document"),
            (true, false) => true,
            (false, true) if path.to_str().is_none() => refuse("its name is not UTF-8"),
            (false, true) => {
                let content = self.read(path).unwrap_or_else(|cause| Content::Unreadable(told(&cause)));
                self.documents.push((name, content));
                false
            }
            (false, false) => false,
        }
    }

    /// Reads a file, if it is one. It is opened without waiting: a pipe without a writer would never answer.
    fn read(&mut self, path: &Path) -> std::io::Result<Content> {
        if let Some(kind) = special(fs::metadata(path)?.file_type()) {
            return Ok(Content::Unreadable(format!("it is {kind}, and no file")));
        }
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if let Some(kind) = special(metadata.file_type()) {
            return Ok(Content::Unreadable(format!("it is {kind}, and no file")));
        }
        self.read_bounded(&file, metadata.len())
    }

    /// Reads no more than a document may have, whatever the file says of its own size.
    fn read_bounded(&mut self, file: &File, size: u64) -> std::io::Result<Content> {
        let most = SourceTree::LARGEST_FILE;
        if size > most {
            return Ok(Content::TooLarge(size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let length = file.take(most + 1).read_to_end(&mut bytes)? as u64;
        if length > most {
            return Ok(Content::TooLarge(length));
        }
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(Content::Bytes(bytes))
            }
            None => {
                let most = LARGEST_TREE >> 20;
                Ok(Content::Unreadable(format!("all documents before it have {most} MiB, and more are not read")))
            }
        }
    }
}

/// What is at a path that is no regular file.
fn special(kind: FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    }
}

/// Why the end of a link is not reached.
fn of_a_link(cause: &std::io::Error) -> String {
    if cause.kind() == ErrorKind::NotFound {
        "it is a link to nothing".to_owned()
    } else if cause.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        "it is a link that leads in a circle".to_owned()
    } else {
        told(cause)
    }
}

/// An error of the disk, without its number.
fn told(cause: &std::io::Error) -> String {
    let text = cause.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
