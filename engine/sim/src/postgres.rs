//! A simulated PostgreSQL server: where its WAL is, and what a backup of it leaves.
//!
//! The WAL position is a pure function of the system identifier and the instant, so a primary and its standby agree on
//! it, and it needs no memory.

use crate::error::{SimError, SimErrorKind};
use crate::world::{Machine, Server};
use backstay_core::lsn::{Lsn, Timeline, WalRange, segment_name};
use backstay_core::name::{InstanceId, SystemId};
use backstay_core::observed::{DatabaseRole, DatabaseStatus, DiskRole};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// `server_version_num` of every simulated server: 15.18.
pub const VERSION: u32 = 150_018;

/// `wal_segment_size` of every simulated server, in bytes: the smallest that `initdb --wal-segsize` allows, because a
/// fleet keeps a segment or two beside each point.
pub const SEGMENT_SIZE: u64 = 1 << 20;

/// How much WAL a server writes in a second, in bytes: a segment in about four minutes.
const WAL_RATE: i128 = 4096;

/// The size of the long header on a segment's first page: no record begins before it.
const LONG_HEADER: u64 = 40;

/// What a WAL file begins with under PostgreSQL 15 (`XLOG_PAGE_MAGIC`).
const PAGE_MAGIC: u16 = 0xD110;

/// The size of a WAL page.
const PAGE: usize = 8192;

/// The most that `pg_backup_start` takes for a label, in bytes (`MAXPGPATH`).
const LONGEST_LABEL: usize = 1024;

/// Where the WAL of a system ends at an instant. It never goes back as time goes on.
#[must_use]
pub fn wal_position(system: SystemId, at: Timestamp) -> Lsn {
    let epoch = Timestamp::constant(1_577_836_800, 0); // 2020-01-01T00:00:00Z
    let micros = i128::from(at.as_microsecond() - epoch.as_microsecond()).max(0);
    let written = u64::try_from(micros * WAL_RATE / 1_000_000).expect("an instant's WAL fits 64 bits");
    // Each system starts elsewhere, so that nobody mistakes one's positions for another's.
    let digest = Sha256::digest(system.0.to_be_bytes());
    let start = (2 << 24) + (u64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])) << 4);
    Lsn((start + written) & !7)
}

/// A backup that has begun: everything that its end depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    instance: InstanceId,
    system: SystemId,
    timeline: Timeline,
    is_standby: bool,
    began: Timestamp,
    start: Lsn,
    label: String,
    tablespaces: Vec<String>,
}

/// What a finished backup left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedBackup {
    /// The WAL that the backup needs.
    pub wal: WalRange,
    /// `backup_label`.
    pub label: String,
    /// `tablespace_map`; empty where there are no tablespaces.
    pub map: String,
}

impl Backup {
    /// The machine.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The server's system identifier.
    #[must_use]
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// Whether the server was a standby.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.is_standby
    }

    pub(crate) fn begin(
        now: Timestamp,
        instance: &InstanceId,
        machine: &Machine,
        server: &Server,
        label: &str,
    ) -> Result<Self, SimError> {
        if label.len() > LONGEST_LABEL || label.contains(['\n', '\r', '\0']) {
            let rule = format!("a backup label is one line of at most {LONGEST_LABEL} bytes");
            return Err(SimError::invalid("22023", rule));
        }
        let is_standby = server.is_standby();
        let start = if is_standby {
            // The redo location of the last restartpoint: where replay is.
            wal_position(server.system, server.replayed_at(now))
        } else {
            // A primary switches to a new segment before its checkpoint (`do_pg_backup_start`).
            let next = wal_position(server.system, now).0 / SEGMENT_SIZE + 1;
            Lsn(next * SEGMENT_SIZE + LONG_HEADER)
        };
        let tablespaces = machine
            .disks
            .iter()
            .filter(|(_, disk)| disk.role == DiskRole::Tablespace)
            .map(|(id, _)| id.to_string())
            .collect();
        Ok(Self {
            instance: instance.clone(),
            system: server.system,
            timeline: server.timeline,
            is_standby,
            began: now,
            start,
            label: label.to_owned(),
            tablespaces,
        })
    }

    pub(crate) fn finish(&self, now: Timestamp, server: &Server) -> Result<FinishedBackup, SimError> {
        self.still_runs_on(server)?;
        let end = self.end(now, server);
        Ok(FinishedBackup {
            wal: WalRange { timeline: self.timeline, start: self.start, end },
            label: self.label_file(),
            map: self.tablespace_map(),
        })
    }

    /// One file that the slot keeps: a segment from the backup's start to what is written now, or a history file.
    pub(crate) fn wal_file(&self, now: Timestamp, server: &Server, name: &str) -> Result<Vec<u8>, SimError> {
        self.still_runs_on(server)?;
        let range = WalRange { timeline: self.timeline, start: self.start, end: self.end(now, server) };
        let segments = range.segments(SEGMENT_SIZE);
        if let Some(place) = segments.iter().position(|segment| segment == name) {
            let number = self.start.0 / SEGMENT_SIZE + u64::try_from(place).expect("a place fits 64 bits");
            return Ok(segment_body(self.system, self.timeline, number));
        }
        let history = (2..=self.timeline.0).map(|timeline| format!("{timeline:08X}.history"));
        if let Some((place, _)) = history.enumerate().find(|(_, history)| history == name) {
            return Ok(history_body(self.system, place + 1).into_bytes());
        }
        Err(SimError::not_found("58P01", format!("the slot keeps no WAL file `{name}`")))
    }

    /// The promotion of a standby, and another server in its place, end the session's backup.
    fn still_runs_on(&self, server: &Server) -> Result<(), SimError> {
        if server.system != self.system {
            let message = "the connection to the server was lost, and another system answers there now";
            return Err(SimError::new(SimErrorKind::Unavailable, "08006", message));
        }
        if self.is_standby && !server.is_standby() {
            let message = "the standby was promoted during online backup: the backup must not be used";
            return Err(SimError::invalid("55000", message));
        }
        Ok(())
    }

    fn end(&self, now: Timestamp, server: &Server) -> Lsn {
        let written = wal_position(self.system, server.replayed_at(now));
        // The checkpoint record and the end-of-backup record follow the start, however little time passes.
        Lsn(written.0.max(self.start.0 + 0x110))
    }

    fn label_file(&self) -> String {
        let segment = segment_name(self.timeline, self.start.0 / SEGMENT_SIZE, SEGMENT_SIZE);
        let from = if self.is_standby { "standby" } else { "primary" };
        format!(
            "START WAL LOCATION: {start} (file {segment})\n\
             CHECKPOINT LOCATION: {checkpoint}\n\
             BACKUP METHOD: streamed\n\
             BACKUP FROM: {from}\n\
             START TIME: {time} UTC\n\
             LABEL: {label}\n\
             START TIMELINE: {timeline}\n",
            start = self.start,
            checkpoint = Lsn(self.start.0 + 0x38),
            time = self.began.strftime("%Y-%m-%d %H:%M:%S"),
            label = self.label,
            timeline = self.timeline,
        )
    }

    fn tablespace_map(&self) -> String {
        let mut map = String::new();
        for (oid, disk) in (16_384..).zip(&self.tablespaces) {
            writeln!(map, "{oid} /var/lib/postgresql/tablespaces/{disk}").expect("a String takes all");
        }
        map
    }
}

