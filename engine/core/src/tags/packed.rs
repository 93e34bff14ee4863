//! A snapshot's tags in one allocation: a fleet has millions of them, and most of them are ours.

use super::value::{Value, take};
use super::{CLASS, CLUSTER, CUT, EXPIRE, HOLD, INTENT, MANAGED, PART, POINT, SEAL_1, SEAL_2, SLOT, SYSTEM, WAL};
use crate::seal::{SealBytes, seal_bytes};
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Our keys, in their order as texts: each is written as its place here.
const OURS: [&str; 14] =
    [CLASS, CLUSTER, CUT, EXPIRE, HOLD, INTENT, MANAGED, PART, POINT, SEAL_1, SEAL_2, SLOT, SYSTEM, WAL];
/// Added to the place of a key of ours whose value is not written as a text.
const TYPED: u8 = 0x40;
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
/// One after the other: the key (its place in [`OURS`], or [`FOREIGN`] and its text) and the value: a text, or what [`Value`]
/// makes of it, if the key says [`TYPED`]. Before a text comes its length, in groups of seven bits, the lowest first, with a
/// bit that says that more follow. Equal tags are packed equally.
#[derive(Default)]
pub struct Tags {
    packed: Box<[u8]>,
    /// What checking the seal in these tags came to, see [`crate::seal`]; 0 while nobody has. Every change of the tags forgets it.
    verdict: AtomicU64,
    /// All tags as texts, once somebody asked for one that is not packed as a text.
    spelled: OnceLock<Box<Spelled>>,
}

/// Keys and values, ordered by key.
type Spelled = Vec<(Box<str>, Box<str>)>;

impl Clone for Tags {
    fn clone(&self) -> Self {
        Self { packed: self.packed.clone(), verdict: AtomicU64::new(self.verdict()), spelled: OnceLock::new() }
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}

impl Eq for Tags {}

impl Hash for Tags {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.packed.hash(state);
    }
}

/// The values of our tags, read in one pass.
pub(crate) struct Ours<'a>([Option<Value<'a>>; OURS.len()]);

impl<'a> Ours<'a> {
    /// The value of one of our keys.
    ///
    /// Panics if the key is not one of ours.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0[place_of(key).expect("a key of ours")].as_ref()
    }
}

impl Tags {
    /// No tags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    ///
    /// The cluster's is at hand. Of others the text is made when somebody asks first, and kept: who asks many snapshots asks for
    /// [`Self::value`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        if let Value::Text(text) = self.find(key)? {
            return Some(text);
        }
        let spelled = self.spelled();
        let place = spelled.binary_search_by(|(other, _)| (**other).cmp(key)).ok()?;
        spelled.get(place).map(|(_, value)| &**value)
    }

    /// The value of a key, made anew each time.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<Cow<'_, str>> {
        self.find(key).map(|value| value.text())
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_some()
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
        let texts: Vec<(&str, Cow<'_, str>)> = self.texts().filter(|(key, value)| fits(key, value)).collect();
        *self = pack(texts.iter().map(|(key, value)| (*key, &**value)));
    }

    /// Every tag, ordered by key. The texts are kept: who asks many snapshots asks for [`Self::texts`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.spelled().iter().map(|(key, value)| (&**key, &**value))
    }

    /// Every tag, ordered by key, its value made anew.
    pub fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.entries().map(|entry| (entry.key, entry.value.text()))
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|entry| entry.key)
    }

    /// Every value, in the order of the keys.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(_, value)| value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The values of all our tags, in one pass.
    pub(crate) fn ours(&self) -> Ours<'_> {
        let mut values = [const { None }; OURS.len()];
        for entry in self.entries() {
            if let Some(place) = entry.place {
                values[place] = Some(entry.value);
            }
        }
        Ours(values)
    }

    /// The value of a key, as it is packed.
    pub(crate) fn find(&self, key: &str) -> Option<Value<'_>> {
        let place = place_of(key);
        let is_it = |entry: &Entry<'_>| entry.place == place && (place.is_some() || entry.key == key);
        self.entries().find(is_it).map(|entry| entry.value)
    }

    /// As they are packed.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Tags that [`Self::packed`] told; `None` for anything else.
    pub(crate) fn of_packed(packed: &[u8]) -> Option<Self> {
        let mut entries = Entries::of(packed);
        let mut last = None;
        while !entries.rest.is_empty() {
            let entry = entries.read()?;
            if last.is_some_and(|last| last >= entry.key) {
                return None;
            }
            last = Some(entry.key);
        }
        Some(Self { packed: packed.into(), ..Self::default() })
    }

    /// What was remembered of these very tags; 0 when nothing was.
    pub(crate) fn verdict(&self) -> u64 {
        self.verdict.load(Ordering::Relaxed)
    }

    /// Remembers something of these very tags.
    pub(crate) fn remember(&self, verdict: u64) {
        self.verdict.store(verdict, Ordering::Relaxed);
    }

    fn spelled(&self) -> &Spelled {
        self.spelled.get_or_init(|| Box::new(self.texts().map(|(key, value)| (key.into(), value.into())).collect()))
    }

    fn entries(&self) -> Entries<'_> {
        Entries::of(&self.packed)
    }
}

