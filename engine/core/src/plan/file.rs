//! The plan file: a plan with its digest, as one canonical text.

use super::{FORMAT_VERSION, Plan};
use crate::canonical::{self, Digest};
use serde::{Deserialize, Serialize};

impl Plan {
    /// The plan file: canonical JSON of the plan with its digest, and a line's end.
    #[must_use]
    pub fn to_file(&self) -> String {
        let file = PlanFile { digest: self.digest(), plan: self.clone() };
        let mut text = canonical::to_string(&file);
        text.push('\n');
        text
    }

    /// Reads a plan file. Every byte must be as [`Plan::to_file`] wrote it.
    pub fn from_file(text: &str) -> Result<Self, UnreadablePlan> {
        let file: PlanFile = serde_json::from_str(text).map_err(|error| UnreadablePlan::Form(error.to_string()))?;
        if file.plan.format_version != FORMAT_VERSION {
            return Err(UnreadablePlan::Version(file.plan.format_version));
        }
        if file.plan.digest() != file.digest || file.plan.to_file() != text {
            return Err(UnreadablePlan::Digest);
        }
        Ok(file.plan)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    digest: Digest,
    plan: Plan,
}

/// Why a plan file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadablePlan {
    /// It is not a plan file.
    #[error("it is not a plan file: {0}")]
    Form(String),
    /// It is of another version.
    #[error("its format version is {0}, and this version reads {FORMAT_VERSION}")]
    Version(String),
    /// It was changed after it was made.
    #[error("its digest does not fit its content: it was changed after it was made")]
    Digest,
}
