//! The planner: what must be done so that the world becomes as declared.
//!
//! It only proposes. It never sees a clock, a file or a network, and the order of its inputs never matters. What it decides
//! is checked by [`crate::verify`], which shares nothing with it but the types.

mod blast;
mod cause;
mod cluster;
mod copies;
mod findings;
mod leftovers;
mod locks;
mod on_demand;
mod places;
mod removals;
mod retirement;
mod room;
mod safety;
mod source;
mod survey;
mod tags;
mod tombstones;
mod view;
mod waits;

pub(crate) use blast::{due_limit, fleet_limit};
pub use on_demand::{Refused, on_demand};
pub use survey::{ClusterState, ClusterStatus, Gap, PointStatus, survey};

use crate::instances::Instances;
use crate::marks::Marks;
use crate::model::{Cluster, Desired, Policy};
use crate::name::{ClusterName, ClusterUid, DiskId, InstanceId, SiteName};
use crate::observed::{Instance, Listing, Observed, Records, SiteInventory, Snapshot, Unmanaged};
use crate::plan::{Basis, FORMAT_VERSION, Plan, SiteCoverage, VALID_FOR, WaitingFor};
use crate::point::{Catalogue, Shelf, Stranger};
use crate::retention;
use crate::share::Share;
use crate::snapshots::{Reading, index};
use crate::tags::PointKey;
use crate::workers::{self, Alone, Workers};
use cluster::Outcome;
use jiff::Timestamp;
use room::Room;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    // Also those that no document declares: what lies of them is told, and counts for the fleet's limit of deletes.
    let found = world.catalogues.values().flat_map(Catalogue::clusters);
    let uids: BTreeSet<&ClusterUid> = desired.clusters.keys().chain(found).collect();
    // In the order of the plan, so that what is gathered is in its order already, but for findings.
    let mut uids: Vec<(Option<&ClusterName>, &ClusterUid)> =
        uids.into_iter().map(|uid| (desired.clusters.get(uid).map(|cluster| &cluster.name), uid)).collect();
    uids.sort();
    let uids: Vec<&ClusterUid> = uids.into_iter().map(|(_, uid)| uid).collect();
    let fleet = Fleet { desired, baseline, world, as_of };
    let mut room = Room::of(desired, world);
    let outcomes = fleet.plan_all(workers, &uids, &mut room);
    let mut total = Outcome::of_all(outcomes);
    total.findings.extend(findings::of_nobody(world, &total.changes));
    copies::limit(&mut total, desired, world, &mut room);
    blast::limit(&mut total, desired, world, as_of);
    total.sort();
    fleet.planned(total)
}

/// What every cluster's part of a plan is made from.
#[derive(Clone, Copy)]
struct Fleet<'a> {
    desired: &'a Desired,
    baseline: Option<&'a Desired>,
    world: &'a World<'a>,
    as_of: Timestamp,
}

impl<'a> Fleet<'a> {
    /// Every cluster's part of the plan, in their order.
    fn plan_all(&self, workers: &dyn Workers, uids: &[&ClusterUid], room: &mut Room<'a>) -> Vec<Outcome> {
        let plan =
            |uid: &ClusterUid, come_first: Option<&WaitingFor>| self.plan(uid, &self.world.holdings(uid), come_first);
        let mut outcomes = workers::map(workers, uids, |uid| plan(uid, None));
        // What would have followed a point that must wait has to wait, too: so all of its cluster is planned again.
        let late = room.late(&outcomes);
        let again = workers::map(workers, &late, |(place, why)| plan(uids[*place], Some(why)));
        for ((place, _), outcome) in late.into_iter().zip(again) {
            outcomes[place] = outcome;
        }
        outcomes
    }

