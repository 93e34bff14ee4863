//! 11: what was executed is a part of what was planned, and the journal tells all of it, intent before outcome.

use crate::world::Deed;
use backstay_core::plan::{Action, Change, Plan};
use backstay_core::saga::Effect;
use backstay_runtime::journal::{Entry, Record};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// How long what a run looks at just before it begins a change may take: several slow calls.
const ON_THE_WAY: SignedDuration = SignedDuration::from_mins(20);

/// What a deed does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Create,
    Copy,
    Mend,
    Adopt,
    Lock,
    Revive,
    Mark,
    Delete,
}

/// What the journals of some runs announced: a deed at a site, to a snapshot, or to a point of a cluster where the snapshot has
/// no id before it is made.
#[derive(Debug, Default)]
pub(crate) struct Announced(BTreeSet<(String, Verb, String)>);

fn of_point(cluster: &str, point: &str) -> String {
    format!("{cluster} {point}")
}

/// Whether a change makes the planned point by going on with what an earlier attempt at the same slot left half made.
fn takes_up(planned: &Change, change: &Change) -> bool {
    let (Action::Create(wanted), Action::Create(earlier)) = (&planned.action, &change.action) else { return false };
    let slot = |change: &Change| (change.cluster.clone(), change.site.clone());
    slot(planned) == slot(change)
        && (wanted.point.slot, wanted.class) == (earlier.point.slot, earlier.class)
        && earlier.point.attempt < wanted.point.attempt
}

impl Announced {
    /// Takes in the journal of a run, and checks it against the run's plan.
    pub(crate) fn read(&mut self, run: &str, records: &[Record], plan: &Plan) {
        // Clusters write beside each other: two lines may come in another order than they were numbered in.
        let mut numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
        numbers.sort_unstable();
        let has_gap =
            numbers.windows(2).any(|pair| pair[0] == pair[1]) || numbers.first().is_some_and(|first| *first != 1);
        assert!(!has_gap, "11: the journal of {run} numbers its lines {numbers:?}");
        let mut open: BTreeMap<usize, (&Change, bool)> = BTreeMap::new();
        for record in records {
            match &record.entry {
                Entry::Run { plan: digest, .. } => assert_eq!(*digest, plan.digest(), "11: {run} has another plan"),
                Entry::Change { index, change, .. } => {
                    let until = plan.basis.valid_until + ON_THE_WAY;
                    assert!(record.at <= until, "10: {run} begins {index} at {}, after its plan expired", record.at);
                    let planned = plan.changes.get(*index);
                    let is_it = planned.is_some_and(|planned| planned == change.as_ref() || takes_up(planned, change));
                    assert!(is_it, "11: {run} does what is not planned: {change:?}, not {planned:?}");
                    let before = open.insert(*index, (change, false));
                    assert!(before.is_none(), "11: {run} begins change {index} twice");
                }
                Entry::Intent { index, effect, .. } => {
                    let (change, is_open) = open.get_mut(index).expect("11: an intent of a change that has begun");
                    assert!(!*is_open, "11: {run} sends {effect:?} before the last answer of {index}");
                    *is_open = true;
                    self.announce(change, effect);
                }
                Entry::Outcome { index, .. } => {
                    let (_, is_open) = open.get_mut(index).expect("11: an outcome of a change that has begun");
                    assert!(std::mem::replace(is_open, false), "11: {run} has an answer to nothing in {index}");
                }
                Entry::Ended { index, .. } => {
                    let (_, is_open) = open[index];
                    assert!(!is_open, "11: {run} ends {index} without its last answer");
                }
                // No person releases anything here.
                Entry::Release { .. } | Entry::Finished => {}
            }
        }
    }

    fn announce(&mut self, change: &Change, effect: &Effect) {
        let announced = match (&change.action, effect) {
            (Action::Create(create), Effect::Cut { .. }) => {
                Some((Verb::Create, of_point(change.cluster.as_str(), &create.point.to_string())))
            }
            (Action::Copy(copy), Effect::Copy { .. }) => {
                Some((Verb::Copy, of_point(change.cluster.as_str(), &copy.point.to_string())))
            }
            (_, Effect::SetTags { snapshot }) => Some((Verb::Mend, snapshot.to_string())),
            (_, Effect::Adopt { snapshot }) => Some((Verb::Adopt, snapshot.to_string())),
            (_, Effect::Lock { snapshot }) => Some((Verb::Lock, snapshot.to_string())),
            (_, Effect::TagTombstone { snapshot }) => Some((Verb::Mark, snapshot.to_string())),
            (_, Effect::UntagTombstone { snapshot }) => Some((Verb::Revive, snapshot.to_string())),
            (_, Effect::Delete { target }) => Some((Verb::Delete, target.id.to_string())),
            (_, _) => None,
        };
        if let Some((verb, whom)) = announced {
            self.0.insert((change.site.to_string(), verb, whom));
        }
    }

    /// Checks that what was done at a site was announced.
    pub(crate) fn judge(&self, site: &str, deed: &Deed) {
        let (verb, whom) = match deed {
            Deed::Created { of: (cluster, point) } => (Verb::Create, of_point(cluster, point)),
            Deed::Copied { of: (cluster, point) } => (Verb::Copy, of_point(cluster, point)),
            Deed::Mended { id } => (Verb::Mend, id.clone()),
            Deed::Adopted { id } => (Verb::Adopt, id.clone()),
            Deed::Locked { id } => (Verb::Lock, id.clone()),
            Deed::Revived { id } => (Verb::Revive, id.clone()),
            Deed::Marked { id, .. } => (Verb::Mark, id.clone()),
            Deed::Deleted { id, .. } => (Verb::Delete, id.clone()),
        };
        let wanted = (site.to_owned(), verb, whom);
        // A seal that is written over a broken one mends it, too: that of a leftover, or of a point that is gone on with.
        if verb == Verb::Mend {
            let is_sealed = |(place, verb, whom): &(String, Verb, String)| match verb {
                Verb::Adopt => (place, whom) == (&wanted.0, &wanted.2),
                Verb::Create | Verb::Copy => *place == wanted.0,
                Verb::Mend | Verb::Lock | Verb::Revive | Verb::Mark | Verb::Delete => false,
            };
            if self.0.iter().any(is_sealed) {
                return;
            }
        }
        assert!(self.0.contains(&wanted), "11: nobody announced {wanted:?}, only {:#?}", self.0);
    }
}
