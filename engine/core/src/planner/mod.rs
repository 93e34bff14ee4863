//! The planner: what must be done so that the world becomes as declared.
//!
//! It only proposes. It never sees a clock, a file or a network, and the order of its inputs never matters. What it decides
//! is checked by [`crate::verify`], which shares nothing with it but the types.

mod astray;
mod blast;
mod cause;
mod cluster;
mod copies;
mod findings;
mod leftovers;
mod locks;
mod places;
mod removals;
mod retirement;
mod safety;
mod source;
mod survey;
mod tags;
mod tombstones;
mod view;
mod waits;

pub(crate) use blast::{due_limit, fleet_limit};
pub use survey::{ClusterState, ClusterStatus, PointStatus, survey};

use crate::model::{Cluster, Desired, Policy};
use crate::name::{ClusterUid, DiskId, InstanceId, SiteName};
use crate::observed::{Instance, Listing, Observed, Records, SiteInventory, Unmanaged};
use crate::plan::{Basis, FORMAT_VERSION, Plan, SiteCoverage, VALID_FOR};
use crate::point::{Catalogue, Shelf, Stranger};
use crate::retention;
use crate::share::Share;
use crate::workers::{self, Alone, Workers};
use astray::{Astray, Found};
use cluster::{Others, Outcome};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Plans the difference between what is desired and what was observed, for one instant.
///
/// Deterministic: the same inputs, in whatever order, give the same plan to the byte (INVARIANTS.md 12).
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, baseline: Option<&Desired>, as_of: Timestamp) -> Plan {
    plan_with(&Alone, desired, observed, baseline, as_of)
}

/// The same plan, made by several hands: each cluster's part of it depends on no other cluster's.
#[must_use]
pub fn plan_with(
    workers: &dyn Workers,
    desired: &Desired,
    observed: &Observed,
    baseline: Option<&Desired>,
    as_of: Timestamp,
) -> Plan {
    plan_world(workers, desired, &World::of(observed, None), baseline, as_of)
}

/// The same for a part of a fleet, which may use its share of what the whole one may do.
pub(crate) fn plan_part(
    desired: &Desired,
    observed: &Observed,
    baseline: Option<&Desired>,
    as_of: Timestamp,
    share: &Share,
) -> Plan {
    plan_world(&Alone, desired, &World::of(observed, Some(share)), baseline, as_of)
}

fn plan_world(
    workers: &dyn Workers,
    desired: &Desired,
    world: &World<'_>,
    baseline: Option<&Desired>,
    as_of: Timestamp,
) -> Plan {
    let observed = world.observed;
    // Also those that no document declares: what lies of them is told, and counts for the fleet's limit of deletes.
    let found = world.catalogues.values().flat_map(Catalogue::clusters);
    let uids: Vec<&ClusterUid> = desired.clusters.keys().chain(found).collect::<BTreeSet<_>>().into_iter().collect();
    let fleet = Fleet { desired, baseline, world, as_of };
    let mut astray = Astray::of_nobody(world);
    let planned = workers::map(workers, &uids, |uid| {
        let holdings = world.holdings(uid);
        let found = astray::on_shelves(world, desired, desired.clusters.get(*uid).map(|cluster| &**cluster), &holdings);
        (fleet.plan(uid, &holdings, Others { astray: &astray }), found)
    });
    let (mut outcomes, found): (Vec<Outcome>, Vec<Vec<Found<'_>>>) = planned.into_iter().unzip();
    // Few have any: so those alone are planned again whose disks are snapshotted under another's name.
    let more = astray.add(found.into_iter().flatten());
    for (uid, outcome) in uids.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.cuts_one_of(&more)) {
        *outcome = fleet.plan(uid, &world.holdings(uid), Others { astray: &astray });
    }
    let mut total = Outcome::default();
    for outcome in outcomes {
        total.append(outcome);
    }
    total.findings.extend(findings::of_nobody(world, &total.changes));
    copies::limit(&mut total, desired, world);
    blast::limit(&mut total, desired, world, as_of);
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

/// What every cluster's part of a plan is made from.
#[derive(Clone, Copy)]
struct Fleet<'a> {
    desired: &'a Desired,
    baseline: Option<&'a Desired>,
    world: &'a World<'a>,
    as_of: Timestamp,
}

impl Fleet<'_> {
    /// One cluster's part of the plan, or what is told of one that no document declares.
    fn plan(&self, uid: &ClusterUid, holdings: &Holdings<'_>, others: Others<'_>) -> Outcome {
        let Self { desired, baseline, world, as_of } = *self;
        let mut outcome = Outcome::default();
        if let Some(cluster) = desired.clusters.get(uid) {
            let subject = Subject::of(desired, cluster);
            outcome = cluster::plan(&subject, world, others, holdings, as_of);
            cause::attribute(&mut outcome, &subject, world, others, holdings, baseline, as_of);
        }
        outcome.findings.extend(findings::of_holdings(desired, uid, holdings, &outcome.changes));
        outcome.restorable = holdings.values().flat_map(|shelf| &shelf.points).filter(|p| p.is_restorable()).count();
        outcome
    }
}