struct Entry<'a> {
    /// Of its key among [`OURS`].
    place: Option<usize>,
    key: &'a str,
    value: Value<'a>,
}

struct Entries<'a> {
    rest: &'a [u8],
    /// What came before, and tells a later value.
    slot: Option<Timestamp>,
    seal: Option<&'a SealBytes>,
}

/// In a group of a length: its bits, and the one that says that more follow.
const BITS: u8 = 0x7f;
const MORE: u8 = 0x80;

impl<'a> Entries<'a> {
    fn of(packed: &'a [u8]) -> Self {
        Self { rest: packed, slot: None, seal: None }
    }

    fn text(&mut self) -> Option<&'a str> {
        let (mut length, mut shift) = (0_usize, 0_u32);
        loop {
            let byte = take::<1>(&mut self.rest)?[0];
            length |= usize::from(byte & BITS).checked_shl(shift)?;
            shift += 7;
            if byte & MORE == 0 {
                break;
            }
        }
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    /// The next one; `None` where there is none, or what is there was packed by nobody.
    fn read(&mut self) -> Option<Entry<'a>> {
        let code = take::<1>(&mut self.rest)?[0];
        if code == FOREIGN {
            return Some(Entry { place: None, key: self.text()?, value: Value::Text(self.text()?) });
        }
        let place = usize::from(code & !TYPED);
        let key = *OURS.get(place)?;
        let value = match (code & TYPED, key) {
            (0, _) => Value::Text(self.text()?),
            (_, SLOT) => Value::Instant(self.slot?),
            (_, SEAL_1) => Value::Seal(self.seal.insert(take(&mut self.rest)?)),
            (_, SEAL_2) => Value::SealRest(self.seal?),
            (_, _) => Value::read(key, &mut self.rest)?,
        };
        if let Value::Point(point) = &value {
            self.slot = Some(point.slot);
        }
        Some(Entry { place: Some(place), key, value })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        (!self.rest.is_empty()).then(|| self.read().expect("tags are packed by this module alone"))
    }
}

/// Packs tags that are ordered by key, each once.
fn pack<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Tags {
    let tags: Vec<(&str, &str)> = tags.collect();
    let text_of = |key: &str| tags.iter().find(|(other, _)| *other == key).map(|(_, value)| *value);
    let seal = text_of(SEAL_1).zip(text_of(SEAL_2)).and_then(|(first, second)| seal_bytes(first, second));
    let mut slot = None;
    let mut packed = Vec::with_capacity(512);
    for (key, text) in &tags {
        let Some(place) = place_of(key) else {
            packed.push(FOREIGN);
            put(&mut packed, key);
            put(&mut packed, text);
            continue;
        };
        let mut intent = [0; 20];
        let value = match (*key, &seal, slot) {
            (SEAL_1, Some(seal), _) => Value::Seal(seal),
            (SEAL_2, Some(seal), _) => Value::SealRest(seal),
            (SLOT, _, Some(slot)) if crate::time::stamp(slot) == *text => Value::Instant(slot),
            (_, _, _) => Value::parse(key, text, &mut intent),
        };
        if let Value::Point(point) = &value {
            slot = Some(point.slot);
        }
        let place = u8::try_from(place).expect("there are few keys of ours");
        if let Value::Text(text) = value {
            packed.push(place);
            put(&mut packed, text);
        } else {
            packed.push(place | TYPED);
            value.write(&mut packed, *key == SLOT);
        }
    }
    Tags { packed: packed.into(), ..Tags::default() }
}

fn put(packed: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    loop {
        let low = u8::try_from(length & usize::from(BITS)).expect("seven bits fit");
        length >>= 7;
        packed.push(if length == 0 { low } else { low | MORE });
        if length == 0 {
            break;
        }
    }
    packed.extend(text.as_bytes());
}

impl<K: Into<String>, V: Into<String>> Extend<(K, V)> for Tags {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, tags: I) {
        let mut all: BTreeMap<String, String> =
            self.texts().map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
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
        let all: Vec<_> = self.texts().map(|(key, value)| (key.to_owned(), value.into_owned())).collect();
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
        f.debug_map().entries(self.texts()).finish()
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.texts())
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
