//! Sites.

use super::known::Known;
use super::report::{Reader, Report};
use super::world::{World, Worlds};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::document::site::{Budgets, ClockKind, CloudSiteSpec, FaultSpec, SimSiteSpec, SiteSpec};
use crate::document::text::Skew;
use crate::document::{Document, SourceTree, Spec, Spot, nearest};
use crate::model::{LocalSite, Provider, ProviderKind, SimCall, SimFailure, SimFault, SimSite, Site};
use crate::name::SiteName;
use crate::time::Duration;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn resolve(
    documents: &[Document],
    sources: &SourceTree,
    worlds: &Worlds<'_>,
    known: &mut Known<'_>,
    report: &mut Report<'_, '_>,
) -> BTreeMap<SiteName, Arc<Site>> {
    let mut sites = BTreeMap::new();
    for document in documents {
        let Spec::Site(spec) = &document.spec else { continue };
        let mut reader = Reader::new(report, document);
        match one(&mut reader, spec, sources, worlds).filter(|_| !reader.failed) {
            Some(site) if known.mark_right(document) => {
                sites.insert(site.name.clone(), Arc::new(site));
            }
            Some(_) | None => known.mark_wrong(document),
        }
    }
    sites
}

fn one(reader: &mut Reader<'_, '_, '_>, spec: &SiteSpec, sources: &SourceTree, worlds: &Worlds<'_>) -> Option<Site> {
    let name = reader.value("/metadata/name", reader.document.metadata.name.as_str())?;
    let provider = match spec {
        SiteSpec::Sim(sim) => Provider::Sim(self::sim(reader, sim, sources, worlds)),
        SiteSpec::Local(local) => Provider::Local(LocalSite {
            root: PathBuf::from(local.root.as_str()),
            virtual_clock: local.clock == ClockKind::Virtual,
        }),
        SiteSpec::Aws(spec) => cloud(reader, ProviderKind::Aws, spec)?,
        SiteSpec::Azure(spec) => cloud(reader, ProviderKind::Azure, spec)?,
        SiteSpec::Gcp(spec) => cloud(reader, ProviderKind::Gcp, spec)?,
        SiteSpec::Alibaba(spec) => cloud(reader, ProviderKind::Alibaba, spec)?,
    };
    Some(Site { name, provider })
}

fn cloud(reader: &mut Reader<'_, '_, '_>, kind: ProviderKind, spec: &CloudSiteSpec) -> Option<Provider> {
    Some(Provider::Cloud {
        kind,
        region: spec.region.clone(),
        account: reader.value("/spec/account", spec.account.as_str())?,
        endpoint: spec.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned()),
    })
}

fn sim(reader: &mut Reader<'_, '_, '_>, spec: &SimSiteSpec, sources: &SourceTree, worlds: &Worlds<'_>) -> SimSite {
    let world = spec.world.as_str().trim_start_matches("./");
    check_world(reader, world, sources, worlds);
    let faults = spec.faults.iter().enumerate().map(|(i, fault)| self::fault(reader, i, fault)).collect();
    SimSite {
        profile: spec.profile.as_str().to_owned(),
        seed: spec.seed,
        world: PathBuf::from(world),
        virtual_clock: spec.clock == ClockKind::Virtual,
        faults,
        page_size: spec.page_size.map(|size| size as usize),
        enforces_budgets: spec.budgets == Budgets::Enforced,
        clock_skew: spec.clock_skew.as_ref().map_or(SignedDuration::ZERO, |skew| self::skew(reader, skew)),
    }
}

fn skew(reader: &mut Reader<'_, '_, '_>, text: &Skew) -> SignedDuration {
    let (is_behind, length) = match text.as_str().strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, text.as_str()),
    };
    let length = reader.value("/spec/clockSkew", length).map_or(SignedDuration::ZERO, Duration::signed);
    if is_behind { -length } else { length }
}

