//! Whether a cloud accepts new snapshots, and what becomes of them.

use crate::call::NewPart;
use crate::cloud::Cloud;
use crate::effect::SnapshotRecord;
use crate::error::{SimError, SimErrorKind};
use crate::world::Disk;
use backstay_core::name::{DiskId, InstanceId, SnapshotId};
use backstay_core::observed::Readiness;
use backstay_core::tags::Tags;
use backstay_core::time::to_micros;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

impl Cloud {
    /// Checks every rule for all parts before any is accepted: a group is made whole or not at all.
    pub(crate) fn accept(
        &self,
        now: Timestamp,
        instance: &InstanceId,
        parts: &[NewPart],
        fails: Option<&str>,
    ) -> Result<Vec<SnapshotRecord>, SimError> {
        let codes = &self.profile.codes;
        let distinct: BTreeSet<&DiskId> = parts.iter().map(|part| &part.disk).collect();
        if parts.is_empty() || distinct.len() != parts.len() {
            return Err(SimError::invalid(codes.invalid_combination, "a group names at least one disk, and each once"));
        }
        for part in parts {
            self.check_attached(instance, &part.disk)?;
            self.check_tags(&part.tags)?;
            self.check_rate(now, &part.disk)?;
            self.check_pending(now, &part.disk)?;
        }
        self.check_quota(parts.len())?;
        (0..).zip(parts).map(|(place, part)| self.begin_snapshot(now, place, part, fails)).collect()
    }

    /// A new snapshot's record. `place` counts the snapshots of one call.
    pub(crate) fn begin_snapshot(
        &self,
        now: Timestamp,
        place: u64,
        part: &NewPart,
        fails: Option<&str>,
    ) -> Result<SnapshotRecord, SimError> {
        let disk = self.world.disk(&part.disk).ok_or_else(|| self.no_disk(&part.disk))?;
        let created = to_micros(now);
        Ok(SnapshotRecord {
            id: self.snapshot_id(place),
            disk: part.disk.clone(),
            created,
            done: self.done(created, &part.disk, disk),
            fails: fails.map(str::to_owned),
            tags: part.tags.clone(),
            size: disk.bytes(),
            encrypted: disk.encrypted,
            kms_key: None,
            copied: None,
            lock: None,
        })
    }

    pub(crate) fn check_quota(&self, more: usize) -> Result<(), SimError> {
        let quota = self.profile.snapshot_quota;
        if self.shelf.len() + more <= quota {
            return Ok(());
        }
        let message = format!("the account `{}` has all the {quota} snapshots that it may have", self.world.account);
        Err(SimError::new(SimErrorKind::QuotaExceeded, self.profile.codes.too_many_snapshots, message))
    }

    fn check_attached(&self, instance: &InstanceId, disk: &DiskId) -> Result<(), SimError> {
        let codes = &self.profile.codes;
        if !self.world.machines.contains_key(instance) {
            return Err(self.no_instance(instance));
        }
        match self.world.attached.get(disk) {
            None => Err(self.no_disk(disk)),
            Some(owner) if owner == instance => Ok(()),
            Some(owner) => {
                let message = format!("the volume `{disk}` is attached to the instance `{owner}`, not to `{instance}`");
                Err(SimError::not_found(codes.not_attached, message))
            }
        }
    }

    /// Checks what a snapshot's tags would be.
    pub(crate) fn check_tags(&self, tags: &Tags) -> Result<(), SimError> {
        let Self { profile, .. } = self;
        if tags.len() > profile.tags {
            let message = format!("{} tags are more than the {} that a snapshot may have", tags.len(), profile.tags);
            return Err(SimError::new(SimErrorKind::QuotaExceeded, profile.codes.too_many_tags, message));
        }
        let wrong = |key: &str, rule: String| {
            let shown: String = key.chars().take(40).collect();
            Err(SimError::invalid(profile.codes.invalid_value, format!("tag `{shown}`: {rule}")))
        };
        for (key, value) in tags {
            if key.is_empty() || key.chars().count() > profile.tag_key {
                return wrong(key, format!("a key has 1 to {} characters", profile.tag_key));
            }
            if value.chars().count() > profile.tag_value {
                return wrong(key, format!("a value has at most {} characters", profile.tag_value));
            }
            if key.starts_with(profile.reserved_tag_prefix) {
                return wrong(key, format!("keys that begin with `{}` are reserved", profile.reserved_tag_prefix));
            }
        }
        Ok(())
    }

    fn check_rate(&self, now: Timestamp, disk: &DiskId) -> Result<(), SimError> {
        let interval = self.profile.create_interval;
        let next = self.shelf.last_create(disk).map_or(Timestamp::MIN, |last| interval.after(last));
        if now >= next {
            return Ok(());
        }
        let after = next.duration_since(now);
        let message = format!(
            "the maximum per volume CreateSnapshot request rate has been exceeded for `{disk}`: one in {interval}"
        );
        Err(SimError::new(SimErrorKind::Throttled { after: Some(after) }, self.profile.codes.too_soon, message))
    }

    /// A failed snapshot still counts, until it is deleted (CLOUDS.md 1.3).
    fn check_pending(&self, now: Timestamp, disk: &DiskId) -> Result<(), SimError> {
        let limit = self.profile.pending_per_disk;
        let pending = self.shelf.of_disk(disk).filter(|snapshot| snapshot.readiness(now) != Readiness::Ready).count();
        if pending < limit {
            return Ok(());
        }
        let message = format!("`{disk}` has {pending} unfinished snapshots, and may have {limit}");
        Err(SimError::new(SimErrorKind::Busy, self.profile.codes.too_many_pending, message))
    }

    /// When a new snapshot can be restored. The first one of a disk is full. Later ones only add what changed, while an
    /// earlier one still exists, and are not whole before it is.
    fn done(&self, created: Timestamp, id: &DiskId, disk: &Disk) -> Timestamp {
        let bases = self.shelf.of_disk(id).filter(|snapshot| snapshot.fails.is_none());
        let base = bases.map(|snapshot| snapshot.done).max();
        let length = self.profile.ready.of(disk.gib, base.is_none());
        let done = created.checked_add(length).unwrap_or(Timestamp::MAX);
        base.map_or(done, |base| base.max(done))
    }

    /// The account is part of it, so that two sites of one seed do not give the same ids.
    pub(crate) fn snapshot_id(&self, place: u64) -> SnapshotId {
        let number = self.shelf.ever() + place;
        let text = format!("backstay sim {} {} snapshot {number}\n", self.seed, self.world.account);
        let digits = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        let id = format!("{}{}", self.profile.id_prefix, &digits[..self.profile.id_digits]);
        SnapshotId::new(id).expect("a profile's prefix and hexadecimal digits are an id")
    }

    pub(crate) fn no_disk(&self, disk: &DiskId) -> SimError {
        SimError::not_found(self.profile.codes.no_disk, format!("the volume `{disk}` does not exist"))
    }

    pub(crate) fn no_instance(&self, instance: &InstanceId) -> SimError {
        SimError::not_found(self.profile.codes.no_instance, format!("the instance `{instance}` does not exist"))
    }
}
