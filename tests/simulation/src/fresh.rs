//! 6, 10: whatever a run changes it has read itself, after its plan was made, and nobody else has changed it since.
//!
//! It knows the calls alone: which run read what, and which run changed what, in the order of their sending.
//! 4: and what a run that changes something could not read at all.

use std::collections::{BTreeMap, BTreeSet};

/// A run, and what lies at a site.
type Read = (String, String, String);

/// What was read and changed in one round. Runs never last longer.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    calls: u64,
    reads: BTreeMap<Read, u64>,
    /// When something was last changed, and by which run.
    changes: BTreeMap<(String, String), (u64, String)>,
    wrong: Vec<String>,
}

impl Fresh {
    /// A run has learnt what something is like.
    pub(crate) fn read(&mut self, run: &str, site: &str, what: &str) {
        self.calls += 1;
        self.reads.insert((run.to_owned(), site.to_owned(), what.to_owned()), self.calls);
    }

    /// A run relies on what it has read, and is about to act.
    pub(crate) fn relies_on(&mut self, run: &str, site: &str, what: &str, verb: &str) {
        let read = self.reads.get(&(run.to_owned(), site.to_owned(), what.to_owned()));
        let changed = self.changes.get(&(site.to_owned(), what.to_owned()));
        match (read, changed) {
            (None, _) => self.wrong.push(format!("{run} sends {verb} for {what} at {site}, and has not read it")),
            (Some(read), Some((changed, other))) if changed > read && other != run => {
                self.wrong
                    .push(format!("{run} sends {verb} for {what} at {site}, which {other} changed since it was read"));
            }
            (Some(_), Some(_) | None) => {}
        }
    }

    /// A run changes something that it relies on.
    pub(crate) fn change(&mut self, run: &str, site: &str, what: &str, verb: &str) {
        self.relies_on(run, site, what, verb);
        self.calls += 1;
        self.changes.insert((site.to_owned(), what.to_owned()), (self.calls, run.to_owned()));
    }

    /// What was not as it must be; everything else is forgotten.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(self).wrong
    }
}

/// Which runs changed which snapshots, and what those runs had not been able to read.
#[derive(Debug, Default)]
pub(crate) struct Views {
    unread: BTreeMap<String, BTreeSet<String>>,
    /// By site and snapshot.
    changed: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Views {
    /// A run has looked, and could not read these sites.
    pub(crate) fn saw(&mut self, run: String, unread: BTreeSet<String>) {
        self.unread.insert(run, unread);
    }

    /// A run changes a snapshot.
    pub(crate) fn changed(&mut self, run: String, site: &str, id: &str) {
        self.changed.entry((site.to_owned(), id.to_owned())).or_default().insert(run);
    }

    /// The runs that changed a snapshot, each with the sites that it could not read.
    pub(crate) fn of(&self, site: &str, id: &str) -> impl Iterator<Item = (&String, &BTreeSet<String>)> {
        let runs = self.changed.get(&(site.to_owned(), id.to_owned())).into_iter().flatten();
        runs.filter_map(|run| self.unread.get_key_value(run))
    }
}
