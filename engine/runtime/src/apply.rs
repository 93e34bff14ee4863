//! Apply: every change of a verified plan, cluster by cluster, under a lease and in the journal.
//!
//! It never adds an action. One cluster's failure never stops another's.

mod again;
mod clocks;
mod cluster;
mod half_made;
pub(crate) mod held;
mod left_files;

use self::half_made::Journals;
use crate::calls::Calls;
use crate::events::{Event, Observer};
use crate::execute::Site;
use crate::journal::{Entry, Journal};
use crate::lease::{Epochs, LeaseRecord, Terms};
use crate::seams::{Clock, StateStore, StoreError};
use crate::sites::Sites;
use crate::state::State;
use backstay_core::capabilities::Iaas;
use backstay_core::model::Desired;
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::{Listing, Observed};
use backstay_core::plan::{Action, Change, Plan, WaitingFor};
use backstay_core::saga::End;
use backstay_core::seal::SealKey;
use backstay_core::tags;
use backstay_core::tombstone::Tombstone;
use backstay_core::verify::VerifiedPlan;
use futures::StreamExt as _;
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

/// What an apply needs besides the plan.
pub struct Context<'a> {
    /// What is desired.
    pub desired: &'a Desired,
    /// The opened sites.
    pub sites: &'a Sites,
    /// The state store.
    pub store: &'a dyn StateStore,
    /// The host's clock.
    pub clock: &'a dyn Clock,
    /// The key that seals; a plan without changes needs none.
    pub key: Option<&'a SealKey>,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// The leases as they were before the world was looked at: where one moved since, the cluster is looked at again.
    pub seen: &'a Epochs,
    /// Whether this runner is the sweeper too: its own sightings of tombstones start their grace.
    pub sights: bool,
    /// How many clusters of one home site at once.
    pub parallelism: usize,
    /// How long to wait for a lease that another run holds.
    pub lease_timeout: SignedDuration,
    /// How long its own leases last.
    pub terms: Terms,
    /// This run's id.
    pub run: &'a str,
    /// Set when no new call may be started.
    pub cancelled: &'a AtomicBool,
}

impl<'a> Context<'a> {
    /// The calls of this run at a site, or why there are none.
    fn calls(&self, site: &SiteName) -> Result<Calls<'a>, String> {
        Ok(self.sites.calls(site, self.clock, self.observer)?.of_run(self.run, self.cancelled))
    }
}

/// Each cluster's changes, with their places in the plan.
type ByCluster<'a> = BTreeMap<&'a ClusterUid, Vec<(usize, &'a Change)>>;

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// Each change's end, by its place in the plan.
    pub ended: BTreeMap<usize, ChangeEnd>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeEnd {
    /// Its saga ended.
    Saga(End),
    /// Another run holds the cluster's lease.
    LeaseHeld(LeaseRecord),
    /// The run was cancelled before it began.
    Cancelled,
}

impl Applied {
    /// How many changes ended in a way.
    pub fn count(&self, matches: impl Fn(&ChangeEnd) -> bool) -> usize {
        self.ended.values().filter(|end| matches(end)).count()
    }

    /// The clusters that this apply did not leave with their latest slot served: changes of theirs failed, or had to wait.
    #[must_use]
    pub fn unfinished(&self, plan: &VerifiedPlan) -> BTreeSet<ClusterUid> {
        let plan = plan.plan();
        let failed = self
            .ended
            .iter()
            .filter(|(_, end)| **end != ChangeEnd::Saga(End::Done))
            .filter_map(|(index, _)| plan.changes.get(*index).map(|change| &change.cluster));
        let waits_for_its_point = |why: &WaitingFor| match why {
            WaitingFor::SiteUnknown { .. }
            | WaitingFor::InProgress
            | WaitingFor::BackOff { .. }
            | WaitingFor::Source { .. }
            | WaitingFor::DiskSpacing { .. }
            | WaitingFor::Quota { .. }
            | WaitingFor::Budget { .. } => true,
            WaitingFor::Grace { .. }
            | WaitingFor::Lock { .. }
            | WaitingFor::Sighting
            | WaitingFor::NotSafe { .. }
            | WaitingFor::CopyQueue { .. }
            | WaitingFor::SourceNotReady
            | WaitingFor::FailedCopy { .. }
            | WaitingFor::Copies { .. }
            | WaitingFor::Lease { .. }
            | WaitingFor::BlastRadius { .. } => false,
        };
        let waiting = plan.waiting.iter().filter(|w| waits_for_its_point(&w.why)).map(|waiting| &waiting.cluster);
        failed.chain(waiting).cloned().collect()
    }
}

/// What one apply shares among its clusters.
struct Run<'a> {
    context: &'a Context<'a>,
    journal: &'a Journal<'a>,
    plan: &'a Plan,
    observed: &'a Observed,
    /// The sites that the plan touches, or why nothing can be done there.
    sites: BTreeMap<&'a SiteName, Result<Site<'a>, String>>,
    /// What earlier runs left half made.
    journals: Journals,
}

impl Run<'_> {
    /// Why nothing can be done where a change works, or reads.
    fn blocked(&self, change: &Change) -> Option<String> {
        sites_of(change).find_map(|name| match self.sites.get(name) {
            Some(Ok(_)) => None,
            Some(Err(because)) => Some(because.clone()),
            None => Some(format!("site {name} could not be read")),
        })
    }

    fn site(&self, name: &SiteName) -> Option<&Site<'_>> {
        self.sites.get(name)?.as_ref().ok()
    }

    /// Ends a change, and tells it.
    fn ended(&self, index: usize, change: &Change, end: ChangeEnd) -> (usize, ChangeEnd) {
        self.context.observer.on(&Event::ChangeEnded { index, change: change.clone(), end: end.clone() });
        (index, end)
    }

    /// Ends changes that were not begun.
    fn all_end(&self, changes: &[(usize, &Change)], end: &ChangeEnd) -> Vec<(usize, ChangeEnd)> {
        changes.iter().map(|(index, change)| self.ended(*index, change, end.clone())).collect()
    }
}