/// A world within the tree must be there and right. One elsewhere is read, and checked, by whoever opens the site.
fn check_world(reader: &mut Reader<'_, '_, '_>, path: &str, sources: &SourceTree, worlds: &Worlds<'_>) {
    let at = Spot::Value("/spec/world");
    match worlds.get(path) {
        Some(World::Right(_)) => {}
        Some(World::Wrong) => reader.error(at, || {
            Diagnostic::note(Code::LeftOut, format!("this site is left out: its world {} is wrong", quote(path)))
                .hint("repair the world first")
        }),
        None if sources.contains(path) => reader.error(at, || {
            Diagnostic::error(Code::NoWorld, format!("{} holds no `World` that can be read", quote(path)))
                .hint("write one there, or repair what is wrong in that file")
        }),
        None if SourceTree::takes(path) => reader.error(at, || {
            let diagnostic = Diagnostic::error(Code::NoWorld, format!("there is no file {}", quote(path)));
            match nearest(path, worlds.keys().copied()) {
                Some(meant) => diagnostic.hint(format!("did you mean `{meant}`?")),
                None => diagnostic.hint("write a `World` there: it says what exists at the simulated site"),
            }
        }),
        None => {}
    }
}

fn fault(reader: &mut Reader<'_, '_, '_>, number: usize, spec: &FaultSpec) -> SimFault {
    let at = |key: &str| format!("/spec/faults/{number}/{key}");
    if spec.page.is_some() && !is_listing(spec.call) {
        reader.error(Spot::Key(&at("page")), || {
            Diagnostic::error(Code::WrongValue, "only listings have pages").hint("remove `page`")
        });
    }
    if let Some(problem) = mismatch(spec.call, spec.fail) {
        reader.error(Spot::Value(&at("fail")), || {
            Diagnostic::error(Code::WrongValue, problem).hint("choose another `fail`, or another `call`")
        });
    }
    if spec.times.is_some() && spec.fail != SimFailure::Slow {
        reader.error(Spot::Key(&at("times")), || {
            Diagnostic::error(Code::WrongValue, "only `slow` takes several times as long").hint("remove `times`")
        });
    }
    let from = spec.from.as_ref().and_then(|text| reader.instant(&at("from"), text.as_str()));
    let until = spec.until.as_ref().and_then(|text| reader.instant(&at("until"), text.as_str()));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        reader.error(Spot::Value(&at("until")), || {
            Diagnostic::error(Code::WrongValue, "it ends before it begins").hint("`until` is later than `from`")
        });
    }
    SimFault {
        call: spec.call,
        page: spec.page.map(|page| page as usize),
        fail: spec.fail,
        percent: spec.percent,
        from,
        until,
        times: spec.times,
    }
}

fn is_listing(call: SimCall) -> bool {
    match call {
        SimCall::ListInstances | SimCall::ListSnapshots => true,
        SimCall::Any
        | SimCall::Describe
        | SimCall::Create
        | SimCall::Tag
        | SimCall::Delete
        | SimCall::CreateDisk
        | SimCall::Attach
        | SimCall::DeleteDisk => false,
    }
}

/// Why a call cannot fail so, if it cannot.
fn mismatch(call: SimCall, fail: SimFailure) -> Option<&'static str> {
    match fail {
        SimFailure::Unavailable | SimFailure::Throttled | SimFailure::Denied | SimFailure::LostResponse => None,
        SimFailure::Repeated => match call {
            SimCall::Any | SimCall::ListInstances | SimCall::ListSnapshots | SimCall::Describe => {
                Some("a question has no effect that could happen twice")
            }
            SimCall::Create
            | SimCall::Tag
            | SimCall::Delete
            | SimCall::CreateDisk
            | SimCall::Attach
            | SimCall::DeleteDisk => None,
        },
        SimFailure::FailsLater => (call != SimCall::Create).then_some("only `create` can fail later"),
        SimFailure::Stuck | SimFailure::Slow => (!matches!(call, SimCall::Create | SimCall::CreateDisk))
            .then_some("only what `create` and `create-disk` make becomes ready"),
        SimFailure::Stale => (!matches!(call, SimCall::ListSnapshots | SimCall::Describe))
            .then_some("only `list-snapshots` and `describe` can show what was"),
        SimFailure::Reordered => (!is_listing(call)).then_some("only listings have an order"),
    }
}
