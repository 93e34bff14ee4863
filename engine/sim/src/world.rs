//! What exists before any call: machines, their disks, their PostgreSQL servers. Parsed once from a `World` document.

use backstay_core::document::world::{
    WorldDisk, WorldDiskRole, WorldPostgres, WorldPostgresRole, WorldSnapshot, WorldSpec,
};
use backstay_core::lsn::Timeline;
use backstay_core::name::{AccountId, DiskId, InstanceId, SnapshotId, SystemId};
use backstay_core::observed::{AttachedDisk, DatabaseRole, DiskRole};
use backstay_core::tags::Tags;
use backstay_core::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Display;

/// What exists at a simulated site, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    pub(crate) start: Timestamp,
    pub(crate) account: AccountId,
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    /// Which machine each disk is attached to.
    pub(crate) attached: BTreeMap<DiskId, InstanceId>,
    /// What others made before the first call.
    pub(crate) snapshots: BTreeMap<SnapshotId, Stranger>,
}

/// A snapshot that others made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) disk: DiskId,
    pub(crate) made: Timestamp,
    pub(crate) tags: Tags,
}

/// One virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) zone: Option<String>,
    pub(crate) disks: BTreeMap<DiskId, Disk>,
    pub(crate) server: Option<Server>,
}

/// One attached disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) role: DiskRole,
    pub(crate) gib: u32,
    pub(crate) encrypted: bool,
}

impl Disk {
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.gib) << 30
    }

    pub(crate) fn shown(&self, id: &DiskId) -> AttachedDisk {
        AttachedDisk { id: id.clone(), role: self.role.clone(), size: self.bytes(), encrypted: self.encrypted }
    }
}

/// A PostgreSQL server on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) role: DatabaseRole,
    pub(crate) system: SystemId,
    pub(crate) timeline: Timeline,
    /// Whether the world says that it does not answer.
    pub(crate) is_down: bool,
}

/// A world that cannot be: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InvalidWorld {
    /// The place in the document: `spec.instances[2].disks[0].id`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl InvalidWorld {
    fn at(place: impl Display, problem: impl Display) -> Self {
        Self { place: place.to_string(), problem: problem.to_string() }
    }
}

