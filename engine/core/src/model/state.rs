//! Where the state store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the state store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// A directory, relative to the fleet's directory unless absolute.
    File(PathBuf),
    /// A bucket of an object store.
    Objects(ObjectsUrl),
}

/// A place in an object store. Account, endpoint and credentials come from the environment of whoever opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectsUrl {
    /// Whose object store.
    pub service: ObjectService,
    /// The bucket, or Azure's container.
    pub bucket: String,
    /// What every key begins with: segments between slashes, or nothing.
    pub prefix: String,
}

/// An object store that can hold leases: it creates only, and it compares and swaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectService {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Azure,
}

impl ObjectService {
    /// The scheme of its URLs.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
        }
    }

    /// What its stores are called.
    fn bucket_word(self) -> &'static str {
        match self {
            Self::S3 => "bucket",
            Self::Azure => "container",
        }
    }
}

impl fmt::Display for ObjectsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{}://{}{separator}{}", self.service.scheme(), self.bucket, self.prefix)
    }
}

/// A state location that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStateUrl {
    /// An object store of another cloud.
    #[error("a state store in {0}:// is not something that this version has yet")]
    NotYet(&'static str),
    /// No scheme that is known.
    #[error("a state location begins with file://, s3:// or az://")]
    Scheme,
    /// The bucket's name. It is not repeated: somebody may have written a secret before an `@`.
    #[error(
        "that is not the name of a {0}: it has 3 to 63 lowercase letters, digits and `-`, and begins and ends with a letter or digit"
    )]
    Bucket(&'static str),
    /// The prefix.
    #[error(
        "that is not a prefix of keys: it has segments of letters, digits, `-`, `_` and `.`, with one `/` between them"
    )]
    Prefix,
}

impl FromStr for StateUrl {
    type Err = InvalidStateUrl;
    fn from_str(text: &str) -> Result<Self, InvalidStateUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidStateUrl::Scheme)?;
        match scheme {
            "file" => Ok(Self::File(PathBuf::from(rest.strip_prefix("./").unwrap_or(rest)))),
            "s3" => objects(ObjectService::S3, rest).map(Self::Objects),
            "az" => objects(ObjectService::Azure, rest).map(Self::Objects),
            "gs" => Err(InvalidStateUrl::NotYet("gs")),
            "oss" => Err(InvalidStateUrl::NotYet("oss")),
            _ => Err(InvalidStateUrl::Scheme),
        }
    }
}

fn objects(service: ObjectService, rest: &str) -> Result<ObjectsUrl, InvalidStateUrl> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_bucket(service, bucket) {
        return Err(InvalidStateUrl::Bucket(service.bucket_word()));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() && !prefix.split('/').all(is_segment) {
        return Err(InvalidStateUrl::Prefix);
    }
    Ok(ObjectsUrl { service, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// The narrower of both services' rules; S3 allows dots besides.
fn is_bucket(service: ObjectService, name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_plain(byte) || byte == b'-' || (byte == b'.' && service == ObjectService::S3);
    let ends_are_plain = name.bytes().next().is_some_and(is_plain) && name.bytes().last().is_some_and(is_plain);
    (3..=63).contains(&name.len()) && ends_are_plain && name.bytes().all(is_inner)
}

fn is_segment(segment: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        match text.parse() {
            Ok(StateUrl::File(path)) => format!("file {}", path.display()),
            Ok(StateUrl::Objects(url)) => format!("{url} = {:?} {} {}", url.service, url.bucket, url.prefix),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_location_is_a_directory_or_a_place_in_a_bucket() {
        assert_eq!(told("file://./.backstay"), "file .backstay");
        assert_eq!(told("file:///var/lib/backstay"), "file /var/lib/backstay");
        assert_eq!(told("s3://state.eu/backstay/eu10/"), "s3://state.eu/backstay/eu10 = S3 state.eu backstay/eu10");
        assert_eq!(told("s3://state"), "s3://state = S3 state ");
        assert_eq!(told("az://state/eu10"), "az://state/eu10 = Azure state eu10");
    }

    #[test]
    fn what_no_service_would_take_is_refused_here() {
        for name in ["", "ab", "State", "-state", "state-", "user:secret@state", "state?sas=1"] {
            assert!(told(&format!("s3://{name}/x")).contains("not the name of a bucket"), "{name}");
        }
        assert!(told("az://a.b.c/x").contains("not the name of a container"));
        for prefix in ["a//b", ".a", "a/..", "a b", "a%2Fb", "a?b", "/a"] {
            assert!(told(&format!("s3://state/{prefix}")).contains("not a prefix of keys"), "{prefix}");
        }
        assert_eq!(told("gs://state/x"), "a state store in gs:// is not something that this version has yet");
        assert_eq!(told("oss://state/x"), "a state store in oss:// is not something that this version has yet");
        assert_eq!(told("http://state/x"), "a state location begins with file://, s3:// or az://");
    }
}
