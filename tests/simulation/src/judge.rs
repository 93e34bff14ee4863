//! What was done at the sites, judged by INVARIANTS.md's own words. It knows nothing of the planner.

use crate::fresh::Views;
use crate::naive::{self, hours};
use crate::town::{Cluster, Town};
use crate::world::{Deed, Point, PointName, Snapshot, World};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What must be remembered from run to run.
#[derive(Default)]
pub(crate) struct Memory {
    /// The grace of every mark that stands, when it was made: by site and snapshot.
    graces: BTreeMap<(usize, String), u64>,
    /// Every point that went from a site in the last days, with its cluster.
    pub(crate) gone: Vec<(Timestamp, String, usize, PointName)>,
    /// The longest grace and the shortest interval that a cluster ever had, in hours.
    extremes: BTreeMap<String, (u64, u64)>,
}

impl Memory {
    /// Notes what is declared now.
    pub(crate) fn note(&mut self, town: &Town) {
        for cluster in &town.clusters {
            let policy = town.policy_of(cluster);
            let graces = std::iter::once(&policy.retention).chain(policy.copies.iter().map(|copy| &copy.retention));
            let longest = graces.map(|retention| retention.grace_hours).max().unwrap_or(0);
            let (grace, every) = self.extremes.entry(cluster.uid()).or_insert((longest, policy.every_hours));
            *grace = (*grace).max(longest);
            *every = (*every).min(policy.every_hours);
        }
    }
}

/// One run: what was declared, what was there before, and what is there now.
pub(crate) struct Round<'a> {
    pub(crate) town: &'a Town,
    pub(crate) before: &'a [World],
    pub(crate) after: &'a [World],
    /// What each run that changed a snapshot could not read.
    pub(crate) views: &'a Views,
}