impl World {
    /// Checks a document's `spec`.
    pub fn parse(spec: &WorldSpec) -> Result<Self, InvalidWorld> {
        let start = parse_instant(&spec.start, "spec.start")?;
        let account = AccountId::new(&spec.account).map_err(|e| InvalidWorld::at("spec.account", e))?;
        let (machines, attached, snapshots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut world = Self { start, account, machines, attached, snapshots };
        for (i, instance) in spec.instances.iter().enumerate() {
            let place = format!("spec.instances[{i}]");
            let id = InstanceId::new(&instance.id).map_err(|e| InvalidWorld::at(format!("{place}.id"), e))?;
            let mut disks = BTreeMap::new();
            for (j, disk) in instance.disks.iter().enumerate() {
                let (disk_id, disk) = parse_disk(disk, &format!("{place}.disks[{j}]"))?;
                // The real clouds allow a disk that several machines share; no PostgreSQL data directory is on one.
                if let Some(owner) = world.attached.insert(disk_id.clone(), id.clone()) {
                    let problem = format!("disk `{disk_id}` is attached to `{owner}` already");
                    return Err(InvalidWorld::at(format!("{place}.disks[{j}].id"), problem));
                }
                disks.insert(disk_id, disk);
            }
            let server = match &instance.postgres {
                Some(postgres) => Some(parse_server(postgres, &format!("{place}.postgres"))?),
                None => None,
            };
            if world.machines.insert(id.clone(), Machine { zone: instance.zone.clone(), disks, server }).is_some() {
                let problem = format!("there are two instances `{id}`");
                return Err(InvalidWorld::at(format!("{place}.id"), problem));
            }
        }
        for (i, snapshot) in spec.snapshots.iter().enumerate() {
            let place = format!("spec.snapshots[{i}]");
            let (id, stranger) = world.parse_stranger(snapshot, &place)?;
            if world.snapshots.insert(id.clone(), stranger).is_some() {
                return Err(InvalidWorld::at(format!("{place}.id"), format!("there are two snapshots `{id}`")));
            }
        }
        Ok(world)
    }

    fn parse_stranger(&self, snapshot: &WorldSnapshot, place: &str) -> Result<(SnapshotId, Stranger), InvalidWorld> {
        let id = SnapshotId::new(&snapshot.id).map_err(|e| InvalidWorld::at(format!("{place}.id"), e))?;
        let disk = DiskId::new(&snapshot.disk).map_err(|e| InvalidWorld::at(format!("{place}.disk"), e))?;
        if self.disk(&disk).is_none() {
            return Err(InvalidWorld::at(format!("{place}.disk"), format!("there is no disk `{disk}`")));
        }
        let made = parse_instant(&snapshot.made, &format!("{place}.made"))?;
        if made > self.start {
            return Err(InvalidWorld::at(format!("{place}.made"), "it was made after the world began"));
        }
        Ok((id, Stranger { disk, made, tags: snapshot.tags.clone().into_iter().collect() }))
    }

    /// The first instant of a virtual clock.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The account in which everything lies.
    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// A disk, and the machine that it began with.
    pub(crate) fn disk(&self, id: &DiskId) -> Option<(&Disk, &Machine)> {
        let machine = self.machines.get(self.attached.get(id)?)?;
        machine.disks.get(id).map(|disk| (disk, machine))
    }
}

fn parse_instant(text: &str, place: &str) -> Result<Timestamp, InvalidWorld> {
    let problem = || format!("`{text}` is not an instant in RFC 3339, as in 2026-11-23T08:00:00Z");
    text.parse().map_err(|_| InvalidWorld::at(place, problem()))
}

fn parse_disk(disk: &WorldDisk, place: &str) -> Result<(DiskId, Disk), InvalidWorld> {
    let id = DiskId::new(&disk.id).map_err(|e| InvalidWorld::at(format!("{place}.id"), e))?;
    if disk.size_gib == 0 {
        return Err(InvalidWorld::at(format!("{place}.sizeGiB"), "a disk has at least 1 GiB"));
    }
    let role = match disk.role {
        WorldDiskRole::Data => DiskRole::Data,
        WorldDiskRole::Wal => DiskRole::Wal,
        WorldDiskRole::Tablespace => DiskRole::Tablespace,
        WorldDiskRole::Boot | WorldDiskRole::Other => DiskRole::Other,
    };
    Ok((id, Disk { role, gib: disk.size_gib, encrypted: disk.encrypted }))
}

fn parse_server(postgres: &WorldPostgres, place: &str) -> Result<Server, InvalidWorld> {
    let system = postgres.system.parse().map_err(|e| InvalidWorld::at(format!("{place}.system"), e))?;
    if postgres.timeline == 0 {
        return Err(InvalidWorld::at(format!("{place}.timeline"), "timelines begin at 1"));
    }
    let lag: Option<Duration> = match &postgres.lag {
        Some(text) => Some(text.parse().map_err(|e| InvalidWorld::at(format!("{place}.lag"), e))?),
        None => None,
    };
    let role = match (postgres.role, lag) {
        (WorldPostgresRole::Primary, None) => DatabaseRole::Primary,
        (WorldPostgresRole::Primary, Some(_)) => {
            return Err(InvalidWorld::at(format!("{place}.lag"), "a primary has no lag"));
        }
        (WorldPostgresRole::Standby, lag) => DatabaseRole::Standby { lag: Some(lag.unwrap_or(Duration::ZERO)) },
    };
    Ok(Server { role, system, timeline: Timeline(postgres.timeline), is_down: postgres.down })
}
