//! What is wrong in documents is said exactly: one table of mistakes, one golden file of what is said about them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use backstay_core::document::SourceTree;
use std::fmt::Write as _;
use support::{base, resolved};

/// A mistake: in which file of the base fleet, which text, and what stands there instead.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

const FLEET: &str = "fleet/fleet.yaml";
const SITES: &str = "fleet/sites.yaml";
const WORLD: &str = "fleet/worlds/eu.yaml";
const GOLD: &str = "policies/gold.yaml";
const ORDERS: &str = "fleet/clusters/orders.yaml";
const SET: &str = "fleet/clusters/set.yaml";

const MISTAKES: &[Mistake] = &[
    // The file as such.
    ("a tab", GOLD, "  schedule:", "\tschedule:"),
    ("not YAML", GOLD, "spec:", "spec: ]"),
    ("a bracket that is not closed", GOLD, "{ daily: 14 }", "{ daily: 14"),
    ("a merge conflict", GOLD, "  schedule:", "<<<<<<< HEAD\n  schedule:"),
    ("an alias without an anchor", GOLD, "14d", "*window"),
    ("a tag", GOLD, "14d", "!env WINDOW"),
    ("a merge key", GOLD, "  retention:", "  <<: { source: primary }\n  retention:"),
    ("a list as a key", GOLD, "  retention:", "  [a, b]: 1\n  retention:"),
    ("a text instead of a document", GOLD, "apiVersion: backstay.dev/v1\nkind: BackupPolicy\n", "gold\n---\n"),
    // The envelope.
    ("no kind", GOLD, "kind: BackupPolicy\n", ""),
    ("a kind with a slip", GOLD, "BackupPolicy", "BackupPolice"),
    ("a kind of something else", GOLD, "BackupPolicy", "Deployment"),
    ("a kind that is no text", GOLD, "BackupPolicy", "7"),
    ("another version", GOLD, "backstay.dev/v1", "backstay.dev/v2"),
    ("no metadata", GOLD, "metadata:\n  name: gold\n", ""),
    ("a name in capitals", GOLD, "name: gold", "name: Gold"),
    ("a name that is a number", GOLD, "name: gold", "name: 7"),
    ("a label that is a number", ORDERS, "tier: gold", "tier: 1"),
    ("a label whose key has a space", ORDERS, "tier: gold", "\"the tier\": gold"),
    // Keys.
    ("an unknown key with a slip", GOLD, "recoveryWindow", "recoverWindow"),
    ("an unknown key", GOLD, "retention:\n", "retention:\n    colour: red\n"),
    ("a duplicate key", GOLD, "retention:\n", "retention:\n    recoveryWindow: 7d\n"),
    ("duplicate keys and more", GOLD, "retention:\n", "retention:\n    recoveryWindow: 7d\n    minimumRedundancy: 0\n"),
    ("an empty key", GOLD, " 14d", ""),
    ("a missing key", GOLD, "  schedule: { every: 8h }\n", ""),
    // Values.
    ("a duration in words", GOLD, "8h", "8 hours"),
    ("a duration without a unit", GOLD, "14d", "14"),
    ("a duration beyond ten years", GOLD, "14d", "99999d"),
    ("a word with a slip", GOLD, "prefer-standby", "prefer-standbye"),
    ("a word that is none of them", GOLD, "prefer-standby", "sometimes"),
    ("a text for a number", GOLD, "minimumRedundancy: 2", "minimumRedundancy: \"2\""),
    ("a fraction for a whole number", GOLD, "minimumRedundancy: 2", "minimumRedundancy: 2.5"),
    ("no redundancy at all", GOLD, "minimumRedundancy: 2", "minimumRedundancy: 0"),
    ("a negative number", GOLD, "daily: 14", "daily: -14"),
    ("a number beyond all bounds", GOLD, "daily: 14", "daily: 99999999999999999999999"),
    ("a list for a mapping", GOLD, "{ daily: 14 }", "[ daily ]"),
    // Schedules and retention.
    ("every and cron", GOLD, "{ every: 8h }", "{ every: 8h, cron: \"0 2 * * *\" }"),
    ("neither every nor cron", GOLD, "{ every: 8h }", "{ spread: 1h }"),
    ("a cron expression of four fields", GOLD, "{ every: 8h }", "{ cron: \"0 2 * *\" }"),
    ("an unknown time zone", GOLD, "{ every: 8h }", "{ every: 8h, timeZone: Europe/Berlyn }"),
    ("an interval of nothing", GOLD, "every: 8h", "every: 0h"),
    ("a spread beyond the interval", GOLD, "{ every: 8h }", "{ every: 8h, spread: 9h }"),
    ("a policy that keeps nothing", GOLD, "    recoveryWindow: 14d\n    keep: { daily: 14 }\n", ""),
    (
        "a policy that keeps zero",
        GOLD,
        "    recoveryWindow: 14d\n    keep: { daily: 14 }\n",
        "    keep: { daily: 0 }\n",
    ),
    // What comes later.
    ("pitr", GOLD, "  retention:", "  pitr: { archives: [s3-eu], maxLag: 10m }\n  retention:"),
    ("lock", GOLD, "  retention:", "  lock: { mode: governance, for: 14d }\n  retention:"),
    ("drill", GOLD, "  retention:", "  drill: { every: 30d, target: random }\n  retention:"),
    ("discover", ORDERS, "  policy: gold", "  policy: gold\n  discover: { tags: { deployment: orders-db } }"),
    ("a state in a store that comes later", FLEET, "file://./.backstay", "gs://state/backstay"),
    ("a state in a bucket with a wrong name", FLEET, "file://./.backstay", "s3://key:secret@state/backstay"),
    ("a state below a wrong prefix", FLEET, "file://./.backstay", "az://state//backstay"),
    ("approvals", FLEET, "  state:", "  approvals: { restores: 2 }\n  state:"),
    (
        "agents",
        SET,
        "role: postgres, instance: i-b0",
        "role: postgres, agent: \"https://10.0.1.4:7432\", instance: i-b0",
    ),
    // References and clashes.
    ("a policy with a slip", ORDERS, "policy: gold", "policy: golden"),
    ("a copy at an unknown site", GOLD, "  retention:", "  copies: [ { site: eux } ]\n  retention:"),
    ("a copy at home", GOLD, "  retention:", "  copies: [ { site: here } ]\n  retention:"),
    ("two copies at one site", GOLD, "  retention:", "  copies: [ { site: here }, { site: here } ]\n  retention:"),
    ("a copy with a wrong key", GOLD, "  retention:", "  copies: [ { site: here, kmsKey: \"a b\" } ]\n  retention:"),
    (
        "a copy with a wrong retention",
        GOLD,
        "  retention:",
        "  copies: [ { site: here, retention: { recoveryWindow: 5y } } ]\n  retention:",
    ),
    ("an unknown site", ORDERS, "site: eu", "site: mars"),
    ("defaults that name an unknown policy", SET, "policy: gold", "policy: platinum"),
    ("no site at all", SET, "    site: eu\n", ""),
    ("one uid twice", SET, "uid: uid-billing", "uid: uid-orders"),
    ("one name twice", SET, "name: billing-db", "name: orders-db"),
    ("one machine in two clusters", SET, "instance: i-b0", "instance: i-o0"),
    ("one disk in two nodes", SET, "instance: i-b0", "disks: [vol-o0], instance: i-b0"),
    ("one node's name twice", ORDERS, "name: orders-1", "name: orders-0"),
    ("no server", SET, "role: postgres, instance: i-b0", "role: pgpool, instance: i-b0"),
    ("a server on a pgpool node", ORDERS, "role: pgpool", "role: pgpool, postgres: { port: 5432 }"),
    ("an id that climbs", SET, "instance: i-b0", "instance: ../i-b0"),
    ("a wrong item of a set", SET, "uid: uid-billing", "uid: Uid.Billing"),
    // Sites and worlds.
    ("a provider with a slip", SITES, "provider: sim", "provider: simm"),
    ("no provider", SITES, "  provider: sim\n", ""),
    ("a key of another provider", SITES, "  seed: 7", "  region: eu-central-1"),
    ("no region", SITES, "  provider: sim\n  profile: aws\n  seed: 7\n", "  provider: aws\n"),
    (
        "an account without quotes",
        SITES,
        "  provider: sim\n  profile: aws\n  seed: 7\n  world: fleet/worlds/eu.yaml",
        "  provider: aws\n  region: eu-central-1\n  account: 111122223333",
    ),
    (
        "a password in an address",
        SITES,
        "  provider: sim\n  profile: aws\n  seed: 7\n  world: fleet/worlds/eu.yaml",
        "  provider: aws\n  region: eu-central-1\n  account: \"1\"\n  endpoint: https://bob:hunter2@example.com",
    ),
    ("no such world", SITES, "worlds/eu.yaml", "worlds/ue.yaml"),
    ("a world that is something else", SITES, "fleet/worlds/eu.yaml", "policies/gold.yaml"),
    (
        "a page of a call without pages",
        SITES,
        "  seed: 7",
        "  seed: 7\n  faults: [ { call: delete, page: 2, fail: fails-later } ]",
    ),
    ("a simulated cloud that nobody has", SITES, "profile: aws", "profile: oracle"),
    (
        "faults that cannot be",
        SITES,
        "  seed: 7",
        "  seed: 7\n  faults:\n    - { call: describe, fail: repeated }\n    - { call: create, fail: stale }\n    \
         - { call: tag, fail: stuck }\n    - { call: create, fail: reordered }\n    - { call: create, fail: stuck, times: 3 }\n    \
         - { call: any, fail: unavailable, from: 2026-11-24T00:00:00Z, until: 2026-11-23T00:00:00Z }",
    ),
    (
        "a fault of more than always",
        SITES,
        "  seed: 7",
        "  seed: 7\n  faults: [ { call: create, fail: denied, percent: 101 } ]",
    ),
    ("a clock that is off by nothing known", SITES, "  seed: 7", "  seed: 7\n  clockSkew: 10 minutes"),
    ("a disk twice in a world", WORLD, "vol-o1", "vol-o0"),
    ("a role that no disk has", WORLD, "role: data", "role: date"),
    ("a start that is no instant", WORLD, "2026-11-23T06:00:00Z", "2026-11-31T06:00:00Z"),
    // The fleet.
    ("a share of more than all", FLEET, "fleet: 1%", "fleet: 300%"),
    (
        "prices of a site that is not there",
        FLEET,
        "  state:",
        "  prices: { mars: { snapshotGiBMonth: 0.05 } }\n  state:",
    ),
    (
        "a second fleet",
        GOLD,
        "apiVersion: backstay.dev/v1\nkind: BackupPolicy",
        "{ apiVersion: backstay.dev/v1, kind: Fleet, metadata: { name: b }, spec: {} }\n---\napiVersion: backstay.dev/v1\nkind: BackupPolicy",
    ),
    ("no fleet", FLEET, "kind: Fleet", "kind: Archive"),
    (
        "a restore",
        GOLD,
        "apiVersion: backstay.dev/v1\nkind: BackupPolicy",
        "{ apiVersion: backstay.dev/v1, kind: Restore, metadata: { name: r }, spec: { uid: r-1, cluster: orders-db, recoverTo: { time: 2026-11-23T07:55:00Z }, reason: test } }\n---\napiVersion: backstay.dev/v1\nkind: BackupPolicy",
    ),
    // Text that would do something to a terminal, or that nobody may see.
    ("an escape sequence", GOLD, "source: prefer-standby", "source: \"\\e[31m\u{202e}red\""),
    (
        "a secret",
        ORDERS,
        "role: postgres, instance: i-o0",
        "role: postgres, postgres: { password: hunter2 }, instance: i-o0",
    ),
];

