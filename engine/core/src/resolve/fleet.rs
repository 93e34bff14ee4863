//! The one `Fleet` document.

use super::known::{Known, Reference};
use super::report::{Reader, Report};
use crate::diagnostic::{Code, Diagnostic};
use crate::document::fleet::{CountOrPercent, FleetSpec, PriceSpec};
use crate::document::{Document, Kind, Spec, Spot, child};
use crate::model::{DeleteLimits, Fleet, InvalidStateUrl, Limit, Prices, StateUrl};
use crate::name::SiteName;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// INVARIANTS.md 18.
const DELETES_PER_CLUSTER: u32 = 5;
const STATE: &str = "file://./.backstay";
const SEAL_KEY: &str = ".backstay/seal.key";

/// The fleet, if exactly one document declares it and all that it asks for can be honoured.
pub(super) fn resolve(documents: &[Document], known: &Known<'_>, report: &mut Report<'_, '_>) -> Option<Fleet> {
    let mut all = documents.iter().filter_map(|document| match &document.spec {
        Spec::Fleet(spec) => Some((document, spec)),
        Spec::Site(_)
        | Spec::Archive(_)
        | Spec::BackupPolicy(_)
        | Spec::Cluster(_)
        | Spec::ClusterSet(_)
        | Spec::Restore(_)
        | Spec::World(_) => None,
    });
    let Some((first, spec)) = all.next() else {
        if !known.any_wrong(Kind::Fleet) {
            let message = "no document of kind `Fleet` could be read";
            report.add_made(match known.unread("fleet") {
                Some(file) => Diagnostic::note(Code::NoFleet, message)
                    .hint(format!("it may be in `{file}`, where something could not be read")),
                None => Diagnostic::error(Code::NoFleet, message)
                    .hint("write one, as in fleet/fleet.yaml: it says where the state and the keys are"),
            });
        }
        return None;
    };
    let mut only = true;
    for (document, _) in all {
        only = false;
        let place = report.place(first.seat, Spot::Value("/kind"));
        report.add(document, Spot::Value("/kind"), || {
            Diagnostic::error(Code::DuplicateName, "there is a second `Fleet`")
                .label("the second")
                .beside(place, "the first")
                .hint("remove one of them: a fleet has one, so that its state is in one place")
        });
    }
    let fleet = one(first, spec, known, report);
    fleet.filter(|_| only)
}

fn one(document: &Document, spec: &FleetSpec, known: &Known<'_>, report: &mut Report<'_, '_>) -> Option<Fleet> {
    for site in spec.prices.keys() {
        if known.look_up(Kind::Site, site.as_str()) == Reference::Missing {
            let diagnostic = Diagnostic {
                severity: crate::diagnostic::Severity::Warning,
                ..known.unknown(Kind::Site, site.as_str())
            };
            report.add(document, Spot::Key(&child("/spec/prices", site.as_str())), || diagnostic);
        }
    }
    let mut reader = Reader::new(report, document);
    if !spec.approvals.is_empty() {
        reader.not_yet(
            Spot::Key("/spec/approvals"),
            "`approvals` need reviewed restores, which this version does not have yet",
            "remove them: what would need an approval cannot be done yet",
        );
    }
    let state = state(&mut reader, spec.state.as_ref().map_or(STATE, |state| state.as_str()));
    let key = spec.keys.as_ref().and_then(|keys| keys.seal.as_ref()).map_or(SEAL_KEY, |seal| seal.file.as_str());
    let per_day = spec.limits.as_ref().and_then(|limits| limits.deletes_per_day.clone()).unwrap_or_default();
    let limits = DeleteLimits {
        fleet: per_day.fleet.map(|limit| match limit {
            CountOrPercent::Count(count) => Limit::Count(count),
            CountOrPercent::Percent(text) => {
                Limit::Percent(text.trim_end_matches('%').parse().expect("the schema takes only numbers before the %"))
            }
        }),
        cluster: per_day.cluster.unwrap_or(DELETES_PER_CLUSTER),
    };
    let fleet = Fleet {
        name: document.metadata.name.as_str().to_owned(),
        state: state?,
        seal_key_file: PathBuf::from(key),
        limits,
        prices: prices(spec),
    };
    (!reader.failed).then_some(fleet)
}

/// What storage costs. A site's name that is none was told above, and prices nothing.
fn prices(spec: &FleetSpec) -> BTreeMap<SiteName, Prices> {
    let one =
        |price: &PriceSpec| Prices { snapshot_gib_month: price.snapshot_gib_month, wal_gib_month: price.wal_gib_month };
    spec.prices.iter().filter_map(|(site, price)| Some((site.as_str().parse().ok()?, one(price)))).collect()
}

fn state(reader: &mut Reader<'_, '_, '_>, text: &str) -> Option<StateUrl> {
    let spot = Spot::Value("/spec/state");
    match text.parse() {
        Ok(url) => Some(url),
        Err(error @ InvalidStateUrl::NotYet(_)) => {
            let hint =
                "it comes with the simulated stores of those clouds (issue 9): use s3://, az:// or file:// until then";
            reader.not_yet(spot, &error.to_string(), hint);
            None
        }
        Err(error @ (InvalidStateUrl::Scheme | InvalidStateUrl::Bucket(_) | InvalidStateUrl::Prefix)) => {
            reader.refuse(spot, &error);
            None
        }
    }
}
