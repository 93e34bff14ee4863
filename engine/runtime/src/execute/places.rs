//! Copies, mended tags and locks: the effects on points that exist.

use super::{Answer, Hands, cut_of, fail, read_as_planned, stale};
use crate::calls::CallError;
use backstay_core::lsn::WalRange;
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::plan::{CopyPoint, ExpectedSnapshot, LockPoint, Retagged, TagPoint};
use backstay_core::saga::{Effect, Event};
use backstay_core::tags::{self, PointKey};
use backstay_provider::{CopySnapshot, PointFileId, PointFiles, ProviderError};

/// The WAL segment sizes that PostgreSQL knows, in bytes.
const SEGMENT_SIZES: std::ops::RangeInclusive<u32> = 20..=30;

impl Hands<'_> {
    pub(super) async fn copy(&mut self, copy: &CopyPoint, effect: &Effect) -> Result<Event, Answer> {
        match effect {
            Effect::CheckSource { target } => self.check_source(copy, target).await,
            Effect::Copy { part } => self.copy_part(copy, *part).await,
            Effect::CopyFiles => self.copy_files(copy).await,
            Effect::Seal { part } => {
                let (Some(planned), Some(snapshot)) = (copy.parts.get(*part), self.created.get(*part)) else {
                    return Err(fail("a part was not copied"));
                };
                let known = tags::when_known(&planned.name, copy.system, copy.wal, copy.cut);
                self.add_sealed(snapshot, known).await
            }
            Effect::LookForAttempt
            | Effect::BeginBackup
            | Effect::Cut { .. }
            | Effect::AwaitCut { .. }
            | Effect::StopBackup
            | Effect::KeepFiles
            | Effect::CloseBackup
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
            | Effect::RemoveFiles => Err(fail("a copy only copies")),
        }
    }

    async fn check_source(&mut self, copy: &CopyPoint, target: &ExpectedSnapshot) -> Result<Event, Answer> {
        let from = self.from.as_ref().ok_or_else(|| fail(format!("site {} could not be read", copy.from)))?;
        let now = read_as_planned(from, target, None).await?;
        if now.readiness != Readiness::Ready {
            return Err(stale(format!("snapshot {} is not ready", target.id)));
        }
        self.checked.push(now);
        Ok(Event::Done)
    }

    async fn copy_part(&mut self, copy: &CopyPoint, part: usize) -> Result<Event, Answer> {
        let planned = copy.parts.get(part).ok_or_else(|| fail("there is no such part"))?;
        let source = self.seen(&planned.source.id)?;
        let order = CopySnapshot {
            from: copy.from.clone(),
            source: source.clone(),
            intent: planned.intent.clone(),
            tags: tags::at_creation(&self.cluster.uid, copy.class, copy.point, &planned.intent),
            kms_key: copy.kms_key.clone(),
        };
        let snapshot = self.copied_for_sure(&order).await?;
        let snapshots = vec![cut_of(&snapshot)];
        self.created.push(snapshot);
        Ok(Event::Snapshots { snapshots })
    }

    /// Label, map and WAL: a labelled copy cannot be recovered without them. Where one of the two sites keeps no files, there
    /// is nothing to copy from or to.
    async fn copy_files(&self, copy: &CopyPoint) -> Result<Event, Answer> {
        let from = self.from.and_then(|from| from.capabilities().point_files.as_ref());
        let (Some(from), Some(to), Some(wal)) = (from, self.calls.capabilities().point_files.as_ref(), copy.wal) else {
            return Ok(Event::Done);
        };
        let id =
            |name: &str| PointFileId { cluster: self.cluster.uid.clone(), point: copy.point, name: name.to_owned() };
        let mut names = self.wal_files(from.as_ref(), copy.point, wal).await?;
        if wal.timeline.0 > 1 {
            names.push(format!("wal/{:08X}.history", wal.timeline.0));
        }
        // The label last: where it is, all of it is.
        names.extend(["tablespace_map".to_owned(), "backup_label".to_owned()]);
        for name in names {
            let bytes = from.get(&id(&name)).await?;
            let bytes =
                bytes.ok_or_else(|| fail(format!("{name} is not beside point {} at {}", copy.point, copy.from)))?;
            to.put(&id(&name), &bytes).await?;
        }
        Ok(Event::Done)
    }

    /// The segments that the point needs, by the server's segment size: the smallest for which every one of them is there.
    ///
    /// No larger size than the true one is found first, since the true one fits. A smaller one needs a segment after the last.
    pub(super) async fn wal_files(
        &self,
        from: &dyn PointFiles,
        point: PointKey,
        wal: WalRange,
    ) -> Result<Vec<String>, Answer> {
        for power in SEGMENT_SIZES {
            let names: Vec<String> = wal.segments(1 << power).into_iter().map(|name| format!("wal/{name}")).collect();
            // From the last: a size that is too small fails there.
            let mut is_whole = true;
            for name in names.iter().rev() {
                let id = PointFileId { cluster: self.cluster.uid.clone(), point, name: name.clone() };
                is_whole = from.get(&id).await?.is_some();
                if !is_whole {
                    break;
                }
            }
            if is_whole {
                return Ok(names);
            }
        }
        Err(fail(format!("the WAL of point {point} is not beside it")))
    }

    pub(super) async fn retag(&mut self, tag: &TagPoint, effect: &Effect) -> Result<Event, Answer> {
        match effect {
            Effect::CheckTarget { target } => self.check_target(target).await,
            Effect::SetTags { snapshot } => {
                let (retagged, seen) = self.to_retag(tag, |expected| expected.id == *snapshot)?;
                let mut after = seen.clone();
                after.tags.extend(retagged.set.clone());
                self.tag_for_sure(seen, &retagged.set).await?;
                self.touched.insert((self.change.site.clone(), snapshot.clone()), after.generation());
                Ok(Event::Done)
            }
            Effect::Adopt { snapshot } => {
                let (retagged, seen) = self.to_retag(tag, |expected| expected.id == *snapshot)?;
                self.add_sealed(seen, retagged.set.clone()).await
            }
            Effect::LookForAttempt
            | Effect::BeginBackup
            | Effect::Cut { .. }
            | Effect::AwaitCut { .. }
            | Effect::StopBackup
            | Effect::KeepFiles
            | Effect::CloseBackup
            | Effect::Seal { .. }
            | Effect::CheckSource { .. }
            | Effect::Copy { .. }
            | Effect::CopyFiles
            | Effect::Lock { .. }
            | Effect::WriteTombstone { .. }
            | Effect::TagTombstone { .. }
            | Effect::SightTombstone { .. }
            | Effect::RevokeTombstone { .. }
            | Effect::UntagTombstone { .. }
            | Effect::CountDelete
            | Effect::Delete { .. }
            | Effect::RemoveFiles => Err(fail("a tag only sets tags")),
        }
    }

    /// What is planned for a snapshot, and the snapshot as it was just read.
    fn to_retag<'t>(
        &self,
        tag: &'t TagPoint,
        is_it: impl Fn(&ExpectedSnapshot) -> bool,
    ) -> Result<(&'t Retagged, &Snapshot), Answer> {
        let retagged = tag.snapshots.iter().find(|retagged| is_it(&retagged.expected));
        let retagged = retagged.ok_or_else(|| fail("it is not in the plan"))?;
        let seen = self.checked.iter().find(|seen| seen.id == retagged.expected.id);
        Ok((retagged, seen.ok_or_else(|| fail(format!("snapshot {} was not looked at", retagged.expected.id)))?))
    }

    pub(super) async fn lock(&mut self, lock: &LockPoint, effect: &Effect) -> Result<Event, Answer> {
        match effect {
            Effect::CheckTarget { target } => self.check_target(target).await,
            Effect::Lock { snapshot } => {
                let is_locked = |now: &Snapshot| now.locked_until.is_some_and(|until| until >= lock.until);
                self.changed_for_sure(self.seen(snapshot)?, is_locked, || async {
                    let until = self.calls.lock(snapshot, lock.mode, lock.until).await?;
                    if until >= lock.until {
                        return Ok(());
                    }
                    let short = format!("snapshot {snapshot} is locked until {until} only, not {}", lock.until);
                    Err(CallError::Refused(ProviderError::invalid(short)))
                })
                .await?;
                Ok(Event::Done)
            }
            Effect::LookForAttempt
            | Effect::BeginBackup
            | Effect::Cut { .. }
            | Effect::AwaitCut { .. }
            | Effect::StopBackup
            | Effect::KeepFiles
            | Effect::CloseBackup
            | Effect::Seal { .. }
            | Effect::CheckSource { .. }
            | Effect::Copy { .. }
            | Effect::CopyFiles
            | Effect::SetTags { .. }
            | Effect::Adopt { .. }
            | Effect::WriteTombstone { .. }
            | Effect::TagTombstone { .. }
            | Effect::SightTombstone { .. }
            | Effect::RevokeTombstone { .. }
            | Effect::UntagTombstone { .. }
            | Effect::CountDelete
            | Effect::Delete { .. }
            | Effect::RemoveFiles => Err(fail("a lock only locks")),
        }
    }
}
