//! Records past their use go, in an order that a kill at any call leaves harmless.

use crate::support::{Watched, at, now};
use backstay_core::model::ProviderKind;
use backstay_core::name::{AccountId, ClusterUid, DiskId, SiteName, SnapshotId};
use backstay_core::observed::{
    Abilities, Listing, Observed, Provenance, Readiness, SiteClock, SiteInventory, Snapshot, Snapshots,
};
use backstay_core::plan::Cause;
use backstay_core::seal::{Keyring, SealKey};
use backstay_core::tags::{EXPIRE, Tags};
use backstay_core::time::{Duration, stamp};
use backstay_core::tombstone::{Tombstone, TombstoneContent};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::seams::StateStore;
use backstay_runtime::state::State;
use std::collections::BTreeSet;
use tempfile::TempDir;

/// When it is looked at.
const NOW: &str = "2026-11-23T12:00:00Z";
/// Longer ago than the grace of a day and two days.
const OLD: &str = "2026-11-20T11:00:00Z";
/// The grace is over, and the two days are not.
const YOUNG: &str = "2026-11-21T12:00:00Z";

fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

fn id(text: &str) -> SnapshotId {
    SnapshotId::new(text).unwrap()
}

fn tombstone(at_site: &str, snapshot: &str, when: &str) -> Tombstone {
    let content = TombstoneContent {
        site: site(at_site),
        snapshot: id(snapshot),
        cluster: ClusterUid::new("orders-0001").unwrap(),
        point: "20261119t000000z-1".parse().unwrap(),
        number: 1,
        at: at(when),
        grace: Duration::days(1),
        cause: Cause::Due,
        reason: "beyond daily 3".to_owned(),
    };
    Tombstone::sign(content, &SealKey::from_seed(&[7; 32]))
}

/// Writes a tombstone and its sighting.
fn mark(store: &dyn StateStore, at_site: &str, snapshot: &str, when: &str) {
    let tombstone = tombstone(at_site, snapshot, when);
    now(State(store).write_tombstone(&tombstone)).unwrap();
    now(State(store).sight(&tombstone.digest(), at(when))).unwrap();
}

fn present(text: &str) -> Snapshot {
    Snapshot {
        id: id(text),
        disk: DiskId::new("vol-1").unwrap(),
        created: at("2026-11-19T00:00:00Z"),
        readiness: Readiness::Ready,
        tags: Tags::from_iter([(EXPIRE, stamp(at(OLD)))]),
        size: 1,
        encrypted: true,
        kms_key: None,
        location: None,
        locked_until: None,
    }
}

fn listing(ids: &[&str]) -> Listing<SiteInventory> {
    Listing::Complete(SiteInventory {
        clock: SiteClock { now: at(NOW), host: at(NOW), is_virtual: false },
        provider: ProviderKind::Sim,
        account: AccountId::new("111122223333").unwrap(),
        abilities: Abilities { atomic_disk: true, atomic_group: true, method: "EBS snapshot".to_owned() },
        instances: Vec::new(),
        snapshots: ids.iter().map(|id| present(id)).collect::<Snapshots>(),
        unmanaged: Vec::new(),
        kept_files: BTreeSet::new(),
    })
}

/// What a run sees: `eu` shows one snapshot, `us` cannot be read.
fn look(store: &dyn StateStore) -> Observed {
    let unknown = Listing::Unknown { because: "denied".to_owned() };
    Observed {
        at: at(NOW),
        provenance: Provenance::Live,
        sites: [(site("eu"), listing(&["snap-there", "snap-revoked-there"])), (site("us"), unknown)].into(),
        records: Listing::Complete(now(State(store).records()).unwrap()),
        keyring: Keyring::new([SealKey::from_seed(&[7; 32]).public()]),
    }
}

fn keys(store: &dyn StateStore) -> BTreeSet<String> {
    now(store.list("")).unwrap().into_iter().collect()
}

/// Everything that there is to forget, and to keep; gives the keys that stay.
fn furnish(store: &dyn StateStore) -> BTreeSet<String> {
    let revoke = |snapshot: &str| now(State(store).revoke_tombstones(&site("eu"), &id(snapshot), at(OLD))).unwrap();
    mark(store, "eu", "snap-there", OLD);
    mark(store, "eu", "snap-revoked-there", OLD);
    revoke("snap-revoked-there");
    mark(store, "eu", "snap-gone-young", YOUNG);
    mark(store, "us", "snap-nobody-knows", OLD);
    mark(store, "old", "snap-of-no-site", OLD);
    now(State(store).sight(&tombstone("eu", "snap-not-yet-listed", NOW).digest(), at(NOW))).unwrap();
    let mut stay = keys(store);
    // The sighting of what was revoked says nothing any more.
    stay.remove(&format!("sightings/{}", tombstone("eu", "snap-revoked-there", OLD).digest()));
    mark(store, "eu", "snap-gone", OLD);
    mark(store, "eu", "/subscriptions/x/snapshots/gone", OLD);
    mark(store, "eu", "snap-revoked-gone", OLD);
    revoke("snap-revoked-gone");
    now(State(store).sight(&tombstone("eu", "snap-forgotten", OLD).digest(), at(OLD))).unwrap();
    now(store.create("tombstones/eu/snap-half-gone/abc.revoked", b"x")).unwrap();
    stay
}

#[test]
fn what_nobody_needs_any_more_is_forgotten_and_nothing_else() {
    let directory = TempDir::new().unwrap();
    let store = FileStore::new(directory.path());
    let stay = furnish(&store);
    now(State(&store).forget(&look(&store))).unwrap();
    assert_eq!(keys(&store), stay);
    now(State(&store).forget(&look(&store))).unwrap();
    assert_eq!(keys(&store), stay);
}

/// 20: whichever call fails, no tombstone counts that did not count before, and the next run ends as an undisturbed one.
#[test]
fn a_run_that_is_cut_off_at_any_call_leaves_nothing_that_counts() {
    for call in 1.. {
        let directory = TempDir::new().unwrap();
        let store = FileStore::new(directory.path());
        let stay = furnish(&store);
        let before = look(&store);
        let failing = Watched::failing(directory.path(), call, |number, at| number >= at);
        let ended = now(State(&failing).forget(&before));
        let (was, is) = (before.records.complete().unwrap(), look(&store));
        let is = is.records.complete().unwrap();
        for (at_site, tombstones) in &is.tombstones {
            for (snapshot, tombstone) in tombstones {
                assert_eq!(was.tombstones[at_site].get(snapshot), Some(tombstone), "call {call} brought one back");
            }
        }
        now(State(&store).forget(&look(&store))).unwrap();
        assert_eq!(keys(&store), stay, "call {call}");
        if ended.is_ok() {
            assert!(call > 9, "only {call} calls");
            break;
        }
    }
}

#[test]
fn where_the_records_could_not_be_read_nothing_is_forgotten() {
    let directory = TempDir::new().unwrap();
    let store = FileStore::new(directory.path());
    furnish(&store);
    let before = keys(&store);
    let records = Listing::Unknown { because: "denied".to_owned() };
    now(State(&store).forget(&Observed { records, ..look(&store) })).unwrap();
    assert_eq!(keys(&store), before);
}
