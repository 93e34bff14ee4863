//! How fast a whole fleet is resolved, planned and checked: `benches/run`, by hand.
//!
//! Each row is measured in a process of its own, so that its peak memory is its own: `plan --row CLUSTERS POINTS FILE [RUNS]`, which
//! also measures one size alone, more often, for a profile. FILE is the inventory, which is made if it is not there. What is
//! measured is pure: the observation lies in memory, and its seals were checked by who wrote the file.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a measurement is no product")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is core that is pure, not who measures it")]

use backstay_core::canonical;
use backstay_core::document::SourceTree;
use backstay_core::inventory;
use backstay_core::lsn::{Lsn, Timeline, WalRange};
use backstay_core::model::{Cluster, Desired, Origin, ProviderKind};
use backstay_core::name::{AccountId, ClusterUid, DiskId, InstanceId, SnapshotId, SystemId};
use backstay_core::observed::{
    Abilities, AttachedDisk, DatabaseRole, DatabaseState, DatabaseStatus, DiskRole, Instance, Listing, Observed,
    Provenance, Readiness, Records, SiteClock, SiteInventory, Snapshot,
};
use backstay_core::plan::{Action, Plan};
use backstay_core::planner;
use backstay_core::resolve::resolve;
use backstay_core::seal::{Keyring, Place, SealKey};
use backstay_core::tags::{self, Intent, PartName, PartRole, PointClass, PointKey};
use backstay_core::time::{Duration, stamp};
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_core::verify::{VerifiedPlan, verify_with};
use backstay_core::workers::{Workers, map};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const SITES: [&str; 4] = ["site-a", "site-b", "site-c", "site-d"];
const WAL: WalRange = WalRange { timeline: Timeline(1), start: Lsn(0x0200_0028), end: Lsn(0x0200_0138) };
const RUNS: usize = 5;

/// Mixed: windows, grandfathers, several floors, a time zone.
const POLICIES: [(&str, &str); 4] = [
    ("gold", "schedule: { every: 8h }\n  retention: { recoveryWindow: 14d, minimumRedundancy: 2 }"),
    (
        "silver",
        "schedule: { every: 12h }\n  retention: { keep: { daily: 14, weekly: 3 }, minimumRedundancy: 3, grace: 24h }",
    ),
    (
        "bronze",
        "schedule: { every: 24h }\n  retention: { keep: { last: 5, weekly: 4, monthly: 3 }, recoveryWindow: 30d }",
    ),
    (
        "berlin",
        "schedule: { cron: \"30 */6 * * *\", timeZone: Europe/Berlin }\n  retention: { keep: { last: 30, daily: 10, yearly: 1 } }",
    ),
];

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).filter(|word| *word != "--bench").collect();
    let number = |word: &str| word.parse::<usize>().unwrap();
    match words.as_slice() {
        ["--prepare", clusters, points, file] => prepare(number(clusters), number(points), file),
        ["--fleet", clusters, points, directory] => fleet(number(clusters), number(points), directory),
        ["--row", clusters, points, file] => println!("{}", row(number(clusters), number(points), file, RUNS)),
        ["--row", clusters, points, file, runs] => {
            println!("{}", row(number(clusters), number(points), file, number(runs)));
        }
        _ => {
            println!(
                "| clusters | snapshots | documents | resolve | inventory | read | plan + verify | of it plan | CPU of both | changes | memory |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|");
            let directory = std::env::temp_dir().join(format!("backstay-bench-{}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            for clusters in [100, 1000, 3000, 10_000] {
                let file = directory.join(format!("{clusters}.inventory"));
                for what in ["--prepare", "--row"] {
                    let words = [what, &clusters.to_string(), "50", file.to_str().unwrap()].map(str::to_owned);
                    let done = std::process::Command::new(&arguments[0]).args(words).output().unwrap();
                    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                    print!("{}", String::from_utf8(done.stdout).unwrap());
                }
            }
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }
}

/// The two hands that the goal speaks of.
struct Threads;

impl Workers for Threads {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let numbers = || std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|n| *n < count);
        std::thread::scope(|scope| {
            scope.spawn(|| numbers().for_each(work));
            numbers().for_each(work);
        });
    }
}

fn as_of() -> Timestamp {
    "2026-11-23T12:34:56Z".parse().unwrap()
}

fn resolved(sources: &SourceTree) -> Desired {
    let origin = Origin { commit: None, dirty: false, documents: sources.digest() };
    resolve(sources, origin).desired.unwrap()
}

