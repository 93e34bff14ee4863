//! 8: points of one slot, as they lie at the sites. All but one are on their way out within two rounds in which nothing stood
//! against that.

use crate::runner::Ran;
use crate::tally::Tally;
use crate::town::{Cluster, Town};
use crate::world::World;
use backstay_core::plan::WaitingFor;
use backstay_core::saga::End;
use backstay_runtime::apply::ChangeEnd;
use std::collections::{BTreeMap, BTreeSet};

/// How many such rounds a second point of a slot may last.
const ROUNDS: usize = 2;

/// A slot that has two points: by site, cluster, slot and system.
type Double = (usize, String, String, String);

/// The slots that have, or had, two points.
#[derive(Debug, Default)]
pub(crate) struct Doubles {
    seen: BTreeSet<Double>,
    /// Those that have two now, with the undisturbed rounds that they have lasted.
    standing: BTreeMap<Double, usize>,
}

impl Doubles {
    /// Counts each slot that has two points once, and judges those that had them before.
    pub(crate) fn judge(&mut self, town: &Town, worlds: &[World], ran: &[Option<Ran>], tally: &mut Tally) {
        let mut standing = BTreeMap::new();
        for cluster in &town.clusters {
            let doubles = doubles_of(&cluster.uid(), worlds);
            let rests = doubles.is_empty() || is_at_work(cluster, ran);
            for double in doubles {
                if self.seen.insert(double.clone()) {
                    tally.count("a point twice");
                }
                // The round that shows it first has not planned with it.
                let before = self.standing.get(&double);
                let lasted = before.map_or(0, |lasted| lasted + usize::from(!rests && !cluster.is_retired));
                assert!(lasted <= ROUNDS, "8: {double:?} has two points, after {lasted} rounds that nothing disturbed");
                standing.insert(double, lasted);
            }
        }
        self.standing = standing;
    }
}

/// Whether something stood against marks of a cluster, in any of the runs.
fn is_at_work(cluster: &Cluster, ran: &[Option<Ran>]) -> bool {
    let uid = cluster.uid();
    !cluster.is_declared || ran.iter().any(|ran| ran.as_ref().is_none_or(|ran| stands_against(&uid, ran)))
}

fn stands_against(uid: &str, ran: &Ran) -> bool {
    let Some((plan, applied)) = ran.plan.as_ref().zip(ran.applied.as_ref()) else { return true };
    let own = plan.changes.iter().enumerate().filter(|(_, change)| change.cluster.as_str() == uid);
    let is_done = |index: usize| applied.ended.get(&index) == Some(&ChangeEnd::Saga(End::Done));
    !ran.unread.is_empty()
        || ran.lacks_records
        || ran.skipped.iter().any(|skipped| skipped.as_str() == uid)
        || own.map(|(index, _)| index).any(|index| !is_done(index))
        || plan.waiting.iter().any(|waiting| waiting.cluster.as_str() == uid && is_obstacle(&waiting.why))
}

/// What waits for its time after its mark is on its way.
fn is_obstacle(why: &WaitingFor) -> bool {
    match why {
        WaitingFor::Grace { .. } | WaitingFor::Lock { .. } | WaitingFor::Sighting => false,
        WaitingFor::SiteUnknown { .. }
        | WaitingFor::InProgress
        | WaitingFor::BackOff { .. }
        | WaitingFor::Source { .. }
        | WaitingFor::NotSafe { .. }
        | WaitingFor::BlastRadius { .. }
        | WaitingFor::CopyQueue { .. }
        | WaitingFor::SourceNotReady
        | WaitingFor::FailedCopy { .. }
        | WaitingFor::Copies { .. }
        | WaitingFor::DiskSpacing { .. }
        | WaitingFor::Quota { .. }
        | WaitingFor::Budget { .. }
        | WaitingFor::Lease { .. } => true,
    }
}

fn doubles_of(uid: &str, worlds: &[World]) -> Vec<Double> {
    let mut doubles = Vec::new();
    for (site, world) in worlds.iter().enumerate() {
        let mut slots = BTreeSet::new();
        for point in world.points(uid, world.now).into_iter().filter(|point| !point.is_marked && !point.is_held) {
            let slot = (site, uid.to_owned(), point.slot, point.system);
            if !slots.insert(slot.clone()) {
                doubles.push(slot);
            }
        }
    }
    doubles
}
