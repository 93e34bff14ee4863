//! The inputs, indexed once, and each cluster with what lies at its places.

use super::Violation;
use super::points::{Attempt, Rank, Seen, State, Whole};
use super::reference::{self, Kept};
use super::slots::Slots;
use crate::capabilities::{Copies, Iaas, Rules};
use crate::instances::Instances;
use crate::model::{Cluster, CopyPolicy, Desired, NodeRole, Policy, Retention};
use crate::name::{ClusterUid, DiskId, InstanceId, PolicyName, SiteName, SnapshotId, SystemId};
use crate::observed::{DatabaseState, Instance, Listing, Observed, SiteInventory, Snapshot};
use crate::plan::{Action, Change, Plan};
use crate::snapshots::{Reading, Said, index, print_of};
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// In which a schedule's longest gap is measured.
pub(super) const GAP_SPAN: Duration = Duration::days(400);

/// The inputs, indexed once.
pub(super) struct Facts<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) plan: &'a Plan,
    pub(super) as_of: Timestamp,
    pub(super) by_cluster: BTreeMap<&'a ClusterUid, Vec<&'a Change>>,
    /// What the snapshots of each site say that was read to its end.
    readings: BTreeMap<&'a SiteName, &'a Reading>,
    /// The snapshots whose tags the plan changes: their tags may claim anything.
    retagged: BTreeMap<(&'a SiteName, &'a SnapshotId), &'a Snapshot>,
    instances: BTreeMap<&'a SiteName, Instances<'a>>,
    /// When others made what they made of each disk.
    unmanaged: BTreeMap<&'a SiteName, BTreeMap<&'a DiskId, Vec<Timestamp>>>,
    slots: BTreeMap<&'a PolicyName, [OnceLock<Slots<'a>>; 3]>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(plan: &'a Plan, desired: &'a Desired, observed: &'a Observed) -> Self {
        let mut by_cluster: BTreeMap<&ClusterUid, Vec<&Change>> = BTreeMap::new();
        for own in plan.changes.chunk_by(|a, b| a.cluster == b.cluster) {
            by_cluster.entry(&own[0].cluster).or_default().extend(own);
        }
        let mut retagged = BTreeMap::new();
        let mut readings: BTreeMap<&SiteName, &Reading> = BTreeMap::new();
        let mut instances = BTreeMap::new();
        let mut unmanaged: BTreeMap<&SiteName, BTreeMap<&DiskId, Vec<Timestamp>>> = BTreeMap::new();
        for (site, listing) in &observed.sites {
            let Listing::Complete(inventory) = listing else { continue };
            readings.insert(site, Reading::of(inventory, &observed.keyring));
            instances.insert(site, Instances::of(&inventory.instances));
            for other in &inventory.unmanaged {
                unmanaged.entry(site).or_default().entry(&other.disk).or_default().push(other.created);
            }
        }
        for change in &plan.changes {
            let Action::Tag(tag) = &change.action else { continue };
            let Some(inventory) = observed.sites.get(&change.site).and_then(Listing::complete) else { continue };
            let ids = tag.snapshots.iter().map(|snapshot| &snapshot.expected.id);
            retagged.extend(ids.filter_map(|id| {
                let found = readings.get(&change.site)?.snapshot(id, &change.cluster, &inventory.snapshots)?;
                Some(((&change.site, id), found))
            }));
        }
        let slots = desired.policies.keys().map(|name| (name, Default::default())).collect();
        let as_of = plan.basis.as_of;
        Self { desired, observed, plan, as_of, by_cluster, readings, retagged, instances, unmanaged, slots }
    }

    /// A snapshot whose tags the plan changes.
    pub(super) fn retagged(&self, site: &SiteName, id: &SnapshotId) -> Option<&'a Snapshot> {
        self.retagged.get(&(site, id)).copied()
    }

    /// A site that was read to its end.
    pub(super) fn inventory(&self, site: &SiteName) -> Option<&'a SiteInventory> {
        self.observed.sites.get(site).and_then(Listing::complete)
    }

    /// What the snapshots of a site say that was read to its end.
    pub(super) fn reading(&self, site: &SiteName) -> Option<&'a Reading> {
        self.readings.get(site).copied()
    }

    /// When others made what they made of a disk.
    pub(super) fn unmanaged(&self, site: &SiteName, disk: &DiskId) -> &[Timestamp] {
        self.unmanaged.get(site).and_then(|disks| disks.get(disk)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn instance(&self, site: &SiteName, id: &InstanceId) -> Option<&'a Instance> {
        self.instances.get(site)?.get(id)
    }

    /// The rules of a declared site.
    pub(super) fn rules(&self, site: &SiteName) -> Option<&'static Rules> {
        self.desired.sites.get(site).map(|site| Iaas::of(site).rules())
    }

    /// A policy's slots: one walk for all of its clusters.
    pub(super) fn slots(&self, policy: &'a Policy, span: Span) -> &Slots<'a> {
        let (place, length) = match span {
            Span::Latest => (0, Duration::ZERO),
            Span::GraceAndADay => (1, span_of_due_deletes(policy)),
            Span::Gaps => (2, GAP_SPAN),
        };
        let cell = self.slots.get(&policy.name).map(|cells| &cells[place]);
        cell.expect("every policy is declared").get_or_init(|| Slots::of(&policy.schedule, self.as_of, length))
    }
}

