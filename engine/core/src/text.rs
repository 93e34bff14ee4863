//! Texts that lie where their owner is: a fleet has millions of ids, and most of them are short.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A text that takes no allocation of its own where it has `N` bytes at most. Copies of a longer one share it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Text<const N: usize>(Kept<N>);

/// One text is kept in one way: bytes beyond the length are 0.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Kept<const N: usize> {
    Here { length: u8, bytes: [u8; N] },
    Shared(Arc<str>),
}

impl<const N: usize> Text<N> {
    /// The text.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Kept::Here { .. } => std::str::from_utf8(self.as_bytes()).expect("it was made of a text"),
            Kept::Shared(text) => text,
        }
    }

    /// Its bytes: the fast way to compare.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Here { length, bytes } => &bytes[..usize::from(*length)],
            Kept::Shared(text) => text.as_bytes(),
        }
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        let mut bytes = [0; N];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(here)) => {
                here.copy_from_slice(text.as_bytes());
                Self(Kept::Here { length, bytes })
            }
            (Ok(_) | Err(_), _) => Self(Kept::Shared(text.into())),
        }
    }
}

impl<const N: usize> PartialOrd for Text<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As texts are ordered.
impl<const N: usize> Ord for Text<N> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<const N: usize> AsRef<str> for Text<N> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const N: usize>;
        impl<const N: usize> Visitor<'_> for Reader<N> {
            type Value = Text<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<N>, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_wherever_it_is_kept() {
        let texts = ["", "a", "ab", "b", "ß", "exactly-22-bytes-long-", "one-byte-more-than-that", "z"];
        let kept: Vec<Text<22>> = texts.iter().map(|text| Text::from(*text)).collect();
        assert!(matches!(kept[5].0, Kept::Here { .. }) && matches!(kept[6].0, Kept::Shared(_)));
        for (one, text) in kept.iter().zip(texts) {
            assert_eq!((one.as_str(), format!("{one:?}")), (text, format!("{text:?}")));
            assert!(kept.iter().zip(texts).all(|(other, theirs)| one.cmp(other) == text.cmp(theirs)));
            assert_eq!(serde_json::from_str::<Text<22>>(&serde_json::to_string(one).unwrap()).unwrap(), *one);
        }
        let size = std::mem::size_of::<Text<22>>;
        assert_eq!((size(), std::mem::size_of::<Option<Text<22>>>(), std::mem::size_of::<Text<38>>()), (24, 24, 40));
    }
}
