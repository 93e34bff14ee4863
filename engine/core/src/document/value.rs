//! Reads a file into values, fast and without places. Places are looked for only when something is wrong.
//!
//! Keys that occur twice are noticed here, and the expansion of aliases is bounded: a few lines of YAML can otherwise
//! stand for more than any memory holds.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// One document of a file.
pub(super) struct ReadValue {
    /// What it says.
    pub(super) value: Value,
    /// Whether some key occurs twice in it; the first one is in `value`.
    pub(super) has_duplicates: bool,
}

/// Why a file is not readable at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What is wrong, as the parser says it.
    pub(super) message: String,
    /// Where, from 1, when the parser knows.
    pub(super) at: Option<(usize, usize)>,
    /// Where what was being read began, from 1.
    pub(super) since: Option<(usize, usize)>,
}

/// Reads every document of a YAML file.
pub(super) fn read_yaml(text: &str) -> Result<Vec<ReadValue>, Unreadable> {
    let reading = Reading::of(text);
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            reading.read(document).map_err(|error| Unreadable {
                message: without_place(&error.to_string()),
                at: error.location().map(|at| (at.line(), at.column())),
                since: context(&error.to_string()),
            })
        })
        .collect()
}

/// Reads the one document of a JSON file.
pub(super) fn read_json(text: &str) -> Result<Vec<ReadValue>, Unreadable> {
    let reading = Reading::of(text);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let wrong = |error: serde_json::Error| Unreadable {
        message: without_place(&error.to_string()),
        at: Some((error.line(), error.column().max(1))),
        since: None,
    };
    let value = reading.read(&mut deserializer).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(vec![value])
}

/// The second place of `… at line 12 column 1, while scanning a quoted scalar at line 7 column 11`.
fn context(message: &str) -> Option<(usize, usize)> {
    let (_, context) = message.split_once(", while ")?;
    let (line, column) = context.split_once(" at line ")?.1.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// The parsers end their messages with a place, which we show in our own way.
fn without_place(message: &str) -> String {
    let end = message.find(" at line ").or_else(|| message.find(" at position ")).unwrap_or(message.len());
    message[..end].to_owned()
}

/// What is counted while a file is read.
struct Reading {
    /// How much more the values may hold: a unit a value and a byte of text.
    budget: Cell<usize>,
    duplicates: Cell<bool>,
}

impl Reading {
    /// Without aliases a file cannot hold more than its bytes. Four times that leaves room for honest ones.
    fn of(text: &str) -> Self {
        Self { budget: Cell::new(text.len().saturating_mul(4) + (1 << 20)), duplicates: Cell::new(false) }
    }

    fn read<'de, D: Deserializer<'de>>(&self, deserializer: D) -> Result<ReadValue, D::Error> {
        self.duplicates.set(false);
        let value = Seed(self).deserialize(deserializer)?;
        Ok(ReadValue { value, has_duplicates: self.duplicates.get() })
    }

    fn spend<E: de::Error>(&self, text: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(text + 1) {
            Some(rest) => {
                self.budget.set(rest);
                Ok(())
            }
            None => Err(E::custom("the aliases in this file stand for too much: write it out")),
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'r>(&'r Reading);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A key as it is written: `1:` and `null:` are texts here.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, a list or a mapping")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Null)
    }

    /// A YAML document without any content.
    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    /// `3.0` is the number 3, for JSON Schema as for us. What is not finite stays a text, and no rule takes it.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(0)?;
        let whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53 is an i64")]
        if whole {
            Ok((value as i64).into())
        } else if value.is_finite() {
            Ok(value.into())
        } else {
            Ok(value.to_string().into())
        }
    }

    /// Beyond what any key takes: it stays a number, so that it is refused as too large.
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok((value as f64).into())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok((value as f64).into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        self.0.spend(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut map = Map::new();
        while let Some(Key(key)) = entries.next_key()? {
            self.0.spend(key.len())?;
            let value = entries.next_value_seed(self)?;
            match map.entry(key) {
                serde_json::map::Entry::Vacant(place) => {
                    place.insert(value);
                }
                serde_json::map::Entry::Occupied(_) => self.0.duplicates.set(true),
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(de::Error::custom("a YAML tag (`!…`) has no meaning here: remove it"))
    }
}
