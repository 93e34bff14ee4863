//! The signature in a snapshot's tags that proves that Backstay made it.
//!
//! The seal covers what can never change about the snapshot (provider, account, id, source disk) and the tags of
//! [`tags::SEALED`]. Only [`OwnedSnapshot::check`] makes an [`OwnedSnapshot`], and only that may be marked or deleted.

mod signature;

pub use signature::Signature;
use signature::lowercase_base32;
pub(crate) use signature::{SealBytes, seal_bytes, seal_texts};

use crate::memo::Fingerprint;
use crate::model::ProviderKind;
use crate::name::{AccountId, SnapshotId};
use crate::observed::Snapshot;
use crate::snapshots::Row;
use crate::tags::{self, Tags, Value};
use crate::text::Text;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The key that seals. Its bytes appear in no log, tag or error.
#[derive(Clone)]
pub struct SealKey(SigningKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({})", self.id())
    }
}

/// A text that is not a key file's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a seal key: one line, `backstay-seal-key-1 ` and 64 hexadecimal digits")]
pub struct InvalidSealKey;

const KEY_FILE_PREFIX: &str = "backstay-seal-key-1 ";

impl SealKey {
    /// Makes the key from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a key file's content.
    pub fn parse(text: &str) -> Result<Self, InvalidSealKey> {
        let digits = text.trim_end().strip_prefix(KEY_FILE_PREFIX).ok_or(InvalidSealKey)?;
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| InvalidSealKey)?;
        Ok(Self::from_seed(&bytes.try_into().map_err(|_| InvalidSealKey)?))
    }

    /// A key file's content: to be stored readable by its owner alone.
    #[must_use]
    pub fn to_file_content(&self) -> String {
        format!("{KEY_FILE_PREFIX}{}\n", HEXLOWER.encode(self.0.as_bytes()))
    }

    /// Its public half's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0.verifying_key())
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a message of one purpose; a signature for one purpose means nothing for another.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> Signature {
        self.0.sign(&with_purpose(purpose, message)).to_bytes().into()
    }

    /// The two seal tags for a snapshot that already carries all tags of [`tags::SEALED`] that are known.
    #[must_use]
    pub fn seal(&self, place: &Place<'_>, snapshot: &Snapshot) -> Tags {
        let message = with_purpose(Purpose::Snapshot, &sealed_message(place, snapshot));
        let signature = self.0.sign(&message).to_bytes();
        let key = key_hash(&self.0.verifying_key());
        let [first, second] = seal_texts(&seal_of(key, signature));
        [(tags::SEAL_1, first), (tags::SEAL_2, second)].into_iter().collect()
    }
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A snapshot's seal.
    Snapshot,
    /// A tombstone record.
    Tombstone,
    /// A recorded inventory with what was found out of its seals.
    Inventory,
}

fn with_purpose(purpose: Purpose, message: &[u8]) -> Vec<u8> {
    let header: &[u8] = match purpose {
        Purpose::Snapshot => b"backstay snapshot seal 1\n",
        Purpose::Tombstone => b"backstay tombstone 1\n",
        Purpose::Inventory => b"backstay inventory 1\n",
    };
    [header, message].concat()
}

/// Where a snapshot lies: what a seal binds it to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The kind of provider.
    pub provider: ProviderKind,
    /// The account.
    pub account: &'a AccountId,
}

fn sealed_message(place: &Place<'_>, snapshot: &Snapshot) -> Vec<u8> {
    let mut message = Vec::with_capacity(512);
    // Each field with its length, so that no two different facts give the same bytes. An absent tag differs from an empty one.
    let mut field = |text: Option<&str>| match text {
        Some(text) => message.extend_from_slice(format!("{}:{text}\n", text.len()).as_bytes()),
        None => message.extend_from_slice(b"-\n"),
    };
    for fact in place.facts_of(snapshot) {
        field(Some(fact));
    }
    let ours = snapshot.tags.ours();
    for key in tags::SEALED {
        field(ours.get(key).map(Value::text).as_deref());
    }
    message
}

impl Place<'_> {
    /// What a seal binds besides the tags.
    fn facts_of<'s>(&'s self, snapshot: &'s Snapshot) -> [&'s str; 4] {
        [self.provider.as_str(), self.account.as_str(), snapshot.id.as_str(), snapshot.disk.as_str()]
    }
}

/// What checking a seal came to, kept beside the tags that hold it.
///
/// The tags forget it when they change. What else a seal binds is told by `print`, so that a verdict is not believed of
/// another snapshot that was given a copy of the tags. Whether the key is still trusted is asked each time.
#[derive(Clone, Copy)]
pub(crate) struct Verdict {
    print: u64,
}

impl Verdict {
    const GENUINE: u64 = 1;
    const FORGED: u64 = 2;