/// Makes the world, and writes it down as `observe -out` does.
fn prepare(clusters: usize, points: usize, file: &str) {
    let sources: SourceTree = documents(clusters).into_iter().collect();
    let desired = resolved(&sources);
    let mut observed = observe(&desired, points, as_of());
    // A plan for a look at what is beyond retention.
    let first = planner::plan_with(&Threads, &desired, &observed, Some(&desired), as_of());
    mark(&mut observed, &first, as_of());
    std::fs::write(file, inventory::write(&Threads, &observed, Some(&seal_key()))).unwrap();
}

/// The same with its documents and its seal key, as a fleet's directory: `benches/inventory` plans over it.
fn fleet(clusters: usize, points: usize, directory: &str) {
    let root = std::path::Path::new(directory);
    let mut files = documents(clusters);
    files.insert(".backstay/seal.key".to_owned(), seal_key().to_file_content());
    for (name, content) in files {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    prepare(clusters, points, root.join("observed.inventory").to_str().unwrap());
}

/// Each step alone, so that what is measured has the memory of its input, and no holes that were left when that was made up.
fn row(clusters: usize, points: usize, file: &str, runs: usize) -> String {
    if !std::fs::exists(file).unwrap() {
        prepare(clusters, points, file);
    }
    let files = documents(clusters);
    let bytes: usize = files.values().map(String::len).sum();
    let sources: SourceTree = files.into_iter().collect();
    let (resolving, mut declared) = median(RUNS, || resolved(&sources));
    drop(sources);
    let trusted = Keyring::new([seal_key().public()]);
    let size = std::fs::metadata(file).unwrap().len();
    let (reading, observed) = median(3, || inventory::read(&Threads, &std::fs::read(file).unwrap(), &trusted).unwrap());
    // Orphans: declared no more, and everything of them is still there.
    let gone: Vec<ClusterUid> = declared.clusters.keys().step_by(50).cloned().collect();
    for uid in &gone {
        declared.clusters.remove(uid);
    }
    // What depends on the observation alone is found out by the first of these.
    let warm = planner::plan_with(&Threads, &declared, &observed, Some(&declared), as_of());
    let changes = warm.changes.len();
    // Whoever makes it faster must not change it.
    eprintln!("{clusters} clusters, the plan's digest: {}", canonical::digest(&warm));
    verify_with(&Threads, warm, &declared, &observed).unwrap_or_else(|violations| panic!("{violations}"));
    // The allocator gives back what was freed while the input was read, when a second has passed and somebody asks for more.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    drop(planner::plan_with(&Threads, &declared, &observed, Some(&declared), as_of()));
    // Peak memory from here on: that of the input, and what a plan adds.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut planning = Vec::new();
    let before = cpu_seconds();
    let (both, _) = median(runs, || plan_and_verify(&declared, &observed, as_of(), &mut planning));
    let cpu = (cpu_seconds() - before) / runs as f64;
    planning.sort_by(f64::total_cmp);
    let snapshots: usize = observed.sites.values().filter_map(Listing::complete).map(|site| site.snapshots.len()).sum();
    format!(
        "| {clusters} | {snapshots} | {:.1} MB | {:.0} ms | {:.0} MB | {:.0} ms | {:.0} ms | {:.0} ms | {:.0} ms | {changes} | {} MiB |",
        bytes as f64 / 1e6,
        resolving * 1e3,
        size as f64 / 1e6,
        reading * 1e3,
        both * 1e3,
        planning[runs / 2] * 1e3,
        cpu * 1e3,
        peak_mib(),
    )
}

fn seal_key() -> SealKey {
    SealKey::from_seed(&[7; 32])
}

/// What is measured: by its name a profiler finds it.
#[inline(never)]
fn plan_and_verify(declared: &Desired, observed: &Observed, as_of: Timestamp, planning: &mut Vec<f64>) -> VerifiedPlan {
    let started = Instant::now();
    let plan = planner::plan_with(&Threads, declared, observed, Some(declared), as_of);
    planning.push(started.elapsed().as_secs_f64());
    verify_with(&Threads, plan, declared, observed).unwrap()
}

/// The median time of some runs, in seconds, and the last result.
fn median<T>(runs: usize, mut run: impl FnMut() -> T) -> (f64, T) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..runs {
        drop(last.take());
        let started = Instant::now();
        last = Some(run());
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[runs / 2], last.unwrap())
}

/// What the threads of this process have worked so far, whatever else the machine did meanwhile.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_the_name) = stat.rsplit_once(')').unwrap();
    // The 14th and 15th field are user and system time, in hundredths of a second on every Linux that we know.
    after_the_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

