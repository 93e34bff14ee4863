//! An observation, read: every byte is looked at as if somebody else had written it.

use super::bytes::Reader;
use super::{Head, Kind, MAGIC, is_binary, signed_part};
use crate::canonical::Digest;
use crate::name::{ClusterUid, DiskId, KmsKey, Location, SiteName, SnapshotId};
use crate::observed::{Listing, Observed, Readiness, SiteInventory, Snapshot};
use crate::plan::Cause;
use crate::seal::{KeyId, Keyring, Place, Purpose, Signature, Verdict};
use crate::tags::{PointKey, Tags};
use crate::time::Duration;
use crate::tombstone::{Tombstone, TombstoneContent};
use crate::workers::{self, Workers};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Why a file is no inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin as one.
    #[error("it is no inventory")]
    Form,
    /// Another version wrote it.
    #[error("it is an inventory of another version of Backstay: write it again with this one")]
    Version,
    /// It ends too early, or goes on after its end.
    #[error("it is cut short, or something was appended to it: write it again")]
    Cut,
    /// A section holds what none may hold.
    #[error("it is damaged in the section that begins at byte {0}: write it again")]
    Damaged(usize),
    /// A trusted key signed something else.
    #[error("it does not fit its signature: it was changed after it was written")]
    Changed,
}

/// Reads a file that [`super::write()`] wrote. What was found out of its signatures is believed if one of the trusted keys signed it.
pub fn read(workers: &dyn Workers, file: &[u8], trusted: &Keyring) -> Result<Observed, Unreadable> {
    let (sections, end) = split(file)?;
    let parts = workers::map_each(workers, &sections, |section| signed_part(section.head, section.bytes));
    let believes = is_signed(&parts.concat(), end, trusted)?;
    let frame = sections.first().filter(|section| section.head.kind == Kind::Frame).ok_or(Unreadable::Cut)?;
    let mut observed: Observed =
        serde_json::from_slice(frame.bytes).map_err(|_| Unreadable::Damaged(frame.begins_at))?;
    let context = Context::of(&observed, believes);
    let rest = &sections[1..];
    let read = workers::map_each(workers, rest, |section| context.section(section));
    let mut gathered = Gathered::default();
    for (section, items) in rest.iter().zip(read) {
        gathered.add(section.head.site, items.ok_or(Unreadable::Damaged(section.begins_at))?);
    }
    gathered.put_into(&mut observed);
    Ok(observed)
}

#[derive(Clone, Copy)]
struct Section<'a> {
    head: Head,
    bytes: &'a [u8],
    /// In the file.
    begins_at: usize,
}

/// The sections, and the last one's bytes.
fn split(file: &[u8]) -> Result<(Vec<Section<'_>>, &[u8]), Unreadable> {
    let Some(rest) = file.strip_prefix(MAGIC) else {
        return Err(if is_binary(file) { Unreadable::Version } else { Unreadable::Form });
    };
    let mut reader = Reader(rest);
    let mut sections = Vec::new();
    loop {
        let begins_at = file.len() - reader.0.len();
        let head = head(&mut reader).ok_or(Unreadable::Cut)?;
        let bytes = reader.slice(head.length).ok_or(Unreadable::Cut)?;
        if head.kind == Kind::End {
            // Its head is all that no signature covers.
            let is_last = reader.is_empty() && head.site == 0 && head.items == 0;
            return if is_last { Ok((sections, bytes)) } else { Err(Unreadable::Cut) };
        }
        sections.push(Section { head, bytes, begins_at });
    }
}

fn head(reader: &mut Reader<'_>) -> Option<Head> {
    let code = reader.byte()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code)?;
    let (site, items) = (u32::from_le_bytes(*reader.take()?), u32::from_le_bytes(*reader.take()?));
    Some(Head { kind, site, items, length: u64::from_le_bytes(*reader.take()?) })
}

/// Whether a trusted key signed all of it. That nobody did, or another key, is no error: then nothing is believed.
fn is_signed(signed: &[u8], end: &[u8], trusted: &Keyring) -> Result<bool, Unreadable> {
    if end.is_empty() {
        return Ok(false);
    }
    let mut reader = Reader(end);
    let (key, signature) = reader.text().zip(reader.text()).ok_or(Unreadable::Cut)?;
    let key = KeyId::from(key);
    match (reader.is_empty(), trusted.contains(&key)) {
        (false, _) => Err(Unreadable::Cut),
        (true, false) => Ok(false),
        (true, true) if trusted.accepts(&key, Purpose::Inventory, signed, &Signature::from(signature)) => Ok(true),
        (true, true) => Err(Unreadable::Changed),
    }
}

/// What reading a section needs.
struct Context<'a> {
    /// Those that were read to their end, in the order of all names.
    places: Vec<Option<Place<'a>>>,
    /// How many sites have tombstones.
    marked: usize,
    believes: bool,
}

/// What a section holds.
enum Items {
    Snapshots(Vec<Snapshot>),
    Tombstones(Vec<(SnapshotId, Tombstone)>),
    Sightings(Vec<(Digest, Timestamp)>),
}

impl<'a> Context<'a> {
    fn of(frame: &'a Observed, believes: bool) -> Self {
        let place = |site: &'a SiteInventory| Place { provider: site.provider, account: &site.account };
        let places = frame.sites.values().map(|listing| listing.complete().map(place)).collect();
        let marked = frame.records.complete().map_or(0, |records| records.tombstones.len());
        Self { places, marked, believes }
    }

