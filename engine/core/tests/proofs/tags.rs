//! Tags that somebody changed: what the seal proves is put back, and nothing else is touched.

use super::care::{assert_converged, checked, run, text};
use crate::support::lab::{Lab, Point, attached, time, uid};
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::{DiskRole, Snapshot};
use backstay_core::plan::Action;
use backstay_core::seal::SealKey;
use backstay_core::tags;
use insta::assert_snapshot;

const THREE: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 } }";

/// Three daily points of two disks.
fn lab() -> Lab {
    let mut lab = Lab::new(THREE);
    for node in 0..2 {
        lab.disks("orders-db", node).push(attached("orders-db", node, DiskRole::Wal));
    }
    for day in 21..=23 {
        let disks = vec![DiskRole::Wal, DiskRole::Data];
        lab.put(&Point { disks, ..Point::at(time(&format!("2026-11-{day}"))) });
    }
    lab
}

/// The snapshot of the last point's data disk.
fn data(lab: &mut Lab) -> SnapshotId {
    lab.snapshots().last().unwrap().id.clone()
}

/// Changes one snapshot, and asserts that its tags come back as they were.
fn is_mended(change: impl Fn(&mut Snapshot), keys: &str) {
    let mut lab = lab();
    let id = data(&mut lab);
    let before = lab.snapshot(&id).clone();
    change(lab.snapshot(&id));
    let changed = text(&lab);
    let expected = format!("t orders-db 2026-11-23T00:00Z due: its seal proves other tags: {keys}\n");
    assert!(changed.contains(&expected), "{keys}:\n{changed}");
    assert!(!changed.contains("foreign"), "{keys}: what is mended is ours:\n{changed}");
    run(&mut lab);
    for key in tags::SEALED {
        assert_eq!(lab.snapshot(&id).tags.get(key), before.tags.get(key), "{key}");
    }
    assert!(!text(&lab).contains("its seal proves"), "{keys}");
}

/// The same change, by key and value; none removes the tag.
fn set(key: &'static str, value: Option<&'static str>) -> impl Fn(&mut Snapshot) {
    move |snapshot| match value {
        Some(value) => snapshot.tags.insert(key, value),
        None => assert!(snapshot.tags.remove(key)),
    }
}

#[test]
fn each_sealed_tag_is_put_back_when_it_was_changed_or_removed() {
    for key in tags::SEALED {
        // Without it a site's listing has no such snapshot.
        if key != tags::MANAGED {
            is_mended(set(key, None), key);
        }
        // Under another cluster's uid it lies on that one's shelf.
        if key != tags::CLUSTER {
            is_mended(set(key, Some("something-else")), key);
        }
    }
    is_mended(set(tags::CLASS, Some("safety")), tags::CLASS);
    is_mended(set(tags::PART, Some("data-1of1")), tags::PART);
    is_mended(set(tags::CUT, Some("20200101t000000z")), tags::CUT);
}

#[test]
fn two_changed_tags_are_put_back_together() {
    let both = |snapshot: &mut Snapshot| {
        snapshot.tags.insert(tags::PART, "wal-9of9");
        snapshot.tags.remove(tags::WAL);
    };
    is_mended(both, "backstay-part, backstay-wal");
    let moved = |snapshot: &mut Snapshot| {
        snapshot.tags.insert(tags::SLOT, "20200101t000000z");
        snapshot.tags.insert(tags::INTENT, "0");
    };
    is_mended(moved, "backstay-intent, backstay-slot");
}

