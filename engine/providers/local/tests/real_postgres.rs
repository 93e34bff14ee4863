//! Points of real servers under load, and servers that are started from them.
//!
//! Each test runs on a file system of its own. Where this host cannot mount one, the test says so and passes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use backstay_core::observed::{DatabaseRole, DatabaseState, DiskRole, Readiness};
use backstay_provider::ErrorClass;
use backstay_test_support::postgres::{Disks, FileSystem, Recovered, Root, Server};
use common::{Point, address, cut, instance, instance_id, open, take};
use std::path::Path;

/// A root, or `None` with a printed reason where this host cannot mount it.
fn root(file_system: FileSystem) -> Option<Root> {
    Root::new(file_system).map_err(|why| println!("skipped: {file_system:?} cannot be mounted here: {why}")).ok()
}

/// Everything that was acknowledged is there, pgbench's books balance, and no page or index is broken.
fn check(recovered: Recovered, acknowledged: u64) {
    println!("{}", recovered.said.trim());
    assert_eq!(
        recovered.sql(&format!("select count(*) from ledger where id <= {acknowledged}")),
        acknowledged.to_string()
    );
    let gap = recovered.sql("select count(*) = coalesce(max(id), 0) from ledger");
    assert_eq!(gap, "t", "a row is missing below the last one");
    let sums = recovered.sql(
        "select (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers),
                (select sum(bbalance) from pgbench_branches), (select coalesce(sum(delta), 0) from pgbench_history)",
    );
    let sums: Vec<&str> = sums.split('|').collect();
    assert!(sums.iter().all(|sum| *sum == sums[0]), "the books do not balance: {sums:?}");
    recovered.check_everything();
}

/// A point that lost its last segment must fail to recover, not come back too early.
fn nothing_starts_without_its_wal(root: &Root, point: &Point) {
    let last = point.end.wal.segments(point.end.segment_size).pop().unwrap();
    let (kept, hidden) = (point.files.join("wal").join(last), point.files.join("hidden"));
    std::fs::rename(&kept, &hidden).unwrap();
    let refused = Recovered::start(root, &point.files, &point.ids(), "lame").unwrap_err();
    assert!(refused.contains("FATAL"), "{refused}");
    std::fs::rename(&hidden, &kept).unwrap();
}

fn roles(instance: &backstay_core::observed::Instance) -> Vec<(&str, DiskRole)> {
    instance.disks.iter().map(|disk| (disk.id.as_str(), disk.role.clone())).collect()
}

