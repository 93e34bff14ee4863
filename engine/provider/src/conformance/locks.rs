//! Locks, where there are any.

use super::trial::failed;
use super::{Outcome, Trial, claim};
use crate::ErrorClass;
use backstay_core::model::LockMode;
use jiff::SignedDuration;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A lock ends no earlier than asked, is never shortened, and the site itself refuses the delete until it has ended.
///
/// Only where the clock is ours to move: elsewhere it would leave a snapshot behind that nobody can delete for days.
pub async fn a_lock_is_only_extended_and_forbids_the_delete(trial: &Trial<'_>) -> Result<Outcome, String> {
    let rules = trial.fixture.iaas.rules().lock;
    claim(trial.capabilities.locker.is_some() == rules.is_some(), || {
        format!("it has a locker: {}, and its rules tell of locks: {}", rules.is_none(), rules.is_some())
    })?;
    let (Some(locker), Some(rules)) = (&trial.capabilities.locker, rules) else {
        return Ok(Outcome::Skipped { because: "this kind of site has no locks" });
    };
    let Some(clock) = &trial.capabilities.clock else {
        return Ok(Outcome::Skipped { because: "it would leave a snapshot locked for days" });
    };
    let made = trial.create_new(1).await?;
    let id = &trial.ready(&made.id).await?.id;
    let now = clock.now().map_err(|e| failed("reading the clock", &e))?;
    for mode in [LockMode::Governance, LockMode::Compliance] {
        if rules.modes.contains(&mode) {
            continue;
        }
        match locker.lock(id, mode, now + DAY).await {
            Err(error) if error.class == ErrorClass::Invalid => {}
            Err(error) => return Err(failed("a mode that is not there was refused otherwise: it", &error)),
            Ok(_) => return Err(format!("it was locked in mode {mode}, which this kind of site has not")),
        }
    }
    let Some(mode) = rules.modes.first().copied() else {
        return Err("its rules have locks of no mode".to_owned());
    };
    let mut end = now;
    for (step, until) in [("lock", now + DAY), ("shorter lock", now + DAY / 2), ("longer lock", now + DAY * 2)] {
        let told = locker.lock(id, mode, until).await.map_err(|e| failed(step, &e))?;
        claim(told >= until, || format!("{step} until {until}: it ends at {told}, before that"))?;
        claim(told >= end, || format!("{step}: it ended at {end}, and now at {told}"))?;
        claim(told <= until.max(end) + DAY, || {
            format!("{step} until {until}: it ends at {told}, more than a day later")
        })?;
        let shown = trial.present(id).await?.locked_until;
        claim(shown == Some(told), || format!("{step}: it answered {told}, and describe shows {shown:?}"))?;
        end = told;
    }
    let seen = trial.present(id).await?;
    match trial.capabilities.sweeper.delete(id, &seen.disk, &seen.generation()).await {
        Err(error) if error.class == ErrorClass::Locked => {}
        Err(error) => return Err(failed("a delete of what is locked was refused otherwise: it", &error)),
        Ok(()) => return Err("it was deleted though it was locked".to_owned()),
    }
    trial.present(id).await?;
    clock.advance_to(end + SignedDuration::from_secs(1)).map_err(|e| failed("advancing the clock", &e))?;
    trial.delete(id).await?;
    Ok(Outcome::Passed)
}
