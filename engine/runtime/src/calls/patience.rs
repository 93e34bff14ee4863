//! Which refusals are worth another try, and how long to wait for it.

use backstay_core::canonical::Digest;
use backstay_provider::ErrorClass;
use backstay_provider::limits::Request;
use jiff::SignedDuration;

/// For how long a call is tried again that the site, or something there, is not ready for.
const NOT_READY: SignedDuration = SignedDuration::from_mins(2);

/// For how long one is tried again that came too often: longer than the windows that clouds count in most.
const TOO_OFTEN: SignedDuration = SignedDuration::from_mins(15);

/// The longest first wait.
const FIRST: SignedDuration = SignedDuration::from_millis(500);

/// The longest wait of all, but for what a site asks for.
const LONGEST: SignedDuration = SignedDuration::from_secs(20);

/// For how long a refused call is tried again; zero where that is of no use.
pub(super) fn patience(refused: ErrorClass, request: Request<'_>) -> SignedDuration {
    match refused {
        ErrorClass::Throttled { .. } => TOO_OFTEN,
        ErrorClass::Unavailable => NOT_READY,
        ErrorClass::Busy => match request {
            // What is busy there is another copy or the source, for hours; and a delete that is refused so saw something change.
            Request::Copy | Request::Delete => SignedDuration::ZERO,
            Request::Page
            | Request::Describe
            | Request::ByIntent
            | Request::Create(_)
            | Request::CreateGroup(_)
            | Request::Tag
            | Request::Lock => NOT_READY,
        },
        ErrorClass::NotFound
        | ErrorClass::AlreadyExists
        | ErrorClass::QuotaExceeded
        | ErrorClass::Locked
        | ErrorClass::Denied
        | ErrorClass::Invalid
        // Looking comes first: that is the caller's.
        | ErrorClass::OutcomeUnknown => SignedDuration::ZERO,
    }
}

/// How long to wait before the next try, after so many failed ones: anything up to a limit that doubles, so that callers which
/// failed together do not come back together. What the site asks for is waited for besides.
pub(super) fn pause(asked: Option<SignedDuration>, failed: u32, chance: Chance) -> SignedDuration {
    let limit = FIRST.saturating_mul(1 << failed.min(10)).min(LONGEST);
    asked.unwrap_or(SignedDuration::ZERO).saturating_add(chance.up_to(limit))
}

/// A chance that a run can be repeated with: all of it comes from the seams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(u64);

impl Chance {
    /// What this text says.
    pub(super) fn of(text: &str) -> Self {
        let digest = Digest::of(text.as_bytes());
        Self(digest.as_str().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0))
    }

    /// A length above zero, at most the limit, in whole milliseconds.
    fn up_to(self, limit: SignedDuration) -> SignedDuration {
        let most = u64::try_from(limit.as_millis()).unwrap_or(1).max(1);
        SignedDuration::from_millis(i64::try_from(1 + self.0 % most).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_spread_below_it() {
        let longest = |failed| {
            let all = (0..2_000).map(|n| pause(None, failed, Chance::of(&format!("{n}"))));
            all.max().expect("there are some").as_millis()
        };
        for (failed, limit) in [(0, 500), (1, 1_000), (2, 2_000), (5, 16_000), (6, 20_000), (60, 20_000)] {
            assert!((limit * 9 / 10..=limit).contains(&longest(failed)), "{failed}: {}", longest(failed));
        }
        let shortest = (0..2_000).map(|n| pause(None, 6, Chance::of(&format!("{n}")))).min();
        assert!(shortest.is_some_and(|wait| wait < SignedDuration::from_secs(1)));
    }

    #[test]
    fn what_the_site_asks_for_is_waited_for_at_least() {
        let asked = SignedDuration::from_secs(90);
        assert!((0..100).all(|n| pause(Some(asked), 3, Chance::of(&format!("{n}"))) > asked));
    }

    #[test]
    fn a_delete_that_saw_a_change_and_an_unknown_outcome_are_not_simply_sent_again() {
        assert!(patience(ErrorClass::Busy, Request::Delete).is_zero());
        assert!(patience(ErrorClass::Busy, Request::Copy).is_zero());
        assert!(patience(ErrorClass::OutcomeUnknown, Request::Tag).is_zero());
        assert!(patience(ErrorClass::Denied, Request::Page).is_zero());
        assert!(!patience(ErrorClass::Busy, Request::Tag).is_zero());
    }
}
