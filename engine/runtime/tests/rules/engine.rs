//! A whole engine over a simulated site whose every changing call is told, and may be made to fail.

use crate::support::{Log, VirtualClock, Watched, at, now};
use async_trait::async_trait;
use backstay_core::model::{Desired, ProviderKind, Site};
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{Generation, Observed};
use backstay_core::plan::Plan;
use backstay_core::planner;
use backstay_core::point::Catalogue;
use backstay_core::resolve::resolve;
use backstay_core::seal::{Keyring, SealKey};
use backstay_core::tags::Tags;
use backstay_core::verify::{VerifiedPlan, verify};
use backstay_provider::{
    Capabilities, CopySnapshot, CreateSnapshot, Created, Home, Opener, ProviderError, Store, Sweeper,
    VirtualClock as SiteClock,
};
use backstay_runtime::apply::{Applied, Context, apply};
use backstay_runtime::events::{Observer, Silent};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::lease::{Epochs, Terms};
use backstay_runtime::observe::observe;
use backstay_runtime::seams::{Clock, StateStore, StoreError};
use backstay_runtime::sites::{Registry, Sites};
use backstay_runtime::sources::from_directory;
use backstay_runtime::state::State;
use backstay_test_support::shell::Shell;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Something that happens once, just before a site's next tag.
type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

pub(crate) struct Engine {
    directory: TempDir,
    shell: Shell,
    pub(crate) clock: VirtualClock,
    /// Every write to the store and every changing call to a site, in their order.
    pub(crate) log: Log,
    pub(crate) before_tag: Hook,
    /// The site whose clock cannot be moved.
    pub(crate) broken_clock: Option<&'static str>,
    pub(crate) cancelled: AtomicBool,
    /// How many clusters are worked on at once.
    pub(crate) parallelism: usize,
    pub(crate) deletes: Arc<Gauge>,
}

/// How many calls are under way, and how many ever were at once.
#[derive(Default)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// A call that lasts until every other one that may begin beside it has begun.
    async fn during<T>(&self, call: impl Future<Output = T>) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let answer = call.await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

/// A plan with what it was made from.
pub(crate) struct Planned {
    pub(crate) plan: VerifiedPlan,
    pub(crate) observed: Observed,
    pub(crate) seen: Epochs,
}

impl Engine {
    /// The fleet `small` of the scenarios: `orders` with two disks, labelled; `wiki` with one, not.
    pub(crate) fn new() -> Self {
        let directory = in_memory();
        let fleets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios/fleets/small");
        copy(&fleets, directory.path());
        Self::in_directory(directory)
    }

    fn in_directory(directory: TempDir) -> Self {
        Self {
            shell: Shell::in_directory(directory.path()),
            directory,
            clock: VirtualClock::noon(),
            log: Log::default(),
            before_tag: Hook::default(),
            broken_clock: None,
            cancelled: AtomicBool::new(false),
            parallelism: 1,
            deletes: Arc::default(),
        }
    }

    /// The same fleet, world and state once more, as they are now.
    pub(crate) fn copied(&self) -> Self {
        let directory = in_memory();
        copy(self.directory.path(), directory.path());
        Self::in_directory(directory)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.directory.path().join(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.directory.path().join(path)).unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join(".backstay")
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::new(self.state())
    }

    pub(crate) fn desired(&self) -> Desired {
        let sources = from_directory(self.directory.path()).unwrap();
        let resolution = resolve(&sources.tree, sources.origin);
        assert!(!resolution.diagnostics.has_errors(), "{}", resolution.diagnostics.render());
        resolution.desired.unwrap()
    }

    pub(crate) fn sites(&self, desired: &Desired) -> Sites {
        let opener = Watching {
            inner: self.shell.sim_opener(),
            log: self.log.clone(),
            before_tag: self.before_tag.clone(),
            broken_clock: self.broken_clock,
            deletes: self.deletes.clone(),
        };
        let home = Home { fleet: self.directory.path(), state: &self.state() };
        Registry::default().with(ProviderKind::Sim, Arc::new(opener)).open(desired, home)
    }

    pub(crate) fn plan(&self, as_of: Timestamp) -> Planned {
        let desired = self.desired();
        let sites = self.sites(&desired);
        let store = self.store();
        let seen = now(Epochs::read(&store)).unwrap();
        let keyring = Keyring::new([key().public()]);
        let observed = now(observe(&desired, &sites, State(&store), keyring, &self.clock, &Silent, 4));
        // A made-up clock never goes back.
        let clocks = observed.sites.values().filter_map(|listing| Some(listing.complete()?.clock.now));
        let as_of = clocks.fold(as_of, Timestamp::max);
        let plan = planner::plan(&desired, &observed, None, as_of);
        let plan = verify(plan, &desired, &observed).unwrap();
        Planned { plan, observed, seen }
    }

