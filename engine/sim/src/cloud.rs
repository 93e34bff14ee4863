//! The cloud itself: it decides a call on what it knows, and applies what was decided.

use crate::call::{Call, Meddle, NewPart, Reply};
use crate::effect::{Contradiction, Effect, SnapshotRecord};
use crate::error::{SimError, SimErrorKind};
use crate::paging::Cursor;
use crate::postgres::Backup;
use crate::profile::Profile;
use crate::reads::{INSTANCES, SNAPSHOTS, UNMANAGED};
use crate::shelf::Shelf;
use crate::world::World;
use backstay_core::model::{SimFailure, SimFault};
use backstay_core::name::{InstanceId, SnapshotId};
use backstay_core::observed::Abilities;
use backstay_core::tags::{MANAGED, Tags};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What is particular to one simulated site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The seed of all its chances.
    pub seed: u64,
    /// What goes wrong there, on purpose.
    pub faults: Vec<SimFault>,
    /// A smaller page than the profile's.
    pub page_size: Option<usize>,
}

/// A simulated cloud.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub(crate) profile: Profile,
    pub(crate) world: World,
    pub(crate) seed: u64,
    pub(crate) shelf: Shelf,
    faults: Vec<SimFault>,
    pub(crate) page_size: usize,
    /// Servers that were stopped or started since the world began.
    pub(crate) is_down: BTreeMap<InstanceId, bool>,
    /// Where the virtual clock was moved to.
    advanced: Option<Timestamp>,
    /// The latest instant at which anything happened.
    latest: Timestamp,
    log: Vec<CallRecord>,
}

/// One call that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub call: Call,
    /// What it changed.
    pub effect: Option<Effect>,
    /// How it was refused, if it was.
    pub outcome: Result<(), SimError>,
}

/// A call that was decided, and not yet applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What it changes. A lost response has an effect and an error.
    pub effect: Option<Effect>,
    /// What the caller is told.
    pub answer: Result<Reply, SimError>,
}

impl Decision {
    fn answer(answer: Result<Reply, SimError>) -> Self {
        Self { effect: None, answer }
    }

    /// A change, or nothing to change.
    fn done(effect: Result<Option<Effect>, SimError>) -> Self {
        match effect {
            Ok(effect) => Self { effect, answer: Ok(Reply::Done) },
            Err(error) => Self::answer(Err(error)),
        }
    }

    fn created(accepted: Result<Vec<SnapshotRecord>, SimError>, now: Timestamp) -> Self {
        match accepted {
            Ok(snapshots) => Self {
                answer: Ok(Reply::Created(snapshots.iter().map(|snapshot| snapshot.shown(now)).collect())),
                effect: Some(Effect::SnapshotsCreated { snapshots }),
            },
            Err(error) => Self::answer(Err(error)),
        }
    }
}

impl Cloud {
    /// A cloud in which nothing has happened yet.
    #[must_use]
    pub fn new(profile: Profile, world: World, settings: Settings) -> Self {
        let Settings { seed, faults, page_size } = settings;
        Self {
            page_size: page_size.unwrap_or(profile.page_size).clamp(1, profile.page_size),
            profile,
            world,
            seed,
            faults,
            shelf: Shelf::default(),
            is_down: BTreeMap::new(),
            advanced: None,
            latest: Timestamp::MIN,
            log: Vec::new(),
        }
    }

    /// Answers one call.
    ///
    /// A cloud's own clock never goes back: a `now` before the latest effect is taken as that effect's instant.
    pub fn handle(&mut self, now: Timestamp, call: Call) -> Result<Reply, SimError> {
        let decision = self.decide(now, &call);
        self.conclude(now, call, decision)
    }

