//! The hands: one effect of a saga becomes one call. No decision is made here.

mod half_made;
mod places;
#[cfg(test)]
mod tests;
mod unknown;

use crate::calls::{CallError, Calls, Fence};
use crate::seams::{Clock, StoreError};
use crate::state::State;
use backstay_core::capabilities::Rules;
use backstay_core::lsn::segment_name;
use backstay_core::model::{Cluster, PostgresAddress, ProviderKind};
use backstay_core::name::{AccountId, DiskId, SiteName, SnapshotId};
use backstay_core::observed::{DatabaseState, Generation, Readiness, RecentDelete, Snapshot};
use backstay_core::plan::{Action, Change, CreatePoint, ExpectedSnapshot, MarkPoint, PlannedPart};
use backstay_core::refresh::stale_instance;
use backstay_core::saga::{CutSnapshot, Effect, Event, PointFacts};
use backstay_core::seal::{Keyring, Place, SealKey};
use backstay_core::tags::{self, Tags};
use backstay_core::time::stamp;
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_provider::limits::Request;
use backstay_provider::{
    BackupEnd, BackupSession, CreateSnapshot, Description, ErrorClass, PointFileId, ProviderError,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often an instant that is not fixed yet is asked for again.
const POLL: SignedDuration = SignedDuration::from_secs(2);

/// For how long.
const CUT_DEADLINE: SignedDuration = SignedDuration::from_mins(30);

/// By how much a virtual clock is moved where a real one would be waited for.
const VIRTUAL_STEP: SignedDuration = SignedDuration::from_secs(15);

/// What all changes of one site share.
pub(crate) struct Site<'a> {
    pub(crate) calls: Calls<'a>,
    /// The rules of its kind.
    pub(crate) rules: &'static Rules,
    pub(crate) provider: ProviderKind,
    pub(crate) account: &'a AccountId,
    pub(crate) state: State<'a>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) key: &'a SealKey,
    /// Every key whose word counts.
    pub(crate) keyring: &'a Keyring,
    /// The instant of the plan: the site's own time is not before it.
    pub(crate) as_of: Timestamp,
    /// Whether this runner's sightings of tombstones count.
    pub(crate) sights: bool,
}

/// What this run itself made of snapshots since the plan saw them: a lock may follow a mended tag.
pub(crate) type Touched = BTreeMap<(SiteName, SnapshotId), Generation>;

/// One change in the executor's hands.
pub(crate) struct Hands<'a> {
    pub(crate) site: &'a Site<'a>,
    /// The site's calls behind the cluster's fence.
    calls: Calls<'a>,
    /// The same of the site that a copy comes from.
    from: Option<Calls<'a>>,
    pub(crate) touched: Touched,
    pub(crate) cluster: &'a Cluster,
    pub(crate) change: &'a Change,
    session: Option<Box<dyn BackupSession>>,
    backup: Option<BackupEnd>,
    created: Vec<Snapshot>,
    /// The targets, or a copy's sources, as they were just read again.
    checked: Vec<Snapshot>,
    /// For how many cuts the budget is taken already.
    booked: AtomicUsize,
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        Self(Event::Failed { because: error.to_string() })
    }
}

impl From<ProviderError> for Answer {
    fn from(error: ProviderError) -> Self {
        let because = match error.class {
            ErrorClass::OutcomeUnknown => format!("{error}; its outcome is unknown, and the next run looks first"),
            ErrorClass::NotFound
            | ErrorClass::AlreadyExists
            | ErrorClass::Throttled { .. }
            | ErrorClass::Busy
            | ErrorClass::QuotaExceeded
            | ErrorClass::Locked
            | ErrorClass::Denied
            | ErrorClass::Invalid
            | ErrorClass::Unavailable => error.to_string(),
        };
        Self(Event::Failed { because })
    }
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(error) => error.into(),
            CallError::NotSent(because) => fail(because),
        }
    }
}

/// An event that ends an effect early.
struct Answer(Event);

fn fail(because: impl Into<String>) -> Answer {
    Answer(Event::Failed { because: because.into() })
}

fn stale(because: impl Into<String>) -> Answer {
    Answer(Event::Stale { because: because.into() })
}

