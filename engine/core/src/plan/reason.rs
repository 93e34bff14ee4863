//! What brought a change about, and why it is planned.

use crate::name::SiteName;
use crate::time::{Duration, about, brief};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What brought a change about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The clock.
    Due,
    /// The documents: the change is absent under the baseline.
    Config,
    /// The world changed behind our back.
    Drift,
}

impl Cause {
    /// The word as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Config => "config",
            Self::Drift => "drift",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Due, Self::Config, Self::Drift].into_iter().find(|cause| cause.as_str() == text)
    }
}

/// Why a change is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Reason {
    /// The cluster has no restorable point at all.
    FirstPoint,
    /// The latest slot has no point.
    SlotDue {
        /// When the newest restorable point was cut.
        newest: Timestamp,
    },
    /// Earlier attempts at this slot failed or were never finished.
    Retry {
        /// How many.
        attempts: u32,
    },
    /// Somebody asked for it.
    OnDemand {
        /// What for, in that person's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// The policy wants it in another site, too.
    CopyMissing {
        /// Where it lies.
        from: SiteName,
    },
    /// Somebody changed tags that a seal covers.
    TagsChanged {
        /// Which ones.
        keys: Vec<String>,
    },
    /// It is held, and its tag does not say so.
    HoldTagMissing,
    /// It was left by an attempt that was never finished.
    Abandoned {
        /// How long ago it was made.
        ago: Duration,
    },
    /// The policy wants it locked.
    LockMissing {
        /// The policy's `lock.for`.
        period: Duration,
    },
    /// A call that was delivered twice made it, beside a part of a point that stays.
    Double {
        /// How long ago it was marked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        marked: Option<Duration>,
    },
    /// It never became, or no longer is, a point that can be restored.
    Unusable {
        /// What is wrong with it.
        because: String,
    },
    /// Its cluster is being retired, and its retention is over.
    Retired {
        /// The rules, in one line.
        rules: String,
    },
    /// No rule keeps it.
    Beyond {
        /// The rules, in one line.
        rules: String,
    },
    /// Its tombstone is older than the grace.
    GraceOver {
        /// The rules that let it go.
        rules: String,
        /// When the tombstone was made.
        marked: Timestamp,
        /// How long ago that was.
        ago: Duration,
    },
    /// A rule keeps it again.
    KeptAgain,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstPoint => write!(f, "no restorable point yet"),
            Self::SlotDue { newest } => write!(f, "due; newest point is of {}", brief(*newest)),
            Self::Retry { attempts: 1 } => write!(f, "due; one attempt failed"),
            Self::Retry { attempts } => write!(f, "due; {attempts} attempts failed"),
            Self::OnDemand { because: None } => write!(f, "asked for by a person"),
            Self::OnDemand { because: Some(because) } => write!(f, "asked for by a person: {because}"),
            Self::CopyMissing { from } => write!(f, "the policy wants a copy of what lies at {from}"),
            Self::TagsChanged { keys } => write!(f, "its seal proves other tags: {}", keys.join(", ")),
            Self::HoldTagMissing => write!(f, "it is held, and its tag does not say so"),
            Self::Abandoned { ago } => write!(f, "left {} ago by an attempt that was never finished", about(*ago)),
            Self::LockMissing { period } => write!(f, "the policy locks it for {period}"),
            Self::Double { marked: None } => {
                f.write_str("a double of a point that stays, made by a call that came twice")
            }
            Self::Double { marked: Some(ago) } => {
                write!(f, "a double of a point that stays, tombstoned {} ago", about(*ago))
            }
            Self::Unusable { because } => write!(f, "it cannot be restored: {because}"),
            Self::Retired { rules } => write!(f, "its cluster is being retired, and it is beyond {rules}"),
            Self::Beyond { rules } => write!(f, "beyond {rules}"),
            Self::GraceOver { rules, ago, .. } => write!(f, "beyond {rules}, tombstoned {} ago", about(*ago)),
            Self::KeptAgain => write!(f, "retention keeps it again"),
        }
    }
}
