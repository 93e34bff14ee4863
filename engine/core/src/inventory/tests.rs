//! What was written is read again, and whatever else is there is refused, or believed in nothing.

use super::*;
use crate::lsn::{Lsn, Timeline, WalRange};
use crate::model::ProviderKind;
use crate::name::{AccountId, ClusterUid, DiskId, KmsKey, SiteName, SystemId};
use crate::observed::*;
use crate::plan::Cause;
use crate::seal::{Keyring, OwnedSnapshot, Place, SealKey};
use crate::tags::{self, Intent, PointClass, PointKey, Tags};
use crate::time::Duration;
use crate::tombstone::{Tombstone, TombstoneContent};
use crate::workers::Alone;
use jiff::Timestamp;
use std::collections::BTreeMap;

fn key() -> SealKey {
    SealKey::from_seed(&[7; 32])
}

fn at() -> Timestamp {
    "2026-11-23T08:00:00.123456789Z".parse().unwrap()
}

fn site(snapshots: Vec<Snapshot>) -> SiteInventory {
    SiteInventory {
        clock: SiteClock { now: at(), host: at(), is_virtual: true },
        provider: ProviderKind::Sim,
        account: AccountId::new("111122223333").unwrap(),
        abilities: Abilities { atomic_disk: true, atomic_group: true, method: "EBS snapshot".to_owned() },
        instances: Vec::new(),
        snapshots: snapshots.into(),
        unmanaged: Vec::new(),
        kept_files: std::collections::BTreeSet::new(),
    }
}

fn snapshot(number: u32) -> Snapshot {
    let uid = ClusterUid::new("0d9f6a52-4a3e-4c0e-9d31-000000000001").unwrap();
    let disk = DiskId::new("vol-1").unwrap();
    let point = PointKey { slot: "2026-11-23T08:00:00Z".parse().unwrap(), attempt: number };
    let intent = Intent::of(&uid, PointClass::Scheduled, point, &disk);
    let mut tags = tags::at_creation(&uid, PointClass::Scheduled, point, &intent);
    let wal = WalRange { timeline: Timeline(1), start: Lsn(40), end: Lsn(50) };
    let part = "data-1of1".parse().unwrap();
    tags.extend(tags::when_known(&part, Some(SystemId(7)), Some(wal), crate::time::to_micros(at())));
    let mut one = Snapshot {
        id: crate::name::SnapshotId::new(format!("snap-{number}")).unwrap(),
        disk,
        created: at(),
        readiness: Readiness::Ready,
        tags,
        size: 1 << 40,
        encrypted: true,
        kms_key: Some(KmsKey::new("alias/backup").unwrap()),
        location: None,
        locked_until: Some(at()),
    };
    let account = AccountId::new("111122223333").unwrap();
    let seal = key().seal(&Place { provider: ProviderKind::Sim, account: &account }, &one);
    one.tags.extend(seal);
    one
}

fn world() -> Observed {
    let mut odd = snapshot(2);
    odd.tags.insert("zone", "ünï");
    odd.tags.insert(tags::CUT, "yesterday");
    odd.readiness = Readiness::Failed { because: "no\nroom".to_owned() };
    odd.kms_key = None;
    let one = snapshot(1);
    let content = TombstoneContent {
        site: SiteName::new("eu").unwrap(),
        snapshot: one.id.clone(),
        cluster: ClusterUid::new("0d9f6a52-4a3e-4c0e-9d31-000000000001").unwrap(),
        point: one.tags.get(tags::POINT).unwrap().parse().unwrap(),
        number: 1,
        at: at(),
        grace: Duration::hours(72),
        cause: Cause::Config,
        reason: "beyond last 3".to_owned(),
    };
    let genuine = Tombstone::sign(content, &key());
    let mut forged = genuine.clone();
    forged.signature = "no signature".into();
    let mut records = Records::default();
    records.sightings.insert(genuine.digest(), at());
    let at_site = BTreeMap::from([(one.id.clone(), genuine), (odd.id.clone(), forged)]);
    records.tombstones.insert(SiteName::new("eu").unwrap(), at_site);
    let unknown = Listing::Unknown { because: "throttled".to_owned() };
    let sites = [
        ("asia", unknown),
        ("eu", Listing::Complete(site(vec![one, odd]))),
        ("us", Listing::Complete(site(Vec::new()))),
    ];
    Observed {
        at: at(),
        provenance: Provenance::Live,
        sites: sites.into_iter().map(|(name, site)| (SiteName::new(name).unwrap(), site)).collect(),
        records: Listing::Complete(records),
        keyring: Keyring::new([key().public()]),
    }
}