    pub(crate) fn of(place: &Place<'_>, snapshot: &Snapshot) -> Self {
        let facts = place.facts_of(snapshot).into_iter();
        // The two lowest bits are the verdict's.
        Self { print: facts.fold(Fingerprint::new(), Fingerprint::text).get() & !3 }
    }

    /// Whether the seal is genuine, if it was checked before.
    pub(crate) fn recall(self, tags: &Tags) -> Option<bool> {
        let known = tags.verdict();
        match (known & !3 == self.print, known & 3) {
            (true, Self::GENUINE) => Some(true),
            (true, Self::FORGED) => Some(false),
            (true | false, _) => None,
        }
    }

    pub(crate) fn remember(self, tags: &Tags, is_genuine: bool) {
        tags.remember(self.print | if is_genuine { Self::GENUINE } else { Self::FORGED });
    }
}

/// The id of a public key: 13 characters of lowercase base32.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Text<22>);

impl KeyId {
    const LENGTH: usize = 13;
    /// Of the hash that it is written of.
    const BYTES: usize = 8;

    /// The id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn of(key: &VerifyingKey) -> Self {
        Self(lowercase_base32(&key_hash(key)).as_str().into())
    }
}

fn key_hash(key: &VerifyingKey) -> [u8; KeyId::BYTES] {
    let mut hash = [0; KeyId::BYTES];
    hash.copy_from_slice(&Sha256::digest(key.as_bytes())[..KeyId::BYTES]);
    hash
}

fn seal_of(key: [u8; KeyId::BYTES], signature: [u8; 64]) -> SealBytes {
    let mut seal = [0; 72];
    seal[..KeyId::BYTES].copy_from_slice(&key);
    seal[KeyId::BYTES..].copy_from_slice(&signature);
    seal
}

/// The id that a text names, whether or not there is such a key.
impl From<&str> for KeyId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The public half of a [`SealKey`], in hexadecimal when written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl TryFrom<String> for PublicKey {
    type Error = InvalidSealKey;
    fn try_from(text: String) -> Result<Self, InvalidSealKey> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidSealKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| InvalidSealKey)?;
        VerifyingKey::from_bytes(&bytes).map(Self).map_err(|_| InvalidSealKey)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        HEXLOWER.encode(key.0.as_bytes())
    }
}

/// The public keys by which seals are checked: a set, so that keys rotate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring(BTreeMap<KeyId, PublicKey>);

impl Keyring {
    /// A keyring of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (KeyId::of(&key.0), key)).collect())
    }

    /// Whether it has this key.
    #[must_use]
    pub fn contains(&self, key: &KeyId) -> bool {
        self.0.contains_key(key)
    }

    /// Whether it has no key at all: before the first apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a key beside those that are there.
    pub(crate) fn add(&mut self, key: PublicKey) {
        self.0.insert(KeyId::of(&key.0), key);
    }

    /// Whether `signature` is this key's over the message, for this purpose.
    #[must_use]
    pub fn accepts(&self, key: &KeyId, purpose: Purpose, message: &[u8], signature: &Signature) -> bool {
        let (Some(public), Some(bytes)) = (self.0.get(key), signature.bytes()) else {
            return false;
        };
        let signature = ed25519_dalek::Signature::from_bytes(bytes);
        public.0.verify_strict(&with_purpose(purpose, message), &signature).is_ok()
    }
}

/// The key and the signature that two tags name, whether or not there is such a key.
fn written_seal(first: &Value<'_>, second: &Value<'_>) -> Option<(KeyId, Signature)> {
    if let (Value::Seal(seal), Value::SealRest(_)) = (first, second) {
        let (key, signature) = seal.split_first_chunk::<{ KeyId::BYTES }>()?;
        let signature: [u8; 64] = signature.try_into().ok()?;
        return Some((KeyId(lowercase_base32(key).as_str().into()), signature.into()));
    }
    let first = first.text();
    let (key, half) = first.split_at_checked(KeyId::LENGTH)?;
    Some((KeyId(key.into()), Signature::from(format!("{half}{}", second.text()).as_str())))
}

/// Why a snapshot that claims to be ours is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// It has an intent, but was not sealed: a point that was never finished.
    #[error("it carries our intent, but no seal")]
    Unsealed,
    /// The key is not in the keyring.
    #[error("it is sealed by the unknown key {0}")]
    UnknownKey(KeyId),
    /// The signature does not fit the facts.
    #[error("its seal does not fit its facts")]
    Forged,
}

/// A snapshot that Backstay proved to be its own.
#[derive(Debug, Clone, Copy)]
pub struct OwnedSnapshot<'a>(&'a Snapshot);

impl<'a> OwnedSnapshot<'a> {
    /// Checks a snapshot's seal against its immutable facts.
    pub fn check(place: &Place<'_>, snapshot: &'a Snapshot, keyring: &Keyring) -> Result<Self, NotOurs> {
        Self::check_tags(place, snapshot, &snapshot.tags.ours(), keyring)
    }

