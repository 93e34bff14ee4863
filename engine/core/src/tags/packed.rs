//! A snapshot's tags in one allocation: a fleet has millions of them, and most of their keys are ours.

use super::{CLASS, CLUSTER, CUT, EXPIRE, HOLD, INTENT, MANAGED, PART, POINT, SEAL_1, SEAL_2, SLOT, SYSTEM, WAL};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// Our keys, in their order as texts: each is written as its place here.
const OURS: [&str; 14] =
    [CLASS, CLUSTER, CUT, EXPIRE, HOLD, INTENT, MANAGED, PART, POINT, SEAL_1, SEAL_2, SLOT, SYSTEM, WAL];
/// Written before a key that is not ours.
const FOREIGN: u8 = 0x7f;

/// A key's place among [`OURS`]. Where the key is a constant, so is the place.
#[inline]
fn place_of(key: &str) -> Option<usize> {
    Some(match key {
        CLASS => 0,
        CLUSTER => 1,
        CUT => 2,
        EXPIRE => 3,
        HOLD => 4,
        INTENT => 5,
        MANAGED => 6,
        PART => 7,
        POINT => 8,
        SEAL_1 => 9,
        SEAL_2 => 10,
        SLOT => 11,
        SYSTEM => 12,
        WAL => 13,
        _ => return None,
    })
}

/// Tags by key, ordered by key.
///
/// One after the other: the key (its place in [`OURS`], or [`FOREIGN`], its length and its text), the value's length and its
/// text. A length is written in groups of six bits, the lowest first, with a bit that says that more follow: so all of it is
/// text, which need not be checked again when it is read. Equal tags have equal texts.
#[derive(Default)]
pub struct Tags {
    text: Box<str>,
    /// What checking the seal in these tags came to, see [`crate::seal`]; 0 while nobody has. Every change of the tags forgets it.
    verdict: AtomicU64,
}

impl Clone for Tags {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), verdict: AtomicU64::new(self.verdict()) }
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Tags {}

impl Hash for Tags {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The values of our tags, read in one pass.
pub(crate) struct Ours<'a>([Option<&'a str>; OURS.len()]);

impl<'a> Ours<'a> {
    /// The value of one of our keys.
    ///
    /// Panics if the key is not one of ours.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.0[place_of(key).expect("a key of ours")]
    }
}

impl Tags {
    /// No tags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        match place_of(key) {
            Some(place) => self.entries().find(|entry| usize::from(entry.code) == place).map(|entry| entry.value),
            None => self.entries().find(|entry| entry.code == FOREIGN && entry.key == key).map(|entry| entry.value),
        }
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Adds a tag, or replaces its value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.extend([(key.into(), value.into())]);
    }

    /// Removes a tag; whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let had = self.contains_key(key);
        if had {
            self.retain(|other, _| other != key);
        }
        had
    }

    /// Leaves only the tags that fit.
    pub fn retain(&mut self, mut fits: impl FnMut(&str, &str) -> bool) {
        *self = pack(self.iter().filter(|(key, value)| fits(key, value)));
    }

    /// Every tag, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries().map(|entry| (entry.key, entry.value))
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|entry| entry.key)
    }

    /// Every value, in the order of the keys.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|entry| entry.value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The values of all our tags, in one pass.
    pub(crate) fn ours(&self) -> Ours<'_> {
        let mut values = [None; OURS.len()];
        for entry in self.entries().filter(|entry| entry.code != FOREIGN) {
            values[usize::from(entry.code)] = Some(entry.value);
        }
        Ours(values)
    }

    /// What was remembered of these very tags; 0 when nothing was.
    pub(crate) fn verdict(&self) -> u64 {
        self.verdict.load(Ordering::Relaxed)
    }

    /// Remembers something of these very tags.
    pub(crate) fn remember(&self, verdict: u64) {
        self.verdict.store(verdict, Ordering::Relaxed);
    }

    fn entries(&self) -> Entries<'_> {
        Entries(&self.text)
    }
}

