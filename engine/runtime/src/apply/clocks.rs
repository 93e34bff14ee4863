//! The clocks that are ours to move. One that cannot be moved stops its own site alone.

use super::Context;
use crate::events::{Event, Silent};
use crate::observe::read_pages;
use backstay_core::name::SiteName;
use backstay_core::observed::{Listing, Observed, Readiness, Snapshot};
use backstay_provider::{ProviderError, VirtualClock};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// How long made-up time may pass until what was made is ready.
const LONGEST_SETTLING: SignedDuration = SignedDuration::from_hours(2);

/// Moves every clock that is ours to the plan's instant, since it stamps creation times; tells which could not be.
///
/// The clock of a site that could not be read stays: nothing is done there, and where no site could be read the plan's instant is
/// the host's, which may be months away from a made-up world's.
pub(super) fn advance(context: &Context<'_>, observed: &Observed, as_of: Timestamp) -> BTreeMap<SiteName, String> {
    let mut stopped = BTreeMap::new();
    if context.cancelled.load(Ordering::SeqCst) {
        return stopped;
    }
    let is_known = |site: &SiteName| matches!(observed.sites.get(site), Some(Listing::Complete(_)));
    for (site, clock) in context.sites.with_virtual_clock().filter(|(site, _)| is_known(site)) {
        let is_behind = |clock: &dyn VirtualClock| Ok::<_, ProviderError>(clock.now()? < as_of);
        match is_behind(clock)
            .and_then(|is_behind| if is_behind { clock.advance_to(as_of).map(|()| true) } else { Ok(false) })
        {
            Ok(true) => context.observer.on(&Event::ClockMoved { site: site.clone(), to: as_of }),
            Ok(false) => {}
            Err(error) => {
                stopped.insert(site.clone(), format!("the clock of site {site} could not be moved: {error}"));
            }
        }
    }
    stopped
}

/// Lets made-up time pass until what this run made is ready: waiting costs nothing there. Real clouds take their time, and the
/// next run looks.
pub(super) async fn settle(context: &Context<'_>, as_of: Timestamp) {
    for (site, clock) in context.sites.with_virtual_clock() {
        if let Err(error) = settle_site(context, site, clock, as_of).await {
            // Nothing was lost: the next run looks whether the points became ready.
            tracing::warn!(%site, %error, "could not wait for the points to become ready");
        }
    }
}

async fn settle_site(
    context: &Context<'_>,
    site: &SiteName,
    clock: &dyn VirtualClock,
    as_of: Timestamp,
) -> Result<(), ProviderError> {
    let Ok(calls) = context.calls(site) else { return Ok(()) };
    let started = clock.now()?;
    loop {
        let listing = read_pages(site, "snapshots", &Silent, |page| calls.snapshots(page));
        let Ok(snapshots) = listing.await else { return Ok(()) };
        let is_open =
            |s: &&Snapshot| s.created >= as_of && matches!(s.readiness, Readiness::Creating | Readiness::CutFixed);
        let left = snapshots.iter().filter(is_open).count();
        let waited = clock.now()?.duration_since(started);
        if left == 0 || waited > LONGEST_SETTLING || context.cancelled.load(Ordering::SeqCst) {
            return Ok(());
        }
        context.observer.on(&Event::Settling { left });
        // Small steps at first, so that the clock shows little more than what was needed.
        let step = (waited / 8).max(SignedDuration::from_secs(15));
        let next = Timestamp::from_second((started + waited + step).as_second()).unwrap_or(Timestamp::MAX);
        clock.advance_to(next)?;
    }
}
