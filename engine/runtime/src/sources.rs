//! Where the documents come from: the working directory, or a git commit.

use crate::documents::{Content, Document, read_documents};
use crate::seams::StoreError;
use backstay_core::canonical::Digest;
use backstay_core::document::SourceTree;
use backstay_core::model::Origin;
use git2::{ObjectType, Repository, TreeWalkMode, TreeWalkResult};
use std::path::{Path, PathBuf};

/// The documents with their origin.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The documents.
    pub tree: SourceTree,
    /// Their texts, for the copy that the state store keeps of documents that no commit holds.
    pub texts: Vec<(String, String)>,
    /// Where they came from.
    pub origin: Origin,
}

fn to_tree(documents: &[Document]) -> SourceTree {
    let mut tree = SourceTree::new();
    for (path, content) in documents {
        match content {
            Content::Bytes(bytes) => tree.insert(path.as_str(), bytes.as_slice()),
            Content::Unreadable(because) => tree.insert_unreadable(path.as_str(), because.as_str()),
            Content::TooLarge(bytes) => tree.insert_too_large(path.as_str(), *bytes),
        }
    }
    tree
}

/// Reads the working directory's documents, and says which commit they are, when they are in a repository.
pub fn from_directory(root: &Path) -> Result<Sources, StoreError> {
    let documents = read_documents(root)?;
    let tree = to_tree(&documents);
    let texts = documents
        .into_iter()
        .filter_map(|(path, content)| match content {
            Content::Bytes(bytes) => Some((path, String::from_utf8(bytes).ok()?)),
            Content::Unreadable(_) | Content::TooLarge(_) => None,
        })
        .collect();
    let digest = tree.digest();
    let head = head_of(root);
    let (commit, dirty) = match head {
        Some((repository, prefix, commit)) => {
            let at_head = tree_at(&repository, &prefix, &commit).map(|tree| tree.digest());
            (Some(commit), at_head.ok().as_ref() != Some(&digest))
        }
        None => (None, false),
    };
    Ok(Sources { tree, texts, origin: Origin { commit, dirty, documents: digest } })
}

/// Reads the documents of a commit of the repository that holds `root`.
pub fn from_commit(root: &Path, commit: &str) -> Result<Sources, StoreError> {
    let failed = |error: &git2::Error| StoreError::new(format!("could not read commit {commit}: {}", error.message()));
    let repository = Repository::discover(root).map_err(|error| failed(&error))?;
    let prefix = prefix_of(&repository, root)
        .ok_or_else(|| StoreError::new(format!("{} is not in the repository's work tree", root.display())))?;
    let tree = tree_at(&repository, &prefix, commit).map_err(|error| failed(&error))?;
    let documents = tree.digest();
    let origin = Origin { commit: Some(commit.to_owned()), dirty: false, documents };
    Ok(Sources { tree, texts: Vec::new(), origin })
}

fn head_of(root: &Path) -> Option<(Repository, PathBuf, String)> {
    let repository = Repository::discover(root).ok()?;
    let prefix = prefix_of(&repository, root)?;
    let commit = repository.head().ok()?.peel_to_commit().ok()?.id().to_string();
    Some((repository, prefix, commit))
}

/// The fleet's directory relative to the repository's work tree.
fn prefix_of(repository: &Repository, root: &Path) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "two spellings of one directory must compare as one")]
    let (work_tree, root) = (repository.workdir()?.canonicalize().ok()?, root.canonicalize().ok()?);
    root.strip_prefix(work_tree).ok().map(Path::to_path_buf)
}

fn tree_at(repository: &Repository, prefix: &Path, commit: &str) -> Result<SourceTree, git2::Error> {
    let commit = repository.revparse_single(commit)?.peel_to_commit()?;
    let mut tree = commit.tree()?;
    if !prefix.as_os_str().is_empty() {
        let entry = tree.get_path(prefix)?;
        tree = entry.to_object(repository)?.peel_to_tree()?;
    }
    let mut documents = Vec::new();
    let mut failure = None;
    tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
        let Ok(name) = entry.name() else { return TreeWalkResult::Ok };
        let path = format!("{directory}{name}");
        if entry.kind() == Some(ObjectType::Blob) && SourceTree::takes(&path) {
            match repository.find_blob(entry.id()) {
                Ok(blob) if blob.size() as u64 > SourceTree::LARGEST_FILE => {
                    documents.push((path, Content::TooLarge(blob.size() as u64)));
                }
                Ok(blob) => documents.push((path, Content::Bytes(blob.content().to_vec()))),
                Err(error) => failure = Some(error),
            }
        }
        TreeWalkResult::Ok
    })?;
    failure.map_or_else(|| Ok(to_tree(&documents)), Err)
}

/// The digest under which a tree without a commit is stored.
#[must_use]
pub fn key_of(documents: &Digest) -> String {
    format!("baselines/{documents}.json")
}