async fn a_primarys_point(file_system: FileSystem, disks: Disks, method: &str) {
    let root = if file_system == FileSystem::Ext4 { Some(Root::plain()) } else { root(file_system) };
    let Some(root) = root else { return };
    let server = Server::primary(&root, "db-0", disks, "");
    server.fill(2);
    let site = open(&root.path(), false);
    let facts = site.inventory.facts(jiff::Timestamp::now()).await.unwrap();
    // Where nothing can be mounted, temporary files may lie on something better.
    assert!(facts.abilities.method == method || root.file_system() == FileSystem::Host);
    let seen = instance(&site, "db-0").await;
    let mut expected = vec![("db-0-data", DiskRole::Data)];
    expected.extend(disks.tablespace.then_some(("db-0-ts", DiskRole::Tablespace)));
    expected.extend(disks.wal.then_some(("db-0-wal", DiskRole::Wal)));
    assert_eq!(roles(&seen), expected);

    let (bench, ledger) = (server.bench(), server.ledger());
    let before = ledger.advance(50);
    let at = address(server.socket(), server.port());
    let mut after = 0;
    let point = take(&site, &root.path(), "db-0", &at, 8, || after = ledger.advance(20)).await;
    let later = ledger.advance(20);
    drop((bench, ledger));
    assert!(before < after && after < later);
    assert!(point.snapshots.iter().all(|snapshot| snapshot.readiness == Readiness::Ready));
    assert_eq!(point.end.map.is_empty(), !disks.tablespace);
    println!("{method}: {} .. {}", point.end.wal.start, point.end.wal.end);
    nothing_starts_without_its_wal(&root, &point);

    // The original keeps running beside it: nothing of it may be touched.
    let recovered = Recovered::start(&root, &point.files, &point.ids(), "restored").unwrap();
    if disks.tablespace {
        let place = recovered.sql("select pg_tablespace_location(oid) from pg_tablespace where spcname = 'ts'");
        assert!(Path::new(&place).starts_with(root.scratch("restored")), "{place}");
    }
    check(recovered, after);
    assert_eq!(server.sql(&format!("select count(*) >= {later} from ledger")), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_primary_with_a_wal_disk_and_a_tablespace_comes_back_whole() {
    a_primarys_point(FileSystem::Ext4, Disks { wal: true, tablespace: true }, "copy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reflinked_primary_comes_back_whole() {
    a_primarys_point(FileSystem::Xfs, Disks { wal: false, tablespace: true }, "reflink").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_on_subvolumes_comes_back_whole() {
    a_primarys_point(FileSystem::Btrfs, Disks { wal: true, tablespace: true }, "btrfs subvolume").await;
}

/// One atomic snapshot needs no backup mode: PostgreSQL recovers from it as from a power cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_consistent_subvolume_comes_back_whole() {
    let Some(root) = root(FileSystem::Btrfs) else { return };
    let server = Server::primary(&root, "db-0", Disks::default(), "");
    server.fill(2);
    let site = open(&root.path(), false);
    assert!(site.inventory.facts(jiff::Timestamp::now()).await.unwrap().abilities.atomic_disk);
    let (bench, ledger) = (server.bench(), server.ledger());
    let before = ledger.advance(50);
    let snapshots = cut(&site, "db-0", 8).await;
    let _ = ledger.advance(20);
    drop((bench, ledger));
    let ids: Vec<String> = snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect();
    check(Recovered::start(&root, Path::new("-"), &ids, "restored").unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standbys_point_holds_what_the_standby_had_replayed() {
    let root = Root::plain();
    let primary = Server::primary(&root, "db-0", Disks { wal: true, tablespace: true }, "");
    primary.fill(2);
    let standby = primary.standby(&root, "db-1");
    let site = open(&root.path(), false);
    let (bench, ledger) = (primary.bench(), primary.ledger());
    let before = ledger.advance(50);
    standby.wait_for(&format!("select coalesce(max(id), 0) >= {before} from ledger"));
    let at = address(standby.socket(), standby.port());
    let databases = site.databases.as_ref().unwrap();
    let DatabaseState::Known(status) = databases.status(&instance_id("db-1"), Some(&at)).await else { panic!() };
    assert!(matches!(status.role, DatabaseRole::Standby { lag: Some(lag) } if lag.as_seconds() <= 2), "{status:?}");

    // Writes go on to the end, so the end lies in a segment that the standby has only in part.
    let point = take(&site, &root.path(), "db-1", &at, 8, || _ = ledger.advance(20)).await;
    drop((bench, ledger));
    let last = point.end.wal.segments(point.end.segment_size).pop().unwrap();
    println!("standby: {} .. {} ends in {last}", point.end.wal.start, point.end.wal.end);
    nothing_starts_without_its_wal(&root, &point);
    check(Recovered::start(&root, &point.files, &point.ids(), "restored").unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_point_of_a_promoted_standby_is_discarded_and_its_next_one_has_the_new_timeline() {
    let root = Root::plain();
    let primary = Server::primary(&root, "db-0", Disks::default(), "");
    primary.fill(1);
    let standby = primary.standby(&root, "db-1");
    let site = open(&root.path(), false);
    let at = address(standby.socket(), standby.port());
    let databases = site.databases.as_ref().unwrap();
    let mut session = databases.begin_backup(&instance_id("db-1"), Some(&at), "promoted meanwhile").await.unwrap();
    assert!(session.start().is_standby);
    standby.promote();
    let refused = session.stop().await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Invalid);
    assert_eq!(refused.message, "the standby was promoted during the backup: this point must be discarded");
    drop(session);
    standby.wait_for("select not exists (select from pg_replication_slots)");

    let (bench, ledger) = (standby.bench(), standby.ledger());
    let before = ledger.advance(20);
    let point = take(&site, &root.path(), "db-1", &at, 9, || _ = ledger.advance(5)).await;
    drop((bench, ledger));
    assert_eq!(point.end.wal.timeline.0, 2);
    assert!(point.files.join("wal/00000002.history").exists());
    let recovered = Recovered::start(&root, &point.files, &point.ids(), "restored").unwrap();
    assert_eq!(recovered.sql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), "00000003");
    check(recovered, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_other_disks_is_never_backed_up_by_mistake() {
    let root = Root::plain();
    let server = Server::primary(&root, "db-0", Disks::default(), "");
    let other = Server::primary(&root, "db-1", Disks::default(), "");
    let site = open(&root.path(), false);
    let databases = site.databases.as_ref().unwrap();
    let swapped = address(other.socket(), other.port());
    let state = databases.status(&instance_id("db-0"), Some(&swapped)).await;
    assert!(
        matches!(&state, DatabaseState::Unreachable { because } if because.contains("not the instance's")),
        "{state:?}"
    );
    let refused = databases.begin_backup(&instance_id("db-0"), Some(&swapped), "x").await.err().unwrap();
    assert!(refused.message.contains("not the instance's"), "{refused}");

    let (id, at) = (instance_id("db-0"), address(server.socket(), server.port()));
    assert_eq!(databases.status(&id, None).await, DatabaseState::NotObservable);
    assert!(matches!(databases.status(&id, Some(&at)).await, DatabaseState::Known(_)));

    // A tablespace beside the disks would be missing from every point.
    let outside = root.scratch("outside");
    std::fs::create_dir(&outside).unwrap();
    std::process::Command::new("chown").arg("postgres").arg(&outside).status().unwrap();
    server.sql(&format!("create tablespace lost location '{}'", outside.display()));
    let state = databases.status(&id, Some(&at)).await;
    let DatabaseState::Unreachable { because } = state else { panic!("{state:?}") };
    assert!(because.contains("lies outside the instance's disks") && because.contains("/outside"), "{because}");
    assert_eq!(roles(&instance(&site, "db-0").await), [("db-0-data", DiskRole::Unknown)]);
    assert!(site.store.create(&common::order("db-0", "db-0-data", 8)).await.is_err());

    drop(server);
    let gone = databases.status(&instance_id("db-1"), Some(&at)).await;
    assert!(matches!(&gone, DatabaseState::Unreachable { because } if because.contains("cannot connect")), "{gone:?}");
}
