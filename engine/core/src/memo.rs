//! What was found out once about a value, kept beside it.
//!
//! Checking a signature takes some 50 µs, and every plan asks each one twice. What is kept is bound to a fingerprint of the
//! value, so that it is not believed of another one that was made from it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A fingerprint of a value in memory. It need not withstand an attacker: nobody else chooses what it is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// With a number more.
    pub(crate) fn number(self, word: u64) -> Self {
        Self((self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
    }

    /// With a text more; two texts one after the other differ from their concatenation.
    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// The same for bytes.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.number(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self = self.number(u64::from_le_bytes(word));
        }
        self
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// Something that was found out about a value. It is no part of the value: any two are equal.
#[derive(Clone)]
pub(crate) struct Memo<T>(OnceLock<(Fingerprint, T)>);

impl<T: Clone> Memo<T> {
    /// What was found out of this value, or is found out now.
    pub(crate) fn get(&self, value: Fingerprint, find: impl FnOnce() -> T) -> T {
        match self.0.get() {
            Some((known, found)) if *known == value => found.clone(),
            Some(_) => find(),
            None => self.0.get_or_init(|| (value, find())).1.clone(),
        }
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PartialEq for Memo<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Memo<T> {}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// At most 63 bits that were found out of a value beside which they lie, and which does not change.
#[derive(Debug, Default)]
pub(crate) struct Bits(AtomicU64);

impl Bits {
    const KNOWN: u64 = 1 << 63;

    /// What was found out, or is found out now.
    pub(crate) fn get(&self, find: impl FnOnce() -> u64) -> u64 {
        let known = self.0.load(Ordering::Relaxed);
        if known & Self::KNOWN != 0 {
            return known & !Self::KNOWN;
        }
        let found = find() & !Self::KNOWN;
        self.0.store(found | Self::KNOWN, Ordering::Relaxed);
        found
    }
}

impl Clone for Bits {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// The same for what is found out by something besides the value, and is too large to be copied. Whoever changes the value must
/// put an empty one in its place.
pub(crate) struct Memos<K, T>(OnceLock<Arc<Known<K, T>>>);

struct Known<K, T> {
    by: K,
    found: T,
    /// By anything else.
    others: Memos<K, T>,
}

impl<K, T> Memos<K, T> {
    /// What was found out by this, or is found out now.
    pub(crate) fn get(&self, is_this: &dyn Fn(&K) -> bool, find: &dyn Fn() -> (K, T)) -> &T {
        let known = self.0.get_or_init(|| {
            let (by, found) = find();
            Arc::new(Known { by, found, others: Self::default() })
        });
        if is_this(&known.by) { &known.found } else { known.others.get(is_this, find) }
    }
}

impl<K, T> Clone for Memos<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, T> Default for Memos<K, T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K, T> PartialEq for Memos<K, T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<K, T> fmt::Debug for Memos<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// The same, if only what was found out last is worth keeping: what it is found out by changes as often as not.
pub(crate) struct Latest<K, T>(Mutex<Option<(K, Arc<T>)>>);

impl<K: Clone, T> Latest<K, T> {
    /// What was found out by this last, or is found out now.
    pub(crate) fn get(&self, is_this: impl FnOnce(&K) -> bool, find: impl FnOnce() -> (K, T)) -> Arc<T> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((by, found)) if is_this(by) => Arc::clone(found),
            Some(_) | None => {
                let (by, found) = find();
                let found = Arc::new(found);
                *latest = Some((by, Arc::clone(&found)));
                found
            }
        }
    }
}

impl<K: Clone, T> Clone for Latest<K, T> {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

impl<K, T> Default for Latest<K, T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K, T> fmt::Debug for Latest<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_by_one_is_not_believed_by_another() {
        let memos: Memos<u8, u8> = Memos::default();
        let get = |memos: &Memos<u8, u8>, by: u8| *memos.get(&|known| *known == by, &|| (by, by * 2));
        assert_eq!([get(&memos, 1), get(&memos, 2), get(&memos, 1)], [2, 4, 2]);
        let known = |by: u8| *memos.clone().get(&|known| *known == by, &|| panic!("it is known"));
        assert_eq!([known(1), known(2)], [2, 4]);
    }

    #[test]
    fn what_was_found_out_is_not_believed_of_another_value() {
        let print = |texts: &[&str]| texts.iter().fold(Fingerprint::new(), |print, text| print.text(text));
        assert_ne!(print(&["ab", "c"]), print(&["a", "bc"]));
        assert_ne!(print(&["a", ""]), print(&["a"]));
        let memo = Memo::default();
        assert_eq!(memo.get(print(&["a"]), || 1), 1);
        assert_eq!(memo.get(print(&["a"]), || panic!("it is known")), 1);
        assert_eq!(memo.get(print(&["b"]), || 2), 2);
        let clones = [memo.clone(), memo];
        assert!(clones.iter().all(|clone| clone.get(print(&["a"]), || 3) == 1));
    }
}
