//! The journal: intent before each call, outcome after, append-only and fsynced.
//!
//! ```text
//! journal/<run>.jsonl, one line a record:
//! <digest of the digest before and the record> {"at":"…","entry":{"entry":"intent",…},"seq":3}
//! ```

use crate::holds::HoldRecord;
use crate::seams::{Clock, StateStore, StoreError};
use backstay_core::canonical::{self, Digest};
use backstay_core::name::ClusterUid;
use backstay_core::plan::Change;
use backstay_core::saga::{Effect, End, Event};
use backstay_core::tags::PointKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

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

/// The journal of one run. Clusters write to it at once; those that wait share one append.
pub struct Journal<'a> {
    store: &'a dyn StateStore,
    clock: &'a dyn Clock,
    key: String,
    tail: Mutex<Tail>,
    /// Held by whoever appends for all that wait.
    append: futures::lock::Mutex<()>,
}

/// The end of the journal, as far as it was written or waits to be.
#[derive(Default)]
struct Tail {
    /// The number of the last line that was given one.
    last: u64,
    /// That line's digest, which the next one's covers.
    digest: String,
    /// The lines that wait.
    waiting: String,
    /// Up to which number all lines are durable.
    durable: u64,
    /// Whether an append has begun, and nobody knows yet what came of it.
    is_under_way: bool,
    /// Whether one failed.
    is_broken: bool,
}

/// The key of a run's journal.
pub(crate) fn key_of(run: &str) -> String {
    format!("{DIRECTORY}{run}.jsonl")
}

/// Where all journals are.
pub(crate) const DIRECTORY: &str = "journal/";

impl<'a> Journal<'a> {
    /// Opens the journal of a run.
    #[must_use]
    pub fn open(store: &'a dyn StateStore, clock: &'a dyn Clock, run: &str) -> Self {
        let (tail, append) = (Mutex::default(), futures::lock::Mutex::default());
        Self { store, clock, key: key_of(run), tail, append }
    }

    /// Appends one line; durable when it returns.
    ///
    /// After a line that could not be written none is: no cluster starts anything that would not be in the journal.
    pub async fn write(&self, entry: Entry) -> Result<(), StoreError> {
        let number = self.enqueue(entry)?;
        // Whoever is ready now comes into the same append.
        futures::future::poll_fn(yield_once()).await;
        let _leader = self.append.lock().await;
        let (lines, last) = {
            let mut tail = self.tail();
            if tail.durable >= number {
                return Ok(());
            }
            // An append that nobody waited for to its end may have left a gap.
            tail.is_broken |= tail.is_under_way;
            if tail.is_broken {
                return Err(self.broken());
            }
            tail.is_under_way = true;
            (std::mem::take(&mut tail.waiting), tail.last)
        };
        let appended = self.store.append(&self.key, lines.as_bytes()).await;
        let mut tail = self.tail();
        tail.is_under_way = false;
        match appended {
            Ok(()) => tail.durable = last,
            Err(_) => tail.is_broken = true,
        }
        appended
    }

    /// Gives the line its number, its instant and its digest.
    fn enqueue(&self, entry: Entry) -> Result<u64, StoreError> {
        let mut tail = self.tail();
        if tail.is_broken {
            return Err(self.broken());
        }
        tail.last += 1;
        let record = Record { seq: tail.last, at: self.clock.now(), entry };
        let body = canonical::to_string(&record);
        let digest = sum(&tail.digest, &body);
        tail.waiting.push_str(&format!("{digest} {body}\n"));
        tail.digest = digest;
        Ok(record.seq)
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self) -> StoreError {
        StoreError::new(format!("{} could not be written to: nothing more is started", self.key))
    }
}

/// Not ready the first time it is asked.
fn yield_once() -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    let mut has_yielded = false;
    move |context| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A line's digest covers the line before it, and so all before it: one that was taken away shows.
fn sum(before: &str, body: &str) -> String {
    Digest::of(format!("{before} {body}").as_bytes()).brief().to_owned()
}

/// What can be read of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The records up to the first line that is damaged.
    pub records: Vec<Record>,
    /// That line's number, from 1. A torn last line is none: it was never told to be written.
    pub damaged: Option<usize>,
}

/// Reads a journal back as far as it can be.
#[must_use]
pub fn read_on(bytes: &[u8]) -> Reading {
    let mut reading = Reading { records: Vec::new(), damaged: None };
    let mut before = String::new();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        // A crash may have cut the last line in the middle of a character.
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let parsed = text.and_then(|line| line.split_once(' ')).and_then(|(digest, body)| {
            let record = (sum(&before, body) == digest).then(|| serde_json::from_str(body).ok()).flatten()?;
            Some((digest, record))
        });
        match parsed {
            Some((digest, record)) => {
                digest.clone_into(&mut before);
                reading.records.push(record);
            }
            None if lines.peek().is_none() => {}
            None => {
                reading.damaged = Some(number + 1);
                break;
            }
        }
    }
    reading
}

/// Reads a journal back; a torn last line is left out, a damaged one in the middle is an error.
pub fn read(bytes: &[u8]) -> Result<Vec<Record>, StoreError> {
    match read_on(bytes) {
        Reading { records, damaged: None } => Ok(records),
        Reading { damaged: Some(line), .. } => Err(StoreError::new(format!("line {line} of the journal is damaged"))),
    }
}
