//! Where the documents come from: the working directory, or a git commit.

use crate::documents::{Content, Document, read_documents};
use crate::git::{Committed, GitError, Holder, IS_LFS_POINTER, is_lfs_pointer, to_tree};
use crate::seams::StoreError;
use backstay_core::canonical::Digest;
use backstay_core::document::SourceTree;
use backstay_core::model::Origin;
use std::path::Path;

/// The documents with their origin.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The documents.
    pub tree: SourceTree,
    /// Their texts: for the copy that the state store keeps of documents that no commit holds, and to compare them.
    pub texts: Vec<(String, String)>,
    /// Where they came from.
    pub origin: Origin,
    /// Why nobody knows which commit they are, though a repository is around them.
    pub doubt: Option<GitError>,
}

/// Reads the working directory's documents, and says which commit they are, when they are in a repository.
///
/// They are *dirty* when they are not, byte by byte, those of that commit: also where a filter (line ends, LFS) or a sparse
/// checkout made them so, since the commit then does not say what was planned.
pub fn from_directory(root: &Path) -> Result<Sources, StoreError> {
    let mut documents = read_documents(root)?;
    for (_, content) in &mut documents {
        if matches!(content, Content::Bytes(bytes) if is_lfs_pointer(bytes)) {
            *content = Content::Unreadable(IS_LFS_POINTER.to_owned());
        }
    }
    let tree = to_tree(&documents);
    let digest = tree.digest();
    let held = Holder::of(root).and_then(|holder| Ok(holder.head()?.map(|commit| (holder, commit))));
    let (commit, dirty, doubt) = match held {
        Ok(Some((holder, commit))) => {
            let at_head = holder.documents(&commit.to_string()).map(|committed| to_tree(&committed.documents).digest());
            (Some(commit.to_string()), at_head.ok().as_ref() != Some(&digest), None)
        }
        Ok(None) | Err(GitError::NoRepository { .. }) => (None, false, None),
        Err(error) => (None, false, Some(error)),
    };
    Ok(Sources { tree, texts: texts(documents), origin: Origin { commit, dirty, documents: digest }, doubt })
}

/// Reads the working directory's documents alone.
pub fn from_work_tree(root: &Path) -> Result<SourceTree, StoreError> {
    Ok(to_tree(&read_documents(root)?))
}

/// Reads the documents of a commit of the repository that holds `root`: whatever git takes for the name of one, and
/// `COMMIT:DIR` for those of another directory of it.
pub fn from_commit(root: &Path, named: &str) -> Result<Sources, GitError> {
    let Committed { commit, documents } = Holder::of(root)?.documents(named)?;
    let tree = to_tree(&documents);
    let origin = Origin { commit: Some(commit.to_string()), dirty: false, documents: tree.digest() };
    Ok(Sources { tree, texts: texts(documents), origin, doubt: None })
}

fn texts(documents: Vec<Document>) -> Vec<(String, String)> {
    let text = |content| match content {
        Content::Bytes(bytes) => String::from_utf8(bytes).ok(),
        Content::Unreadable(_) | Content::TooLarge(_) => None,
    };
    documents.into_iter().filter_map(|(path, content)| Some((path, text(content)?))).collect()
}

/// The digest under which a tree without a commit is stored.
#[must_use]
pub fn key_of(documents: &Digest) -> String {
    format!("baselines/{documents}.json")
}
