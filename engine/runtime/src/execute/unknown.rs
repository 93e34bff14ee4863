//! Calls whose answer was lost: what came of them is read, never guessed, and nothing is ever taken back (INVARIANTS.md 9).
//!
//! What makes something is looked for by its intent until the site's consistency horizon has passed since the call; only then,
//! seen to be absent twice, it is sent again. What changes something is sent again only where a read shows it unchanged.

use super::{Answer, Hands, fail, stale};
use crate::calls::CallError;
use backstay_core::name::SnapshotId;
use backstay_core::observed::Snapshot;
use backstay_core::plan::ExpectedSnapshot;
use backstay_core::tags::{Intent, Tags};
use backstay_provider::{CopySnapshot, CreateSnapshot, Created, Description};
use jiff::SignedDuration;
use std::future::Future;

/// How often a call is sent in all whose answers are lost.
const SENDINGS: usize = 3;

/// How long the first wait between two looks is; each next one is twice as long.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(2);

/// The longest wait between two looks.
const LONGEST_LOOK: SignedDuration = SignedDuration::from_mins(1);

fn unknown(what: &str) -> Answer {
    fail(format!("{what}; its outcome is unknown, and the next run looks first"))
}

impl Hands<'_> {
    /// Cuts disks, and finds what was cut where the answer was lost.
    pub(super) async fn cut_for_sure(&self, orders: &[CreateSnapshot]) -> Result<Vec<Snapshot>, Answer> {
        let intents: Vec<&Intent> = orders.iter().map(|order| &order.intent).collect();
        self.made_for_sure(&intents, || async {
            let made = match orders {
                [order] => vec![self.calls_for_cut().create(order).await?],
                orders => self.calls_for_cut().create_group(orders).await?,
            };
            Ok(made.into_iter().map(Created::snapshot).collect())
        })
        .await
    }

    /// Copies a snapshot, and finds the copy where the answer was lost.
    pub(super) async fn copied_for_sure(&self, order: &CopySnapshot) -> Result<Snapshot, Answer> {
        let from = self.from.as_ref().ok_or_else(|| fail(format!("site {} could not be read", order.from)))?;
        let send = || async { Ok(vec![self.calls.copy(order, from).await?.snapshot()]) };
        let made = self.made_for_sure(&[&order.intent], send).await?;
        made.into_iter().next().ok_or_else(|| fail("one order gives one copy"))
    }

    async fn made_for_sure<F>(&self, intents: &[&Intent], send: impl Fn() -> F) -> Result<Vec<Snapshot>, Answer>
    where
        F: Future<Output = Result<Vec<Snapshot>, CallError>>,
    {
        let mut lost = String::new();
        for _ in 0..SENDINGS {
            match send().await {
                Ok(made) => return Ok(made),
                // A name that is taken by our own intent is an earlier call of ours, which no look has shown yet.
                Err(error) if error.is_unknown() || error.is_taken() => lost = error.to_string(),
                // After a lost answer nothing that comes later makes known what became of it.
                Err(error) if !lost.is_empty() => return Err(unknown(&format!("{lost}; then {error}"))),
                Err(error) => return Err(error.into()),
            }
            if let Some(found) = self.look_for(intents, &lost).await? {
                return Ok(found);
            }
        }
        Err(unknown(&lost))
    }

    /// Looks until all are found; `None` once they are proven absent.
    async fn look_for(&self, intents: &[&Intent], lost: &str) -> Result<Option<Vec<Snapshot>>, Answer> {
        let still_unknown = |error: CallError| unknown(&format!("{lost}; then {error}"));
        let horizon = self.site.rules.consistency_horizon.signed();
        let (sent, mut waited, mut step) = (self.site_now()?, SignedDuration::ZERO, FIRST_LOOK);
        let mut absences = 0;
        loop {
            let mut found = Vec::with_capacity(intents.len());
            for intent in intents {
                let seen = self.calls.by_intent(intent).await.map_err(still_unknown)?;
                // A call that was delivered twice made two: everybody takes the oldest.
                found.extend(seen.into_iter().min_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id))));
            }
            if found.len() == intents.len() {
                return Ok(Some(found));
            }
            if waited.max(self.site_now()?.duration_since(sent)) >= horizon {
                absences += 1;
                // A group is made whole or not at all: what is there in part is somebody else's doing.
                if !found.is_empty() {
                    return Err(unknown(&format!("{lost}; then only {} of {} were found", found.len(), intents.len())));
                }
                if absences == 2 {
                    return Ok(None);
                }
            }
            waited += self.calls.wait(step).await.map_err(still_unknown)?;
            step = step.saturating_mul(2).min(LONGEST_LOOK);
        }
    }

    /// Adds tags to a snapshot that was seen.
    pub(super) async fn tag_for_sure(&self, seen: &Snapshot, tags: &Tags) -> Result<(), Answer> {
        let has_them = |now: &Snapshot| tags.iter().all(|(key, value)| now.tags.get(key) == Some(value));
        self.changed_for_sure(seen, has_them, || self.calls.tag(&seen.id, tags)).await
    }

    /// Removes a tag of a snapshot that was seen.
    pub(super) async fn untag_for_sure(&self, seen: &Snapshot, key: &str) -> Result<(), Answer> {
        let lacks_it = |now: &Snapshot| !now.tags.contains_key(key);
        let keys = [key];
        self.changed_for_sure(seen, lacks_it, || self.calls.untag(&seen.id, &keys)).await
    }

    /// Changes a snapshot by a call that may be repeated, once a read shows that it is as it was.
    pub(super) async fn changed_for_sure<T, F>(
        &self,
        seen: &Snapshot,
        is_changed: impl Fn(&Snapshot) -> bool,
        send: impl Fn() -> F,
    ) -> Result<(), Answer>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut lost = String::new();
        for _ in 0..SENDINGS {
            match send().await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_unknown() => lost = error.to_string(),
                Err(error) if !lost.is_empty() => return Err(unknown(&format!("{lost}; then {error}"))),
                Err(error) => return Err(error.into()),
            }
            match self.calls.describe(&seen.id).await {
                Ok(Description::Absent) => return Err(stale(format!("snapshot {} is gone", seen.id))),
                Ok(Description::Present(now)) if is_changed(&now) => return Ok(()),
                Ok(Description::Present(now)) if now.disk != seen.disk || now.tags != seen.tags => {
                    return Err(stale(format!("snapshot {} changed since it was read", seen.id)));
                }
                Ok(Description::Present(_)) => {}
                Err(error) => return Err(unknown(&format!("{lost}; then {error}"))),
            }
        }
        Err(unknown(&lost))
    }

    /// Deletes a snapshot that is still as it was seen: the provider reads it again before each sending.
    pub(super) async fn delete_for_sure(&self, target: &ExpectedSnapshot) -> Result<(), Answer> {
        let mut lost = String::new();
        for _ in 0..SENDINGS {
            match self.calls.delete(&target.id, &target.disk, &target.generation).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_unknown() => lost = error.to_string(),
                Err(error) if !lost.is_empty() => return Err(unknown(&format!("{lost}; then {error}"))),
                Err(error) => return Err(error.into()),
            }
            match self.calls.describe(&target.id).await {
                Ok(Description::Absent) => return Ok(()),
                Ok(Description::Present(now)) if now.generation() != target.generation => {
                    return Err(stale(format!("snapshot {} changed since it was read", target.id)));
                }
                Ok(Description::Present(_)) => {}
                Err(error) => return Err(unknown(&format!("{lost}; then {error}"))),
            }
        }
        Err(unknown(&lost))
    }

    /// A snapshot as it was read by this change.
    pub(super) fn seen(&self, id: &SnapshotId) -> Result<&Snapshot, Answer> {
        let seen = self.checked.iter().find(|seen| seen.id == *id);
        seen.ok_or_else(|| fail(format!("snapshot {id} was not looked at")))
    }
}