fn documents(clusters: usize) -> BTreeMap<String, String> {
    let head = |kind: &str, name: &str| {
        format!("apiVersion: backstay.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n")
    };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    files.insert(
        "fleet/fleet.yaml".to_owned(),
        head("Fleet", "bench") + "  limits: { deletesPerDay: { fleet: 100%, cluster: 100 } }\n",
    );
    for site in SITES {
        let spec =
            format!("  {{ provider: sim, profile: aws, seed: 7, clock: virtual, world: fleet/worlds/{site}.yaml }}\n");
        files.insert(format!("fleet/{site}.yaml"), head("Site", site) + &spec);
        let world = "  { start: 2026-01-01T00:00:00Z, account: \"111122223333\", instances: [] }\n";
        files.insert(format!("fleet/worlds/{site}.yaml"), head("World", site) + world);
    }
    for (name, spec) in POLICIES {
        files.insert(format!("policies/{name}.yaml"), head("BackupPolicy", name) + "  " + spec + "\n");
    }
    for number in 0..clusters {
        let text = files.entry(format!("fleet/clusters/{:03}.yaml", number / 50)).or_default();
        if !text.is_empty() {
            text.push_str("---\n");
        }
        let (site, policy) = (SITES[number % 4], POLICIES[number / 4 % 4].0);
        text.push_str(&head("Cluster", &format!("cluster-{number:05}")));
        writeln!(text, "  uid: 0d9f6a52-4a3e-4c0e-9d31-{number:012x}\n  site: {site}\n  policy: {policy}\n  nodes:")
            .unwrap();
        for (node, role) in [(0, "postgres"), (1, "postgres"), (2, "pgpool"), (3, "pgpool"), (4, "pgpool")] {
            writeln!(text, "    - {{ name: node-{node}, role: {role}, instance: {} }}", instance(number, node))
                .unwrap();
        }
    }
    files
}

fn instance(cluster: usize, node: usize) -> String {
    format!("i-{cluster:012x}{node:05x}")
}

fn number_of(cluster: &Cluster) -> usize {
    usize::from_str_radix(&cluster.uid.as_str()[24..], 16).unwrap()
}

/// A number that looks random and is the same every time.
fn scramble(number: usize) -> usize {
    let mut z = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as usize
}

fn observe(desired: &Desired, points: usize, as_of: Timestamp) -> Observed {
    let key = seal_key();
    let clusters: Vec<&Cluster> = desired.clusters.values().map(AsRef::as_ref).collect();
    let made = map(&Threads, &clusters, |cluster| snapshots_of(desired, cluster, points, as_of, &key));
    let mut records = Records::default();
    let mut sites: BTreeMap<_, SiteInventory> = desired.sites.keys().map(|site| (site.clone(), empty(as_of))).collect();
    for (cluster, snapshots) in clusters.iter().zip(made) {
        let site = sites.get_mut(&cluster.site).unwrap();
        site.instances.extend((0..5).map(|node| machine(number_of(cluster), node)));
        if number_of(cluster) % 20 == 3 {
            let held = snapshots[snapshots.len() / 2].tags.get(tags::POINT).unwrap().parse().unwrap();
            records.holds.insert((cluster.uid.clone(), held));
        }
        site.snapshots.extend(snapshots);
    }
    for site in sites.values_mut() {
        site.instances.sort_by(|a, b| a.id.cmp(&b.id));
        site.snapshots.sort_by_key(|snapshot| scramble(usize::from_str_radix(&snapshot.id.as_str()[5..], 16).unwrap()));
    }
    Observed {
        at: as_of,
        provenance: Provenance::Live,
        sites: sites.into_iter().map(|(name, site)| (name, Listing::Complete(site))).collect(),
        records: Listing::Complete(records),
        keyring: Keyring::new([key.public()]),
    }
}

fn empty(now: Timestamp) -> SiteInventory {
    SiteInventory {
        clock: SiteClock { now, host: now, is_virtual: true },
        provider: ProviderKind::Sim,
        account: AccountId::new("111122223333").unwrap(),
        abilities: Abilities { atomic_disk: true, atomic_group: true, method: "EBS snapshot".to_owned() },
        instances: Vec::new(),
        snapshots: Vec::new().into(),
        unmanaged: Vec::new(),
        kept_files: std::collections::BTreeSet::new(),
    }
}

fn system(number: usize) -> SystemId {
    SystemId(7_300_000_000_000_000_000 + number as u64)
}

