//! What a site cannot do is said at the policy that asks for it, with the nearest that the site can. Only the clusters of that
//! policy at that site are left out.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use backstay_core::document::SourceTree;
use std::fmt::Write as _;
use support::resolve_sources;

/// A policy's spec, one line a key, and the sites at which a cluster has it.
type Asked = (&'static str, &'static [&'static str], &'static str);

const DAILY: &str = "schedule: { every: 24h }\nretention: { keep: { daily: 14 } }";

const ASKED: &[Asked] = &[
    (
        "a lock where there is none, and where there is one",
        &["gcp-eu1", "aws-eu1"],
        "lock: { mode: compliance, for: 14d }",
    ),
    ("a lock at a local site", &["here"], "lock: { mode: governance, for: 14d }"),
    ("a mode that the site does not know", &["alibaba-1"], "lock: { mode: governance, for: 14d }"),
    ("a mode that it knows", &["alibaba-1"], "lock: { mode: compliance, for: 14d }"),
    ("a lock of nothing", &["aws-eu1"], "lock: { mode: compliance, for: 0d }"),
    ("points every five minutes", &["gcp-eu1", "azure-1", "aws-eu1"], "schedule: { every: 5m }"),
    ("points every five minutes, by cron", &["gcp-eu1"], "schedule: { cron: \"*/5 * * * *\" }"),
    ("points every thirty seconds", &["azure-1"], "schedule: { every: 30s }"),
    (
        "as many points as there may be",
        &["alibaba-1"],
        "schedule: { every: 1h }\nretention: { recoveryWindow: 7d, grace: 72h }",
    ),
    (
        "too many points in a window",
        &["alibaba-1", "azure-1"],
        "schedule: { every: 1h }\nretention: { recoveryWindow: 14d }",
    ),
    (
        "too many points by counts",
        &["azure-1"],
        "retention: { keep: { daily: 14, hourly: 600 } }\nschedule: { every: 1h }",
    ),
];

fn fleet(spec: &str, sites: &[&str]) -> SourceTree {
    let head = |kind: &str, name: &str| {
        format!("apiVersion: backstay.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n")
    };
    let mut all = head("Site", "here") + "  provider: local\n  root: disks\n---\n";
    for (name, provider) in [("aws-eu1", "aws"), ("azure-1", "azure"), ("gcp-eu1", "gcp"), ("alibaba-1", "alibaba")] {
        write!(all, "{}  provider: {provider}\n  region: r1\n  account: \"1\"\n---\n", head("Site", name)).unwrap();
    }
    let mut policy = head("BackupPolicy", "gold");
    for line in DAILY.lines().filter(|line| !spec.contains(&line[..10])).chain(spec.lines()) {
        writeln!(policy, "  {line}").unwrap();
    }
    let mut clusters = head("ClusterSet", "all") + "  clusters:\n";
    for (n, (site, policy)) in sites.iter().map(|site| (*site, "gold")).chain([("gcp-eu1", "plain")]).enumerate() {
        write!(clusters, "    - {{ name: db-{n}, uid: uid-{n}, site: {site}, policy: {policy}, nodes: ").unwrap();
        writeln!(clusters, "[{{ name: a, role: postgres, instance: i-{n} }}] }}").unwrap();
    }
    let plain = DAILY.lines().fold(head("BackupPolicy", "plain"), |text, line| format!("{text}  {line}\n"));
    [
        ("fleet/fleet.yaml", head("Fleet", "test") + "  state: file://./.backstay\n"),
        ("fleet/sites.yaml", all.trim_end_matches("---\n").to_owned()),
        ("policies/gold.yaml", policy),
        ("policies/plain.yaml", plain),
        ("fleet/clusters.yaml", clusters),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect()
}

#[test]
fn what_a_site_cannot_do_is_said_with_the_nearest_that_it_can() {
    let mut shown = String::new();
    for (title, sites, spec) in ASKED {
        let resolution = resolve_sources(&fleet(spec, sites));
        let desired = resolution.desired.unwrap();
        let right: Vec<String> = desired.clusters.values().map(|cluster| cluster.site.to_string()).collect();
        let left_out: Vec<String> = desired.left_out.iter().map(ToString::to_string).collect();
        assert!(right.contains(&"gcp-eu1".to_owned()), "{title}: a policy that asks for nothing is right");
        let said = resolution.diagnostics.render();
        writeln!(shown, "# {title}\n{said}[right: {}; left out: {}]\n", right.join(", "), left_out.join(", ")).unwrap();
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("incapable", shown);
    });
}

#[test]
fn a_wrong_cluster_is_told_apart_from_one_that_nobody_declares() {
    let mut files = support::base();
    let orders = files.get_mut("fleet/clusters/orders.yaml").unwrap();
    *orders = orders.replace("site: eu", "site: mars");
    let desired = support::resolved(&files).desired.unwrap();
    assert_eq!(desired.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["uid-orders"]);
}
