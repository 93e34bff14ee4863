//! A cluster that another run worked on since it was looked at: what of the plan is still so, by a fresh look under the lease
//! at all of its places.
//!
//! The other run's points have other attempts and other ids: only a listing shows them (INVARIANTS.md 8, 10).

use super::{Run, sites_of};
use crate::calls::Calls;
use crate::events::Silent;
use crate::observe::{read_kept_files, read_snapshots};
use crate::state::State;
use backstay_core::model::Cluster;
use backstay_core::name::SiteName;
use backstay_core::observed::{Listing, Observed, SiteInventory};
use backstay_core::plan::{Change, Plan};
use backstay_core::refresh::{Refreshed, refresh};
use backstay_core::tags;
use backstay_core::verify::verify;
use std::collections::{BTreeMap, BTreeSet};

/// For each of the cluster's changes, in their order, why it is stale; `None` where it may go on.
pub(super) async fn look_again(run: &Run<'_>, cluster: &Cluster, changes: &[(usize, &Change)]) -> Vec<Option<String>> {
    let now = match observe_again(run, cluster, changes).await {
        Ok(now) => now,
        Err(because) => {
            let because = format!("another run worked on this cluster, and it could not be looked at again: {because}");
            return vec![Some(because); changes.len()];
        }
    };
    let small = Plan {
        format_version: run.plan.format_version.clone(),
        basis: run.plan.basis.clone(),
        changes: changes.iter().map(|(_, change)| (*change).clone()).collect(),
        waiting: Vec::new(),
        findings: Vec::new(),
        coverage: Vec::new(),
    };
    let Refreshed { plan, skipped } = refresh(small, &now);
    let unsafe_now = verify(plan, run.context.desired, &now).err().map(|violations| {
        format!("another run worked on this cluster since the plan, which is no longer safe: {violations}")
    });
    let stale = |change: &Change| {
        let skip = skipped.iter().find(|skip| skip.change == *change);
        skip.map(|skip| skip.because.clone()).or_else(|| unsafe_now.clone())
    };
    changes.iter().map(|(_, change)| stale(change)).collect()
}

/// Where the cluster lives, is copied to, has changes, or left points behind.
fn places<'a>(run: &'a Run<'_>, cluster: &'a Cluster, changes: &[(usize, &'a Change)]) -> BTreeSet<&'a SiteName> {
    let policy = run.context.desired.policy_of(cluster);
    let has_points = |listing: &Listing<SiteInventory>| {
        let is_own = |uid: Option<&str>| uid == Some(cluster.uid.as_str());
        listing.complete().is_some_and(|site| site.snapshots.iter().any(|s| is_own(s.tags.get(tags::CLUSTER))))
    };
    let former = run.observed.sites.iter().filter(|(_, listing)| has_points(listing)).map(|(name, _)| name);
    let copies = policy.copies.iter().map(|copy| &copy.site);
    let touched = changes.iter().flat_map(|(_, change)| sites_of(change));
    [&cluster.site].into_iter().chain(copies).chain(touched).chain(former).collect()
}

/// The world with the cluster's places as they are now. The other sites stay as they were: limits count over all of them.
async fn observe_again(run: &Run<'_>, cluster: &Cluster, changes: &[(usize, &Change)]) -> Result<Observed, String> {
    let places = places(run, cluster, changes);
    let mut sites = BTreeMap::new();
    for (name, seen) in &run.observed.sites {
        let now = match (places.contains(name), seen) {
            (true, Listing::Complete(seen)) => read_again(run, name, seen).await,
            (_, Listing::Unknown { .. }) | (false, Listing::Complete(_)) => seen.clone(),
        };
        sites.insert(name.clone(), now);
    }
    let records = State(run.context.store).records().await.map_err(|error| error.to_string())?;
    let Observed { at, provenance, ref keyring, .. } = *run.observed;
    Ok(Observed { at, provenance, sites, records: Listing::Complete(records), keyring: keyring.clone() })
}

/// One place, read again; what its servers said stays.
async fn read_again(run: &Run<'_>, name: &SiteName, seen: &SiteInventory) -> Listing<SiteInventory> {
    let now = match run.context.calls(name) {
        Ok(calls) => read_place(name, &calls, seen).await,
        Err(because) => Err(because),
    };
    match now {
        Ok(now) => Listing::Complete(now),
        Err(because) => Listing::Unknown { because },
    }
}

async fn read_place(name: &SiteName, calls: &Calls<'_>, seen: &SiteInventory) -> Result<SiteInventory, String> {
    let facts = calls.facts().await.map_err(|error| error.to_string())?;
    Ok(SiteInventory {
        clock: facts.clock,
        provider: seen.provider,
        account: seen.account.clone(),
        abilities: seen.abilities.clone(),
        instances: seen.instances.clone(),
        snapshots: read_snapshots(name, calls, &Silent).await?.into(),
        unmanaged: seen.unmanaged.clone(),
        kept_files: read_kept_files(calls.capabilities()).await?,
    })
}
