//! How a change is carried out: a pure state machine that says which call comes next.
//!
//! The executor interprets the [`Effect`]s and answers each with one [`Event`]; it has no choices left. Intent is journalled
//! before a call and its outcome after, so a run that was cut short shows where. Every illegal answer is an error.

mod resume;

pub use resume::take_up;

use crate::lsn::WalRange;
use crate::model::ConsistencyWanted;
use crate::name::{SnapshotId, SystemId};
use crate::observed::{DatabaseRole, Readiness};
use crate::plan::{Action, CopyPoint, CreatePoint, ExpectedSnapshot, LockPoint, MarkPoint, Repair, TagPoint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One call that the executor must make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Make sure that no other run has begun this attempt.
    LookForAttempt,
    /// Begin a backup on one pinned session.
    BeginBackup,
    /// Cut these parts, by their place in the plan: one, or all at one instant.
    Cut {
        /// Places in [`CreatePoint::parts`], from 0.
        parts: Vec<usize>,
    },
    /// Ask again until the instants of these snapshots are fixed.
    AwaitCut {
        /// The snapshots.
        snapshots: Vec<SnapshotId>,
    },
    /// Stop the backup.
    StopBackup,
    /// Keep label, map and WAL beside the point, durably.
    KeepFiles,
    /// End the session.
    CloseBackup,
    /// Add the facts to one part, and seal it.
    Seal {
        /// Its place in [`CreatePoint::parts`] or [`CopyPoint::parts`], from 0.
        part: usize,
    },
    /// Read a snapshot at the site that it is copied from: it must be as the plan saw it, and ready.
    CheckSource {
        /// Which.
        target: ExpectedSnapshot,
    },
    /// Copy one part here, or find the copy that an earlier call began. It may be on its way for hours: nobody waits.
    Copy {
        /// Its place in [`CopyPoint::parts`], from 0.
        part: usize,
    },
    /// Copy what is kept beside the point, too, durably.
    CopyFiles,
    /// Add or replace the planned tags of a snapshot.
    SetTags {
        /// Which snapshot.
        snapshot: SnapshotId,
    },
    /// The same, and seal it with the tags that it then has.
    Adopt {
        /// Which snapshot.
        snapshot: SnapshotId,
    },
    /// Have the provider refuse the deletion of a snapshot.
    Lock {
        /// Which snapshot.
        snapshot: SnapshotId,
    },
    /// Read a snapshot again: it must be as the plan saw it.
    CheckTarget {
        /// Which.
        target: ExpectedSnapshot,
    },
    /// Write the signed, create-only tombstone record.
    WriteTombstone {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// Mirror the record in the tag.
    TagTombstone {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// Read record and tag back, and note that the sweeper saw them.
    SightTombstone {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// Revoke the record.
    RevokeTombstone {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// Remove the tag.
    UntagTombstone {
        /// Of which snapshot.
        snapshot: SnapshotId,
    },
    /// Count the delete against the blast radius, before it happens.
    CountDelete,
    /// Delete one snapshot, if it still is as the plan saw it.
    Delete {
        /// Which.
        target: ExpectedSnapshot,
    },
    /// Remove the files that were kept beside the point.
    RemoveFiles,
}

/// The answer to an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It is done; there is nothing to tell.
    Done,
    /// The backup has begun.
    Begun {
        /// The server's system identifier.
        system: SystemId,
        /// Whether the server is a standby.
        is_standby: bool,
    },
    /// Parts were cut, in the order asked for; or their instants are fixed now.
    Snapshots {
        /// What became of each.
        snapshots: Vec<CutSnapshot>,
    },
    /// The backup has stopped.
    Stopped {
        /// The WAL that it needs.
        wal: WalRange,
    },
    /// The world is not as the plan saw it: nothing was done.
    Stale {
        /// What is different.
        because: String,
    },
    /// It failed.
    Failed {
        /// Why.
        because: String,
    },
}

/// A snapshot that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutSnapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Its creation time by the site: the instant that it shows.
    pub created: Timestamp,
    /// How far it is.
    pub readiness: Readiness,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// As planned.
    Done,
    /// Not begun, since the world is not as the plan saw it.
    Stale {
        /// What is different.
        because: String,
    },
    /// It failed; what it had begun is not a point, and is never counted as one.
    Failed {
        /// Why.
        because: String,
    },
}

/// An answer that does not fit what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer {event} does not fit {state}")]
pub struct IllegalEvent {
    state: String,
    event: String,
}

/// What was learnt while a point is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointFacts {
    /// The cut parts, in the order of the plan.
    pub snapshots: Vec<CutSnapshot>,
    /// The system identifier.
    pub system: Option<SystemId>,
    /// The WAL that a labelled point needs.
    pub wal: Option<WalRange>,
}

impl PointFacts {
    /// The instant that the point shows: that of the part that was cut last, the data directory.
    #[must_use]
    pub fn cut(&self) -> Option<Timestamp> {
        self.snapshots.last().map(|snapshot| crate::time::to_micros(snapshot.created))
    }
}

/// One change on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saga {
    work: Work,
    /// The effects still to come, the next one first.
    ahead: Vec<Effect>,
    /// Whether a backup session is open: then every way out closes it.
    session_is_open: bool,
    facts: PointFacts,
    end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Work {
    Create { system: Option<SystemId>, is_standby: Option<bool> },
    Other,
}

impl Saga {
    /// The saga of an action, and its first effect.
    #[must_use]
    pub fn begin(action: &Action) -> (Self, Option<Effect>) {
        let (work, ahead) = match action {
            Action::Create(create) => {
                let is_standby = create.role.map(|role| role != DatabaseRole::Primary);
                (Work::Create { system: create.system, is_standby }, create_effects(create))
            }
            Action::Copy(copy) => (Work::Other, copy_effects(copy)),
            Action::Tag(tag) => (Work::Other, tag_effects(tag)),
            Action::Lock(lock) => (Work::Other, lock_effects(lock)),
            Action::Expire(mark) => (Work::Other, expire_effects(mark)),
            Action::Revive(mark) => (Work::Other, revive_effects(mark)),
            Action::Delete(mark) => (Work::Other, delete_effects(mark)),
        };
        // What has nothing to do is done.
        let end = ahead.is_empty().then_some(End::Done);
        let saga = Self { work, ahead, session_is_open: false, facts: PointFacts::default(), end };
        let first = saga.ahead.first().cloned();
        (saga, first)
    }

    /// What was learnt so far.
    #[must_use]
    pub fn facts(&self) -> &PointFacts {
        &self.facts
    }

    /// How it ended; `None` while it goes on.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Takes the answer to the last effect, and gives the next one; `None` at the end. An illegal answer changes nothing.
    pub fn next(&mut self, event: Event) -> Result<Option<Effect>, IllegalEvent> {
        if self.ahead.is_empty() {
            return Err(IllegalEvent { state: "an ended saga".to_owned(), event: format!("{event:?}") });
        }
        let asked = self.ahead.remove(0);
        match (asked, event) {
            // Closing can fail as much as it likes: the session ends with its connection.
            (Effect::CloseBackup, Event::Done | Event::Failed { .. }) => self.session_is_open = false,
            (asked @ Effect::CloseBackup, event) => return Err(self.illegal(asked, &event)),
            (_, Event::Stale { because }) => self.stop(End::Stale { because }),
            (_, Event::Failed { because }) => self.stop(End::Failed { because }),
            (Effect::BeginBackup, Event::Begun { system, is_standby }) => self.begun(system, is_standby),
            (Effect::Cut { parts }, Event::Snapshots { snapshots }) if snapshots.len() == parts.len() => {
                self.facts.snapshots.extend(snapshots);
                self.await_cut(parts.len());
            }
            (Effect::Copy { .. }, Event::Snapshots { snapshots }) if snapshots.len() == 1 => self.copied(snapshots),
            (Effect::AwaitCut { snapshots: ids }, Event::Snapshots { snapshots })
                if snapshots.iter().map(|snapshot| &snapshot.id).eq(&ids) =>
            {
                let from = self.facts.snapshots.len().saturating_sub(ids.len());
                self.facts.snapshots.splice(from.., snapshots);
                self.await_cut(ids.len());
            }
            (Effect::StopBackup, Event::Stopped { wal }) => self.facts.wal = Some(wal),
            (
                Effect::LookForAttempt
                | Effect::KeepFiles
                | Effect::Seal { .. }
                | Effect::CheckSource { .. }
                | Effect::CopyFiles
                | Effect::SetTags { .. }
                | Effect::Adopt { .. }
                | Effect::Lock { .. }
                | Effect::CheckTarget { .. }
                | Effect::WriteTombstone { .. }
                | Effect::TagTombstone { .. }
                | Effect::SightTombstone { .. }
                | Effect::RevokeTombstone { .. }
                | Effect::UntagTombstone { .. }
                | Effect::CountDelete
                | Effect::Delete { .. }
                | Effect::RemoveFiles,
                Event::Done,
            ) => {}
            (asked, event) => return Err(self.illegal(asked, &event)),
        }
        if self.ahead.is_empty() && self.end.is_none() {
            self.end = Some(End::Done);
        }
        Ok(self.ahead.first().cloned())
    }

    /// Puts the effect back that this answer does not fit.
    fn illegal(&mut self, asked: Effect, event: &Event) -> IllegalEvent {
        let illegal = IllegalEvent { state: format!("{asked:?}"), event: format!("{event:?}") };
        self.ahead.insert(0, asked);
        illegal
    }

    /// Ends early; an open session is closed first.
    fn stop(&mut self, end: End) {
        self.ahead.clear();
        if self.session_is_open {
            self.ahead.push(Effect::CloseBackup);
        }
        self.end = Some(end);
    }

    fn begun(&mut self, system: SystemId, is_standby: bool) {
        self.session_is_open = true;
        let Work::Create { system: expected, is_standby: was_standby } = self.work else { return };
        self.facts.system = Some(system);
        if let Some(expected) = expected
            && expected != system
        {
            let because = format!("the server has system identifier {system}, and the plan saw {expected}");
            self.stop(End::Stale { because });
        } else if was_standby.is_some_and(|was_standby| was_standby != is_standby) {
            let role = if is_standby { "a standby" } else { "the primary" };
            self.stop(End::Stale {
                because: format!("the server is {role} now, which it was not when the plan was made"),
            });
        }
    }

    /// After a copy call: it goes on whether or not the copy is ready, and ends where the copy never will be.
    fn copied(&mut self, snapshots: Vec<CutSnapshot>) {
        let failed = snapshots.iter().find_map(why_failed);
        self.facts.snapshots.extend(snapshots);
        if let Some(because) = failed {
            self.stop(End::Failed { because });
        }
    }

    /// After a cut, or after asking again: goes on only once the last `count` instants are fixed.
    fn await_cut(&mut self, count: usize) {
        let from = self.facts.snapshots.len().saturating_sub(count);
        let fresh = &self.facts.snapshots[from..];
        let failed = fresh.iter().find_map(why_failed);
        let is_open = fresh.iter().any(|snapshot| snapshot.readiness == Readiness::Creating);
        let ids: Vec<SnapshotId> = fresh.iter().map(|snapshot| snapshot.id.clone()).collect();
        if let Some(because) = failed {
            self.stop(End::Failed { because });
        } else if is_open {
            self.ahead.insert(0, Effect::AwaitCut { snapshots: ids });
        }
        if let Work::Create { system, .. } = self.work {
            self.facts.system = self.facts.system.or(system);
        }
    }
}

fn why_failed(snapshot: &CutSnapshot) -> Option<String> {
    match &snapshot.readiness {
        Readiness::Failed { because } => Some(format!("snapshot {} failed: {because}", snapshot.id)),
        Readiness::Creating | Readiness::CutFixed | Readiness::Ready => None,
    }
}

/// POSTGRES.md, "Taking a recovery point": the parts are in the order of the cut already.
fn create_effects(create: &CreatePoint) -> Vec<Effect> {
    let parts = create.parts.len();
    let is_labelled = create.consistency == ConsistencyWanted::Application;
    let mut effects = vec![Effect::LookForAttempt];
    if is_labelled {
        effects.push(Effect::BeginBackup);
    }
    if create.atomic_group {
        effects.push(Effect::Cut { parts: (0..parts).collect() });
    } else {
        effects.extend((0..parts).map(|part| Effect::Cut { parts: vec![part] }));
    }
    if is_labelled {
        effects.extend([Effect::StopBackup, Effect::KeepFiles, Effect::CloseBackup]);
    }
    // The seal is what makes it a point: it comes when all else is durable.
    effects.extend((0..parts).map(|part| Effect::Seal { part }));
    effects
}

/// Each copy is sealed as soon as its call returned: what is sealed is found, and can be removed, whatever comes after. What
/// is kept beside the point is there before the first seal.
fn copy_effects(copy: &CopyPoint) -> Vec<Effect> {
    let sources = copy.parts.iter().map(|part| Effect::CheckSource { target: part.source.clone() });
    let mut effects: Vec<Effect> = sources.collect();
    for part in 0..copy.parts.len() {
        effects.push(Effect::Copy { part });
        if part == 0 && copy.wal.is_some() {
            effects.push(Effect::CopyFiles);
        }
        effects.push(Effect::Seal { part });
    }
    effects
}

fn tag_effects(tag: &TagPoint) -> Vec<Effect> {
    let sets = tag.snapshots.iter().map(|retagged| {
        let snapshot = retagged.expected.id.clone();
        match tag.repair {
            Repair::Restore | Repair::MirrorHold => Effect::SetTags { snapshot },
            Repair::Adopt => Effect::Adopt { snapshot },
        }
    });
    check_all(tag.snapshots.iter().map(|retagged| &retagged.expected)).chain(sets).collect()
}

fn lock_effects(lock: &LockPoint) -> Vec<Effect> {
    let locks = lock.snapshots.iter().map(|target| Effect::Lock { snapshot: target.id.clone() });
    check_all(&lock.snapshots).chain(locks).collect()
}

fn check_all<'a>(targets: impl IntoIterator<Item = &'a ExpectedSnapshot>) -> impl Iterator<Item = Effect> {
    targets.into_iter().map(|target| Effect::CheckTarget { target: target.clone() })
}

