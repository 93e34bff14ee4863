//! What a site takes from one plan, over the whole fleet: the sum of it, not each create alone.

use super::care::home_is;
use crate::support::lab::{Lab, Point, disk, site, time};
use backstay_core::capabilities::{CallClass, Iaas};
use backstay_core::name::{DiskId, SiteName, SnapshotId};
use backstay_core::observed::{AttachedDisk, DiskRole, Unmanaged};
use backstay_core::plan::{Action, Plan, VALID_FOR};
use backstay_core::time::Duration;
use insta::assert_snapshot;

const LAST: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 2 } }\n";

/// So many snapshots that others made of something else.
fn others(lab: &mut Lab, at: &SiteName, count: usize) {
    let make = |number: usize| Unmanaged {
        id: SnapshotId::new(format!("snap-other-{number}")).unwrap(),
        disk: DiskId::new("vol-other").unwrap(),
        created: time("2026-01-01"),
        size: 1,
    };
    lab.inventory_at(at).unmanaged = (0..count).map(make).collect();
}

/// Two clusters with what their policy keeps, before the next slot of both.
fn two() -> Lab {
    let mut lab = Lab::of(LAST, &["orders-db", "billing-db"]);
    for cluster in ["orders-db", "billing-db"] {
        lab.put_daily(cluster, 2);
    }
    lab.at(time("2026-11-24T01:00Z"))
}

