//! Why documents cannot be read from git, and what to do about it.

use git2::ErrorCode;
use std::path::Path;

/// Why the documents of a commit are not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// No repository holds the directory.
    #[error("{directory} is in no git repository")]
    NoRepository {
        /// The fleet's directory.
        directory: String,
    },
    /// Somebody else owns the repository, and git refuses to trust what it says.
    #[error(
        "the git repository of {directory} belongs to another user, so git does not trust it\n\
         hint: `git config --global --add safe.directory {repository}`, as the user that runs this"
    )]
    Owner {
        /// The fleet's directory.
        directory: String,
        /// The repository's.
        repository: String,
    },
    /// The directory is inside the repository's own files, or beside its work tree.
    #[error("{directory} is not in its repository's work tree")]
    Outside {
        /// The fleet's directory.
        directory: String,
    },
    /// There is no commit yet.
    #[error("this repository has no commit yet")]
    Unborn,
    /// No git name has this form.
    #[error("`{named}` is no name of a commit\nhint: a branch, a tag, a commit's id or HEAD~2")]
    NoName {
        /// What was asked for.
        named: String,
    },
    /// Nothing here has this name.
    #[error("there is no commit `{named}` in this repository\nhint: {hint}")]
    Unknown {
        /// What was asked for.
        named: String,
        /// What to do.
        hint: String,
    },
    /// Several objects begin so.
    #[error("`{named}` is the beginning of more than one id\nhint: write more of it")]
    Ambiguous {
        /// What was asked for.
        named: String,
    },
    /// The name stands for a file or a directory.
    #[error("`{named}` is no commit\nhint: a directory of a commit is written COMMIT:DIR")]
    NotACommit {
        /// What was asked for.
        named: String,
    },
    /// The commit does not have the fleet's directory.
    #[error("commit {commit} (`{named}`) has no directory {directory}\nhint: a fleet elsewhere is written {named}:DIR")]
    NoDirectory {
        /// The commit.
        commit: String,
        /// How it was named.
        named: String,
        /// The fleet's directory in the repository.
        directory: String,
    },
    /// Some of the commit's objects are not in this clone.
    #[error(
        "commit {commit} is not all here: {missing}\n\
         hint: a partial clone leaves files out; `git checkout` of that commit, or `git fetch --refetch`, brings them"
    )]
    Incomplete {
        /// The commit.
        commit: String,
        /// What git misses.
        missing: String,
    },
    /// The repository cannot be read.
    #[error("the git repository of {directory} cannot be read: {because}")]
    Broken {
        /// The fleet's directory.
        directory: String,
        /// What git says.
        because: String,
    },
}

impl GitError {
    /// Why no repository was opened around a directory.
    pub(super) fn of_discovery(root: &Path, error: &git2::Error) -> Self {
        let directory = root.display().to_string();
        if error.code() == ErrorCode::NotFound {
            Self::NoRepository { directory }
        } else if error.code() == ErrorCode::Owner {
            // libgit2 names the repository between quotes; without that, the fleet's directory has to do.
            let named = error.message().split('\'').nth(1).map(|path| path.trim_end_matches('/').to_owned());
            Self::Owner { repository: named.unwrap_or_else(|| directory.clone()), directory }
        } else {
            Self::broken(root, error)
        }
    }

    /// What git says of a repository that cannot be read.
    pub(super) fn broken(root: &Path, error: &git2::Error) -> Self {
        Self::Broken { directory: root.display().to_string(), because: error.message().to_owned() }
    }
}
