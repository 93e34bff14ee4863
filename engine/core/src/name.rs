//! Typed identifiers: a name of one kind can never stand where another is meant.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {article} {kind}: {rule}", article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" })]
pub struct InvalidName {
    /// What it should have been, in words.
    pub kind: &'static str,
    /// The text as given.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Declares one identifier type: a checked, ordered, serialisable text, and how it is kept.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path, $kept:ty) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name($kept);

        impl $name {
            /// Checks a text and takes it as an identifier of this kind.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(rule) => Err(InvalidName { kind: $kind, text: text.to_owned(), rule }),
                }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

/// A name that people choose: it appears in paths, tags and terminals, so it is narrow.
fn declared(text: &str) -> Result<(), &'static str> {
    let edges_are_plain = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    if text.len() > 63 {
        return Err("at most 63 characters");
    }
    let bytes = text.as_bytes();
    let all_allowed =
        bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'));
    if all_allowed && edges_are_plain(bytes.first()) && edges_are_plain(bytes.last()) {
        Ok(())
    } else {
        Err("lowercase letters, digits, `-`, `_` and `.`, starting and ending with a letter or digit")
    }
}

/// A cluster's uid goes verbatim into a tag, so it keeps the narrowest cloud's rules (GCP labels; CLOUDS.md 0.3).
fn tag_safe(text: &str) -> Result<(), &'static str> {
    let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    match text.len() {
        0 => Err("it must not be empty"),
        1..=63 if text.as_bytes().iter().all(allowed) => Ok(()),
        1..=63 => Err("lowercase letters, digits, `-` and `_` only"),
        _ => Err("at most 63 characters"),
    }
}

/// An id that a cloud or a host gave: printable, bounded, and nothing that could climb out of a path.
fn given(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 512 {
        return Err("between 1 and 512 characters");
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("it must not contain `.` or `..` as a path segment");
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(b);
    if text.as_bytes().iter().all(allowed) { Ok(()) } else { Err("letters, digits and `- _ . : / + = @` only") }
}

identifier!(
    /// The name of a [`crate::model::Site`].
    SiteName, "site name", declared, Text<22>
);
identifier!(
    /// The name of a [`crate::model::Policy`].
    PolicyName, "policy name", declared, Text<22>
);
identifier!(
    /// The name of a cluster, for people. Its identity is its [`ClusterUid`].
    ClusterName, "cluster name", declared, Text<22>
);
identifier!(
    /// The name of an archive.
    ArchiveName, "archive name", declared, Text<22>
);
identifier!(
    /// The name of a node within its cluster.
    NodeName, "node name", declared, Text<22>
);
identifier!(
    /// A cluster's identity: it survives renames and moves.
    ClusterUid, "cluster uid", tag_safe, Text<38>
);
identifier!(
    /// A virtual machine's id at its site.
    InstanceId, "instance id", given, Text<22>
);
identifier!(
    /// A disk's id at its site.
    DiskId, "disk id", given, Text<22>
);
identifier!(
    /// A snapshot's id at its site.
    SnapshotId, "snapshot id", given, Text<22>
);
identifier!(
    /// A place where a provider keeps snapshots: a region, or a location of several.
    Location, "location", given, Box<str>
);
identifier!(
    /// An encryption key, as its provider names it. Never the key itself.
    KmsKey, "name of an encryption key", given, Box<str>
);
identifier!(
    /// An account, subscription or project at a provider.
    AccountId, "account id", given, Text<22>
);

/// PostgreSQL's 64-bit database system identifier, from `pg_control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SystemId(pub u64);

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for SystemId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        text.parse().map(SystemId).map_err(|_| InvalidName {
            kind: "system identifier",
            text: text.to_owned(),
            rule: "a 64-bit decimal number, as `pg_controldata` prints it",
        })
    }
}

impl TryFrom<String> for SystemId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<SystemId> for String {
    fn from(id: SystemId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_that_a_tag_cannot_carry_is_refused() {
        assert!(ClusterUid::new("0d9f6a52-0001").is_ok());
        for wrong in ["", "Upper", "dot.ted", "white space", &"x".repeat(64)] {
            assert!(ClusterUid::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_cannot_climb_out_of_a_directory() {
        assert!(DiskId::new("subscriptions/x/disks/d-1").is_ok());
        for wrong in ["..", "../x", "a/../b", "a\nb", "a\u{1b}[31m"] {
            assert!(DiskId::new(wrong).is_err(), "{wrong}");
        }
    }
}
