//! A backup on one pinned session (POSTGRES.md, "Taking a recovery point", 3 and 5).
//!
//! The session is opened once and never reconnected: PostgreSQL ends a backup with its session, and so does dropping this
//! one. A temporary slot keeps the WAL from the backup's start until the caller has copied it.

use crate::connect::Server;
use crate::error::Error;
use crate::label::LabelFacts;
use crate::status::{get, report};
use crate::wal::{Expected, WalFileName, check_segment};
use backstay_core::lsn::{Lsn, Timeline, WalRange};
use backstay_core::name::SystemId;
use backstay_core::observed::{DatabaseRole, DatabaseStatus};
use bytes::{Bytes, BytesMut};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};

/// One name for all: slots are unique in a server, so a second backup of ours fails at once.
const SLOT: &str = "backstay_backup";
/// `pg_backup_start` waits for a checkpoint, which takes minutes on a server with much dirty memory.
const START_TIMEOUT: Duration = Duration::from_mins(30);
/// `pg_backup_stop` without the archive waits for one WAL flush.
const STOP_TIMEOUT: Duration = Duration::from_mins(5);
/// One chunk of a WAL file, or one small question.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
/// A chunk travels as one message, which the driver buffers twice; segments can be 1 GiB.
const CHUNK: i64 = 4 << 20;

/// What is known once a backup has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// What the server said just before, its lag included: whether that is too much is the caller's to say.
    pub status: DatabaseStatus,
    /// `data_directory`, as the server's own host names it.
    pub data_directory: PathBuf,
    /// Where the backup begins.
    pub lsn: Lsn,
}

impl Started {
    /// Whether the server is a standby.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        matches!(self.status.role, DatabaseRole::Standby { .. })
    }

    /// The server's system identifier.
    #[must_use]
    pub fn system(&self) -> SystemId {
        self.status.system
    }
}

/// What a finished backup left: it cannot be recovered without all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Start and timeline from the label, end from the stop.
    pub wal: WalRange,
    /// `backup_label`, verbatim.
    pub label: Bytes,
    /// `tablespace_map`, verbatim; empty when there are no tablespaces.
    pub map: Bytes,
    /// The WAL segment size in bytes.
    pub segment_size: u64,
}

/// A backup that runs on a pinned session. Dropping it ends the session, and with it the backup.
pub struct BackupSession {
    client: Client,
    started: Started,
    segment_size: u64,
    progress: Progress,
}

enum Progress {
    Running,
    Stopped(WalRange),
    /// Its stop was asked for and did not succeed: the server may have ended the backup or not.
    Lost,
}

