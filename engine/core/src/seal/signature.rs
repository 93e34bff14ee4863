//! How signatures and seals are written: in lowercase base32, a seal in two tags.

use super::KeyId;
use crate::memo::Fingerprint;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How many of the signature's 103 characters go beside the key id's 13 into the first tag.
const FIRST_HALF: usize = 50;

/// A seal in binary: the 8 bytes of the key's id, and the signature.
pub(crate) type SealBytes = [u8; 72];

/// A signature as it is written: 103 characters of lowercase base32. Anything else is kept as it is, and nobody's.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Written);

#[derive(Clone, PartialEq, Eq)]
enum Written {
    /// Exactly what [`fmt::Display`] makes of these bytes.
    Bytes([u8; 64]),
    Other(Box<str>),
}

impl Signature {
    /// With this signature more.
    pub(crate) fn print(&self, print: Fingerprint) -> Fingerprint {
        match &self.0 {
            Written::Bytes(bytes) => print.bytes(bytes),
            Written::Other(text) => print.text(text),
        }
    }

    /// The bytes of one that could be somebody's.
    pub(crate) fn bytes(&self) -> Option<&[u8; 64]> {
        match &self.0 {
            Written::Bytes(bytes) => Some(bytes),
            Written::Other(_) => None,
        }
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(Written::Bytes(bytes))
    }
}

impl From<&str> for Signature {
    fn from(text: &str) -> Self {
        match bytes_of(text).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => Self(Written::Bytes(bytes)),
            None => Self(Written::Other(text.into())),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Bytes(bytes) => f.pad(&lowercase_base32(bytes)),
            Written::Other(text) => f.pad(text),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| text.as_str().into())
    }
}

/// The texts of a seal's two tags.
pub(crate) fn seal_texts(seal: &SealBytes) -> [String; 2] {
    let (key, signature) = seal.split_at(KeyId::BYTES);
    let signature = lowercase_base32(signature);
    let (first, second) = signature.split_at(FIRST_HALF);
    [format!("{}{first}", lowercase_base32(key)), second.to_owned()]
}

/// The seal whose tags have exactly these texts, if there is one.
pub(crate) fn seal_bytes(first: &str, second: &str) -> Option<SealBytes> {
    let (key, half) = first.split_at_checked(KeyId::LENGTH).filter(|(_, half)| half.len() == FIRST_HALF)?;
    let key = bytes_of(key)?;
    let signature = bytes_of(&format!("{half}{second}"))?;
    [key, signature].concat().try_into().ok()
}

/// The bytes of a text that is exactly what [`lowercase_base32`] makes of them.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok().filter(|_| is_lower)
}

pub(super) fn lowercase_base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}
