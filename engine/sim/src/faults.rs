//! What goes wrong on purpose: which declared fault meets a call, and how the call then goes.
//!
//! A chance is decided by the site's seed, the fault, the number of calls and effects before, and the instant: the same history
//! gives the same chances. A lost permission is a state and no event, so its chance holds for a whole minute.

use crate::call::Call;
use crate::cloud::{Cloud, Decision};
use crate::effect::{Effect, SnapshotRecord};
use crate::error::{SimError, SimErrorKind};
use crate::paging::Cursor;
use crate::profile::{Denial, Identity};
use crate::reads::{INSTANCES, SNAPSHOTS, UNMANAGED};
use crate::shelf::Shelf;
use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::time::Duration;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;

/// How many times as long what is `slow` takes, unless declared.
const SLOW: u32 = 10;

/// How a call goes that is not refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course<'a> {
    /// What it sees.
    pub(crate) shelf: &'a Shelf,
    /// What becomes of what it makes.
    pub(crate) fate: Fate,
    /// By what a page is shuffled, if it is.
    pub(crate) shuffle: Option<u64>,
}

/// What becomes of what a call makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Why it fails, if it does.
    pub(crate) fails: Option<&'static str>,
    /// Whether it never becomes ready.
    pub(crate) is_stuck: bool,
    /// How many times as long it takes.
    pub(crate) times: u32,
}

impl Fate {
    /// Nothing goes wrong.
    pub(crate) const PLAIN: Self = Self { fails: None, is_stuck: false, times: 1 };

    /// When what was accepted is done that plainly takes this long.
    pub(crate) fn done(self, accepted: Timestamp, length: SignedDuration) -> Timestamp {
        if self.is_stuck {
            return Timestamp::MAX;
        }
        let length = length.saturating_mul(i32::try_from(self.times).unwrap_or(i32::MAX));
        accepted.checked_add(length).unwrap_or(Timestamp::MAX)
    }
}

/// What the shelf was a while ago: kept only where a fault shows it.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// For how long back it can be told.
    horizon: Duration,
    /// What was before all of `recent`.
    base: Shelf,
    recent: VecDeque<Effect>,
}

impl Past {
    /// Where a fault shows what was.
    pub(crate) fn of(faults: &[SimFault], horizon: Duration, stock: &Shelf) -> Option<Self> {
        let shows = faults.iter().any(|fault| fault.fail == SimFailure::Stale);
        shows.then(|| Self { horizon, base: stock.clone(), recent: VecDeque::new() })
    }

    /// Takes in an effect that the shelf itself has taken.
    pub(crate) fn push(&mut self, effect: &Effect, latest: Timestamp) {
        self.recent.push_back(effect.clone());
        let oldest = self.horizon.before(latest);
        while let Some(effect) = self.recent.pop_front_if(|effect| effect.at() < oldest) {
            self.base.apply(&effect).expect("what the shelf has taken can be taken again");
        }
    }

    fn at(&self, instant: Timestamp) -> Shelf {
        let mut shelf = self.base.clone();
        // Effects come in the order in which they were decided, and time never goes back behind one.
        for effect in self.recent.iter().take_while(|effect| effect.at() <= instant) {
            shelf.apply(effect).expect("what the shelf has taken can be taken again");
        }
        shelf
    }
}

impl Cloud {
    /// Decides a call as the fault says.
    pub(crate) fn decide_faultily(&self, now: Timestamp, call: &Call, number: usize, fault: &SimFault) -> Decision {
        let with_fate = |fate| self.decide_plainly(now, call, Course { fate, ..self.plain() });
        match fault.fail {
            SimFailure::Unavailable => self.fail(SimErrorKind::Unavailable, self.profile.codes.unavailable),
            SimFailure::Throttled => {
                let after = self.profile.retry_after.map(Duration::signed);
                self.fail(SimErrorKind::Throttled { after }, self.profile.codes.throttled)
            }
            SimFailure::Denied => match self.profile.denial {
                Denial::Silent => match self.as_if_empty(call) {
                    Some(answer) => Decision::answer(answer),
                    None => self.fail(SimErrorKind::Denied, self.profile.codes.denied),
                },
                Denial::Told => self.fail(SimErrorKind::Denied, self.profile.codes.denied),
            },
            SimFailure::LostResponse => {
                let effect = self.decide_plainly(now, call, self.plain()).effect;
                Decision { effect, answer: Err(lost(call)) }
            }
            SimFailure::Repeated => self.decide_twice(now, call),
            SimFailure::FailsLater => {
                with_fate(Fate { fails: Some("the simulated site declares that its snapshots fail"), ..Fate::PLAIN })
            }
            SimFailure::Stuck => with_fate(Fate { is_stuck: true, ..Fate::PLAIN }),
            SimFailure::Slow => with_fate(Fate { times: fault.times.unwrap_or(SLOW), ..Fate::PLAIN }),
            SimFailure::Stale => match &self.past {
                Some(past) => {
                    let most = past.horizon.as_seconds().max(1);
                    let lag = Duration::seconds(1 + self.chance(now, number, "lag") % most);
                    let shelf = past.at(lag.before(now));
                    self.decide_plainly(now, call, Course { shelf: &shelf, ..self.plain() })
                }
                None => self.decide_plainly(now, call, self.plain()),
            },
            SimFailure::Reordered => {
                let shuffle = Some(self.chance(now, number, "order"));
                self.decide_plainly(now, call, Course { shuffle, ..self.plain() })
            }
        }
    }