    /// The plan of what was decided.
    fn planned(&self, total: Outcome) -> Plan {
        let Self { desired, baseline, world: World { observed, .. }, as_of } = *self;
        Plan {
            format_version: FORMAT_VERSION.to_owned(),
            basis: Basis {
                origin: desired.origin.clone(),
                as_of,
                made_at: observed.at,
                valid_until: whole_second(VALID_FOR.after(observed.at)),
                provenance: observed.provenance,
                baseline: baseline.map(|baseline| baseline.origin.documents.clone()),
                clusters: desired.clusters.len(),
                narrowed: None,
            },
            changes: total.changes,
            waiting: total.waiting,
            findings: total.findings,
            coverage: coverage(desired, observed),
        }
    }

    /// One cluster's part of the plan, or what is told of one that no document declares.
    fn plan(&self, uid: &ClusterUid, holdings: &Holdings<'_>, come_first: Option<&WaitingFor>) -> Outcome {
        let Self { desired, baseline, world, as_of } = *self;
        let mut outcome = Outcome::default();
        if let Some(cluster) = desired.clusters.get(uid) {
            let subject = Subject::of(desired, cluster);
            outcome = cluster::plan(&subject, world, come_first, holdings, as_of);
            cause::attribute(&mut outcome, &subject, world, come_first, holdings, baseline, as_of);
        }
        outcome.findings.extend(findings::of_holdings(desired, uid, holdings, &outcome.changes));
        outcome.sort();
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
    instances: Instances<'a>,
    unmanaged: BTreeMap<&'a DiskId, Vec<&'a Unmanaged>>,
    /// How many snapshots there are that the inventory leaves out, since they are of another part of the fleet.
    elsewhere: usize,
    reading: &'a Reading,
}

impl<'a> Site<'a> {
    fn instance(&self, id: &InstanceId) -> Option<&'a Instance> {
        self.instances.get(id)
    }

    /// What was made of a disk and claims to be ours, whichever cluster it names, and whether or not it is believed.
    fn claimed_of(&self, disk: &DiskId) -> Vec<&'a Snapshot> {
        let list = self.inventory.snapshots.as_slice();
        self.reading.of_disk(disk, list).iter().map(|place| &list[index(*place)]).collect()
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
    /// What is recorded of snapshots at each site.
    marks: BTreeMap<&'a SiteName, &'a Arc<Marks>>,
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
            let instances = Instances::of(&inventory.instances);
            let mut unmanaged: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for snapshot in &inventory.unmanaged {
                unmanaged.entry(&snapshot.disk).or_default().push(snapshot);
            }
            let elsewhere = share.map_or(0, |share| share.elsewhere(name));
            let reading = Reading::of(inventory, &observed.keyring);
            Some((name, Site { inventory, instances, unmanaged, elsewhere, reading }))
        });
        let marks = observed.records.complete().into_iter().flat_map(|records| {
            let at = |site| Some((site, records.tombstones.marks_at(site, &observed.keyring)?));
            records.tombstones.keys().filter_map(at)
        });
        let marks = marks.collect();
        let no_records = Records::default();
        Self { observed, share, sites: sites.collect(), catalogues, nobodys, marks, no_records }
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
        let shelves = self.catalogues.iter().map(|(site, catalogue)| (*site, catalogue, catalogue.shelf(uid)));
        let seen = self.records().sightings.seen();
        let with_marks = shelves.filter(|(_, _, shelf)| !shelf.is_empty()).map(|(site, catalogue, shelf)| {
            let told = self.marks.get(site).and_then(|marks| catalogue.told(uid, marks, seen));
            (site, Shelf { told, ..shelf })
        });
        with_marks.collect()
    }

    /// The points of a cluster that a record holds.
    fn holds_of(&self, uid: &ClusterUid) -> Vec<PointKey> {
        let holds = &self.records().holds;
        if holds.is_empty() {
            return Vec::new();
        }
        let first = (uid.clone(), PointKey { slot: Timestamp::MIN, attempt: 0 });
        holds.range(first..).take_while(|(cluster, _)| cluster == uid).map(|(_, key)| *key).collect()
    }

    /// The records; empty ones where they are unknown, which [`safety`] keeps from doing harm.
    fn records(&self) -> &Records {
        self.observed.records.complete().unwrap_or(&self.no_records)
    }
}

/// People read it, and a second is nothing in an hour.
fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
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
