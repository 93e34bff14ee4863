//! Locks: they are only ever extended.

use crate::cloud::Cloud;
use crate::effect::{Effect, LockRecord};
use crate::error::SimError;
use crate::profile::LockGrain;
use backstay_core::model::LockMode;
use backstay_core::name::SnapshotId;
use backstay_core::observed::Readiness;
use jiff::{SignedDuration, Timestamp};

const DAY: i64 = 24 * 60 * 60;

impl Cloud {
    /// What locking changes, and when the lock then ends.
    pub(crate) fn lock(
        &self,
        now: Timestamp,
        id: &SnapshotId,
        mode: LockMode,
        until: Timestamp,
    ) -> Result<(Option<Effect>, Timestamp), SimError> {
        let codes = &self.profile.codes;
        let Some(rules) = &self.profile.rules.lock else {
            return Err(SimError::invalid(codes.unsupported, "this cloud locks no snapshots"));
        };
        if !rules.modes.contains(&mode) {
            return Err(SimError::invalid(codes.invalid_value, format!("this cloud has no lock of mode {mode}")));
        }
        let snapshot = self.find(id)?;
        if let Readiness::Failed { because } = snapshot.readiness(now) {
            let message = format!("the snapshot `{id}` has failed, and cannot be locked: {because}");
            return Err(SimError::invalid(codes.wrong_state, message));
        }
        let running = snapshot.lock.filter(|lock| now < lock.until);
        if let Some(lock) = running.filter(|lock| until <= lock.until && !is_stricter(mode, lock.mode)) {
            return Ok((None, lock.until));
        }
        if until <= now {
            return Err(SimError::invalid(codes.invalid_value, format!("a lock until {until} would have ended")));
        }
        let from = running.map_or(now, |lock| lock.from);
        let starts = if snapshot.succeeds() { snapshot.done.max(now) } else { now };
        let end = self.lock_end(starts, from, until);
        if end > rules.longest.after(now) {
            let message = format!("a lock until {end} is longer than {}", rules.longest);
            return Err(SimError::invalid(codes.invalid_value, message));
        }
        // Neither its end nor its mode is ever weakened.
        let lock = LockRecord {
            mode: running.filter(|lock| is_stricter(lock.mode, mode)).map_or(mode, |lock| lock.mode),
            from,
            until: running.map_or(end, |lock| lock.until.max(end)),
        };
        Ok((Some(Effect::Locked { at: now, id: id.clone(), lock }), lock.until))
    }

    /// `starts` is when a lock that is ordered now begins, `from` when the one began that it extends.
    fn lock_end(&self, starts: Timestamp, from: Timestamp, until: Timestamp) -> Timestamp {
        let start = match self.profile.lock_grain {
            LockGrain::Exact => return until,
            LockGrain::DaysFromCall => starts,
            LockGrain::DaysFromStart => from,
        };
        let length = until.duration_since(start);
        let seconds = length.as_secs() + i64::from(length.subsec_nanos() > 0);
        // At least one: the shortest that can be asked for.
        let days = (seconds / DAY + i64::from(seconds % DAY > 0)).max(1);
        start.checked_add(SignedDuration::from_secs(days.saturating_mul(DAY))).unwrap_or(Timestamp::MAX)
    }
}

fn is_stricter(mode: LockMode, than: LockMode) -> bool {
    match (mode, than) {
        (LockMode::Compliance, LockMode::Governance) => true,
        (LockMode::Compliance, LockMode::Compliance) | (LockMode::Governance, _) => false,
    }
}
