//! A recorded inventory, as a file that a million snapshots are read from in about a second.
//!
//! | Bytes | What |
//! |---|---|
//! | [`MAGIC`] | what it is, and of which version |
//! | sections, each with a head of 17 bytes | kind, site (its place in the order of names), how many items, how many bytes follow |
//! | [`Kind::Frame`], one | JSON of everything else: the observation without what the other sections hold |
//! | [`Kind::Snapshots`], of a site, some thousands each | their fields, and their tags as they are in memory |
//! | [`Kind::Tombstones`], of a site | records, by snapshot |
//! | [`Kind::Sightings`] | digests and instants |
//! | [`Kind::End`], one, the last | the id of the key that signed all heads and the SHA-256 of all sections, and the signature |
//!
//! Checking a signature takes some 25 µs, so that the verdicts of seals and tombstones travel with what they were found of. They
//! are believed only if the file is signed by a key that the reader trusts. An unsigned file, or one that is signed by another
//! key, says what exists, and every seal of it is checked again. A file that does not fit its signature is refused.

mod bytes;
mod read;
mod write;

pub use read::{Unreadable, read};
pub use write::write;

use sha2::{Digest as _, Sha256};

/// How every such file begins. The number is the form's version.
pub const MAGIC: &[u8] = b"backstay inventory 1\n";

/// Whether these are the bytes of such a file, of whatever version.
#[must_use]
pub fn is_binary(bytes: &[u8]) -> bool {
    let family = MAGIC.len() - 2;
    bytes.get(..family) == MAGIC.get(..family)
}

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Frame,
    Snapshots,
    Tombstones,
    Sightings,
    End,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Frame, Self::Snapshots, Self::Tombstones, Self::Sightings, Self::End];

    fn code(self) -> u8 {
        match self {
            Self::Frame => 1,
            Self::Snapshots => 2,
            Self::Tombstones => 3,
            Self::Sightings => 4,
            Self::End => 9,
        }
    }
}

/// What comes before each section.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: Kind,
    /// The place of its site in the order of names; 0 where it has none.
    site: u32,
    items: u32,
    length: u64,
}

impl Head {
    const LENGTH: usize = 17;

    fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = self.kind.code();
        bytes[1..5].copy_from_slice(&self.site.to_le_bytes());
        bytes[5..9].copy_from_slice(&self.items.to_le_bytes());
        bytes[9..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }
}

/// What is signed of a section.
fn signed_part(head: Head, section: &[u8]) -> [u8; Head::LENGTH + 32] {
    let mut part = [0; Head::LENGTH + 32];
    part[..Head::LENGTH].copy_from_slice(&head.to_bytes());
    part[Head::LENGTH..].copy_from_slice(&Sha256::digest(section));
    part
}

/// What is known of a signature, in a number.
fn code_of(verdict: Option<bool>) -> u8 {
    match verdict {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    }
}

#[cfg(test)]
mod tests;