#[test]
fn a_site_that_has_room_for_one_point_gets_one_and_the_other_waits_with_its_marks() {
    let mut lab = two();
    others(&mut lab, &site(), 99_995);
    assert_snapshot!(lab.apply_plan(), @"
    + billing-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ billing-db 2026-11-22T00:00Z due: beyond last 2
    ? orders-db 2026-11-24T00:00Z: no further snapshot: eu has 100000 snapshots with those of this plan, and 100000 is the most
    ");
    // Another plan changes nothing: the site is full.
    lab.assert_converged();
    assert_snapshot!(lab.plan_text(), @"
    ? billing-db 2026-11-22T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ? orders-db 2026-11-24T00:00Z: no further snapshot: eu has 100000 snapshots with those of this plan, and 100000 is the most
    ");
    // Somebody makes room.
    lab.inventory().unmanaged.pop();
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-24T00:00Z drift: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-22T00:00Z due: beyond last 2
    ? billing-db 2026-11-22T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ");
}

#[test]
fn the_most_overdue_slot_comes_first_whatever_its_clusters_name() {
    let names = ["a-db", "b-db", "c-db", "d-db"];
    let mut lab = Lab::of("schedule: { every: 24h, spread: 20h }\nretention: { keep: { last: 2 } }", &names);
    let slots = |plan: &Plan| -> Vec<_> {
        let creates = plan.changes.iter().filter(|change| matches!(change.action, Action::Create(_)));
        creates.map(|change| (change.action.point().slot, change.name.to_string())).collect()
    };
    let mut all = slots(&lab.verified());
    assert!(!all.is_sorted(), "the names are in the order of the slots: {all:?}");
    all.sort();
    for room in 0..=4 {
        others(&mut lab, &site(), 100_000 - room);
        let mut made = slots(&lab.verified());
        made.sort();
        assert_eq!(made, all[..room]);
    }
}

#[test]
fn copies_take_what_the_points_of_their_site_leave() {
    let us = SiteName::new("us").unwrap();
    let spec = format!("{LAST}copies: [ {{ site: us, retention: {{ keep: {{ last: 2 }} }} }} ]");
    let mut lab = Lab::of(LAST, &["orders-db", "billing-db"]).with_site("us", "aws").at(time("2026-11-24T01:00Z"));
    lab.set_policy(&spec);
    lab.move_to("billing-db", &us);
    lab.baseline = Some(lab.desired.clone());
    for day in [22, 23] {
        lab.put(&Point::at(time(&format!("2026-11-{day}"))));
    }
    others(&mut lab, &us, 99_998);
    assert_snapshot!(lab.plan_text(), @"
    + billing-db 2026-11-24T00:00Z at us due: no restorable point yet
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    ? orders-db 2026-11-22T00:00Z: its copy is not ready at us
    ? orders-db 2026-11-23T00:00Z: no further snapshot: us has 100000 snapshots with those of this plan, and 100000 is the most
    ");
}

/// Clusters whose instances have this many disks, which are cut one after the other.
fn of_many_disks(iaas: Iaas, clusters: usize, disks: usize) -> Lab {
    let names: Vec<String> = (0..clusters).map(|number| format!("db-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut lab = Lab::of(&format!("source: standby\n{LAST}"), &names);
    for name in names {
        for number in 1..disks {
            let id = DiskId::new(format!("{}-{number}", disk(name, 1, &DiskRole::Tablespace))).unwrap();
            let role = DiskRole::Tablespace;
            lab.disks(name, 1).push(AttachedDisk { id, role, size: 1 << 30, encrypted: true });
        }
    }
    lab.inventory().abilities.atomic_group = false;
    home_is(&mut lab, iaas);
    lab
}

#[test]
fn a_plan_asks_for_no_more_calls_than_its_hour_gives() {
    let creates = |plan: &Plan| plan.changes.iter().filter(|c| matches!(c.action, Action::Create(_))).count();
    // Azure makes 1,920 snapshots in half an hour: 38 points of 100 disks in the hour of a plan.
    let mut lab = of_many_disks(Iaas::Azure, 40, 100);
    let plan = lab.verified();
    assert_eq!(creates(&plan), 38);
    let waits: Vec<String> = plan.waiting.iter().map(|w| format!("{}: {}", w.name, w.why)).collect();
    assert_snapshot!(waits.join("\n"), @"
    db-38: not in this plan any more: eu takes 3840 calls in 1h (HighCostSnapshotCreateHydrate30Min)
    db-39: not in this plan any more: eu takes 3840 calls in 1h (HighCostSnapshotCreateHydrate30Min)
    ");
    lab.apply(&plan);
    lab.advance(Duration::hours(1));
    assert_eq!(creates(&lab.verified()), 2);
    // A plan for another cloud asks for too much.
    let mut elsewhere = of_many_disks(Iaas::Alibaba, 40, 100);
    let plan = elsewhere.verified();
    assert_eq!(creates(&plan), 40);
    home_is(&mut elsewhere, Iaas::Azure);
    let refused = elsewhere.verify(plan).unwrap_err().to_string();
    assert!(
        refused.contains("4000 calls of HighCostSnapshotCreateHydrate30Min in one plan, and an hour has 3840"),
        "{refused}"
    );
}

#[test]
fn the_second_opinion_adds_up_what_a_site_would_have() {
    let mut lab = two();
    others(&mut lab, &site(), 99_990);
    let plan = lab.verified();
    assert_eq!(plan.changes.iter().filter(|change| matches!(change.action, Action::Create(_))).count(), 2);
    // Four are there, two are made: one too many by the time it is checked again.
    others(&mut lab, &site(), 99_995);
    let refused = lab.verify(plan).unwrap_err().to_string();
    assert!(refused.contains("the site would have 100001 snapshots, and takes fewer"), "{refused}");
}

#[test]
fn a_plan_of_ten_thousand_points_fits_where_the_cloud_allows_it() {
    let within = |iaas: Iaas, class| iaas.rules().budgets_of(class).map(|b| b.allowance.within(VALID_FOR)).min();
    assert_eq!(within(Iaas::Aws, CallClass::Create), Some(18_100));
    assert_eq!(within(Iaas::Aws, CallClass::CreateGroup), Some(18_100));
    assert_eq!(within(Iaas::Gcp, CallClass::Create), Some(90_000));
    assert_eq!(within(Iaas::Azure, CallClass::Create), Some(3_840));
    assert_eq!(within(Iaas::Alibaba, CallClass::Create), Some(6_000));
}
