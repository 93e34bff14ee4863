//! Exit codes (CLI.md): where several hold, one is returned by a fixed precedence.

use std::collections::BTreeSet;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Done; no difference.
    Done,
    /// Error.
    Error,
    /// Differences.
    Differences,
    /// Applied in part.
    Partial,
    /// The plan is stale or expired.
    Stale,
    /// Refused by policy, limit or protection.
    Refused,
    /// A lease is held by another run.
    LeaseHeld,
    /// A site could not be read.
    Coverage,
    /// Cancelled.
    Cancelled,
}

impl Code {
    /// Every code, by its number.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Error,
        Self::Differences,
        Self::Partial,
        Self::Stale,
        Self::Refused,
        Self::LeaseHeld,
        Self::Coverage,
        Self::Cancelled,
    ];

    /// What it means, for the reference.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; no difference",
            Self::Error => "error, also in the command line itself",
            Self::Differences => "differences: `plan -detailed-exitcode`, and `drift` always",
            Self::Partial => "applied in part; `fmt -check`: a file is not formatted",
            Self::Stale => "the plan is stale or expired",
            Self::Refused => "refused by policy, limit or protection",
            Self::LeaseHeld => "a lease is held by another run",
            Self::Coverage => "a site could not be read, so \"in sync\" cannot be said",
            Self::Cancelled => "cancelled",
        }
    }

    /// The number that the process ends with.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Differences => 2,
            Self::Partial => 3,
            Self::Stale => 4,
            Self::Refused => 5,
            Self::LeaseHeld => 6,
            Self::Coverage => 7,
            Self::Cancelled => 8,
        }
    }
}

/// All codes that hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes(BTreeSet<Code>);

impl Codes {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn of(code: Code) -> Self {
        Self(BTreeSet::from([code]))
    }

    pub(crate) fn add_if(&mut self, holds: bool, code: Code) {
        if holds {
            self.0.insert(code);
        }
    }

    /// These, and those.
    pub(crate) fn merge(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All of them as numbers, for JSON.
    pub(crate) fn numbers(&self) -> Vec<u8> {
        self.0.iter().map(|code| code.number()).collect()
    }

    /// Which code is returned before which: 8, 1, 5, 4, 3, 6, 7, 2.
    pub(crate) fn precedence() -> [Code; 8] {
        use Code::{Cancelled, Coverage, Differences, Error, LeaseHeld, Partial, Refused, Stale};
        [Cancelled, Error, Refused, Stale, Partial, LeaseHeld, Coverage, Differences]
    }

    /// The one that is returned.
    pub(crate) fn first(&self) -> Code {
        Self::precedence().into_iter().find(|code| self.0.contains(code)).unwrap_or(Code::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's table (CLI.md): each code's number, in the order of precedence.
    const ORDER: [(Code, u8); 8] = [
        (Code::Cancelled, 8),
        (Code::Error, 1),
        (Code::Refused, 5),
        (Code::Stale, 4),
        (Code::Partial, 3),
        (Code::LeaseHeld, 6),
        (Code::Coverage, 7),
        (Code::Differences, 2),
    ];

    #[test]
    fn each_code_has_its_number() {
        assert_eq!((Codes::none().first(), Code::Done.number()), (Code::Done, 0));
        for (code, number) in ORDER {
            assert_eq!((code.number(), Codes::of(code).first()), (number, code));
        }
    }

    #[test]
    fn of_any_codes_that_hold_the_first_of_the_order_is_returned_and_all_are_told() {
        for holding in 0..1_u16 << ORDER.len() {
            let mut codes = Codes::none();
            let held: Vec<(Code, u8)> =
                ORDER.into_iter().enumerate().filter(|(i, _)| holding >> i & 1 == 1).map(|(_, code)| code).collect();
            // In whatever order they were found.
            held.iter().rev().for_each(|(code, _)| codes.add_if(true, *code));
            assert_eq!(codes.first(), held.first().map_or(Code::Done, |(code, _)| *code));
            let mut numbers: Vec<u8> = held.iter().map(|(_, number)| *number).collect();
            numbers.sort_unstable();
            assert_eq!(codes.numbers(), numbers);
        }
    }
}
