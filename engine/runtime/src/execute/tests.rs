//! Copies, mended tags and locks between two scripted sites, each effect as the saga asks for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at the disk")]

use super::{Hands, Site, Touched};
use crate::calls::{Calls, Limits, Unfenced};
use crate::events::Silent;
use crate::file_store::FileStore;
use crate::seams::Clock;
use crate::sources::from_directory;
use crate::state::State;
use async_trait::async_trait;
use backstay_core::capabilities::Iaas;
use backstay_core::model::{Cluster, LockMode, ProviderKind};
use backstay_core::name::{AccountId, DiskId, SiteName, SnapshotId};
use backstay_core::observed::{Generation, Instance, Readiness, Snapshot};
use backstay_core::plan::{
    Action, Cause, Change, CopyPoint, ExpectedSnapshot, LockPoint, PlannedCopy, Reason, Repair, Retagged, TagPoint,
};
use backstay_core::saga::{End, Event, Saga};
use backstay_core::seal::{Keyring, OwnedSnapshot, Place, SealKey};
use backstay_core::tags::{self, Intent, PointClass, Tags};
use backstay_provider::{
    Capabilities, CopySnapshot, CreateSnapshot, Created, Description, Inventory, Locker, Page, PageToken,
    ProviderError, SiteFacts, Store, Sweeper,
};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A site that is only its snapshots.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Snapshot>>>);

impl Shelf {
    fn all(&self) -> Vec<Snapshot> {
        self.0.lock().unwrap().clone()
    }
}

fn unasked<T>() -> Result<T, ProviderError> {
    Err(ProviderError::invalid("nobody asks for this"))
}

#[async_trait]
impl Inventory for Shelf {
    async fn facts(&self, _host: Timestamp) -> Result<SiteFacts, ProviderError> {
        unasked()
    }
    async fn instances(&self, _page: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
        unasked()
    }
    async fn snapshots(&self, _page: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        unasked()
    }
    async fn describe(&self, id: &SnapshotId) -> Result<Description, ProviderError> {
        let found = self.all().into_iter().find(|snapshot| snapshot.id == *id);
        Ok(found.map_or(Description::Absent, Description::Present))
    }
    async fn by_intent(&self, _intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        unasked()
    }
}

#[async_trait]
impl Store for Shelf {
    async fn create(&self, _order: &CreateSnapshot) -> Result<Created, ProviderError> {
        unasked()
    }
    async fn create_group(&self, _orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        unasked()
    }
    async fn copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        let mut all = self.0.lock().unwrap();
        if let Some(found) = all.iter().find(|s| s.tags.get(tags::INTENT) == Some(&order.intent.0)) {
            return Ok(Created::Adopted(found.clone()));
        }
        let copy = Snapshot {
            id: SnapshotId::new(format!("copy-{}", all.len())).unwrap(),
            // A copy is of no disk of its site.
            disk: DiskId::new("vol-ffffffff").unwrap(),
            readiness: Readiness::CutFixed,
            tags: order.tags.clone(),
            ..order.source.clone()
        };
        all.push(copy.clone());
        Ok(Created::Created(copy))
    }
    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError> {
        let mut all = self.0.lock().unwrap();
        let found = all.iter_mut().find(|snapshot| snapshot.id == *id);
        found.ok_or_else(|| ProviderError::not_found("no such snapshot"))?.tags.extend(tags.clone());
        Ok(())
    }
    async fn untag(&self, _id: &SnapshotId, _keys: &[&str]) -> Result<(), ProviderError> {
        unasked()
    }
}

#[async_trait]
impl Locker for Shelf {
    async fn lock(&self, id: &SnapshotId, _mode: LockMode, until: Timestamp) -> Result<Timestamp, ProviderError> {
        let mut all = self.0.lock().unwrap();
        all.iter_mut().find(|snapshot| snapshot.id == *id).unwrap().locked_until = Some(until);
        Ok(until)
    }
}

#[async_trait]
impl Sweeper for Shelf {
    async fn delete(&self, _: &SnapshotId, _: &DiskId, _: &Generation) -> Result<(), ProviderError> {
        unasked()
    }
}

struct Noon;