impl BackupSession {
    /// Begins a backup.
    ///
    /// Refused if `full_page_writes` is off or another backup runs. The role must have `REPLICATION`, be a member of
    /// `pg_monitor`, and may execute the backup functions and `pg_read_binary_file(text, bigint, bigint, boolean)`.
    pub async fn begin(server: &Server, label: &str) -> Result<Self, Error> {
        if !(1..=200).contains(&label.len()) || !label.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::LabelText);
        }
        let client = server.connect().await?;
        let before = within("asking for the status", READ_TIMEOUT, report(&client)).await?;
        let status = before.status;
        if !(130_000..180_000).contains(&status.version) {
            return Err(Error::Version(status.version));
        }
        if !status.full_page_writes {
            return Err(Error::FullPageWritesOff);
        }
        if status.backup_running {
            return Err(Error::AnotherBackup);
        }
        pin(&client, status.version).await?;
        let kept = reserve_wal(&client).await?;
        let start = if status.version >= 150_000 {
            "select pg_backup_start($1, true)::text"
        } else {
            "select pg_start_backup($1, true, false)::text"
        };
        let answer = guarded(&client, "beginning the backup", START_TIMEOUT, start, &[&label]).await?;
        let lsn = lsn(&answer, 0)?;
        if kept > lsn {
            return Err(Error::WalNotKept { start: lsn, kept: kept.to_string() });
        }
        let started = Started { status, data_directory: before.data_directory, lsn };
        Ok(Self { client, started, segment_size: before.segment_size, progress: Progress::Running })
    }

    /// What is known since it began.
    #[must_use]
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Stops the backup. The session stays open, and its slot keeps the WAL, until [`BackupSession::close`].
    ///
    /// [`Error::Promoted`] and [`Error::TimelineChanged`] mean that the point must be discarded.
    pub async fn stop(&mut self) -> Result<Finished, Error> {
        if !matches!(self.progress, Progress::Running) {
            return Err(Error::StoppedAlready);
        }
        self.progress = Progress::Lost;
        // Not `wait_for_archive`: it proves that somebody's archive has the WAL, and waits for ever while that is broken.
        // Here we read the WAL from this very session while the slot keeps it, and count only what we have read. A caller
        // that relies on an archive asks the archive itself.
        let stop = if self.started.status.version >= 150_000 {
            "pg_backup_stop(false)"
        } else {
            "pg_stop_backup(false, false)"
        };
        // As bytes of the database's own encoding: paths in the map need not be UTF-8, and both must stay verbatim.
        let stop = format!(
            "select lsn::text, convert_to(labelfile, getdatabaseencoding()),
                    coalesce(convert_to(spcmapfile, getdatabaseencoding()), '') from {stop}"
        );
        let answer = match guarded(&self.client, "stopping the backup", STOP_TIMEOUT, &stop, &[]).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(error).await),
        };
        let label: Vec<u8> = get(&answer, 1)?;
        let map: Vec<u8> = get(&answer, 2)?;
        let facts = LabelFacts::parse(&label)?;
        let wal = WalRange { timeline: facts.timeline, start: facts.start, end: lsn(&answer, 0)? };
        // Promoted between the question and the start: the end is then looked for in the wrong place.
        if facts.from_standby != self.started.is_standby() {
            return Err(Error::Promoted);
        }
        if wal.start > wal.end {
            return Err(Error::Value("backup that ends before it starts"));
        }
        self.check_end(&wal).await?;
        self.progress = Progress::Stopped(wal);
        Ok(Finished { wal, label: label.into(), map: map.into(), segment_size: self.segment_size })
    }

    /// Reads one WAL segment or history file by its name, and proves that a segment holds what its name says.
    pub async fn wal_file(&mut self, name: &str) -> Result<Bytes, Error> {
        let name = WalFileName::parse(name)?;
        let Progress::Stopped(wal) = &self.progress else { return Err(Error::NotStopped) };
        // One byte more than a segment, so that a file that is too long is noticed.
        let limit = match name {
            WalFileName::Segment { .. } => self.segment_size + 1,
            // PostgreSQL reads histories line by line; one of a hundred promotions has a few kilobytes.
            WalFileName::History(_) => 1 << 20,
        };
        let bytes = self.read(&format!("pg_wal/{name}"), limit).await?;
        let bytes = bytes.ok_or_else(|| Error::WalFileMissing(name.to_string()))?;
        if matches!(name, WalFileName::Segment { .. }) {
            let expected =
                Expected { system: self.started.status.system, segment_size: self.segment_size, up_to: wal.end };
            check_segment(&name, &bytes, &expected)?;
        }
        Ok(bytes)
    }

    /// Ends the session. PostgreSQL drops the temporary slot, and aborts the backup if it was not stopped.
    pub async fn close(self) -> Result<(), Error> {
        let drop_slot = "select pg_drop_replication_slot($1)";
        guarded(&self.client, "dropping the slot", READ_TIMEOUT, drop_slot, &[&SLOT]).await?;
        Ok(())
    }

    /// On a primary the stop has switched the segment, which flushes it. On a standby nothing is switched: the end is the
    /// minimum recovery point, so its segment is unfinished, but must be there and replayed up to the end.
    async fn check_end(&self, wal: &WalRange) -> Result<(), Error> {
        let question = if self.started.is_standby() {
            "select pg_last_wal_replay_lsn()::text, (select min_recovery_end_timeline from pg_control_recovery())"
        } else {
            "select pg_current_wal_flush_lsn()::text, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4"
        };
        let deadline = tokio::time::Instant::now() + READ_TIMEOUT;
        loop {
            let answer = match guarded(&self.client, "asking for the end", READ_TIMEOUT, question, &[]).await {
                Ok(answer) => answer,
                Err(error) => return Err(self.explain(error).await),
            };
            let timeline = Timeline(get::<i32>(&answer, 1)?.cast_unsigned());
            if timeline != wal.timeline {
                return Err(Error::TimelineChanged { from: wal.timeline, to: timeline });
            }
            let reached = lsn(&answer, 0)?;
            if reached >= wal.end {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Error::NotReached { end: wal.end, reached });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// PostgreSQL words a promotion in the server's language, so the fact itself is asked for.
    async fn explain(&self, error: Error) -> Error {
        if !self.started.is_standby() {
            return error;
        }
        let asked = guarded(&self.client, "asking for the role", READ_TIMEOUT, "select pg_is_in_recovery()", &[]).await;
        match asked.and_then(|row| get::<bool>(&row, 0)) {
            Ok(false) => Error::Promoted,
            Ok(true) | Err(_) => error,
        }
    }

    async fn read(&self, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let mut bytes = BytesMut::new();
        let limit = i64::try_from(limit).expect("a segment has at most 1 GiB");
        let mut at = 0;
        while at < limit {
            let length = CHUNK.min(limit - at);
            let read = "select pg_read_binary_file($1, $2, $3, true)";
            let answer = guarded(&self.client, "reading WAL", READ_TIMEOUT, read, &[&path, &at, &length]).await?;
            let Some(chunk) = get::<Option<&[u8]>>(&answer, 0)? else { return Ok(None) };
            if chunk.is_empty() {
                break;
            }
            bytes.extend_from_slice(chunk);
            at += i64::try_from(chunk.len()).expect("a chunk is small");
        }
        Ok(Some(bytes.freeze()))
    }
}

/// The session must outlive the cut, however long that takes; its statements are bounded on our side. A host that died must
/// not keep the slot for the two hours that TCP takes by itself.
async fn pin(client: &Client, version: u32) -> Result<(), Error> {
    let mut settings = "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0;
        set tcp_keepalives_idle = 60; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6;"
        .to_owned();
    if version >= 140_000 {
        settings.push_str("set idle_session_timeout = 0;");
    }
    if version >= 170_000 {
        settings.push_str("set transaction_timeout = 0;");
    }
    client.batch_execute(&settings).await.map_err(|source| Error::Sql { doing: "pinning the session", source })
}

/// Makes the temporary slot before the backup starts, so that no WAL that it needs can go. Returns from where it keeps.
async fn reserve_wal(client: &Client) -> Result<Lsn, Error> {
    let create = "select pg_create_physical_replication_slot($1, true, true)::text";
    match guarded(client, "reserving WAL", READ_TIMEOUT, create, &[&SLOT]).await {
        Ok(_) => {}
        Err(Error::Sql { source, .. }) if source.code() == Some(&SqlState::DUPLICATE_OBJECT) => {
            return Err(Error::AnotherBackup);
        }
        Err(error) => return Err(error),
    }
    let kept = "select restart_lsn::text from pg_replication_slots where slot_name = $1";
    lsn(&guarded(client, "reserving WAL", READ_TIMEOUT, kept, &[&SLOT]).await?, 0)
}

/// Asks one question, for a limited time. What takes longer is cancelled: the server would go on with it otherwise.
async fn guarded(
    client: &Client,
    doing: &'static str,
    limit: Duration,
    question: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Row, Error> {
    let ask = async { client.query_one(question, parameters).await.map_err(|source| Error::Sql { doing, source }) };
    let answer = within(doing, limit, ask).await;
    if matches!(answer, Err(Error::TimedOut { .. })) {
        let cancel = client.cancel_token();
        let cancelled = tokio::time::timeout(Duration::from_secs(5), cancel.cancel_query(NoTls)).await;
        tracing::warn!(doing, ?cancelled, "a statement took too long and was cancelled");
    }
    answer
}

async fn within<T>(
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.map_err(|_| Error::TimedOut { doing, after: limit })?
}

fn lsn(row: &Row, column: usize) -> Result<Lsn, Error> {
    get::<&str>(row, column)?.parse().map_err(|_| Error::Value("WAL location"))
}
