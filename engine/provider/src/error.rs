//! One error type for all providers, by what the caller can do about it (CLOUDS.md 6).

use jiff::SignedDuration;

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// There is no such thing. Only for an id that was asked for; never from absence in a list.
    NotFound,
    /// The name or token is taken by something of the same intent.
    AlreadyExists,
    /// Slow down; ask again after this long, where the site says.
    Throttled {
        /// What the site asked for.
        after: Option<SignedDuration>,
    },
    /// Something must finish first.
    Busy,
    /// A quota is used up.
    QuotaExceeded,
    /// A lock of the provider forbids it.
    Locked,
    /// The credentials do not allow it.
    Denied,
    /// The request can never succeed.
    Invalid,
    /// The site, or the way to it, is down. The call had no effect.
    Unavailable,
    /// The call may have had its effect, or not: look before retrying.
    OutcomeUnknown,
}

impl ErrorClass {
    /// The word for logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Throttled { .. } => "throttled",
            Self::Busy => "busy",
            Self::QuotaExceeded => "quota-exceeded",
            Self::Locked => "locked",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome-unknown",
        }
    }
}

/// A call to a site that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What can be done about it.
    pub class: ErrorClass,
    /// What failed, for people; never a secret.
    pub message: String,
}

impl ProviderError {
    /// An error of a class.
    #[must_use]
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    /// The request can never succeed.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Invalid, message)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::NotFound, message)
    }

    /// The site is down.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Unavailable, message)
    }
}
