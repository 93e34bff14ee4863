//! A fleet's directory with one simulated site.
#![allow(dead_code)]

use backstay_core::model::{Provider, SimFault, SimSite as Declared, Site};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::observed::Snapshot;
use backstay_core::tags::{self, Intent, PointClass, PointKey, Tags};
use backstay_provider::{
    Capabilities, CreateSnapshot, Description, ErrorClass, Home, Opener as _, PageToken, ProviderError,
};
use backstay_provider_sim::{HostClock, SimOpener, SimSite};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

pub(crate) const WORLD: &str = r#"apiVersion: backstay.dev/v1
kind: World
metadata: { name: eu10 }
spec:
  start: 2026-11-23T00:00:00Z
  account: "111122223333"
  instances:
    - id: i-primary
      disks:
        - { id: vol-boot, role: boot, sizeGiB: 10 }
        - { id: vol-data, role: data }
        - { id: vol-wal, role: wal, sizeGiB: 20 }
      postgres: { role: primary, system: "7301234567890123456" }
    - id: i-standby
      disks: [{ id: vol-standby, role: data }]
      postgres: { role: standby, system: "7301234567890123456", lag: 2s }
"#;

pub(crate) struct Fleet {
    pub(crate) directory: TempDir,
    pub(crate) declared: Declared,
    pub(crate) host: HostClock,
    pub(crate) name: SiteName,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("world.yaml"), WORLD).unwrap();
        let declared = Declared {
            profile: "aws".into(),
            seed: 7,
            world: "world.yaml".into(),
            virtual_clock: true,
            faults: vec![],
            page_size: Some(2),
            enforces_budgets: false,
            clock_skew: SignedDuration::ZERO,
        };
        Self { directory, declared, host: ticking(), name: SiteName::new("aws-eu10").unwrap() }
    }

    pub(crate) fn with_faults(faults: Vec<SimFault>) -> Self {
        let mut fleet = Self::new();
        fleet.declared.faults = faults;
        fleet
    }

    pub(crate) fn site(&self) -> Site {
        Site { name: self.name.clone(), provider: Provider::Sim(self.declared.clone()) }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join(".backstay")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.state().join("sim/aws-eu10/effects.jsonl")
    }

    pub(crate) fn try_open(&self) -> Result<Arc<SimSite>, ProviderError> {
        let state = self.state();
        SimSite::open(&self.site(), Home { fleet: self.directory.path(), state: &state }, self.host.clone())
    }

    /// Opens the site as another process would.
    pub(crate) fn open(&self) -> Arc<SimSite> {
        self.try_open().unwrap()
    }

    pub(crate) fn opener(&self) -> SimOpener {
        SimOpener::new(self.host.clone())
    }

    /// Opens the site beside the others of this opener.
    pub(crate) fn open_by(&self, opener: &SimOpener) -> Capabilities {
        let state = self.state();
        opener.open(&self.site(), Home { fleet: self.directory.path(), state: &state }).unwrap()
    }

    pub(crate) fn change_world(&self, from: &str, to: &str) {
        let path = self.directory.path().join("world.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

/// A host's clock that moves by 16 s whenever it is read: past any rate limit.
pub(crate) fn ticking() -> HostClock {
    let now: Mutex<Timestamp> = Mutex::new("2026-11-23T06:00:00Z".parse().unwrap());
    Arc::new(move || {
        let mut now = now.lock().unwrap();
        *now += SignedDuration::from_secs(16);
        *now
    })
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

pub(crate) fn cluster() -> ClusterUid {
    ClusterUid::new("0d9f6a52-0001").unwrap()
}

pub(crate) fn order(disk: &str, attempt: u32) -> CreateSnapshot {
    let disk = DiskId::new(disk).unwrap();
    let instance = InstanceId::new(if disk.as_str() == "vol-standby" { "i-standby" } else { "i-primary" }).unwrap();
    let point = PointKey { slot: at(0), attempt };
    let intent = Intent::of(&cluster(), PointClass::Scheduled, point, &disk);
    let tags = tags::at_creation(&cluster(), PointClass::Scheduled, point, &intent);
    CreateSnapshot { instance, disk, intent, tags, location: None }
}

pub(crate) fn tag(key: &str, value: &str) -> Tags {
    Tags::from_iter([(key, value)])
}

/// Runs what does not really wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn create(capabilities: &Capabilities, disk: &str, attempt: u32) -> Snapshot {
    now(capabilities.store.create(&order(disk, attempt))).unwrap().snapshot()
}

pub(crate) fn list(capabilities: &Capabilities) -> Vec<Snapshot> {
    let mut all = Vec::new();
    let mut token: Option<PageToken> = None;
    loop {
        let page = now(capabilities.inventory.snapshots(token)).unwrap();
        all.extend(page.items);
        token = page.next;
        if token.is_none() {
            return all;
        }
    }
}

pub(crate) fn describe(capabilities: &Capabilities, id: &SnapshotId) -> Option<Snapshot> {
    match now(capabilities.inventory.describe(id)).unwrap() {
        Description::Present(snapshot) => Some(snapshot),
        Description::Absent => None,
    }
}

/// The class and the words of a refusal.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, ProviderError>) -> (ErrorClass, String) {
    let error = answer.unwrap_err();
    (error.class, error.message)
}
