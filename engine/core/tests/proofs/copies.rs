//! Copies: what is made at another site, in which order, and what waits for it.

use crate::support::lab::{Lab, Point, shown, time, uid};
use backstay_core::name::SiteName;
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::plan::{Action, Cause};
use backstay_core::tags::{self, PointClass};
use backstay_core::time::Duration;
use insta::assert_snapshot;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }\n";

fn us() -> SiteName {
    SiteName::new("us").unwrap()
}

/// One point a day since some day of November; it is 23 November, 01:00. Copies go to `us`, by these rules.
fn lab(first: u32, copies: &str) -> Lab {
    let mut lab = Lab::new(THREE).with_site("us", "aws");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us{copies} }} ]"));
    lab.baseline = Some(lab.desired.clone());
    for day in first..=23 {
        lab.put(&of_day(day));
    }
    lab
}

fn of_day(day: u32) -> Point {
    Point::at(time(&format!("2026-11-{day}")))
}

/// What lies at `us`, by day of the cut.
fn there(lab: &mut Lab) -> String {
    let cuts = lab.cuts_at(&us());
    cuts.iter().map(|cut| cut.strftime("%d").to_string()).collect::<Vec<_>>().join(" ")
}

fn snapshot_of(lab: &mut Lab, site: &SiteName, day: u32) -> Snapshot {
    let slot = backstay_core::time::stamp(time(&format!("2026-11-{day}")));
    lab.snapshots_at(site).iter().find(|snapshot| snapshot.tags.get(tags::SLOT) == Some(&slot)).unwrap().clone()
}

#[test]
fn a_policy_with_a_copy_site_copies_its_wanted_past_and_then_each_new_point() {
    let mut lab = lab(21, "");
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-21T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-23T00:00Z at us due: the policy wants a copy of what lies at eu
    ");
    lab.assert_settled();
    lab.set_time(time("2026-11-24T01:00Z"));
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ");
    // What was just made is copied by the next plan: it must be ready first. Then its copy displaces the oldest one.
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-24T01:00Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-21T00:00Z at us due: beyond daily 3
    ? orders-db 2026-11-21T00:00Z: tombstoned; grace until 2026-11-27T01:00Z
    ");
    lab.assert_settled();
    assert_eq!(there(&mut lab), "21 22 23 24");
}

#[test]
fn a_copy_has_the_names_and_facts_of_its_point_and_a_seal_of_its_own() {
    let mut lab = lab(23, ", kmsKey: alias/backup");
    let plan = lab.plan();
    let Action::Copy(copy) = &plan.changes[0].action else { panic!("{plan:?}") };
    assert_eq!((plan.changes[0].site.as_str(), copy.from.as_str()), ("us", "eu"));
    lab.apply(&plan);
    let (source, made) = (lab.snapshots()[0].clone(), lab.snapshots_at(&us())[0].clone());
    assert_eq!(made.kms_key.unwrap().as_str(), "alias/backup");
    for tag in [tags::POINT, tags::CLASS, tags::PART, tags::SYSTEM, tags::WAL, tags::CUT] {
        assert_eq!(source.tags.get(tag), made.tags.get(tag), "{tag}");
    }
    assert_ne!(source.tags.get(tags::SEAL_1), made.tags.get(tags::SEAL_1));
    lab.assert_settled();
}