    /// Decides a call, and changes nothing: so that its effect can be made durable first.
    #[must_use]
    pub fn decide(&self, now: Timestamp, call: &Call) -> Decision {
        let now = self.site_time(now);
        match self.fault_of(call) {
            None => self.decide_plainly(now, call, None),
            Some(SimFailure::FailsLater) => {
                self.decide_plainly(now, call, Some("the simulated site declares that its snapshots fail"))
            }
            Some(SimFailure::LostResponse) => {
                let effect = self.decide_plainly(now, call, None).effect;
                Decision { effect, answer: Err(self.lost(call)) }
            }
            Some(SimFailure::Unavailable) => self.refuse(SimErrorKind::Unavailable, self.profile.codes.unavailable),
            Some(SimFailure::Throttled) => {
                self.refuse(SimErrorKind::Throttled { after: None }, self.profile.codes.throttled)
            }
            Some(SimFailure::Denied) => self.refuse(SimErrorKind::Denied, self.profile.codes.denied),
        }
    }

    /// Applies what [`Cloud::decide`] decided on this very state, and records the call.
    ///
    /// Panics if the decision was made on another state.
    pub fn conclude(&mut self, now: Timestamp, call: Call, decision: Decision) -> Result<Reply, SimError> {
        let at = self.site_time(now);
        let Decision { effect, answer } = decision;
        if let Some(effect) = &effect {
            self.apply(effect).expect("what was decided on a state can be applied to it");
        }
        let outcome = answer.as_ref().map(|_| ()).map_err(SimError::clone);
        self.log.push(CallRecord { at, call, effect, outcome });
        answer
    }

    /// Replays one effect.
    pub fn apply(&mut self, effect: &Effect) -> Result<(), Contradiction> {
        match effect {
            Effect::SnapshotsCreated { snapshots } => {
                for snapshot in snapshots {
                    self.shelf.add(snapshot)?;
                }
            }
            Effect::Tagged { id, tags, .. } => self.shelf.retag(id, |all| all.extend(tags.clone()))?,
            Effect::Untagged { id, keys, .. } => {
                self.shelf.retag(id, |all| all.retain(|key, _| !keys.contains(key)))?;
            }
            Effect::Locked { id, lock, .. } => self.shelf.lock(id, *lock)?,
            Effect::Deleted { id, .. } => self.shelf.remove(id)?,
            Effect::ClockAdvanced { to } => self.advanced = self.advanced.max(Some(*to)),
            Effect::ServerStopped { instance, .. } => {
                self.is_down.insert(instance.clone(), true);
            }
            Effect::ServerStarted { instance, .. } => {
                self.is_down.insert(instance.clone(), false);
            }
        }
        self.latest = self.latest.max(effect.at());
        Ok(())
    }

    /// Puts other machines and disks in place of those there are. Snapshots stay, also those of disks that are gone.
    pub fn replace_world(&mut self, world: World) {
        self.world = world;
    }

