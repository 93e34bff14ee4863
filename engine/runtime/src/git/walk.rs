//! The documents below one directory of a commit's tree, as a work tree of it would have them: links followed, submodules
//! entered where they are here.

use super::directory;
use crate::documents::{Content, Document};
use backstay_core::document::SourceTree;
use git2::{ErrorCode, ObjectType, Repository, Tree, TreeEntry};
use std::path::{Component, Path, PathBuf};

/// Links that lead to links, and directories within directories, beyond which nobody means it.
const DEEPEST: usize = 64;
const MOST_LINKS: usize = 8;

/// A file's mode that makes it a link.
const LINK: i32 = 0o120_000;

/// The first line of what Git LFS puts in a file's place.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// What a document is told to be when it is the placeholder of Git LFS.
pub(crate) fn is_lfs_pointer(content: &[u8]) -> bool {
    content.len() < 1024 && content.starts_with(LFS)
}

/// Why such a file is no document.
pub(crate) const IS_LFS_POINTER: &str = "it is only a pointer of Git LFS: keep documents out of LFS (.gitattributes), or run `git lfs pull` and plan the work tree";

pub(super) struct Walk<'r> {
    repository: &'r Repository,
    /// The top of the commit: links may lead anywhere below it.
    top: &'r Tree<'r>,
}

/// How far the walk has come.
#[derive(Clone, Copy)]
struct Depth {
    directories: usize,
    links: usize,
}

impl<'r> Walk<'r> {
    pub(super) fn new(repository: &'r Repository, top: &'r Tree<'r>) -> Self {
        Self { repository, top }
    }

    /// Every document of the fleet in this directory; `None` when there is no such directory.
    pub(super) fn documents(&self, prefix: &Path) -> Result<Option<Vec<Document>>, git2::Error> {
        let Some(fleet) = directory(self.repository, self.top, prefix)? else { return Ok(None) };
        let mut documents = Vec::new();
        // A monorepo's other directories are not looked into.
        for name in ["fleet", "policies"] {
            if let Some(entry) = fleet.get_name(name) {
                self.entry(&entry, name, &prefix.join(name), Depth { directories: 0, links: 0 }, &mut documents)?;
            }
        }
        documents.sort();
        Ok(Some(documents))
    }

    fn tree(
        &self,
        tree: &Tree<'_>,
        path: &str,
        place: &Path,
        depth: Depth,
        documents: &mut Vec<Document>,
    ) -> Result<(), git2::Error> {
        for entry in tree {
            let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            if name.starts_with('.') {
                continue;
            }
            let below = format!("{path}/{name}");
            if entry.name().is_err() {
                tell(documents, below, "its name is not UTF-8");
                continue;
            }
            let depth = Depth { directories: depth.directories + 1, ..depth };
            if depth.directories > DEEPEST {
                documents.push((path.to_owned() + "/.yaml", Content::Unreadable("it lies too deep".to_owned())));
                continue;
            }
            self.entry(&entry, &below, &place.join(&name), depth, documents)?;
        }
        Ok(())
    }

    /// One entry: `path` is its name in the fleet, `place` where it is in the commit.
    fn entry(
        &self,
        entry: &TreeEntry<'_>,
        path: &str,
        place: &Path,
        depth: Depth,
        documents: &mut Vec<Document>,
    ) -> Result<(), git2::Error> {
        match entry.kind() {
            Some(ObjectType::Tree) => {
                let tree = self.repository.find_tree(entry.id())?;
                self.tree(&tree, path, place, depth, documents)
            }
            Some(ObjectType::Blob) if entry.filemode() == LINK => self.link(entry, path, place, depth, documents),
            Some(ObjectType::Blob) if SourceTree::takes(path) => {
                documents.push((path.to_owned(), self.content(entry)?));
                Ok(())
            }
            Some(ObjectType::Commit) => self.submodule(entry, path, place, documents),
            Some(ObjectType::Blob | ObjectType::Any | ObjectType::Tag) | None => Ok(()),
        }
    }

    fn content(&self, entry: &TreeEntry<'_>) -> Result<Content, git2::Error> {
        let (size, _) = self.repository.odb()?.read_header(entry.id())?;
        let size = size as u64;
        if size > SourceTree::LARGEST_FILE {
            return Ok(Content::TooLarge(size));
        }
        let blob = self.repository.find_blob(entry.id())?;
        Ok(match is_lfs_pointer(blob.content()) {
            true => Content::Unreadable(IS_LFS_POINTER.to_owned()),
            false => Content::Bytes(blob.content().to_vec()),
        })
    }

    /// What a link leads to, as long as that is in the commit too.
    fn link(
        &self,
        entry: &TreeEntry<'_>,
        path: &str,
        place: &Path,
        depth: Depth,
        documents: &mut Vec<Document>,
    ) -> Result<(), git2::Error> {
        let blob = self.repository.find_blob(entry.id())?;
        let target = String::from_utf8_lossy(blob.content()).into_owned();
        let Some(to) = place.parent().and_then(|parent| joined(parent, Path::new(&target))) else {
            tell(documents, path.to_owned(), &format!("it is a link to {target}, which is not in the repository"));
            return Ok(());
        };
        let depth = Depth { links: depth.links + 1, ..depth };
        if depth.links > MOST_LINKS {
            tell(documents, path.to_owned(), "too many links lead to links");
            return Ok(());
        }
        match self.top.get_path(&to) {
            Ok(found) => self.entry(&found, path, &to, depth, documents),
            Err(error) if error.code() == ErrorCode::NotFound => {
                tell(documents, path.to_owned(), &format!("it is a link to {target}, which is not there"));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A submodule's documents are in its own repository, where that is here.
    fn submodule(
        &self,
        entry: &TreeEntry<'_>,
        path: &str,
        place: &Path,
        documents: &mut Vec<Document>,
    ) -> Result<(), git2::Error> {
        let name = place.to_string_lossy();
        let opened = self.repository.find_submodule(&name).and_then(|submodule| submodule.open());
        let here = opened.and_then(|inner| {
            let top = inner.find_commit(entry.id())?.tree()?;
            let mut found = Vec::new();
            Walk::new(&inner, &top).tree(&top, path, Path::new(""), Depth { directories: 0, links: 0 }, &mut found)?;
            Ok(found)
        });
        match here {
            Ok(found) => documents.extend(found),
            Err(error) => {
                let because = format!(
                    "the submodule {name} is not here at {} ({}): `git submodule update --init {name}`",
                    super::brief(entry.id()),
                    error.message()
                );
                // A path that documents are read from, so that nobody takes what is in there for absent.
                documents.push((format!("{path}/submodule.yaml"), Content::Unreadable(because)));
            }
        }
        Ok(())
    }
}

/// Reports a file that would be a document; others may be as they like.
fn tell(documents: &mut Vec<Document>, path: String, because: &str) {
    if SourceTree::takes(&path) {
        documents.push((path, Content::Unreadable(because.to_owned())));
    }
}

/// A relative path from a directory; `None` when it leads out of the commit.
fn joined(directory: &Path, target: &Path) -> Option<PathBuf> {
    let mut to = directory.to_path_buf();
    for part in target.components() {
        match part {
            Component::Normal(name) => to.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !to.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(to)
}
