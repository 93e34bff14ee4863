//! The cloud itself: it decides a call on what it knows, and applies what was decided.

use crate::call::{Call, Meddle, NewPart, Reply};
use crate::disks::Disks;
use crate::effect::{Contradiction, Effect, SnapshotRecord};
use crate::error::{SimError, SimErrorKind};
use crate::faults::{Course, Fate, Past};
use crate::meter::Meter;
use crate::postgres::Backup;
use crate::profile::Profile;
use crate::shelf::Shelf;
use crate::world::World;
use backstay_core::model::SimFault;
use backstay_core::name::{InstanceId, SnapshotId};
use backstay_core::observed::Abilities;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What is particular to one simulated site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The seed of all its chances.
    pub seed: u64,
    /// What goes wrong there, on purpose.
    pub faults: Vec<SimFault>,
    /// A smaller page than the profile's.
    pub page_size: Option<usize>,
    /// Whether the profile's budgets of calls hold.
    pub enforces_budgets: bool,
}

/// A simulated cloud.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub(crate) profile: Profile,
    pub(crate) world: World,
    pub(crate) seed: u64,
    pub(crate) shelf: Shelf,
    pub(crate) disks: Disks,
    pub(crate) past: Option<Past>,
    pub(crate) meter: Meter,
    pub(crate) faults: Vec<SimFault>,
    /// How many effects there were since the site began.
    pub(crate) effects: u64,
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
    pub(crate) fn answer(answer: Result<Reply, SimError>) -> Self {
        Self { effect: None, answer }
    }

    /// A change, or nothing to change.
    pub(crate) fn done(effect: Result<Option<Effect>, SimError>) -> Self {
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
        let Settings { seed, faults, page_size, enforces_budgets } = settings;
        let most = profile.page_size();
        let shelf = Shelf::stocked(&world);
        Self {
            page_size: page_size.unwrap_or(most).clamp(1, most),
            past: Past::of(&faults, profile.rules.consistency_horizon, &shelf),
            meter: Meter::of(if enforces_budgets { profile.rules.budgets } else { &[] }),
            disks: Disks::default(),
            effects: 0,
            profile,
            shelf,
            world,
            seed,
            faults,
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
        match (self.check_budgets(now, call), self.fault_of(now, call)) {
            (Err(throttled), _) => Decision::answer(Err(throttled)),
            (Ok(()), None) => self.decide_plainly(now, call, self.plain()),
            (Ok(()), Some((number, fault))) => self.decide_faultily(now, call, number, fault),
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
        if !matches!(&outcome, Err(SimError { kind: SimErrorKind::Throttled { .. }, .. })) {
            self.meter.count(at, &call);
        }
        self.log.push(CallRecord { at, call, effect, outcome });
        answer
    }

    /// Replays one effect.
    pub fn apply(&mut self, effect: &Effect) -> Result<(), Contradiction> {
        match effect {
            Effect::SnapshotsCreated { .. }
            | Effect::Tagged { .. }
            | Effect::Untagged { .. }
            | Effect::Locked { .. }
            | Effect::Deleted { .. } => self.shelf.apply(effect)?,
            Effect::DiskCreated { disk } => self.disks.add(disk)?,
            Effect::DiskAttached { disk, instance, .. } => self.disks.put(disk, Some(instance.clone())),
            Effect::DiskDetached { disk, .. } => self.disks.put(disk, None),
            Effect::DiskDeleted { disk, .. } => self.disks.remove(disk),
            Effect::ClockAdvanced { to } => self.advanced = self.advanced.max(Some(*to)),
            Effect::ServerStopped { instance, .. } => {
                self.is_down.insert(instance.clone(), true);
            }
            Effect::ServerStarted { instance, .. } => {
                self.is_down.insert(instance.clone(), false);
            }
        }
        self.latest = self.latest.max(effect.at());
        self.effects += 1;
        if let Some(past) = &mut self.past {
            past.push(effect, self.latest);
        }
        Ok(())
    }

    /// Puts other machines and disks in place of those there are. Snapshots stay, also those of disks that are gone.
    pub fn replace_world(&mut self, world: World) {
        self.world = world;
    }

    /// Whose rules it follows.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
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
            atomic_group: self.profile.rules.group.is_some(),
            method: self.profile.method.to_owned(),
        }
    }

    /// Every call since this value was made, oldest first. Replayed effects are not calls.
    #[must_use]
    pub fn log(&self) -> &[CallRecord] {
        &self.log
    }

    pub(crate) fn decide_plainly(&self, now: Timestamp, call: &Call, course: Course<'_>) -> Decision {
        let Course { shelf, fate, shuffle } = course;
        match call {
            Call::ListInstances { page } => Decision::answer(self.list_instances(page.as_deref(), shuffle)),
            Call::ListSnapshots { only_ours, page } => {
                Decision::answer(self.list_snapshots(now, shelf, *only_ours, page.as_deref(), shuffle))
            }
            Call::ListUnmanaged { page } => Decision::answer(self.list_unmanaged(shelf, page.as_deref(), shuffle)),
            Call::DescribeInstance { id } => Decision::answer(self.describe_instance(id)),
            Call::DescribeSnapshot { id } => {
                let found = shelf.get(id).ok_or_else(|| self.no_snapshot(id));
                Decision::answer(found.map(|snapshot| Reply::Snapshot(Box::new(snapshot.shown(now)))))
            }
            Call::CheckPermission { .. } => Decision::answer(Ok(Reply::Done)),
            Call::FindByIntent { intent } => Decision::answer(self.find_by_intent(now, shelf, intent)),
            Call::CreateSnapshot { instance, part } => match self.known(part.word.as_deref(), &part.disk) {
                Ok(Some(known)) => Decision::answer(Ok(Reply::Created(vec![known.shown(now)]))),
                Ok(None) => Decision::created(self.accept(now, instance, std::slice::from_ref(part), fate), now),
                Err(error) => Decision::answer(Err(error)),
            },
            Call::CreateGroup { instance, parts } => {
                Decision::created(self.accept_group(now, instance, parts, fate), now)
            }
            Call::CopySnapshot(order) => match self.known_copy(order) {
                Ok(Some(known)) => Decision::answer(Ok(Reply::Created(vec![known.shown(now)]))),
                Ok(None) => Decision::created(self.begin_copy(now, order, fate).map(|copy| vec![copy]), now),
                Err(error) => Decision::answer(Err(error)),
            },
            Call::CreateDisk(order) => self.create_disk(now, order, fate),
            Call::DescribeDisk { id } => {
                Decision::answer(self.show_disk(now, id).map(|disk| Reply::Disk(Box::new(disk))))
            }
            Call::FindDisks { intent } => Decision::answer(self.find_disks(now, intent)),
            Call::AttachDisk { disk, instance } => Decision::done(self.attach_disk(now, disk, instance)),
            Call::DetachDisk { disk, instance } => Decision::done(self.detach_disk(now, disk, instance)),
            Call::DeleteDisk { id } => Decision::done(self.delete_disk(now, id)),
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
                let part = NewPart { disk: disk.clone(), tags: tags.clone(), word: None, location: None };
                Decision::created(self.begin_snapshot(now, 0, &part, Fate::PLAIN).map(|snapshot| vec![snapshot]), now)
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

    pub(crate) fn find(&self, id: &SnapshotId) -> Result<&SnapshotRecord, SimError> {
        self.shelf.get(id).ok_or_else(|| self.no_snapshot(id))
    }

    pub(crate) fn no_snapshot(&self, id: &SnapshotId) -> SimError {
        SimError::not_found(self.profile.codes.no_snapshot, format!("the snapshot `{id}` does not exist"))
    }

    fn delete(&self, now: Timestamp, id: &SnapshotId) -> Result<Option<Effect>, SimError> {
        let snapshot = match self.find(id) {
            Err(_) if self.profile.deletes_what_is_gone => return Ok(None),
            found => found?,
        };
        if snapshot.is_locked(now) {
            let message = format!("the snapshot `{id}` is locked: wait until its lock has ended");
            return Err(SimError::new(SimErrorKind::Locked, self.profile.codes.locked, message));
        }
        Ok(Some(Effect::Deleted { at: now, id: id.clone() }))
    }
}
