//! The journal: intent before each call, outcome after, append-only and fsynced.

use crate::holds::HoldRecord;
use crate::seams::{Clock, StateStore, StoreError};
use backstay_core::canonical::{self, Digest};
use backstay_core::name::ClusterUid;
use backstay_core::plan::Change;
use backstay_core::saga::{Effect, End, Event};
use backstay_core::tags::PointKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number within the run, from 1.
    pub seq: u64,
    /// The host's clock.
    pub at: Timestamp,
    /// What it says.
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// The run begins.
    Run {
        /// The plan's digest.
        plan: Digest,
        /// Its `as_of`.
        as_of: Timestamp,
    },
    /// A change begins under a lease.
    Change {
        /// Its place in the plan.
        index: usize,
        /// The change.
        change: Box<Change>,
        /// The lease's epoch.
        epoch: u64,
    },
    /// A call is about to be made.
    Intent {
        /// The change's place in the plan.
        index: usize,
        /// Whose.
        cluster: ClusterUid,
        /// The call.
        effect: Effect,
    },
    /// A call was answered.
    Outcome {
        /// The change's place in the plan.
        index: usize,
        /// The answer.
        event: Event,
    },
    /// A change ended.
    Ended {
        /// Its place in the plan.
        index: usize,
        /// How.
        end: End,
    },
    /// A person's release of a hold begins under a lease: its tags go, then its record.
    Release {
        /// Whose point.
        cluster: ClusterUid,
        /// Which point.
        point: PointKey,
        /// The lease's epoch.
        epoch: u64,
        /// By whom, and why.
        release: HoldRecord,
    },
    /// The run ended.
    Finished,
}

/// The journal of one run.
pub struct Journal<'a> {
    store: &'a dyn StateStore,
    clock: &'a dyn Clock,
    key: String,
    next: AtomicU64,
    is_broken: AtomicBool,
}

impl<'a> Journal<'a> {
    /// Opens the journal of a run.
    #[must_use]
    pub fn open(store: &'a dyn StateStore, clock: &'a dyn Clock, run: &str) -> Self {
        Self {
            store,
            clock,
            key: format!("journal/{run}.jsonl"),
            next: AtomicU64::new(1),
            is_broken: AtomicBool::new(false),
        }
    }

    /// Appends one line; durable when it returns.
    ///
    /// After a line that could not be written none is: no cluster starts anything that would not be in the journal.
    pub async fn write(&self, entry: Entry) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(StoreError::new(format!("{} could not be written to: nothing more is started", self.key)));
        }
        let record = Record { seq: self.next.fetch_add(1, Ordering::Relaxed), at: self.clock.now(), entry };
        let body = canonical::to_string(&record);
        // The digest in front shows a torn or damaged line for what it is.
        let line = format!("{} {body}\n", Digest::of(body.as_bytes()).brief());
        self.store
            .append(&self.key, line.as_bytes())
            .await
            .inspect_err(|_| self.is_broken.store(true, Ordering::SeqCst))
    }
}

/// Reads a journal back; a torn last line is left out, a damaged one in the middle is an error.
pub fn read(bytes: &[u8]) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        // A crash may have cut the last line in the middle of a character.
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let parsed = text.and_then(|line| line.split_once(' ')).and_then(|(sum, body)| {
            (Digest::of(body.as_bytes()).brief() == sum).then(|| serde_json::from_str(body).ok()).flatten()
        });
        match parsed {
            Some(record) => records.push(record),
            None if lines.peek().is_none() => {}
            None => return Err(StoreError::new(format!("line {} of the journal is damaged", number + 1))),
        }
    }
    Ok(records)
}