#[test]
fn a_source_waits_for_its_copy_and_goes_when_that_is_ready() {
    let mut lab = lab(18, ", retention: { keep: { daily: 5 } }");
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-19T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-20T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-21T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-23T00:00Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-18T00:00Z due: beyond daily 3
    ? orders-db 2026-11-19T00:00Z: its copy is not ready at us
    ? orders-db 2026-11-20T00:00Z: its copy is not ready at us
    ");
    // The copies are made; one of them takes its time.
    let slow = snapshot_of(&mut lab, &us(), 20).id;
    lab.snapshot(&slow).readiness = Readiness::CutFixed;
    assert_snapshot!(lab.apply_plan(), @"
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-20T00:00Z: its copy is not ready at us
    ");
    lab.snapshot(&slow).readiness = Readiness::Ready;
    assert_snapshot!(lab.apply_plan(), @"
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ? orders-db 2026-11-19T00:00Z: tombstoned; grace until 2026-11-26T01:00Z
    ");
    lab.assert_settled();
    assert_eq!(there(&mut lab), "19 20 21 22 23");
}

#[test]
fn a_window_of_copies_counts_their_cuts_and_holds_no_older_source() {
    let mut lab = lab(14, ", retention: { recoveryWindow: 3d }");
    lab.settle();
    for day in [24, 25] {
        lab.set_time(time(&format!("2026-11-{day}T01:00Z")));
        lab.settle();
    }
    // The copies of the 20th to the 23rd were made three days ago: by that age the window's base would be the 19th.
    lab.set_time(time("2026-11-26T01:00Z"));
    assert_eq!(lab.run().matches("- orders-db").count(), 7);
    assert_eq!(lab.cuts().first(), Some(&time("2026-11-21")));
}

#[test]
fn a_copy_that_vanished_is_made_again_before_its_marked_source_goes() {
    let mut lab = lab(20, ", retention: { keep: { daily: 5 } }");
    lab.apply_plan();
    lab.apply_plan();
    let gone = snapshot_of(&mut lab, &us(), 20).id;
    lab.snapshots_at(&us()).retain(|snapshot| snapshot.id != gone);
    lab.set_time(time("2026-11-26T01:00Z"));
    assert_snapshot!(lab.plan_text(), @"
    + orders-db 2026-11-26T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    > orders-db 2026-11-20T00:00Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ? orders-db 2026-11-20T00:00Z: its copy is not ready at us
    ");
}

#[test]
fn a_copy_lives_longer_or_shorter_than_its_source() {
    let mut longer = lab(22, ", retention: { keep: { daily: 6 }, grace: 24h }");
    let mut shorter = lab(22, ", retention: { keep: { last: 1 } }");
    for day in 24..=36_u64 {
        let now = Duration::days(day - 23).after(time("2026-11-23T01:00Z"));
        for lab in [&mut longer, &mut shorter] {
            lab.set_time(now);
            lab.settle();
        }
    }
    // What is kept, and what waits out its grace: a day, or the policy's three.
    assert_eq!(there(&mut longer), "30 01 02 03 04 05 06");
    assert_eq!(there(&mut shorter), "03 04 05 06");
    for lab in [&mut longer, &mut shorter] {
        assert_eq!(lab.cuts().len(), 6, "{:?}", lab.cuts());
    }
}

#[test]
fn no_more_copies_travel_than_the_site_takes_the_oldest_first() {
    // AWS takes 20 at a time, of all clusters together.
    let names = ["a-db", "b-db"];
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 30 } }";
    let mut lab = Lab::of(policy, &names).with_site("us", "aws");
    lab.set_policy(&format!("{policy}\ncopies: [ {{ site: us }} ]"));
    for name in names {
        lab.put_daily(name, 12);
    }
    let plan = lab.plan();
    let copied: Vec<String> = plan.changes.iter().map(|c| format!("{} {}", c.name, c.action.point())).collect();
    assert_eq!(copied.len(), 20);
    assert!(copied.contains(&"a-db 20261121t000000z-1".to_owned()), "{copied:?}");
    assert!(!copied.contains(&"b-db 20261122t000000z-1".to_owned()), "{copied:?}");
    assert_snapshot!(shown(&plan).lines().filter(|line| line.starts_with('?')).collect::<Vec<_>>().join("\n"), @"
    ? a-db 2026-11-22T00:00Z: other copies come first: us takes 20 at a time
    ? a-db 2026-11-23T00:00Z: other copies come first: us takes 20 at a time
    ? b-db 2026-11-22T00:00Z: other copies come first: us takes 20 at a time
    ? b-db 2026-11-23T00:00Z: other copies come first: us takes 20 at a time
    ");
    // While they are on their way nothing else is.
    lab.apply(&plan);
    for snapshot in lab.snapshots_at(&us()) {
        snapshot.readiness = Readiness::Creating;
    }
    assert!(lab.plan().changes.is_empty(), "{}", lab.plan_text());
    lab.snapshots_at(&us())[0].readiness = Readiness::Ready;
    assert_eq!(lab.plan().changes.len(), 1, "{}", lab.plan_text());
    for snapshot in lab.snapshots_at(&us()) {
        snapshot.readiness = Readiness::Ready;
    }
    assert_eq!(lab.plan().changes.len(), 4, "{}", lab.plan_text());
    lab.settle();
    assert_eq!(lab.snapshots_at(&us()).len(), 24);
}

/// Three points that are to be copied where each disk has one copy at a time.
fn in_order() -> Lab {
    let mut lab = Lab::new(THREE).with_profile("azure").with_site("us", "azure");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us }} ]"));
    lab.baseline = Some(lab.desired.clone());
    for day in 21..=23 {
        lab.put(&of_day(day));
    }
    lab
}

