//! A small cloud, and calls in one line.

use backstay_core::document::world::{
    WorldDisk, WorldDiskRole, WorldInstance, WorldPostgres, WorldPostgresRole, WorldSpec,
};
use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::name::{DiskId, InstanceId, SnapshotId};
use backstay_core::observed::Snapshot;
use backstay_core::tags::{INTENT, Intent, MANAGED, Tags};
use backstay_sim::{Call, Cloud, Filter, NewPart, Page, Profile, Reply, Settings, SimError, World};
use jiff::{SignedDuration, Timestamp};

pub(crate) const SYSTEM: &str = "7301234567890123456";

pub(crate) fn disk(id: &str, role: WorldDiskRole, size_gib: u32) -> WorldDisk {
    WorldDisk { id: id.into(), role, size_gib, encrypted: true }
}

pub(crate) fn server(role: WorldPostgresRole, lag: Option<&str>) -> WorldPostgres {
    WorldPostgres { role, system: SYSTEM.into(), timeline: 1, lag: lag.map(str::to_owned), down: false }
}

/// A primary with two disks, a standby, and a pgpool machine.
pub(crate) fn spec() -> WorldSpec {
    let instance = |id: &str, disks, postgres| WorldInstance { id: id.into(), zone: None, disks, postgres };
    WorldSpec {
        start: "2026-11-23T00:00:00Z".into(),
        account: "111122223333".into(),
        instances: vec![
            instance(
                "i-primary",
                vec![
                    disk("vol-boot", WorldDiskRole::Boot, 10),
                    disk("vol-data", WorldDiskRole::Data, 100),
                    disk("vol-wal", WorldDiskRole::Wal, 20),
                ],
                Some(server(WorldPostgresRole::Primary, None)),
            ),
            instance(
                "i-standby",
                vec![disk("vol-standby", WorldDiskRole::Data, 100), disk("vol-ts", WorldDiskRole::Tablespace, 50)],
                Some(server(WorldPostgresRole::Standby, Some("2m"))),
            ),
            instance("i-pool", vec![], None),
        ],
        snapshots: Vec::new(),
    }
}

pub(crate) fn world() -> World {
    World::parse(&spec()).unwrap()
}

pub(crate) fn cloud() -> Cloud {
    cloud_with(Settings { seed: 7, ..Settings::default() })
}

pub(crate) fn cloud_with(settings: Settings) -> Cloud {
    Cloud::new(Profile::aws(), world(), settings)
}

pub(crate) fn faulty(call: SimCall, page: Option<usize>, fail: SimFailure) -> Cloud {
    cloud_with(Settings {
        seed: 7,
        faults: vec![SimFault { page, ..SimFault::of(call, fail) }],
        page_size: Some(2),
        enforces_budgets: false,
    })
}

/// The instant this many seconds after the world began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

pub(crate) fn disk_id(id: &str) -> DiskId {
    DiskId::new(id).unwrap()
}

pub(crate) fn instance_id(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}

pub(crate) fn intent(text: &str) -> Intent {
    Intent(text.to_owned())
}

pub(crate) fn ours(intent: &str) -> Tags {
    Tags::from_iter([(MANAGED, "1"), (INTENT, intent)])
}

pub(crate) fn part(disk: &str, intent: &str) -> NewPart {
    NewPart { disk: disk_id(disk), tags: ours(intent), word: Some(format!("b-{intent}")), location: None }
}

pub(crate) fn create(disk: &str, intent: &str) -> Call {
    let instance = if disk.ends_with("standby") || disk.ends_with("ts") { "i-standby" } else { "i-primary" };
    Call::CreateSnapshot { instance: instance_id(instance), part: part(disk, intent) }
}

/// What a call created.
pub(crate) fn created(reply: Result<Reply, SimError>) -> Vec<Snapshot> {
    let Ok(Reply::Created(snapshots)) = reply else { panic!("not created: {reply:?}") };
    snapshots
}

/// Creates one snapshot that nothing refuses.
pub(crate) fn make(cloud: &mut Cloud, seconds: i64, disk: &str, intent: &str) -> Snapshot {
    created(cloud.handle(at(seconds), create(disk, intent))).remove(0)
}

pub(crate) fn describe(cloud: &mut Cloud, seconds: i64, id: &SnapshotId) -> Result<Snapshot, SimError> {
    match cloud.handle(at(seconds), Call::DescribeSnapshot { id: id.clone() })? {
        Reply::Snapshot(snapshot) => Ok(*snapshot),
        reply => panic!("not described: {reply:?}"),
    }
}

pub(crate) fn snapshots(cloud: &mut Cloud, seconds: i64, page: Option<String>) -> Result<Page<Snapshot>, SimError> {
    let only_ours = cloud.profile().filter != Filter::None;
    match cloud.handle(at(seconds), Call::ListSnapshots { only_ours, page })? {
        Reply::Snapshots(page) => Ok(page),
        reply => panic!("not listed: {reply:?}"),
    }
}

/// All pages.
pub(crate) fn list(cloud: &mut Cloud, seconds: i64) -> Vec<Snapshot> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = snapshots(cloud, seconds, token).unwrap();
        all.extend(page.items);
        token = page.next;
        if token.is_none() {
            return all;
        }
    }
}
