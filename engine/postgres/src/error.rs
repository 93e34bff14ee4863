//! What can go wrong with one server, by what the caller can do about it.

use crate::label::InvalidLabel;
use crate::passfile::PassFileError;
use crate::wal::{InvalidWalFileName, WrongSegment};
use backstay_core::lsn::{Lsn, Timeline};
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// A call to a server that failed. No variant ever holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is neither a socket's directory nor on this host.
    #[error(
        "`{0}` is not on this host: without TLS a server is reached by the directory of its Unix socket, or by a \
         loopback address"
    )]
    NotLocal(String),
    /// The server does not answer, or does not let us in.
    #[error("cannot connect to {server}")]
    Connect {
        /// The address, without secrets.
        server: String,
        /// What the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The pass file could not be used, and the server asks for a password.
    #[error("cannot connect to {server}: it asks for a password")]
    NoPassword {
        /// The address, without secrets.
        server: String,
        /// Why the pass file was not used.
        #[source]
        source: PassFileError,
    },
    /// It took too long.
    #[error("{doing} took more than {} s", after.as_secs())]
    TimedOut {
        /// What was asked.
        doing: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The server refused a statement, or the connection ended.
    #[error("{doing} failed")]
    Sql {
        /// What was asked.
        doing: &'static str,
        /// What the server or the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A value that no server of a known version returns.
    #[error("the server returned an impossible {0}")]
    Value(&'static str),
    /// A version whose backup functions are not known.
    #[error("server version {0} cannot be backed up: PostgreSQL 13 to 17 can")]
    Version(u32),
    /// A text that cannot be a backup's label.
    #[error("a backup's label is 1 to 200 printable ASCII characters")]
    LabelText,
    /// A backup may then hold torn pages.
    #[error("full_page_writes is off: a backup could hold torn pages; turn it on, and checkpoint")]
    FullPageWritesOff,
    /// Ours or another tool's.
    #[error("another backup is running on this server")]
    AnotherBackup,
    /// The slot that keeps the WAL does not reach back to where the backup begins.
    #[error("the backup begins at {start}, but the server keeps WAL only from {kept}")]
    WalNotKept {
        /// `START WAL LOCATION`.
        start: Lsn,
        /// The slot's `restart_lsn`.
        kept: String,
    },
    /// PostgreSQL: "the standby was promoted during online backup".
    #[error("the standby was promoted during the backup: this point must be discarded")]
    Promoted,
    /// The WAL of one point must lie on one timeline.
    #[error("the backup began on timeline {from} and ended on {to}: this point must be discarded")]
    TimelineChanged {
        /// Of the label.
        from: Timeline,
        /// At the stop.
        to: Timeline,
    },
    /// The server's own label could not be understood.
    #[error(transparent)]
    Label(#[from] InvalidLabel),
    /// The WAL up to the end did not become durable in time.
    #[error("the server has WAL only up to {reached}, and the backup ends at {end}")]
    NotReached {
        /// The backup's end.
        end: Lsn,
        /// How far the server got.
        reached: Lsn,
    },
    /// Only a stopped backup has a WAL range.
    #[error("the backup has not been stopped yet")]
    NotStopped,
    /// A stop that failed leaves nothing to stop again.
    #[error("the backup was stopped already, or its stop failed")]
    StoppedAlready,
    /// A name that could not be a WAL file's.
    #[error(transparent)]
    WalFileName(#[from] InvalidWalFileName),
    /// The server no longer has it.
    #[error("the server has no WAL file {0}")]
    WalFileMissing(String),
    /// The file does not hold what its name says.
    #[error(transparent)]
    WrongSegment(#[from] WrongSegment),
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The server, or the way to it, is down; a session that is lost takes its backup with it.
    Unavailable,
    /// The role may not do it.
    Denied,
    /// Something else must finish first.
    Busy,
    /// It can never succeed as asked, or the point must be discarded.
    Invalid,
    /// There is no such file.
    NotFound,
}

impl Error {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { source, .. } | Self::Sql { source, .. } => kind_of_state(source.code()),
            Self::NoPassword { .. } => ErrorKind::Denied,
            Self::TimedOut { .. } | Self::NotReached { .. } => ErrorKind::Unavailable,
            Self::AnotherBackup => ErrorKind::Busy,
            Self::WalFileMissing(_) => ErrorKind::NotFound,
            Self::NotLocal(_)
            | Self::Value(_)
            | Self::Version(_)
            | Self::LabelText
            | Self::FullPageWritesOff
            | Self::WalNotKept { .. }
            | Self::Promoted
            | Self::TimelineChanged { .. }
            | Self::Label(_)
            | Self::NotStopped
            | Self::StoppedAlready
            | Self::WalFileName(_)
            | Self::WrongSegment(_) => ErrorKind::Invalid,
        }
    }

    /// The error and all its causes in one line.
    #[must_use]
    pub fn full_text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string().replace('\n', "; "));
            cause = error.source();
        }
        text
    }
}

fn kind_of_state(state: Option<&SqlState>) -> ErrorKind {
    let Some(state) = state else { return ErrorKind::Unavailable };
    let denied =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    // Classes 08 (connection), 53 (resources), 57 (operator intervention, starting up) and 58 (system) pass by themselves.
    let passing = ["08", "53", "57", "58"];
    if denied.contains(state) {
        ErrorKind::Denied
    } else if passing.iter().any(|class| state.code().starts_with(class)) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Invalid
    }
}
