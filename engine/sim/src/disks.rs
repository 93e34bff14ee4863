//! Disks: those of the world, those made from snapshots, and what they are attached to now.

use crate::call::{NewDisk, Reply, ShownDisk};
use crate::cloud::{Cloud, Decision};
use crate::effect::{Contradiction, DiskRecord, Effect};
use crate::error::{SimError, SimErrorKind};
use crate::faults::Fate;
use crate::profile::Identity;
use crate::world::Machine;
use backstay_core::name::{DiskId, InstanceId};
use backstay_core::observed::{AttachedDisk, DiskRole, Readiness};
use backstay_core::tags::{INTENT, Intent, MANAGED, Tags};
use backstay_core::time::to_micros;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to disks since the world began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disks {
    made: BTreeMap<DiskId, DiskRecord>,
    /// What each disk that was ever moved is attached to.
    moved: BTreeMap<DiskId, Option<InstanceId>>,
    /// Disks of the world that were deleted.
    gone: BTreeSet<DiskId>,
    /// How many were ever made: ids are never used twice.
    ever: u64,
}

impl Disks {
    pub(crate) fn add(&mut self, disk: &DiskRecord) -> Result<(), Contradiction> {
        if self.made.contains_key(&disk.id) {
            return Err(Contradiction::DiskCreatedTwice(disk.id.clone()));
        }
        self.ever += 1;
        self.made.insert(disk.id.clone(), disk.clone());
        Ok(())
    }

    pub(crate) fn put(&mut self, disk: &DiskId, on: Option<InstanceId>) {
        self.moved.insert(disk.clone(), on);
    }

    pub(crate) fn remove(&mut self, disk: &DiskId) {
        self.moved.remove(disk);
        if self.made.remove(disk).is_none() {
            self.gone.insert(disk.clone());
        }
    }
}

/// A disk, whether it is of the world or was made.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) role: DiskRole,
    pub(crate) bytes: u64,
    pub(crate) encrypted: bool,
    zone: Option<String>,
}

impl Known {
    /// Its size in GiB, as clouds count.
    pub(crate) fn gib(&self) -> u32 {
        u32::try_from(self.bytes.div_ceil(1 << 30)).unwrap_or(u32::MAX)
    }
}

impl Cloud {
    /// The machine that a disk is attached to now.
    pub(crate) fn attachment(&self, disk: &DiskId) -> Option<&InstanceId> {
        match self.disks.moved.get(disk) {
            Some(on) => on.as_ref(),
            None if self.disks.gone.contains(disk) => None,
            None => self.world.attached.get(disk),
        }
    }

    /// A disk, wherever it is.
    pub(crate) fn disk(&self, id: &DiskId) -> Option<Known> {
        if let Some(made) = self.disks.made.get(id) {
            let DiskRecord { role, size, encrypted, zone, .. } = made;
            return Some(Known { role: role.clone(), bytes: *size, encrypted: *encrypted, zone: zone.clone() });
        }
        let (disk, machine) = self.world.disk(id).filter(|_| !self.disks.gone.contains(id))?;
        let zone = machine.zone.clone();
        Some(Known { role: disk.role.clone(), bytes: disk.bytes(), encrypted: disk.encrypted, zone })
    }

    /// The disks of a machine now, ordered by id.
    pub(crate) fn disks_of(&self, instance: &InstanceId, machine: &Machine) -> Vec<AttachedDisk> {
        let of_world = machine.disks.iter().filter(|(id, _)| self.attachment(id) == Some(instance));
        let mut disks: BTreeMap<&DiskId, AttachedDisk> = of_world.map(|(id, disk)| (id, disk.shown(id))).collect();
        for (id, on) in &self.disks.moved {
            if on.as_ref() == Some(instance)
                && let Some(Known { role, bytes, encrypted, .. }) = self.disk(id)
            {
                disks.insert(id, AttachedDisk { id: id.clone(), role, size: bytes, encrypted });
            }
        }
        disks.into_values().collect()
    }

    pub(crate) fn show_disk(&self, now: Timestamp, id: &DiskId) -> Result<ShownDisk, SimError> {
        let known = self.disk(id).ok_or_else(|| self.no_disk(id))?;
        let made = self.disks.made.get(id);
        Ok(ShownDisk {
            id: id.clone(),
            size: known.bytes,
            from: made.map(|made| made.from.clone()),
            is_ready: made.is_none_or(|made| made.done <= now),
            attached_to: self.attachment(id).cloned(),
            tags: made.map_or_else(Tags::new, |made| made.tags.clone()),
        })
    }

    pub(crate) fn find_disks(&self, now: Timestamp, intent: &Intent) -> Result<Reply, SimError> {
        self.check_filter()?;
        let ours =
            |disk: &&DiskRecord| disk.tags.contains_key(MANAGED) && disk.tags.get(INTENT) == Some(intent.0.as_str());
        let found: Result<Vec<_>, _> =
            self.disks.made.values().filter(ours).map(|disk| self.show_disk(now, &disk.id)).collect();
        found.map(Reply::Disks)
    }

    /// Makes a disk, or answers by the one that an earlier call with this word made.
    pub(crate) fn create_disk(&self, now: Timestamp, order: &NewDisk, fate: Fate) -> Decision {
        match self.known_disk(order) {
            Err(error) => Decision::answer(Err(error)),
            Ok(Some(id)) => Decision::answer(self.show_disk(now, &id).map(|disk| Reply::Disk(Box::new(disk)))),
            Ok(None) => match self.begin_disk(now, order, fate) {
                Err(error) => Decision::answer(Err(error)),
                Ok(disk) => {
                    let shown = ShownDisk {
                        id: disk.id.clone(),
                        size: disk.size,
                        from: Some(disk.from.clone()),
                        is_ready: disk.done <= now,
                        attached_to: None,
                        tags: disk.tags.clone(),
                    };
                    Decision { effect: Some(Effect::DiskCreated { disk }), answer: Ok(Reply::Disk(Box::new(shown))) }
                }
            },
        }
    }

