//! `global/pg_control`: what a data directory says of itself while no server runs on it.
//!
//! The layout is PostgreSQL's `ControlFileData` with `PG_CONTROL_VERSION` 1300, which PostgreSQL 13 to 17 share, as a
//! little-endian 64-bit server writes it (`src/include/catalog/pg_control.h`).

use crate::crc32c::crc32c;
use backstay_core::lsn::{Lsn, Timeline};
use backstay_core::name::SystemId;
use jiff::Timestamp;
use std::fmt;

/// Where the file lies, relative to the data directory.
pub const CONTROL_FILE: &str = "global/pg_control";

/// The version that PostgreSQL 13 to 17 write.
const VERSION: u32 = 1300;
/// The checksum lies behind everything that it covers.
const CRC_AT: usize = 288;
/// `float8` 1234567.0: it tells a foreign byte order or float format.
const FLOAT_FORMAT: f64 = 1_234_567.0;

/// What `pg_control` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// The system identifier.
    pub system: SystemId,
    /// What the server was doing when it last wrote the file.
    pub state: ServerState,
    /// When it last wrote the file.
    pub written: Timestamp,
    /// Where the latest checkpoint record lies.
    pub checkpoint: Lsn,
    /// Where replay of the latest checkpoint starts.
    pub redo: Lsn,
    /// The timeline of the latest checkpoint.
    pub timeline: Timeline,
    /// Whether `full_page_writes` was on at the latest checkpoint.
    pub full_page_writes: bool,
    /// How far replay must go before the data is consistent; zero unless it is in recovery.
    pub min_recovery: Lsn,
    /// The timeline of [`ControlFile::min_recovery`].
    pub min_recovery_timeline: Timeline,
    /// The WAL segment size in bytes.
    pub segment_size: u64,
    /// The version of the page checksums: 0 is none.
    pub data_checksum_version: u32,
    /// What a server in hot standby must at least be set to.
    pub hot_standby: HotStandbySettings,
}

/// The settings that may not be lower on a standby than they were on the server that wrote its WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotStandbySettings {
    /// `max_connections`.
    pub max_connections: i32,
    /// `max_worker_processes`.
    pub max_worker_processes: i32,
    /// `max_wal_senders`.
    pub max_wal_senders: i32,
    /// `max_prepared_transactions`.
    pub max_prepared_transactions: i32,
    /// `max_locks_per_transaction`.
    pub max_locks_per_transaction: i32,
}

/// What a server was doing (`DBState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It is being made by `initdb`.
    Starting,
    /// It was stopped cleanly.
    ShutDown,
    /// It was a standby and was stopped cleanly.
    ShutDownInRecovery,
    /// It is stopping.
    ShuttingDown,
    /// It replays after a crash.
    InCrashRecovery,
    /// It replays from an archive or a primary.
    InArchiveRecovery,
    /// It runs, or has crashed.
    InProduction,
}

impl ServerState {
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Starting,
            1 => Self::ShutDown,
            2 => Self::ShutDownInRecovery,
            3 => Self::ShuttingDown,
            4 => Self::InCrashRecovery,
            5 => Self::InArchiveRecovery,
            6 => Self::InProduction,
            _ => return None,
        })
    }
}

/// The words of `pg_controldata`.
impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting up",
            Self::ShutDown => "shut down",
            Self::ShutDownInRecovery => "shut down in recovery",
            Self::ShuttingDown => "shutting down",
            Self::InCrashRecovery => "in crash recovery",
            Self::InArchiveRecovery => "in archive recovery",
            Self::InProduction => "in production",
        })
    }
}

/// Why bytes are not a control file that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidControlFile {
    /// It ends too early.
    #[error("pg_control has {0} bytes, too few for a control file")]
    Short(usize),
    /// Another major version's, or another byte order's.
    #[error("pg_control has version {0}; PostgreSQL 13 to 17 write {VERSION}")]
    Version(u32),
    /// Damaged, or read while it was written.
    #[error("pg_control does not have the checksum that it states")]
    Checksum,
    /// A value that no server writes.
    #[error("pg_control states an impossible {0}")]
    Value(&'static str),
}

impl ControlFile {
    /// Reads the bytes of `pg_control`, after checking its version and CRC-32C.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidControlFile> {
        if bytes.len() < CRC_AT + 4 {
            return Err(InvalidControlFile::Short(bytes.len()));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(InvalidControlFile::Version(version));
        }
        if crc32c(&bytes[..CRC_AT]) != u32_at(bytes, CRC_AT) {
            return Err(InvalidControlFile::Checksum);
        }
        if f64::from_bits(u64_at(bytes, 208)).to_bits() != FLOAT_FORMAT.to_bits() {
            return Err(InvalidControlFile::Value("float format"));
        }
        let segment_size = u64::from(u32_at(bytes, 228));
        if !crate::wal::is_segment_size(segment_size) {
            return Err(InvalidControlFile::Value("WAL segment size"));
        }
        Ok(Self {
            system: SystemId(u64_at(bytes, 0)),
            state: ServerState::of(u32_at(bytes, 16)).ok_or(InvalidControlFile::Value("state"))?,
            written: Timestamp::from_second(i64_at(bytes, 24)).map_err(|_| InvalidControlFile::Value("time"))?,
            checkpoint: Lsn(u64_at(bytes, 32)),
            redo: Lsn(u64_at(bytes, 40)),
            timeline: Timeline(u32_at(bytes, 48)),
            full_page_writes: bytes[56] != 0,
            min_recovery: Lsn(u64_at(bytes, 136)),
            min_recovery_timeline: Timeline(u32_at(bytes, 144)),
            segment_size,
            data_checksum_version: u32_at(bytes, 252),
            hot_standby: HotStandbySettings {
                max_connections: i32_at(bytes, 180),
                max_worker_processes: i32_at(bytes, 184),
                max_wal_senders: i32_at(bytes, 188),
                max_prepared_transactions: i32_at(bytes, 192),
                max_locks_per_transaction: i32_at(bytes, 196),
            },
        })
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the length was checked before")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plausible() -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16] = 6;
        bytes[208..216].copy_from_slice(&FLOAT_FORMAT.to_le_bytes());
        bytes[228..232].copy_from_slice(&(16u32 << 20).to_le_bytes());
        seal(&mut bytes);
        bytes
    }

    fn seal(bytes: &mut [u8]) {
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    }

    #[test]
    fn one_flipped_bit_is_noticed_wherever_it_lies() {
        let good = plausible();
        assert_eq!(ControlFile::parse(&good).unwrap().state, ServerState::InProduction);
        for at in (0..CRC_AT).filter(|at| !(8..12).contains(at)) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(ControlFile::parse(&bad), Err(InvalidControlFile::Checksum), "byte {at}");
        }
    }

    #[test]
    fn strange_files_are_refused_by_name() {
        assert_eq!(ControlFile::parse(b"short"), Err(InvalidControlFile::Short(5)));
        let with = |at: usize, value: u32| {
            let mut bytes = plausible();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            seal(&mut bytes);
            ControlFile::parse(&bytes)
        };
        assert_eq!(with(8, 1800), Err(InvalidControlFile::Version(1800)));
        assert_eq!(with(16, 7), Err(InvalidControlFile::Value("state")));
        assert_eq!(with(228, 3 << 20), Err(InvalidControlFile::Value("WAL segment size")));
        assert_eq!(with(212, 0), Err(InvalidControlFile::Value("float format")));
    }
}