#[test]
fn a_point_whose_tags_are_mended_counts_again() {
    let mut lab = lab();
    let id = data(&mut lab);
    lab.snapshot(&id).tags.insert(tags::CUT, "20200101t000000z");
    // Nothing says yet that the slot is served: the backups go on.
    assert_snapshot!(run(&mut lab), @"
    + orders-db 2026-11-23T00:00Z due: due; one attempt failed
    t orders-db 2026-11-23T00:00Z due: its seal proves other tags: backstay-cut
    ! orders-db: unfinished: 1 snapshot of a point that never completed
    ");
    // Two points of one slot become one.
    assert_snapshot!(run(&mut lab), @"~ orders-db 2026-11-23T00:00Z due: beyond daily 3");
    assert_converged(&lab);
}

#[test]
fn a_point_of_which_one_part_is_mended_is_not_marked_as_a_leftover() {
    let mut lab = lab();
    // Its other part has no sibling that counts, for more than a day.
    for key in [tags::CUT, tags::POINT, tags::SLOT, tags::CLASS] {
        let mut lab = lab.clone();
        let first = lab.snapshots()[0].id.clone();
        lab.snapshot(&first).tags.insert(key, "something-else");
        let plan = text(&lab);
        assert!(plan.contains("t orders-db 2026-11-21") && !plan.contains('~'), "{key}:\n{plan}");
        run(&mut lab);
        assert_converged(&lab);
    }
    let first = lab.snapshots()[0].id.clone();
    lab.snapshots().retain(|snapshot| snapshot.id != first);
    assert!(text(&lab).contains("~ orders-db 2026-11-21"), "without the other part it is one");
}

#[test]
fn what_the_seal_does_not_prove_stays_a_strangers() {
    let mut lab = lab();
    // Three at once; another disk's; another key's.
    let id = data(&mut lab);
    for key in [tags::CUT, tags::WAL, tags::PART] {
        lab.snapshot(&id).tags.insert(key, "0");
    }
    let ids: Vec<SnapshotId> = lab.snapshots().iter().map(|snapshot| snapshot.id.clone()).collect();
    lab.snapshot(&ids[0]).disk = DiskId::new("vol-elsewhere").unwrap();
    let mut stolen = lab.snapshot(&ids[2]).clone();
    let key = std::mem::replace(&mut lab.key, SealKey::from_seed(&[9; 32]));
    lab.seal(&mut stolen);
    lab.key = key;
    *lab.snapshot(&ids[2]) = stolen;
    assert_snapshot!(text(&lab), @"
    + orders-db 2026-11-23T00:00Z due: due; one attempt failed
    ! orders-db: unfinished: 3 snapshots of points that never completed
    ! snap-00001: foreign: its seal does not fit its facts
    ! snap-00003: foreign: it is sealed by the unknown key 3pbjqji4kezbw
    ! snap-00006: foreign: its seal does not fit its facts
    ");
}

#[test]
fn a_snapshot_that_names_no_cluster_is_found_by_its_disk() {
    let mut lab = lab();
    let id = data(&mut lab);
    lab.snapshot(&id).tags.insert(tags::CLUSTER, "not a uid");
    assert!(text(&lab).contains("its seal proves other tags: backstay-cluster"));
    // Of a disk that no declared cluster has, nobody can say whose it was.
    lab.disks("orders-db", 1).clear();
    assert!(!text(&lab).contains("its seal proves"));
}

#[test]
fn a_foreign_tag_is_nobodys_business() {
    let mut lab = lab();
    let id = data(&mut lab);
    lab.snapshot(&id).tags.insert("owner", "bob");
    assert_snapshot!(text(&lab), @"nothing to do");
}

#[test]
fn guessing_is_bounded() {
    let mut lab = lab();
    let id = data(&mut lab);
    for number in 0..300 {
        let mut garbage = lab.snapshot(&id).clone();
        garbage.id = SnapshotId::new(format!("snap-garbage-{number}")).unwrap();
        garbage.tags.insert(tags::CUT, "20200101t000000z");
        lab.snapshots().push(garbage);
    }
    // Without a bound these would be 300 times some hundred signatures: minutes.
    let plan = checked(&lab);
    assert!(plan.changes.iter().all(|change| !matches!(change.action, Action::Tag(_))));
}

#[test]
fn a_recorded_hold_is_shown_by_every_part() {
    let mut lab = lab();
    lab.records().holds.insert((uid("orders-db"), "20261121t000000z-1".parse().unwrap()));
    let first = lab.snapshots()[0].id.clone();
    lab.snapshot(&first).tags.insert(tags::HOLD, "1");
    let plan = checked(&lab);
    assert_eq!(plan.changes[0].action.relies_on().len(), 1, "the other part alone lacks it");
    assert_snapshot!(run(&mut lab), @"t orders-db 2026-11-21T00:00Z due: it is held, and its tag does not say so");
    assert_converged(&lab);
    assert!(lab.snapshots()[..2].iter().all(|snapshot| snapshot.tags.get(tags::HOLD) == Some("1")));
}

#[test]
fn a_hold_by_tag_alone_counts_and_needs_nothing() {
    let mut lab = lab();
    lab.put(&Point { hold_tag: true, ..Point::at(time("2026-11-01")) });
    assert_snapshot!(text(&lab), @"nothing to do");
}