    /// The same, for who has read the snapshot's tags already.
    pub(crate) fn check_tags(
        place: &Place<'_>,
        snapshot: &'a Snapshot,
        ours: &tags::Ours<'_>,
        keyring: &Keyring,
    ) -> Result<Self, NotOurs> {
        let (Some(first), Some(second)) = (ours.get(tags::SEAL_1), ours.get(tags::SEAL_2)) else {
            return Err(NotOurs::Unsealed);
        };
        let Some((key, signature)) = written_seal(first, second) else {
            return Err(NotOurs::Forged);
        };
        let Some(key) = keyring.0.keys().find(|known| **known == key) else {
            return Err(NotOurs::UnknownKey(key));
        };
        let verdict = Verdict::of(place, snapshot);
        let is_genuine = verdict.recall(&snapshot.tags).unwrap_or_else(|| {
            let is_genuine = keyring.accepts(key, Purpose::Snapshot, &sealed_message(place, snapshot), &signature);
            verdict.remember(&snapshot.tags, is_genuine);
            is_genuine
        });
        if is_genuine { Ok(Self(snapshot)) } else { Err(NotOurs::Forged) }
    }

    /// A snapshot of this list whose seal was found genuine when it was read.
    pub(crate) fn known(row: &Row, list: &'a [Snapshot]) -> Option<Self> {
        row.is_genuine().then(|| Self(row.of(list)))
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &'a Snapshot {
        self.0
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &'a SnapshotId {
        &self.0.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Readiness;

    fn sealed(key: &SealKey, place: &Place<'_>) -> Snapshot {
        let uid = crate::name::ClusterUid::new("c-1").unwrap();
        let disk = crate::name::DiskId::new("vol-1").unwrap();
        let point = "20261123t080000z-1".parse().unwrap();
        let intent = tags::Intent::of(&uid, tags::PointClass::Scheduled, point, &disk);
        let mut snapshot = Snapshot {
            id: SnapshotId::new("snap-1").unwrap(),
            disk,
            created: point.slot,
            readiness: Readiness::Ready,
            tags: tags::at_creation(&uid, tags::PointClass::Scheduled, point, &intent),
            size: 1,
            encrypted: true,
            kms_key: None,
            location: None,
            locked_until: None,
        };
        snapshot.tags.extend(tags::when_known(&"data-1of1".parse().unwrap(), None, None, point.slot));
        let seal = key.seal(place, &snapshot);
        snapshot.tags.extend(seal);
        snapshot
    }

    #[test]
    fn a_seal_binds_every_fact_and_tag() {
        let key = SealKey::from_seed(&[7; 32]);
        let keyring = Keyring::new([key.public()]);
        let account = AccountId::new("111122223333").unwrap();
        let place = Place { provider: ProviderKind::Sim, account: &account };
        let snapshot = sealed(&key, &place);
        assert!(OwnedSnapshot::check(&place, &snapshot, &keyring).is_ok());
        assert!(snapshot.tags.values().all(|value| value.len() <= 63));

        let elsewhere = AccountId::new("444455556666").unwrap();
        let stolen = Place { account: &elsewhere, ..place };
        assert_eq!(OwnedSnapshot::check(&stolen, &snapshot, &keyring).unwrap_err(), NotOurs::Forged);
        for key in tags::SEALED {
            let mut changed = snapshot.clone();
            changed.tags.insert(key, "changed");
            assert_eq!(OwnedSnapshot::check(&place, &changed, &keyring).unwrap_err(), NotOurs::Forged, "{key}");
        }
        // What was found before is not believed of another snapshot that has the same tags, nor after a key was withdrawn.
        let mut moved = snapshot.clone();
        moved.id = SnapshotId::new("snap-2").unwrap();
        assert_eq!(OwnedSnapshot::check(&place, &moved, &keyring).unwrap_err(), NotOurs::Forged);
        let mut unsealed = snapshot.clone();
        unsealed.tags.remove(tags::SEAL_2);
        assert_eq!(OwnedSnapshot::check(&place, &unsealed, &keyring).unwrap_err(), NotOurs::Unsealed);
        let stranger = Keyring::new([SealKey::from_seed(&[8; 32]).public()]);
        assert!(matches!(OwnedSnapshot::check(&place, &snapshot, &stranger), Err(NotOurs::UnknownKey(_))));
    }

    #[test]
    fn a_key_file_round_trips_and_debug_hides_it() {
        let key = SealKey::from_seed(&[9; 32]);
        let content = key.to_file_content();
        assert_eq!(SealKey::parse(&content).unwrap().id(), key.id());
        assert!(!format!("{key:?}").contains("0909"));
        assert!(SealKey::parse("backstay-seal-key-1 zz").is_err());
    }
}
