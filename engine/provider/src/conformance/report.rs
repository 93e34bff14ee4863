//! What the suite found at a site.

use std::fmt;

/// How one check ended that found no broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The rule holds.
    Passed,
    /// The site, or the fixture, has nothing to check it on.
    Skipped {
        /// What is missing.
        because: &'static str,
    },
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Passed
    }
}

/// What the suite found at a site that breaks no rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The rules that hold.
    pub passed: Vec<&'static str>,
    /// The rules that there was nothing to check on, with what is missing.
    pub skipped: Vec<(&'static str, &'static str)>,
}

impl Report {
    pub(super) fn add(&mut self, name: &'static str, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed.push(name),
            Outcome::Skipped { because } => self.skipped.push((name, because)),
        }
    }
}

/// A line for each rule.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.passed {
            writeln!(f, "passed   {}", name.replace('_', " "))?;
        }
        for (name, because) in &self.skipped {
            writeln!(f, "skipped  {} ({because})", name.replace('_', " "))?;
        }
        Ok(())
    }
}
