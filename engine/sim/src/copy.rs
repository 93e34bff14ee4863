//! Whether a cloud accepts a copy, and what becomes of it.

use crate::call::NewCopy;
use crate::cloud::Cloud;
use crate::effect::SnapshotRecord;
use crate::error::{SimError, SimErrorKind};
use crate::faults::Fate;
use crate::profile::{CopyDisk, Identity};
use backstay_core::capabilities::Copies;
use backstay_core::name::DiskId;
use backstay_core::observed::DiskRole;
use backstay_core::time::to_micros;
use jiff::Timestamp;

/// One GiB.
const GIB: u64 = 1 << 30;

impl Cloud {
    /// A new copy's record. The cloud knows nothing of other sites: the caller has seen that the source is ready.
    pub(crate) fn begin_copy(&self, now: Timestamp, order: &NewCopy, fate: Fate) -> Result<SnapshotRecord, SimError> {
        self.check_copies(now, order)?;
        self.check_tags(&order.tags)?;
        self.check_quota(1)?;
        let created = to_micros(now);
        let is_full = !self.copies().any(|copy| is_of_disk(copy, order) && copy.succeeds());
        let gib = u32::try_from(order.size.div_ceil(GIB)).unwrap_or(u32::MAX);
        let done = fate.done(created, self.profile.copied.of(gib, is_full));
        Ok(SnapshotRecord {
            id: self.new_id(0, order.word.as_deref())?,
            disk: self.copy_disk(order)?,
            created,
            // The source's instant is fixed already.
            fixed: None,
            done,
            fails: fate.fails.map(str::to_owned),
            tags: order.tags.clone(),
            size: order.size,
            encrypted: order.encrypted || order.kms_key.is_some(),
            kms_key: order.kms_key.clone(),
            location: None,
            role: DiskRole::Unknown,
            word: self.kept_word(order.word.as_deref()),
            copied: Some(order.source.clone()),
            lock: None,
        })
    }

    fn check_copies(&self, now: Timestamp, order: &NewCopy) -> Result<(), SimError> {
        let codes = &self.profile.codes;
        let (parallel, in_order) = match self.profile.rules.copies {
            Copies::Queued { parallel, in_order } => (parallel, in_order),
            Copies::None | Copies::PlacedAtCreation => {
                return Err(SimError::invalid(codes.unsupported, "this cloud copies no snapshots"));
            }
        };
        let mut on_their_way = 0;
        for copy in self.copies() {
            let is_on_its_way = now < copy.done;
            on_their_way += u32::from(is_on_its_way);
            if !in_order || !is_of_disk(copy, order) {
                continue;
            }
            if is_on_its_way {
                let message = format!("a copy of disk `{}` is on its way: one at a time", order.source.disk);
                return Err(SimError::new(SimErrorKind::Busy, codes.too_many_copies, message));
            }
            let made = copy.copied.as_ref().and_then(|from| from.created);
            if copy.fails.is_none() && made.zip(order.source.created).is_some_and(|(made, this)| this < made) {
                let message =
                    format!("a later snapshot of disk `{}` has been copied: in their order", order.source.disk);
                return Err(SimError::invalid(codes.wrong_state, message));
            }
        }
        if on_their_way < parallel {
            return Ok(());
        }
        let message =
            format!("too many snapshot copies in progress: the limit is {parallel} for this destination; wait for one");
        Err(SimError::new(SimErrorKind::Busy, codes.too_many_copies, message))
    }

    /// What an earlier call with this word copied, where the cloud can tell.
    pub(crate) fn known_copy(&self, order: &NewCopy) -> Result<Option<&SnapshotRecord>, SimError> {
        match self.profile.identity {
            Identity::Given => Ok(None),
            Identity::GivenOncePerToken => {
                let same = |copy: &&SnapshotRecord| order.word.is_some() && copy.word == order.word;
                Ok(self.copies().find(same))
            }
            Identity::Named { .. } => self.known(order.word.as_deref(), &self.copy_disk(order)?),
        }
    }

    fn copies(&self) -> impl Iterator<Item = &SnapshotRecord> {
        self.shelf.after(None).filter(|snapshot| snapshot.copied.is_some())
    }

    fn copy_disk(&self, order: &NewCopy) -> Result<DiskId, SimError> {
        let id = match self.profile.copy_disk {
            CopyDisk::Arbitrary(id) => id,
            CopyDisk::SourceSnapshot => order.source.snapshot.as_str(),
            CopyDisk::SourceDisk => order.source.disk.as_str(),
        };
        DiskId::new(id).map_err(|error| SimError::invalid(self.profile.codes.invalid_value, error.to_string()))
    }
}

/// Whether a copy is of the disk that this order's source is of.
fn is_of_disk(copy: &SnapshotRecord, order: &NewCopy) -> bool {
    copy.copied.as_ref().is_some_and(|from| (&from.site, &from.disk) == (&order.source.site, &order.source.disk))
}
