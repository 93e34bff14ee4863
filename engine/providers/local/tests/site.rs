//! A local site without servers: listing, creating, tagging, deleting, and what crashes leave behind.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{DatabaseState, DiskRole, Generation, Readiness};
use backstay_core::tags::{INTENT, Tags};
use backstay_provider::{Capabilities, Created, Description, ErrorClass, PointFileId};
use backstay_test_support::postgres::{FileSystem, Root};
use bytes::Bytes;
use common::{all, cluster, instance, open, order, point};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// A site with one instance `db-0`, whose one disk `db-0-data` has something like a data directory `pgdata`.
fn root(file_system: FileSystem) -> Root {
    let root = Root::new(file_system).unwrap();
    data_directory(&root.add_disk("db-0", "data", "db-0-data").join("pgdata"));
    root
}

/// A `pg_control` of no known version is never checked.
fn data_directory(path: &Path) {
    for directory in ["global", "base/5", "pg_wal/archive_status", "pg_tblspc"] {
        fs::create_dir_all(path.join(directory)).unwrap();
    }
    fs::write(path.join("global/pg_control"), [0; 8192]).unwrap();
    fs::write(path.join("base/5/16384"), "a table").unwrap();
    fs::write(path.join("pg_wal/000000010000000000000001"), "a segment").unwrap();
    fs::write(path.join("postmaster.pid"), "1").unwrap();
}

fn snapshots(root: &Root) -> PathBuf {
    root.path().join("snapshots")
}

async fn ids(site: &Capabilities) -> Vec<String> {
    let all = all(|page| site.inventory.snapshots(page)).await.unwrap();
    all.into_iter().map(|snapshot| snapshot.id.to_string()).collect()
}

