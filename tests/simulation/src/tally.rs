//! How much of everything was seen, so that no rule is judged over nothing.

use crate::world::Deed;
use std::collections::BTreeMap;
use std::fmt;

/// Counts by what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    /// Counts something once more.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn deed(&mut self, deed: &Deed) {
        self.count(match deed {
            Deed::Created { .. } => "does: create",
            Deed::Copied { .. } => "does: copy",
            Deed::Mended { .. } => "does: mend",
            Deed::Adopted { .. } => "does: adopt",
            Deed::Locked { .. } => "does: lock",
            Deed::Revived { .. } => "does: revive",
            Deed::Marked { .. } => "does: mark",
            Deed::Deleted { .. } => "does: delete",
        });
    }

    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what.clone()).or_default() += count;
        }
    }

    /// All counts, by what was counted.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, usize> {
        &self.0
    }

    /// How often something was seen.
    #[must_use]
    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>6} {what}"))
    }
}