/// Applies a plan that was verified against `observed`.
///
/// An error means that the state store failed: nothing more was started after it.
pub async fn apply(context: &Context<'_>, plan: &VerifiedPlan, observed: &Observed) -> Result<Applied, StoreError> {
    let plan = plan.plan();
    let journal = Journal::open(context.store, context.clock, context.run);
    journal.write(Entry::Run { plan: plan.digest(), as_of: plan.basis.as_of }).await?;
    let stopped_clocks = clocks::advance(context, observed, plan.basis.as_of);
    if context.sights {
        sight_tombstones(context, observed).await?;
        left_files::remove(context, observed).await?;
    }
    let sites = open_sites(context, plan, observed, &stopped_clocks);
    let mut by_home: BTreeMap<&SiteName, ByCluster<'_>> = BTreeMap::new();
    for (index, change) in plan.changes.iter().enumerate() {
        let home = context.desired.clusters.get(&change.cluster).map_or(&change.site, |cluster| &cluster.site);
        by_home.entry(home).or_default().entry(&change.cluster).or_default().push((index, change));
    }
    let run = Run { context, journal: &journal, plan, observed, sites, journals: Journals::of(observed) };
    let work = by_home.into_values().map(|clusters| apply_clusters(&run, clusters));
    let mut applied = Applied::default();
    for ended in futures::future::join_all(work).await {
        applied.ended.extend(ended?);
    }
    clocks::settle(context, plan.basis.as_of).await;
    journal.write(Entry::Finished).await?;
    Ok(applied)
}

/// Notes that the sweeper saw the tombstones whose tag and record agree; its own sighting starts the grace.
async fn sight_tombstones(context: &Context<'_>, observed: &Observed) -> Result<(), StoreError> {
    let Listing::Complete(records) = &observed.records else { return Ok(()) };
    let state = State(context.store);
    for (site, tombstones) in &records.tombstones {
        let Some(Listing::Complete(inventory)) = observed.sites.get(site) else { continue };
        let unseen: BTreeMap<&SnapshotId, &Tombstone> =
            tombstones.iter().filter(|(_, tombstone)| !records.sightings.contains_key(&tombstone.digest())).collect();
        if unseen.is_empty() {
            continue;
        }
        for snapshot in &inventory.snapshots {
            let Some(tombstone) = unseen.get(&snapshot.id) else { continue };
            let tag = backstay_core::time::stamp(tombstone.content.at);
            if snapshot.tags.get(tags::EXPIRE) == Some(&tag) {
                state.sight(&tombstone.digest(), inventory.clock.now).await?;
            }
        }
    }
    if let Some(latest) = records.recent_deletes.last() {
        state.forget_old_deletes(records, latest.at).await?;
    }
    state.forget(observed).await?;
    Ok(())
}

/// The sites that the plan's changes are at, or copy from. One that cannot be used stops its own changes alone.
fn open_sites<'a>(
    context: &'a Context<'a>,
    plan: &'a Plan,
    observed: &'a Observed,
    stopped_clocks: &BTreeMap<SiteName, String>,
) -> BTreeMap<&'a SiteName, Result<Site<'a>, String>> {
    let names: BTreeSet<&SiteName> = plan.changes.iter().flat_map(sites_of).collect();
    let open = |name: &'a SiteName| {
        if let Some(because) = stopped_clocks.get(name) {
            return Err(because.clone());
        }
        let key = context.key.ok_or_else(|| "there is no seal key".to_owned())?;
        let (Ok(calls), Some(Listing::Complete(inventory)), Some(declared)) =
            (context.calls(name), observed.sites.get(name), context.desired.sites.get(name))
        else {
            return Err(format!("site {name} could not be read"));
        };
        Ok(Site {
            calls,
            rules: Iaas::of(declared).rules(),
            provider: inventory.provider,
            account: &inventory.account,
            state: State(context.store),
            clock: context.clock,
            key,
            keyring: &observed.keyring,
            as_of: plan.basis.as_of,
            sights: context.sights,
        })
    };
    names.into_iter().map(|name| (name, open(name))).collect()
}

/// Where a copy comes from.
fn source_of(change: &Change) -> Option<&SiteName> {
    match &change.action {
        Action::Copy(copy) => Some(&copy.from),
        Action::Create(_)
        | Action::Tag(_)
        | Action::Lock(_)
        | Action::Revive(_)
        | Action::Expire(_)
        | Action::Delete(_) => None,
    }
}

/// Where a change works, and where a copy comes from.
fn sites_of(change: &Change) -> impl Iterator<Item = &SiteName> {
    [&change.site].into_iter().chain(source_of(change))
}

/// The clusters of one home site, some at a time: each with all of its places.
async fn apply_clusters(run: &Run<'_>, clusters: ByCluster<'_>) -> Result<BTreeMap<usize, ChangeEnd>, StoreError> {
    let work = clusters.into_iter().map(|(uid, changes)| cluster::apply(run, uid, changes));
    let parallelism = run.context.parallelism.max(1);
    let results: Vec<_> = futures::stream::iter(work).buffer_unordered(parallelism).collect().await;
    let mut ended = BTreeMap::new();
    for result in results {
        ended.extend(result?);
    }
    Ok(ended)
}
