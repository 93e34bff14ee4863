//! What is wrong in documents is said with its place, within bounds, for people and for tools. The messages themselves are in
//! `tests/wrong`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use backstay_core::diagnostic::{Code, Diagnostic};
use backstay_core::document::SourceTree;
use std::fmt::Write as _;
use support::{base, resolved};

const GOLD: &str = "policies/gold.yaml";

#[test]
fn the_small_fleet_is_right() {
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
error[encoding]: this file is not UTF-8: the byte 0xFC has no meaning here
  --> fleet/a-latin1.yaml:2:8
   |
 2 | name: M�ller
   |        ^
hint: if it is Latin-1, convert it: `iconv -f LATIN1 -t UTF-8 -o FILE fleet/a-latin1.yaml`

error[encoding]: this file is UTF-16, and documents are UTF-8
  --> fleet/b-utf16.yaml
hint: convert it: `iconv -f UTF-16 -t UTF-8 -o FILE fleet/b-utf16.yaml`

error[unknown-kind]: there is no kind `Fleat`
  --> fleet/c-bom.yaml:1:7
   |
 1 | kind: Fleat
   |       ^^^^^
hint: did you mean `Fleet`?

error[unreadable]: this cannot be read: permission denied
  --> fleet/d-secret.yaml
hint: repair it, or move it elsewhere: while it is here, anything could be declared in it

error[too-large]: this file has 33 MiB, and documents have 16 at the most
  --> fleet/f-large.yaml
hint: split it, since all files are read as one; or move it elsewhere, when it is no document
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
error[too-deep]: this is nested more deeply than any document is
  --> fleet/a-deep.yaml:1:1001
   |
 1 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
   |                                                                                  ^
hint: look for brackets that are never closed, or for a generator that repeats itself

error[too-deep]: this is nested more deeply than any document is
  --> fleet/b-deep.json:1:1001
   |
 1 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[…
   |                                                                                  ^
hint: look for brackets that are never closed, or for a generator that repeats itself

error[too-large]: the aliases in this file stand for too much
  --> fleet/c-bomb.yaml
hint: write it out: what repeats belongs into a `ClusterSet`'s defaults

error[too-large]: the aliases in this file stand for too much
  --> fleet/d-long.yaml:1:4
   |
 1 | a: &a "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
   |    ^
hint: write it out: what repeats belongs into a `ClusterSet`'s defaults
"#);
}

#[test]
fn a_file_full_of_mistakes_is_cut_and_the_rest_counted() {
    let mut files = base();
    let keys: String = (0..500).map(|i| format!("  wrong{i}: 1\n")).collect();
    files.get_mut(GOLD).unwrap().push_str(&keys);
    let rendered = resolved(&files).diagnostics;
    assert_eq!(rendered.iter().filter(|d| d.code == Code::UnknownKey).count(), 200);
    let last = rendered.iter().rfind(|d| d.code == Code::TooMany).unwrap();
    insta::assert_snapshot!(last.to_string(), @r#"
error[too-many]: 300 more problems in this file are not shown
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
  "code": "unknown-key",
  "message": "`retention` knows no key `recoverWindow`",
  "file": "policies/gold.yaml",
  "line": 9,
  "column": 5,
  "sourceLine": "    recoverWindow: 14d",
  "marker": 4,
  "length": 13,
  "hint": "did you mean `recoveryWindow`?"
}
"#);
    let back: Diagnostic = serde_json::from_value(serde_json::to_value(first).unwrap()).unwrap();
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
error[wrong-form]: `recoveryWindow` is `14 💾 days`, which is not a length of time
  --> policies/gold.json:3:76
   |
 3 |     "spec": { "schedule": { "every": "8h" }, "retention": { "recoveryWindow": "14 \ud83d\udcbe days" } }
   |                                                                               ^^^^^^^^^^^^^^^^^^^^^^^
hint: a whole number and a unit: 45s, 90m, 8h, 14d or 2w

error[syntax]: this is not JSON that can be read: trailing comma
  --> policies/other.json:2:2
   |
 2 |     }
   |     ^
hint: JSON has no comments, no trailing commas and only double quotes; a .yaml file may have them

note[left-out]: 3 clusters of BackupPolicy `gold` are left out until it is repaired: `orders-db`, `billing-db`, `catalog-db`
  --> policies/gold.json:2:81
   |
 2 |     "apiVersion": "backstay.dev/v1", "kind": "BackupPolicy", "metadata": { "name": "gold" },
   |                                                                                    ^^^^^^^
hint: nothing of theirs is deleted meanwhile, and nothing new is backed up
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
