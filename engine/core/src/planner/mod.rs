//! The planner: what must be done so that the world becomes as declared.
//!
//! It only proposes. It never sees a clock, a file or a network, and the order of its inputs never matters. What it decides
//! is checked by [`crate::verify`], which shares nothing with it but the types.

mod blast;
mod cause;
mod cluster;
mod findings;
mod removals;
mod safety;
mod source;
mod survey;
mod tombstones;

pub use survey::{ClusterState, ClusterStatus, PointStatus, survey};

use crate::model::{Cluster, Desired, Policy};
use crate::name::{InstanceId, SiteName};
use crate::observed::{Instance, Listing, Observed, Records, SiteInventory};
use crate::plan::{Basis, FORMAT_VERSION, Plan, SiteCoverage, VALID_FOR};
use crate::point::Catalogue;
use crate::retention;
use cluster::Outcome;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Plans the difference between what is desired and what was observed, for one instant.
///
/// Deterministic: the same inputs, in whatever order, give the same plan to the byte (INVARIANTS.md 12).
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, baseline: Option<&Desired>, as_of: Timestamp) -> Plan {
    let world = World::of(observed);
    let mut total = Outcome::default();
    for cluster in desired.clusters.values() {
        let mut outcome = cluster::plan(&Subject::of(desired, cluster), &world, as_of);
        cause::attribute(&mut outcome, desired, cluster, &world, baseline, as_of);
        total.append(outcome);
    }
    total.findings.extend(findings::of_sites(desired, &world));
    blast::limit(&mut total, desired, &world, as_of);
    total.sort();
    Plan {
        format_version: FORMAT_VERSION.to_owned(),
        basis: Basis {
            origin: desired.origin.clone(),
            as_of,
            made_at: observed.at,
            valid_until: VALID_FOR.after(observed.at),
            provenance: observed.provenance,
            baseline: baseline.map(|baseline| baseline.origin.documents.clone()),
            clusters: desired.clusters.len(),
        },
        changes: total.changes,
        waiting: total.waiting,
        findings: total.findings,
        coverage: coverage(desired, observed),
    }
}

/// One cluster with what its documents refer to.
#[derive(Clone, Copy)]
struct Subject<'a> {
    cluster: &'a Cluster,
    policy: &'a Policy,
}

impl<'a> Subject<'a> {
    fn of(desired: &'a Desired, cluster: &'a Cluster) -> Self {
        Self { cluster, policy: desired.policy_of(cluster) }
    }
}

/// A site that was read to its end, with its instances by id.
struct Site<'a> {
    inventory: &'a SiteInventory,
    instances: BTreeMap<&'a InstanceId, &'a Instance>,
}

impl<'a> Site<'a> {
    fn instance(&self, id: &InstanceId) -> Option<&'a Instance> {
        self.instances.get(id).copied()
    }

    /// Whether an instant is later than the planned one and later than the site's own time, by more than clocks may err.
    fn is_in_the_future(&self, instant: Timestamp, as_of: Timestamp) -> bool {
        instant > retention::TOLERANCE.after(as_of.max(self.inventory.clock.now))
    }
}

/// The observation, with each site's points put together once.
struct World<'a> {
    observed: &'a Observed,
    sites: BTreeMap<&'a SiteName, Site<'a>>,
    catalogues: BTreeMap<&'a SiteName, Catalogue<'a>>,
    no_records: Records,
}

impl<'a> World<'a> {
    fn of(observed: &'a Observed) -> Self {
        let catalogues = observed
            .sites
            .iter()
            .filter_map(|(name, listing)| Some((name, Catalogue::of(listing.complete()?, &observed.keyring))))
            .collect();
        let sites = observed.sites.iter().filter_map(|(name, listing)| {
            let inventory = listing.complete()?;
            let instances = inventory.instances.iter().map(|instance| (&instance.id, instance)).collect();
            Some((name, Site { inventory, instances }))
        });
        Self { observed, sites: sites.collect(), catalogues, no_records: Records::default() }
    }

    /// A site, or why it is unknown.
    fn site(&self, name: &SiteName) -> Result<&Site<'a>, &str> {
        match (self.sites.get(name), self.observed.sites.get(name)) {
            (Some(site), _) => Ok(site),
            (None, Some(Listing::Unknown { because })) => Err(because),
            (None, Some(Listing::Complete(_)) | None) => Err("it was not observed"),
        }
    }

    /// The records; empty ones where they are unknown, which [`safety`] keeps from doing harm.
    fn records(&self) -> &Records {
        self.observed.records.complete().unwrap_or(&self.no_records)
    }
}

fn coverage(desired: &Desired, observed: &Observed) -> Vec<SiteCoverage> {
    desired
        .sites
        .keys()
        .map(|site| match observed.sites.get(site) {
            Some(Listing::Complete(inventory)) => SiteCoverage {
                site: site.clone(),
                unknown: None,
                clock: Some(inventory.clock),
                snapshots: inventory.snapshots.len(),
            },
            Some(Listing::Unknown { because }) => unknown(site, because),
            None => unknown(site, "it was not observed"),
        })
        .collect()
}

fn unknown(site: &SiteName, because: &str) -> SiteCoverage {
    SiteCoverage { site: site.clone(), unknown: Some(because.to_owned()), clock: None, snapshots: 0 }
}
