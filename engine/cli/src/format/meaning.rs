//! What a YAML text says: its values with their anchors and tags, whatever they look like.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::fmt;

/// Why a text is not YAML, and where: from 1; 0 where nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) message: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a text says, in order.
pub(super) struct Meaning {
    said: Vec<Said>,
    /// How deep it nests.
    pub(super) depth: usize,
}

#[derive(PartialEq, Eq)]
enum Said {
    Document,
    List { anchor: usize, tag: Option<String> },
    Map { anchor: usize, tag: Option<String> },
    End,
    Alias(usize),
    Scalar { text: String, style: Style, anchor: usize, tag: Option<String> },
}

/// How a scalar is written, as far as that matters: `no` is not `"no"`.
#[derive(PartialEq, Eq)]
enum Style {
    Plain,
    Quoted,
    Literal,
    Folded,
}

impl Meaning {
    pub(super) fn of(text: &str) -> Result<Self, Unreadable> {
        let (mut said, mut depth, mut deepest) = (Vec::new(), 0_usize, 0);
        for next in Parser::new_from_str(text) {
            let (event, _) = next.map_err(|error| Unreadable {
                message: error.info().to_owned(),
                line: error.marker().line(),
                column: error.marker().col() + 1,
            })?;
            let tag = |tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| tag.map(|tag| tag.to_string());
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(_) => said.push(Said::Document),
                Event::Alias(anchor) => said.push(Said::Alias(anchor)),
                Event::Scalar(text, style, anchor, its) => {
                    said.push(Said::Scalar { text: text.into_owned(), style: style.into(), anchor, tag: tag(its) });
                }
                Event::SequenceStart(anchor, its) => {
                    depth += 1;
                    said.push(Said::List { anchor, tag: tag(its) });
                }
                Event::MappingStart(anchor, its) => {
                    depth += 1;
                    said.push(Said::Map { anchor, tag: tag(its) });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    depth = depth.saturating_sub(1);
                    said.push(Said::End);
                }
            }
            deepest = deepest.max(depth);
        }
        Ok(Self { said, depth: deepest })
    }

    /// What differs between two texts that should say the same.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let first = self.said.iter().zip(&other.said).find(|(one, another)| one != another);
        match first {
            Some((Said::Scalar { .. }, Said::Scalar { .. })) => Some("a value in it"),
            Some((Said::Alias(_), Said::Alias(_))) => Some("its anchors"),
            Some(_) => Some("its structure"),
            None if self.said.len() != other.said.len() => Some("its structure"),
            None => None,
        }
    }
}

impl From<ScalarStyle> for Style {
    fn from(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::Plain => Self::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Self::Quoted,
            ScalarStyle::Literal => Self::Literal,
            ScalarStyle::Folded => Self::Folded,
        }
    }
}
