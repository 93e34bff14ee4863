//! One check's own corner of the site.

use super::Fixture;
use crate::{
    Capabilities, CopySnapshot, CreateDisk, CreateSnapshot, Created, Description, Disk, ErrorClass, PageToken,
    ProviderError,
};
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{Instance, Readiness, Snapshot};
use backstay_core::tags::{self, Intent, PointClass, PointKey};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// A listing of more pages than this does not end.
const MOST_PAGES: usize = 100_000;

/// How often something is looked at until it is ready.
const MOST_LOOKS: usize = 500;

/// How often a create that is told to wait is tried.
const MOST_TRIES: usize = 12;

/// One check's own corner of the site: its points, and what it made.
pub struct Trial<'a> {
    /// The site.
    pub capabilities: &'a Capabilities,
    /// What there is to work on.
    pub fixture: &'a Fixture,
    slot: Timestamp,
    number: u32,
    made: Mutex<BTreeSet<SnapshotId>>,
    disks: Mutex<BTreeMap<DiskId, Intent>>,
}

impl<'a> Trial<'a> {
    /// A corner that no trial of another number meets.
    pub async fn new(capabilities: &'a Capabilities, fixture: &'a Fixture, number: u32) -> Result<Self, String> {
        let facts = capabilities.inventory.facts(Timestamp::now()).await.map_err(|e| failed("facts", &e))?;
        // A slot is in whole seconds, and of this run: an earlier run's leftovers are not met.
        let slot = Timestamp::from_second(facts.clock.now.as_second()).map_err(|e| e.to_string())?;
        Ok(Self { capabilities, fixture, slot, number, made: Mutex::default(), disks: Mutex::default() })
    }

    /// The trial's own number.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// One of the trial's points.
    pub(super) fn point(&self, number: u32) -> PointKey {
        PointKey { slot: self.slot, attempt: self.number * 100 + number }
    }

    /// The order to snapshot a disk for one of the trial's points.
    pub(super) fn order_of(&self, disk: &DiskId, number: u32) -> CreateSnapshot {
        let Fixture { instance, cluster, .. } = self.fixture;
        let point = self.point(number);
        let intent = Intent::of(cluster, PointClass::OnDemand, point, disk);
        let tags = tags::at_creation(cluster, PointClass::OnDemand, point, &intent);
        CreateSnapshot { instance: instance.clone(), disk: disk.clone(), intent, tags, location: None }
    }

    /// The order to snapshot the fixture's disks in turn.
    pub(super) fn order(&self, number: u32) -> CreateSnapshot {
        let place = usize::try_from(number).expect("a small number") % self.fixture.disks.len();
        self.order_of(&self.fixture.disks[place], number)
    }

    /// Creates one snapshot, and waits where the site asks for it.
    pub(super) async fn create(&self, order: &CreateSnapshot) -> Result<Created, String> {
        let mut made = self.create_all(std::slice::from_ref(order), false).await?;
        made.pop().ok_or_else(|| "create answered nothing".to_owned())
    }

    /// Creates one snapshot that does not exist yet.
    pub(super) async fn create_new(&self, number: u32) -> Result<Snapshot, String> {
        match self.create(&self.order(number)).await? {
            Created::Created(snapshot) => Ok(snapshot),
            Created::Adopted(snapshot) => Err(format!("create adopted `{}` for a new intent", snapshot.id)),
        }
    }

    /// Creates several snapshots, one by one or as a group, and waits where the site asks for it.
    pub(super) async fn create_all(&self, orders: &[CreateSnapshot], is_group: bool) -> Result<Vec<Created>, String> {
        let store = &self.capabilities.store;
        for _ in 0..MOST_TRIES {
            let answer = match orders {
                [order] if !is_group => store.create(order).await.map(|made| vec![made]),
                orders => store.create_group(orders).await,
            };
            match answer {
                Ok(all) => {
                    let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.extend(all.iter().map(|created| created.clone().snapshot().id));
                    return Ok(all);
                }
                Err(ProviderError { class: ErrorClass::Throttled { after }, .. }) => self.wait(after)?,
                Err(ProviderError { class: ErrorClass::Busy, .. }) => self.wait(None)?,
                Err(error) => return Err(failed("create", &error)),
            }
        }
        Err(format!("create was told to wait {MOST_TRIES} times"))
    }

    /// Copies one snapshot here, and waits where the site asks for it.
    pub(super) async fn copy(&self, order: &CopySnapshot) -> Result<Created, String> {
        for _ in 0..MOST_TRIES {
            match self.capabilities.store.copy(order).await {
                Ok(created) => {
                    let id = created.clone().snapshot().id;
                    self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                    return Ok(created);
                }
                Err(ProviderError { class: ErrorClass::Throttled { after }, .. }) => self.wait(after)?,
                Err(ProviderError { class: ErrorClass::Busy, .. }) => self.wait(None)?,
                Err(error) => return Err(failed("copy", &error)),
            }
        }
        Err(format!("copy was told to wait {MOST_TRIES} times"))
    }

