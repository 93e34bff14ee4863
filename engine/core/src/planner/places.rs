//! Where a cluster's points lie: its home, its copy sites, and sites where it lived before (decision 6).

use super::{Holdings, Site, Subject, World};
use crate::capabilities::{Copies, Iaas, Rules};
use crate::model::{CopyPolicy, Desired, Provider, Retention};
use crate::name::{Location, SiteName};
use crate::point::{RecoveryPoint, Shelf};
use crate::time::Duration;

/// What a site is to a cluster.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// It lives there: points are made there.
    Home,
    /// Its policy wants its points there, too.
    Copy(&'a CopyPolicy),
    /// It lived there once: what is left there lives out its retention.
    Former,
}

/// A site with what lies there of one cluster.
pub(super) struct Place<'a> {
    pub(super) name: &'a SiteName,
    pub(super) kind: Kind<'a>,
    /// Which points live there.
    pub(super) retention: &'a Retention,
    /// What else keeps a point there: at home, the retentions of copies that are placed when the point is made.
    pub(super) also: Vec<&'a Retention>,
    /// Whose rules it follows; `None` where the site is not declared any more.
    pub(super) iaas: Option<Iaas>,
    /// What sites of its kind can do.
    pub(super) rules: &'static Rules,
    /// What was seen there, or why nothing was.
    pub(super) seen: Result<Seen<'a>, &'a str>,
}

impl<'a> Place<'a> {
    /// Each retention that keeps points there.
    pub(super) fn retentions(&self) -> impl Iterator<Item = &'a Retention> {
        std::iter::once(self.retention).chain(self.also.iter().copied())
    }

    /// The longest grace of them.
    pub(super) fn grace(&self) -> Duration {
        self.retentions().map(|retention| retention.grace).max().unwrap_or(Duration::ZERO)
    }
}

/// What was seen at a site of one cluster.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) site: &'a Site<'a>,
    /// `None` where there is nothing of it.
    pub(super) shelf: Option<&'a Shelf<'a>>,
}

impl<'a> Seen<'a> {
    /// The cluster's points there, newest first.
    pub(super) fn points(&self) -> &'a [RecoveryPoint<'a>] {
        self.shelf.map_or(&[], |shelf| &shelf.points)
    }
}

/// The places of a cluster.
pub(super) struct Places<'a> {
    /// Home, the copy sites in the policy's order, then former sites by name.
    pub(super) all: Vec<Place<'a>>,
    /// Where the points that are made at home are placed, where the policy says so and the cloud has no copies.
    pub(super) placed: Option<Location>,
}

impl<'a> Places<'a> {
    /// What was seen at home, or why nothing was.
    pub(super) fn home(&self) -> Result<Seen<'a>, &'a str> {
        self.all.first().map_or(Err("it has no home"), |home| home.seen)
    }

    /// The places that were read, in their order.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Place<'a>, Seen<'a>)> {
        self.all.iter().filter_map(|place| Some((place, place.seen.ok()?)))
    }

    /// The points of all places that were read, those of home first.
    pub(super) fn points(&self) -> impl Iterator<Item = &'a RecoveryPoint<'a>> {
        self.known().flat_map(|(_, seen)| seen.points())
    }

    /// A place that is declared and could not be read, with the reason: then nobody knows what lies there.
    pub(super) fn unknown(&self) -> Option<(&'a SiteName, &'a str)> {
        self.all.iter().find_map(|place| Some((place.name, place.seen.err()?)))
    }
}

/// What sites of a site's kind can do.
pub(super) fn rules(desired: &Desired, site: &SiteName) -> &'static Rules {
    desired.sites.get(site).map_or(Iaas::Local.rules(), |site| Iaas::of(site).rules())
}

/// The places of a cluster, by its documents and by what lies where.
pub(super) fn of<'a>(subject: &Subject<'a>, world: &'a World<'a>, holdings: &'a Holdings<'a>) -> Places<'a> {
    let Subject { desired, cluster, policy } = *subject;
    let place = |name: &'a SiteName, kind, retention| {
        let iaas = desired.sites.get(name).map(|site| Iaas::of(site));
        let rules = rules(desired, name);
        let seen = world.site(name).map(|site| Seen { site, shelf: holdings.get(name) });
        Place { name, kind, retention, also: Vec::new(), iaas, rules, seen }
    };
    let is_declared = |name: &SiteName| *name == cluster.site || policy.copies.iter().any(|copy| copy.site == *name);
    let mut home = place(&cluster.site, Kind::Home, &policy.retention);
    let wanted = policy.copies.iter().filter(|copy| copy.site != cluster.site);
    let copies: Vec<Place<'a>> = wanted.map(|copy| place(&copy.site, Kind::Copy(copy), &copy.retention)).collect();
    let is_placed = |copy: &&Place<'a>| copy.rules.copies == Copies::PlacedAtCreation && copy.iaas == home.iaas;
    let placed = copies.iter().find(is_placed).and_then(|copy| location(desired, copy.name));
    home.also = copies.iter().filter(is_placed).map(|copy| copy.retention).collect();
    // What lies there still stands for points that live at home as long as any of its retentions wants them.
    let also = home.also.clone();
    let former = holdings
        .iter()
        .filter(|(name, shelf)| !is_declared(name) && !shelf.points.is_empty())
        .map(|(name, _)| Place { also: also.clone(), ..place(name, Kind::Former, &policy.retention) });
    Places { all: std::iter::once(home).chain(copies).chain(former).collect(), placed }
}

/// What a provider calls the place of a site: its region. A simulated site is a region of its own.
pub(super) fn location(desired: &Desired, site: &SiteName) -> Option<Location> {
    match &desired.sites.get(site)?.provider {
        Provider::Cloud { region, .. } => Location::new(region).ok(),
        Provider::Sim(_) | Provider::Local(_) => Location::new(site.as_str()).ok(),
    }
}