/// How far back slots are needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Span {
    /// For the latest one.
    Latest,
    /// For how many due deletes a day may bring.
    GraceAndADay,
    /// For the longest gap.
    Gaps,
}

/// The past grace plus one day.
pub(super) fn span_of_due_deletes(policy: &Policy) -> Duration {
    Duration::seconds(policy.retention.grace.as_seconds() + Duration::days(1).as_seconds())
}

/// What a site is to a cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role<'a> {
    /// It lives there.
    Home,
    /// Its policy wants copies there.
    Copy(&'a CopyPolicy),
    /// Neither, and genuine snapshots of it lie there.
    Former,
}

/// What of a cluster lies at one site that was read to its end.
pub(super) struct Place<'a> {
    pub(super) site: &'a SiteName,
    pub(super) role: Role<'a>,
    pub(super) inventory: &'a SiteInventory,
    pub(super) attempts: Vec<Attempt<'a>>,
    /// What claims to be the cluster's, and is not, or belongs to no attempt.
    pub(super) strangers: Vec<&'a Snapshot>,
}

impl<'a> Place<'a> {
    /// The points here that can be restored.
    pub(super) fn whole(&self) -> impl Iterator<Item = &Whole<'a>> {
        self.in_state(State::Whole)
    }

    /// The points here of which every part is there, and some are not ready yet.
    pub(super) fn being_made(&self) -> impl Iterator<Item = &Whole<'a>> {
        self.in_state(State::BeingMade)
    }

    fn in_state(&self, state: State) -> impl Iterator<Item = &Whole<'a>> {
        let in_state = self.attempts.iter().filter(move |attempt| attempt.state == state);
        in_state.filter_map(|attempt| attempt.facts.as_ref())
    }

    /// A snapshot of an attempt, with that attempt.
    pub(super) fn find(&self, id: &SnapshotId) -> Option<(&Attempt<'a>, Seen<'a>)> {
        let print = print_of(id);
        self.attempts.iter().find_map(|attempt| Some((attempt, attempt.snapshots().find(|s| s.is(id, print))?)))
    }

    pub(super) fn attempt(&self, key: PointKey, class: PointClass) -> Option<&Attempt<'a>> {
        self.attempts.iter().find(|attempt| (attempt.key, attempt.class) == (key, class))
    }
}

/// One cluster with what was seen of it.
pub(super) struct Context<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) cluster: &'a Cluster,
    pub(super) policy: &'a Policy,
    /// Home, copy sites and former sites, as far as they were read to their end.
    pub(super) places: Vec<Place<'a>>,
    /// What the plan would make, by the site where.
    hoped: Vec<(&'a SiteName, Whole<'static>)>,
    /// The system identifier that its servers agree on: see [`Self::current_system`].
    system: Result<Option<SystemId>, &'static str>,
}

impl<'a> Context<'a> {
    pub(super) fn of(facts: &'a Facts<'a>, cluster: &'a Cluster) -> Self {
        let policy = facts.desired.policy_of(cluster);
        let mut places = Vec::new();
        for (site, listing) in &facts.observed.sites {
            let Listing::Complete(inventory) = listing else { continue };
            let said = facts.reading(site).and_then(|r| r.said_of(&cluster.uid, inventory, &facts.observed.keyring));
            let list = inventory.snapshots.as_slice();
            let attempts: Vec<Attempt<'_>> =
                said.into_iter().flat_map(Said::attempts).flat_map(|named| Attempt::all_of(named, list)).collect();
            let is_genuine = |attempt: &Attempt<'_>| attempt.snapshots().any(|seen| seen.is_genuine());
            let role = match policy.copies.iter().find(|copy| copy.site == *site) {
                _ if *site == cluster.site => Role::Home,
                Some(copy) => Role::Copy(copy),
                None if attempts.iter().any(is_genuine) => Role::Former,
                None => continue,
            };
            let strangers = said.into_iter().flat_map(|said| said.strangers.iter());
            let strangers = strangers.map(|place| &list[index(*place)]).collect();
            places.push(Place { site, role, inventory, attempts, strangers });
        }
        let system = told_system(facts, cluster);
        let mut context = Self { facts, cluster, policy, places, hoped: Vec::new(), system };
        context.hold();
        context.hope();
        context
    }

