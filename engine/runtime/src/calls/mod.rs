//! The one place through which every call to a site goes, when a world is looked at and when it is changed.
//!
//! Each call waits for its budget, passes the fence, is sent, and is tried again where that is of use. Where a site's clock is
//! made up, waiting moves it; but a look alone moves no clock, since it must change nothing: there a refusal is final.
//!
//! What a lost answer means is not decided here: only the caller knows what it wanted.

mod fence;
mod limits;
mod patience;

pub use fence::{Fence, Unfenced};
pub(crate) use limits::{Limits, of_sites};

use crate::events::{Event, Observer};
use crate::seams::Clock;
use backstay_core::model::LockMode;
use backstay_core::name::{DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::observed::{Generation, Instance, Snapshot, Unmanaged};
use backstay_core::tags::{Intent, Tags};
use backstay_provider::limits::{Request, Verdict};
use backstay_provider::{
    Capabilities, CopySnapshot, CreateSnapshot, Created, Description, ErrorClass, Page, PageToken, ProviderError,
    SiteFacts,
};
use jiff::{SignedDuration, Timestamp};
use patience::{Chance, patience, pause};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long is waited at a time, so that a cancelled run ends soon and a lease is renewed in time.
const SLICE: SignedDuration = SignedDuration::from_secs(1);

/// From which length on waiting for the own budget is told.
const WORTH_TELLING: SignedDuration = SignedDuration::from_secs(5);

/// The calls of one site, by one run.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    site: &'a SiteName,
    capabilities: &'a Capabilities,
    limits: &'a Limits,
    clock: &'a dyn Clock,
    observer: &'a dyn Observer,
    fence: &'a dyn Fence,
    /// `None` for whoever only looks, and may move no clock.
    work: Option<Work<'a>>,
    /// Whether the budget of the next sending is taken already.
    is_booked: bool,
}

/// What a run that changes the world brings along.
#[derive(Clone, Copy)]
struct Work<'a> {
    run: &'a str,
    cancelled: &'a AtomicBool,
}

/// A call that did not end well.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The site refused it, or its answer was lost.
    #[error("{0}")]
    Refused(#[from] ProviderError),
    /// It was not sent (again): the run may send nothing more.
    #[error("{0}")]
    NotSent(String),
}

impl CallError {
    /// Whether the call may have had its effect.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Refused(error) => error.class == ErrorClass::OutcomeUnknown,
            Self::NotSent(_) => false,
        }
    }

    /// Whether something of the same intent is there already.
    pub(crate) fn is_taken(&self) -> bool {
        match self {
            Self::Refused(error) => error.class == ErrorClass::AlreadyExists,
            Self::NotSent(_) => false,
        }
    }
}

impl<'a> Calls<'a> {
    pub(crate) fn new(
        site: &'a SiteName,
        capabilities: &'a Capabilities,
        limits: &'a Limits,
        clock: &'a dyn Clock,
        observer: &'a dyn Observer,
    ) -> Self {
        Self { site, capabilities, limits, clock, observer, fence: &Unfenced, work: None, is_booked: false }
    }

    /// The calls of a run that changes the world.
    #[must_use]
    pub fn of_run(self, run: &'a str, cancelled: &'a AtomicBool) -> Self {
        Self { work: Some(Work { run, cancelled }), ..self }
    }

    /// The same calls behind a fence.
    #[must_use]
    pub fn behind(self, fence: &'a dyn Fence) -> Self {
        Self { fence, ..self }
    }

    /// Takes the budget of a call that comes later, by [`Self::booked`]: who must not wait then waits here.
    pub(crate) async fn book(&self, request: Request<'_>) -> Result<(), CallError> {
        self.admit(request).await
    }

    /// The same calls, each of which was booked. What is sent again waits like any other.
    #[must_use]
    pub(crate) fn booked(self) -> Self {
        Self { is_booked: true, ..self }
    }