impl<'a> Hands<'a> {
    pub(crate) fn new(
        site: &'a Site<'a>,
        from: Option<&'a Site<'a>>,
        cluster: &'a Cluster,
        change: &'a Change,
        touched: Touched,
        fence: &'a dyn Fence,
    ) -> Self {
        let (calls, from) = (site.calls.behind(fence), from.map(|from| from.calls.behind(fence)));
        let (created, checked) = (Vec::new(), Vec::new());
        let booked = AtomicUsize::new(0);
        Self { site, calls, from, touched, cluster, change, session: None, backup: None, created, checked, booked }
    }

    /// Makes the call, and says what came of it.
    pub(crate) async fn perform(&mut self, effect: &Effect, facts: &PointFacts) -> Event {
        let answer = match (&self.change.action, effect) {
            (Action::Create(create), effect) => self.create(create, effect, facts).await,
            (Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark), effect) => {
                self.mark(mark, effect).await
            }
            (Action::Copy(copy), effect) => self.copy(copy, effect).await,
            (Action::Tag(tag), effect) => self.retag(tag, effect).await,
            (Action::Lock(lock), effect) => self.lock(lock, effect).await,
        };
        answer.unwrap_or_else(|Answer(event)| event)
    }

    async fn create(&mut self, create: &CreatePoint, effect: &Effect, facts: &PointFacts) -> Result<Event, Answer> {
        match effect {
            Effect::LookForAttempt => self.look_for_attempt(create).await,
            Effect::BeginBackup => self.begin_backup(create).await,
            Effect::Cut { parts } => self.cut(create, parts).await,
            Effect::AwaitCut { snapshots } => self.await_cut(snapshots).await,
            Effect::StopBackup => {
                let session = self.session.as_mut().ok_or_else(|| fail("there is no backup session"))?;
                let backup = session.stop().await?;
                let wal = backup.wal;
                self.backup = Some(backup);
                Ok(Event::Stopped { wal })
            }
            Effect::KeepFiles => self.keep_files(create).await,
            Effect::CloseBackup => match self.session.take() {
                Some(session) => session.close().await.map(|()| Event::Done).map_err(Answer::from),
                None => Ok(Event::Done),
            },
            Effect::Seal { part } => self.seal(create, *part, facts).await,
            Effect::CheckTarget { .. }
            | Effect::CheckSource { .. }
            | Effect::Copy { .. }
            | Effect::CopyFiles
            | Effect::SetTags { .. }
            | Effect::Adopt { .. }
            | Effect::Lock { .. }
            | Effect::WriteTombstone { .. }
            | Effect::TagTombstone { .. }
            | Effect::SightTombstone { .. }
            | Effect::RevokeTombstone { .. }
            | Effect::UntagTombstone { .. }
            | Effect::CountDelete
            | Effect::Delete { .. }
            | Effect::RemoveFiles => Err(fail("a create only creates")),
        }
    }

    /// The instance must be as the plan saw it, and a snapshot with one of our intents means that another run has begun this
    /// attempt. A newer point of the slot can only be another run's, and shows in the lease.
    async fn look_for_attempt(&self, create: &CreatePoint) -> Result<Event, Answer> {
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
    async fn stale_instance(&self, create: &CreatePoint) -> Result<Option<String>, Answer> {
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
    fn calls_for_cut(&self) -> Calls<'a> {
        let take = |left: usize| left.checked_sub(1);
        match self.booked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => self.calls.booked(),
            Err(_) => self.calls,
        }
    }

    fn address(&self, create: &CreatePoint) -> Option<&'a PostgresAddress> {
        self.cluster.nodes.iter().find(|node| node.name == create.node).and_then(|node| node.postgres.as_ref())
    }

    async fn begin_backup(&mut self, create: &CreatePoint) -> Result<Event, Answer> {
        let databases = self.calls.capabilities().databases.as_ref();
        let databases = databases.ok_or_else(|| fail("this site's servers cannot be reached"))?;
        let label = format!("backstay {} {}", self.cluster.uid, create.point);
        let session = databases.begin_backup(&create.instance, self.address(create), &label).await?;
        let start = session.start().clone();
        self.session = Some(session);
        Ok(Event::Begun { system: start.system, is_standby: start.is_standby })
    }

    async fn cut(&mut self, create: &CreatePoint, parts: &[usize]) -> Result<Event, Answer> {
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

    async fn await_cut(&mut self, ids: &[SnapshotId]) -> Result<Event, Answer> {
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
    async fn keep_files(&mut self, create: &CreatePoint) -> Result<Event, Answer> {
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

    async fn seal(&self, create: &CreatePoint, part: usize, facts: &PointFacts) -> Result<Event, Answer> {
        let (Some(planned), Some(snapshot), Some(cut)) = (create.parts.get(part), self.created.get(part), facts.cut())
        else {
            return Err(fail("a part was not cut"));
        };
        self.add_sealed(snapshot, tags::when_known(&planned.name, facts.system, facts.wal, cut)).await
    }

    /// Adds tags and the seal over what the snapshot then says, by one call.
    async fn add_sealed(&self, snapshot: &Snapshot, known: Tags) -> Result<Event, Answer> {
        let mut sealed = snapshot.clone();
        sealed.tags.extend(known.clone());
        let place = Place { provider: self.site.provider, account: self.site.account };
        let mut added: Tags = known;
        added.extend(self.site.key.seal(&place, &sealed));
        self.tag_for_sure(snapshot, &added).await?;
        Ok(Event::Done)
    }

    /// A person may have placed a hold since the plan; its record counts at once.
    async fn must_not_be_held(&self, mark: &MarkPoint) -> Result<(), Answer> {
        if self.site.state.is_held(&self.cluster.uid, mark.point).await? {
            return Err(stale(format!("point {} is held now", mark.point)));
        }
        Ok(())
    }

    async fn mark(&mut self, mark: &MarkPoint, effect: &Effect) -> Result<Event, Answer> {
        let state = self.site.state;
        let at_site = &self.change.site;
        match effect {
            Effect::CheckTarget { target } => {
                self.check_target(target).await?;
                self.check_records(mark, &target.id).await
            }
            Effect::WriteTombstone { snapshot } => {
                self.must_not_be_held(mark).await?;
                self.write_tombstone(mark, snapshot).await?;
                Ok(Event::Done)
            }
            Effect::TagTombstone { snapshot } => {
                let tombstone = self.tombstone(snapshot).await?;
                let tag = [(tags::EXPIRE.to_owned(), stamp(tombstone.content.at))].into_iter().collect();
                self.tag_for_sure(self.seen(snapshot)?, &tag).await?;
                Ok(Event::Done)
            }
            Effect::SightTombstone { snapshot } => {
                let tombstone = self.tombstone(snapshot).await?;
                if self.site.sights {
                    state.sight(&tombstone.digest(), self.site_now()?).await?;
                }
                Ok(Event::Done)
            }
            Effect::RevokeTombstone { snapshot } => {
                state.revoke_tombstones(at_site, snapshot, self.site_now()?).await?;
                Ok(Event::Done)
            }
            Effect::UntagTombstone { snapshot } => {
                self.untag_for_sure(self.seen(snapshot)?, tags::EXPIRE).await?;
                Ok(Event::Done)
            }
            Effect::CountDelete => {
                let (at, cluster) = (self.site_now()?, self.cluster.uid.clone());
                let site = Some(self.change.site.clone());
                let delete = RecentDelete { at, cluster, point: mark.point, site, cause: self.change.cause };
                state.count_delete(&delete).await?;
                Ok(Event::Done)
            }
            Effect::Delete { target } => {
                self.must_not_be_held(mark).await?;
                self.delete_for_sure(target).await?;
                Ok(Event::Done)
            }
            Effect::RemoveFiles => {
                if let Some(files) = &self.calls.capabilities().point_files {
                    files.remove(&self.cluster.uid, mark.point).await?;
                }
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
            | Effect::Lock { .. } => Err(fail("a mark only marks, takes back and deletes")),
        }
    }

    async fn check_target(&mut self, target: &ExpectedSnapshot) -> Result<Event, Answer> {
        // A hold that was mirrored by this very run is no change behind its back.
        let own = self.touched.get(&(self.change.site.clone(), target.id.clone()));
        let now = read_as_planned(&self.calls, target, own).await?;
        self.checked.push(now);
        Ok(Event::Done)
    }

    /// What the state store says of a point may have changed since the plan, without a run that shows in the lease: a person
    /// holds it, or takes its mark back (INVARIANTS.md 3, 10).
    async fn check_records(&self, mark: &MarkPoint, snapshot: &SnapshotId) -> Result<Event, Answer> {
        let deletes = match self.change.action {
            Action::Delete(_) => true,
            Action::Expire(_) => false,
            Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) | Action::Revive(_) => {
                return Ok(Event::Done);
            }
        };
        self.must_not_be_held(mark).await?;
        let counts = !deletes || self.counting_tombstone(snapshot).await?.is_some();
        if counts { Ok(Event::Done) } else { Err(stale(format!("the tombstone of {snapshot} was revoked"))) }
    }

    /// The tombstone of a snapshot, where record and tag agree.
    async fn counting_tombstone(&self, snapshot: &SnapshotId) -> Result<Option<Tombstone>, Answer> {
        let present = self.site.state.tombstone(&self.change.site, snapshot).await?;
        let tag = self.seen(snapshot)?.tags.get(tags::EXPIRE);
        Ok(present.filter(|it| self.is_genuine(it) && tag == Some(&stamp(it.content.at))))
    }

    /// A record that already counts stays, and so does a genuine one that nobody has seen with its tag yet: a run was cut off
    /// between the two, and its grace has not begun. Any other one, because it is forged or somebody took its tag away, is
    /// revoked: its grace begins anew, or taking the tag away would have protected nothing.
    async fn write_tombstone(&self, mark: &MarkPoint, snapshot: &SnapshotId) -> Result<(), Answer> {
        let (state, at_site) = (self.site.state, &self.change.site);
        if self.counting_tombstone(snapshot).await?.is_some() {
            return Ok(());
        }
        if let Some(present) = state.tombstone(at_site, snapshot).await? {
            let is_ours = self.is_genuine(&present) && self.is_of(mark, &present);
            let lacks_its_tag = !self.seen(snapshot)?.tags.contains_key(tags::EXPIRE);
            if is_ours && lacks_its_tag && !state.is_sighted(&present.digest()).await? {
                return Ok(());
            }
            state.revoke_tombstones(at_site, snapshot, self.site_now()?).await?;
        }
        let number = state.count_tombstones(at_site, snapshot).await? + 1;
        let tombstone = Tombstone::sign(self.tombstone_of(mark, snapshot, number), self.site.key);
        Ok(state.write_tombstone(&tombstone).await?)
    }

    /// By any key that counted when the world was looked at, or by the own one, which may be younger.
    fn is_genuine(&self, tombstone: &Tombstone) -> bool {
        tombstone.is_genuine(self.site.keyring) || tombstone.is_genuine(&Keyring::new([self.site.key.public()]))
    }

    /// Whether a tombstone says what this change would write, but for when.
    fn is_of(&self, mark: &MarkPoint, tombstone: &Tombstone) -> bool {
        let (said, own) = (&tombstone.content, self.tombstone_of(mark, &tombstone.content.snapshot, 0));
        (&said.site, &said.cluster, said.point, said.grace, said.cause)
            == (&own.site, &own.cluster, own.point, own.grace, own.cause)
    }

    fn tombstone_of(&self, mark: &MarkPoint, snapshot: &SnapshotId, number: u32) -> TombstoneContent {
        let whole_second = Timestamp::from_second(self.site.as_of.as_second()).unwrap_or(self.site.as_of);
        TombstoneContent {
            site: self.change.site.clone(),
            snapshot: snapshot.clone(),
            cluster: self.cluster.uid.clone(),
            point: mark.point,
            number,
            at: whole_second,
            grace: mark.grace,
            cause: self.change.cause,
            reason: self.change.reason.to_string(),
        }
    }

    async fn tombstone(&self, snapshot: &SnapshotId) -> Result<Tombstone, Answer> {
        let found = self.site.state.tombstone(&self.change.site, snapshot).await?;
        found.ok_or_else(|| fail(format!("the tombstone of {snapshot} vanished")))
    }

    /// The site's time: its own clock where that is ours, else the host's.
    fn site_now(&self) -> Result<Timestamp, Answer> {
        Ok(self.calls.now()?)
    }
}

/// Reads a snapshot again: it must be as the plan saw it, or as this run itself left it.
async fn read_as_planned(
    calls: &Calls<'_>,
    target: &ExpectedSnapshot,
    own: Option<&Generation>,
) -> Result<Snapshot, Answer> {
    match calls.describe(&target.id).await? {
        Description::Absent => Err(stale(format!("snapshot {} is gone", target.id))),
        Description::Present(now) => {
            let generation = now.generation();
            let is_known = generation == target.generation || own == Some(&generation);
            if is_known && now.disk == target.disk {
                return Ok(now);
            }
            Err(stale(format!("snapshot {} changed since the plan", target.id)))
        }
    }
}

fn cut_of(snapshot: &Snapshot) -> CutSnapshot {
    CutSnapshot { id: snapshot.id.clone(), created: snapshot.created, readiness: snapshot.readiness.clone() }
}
