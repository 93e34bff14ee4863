//! A cluster that another run worked on since it was looked at: what of the plan is still so, by a fresh look under the lease.
//!
//! The other run's points have other attempts and other ids: only a listing shows them (INVARIANTS.md 8, 10).

use super::Run;
use crate::events::Silent;
use crate::execute::Site;
use crate::observe::{read_kept_files, read_snapshots};
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::observed::{Listing, Observed, SiteInventory};
use backstay_core::plan::{Change, Plan};
use backstay_core::refresh::{Refreshed, refresh};
use backstay_core::verify::verify;

/// For each of the cluster's changes, in their order, why it is stale; `None` where it may go on.
pub(super) async fn look_again(
    run: &Run<'_>,
    name: &SiteName,
    site: &Site<'_>,
    uid: &ClusterUid,
    changes: &[(usize, &Change)],
) -> Vec<Option<String>> {
    let now = match observe_again(run, name, site).await {
        Ok(now) => now,
        Err(because) => {
            let because = format!("another run worked on this cluster, and it could not be looked at again: {because}");
            return vec![Some(because); changes.len()];
        }
    };
    let own = |change: &&Change| change.cluster == *uid && change.site == *name;
    let small = Plan {
        format_version: run.plan.format_version.clone(),
        basis: run.plan.basis.clone(),
        changes: run.plan.changes.iter().filter(own).cloned().collect(),
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

async fn observe_again(run: &Run<'_>, name: &SiteName, site: &Site<'_>) -> Result<Observed, String> {
    let facts = site.capabilities.inventory.facts(site.clock.now()).await.map_err(|error| error.to_string())?;
    let snapshots = read_snapshots(name, site.capabilities, &Silent).await?;
    let kept_files = read_kept_files(site.capabilities).await?;
    let mut now = run.observed.clone();
    if let Some(Listing::Complete(seen)) = now.sites.get_mut(name) {
        *seen = SiteInventory { clock: facts.clock, snapshots, kept_files, ..seen.clone() };
    }
    let records = site.state.records().await.map_err(|error| error.to_string())?;
    now.records = Listing::Complete(records);
    Ok(now)
}
