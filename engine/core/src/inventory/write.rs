//! An observation, written.

use super::bytes::Writer;
use super::{Head, Kind, MAGIC, code_of, signed_part};
use crate::canonical::Digest;
use crate::name::SnapshotId;
use crate::observed::{Listing, Observed, Readiness, Records, SiteInventory, Snapshot};
use crate::seal::{Keyring, OwnedSnapshot, Place, Purpose, SealKey, Verdict};
use crate::tombstone::Tombstone;
use crate::workers::{self, Workers};
use jiff::Timestamp;

/// How many items a section has at most: each is written and read by one hand.
pub(super) const PIECE: usize = 4096;

/// Writes an observation as a file. With the key, every seal and tombstone is checked, unless it was, and the file is signed.
#[must_use]
pub fn write(workers: &dyn Workers, observed: &Observed, key: Option<&SealKey>) -> Vec<u8> {
    let pieces = pieces_of(observed);
    let keyring = &observed.keyring;
    let written = workers::map_each(workers, &pieces, |piece| {
        let section = piece.write(keyring, key.is_some());
        let head = Head { length: section.len() as u64, ..piece.head() };
        let part = signed_part(head, &section);
        (head, section, part)
    });
    let mut file = Vec::with_capacity(written.iter().map(|(_, section, _)| section.len() + Head::LENGTH).sum());
    file.extend_from_slice(MAGIC);
    let mut signed = Vec::new();
    for (head, section, part) in &written {
        file.extend(head.to_bytes());
        file.extend_from_slice(section);
        signed.extend(part);
    }
    let mut end = Writer::default();
    if let Some(key) = key {
        let signature = key.sign(Purpose::Inventory, &signed);
        end.text(key.id().as_str());
        end.text(&signature.to_string());
    }
    let head = Head { kind: Kind::End, site: 0, items: 0, length: end.0.len() as u64 };
    file.extend(head.to_bytes());
    file.extend(end.0);
    file
}

/// What becomes a section.
enum Piece<'a> {
    Frame(Vec<u8>),
    Snapshots(u32, &'a SiteInventory, &'a [Snapshot]),
    Tombstones(u32, Vec<(&'a SnapshotId, &'a Tombstone)>),
    Sightings(Vec<(&'a Digest, &'a Timestamp)>),
}

fn pieces_of(observed: &Observed) -> Vec<Piece<'_>> {
    let mut pieces = vec![Piece::Frame(frame_of(observed))];
    for ((_, listing), site) in observed.sites.iter().zip(0..) {
        let Listing::Complete(inventory) = listing else { continue };
        pieces.extend(inventory.snapshots.chunks(PIECE).map(|some| Piece::Snapshots(site, inventory, some)));
    }
    if let Listing::Complete(records) = &observed.records {
        for ((_, at_site), site) in records.tombstones.iter().zip(0..) {
            let all: Vec<_> = at_site.iter().collect();
            pieces.extend(all.chunks(PIECE).map(|some| Piece::Tombstones(site, some.to_vec())));
        }
        let all: Vec<_> = records.sightings.iter().collect();
        pieces.extend(all.chunks(PIECE).map(|some| Piece::Sightings(some.to_vec())));
    }
    pieces
}

/// Everything that there is little of, as JSON. The sites of tombstones stay, and have none.
fn frame_of(observed: &Observed) -> Vec<u8> {
    let Observed { at, provenance, sites, records, keyring } = observed;
    let without_snapshots = |site: &SiteInventory| {
        let SiteInventory { clock, provider, account, abilities, instances, snapshots: _, unmanaged, kept_files } =
            site;
        SiteInventory {
            clock: *clock,
            provider: *provider,
            account: account.clone(),
            abilities: abilities.clone(),
            instances: instances.clone(),
            snapshots: Vec::new().into(),
            unmanaged: unmanaged.clone(),
            kept_files: kept_files.clone(),
        }
    };
    let without_marks = |records: &Records| {
        let Records { tombstones, sightings: _, holds, recent_deletes, leases, baseline } = records;
        let sites = tombstones.keys().map(|site| (site.clone(), std::collections::BTreeMap::new()));
        Records {
            tombstones: sites.collect::<std::collections::BTreeMap<_, _>>().into(),
            sightings: crate::observed::Sightings::default(),
            holds: holds.clone(),
            recent_deletes: recent_deletes.clone(),
            leases: leases.clone(),
            baseline: baseline.clone(),
        }
    };
    let frame = Observed {
        at: *at,
        provenance: *provenance,
        sites: sites.iter().map(|(name, listing)| (name.clone(), mapped(listing, without_snapshots))).collect(),
        records: mapped(records, without_marks),
        keyring: keyring.clone(),
    };
    serde_json::to_vec(&frame).expect("our types serialise to JSON")
}

