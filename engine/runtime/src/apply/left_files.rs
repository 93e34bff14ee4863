//! Files that a run left beside a point that it deleted, when it was killed between the last snapshot and them.
//!
//! They go where the deletes of the last days say that the point was deleted here, and a whole listing shows nothing of it. What
//! merely has no snapshot is left alone: absent is not deleted.

use super::Context;
use super::held::Held;
use crate::calls::Fence as _;
use crate::events::Silent;
use crate::lease::{self, Acquired};
use crate::seams::StoreError;
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::observed::{Listing, Observed, SiteInventory};
use backstay_core::tags::{self, PointKey};
use std::collections::BTreeSet;

pub(super) async fn remove(context: &Context<'_>, observed: &Observed) -> Result<(), StoreError> {
    let Listing::Complete(records) = &observed.records else { return Ok(()) };
    for (name, listing) in &observed.sites {
        let Listing::Complete(site) = listing else { continue };
        let deleted = records.recent_deletes.iter().filter(|delete| delete.site.as_ref() == Some(name));
        let deleted: BTreeSet<_> = deleted.map(|delete| (delete.cluster.clone(), delete.point)).collect();
        for (cluster, point) in deleted.intersection(&site.kept_files).filter(|left| is_gone(site, left)) {
            remove_one(context, name, cluster, *point).await?;
        }
    }
    Ok(())
}

fn is_gone(site: &SiteInventory, (cluster, point): &(ClusterUid, PointKey)) -> bool {
    let point = point.to_string();
    let is_of = |tags: &tags::Tags| {
        tags.get(tags::POINT) == Some(&point) && tags.get(tags::CLUSTER).is_none_or(|uid| uid == cluster.as_str())
    };
    !site.snapshots.iter().any(|snapshot| is_of(&snapshot.tags))
}

/// Under the cluster's lease, if it is free and nobody had it since the look; else the next run does it.
async fn remove_one(
    context: &Context<'_>,
    site: &SiteName,
    cluster: &ClusterUid,
    point: PointKey,
) -> Result<(), StoreError> {
    let Ok(calls) = context.sites.calls(site, context.clock, &Silent) else { return Ok(()) };
    let Some(files) = &calls.capabilities().point_files else { return Ok(()) };
    let acquired =
        lease::acquire(context.store, context.clock, context.terms, cluster, context.run, "remove files").await;
    // A damaged lease is told where the cluster's changes are made.
    let Ok(Acquired::Held(lease)) = acquired else { return Ok(()) };
    let is_as_seen = context.seen.is_next(&lease);
    let held = Held::new(lease, context.store, context.clock);
    if is_as_seen
        && held.check().await.is_ok()
        && let Err(error) = files.remove(cluster, point).await
    {
        tracing::warn!(%site, %cluster, %point, %error, "the files of a deleted point are left");
    }
    held.release().await
}
