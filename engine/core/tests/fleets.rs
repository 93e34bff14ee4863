//! What is right resolves, in any order, whatever is wrong beside it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test may read files, and fails by unwrap"
)]

mod support;

use backstay_core::document::SourceTree;
use backstay_core::model::Desired;
use backstay_core::name::{ClusterUid, PolicyName, SiteName};
use backstay_core::resolve::read_world;
use std::time::Instant;
use support::{base, example, large, resolve_sources, resolved};

fn desired(sources: &SourceTree) -> Desired {
    let resolution = resolve_sources(sources);
    assert_eq!(resolution.diagnostics.render(), "");
    resolution.desired.unwrap()
}

#[test]
fn the_example_resolves_without_a_word() {
    let sources = example();
    let desired = desired(&sources);
    assert_eq!((desired.fleet.name.as_str(), desired.sites.len(), desired.policies.len()), ("example", 7, 6));
    assert_eq!(desired.clusters.len(), 18);
    for cluster in desired.clusters.values() {
        assert_eq!((cluster.nodes.len(), cluster.postgres_nodes().count()), (5, 2), "{}", cluster.name);
        assert!(cluster.labels.contains_key("landscape") && cluster.labels.contains_key("tier"));
    }
}

#[test]
fn every_machine_and_disk_of_the_example_exists_in_its_world() {
    let sources = example();
    let desired = desired(&sources);
    for site in ["aws-eu10", "azure-us20", "gcp-eu30", "alibaba-ap40"] {
        let world = read_world(&sources, &format!("fleet/worlds/{site}.yaml")).unwrap();
        assert_eq!(world.start, "2026-11-23T06:00:00Z");
        let mut machines = 0;
        for cluster in desired.clusters.values().filter(|cluster| cluster.site.as_str() == site) {
            for node in &cluster.nodes {
                let instance = world.instances.iter().find(|i| i.id == node.instance.as_str()).unwrap();
                let disk = |id: &str| instance.disks.iter().any(|disk| disk.id == id);
                assert!(node.disks.iter().all(|id| disk(id.as_str())), "{}", node.name);
                assert_eq!(instance.postgres.is_some(), cluster.postgres_nodes().any(|n| n.name == node.name));
                machines += 1;
            }
        }
        // The tour moves a cluster to five more.
        let spare = if site == "gcp-eu30" { 5 } else { 0 };
        assert_eq!(machines + spare, world.instances.len());
    }
}

