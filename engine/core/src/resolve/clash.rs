//! Clusters that claim the same thing. Nobody can say which of them is right, and a backup of another's disks under
//! this one's name is worse than none: all of them are left out, and none loses anything.

use super::report::Report;
use crate::diagnostic::{Code, Diagnostic, Place, quote};
use crate::document::{Document, Seat, Spot};
use crate::model::Cluster;
use std::collections::btree_map::Entry;
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

/// From so many on, clusters that two files have in common are told at once.
const TOGETHER: usize = 3;
/// So many of them are named.
const NAMED: usize = 5;

impl Part {
    /// The node that claims it.
    fn node(self) -> Option<usize> {
        match self {
            Self::Uid | Self::Name => None,
            Self::Instance(node) | Self::Disk(node, _) => Some(node),
        }
    }
}

impl<'c> Clashes<'c, '_, '_, '_, '_> {
    fn uids(&mut self) {
        let mut firsts = Firsts::new();
        let candidates = self.candidates;
        // By the two files, or where it is one by the two documents.
        let mut pairs: BTreeMap<[Seat; 2], Vec<(usize, usize)>> = BTreeMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let Some((first, _)) = claim(&mut firsts, &candidate.cluster.uid, index, Part::Uid) else { continue };
            self.told.insert((first, index));
            self.wrong.extend([first, index]);
            let seats = [candidates[first].document.seat, candidate.document.seat];
            let is_one_file = seats[0].page == seats[1].page;
            let key = if is_one_file { seats } else { seats.map(|seat| Seat { index: 0, ..seat }) };
            pairs.entry(key).or_default().push((first, index));
        }
        for (seats, clusters) in pairs {
            if clusters.len() >= TOGETHER && seats[0] != seats[1] {
                self.overlap(&clusters);
            } else {
                clusters.into_iter().for_each(|(first, index)| self.one_uid(first, index));
            }
        }
    }

    fn one_uid(&mut self, first: usize, index: usize) {
        let [one, other] = [first, index].map(|i| quote(self.candidates[i].cluster.name.as_str()));
        let place = self.place(first, Part::Uid);
        self.say(index, Part::Uid, || {
            let message = match one == other {
                true => format!("cluster {one} is declared twice, with one uid"),
                false => format!("clusters {one} and {other} have one uid"),
            };
            Diagnostic::error(Code::DuplicateUid, message)
                .label(format!("{other} has it again"))
                .beside(place, format!("{one} has it here"))
                .hint("a uid is one cluster's for ever: give the newer one a uid of its own, or remove what was copied")
        });
    }

    /// A set that was copied, or moved and left behind.
    fn overlap(&mut self, clusters: &[(usize, usize)]) {
        let (first, index) = clusters[0];
        let [one, other] = [first, index].map(|i| self.place(i, Part::Uid));
        let names = clusters.iter().take(NAMED).map(|(_, i)| quote(self.candidates[*i].cluster.name.as_str()));
        let names = names.collect::<Vec<_>>().join(", ");
        let more = clusters.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (count, file) = (clusters.len(), quote(&one.file));
        let message = match one.file == other.file {
            true => format!("{count} clusters are declared twice in this file: {names}{more}"),
            false => format!("{count} clusters are declared in {file} and again here: {names}{more}"),
        };
        self.say(index, Part::Uid, || {
            Diagnostic::error(Code::SetsOverlap, message)
                .label("the first that is there again")
                .beside(one, "where it was first")
                .hint("remove one of the two declarations: nothing is deleted by that")
        });
    }

    /// Names are for people. Two clusters of one name are a mistake, and both are still backed up.
    fn names(&mut self) {
        let mut firsts = Firsts::new();
        let candidates = self.candidates;
        for (index, candidate) in candidates.iter().enumerate() {
            let name = &candidate.cluster.name;
            if let Some((first, part)) = claim(&mut firsts, name, index, Part::Name)
                && !self.told.contains(&(first, index))
            {
                let place = self.place(first, part);
                self.say(index, Part::Name, || {
                    Diagnostic::error(Code::DuplicateName, format!("two clusters have the name `{name}`"))
                        .label("the second")
                        .beside(place, "the first")
                        .hint("rename one of them: its uid, and so its backups, stay")
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
                if let Some(found) = claim(&mut instances, (site, &node.instance), index, part) {
                    self.shared(index, part, "instance", node.instance.as_str(), found);
                }
                for (d, disk) in node.disks.iter().enumerate() {
                    let part = Part::Disk(n, d);
                    if let Some(found) = claim(&mut disks, (site, disk), index, part) {
                        self.shared(index, part, "disk", disk.as_str(), found);
                    }
                }
            }
        }
    }

    fn shared(&mut self, index: usize, part: Part, what: &str, id: &str, (first, its_part): (usize, Part)) {
        self.wrong.extend([first, index]);
        if self.told.contains(&(first, index)) {
            return;
        }
        let [one, other] = [first, index].map(|i| quote(self.candidates[i].cluster.name.as_str()));
        let place = self.place(first, its_part);
        self.say(index, part, || {
            let (whose, its) = match first == index {
                true if part.node() == its_part.node() => {
                    (format!("twice by one node of cluster {one}"), String::new())
                }
                true => (format!("by two nodes of cluster {one}"), " by another node".to_owned()),
                false => (format!("by clusters {one} and {other}"), format!(" by {one}")),
            };
            Diagnostic::error(Code::DuplicateId, format!("the {what} {} is claimed {whose}", quote(id)))
                .label("claimed again here")
                .beside(place, format!("claimed{its} here"))
                .hint("a machine and its disks are one node's: look up the right id at the provider")
        });
    }

    fn place(&self, index: usize, part: Part) -> Place {
        let candidate = &self.candidates[index];
        self.report.place(candidate.document.seat, Spot::Value(&candidate.pointer(part)))
    }

    fn say(&mut self, index: usize, part: Part, diagnostic: impl FnOnce() -> Diagnostic) {
        let candidate: &'c Candidate<'_> = &self.candidates[index];
        self.report.add(candidate.document, Spot::Value(&candidate.pointer(part)), diagnostic);
    }
}

/// Who has claimed this before, and with what of it.
fn claim<K: Ord>(firsts: &mut Firsts<K>, key: K, index: usize, part: Part) -> Option<(usize, Part)> {
    match firsts.entry(key) {
        Entry::Vacant(place) => {
            place.insert((index, part));
            None
        }
        Entry::Occupied(place) => Some(*place.get()),
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