async fn describe(site: &Capabilities, id: &SnapshotId) -> Description {
    site.inventory.describe(id).await.unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_repeated_order_finds_its_own_work() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    assert_eq!(ids(&site).await, Vec::<String>::new());
    let first = order("db-0", "db-0-data", 8);
    let Created::Created(made) = site.store.create(&first).await.unwrap() else { panic!("nothing was there") };
    assert_eq!((made.readiness.clone(), made.encrypted, made.disk.as_str()), (Readiness::Ready, false, "db-0-data"));
    let Created::Adopted(again) = site.store.create(&first).await.unwrap() else { panic!("made twice") };
    assert_eq!(made, again);
    assert_eq!(site.inventory.by_intent(&first.intent).await.unwrap(), vec![made.clone()]);
    let other = order("db-0", "db-0-data", 9);
    assert_eq!(site.inventory.by_intent(&other.intent).await.unwrap(), []);
    let second = site.store.create(&other).await.unwrap().snapshot();
    assert_ne!(second.id, made.id);
    assert_eq!(ids(&site).await.len(), 2);
    // It survives the process.
    let Description::Present(seen) = open(&root.path(), false).inventory.describe(&made.id).await.unwrap() else {
        panic!()
    };
    assert_eq!(seen, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_race_make_one_snapshot() {
    let root = root(FileSystem::Host);
    let (one, two) = (open(&root.path(), false), open(&root.path(), false));
    let first = order("db-0", "db-0-data", 8);
    let (a, b) = tokio::join!(one.store.create(&first), two.store.create(&first));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(matches!(a, Created::Adopted(_)) != matches!(b, Created::Adopted(_)));
    assert_eq!(a.snapshot(), b.snapshot());
    let left: Vec<_> = fs::read_dir(snapshots(&root)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn wrong_orders_are_refused_and_leave_nothing() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    fs::create_dir(root.path().join("disks/detached")).unwrap();
    let mut stolen = order("db-0", "db-0-data", 8);
    let made = site.store.create(&stolen).await.unwrap().snapshot();
    stolen.disk = DiskId::new("detached").unwrap();
    for (wrong, class, said) in [
        (order("db-9", "db-0-data", 9), ErrorClass::NotFound, "no instance db-9"),
        (order("db-0/x", "db-0-data", 9), ErrorClass::NotFound, "no instance"),
        (order("db-0", "detached", 9), ErrorClass::Invalid, "not attached to instance db-0"),
        (order("db-0", "a/b", 9), ErrorClass::Invalid, "not attached"),
        (stolen, ErrorClass::Invalid, "another disk, db-0-data"),
    ] {
        let error = site.store.create(&wrong).await.unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(said), "{error}");
    }
    assert_eq!(site.store.create_group(&[]).await.unwrap_err().class, ErrorClass::Invalid);
    assert_eq!(ids(&site).await, [made.id.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_two_writers_are_all_kept() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let before = made.generation();
    let writers = (0..2).map(|writer| {
        let (site, id) = (open(&root.path(), false), made.id.clone());
        tokio::spawn(async move {
            for number in 0..10 {
                site.store.tag(&id, &tags(&[(&format!("w{writer}-{number}"), "1")])).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    site.store.tag(&made.id, &tags(&[("w0-0", "2")])).await.unwrap();
    site.store.untag(&made.id, &["w1-1", "never-there"]).await.unwrap();
    let Description::Present(seen) = describe(&site, &made.id).await else { panic!() };
    assert_eq!(seen.tags.len(), made.tags.len() + 19);
    assert_eq!((&seen.tags["w0-0"], &seen.tags[INTENT]), ("2", &made.tags[INTENT]));
    assert_ne!(seen.generation(), before);
    // Repeating changes nothing.
    site.store.tag(&made.id, &tags(&[("w0-0", "2")])).await.unwrap();
    site.store.untag(&made.id, &["w1-1"]).await.unwrap();
    let Description::Present(again) = describe(&site, &made.id).await else { panic!() };
    assert_eq!(again.generation(), seen.generation());
    let absent = SnapshotId::new("snap-none").unwrap();
    assert_eq!(site.store.tag(&absent, &tags(&[("a", "b")])).await.unwrap_err().class, ErrorClass::NotFound);
}

#[tokio::test]
async fn only_what_the_caller_saw_is_deleted() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let kept = site.store.create(&order("db-0", "db-0-data", 9)).await.unwrap().snapshot();
    let seen = made.generation();
    site.store.tag(&made.id, &tags(&[("backstay-hold", "1")])).await.unwrap();
    let busy = |result: Result<(), backstay_provider::ProviderError>| result.unwrap_err().class == ErrorClass::Busy;
    assert!(busy(site.sweeper.delete(&made.id, &made.disk, &seen).await));
    site.store.untag(&made.id, &["backstay-hold"]).await.unwrap();
    assert!(busy(site.sweeper.delete(&made.id, &DiskId::new("other").unwrap(), &seen).await));
    assert!(busy(site.sweeper.delete(&made.id, &made.disk, &Generation("0".to_owned())).await));
    assert_eq!(ids(&site).await.len(), 2);
    site.sweeper.delete(&made.id, &made.disk, &seen).await.unwrap();
    site.sweeper.delete(&made.id, &made.disk, &seen).await.unwrap();
    assert!(matches!(describe(&site, &made.id).await, Description::Absent));
    assert_eq!(ids(&site).await, [kept.id.to_string()]);
    assert_eq!(fs::read_dir(snapshots(&root)).unwrap().count(), 1, "its files are gone");
}

#[tokio::test]
async fn what_a_crash_left_is_never_listed_and_the_next_delete_removes_it() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let kept = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let whole = snapshots(&root).join(kept.id.as_str());
    for left in [".tmp-1-1-1", ".trash-1-1-1", ".tmp-2-2-2"] {
        assert!(Command::new("cp").arg("-a").arg(&whole).arg(snapshots(&root).join(left)).status().unwrap().success());
    }
    // Its maker lives.
    let alive = fs::File::open(snapshots(&root).join(".tmp-2-2-2")).unwrap();
    alive.lock().unwrap();
    assert_eq!(ids(&site).await, [kept.id.to_string()]);
    let absent = SnapshotId::new("snap-none").unwrap();
    site.sweeper.delete(&absent, &kept.disk, &kept.generation()).await.unwrap();
    let mut names: Vec<_> = fs::read_dir(snapshots(&root)).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".tmp-2-2-2", kept.id.as_str()]);
}

#[tokio::test]
async fn what_cannot_be_read_is_never_an_empty_listing() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let record = snapshots(&root).join(made.id.as_str()).join("snapshot.json");
    let whole = fs::read_to_string(&record).unwrap();

    for damaged in
        [String::new(), whole.replace("\"format\": 1", "\"format\": 9"), whole.replace(made.id.as_str(), "snap-x")]
    {
        fs::write(&record, damaged).unwrap();
        let failed = all(|page| site.inventory.snapshots(page)).await.unwrap_err();
        assert_eq!(failed.class, ErrorClass::Unavailable, "{failed}");
        assert!(site.inventory.describe(&made.id).await.is_err());
        assert!(site.sweeper.delete(&made.id, &made.disk, &made.generation()).await.is_err());
    }
    fs::remove_file(&record).unwrap();
    assert!(all(|page| site.inventory.snapshots(page)).await.is_err());
    fs::write(&record, whole).unwrap();
    // Lost contents are told, not hidden.
    fs::rename(record.with_file_name("contents"), root.scratch("elsewhere")).unwrap();
    let Description::Present(seen) = describe(&site, &made.id).await else { panic!() };
    assert!(matches!(seen.readiness, Readiness::Failed { .. }));

    // The root's file system is not mounted.
    fs::rename(root.path().join("disks"), root.scratch("disks")).unwrap();
    assert_eq!(site.inventory.snapshots(None).await.unwrap_err().class, ErrorClass::Unavailable);
    assert_eq!(site.inventory.instances(None).await.unwrap_err().class, ErrorClass::Unavailable);
    assert!(site.inventory.describe(&made.id).await.is_err());
    assert!(site.inventory.facts(jiff::Timestamp::now()).await.is_err());
    fs::rename(root.scratch("disks"), root.path().join("disks")).unwrap();
}

#[tokio::test]
async fn every_page_is_read_once_and_strangers_are_left_out() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let record = snapshots(&root).join(made.id.as_str()).join("snapshot.json");
    let text = fs::read_to_string(record).unwrap();
    for number in 0..450 {
        let id = format!("snap-{number:05}");
        let directory = snapshots(&root).join(&id);
        fs::create_dir_all(directory.join("contents")).unwrap();
        let text = text.replace(made.id.as_str(), &id);
        // One in ten is not ours.
        let text = if number % 10 == 0 { text.replace("backstay-managed", "somebody") } else { text };
        fs::write(directory.join("snapshot.json"), text).unwrap();
    }
    fs::create_dir(snapshots(&root).join("lost+found")).unwrap();
    let first = site.inventory.snapshots(None).await.unwrap();
    assert_eq!((first.items.len(), first.next.is_some()), (200, true));
    let mut listed = ids(&site).await;
    assert_eq!(listed.len(), 406);
    let ordered = listed.clone();
    listed.sort();
    listed.dedup();
    assert_eq!(ordered, listed);
}

#[tokio::test]
async fn a_copy_keeps_what_matters_and_tells_what_it_left_out() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let disk = root.path().join("disks/db-0-data");
    let table = disk.join("pgdata/base/5/16384");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&table).unwrap().set_modified(old).unwrap();
    fs::set_permissions(&table, fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(disk.join("pgdata"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("/nowhere/at all", disk.join("pgdata/link")).unwrap();
    assert!(Command::new("mkfifo").arg(disk.join("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(disk.join("socket")).unwrap();

    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let contents = snapshots(&root).join(made.id.as_str()).join("contents");
    let copy = fs::metadata(contents.join("pgdata/base/5/16384")).unwrap();
    assert_eq!((copy.modified().unwrap(), copy.permissions().mode() & 0o7777), (old, 0o640));
    assert_eq!(fs::metadata(contents.join("pgdata")).unwrap().permissions().mode() & 0o7777, 0o750);
    assert_eq!(fs::read_link(contents.join("pgdata/link")).unwrap(), Path::new("/nowhere/at all"));
    assert!(contents.join("pgdata/global/pg_control").exists());
    assert_eq!(fs::read_dir(contents.join("pgdata/pg_wal")).unwrap().count(), 0);
    assert_eq!(made.size, 8192 + 7);
    let record = fs::read_to_string(contents.with_file_name("snapshot.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let skipped: Vec<&str> = record["skipped"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let wal = ["pgdata/pg_wal/000000010000000000000001", "pgdata/pg_wal/archive_status"];
    assert_eq!(skipped, ["fifo", wal[0], wal[1], "pgdata/postmaster.pid", "socket"]);
    assert_eq!(record["holds"]["dataDirectory"], "pgdata");
    assert_eq!(record["holds"]["pgWal"], "pgdata/pg_wal");
}

/// On a standby PostgreSQL takes from it how far replay must go: it must not be older than any page.
#[tokio::test]
async fn the_control_file_is_copied_after_everything_else() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let data = root.path().join("disks/db-0-data/pgdata");
    fs::create_dir(data.join("pg_xact")).unwrap();
    for number in 0..30 {
        fs::write(data.join(format!("base/5/{number}")), vec![1; 300_000]).unwrap();
        fs::write(data.join(format!("pg_xact/{number:04}")), vec![1; 300_000]).unwrap();
    }
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let copy = snapshots(&root).join(made.id.as_str()).join("contents/pgdata");
    // Nobody can set the time of a file's last change of status.
    let changed = |path: PathBuf| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    let control = changed(copy.join("global/pg_control"));
    for directory in ["base/5", "pg_xact"] {
        for file in fs::read_dir(copy.join(directory)).unwrap() {
            assert!(changed(file.unwrap().path()) <= control);
        }
    }
}

/// As a separate WAL volume is often mounted: its files would be missing.
#[tokio::test]
async fn a_file_system_mounted_inside_a_disk_is_refused() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let wal = root.path().join("disks/db-0-data/pgdata/pg_wal");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&wal).output().unwrap();
    if !mounted.status.success() {
        return println!("skipped: nothing can be mounted here");
    }
    let seen = instance(&site, "db-0").await;
    let refused = site.store.create(&order("db-0", "db-0-data", 8)).await;
    Command::new("umount").arg(&wal).status().unwrap();
    assert_eq!(seen.disks[0].role, DiskRole::Unknown);
    let DatabaseState::Unreachable { because } = seen.database else { panic!("{:?}", seen.database) };
    assert!(because.contains("is another file system"), "{because}");
    assert_eq!(refused.unwrap_err().class, ErrorClass::Invalid);

    let elsewhere = root.path().join("disks/db-0-data/pgdata/base/5");
    assert!(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&elsewhere).status().unwrap().success());
    let refused = site.store.create(&order("db-0", "db-0-data", 8)).await;
    Command::new("umount").arg(&elsewhere).status().unwrap();
    let error = refused.unwrap_err();
    assert!(error.message.contains("mounted inside disk"), "{error}");
    site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_go_grow_and_shrink_do_not_stop_a_copy() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let busy = root.path().join("disks/db-0-data/pgdata/base/5");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        for number in 0u64.. {
            let file = busy.join(format!("t{}", number % 300));
            fs::write(&file, vec![1; 50_000]).unwrap();
            fs::File::options().write(true).open(&file).unwrap().set_len(number % 9_000).unwrap();
            let temporary = busy.join(format!("d{}", number % 7));
            let _ = fs::create_dir(&temporary);
            let _ = fs::write(temporary.join("f"), "x");
            let _ = fs::remove_dir_all(busy.join(format!("d{}", (number + 3) % 7)));
            let _ = fs::remove_file(busy.join(format!("t{}", (number + 150) % 300)));
            if stopped.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
    });
    for hour in 0..8 {
        site.store.create(&order("db-0", "db-0-data", hour)).await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(ids(&site).await.len(), 8);
}

#[tokio::test]
async fn a_damaged_control_file_is_never_copied_as_if_it_were_whole() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let control = root.path().join("disks/db-0-data/pgdata/global/pg_control");
    let mut torn = vec![0; 8192];
    torn[8..12].copy_from_slice(&1300u32.to_le_bytes());
    fs::write(control, torn).unwrap();
    let error = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap_err();
    assert!(error.message.contains("pgdata/global/pg_control") && error.message.contains("checksum"), "{error}");
    assert_eq!(fs::read_dir(snapshots(&root)).unwrap().count(), 0);
}

#[tokio::test]
async fn disks_that_would_make_a_corrupt_point_have_no_role() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let data = root.path().join("disks/db-0-data/pgdata");
    let role = async || instance(&site, "db-0").await.disks[0].role.clone();
    let problem = async || match instance(&site, "db-0").await.database {
        DatabaseState::Unreachable { because } => because,
        DatabaseState::NotObservable | DatabaseState::Known(_) => String::new(),
    };
    assert_eq!((role().await, problem().await), (DiskRole::Data, String::new()));

    fs::create_dir(root.scratch("outside")).unwrap();
    let link = data.join("pg_tblspc/16401");
    symlink(root.scratch("outside"), &link).unwrap();
    assert_eq!(role().await, DiskRole::Unknown);
    assert!(
        problem().await.starts_with("tablespace 16401 lies outside the instance's disks: /"),
        "{}",
        problem().await
    );
    assert!(site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap_err().message.contains("corrupt"));
    fs::remove_file(&link).unwrap();

    fs::create_dir(root.path().join("disks/other")).unwrap();
    symlink(root.path().join("disks/other"), &link).unwrap();
    assert!(problem().await.contains("outside"), "another instance's disk is as good as none");
    root.attach("db-0", "ts", "other");
    let roles: Vec<_> = instance(&site, "db-0").await.disks.into_iter().map(|disk| disk.role).collect();
    assert_eq!(roles, [DiskRole::Data, DiskRole::Tablespace]);

    fs::remove_file(root.path().join("instances/db-0/ts")).unwrap();
    root.attach("db-0", "ts", "gone");
    assert!(problem().await.contains("leads to no disk of this site"), "{}", problem().await);
    fs::remove_file(root.path().join("instances/db-0/ts")).unwrap();
    fs::remove_file(&link).unwrap();

    data_directory(&root.path().join("disks/db-0-data/pgdata.old"));
    assert!(problem().await.contains("several data directories"), "{}", problem().await);
    fs::remove_dir_all(root.path().join("disks/db-0-data/pgdata.old")).unwrap();

    fs::rename(data.join("pg_wal"), root.scratch("wal")).unwrap();
    symlink(root.scratch("wal"), data.join("pg_wal")).unwrap();
    assert!(problem().await.starts_with("pg_wal lies outside"), "{}", problem().await);
    // Another instance is not touched by it.
    root.add_disk("pool-0", "root", "pool-0-root");
    let pool = instance(&site, "pool-0").await;
    assert_eq!((pool.disks[0].role.clone(), pool.database), (DiskRole::Other, DatabaseState::NotObservable));
}

#[tokio::test]
async fn a_virtual_clock_only_moves_forward_and_stamps_what_is_made() {
    let root = root(FileSystem::Host);
    let path = root.path();
    assert!(open(&path, false).clock.is_none());
    fs::write(path.join("clock"), "2026-11-23T08:00:00Z\n").unwrap();
    let site = open(&path, true);
    let clock = site.clock.as_ref().unwrap();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(clock.now().unwrap(), at("2026-11-23T08:00:00Z"));
    clock.advance_to(at("2026-11-23T16:00:00Z")).unwrap();
    clock.advance_to(at("2026-11-23T09:00:00Z")).unwrap();
    assert_eq!(open(&path, true).clock.unwrap().now().unwrap(), at("2026-11-23T16:00:00Z"));
    let made = site.store.create(&order("db-0", "db-0-data", 16)).await.unwrap().snapshot();
    assert_eq!(made.created, at("2026-11-23T16:00:00Z"));
    let facts = site.inventory.facts(at("2000-01-01T00:00:00Z")).await.unwrap();
    assert!(facts.clock.is_virtual);
    assert_eq!((facts.clock.now, facts.clock.host), (made.created, at("2000-01-01T00:00:00Z")));
    fs::write(path.join("clock"), "yesterday").unwrap();
    assert_eq!(clock.now().unwrap_err().class, ErrorClass::Invalid);
    fs::remove_file(path.join("clock")).unwrap();
    let lead = clock.now().unwrap().duration_since(jiff::Timestamp::now());
    assert!(lead.abs().as_secs() < 60, "until it is set it shows the host's time");
}

#[tokio::test]
async fn a_points_files_are_written_once() {
    let root = root(FileSystem::Host);
    let site = open(&root.path(), false);
    let files = site.point_files.as_ref().unwrap();
    let id = |name: &str| PointFileId { cluster: cluster(), point: point(8), name: name.to_owned() };
    let segment = id("wal/000000010000000000000001");
    assert_eq!(files.get(&segment).await.unwrap(), None);
    let bytes = Bytes::from_static(b"some WAL");
    files.put(&segment, &bytes).await.unwrap();
    files.put(&segment, &bytes).await.unwrap();
    let other = files.put(&segment, &Bytes::from_static(b"other WAL")).await.unwrap_err();
    assert!(other.message.contains("with other bytes"), "{other}");
    assert_eq!(files.get(&segment).await.unwrap(), Some(bytes.clone()));
    files.put(&id("backup_label"), &bytes).await.unwrap();
    files.put(&id("wal/00000002.history"), &bytes).await.unwrap();
    for wrong in ["", "../x", "wal/../../x", "wal/x", "wal/", "snapshot.json", "wal/000000010000000000000001/x"] {
        assert_eq!(files.put(&id(wrong), &bytes).await.unwrap_err().class, ErrorClass::Invalid, "{wrong}");
        assert!(files.get(&id(wrong)).await.is_err(), "{wrong}");
    }
    let directory = root.path().join("points").join(cluster().as_str());
    assert_eq!(fs::metadata(directory.join(point(8).to_string())).unwrap().permissions().mode() & 0o077, 0);
    files.remove(&cluster(), point(8)).await.unwrap();
    files.remove(&cluster(), point(8)).await.unwrap();
    assert_eq!(files.get(&segment).await.unwrap(), None);
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
}

#[tokio::test]
async fn a_nested_subvolume_is_refused_and_a_snapshot_of_a_subvolume_can_be_deleted() {
    let root = match Root::new(FileSystem::Btrfs) {
        Ok(root) => root,
        Err(why) => return println!("skipped: no btrfs can be mounted here: {why}"),
    };
    let data = root.add_disk("db-0", "data", "db-0-data").join("pgdata");
    data_directory(&data);
    let site = open(&root.path(), false);
    let facts = site.inventory.facts(jiff::Timestamp::now()).await.unwrap();
    assert_eq!((facts.abilities.atomic_disk, facts.abilities.method.as_str()), (true, "btrfs subvolume"));
    let made = site.store.create(&order("db-0", "db-0-data", 8)).await.unwrap().snapshot();
    let contents = snapshots(&root).join(made.id.as_str()).join("contents");
    assert!(contents.join("pgdata/pg_wal/000000010000000000000001").exists(), "an atomic snapshot keeps its WAL");
    assert!(fs::write(contents.join("pgdata/x"), "x").is_err(), "it is read-only");

    let nested = data.join("base/6");
    assert!(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&nested).status().unwrap().success());
    let error = site.store.create(&order("db-0", "db-0-data", 9)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(error.message.contains("pgdata/base/6 is a nested btrfs subvolume"), "{error}");
    assert_eq!(fs::read_dir(snapshots(&root)).unwrap().count(), 1, "the refused snapshot left nothing");

    // What was promised stays true: a plain directory is refused, and only a site opened anew copies.
    fs::create_dir(root.path().join("disks/plain")).unwrap();
    root.attach("db-0", "plain", "plain");
    let error = site.store.create(&order("db-0", "plain", 9)).await.unwrap_err();
    assert!(error.message.contains("is no btrfs subvolume"), "{error}");
    let facts = open(&root.path(), false).inventory.facts(jiff::Timestamp::now()).await.unwrap();
    assert_eq!((facts.abilities.atomic_disk, facts.abilities.method.as_str()), (false, "reflink"));

    site.sweeper.delete(&made.id, &made.disk, &made.generation()).await.unwrap();
    assert_eq!(fs::read_dir(snapshots(&root)).unwrap().count(), 0);
}
