//! What a cloud lets a tag be.

/// What a tag may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagRules {
    /// How many a snapshot may have.
    pub count: usize,
    /// How long a key may be, in characters.
    pub key: usize,
    /// How long a value may be, in characters.
    pub value: usize,
    /// Which characters they may have.
    pub alphabet: TagAlphabet,
    /// What a key must not begin with.
    pub reserved: &'static [&'static str],
}

/// Which characters a tag may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagAlphabet {
    /// All.
    Any,
    /// All but these in a key.
    NotInKeys(&'static [char]),
    /// All, as long as neither key nor value contains one of these.
    NeverContaining(&'static [&'static str]),
    /// GCP's labels: lowercase letters of any script, digits, `_` and `-`, at most 128 bytes; a key begins with a letter.
    Labels,
}

/// A label's most bytes.
const LABEL_BYTES: usize = 128;

impl TagRules {
    /// Why this cannot be a tag, if it cannot.
    #[must_use]
    pub fn refusal(&self, key: &str, value: &str) -> Option<String> {
        if key.is_empty() || key.chars().count() > self.key {
            return Some(format!("a key has 1 to {} characters", self.key));
        }
        if value.chars().count() > self.value {
            return Some(format!("a value has at most {} characters", self.value));
        }
        if let Some(prefix) = self.reserved.iter().find(|prefix| key.starts_with(**prefix)) {
            return Some(format!("keys that begin with `{prefix}` are reserved"));
        }
        match self.alphabet {
            TagAlphabet::Any => None,
            TagAlphabet::NotInKeys(forbidden) => {
                let found = key.chars().find(|c| forbidden.contains(c))?;
                Some(format!("a key must not contain `{found}`"))
            }
            TagAlphabet::NeverContaining(forbidden) => {
                let found = forbidden.iter().find(|text| key.contains(**text) || value.contains(**text))?;
                Some(format!("it must not contain `{found}`"))
            }
            TagAlphabet::Labels => (!is_label(key) || !is_label(value) || !key.starts_with(is_letter)).then(|| {
                "lowercase letters, digits, `_` and `-` only, at most 128 bytes; a key begins with a letter".to_owned()
            }),
        }
    }
}

/// Lowercase, or of a script without cases.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !character.is_uppercase()
}

fn is_label(text: &str) -> bool {
    let allowed = |c: char| is_letter(c) || c.is_ascii_digit() || matches!(c, '_' | '-');
    text.len() <= LABEL_BYTES && text.chars().all(allowed)
}
