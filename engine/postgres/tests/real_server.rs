//! What one real server says, and what it refuses.

#![allow(clippy::unwrap_used)]

use backstay_core::lsn::Timeline;
use backstay_core::model::PostgresAddress;
use backstay_core::observed::{DatabaseRole, DatabaseStatus};
use backstay_postgres::{
    BackupSession, CONTROL_FILE, ControlFile, Error, ErrorKind, PassFile, Server, files_needed, status,
};
use backstay_test_support::postgres::{self as real, Disks, Root, pg_program};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

fn server(real: &real::Server) -> Server {
    let host = real.socket().display().to_string();
    Server::new(PostgresAddress { host, port: real.port(), user: "postgres".into(), database: "postgres".into() }, None)
}

async fn ask(real: &real::Server) -> DatabaseStatus {
    status(&server(real)).await.unwrap().status
}

async fn refused(real: &real::Server) -> Error {
    BackupSession::begin(&server(real), "test").await.err().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_file_reads_as_pg_controldata_prints_it() {
    let root = Root::plain();
    let real =
        real::Server::primary(&root, "db-0", Disks::default(), "max_connections = 33\nmax_locks_per_transaction = 65");
    real.stop("fast");
    let bytes = std::fs::read(real.data().join(CONTROL_FILE)).unwrap();
    let control = ControlFile::parse(&bytes).unwrap();
    let output =
        Command::new(pg_program("pg_controldata")).env("LC_ALL", "C").env("TZ", "UTC").arg(real.data()).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let line = |name: &str| {
        let value = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{name} is not in\n{output}")).trim().to_owned()
    };
    assert_eq!(control.system.to_string(), line("Database system identifier"));
    assert_eq!(control.state.to_string(), line("Database cluster state"));
    assert_eq!(control.written.strftime("%a %b %e %H:%M:%S %Y").to_string(), line("pg_control last modified"));
    assert_eq!(control.checkpoint.to_string(), line("Latest checkpoint location"));
    assert_eq!(control.redo.to_string(), line("Latest checkpoint's REDO location"));
    assert_eq!(control.timeline.to_string(), line("Latest checkpoint's TimeLineID"));
    assert_eq!(if control.full_page_writes { "on" } else { "off" }, line("Latest checkpoint's full_page_writes"));
    assert_eq!(control.min_recovery.to_string(), line("Minimum recovery ending location"));
    assert_eq!(control.min_recovery_timeline.to_string(), line("Min recovery ending loc's timeline"));
    assert_eq!(control.segment_size.to_string(), line("Bytes per WAL segment"));
    assert_eq!(control.data_checksum_version.to_string(), line("Data page checksum version"));
    assert_eq!(control.hot_standby.max_connections.to_string(), line("max_connections setting"));
    assert_eq!(control.hot_standby.max_worker_processes.to_string(), line("max_worker_processes setting"));
    assert_eq!(control.hot_standby.max_wal_senders.to_string(), line("max_wal_senders setting"));
    assert_eq!(control.hot_standby.max_prepared_transactions.to_string(), line("max_prepared_xacts setting"));
    assert_eq!(control.hot_standby.max_locks_per_transaction.to_string(), line("max_locks_per_xact setting"));
    assert_eq!((control.hot_standby.max_connections, control.hot_standby.max_locks_per_transaction), (33, 65));
    real.start();
    let running = ControlFile::parse(&std::fs::read(real.data().join(CONTROL_FILE)).unwrap()).unwrap();
    assert_eq!(running.state.to_string(), "in production");
    assert_eq!(ask(&real).await.system, running.system);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_and_its_standby_say_what_they_are() {
    let root = Root::plain();
    let primary = real::Server::primary(&root, "db-0", Disks::default(), "");
    primary.sql("create table t (a int)");
    let standby = primary.standby(&root, "db-1");
    let seen = ask(&primary).await;
    assert_eq!(seen.role, DatabaseRole::Primary);
    assert_eq!(seen.system.to_string(), primary.sql("select system_identifier from pg_control_system()"));
    assert_eq!(seen.timeline, Timeline(1));
    assert_eq!(seen.version.to_string(), primary.sql("show server_version_num"));
    assert!(seen.data_checksums && seen.full_page_writes && !seen.backup_running);

    standby.wait_for("select exists (select from pg_stat_wal_receiver where status = 'streaming')");
    let lag = async || match ask(&standby).await.role {
        DatabaseRole::Standby { lag } => lag.map(backstay_core::time::Duration::as_seconds),
        DatabaseRole::Primary => panic!("it is a standby"),
    };
    primary.sql("insert into t values (0)");
    standby.wait_for("select count(*) = 1 from t");
    // Nothing was written for a while, and nothing is missing: no lag, however old the last commit is.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(lag().await, Some(0));
    standby.sql("select pg_wal_replay_pause()");
    standby.wait_for("select pg_get_wal_replay_pause_state() = 'paused'");
    primary.sql("insert into t values (1)");
    standby.wait_for("select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()");
    assert!(lag().await.unwrap() >= 2, "it has received what it does not show");
    standby.sql("select pg_wal_replay_resume()");
    standby.wait_for("select count(*) = 2 from t");
    assert_eq!(lag().await, Some(0));
    primary.stop("immediate");
    standby.wait_for("select not exists (select from pg_stat_wal_receiver)");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(lag().await.unwrap() >= 1, "it receives nothing, so nobody knows what it misses");
    standby.promote();
    let seen = ask(&standby).await;
    assert_eq!((seen.role, seen.timeline), (DatabaseRole::Primary, Timeline(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_at_a_time_and_nothing_stays_behind() {
    let root = Root::plain();
    let real = real::Server::primary(&root, "db-0", Disks::default(), "");
    let no_slot = "select not exists (select from pg_replication_slots)";
    let mut first = BackupSession::begin(&server(&real), "first").await.unwrap();
    assert!(ask(&real).await.backup_running);
    assert!(matches!(refused(&real).await, Error::AnotherBackup));
    assert!(matches!(first.wal_file("000000010000000000000001").await, Err(Error::NotStopped)));
    let end = first.stop().await.unwrap();
    assert!(matches!(first.stop().await, Err(Error::StoppedAlready)));
    assert_eq!(end.wal.start, first.started().lsn);
    assert!(end.map.is_empty() && end.label.starts_with(b"START WAL LOCATION: "));
    assert!(String::from_utf8_lossy(&end.label).contains("\nLABEL: first\n"));

    // WAL that the slot does not keep may go; what it keeps stays over checkpoints and switches.
    for _ in 0..4 {
        real.sql("create table x (a int); drop table x; select pg_switch_wal(); checkpoint");
    }
    for name in files_needed(&end.wal, end.segment_size) {
        let bytes = first.wal_file(&name).await.unwrap();
        assert_eq!(bytes, std::fs::read(real.data().join("pg_wal").join(&name)).unwrap());
    }
    for missing in ["0000000100000000000000FE", "00000007.history"] {
        let error = first.wal_file(missing).await.unwrap_err();
        assert!(matches!(&error, Error::WalFileMissing(name) if name == missing), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    for wrong in ["../PG_VERSION", "PG_VERSION", ""] {
        assert!(matches!(first.wal_file(wrong).await, Err(Error::WalFileName(_))), "{wrong}");
    }
    // A recycled segment has the name of a later one, and an earlier one's bytes.
    let recycled = std::fs::read(real.data().join("pg_wal").join(files_needed(&end.wal, end.segment_size).remove(0)));
    std::fs::write(real.data().join("pg_wal/0000000100000000000000FE"), recycled.unwrap()).unwrap();
    assert!(matches!(first.wal_file("0000000100000000000000FE").await, Err(Error::WrongSegment(_))));
    std::fs::remove_file(real.data().join("pg_wal/0000000100000000000000FE")).unwrap();
    first.close().await.unwrap();
    real.wait_for(no_slot);

    // Dropped before its stop, it ends with its session.
    drop(BackupSession::begin(&server(&real), "second").await.unwrap());
    real.wait_for(no_slot);

    // A session that the server ended is not made anew.
    let mut third = BackupSession::begin(&server(&real), "third").await.unwrap();
    real.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'backstay'");
    let error = third.stop().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.full_text());
    real.wait_for(no_slot);

    assert!(matches!(BackupSession::begin(&server(&real), "two\nlines").await.err().unwrap(), Error::LabelText));
    real.sql("alter system set full_page_writes = off");
    real.sql("select pg_reload_conf()");
    real.wait_for("select current_setting('full_page_writes') = 'off'");
    assert!(matches!(refused(&real).await, Error::FullPageWritesOff));
    real.wait_for(no_slot);
}

/// The archiver fails for ever, and the sessions' own limits are short: neither may touch a backup.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_archiver_and_hasty_timeouts_do_not_hang_or_end_a_backup() {
    let root = Root::plain();
    let settings = "archive_mode = on\narchive_command = 'false'\nidle_session_timeout = 200\nstatement_timeout = 5000\n\
                    checkpoint_timeout = 1h";
    let real = real::Server::primary(&root, "db-0", Disks::default(), settings);
    let began = std::time::Instant::now();
    let mut session = BackupSession::begin(&server(&real), "archiver fails").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let end = session.stop().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    for name in files_needed(&end.wal, end.segment_size) {
        session.wal_file(&name).await.unwrap();
    }
    session.close().await.unwrap();
    assert!(began.elapsed() < std::time::Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_few_rights_backs_up_with_a_password_from_the_pass_file() {
    let root = Root::plain();
    let real = real::Server::primary(&root, "db-0", Disks::default(), "");
    real.sql(
        "create role backup login replication password 's3cret';
         grant pg_monitor to backup;
         grant execute on function pg_backup_start(text, boolean), pg_backup_stop(boolean),
                                   pg_read_binary_file(text, bigint, bigint, boolean) to backup",
    );
    let hba = real.data().join("pg_hba.conf");
    std::fs::write(&hba, "local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n").unwrap();
    real.sql("select pg_reload_conf()");
    let pass_file = root.scratch("pass");
    let write = |password: &str, mode: u32| {
        std::fs::write(&pass_file, format!("127.0.0.1:{}:*:backup:{password}\n", real.port())).unwrap();
        std::fs::set_permissions(&pass_file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let address = PostgresAddress {
        host: "127.0.0.1".into(),
        port: real.port(),
        user: "backup".into(),
        database: "postgres".into(),
    };
    let by_tcp = Server::new(address, Some(PassFile::at(&pass_file)));

    write("s3cret", 0o600);
    let seen = status(&by_tcp).await.unwrap();
    assert_eq!(seen.data_directory, real.data());
    assert!(seen.status.full_page_writes);
    let mut session = BackupSession::begin(&by_tcp, "few rights").await.unwrap();
    let end = session.stop().await.unwrap();
    for name in files_needed(&end.wal, end.segment_size) {
        session.wal_file(&name).await.unwrap();
    }
    session.close().await.unwrap();

    write("wr0ng-s3cret", 0o600);
    let error = status(&by_tcp).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.full_text().contains("password authentication failed"), "{}", error.full_text());
    assert!(!format!("{error:?} {}", error.full_text()).contains("wr0ng"));
    write("s3cret", 0o644);
    let error = status(&by_tcp).await.unwrap_err();
    assert!(error.full_text().contains("chmod 0600"), "{}", error.full_text());
    std::fs::remove_file(&pass_file).unwrap();
    let error = status(&by_tcp).await.unwrap_err();
    assert!(error.full_text().contains("password"), "{}", error.full_text());

    write("s3cret", 0o600);
    real.sql("revoke execute on function pg_backup_start(text, boolean) from backup");
    let error = BackupSession::begin(&by_tcp, "too few rights").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.full_text());
    real.stop("fast");
    let error = status(&by_tcp).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.full_text());
}