fn machine(number: usize, node: usize) -> Instance {
    let id = InstanceId::new(instance(number, node)).unwrap();
    let disk = |role: DiskRole, name: &str| AttachedDisk {
        id: DiskId::new(format!("vol-{number:012x}{node:01x}{name}")).unwrap(),
        role,
        size: 100 << 30,
        encrypted: true,
    };
    if node > 1 {
        return Instance { id, disks: vec![disk(DiskRole::Other, "root")], database: DatabaseState::NotObservable };
    }
    let role =
        if node == 0 { DatabaseRole::Primary } else { DatabaseRole::Standby { lag: Some(Duration::seconds(1)) } };
    let status = DatabaseStatus {
        role,
        system: system(number),
        timeline: Timeline(1),
        version: 150_018,
        data_checksums: true,
        full_page_writes: true,
        backup_running: false,
    };
    let disks = vec![disk(DiskRole::Data, "data"), disk(DiskRole::Wal, "wal0")];
    Instance { id, disks, database: DatabaseState::Known(status) }
}

/// The points of a cluster's latest slots; every third cluster misses its latest one.
fn snapshots_of(desired: &Desired, cluster: &Cluster, points: usize, as_of: Timestamp, key: &SealKey) -> Vec<Snapshot> {
    let schedule = &desired.policy_of(cluster).schedule;
    let number = number_of(cluster);
    let account = AccountId::new("111122223333").unwrap();
    let place = Place { provider: ProviderKind::Sim, account: &account };
    let mut at = as_of;
    if number.is_multiple_of(3) {
        at = Duration::seconds(1).before(schedule.latest_due(&cluster.uid, at).unwrap());
    }
    let mut made = Vec::with_capacity(2 * points);
    for point in 0..points {
        let slot = schedule.latest_due(&cluster.uid, at).unwrap();
        at = Duration::seconds(1).before(slot);
        let point_key = PointKey { slot, attempt: 1 };
        let cut = Duration::seconds(20).after(slot);
        for (index, role, name) in [(1, PartRole::Wal, "wal0"), (2, PartRole::Data, "data")] {
            let disk = DiskId::new(format!("vol-{number:012x}1{name}")).unwrap();
            let intent = Intent::of(&cluster.uid, PointClass::Scheduled, point_key, &disk);
            let mut all = tags::at_creation(&cluster.uid, PointClass::Scheduled, point_key, &intent);
            all.extend(tags::when_known(&PartName { role, index, of: 2 }, Some(system(number)), Some(WAL), cut));
            let mut snapshot = Snapshot {
                id: SnapshotId::new(format!("snap-{:017x}", number * 1000 + point * 2 + usize::from(index))).unwrap(),
                disk,
                created: cut,
                readiness: Readiness::Ready,
                tags: all,
                size: 100 << 30,
                encrypted: true,
                kms_key: None,
                location: None,
                locked_until: None,
            };
            let seal = key.seal(&place, &snapshot);
            snapshot.tags.extend(seal);
            made.push(snapshot);
        }
    }
    made
}

/// What the plan would mark is marked: of every ten points one long ago, eight within the grace, one not yet.
fn mark(observed: &mut Observed, plan: &Plan, as_of: Timestamp) {
    let key = seal_key();
    let mut stamps: BTreeMap<SnapshotId, String> = BTreeMap::new();
    let Listing::Complete(records) = &mut observed.records else { return };
    for change in &plan.changes {
        let Action::Expire(expired) = &change.action else { continue };
        let at = match scramble(expired.point.slot.as_second() as usize) % 10 {
            0 => Duration::days(4).before(as_of),
            1 => continue,
            _ => Duration::hours(10).before(as_of),
        };
        for expected in &expired.snapshots {
            let content = TombstoneContent {
                site: change.site.clone(),
                snapshot: expected.id.clone(),
                cluster: change.cluster.clone(),
                point: expired.point,
                number: 1,
                at,
                grace: expired.grace,
                cause: change.cause,
                reason: change.reason.to_string(),
            };
            let tombstone = Tombstone::sign(content, &key);
            records.sightings.insert(tombstone.digest(), at);
            stamps.insert(expected.id.clone(), stamp(at));
            records.tombstones.entry(change.site.clone()).or_default().insert(expected.id.clone(), tombstone);
        }
    }
    for listing in observed.sites.values_mut() {
        let Listing::Complete(site) = listing else { continue };
        for snapshot in &mut site.snapshots {
            if let Some(stamp) = stamps.get(&snapshot.id) {
                snapshot.tags.insert(tags::EXPIRE, stamp.as_str());
            }
        }
    }
}
