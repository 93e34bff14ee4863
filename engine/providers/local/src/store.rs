//! Creating and tagging snapshots.

use crate::btrfs;
use crate::copy::{Rules, copy_tree};
use crate::files::{failed, failing, make_directory, sync_directory, unique};
use crate::inventory::instance_exists;
use crate::layout::{Layout, Located};
use crate::method::Method;
use crate::mounts;
use crate::place::{Place, blocking};
use crate::record::{FORMAT, Holds, PREFIX, Record, Shelf, contents};
use crate::removal::remove_snapshot_directory;
use async_trait::async_trait;
use backstay_core::canonical::Digest;
use backstay_core::name::SnapshotId;
use backstay_core::tags::{Intent, Tags};
use backstay_postgres::CONTROL_FILE;
use backstay_provider::{CreateSnapshot, Created, ErrorClass, ProviderError, Store};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a snapshot is called until it is whole. Whoever makes it keeps the directory locked.
pub(crate) const UNFINISHED: &str = ".tmp-";

pub(crate) struct LocalStore {
    pub(crate) place: Arc<Place>,
}

#[async_trait]
impl Store for LocalStore {
    async fn create(&self, order: &CreateSnapshot) -> Result<Created, ProviderError> {
        let (place, order) = (Arc::clone(&self.place), order.clone());
        blocking(move || create(&place, &order)).await
    }

    async fn create_group(&self, _orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        Err(ProviderError::invalid("a local site cannot snapshot several disks at one instant"))
    }

    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError> {
        let tags = tags.clone();
        self.change_tags(id, move |all| all.extend(tags)).await
    }

    async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), ProviderError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.change_tags(id, move |all| all.retain(|key, _| !keys.iter().any(|gone| gone == key))).await
    }
}

impl LocalStore {
    async fn change_tags(
        &self,
        id: &SnapshotId,
        change: impl FnOnce(&mut Tags) + Send + 'static,
    ) -> Result<(), ProviderError> {
        let (place, id) = (Arc::clone(&self.place), id.clone());
        blocking(move || {
            let root = place.root()?;
            let _lock = place.lock(&root)?;
            Shelf::of(&root).change_tags(&id, change)
        })
        .await
    }
}

fn create(place: &Place, order: &CreateSnapshot) -> Result<Created, ProviderError> {
    let root = place.root()?;
    let shelf = Shelf::of(&root);
    if let Slot::Taken(record) = slot(&shelf, order)? {
        return Ok(Created::Adopted(shelf.show(*record)));
    }
    if !instance_exists(&root, &order.instance) {
        return Err(ProviderError::not_found(format!("there is no instance {}", order.instance)));
    }
    let layout = Layout::read(&root, order.instance.as_str())
        .map_err(failing("look at", &root.join("instances").join(order.instance.as_str())))?;
    if let Some(problem) = &layout.problem {
        return Err(ProviderError::invalid(format!(
            "a point of instance {} would be corrupt: {problem}",
            order.instance
        )));
    }
    let Some(disk) = layout.disks.get(&order.disk) else {
        let message = format!("disk {} is not attached to instance {}", order.disk, order.instance);
        return Err(ProviderError::invalid(message));
    };
    let method = place.method(&root)?;
    refuse_mounts_inside(disk)?;

    let unfinished = Unfinished::begin(place, &root, &shelf)?;
    // Read before the cut: the snapshot never shows less than its creation time says.
    let created = place.clock.now()?;
    let cut = cut(method, disk, &contents(&unfinished.path), &rules(&layout, order))?;
    let mut record = Record {
        format: FORMAT,
        id: candidate(&order.intent, 1),
        disk: order.disk.clone(),
        instance: order.instance.clone(),
        intent: order.intent.clone(),
        created,
        size: cut.size,
        method: cut.method.as_str().to_owned(),
        holds: Holds::of(&layout, &order.disk),
        skipped: cut.skipped,
        tags: order.tags.clone(),
    };

    sync_file_system(&unfinished.path)?;
    let _lock = place.lock(&root)?;
    match slot(&shelf, order)? {
        // Another process carried out the same order meanwhile; ours goes with `unfinished`.
        Slot::Taken(record) => Ok(Created::Adopted(shelf.show(*record))),
        Slot::Free(id) => {
            record.id = id;
            record.write_new(&unfinished.path)?;
            unfinished.finish(&shelf, &record.id)?;
            Ok(Created::Created(shelf.show(record)))
        }
    }
}

enum Slot {
    /// The order was carried out already.
    Taken(Box<Record>),
    /// It was not, and this id is free.
    Free(SnapshotId),
}

/// The id follows from the intent, so that a repeated order finds its own work without a search. Only another intent with
/// the same first 80 bits of its hash makes a second candidate.
fn slot(shelf: &Shelf, order: &CreateSnapshot) -> Result<Slot, ProviderError> {
    for number in 1.. {
        let id = candidate(&order.intent, number);
        match shelf.read(id.as_str())? {
            None => return Ok(Slot::Free(id)),
            Some(record) if record.intent == order.intent && record.disk == order.disk => {
                return Ok(Slot::Taken(Box::new(record)));
            }
            Some(record) if record.intent == order.intent => {
                let message = format!("intent {} has snapshotted another disk, {}", order.intent, record.disk);
                return Err(ProviderError::invalid(message));
            }
            Some(_) => {}
        }
    }
    unreachable!("some number is free")
}