fn tags_of(observed: &Observed) -> Vec<&Tags> {
    let sites = observed.sites.values().filter_map(Listing::complete);
    sites.flat_map(|site| &site.snapshots).map(|snapshot| &snapshot.tags).collect()
}

fn believed(observed: &Observed) -> usize {
    tags_of(observed).into_iter().filter(|tags| tags.verdict() != 0).count()
}

#[test]
fn what_was_written_is_read_and_believed_by_who_trusts_the_key() {
    let world = world();
    let (signed, plain) = (write(&Alone, &world, Some(&key())), write(&Alone, &world, None));
    let trusted = Keyring::new([key().public()]);
    let read_signed = read(&Alone, &signed, &trusted).unwrap();
    assert_eq!(read_signed, world);
    assert_eq!(believed(&read_signed), 2);
    let stranger = Keyring::new([SealKey::from_seed(&[8; 32]).public()]);
    for (file, keyring) in [(&plain, &trusted), (&signed, &stranger), (&signed, &Keyring::default())] {
        let read = read(&Alone, file, keyring).unwrap();
        assert_eq!((&read, believed(&read)), (&world, 0));
    }
    // A verdict that was believed is the one that a check comes to.
    let Some(Listing::Complete(eu)) = read_signed.sites.values().nth(1) else { panic!("it was read") };
    let place = Place { provider: eu.provider, account: &eu.account };
    let is_genuine = |one: &Snapshot| OwnedSnapshot::check(&place, one, &trusted).is_ok();
    assert_eq!(eu.snapshots.iter().map(is_genuine).collect::<Vec<_>>(), [true, false]);
    let records = read_signed.records.complete().unwrap();
    let marks: Vec<bool> =
        records.tombstones.values().flat_map(BTreeMap::values).map(|t| t.is_genuine(&trusted)).collect();
    assert_eq!(marks, [true, false]);
    // Texts come back byte for byte, and the same file is written of what was read.
    assert_eq!(write(&Alone, &read_signed, Some(&key())), signed);
}

/// A file is refused, or nothing of its verdicts is believed, wherever a byte of it is another one.
#[test]
fn a_changed_byte_is_refused_or_makes_all_be_checked_again() {
    let world = world();
    let trusted = Keyring::new([key().public()]);
    let signed = write(&Alone, &world, Some(&key()));
    let plain = write(&Alone, &world, None);
    let (mut refused, mut checked) = (0, 0);
    for place in 0..signed.len() {
        for flip in [1, 0x40, 0xff] {
            let mut changed = signed.clone();
            changed[place] ^= flip;
            match read(&Alone, &changed, &trusted) {
                Err(_) => refused += 1,
                Ok(read) => {
                    assert_eq!(believed(&read), 0, "byte {place}");
                    checked += 1;
                }
            }
            // Without a signature nothing is refused by it: whatever is read is well-formed.
            if let Some(byte) = plain.get(place) {
                let mut changed = plain.clone();
                changed[place] = byte ^ flip;
                if let Ok(read) = read(&Alone, &changed, &trusted) {
                    assert_eq!(believed(&read), 0, "byte {place}");
                    assert!(tags_of(&read).into_iter().all(|tags| tags.iter().count() == tags.len()));
                }
            }
        }
        assert!(read(&Alone, &signed[..place], &trusted).is_err(), "cut at {place}");
    }
    assert!(refused > checked && checked > 0, "{refused} {checked}");
    assert_eq!(read(&Alone, &[&signed[..], b"x"].concat(), &trusted), Err(Unreadable::Cut));
    assert_eq!(read(&Alone, b"{}", &trusted), Err(Unreadable::Form));
    assert_eq!(read(&Alone, b"backstay inventory 2\n", &trusted), Err(Unreadable::Version));
}
