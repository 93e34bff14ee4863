//! The walk through time: run after run, and day after day.

use super::calls;
use super::carve::Fleet;
use super::ledger::Ledger;
use super::life::{Life, bytes};
use super::shares::{Queued, Shares, Totals};
use super::{Assumptions, Impossible, Sample};
use crate::capabilities::CallClass;
use crate::model::{Cluster, Desired};
use crate::name::{ClusterUid, PolicyName, SiteName};
use crate::observed::{Listing, Observed};
use crate::plan::{Action, Cause, Plan};
use crate::point::Catalogue;
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More runs than this are refused: every minute of two months, or every hour of ten years.
pub(super) const MOST_RUNS: u64 = 100_000;

/// What lies at a site and never changes.
#[derive(Default)]
pub(super) struct Still {
    pub(super) instances: f64,
    pub(super) unmanaged: f64,
    /// Snapshots that no readable cluster explains, and their bytes.
    pub(super) snapshots: u64,
    pub(super) bytes: u64,
}

/// A fleet on its way through time.
pub(super) struct Walk<'a> {
    pub(super) desired: &'a Desired,
    pub(super) lives: Vec<Life>,
    pub(super) still: BTreeMap<SiteName, Still>,
    /// Restorable points that no readable cluster explains.
    unexplained_points: f64,
    totals: Totals,
    shares: Shares,
    pub(super) ledger: Ledger,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        desired: &'a Desired,
        observed: &Observed,
        baseline: Option<&Desired>,
        assumptions: &Assumptions,
    ) -> Self {
        let fleet = Fleet::of(desired, observed, baseline);
        let from = assumptions.from;
        let lives: Vec<Life> = sample(&fleet, assumptions.sample)
            .into_iter()
            .map(|(cluster, weight)| {
                let policy = desired.policy_of(cluster).clone();
                Life::new(cluster.clone(), policy, weight, fleet.world_of(cluster), from)
            })
            .collect();
        let still = still(&fleet, observed);
        let unexplained_points = unexplained_points(desired, observed);
        let mut totals = Totals::default();
        lives.iter().for_each(|life| totals.add(&life.view, life.weight));
        let shares = past_deletes(observed, &lives);
        let ledger = Ledger::new(from, assumptions.until);
        Self { desired, lives, still, unexplained_points, totals, shares, ledger }
    }

    /// Walks from the first run to the end.
    pub(super) fn go(&mut self, assumptions: &Assumptions) -> Result<(), Impossible> {
        let Assumptions { from, until, every, .. } = *assumptions;
        self.ledger.begin(&self.lives, &self.still);
        let mut due: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        due.insert(0, (0..self.lives.len()).collect());
        for number in 0..runs(assumptions) {
            let at = from.checked_add(every.signed() * i32::try_from(number).unwrap_or(i32::MAX)).unwrap_or(until);
            self.ledger.close_days_before(at, &self.lives, &self.still);
            self.list(at);
            let due_now = due.remove(&number).unwrap_or_default();
            self.shares.begin(self.desired, &self.totals, self.unexplained_points, &self.still, at);
            self.share_out_copies(&due_now, at, every);
            for index in due_now {
                let plan = self.run(index, at, every)?;
                let look = self.lives[index].next_look(&plan, at, every);
                due.entry(run_at(from, every, look).max(number + 1)).or_default().insert(index);
            }
        }
        for life in &mut self.lives {
            life.account_until(until);
        }
        self.ledger.close_last(&self.lives, &self.still);
        Ok(())
    }

    fn run(&mut self, index: usize, at: Timestamp, every: Duration) -> Result<Plan, Impossible> {
        let life = &mut self.lives[index];
        let share = self.shares.of(self.desired, at, index, life.weight, &life.view);
        self.totals.add(&life.view, -life.weight);
        let plan = life.run(at, every, &share).map_err(|violations| Impossible::Violation { at, violations })?;
        self.totals.add(&life.view, life.weight);
        for change in &plan.changes {
            if matches!(change.action, Action::Delete(_)) {
                self.shares.count(change.cause == Cause::Due, at, index, life.weight);
            }
            for (site, class) in calls::of_change(change, at) {
                self.ledger.call(&site, class, life.weight, at);
            }
        }
        self.ledger.note(&plan, index, life.weight, at);
        Ok(plan)
    }

    /// Shares out what the sites take of copies at a time, among those that would copy.
    fn share_out_copies(&mut self, due: &BTreeSet<usize>, at: Timestamp, every: Duration) {
        let mut queue = Vec::new();
        for &index in due {
            let life = &mut self.lives[index];
            if life.cluster.is_retired || life.policy.copies.is_empty() {
                continue;
            }
            let (uid, weight) = (&life.cluster.uid, life.weight);
            let wanted = life.world.wanted_copies(at, every);
            queue.extend(wanted.into_iter().map(|copy| Queued { index, uid: uid.clone(), weight, copy }));
            for copy in &life.policy.copies {
                self.shares.on_their_way(&copy.site, life.world.on_their_way(&copy.site), index, weight);
            }
        }
        self.shares.share_out_copies(self.desired, queue);
    }

    /// Each run lists every site.
    fn list(&mut self, at: Timestamp) {
        for (name, still) in &self.still {
            let Some(site) = self.desired.sites.get(name) else { continue };
            // Sums over a sample are not whole.
            let snapshots = self.totals.snapshots(name).round() + real(still.snapshots);
            let page = crate::capabilities::Iaas::of(site).rules().page_size;
            let pages = calls::of_listing(site, page, still.instances, snapshots, still.unmanaged);
            self.ledger.call(name, CallClass::List, pages, at);
        }
    }
}

