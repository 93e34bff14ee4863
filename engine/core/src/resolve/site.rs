//! Sites.

use super::known::Known;
use super::report::{Reader, Report};
use super::world::{World, Worlds};
use crate::diagnostic::{Diagnostic, quote};
use crate::document::site::{ClockKind, CloudSiteSpec, FaultSpec, SimProfile, SimSiteSpec, SiteSpec};
use crate::document::{Document, SourceTree, Spec, Spot, nearest};
use crate::model::{LocalSite, Provider, ProviderKind, SimCall, SimFailure, SimFault, SimSite, Site};
use crate::name::SiteName;
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
    match spec.profile {
        SimProfile::Aws => {}
        SimProfile::Azure | SimProfile::Gcp | SimProfile::Alibaba => reader.not_yet(
            Spot::Value("/spec/profile"),
            &format!("a simulated `{}` is not something that this version has yet", spec.profile.as_str()),
            "use `aws`",
        ),
    }
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
    }
}

/// A world within the tree must be there and right. One elsewhere is read, and checked, by whoever opens the site.
fn check_world(reader: &mut Reader<'_, '_, '_>, path: &str, sources: &SourceTree, worlds: &Worlds<'_>) {
    let at = Spot::Value("/spec/world");
    match worlds.get(path) {
        Some(World::Right(_)) => {}
        Some(World::Wrong) => reader.error(at, || {
            Diagnostic::error("left-out", format!("the world of this site is wrong: {}", quote(path)))
                .hint("the site is left out until its world is repaired")
        }),
        None if sources.contains(path) => reader
            .error(at, || Diagnostic::error("no-world", format!("{} holds no `World` that can be read", quote(path)))),
        None if SourceTree::takes(path) => reader.error(at, || {
            let diagnostic = Diagnostic::error("no-world", format!("there is no file {}", quote(path)));
            match nearest(path, worlds.keys().copied()) {
                Some(meant) => diagnostic.hint(format!("did you mean `{meant}`?")),
                None => diagnostic.hint("write a `World` there: it says what exists at the simulated site"),
            }
        }),
        None => {}
    }
}

fn fault(reader: &mut Reader<'_, '_, '_>, number: usize, spec: &FaultSpec) -> SimFault {
    let lists = match spec.call {
        SimCall::ListInstances | SimCall::ListSnapshots => true,
        SimCall::Describe | SimCall::Create | SimCall::Tag | SimCall::Delete => false,
    };
    if spec.page.is_some() && !lists {
        reader.error(Spot::Key(&format!("/spec/faults/{number}/page")), || {
            Diagnostic::error("wrong-value", "only listings have pages").hint("remove `page`")
        });
    }
    if spec.fail == SimFailure::FailsLater && spec.call != SimCall::Create {
        reader.error(Spot::Value(&format!("/spec/faults/{number}/fail")), || {
            Diagnostic::error("wrong-value", "only `create` can fail later")
        });
    }
    SimFault { call: spec.call, page: spec.page.map(|page| page as usize), fail: spec.fail }
}
