//! The mark before a delete: a signed, create-only record, mirrored by a tag.

use crate::canonical::{self, Digest};
use crate::memo::{Fingerprint, Memo};
use crate::name::{ClusterUid, SiteName, SnapshotId};
use crate::plan::Cause;
use crate::seal::{KeyId, Keyring, Purpose, SealKey, Signature};
use crate::tags::PointKey;
use crate::time::Duration;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A snapshot's tombstone, as the state store keeps it. Copies share it until one of them changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub struct Tombstone(Arc<Record>);

impl From<Record> for Tombstone {
    fn from(record: Record) -> Self {
        Self(Arc::new(record))
    }
}

impl From<Tombstone> for Record {
    fn from(tombstone: Tombstone) -> Self {
        Arc::unwrap_or_clone(tombstone.0)
    }
}

impl Deref for Tombstone {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

/// What was found out of it is bound to what it says, so it may change.
impl DerefMut for Tombstone {
    fn deref_mut(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.0)
    }
}

/// What a tombstone consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it says.
    pub content: TombstoneContent,
    /// Which key signed it.
    pub key: KeyId,
    /// The signature over the content's canonical JSON.
    pub signature: Signature,
    /// Whether the signature is the key's over the content.
    #[serde(skip)]
    verdict: Memo<bool>,
    #[serde(skip)]
    digest: Memo<[u8; 32]>,
}

/// What a tombstone says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneContent {
    /// Where the snapshot lies.
    pub site: SiteName,
    /// Which one.
    pub snapshot: SnapshotId,
    /// Whose it is.
    pub cluster: ClusterUid,
    /// Of which point.
    pub point: PointKey,
    /// 1 for the snapshot's first tombstone: one that follows a revoked one is another record, even in the same second.
    pub number: u32,
    /// When it was made, by the site's clock, in whole seconds. The tag says the same.
    pub at: Timestamp,
    /// The grace of the policy that made it.
    pub grace: Duration,
    /// What brought it about: a delete that a changed policy asked for keeps counting as such after its grace.
    pub cause: Cause,
    /// Why, for people.
    pub reason: String,
}

impl Tombstone {
    /// Signs a tombstone.
    #[must_use]
    pub fn sign(content: TombstoneContent, key: &SealKey) -> Self {
        let signature = key.sign(Purpose::Tombstone, canonical::to_string(&content).as_bytes());
        Self::of(content, key.id(), signature)
    }

    /// A tombstone as it was read, whoever signed it.
    pub(crate) fn of(content: TombstoneContent, key: KeyId, signature: Signature) -> Self {
        Self(Arc::new(Record { key, signature, content, verdict: Memo::default(), digest: Memo::default() }))
    }

    /// Whether its signature is one of ours and fits what it says.
    #[must_use]
    pub fn is_genuine(&self, keyring: &Keyring) -> bool {
        keyring.contains(&self.key)
            && self.verdict.get(self.fingerprint(), || {
                let message = canonical::to_string(&self.content);
                keyring.accepts(&self.key, Purpose::Tombstone, message.as_bytes(), &self.signature)
            })
    }

    /// What the sweeper's sighting refers to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let digest = || canonical::digest(&*self.0).to_bytes().expect("a digest of ours");
        Digest::of_bytes(&self.digest.get(self.fingerprint(), digest))
    }

    /// Remembers what was found out of this very tombstone before.
    pub(crate) fn remember(&self, is_genuine: bool, digest: [u8; 32]) {
        self.verdict.get(self.fingerprint(), || is_genuine);
        self.digest.get(self.fingerprint(), || digest);
    }

    fn fingerprint(&self) -> Fingerprint {
        let Record { content, key, signature, verdict: _, digest: _ } = &*self.0;
        let TombstoneContent { site, snapshot, cluster, point, number, at, grace, cause, reason } = content;
        let texts = [site.as_str(), snapshot.as_str(), cluster.as_str(), cause.as_str(), reason, key.as_str()];
        let instants = [point.slot, *at].into_iter().flat_map(|instant| {
            [instant.as_second().cast_unsigned(), u64::from(instant.subsec_nanosecond().cast_unsigned())]
        });
        let numbers = instants.chain([u64::from(point.attempt), u64::from(*number), grace.as_seconds()]);
        let texts = texts.into_iter().fold(Fingerprint::new(), Fingerprint::text);
        numbers.fold(signature.print(texts), Fingerprint::number)
    }
}
