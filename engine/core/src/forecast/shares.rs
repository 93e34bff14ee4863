//! The limits that a fleet has as a whole, shared out among clusters that are planned one by one: deletes of a day in the order
//! of a plan, copies at a time oldest cut first, and the snapshots that an account may have.

use super::life::View;
use super::run::{Still, real};
use super::world::WantedCopy;
use crate::capabilities::{Copies, Iaas};
use crate::model::Desired;
use crate::name::{ClusterUid, SiteName};
use crate::planner;
use crate::share::Share;
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// What the fleet has in all, summed up as its clusters change.
#[derive(Debug, Default)]
pub(super) struct Totals {
    restorable: f64,
    snapshots: BTreeMap<SiteName, f64>,
}

impl Totals {
    pub(super) fn add(&mut self, view: &View, weight: f64) {
        self.restorable += real(view.restorable()) * weight;
        for (site, snapshots) in &view.snapshots {
            *self.snapshots.entry(site.clone()).or_default() += real(*snapshots) * weight;
        }
    }

    pub(super) fn snapshots(&self, site: &SiteName) -> f64 {
        self.snapshots.get(site).copied().unwrap_or(0.0)
    }
}

/// The deletes of one kind within the last 24 hours.
#[derive(Debug, Default)]
struct Recent {
    /// When, whose, and for how many it stands.
    deletes: VecDeque<(Timestamp, usize, f64)>,
    of_all: f64,
    of_each: BTreeMap<usize, f64>,
}

impl Recent {
    fn push(&mut self, at: Timestamp, whose: usize, weight: f64) {
        self.deletes.push_back((at, whose, weight));
        self.of_all += weight;
        *self.of_each.entry(whose).or_default() += weight;
    }

    fn forget_until(&mut self, day_ago: Timestamp) {
        while let Some((_, whose, weight)) = self.deletes.pop_front_if(|(at, _, _)| *at <= day_ago) {
            self.of_all -= weight;
            if let Some(own) = self.of_each.get_mut(&whose) {
                *own -= weight;
            }
        }
    }

    /// What the others leave of a limit, for one that stands for so many.
    fn left(&self, limit: usize, whose: usize, weight: f64) -> usize {
        let others = self.of_all - self.of_each.get(&whose).copied().unwrap_or(0.0);
        whole((real(u64::try_from(limit).unwrap_or(u64::MAX)) - others).max(0.0) / weight)
    }
}

/// The limits as they stand at one run.
#[derive(Debug, Default)]
pub(super) struct Shares {
    config: Recent,
    due: Recent,
    /// Both limits of deletes, once somebody asked for them at this run.
    limits: Option<(usize, usize)>,
    restorable: f64,
    /// At sites with a rule for how many there may be.
    snapshots: BTreeMap<SiteName, f64>,
    /// What each cluster may copy to where, of those that would copy at this run.
    copies: BTreeMap<usize, BTreeMap<SiteName, usize>>,
    /// What was copied beyond a site's rule, since one cluster stands for many.
    ahead: BTreeMap<SiteName, f64>,
}

/// A copy that would be made: by which cluster, standing for how many.
pub(super) struct Queued {
    pub(super) index: usize,
    pub(super) uid: ClusterUid,
    pub(super) weight: f64,
    pub(super) copy: WantedCopy,
}

impl Shares {
    /// A delete, of the past or just made.
    pub(super) fn count(&mut self, is_due: bool, at: Timestamp, whose: usize, weight: f64) {
        if is_due { self.due.push(at, whose, weight) } else { self.config.push(at, whose, weight) }
    }

