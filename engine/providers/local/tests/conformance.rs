//! The rules of every provider, run against disks that are directories: by plain copies, without a server.
#![allow(clippy::unwrap_used)]

use backstay_core::capabilities::Iaas;
use backstay_core::model::{LocalSite, Provider, Site};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName};
use backstay_provider::conformance::{self, Fixture};
use backstay_provider::{Capabilities, Home, Opener as _};
use backstay_provider_local::LocalOpener;
use backstay_test_support::postgres::Root;
use jiff::Timestamp;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

/// A site with one instance of two disks, data and WAL, that hold something like a stopped cluster.
fn root() -> Root {
    let root = Root::plain();
    let data = root.add_disk("db-0", "data", "db-0-data").join("pgdata");
    let wal = root.add_disk("db-0", "wal", "db-0-wal").join("pg_wal");
    for directory in [data.join("global"), data.join("base/5"), data.join("pg_tblspc"), wal.join("archive_status")] {
        fs::create_dir_all(directory).unwrap();
    }
    // A `pg_control` of no known version is never checked.
    fs::write(data.join("global/pg_control"), [0; 8192]).unwrap();
    fs::write(data.join("base/5/16384"), "a table").unwrap();
    fs::write(wal.join("000000010000000000000001"), "a segment").unwrap();
    symlink(root.path().join("instances/db-0/wal/pg_wal"), data.join("pg_wal")).unwrap();
    root
}

fn open(root: &Path, is_virtual: bool) -> Capabilities {
    let provider = Provider::Local(LocalSite { root: root.to_path_buf(), virtual_clock: is_virtual });
    let site = Site { name: SiteName::new("here").unwrap(), provider };
    let opener = LocalOpener::new(Arc::new(Timestamp::now)).with_pass_file("/dev/null");
    opener.open(&site, Home { fleet: Path::new("/"), state: Path::new("/") }).unwrap()
}

fn fixture() -> Fixture {
    let disks = ["db-0-data", "db-0-wal"].map(|id| DiskId::new(id).unwrap()).to_vec();
    let cluster = ClusterUid::new("c0ffee00-0000-4000-8000-000000000001").unwrap();
    Fixture::new(Iaas::Local, InstanceId::new("db-0").unwrap(), disks, cluster)
}

#[tokio::test(flavor = "current_thread")]
async fn a_site_with_a_virtual_clock_conforms() {
    let root = root();
    conformance::run_all(&open(&root.path(), true), &fixture()).await.unwrap();
    // Again on what the first run left, as another process would open it.
    conformance::run_all(&open(&root.path(), true), &fixture()).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_site_that_follows_the_hosts_clock_conforms() {
    let root = root();
    conformance::run_all(&open(&root.path(), false), &fixture()).await.unwrap();
}