#[test]
fn where_copies_come_in_order_a_disk_has_one_on_its_way() {
    let mut lab = in_order();
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-21T00:00Z at us due: the policy wants a copy of what lies at eu
    ? orders-db 2026-11-22T00:00Z: other copies come first: of each disk one at a time, in order
    ? orders-db 2026-11-23T00:00Z: other copies come first: of each disk one at a time, in order
    ");
    lab.snapshots_at(&us())[0].readiness = Readiness::CutFixed;
    assert_snapshot!(lab.plan_text(), @"
    ? orders-db 2026-11-22T00:00Z: other copies come first: of each disk one at a time, in order
    ? orders-db 2026-11-23T00:00Z: other copies come first: of each disk one at a time, in order
    ");
    lab.snapshots_at(&us())[0].readiness = Readiness::Ready;
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    ? orders-db 2026-11-23T00:00Z: other copies come first: of each disk one at a time, in order
    ");
    lab.settle();
    assert_eq!(there(&mut lab), "21 22 23");
}

#[test]
fn where_copies_come_in_order_one_that_failed_is_not_overtaken() {
    let mut lab = in_order();
    lab.apply_plan();
    lab.snapshots_at(&us())[0].readiness = Readiness::Failed { because: "internal error".to_owned() };
    assert_snapshot!(lab.plan_text(), @"
    ? orders-db 2026-11-21T00:00Z: a copy at us failed, and what is left of it must be removed first
    ? orders-db 2026-11-22T00:00Z: other copies come first: of each disk one at a time, in order
    ? orders-db 2026-11-23T00:00Z: other copies come first: of each disk one at a time, in order
    ");
}

#[test]
fn where_copies_come_in_order_what_is_not_copied_holds_up_nothing() {
    let mut lab = in_order();
    // Held and of no rule's, and one that its provider dates in the future.
    lab.put(&Point { hold_tag: true, ..of_day(15) });
    lab.put(&Point { created: time("2027-11-20"), ..of_day(20) });
    lab.settle();
    assert_eq!(there(&mut lab), "21 22 23");
}

#[test]
fn a_copy_is_wanted_by_its_cut_however_late_it_was_made() {
    // The copies are made today. Were that their age, all would lie within the window, and its base be an older point.
    let mut lab = lab(16, ", retention: { recoveryWindow: 3d }");
    lab.settle();
    assert_eq!(there(&mut lab), "20 21 22 23");
}

#[test]
fn a_hold_alone_wants_no_copy() {
    let mut lab = lab(21, "");
    lab.put(&Point { hold_tag: true, ..of_day(15) });
    lab.settle();
    assert_eq!(there(&mut lab), "21 22 23");
}

#[test]
fn what_is_not_ready_or_must_not_travel_is_not_copied() {
    let mut lab = lab(22, ", retention: { keep: { daily: 10 } }");
    let open = snapshot_of(&mut lab, &crate::support::lab::site(), 23).id;
    lab.snapshot(&open).readiness = Readiness::CutFixed;
    lab.put(&Point { class: PointClass::Safety, ..of_day(20) });
    lab.put(&Point { class: PointClass::Drill, ..of_day(19) });
    lab.put(&Point { created: time("2027-11-18"), ..of_day(18) });
    lab.put(&Point { readiness: Readiness::Failed { because: "no quota".to_owned() }, ..of_day(17) });
    // Two of one slot: the newer one stands for both.
    lab.put(&Point { key: "20261122t000000z-2".parse().unwrap(), ..Point::at(time("2026-11-22T00:20Z")) });
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-22T00:20Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-17T00:00Z due: it cannot be restored: no quota
    ~ orders-db 2026-11-22T00:00Z due: beyond daily 3
    ? orders-db 2026-11-23T00:00Z: the point is being made
    ? orders-db 2026-11-23T00:00Z: the point that is to be copied is not ready yet
    ");
}

#[test]
fn a_failed_copy_is_not_tried_again_before_it_is_removed() {
    let mut lab = lab(22, "");
    lab.apply_plan();
    let failed = snapshot_of(&mut lab, &us(), 22).id;
    lab.snapshot(&failed).readiness = Readiness::Failed { because: "internal error".to_owned() };
    assert_snapshot!(lab.plan_text(), @"? orders-db 2026-11-22T00:00Z: a copy at us failed, and what is left of it must be removed first");
    lab.snapshots_at(&us()).retain(|snapshot| snapshot.id != failed);
    assert_snapshot!(lab.plan_text(), @"> orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu");
}

#[test]
fn a_copy_that_was_cut_short_is_finished_with_what_it_has() {
    let mut lab = lab(23, "");
    lab.apply_plan();
    // The seal is missing: the call is repeated, and finds the snapshot by its intent.
    for tag in [tags::SEAL_1, tags::SEAL_2, tags::PART, tags::CUT] {
        lab.snapshots_at(&us())[0].tags.remove(tag);
    }
    assert_snapshot!(lab.apply_plan(), @"> orders-db 2026-11-23T00:00Z at us due: the policy wants a copy of what lies at eu");
    assert_eq!(lab.snapshots_at(&us()).len(), 1);
    lab.assert_settled();
}

#[test]
fn a_copy_site_that_is_unknown_stops_deletes_everywhere_and_no_backup() {
    let mut lab = lab(18, "").with_site("asia", "aws");
    lab.set_policy(&format!("{THREE}copies: [ {{ site: asia }}, {{ site: us }} ]"));
    lab.baseline = Some(lab.desired.clone());
    lab.settle();
    lab.set_time(time("2026-11-28T01:00Z"));
    lab.is_unknown(&us());
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-28T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ? orders-db: no deletes now: copy site us could not be read: page 2 of 3 failed
    ");
    // The other copy site still gets what was made.
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-28T01:00Z at asia due: the policy wants a copy of what lies at eu
    ? orders-db: no deletes now: copy site us could not be read: page 2 of 3 failed
    ");
}

#[test]
fn duplicates_become_one_at_a_copy_site_too() {
    let mut lab = lab(22, "");
    lab.apply_plan();
    lab.put_at(&us(), &Point { key: "20261123t000000z-2".parse().unwrap(), ..Point::at(time("2026-11-23T00:20Z")) });
    assert_snapshot!(lab.apply_plan(), @"~ orders-db 2026-11-23T00:00Z at us due: beyond daily 3");
}

#[test]
fn a_copy_that_somebody_tampered_with_is_not_made_again_and_again() {
    let mut lab = lab(21, "");
    lab.apply_plan();
    lab.assert_settled();
    // A second copy would find it by its intent, and leave it as it is.
    let id = lab.snapshots_at(&us()).last().unwrap().id.clone();
    lab.snapshot(&id).tags.insert(backstay_core::tags::SEAL_2, "aaaa");
    let plan = lab.plan_text();
    assert!(plan.contains("must be removed first"), "{plan}");
    lab.assert_settled();
}

#[test]
fn a_point_that_is_held_at_one_place_is_held_at_all() {
    let mut lab = lab(20, "");
    lab.put_at(&us(), &of_day(20));
    lab.put_at(&us(), &Point { hold_tag: true, ..of_day(19) });
    lab.put(&of_day(19));
    lab.records().holds.insert((uid("orders-db"), "20261120t000000z-1".parse().unwrap()));
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-21T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-23T00:00Z at us due: the policy wants a copy of what lies at eu
    t orders-db 2026-11-20T00:00Z due: it is held, and its tag does not say so
    t orders-db 2026-11-20T00:00Z at us due: it is held, and its tag does not say so
    ");
    lab.assert_settled();
}

#[test]
fn a_holds_tag_counts_wherever_it_is_with_a_seal_or_without() {
    let mut lab = lab(21, "");
    lab.put_at(&us(), &of_day(19));
    lab.put(&Point { hold_tag: true, unsealed: true, ..of_day(19) });
    lab.settle();
    assert_eq!(there(&mut lab), "19 21 22 23");
    lab.set_time(time("2026-12-03T01:00Z"));
    lab.settle();
    assert!(there(&mut lab).starts_with("19 "));
}

#[test]
fn points_on_demand_are_counted_at_each_place() {
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 }, onDemand: { max: 2 } }\n\
                  copies: [ { site: us, retention: { onDemand: { max: 1 } } } ]";
    let mut lab = lab(21, "").with_policy(policy);
    lab.baseline = Some(lab.desired.clone());
    for hour in 3..=5 {
        let cut = time(&format!("2026-11-19T0{hour}:00Z"));
        lab.put(&Point { class: PointClass::OnDemand, ..Point::at(cut) });
        lab.put_at(&us(), &Point { class: PointClass::OnDemand, ..Point::at(cut) });
    }
    assert_snapshot!(lab.apply_plan(), @"
    > orders-db 2026-11-21T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-22T00:00Z at us due: the policy wants a copy of what lies at eu
    > orders-db 2026-11-23T00:00Z at us due: the policy wants a copy of what lies at eu
    ~ orders-db 2026-11-19T03:00Z due: beyond daily 3
    ~ orders-db 2026-11-19T03:00Z at us due: beyond daily 3
    ~ orders-db 2026-11-19T04:00Z at us due: beyond daily 3
    ");
    lab.assert_settled();
}

#[test]
fn a_source_keeps_what_a_copy_alone_must_not_carry() {
    // The copy site keeps one point of its own; the policy asks for three, wherever they lie. Home lost all.
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 3 }, minimumRedundancy: 3 }\n\
                  copies: [ { site: us, retention: { keep: { last: 1 }, minimumRedundancy: 1 } } ]";
    let mut lab = Lab::new(THREE).with_site("us", "aws").with_policy(policy);
    lab.baseline = Some(lab.desired.clone());
    for day in 19..=23 {
        lab.put_at(&us(), &of_day(day));
    }
    assert_snapshot!(lab.apply_plan(), @"
    ~ orders-db 2026-11-19T00:00Z at us due: beyond last 1
    ~ orders-db 2026-11-20T00:00Z at us due: beyond last 1
    ");
    lab.settle();
    assert_eq!(there(&mut lab), "19 20 21 22 23");
}

