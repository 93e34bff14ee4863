//! Cutting a point: its budget, the look before, the backup session, the cuts themselves, and what is kept beside them.

use super::{Answer, Hands, cut_of, fail, stale};
use crate::calls::{CallError, Calls};
use backstay_core::lsn::segment_name;
use backstay_core::model::PostgresAddress;
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{DatabaseState, Readiness};
use backstay_core::plan::{CreatePoint, PlannedPart};
use backstay_core::refresh::stale_instance;
use backstay_core::saga::{CutSnapshot, Event};
use backstay_core::tags;
use backstay_provider::limits::Request;
use backstay_provider::{CreateSnapshot, Description, ErrorClass, PointFileId};
use jiff::SignedDuration;
use std::sync::atomic::Ordering;

/// How often an instant that is not fixed yet is asked for again.
const POLL: SignedDuration = SignedDuration::from_secs(2);

/// For how long.
const CUT_DEADLINE: SignedDuration = SignedDuration::from_mins(30);

/// By how much a virtual clock is moved where a real one would be waited for.
const VIRTUAL_STEP: SignedDuration = SignedDuration::from_secs(15);

impl<'a> Hands<'a> {
    /// The instance must be as the plan saw it, and a snapshot with one of our intents means that another run has begun this
    /// attempt. A newer point of the slot can only be another run's, and shows in the lease.
    pub(super) async fn look_for_attempt(&self, create: &CreatePoint) -> Result<Event, Answer> {
        self.book_cuts(create).await?;
        if let Some(because) = self.stale_instance(create).await? {
            return Err(stale(because));
        }
        for part in &create.parts {
            let found = self.calls.by_intent(&part.intent).await?;
            if !found.is_empty() {
                return Err(stale(format!("attempt {} was begun by another run", create.point)));
            }
        }
        Ok(Event::Done)
    }

