//! The records of the state store.

use crate::support::{at, now};
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::RecentDelete;
use backstay_core::plan::Cause;
use backstay_core::seal::{Keyring, SealKey};
use backstay_core::tags::PointKey;
use backstay_core::time::Duration;
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::seams::StateStore as _;
use backstay_runtime::state::State;
use tempfile::TempDir;

fn store() -> (TempDir, FileStore) {
    let directory = TempDir::new().unwrap();
    let store = FileStore::new(directory.path());
    (directory, store)
}

fn eu() -> SiteName {
    SiteName::new("eu").unwrap()
}

fn snapshot(id: &str) -> SnapshotId {
    SnapshotId::new(id).unwrap()
}

fn point() -> PointKey {
    "20261123t000000z-1".parse().unwrap()
}

fn tombstone(id: &str, when: &str) -> Tombstone {
    let content = TombstoneContent {
        site: eu(),
        snapshot: snapshot(id),
        cluster: ClusterUid::new("orders-0001").unwrap(),
        point: point(),
        number: 1,
        at: at(when),
        grace: Duration::days(1),
        cause: Cause::Due,
        reason: "beyond daily 3".to_owned(),
    };
    Tombstone::sign(content, &SealKey::from_seed(&[7; 32]))
}

#[test]
fn an_empty_store_has_empty_records() {
    let (_directory, store) = store();
    assert_eq!(now(State(&store).records()).unwrap(), backstay_core::observed::Records::default());
}

#[test]
fn tombstones_and_sightings_read_back_as_they_were_written() {
    let (_directory, store) = store();
    let state = State(&store);
    // Azure's ids are paths.
    let ids = ["snap-1", "/subscriptions/x/resourceGroups/g/providers/Microsoft.Compute/snapshots/s"];
    for id in ids {
        let mark = tombstone(id, "2026-11-23T08:00:00Z");
        now(state.write_tombstone(&mark)).unwrap();
        now(state.write_tombstone(&mark)).unwrap();
        now(state.sight(&mark.digest(), at("2026-11-23T08:00:05Z"))).unwrap();
        // A later sighting does not move the first.
        now(state.sight(&mark.digest(), at("2026-11-23T09:00:00Z"))).unwrap();
        assert_eq!(now(state.tombstone(&eu(), &snapshot(id))).unwrap(), Some(mark));
    }
    let records = now(state.records()).unwrap();
    for id in ids {
        let mark = &records.tombstones[&eu()][&snapshot(id)];
        assert_eq!(*mark, tombstone(id, "2026-11-23T08:00:00Z"));
        assert!(mark.is_genuine(&Keyring::new([SealKey::from_seed(&[7; 32]).public()])));
        assert_eq!(records.sightings[&mark.digest()], at("2026-11-23T08:00:05Z"));
    }
    assert_eq!(records.sightings.len(), 2);
}

#[test]
fn a_revoked_tombstone_counts_no_more_and_a_later_one_does() {
    let (_directory, store) = store();
    let state = State(&store);
    let first = tombstone("snap-1", "2026-11-23T08:00:00Z");
    now(state.write_tombstone(&first)).unwrap();
    now(state.revoke_tombstones(&eu(), &snapshot("snap-1"), at("2026-11-23T09:00:00Z"))).unwrap();
    now(state.revoke_tombstones(&eu(), &snapshot("snap-1"), at("2026-11-23T10:00:00Z"))).unwrap();
    assert_eq!(now(state.tombstone(&eu(), &snapshot("snap-1"))).unwrap(), None);
    assert!(now(state.records()).unwrap().tombstones.is_empty());
    // The very same mark cannot come back: that is told, not passed over.
    let told = now(state.write_tombstone(&first)).unwrap_err().to_string();
    assert_eq!(told, "the tombstone of snap-1 of 2026-11-23T08:00:00Z was revoked: mark it a second later");
    let second = tombstone("snap-1", "2026-11-23T11:00:00Z");
    now(state.write_tombstone(&second)).unwrap();
    assert_eq!(now(state.tombstone(&eu(), &snapshot("snap-1"))).unwrap(), Some(second.clone()));
    assert_eq!(now(state.records()).unwrap().tombstones[&eu()][&snapshot("snap-1")], second);
}

#[test]
fn of_two_tombstones_of_a_snapshot_the_younger_counts() {
    let (_directory, store) = store();
    let state = State(&store);
    for hour in ["08", "10", "09"] {
        now(state.write_tombstone(&tombstone("snap-1", &format!("2026-11-23T{hour}:00:00Z")))).unwrap();
    }
    let young = tombstone("snap-1", "2026-11-23T10:00:00Z");
    assert_eq!(now(state.tombstone(&eu(), &snapshot("snap-1"))).unwrap(), Some(young.clone()));
    assert_eq!(now(state.records()).unwrap().tombstones[&eu()][&snapshot("snap-1")], young);
}

#[test]
fn holds_and_deletes_are_read_and_old_deletes_are_forgotten() {
    let (_directory, store) = store();
    let state = State(&store);
    let cluster = ClusterUid::new("orders-0001").unwrap();
    now(store.create("holds/orders-0001/20261123t000000z-1", b"{}")).unwrap();
    let delete = |when: &str| RecentDelete {
        at: at(when),
        cluster: cluster.clone(),
        point: point(),
        site: None,
        cause: backstay_core::plan::Cause::Config,
    };
    for when in ["2026-11-20T08:00:00Z", "2026-11-23T08:00:00Z"] {
        now(state.count_delete(&delete(when))).unwrap();
        now(state.count_delete(&delete(when))).unwrap();
    }
    let records = now(state.records()).unwrap();
    assert!(records.holds.contains(&(cluster.clone(), point())));
    assert_eq!(records.recent_deletes, [delete("2026-11-20T08:00:00Z"), delete("2026-11-23T08:00:00Z")]);
    now(state.forget_old_deletes(&records, at("2026-11-23T09:00:00Z"))).unwrap();
    assert_eq!(now(state.records()).unwrap().recent_deletes, [delete("2026-11-23T08:00:00Z")]);
    // The same point at another place, in the same second, is a delete of its own.
    let there = RecentDelete { site: Some(eu()), ..delete("2026-11-23T08:00:00Z") };
    now(state.count_delete(&there)).unwrap();
    let records = now(state.records()).unwrap();
    assert_eq!(records.recent_deletes, [delete("2026-11-23T08:00:00Z"), there]);
    now(state.forget_old_deletes(&records, at("2026-11-26T09:00:00Z"))).unwrap();
    assert!(now(state.records()).unwrap().recent_deletes.is_empty());
}

#[test]
fn one_damaged_record_makes_all_unreadable_and_names_itself() {
    let mark = tombstone("snap-1", "2026-11-23T08:00:00Z");
    let elsewhere = backstay_core::canonical::to_string(&mark);
    let damaged: [(&str, &str); 9] = [
        ("baseline.json", "{}"),
        ("baseline.json", ""),
        ("tombstones/eu/snap-1/abc", "{"),
        ("tombstones/eu/snap-2/abc", &elsewhere),
        ("tombstones/us/snap-1/abc", &elsewhere),
        ("sightings/abc", "yesterday"),
        ("holds/orders-0001/nonsense", "{}"),
        ("holds/orders-0001", "{}"),
        ("deletes/x", "null"),
    ];
    for (key, value) in damaged {
        let (_directory, store) = store();
        now(store.put(key, value.as_bytes())).unwrap();
        let told = now(State(&store).records()).expect_err(key).to_string();
        assert!(told.contains(key), "{told}");
    }
}
