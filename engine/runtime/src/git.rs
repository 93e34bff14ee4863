//! The documents of a commit: found by one look-up of trees, whatever the length of the history.
//!
//! Works in a work tree or below it, in a linked work tree, in a bare repository, in shallow and partial clones as far as
//! they reach, and over borrowed objects. Nothing is fetched and nothing is written: what is missing is said, with the
//! command that brings it.

mod error;
mod walk;

use crate::documents::{Content, Document};
pub use error::GitError;
pub(crate) use walk::{IS_LFS_POINTER, is_lfs_pointer};

use backstay_core::document::SourceTree;
use git2::{ErrorClass, ErrorCode, Object, ObjectType, Oid, Repository, Tree};
use std::path::{Path, PathBuf};

/// The repository that holds a fleet, and where in it the fleet is.
pub(crate) struct Holder {
    repository: Repository,
    /// The fleet's directory relative to the top of a commit's tree.
    prefix: PathBuf,
    /// The directory, for messages.
    root: PathBuf,
}

/// The documents of one commit.
pub(crate) struct Committed {
    pub(crate) commit: Oid,
    /// Each by its path, with its bytes or why there are none.
    pub(crate) documents: Vec<Document>,
}

impl Holder {
    /// Finds the repository around a directory.
    pub(crate) fn of(root: &Path) -> Result<Self, GitError> {
        let repository = Repository::discover(root).map_err(|error| GitError::of_discovery(root, &error))?;
        let outside = || GitError::Outside { directory: root.display().to_string() };
        let prefix = prefix_of(&repository, root).ok_or_else(outside)?;
        Ok(Self { repository, prefix, root: root.to_owned() })
    }

    /// The commit that is checked out; `None` when there is none yet.
    pub(crate) fn head(&self) -> Result<Option<Oid>, GitError> {
        match self.repository.head() {
            Ok(head) => match head.peel_to_commit() {
                Ok(commit) => Ok(Some(commit.id())),
                Err(error) => Err(self.named("HEAD", &error)),
            },
            Err(error) if is_unborn(&error) => Ok(None),
            Err(error) => Err(self.named("HEAD", &error)),
        }
    }

    /// The documents of what a person names: a branch, a tag, a commit's id or its beginning, `HEAD~2`; with `:DIR` after
    /// it, those of another directory of that commit.
    pub(crate) fn documents(&self, spec: &str) -> Result<Committed, GitError> {
        let (named, prefix) = match split(spec) {
            Some(("", _)) => return Err(GitError::NoName { named: spec.to_owned() }),
            Some((named, directory)) => (named, PathBuf::from(directory.trim_matches('/'))),
            None if spec.is_empty() => return Err(GitError::NoName { named: String::new() }),
            None => (spec, self.prefix.clone()),
        };
        let commit = self.object(named)?.peel_to_commit().map_err(|error| self.not_a_commit(named, &error))?;
        let id = commit.id();
        let top = commit.tree().map_err(|error| self.incomplete(id, &error))?;
        let walk = walk::Walk::new(&self.repository, &top);
        let documents = walk.documents(&prefix).map_err(|error| self.incomplete(id, &error))?;
        let Some(documents) = documents else {
            let directory = if prefix.as_os_str().is_empty() { ".".into() } else { prefix };
            return Err(GitError::NoDirectory {
                commit: brief(id),
                named: named.to_owned(),
                directory: directory.display().to_string(),
            });
        };
        Ok(Committed { commit: id, documents })
    }

