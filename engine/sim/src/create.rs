//! Whether a cloud accepts new snapshots, and what becomes of them.

use crate::call::NewPart;
use crate::cloud::Cloud;
use crate::disks::Known;
use crate::effect::SnapshotRecord;
use crate::error::{SimError, SimErrorKind};
use crate::faults::Fate;
use crate::profile::{Identity, Ids, NameForm};
use backstay_core::capabilities::{Copies, Spacing};
use backstay_core::name::{DiskId, InstanceId, SnapshotId};
use backstay_core::observed::Readiness;
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
        fate: Fate,
    ) -> Result<Vec<SnapshotRecord>, SimError> {
        let codes = &self.profile.codes;
        let distinct: BTreeSet<&DiskId> = parts.iter().map(|part| &part.disk).collect();
        if parts.is_empty() || distinct.len() != parts.len() {
            return Err(SimError::invalid(codes.invalid_combination, "a group names at least one disk, and each once"));
        }
        for part in parts {
            self.check_attached(instance, &part.disk)?;
            self.check_tags(&part.tags)?;
            self.check_place(part)?;
            self.check_rate(now, &part.disk)?;
            self.check_pending(now, &part.disk)?;
            self.check_disk_quota(&part.disk)?;
        }
        self.check_quota(parts.len())?;
        (0..).zip(parts).map(|(place, part)| self.begin_snapshot(now, place, part, fate)).collect()
    }

    /// Several disks of one machine at the same instant, where the cloud can.
    pub(crate) fn accept_group(
        &self,
        now: Timestamp,
        instance: &InstanceId,
        parts: &[NewPart],
        fate: Fate,
    ) -> Result<Vec<SnapshotRecord>, SimError> {
        let codes = &self.profile.codes;
        match self.profile.rules.group {
            None => {
                Err(SimError::invalid(codes.unsupported, "this cloud cannot snapshot several disks at one instant"))
            }
            Some(most) if parts.len() > most as usize => {
                let message = format!("a group has at most {most} disks, and this one {}", parts.len());
                Err(SimError::invalid(codes.invalid_combination, message))
            }
            Some(_) => self.accept(now, instance, parts, fate),
        }
    }

    /// What an earlier call with this word made of this disk, where the cloud can tell.
    pub(crate) fn known(&self, word: Option<&str>, disk: &DiskId) -> Result<Option<&SnapshotRecord>, SimError> {
        match self.profile.identity {
            Identity::Given => Ok(None),
            Identity::GivenOncePerToken => {
                let same = |snapshot: &&SnapshotRecord| word.is_some() && snapshot.word.as_deref() == word;
                Ok(self.shelf.of_disk(disk).find(same))
            }
            Identity::Named { form, repeats } => {
                let id = self.name(form, word)?;
                match self.shelf.get(&id) {
                    None => Ok(None),
                    Some(taken) if repeats && taken.disk == *disk => Ok(Some(taken)),
                    Some(taken) => Err(self.name_taken(&format!("snapshot `{id}` of disk `{}`", taken.disk))),
                }
            }
        }
    }

    /// A name that the caller chose, as the id that it is.
    fn name(&self, form: NameForm, word: Option<&str>) -> Result<SnapshotId, SimError> {
        let word = word.unwrap_or_default();
        self.check_name(form, word)?;
        SnapshotId::new(word).map_err(|error| SimError::invalid(self.profile.codes.invalid_value, error.to_string()))
    }

    pub(crate) fn check_name(&self, form: NameForm, word: &str) -> Result<(), SimError> {
        if form.fits(word) {
            return Ok(());
        }
        let shown: String = word.chars().take(80).collect();
        Err(SimError::invalid(self.profile.codes.invalid_value, format!("`{shown}` is not a name of this cloud")))
    }

    pub(crate) fn name_taken(&self, by: &str) -> SimError {
        let message = format!("the name is taken by {by}");
        SimError::new(SimErrorKind::AlreadyExists, self.profile.codes.name_taken, message)
    }

    /// The id of a new snapshot. `place` counts the snapshots of one call.
    pub(crate) fn new_id(&self, place: u64, word: Option<&str>) -> Result<SnapshotId, SimError> {
        match (self.profile.identity, word) {
            (Identity::Named { form, .. }, Some(_)) => self.name(form, word),
            // What somebody makes behind our back has a name of its own.
            (Identity::Named { .. }, None) | (Identity::Given | Identity::GivenOncePerToken, _) => {
                Ok(self.snapshot_id(place))
            }
        }
    }

    /// A new snapshot's record. `place` counts the snapshots of one call.
    pub(crate) fn begin_snapshot(
        &self,
        now: Timestamp,
        place: u64,
        part: &NewPart,
        fate: Fate,
    ) -> Result<SnapshotRecord, SimError> {
        let disk = self.disk(&part.disk).ok_or_else(|| self.no_disk(&part.disk))?;
        let created = to_micros(now);
        let done = self.done(created, &part.disk, &disk, fate);
        let fixed = self.profile.fixed_at(created, done, fate.times);
        Ok(SnapshotRecord {
            id: self.new_id(place, part.word.as_deref())?,
            disk: part.disk.clone(),
            created,
            fixed: (fixed > created).then_some(fixed),
            done,
            fails: fate.fails.map(str::to_owned),
            tags: part.tags.clone(),
            size: disk.bytes,
            encrypted: disk.encrypted,
            kms_key: None,
            location: part.location.clone(),
            role: disk.role,
            word: self.kept_word(part.word.as_deref()),
            copied: None,
            lock: None,
        })
    }

    /// The word that a cloud keeps: a token. A name is the id itself.
    pub(crate) fn kept_word(&self, word: Option<&str>) -> Option<String> {
        match self.profile.identity {
            Identity::GivenOncePerToken => word.map(str::to_owned),
            Identity::Given | Identity::Named { .. } => None,
        }
    }

    pub(crate) fn check_quota(&self, more: usize) -> Result<(), SimError> {
        let Some(quota) = self.profile.rules.snapshots_per_site else { return Ok(()) };
        if self.shelf.len() + more <= quota as usize {
            return Ok(());
        }
        let message = format!("the account `{}` has all the {quota} snapshots that it may have", self.world.account);
        Err(SimError::new(SimErrorKind::QuotaExceeded, self.profile.codes.too_many_snapshots, message))
    }

    fn check_disk_quota(&self, disk: &DiskId) -> Result<(), SimError> {
        let Some(quota) = self.profile.rules.snapshots_per_disk else { return Ok(()) };
        if self.shelf.of_disk(disk).count() < quota as usize {
            return Ok(());
        }
        let message = format!("the disk `{disk}` has all the {quota} snapshots that it may have");
        Err(SimError::new(SimErrorKind::QuotaExceeded, self.profile.codes.too_many_of_disk, message))
    }

    /// Only a cloud that places snapshots when it makes them takes a location.
    fn check_place(&self, part: &NewPart) -> Result<(), SimError> {
        match (self.profile.rules.copies, &part.location) {
            (_, None) | (Copies::PlacedAtCreation, Some(_)) => Ok(()),
            (Copies::None | Copies::Queued { .. }, Some(location)) => {
                let message = format!("this cloud keeps snapshots in their own region, not in `{location}`");
                Err(SimError::invalid(self.profile.codes.unsupported, message))
            }
        }
    }

    fn check_attached(&self, instance: &InstanceId, disk: &DiskId) -> Result<(), SimError> {
        let codes = &self.profile.codes;
        if !self.world.machines.contains_key(instance) {
            return Err(self.no_instance(instance));
        }
        match self.attachment(disk) {
            None if self.disk(disk).is_none() => Err(self.no_disk(disk)),
            None => {
                let message = format!("the disk `{disk}` is attached to no instance");
                Err(SimError::not_found(codes.not_attached, message))
            }
            Some(owner) if owner == instance => Ok(()),
            Some(owner) => {
                let message = format!("the volume `{disk}` is attached to the instance `{owner}`, not to `{instance}`");
                Err(SimError::not_found(codes.not_attached, message))
            }
        }
    }

    /// Never sooner than the interval after the last time, and never more than so many times within the window.
    fn check_rate(&self, now: Timestamp, disk: &DiskId) -> Result<(), SimError> {
        let Spacing { interval, most, window } = self.profile.rules.spacing;
        let creates = self.shelf.creates(disk);
        let after_last = creates.last().map_or(Timestamp::MIN, |last| interval.after(*last));
        // As many as the window holds are behind the one that must have left it.
        let nth = creates.len().checked_sub(most as usize).and_then(|place| creates.get(place));
        let after_window = nth.map_or(Timestamp::MIN, |first| window.after(*first));
        let next = after_last.max(after_window);
        if now >= next {
            return Ok(());
        }
        let after = next.duration_since(now);
        let message = if after_window > after_last {
            format!("`{disk}` was snapshotted {most} times within {window}, which is all that it may be")
        } else {
            format!(
                "the maximum per volume CreateSnapshot request rate has been exceeded for `{disk}`: one in {interval}"
            )
        };
        Err(SimError::new(SimErrorKind::Throttled { after: Some(after) }, self.profile.codes.too_soon, message))
    }

    /// Where a failed snapshot counts, it does until it is deleted (CLOUDS.md 1.3).
    fn check_pending(&self, now: Timestamp, disk: &DiskId) -> Result<(), SimError> {
        let rules = &self.profile.rules;
        let Some(limit) = rules.pending_per_disk else { return Ok(()) };
        let is_pending = |snapshot: &&SnapshotRecord| match snapshot.readiness(now) {
            Readiness::Creating | Readiness::CutFixed => true,
            Readiness::Failed { .. } => rules.failed_is_pending,
            Readiness::Ready => false,
        };
        let pending = self.shelf.of_disk(disk).filter(is_pending).count();
        if pending < limit as usize {
            return Ok(());
        }
        let message = format!("`{disk}` has {pending} unfinished snapshots, and may have {limit}");
        Err(SimError::new(SimErrorKind::Busy, self.profile.codes.too_many_pending, message))
    }

    /// When a new snapshot can be restored. The first one of a disk is full. Later ones only add what changed, while an
    /// earlier one still exists, and are not whole before it is.
    fn done(&self, created: Timestamp, id: &DiskId, disk: &Known, fate: Fate) -> Timestamp {
        let bases = self.shelf.of_disk(id).filter(|snapshot| snapshot.succeeds());
        let base = bases.map(|snapshot| snapshot.done).max();
        let done = fate.done(created, self.profile.ready.of(disk.gib(), base.is_none()));
        base.map_or(done, |base| base.max(done))
    }

    /// The account is part of it, so that two sites of one seed do not give the same ids.
    pub(crate) fn snapshot_id(&self, place: u64) -> SnapshotId {
        let number = self.shelf.ever() + place;
        let id = self.given_id(self.profile.snapshot_ids, &format!("snapshot {number}"));
        SnapshotId::new(id).expect("a profile's prefix and hexadecimal digits are an id")
    }

    pub(crate) fn given_id(&self, ids: Ids, what: &str) -> String {
        let text = format!("backstay sim {} {} {what}\n", self.seed, self.world.account);
        let digits = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        format!("{}{}", ids.prefix, &digits[..ids.digits])
    }

    pub(crate) fn no_disk(&self, disk: &DiskId) -> SimError {
        SimError::not_found(self.profile.codes.no_disk, format!("the volume `{disk}` does not exist"))
    }

    pub(crate) fn no_instance(&self, instance: &InstanceId) -> SimError {
        SimError::not_found(self.profile.codes.no_instance, format!("the instance `{instance}` does not exist"))
    }
}