    fn section(&self, section: &Section<'_>) -> Option<Items> {
        let mut reader = Reader(section.bytes);
        let site = usize::try_from(section.head.site).ok()?;
        let items = match section.head.kind {
            Kind::Snapshots => {
                let place = self.places.get(site)?.as_ref()?;
                Items::Snapshots(all(section.head.items, || self.snapshot(&mut reader, place))?)
            }
            Kind::Tombstones if site < self.marked => {
                Items::Tombstones(all(section.head.items, || self.tombstone(&mut reader))?)
            }
            Kind::Sightings => Items::Sightings(all(section.head.items, || {
                Some((Digest::written(reader.text()?), reader.instant()?))
            })?),
            Kind::Tombstones | Kind::Frame | Kind::End => return None,
        };
        reader.is_empty().then_some(items)
    }

    fn snapshot(&self, reader: &mut Reader<'_>, place: &Place<'_>) -> Option<Snapshot> {
        let (id, disk) = (SnapshotId::new(reader.text()?).ok()?, DiskId::new(reader.text()?).ok()?);
        let created = reader.instant()?;
        let (word, flags, verdict, size) = (reader.byte()?, reader.byte()?, reader.byte()?, reader.number()?);
        let is_there = |bit: u8| flags & (1 << bit) != 0;
        let readiness = match word {
            0 => Readiness::Creating,
            1 => Readiness::CutFixed,
            2 => Readiness::Ready,
            3 => Readiness::Failed { because: reader.text()?.to_owned() },
            _ => return None,
        };
        let kms_key = if is_there(1) { Some(KmsKey::new(reader.text()?).ok()?) } else { None };
        let location = if is_there(2) { Some(Location::new(reader.text()?).ok()?) } else { None };
        let locked_until = if is_there(3) { Some(reader.instant()?) } else { None };
        let tags = Tags::of_packed(reader.bytes()?)?;
        let encrypted = is_there(0);
        let one = Snapshot { id, disk, created, readiness, tags, size, encrypted, kms_key, location, locked_until };
        if let Some(is_genuine) = verdict_of(verdict)?.filter(|_| self.believes) {
            Verdict::of(place, &one).remember(&one.tags, is_genuine);
        }
        Some(one)
    }

    fn tombstone(&self, reader: &mut Reader<'_>) -> Option<(SnapshotId, Tombstone)> {
        let id = SnapshotId::new(reader.text()?).ok()?;
        let verdict = verdict_of(reader.byte()?)?;
        let digest = if verdict.is_some() { Some(Digest::written(reader.text()?)) } else { None };
        let content = TombstoneContent {
            site: SiteName::new(reader.text()?).ok()?,
            snapshot: SnapshotId::new(reader.text()?).ok()?,
            cluster: ClusterUid::new(reader.text()?).ok()?,
            point: PointKey { slot: reader.instant()?, attempt: reader.small()? },
            number: reader.small()?,
            at: reader.instant()?,
            grace: Duration::seconds(reader.number()?),
            cause: Cause::parse(reader.text()?)?,
            reason: reader.text()?.to_owned(),
        };
        let key = KeyId::from(reader.text()?);
        let signature = match reader.byte()? {
            0 => Signature::from(reader.text()?),
            1 => Signature::from(*reader.take::<64>()?),
            _ => return None,
        };
        let one = Tombstone::of(content, key, signature);
        if let Some((is_genuine, digest)) = verdict.zip(digest).filter(|_| self.believes) {
            one.remember(is_genuine, digest.to_bytes()?);
        }
        Some((id, one))
    }
}

fn verdict_of(code: u8) -> Option<Option<bool>> {
    match code {
        0 => Some(None),
        1 => Some(Some(true)),
        2 => Some(Some(false)),
        _ => None,
    }
}

/// So many items, no more room being made than there can be.
fn all<T>(items: u32, mut read: impl FnMut() -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::with_capacity(usize::try_from(items).ok()?.min(super::write::PIECE));
    for _ in 0..items {
        all.push(read()?);
    }
    Some(all)
}

/// What the sections held, by the place of their sites.
#[derive(Default)]
struct Gathered {
    snapshots: BTreeMap<u32, Vec<Vec<Snapshot>>>,
    tombstones: BTreeMap<u32, Vec<(SnapshotId, Tombstone)>>,
    sightings: Vec<(Digest, Timestamp)>,
}

impl Gathered {
    fn add(&mut self, site: u32, items: Items) {
        match items {
            Items::Snapshots(some) => self.snapshots.entry(site).or_default().push(some),
            Items::Tombstones(some) => self.tombstones.entry(site).or_default().extend(some),
            Items::Sightings(some) => self.sightings.extend(some),
        }
    }

    fn put_into(mut self, observed: &mut Observed) {
        for (listing, site) in observed.sites.values_mut().zip(0..) {
            let Listing::Complete(inventory) = listing else { continue };
            let pieces = self.snapshots.remove(&site).unwrap_or_default();
            let mut all = Vec::with_capacity(pieces.iter().map(Vec::len).sum());
            pieces.into_iter().for_each(|piece| all.extend(piece));
            inventory.snapshots = all.into();
        }
        if let Listing::Complete(records) = &mut observed.records {
            for (at_site, site) in records.tombstones.values_mut().zip(0..) {
                *at_site = self.tombstones.remove(&site).unwrap_or_default().into_iter().collect();
            }
            *records.sightings = self.sightings.into_iter().collect();
        }
    }
}
