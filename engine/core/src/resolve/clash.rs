//! Clusters that claim the same thing. Nobody can say which of them is right, and a backup of another's disks under
//! this one's name is worse than none: all of them are left out, and none loses anything.

use super::report::Report;
use crate::diagnostic::{Diagnostic, quote};
use crate::document::{Document, Spot};
use crate::model::Cluster;
use std::collections::{BTreeMap, BTreeSet};

/// A cluster whose identifiers could be read.
pub(super) struct Candidate<'d> {
    pub(super) cluster: Cluster,
    pub(super) document: &'d Document,
    /// Its place in its set.
    pub(super) item: Option<usize>,
    /// Whether nothing else is wrong with it. What is wrong still claims what it names.
    pub(super) is_right: bool,
}

/// A pointer into a cluster's part of its document.
pub(super) fn pointer(item: Option<usize>, rest: &str) -> String {
    match item {
        Some(number) => format!("/spec/clusters/{number}{rest}"),
        None => format!("/spec{rest}"),
    }
}

/// Reports every claim that was made twice, and marks who made it as wrong.
pub(super) fn check(candidates: &mut [Candidate<'_>], report: &mut Report<'_, '_>) {
    let mut clashes = Clashes { candidates, report, wrong: BTreeSet::new(), told: BTreeSet::new() };
    clashes.uids();
    clashes.names();
    clashes.machines();
    let wrong = clashes.wrong;
    for index in wrong {
        candidates[index].is_right = false;
    }
}

struct Clashes<'c, 'd, 'r, 'p, 's> {
    candidates: &'c [Candidate<'d>],
    report: &'r mut Report<'p, 's>,
    wrong: BTreeSet<usize>,
    /// Pairs that clash as a whole: the rest of what they share needs no words.
    told: BTreeSet<(usize, usize)>,
}

/// Who claimed something first: which cluster, and where in it.
type Firsts<K> = BTreeMap<K, (usize, Part)>;

/// What of a cluster claims something.
#[derive(Debug, Clone, Copy)]
enum Part {
    Uid,
    Name,
    Instance(usize),
    Disk(usize, usize),
}

impl<'c> Clashes<'c, '_, '_, '_, '_> {
    fn uids(&mut self) {
        let mut firsts = Firsts::new();
        let candidates = self.candidates;
        for (index, candidate) in candidates.iter().enumerate() {
            let uid = &candidate.cluster.uid;
            if let Some((first, place)) = self.claim(&mut firsts, uid, index, Part::Uid) {
                let other = candidates[first].cluster.name.as_str();
                self.told.insert((first, index));
                self.both_wrong(first, index);
                self.say(index, Part::Uid, || {
                    Diagnostic::error("duplicate-uid", format!("cluster {} has the same uid", quote(other))).hint(
                        format!("it is at {place}: a uid is one cluster's for ever, so choose another for the new one"),
                    )
                });
            }
        }
    }

    /// Names are for people. Two clusters of one name are a mistake, and both are still backed up.
    fn names(&mut self) {
        let mut firsts = Firsts::new();
        let candidates = self.candidates;
        for (index, candidate) in candidates.iter().enumerate() {
            let name = &candidate.cluster.name;
            if let Some((first, place)) = self.claim(&mut firsts, name, index, Part::Name)
                && !self.told.contains(&(first, index))
            {
                self.say(index, Part::Name, || {
                    Diagnostic::error("duplicate-name", format!("Cluster `{name}` is declared twice"))
                        .hint(format!("it is declared at {place}, too: rename one of them; its uid stays"))
                });
            }
        }
    }

    fn machines(&mut self) {
        let (mut instances, mut disks) = (Firsts::new(), Firsts::new());
        let candidates = self.candidates;
        for (index, candidate) in candidates.iter().enumerate() {
            let site = &candidate.cluster.site;
            for (n, node) in candidate.cluster.nodes.iter().enumerate() {
                let part = Part::Instance(n);
                if let Some(found) = self.claim(&mut instances, (site, &node.instance), index, part) {
                    self.shared(index, part, "instance", node.instance.as_str(), &found);
                }
                for (d, disk) in node.disks.iter().enumerate() {
                    let part = Part::Disk(n, d);
                    if let Some(found) = self.claim(&mut disks, (site, disk), index, part) {
                        self.shared(index, part, "disk", disk.as_str(), &found);
                    }
                }
            }
        }
    }

    fn shared(&mut self, index: usize, part: Part, what: &str, id: &str, (first, place): &(usize, String)) {
        self.both_wrong(*first, index);
        if self.told.contains(&(*first, index)) {
            return;
        }
        let other = self.candidates[*first].cluster.name.as_str();
        self.say(index, part, || {
            Diagnostic::error("duplicate-id", format!("the {what} {} is in two nodes", quote(id))).hint(format!(
                "it is in cluster {} at {place}, too: a machine and its disks are one node's",
                quote(other)
            ))
        });
    }

    /// Who has claimed this before, and where. Places are looked for only then.
    fn claim<K: Ord>(&self, firsts: &mut Firsts<K>, key: K, index: usize, part: Part) -> Option<(usize, String)> {
        match firsts.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert((index, part));
                None
            }
            std::collections::btree_map::Entry::Occupied(place) => {
                let (first, part) = *place.get();
                let candidate = &self.candidates[first];
                let at = candidate.pointer(part);
                Some((first, self.report.address(candidate.document, Spot::Value(&at))))
            }
        }
    }

    fn both_wrong(&mut self, first: usize, second: usize) {
        self.wrong.insert(first);
        self.wrong.insert(second);
    }

    fn say(&mut self, index: usize, part: Part, diagnostic: impl FnOnce() -> Diagnostic) {
        let candidate: &'c Candidate<'_> = &self.candidates[index];
        self.report.add(candidate.document, Spot::Value(&candidate.pointer(part)), diagnostic);
    }
}

impl Candidate<'_> {
    fn pointer(&self, part: Part) -> String {
        match part {
            Part::Uid => pointer(self.item, "/uid"),
            Part::Name if self.item.is_some() => pointer(self.item, "/name"),
            Part::Name => "/metadata/name".to_owned(),
            Part::Instance(node) => pointer(self.item, &format!("/nodes/{node}/instance")),
            Part::Disk(node, disk) => pointer(self.item, &format!("/nodes/{node}/disks/{disk}")),
        }
    }
}