    /// A hold is on the point, wherever it lies and whatever says so: its record, or the tag of any snapshot of it.
    fn hold(&mut self) {
        let attempts = self.places.iter().flat_map(|place| &place.attempts);
        let is_tagged = |attempt: &&Attempt<'_>| attempt.snapshots().any(|seen| seen.is_held());
        let tagged: BTreeSet<(PointKey, PointClass)> = attempts.filter(is_tagged).map(|a| (a.key, a.class)).collect();
        let uid = &self.cluster.uid;
        let first = || (uid.clone(), PointKey { slot: Timestamp::MIN, attempt: 0 });
        let holds = self.facts.observed.records.complete().map(|records| &records.holds).filter(|h| !h.is_empty());
        let own = holds.into_iter().flat_map(|holds| holds.range(first()..).take_while(|(of, _)| of == uid));
        let recorded: BTreeSet<PointKey> = own.map(|(_, key)| *key).collect();
        if recorded.is_empty() && tagged.is_empty() {
            return;
        }
        for attempt in self.places.iter_mut().flat_map(|place| &mut place.attempts) {
            if let Some(whole) = &mut attempt.facts {
                whole.held |= recorded.contains(&whole.key) || tagged.contains(&(attempt.key, attempt.class));
            }
        }
    }

    fn hope(&mut self) {
        let now = self.facts.as_of;
        for change in self.changes() {
            match &change.action {
                Action::Create(create) => self.hoped.push((&change.site, Whole::of_create(create, now))),
                Action::Copy(copy) => self.hoped.push((&change.site, Whole::of_copy(copy, now))),
                Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => {}
            }
        }
    }

    /// What the plan does to this cluster.
    pub(super) fn changes(&self) -> impl Iterator<Item = &'a Change> + use<'a> {
        self.facts.by_cluster.get(&self.cluster.uid).into_iter().flatten().copied()
    }

    pub(super) fn violation(&self, invariant: u8, what: impl Into<String>) -> Violation {
        Violation { invariant, cluster: self.cluster.uid.clone(), what: what.into() }
    }

