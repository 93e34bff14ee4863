//! Where a cluster's points lie: its home, its copy sites, and sites where it lived before (decision 6).

use super::{Holdings, Site, Subject, World};
use crate::capabilities::{Iaas, Rules};
use crate::model::{CopyPolicy, Retention};
use crate::name::SiteName;
use crate::point::{RecoveryPoint, Shelf};

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
    /// What sites of its kind can do.
    pub(super) rules: &'static Rules,
    /// What was seen there, or why nothing was.
    pub(super) seen: Result<Seen<'a>, &'a str>,
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
}

impl<'a> Places<'a> {
    /// What was seen at home, or why nothing was.
    pub(super) fn home(&self) -> Result<Seen<'a>, &'a str> {
        self.all.first().map_or(Err("it has no home"), |home| home.seen)
    }
}

/// The places of a cluster, by its documents and by what lies where.
pub(super) fn of<'a>(subject: &Subject<'a>, world: &'a World<'a>, holdings: &'a Holdings<'a>) -> Places<'a> {
    let Subject { desired, cluster, policy } = *subject;
    let place = |name: &'a SiteName, kind, retention| {
        let rules = desired.sites.get(name).map_or(Iaas::Local.rules(), |site| Iaas::of(site).rules());
        let seen = world.site(name).map(|site| Seen { site, shelf: holdings.get(name) });
        Place { name, kind, retention, rules, seen }
    };
    let is_declared = |name: &SiteName| *name == cluster.site || policy.copies.iter().any(|copy| copy.site == *name);
    let home = place(&cluster.site, Kind::Home, &policy.retention);
    let copies = policy.copies.iter().map(|copy| place(&copy.site, Kind::Copy(copy), &copy.retention));
    let former = holdings
        .iter()
        .filter(|(name, shelf)| !is_declared(name) && !shelf.points.is_empty())
        .map(|(name, _)| place(name, Kind::Former, &policy.retention));
    Places { all: std::iter::once(home).chain(copies).chain(former).collect() }
}
