//! A small fleet in which every text that the tests change occurs once.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may read files, and fails by unwrap")]

pub mod fleet;
pub mod history;
pub mod judged;
pub mod lab;
pub mod show;
pub mod wide;

use backstay_core::document::SourceTree;
use backstay_core::model::Origin;
use backstay_core::resolve::{Resolution, resolve};
use std::collections::BTreeMap;
use std::path::Path;

pub type Files = BTreeMap<String, String>;

/// The small fleet.
pub fn base() -> Files {
    [
        (
            "fleet/fleet.yaml",
            "\
apiVersion: backstay.dev/v1
kind: Fleet
metadata: { name: test }
spec:
  state: file://./.backstay
  limits: { deletesPerDay: { fleet: 1%, cluster: 5 } }
",
        ),
        (
            "fleet/sites.yaml",
            "\
apiVersion: backstay.dev/v1
kind: Site
metadata:
  name: eu
spec:
  provider: sim
  profile: aws
  seed: 7
  world: fleet/worlds/eu.yaml
---
apiVersion: backstay.dev/v1
kind: Site
metadata: { name: here }
spec: { provider: local, root: disks }
---
apiVersion: backstay.dev/v1
kind: Archive
metadata: { name: s3-eu }
spec: { url: \"s3://wal-eu/prefix\" }
",
        ),
        (
            "fleet/worlds/eu.yaml",
            "\
apiVersion: backstay.dev/v1
kind: World
metadata: { name: eu }
spec:
  start: 2026-11-23T06:00:00Z
  account: \"111122223333\"
  instances:
    - id: i-o0
      postgres: { role: primary, system: \"7301234567890123456\" }
      disks:
        - { id: vol-o0, role: data }
        - { id: vol-o1, role: wal }
",
        ),
        (
            "policies/gold.yaml",
            "\
apiVersion: backstay.dev/v1
kind: BackupPolicy
metadata:
  name: gold
spec:
  schedule: { every: 8h }
  source: prefer-standby
  retention:
    recoveryWindow: 14d
    keep: { daily: 14 }
    minimumRedundancy: 2
",
        ),
        (
            "fleet/clusters/orders.yaml",
            "\
apiVersion: backstay.dev/v1
kind: Cluster
metadata: { name: orders-db, labels: { tier: gold } }
spec:
  uid: uid-orders
  site: eu
  policy: gold
  nodes:
    - { name: orders-0, role: postgres, instance: i-o0, disks: [vol-o0] }
    - { name: orders-1, role: postgres, instance: i-o1 }
    - { name: pool-0, role: pgpool, instance: i-o2 }
",
        ),
        (
            "fleet/clusters/set.yaml",
            "\
apiVersion: backstay.dev/v1
kind: ClusterSet
metadata: { name: others }
spec:
  defaults:
    site: eu
    policy: gold
    labels: { tier: silver }
  clusters:
    - name: billing-db
      uid: uid-billing
      nodes:
        - { name: billing-0, role: postgres, instance: i-b0 }
    - name: catalog-db
      uid: uid-catalog
      site: here
      labels: { tier: bronze }
      nodes:
        - { name: catalog-0, role: postgres, instance: c0, postgres: { port: 5433 } }
",
        ),
    ]
    .into_iter()
    .map(|(path, content)| (path.to_owned(), content.to_owned()))
    .collect()
}

pub fn resolved(files: &Files) -> Resolution {
    resolve_sources(&files.clone().into_iter().collect())
}

pub fn resolve_sources(sources: &SourceTree) -> Resolution {
    resolve(sources, Origin { commit: None, dirty: false, documents: sources.digest() })
}

/// The example of this repository, as the binary reads it.
pub fn example() -> SourceTree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = SourceTree::new();
    let mut rest = vec![root.join("fleet"), root.join("policies")];
    while let Some(path) = rest.pop() {
        if path.is_dir() {
            rest.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if SourceTree::takes(&name) {
                sources.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    sources
}

/// A fleet of many clusters, as a large installation would write it: five nodes each.
pub fn large(files: usize, clusters: usize) -> SourceTree {
    let mut sources: SourceTree = base().into_iter().collect();
    for file in 0..files {
        sources.insert(format!("fleet/clusters/large-{file:04}.yaml"), text_of(file + 1, clusters));
    }
    sources
}

/// The text of one of its files, from 1.
pub fn text_of(file: usize, clusters: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "apiVersion: backstay.dev/v1\nkind: ClusterSet\nmetadata: {{ name: set-{file} }}\nspec:\n  defaults:\n    \
         site: eu\n    policy: gold\n    labels: {{ landscape: eu10 }}\n  clusters:\n",
    );
    for cluster in 0..clusters {
        let n = (file - 1) * clusters + cluster;
        write!(text, "    - name: service-{n}\n      uid: 0d9f6a52-2c1e-4d1b-9a57-{n:012x}\n").unwrap();
        let (organization, space) = (n % 97, n % 13);
        writeln!(text, "      labels: {{ organization: org-{organization}, space: space-{space} }}").unwrap();
        text.push_str("      nodes:\n");
        for node in 0..5 {
            let role = if node < 2 { "postgres" } else { "pgpool" };
            writeln!(text, "        - name: {role}-{node}\n          role: {role}").unwrap();
            writeln!(text, "          instance: i-{n:012x}{node:05x}").unwrap();
            if node < 2 {
                writeln!(text, "          disks: [ vol-{n:012x}{node:05x}, vol-{n:012x}{node:04x}a ]").unwrap();
                let (a, b) = (n / 256, n % 256);
                writeln!(text, "          postgres: {{ host: 10.{a}.{b}.{node}, user: backstay }}").unwrap();
            }
        }
    }
    text
}