    pub(super) fn place(&self, site: &SiteName) -> Option<&Place<'a>> {
        self.places.iter().find(|place| place.site == site)
    }

    pub(super) fn home(&self) -> Option<&Place<'a>> {
        self.place(&self.cluster.site)
    }

    /// The copies that lie at a site of their own.
    pub(super) fn copies(&self) -> impl Iterator<Item = &'a CopyPolicy> + use<'a> {
        let (home, is_placed) = (&self.cluster.site, self.is_placed_at_creation());
        self.policy.copies.iter().filter(move |copy| copy.site != *home && !is_placed)
    }

    /// Whether the one object is placed when it is made: then it is its own copy.
    pub(super) fn is_placed_at_creation(&self) -> bool {
        self.facts.rules(&self.cluster.site).is_some_and(|rules| rules.copies == Copies::PlacedAtCreation)
    }

    /// The retention of what lies at a place.
    pub(super) fn retention<'r>(&'r self, place: &'r Place<'_>) -> &'r Retention {
        match place.role {
            Role::Home | Role::Former => &self.policy.retention,
            Role::Copy(copy) => &copy.retention,
        }
    }

    /// The points of a place, once those that are planned and being made are there, if `soon`.
    pub(super) fn points_at<'p>(&'p self, place: &'p Place<'a>, soon: bool) -> Vec<&'p Whole<'a>> {
        let mut points: Vec<&Whole<'_>> = Vec::with_capacity(place.attempts.len() + self.hoped.len());
        points.extend(place.whole());
        if soon {
            points.extend(place.being_made());
            points.extend(self.hoped.iter().filter(|(site, _)| *site == place.site).map(|(_, whole)| whole));
        }
        points
    }

    /// The points of a place, and those of others that it lacks, each point once.
    fn with_others<'p>(
        &'p self,
        place: Option<&'p Place<'a>>,
        soon: bool,
        is_other: impl Fn(&Place<'a>) -> bool,
    ) -> Vec<&'p Whole<'a>> {
        let mut points = place.map_or_else(Vec::new, |place| self.points_at(place, soon));
        let others = |role: fn(Role<'_>) -> bool| {
            let not_here = move |other: &&Place<'a>| place.is_none_or(|place| !std::ptr::eq(place, *other));
            self.places.iter().filter(move |other| role(other.role)).filter(not_here).filter(|other| is_other(other))
        };
        // Home first: where a point lies at several other places, home's snapshots speak for it.
        for other in others(|role| role == Role::Home).chain(others(|role| role != Role::Home)) {
            let found = self.points_at(other, soon);
            if found.is_empty() {
                continue;
            }
            let known: BTreeSet<_> = points.iter().map(|point| point.rank()).collect();
            let is_known = |point: &Whole<'_>| known.contains(&point.rank()) && points.iter().any(|p| p.is_same(point));
            let new: Vec<&Whole<'_>> = found.into_iter().filter(|point| !is_known(point)).collect();
            points.extend(new);
        }
        points
    }

    /// Every point that can be restored from anywhere (`soon`: or that could be, if all goes well), each once.
    pub(super) fn everywhere(&self, soon: bool) -> Vec<&Whole<'a>> {
        self.with_others(self.home(), soon, |_| true)
    }

    /// What may not go from a place.
    ///
    /// A copy site's retention counts what lies there. The policy's counts what lies at home and at former sites together, each
    /// point once: a former site drains as new points are made at home. An object that is its own copy lives as long as
    /// either retention wants it.
    pub(super) fn kept_at(&self, place: &Place<'a>, soon: bool) -> Kept {
        match place.role {
            Role::Copy(copy) => self.kept(&self.points_at(place, soon), &copy.retention),
            Role::Home | Role::Former => {
                let points = self.with_others(Some(place), soon, |other| !matches!(other.role, Role::Copy(_)));
                let own = self.kept(&points, &self.policy.retention);
                let is_placed = self.is_placed_at_creation();
                let also = self.policy.copies.iter().filter(|_| is_placed);
                also.fold(own, |kept, copy| kept.or(self.kept(&points, &copy.retention)))
            }
        }
    }

    /// What a copy site's retention would keep, had it everything that can be copied there.
    pub(super) fn wanted_at(&self, copy: &CopyPolicy) -> Kept {
        let may_travel = |point: &&Whole<'_>| {
            reference::is_of_retention(point.class) && !reference::is_from_the_future(point, self.facts.as_of)
        };
        // What lies on another cloud cannot come there.
        let sites = &self.facts.desired.sites;
        let kind = |name: &SiteName| sites.get(name).map(|site| (site.kind(), Iaas::of(site)));
        let is_source = |other: &Place<'a>| kind(other.site) == kind(&copy.site);
        let points: Vec<&Whole<'_>> =
            self.with_others(self.place(&copy.site), false, is_source).into_iter().filter(may_travel).collect();
        // By the cut alone: a copy is made later than its point, and its age must not begin anew.
        let judged = |is_held: fn(&Whole<'_>) -> bool| {
            let by_cut: Vec<Whole<'_>> = points.iter().map(|point| point.by_its_cut(is_held(point))).collect();
            self.kept(&by_cut.iter().collect::<Vec<_>>(), &copy.retention)
        };
        // A hold alone wants no second object: what is held is wanted if it were kept without.
        let held: BTreeSet<Rank> = points.iter().filter(|point| point.held).map(|point| point.rank()).collect();
        let free = judged(|point| point.held).only(|rank| !held.contains(rank));
        if held.is_empty() { free } else { free.or(judged(|_| false).only(|rank| held.contains(rank))) }
    }

    fn kept(&self, points: &[&Whole<'a>], retention: &Retention) -> Kept {
        let now = self.facts.as_of;
        if self.cluster.is_retired {
            let slots = self.facts.slots(self.policy, Span::Gaps);
            let span = reference::longest_span(retention, slots.longest_gap(&self.cluster.uid, GAP_SPAN));
            return reference::kept_of_retired(points, span, now);
        }
        reference::kept(points, retention, self.current_system().unwrap_or(None), now)
    }

    /// The system identifier that the cluster's servers agree on: `Err` when they do not, or none can tell and one should.
    ///
    /// Where home is unknown nothing goes at all, so that nobody asks.
    pub(super) fn current_system(&self) -> Result<Option<SystemId>, &'static str> {
        self.system
    }
}

fn told_system(facts: &Facts<'_>, cluster: &Cluster) -> Result<Option<SystemId>, &'static str> {
    let mut told: BTreeSet<SystemId> = BTreeSet::new();
    let mut is_silent = false;
    for node in cluster.nodes.iter().filter(|node| node.role == NodeRole::Postgres) {
        match facts.instance(&cluster.site, &node.instance).map(|instance| &instance.database) {
            Some(DatabaseState::Known(status)) => {
                told.insert(status.system);
            }
            Some(DatabaseState::NotObservable) => {}
            Some(DatabaseState::Unreachable { .. }) | None => is_silent = true,
        }
    }
    match told.len() {
        0 if is_silent => Err("no server tells the current system identifier"),
        0 | 1 => Ok(told.pop_first()),
        _ => Err("the servers have different system identifiers"),
    }
}
