//! Counts calls against the budgets of a kind of site, where a site declares that they hold.
//!
//! It is the memory of one process: another that has the site open counts its own calls, as another account would.

use crate::call::Call;
use crate::cloud::Cloud;
use crate::error::{SimError, SimErrorKind};
use backstay_core::capabilities::{Allowance, Budget, CallClass};
use jiff::{SignedDuration, Timestamp};

/// What is used up of each budget.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    budgets: &'static [Budget],
    /// One for each budget, in the same order.
    used: Vec<Used>,
}

/// What is used up of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Used {
    /// When this was true; of a window, its start.
    at: Timestamp,
    /// In calls times the bucket's period in microseconds, so that refilling divides nothing; of a window, in calls.
    amount: i128,
}

impl Meter {
    /// A meter of these budgets; of none, if they do not hold.
    pub(crate) fn of(budgets: &'static [Budget]) -> Self {
        Self { budgets, used: vec![Used { at: Timestamp::MIN, amount: 0 }; budgets.len()] }
    }

    /// Takes a call that was answered from every budget that counts it.
    pub(crate) fn count(&mut self, now: Timestamp, call: &Call) {
        let Some(class) = call.class() else { return };
        for (budget, used) in self.budgets.iter().zip(&mut self.used) {
            if budget.counts(class) {
                let mut current = used.at_instant(budget.allowance, now);
                current.amount += one(budget.allowance);
                *used = current;
            }
        }
    }

    /// For how long a call must wait, and by which budget, if it must.
    fn wait(&self, now: Timestamp, class: CallClass) -> Option<(&'static Budget, SignedDuration)> {
        let waits = self.budgets.iter().zip(&self.used).filter(|(budget, _)| budget.counts(class));
        waits
            .filter_map(|(budget, used)| Some((budget, used.wait(budget.allowance, now)?)))
            .max_by_key(|(_, wait)| *wait)
    }
}

impl Used {
    /// What is still used up at a later instant.
    fn at_instant(self, allowance: Allowance, now: Timestamp) -> Self {
        match allowance {
            Allowance::Bucket { refill, .. } => {
                let passed = i128::from(now.as_microsecond()) - i128::from(self.at.as_microsecond());
                let amount = (self.amount - passed.max(0) * i128::from(refill)).max(0);
                Self { at: now, amount }
            }
            Allowance::Window { length, .. } => {
                let start = window_start(now, length.signed());
                if start == self.at { self } else { Self { at: start, amount: 0 } }
            }
        }
    }

    fn wait(self, allowance: Allowance, now: Timestamp) -> Option<SignedDuration> {
        let current = self.at_instant(allowance, now);
        let over = current.amount + one(allowance) - i128::from(allowance.burst()) * one(allowance);
        if over <= 0 {
            return None;
        }
        match allowance {
            Allowance::Bucket { refill, .. } => {
                let micros = over.unsigned_abs().div_ceil(u128::from(refill.max(1)));
                Some(SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)))
            }
            Allowance::Window { length, .. } => {
                let end = current.at.checked_add(length.signed()).unwrap_or(Timestamp::MAX);
                Some(end.duration_since(now))
            }
        }
    }
}

/// One call in the units of [`Used::amount`].
fn one(allowance: Allowance) -> i128 {
    match allowance {
        Allowance::Bucket { every, .. } => every.signed().as_micros(),
        Allowance::Window { .. } => 1,
    }
}

fn window_start(now: Timestamp, length: SignedDuration) -> Timestamp {
    let length = length.as_secs().max(1);
    let start = now.as_second().div_euclid(length) * length;
    Timestamp::from_second(start).unwrap_or(Timestamp::MIN)
}

impl Cloud {
    /// Refuses a call that a budget has no room for, and says how long to wait.
    pub(crate) fn check_budgets(&self, now: Timestamp, call: &Call) -> Result<(), SimError> {
        let Some((budget, after)) = call.class().and_then(|class| self.meter.wait(now, class)) else {
            return Ok(());
        };
        let message = format!("the budget `{}` is used up", budget.name);
        Err(SimError::new(SimErrorKind::Throttled { after: Some(after) }, self.profile.codes.throttled, message))
    }
}