impl Server {
    pub(crate) fn is_standby(&self) -> bool {
        match self.role {
            DatabaseRole::Primary => false,
            DatabaseRole::Standby { .. } => true,
        }
    }

    /// The instant whose WAL this server has: now, less its lag.
    fn replayed_at(&self, now: Timestamp) -> Timestamp {
        match self.role {
            DatabaseRole::Primary | DatabaseRole::Standby { lag: None } => now,
            DatabaseRole::Standby { lag: Some(lag) } => lag.before(now),
        }
    }

    pub(crate) fn status(&self) -> DatabaseStatus {
        DatabaseStatus {
            role: self.role,
            system: self.system,
            timeline: self.timeline,
            version: VERSION,
            data_checksums: true,
            full_page_writes: true,
            // Sessions live in the process that began them, not in the cloud: the adapter knows of its own.
            backup_running: false,
        }
    }
}

/// A stand-in for one segment: a true first page header, one page of noise that depends on the segment alone, and the
/// zeros that a switched segment ends with.
fn segment_body(system: SystemId, timeline: Timeline, number: u64) -> Vec<u8> {
    let size = usize::try_from(SEGMENT_SIZE).expect("a megabyte fits");
    let mut body = Vec::with_capacity(PAGE);
    body.extend_from_slice(&PAGE_MAGIC.to_le_bytes());
    body.extend_from_slice(&2_u16.to_le_bytes()); // XLP_LONG_HEADER
    body.extend_from_slice(&timeline.0.to_le_bytes());
    body.extend_from_slice(&(number * SEGMENT_SIZE).to_le_bytes());
    body.extend_from_slice(&[0; 8]); // No record continues here; padding.
    body.extend_from_slice(&system.0.to_le_bytes());
    body.extend_from_slice(&u32::try_from(SEGMENT_SIZE).expect("a megabyte fits").to_le_bytes());
    body.extend_from_slice(&u32::try_from(PAGE).expect("a page fits").to_le_bytes());
    let mut noise = Sha256::digest(&body);
    while body.len() < PAGE {
        body.extend_from_slice(&noise);
        noise = Sha256::digest(noise);
    }
    // Zeros that come with the memory cost nothing.
    let mut segment = vec![0; size];
    segment[..PAGE].copy_from_slice(&body[..PAGE]);
    segment
}

/// The history of the timeline after `ancestors`: one line for each of them.
fn history_body(system: SystemId, ancestors: usize) -> String {
    let mut text = String::new();
    let first = Timestamp::constant(1_577_836_800, 0);
    for ancestor in 1..=ancestors {
        let hours = i64::try_from(ancestor).expect("a timeline fits");
        let forked =
            wal_position(system, first.saturating_add(SignedDuration::from_hours(hours)).expect("a span of hours"));
        writeln!(text, "{ancestor}\t{forked}\tno recovery target specified").expect("a String takes all");
    }
    text
}