    /// What exists here, apart from snapshots.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The virtual clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.advanced.map_or(self.world.start, |advanced| advanced.max(self.world.start))
    }

    /// The site's time when the caller's is `now`: it never goes back behind what has happened.
    #[must_use]
    pub fn site_time(&self, now: Timestamp) -> Timestamp {
        now.max(self.latest)
    }

    /// What this cloud can do.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        Abilities {
            atomic_disk: self.profile.atomic_disk,
            atomic_group: self.profile.atomic_group,
            method: self.profile.method.to_owned(),
        }
    }

    /// Every call since this value was made, oldest first. Replayed effects are not calls.
    #[must_use]
    pub fn log(&self) -> &[CallRecord] {
        &self.log
    }

    fn decide_plainly(&self, now: Timestamp, call: &Call, fails: Option<&str>) -> Decision {
        match call {
            Call::ListInstances { page } => Decision::answer(self.list_instances(page.as_deref())),
            Call::ListSnapshots { page } => Decision::answer(self.list_snapshots(now, page.as_deref())),
            Call::ListUnmanaged { page } => Decision::answer(self.list_unmanaged(page.as_deref())),
            Call::DescribeSnapshot { id } => {
                Decision::answer(self.find(id).map(|snapshot| Reply::Snapshot(Box::new(snapshot.shown(now)))))
            }
            Call::FindByIntent { intent } => {
                let found = self.shelf.of_intent(&intent.0).filter(|snapshot| snapshot.tags.contains_key(MANAGED));
                Decision::answer(Ok(Reply::Found(found.map(|snapshot| snapshot.shown(now)).collect())))
            }
            Call::CreateSnapshot { instance, part } => {
                Decision::created(self.accept(now, instance, std::slice::from_ref(part), fails), now)
            }
            Call::CreateGroup { instance, parts } => Decision::created(self.accept(now, instance, parts, fails), now),
            Call::CopySnapshot(order) => {
                Decision::created(self.begin_copy(now, order, fails).map(|copy| vec![copy]), now)
            }
            Call::LockSnapshot { id, mode, until } => match self.lock(now, id, *mode, *until) {
                Ok((effect, until)) => Decision { effect, answer: Ok(Reply::Locked(until)) },
                Err(error) => Decision::answer(Err(error)),
            },
            Call::Tag { id, tags } => Decision::done(self.add_tags(now, id, tags)),
            Call::Untag { id, keys } => Decision::done(self.remove_tags(now, id, keys)),
            Call::DeleteSnapshot { id } => Decision::done(self.delete(now, id)),
            Call::DatabaseStatus { instance } => Decision::answer(self.database_status(instance)),
            Call::BeginBackup { instance, label } => Decision::answer(
                self.server(instance)
                    .and_then(|(on, server)| Backup::begin(now, instance, on, server, label).map(Reply::Begun)),
            ),
            Call::StopBackup { backup } => Decision::answer(
                self.server(backup.instance()).and_then(|(_, server)| backup.finish(now, server).map(Reply::Finished)),
            ),
            Call::ReadWal { backup, name } => Decision::answer(
                self.server(backup.instance())
                    .and_then(|(_, server)| backup.wal_file(now, server, name).map(Reply::WalFile)),
            ),
            Call::AdvanceClock { to } => {
                let is_forward = *to > self.clock();
                Decision::done(Ok(is_forward.then_some(Effect::ClockAdvanced { to: *to })))
            }
            Call::Meddle(meddle) => self.meddle(now, meddle),
        }
    }

    fn meddle(&self, now: Timestamp, meddle: &Meddle) -> Decision {
        match meddle {
            Meddle::DeleteSnapshot { id } => Decision::done(self.delete(now, id)),
            Meddle::CreateForeign { disk, tags } => {
                let part = NewPart { disk: disk.clone(), tags: tags.clone() };
                Decision::created(self.begin_snapshot(now, 0, &part, None).map(|snapshot| vec![snapshot]), now)
            }
            Meddle::Retag { id, tags } => Decision::done(self.add_tags(now, id, tags)),
            Meddle::StopServer { instance } => Decision::done(
                self.machine(instance).map(|_| Some(Effect::ServerStopped { at: now, instance: instance.clone() })),
            ),
            Meddle::StartServer { instance } => Decision::done(
                self.machine(instance).map(|_| Some(Effect::ServerStarted { at: now, instance: instance.clone() })),
            ),
        }
    }

    /// The fault that the site declares for this call, if any.
    fn fault_of(&self, call: &Call) -> Option<SimFailure> {
        let name = call.fault_name()?;
        let page = match call {
            Call::ListInstances { page } => Cursor::read(INSTANCES, page.as_deref()).map(|cursor| cursor.number),
            Call::ListSnapshots { page } => Cursor::read(SNAPSHOTS, page.as_deref()).map(|cursor| cursor.number),
            Call::ListUnmanaged { page } => Cursor::read(UNMANAGED, page.as_deref()).map(|cursor| cursor.number),
            Call::DescribeSnapshot { .. }
            | Call::FindByIntent { .. }
            | Call::CreateSnapshot { .. }
            | Call::CreateGroup { .. }
            | Call::CopySnapshot(_)
            | Call::LockSnapshot { .. }
            | Call::Tag { .. }
            | Call::Untag { .. }
            | Call::DeleteSnapshot { .. }
            | Call::DatabaseStatus { .. }
            | Call::BeginBackup { .. }
            | Call::StopBackup { .. }
            | Call::ReadWal { .. }
            | Call::AdvanceClock { .. }
            | Call::Meddle(_) => None,
        };
        // Only listings have pages: elsewhere a fault's page means nothing.
        let fits =
            |fault: &&SimFault| fault.call == name && (page.is_none() || fault.page.is_none() || fault.page == page);
        self.faults.iter().find(fits).map(|fault| fault.fail)
    }

    fn refuse(&self, kind: SimErrorKind, code: &'static str) -> Decision {
        Decision::answer(Err(SimError::new(kind, code, "a declared fault of the simulated site")))
    }

    /// A lost answer to a question changed nothing, so nothing about the site is unknown.
    fn lost(&self, call: &Call) -> SimError {
        let changes = match call {
            Call::ListInstances { .. }
            | Call::ListSnapshots { .. }
            | Call::ListUnmanaged { .. }
            | Call::DescribeSnapshot { .. }
            | Call::FindByIntent { .. }
            | Call::DatabaseStatus { .. }
            | Call::BeginBackup { .. }
            | Call::StopBackup { .. }
            | Call::ReadWal { .. } => false,
            Call::CreateSnapshot { .. }
            | Call::CreateGroup { .. }
            | Call::CopySnapshot(_)
            | Call::LockSnapshot { .. }
            | Call::Tag { .. }
            | Call::Untag { .. }
            | Call::DeleteSnapshot { .. }
            | Call::AdvanceClock { .. }
            | Call::Meddle(_) => true,
        };
        let kind = if changes { SimErrorKind::OutcomeUnknown } else { SimErrorKind::Unavailable };
        SimError::new(kind, "ConnectionReset", "the connection broke before the answer came")
    }

    pub(crate) fn find(&self, id: &SnapshotId) -> Result<&SnapshotRecord, SimError> {
        let codes = &self.profile.codes;
        self.shelf
            .get(id)
            .ok_or_else(|| SimError::not_found(codes.no_snapshot, format!("the snapshot `{id}` does not exist")))
    }

    fn add_tags(&self, now: Timestamp, id: &SnapshotId, tags: &Tags) -> Result<Option<Effect>, SimError> {
        let snapshot = self.find(id)?;
        let mut all = snapshot.tags.clone();
        all.extend(tags.clone());
        self.check_tags(&all)?;
        let changed: Tags = tags.iter().filter(|(key, value)| snapshot.tags.get(key) != Some(*value)).collect();
        Ok((!changed.is_empty()).then(|| Effect::Tagged { at: now, id: id.clone(), tags: changed }))
    }

    fn remove_tags(
        &self,
        now: Timestamp,
        id: &SnapshotId,
        keys: &BTreeSet<String>,
    ) -> Result<Option<Effect>, SimError> {
        let snapshot = self.find(id)?;
        let there: BTreeSet<String> = keys.iter().filter(|key| snapshot.tags.contains_key(key)).cloned().collect();
        Ok((!there.is_empty()).then(|| Effect::Untagged { at: now, id: id.clone(), keys: there }))
    }

    fn delete(&self, now: Timestamp, id: &SnapshotId) -> Result<Option<Effect>, SimError> {
        let snapshot = self.find(id)?;
        if snapshot.is_locked(now) {
            let message = format!("the snapshot `{id}` is locked: wait until its lock has ended");
            return Err(SimError::new(SimErrorKind::Locked, self.profile.codes.locked, message));
        }
        Ok(Some(Effect::Deleted { at: now, id: id.clone() }))
    }
}
