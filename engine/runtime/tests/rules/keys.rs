//! The key that seals.

use crate::support::{Fixed, now};
use backstay_core::name::SiteName;
use backstay_core::observed::{Listing, Observed, Provenance, Records};
use backstay_core::seal::{Keyring, SealKey};
use backstay_runtime::file_store::{FileStore, HostKeyDisk};
use backstay_runtime::keys::{KeyDisk as _, KeyFile, SealedBefore};
use backstay_runtime::seams::{StateStore as _, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

struct Place {
    directory: TempDir,
    store: FileStore,
    file: KeyFile,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = FileStore::new(directory.path().join("state"));
        let file = KeyFile { path: directory.path().join("keys/seal.key"), may_be_made: true };
        Self { directory, store, file }
    }

    fn make(&self, seed: u8, sealed_exist: bool) -> Result<SealKey, StoreError> {
        self.make_when(seed, if sealed_exist { SealedBefore::Yes } else { SealedBefore::No })
    }

    fn make_when(&self, seed: u8, sealed: SealedBefore) -> Result<SealKey, StoreError> {
        now(self.file.key_or_make(&HostKeyDisk, &Fixed(seed), &self.store, sealed))
    }
}

#[test]
fn the_first_apply_makes_a_key_that_its_owner_alone_reads_and_git_ignores() {
    let place = Place::new();
    assert!(place.file.keyring(&HostKeyDisk).unwrap() == Keyring::default());
    let key = place.make(7, false).unwrap();
    let mode = fs::metadata(&place.file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let ignored = fs::read_to_string(place.directory.path().join("keys/.gitignore")).unwrap();
    assert_eq!(ignored, "/seal.key\n");
    // It is read back, never made twice.
    assert_eq!(place.make(8, true).unwrap().id(), key.id());
    assert!(place.file.keyring(&HostKeyDisk).unwrap() == Keyring::new([key.public()]));
}

#[test]
fn a_lost_key_is_not_replaced_where_one_has_sealed() {
    let place = Place::new();
    let told = place.make(7, true).unwrap_err().to_string();
    assert!(told.ends_with("seal.key, and snapshots exist that one has sealed: put it back"), "{told}");
    now(place.store.create("tombstones/eu/snap-1/abc", b"{}")).unwrap();
    assert!(place.make(7, false).is_err(), "a tombstone is signed by it too");
    assert!(!place.file.path.exists());
}

#[test]
fn a_key_is_not_made_while_a_site_that_may_hold_sealed_snapshots_cannot_be_read() {
    let place = Place::new();
    let unread = Listing::Unknown { because: "the network is down".to_owned() };
    let observed = Observed {
        at: "2026-11-23T12:00:00Z".parse().unwrap(),
        provenance: Provenance::Live,
        sites: [(SiteName::new("eu").unwrap(), unread)].into_iter().collect(),
        records: Listing::Complete(Records::default()),
        keyring: Keyring::default(),
    };
    assert_eq!(SealedBefore::of(&observed), SealedBefore::Unknown);
    let told = place.make_when(7, SealedBefore::of(&observed)).unwrap_err().to_string();
    assert!(told.contains("a site could not be read, where one may have sealed snapshots"), "{told}");
    assert!(!place.file.path.exists());
}

#[test]
fn a_fleet_on_clouds_never_makes_its_own_key() {
    let mut place = Place::new();
    place.file.may_be_made = false;
    let told = place.make(7, false).unwrap_err().to_string();
    assert!(told.contains("there is no seal key at") && told.contains("seal.key"), "{told}");
    assert!(!place.file.path.exists());
}

#[test]
fn a_damaged_key_is_refused_and_its_content_is_not_shown() {
    let place = Place::new();
    place.make(7, false).unwrap();
    let whole = fs::read_to_string(&place.file.path).unwrap();
    let secret = whole.trim_end().rsplit(' ').next().unwrap().to_owned();
    for damaged in ["", "secret-words", &whole[..whole.len() - 9], &whole.to_uppercase(), &format!("{whole}{whole}")] {
        fs::write(&place.file.path, damaged).unwrap();
        for told in
            [place.make(8, false).unwrap_err().to_string(), place.file.keyring(&HostKeyDisk).unwrap_err().to_string()]
        {
            assert!(told.contains("seal.key") && told.contains("put the right file back"), "{told}");
            assert!(!told.contains("secret-words") && !told.contains(&secret[..16]), "{told}");
        }
        assert_eq!(fs::read_to_string(&place.file.path).unwrap(), damaged, "it is kept as it is");
    }
}

#[test]
fn of_two_runs_that_both_find_no_key_one_makes_it_and_both_use_it() {
    for _ in 0..20 {
        let place = Place::new();
        let ids: Vec<_> = std::thread::scope(|scope| {
            let place = &place;
            let runs: Vec<_> = (1..=8).map(|seed| scope.spawn(move || place.make(seed, false).unwrap().id())).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
        assert!(!HostKeyDisk.create(&place.file.path, "another").unwrap());
    }
}

#[test]
fn no_debug_text_shows_the_secret() {
    let place = Place::new();
    let key = place.make(0xab, false).unwrap();
    for text in [format!("{key:?}"), format!("{:?}", place.file), format!("{:?}", place.file.keyring(&HostKeyDisk))] {
        assert!(!text.contains("abababab") && !text.contains("171, 171"), "{text}");
    }
}