    /// Begins a run: what there is now is what all of it is planned by.
    pub(super) fn begin(
        &mut self,
        desired: &Desired,
        totals: &Totals,
        unexplained: f64,
        still: &BTreeMap<SiteName, Still>,
        at: Timestamp,
    ) {
        let day_ago = Duration::days(1).before(at);
        self.config.forget_until(day_ago);
        self.due.forget_until(day_ago);
        self.limits = None;
        self.restorable = totals.restorable + unexplained;
        let ruled = still.iter().filter(|(name, _)| {
            let site = desired.sites.get(*name);
            site.is_some_and(|site| Iaas::of(site).rules().snapshots_per_site.is_some())
        });
        let count = |(name, still): (&SiteName, &Still)| {
            (name.clone(), totals.snapshots(name) + real(still.snapshots) + still.unmanaged)
        };
        self.snapshots = ruled.map(count).collect();
        self.copies.clear();
    }

    /// Shares out what each site takes of copies at a time, oldest cut first, as a plan of the whole fleet does. What one
    /// cluster stands for may pass the rule; then less is copied at the next runs.
    pub(super) fn share_out_copies(&mut self, desired: &Desired, mut queue: Vec<Queued>) {
        queue.sort_by(|a, b| {
            let order = (a.copy.cut, &a.uid, a.copy.point).cmp(&(b.copy.cut, &b.uid, b.copy.point));
            order.then_with(|| (a.copy.class, &a.copy.site).cmp(&(b.copy.class, &b.copy.site)))
        });
        let mut open = std::mem::take(&mut self.ahead);
        for queued in queue {
            let Queued { index, weight, copy, .. } = queued;
            let rules = desired.sites.get(&copy.site).map(|site| Iaas::of(site).rules().copies);
            let most = match rules {
                Some(Copies::Queued { parallel, .. }) => f64::from(parallel),
                Some(Copies::None | Copies::PlacedAtCreation) | None => continue,
            };
            let allowed = self.copies.entry(index).or_default().entry(copy.site.clone()).or_default();
            let open = open.entry(copy.site).or_default();
            let parts = real(u64::try_from(copy.parts).unwrap_or(u64::MAX)) * weight;
            if *open + parts <= most || (weight > 1.0 && *open < most) {
                *open += parts;
                *allowed += copy.parts;
            }
        }
        for (site, open) in open {
            let most = desired.sites.get(&site).map_or(0.0, |site| match Iaas::of(site).rules().copies {
                Copies::Queued { parallel, .. } => f64::from(parallel),
                Copies::None | Copies::PlacedAtCreation => 0.0,
            });
            if open > most {
                self.ahead.insert(site, open - most);
            }
        }
    }

    /// Snapshots that a cluster has on their way to a site.
    pub(super) fn on_their_way(&mut self, site: &SiteName, snapshots: usize, whose: usize, weight: f64) {
        if snapshots > 0 {
            *self.copies.entry(whose).or_default().entry(site.clone()).or_default() += snapshots;
            *self.ahead.entry(site.clone()).or_default() += real(u64::try_from(snapshots).unwrap_or(u64::MAX)) * weight;
        }
    }

    /// The share of one cluster that stands for so many.
    pub(super) fn of(&mut self, desired: &Desired, at: Timestamp, whose: usize, weight: f64, own: &View) -> Share {
        let restorable = whole(self.restorable);
        let (deletes, due) = *self
            .limits
            .get_or_insert_with(|| (planner::fleet_limit(desired, restorable), planner::due_limit(desired, at)));
        let elsewhere = self.snapshots.iter().map(|(site, all)| {
            let own = own.snapshots.get(site).copied().unwrap_or(0) + own.unmanaged.get(site).copied().unwrap_or(0);
            (site.clone(), whole((all - real(own)).max(0.0)))
        });
        Share {
            deletes: self.config.left(deletes, whose, weight),
            due_deletes: self.due.left(due, whose, weight),
            copies: self.copies.get(&whose).cloned().unwrap_or_default(),
            elsewhere: elsewhere.collect(),
        }
    }
}

/// Sums over a sample are not whole; what is a hair below a whole number is that number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, never negative")]
fn whole(number: f64) -> usize {
    (number + 1e-6).floor() as usize
}