    /// Makes one disk, and waits where the site asks for it.
    pub(super) async fn create_disk(&self, order: &CreateDisk) -> Result<Disk, String> {
        let Some(restorer) = &self.capabilities.restorer else {
            return Err("there is nothing that makes disks".to_owned());
        };
        for _ in 0..MOST_TRIES {
            match restorer.create_disk(order).await {
                Ok(disk) => {
                    let mut disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner);
                    disks.insert(disk.id.clone(), order.intent.clone());
                    return Ok(disk);
                }
                Err(ProviderError { class: ErrorClass::Throttled { after }, .. }) => self.wait(after)?,
                Err(ProviderError { class: ErrorClass::Busy, .. }) => self.wait(None)?,
                Err(error) => return Err(failed("create disk", &error)),
            }
        }
        Err(format!("create disk was told to wait {MOST_TRIES} times"))
    }

    /// Looks again and again until there is something, and waits between two looks.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<Option<T>, String>,
    ) -> Result<T, String> {
        for _ in 0..MOST_LOOKS {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            self.wait(None)?;
        }
        Err(format!("{what} was not ready when it was looked at {MOST_LOOKS} times"))
    }

    /// One snapshot, when it can be restored.
    pub(super) async fn ready(&self, id: &SnapshotId) -> Result<Snapshot, String> {
        self.until(&format!("snapshot `{id}`"), async || {
            let seen = self.present(id).await?;
            match &seen.readiness {
                Readiness::Ready => Ok(Some(seen)),
                Readiness::Creating | Readiness::CutFixed => Ok(None),
                Readiness::Failed { because } => Err(format!("`{id}` has failed: {because}")),
            }
        })
        .await
    }

    fn wait(&self, length: Option<SignedDuration>) -> Result<(), String> {
        match &self.capabilities.clock {
            Some(clock) => {
                let length = length.unwrap_or(SignedDuration::from_mins(1)).max(SignedDuration::from_millis(100));
                let now = clock.now().map_err(|e| failed("reading the virtual clock", &e))?;
                clock.advance_to(now + length).map_err(|e| failed("advancing the virtual clock", &e))
            }
            None => {
                std::thread::sleep(length.unwrap_or(self.fixture.poll).unsigned_abs());
                Ok(())
            }
        }
    }

    /// One snapshot that must be there.
    pub(super) async fn present(&self, id: &SnapshotId) -> Result<Snapshot, String> {
        match self.describe(id).await? {
            Description::Present(snapshot) => Ok(snapshot),
            Description::Absent => Err(format!("describe says that `{id}` is absent")),
        }
    }

    pub(super) async fn describe(&self, id: &SnapshotId) -> Result<Description, String> {
        self.capabilities.inventory.describe(id).await.map_err(|e| failed("describe", &e))
    }

    /// All snapshots of all pages.
    pub(super) async fn list(&self) -> Result<Vec<Snapshot>, String> {
        self.list_from(None).await
    }

    /// All snapshots of the pages from this one on.
    pub(super) async fn list_from(&self, mut token: Option<PageToken>) -> Result<Vec<Snapshot>, String> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.capabilities.inventory.snapshots(token).await;
            let page = answer.map_err(|e| failed("listing snapshots", &e))?;
            all.extend(page.items);
            token = page.next;
            if token.is_none() {
                return Ok(all);
            }
        }
        Err(format!("the listing of snapshots does not end within {MOST_PAGES} pages"))
    }

    /// All instances of all pages.
    pub(super) async fn instances(&self) -> Result<Vec<Instance>, String> {
        let mut all = Vec::new();
        let mut token: Option<PageToken> = None;
        for _ in 0..MOST_PAGES {
            let answer = self.capabilities.inventory.instances(token).await;
            let page = answer.map_err(|e| failed("listing instances", &e))?;
            all.extend(page.items);
            token = page.next;
            if token.is_none() {
                return Ok(all);
            }
        }
        Err(format!("the listing of instances does not end within {MOST_PAGES} pages"))
    }

    /// Deletes a snapshot, whatever state it is in; answers what was deleted, if it was there.
    ///
    /// Between the look and the delete it may become ready, and the site rightly refuses: then this looks again.
    pub(super) async fn delete(&self, id: &SnapshotId) -> Result<Option<Snapshot>, String> {
        for _ in 0..MOST_TRIES {
            let Description::Present(seen) = self.describe(id).await? else {
                return Ok(None);
            };
            match self.capabilities.sweeper.delete(id, &seen.disk, &seen.generation()).await {
                Ok(()) => return Ok(Some(seen)),
                Err(error) if error.class == ErrorClass::Busy => {}
                Err(error) => return Err(failed("delete", &error)),
            }
        }
        Err(format!("delete refused `{id}` {MOST_TRIES} times, though it was read again each time"))
    }

    /// Deletes everything that the trial made and that is still there.
    pub async fn clear(&self) -> Result<(), String> {
        let disks = std::mem::take(&mut *self.disks.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, intent) in disks {
            self.clear_disk(&id, &intent).await?;
        }
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for id in made {
            self.delete(&id).await?;
        }
        Ok(())
    }
}

impl Trial<'_> {
    async fn clear_disk(&self, id: &DiskId, intent: &Intent) -> Result<(), String> {
        let Some(restorer) = &self.capabilities.restorer else { return Ok(()) };
        let found = restorer.describe_disk(id).await.map_err(|e| failed("describe disk", &e))?;
        if let Some(instance) = found.and_then(|disk| disk.attached_to) {
            restorer.detach(id, &instance).await.map_err(|e| failed("detach", &e))?;
        }
        self.capabilities.sweeper.delete_disk(id, intent).await.map_err(|e| failed("delete disk", &e))
    }
}

/// An error that a check did not expect.
pub(super) fn failed(call: &str, error: &ProviderError) -> String {
    format!("{call} failed ({}): {error}", error.class.as_str())
}