    pub(crate) fn apply(&self, planned: &Planned, store: &dyn StateStore, run: &str) -> Result<Applied, StoreError> {
        self.apply_as(planned, store, &self.clock, &Silent, SignedDuration::ZERO, run)
    }

    pub(crate) fn apply_as(
        &self,
        planned: &Planned,
        store: &dyn StateStore,
        clock: &dyn Clock,
        observer: &dyn Observer,
        lease_timeout: SignedDuration,
        run: &str,
    ) -> Result<Applied, StoreError> {
        let desired = self.desired();
        let sites = self.sites(&desired);
        let context = Context {
            desired: &desired,
            sites: &sites,
            store,
            clock,
            key: Some(&key()),
            observer,
            seen: &planned.seen,
            parallelism: self.parallelism,
            lease_timeout,
            terms: Terms::default(),
            run,
            cancelled: &self.cancelled,
            sights: true,
        };
        now(apply(&context, &planned.plan, &planned.observed))
    }

    /// Plans and applies, with nothing that fails.
    pub(crate) fn converge(&self, as_of: &str) -> Applied {
        let run = format!("run-{}", as_of.replace([':', '+'], "-"));
        self.apply(&self.plan(at(as_of)), &self.watched(), &run).unwrap()
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched::new(&self.state()).telling(&self.log)
    }

    /// How many restorable points each slot of each cluster has.
    pub(crate) fn points(&self, plan: &Planned) -> BTreeMap<String, usize> {
        let mut points = BTreeMap::new();
        for listing in plan.observed.sites.values() {
            let catalogue = Catalogue::of(listing.complete().unwrap(), &plan.observed.keyring);
            for cluster in catalogue.clusters() {
                for point in catalogue.shelf(cluster).points.iter().filter(|point| point.is_restorable()) {
                    *points.entry(format!("{cluster} {}", point.key.slot)).or_default() += 1;
                }
            }
        }
        points
    }
}

pub(crate) fn changes(planned: &Planned) -> &Plan {
    planned.plan.plan()
}

pub(crate) fn key() -> SealKey {
    SealKey::from_seed(&[7; 32])
}

/// These tests sync thousands of files, and none of them must survive a power cut.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens simulated sites, and puts its hands around what changes them.
struct Watching {
    inner: Arc<dyn Opener>,
    log: Log,
    before_tag: Hook,
    broken_clock: Option<&'static str>,
    deletes: Arc<Gauge>,
}

impl Opener for Watching {
    fn open(&self, site: &Site, home: Home<'_>) -> Result<Capabilities, ProviderError> {
        let inner = self.inner.open(site, home)?;
        let hands = Arc::new(Hands {
            store: inner.store.clone(),
            sweeper: inner.sweeper.clone(),
            log: self.log.clone(),
            before_tag: self.before_tag.clone(),
            deletes: self.deletes.clone(),
        });
        let is_broken = self.broken_clock == Some(site.name.as_str());
        let clock = if is_broken { Some(Arc::new(BrokenClock) as Arc<dyn SiteClock>) } else { inner.clock.clone() };
        Ok(Capabilities { store: hands.clone(), sweeper: hands, clock, ..inner })
    }
}

struct Hands {
    store: Arc<dyn Store>,
    sweeper: Arc<dyn Sweeper>,
    log: Log,
    before_tag: Hook,
    deletes: Arc<Gauge>,
}

impl Hands {
    fn tell(&self, verb: &str, id: &str) {
        self.log.lock().unwrap().push(("site".to_owned(), verb.to_owned(), id.to_owned()));
    }
}

#[async_trait]
impl Store for Hands {
    async fn create(&self, order: &CreateSnapshot) -> Result<Created, ProviderError> {
        self.tell("create", order.disk.as_str());
        self.store.create(order).await
    }

    async fn create_group(&self, orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        self.tell("create", orders[0].instance.as_str());
        self.store.create_group(orders).await
    }

    async fn copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        self.tell("copy", order.source.id.as_str());
        self.store.copy(order).await
    }

    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError> {
        let hook = self.before_tag.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.tell("tag", id.as_str());
        self.store.tag(id, tags).await
    }

    async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), ProviderError> {
        self.tell("untag", id.as_str());
        self.store.untag(id, keys).await
    }
}

#[async_trait]
impl Sweeper for Hands {
    async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError> {
        self.tell("delete", id.as_str());
        self.deletes.during(self.sweeper.delete(id, disk, generation)).await
    }
}

struct BrokenClock;

impl SiteClock for BrokenClock {
    fn now(&self) -> Result<Timestamp, ProviderError> {
        Err(ProviderError::unavailable("the root is not mounted"))
    }

    fn advance_to(&self, _instant: Timestamp) -> Result<(), ProviderError> {
        Err(ProviderError::unavailable("the root is not mounted"))
    }
}
