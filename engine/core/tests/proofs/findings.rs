//! What a person is told of what lies where, one line a kind, cluster and site.

use super::care::{home_is, policy, text};
use crate::support::lab::{DAILY, Lab, Point, disk, site, time, uid};
use backstay_core::capabilities::Iaas;
use backstay_core::model::CopyPolicy;
use backstay_core::name::{KmsKey, Location, SiteName, SnapshotId};
use backstay_core::observed::{DiskRole, Unmanaged};
use backstay_core::seal::SealKey;
use backstay_core::tags;
use insta::assert_snapshot;
use std::sync::Arc;

/// Today's point at home, and yesterday's at another site.
fn two_sites() -> (Lab, SiteName) {
    let mut lab = Lab::new(DAILY).with_site("us", "aws");
    let us = SiteName::new("us").unwrap();
    lab.put(&Point::at(time("2026-11-23")));
    lab.put_at(&us, &Point::at(time("2026-11-22")));
    (lab, us)
}

fn findings(lab: &Lab) -> String {
    text(lab).lines().filter(|line| line.starts_with('!')).collect::<Vec<_>>().join("\n")
}

#[test]
fn points_where_a_cluster_lived_before_are_no_orphans() {
    let (lab, _) = two_sites();
    assert_snapshot!(findings(&lab), @"! orders-db: moved: 1 point of a cluster that lives at eu now, kept by its retention");
    let lab = lab.without_cluster("orders-db");
    assert_snapshot!(findings(&lab), @"
    ! uid-orders-db: orphan: 1 point that no cluster explains, kept
    ! uid-orders-db: orphan: 1 point that no cluster explains, kept
    ");
}

#[test]
fn points_at_a_copy_site_are_explained() {
    let (mut lab, us) = two_sites();
    policy(&mut lab, |policy| {
        policy.copies = vec![CopyPolicy { site: us, retention: policy.retention.clone(), kms_key: None }];
    });
    assert_snapshot!(findings(&lab), @"");
}

#[test]
fn a_cluster_whose_documents_are_wrong_is_left_out_and_no_orphan() {
    let (lab, _) = two_sites();
    let mut lab = lab.without_cluster("orders-db");
    lab.desired.left_out.insert(uid("orders-db"));
    assert_snapshot!(findings(&lab), @"
    ! uid-orders-db: left out: its documents are wrong; 1 point kept
    ! uid-orders-db: left out: its documents are wrong; 1 point kept
    ");
}

#[test]
fn a_retiring_cluster_says_what_is_left_of_it() {
    let (mut lab, _) = two_sites();
    Arc::make_mut(lab.desired.clusters.get_mut(&uid("orders-db")).unwrap()).is_retired = true;
    assert!(findings(&lab).contains("! orders-db: retiring: 2 points left"));
}

#[test]
fn snapshots_of_its_disks_that_others_made_are_counted() {
    let (mut lab, _) = two_sites();
    for (number, name) in ["orders-db", "orders-db", "billing-db"].into_iter().enumerate() {
        let id = SnapshotId::new(format!("snap-other-{number}")).unwrap();
        let disk = disk(name, 0, &DiskRole::Data);
        lab.inventory().unmanaged.push(Unmanaged { id, disk, created: time("2026-01-01"), size: 1 });
    }
    assert!(findings(&lab).contains("! orders-db: unmanaged: 2 snapshots of its disks that Backstay did not make"));
}

#[test]
fn points_without_the_encryption_or_the_key_that_the_policy_wants_are_counted() {
    let (mut lab, us) = two_sites();
    for id in ["snap-00001", "snap-00002"] {
        lab.snapshot(&SnapshotId::new(id).unwrap()).encrypted = false;
    }
    assert!(!findings(&lab).contains("unencrypted"), "nobody asked for it");
    let wanted = KmsKey::new("key-new").unwrap();
    policy(&mut lab, |policy| {
        policy.encryption_required = true;
        policy.copies = vec![CopyPolicy { site: us, retention: policy.retention.clone(), kms_key: Some(wanted) }];
    });
    assert!(!findings(&lab).contains("other key"), "the site does not tell");
    lab.snapshot(&SnapshotId::new("snap-00002").unwrap()).kms_key = Some(KmsKey::new("key-old").unwrap());
    assert_snapshot!(findings(&lab), @"
    ! orders-db: unencrypted: 1 point, and the policy requires encryption
    ! orders-db: other key: 1 point not encrypted with key-new
    ! orders-db: unencrypted: 1 point, and the policy requires encryption
    ");
}

#[test]
fn points_that_lie_elsewhere_than_the_policy_places_them_are_counted() {
    let mut lab = Lab::new(DAILY).with_site("us", "gcp").with_profile("gcp");
    let ids = [lab.put(&Point::at(time("2026-11-22"))), lab.put(&Point::at(time("2026-11-23")))].concat();
    let mut place = |id: &SnapshotId, at: &str| lab.snapshot(id).location = Some(Location::new(at).unwrap());
    place(&ids[0], "eu");
    place(&ids[1], "us");
    assert_snapshot!(findings(&lab), @"");
    let us = SiteName::new("us").unwrap();
    policy(&mut lab, |policy| {
        policy.copies = vec![CopyPolicy { site: us, retention: policy.retention.clone(), kms_key: None }];
    });
    assert_snapshot!(findings(&lab), @"! orders-db: misplaced: 1 point not at us, where the policy wants them");
    lab.snapshot(&ids[0]).location = None;
    assert_snapshot!(findings(&lab), @"");
}

#[test]
fn points_of_the_future_and_strangers_are_told() {
    let (mut lab, _) = two_sites();
    home_is(&mut lab, Iaas::Aws);
    lab.put(&Point::at(time("2027-01-01")));
    let forged = lab.put(&Point::at(time("2026-11-20")));
    for key in [tags::CUT, tags::PART, tags::SYSTEM] {
        lab.snapshot(&forged[0]).tags.insert(key, "0");
    }
    let key = std::mem::replace(&mut lab.key, SealKey::from_seed(&[9; 32]));
    let mut unknown = lab.snapshots()[0].clone();
    unknown.id = SnapshotId::new("snap-unknown").unwrap();
    lab.seal(&mut unknown);
    lab.key = key;
    lab.snapshots_at(&site()).push(unknown);
    assert_snapshot!(findings(&lab), @"
    ! orders-db: future: 1 point dated in the future, kept and not counted
    ! snap-00004: foreign: its seal does not fit its facts
    ! snap-unknown: foreign: it is sealed by the unknown key 3pbjqji4kezbw
    ! orders-db: moved: 1 point of a cluster that lives at eu now, kept by its retention
    ");
}
