//! The whole engine over a real PostgreSQL under load: `apply` makes points, time passes, old ones expire and go, and from
//! each that is left a server comes back with every row that was acknowledged before its cut.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use backstay_core::observed::{Listing, Observed};
use backstay_core::tags::{self, PointKey};
use backstay_test_support::postgres::{Disks, FileSystem, Recovered, Root, Server};
use backstay_test_support::shell::{Said, Shell};
use backstay_test_support::twice::assert_nothing_is_there_twice;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn write_fleet(directory: &Path, root: &Root, nodes: &[(&str, &Server)], source: &str, consistency: &str) {
    fs::create_dir_all(directory.join("fleet")).unwrap();
    let nodes: String = nodes
        .iter()
        .map(|(instance, server)| {
            let (host, port) = (server.socket().display(), server.port());
            format!(
                "    - {{ name: {instance}, role: postgres, instance: {instance}, postgres: {{ host: {host}, port: {port} }} }}\n"
            )
        })
        .collect();
    let fleet = format!(
        "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: {{ name: real }}\nspec: {{}}\n---\n\
         apiVersion: backstay.dev/v1\nkind: Site\nmetadata: {{ name: here }}\n\
         spec: {{ provider: local, root: {root}, clock: virtual }}\n---\n\
         apiVersion: backstay.dev/v1\nkind: BackupPolicy\nmetadata: {{ name: hourly }}\nspec:\n  \
           schedule: {{ every: 1h }}\n  source: {source}\n  consistency: {consistency}\n  \
           retention: {{ keep: {{ last: 2 }}, grace: 1h }}\n---\n\
         apiVersion: backstay.dev/v1\nkind: Cluster\nmetadata: {{ name: shop }}\n\
         spec:\n  uid: shop-0001\n  site: here\n  policy: hourly\n  nodes:\n{nodes}",
        root = root.path().display(),
    );
    fs::write(directory.join("fleet/fleet.yaml"), fleet).unwrap();
}

fn succeeded(said: &Said) -> &Said {
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    said
}

/// The points that the site shows: their snapshots by the point's name.
async fn points(shell: &Shell) -> BTreeMap<String, Vec<String>> {
    succeeded(&shell.run(&["observe", "-out=inventory.json"], None).await);
    let text = fs::read_to_string(shell.directory.join("inventory.json")).unwrap();
    let observed: Observed = serde_json::from_str(&text).unwrap();
    let mut points: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for listing in observed.sites.values() {
        let Listing::Complete(site) = listing else { panic!("the site was not read") };
        for snapshot in &site.snapshots {
            points.entry(snapshot.tags[tags::POINT].to_owned()).or_default().push(snapshot.id.to_string());
        }
    }
    points
}

/// Starts a server from a point with its kept WAL alone, and checks what is in it.
fn restore_and_check(root: &Root, point: &str, snapshots: &[String], acknowledged: u64) {
    let files = root.path().join("points/shop-0001").join(point);
    check_restored(root, point, &files, snapshots, acknowledged);
}