    /// How a call goes where nothing goes wrong.
    pub(crate) fn plain(&self) -> Course<'_> {
        Course { shelf: &self.shelf, fate: Fate::PLAIN, shuffle: None }
    }

    /// The fault that the site declares for this call now, and its number.
    pub(crate) fn fault_of(&self, now: Timestamp, call: &Call) -> Option<(usize, &SimFault)> {
        let name = call.fault_name()?;
        let page = match call {
            Call::ListInstances { page } => Cursor::read(INSTANCES, page.as_deref()).map(|cursor| cursor.number),
            Call::ListSnapshots { page, .. } => Cursor::read(SNAPSHOTS, page.as_deref()).map(|cursor| cursor.number),
            Call::ListUnmanaged { page } => Cursor::read(UNMANAGED, page.as_deref()).map(|cursor| cursor.number),
            Call::DescribeInstance { .. }
            | Call::DescribeSnapshot { .. }
            | Call::CheckPermission { .. }
            | Call::FindByIntent { .. }
            | Call::CreateSnapshot { .. }
            | Call::CreateGroup { .. }
            | Call::CopySnapshot(_)
            | Call::LockSnapshot { .. }
            | Call::Tag { .. }
            | Call::Untag { .. }
            | Call::DeleteSnapshot { .. }
            | Call::CreateDisk(_)
            | Call::DescribeDisk { .. }
            | Call::FindDisks { .. }
            | Call::AttachDisk { .. }
            | Call::DetachDisk { .. }
            | Call::DeleteDisk { .. }
            | Call::DatabaseStatus { .. }
            | Call::BeginBackup { .. }
            | Call::StopBackup { .. }
            | Call::ReadWal { .. }
            | Call::AdvanceClock { .. }
            | Call::Meddle(_) => None,
        };
        // Only listings have pages: elsewhere a fault's page means nothing.
        let fits = |(number, fault): &(usize, &SimFault)| {
            (fault.call == name || fault.call == SimCall::Any)
                && (page.is_none() || fault.page.is_none() || fault.page == page)
                && fault.from.is_none_or(|from| from <= now)
                && fault.until.is_none_or(|until| now < until)
                && self.strikes(now, *number, fault)
        };
        self.faults.iter().enumerate().find(fits)
    }

    fn strikes(&self, now: Timestamp, number: usize, fault: &SimFault) -> bool {
        let Some(percent) = fault.percent else { return true };
        let chance = match fault.fail {
            SimFailure::Denied => self.hash(&format!("permission {number} {}", now.as_second().div_euclid(60))),
            SimFailure::Unavailable
            | SimFailure::Throttled
            | SimFailure::LostResponse
            | SimFailure::Repeated
            | SimFailure::FailsLater
            | SimFailure::Stuck
            | SimFailure::Slow
            | SimFailure::Stale
            | SimFailure::Reordered => self.chance(now, number, "fault"),
        };
        chance % 100 < u64::from(percent)
    }

    fn chance(&self, now: Timestamp, number: usize, of: &str) -> u64 {
        let (calls, effects) = (self.log().len(), self.effects);
        self.hash(&format!("{of} {number} {calls} {effects} {now}"))
    }

    fn hash(&self, text: &str) -> u64 {
        let digest = Sha256::digest(format!("backstay sim {} {text}\n", self.seed).as_bytes());
        digest[..8].iter().fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }

    fn fail(&self, kind: SimErrorKind, code: &'static str) -> Decision {
        Decision::answer(Err(SimError::new(kind, code, "a declared fault of the simulated site")))
    }

    /// The call is delivered twice, and the second answer is the one that comes.
    fn decide_twice(&self, now: Timestamp, call: &Call) -> Decision {
        let mut decision = self.decide_plainly(now, call, self.plain());
        match &mut decision.effect {
            Some(Effect::SnapshotsCreated { snapshots }) if self.profile.identity == Identity::Given => {
                let again: Vec<SnapshotRecord> = (0..)
                    .zip(&*snapshots)
                    .map(|(place, snapshot): (u64, _)| {
                        let place = place + u64::try_from(snapshots.len()).expect("a call's snapshots fit 64 bits");
                        SnapshotRecord { id: self.snapshot_id(place), ..snapshot.clone() }
                    })
                    .collect();
                snapshots.extend(again);
            }
            Some(Effect::Deleted { id, .. }) if !self.profile.deletes_what_is_gone => {
                decision.answer = Err(self.no_snapshot(id));
            }
            Some(Effect::DiskDeleted { disk, .. }) if !self.profile.deletes_what_is_gone => {
                decision.answer = Err(self.no_disk(disk));
            }
            Some(
                Effect::SnapshotsCreated { .. }
                | Effect::Deleted { .. }
                | Effect::DiskDeleted { .. }
                | Effect::Tagged { .. }
                | Effect::Untagged { .. }
                | Effect::Locked { .. }
                | Effect::DiskCreated { .. }
                | Effect::DiskAttached { .. }
                | Effect::DiskDetached { .. }
                | Effect::ClockAdvanced { .. }
                | Effect::ServerStopped { .. }
                | Effect::ServerStarted { .. },
            )
            | None => {}
        }
        decision
    }
}

/// A lost answer to a question changed nothing, so nothing about the site is unknown.
fn lost(call: &Call) -> SimError {
    let kind = if call.is_question() { SimErrorKind::Unavailable } else { SimErrorKind::OutcomeUnknown };
    SimError::new(kind, "ConnectionReset", "the connection broke before the answer came")
}