impl Round<'_> {
    /// Judges what one run did at all sites.
    pub(crate) fn judge(&self, deeds: &[Vec<Deed>], memory: &mut Memory) {
        memory.note(self.town);
        // Earlier rounds have judged what lies longer ago.
        if let Some(now) = self.before.iter().map(|world| world.now).min() {
            memory.gone.retain(|(at, ..)| *at > now - DAY - DAY);
        }
        for (site, deeds) in deeds.iter().enumerate() {
            for deed in deeds {
                match deed {
                    Deed::Marked { id, at, was } => self.judge_mark(site, id, *at, was, memory),
                    Deed::Deleted { id, at, was, before } => self.judge_delete(site, id, *at, was, before, memory),
                    Deed::Created { .. }
                    | Deed::Copied { .. }
                    | Deed::Mended { .. }
                    | Deed::Adopted { .. }
                    | Deed::Locked { .. }
                    | Deed::Revived { .. } => {}
                }
            }
        }
        for cluster in &self.town.clusters {
            self.judge_floor(cluster);
            for site in 0..self.after.len() {
                self.judge_parts(&cluster.uid(), site);
            }
            self.judge_rate(cluster, memory);
        }
    }

    /// The declared cluster of what is to go. 16: nothing goes whose cluster is not declared.
    fn cluster_of(&self, id: &str, was: &Snapshot) -> &Cluster {
        let uid = was.tag("backstay-cluster");
        let cluster = self.town.cluster(uid).filter(|cluster| cluster.is_declared);
        cluster.unwrap_or_else(|| panic!("16: {id} is of {uid}, which is not declared"))
    }

    fn grace(&self, cluster: &Cluster, site: usize) -> u64 {
        let retentions = self.town.retentions(cluster, site);
        retentions.iter().map(|retention| retention.grace_hours).min().unwrap_or(0)
    }

    fn judge_mark(&self, site: usize, id: &str, _at: Timestamp, was: &Snapshot, memory: &mut Memory) {
        assert!(was.is_ours(), "5: {id} is marked, and is not ours");
        let cluster = self.cluster_of(id, was);
        self.judge_view(cluster, site, id);
        memory.graces.insert((site, id.to_owned()), self.grace(cluster, site));
    }

    /// 4: home, the copy sites and the site itself were all read, by each run that sent something for it.
    fn judge_view(&self, cluster: &Cluster, site: usize, id: &str) {
        let copies = self.town.policy_of(cluster).copies.iter().map(|copy| copy.site);
        let places: Vec<usize> = [site, cluster.site].into_iter().chain(copies).collect();
        for (run, unread) in self.views.of(&self.town.sites[site].name, id) {
            for name in places.iter().map(|place| &self.town.sites[*place].name) {
                assert!(!unread.contains(name), "4: {id} goes, though {run} could not read {name}");
            }
        }
    }

    fn judge_delete(&self, site: usize, id: &str, at: Timestamp, was: &Snapshot, before: &World, memory: &mut Memory) {
        assert!(was.is_ours(), "5: {id} is not ours");
        let cluster = self.cluster_of(id, was);
        assert!(!was.is_held(), "1: {id} is held");
        assert!(was.locked_until.is_none_or(|until| until <= at), "3: {id} is locked");
        assert!(was.fails || was.done <= at, "7: {id} is being made");
        self.judge_view(cluster, site, id);
        let is_far_off = self.town.sites[site].skew.is_some_and(|skew| skew.ends_with("7m"));
        assert!(self.town.is_virtual || !is_far_off, "14: {id} goes, though the clocks are 7 minutes apart");
        let grace = self.grace(cluster, site);
        let marked_with = memory.graces.get(&(site, id.to_owned())).copied().unwrap_or(u64::MAX);
        let is_ripe = was.marked.is_some_and(|marked| marked + hours(grace.max(marked_with)) <= at);
        assert!(is_ripe, "3: {id} was not marked for {grace} h and {marked_with} h: {:?}", was.marked);
        assert!(at.duration_since(was.created) >= hours(grace), "14: {id} is too young");
        let name = was.point_name();
        let here = before.points(&cluster.uid(), at);
        // What lies whole elsewhere may have left a part here, which is no point.
        // What was sealed as left over goes by itself, beside a point of that name or not.
        let is_whole = was.is_a_part() && here.iter().any(|point| point.name == name);
        let points = self.judged_with(cluster, site, here);
        match points.iter().find(|point| is_whole && point.name == name) {
            Some(point) => self.judge_point(cluster, site, at, point, &points),
            None => assert!(at.duration_since(was.created) >= DAY, "7: {id} may still become a point"),
        }
        let gone = (at, cluster.uid(), site, name);
        if !memory.gone.iter().any(|(_, uid, place, point)| (uid, *place, point) == (&gone.1, gone.2, &gone.3)) {
            memory.gone.push(gone);
        }
    }

    /// 1, 13, 25: no rule of its place wants a point that goes, and neither does a copy site that lacks it.
    fn judge_point(&self, cluster: &Cluster, site: usize, at: Timestamp, point: &Point, there: &[Point]) {
        let policy = self.town.policy_of(cluster);
        for rules in self.town.retentions(cluster, site) {
            if cluster.is_retired {
                let span = naive::span(policy, rules);
                let age = at.duration_since(point.youngest);
                assert!(age > span, "1: {point:?} of a retired cluster is {age:#} old, not {span:#}");
            } else {
                let kept = naive::kept(there, rules, &cluster.system(), at);
                assert!(!kept.contains(&point.name), "1: {point:?} is kept by {rules:?}\n{there:#?}");
            }
        }
        if cluster.is_retired || self.town.sites[cluster.site].places_at_creation() {
            return;
        }
        // What lies on another cloud cannot come there.
        let profile = |site: usize| self.town.sites[site].profile;
        for copy in policy.copies.iter().filter(|copy| copy.site != site && profile(copy.site) == profile(site)) {
            let copied = self.seen_at(copy.site, &cluster.uid());
            let mut all = copied.clone();
            let sources = (0..self.after.len()).filter(|other| profile(*other) == profile(copy.site));
            let elsewhere: Vec<Point> = sources.flat_map(|other| self.seen_at(other, &cluster.uid())).collect();
            all.extend(elsewhere.iter().filter(|p| !copied.iter().any(|other| other.name == p.name)).cloned());
            all.sort_by(|one, other| one.name.cmp(&other.name));
            all.dedup_by(|one, other| one.name == other.name);
            // A copy is as old as its cut.
            for point in &mut all {
                point.youngest = point.cut;
            }
            let wanted = naive::kept(&all, &copy.retention, &cluster.system(), at);
            let has_it = copied.iter().any(|other| other.name == point.name);
            assert!(
                has_it || point.is_held || !wanted.contains(&point.name),
                "25: {point:?} goes, and its copy site lacks it"
            );
        }
    }

    /// What a place's points are judged with. What was made at home and at former sites is one line of points; each copy site is
    /// judged alone.
    fn judged_with(&self, cluster: &Cluster, site: usize, mut points: Vec<Point>) -> Vec<Point> {
        let copies: BTreeSet<usize> = self.town.policy_of(cluster).copies.iter().map(|copy| copy.site).collect();
        let is_copy = |place: usize| place != cluster.site && copies.contains(&place);
        if is_copy(site) {
            return points;
        }
        for other in (0..self.after.len()).filter(|other| *other != site && !is_copy(*other)) {
            for point in self.seen_at(other, &cluster.uid()) {
                if !points.iter().any(|known| known.name == point.name) {
                    // What lies elsewhere may be a copy, which is as old as its cut (decision 6).
                    points.push(Point { youngest: point.cut, ..point });
                }
            }
        }
        points
    }

    /// What could be restored from a site during the run.
    fn seen_at(&self, site: usize, uid: &str) -> Vec<Point> {
        let now = self.after[site].now;
        let mut points = self.after[site].points(uid, now);
        for point in self.before[site].points(uid, now) {
            if !points.iter().any(|other| other.name == point.name) {
                points.push(point);
            }
        }
        points
    }

    /// 2: the floor stands over all places, and the newest point survives. What is restorable only since the run cannot count
    /// for it. Only a retirement may take away more.
    fn judge_floor(&self, cluster: &Cluster) {
        if cluster.is_retired && cluster.is_declared {
            return;
        }
        let uid = cluster.uid();
        // A point that became ready between the two instants was not deleted by anyone.
        let distinct = |worlds: &[World]| -> BTreeMap<PointName, Point> {
            let now = |site: usize| self.after[site].now;
            let all = worlds.iter().enumerate().flat_map(|(site, world)| world.points(&uid, now(site)));
            all.map(|point| (point.name.clone(), point)).collect()
        };
        let (then, left) = (distinct(self.before), distinct(self.after));
        let of_system = |points: &BTreeMap<PointName, Point>| {
            let current = points.values().filter(|point| point.system == cluster.system());
            current.map(|point| &point.slot).collect::<BTreeSet<_>>().len()
        };
        let policy = self.town.policy_of(cluster);
        let floor = usize::try_from(policy.retention.minimum_redundancy).expect("small").min(of_system(&then));
        let standing = of_system(&left);
        assert!(standing >= floor, "2: {uid} has {standing} points, its floor is {floor}");
        if let Some(newest) = then.values().max_by_key(|point| (point.cut, &point.name)) {
            assert!(left.contains_key(&newest.name), "2: {uid} lost its newest point {newest:?}");
        }
    }

    /// 8: no part twice within one attempt.
    fn judge_parts(&self, uid: &str, site: usize) {
        let mut seen: BTreeMap<&str, (&String, &Snapshot)> = BTreeMap::new();
        for (id, snapshot) in self.after[site].parts_of(uid).filter(|(_, snapshot)| snapshot.is_a_part()) {
            if let Some(other) = seen.insert(snapshot.tag("backstay-intent"), (id, snapshot)) {
                panic!("8: a part of {uid} twice: {id} {snapshot:#?} and {other:#?}");
            }
        }
    }

    /// 18: in any 24 hours at most five that the documents or a stranger brought about go of a cluster, and besides them at
    /// most twice the slots that fell due during the past grace plus one day, and the ten that are always allowed.
    fn judge_rate(&self, cluster: &Cluster, memory: &Memory) {
        let uid = cluster.uid();
        let of_cluster: Vec<Timestamp> =
            memory.gone.iter().filter(|(_, other, ..)| *other == uid).map(|(at, ..)| *at).collect();
        let due = |uid: &str| {
            let (grace, every) = memory.extremes[uid];
            usize::try_from(2 * ((grace + 24) / every + 1)).expect("a small number")
        };
        let all_due: usize = self.town.clusters.iter().map(|cluster| due(&cluster.uid())).sum::<usize>().max(10);
        let within = |all: &[Timestamp], end: Timestamp| {
            let begin = end - DAY;
            all.iter().filter(|at| **at > begin && **at <= end).count()
        };
        for end in &of_cluster {
            let count = within(&of_cluster, *end);
            assert!(count <= 5 + all_due, "18: {count} points of {uid} went in a day");
        }
        let all: Vec<Timestamp> = memory.gone.iter().map(|(at, ..)| *at).collect();
        for end in &all {
            let count = within(&all, *end);
            assert!(count <= 10 + all_due, "18: {count} points went in a day");
        }
    }
}