/// How many runs there are before the end: one at the beginning, and one after each whole interval.
pub(super) fn runs(assumptions: &Assumptions) -> u64 {
    run_at(assumptions.from, assumptions.every, assumptions.until)
}

/// The number of the first run at or after an instant.
fn run_at(from: Timestamp, every: Duration, instant: Timestamp) -> u64 {
    let ahead = instant.duration_since(from);
    let whole = u64::try_from(ahead.as_secs()).unwrap_or(0) + u64::from(ahead.subsec_nanos() > 0);
    whole.div_ceil(every.as_seconds().max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a fleet, far below 2^53")]
pub(super) fn real(number: u64) -> f64 {
    number as f64
}

/// The deletes that were before, each for itself. Whose are not simulated are of nobody here.
fn past_deletes(observed: &Observed, lives: &[Life]) -> Shares {
    let places: BTreeMap<&ClusterUid, usize> =
        lives.iter().enumerate().map(|(index, life)| (&life.cluster.uid, index)).collect();
    let records = observed.records.complete();
    let mut past: Vec<_> = records.into_iter().flat_map(|records| &records.recent_deletes).collect();
    past.sort_by_key(|delete| delete.at);
    let mut shares = Shares::default();
    for delete in past {
        let whose = places.get(&delete.cluster).copied().unwrap_or(usize::MAX);
        shares.count(delete.cause == Cause::Due, delete.at, whose, 1.0);
    }
    shares
}

/// The clusters to be simulated, by name, each with how many it stands for.
///
/// A sample takes the same share of small and large ones: those of one policy and site are ordered by the size of their disks,
/// and taken at even distances.
fn sample<'a>(fleet: &Fleet<'a>, sample: Sample) -> Vec<(&'a Arc<Cluster>, f64)> {
    let all = fleet.clusters();
    let Sample::AtMost(most) = sample else { return all.into_iter().map(|cluster| (cluster, 1.0)).collect() };
    if all.len() <= most {
        return all.into_iter().map(|cluster| (cluster, 1.0)).collect();
    }
    let mut groups: BTreeMap<(&PolicyName, &SiteName), Vec<&Arc<Cluster>>> = BTreeMap::new();
    for cluster in &all {
        groups.entry((&cluster.policy, &cluster.site)).or_default().push(cluster);
    }
    let total = all.len();
    let mut chosen = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by_key(|cluster| (fleet.size_of(cluster), &cluster.uid));
        // In proportion to its size, rounded up: no group is left out.
        let wanted = (group.len() * most).div_ceil(total).max(1);
        let weight = real(u64::try_from(group.len()).unwrap_or(u64::MAX)) / real(u64::try_from(wanted).unwrap_or(1));
        chosen.extend((0..wanted).map(|i| (group[(2 * i + 1) * group.len() / (2 * wanted)], weight)));
    }
    chosen.sort_by(|(a, _), (b, _)| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
    chosen
}

fn still(fleet: &Fleet<'_>, observed: &Observed) -> BTreeMap<SiteName, Still> {
    let count = |items: usize| u64::try_from(items).unwrap_or(u64::MAX);
    let mut still: BTreeMap<SiteName, Still> = BTreeMap::new();
    for (name, listing) in &observed.sites {
        let Listing::Complete(inventory) = listing else { continue };
        let of_site = still.entry(name.clone()).or_default();
        of_site.instances = real(count(inventory.instances.len()));
        of_site.unmanaged = real(count(inventory.unmanaged.len()));
    }
    let mut unexplained: BTreeMap<&SiteName, Vec<_>> = BTreeMap::new();
    for (name, snapshot) in fleet.unexplained() {
        unexplained.entry(name).or_default().push(snapshot);
    }
    for (name, snapshots) in unexplained {
        let of_site = still.entry(name.clone()).or_default();
        of_site.snapshots = count(snapshots.len());
        of_site.bytes = bytes(snapshots, crate::model::Rates::default());
    }
    still
}

fn unexplained_points(desired: &Desired, observed: &Observed) -> f64 {
    let has_some = |listing: &Listing<crate::observed::SiteInventory>| {
        let is_strange = |uid: &str| !desired.clusters.keys().any(|known| known.as_str() == uid);
        listing.complete().is_some_and(|inventory| {
            inventory.snapshots.iter().any(|s| s.tags.get(crate::tags::CLUSTER).is_some_and(is_strange))
        })
    };
    // Only where there is something: checking all seals of a large fleet takes a minute.
    let sites = observed.sites.values().filter(|listing| has_some(listing)).filter_map(Listing::complete);
    let catalogues = sites.map(|inventory| {
        let catalogue = Catalogue::of(inventory, &observed.keyring);
        let strange = catalogue.clusters().filter(|uid| !desired.clusters.contains_key(*uid));
        strange.flat_map(|uid| catalogue.shelf(uid).points).filter(|point| point.is_restorable()).count()
    });
    real(u64::try_from(catalogues.sum::<usize>()).unwrap_or(u64::MAX))
}
