//! Whether a cloud accepts a copy, and what becomes of it.

use crate::call::NewCopy;
use crate::cloud::Cloud;
use crate::effect::SnapshotRecord;
use crate::error::{SimError, SimErrorKind};
use crate::profile::CopyDisk;
use backstay_core::capabilities::Copies;
use backstay_core::name::DiskId;
use backstay_core::time::to_micros;
use jiff::Timestamp;

/// One GiB.
const GIB: u64 = 1 << 30;

impl Cloud {
    /// A new copy's record. The cloud knows nothing of other sites: the caller has seen that the source is ready.
    pub(crate) fn begin_copy(
        &self,
        now: Timestamp,
        order: &NewCopy,
        fails: Option<&str>,
    ) -> Result<SnapshotRecord, SimError> {
        self.check_copies(now, order)?;
        self.check_tags(&order.tags)?;
        self.check_quota(1)?;
        let created = to_micros(now);
        let is_full = !self.copies().any(|copy| is_of_disk(copy, order) && copy.fails.is_none());
        let gib = u32::try_from(order.size.div_ceil(GIB)).unwrap_or(u32::MAX);
        let length = self.profile.ready.of(gib, is_full);
        Ok(SnapshotRecord {
            id: self.snapshot_id(0),
            disk: self.copy_disk(order)?,
            created,
            done: created.checked_add(length).unwrap_or(Timestamp::MAX),
            fails: fails.map(str::to_owned),
            tags: order.tags.clone(),
            size: order.size,
            encrypted: order.encrypted || order.kms_key.is_some(),
            kms_key: order.kms_key.clone(),
            copied: Some(order.source.clone()),
            lock: None,
        })
    }

    fn check_copies(&self, now: Timestamp, order: &NewCopy) -> Result<(), SimError> {
        let codes = &self.profile.codes;
        let (parallel, in_order) = match self.profile.copies {
            Copies::Queued { parallel, in_order } => (parallel, in_order),
            Copies::None | Copies::PlacedAtCreation => {
                return Err(SimError::invalid(codes.unsupported, "this cloud copies no snapshots"));
            }
        };
        let mut on_their_way = 0;
        for copy in self.copies().filter(|copy| now < copy.done) {
            on_their_way += 1;
            if in_order && is_of_disk(copy, order) {
                let message = format!("a copy of disk `{}` is on its way: one at a time", order.source.disk);
                return Err(SimError::new(SimErrorKind::Busy, codes.too_many_copies, message));
            }
        }
        if on_their_way < parallel {
            return Ok(());
        }
        let message =
            format!("too many snapshot copies in progress: the limit is {parallel} for this destination; wait for one");
        Err(SimError::new(SimErrorKind::Busy, codes.too_many_copies, message))
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