struct Entry<'a> {
    code: u8,
    key: &'a str,
    value: &'a str,
}

struct Entries<'a>(&'a str);

const PACKED: &str = "tags are packed by this module alone";
/// In a group of a length: its bits, and the one that says that more follow.
const BITS: u8 = 0x3f;
const MORE: u8 = 0x40;

impl<'a> Entries<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.0.as_bytes().first()?;
        self.0 = &self.0[1..];
        Some(byte)
    }

    fn text(&mut self) -> &'a str {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.byte().expect(PACKED);
            length |= usize::from(byte & BITS) << shift;
            shift += 6;
            if byte & MORE == 0 {
                break;
            }
        }
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        text
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let code = self.byte()?;
        let key = if code == FOREIGN { self.text() } else { OURS[usize::from(code)] };
        Some(Entry { code, key, value: self.text() })
    }
}

/// Packs tags that are ordered by key, each once.
fn pack<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Tags {
    let mut text = String::with_capacity(512);
    for (key, value) in tags {
        match place_of(key) {
            Some(place) => text.push(char::from(u8::try_from(place).expect("there are few keys of ours"))),
            None => {
                text.push(char::from(FOREIGN));
                put(&mut text, key);
            }
        }
        put(&mut text, value);
    }
    Tags { text: text.into_boxed_str(), verdict: AtomicU64::new(0) }
}

fn put(packed: &mut String, text: &str) {
    let mut length = text.len();
    loop {
        let low = u8::try_from(length & usize::from(BITS)).expect("six bits fit");
        length >>= 6;
        packed.push(char::from(if length == 0 { low } else { low | MORE }));
        if length == 0 {
            break;
        }
    }
    packed.push_str(text);
}

impl<K: Into<String>, V: Into<String>> Extend<(K, V)> for Tags {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, tags: I) {
        let mut all: BTreeMap<String, String> =
            self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.extend(tags.into_iter().map(|(key, value)| (key.into(), value.into())));
        *self = pack(all.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(tags: I) -> Self {
        let mut all = Self::new();
        all.extend(tags);
        all
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a str, &'a str);
    type IntoIter = Box<dyn Iterator<Item = (&'a str, &'a str)> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl IntoIterator for Tags {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        let all: Vec<_> = self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        all.into_iter()
    }
}

impl std::ops::Index<&str> for Tags {
    type Output = str;

    /// Panics if there is no such key.
    fn index(&self, key: &str) -> &str {
        self.get(key).unwrap_or_else(|| panic!("there is no tag `{key}`"))
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tags;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags: texts by text")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Tags, M::Error> {
                let mut tags: BTreeMap<String, String> = BTreeMap::new();
                while let Some((key, value)) = map.next_entry()? {
                    tags.insert(key, value);
                }
                Ok(pack(tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_tags_are_a_map_ordered_by_key() {
        assert!(OURS.is_sorted());
        assert!(OURS.iter().enumerate().all(|(place, key)| place_of(key) == Some(place)));
        let long = "x".repeat(5000);
        let mut tags = Tags::new();
        let mut map = BTreeMap::new();
        for (key, value) in
            [(SLOT, "s"), ("zone", ""), (CLASS, "c"), ("aws:a", long.as_str()), (SLOT, "again"), ("ünï", "ß")]
        {
            tags.insert(key, value);
            map.insert(key, value);
        }
        assert_eq!(tags.iter().collect::<Vec<_>>(), map.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(
            (tags.get(SLOT), tags.get("zone"), tags.get("none"), tags.get(CUT)),
            (Some("again"), Some(""), None, None)
        );
        let json = serde_json::to_string(&tags).unwrap();
        assert_eq!(json, serde_json::to_string(&map).unwrap());
        assert_eq!(serde_json::from_str::<Tags>(&json).unwrap(), tags);
        assert!(tags.remove("zone") && !tags.remove("zone"));
        assert_eq!(tags.len(), 4);
    }
}
