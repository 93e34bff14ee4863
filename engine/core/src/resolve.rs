//! From documents to what they mean: parsed once, checked, with every reference resolved.
//!
//! What is wrong is reported and left out; everything else is what it would have been without it. What this version
//! cannot do is refused, never ignored: a promise that nobody keeps is worse than an error.

mod capable;
mod clash;
mod cluster;
mod counts;
mod declared;
mod fleet;
mod known;
mod left_out;
mod policy;
mod promises;
mod report;
mod site;
mod world;

pub use declared::{DeclaredAt, declared_at};
pub use world::read_world;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::document::{Document, Kind, Parsed, SourceTree, Spec, Spot, parse};
use crate::model::{Desired, Fleet, Origin};
use known::Known;
use report::{Reader, Report};
use std::collections::BTreeMap;

/// What the documents mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// Everything that is right. `None` only when there is not exactly one `Fleet` document that can be honoured.
    pub desired: Option<Desired>,
    /// Everything that is wrong.
    pub diagnostics: Diagnostics,
}

/// Resolves every document of the tree. The order in which files were added, and their names, change no plan.
#[must_use]
pub fn resolve(sources: &SourceTree, origin: Origin) -> Resolution {
    let Parsed { pages, documents, wrong, unread, diagnostics } = parse(sources);
    let mut report = Report::new(&pages, diagnostics);
    let mut known = Known::new(wrong, unread);

    unique_names(&documents, &mut known, &mut report);
    let worlds = world::check(&documents, &mut report);
    let sites = site::resolve(&documents, sources, &worlds, &mut known, &mut report);
    known.archives(&documents);
    let policies = policy::resolve(&documents, &mut known, &mut report);
    let fleet = fleet::resolve(&documents, &known, &mut report);
    refuse_restores(&documents, &mut report);
    let mut clusters = cluster::resolve(&documents, &policies, &mut known, &mut report);
    capable::check(&documents, &sites, &policies, &mut clusters, &mut report);
    known.summarise(&mut report);

    let left_out = left_out::of(&documents, &clusters);
    let desired = fleet.map(|fleet: Fleet| Desired { origin, fleet, sites, policies, clusters, left_out });
    Resolution { desired, diagnostics: report.finish() }
}

/// Two documents of one kind and name: nobody can say which one is meant, so neither is taken, where it matters.
/// Clusters are known by their uids: `clash` looks at them.
fn unique_names(documents: &[Document], known: &mut Known, report: &mut Report<'_, '_>) {
    let mut firsts: BTreeMap<(Kind, &str), &Document> = BTreeMap::new();
    for document in documents {
        let kind = document.spec.kind();
        if matches!(kind, Kind::Cluster | Kind::Fleet) {
            continue;
        }
        let name = document.metadata.name.as_str();
        let Some(first) = firsts.get(&(kind, name)) else {
            firsts.insert((kind, name), document);
            continue;
        };
        known.mark_wrong(document);
        let place = report.place(first.seat, Spot::Value("/metadata/name"));
        report.add(document, Spot::Value("/metadata/name"), || {
            Diagnostic::error(Code::DuplicateName, format!("{kind} `{name}` is declared twice"))
                .label("again here")
                .beside(place, "first declared here")
                .hint("rename or remove one of them: no file overrides another")
        });
    }
}

fn refuse_restores(documents: &[Document], report: &mut Report<'_, '_>) {
    for document in documents {
        if matches!(document.spec, Spec::Restore(_)) {
            let mut reader = Reader::new(report, document);
            reader.not_yet(
                Spot::Value("/kind"),
                "a `Restore` is not something that this version can do yet",
                "remove the document: backups are made and kept without it",
            );
        }
    }
}
