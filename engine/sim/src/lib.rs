//! A cloud as a value.
//!
//! [`Cloud`] answers one [`Call`] at a time, at an instant that the caller names. There is no clock, no disk, no network
//! and no task in the background: a snapshot becomes ready because somebody looks at it late enough. What a call changes is
//! an [`Effect`], and [`Cloud::apply`] replays it, so a provider makes a simulated site durable by keeping its effects.
//!
//! ```text
//! call + now -> decide -> (effect, answer) -> [the adapter stores the effect] -> apply -> answer
//! ```
//!
//! Whose rules it follows is data: a [`Profile`].

mod call;
mod cloud;
mod copy;
mod create;
mod effect;
mod error;
mod lock;
mod paging;
mod postgres;
mod profile;
mod reads;
mod shelf;
mod world;

pub use call::{Call, Meddle, NewCopy, NewPart, Page, Reply};
pub use cloud::{CallRecord, Cloud, Decision, Settings};
pub use effect::{Contradiction, Effect, LockRecord, SnapshotRecord, Source};
pub use error::{SimError, SimErrorKind};
pub use postgres::{Backup, FinishedBackup, SEGMENT_SIZE, VERSION, wal_position};
pub use profile::{Codes, CopyDisk, LockGrain, Profile, ReadyTime, UnknownProfile};
pub use world::{InvalidWorld, World};
