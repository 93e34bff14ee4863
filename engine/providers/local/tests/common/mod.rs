//! Opening a site, and taking a point of it the way the engine does.

#![allow(dead_code, reason = "each test file uses its part")]

use backstay_core::model::{LocalSite, PostgresAddress, Provider, Site};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName};
use backstay_core::observed::{DiskRole, Instance, Snapshot};
use backstay_core::tags::{Intent, PointClass, PointKey, at_creation};
use backstay_postgres::files_needed;
use backstay_provider::{
    BackupEnd, BackupSession, Capabilities, CreateSnapshot, Home, Opener, Page, PageToken, PointFileId, ProviderError,
};
use backstay_provider_local::LocalOpener;
use bytes::Bytes;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub(crate) const CLUSTER: &str = "c0ffee00-0000-4000-8000-000000000001";

/// A site on a root, with the host's time.
pub(crate) fn open(root: &Path, is_virtual: bool) -> Capabilities {
    let provider = Provider::Local(LocalSite { root: root.to_path_buf(), virtual_clock: is_virtual });
    let site = Site { name: SiteName::new("here").unwrap(), provider };
    let opener = LocalOpener::new(Arc::new(Timestamp::now)).with_pass_file("/dev/null");
    opener.open(&site, Home { fleet: Path::new("/"), state: Path::new("/") }).unwrap()
}

pub(crate) fn cluster() -> ClusterUid {
    ClusterUid::new(CLUSTER).unwrap()
}

pub(crate) fn instance_id(name: &str) -> InstanceId {
    InstanceId::new(name).unwrap()
}

/// The order to snapshot a disk for the first attempt at a slot, `hour` o'clock.
pub(crate) fn order(instance: &str, disk: &str, hour: u32) -> CreateSnapshot {
    let disk = DiskId::new(disk).unwrap();
    let point = point(hour);
    let intent = Intent::of(&cluster(), PointClass::Scheduled, point, &disk);
    let tags = at_creation(&cluster(), PointClass::Scheduled, point, &intent);
    CreateSnapshot { instance: instance_id(instance), disk, intent, tags, location: None }
}

pub(crate) fn point(hour: u32) -> PointKey {
    PointKey { slot: format!("2026-11-23T{hour:02}:00:00Z").parse().unwrap(), attempt: 1 }
}

/// Reads a listing to its end.
pub(crate) async fn all<T, F>(mut page: impl FnMut(Option<PageToken>) -> F) -> Result<Vec<T>, ProviderError>
where
    F: Future<Output = Result<Page<T>, ProviderError>>,
{
    let (mut items, mut token) = (Vec::new(), None);
    loop {
        let Page { items: more, next } = page(token).await?;
        items.extend(more);
        token = next;
        if token.is_none() {
            return Ok(items);
        }
    }
}

pub(crate) async fn instance(site: &Capabilities, name: &str) -> Instance {
    let all = all(|page| site.inventory.instances(page)).await.unwrap();
    all.into_iter().find(|instance| instance.id.as_str() == name).unwrap()
}

pub(crate) fn address(socket: &Path, port: u16) -> PostgresAddress {
    let (user, database) = ("postgres".to_owned(), "postgres".to_owned());
    PostgresAddress { host: socket.display().to_string(), port, user, database }
}

/// A point as the engine leaves it.
pub(crate) struct Point {
    pub(crate) files: PathBuf,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) end: BackupEnd,
}

impl Point {
    pub(crate) fn ids(&self) -> Vec<String> {
        self.snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect()
    }
}

/// Snapshots all disks of an instance in the order of the cut: tablespaces, WAL, data last.
pub(crate) async fn cut(site: &Capabilities, name: &str, hour: u32) -> Vec<Snapshot> {
    let mut disks = instance(site, name).await.disks;
    let place = |role: &DiskRole| match role {
        DiskRole::Tablespace => 0,
        DiskRole::Wal => 1,
        DiskRole::Data => 2,
        DiskRole::Other | DiskRole::Unknown => panic!("no part of a point: {role:?}"),
    };
    disks.sort_by_key(|disk| place(&disk.role));
    let mut snapshots = Vec::new();
    for disk in disks {
        snapshots.push(site.store.create(&order(name, disk.id.as_str(), hour)).await.unwrap().snapshot());
    }
    snapshots
}

/// Keeps label, map and WAL beside the point.
pub(crate) async fn keep(
    site: &Capabilities,
    hour: u32,
    session: &mut Box<dyn BackupSession>,
    end: &BackupEnd,
) -> Result<(), ProviderError> {
    let files = site.point_files.as_ref().unwrap();
    let id = |name: String| PointFileId { cluster: cluster(), point: point(hour), name };
    files.put(&id("backup_label".to_owned()), &end.label).await?;
    files.put(&id("tablespace_map".to_owned()), &end.map).await?;
    for name in files_needed(&end.wal, end.segment_size) {
        let bytes: Bytes = session.wal_file(&name).await?;
        files.put(&id(format!("wal/{name}")), &bytes).await?;
    }
    Ok(())
}

/// Takes a whole labelled point; `during` runs between the cut and the stop.
pub(crate) async fn take(
    site: &Capabilities,
    root: &Path,
    name: &str,
    address: &PostgresAddress,
    hour: u32,
    during: impl FnOnce(),
) -> Point {
    let databases = site.databases.as_ref().unwrap();
    let mut watch = Instant::now();
    let mut lap = || std::mem::replace(&mut watch, Instant::now()).elapsed().as_secs_f64();
    let mut session = databases.begin_backup(&instance_id(name), Some(address), "backstay test").await.unwrap();
    let begin = lap();
    let snapshots = cut(site, name, hour).await;
    let cut = lap();
    during();
    lap();
    let end = session.stop().await.unwrap();
    let stop = lap();
    keep(site, hour, &mut session, &end).await.unwrap();
    session.close().await.unwrap();
    let size: u64 = snapshots.iter().map(|snapshot| snapshot.size).sum();
    let keep = lap();
    println!("begin {begin:.2} s, cut {cut:.2} s of {} MiB, stop {stop:.2} s, keep {keep:.2} s", size >> 20);
    let files = root.join("points").join(CLUSTER).join(point(hour).to_string());
    Point { files, snapshots, end }
}
