//! What a server says of itself.

use crate::connect::Server;
use crate::error::Error;
use backstay_core::lsn::Timeline;
use backstay_core::name::SystemId;
use backstay_core::observed::{DatabaseRole, DatabaseStatus};
use backstay_core::time::Duration;
use std::path::PathBuf;
use tokio_postgres::{Client, Row};

/// How long all questions together may take: a server that hangs must not hang the observation.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// What a server says of itself, and where its data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What goes into the observation.
    pub status: DatabaseStatus,
    /// `data_directory`, as the server's own host names it.
    pub data_directory: PathBuf,
    /// `wal_segment_size` in bytes.
    pub segment_size: u64,
}

/// Asks a server over a connection of its own.
///
/// The role must be a member of `pg_monitor`. Non-exclusive backups that other tools run by `pg_backup_start` are shown by
/// no view of PostgreSQL, so `backup_running` tells of `pg_basebackup`, of exclusive backups (before PostgreSQL 15), and of
/// our own.
pub async fn status(server: &Server) -> Result<Report, Error> {
    let ask = async { report(&server.connect().await?).await };
    tokio::time::timeout(TIMEOUT, ask)
        .await
        .map_err(|_| Error::TimedOut { doing: "asking for the status", after: TIMEOUT })?
}

/// Both kinds of server. A primary's own setting tells whether pages are written whole; on a standby it is the primary's,
/// which comes with the checkpoint that was replayed. The timeline of `pg_control` lags behind a promotion until the next
/// checkpoint, so a primary names the segment it writes.
const FACTS: &str = r"
select pg_is_in_recovery(),
       current_setting('server_version_num')::int4,
       (select system_identifier from pg_control_system()),
       current_setting('data_checksums') = 'on',
       case when pg_is_in_recovery() then (select full_page_writes from pg_control_checkpoint())
            else current_setting('full_page_writes')::bool end,
       exists (select from pg_stat_progress_basebackup)
         or exists (select from pg_replication_slots where active and slot_name like 'backstay\_%'),
       case when pg_is_in_recovery()
            then greatest((select received_tli from pg_stat_wal_receiver),
                          (select min_recovery_end_timeline from pg_control_recovery()),
                          (select timeline_id from pg_control_checkpoint()))
            else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4 end,
       current_setting('data_directory'),
       pg_size_bytes(current_setting('wal_segment_size'))";

/// A receiver that has heard nothing for a minute (`wal_receiver_timeout`) no longer proves that there is nothing to receive.
const STANDBY: &str = r"
select coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), false)
         and exists (select from pg_stat_wal_receiver
                     where status = 'streaming' and last_msg_receipt_time > clock_timestamp() - interval '60s'),
       extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8";

/// Asks on an open connection.
pub(crate) async fn report(client: &Client) -> Result<Report, Error> {
    let facts = ask(client, FACTS).await?;
    let version = u32::try_from(get::<i32>(&facts, 1)?).map_err(|_| Error::Value("version"))?;
    let role = if get(&facts, 0)? { DatabaseRole::Standby { lag: lag(client).await? } } else { DatabaseRole::Primary };
    let mut backup_running: bool = get(&facts, 5)?;
    if version < 150_000 && role == DatabaseRole::Primary {
        backup_running |= get::<bool>(&ask(client, "select pg_is_in_backup()").await?, 0)?;
    }
    Ok(Report {
        status: DatabaseStatus {
            role,
            // `bigint` has a sign; the identifier has none.
            system: SystemId(get::<i64>(&facts, 2)?.cast_unsigned()),
            timeline: Timeline(get::<i32>(&facts, 6)?.cast_unsigned()),
            version,
            data_checksums: get(&facts, 3)?,
            full_page_writes: get(&facts, 4)?,
            backup_running,
        },
        data_directory: PathBuf::from(get::<String>(&facts, 7)?),
        segment_size: u64::try_from(get::<i64>(&facts, 8)?).map_err(|_| Error::Value("WAL segment size"))?,
    })
}

/// How far a standby is behind: nothing if it has replayed all that it received and still receives; otherwise the age of
/// the last commit that it replayed.
async fn lag(client: &Client) -> Result<Option<Duration>, Error> {
    let row = ask(client, STANDBY).await?;
    if get(&row, 0)? {
        return Ok(Some(Duration::ZERO));
    }
    let age: Option<f64> = get(&row, 1)?;
    // Rounded up, so that a bound is never met by rounding; a clock that runs behind the primary's gives no negative lag.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is meant")]
    Ok(age.map(|seconds| Duration::seconds(seconds.max(0.0).ceil() as u64)))
}

async fn ask(client: &Client, question: &str) -> Result<Row, Error> {
    client.query_one(question, &[]).await.map_err(|source| Error::Sql { doing: "asking for the status", source })
}

pub(crate) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Error> {
    row.try_get(column).map_err(|source| Error::Sql { doing: "reading the server's answer", source })
}
