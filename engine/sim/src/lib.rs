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
mod disks;
mod effect;
mod error;
mod faults;
mod lock;
mod meter;
mod paging;
mod postgres;
mod profile;
mod reads;
mod shelf;
mod tagging;
mod world;

pub use call::{Call, Meddle, NewCopy, NewDisk, NewPart, Page, Reply, ShownDisk};
pub use cloud::{CallRecord, Cloud, Decision, Settings};
pub use effect::{Contradiction, DiskRecord, Effect, LockRecord, SnapshotRecord, Source};
pub use error::{SimError, SimErrorKind};
pub use postgres::{Backup, FinishedBackup, SEGMENT_SIZE, VERSION, wal_position};
pub use profile::{
    Codes, CopyDisk, Denial, Filter, Fixed, Identity, Ids, LockGrain, NameForm, Profile, ReadyTime, TagAlphabet,
    TagRules, UnknownProfile,
};
pub use world::{InvalidWorld, World};
