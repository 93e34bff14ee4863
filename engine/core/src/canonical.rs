//! One text for one value: JSON with sorted keys and no white space, so that a digest means something.

use crate::text::Text;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A SHA-256 in lowercase hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Digest(Text<64>);

impl Digest {
    /// The digest of bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_bytes(&Sha256::digest(bytes).into())
    }

    /// The digest that is written so.
    pub(crate) fn written(text: &str) -> Self {
        Self(text.into())
    }

    /// The digest that has these bytes.
    pub(crate) fn of_bytes(bytes: &[u8; 32]) -> Self {
        Self(data_encoding::HEXLOWER.encode(bytes).as_str().into())
    }

    /// Its bytes, if it is a SHA-256 as we write it.
    pub(crate) fn to_bytes(&self) -> Option<[u8; 32]> {
        data_encoding::HEXLOWER.decode(self.as_str().as_bytes()).ok()?.try_into().ok()
    }

    /// All 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn brief(&self) -> &str {
        self.as_str().get(..12).unwrap_or(self.as_str())
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Writes a value as canonical JSON.
///
/// Panics only if the value cannot be JSON at all (a map whose keys are not texts), which our types cannot be.
#[must_use]
pub fn to_string(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("our types serialise to JSON");
    let mut out = String::new();
    write(&value, &mut out);
    out
}

/// The digest of a value's canonical JSON.
#[must_use]
pub fn digest(value: &impl Serialize) -> Digest {
    Digest::of(to_string(value).as_bytes())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            write!(out, "{value}").expect("a String takes all");
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // Sorted here, whatever map `serde_json` was built with.
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write!(out, "{}:", Value::from(key.as_str())).expect("a String takes all");
                write(&map[key], out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_spaced() {
        let value = serde_json::json!({"b": [1, null, "x\n"], "a": {"d": true, "c": 0.5}});
        assert_eq!(to_string(&value), r#"{"a":{"c":0.5,"d":true},"b":[1,null,"x\n"]}"#);
    }
}