fn checks(mark: &MarkPoint) -> impl Iterator<Item = Effect> {
    check_all(&mark.snapshots)
}

fn expire_effects(mark: &MarkPoint) -> Vec<Effect> {
    let marks = mark.snapshots.iter().flat_map(|target| {
        let snapshot = || target.id.clone();
        [
            Effect::WriteTombstone { snapshot: snapshot() },
            Effect::TagTombstone { snapshot: snapshot() },
            Effect::SightTombstone { snapshot: snapshot() },
        ]
    });
    checks(mark).chain(marks).collect()
}

/// The record first: a tag without a record counts for nothing.
fn revive_effects(mark: &MarkPoint) -> Vec<Effect> {
    let marks = mark.snapshots.iter().flat_map(|target| {
        let snapshot = || target.id.clone();
        [Effect::RevokeTombstone { snapshot: snapshot() }, Effect::UntagTombstone { snapshot: snapshot() }]
    });
    checks(mark).chain(marks).collect()
}

fn delete_effects(mark: &MarkPoint) -> Vec<Effect> {
    let deletes = mark.snapshots.iter().map(|target| Effect::Delete { target: target.clone() });
    let files = (!mark.is_double).then_some(Effect::RemoveFiles);
    checks(mark).chain([Effect::CountDelete]).chain(deletes).chain(files).collect()
}
