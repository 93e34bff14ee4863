//! Worlds: what exists at simulated sites.

use super::report::{Reader, Report};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, quote};
use crate::document::world::WorldSpec;
use crate::document::{Document, Parsed, SourceTree, Spec, Spot, parse};
use crate::name::{AccountId, DiskId, InstanceId, SnapshotId, SystemId};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The world of each file that has one.
pub(super) type Worlds<'d> = BTreeMap<&'d str, World<'d>>;

/// One world.
pub(super) enum World<'d> {
    Right(&'d WorldSpec),
    Wrong,
}

/// Reads the world of a simulated site from the file that the site names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_world(sources: &SourceTree, path: &str) -> Result<WorldSpec, Diagnostics> {
    let mut only = SourceTree::new();
    match sources.get(path) {
        Some(Ok(bytes)) => only.insert(path, bytes),
        Some(Err(because)) => only.insert_unreadable(path, because),
        None => only.insert_unreadable(path, "there is no such file"),
    }
    let Parsed { pages, documents, diagnostics, .. } = parse(&only);
    let mut report = Report::new(&pages, diagnostics);
    let found = match check(&documents, &mut report).remove(path) {
        Some(World::Right(world)) => Some(world.clone()),
        Some(World::Wrong) | None => None,
    };
    let diagnostics = report.finish();
    match found {
        Some(world) => Ok(world),
        None if diagnostics.has_errors() => Err(diagnostics),
        None => {
            let none = Diagnostic::error("no-world", "this file holds no `World`").at(Place::file(path));
            Err([none].into_iter().collect())
        }
    }
}

/// Checks every world. A file has one: a site names the file.
pub(super) fn check<'d>(documents: &'d [Document], report: &mut Report<'_, 'd>) -> Worlds<'d> {
    let mut worlds = Worlds::new();
    for document in documents {
        let Spec::World(spec) = &document.spec else { continue };
        let path = report.path(document);
        let mut reader = Reader::new(report, document);
        if worlds.contains_key(path) {
            reader.error(Spot::Value("/kind"), || {
                Diagnostic::error("duplicate-name", "this file has a second `World`")
                    .hint("a site names a file, so each world needs its own")
            });
        }
        one(&mut reader, spec);
        worlds.insert(path, if reader.failed { World::Wrong } else { World::Right(spec) });
    }
    worlds
}

fn one(reader: &mut Reader<'_, '_, '_>, spec: &WorldSpec) {
    let start = instant(reader, "/spec/start", &spec.start);
    reader.value::<AccountId>("/spec/account", &spec.account);
    let (mut instances, mut disks) = (BTreeSet::new(), BTreeSet::new());
    for (i, instance) in spec.instances.iter().enumerate() {
        let at = format!("/spec/instances/{i}");
        reader.value::<InstanceId>(&format!("{at}/id"), &instance.id);
        if !instances.insert(&instance.id) {
            twice(reader, &format!("{at}/id"), "instance", &instance.id);
        }
        for (d, disk) in instance.disks.iter().enumerate() {
            let at = format!("{at}/disks/{d}/id");
            reader.value::<DiskId>(&at, &disk.id);
            if !disks.insert(&disk.id) {
                twice(reader, &at, "disk", &disk.id);
            }
        }
        if let Some(postgres) = &instance.postgres {
            reader.value::<SystemId>(&format!("{at}/postgres/system"), &postgres.system);
            if let Some(lag) = &postgres.lag {
                reader.value::<Duration>(&format!("{at}/postgres/lag"), lag);
            }
        }
    }
    snapshots(reader, spec, start, &disks);
}

/// What others made: of a disk that is there, before the world began.
fn snapshots(reader: &mut Reader<'_, '_, '_>, spec: &WorldSpec, start: Option<Timestamp>, disks: &BTreeSet<&String>) {
    let mut ids = BTreeSet::new();
    for (i, snapshot) in spec.snapshots.iter().enumerate() {
        let at = format!("/spec/snapshots/{i}");
        reader.value::<SnapshotId>(&format!("{at}/id"), &snapshot.id);
        if !ids.insert(&snapshot.id) {
            twice(reader, &format!("{at}/id"), "snapshot", &snapshot.id);
        }
        if !disks.contains(&snapshot.disk) {
            reader.error(Spot::Value(&format!("{at}/disk")), || {
                Diagnostic::error("unknown-disk", format!("this world has no disk {}", quote(&snapshot.disk)))
                    .hint("name a disk of an instance of this world")
            });
        }
        let made = instant(reader, &format!("{at}/made"), &snapshot.made);
        if made.zip(start).is_some_and(|(made, start)| made > start) {
            reader.error(Spot::Value(&format!("{at}/made")), || {
                Diagnostic::error("made-after-start", format!("{} is after the world's `start`", quote(&snapshot.made)))
                    .hint("what is here was made before Backstay came: at `start` at the latest")
            });
        }
    }
}

fn instant(reader: &mut Reader<'_, '_, '_>, pointer: &str, text: &str) -> Option<Timestamp> {
    let parsed = text.parse::<Timestamp>();
    if let Err(error) = &parsed {
        reader.error(Spot::Value(pointer), || {
            Diagnostic::error("wrong-form", format!("{} is not an instant: {error}", quote(text)))
        });
    }
    parsed.ok()
}

fn twice(reader: &mut Reader<'_, '_, '_>, pointer: &str, what: &str, id: &str) {
    reader.error(Spot::Value(pointer), || {
        Diagnostic::error("duplicate-id", format!("the {what} {} is in this world twice", quote(id)))
    });
}