fn candidate(intent: &Intent, number: u32) -> SnapshotId {
    let digest = Digest::of(intent.0.as_bytes());
    let id = format!("{PREFIX}{}", &digest.as_str()[..20]);
    let id = if number == 1 { id } else { format!("{id}-{number}") };
    SnapshotId::new(id).expect("hexadecimal digits make an id")
}

/// A snapshot that is being made. Dropped before it is finished, it goes.
struct Unfinished {
    path: PathBuf,
    is_finished: bool,
    /// Tells the sweeper of another process that this one lives.
    _lock: File,
}

impl Unfinished {
    fn begin(place: &Place, root: &Path, shelf: &Shelf) -> Result<Self, ProviderError> {
        make_directory(shelf.path()).map_err(failing("make", shelf.path()))?;
        let path = shelf.directory(&unique(UNFINISHED.trim_end_matches('-')));
        // Between its making and its locking it would look like one whose maker died.
        let _site = place.lock(root)?;
        let begin = || {
            fs::create_dir(&path)?;
            let lock = File::open(&path)?;
            lock.lock()?;
            Ok(lock)
        };
        let lock = begin().map_err(failing("make", &path))?;
        Ok(Self { path, is_finished: false, _lock: lock })
    }

    /// Gives it its name; only from then on it is listed. The caller holds the site's lock.
    fn finish(mut self, shelf: &Shelf, id: &SnapshotId) -> Result<(), ProviderError> {
        let target = shelf.directory(id.as_str());
        sync_directory(&self.path).map_err(failing("sync", &self.path))?;
        fs::rename(&self.path, &target).map_err(failing("rename to", &target))?;
        self.is_finished = true;
        sync_directory(shelf.path()).map_err(|error| {
            // It has its name, but may lose it in a crash: a retry looks.
            ProviderError { class: ErrorClass::OutcomeUnknown, ..failed("sync", shelf.path(), &error) }
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = remove_snapshot_directory(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a half-made snapshot stays; the next delete removes it");
        }
    }
}

/// What a copy leaves out. Backup mode makes WAL in the snapshot useless: it is kept beside the point, and a restore empties
/// the directory.
fn rules(layout: &Layout, order: &CreateSnapshot) -> Rules {
    let here = |located: &&Located| located.disk == order.disk;
    let data = layout.data.as_ref().filter(here);
    let in_data = |name: &str| data.map(|data| data.path.join(name));
    Rules {
        empty: layout.wal.as_ref().filter(here).map(|wal| wal.path.clone()),
        omit: ["postmaster.pid", "postmaster.opts"].into_iter().filter_map(in_data).collect(),
        last: in_data(CONTROL_FILE),
    }
}

struct Cut {
    method: Method,
    size: u64,
    skipped: Vec<String>,
}

fn cut(method: Method, disk: &Path, to: &Path, rules: &Rules) -> Result<Cut, ProviderError> {
    match method {
        Method::Subvolume => {
            // The site has said that its snapshots show one instant, so there is no falling back to a copy.
            if !btrfs::is_subvolume(disk).map_err(failing("look at", disk))? {
                let hint = "make it one, or open the site anew to copy file by file";
                return Err(ProviderError::invalid(format!("{} is no btrfs subvolume: {hint}", disk.display())));
            }
            // What was written just before the cut and never synced could come back full of zeros.
            sync_file_system(disk)?;
            btrfs::snapshot(disk, to).map_err(failing("snapshot", disk))?;
            match btrfs::measure(to).map_err(failing("measure", to))? {
                Ok(size) => Ok(Cut { method, size, skipped: Vec::new() }),
                Err(lost) => {
                    let lost = disk.join(lost);
                    let why = "it would be empty in every snapshot; make it a plain directory or a disk of its own";
                    Err(ProviderError::invalid(format!("{} is a nested btrfs subvolume: {why}", lost.display())))
                }
            }
        }
        Method::Reflink | Method::Copy => {
            let share = method == Method::Reflink;
            fs::create_dir(to).map_err(failing("make", to))?;
            let copied = copy_tree(disk, to, rules, share).map_err(failing("copy", disk))?;
            if copied.not_shared > 0 {
                tracing::info!(disk = %disk.display(), files = copied.not_shared, "copied bytes that could not be shared");
            }
            let method = if copied.not_shared > 0 { Method::Copy } else { method };
            Ok(Cut { method, size: copied.bytes, skipped: copied.skipped })
        }
    }
}

fn sync_file_system(path: &Path) -> Result<(), ProviderError> {
    let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(path)?)?) };
    sync().map_err(failing("sync the file system of", path))
}

/// Another file system inside a disk would be left out of a snapshot in silence.
fn refuse_mounts_inside(disk: &Path) -> Result<(), ProviderError> {
    match mounts::below(disk) {
        None => Ok(()),
        Some(mount) => {
            let message = format!("another file system is mounted inside disk {}: {}", disk.display(), mount.display());
            Err(ProviderError::invalid(message))
        }
    }
}
