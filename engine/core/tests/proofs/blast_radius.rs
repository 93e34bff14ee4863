//! Deletes that the clock alone had not brought stay few in a day (INVARIANTS.md 18).

use crate::support::lab::{Lab, time};
use backstay_core::plan::Cause;
use backstay_core::time::Duration;
use insta::assert_snapshot;

const KEEPS: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: DAYS } }";

fn keeps(days: u32) -> String {
    KEEPS.replace("DAYS", &days.to_string())
}

/// Counts the changes of each kind and the waits, by cause.
fn counts(text: &str) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let what = match (words[0], line.split_once(": ")) {
            ("?", Some((_, why))) => format!("waits: {why}"),
            (sign, _) => format!("{sign} {}", words[3].trim_end_matches(':')),
        };
        *counts.entry(what).or_insert(0) += 1;
    }
    counts.into_iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_shortened_policy_deletes_five_points_of_a_cluster_a_day() {
    let mut lab = Lab::of(&keeps(30), &["orders-db"]);
    lab.put_daily("orders-db", 30);
    lab.set_policy(&keeps(18));
    assert_snapshot!(counts(&lab.run()), @"12 ~ config");
    lab.assert_converged();
    // The tombstones carry their cause through the grace, though the baseline is the new policy now.
    lab.set_time(time("2026-11-26T01:00Z"));
    let text = lab.run();
    assert_snapshot!(counts(&text), @"
    1 + due
    5 - config
    7 waits: delete limit reached: 5 a day for one cluster
    1 ~ due
    ");
    lab.assert_converged();
    lab.advance(Duration::hours(23));
    assert_snapshot!(counts(&lab.run()), @"
    1 + due
    7 waits: delete limit reached: 5 a day for one cluster
    1 waits: tombstoned; grace until 2026-11-29T01:00Z
    1 ~ due
    ");
    lab.advance(Duration::hours(1));
    assert_snapshot!(counts(&lab.run()), @"
    5 - config
    2 waits: delete limit reached: 5 a day for one cluster
    1 waits: tombstoned; grace until 2026-11-29T01:00Z
    1 waits: tombstoned; grace until 2026-11-30T00:00Z
    ");
    lab.advance(Duration::days(1));
    assert_snapshot!(counts(&lab.run()), @"
    1 + due
    2 - config
    1 waits: tombstoned; grace until 2026-11-29T01:00Z
    1 waits: tombstoned; grace until 2026-11-30T00:00Z
    1 ~ due
    ");
}

#[test]
fn due_deletes_wait_only_beyond_twice_the_slots_of_the_grace_and_a_day() {
    let mut lab = Lab::of(&keeps(18), &["orders-db"]).with_limits("{ fleet: 0, cluster: 0 }");
    lab.put_daily("orders-db", 30);
    lab.baseline = Some(lab.desired.clone());
    assert_snapshot!(counts(&lab.run()), @"12 ~ due");
    // Four slots in three days of grace and one: ten is more than twice that.
    lab.set_time(time("2026-11-26T01:00Z"));
    assert_snapshot!(counts(&lab.run()), @"
    1 + due
    10 - due
    2 waits: delete limit reached: 10 a day that fall due, for the fleet
    1 ~ due
    ");
    lab.assert_converged();
    lab.advance(Duration::hours(23));
    assert!(!lab.text().contains("- orders-db"));
    lab.advance(Duration::hours(1));
    assert_snapshot!(counts(&lab.run()), @"
    1 + due
    2 - due
    1 waits: tombstoned; grace until 2026-11-29T01:00Z
    1 ~ due
    ");
}

#[test]
fn many_slots_allow_many_due_deletes() {
    // A grace of eleven hours and a day have 35 slots of one an hour, and not one more: 70 deletes.
    let hourly = "schedule: { every: 1h, spread: 0s }\nretention: { keep: { last: 2 }, grace: 11h }";
    let cron = "schedule: { cron: 0 * * * * }\nretention: { keep: { last: 2 }, grace: 11h }";
    for policy in [hourly, cron] {
        let mut lab = Lab::of(policy, &["orders-db"]).at(time("2026-11-23T00:00Z"));
        for hour in 0..80 {
            lab.put(&crate::support::lab::Point::at(Duration::hours(hour).before(time("2026-11-23"))));
        }
        lab.run();
        lab.set_time(time("2026-11-23T11:00Z"));
        assert!(counts(&lab.text()).starts_with("1 + due\n70 - due\n8 waits: delete limit reached: 70 a day"));
    }
}

#[test]
fn without_a_baseline_every_delete_counts() {
    let mut lab = Lab::of(&keeps(18), &["orders-db"]);
    lab.put_daily("orders-db", 30);
    lab.run();
    lab.set_time(time("2026-11-26T01:00Z"));
    let lab = lab.without_baseline();
    assert_snapshot!(counts(&lab.text()), @"
    1 + due
    5 - config
    7 waits: delete limit reached: 5 a day for one cluster
    1 ~ config
    ");
}

#[test]
fn the_fleets_limit_is_shared_and_the_backups_go_on() {
    let names = ["a-db", "b-db", "c-db", "d-db"];
    let mut lab = Lab::of(&keeps(30), &names).with_limits("{ fleet: 7, cluster: 5 }");
    for name in names {
        lab.put_daily(name, 30);
    }
    lab.baseline = Some(lab.desired.clone());
    lab.set_policy(&keeps(26));
    lab.run();
    lab.set_time(time("2026-11-26T01:00Z"));
    assert_snapshot!(counts(&lab.text()), @"
    4 + due
    7 - config
    9 waits: delete limit reached: 7 a day for the fleet
    4 ~ due
    ");
}

#[test]
fn a_share_of_the_fleet_counts_what_can_be_restored_alone() {
    let mut lab = Lab::of(&keeps(30), &["orders-db"]).with_limits("{ fleet: 10%, cluster: 100 }");
    lab.put_daily("orders-db", 30);
    // Garbage must not widen the limit.
    for n in 0..50 {
        let cut = Duration::hours(n + 1).before(time("2026-10-01"));
        lab.put(&crate::support::lab::Point { unsealed: true, ..crate::support::lab::Point::at(cut) });
    }
    for snapshot in lab.snapshots().clone() {
        if snapshot.created > time("2026-10-01") && snapshot.created < time("2026-11-01") {
            lab.mark(&snapshot.id, time("2026-11-10"), Duration::hours(72), Cause::Config);
        }
    }
    lab.set_policy(&keeps(20));
    assert_snapshot!(counts(&lab.text()), @"
    1 ! 50
    3 - config
    50 t due
    4 waits: delete limit reached: 3 a day for the fleet
    3 ~ config
    ");
}

#[test]
fn an_extended_policy_takes_marks_back_at_once() {
    let mut lab = Lab::of(&keeps(30), &["orders-db"]);
    lab.put_daily("orders-db", 30);
    lab.set_policy(&keeps(20));
    lab.run();
    lab.set_policy(&keeps(30));
    assert_snapshot!(counts(&lab.run()), @"10 < config");
    lab.assert_converged();
    lab.set_policy(&keeps(20));
    // The grace begins anew: a revoked tombstone counts for nothing.
    lab.set_time(time("2026-11-23T02:00Z"));
    lab.run();
    lab.set_time(time("2026-11-26T01:30Z"));
    assert!(!lab.text().contains("- orders-db"));
}
