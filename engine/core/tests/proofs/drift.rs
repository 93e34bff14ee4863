//! Drift: which differences are told, of which class, since when; and which are none.

use super::care::policy;
use crate::support::lab::{Lab, Point, disk, site, time};
use backstay_core::document::ignores::{example, read_rules};
use backstay_core::drift::{Class, Drift, drift};
use backstay_core::model::CopyPolicy;
use backstay_core::name::{SiteName, SnapshotId};
use backstay_core::observed::{BaselineRecord, DatabaseState, DiskRole, Unmanaged};
use backstay_core::tags;
use backstay_core::time::Duration;
use backstay_core::workers::Alone;
use insta::assert_snapshot;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A point a day, at midnight, and no cluster older than 30 hours.
const DAILY: &str = "schedule: { cron: \"0 0 * * *\" }\nretention: { keep: { daily: 30 } }\nsla: { maxAge: 30h }";

fn of(lab: &Lab) -> Drift {
    let plan = lab.plan();
    drift(&Alone, &lab.desired, &lab.observed, lab.baseline.as_ref(), plan.basis.as_of)
}

fn told(drift: &Drift) -> String {
    let mut out = String::new();
    for item in &drift.items {
        let (severity, class, kind) = (item.severity.as_str(), item.class, item.kind.as_str());
        let name = item.name.as_ref().map_or("-", |name| name.as_str());
        let since = item.since.map(|since| format!(" since {since}")).unwrap_or_default();
        let ignored = if item.ignored.is_some() { " (ignored)" } else { "" };
        let _ = writeln!(out, "{severity} {class}/{kind} {name} {}{since}: {}{ignored}", item.subject.id, item.message);
    }
    out
}

fn only(drift: &Drift, class: Class) -> String {
    told(&drift.clone().narrowed(&BTreeSet::from([class]), None))
}

fn text(lab: &Lab) -> String {
    told(&of(lab))
}

/// Three points up to today's.
fn in_sync() -> Lab {
    Lab::of(DAILY, &["orders-db"]).also(|lab| {
        for day in ["2026-11-21", "2026-11-22", "2026-11-23"] {
            lab.put(&Point::at(time(day)));
        }
    })
}