    /// Why the instance is not as the plan saw it.
    pub(super) async fn stale_instance(&self, create: &CreatePoint) -> Result<Option<String>, Answer> {
        let mut now = match self.calls.instance(&create.instance).await {
            Ok(now) => now,
            // The cut itself refuses disks that are not attached there.
            Err(CallError::Refused(error)) if error.class == ErrorClass::Invalid => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let (Some(instance), Some(databases)) = (&mut now, &self.calls.capabilities().databases)
            && !matches!(instance.database, DatabaseState::Unreachable { .. })
        {
            instance.database = databases.status(&create.instance, self.address(create)).await;
        }
        Ok(stale_instance(create, now.as_ref()))
    }

    /// Takes the budget of the cuts before anything else: nobody waits for it between a look and its call, nor while a server is
    /// in its backup.
    async fn book_cuts(&self, create: &CreatePoint) -> Result<(), Answer> {
        let disks: Vec<DiskId> = create.parts.iter().map(|part| part.disk.clone()).collect();
        if create.atomic_group && disks.len() > 1 {
            self.calls.book(Request::CreateGroup(&disks)).await?;
            self.booked.store(1, Ordering::Relaxed);
            return Ok(());
        }
        for disk in &disks {
            self.calls.book(Request::Create(disk)).await?;
        }
        self.booked.store(disks.len(), Ordering::Relaxed);
        Ok(())
    }

    /// The calls for a cut: those of which the budget was taken already, as long as there are any.
    pub(super) fn calls_for_cut(&self) -> Calls<'a> {
        let take = |left: usize| left.checked_sub(1);
        match self.booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => self.calls.booked(),
            Err(_) => self.calls,
        }
    }

    fn address(&self, create: &CreatePoint) -> Option<&'a PostgresAddress> {
        self.cluster.nodes.iter().find(|node| node.name == create.node).and_then(|node| node.postgres.as_ref())
    }

    pub(super) async fn begin_backup(&mut self, create: &CreatePoint) -> Result<Event, Answer> {
        let databases = self.calls.capabilities().databases.as_ref();
        let databases = databases.ok_or_else(|| fail("this site's servers cannot be reached"))?;
        let label = format!("backstay {} {}", self.cluster.uid, create.point);
        let session = databases.begin_backup(&create.instance, self.address(create), &label).await?;
        let start = session.start().clone();
        self.session = Some(session);
        Ok(Event::Begun { system: start.system, is_standby: start.is_standby })
    }

    pub(super) async fn cut(&mut self, create: &CreatePoint, parts: &[usize]) -> Result<Event, Answer> {
        let chosen: Vec<&PlannedPart> = parts.iter().filter_map(|part| create.parts.get(*part)).collect();
        let orders: Vec<CreateSnapshot> = chosen.iter().map(|part| self.order(create, part)).collect();
        let snapshots = self.cut_for_sure(&orders).await?;
        let answer = snapshots.iter().map(cut_of).collect();
        self.created.extend(snapshots);
        Ok(Event::Snapshots { snapshots: answer })
    }

    fn order(&self, create: &CreatePoint, part: &PlannedPart) -> CreateSnapshot {
        CreateSnapshot {
            instance: create.instance.clone(),
            disk: part.disk.clone(),
            intent: part.intent.clone(),
            tags: tags::at_creation(&self.cluster.uid, create.class, create.point, &part.intent),
            location: create.location.clone(),
        }
    }

    pub(super) async fn await_cut(&mut self, ids: &[SnapshotId]) -> Result<Event, Answer> {
        let started = self.site.clock.now();
        let since = |started| self.site.clock.now().duration_since(started);
        let horizon = self.site.rules.consistency_horizon.signed();
        // A made-up clock stands still, and with it the snapshot, until somebody moves it.
        let step = if self.calls.capabilities().clock.is_some() { VIRTUAL_STEP } else { POLL };
        let mut moved = SignedDuration::ZERO;
        loop {
            let mut now = Vec::new();
            for id in ids {
                match self.calls.describe(id).await? {
                    Description::Present(snapshot) => now.push(cut_of(&snapshot)),
                    // A site may not show yet what it has just made.
                    Description::Absent if moved.max(since(started)) < horizon => {
                        let created = self.site_now()?;
                        now.push(CutSnapshot { id: id.clone(), created, readiness: Readiness::Creating });
                    }
                    Description::Absent => return Err(fail(format!("snapshot {id} vanished while it was made"))),
                }
            }
            if now.iter().all(|snapshot| snapshot.readiness != Readiness::Creating) {
                return Ok(Event::Snapshots { snapshots: now });
            }
            if moved.max(since(started)) > CUT_DEADLINE {
                return Err(fail("the snapshot's instant was not fixed in 30 minutes"));
            }
            moved += self.calls.wait(step).await?;
        }
    }

    /// Label, map and every segment from start to end, durable before the point counts.
    pub(super) async fn keep_files(&mut self, create: &CreatePoint) -> Result<Event, Answer> {
        let files = self.calls.capabilities().point_files.as_ref();
        let files = files.ok_or_else(|| fail("this site keeps no files beside a point, and there is no archive"))?;
        let (Some(backup), Some(session)) = (&self.backup, &mut self.session) else {
            return Err(fail("the backup has not stopped"));
        };
        let id = |name: String| PointFileId { cluster: self.cluster.uid.clone(), point: create.point, name };
        for segment in backup.wal.segments(backup.segment_size) {
            let bytes = session.wal_file(&segment).await?;
            files.put(&id(format!("wal/{segment}")), &bytes).await?;
        }
        if backup.wal.timeline.0 > 1 {
            let history = format!("{:08X}.history", backup.wal.timeline.0);
            let bytes = session.wal_file(&history).await?;
            files.put(&id(format!("wal/{history}")), &bytes).await?;
        }
        files.put(&id("tablespace_map".to_owned()), &backup.map).await?;
        files.put(&id("backup_label".to_owned()), &backup.label).await?;
        tracing::debug!(point = %create.point, first = %segment_name(backup.wal.timeline, backup.wal.start.0 / backup.segment_size, backup.segment_size), "kept label, map and WAL");
        Ok(Event::Done)
    }
}