#[test]
fn a_point_and_its_copy_are_one_for_the_floor_over_all_places() {
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { last: 1 }, minimumRedundancy: 2 }\n\
                  copies: [ { site: us, retention: { keep: { last: 1 }, minimumRedundancy: 1 } } ]";
    let mut lab = lab(24, "").with_policy(policy);
    lab.baseline = Some(lab.desired.clone());
    // Nobody calls one of two on demand a double: only their name tells that they are one.
    let newest = Point { class: PointClass::OnDemand, ..of_day(23) };
    lab.put(&newest);
    lab.put_at(&us(), &newest);
    for day in 21..=22 {
        lab.put_at(&us(), &of_day(day));
    }
    assert_snapshot!(lab.apply_plan(), @"~ orders-db 2026-11-21T00:00Z at us due: beyond last 1");
}

#[test]
fn a_copy_is_due_and_one_of_a_changed_policy_is_its_doing() {
    let mut lab = lab(21, "");
    lab.set_policy(THREE);
    lab.baseline = Some(lab.desired.clone());
    lab.set_policy(&format!("{THREE}copies: [ {{ site: us }} ]"));
    assert!(lab.plan().changes.iter().all(|change| change.cause == Cause::Config), "{}", lab.plan_text());
    lab.settle();
    lab.set_time(time("2026-11-24T01:00Z"));
    lab.apply_plan();
    assert!(lab.plan().changes.iter().all(|change| change.cause == Cause::Due), "{}", lab.plan_text());
}

#[test]
fn what_travels_to_where_the_cluster_lives_by_now_keeps_its_source_until_it_is_there() {
    let mut lab = lab(21, "");
    lab.apply_plan();
    let under_way = snapshot_of(&mut lab, &us(), 21).id;
    lab.snapshot(&under_way).readiness = Readiness::CutFixed;
    lab.move_to("orders-db", &us());
    lab.set_policy(THREE);
    lab.set_time(time("2026-11-24T01:00Z"));
    lab.verified();
    assert_snapshot!(lab.apply_plan(), @"
    + orders-db 2026-11-24T00:00Z at us config: due; newest point is of 2026-11-23T00:00Z
    ? orders-db 2026-11-21T00:00Z: its copy is not ready at us
    ");
    lab.snapshot(&under_way).readiness = Readiness::Ready;
    lab.verified();
    assert_snapshot!(lab.apply_plan(), @"
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-21T00:00Z at us due: beyond daily 3
    ");
}