trait Also: Sized {
    fn also(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Also for Lab {}

#[test]
fn what_is_as_declared_is_no_drift_and_neither_is_what_is_due() {
    let mut lab = in_sync();
    assert_snapshot!(text(&lab), @"");
    lab.set_time(time("2026-11-24T05:00Z"));
    assert!(lab.text().contains("+ orders-db"), "a point is due: {}", lab.text());
    assert_snapshot!(text(&lab), @"");
    assert!(Lab::of(DAILY, &["new-db"]).text().contains("+ new-db"));
    assert_snapshot!(text(&Lab::of(DAILY, &["new-db"])), @"");
}

#[test]
fn a_cluster_is_late_since_its_newest_point_became_too_old_and_says_what_it_waits_for() {
    let mut lab = in_sync();
    lab.set_time(time("2026-11-25T05:00Z"));
    assert_snapshot!(text(&lab), @"error late/late orders-db orders-db since 2026-11-24T06:00:00Z: newest point is 2d 5h old, maxAge 30h");
    for node in 0..2 {
        *lab.database("orders-db", node) = DatabaseState::Unreachable { because: "connection refused".to_owned() };
    }
    assert_snapshot!(text(&lab), @"error late/late orders-db orders-db since 2026-11-24T06:00:00Z: newest point is 2d 5h old, maxAge 30h; no node is fit as a source: orders-db-0: connection refused; orders-db-1: connection refused");
    let lab = Lab::of(DAILY, &["orders-db"]).also(|lab| {
        for node in 0..2 {
            *lab.database("orders-db", node) = DatabaseState::Unreachable { because: "connection refused".to_owned() };
        }
    });
    assert_snapshot!(text(&lab), @"error missing/no-point orders-db orders-db: no restorable point; no node is fit as a source: orders-db-0: connection refused; orders-db-1: connection refused");
}

#[test]
fn a_point_that_somebody_deleted_is_missing_since_the_last_apply() {
    let mut lab = in_sync();
    let origin = lab.desired.origin.clone();
    let as_of = time("2026-11-23T00:30Z");
    lab.records().baseline = Some(BaselineRecord { origin, as_of, unfinished: BTreeSet::new() });
    lab.snapshots().retain(|snapshot| snapshot.created < time("2026-11-23"));
    assert_snapshot!(text(&lab), @"error missing/point-gone orders-db 20261123t000000z-1 since 2026-11-23T00:30:00Z: the slot 2026-11-23T00:00Z was served, and has no point any more");
}

#[test]
fn a_sealed_point_that_lost_a_snapshot_is_damaged_and_one_that_was_never_finished_is_not() {
    let mut lab = in_sync();
    let both = Point { disks: vec![DiskRole::Wal, DiskRole::Data], ..Point::at(time("2026-11-22T12:00Z")) };
    let ids = lab.put(&both);
    lab.put(&Point { unsealed: true, ..Point::at(time("2026-11-20")) });
    assert_snapshot!(text(&lab), @"");
    lab.snapshots().retain(|snapshot| snapshot.id != ids[0]);
    assert_snapshot!(text(&lab), @"error missing/point-damaged orders-db 20261122t120000z-1: parts are missing or doubled; 1 snapshot is left of the point of 2026-11-22T12:00Z");
}

#[test]
fn what_the_site_lacks_what_others_made_and_what_nobody_declares() {
    let mut lab = in_sync();
    lab.inventory().instances.retain(|instance| !instance.id.as_str().contains("orders-db-1"));
    for (number, created) in ["2026-01-01", "2026-11-22"].into_iter().enumerate() {
        let id = SnapshotId::new(format!("snap-other-{number}")).unwrap();
        let disk = disk("orders-db", 0, &DiskRole::Data);
        lab.inventory().unmanaged.push(Unmanaged { id, disk, created: time(created), size: 1 });
    }
    lab.put(&Point { cluster: "gone-db".to_owned(), ..Point::at(time("2026-11-20")) });
    assert_snapshot!(text(&lab), @"
    error missing/machine-missing orders-db instance i-orders-db-1 of node orders-db-1: instance i-orders-db-1 of node orders-db-1 does not exist at the site
    warning orphan/orphan - uid-gone-db: 1 point that no cluster explains, kept
    note unmanaged/unmanaged orders-db orders-db since 2026-01-01T00:00:00Z: 2 snapshots of its disks that Backstay did not make
    ");
    let recent = of(&lab).narrowed(&BTreeSet::from([Class::Unmanaged]), Some(time("2026-11-22")));
    assert_snapshot!(told(&recent), @"note unmanaged/unmanaged orders-db orders-db since 2026-11-22T00:00:00Z: 1 snapshot of its disks that Backstay did not make");
    assert_eq!(recent.items[0].snapshots.len(), 1);
}

#[test]
fn changed_tags_and_forged_seals_are_told() {
    let mut lab = in_sync();
    let id = SnapshotId::new("snap-00001").unwrap();
    let mut forged = lab.snapshot(&id).clone();
    lab.snapshot(&id).tags.insert(tags::CUT, "20200101t000000z");
    forged.id = SnapshotId::new("snap-forged").unwrap();
    forged.created = forged.created.checked_add(Duration::hours(1).signed()).unwrap();
    lab.snapshots().push(forged);
    assert_snapshot!(text(&lab), @"
    error changed/foreign-seal - snap-forged: its seal does not fit its facts
    warning changed/tags-changed orders-db 20261121t000000z-1: its seal proves other tags: backstay-cut
    ");
}

#[test]
fn a_copy_is_drift_only_once_it_is_overdue_and_the_documents_are_old() {
    let us = SiteName::new("us").unwrap();
    let mut lab = Lab::of(DAILY, &["orders-db"]).with_site("us", "aws");
    for day in ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"] {
        lab.put(&Point::at(time(day)));
    }
    let before = lab.desired.clone();
    policy(&mut lab, |policy| {
        policy.copies = vec![CopyPolicy { site: us.clone(), retention: policy.retention.clone(), kms_key: None }];
    });
    assert_snapshot!(only(&of(&lab), Class::Missing), @"
    warning missing/copy-missing orders-db 20261120t000000z-1 since 2026-11-20T00:00:00Z: the point of 2026-11-20T00:00Z has no copy here; the policy wants a copy of what lies at eu
    warning missing/copy-missing orders-db 20261121t000000z-1 since 2026-11-21T00:00:00Z: the point of 2026-11-21T00:00Z has no copy here; the policy wants a copy of what lies at eu
    ");
    lab.baseline = Some(before);
    assert_snapshot!(only(&of(&lab), Class::Missing), @"");
}

#[test]
fn a_lock_is_drift_only_once_it_is_overdue() {
    let lab = in_sync().with_policy(&format!("{DAILY}\nlock: {{ mode: governance, for: 14d }}"));
    assert_snapshot!(only(&of(&lab), Class::Unlocked), @"");
}

#[test]
fn a_site_that_could_not_be_read_is_no_drift_but_nobody_can_say_in_sync() {
    let mut lab = in_sync();
    lab.site_is_unknown();
    let drift = of(&lab);
    assert_snapshot!(told(&drift), @"");
    assert!(!drift.coverage.is_complete && !drift.is_found());
    assert!(drift.clusters.iter().all(|cluster| !cluster.is_known));
}

const RULES: &str = "\
apiVersion: backstay.dev/v1
kind: DriftIgnore
spec:
  rules:
    - { classes: [late, missing], cluster: orders-*, owner: team-a, reason: known, expires: 2026-12-31 }
    - { classes: [missing], owner: team-b, reason: over, expires: 2026-11-01 }
    - { classes: [orphan], subject: uid-nobody, owner: team-c, reason: idle, expires: 2027-01-01T00:00:00Z }
";

#[test]
fn rules_ignore_with_an_owner_until_they_expire_and_are_then_drift_themselves() {
    let mut lab = in_sync();
    lab.inventory().instances.retain(|instance| !instance.id.as_str().contains("orders-db-1"));
    let (rules, diagnostics) = read_rules("drift-ignore.yaml", RULES.as_bytes());
    assert!(diagnostics.is_empty(), "{}", diagnostics.render());
    let drift = of(&lab).ignoring(&rules);
    assert_snapshot!(told(&drift), @"
    warning expired-rule/expired-rule - drift-ignore.yaml:6:7 since 2026-11-02T00:00:00Z: expired 2026-11-02T00:00Z; owner team-b: over
    error missing/machine-missing orders-db instance i-orders-db-1 of node orders-db-1: instance i-orders-db-1 of node orders-db-1 does not exist at the site (ignored)
    ");
    let idle: Vec<&str> = drift.idle_rules().map(|rule| rule.rule.rule.as_str()).collect();
    assert_eq!(idle, ["drift-ignore.yaml:7:7"]);
    assert_eq!((drift.counts.total, drift.counts.ignored), (1, 1));
    lab.is_unknown(&site());
    assert_eq!(of(&lab).ignoring(&rules).idle_rules().count(), 0, "what was not seen may still match");
}

#[test]
fn the_last_day_of_a_rule_is_its_own() {
    let (rules, _) = read_rules("drift-ignore.yaml", RULES.as_bytes());
    let ends: Vec<Timestamp> = rules.iter().map(|rule| rule.expires).collect();
    assert_eq!(ends, [time("2027-01-01"), time("2026-11-02"), time("2027-01-01")]);
    let (rules, diagnostics) = read_rules("drift-ignore.yaml", example().as_bytes());
    assert!(diagnostics.is_empty() && rules.len() == 1, "the example is right");
    assert!(include_str!("../../../../docs/drift.md").contains(&example()), "the guide shows it");
}

#[test]
fn wrong_rules_are_told_with_their_places_and_the_right_ones_count() {
    let wrong = RULES
        .replace("classes: [missing]", "classes: [mising]")
        .replace("owner: team-c, ", "")
        .replace("expires: 2026-12-31", "expires: 2026-02-30");
    let (rules, diagnostics) = read_rules("ignore.yaml", wrong.as_bytes());
    assert!(rules.is_empty());
    assert_snapshot!(diagnostics.render(), @"
    error[wrong-form]: there is no date or instant `2026-02-30`
      --> ignore.yaml:5:93
       |
     5 |     - { classes: [late, missing], cluster: orders-*, owner: team-a, reason: known, expires: 2026-02-30 }
       |                                                                                             ^^^^^^^^^^
    hint: write a day as 2026-12-31, or an instant in RFC 3339

    error[wrong-value]: `classes[0]` cannot be `mising`
      --> ignore.yaml:6:19
       |
     6 |     - { classes: [mising], owner: team-b, reason: over, expires: 2026-11-01 }
       |                   ^^^^^^
    hint: did you mean `missing`?

    error[missing-key]: `rules[2]` has no `owner`
      --> ignore.yaml:7:7
       |
     7 |     - { classes: [orphan], subject: uid-nobody, reason: idle, expires: 2027-01-01T00:00:00Z }
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: add `owner`: who answers for it
    ");
    let gap = RULES.replace("kind: DriftIgnore", "kind: Cluster");
    assert_snapshot!(read_rules("ignore.yaml", gap.as_bytes()).1.render(), @"
    error[wrong-value]: `kind` is `Cluster`, and must be `DriftIgnore`
      --> ignore.yaml:2:7
       |
     2 | kind: Cluster
       |       ^^^^^^^
    hint: write `DriftIgnore`, or move it into a file of its own kind
    ");
}

#[test]
fn counts_sum_and_the_order_is_worst_first() {
    let mut lab = Lab::of(DAILY, &["a-db", "b-db", "c-db"]);
    for cluster in ["a-db", "b-db"] {
        lab.put(&Point { cluster: cluster.to_owned(), ..Point::at(time("2026-11-20")) });
    }
    lab.put(&Point { cluster: "gone-db".to_owned(), ..Point::at(time("2026-11-20")) });
    let drift = of(&lab);
    let counts = &drift.counts;
    assert_eq!(counts.by_class.values().sum::<usize>(), counts.total);
    assert_eq!(counts.by_severity.values().sum::<usize>(), counts.total);
    let severities: Vec<_> = drift.items.iter().map(|item| item.severity).collect();
    assert!(severities.is_sorted(), "{severities:?}");
    assert_eq!(counts.clusters, 2, "an orphan is no declared cluster: {}", told(&drift));
}
