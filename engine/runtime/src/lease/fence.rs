//! The last look before a call is sent: does the lease still allow it? (INVARIANTS.md 19)

use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a call asks right before it is sent. Cheap to clone; all clones follow one lease through its renewals.
///
/// It reads no store: a lease that somebody broke or took shows when it is renewed, and until then nobody may take it.
#[derive(Debug, Clone)]
pub struct Fence(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    key: String,
    epoch: u64,
    /// The last instant at which a call may be sent, in microseconds since 1970; the least one there is when it is closed.
    last: AtomicI64,
}

/// A lease that allows no call any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the lease {key} was lost at epoch {epoch}: {why}")]
pub struct Lost {
    /// The lease's key.
    pub key: String,
    /// The epoch that was lost.
    pub epoch: u64,
    why: &'static str,
}

impl Fence {
    pub(super) fn until(key: &str, epoch: u64, last: Timestamp) -> Self {
        let last = AtomicI64::new(last.as_microsecond());
        Self(Arc::new(Shared { key: key.to_owned(), epoch, last }))
    }

    /// Whether a call may be sent at this instant of the host's clock: ask with the clock read just before it is.
    pub fn check(&self, now: Timestamp) -> Result<(), Lost> {
        match self.0.last.load(Ordering::SeqCst) {
            i64::MIN => Err(self.lost("it is not held any more")),
            last if now.as_microsecond() > last => Err(self.lost("its time is over")),
            _ => Ok(()),
        }
    }

    pub(super) fn move_to(&self, last: Timestamp) {
        self.0.last.store(last.as_microsecond(), Ordering::SeqCst);
    }

    /// Nothing passes any more, whatever the time.
    pub(super) fn close(&self) {
        self.0.last.store(i64::MIN, Ordering::SeqCst);
    }

    pub(super) fn lost(&self, why: &'static str) -> Lost {
        Lost { key: self.0.key.clone(), epoch: self.0.epoch, why }
    }
}
