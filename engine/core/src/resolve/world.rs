//! Worlds: what exists at simulated sites.

use super::report::{Reader, Report};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, quote};
use crate::document::world::WorldSpec;
use crate::document::{Absent, Document, Parsed, SourceTree, Spec, Spot, parse};
use crate::name::{AccountId, DiskId, InstanceId, SnapshotId, SystemId};
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

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
        Some(Err(Absent::Unreadable(because))) => only.insert_unreadable(path, because),
        Some(Err(Absent::TooLarge(bytes))) => only.insert_too_large(path, bytes),
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
            let none = Diagnostic::error(Code::NoWorld, "this file holds no `World`")
                .at(Place::file(path))
                .hint("write one there: it says what exists at the simulated site");
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
                Diagnostic::error(Code::DuplicateName, "this file has a second `World`")
                    .hint("move it to a file of its own: a site names a file, and means the one world in it")
            });
        }
        one(&mut reader, spec);
        worlds.insert(path, if reader.failed { World::Wrong } else { World::Right(spec) });
    }
    worlds
}

fn one(reader: &mut Reader<'_, '_, '_>, spec: &WorldSpec) {
    let start = reader.instant("/spec/start", &spec.start);
    reader.value::<AccountId>("/spec/account", &spec.account);
    let (mut instances, mut disks) = (BTreeMap::new(), BTreeMap::new());
    for (i, instance) in spec.instances.iter().enumerate() {
        let at = format!("/spec/instances/{i}");
        let id_at = format!("{at}/id");
        reader.value::<InstanceId>(&id_at, &instance.id);
        once(reader, &mut instances, id_at, "instance", &instance.id);
        for (d, disk) in instance.disks.iter().enumerate() {
            let at = format!("{at}/disks/{d}/id");
            reader.value::<DiskId>(&at, &disk.id);
            once(reader, &mut disks, at, "disk", &disk.id);
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
fn snapshots<'s>(
    reader: &mut Reader<'_, '_, '_>,
    spec: &'s WorldSpec,
    start: Option<Timestamp>,
    disks: &BTreeMap<&'s str, String>,
) {
    let mut ids = BTreeMap::new();
    for (i, snapshot) in spec.snapshots.iter().enumerate() {
        let at = format!("/spec/snapshots/{i}");
        let (id_at, disk_at, made_at) = (format!("{at}/id"), format!("{at}/disk"), format!("{at}/made"));
        reader.value::<SnapshotId>(&id_at, &snapshot.id);
        once(reader, &mut ids, id_at, "snapshot", &snapshot.id);
        if !disks.contains_key(snapshot.disk.as_str()) {
            reader.error(Spot::Value(&disk_at), || {
                Diagnostic::error(Code::UnknownName, format!("this world has no disk {}", quote(&snapshot.disk)))
                    .hint("name a disk of an instance of this world")
            });
        }
        let made = reader.instant(&made_at, &snapshot.made);
        if made.zip(start).is_some_and(|(made, start)| made > start) {
            reader.error(Spot::Value(&made_at), || {
                Diagnostic::error(Code::WrongValue, format!("{} is after the world's `start`", quote(&snapshot.made)))
                    .hint("what is here was made before Backstay came: at `start` at the latest")
            });
        }
    }
}

fn once<'s>(
    reader: &mut Reader<'_, '_, '_>,
    firsts: &mut BTreeMap<&'s str, String>,
    pointer: String,
    what: &str,
    id: &'s str,
) {
    let Some(first) = firsts.get(id) else {
        firsts.insert(id, pointer);
        return;
    };
    let place = reader.report.place(reader.document.seat, Spot::Value(first));
    reader.error(Spot::Value(&pointer), || {
        Diagnostic::error(Code::DuplicateId, format!("the {what} {} is in this world twice", quote(id)))
            .label("again here")
            .beside(place, "first here")
            .hint("an id is one thing's: give the second another one, or remove it")
    });
}
