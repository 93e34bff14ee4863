//! One PostgreSQL server of this host: its status, its control file, its backup session.
//!
//! [`status()`] asks a running server what it is; [`BackupSession`] brackets the snapshots of its disks with
//! `pg_backup_start` and `pg_backup_stop` and reads the WAL between them; [`ControlFile`] reads what a data directory says
//! of itself while no server runs on it.
//!
//! This crate knows one server. It never knows a disk, a site or the fleet.
//!
//! The role to connect as needs `REPLICATION`, membership in `pg_monitor`, and `EXECUTE` on `pg_backup_start`,
//! `pg_backup_stop` (`pg_start_backup`, `pg_stop_backup` before PostgreSQL 15) and
//! `pg_read_binary_file(text, bigint, bigint, boolean)`. It need not be a superuser.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod connect;
mod control;
mod crc32c;
mod error;
mod label;
mod passfile;
mod session;
mod status;
mod wal;

pub use connect::Server;
pub use control::{CONTROL_FILE, ControlFile, HotStandbySettings, InvalidControlFile, ServerState};
pub use error::{Error, ErrorKind};
pub use label::{InvalidLabel, LabelFacts};
pub use passfile::{PassFile, PassFileError, Password};
pub use session::{BackupSession, Finished, Started};
pub use status::{Report, status};
pub use wal::{
    Expected, InvalidWalFileName, WalFileName, WrongSegment, check_segment, files_needed, is_segment_size, segment_of,
};