#[test]
fn what_is_written_is_what_is_meant() {
    let desired = desired(&base().into_iter().collect());
    insta::assert_debug_snapshot!(desired.fleet, @r#"
Fleet {
    name: "test",
    state: File(
        ".backstay",
    ),
    seal_key_file: ".backstay/seal.key",
    limits: DeleteLimits {
        fleet: Some(
            Percent(
                1.0,
            ),
        ),
        cluster: 5,
    },
    prices: {},
}
"#);
    let gold = &desired.policies[&PolicyName::new("gold").unwrap()];
    insta::assert_debug_snapshot!((&gold.schedule, gold.source, gold.consistency, &gold.retention), @r#"
(
    Every {
        interval: Duration(
            28800,
        ),
        spread: Duration(
            28800,
        ),
    },
    PreferStandby,
    Application,
    Retention {
        recovery_window: Some(
            Duration(
                1209600,
            ),
        ),
        keep: Keep {
            last: 0,
            hourly: 0,
            daily: 14,
            weekly: 0,
            monthly: 0,
            yearly: 0,
        },
        minimum_redundancy: 2,
        on_demand_max: None,
        grace: Duration(
            259200,
        ),
        zone: TimeZone(
            UTC,
        ),
    },
)
"#);
    insta::assert_debug_snapshot!(desired.sites[&SiteName::new("eu").unwrap()], @r#"
Site {
    name: SiteName(eu),
    provider: Sim(
        SimSite {
            profile: "aws",
            seed: 7,
            world: "fleet/worlds/eu.yaml",
            virtual_clock: true,
            faults: [],
            page_size: None,
            enforces_budgets: false,
            clock_skew: 0s,
        },
    ),
}
"#);
    // The set's own labels, its defaults' and the item's; its own site; what its server's address leaves out.
    insta::assert_debug_snapshot!(desired.clusters[&ClusterUid::new("uid-catalog").unwrap()], @r#"
Cluster {
    uid: ClusterUid(uid-catalog),
    name: ClusterName(catalog-db),
    labels: {
        "tier": "bronze",
    },
    site: SiteName(here),
    policy: PolicyName(gold),
    nodes: [
        Node {
            name: NodeName(catalog-0),
            role: Postgres,
            instance: InstanceId(c0),
            disks: [],
            postgres: Some(
                PostgresAddress {
                    host: "/var/run/postgresql",
                    port: 5433,
                    user: "postgres",
                    database: "postgres",
                },
            ),
        },
    ],
    is_retired: false,
}
"#);
}

#[test]
fn the_order_and_the_names_of_files_change_nothing() {
    let expected = desired(&base().into_iter().collect());
    let mut files: Vec<(String, String)> = base().into_iter().collect();
    for turn in 0..files.len() {
        files.rotate_left(1);
        files.swap(0, turn / 2);
        // The world keeps its path, since a site names it.
        let renamed = files.iter().enumerate().map(|(i, (path, text))| {
            let path =
                if path.contains("worlds") { path.clone() } else { format!("fleet/{}-{i}.yaml", (i + turn) % 7) };
            (path, text.clone())
        });
        let mut found = desired(&renamed.collect());
        found.origin = expected.origin.clone();
        assert_eq!(found, expected);
    }
}

#[test]
fn one_file_of_all_documents_means_the_same() {
    let expected = desired(&base().into_iter().collect());
    let mut files = base();
    let world = files.remove("fleet/worlds/eu.yaml").unwrap();
    let all: String = files.values().rev().map(|text| format!("---\n{text}")).collect();
    let sources = [("fleet/all.yaml", all), ("fleet/worlds/eu.yaml", world)].into_iter().collect();
    let mut found = desired(&sources);
    found.origin = expected.origin.clone();
    assert_eq!(found, expected);
}

/// INVARIANTS.md 17: whatever single file is broken, what does not depend on it is as it was.
#[test]
fn a_broken_file_takes_only_its_own_with_it() {
    let whole = desired(&base().into_iter().collect());
    for broken in base().keys() {
        for wreck in ["]", "kind: Cluster\n", "just words\n", "\u{0}\u{1}"] {
            let mut files = base();
            files.insert(broken.clone(), wreck.to_owned());
            let resolution = resolved(&files);
            assert!(resolution.diagnostics.has_errors(), "{broken}: {wreck}");
            let Some(left) = resolution.desired else {
                assert_eq!(broken, "fleet/fleet.yaml");
                continue;
            };
            let expected: &[&str] = match broken.as_str() {
                "policies/gold.yaml" | "fleet/sites.yaml" => &[],
                "fleet/worlds/eu.yaml" => &["uid-catalog"],
                "fleet/clusters/orders.yaml" => &["uid-billing", "uid-catalog"],
                "fleet/clusters/set.yaml" => &["uid-orders"],
                other => panic!("{other}"),
            };
            assert_eq!(left.clusters.keys().map(ClusterUid::as_str).collect::<Vec<_>>(), expected, "{broken}");
            assert!(left.clusters.iter().all(|(uid, cluster)| whole.clusters[uid] == *cluster));
        }
    }
}

#[test]
fn an_item_of_a_set_that_is_wrong_leaves_the_others_where_they_are() {
    let mut sources = large(1, 50);
    let path = "fleet/clusters/large-0000.yaml";
    let text = support::text_of(1, 50).replacen("role: pgpool", "role: pgbouncer", 1);
    // A duplicate key, an unknown one, and an id that another cluster has.
    let text = text.replacen(
        "      labels: { organization: org-7,",
        "      labels: {}\n      labels: { organization: org-7,",
        1,
    );
    let text = text.replacen("    - name: service-9\n", "    - name: service-9\n      colour: red\n", 1);
    let text = text.replacen("instance: i-00000000001400001", "instance: i-00000000001500001", 1);
    sources.insert(path, text);
    let resolution = resolve_sources(&sources);
    assert_eq!(resolution.desired.unwrap().clusters.len(), 3 + 50 - 5);
    insta::assert_snapshot!(resolution.diagnostics.render(), @r#"
error[wrong-value]: `role` cannot be `pgbouncer`
   --> fleet/clusters/large-0000.yaml:25:17
    |
 25 |           role: pgbouncer
    |                 ^^^^^^^^^
hint: it can be `postgres` or `pgpool`

error[duplicate-key]: the key `labels` occurs twice
    --> fleet/clusters/large-0000.yaml:174:7
     |
 173 |       labels: {}
     |       ------ first written here
 174 |       labels: { organization: org-7, space: space-7 }
     |       ^^^^^^ again here
hint: remove one of them

error[unknown-key]: `clusters[9]` knows no key `colour`
    --> fleet/clusters/large-0000.yaml:219:7
     |
 219 |       colour: red
     |       ^^^^^^
hint: it knows `discover`, `labels`, `name`, `nodes`, `policy`, `retire`, `site` and `uid`

error[duplicate-id]: the instance `i-00000000001500001` is claimed by clusters `service-20` and `service-21`
    --> fleet/clusters/large-0000.yaml:506:21
     |
 483 |           instance: i-00000000001500001
     |                     ------------------- claimed by `service-20` here
...
 506 |           instance: i-00000000001500001
     |                     ^^^^^^^^^^^^^^^^^^^ claimed again here
hint: a machine and its disks are one node's: look up the right id at the provider
"#);
}

#[test]
fn a_policy_that_thousands_miss_is_said_a_few_times() {
    let mut sources = large(30, 10);
    sources.insert("policies/gold.yaml", "");
    let resolution = resolve_sources(&sources);
    assert_eq!(resolution.desired.unwrap().clusters.len(), 0);
    assert_eq!(resolution.diagnostics.len(), 21);
    insta::assert_snapshot!(resolution.diagnostics.iter().last().unwrap().to_string(), @r#"
error[unknown-name]: BackupPolicy `gold` is missing in 12 more places
hint: it is the same name as above
"#);
}

/// `cargo test --release -p backstay-core --test fleets -- --ignored --nocapture`
#[test]
#[ignore = "it measures, and asserts nothing"]
#[allow(clippy::print_stdout, reason = "it is run by people")]
fn how_long_ten_thousand_clusters_take() {
    for (files, clusters) in [(200, 50), (1, 10_000)] {
        let sources = large(files, clusters);
        let bytes: usize = (0..files).map(|_| support::text_of(1, clusters).len()).sum();
        let mut best = f64::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            let resolution = resolve_sources(&sources);
            best = best.min(start.elapsed().as_secs_f64());
            assert_eq!(resolution.desired.unwrap().clusters.len(), files * clusters + 3);
        }
        println!("{files} files x {clusters} clusters, {:.1} MiB: {:.0} ms", bytes as f64 / 1_048_576.0, best * 1e3);
        let mut wrong = large(files, clusters);
        let last = format!("fleet/clusters/large-{:04}.yaml", files - 1);
        wrong.insert(last, support::text_of(files, clusters).replacen("role: pgpool", "role: pgbouncer", 1));
        let start = Instant::now();
        assert_eq!(resolve_sources(&wrong).diagnostics.len(), 1);
        println!("  with one mistake: {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    }
}