    /// The object that a name stands for. A branch or tag comes before an id that it looks like, as git has it.
    fn object(&self, named: &str) -> Result<Object<'_>, GitError> {
        let reference = self.repository.resolve_reference_from_short_name(named);
        match reference.and_then(|reference| reference.peel(ObjectType::Any)) {
            Ok(object) => Ok(object),
            Err(_) => self.repository.revparse_single(named).map_err(|error| self.named(named, &error)),
        }
    }

    fn not_a_commit(&self, named: &str, error: &git2::Error) -> GitError {
        if error.code() == ErrorCode::NotFound {
            return self.named(named, error);
        }
        GitError::NotACommit { named: named.to_owned() }
    }

    /// Why a name stands for nothing here.
    fn named(&self, named: &str, error: &git2::Error) -> GitError {
        let named = named.to_owned();
        let is_code = |code: ErrorCode| error.code() == code;
        let is_form =
            matches!(error.class(), ErrorClass::Invalid | ErrorClass::None | ErrorClass::Reference | ErrorClass::Regex);
        if is_code(ErrorCode::Ambiguous) {
            GitError::Ambiguous { named }
        } else if is_code(ErrorCode::UnbornBranch)
            || (named.starts_with("HEAD") && self.repository.head().is_err_and(|error| is_unborn(&error)))
        {
            GitError::Unborn
        } else if is_code(ErrorCode::NotFound) {
            let hint = self.hint(&named);
            GitError::Unknown { named, hint }
        } else if is_code(ErrorCode::InvalidSpec) || is_form {
            GitError::NoName { named }
        } else {
            GitError::broken(&self.root, error)
        }
    }

    /// What to do about a name that stands for nothing.
    fn hint(&self, named: &str) -> String {
        let head = || std::iter::once("HEAD".to_owned());
        let names = || self.repository.references().ok().into_iter().flatten().flatten().take(MOST_NAMES);
        let shorthand = |reference: git2::Reference<'_>| reference.shorthand().ok().map(str::to_owned);
        let of_remote =
            names().filter_map(shorthand).find(|name| name.split_once('/').is_some_and(|(_, rest)| rest == named));
        if let Some(remote) = of_remote {
            return format!("did you mean `{remote}`?");
        }
        let distance = |name: &str| strsim::damerau_levenshtein(name, named);
        let nearest = head().chain(names().filter_map(shorthand)).min_by_key(|name| distance(name));
        let is_plain = !named.contains(['~', '^', '@']);
        if let Some(name) = nearest.filter(|name| is_plain && distance(name) <= 1 + named.chars().count() / 5) {
            return format!("did you mean `{name}`?");
        }
        let is_id = named.len() >= 7 && named.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (self.repository.is_shallow(), is_id) {
            (true, true) => format!(
                "this clone is shallow: `git fetch --depth=1 origin {named}` brings that commit, `git fetch --unshallow` all of them"
            ),
            (true, false) if named.contains(['~', '^']) => {
                "this clone is shallow and does not reach so far back: `git fetch --deepen=10`, or `git fetch --unshallow`".to_owned()
            }
            (true, false) => format!(
                "this clone is shallow: `git fetch --depth=1 origin {named}:{named}` brings it, `git fetch --unshallow` all history"
            ),
            (false, _) => "`git fetch` brings what others have pushed; `git branch -a` and `git tag` list what is here".to_owned(),
        }
    }

    /// Why a commit's documents cannot be read.
    fn incomplete(&self, commit: Oid, error: &git2::Error) -> GitError {
        if error.code() == ErrorCode::NotFound {
            return GitError::Incomplete { commit: brief(commit), missing: error.message().to_owned() };
        }
        GitError::broken(&self.root, error)
    }
}

fn is_unborn(error: &git2::Error) -> bool {
    matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound)
}

/// `COMMIT:DIR` in its parts; a colon within braces belongs to the commit's name, as in `HEAD@{12:00}`.
fn split(spec: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let at = spec.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })?;
    Some((&spec[..at], &spec[at + 1..]))
}

/// How many names are looked at for the one that was meant.
const MOST_NAMES: usize = 20_000;

/// The tree of documents that these are.
pub(crate) fn to_tree(documents: &[Document]) -> SourceTree {
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

fn brief(id: Oid) -> String {
    let mut text = id.to_string();
    text.truncate(10);
    text
}

/// The fleet's directory relative to the top of the work tree. A bare repository has only its top.
fn prefix_of(repository: &Repository, root: &Path) -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "two spellings of one directory must compare as one")]
    let canonical = |path: &Path| path.canonicalize().ok();
    let Some(work_tree) = repository.workdir() else { return Some(PathBuf::new()) };
    canonical(root)?.strip_prefix(canonical(work_tree)?).ok().map(Path::to_path_buf)
}

/// The directory of a tree, when there is one.
fn directory<'r>(repository: &'r Repository, top: &Tree<'r>, path: &Path) -> Result<Option<Tree<'r>>, git2::Error> {
    if path.as_os_str().is_empty() {
        return Ok(Some(top.clone()));
    }
    let entry = match top.get_path(path) {
        Ok(entry) => entry,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match entry.kind() {
        Some(ObjectType::Tree) => repository.find_tree(entry.id()).map(Some),
        Some(ObjectType::Any | ObjectType::Blob | ObjectType::Commit | ObjectType::Tag) | None => Ok(None),
    }
}
