//! One cluster's changes in their order, over all of its places, under its one lease.

use super::again::look_again;
use super::half_made::HalfMade;
use super::held::Held;
use super::{ChangeEnd, Context, Run, source_of};
use crate::calls::Fence as _;
use crate::events::Event;
use crate::execute::{Hands, Site, Touched};
use crate::journal::Entry;
use crate::lease::{self, Acquired};
use crate::seams::StoreError;
use backstay_core::model::Cluster;
use backstay_core::name::ClusterUid;
use backstay_core::plan::{Action, Change};
use backstay_core::saga::{self, End, Saga};
use jiff::SignedDuration;
use std::sync::atomic::Ordering;

pub(super) async fn apply(
    run: &Run<'_>,
    uid: &ClusterUid,
    mut changes: Vec<(usize, &Change)>,
) -> Result<Vec<(usize, ChangeEnd)>, StoreError> {
    // The order of work holds over all places.
    changes.sort_by_key(|(_, change)| change.action.rank());
    let blocked: Vec<Option<String>> = changes.iter().map(|(_, change)| run.blocked(change)).collect();
    if blocked.iter().any(Option::is_none) {
        return under_lease(run, uid, changes, blocked).await;
    }
    let ended = changes.into_iter().zip(blocked).filter_map(|((index, change), because)| {
        let end = ChangeEnd::Saga(End::Stale { because: because? });
        Some(run.ended(index, change, end))
    });
    Ok(ended.collect())
}

async fn under_lease(
    run: &Run<'_>,
    uid: &ClusterUid,
    changes: Vec<(usize, &Change)>,
    blocked: Vec<Option<String>>,
) -> Result<Vec<(usize, ChangeEnd)>, StoreError> {
    let context = run.context;
    let Some(cluster) = context.desired.clusters.get(uid) else {
        let because = format!("cluster {uid} is not declared");
        return Ok(run.all_end(&changes, &ChangeEnd::Saga(End::Stale { because })));
    };
    let lease = match wait_for_lease(context, uid).await {
        Ok(Some(Acquired::Held(lease))) => lease,
        Ok(Some(Acquired::HeldByAnother(record))) => return Ok(run.all_end(&changes, &ChangeEnd::LeaseHeld(record))),
        Ok(None) => return Ok(run.all_end(&changes, &ChangeEnd::Cancelled)),
        // One damaged lease never stops another cluster.
        Err(error) => {
            let because = error.to_string();
            return Ok(run.all_end(&changes, &ChangeEnd::Saga(End::Failed { because })));
        }
    };
    let stale = if context.seen.is_next(&lease) {
        blocked
    } else {
        let again = look_again(run, cluster, &changes).await;
        blocked.into_iter().zip(again).map(|(blocked, stale)| blocked.or(stale)).collect()
    };
    let held = Held::new(lease, context.store, context.clock);
    let ended = in_order(run, cluster, &held, changes.into_iter().zip(stale).collect()).await;
    let released = held.release().await;
    let ended = ended?;
    released.map(|()| ended)
}

async fn in_order(
    run: &Run<'_>,
    cluster: &Cluster,
    held: &Held<'_>,
    changes: Vec<((usize, &Change), Option<String>)>,
) -> Result<Vec<(usize, ChangeEnd)>, StoreError> {
    let mut ended = Vec::with_capacity(changes.len());
    let mut point_was_not_made = false;
    let mut touched = Touched::new();
    for ((index, change), stale) in changes {
        if run.context.cancelled.load(Ordering::SeqCst) {
            ended.push(run.ended(index, change, ChangeEnd::Cancelled));
            continue;
        }
        // Marks may count on the point that this plan makes. Deletes never do.
        let lacks_its_point = point_was_not_made && matches!(change.action, Action::Expire(_));
        let stale =
            stale.or_else(|| lacks_its_point.then(|| "the point that was to take its place was not made".to_owned()));
        let stale = stale.or_else(|| expired(run));
        let (site, from) = (run.site(&change.site), source_of(change).and_then(|from| run.site(from)));
        let (None, Some(site)) = (&stale, site) else {
            let because = stale.unwrap_or_else(|| format!("site {} could not be read", change.site));
            point_was_not_made |= matches!(change.action, Action::Create(_));
            ended.push(run.ended(index, change, ChangeEnd::Saga(End::Stale { because })));
            continue;
        };
        run.context.observer.on(&Event::ChangeStarted { index, change: change.clone() });
        let half = run.journals.half_made(run.context, change).await?;
        let end = match half {
            Some(half) => take_up(run, cluster, site, held, index, half).await?,
            None => None,
        };
        let end = match end {
            Some(end) => end,
            None => {
                let entry = Entry::Change { index, change: Box::new(change.clone()), epoch: held.epoch() };
                run.journal.write(entry).await?;
                let mut hands = Hands::new(site, from, cluster, change, std::mem::take(&mut touched), held);
                let (saga, first) = Saga::begin(&change.action);
                let end = run_saga(run, held, &mut hands, index, saga, first).await?;
                touched = std::mem::take(&mut hands.touched);
                end
            }
        };
        run.journal.write(Entry::Ended { index, end: end.clone() }).await?;
        point_was_not_made |= matches!(change.action, Action::Create(_)) && end != End::Done;
        ended.push(run.ended(index, change, ChangeEnd::Saga(end)));
    }
    Ok(ended)
}

