//! Reasons in general: what many changes have in common, with the span of what differs among them.

use backstay_core::plan::Reason;
use backstay_core::time::{Duration, about, brief};
use jiff::Timestamp;
use std::fmt;

/// The reason of several changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct General<'p> {
    /// One of them.
    reason: &'p Reason,
    span: Span,
}

/// What differs among reasons that are the same in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Nothing,
    Instants(Timestamp, Timestamp),
    Lengths(Duration, Duration),
}

impl Span {
    /// What differs in a reason among its like, and what they share; without that, a reason is like none but its equals.
    fn of(reason: &Reason) -> (Self, Option<String>) {
        let (span, shared) = match reason {
            Reason::SlotDue { newest } => (Self::Instants(*newest, *newest), "due".to_owned()),
            Reason::GraceOver { rules, ago, .. } => (Self::Lengths(*ago, *ago), format!("beyond {rules}, tombstoned")),
            Reason::Abandoned { ago } => (Self::Lengths(*ago, *ago), "abandoned".to_owned()),
            Reason::Double { marked: Some(ago) } => (Self::Lengths(*ago, *ago), "a double, tombstoned".to_owned()),
            Reason::Double { marked: None }
            | Reason::FirstPoint
            | Reason::Retry { .. }
            | Reason::OnDemand { .. }
            | Reason::CopyMissing { .. }
            | Reason::TagsChanged { .. }
            | Reason::HoldTagMissing
            | Reason::LockMissing { .. }
            | Reason::Unusable { .. }
            | Reason::Retired { .. }
            | Reason::Beyond { .. }
            | Reason::KeptAgain => return (Self::Nothing, None),
        };
        (span, Some(shared))
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Instants(a, b), Self::Instants(c, d)) => Self::Instants(a.min(c), b.max(d)),
            (Self::Lengths(a, b), Self::Lengths(c, d)) => Self::Lengths(a.min(c), b.max(d)),
            (Self::Nothing | Self::Instants(..) | Self::Lengths(..), _) => self,
        }
    }
}

impl<'p> General<'p> {
    /// What reasons that are the same in general share.
    pub(crate) fn key(reason: &Reason) -> String {
        Span::of(reason).1.unwrap_or_else(|| reason.to_string())
    }

    /// One reason.
    pub(crate) fn new(reason: &'p Reason) -> Self {
        Self { reason, span: Span::of(reason).0 }
    }

    /// Two that share their key, as one.
    pub(crate) fn with(self, other: Self) -> Self {
        Self { reason: self.reason, span: self.span.with(other.span) }
    }
}

impl fmt::Display for General<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.span, self.reason) {
            (Span::Instants(from, to), Reason::SlotDue { .. }) if from != to => {
                write!(f, "due; newest points are of {} to {}", brief(from), brief(to))
            }
            (Span::Lengths(least, most), Reason::GraceOver { rules, .. }) if about(least) != about(most) => {
                write!(f, "beyond {rules}, tombstoned {} to {} ago", about(least), about(most))
            }
            (Span::Lengths(least, most), Reason::Abandoned { .. }) if about(least) != about(most) => {
                write!(f, "left {} to {} ago by attempts that were never finished", about(least), about(most))
            }
            (Span::Lengths(least, most), Reason::Double { .. }) if about(least) != about(most) => {
                write!(f, "doubles of points that stay, tombstoned {} to {} ago", about(least), about(most))
            }
            (Span::Nothing | Span::Instants(..) | Span::Lengths(..), reason) => write!(f, "{reason}"),
        }
    }
}