fn mapped<T, U>(listing: &Listing<T>, map: impl Fn(&T) -> U) -> Listing<U> {
    match listing {
        Listing::Complete(value) => Listing::Complete(map(value)),
        Listing::Unknown { because } => Listing::Unknown { because: because.clone() },
    }
}

impl Piece<'_> {
    fn head(&self) -> Head {
        let (kind, site, items) = match self {
            Self::Frame(_) => (Kind::Frame, 0, 1),
            Self::Snapshots(site, _, some) => (Kind::Snapshots, *site, some.len()),
            Self::Tombstones(site, some) => (Kind::Tombstones, *site, some.len()),
            Self::Sightings(some) => (Kind::Sightings, 0, some.len()),
        };
        Head { kind, site, items: u32::try_from(items).expect("pieces are small"), length: 0 }
    }

    fn write(&self, keyring: &Keyring, checks: bool) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::Frame(json) => out.0.extend_from_slice(json),
            Self::Snapshots(_, inventory, some) => {
                let place = Place { provider: inventory.provider, account: &inventory.account };
                some.iter().for_each(|one| snapshot(&mut out, one, &place, keyring, checks));
            }
            Self::Tombstones(_, some) => {
                some.iter().for_each(|(id, one)| tombstone(&mut out, id, one, keyring, checks));
            }
            Self::Sightings(some) => {
                for (digest, at) in some {
                    out.text(digest.as_str());
                    out.instant(**at);
                }
            }
        }
        out.0
    }
}

fn snapshot(out: &mut Writer, one: &Snapshot, place: &Place<'_>, keyring: &Keyring, checks: bool) {
    let Snapshot { id, disk, created, readiness, tags, size, encrypted, kms_key, location, locked_until } = one;
    if checks {
        // What it comes to is remembered with the tags.
        let _ = OwnedSnapshot::check(place, one, keyring);
    }
    out.text(id.as_str());
    out.text(disk.as_str());
    out.instant(*created);
    let (word, because) = match readiness {
        Readiness::Creating => (0, None),
        Readiness::CutFixed => (1, None),
        Readiness::Ready => (2, None),
        Readiness::Failed { because } => (3, Some(because)),
    };
    let there = [*encrypted, kms_key.is_some(), location.is_some(), locked_until.is_some()];
    let flags = there.iter().zip(0..).map(|(is_there, bit)| u8::from(*is_there) << bit).sum::<u8>();
    out.byte(word);
    out.byte(flags);
    out.byte(code_of(Verdict::of(place, one).recall(tags)));
    out.number(*size);
    let texts =
        [because.map(String::as_str), kms_key.as_ref().map(AsRef::as_ref), location.as_ref().map(AsRef::as_ref)];
    texts.into_iter().flatten().for_each(|text| out.text(text));
    if let Some(until) = locked_until {
        out.instant(*until);
    }
    out.bytes(tags.packed());
}

fn tombstone(out: &mut Writer, id: &SnapshotId, one: &Tombstone, keyring: &Keyring, checks: bool) {
    let said = &one.content;
    let verdict = (checks && keyring.contains(&one.key)).then(|| one.is_genuine(keyring));
    out.text(id.as_str());
    out.byte(code_of(verdict));
    if verdict.is_some() {
        out.text(one.digest().as_str());
    }
    out.text(said.site.as_str());
    out.text(said.snapshot.as_str());
    out.text(said.cluster.as_str());
    out.instant(said.point.slot);
    out.number(u64::from(said.point.attempt));
    out.number(u64::from(said.number));
    out.instant(said.at);
    out.number(said.grace.as_seconds());
    out.text(said.cause.as_str());
    out.text(&said.reason);
    out.text(one.key.as_str());
    match one.signature.bytes() {
        Some(bytes) => {
            out.byte(1);
            out.0.extend_from_slice(bytes);
        }
        None => {
            out.byte(0);
            out.text(&one.signature.to_string());
        }
    }
}
