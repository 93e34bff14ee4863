//! Plan files, seals and tombstones: a changed byte is refused.

use super::properties::cases;
use crate::support::lab::{Lab, time};
use backstay_core::model::ProviderKind;
use backstay_core::name::AccountId;
use backstay_core::observed::Snapshot;
use backstay_core::plan::{Cause, Plan, UnreadablePlan};
use backstay_core::seal::{Keyring, NotOurs, OwnedSnapshot, Place, Purpose, SealKey};
use backstay_core::tags;
use backstay_core::time::Duration;
use backstay_core::tombstone::Tombstone;
use proptest::prelude::*;

fn file() -> String {
    let lab = Lab::daily("orders-db", 31).at(time("2026-11-24T01:00Z"));
    let plan = lab.verified();
    assert!(!plan.changes.is_empty());
    plan.to_file()
}

#[test]
fn a_plan_file_reads_back_to_the_same_plan() {
    let lab = Lab::daily("orders-db", 31).at(time("2026-11-24T01:00Z"));
    let plan = lab.verified();
    let file = plan.to_file();
    assert_eq!(Plan::from_file(&file).unwrap(), plan);
    assert_eq!(Plan::from_file(&file).unwrap().to_file(), file);
    assert!(file.ends_with("}\n") && file.lines().count() == 1);
}

#[test]
fn every_changed_byte_of_a_plan_file_is_refused() {
    let file = file();
    assert!(Plan::from_file(&file).is_ok());
    for at in 0..file.len() {
        for flip in [1u8, 2, 4, 16, 32] {
            let mut bytes = file.clone().into_bytes();
            bytes[at] ^= flip;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(Plan::from_file(&text).is_err(), "byte {at} of {} is not protected", file.len());
        }
    }
}

#[test]
fn a_plan_file_that_is_longer_or_shorter_is_refused() {
    let file = file();
    for other in [
        file.trim_end().to_owned(),
        format!("{file}\n"),
        format!(" {file}"),
        file[..file.len() / 2].to_owned(),
        String::new(),
    ] {
        assert!(Plan::from_file(&other).is_err());
    }
    let reordered = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&file).unwrap()).unwrap();
    assert_eq!(Plan::from_file(&reordered), Err(UnreadablePlan::Digest));
}

#[test]
fn a_plan_file_of_another_version_says_so() {
    let other = file().replace("\"format_version\":\"1.0\"", "\"format_version\":\"2.0\"");
    assert_eq!(Plan::from_file(&other), Err(UnreadablePlan::Version("2.0".to_owned())));
}

/// A sealed snapshot, with the place and the keys.
fn sealed() -> (Lab, Snapshot) {
    let mut lab = Lab::daily("orders-db", 1);
    let snapshot = lab.snapshots()[0].clone();
    (lab, snapshot)
}

fn check(lab: &Lab, snapshot: &Snapshot) -> Result<(), NotOurs> {
    let account = AccountId::new("111122223333").unwrap();
    let place = Place { provider: ProviderKind::Sim, account: &account };
    OwnedSnapshot::check(&place, snapshot, &lab.observed.keyring).map(|_| ())
}

#[test]
fn what_may_change_is_not_sealed() {
    let (lab, mut snapshot) = sealed();
    snapshot.tags.insert(tags::EXPIRE.to_owned(), "20261123t000000z".to_owned());
    snapshot.tags.insert(tags::HOLD.to_owned(), "1".to_owned());
    snapshot.locked_until = Some(time("2027-01-01"));
    assert_eq!(check(&lab, &snapshot), Ok(()));
}

#[test]
fn keys_rotate_and_a_lost_key_is_named() {
    let (mut lab, snapshot) = sealed();
    let new = SealKey::from_seed(&[8; 32]);
    lab.observed.keyring = Keyring::new([new.public(), lab.key.public()]);
    assert_eq!(check(&lab, &snapshot), Ok(()));
    lab.observed.keyring = Keyring::new([new.public()]);
    assert_eq!(check(&lab, &snapshot), Err(NotOurs::UnknownKey(lab.key.id())));
}

#[test]
fn a_signature_for_one_purpose_means_nothing_for_another() {
    let key = SealKey::from_seed(&[7; 32]);
    let keyring = Keyring::new([key.public()]);
    let signature = key.sign(Purpose::Tombstone, b"x");
    assert!(keyring.accepts(&key.id(), Purpose::Tombstone, b"x", &signature));
    assert!(!keyring.accepts(&key.id(), Purpose::Snapshot, b"x", &signature));
    assert!(!keyring.accepts(
        &key.id(),
        Purpose::Tombstone,
        b"x",
        &signature.to_string().to_uppercase().as_str().into()
    ));
}

fn tombstone() -> (Lab, Tombstone) {
    let (mut lab, snapshot) = sealed();
    let tombstone = lab.mark(&snapshot.id, time("2026-11-23"), Duration::hours(72), Cause::Due);
    (lab, tombstone)
}

#[test]
fn every_changed_byte_of_a_tombstone_is_refused() {
    let (lab, tombstone) = tombstone();
    assert!(tombstone.is_genuine(&lab.observed.keyring));
    let text = serde_json::to_string(&tombstone).unwrap();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let Ok(read) = serde_json::from_str::<Tombstone>(&changed) else { continue };
        let is_same = read == tombstone;
        assert!(is_same || !read.is_genuine(&lab.observed.keyring), "byte {at}: {changed}");
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn no_changed_tag_of_a_seal_goes_unnoticed(which in 0..12usize, at in any::<prop::sample::Index>(), to in "[a-z0-9_-]") {
        let (lab, mut snapshot) = sealed();
        let keys: Vec<&str> = tags::SEALED.into_iter().chain([tags::SEAL_1, tags::SEAL_2]).collect();
        let mut value = snapshot.tags[keys[which]].to_owned();
        let at = at.index(value.len());
        prop_assume!(value[at..=at] != to);
        value.replace_range(at..=at, &to);
        snapshot.tags.insert(keys[which], value);
        prop_assert!(check(&lab, &snapshot).is_err());
    }

    #[test]
    fn a_seal_of_one_snapshot_fits_no_other(one in "[a-z0-9]{1,20}", other in "[a-z0-9]{1,20}") {
        prop_assume!(one != other);
        let (lab, mut snapshot) = sealed();
        snapshot.id = backstay_core::name::SnapshotId::new(&one).unwrap();
        lab.seal(&mut snapshot);
        prop_assert!(check(&lab, &snapshot).is_ok());
        snapshot.id = backstay_core::name::SnapshotId::new(&other).unwrap();
        prop_assert!(check(&lab, &snapshot).is_err());
    }
}