#[async_trait]
impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at("2026-11-23T12:00:00Z")
    }
    async fn sleep(&self, _length: SignedDuration) {}
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn key() -> SealKey {
    SealKey::from_seed(&[7; 32])
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn cluster() -> Cluster {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios/fleets/small");
    let sources = from_directory(&fleet).unwrap();
    let desired = backstay_core::resolve::resolve(&sources.tree, sources.origin).desired.unwrap();
    desired.clusters.values().next().unwrap().as_ref().clone()
}

fn source() -> Snapshot {
    Snapshot {
        id: SnapshotId::new("snap-1").unwrap(),
        disk: DiskId::new("vol-1").unwrap(),
        created: at("2026-11-23T08:00:00Z"),
        readiness: Readiness::Ready,
        tags: Tags::new(),
        size: 1,
        encrypted: true,
        kms_key: None,
        location: None,
        locked_until: None,
    }
}

fn expected(snapshot: &Snapshot) -> ExpectedSnapshot {
    ExpectedSnapshot { id: snapshot.id.clone(), disk: snapshot.disk.clone(), generation: snapshot.generation() }
}

fn copy_of(snapshot: &Snapshot) -> Action {
    let name = "data-1of1".parse().unwrap();
    let part = PlannedCopy { name, source: expected(snapshot), intent: Intent("the-copy".to_owned()) };
    Action::Copy(CopyPoint {
        point: "20261123t080000z-1".parse().unwrap(),
        class: PointClass::Scheduled,
        cut: at("2026-11-23T08:00:00Z"),
        from: SiteName::new("eu").unwrap(),
        kms_key: None,
        system: None,
        wal: None,
        parts: vec![part],
    })
}

/// Two sites, `eu` and `us`, in different accounts.
struct World {
    eu: Shelf,
    us: Shelf,
    us_can_lock: bool,
    touched: Mutex<Touched>,
}

impl World {
    fn new() -> Self {
        let eu = Shelf(Arc::new(Mutex::new(vec![source()])));
        Self { eu, us: Shelf::default(), us_can_lock: true, touched: Mutex::default() }
    }

    fn capabilities(&self, shelf: &Shelf) -> Capabilities {
        let shelf = Arc::new(shelf.clone());
        Capabilities {
            inventory: shelf.clone(),
            store: shelf.clone(),
            locker: self.us_can_lock.then(|| shelf.clone() as Arc<dyn Locker>),
            restorer: None,
            sweeper: shelf,
            databases: None,
            point_files: None,
            clock: None,
        }
    }

    /// Carries an action out at `us`, and stops before the effect of this number, as a crash would.
    fn perform(&self, action: Action, crash_before: usize) -> Option<End> {
        let directory = tempfile::tempdir().unwrap();
        let (store, cancelled, key) = (FileStore::new(directory.path().to_owned()), AtomicBool::new(false), key());
        let (eu, us) = (self.capabilities(&self.eu), self.capabilities(&self.us));
        let (eu_account, us_account) = (account("eu-account"), account("us-account"));
        let (limits, keyring) = (Limits::without_budgets(), Keyring::new([key.public()]));
        let (eu_name, us_name) = (SiteName::new("eu").unwrap(), SiteName::new("us").unwrap());
        let place = |name, capabilities, account| Site {
            calls: Calls::new(name, capabilities, &limits, &Noon, &Silent).of_run("run-1", &cancelled),
            rules: Iaas::Aws.rules(),
            provider: ProviderKind::Sim,
            account,
            state: State(&store),
            clock: &Noon,
            key: &key,
            keyring: &keyring,
            as_of: at("2026-11-23T12:00:00Z"),
            sights: true,
        };
        let (from, to, cluster) = (place(&eu_name, &eu, &eu_account), place(&us_name, &us, &us_account), cluster());
        let (name, site) = (cluster.name.clone(), SiteName::new("us").unwrap());
        let (cause, reason) = (Cause::Due, Reason::HoldTagMissing);
        let policy = cluster.policy.clone();
        let change = Change { cluster: cluster.uid.clone(), name, site, policy, action, cause, reason };
        let touched = std::mem::take(&mut *self.touched.lock().unwrap());
        let mut hands = Hands::new(&to, Some(&from), &cluster, &change, touched, &Unfenced);
        let (mut saga, mut next) = Saga::begin(&change.action);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..crash_before {
            let Some(effect) = next else { break };
            let event: Event = runtime.block_on(hands.perform(&effect, saga.facts()));
            next = saga.next(event).unwrap();
        }
        *self.touched.lock().unwrap() = hands.touched;
        saga.end().cloned()
    }

    fn only_copy(&self) -> Snapshot {
        let [copy] = self.us.all().try_into().unwrap();
        copy
    }
}

const TO_THE_END: usize = usize::MAX;

fn is_ours(snapshot: &Snapshot, account_name: &str) -> bool {
    let account = account(account_name);
    let place = Place { provider: ProviderKind::Sim, account: &account };
    OwnedSnapshot::check(&place, snapshot, &Keyring::new([key().public()])).is_ok()
}

#[test]
fn a_copy_is_sealed_for_where_it_lies_while_it_is_still_on_its_way() {
    let world = World::new();
    assert_eq!(world.perform(copy_of(&source()), TO_THE_END), Some(End::Done));
    let copy = world.only_copy();
    assert_eq!(copy.readiness, Readiness::CutFixed);
    assert!(is_ours(&copy, "us-account") && !is_ours(&copy, "eu-account"));
    assert_eq!(world.eu.all(), [source()]);
}

#[test]
fn a_copy_that_was_cut_short_anywhere_is_adopted_and_sealed_by_the_next_run() {
    for crash_before in 0..4 {
        let world = World::new();
        world.perform(copy_of(&source()), crash_before);
        assert_eq!(world.perform(copy_of(&source()), TO_THE_END), Some(End::Done));
        assert!(is_ours(&world.only_copy(), "us-account"), "cut short before {crash_before}");
    }
}

#[test]
fn a_source_that_changed_is_not_ready_or_is_gone_is_not_copied() {
    let changes: [fn(&mut Vec<Snapshot>); 3] =
        [|all| all[0].tags.insert("a", "b"), |all| all[0].readiness = Readiness::CutFixed, Vec::clear];
    for change in changes {
        let world = World::new();
        change(&mut world.eu.0.lock().unwrap());
        let end = world.perform(copy_of(&source()), TO_THE_END);
        assert!(matches!(end, Some(End::Stale { .. })), "{end:?}");
        assert!(world.us.all().is_empty());
    }
}

fn tag_of(snapshot: &Snapshot, repair: Repair, set: Tags) -> Action {
    Action::Tag(TagPoint {
        point: "20261123t080000z-1".parse().unwrap(),
        class: PointClass::Scheduled,
        cut: snapshot.created,
        repair,
        snapshots: vec![Retagged { expected: expected(snapshot), set }],
    })
}

fn lock_of(snapshot: &Snapshot) -> Action {
    Action::Lock(LockPoint {
        point: "20261123t080000z-1".parse().unwrap(),
        class: PointClass::Scheduled,
        cut: snapshot.created,
        mode: LockMode::Governance,
        until: at("2026-12-07T08:00:00Z"),
        snapshots: vec![expected(snapshot)],
    })
}

#[test]
fn an_adopted_snapshot_carries_its_new_tags_and_a_seal_over_them() {
    let world = World::new();
    world.us.0.lock().unwrap().push(source());
    let set: Tags = [(tags::PART, "unfinished-1of1".to_owned())].into_iter().collect();
    assert_eq!(world.perform(tag_of(&source(), Repair::Adopt, set), TO_THE_END), Some(End::Done));
    let adopted = world.only_copy();
    assert!(is_ours(&adopted, "us-account"));
    assert_eq!(adopted.tags.get(tags::PART), Some("unfinished-1of1"));
}

#[test]
fn a_lock_follows_a_tag_that_this_run_mended_and_no_other_change() {
    let world = World::new();
    world.us.0.lock().unwrap().push(source());
    let hold: Tags = [(tags::HOLD, "1".to_owned())].into_iter().collect();
    assert_eq!(world.perform(tag_of(&source(), Repair::MirrorHold, hold), TO_THE_END), Some(End::Done));
    assert_eq!(world.perform(lock_of(&source()), TO_THE_END), Some(End::Done));
    assert_eq!(world.only_copy().locked_until, Some(at("2026-12-07T08:00:00Z")));
    let end = world.perform(lock_of(&source()), TO_THE_END);
    assert!(matches!(end, Some(End::Stale { .. })), "{end:?}");
}

#[test]
fn a_site_without_locks_fails_a_lock() {
    let world = World { us_can_lock: false, ..World::new() };
    world.us.0.lock().unwrap().push(source());
    let because = "site us cannot lock snapshots".to_owned();
    assert_eq!(world.perform(lock_of(&source()), TO_THE_END), Some(End::Failed { because }));
}
