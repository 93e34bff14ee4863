//! How a simulated cloud refuses.

use jiff::SignedDuration;

/// What kind of refusal it is (CLOUDS.md 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimErrorKind {
    /// There is no such thing.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// Slow down.
    Throttled {
        /// For how long, where the cloud says.
        after: Option<SignedDuration>,
    },
    /// Something must finish first.
    Busy,
    /// A quota is used up.
    QuotaExceeded,
    /// A lock forbids it.
    Locked,
    /// The credentials do not allow it.
    Denied,
    /// The request can never succeed.
    Invalid,
    /// The cloud, or what was asked for, is down. Nothing changed.
    Unavailable,
    /// The answer was lost: the call may have had its effect.
    OutcomeUnknown,
}

/// A refusal, in the cloud's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SimError {
    /// Its kind.
    pub kind: SimErrorKind,
    /// The code that the cloud's API gives it.
    pub code: &'static str,
    /// What failed, for people.
    pub message: String,
}

impl SimError {
    pub(crate) fn new(kind: SimErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into() }
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(SimErrorKind::NotFound, code, message)
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(SimErrorKind::Invalid, code, message)
    }
}