/// Why nothing more may be begun by this plan (INVARIANTS.md 10): a run may have waited, or stood still, for hours.
fn expired(run: &Run<'_>) -> Option<String> {
    let until = run.plan.basis.valid_until;
    (run.context.clock.now() > until).then(|| format!("the plan expired at {until}; the next run plans anew"))
}

/// `None` when the run was cancelled while it waited.
async fn wait_for_lease(context: &Context<'_>, uid: &ClusterUid) -> Result<Option<Acquired>, StoreError> {
    let started = context.clock.now();
    while !context.cancelled.load(Ordering::SeqCst) {
        match lease::acquire(context.store, context.clock, context.terms, uid, context.run, "apply").await? {
            Acquired::HeldByAnother(record) if context.clock.now().duration_since(started) >= context.lease_timeout => {
                return Ok(Some(Acquired::HeldByAnother(record)));
            }
            Acquired::HeldByAnother(_) => context.clock.sleep(SignedDuration::from_secs(1)).await,
            held @ Acquired::Held(_) => return Ok(Some(held)),
        }
    }
    Ok(None)
}

/// Goes on with a point that an earlier run left half made, in place of the one that the plan would make; `None` where that is
/// not proven to be a point, or where the plan has other work to do on what is left of it.
async fn take_up(
    run: &Run<'_>,
    cluster: &Cluster,
    site: &Site<'_>,
    held: &Held<'_>,
    index: usize,
    half: HalfMade,
) -> Result<Option<End>, StoreError> {
    let HalfMade { change, saga, next } = half;
    let Action::Create(create) = &change.action else { return Ok(None) };
    let snapshots = &saga.facts().snapshots;
    let mut relied_on = run.plan.changes.iter().flat_map(|change| change.action.relies_on());
    if relied_on.any(|expected| snapshots.iter().any(|snapshot| snapshot.id == expected.id)) {
        return Ok(None);
    }
    let mut hands = Hands::new(site, None, cluster, &change, Touched::new(), held);
    if let Err(because) = hands.take_over(create, saga.facts()).await {
        tracing::info!(point = %create.point, %because, "a half-made point is not gone on with");
        return Ok(None);
    }
    let entry = Entry::Change { index, change: Box::new(change.clone()), epoch: held.epoch() };
    run.journal.write(entry).await?;
    run_saga(run, held, &mut hands, index, saga, Some(next)).await.map(Some)
}

/// Drives one saga: intent, call, outcome, until it ends.
async fn run_saga(
    run: &Run<'_>,
    held: &Held<'_>,
    hands: &mut Hands<'_>,
    index: usize,
    mut saga: Saga,
    mut next: Option<saga::Effect>,
) -> Result<End, StoreError> {
    let Run { context, journal, .. } = run;
    while let Some(effect) = next {
        let is_final = matches!(effect, saga::Effect::Delete { .. } | saga::Effect::RemoveFiles);
        let checked = match held.check().await {
            Ok(()) if is_final => held.confirm().await,
            checked => checked,
        };
        let must_end = match checked {
            Ok(()) if context.cancelled.load(Ordering::SeqCst) => Some("the run was cancelled".to_owned()),
            Ok(()) => None,
            Err(lost) => Some(lost.to_string()),
        };
        let is_way_out = effect == saga::Effect::CloseBackup;
        let event = match must_end {
            Some(because) if !is_way_out => saga::Event::Failed { because },
            Some(_) | None => {
                let cluster = hands.cluster.uid.clone();
                journal.write(Entry::Intent { index, cluster, effect: effect.clone() }).await?;
                let event = hands.perform(&effect, saga.facts()).await;
                journal.write(Entry::Outcome { index, event: event.clone() }).await?;
                event
            }
        };
        next = saga.next(event).map_err(|error| StoreError::new(error.to_string()))?;
    }
    Ok(saga.end().cloned().unwrap_or(End::Done))
}
