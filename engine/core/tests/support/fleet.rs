//! The documents of a made-up fleet, and its machines.

use super::lab::{SITE, SYSTEM, attached, instance};
use super::resolve_sources;
use backstay_core::document::SourceTree;
use backstay_core::lsn::Timeline;
use backstay_core::model::{Desired, LockMode, LockPolicy};
use backstay_core::observed::{DatabaseRole, DatabaseState, DatabaseStatus, DiskRole, Instance};
use backstay_core::time::Duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A primary and a standby with one data disk and a root disk each.
pub fn instances_of(cluster: &str) -> Vec<Instance> {
    let server = |role| {
        DatabaseState::Known(DatabaseStatus {
            role,
            system: SYSTEM,
            timeline: Timeline(1),
            version: 150_018,
            data_checksums: true,
            full_page_writes: true,
            backup_running: false,
        })
    };
    let standby = DatabaseRole::Standby { lag: Some(Duration::seconds(3)) };
    [DatabaseRole::Primary, standby]
        .into_iter()
        .enumerate()
        .map(|(node, role)| Instance {
            id: instance(cluster, node),
            disks: vec![attached(cluster, node, DiskRole::Data), attached(cluster, node, DiskRole::Other)],
            database: server(role),
        })
        .collect()
}

/// Resolves a fleet of these clusters under one policy. Further sites are declared beside their home, each with its profile.
pub fn declare(policy: &str, clusters: &[String], limits: &str, further: &[(String, String)]) -> Desired {
    let head = |kind: &str, name: &str| {
        format!("apiVersion: backstay.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n")
    };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut insert = |path: &str, text: String| drop(files.insert(path.to_owned(), text));
    insert("fleet/fleet.yaml", head("Fleet", "lab") + &format!("  limits: {{ deletesPerDay: {limits} }}\n"));
    let home = (SITE.to_owned(), String::new());
    // Whatever the profile: the lab sets it, since not every one of them can be declared.
    for (site, _) in further.iter().chain([&home]) {
        let sim = format!(
            "  provider: sim\n  profile: aws\n  seed: 7\n  clock: virtual\n  world: fleet/worlds/{site}.yaml\n"
        );
        insert(&format!("fleet/{site}.yaml"), head("Site", site) + &sim);
        let world = "  start: 2026-11-23T01:00:00Z\n  account: \"111122223333\"\n  instances: []\n";
        insert(&format!("fleet/worlds/{site}.yaml"), head("World", site) + world);
    }
    let mut spec = head("BackupPolicy", "gold");
    // Documents refuse a lock that outlasts its retention. A world may hold one, from before the retention was shortened.
    let (locks, lines): (Vec<&str>, Vec<&str>) = policy.lines().partition(|line| line.starts_with("lock: "));
    for line in lines {
        writeln!(spec, "  {line}").unwrap();
    }
    insert("policies/gold.yaml", spec);
    let mut all = String::new();
    for name in clusters {
        all += &head("Cluster", name);
        write!(all, "  uid: uid-{name}\n  site: eu\n  policy: gold\n  nodes:\n").unwrap();
        for node in 0..2 {
            let id = instance(name, node);
            writeln!(all, "    - {{ name: {name}-{node}, role: postgres, instance: {id}, postgres: {{ host: h{node}, user: b }} }}")
                .unwrap();
        }
        all += "---\n";
    }
    if !clusters.is_empty() {
        insert("fleet/clusters.yaml", all.trim_end_matches("---\n").to_owned());
    }
    let sources: SourceTree = files.into_iter().collect();
    let resolution = resolve_sources(&sources);
    assert!(!resolution.diagnostics.has_errors(), "{}", resolution.diagnostics.render());
    let mut desired = resolution.desired.unwrap();
    for policy in desired.policies.values_mut() {
        Arc::make_mut(policy).lock = locks.first().map(|line| lock(line));
    }
    desired
}

/// `lock: { mode: compliance, for: 9d }`.
fn lock(line: &str) -> LockPolicy {
    let value = |key: &str| line.split_once(key).unwrap().1.split([',', ' ', '}']).next().unwrap();
    let mode = match value("mode: ") {
        "governance" => LockMode::Governance,
        "compliance" => LockMode::Compliance,
        other => panic!("{other}"),
    };
    LockPolicy { mode, period: value("for: ").parse().unwrap() }
}