#[test]
fn every_mistake_is_shown_where_it_is_and_with_what_to_do() {
    let mut shown = String::new();
    for (title, file, text, instead) in MISTAKES {
        let mut files = base();
        let content = files.get_mut(*file).unwrap();
        assert_eq!(content.matches(text).count(), 1, "{title}: the text must occur once");
        *content = content.replacen(text, instead, 1);
        let resolution = resolved(&files);
        assert!(!resolution.diagnostics.is_empty(), "{title}: nothing was said");
        let left = resolution.desired.map_or_else(
            || "no fleet".to_owned(),
            |desired| match desired.clusters.len() {
                0 => "no clusters".to_owned(),
                _ => desired.clusters.values().map(|c| c.uid.to_string()).collect::<Vec<_>>().join(", "),
            },
        );
        writeln!(shown, "# {title}\n{}[resolved: {left}]\n", resolution.diagnostics.render()).unwrap();
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("mistakes", shown);
    });
}

#[test]
fn the_base_of_the_table_is_right() {
    let resolution = resolved(&base());
    assert_eq!(resolution.diagnostics.render(), "");
    assert_eq!(resolution.desired.unwrap().clusters.len(), 3);
}

#[test]
fn bytes_that_are_no_text_are_said_so() {
    let mut sources: SourceTree = base().into_iter().collect();
    sources.insert("fleet/a-latin1.yaml", &b"# ok\nname: M\xfcller\n"[..]);
    sources.insert("fleet/b-utf16.yaml", &b"\xff\xfea\0"[..]);
    sources.insert("fleet/c-bom.yaml", &b"\xef\xbb\xbfkind: Fleat\n"[..]);
    sources.insert_unreadable("fleet/d-secret.yaml", "permission denied");
    sources.insert("fleet/e-empty.yaml", &b"# nothing yet\n"[..]);
    sources.insert("fleet/f-large.yaml", vec![b' '; 33 << 20]);
    insta::assert_snapshot!(support::resolve_sources(&sources).diagnostics.render(), @r#"
error: this file is not UTF-8: the byte 0xFC has no meaning here
  --> fleet/a-latin1.yaml:2:8
   |
 2 | name: M�ller
   |        ^
hint: save it as UTF-8

error: this file is UTF-16
  --> fleet/b-utf16.yaml
hint: save it as UTF-8

error: there is no kind `Fleat`
  --> fleet/c-bom.yaml:1:7
   |
 1 | kind: Fleat
   |       ^^^^^
hint: did you mean `Fleet`?

error: this file cannot be read: permission denied
  --> fleet/d-secret.yaml

error: this file has 33 MiB, and 32 are the most
  --> fleet/f-large.yaml
hint: split it: all files are read as one
"#);
}

#[test]
fn what_an_attacker_would_write_ends_soon() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let before = format!("*a{}", i - 1);
        writeln!(bomb, "a{i}: &a{i} [{}]", vec![before; 10].join(", ")).unwrap();
    }
    let mut sources: SourceTree = base().into_iter().collect();
    sources.insert("fleet/a-deep.yaml", "[".repeat(100_000));
    sources.insert("fleet/b-deep.json", "[".repeat(100_000));
    sources.insert("fleet/c-bomb.yaml", bomb);
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 4000].join(", "));
    sources.insert("fleet/d-long.yaml", long);
    let resolution = support::resolve_sources(&sources);
    assert_eq!(resolution.desired.unwrap().clusters.len(), 3);
    insta::assert_snapshot!(resolution.diagnostics.render(), @r#"
error: this is nested too deeply
  --> fleet/a-deep.yaml:1:129
   |
 1 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
   |                                                                                  ^

error: this is nested too deeply
  --> fleet/b-deep.json:1:128
   |
 1 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
   |                                                                                  ^

error: the aliases in this file stand for too much
  --> fleet/c-bomb.yaml

error: the aliases in this file stand for too much
  --> fleet/d-long.yaml:1:4
   |
 1 | a: &a "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
   |    ^
"#);
}