/// The same with the files' directory given; `-` for a crash-consistent point, which recovers by its own WAL.
fn check_restored(root: &Root, point: &str, files: &Path, snapshots: &[String], acknowledged: u64) {
    let recovered = Recovered::start(root, files, snapshots, &format!("restored-{point}")).unwrap();
    let rows = recovered.sql(&format!("select count(*) from ledger where id <= {acknowledged}"));
    assert_eq!(rows, acknowledged.to_string(), "point {point} lost acknowledged rows");
    let balances = "select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches) \
         and (select sum(tbalance) from pgbench_tellers) = (select coalesce(sum(delta), 0) from pgbench_history) \
         and (select sum(abalance) from pgbench_accounts) = (select coalesce(sum(delta), 0) from pgbench_history)";
    assert_eq!(recovered.sql(balances), "t", "point {point} tore a transaction");
    recovered.check_everything();
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_a_primary_under_load_are_made_kept_expired_and_deleted() {
    let root = Root::plain();
    let server = Server::primary(&root, "shop-0", Disks { wal: true, tablespace: true }, "");
    server.fill(1);
    let home = tempfile::tempdir().unwrap();
    write_fleet(home.path(), &root, &[("shop-0", &server)], "primary", "application");
    let shell = Shell::in_directory(home.path());
    let (bench, ledger) = (server.bench(), server.ledger());
    let mut acknowledged = BTreeMap::new();

    // The first point; then nothing is left to do.
    let mut before = ledger.advance(50);
    let first = shell.run(&["apply", "-auto-approve"], None).await;
    assert!(succeeded(&first).out.contains("Apply complete! Resources: 1 added"), "{}", first.out);
    let none = shell.run(&["plan", "-detailed-exitcode"], None).await;
    assert!(succeeded(&none).out.ends_with("No changes.\n"), "{}", none.out);
    let present = points(&shell).await;
    let (name, parts) = present.first_key_value().unwrap();
    assert_eq!(parts.len(), 3, "data, WAL and tablespace");
    acknowledged.insert(name.clone(), before);

    // Later slots fall due; what retention lets go is marked, and goes only after its grace.
    let mut counts = Vec::new();
    for _ in 0..4 {
        before = ledger.advance(50);
        succeeded(&shell.run(&["apply", "-auto-approve", "-as-of=+1h"], None).await);
        let present = points(&shell).await;
        counts.push(present.len());
        for name in present.keys() {
            acknowledged.entry(name.clone()).or_insert(before);
        }
        let again = shell.run(&["plan", "-detailed-exitcode"], None).await;
        assert!(succeeded(&again).out.ends_with("No changes.\n"), "{}", again.out);
    }
    drop(bench);
    drop(ledger);
    // Two are kept, one is marked: it goes an hour after its mark, when the next is marked.
    assert_eq!(counts, [2, 3, 3, 3]);
    assert_eq!(acknowledged.len(), 5, "every hour made a point of its own");

    let present = points(&shell).await;
    let kept: Vec<String> = fs::read_dir(root.path().join("points/shop-0001"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(kept.len(), present.len(), "a deleted point's label and WAL go with it");
    for (point, snapshots) in &present {
        restore_and_check(&root, point, snapshots, acknowledged[point]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_is_the_source_while_it_is_fit_and_the_primary_when_it_is_gone() {
    let root = Root::plain();
    let primary = Server::primary(&root, "shop-0", Disks::default(), "");
    primary.fill(1);
    let standby = primary.standby(&root, "shop-1");
    let home = tempfile::tempdir().unwrap();
    write_fleet(home.path(), &root, &[("shop-0", &primary), ("shop-1", &standby)], "prefer-standby", "application");
    let shell = Shell::in_directory(home.path());
    let (bench, ledger) = (primary.bench(), primary.ledger());

    let before = ledger.advance(50);
    let seen = format!("select coalesce(max(id), 0) >= {before} from ledger");
    standby.wait_for(&seen);
    succeeded(&shell.run(&["apply", "-auto-approve"], None).await);
    let first = points(&shell).await;
    let (name, snapshots) = first.first_key_value().unwrap();
    let contents = root.path().join("snapshots").join(&snapshots[0]).join("snapshot.json");
    assert!(fs::read_to_string(contents).unwrap().contains("shop-1-data"), "the standby's disk was cut");

    // With the standby stopped the primary is taken. Nothing is dropped, nothing waits.
    standby.stop("fast");
    let later = ledger.advance(50);
    succeeded(&shell.run(&["apply", "-auto-approve", "-as-of=+1h"], None).await);
    drop(bench);
    drop(ledger);
    let second = points(&shell).await;
    assert_eq!(second.len(), 2);
    restore_and_check(&root, name, snapshots, before);
    let (name, snapshots) = second.iter().find(|(other, _)| *other != name).unwrap();
    restore_and_check(&root, name, snapshots, later);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_consistent_point_is_made_where_the_cut_is_atomic_and_refused_where_it_is_not() {
    let home = tempfile::tempdir().unwrap();
    let shell = Shell::in_directory(home.path());

    // A copy of a live directory shows no single instant: the policy cannot be honoured, and the plan says what could be.
    let plain = Root::plain();
    let server = Server::primary(&plain, "shop-0", Disks::default(), "");
    write_fleet(home.path(), &plain, &[("shop-0", &server)], "primary", "crash");
    let refused = shell.run(&["plan", "-detailed-exitcode"], None).await;
    assert!(
        succeeded(&refused).out.contains("incapable: `consistency: crash` needs one atomic cut"),
        "{}",
        refused.out
    );
    assert!(
        refused.out.contains("`consistency: application`") && refused.out.ends_with("No changes.\n"),
        "{}",
        refused.out
    );
    drop(server);

    let root = match Root::new(FileSystem::Btrfs) {
        Ok(root) => root,
        Err(why) => {
            println!("skipped: btrfs cannot be mounted here: {why}");
            return;
        }
    };
    let server = Server::primary(&root, "shop-0", Disks::default(), "");
    server.fill(1);
    write_fleet(home.path(), &root, &[("shop-0", &server)], "primary", "crash");
    let (bench, ledger) = (server.bench(), server.ledger());
    let before = ledger.advance(50);
    succeeded(&shell.run(&["apply", "-auto-approve"], None).await);
    drop(bench);
    drop(ledger);
    let present = points(&shell).await;
    let (name, snapshots) = present.first_key_value().unwrap();
    check_restored(&root, name, Path::new("-"), snapshots, before);
}

/// How many kills the suite makes over a real server; more are made by hand: `BACKSTAY_KILLS=100`.
const KILLS: u32 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_an_apply_over_a_real_server_is_completed_by_the_next() {
    let root = Root::plain();
    let server = Server::primary(&root, "shop-0", Disks { wal: true, tablespace: false }, "");
    server.fill(1);
    let home = tempfile::tempdir().unwrap();
    write_fleet(home.path(), &root, &[("shop-0", &server)], "primary", "application");
    let shell = Shell::in_directory(home.path());
    let ledger = server.ledger();
    let kills = std::env::var("BACKSTAY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let apply = |as_of: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_backstay"));
        command.args(["apply", "-auto-approve", as_of]).current_dir(home.path());
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let began = std::time::Instant::now();
    assert!(apply("-as-of=+1h").wait().unwrap().success());
    let whole = began.elapsed();
    // Each slot is planned for two minutes after it fell due.
    let first: PointKey = points(&shell).await.into_keys().next().unwrap().parse().unwrap();
    let mut slot = first.slot + jiff::SignedDuration::from_mins(2);
    let (mut cut_short, mut acknowledged, mut newest) = (0, 0, None);
    for kill in 1..=kills {
        slot += jiff::SignedDuration::from_hours(1);
        let before: std::collections::BTreeSet<String> = points(&shell).await.into_keys().collect();
        acknowledged = ledger.advance(20);
        let mut child = apply(&format!("-as-of={slot}"));
        let moment = whole.mul_f64(1.1 * f64::from(kill * 37 % kills) / f64::from(kills));
        std::thread::sleep(moment);
        child.kill().unwrap();
        cut_short += u32::from(!child.wait().unwrap().success());
        let after = format!("kill {kill}, after {} ms", moment.as_millis());
        // By then its lease is over.
        shell.clock.set(jiff::Timestamp::now() + jiff::SignedDuration::from_mins(12));
        // The same slot, when what was begun is not waited for any more, and the server has seen that its client is gone.
        let mut minutes = 15;
        let next = loop {
            let later = format!("-as-of={}", slot + jiff::SignedDuration::from_mins(minutes));
            let next = shell.run(&["apply", "-auto-approve", &later], None).await;
            if minutes == 30 || !next.out.contains("another backup is running") {
                break next;
            }
            minutes += 1;
            std::thread::sleep(std::time::Duration::from_millis(300));
        };
        assert_eq!(next.code, 0, "{after}: {}\n{}", next.out, next.err);
        let then = shell.run(&["plan", "-detailed-exitcode"], None).await;
        assert!(then.code == 0 && then.out.ends_with("No changes.\n"), "{after}: {}\n{}", next.out, then.out);
        let present = points(&shell).await;
        let text = fs::read_to_string(home.path().join("inventory.json")).unwrap();
        assert_nothing_is_there_twice(&serde_json::from_str(&text).unwrap(), &after);
        newest = present.into_iter().rfind(|(name, parts)| !before.contains(name) && parts.len() == 2);
        assert!(newest.is_some(), "{after}: its slot has no point\n{}\n{}\n{}", next.out, next.err, then.out);
    }
    drop(ledger);
    assert!(cut_short > 0, "no run was cut short: a whole one takes {whole:?}");
    let (point, snapshots) = newest.unwrap();
    restore_and_check(&root, &point, &snapshots, acknowledged);
}
