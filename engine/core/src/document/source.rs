//! The files that the documents are read from, as bytes. Who reads them, from a directory or from a git commit, is not
//! known here.

use crate::canonical::{self, Digest};
use std::collections::BTreeMap;

/// All files under `fleet/` and `policies/` that documents are read from, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceTree(BTreeMap<String, Source>);

/// What is known about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// Its content, in whatever encoding.
    Bytes(Vec<u8>),
    /// It is there, and could not be read.
    Unreadable(String),
    /// It is there, and was not read: it has so many bytes.
    TooLarge(u64),
}

/// Why a file has no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent<'s> {
    /// It could not be read.
    Unreadable(&'s str),
    /// It was not read: it has so many bytes.
    TooLarge(u64),
}

impl SourceTree {
    /// The most bytes that a file may have. Larger ones are not configuration: the 10,000 clusters of the largest fleets are 8 MiB.
    pub const LARGEST_FILE: u64 = 16 << 20;

    /// No files yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether documents are read from a file of this path: `.yaml`, `.yml` and `.json` under `fleet/` and `policies/`.
    /// What begins with a dot, as editors' and tools' own files do, is not read.
    #[must_use]
    pub fn takes(path: &str) -> bool {
        let known_root = path.starts_with("fleet/") || path.starts_with("policies/");
        let known_form = [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending));
        known_root && known_form && !path.split('/').any(|part| part.is_empty() || part.starts_with('.'))
    }

    /// Adds a file, or replaces it.
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), Source::Bytes(content.into()));
    }

    /// Adds a file that is there but could not be read: it is reported, and nobody takes it for absent.
    pub fn insert_unreadable(&mut self, path: impl Into<String>, because: impl Into<String>) {
        self.0.insert(path.into(), Source::Unreadable(because.into()));
    }

    /// Adds a file that has more bytes than are read ([`Self::LARGEST_FILE`]), without them.
    pub fn insert_too_large(&mut self, path: impl Into<String>, bytes: u64) {
        self.0.insert(path.into(), Source::TooLarge(bytes));
    }

    /// Every path, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is a file of this path.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Whether there is no file at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes all files have together that could be read.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, content)| content.map_or(0, <[u8]>::len)).sum()
    }

    /// Each file with its bytes, or with why there are none.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Result<&[u8], Absent<'_>>)> {
        self.0.iter().map(|(path, source)| (path.as_str(), source.content()))
    }

    /// One file's bytes, or why there are none.
    pub(crate) fn get(&self, path: &str) -> Option<Result<&[u8], Absent<'_>>> {
        self.0.get(path).map(Source::content)
    }

    /// The digest over every file's path and bytes, whatever the order they were added in.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let digests: BTreeMap<&str, Option<Digest>> =
            self.iter().map(|(path, content)| (path, content.ok().map(Digest::of))).collect();
        canonical::digest(&digests)
    }
}

impl Source {
    fn content(&self) -> Result<&[u8], Absent<'_>> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Unreadable(because) => Err(Absent::Unreadable(because)),
            Self::TooLarge(bytes) => Err(Absent::TooLarge(*bytes)),
        }
    }
}

impl<P: Into<String>, C: Into<Vec<u8>>> FromIterator<(P, C)> for SourceTree {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let mut tree = Self::new();
        for (path, content) in files {
            tree.insert(path, content);
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_knows_paths_and_bytes_but_no_order() {
        let one: SourceTree = [("fleet/a.yaml", "a"), ("fleet/b.yaml", "b")].into_iter().collect();
        let other: SourceTree = [("fleet/b.yaml", "b"), ("fleet/a.yaml", "a")].into_iter().collect();
        assert_eq!(one.digest(), other.digest());
        for (a, b) in [(("fleet/a.yaml", "b"), ("fleet/b.yaml", "a")), (("fleet/a.yaml", "a"), ("fleet/c.yaml", "b"))] {
            assert_ne!(one.digest(), [a, b].into_iter().collect::<SourceTree>().digest());
        }
        let mut unread = one.clone();
        unread.insert_unreadable("fleet/b.yaml", "permission denied");
        assert_ne!(one.digest(), unread.digest());
    }

    #[test]
    fn editors_files_are_not_documents() {
        for path in ["fleet/fleet.yaml", "fleet/clusters/a.yml", "policies/gold.json"] {
            assert!(SourceTree::takes(path), "{path}");
        }
        for path in ["fleet/.a.yaml.swp.yaml", "fleet/.git/x.yaml", "docs/a.yaml", "fleet/README.md", "fleet.yaml"] {
            assert!(!SourceTree::takes(path), "{path}");
        }
    }
}