/// One cluster with what its documents refer to.
#[derive(Clone, Copy)]
struct Subject<'a> {
    desired: &'a Desired,
    cluster: &'a Cluster,
    policy: &'a Policy,
}

impl<'a> Subject<'a> {
    fn of(desired: &'a Desired, cluster: &'a Cluster) -> Self {
        Self { desired, cluster, policy: desired.policy_of(cluster) }
    }
}

/// What lies of one cluster at each site that was read; sites without anything are left out.
type Holdings<'a> = BTreeMap<&'a SiteName, Shelf<'a>>;

/// A site that was read to its end, with its instances by id.
struct Site<'a> {
    inventory: &'a SiteInventory,
    instances: BTreeMap<&'a InstanceId, &'a Instance>,
    unmanaged: BTreeMap<&'a DiskId, Vec<&'a Unmanaged>>,
    /// How many snapshots there are that the inventory leaves out, since they are of another part of the fleet.
    elsewhere: usize,
    /// The disks of its instances.
    attached: HashSet<&'a DiskId>,
}

impl<'a> Site<'a> {
    fn instance(&self, id: &InstanceId) -> Option<&'a Instance> {
        self.instances.get(id).copied()
    }

    /// What others made of a disk.
    fn unmanaged_of(&self, disk: &DiskId) -> &[&'a Unmanaged] {
        self.unmanaged.get(disk).map_or(&[], Vec::as_slice)
    }

    /// Whether an instant is later than the planned one and later than the site's own time, by more than clocks may err.
    fn is_in_the_future(&self, instant: Timestamp, as_of: Timestamp) -> bool {
        instant > retention::TOLERANCE.after(as_of.max(self.inventory.clock.now))
    }
}

/// The observation, with each site's points put together once.
struct World<'a> {
    observed: &'a Observed,
    /// What it may use of the limits, if it is a part of a fleet.
    share: Option<&'a Share>,
    sites: BTreeMap<&'a SiteName, Site<'a>>,
    catalogues: BTreeMap<&'a SiteName, Catalogue<'a>>,
    /// What claims to be ours at each site, and names no cluster.
    nobodys: BTreeMap<&'a SiteName, Vec<Stranger<'a>>>,
    no_records: Records,
}

impl<'a> World<'a> {
    fn of(observed: &'a Observed, share: Option<&'a Share>) -> Self {
        let catalogues: BTreeMap<&SiteName, Catalogue<'a>> = observed
            .sites
            .iter()
            .filter_map(|(name, listing)| Some((name, Catalogue::of(listing.complete()?, &observed.keyring))))
            .collect();
        let nobodys = catalogues.iter().map(|(name, catalogue)| (*name, catalogue.strangers())).collect();
        let sites = observed.sites.iter().filter_map(|(name, listing)| {
            let inventory = listing.complete()?;
            let instances = inventory.instances.iter().map(|instance| (&instance.id, instance)).collect();
            let mut unmanaged: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for snapshot in &inventory.unmanaged {
                unmanaged.entry(&snapshot.disk).or_default().push(snapshot);
            }
            let elsewhere = share.map_or(0, |share| share.elsewhere(name));
            let disks = inventory.instances.iter().flat_map(|instance| &instance.disks);
            let attached = disks.map(|disk| &disk.id).collect();
            Some((name, Site { inventory, instances, unmanaged, elsewhere, attached }))
        });
        Self { observed, share, sites: sites.collect(), catalogues, nobodys, no_records: Records::default() }
    }

    /// A site, or why it is unknown.
    fn site(&self, name: &SiteName) -> Result<&Site<'a>, &str> {
        match (self.sites.get(name), self.observed.sites.get(name)) {
            (Some(site), _) => Ok(site),
            (None, Some(Listing::Unknown { because })) => Err(because),
            (None, Some(Listing::Complete(_)) | None) => Err("it was not observed"),
        }
    }

    /// What claims to be ours at a site, and names no cluster.
    fn nobodys(&self, site: &SiteName) -> &[Stranger<'a>] {
        self.nobodys.get(site).map_or(&[], Vec::as_slice)
    }

    /// Puts together what lies of a cluster, wherever it is.
    fn holdings(&self, uid: &ClusterUid) -> Holdings<'a> {
        let shelves = self.catalogues.iter().map(|(site, catalogue)| (*site, catalogue.shelf(uid)));
        shelves.filter(|(_, shelf)| !shelf.is_empty()).collect()
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
