//! The hands: one effect of a saga becomes one call. No decision is made here.

mod cuts;
mod half_made;
mod places;
#[cfg(test)]
mod tests;
mod unknown;

use crate::calls::{CallError, Calls, Fence};
use crate::seams::{Clock, StoreError};
use crate::state::State;
use backstay_core::capabilities::Rules;
use backstay_core::model::{Cluster, ProviderKind};
use backstay_core::name::{AccountId, SiteName, SnapshotId};
use backstay_core::observed::{Generation, RecentDelete, Snapshot};
use backstay_core::plan::{Action, Change, CreatePoint, ExpectedSnapshot, MarkPoint};
use backstay_core::saga::{CutSnapshot, Effect, Event, PointFacts};
use backstay_core::seal::{Keyring, Place, SealKey};
use backstay_core::tags::{self, Tags};
use backstay_core::time::stamp;
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_provider::{BackupEnd, BackupSession, Description, ErrorClass, ProviderError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

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