    /// What the site can do that is no call to a cloud: its servers, files and clock.
    pub(crate) fn capabilities(&self) -> &'a Capabilities {
        self.capabilities
    }

    /// The site's time: its own clock where that is made up, else the host's.
    pub(crate) fn now(&self) -> Result<Timestamp, ProviderError> {
        match &self.capabilities.clock {
            Some(clock) => clock.now(),
            None => Ok(self.clock.now()),
        }
    }

    /// What is true of the whole site.
    pub(crate) async fn facts(&self) -> Result<SiteFacts, CallError> {
        self.call(Request::Describe, || self.capabilities.inventory.facts(self.clock.now())).await
    }

    /// One page of all instances.
    pub async fn instances(&self, page: Option<PageToken>) -> Result<Page<Instance>, CallError> {
        self.call(Request::Page, || self.capabilities.inventory.instances(page.clone())).await
    }

    /// One instance, read now.
    pub async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, CallError> {
        self.call(Request::Describe, || self.capabilities.inventory.instance(id)).await
    }

    /// One page of our snapshots.
    pub async fn snapshots(&self, page: Option<PageToken>) -> Result<Page<Snapshot>, CallError> {
        self.call(Request::Page, || self.capabilities.inventory.snapshots(page.clone())).await
    }

    /// One page of the snapshots of others.
    pub async fn unmanaged(&self, page: Option<PageToken>) -> Result<Page<Unmanaged>, CallError> {
        self.call(Request::Page, || self.capabilities.inventory.unmanaged(page.clone())).await
    }

    /// One snapshot, read now.
    pub async fn describe(&self, id: &SnapshotId) -> Result<Description, CallError> {
        self.call(Request::Describe, || self.capabilities.inventory.describe(id)).await
    }

    /// All snapshots that carry an intent, read now.
    pub async fn by_intent(&self, intent: &Intent) -> Result<Vec<Snapshot>, CallError> {
        self.call(Request::ByIntent, || self.capabilities.inventory.by_intent(intent)).await
    }

    /// Snapshots one disk.
    pub async fn create(&self, order: &CreateSnapshot) -> Result<Created, CallError> {
        self.call(Request::Create(&order.disk), || self.capabilities.store.create(order)).await
    }

    /// Snapshots several disks at one instant.
    pub async fn create_group(&self, orders: &[CreateSnapshot]) -> Result<Vec<Created>, CallError> {
        let disks: Vec<DiskId> = orders.iter().map(|order| order.disk.clone()).collect();
        self.call(Request::CreateGroup(&disks), || self.capabilities.store.create_group(orders)).await
    }

    /// Copies one snapshot here; the call looks at its source once more, at the expense of the site that it comes from.
    pub async fn copy(&self, order: &CopySnapshot, from: &Calls<'_>) -> Result<Created, CallError> {
        from.admit(Request::Describe).await?;
        self.call(Request::Copy, || self.capabilities.store.copy(order)).await
    }

    /// Adds or replaces tags.
    pub async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), CallError> {
        self.call(Request::Tag, || self.capabilities.store.tag(id, tags)).await
    }

    /// Removes tags.
    pub async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), CallError> {
        self.call(Request::Tag, || self.capabilities.store.untag(id, keys)).await
    }

    /// Locks a snapshot, and tells until when.
    pub async fn lock(&self, id: &SnapshotId, mode: LockMode, until: Timestamp) -> Result<Timestamp, CallError> {
        let locker = self.capabilities.locker.as_ref();
        let locker =
            locker.ok_or_else(|| ProviderError::invalid(format!("site {} cannot lock snapshots", self.site)))?;
        self.call(Request::Lock, || locker.lock(id, mode, until)).await
    }

    /// Deletes a snapshot that is still as it was seen.
    pub async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), CallError> {
        self.call(Request::Delete, || self.capabilities.sweeper.delete(id, disk, generation)).await
    }

    /// Budget, fence, call; and again, as long as that is of use.
    async fn call<T, F>(&self, request: Request<'_>, send: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let (started, mut waited, mut failed) = (self.clock.now(), SignedDuration::ZERO, 0);
        loop {
            let answer = {
                let _beside = self.limits.beside_others(request.class()).await;
                if self.is_booked && failed == 0 {
                    self.pass().await?;
                } else {
                    self.admit(request).await?;
                }
                send().await
            };
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let asked = match error.class {
                ErrorClass::Throttled { after } => {
                    self.limits.throttled(self.now()?, request.class(), after);
                    after
                }
                ErrorClass::NotFound
                | ErrorClass::AlreadyExists
                | ErrorClass::Busy
                | ErrorClass::QuotaExceeded
                | ErrorClass::Locked
                | ErrorClass::Denied
                | ErrorClass::Invalid
                | ErrorClass::Unavailable
                | ErrorClass::OutcomeUnknown => None,
            };
            let wait = pause(asked, failed, self.chance());
            let tried = waited.max(self.clock.now().duration_since(started));
            if tried.saturating_add(wait) > patience(error.class, request) || !self.may_wait() {
                return Err(error.into());
            }
            self.tell(request, wait);
            waited += self.wait(wait).await?;
            failed += 1;
        }
    }

    /// Waits until the budgets have room for a request, takes it from them, and passes the fence.
    async fn admit(&self, request: Request<'_>) -> Result<(), CallError> {
        if self.limits.counts() {
            let now = self.now()?;
            let line = self.limits.join(now, request);
            let mut is_told = false;
            loop {
                let now = self.now()?;
                match line.ask(now) {
                    Verdict::Go => break,
                    // A look at a made-up world waits for nothing: the site itself says whether it is too much.
                    Verdict::WaitUntil(_) if !self.may_wait() => break,
                    Verdict::WaitUntil(until) => {
                        let wait = until.duration_since(now);
                        if wait >= WORTH_TELLING && !is_told {
                            self.tell(request, wait);
                            is_told = true;
                        }
                        self.wait(wait).await?;
                    }
                }
            }
        }
        self.pass().await
    }

    /// The last look before a call is sent.
    async fn pass(&self) -> Result<(), CallError> {
        self.fence.check().await.map_err(|lost| CallError::NotSent(lost.to_string()))?;
        match self.work {
            Some(work) if work.cancelled.load(Ordering::SeqCst) => {
                Err(CallError::NotSent("the run was cancelled".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether time passes, or is ours to move.
    fn may_wait(&self) -> bool {
        self.work.is_some() || self.capabilities.clock.is_none()
    }

    /// Waits, and tells how long it was: a made-up clock moves by whole seconds.
    pub(crate) async fn wait(&self, length: SignedDuration) -> Result<SignedDuration, CallError> {
        if let Some(clock) = &self.capabilities.clock {
            let length = whole_seconds(length);
            clock.advance_to(clock.now()?.checked_add(length).unwrap_or(Timestamp::MAX))?;
            self.pass().await?;
            return Ok(length);
        }
        let mut left = length;
        while left > SignedDuration::ZERO {
            let slice = left.min(SLICE);
            self.clock.sleep(slice).await;
            left -= slice;
            self.pass().await?;
        }
        Ok(length)
    }

    fn tell(&self, request: Request<'_>, wait: SignedDuration) {
        self.observer.on(&Event::Throttled { site: self.site.clone(), class: request.class(), wait });
    }

    fn chance(&self) -> Chance {
        let run = self.work.map_or("", |work| work.run);
        Chance::of(&format!("backstay wait {run} {} {} {}\n", self.site, self.limits.draw(), self.clock.now()))
    }
}

fn whole_seconds(length: SignedDuration) -> SignedDuration {
    let up = i64::from(length.subsec_nanos() > 0);
    SignedDuration::from_secs(length.as_secs().saturating_add(up))
}