    fn known_disk(&self, order: &NewDisk) -> Result<Option<DiskId>, SimError> {
        let same = self.disks.made.values().find(|disk| disk.word == order.word);
        match (self.profile.identity, same) {
            (Identity::Named { form, .. }, None) => {
                self.check_name(form, &order.word)?;
                match DiskId::new(&order.word) {
                    Ok(id) if self.disk(&id).is_some() => Err(self.name_taken(&format!("disk `{id}`"))),
                    Ok(_) => Ok(None),
                    Err(error) => Err(SimError::invalid(self.profile.codes.invalid_value, error.to_string())),
                }
            }
            (Identity::Given | Identity::GivenOncePerToken, None) => Ok(None),
            (Identity::Named { repeats: false, .. }, Some(disk)) => {
                Err(self.name_taken(&format!("disk `{}` of snapshot `{}`", disk.id, disk.from)))
            }
            (_, Some(disk)) if disk.from == order.snapshot => Ok(Some(disk.id.clone())),
            (_, Some(disk)) => Err(self.name_taken(&format!("disk `{}` of snapshot `{}`", disk.id, disk.from))),
        }
    }

    fn begin_disk(&self, now: Timestamp, order: &NewDisk, fate: Fate) -> Result<DiskRecord, SimError> {
        let codes = &self.profile.codes;
        let snapshot = self.find(&order.snapshot)?;
        let machine = self.machine(&order.instance)?;
        match snapshot.readiness(now) {
            Readiness::Ready => {}
            Readiness::Creating | Readiness::CutFixed => {
                let message = format!("the snapshot `{}` is not ready yet", order.snapshot);
                return Err(SimError::new(SimErrorKind::Busy, codes.wrong_state, message));
            }
            Readiness::Failed { because } => {
                let message = format!("the snapshot `{}` has failed: {because}", order.snapshot);
                return Err(SimError::invalid(codes.wrong_state, message));
            }
        }
        self.check_tags(&order.tags)?;
        let created = to_micros(now);
        let gib = u32::try_from(snapshot.size.div_ceil(1 << 30)).unwrap_or(u32::MAX);
        let id = match self.profile.identity {
            Identity::Named { .. } => order.word.clone(),
            Identity::Given | Identity::GivenOncePerToken => {
                self.given_id(self.profile.disk_ids, &format!("disk {}", self.disks.ever))
            }
        };
        Ok(DiskRecord {
            id: DiskId::new(id).map_err(|error| SimError::invalid(codes.invalid_value, error.to_string()))?,
            from: order.snapshot.clone(),
            role: snapshot.role.clone(),
            size: snapshot.size,
            encrypted: snapshot.encrypted,
            zone: machine.zone.clone(),
            created,
            done: fate.done(created, self.profile.disk_ready.of(gib, true)),
            tags: order.tags.clone(),
            word: order.word.clone(),
        })
    }

    pub(crate) fn attach_disk(
        &self,
        now: Timestamp,
        id: &DiskId,
        instance: &InstanceId,
    ) -> Result<Option<Effect>, SimError> {
        let codes = &self.profile.codes;
        let disk = self.show_disk(now, id)?;
        let zone = self.disk(id).and_then(|known| known.zone);
        let machine = self.machine(instance)?;
        match disk.attached_to {
            Some(owner) if owner == *instance => return Ok(None),
            Some(owner) => {
                let message = format!("the disk `{id}` is attached to the instance `{owner}`");
                return Err(SimError::new(SimErrorKind::Busy, codes.in_use, message));
            }
            None => {}
        }
        if zone != machine.zone {
            let message = format!("the disk `{id}` and the instance `{instance}` are not in one zone");
            return Err(SimError::invalid(codes.wrong_zone, message));
        }
        if !disk.is_ready {
            let message = format!("the disk `{id}` is not ready yet");
            return Err(SimError::new(SimErrorKind::Busy, codes.wrong_state, message));
        }
        Ok(Some(Effect::DiskAttached { at: now, disk: id.clone(), instance: instance.clone() }))
    }

    pub(crate) fn detach_disk(
        &self,
        now: Timestamp,
        id: &DiskId,
        instance: &InstanceId,
    ) -> Result<Option<Effect>, SimError> {
        if self.disk(id).is_none() {
            return Err(self.no_disk(id));
        }
        self.machine(instance)?;
        let is_there = self.attachment(id) == Some(instance);
        Ok(is_there.then(|| Effect::DiskDetached { at: now, disk: id.clone() }))
    }

    pub(crate) fn delete_disk(&self, now: Timestamp, id: &DiskId) -> Result<Option<Effect>, SimError> {
        if self.disk(id).is_none() {
            return if self.profile.deletes_what_is_gone { Ok(None) } else { Err(self.no_disk(id)) };
        }
        match self.attachment(id) {
            None => Ok(Some(Effect::DiskDeleted { at: now, disk: id.clone() })),
            Some(owner) => {
                let message = format!("the disk `{id}` is attached to the instance `{owner}`");
                Err(SimError::new(SimErrorKind::Busy, self.profile.codes.in_use, message))
            }
        }
    }
}