#[test]
fn a_file_full_of_mistakes_is_cut_and_the_rest_counted() {
    let mut files = base();
    let keys: String = (0..500).map(|i| format!("  wrong{i}: 1\n")).collect();
    files.get_mut(GOLD).unwrap().push_str(&keys);
    let rendered = resolved(&files).diagnostics;
    assert_eq!(rendered.iter().filter(|d| d.code == "unknown-key").count(), 200);
    let last = rendered.iter().rfind(|d| d.code == "too-many").unwrap();
    insta::assert_snapshot!(last.to_string(), @r#"
error: 300 more problems in this file are not shown
  --> policies/gold.yaml
hint: repair the ones above first
"#);
}

#[test]
fn diagnostics_are_json_for_tools() {
    let mut files = base();
    let gold = files.get_mut(GOLD).unwrap();
    *gold = gold.replace("recoveryWindow", "recoverWindow");
    let diagnostics = resolved(&files).diagnostics;
    let first = diagnostics.iter().next().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(first).unwrap(), @r#"
{
  "severity": "error",
  "code": "left-out",
  "message": "3 clusters of BackupPolicy `gold` are left out until it is repaired: `orders-db`, `billing-db`, `catalog-db`",
  "file": "policies/gold.yaml",
  "line": 4,
  "column": 9,
  "sourceLine": "  name: gold",
  "marker": 8,
  "length": 4,
  "hint": "nothing of theirs is deleted meanwhile, and nothing new is backed up"
}
"#);
    let back: backstay_core::diagnostic::Diagnostic =
        serde_json::from_value(serde_json::to_value(first).unwrap()).unwrap();
    assert_eq!(&back, first);
}

#[test]
fn json_files_are_read_and_marked_as_well() {
    let mut files = base();
    // Indented by tabs, as JSON may be, and with an escape that YAML does not know.
    let policy = r#"{
>"apiVersion": "backstay.dev/v1", "kind": "BackupPolicy", "metadata": { "name": "gold" },
>"spec": { "schedule": { "every": "8h" }, "retention": { "recoveryWindow": "14 \ud83d\udcbe days" } }
}"#
    .replace('>', "\t");
    files.remove(GOLD);
    files.insert("policies/gold.json".into(), policy.replace("14 \\ud83d\\udcbe days", "14d"));
    assert_eq!(resolved(&files).diagnostics.render(), "");
    files.insert("policies/gold.json".into(), policy);
    files.insert("policies/other.json".into(), "{ \"a\": 1,\n\t}".into());
    insta::assert_snapshot!(resolved(&files).diagnostics.render(), @r#"
error: 3 clusters of BackupPolicy `gold` are left out until it is repaired: `orders-db`, `billing-db`, `catalog-db`
  --> policies/gold.json:2:81
   |
 2 |     "apiVersion": "backstay.dev/v1", "kind": "BackupPolicy", "metadata": { "name": "gold" },
   |                                                                                    ^^^^^^^
hint: nothing of theirs is deleted meanwhile, and nothing new is backed up

error: `recoveryWindow` is `14 💾 days`, which is not a length of time
  --> policies/gold.json:3:76
   |
 3 |     "spec": { "schedule": { "every": "8h" }, "retention": { "recoveryWindow": "14 \ud83d\udcbe days" } }
   |                                                                               ^^^^^^^^^^^^^^^^^^^^^^^
hint: a whole number and a unit: 45s, 90m, 8h, 14d or 2w

error: this is not JSON that can be read: trailing comma
  --> policies/other.json:2:2
   |
 2 |     }
   |     ^
"#);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: if cfg!(debug_assertions) { 300 } else { 20_000 },
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    /// Whatever is typed: no panic, no control character on a terminal, and every marker under its line.
    #[test]
    fn any_text_at_all_is_answered(
        file in 0usize..6,
        at in 0.0f64..1.0,
        cut in 0usize..12,
        text in r#"[ \t\n:\-{}\[\]&*!|>'"%@`#,?<a-z0-9\u{1b}\u{85}\u{e9}\u{202e}\u{1f600}]{0,8}"#,
    ) {
        let mut files = base();
        let content = files.values_mut().nth(file).unwrap();
        let letters: Vec<char> = content.chars().collect();
        let from = (at * letters.len() as f64) as usize;
        let rest = letters.iter().skip(from + cut);
        *content = letters.iter().take(from).copied().chain(text.chars()).chain(rest.copied()).collect();
        let diagnostics = resolved(&files).diagnostics;
        for diagnostic in &diagnostics {
            let rendered = diagnostic.to_string();
            proptest::prop_assert!(rendered.chars().all(|c| c == '\n' || !c.is_control()), "{rendered}");
            if let Some(place) = &diagnostic.place {
                let width = place.source_line.chars().count();
                proptest::prop_assert!(place.length <= width + 1 && place.marker <= width + 1, "{rendered}");
            }
        }
    }
}
