//! One file while it is read: it knows where things stand, and writes diagnostics about them.

use super::marks::{Duplicate, Mark, Marks, escape};
use crate::diagnostic::{Code, Diagnostic, Place, byte_of, secret_at, source_line};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;

/// More diagnostics than this help nobody; the rest of a file's are counted.
const MOST: usize = 200;
/// More of a line than is shown.
const LONGEST_MARKER: usize = 1000;

/// One file.
pub(crate) struct Page<'s> {
    pub(crate) path: &'s str,
    text: &'s str,
    marks: OnceCell<Marks>,
    lines: OnceCell<Vec<&'s str>>,
    /// Where in a line a secret begins, for the lines that were shown.
    secrets: RefCell<BTreeMap<usize, Option<usize>>>,
    written: Cell<usize>,
}

/// What of a document a diagnostic is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot<'p> {
    /// The value at a JSON pointer.
    Value(&'p str),
    /// The key of the value at a JSON pointer.
    Key(&'p str),
    /// So many characters of the text at a JSON pointer, from one on.
    Within(&'p str, usize, usize),
}

impl<'s> Page<'s> {
    pub(super) fn new(path: &'s str, text: &'s str) -> Self {
        Self {
            path,
            text,
            marks: OnceCell::new(),
            lines: OnceCell::new(),
            secrets: RefCell::default(),
            written: Cell::new(0),
        }
    }

    fn marks(&self) -> &Marks {
        self.marks.get_or_init(|| match self.path.ends_with(".json") {
            false => Marks::of(self.text),
            // Where JSON is more than YAML, without moving anything: tabs indent, and a character takes two escapes.
            true => Marks::of(&self.text.replace('\t', " ").replace("\\ud", "\\u0").replace("\\uD", "\\u0")),
        })
    }

    /// Where the second parse stopped.
    pub(super) fn stopped(&self) -> Option<(usize, usize)> {
        self.marks().stopped
    }

    pub(super) fn duplicates(&self, document: usize) -> Vec<Duplicate> {
        self.marks().duplicates(document)
    }

    pub(super) fn has_aliases(&self) -> bool {
        self.marks().has_aliases
    }

    fn lines(&self) -> &[&'s str] {
        self.lines.get_or_init(|| self.text.lines().collect())
    }

    /// The text of a line, from 1.
    pub(super) fn line(&self, line: usize) -> Option<&'s str> {
        self.lines().get(line.checked_sub(1)?).copied()
    }

    /// The first line of which something holds.
    pub(super) fn find_line(&self, holds: impl Fn(&str) -> bool) -> Option<usize> {
        self.lines().iter().position(|line| holds(line)).map(|index| index + 1)
    }

    /// The first character that no text has: what controls a terminal, but line ends and tabs.
    pub(super) fn control_character(&self) -> Option<Mark> {
        let at =
            self.text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))?.0;
        Some(self.mark_at(at))
    }

    /// The character that begins at a byte of the file.
    pub(super) fn mark_at(&self, byte: usize) -> Mark {
        let before = &self.text[..byte];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Mark { line, column: before[start..].chars().count(), length: Some(1) }
    }

    /// Counts a diagnostic; `None` when this file has enough of them, so that none needs to be made.
    fn admitted(&self) -> bool {
        self.written.set(self.written.get() + 1);
        self.written.get() <= MOST
    }

    /// Writes one diagnostic, unless this file has enough of them.
    pub(crate) fn report(
        &self,
        document: usize,
        spot: Spot<'_>,
        diagnostic: impl FnOnce() -> Diagnostic,
    ) -> Option<Diagnostic> {
        self.admitted().then(|| diagnostic().at(self.place(document, spot)))
    }

    /// The same at a mark that is known.
    pub(super) fn report_at(&self, mark: Mark, diagnostic: impl FnOnce() -> Diagnostic) -> Option<Diagnostic> {
        self.admitted().then(|| diagnostic().at(self.place_of(mark)))
    }

    /// What is left to say at the end: how many diagnostics were not written.
    pub(crate) fn rest(&self) -> Option<Diagnostic> {
        let more = self.written.get().checked_sub(MOST).filter(|more| *more > 0)?;
        let (noun, verb) = if more == 1 { ("problem", "is") } else { ("problems", "are") };
        let message = format!("{more} more {noun} in this file {verb} not shown");
        let diagnostic = Diagnostic::error(Code::TooMany, message);
        Some(diagnostic.at(Place::file(self.path)).hint("repair the ones above first"))
    }

    /// Where something stands. What the second parse cannot find is shown by the nearest thing around it.
    pub(crate) fn place(&self, document: usize, spot: Spot<'_>) -> Place {
        let marks = self.marks();
        let exact = match spot {
            Spot::Value(pointer) => marks.value(document, pointer),
            Spot::Key(pointer) => marks.key(document, pointer),
            Spot::Within(pointer, from, length) => {
                marks.value(document, pointer).map(|mark| self.within(mark, from, length))
            }
        };
        let (Spot::Value(pointer) | Spot::Key(pointer) | Spot::Within(pointer, ..)) = spot;
        let around = || {
            let mut pointer = pointer;
            while let Some((parent, _)) = pointer.rsplit_once('/') {
                if let Some(mark) = marks.key(document, parent).or_else(|| marks.value(document, parent)) {
                    return Some(mark);
                }
                pointer = parent;
            }
            None
        };
        match exact.or_else(around) {
            Some(mark) => self.place_of(mark),
            None => Place::file(self.path),
        }
    }

    /// A part of a text that stands on one line, plain or in quotes. Where a character may be more than one, as an escape is,
    /// it is the whole.
    fn within(&self, mark: Mark, from: usize, length: usize) -> Mark {
        let line = self.line(mark.line).unwrap_or_default();
        let written = &line[byte_of(line, mark.column)..];
        let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''));
        let has_escapes = match quote {
            Some('"') => written[1..].split('"').next().is_some_and(|text| text.contains('\\')),
            Some(_) => written.contains("''"),
            None => false,
        };
        match mark.length {
            Some(whole) if !has_escapes && from + length <= whole => {
                Mark { column: mark.column + usize::from(quote.is_some()) + from, length: Some(length.max(1)), ..mark }
            }
            Some(_) | None => mark,
        }
    }

    pub(super) fn place_of(&self, mark: Mark) -> Place {
        let line = self.line(mark.line).unwrap_or_default();
        // A marker longer than this is cut anyway, and a line may be a whole file.
        let rest = line[byte_of(line, mark.column)..].trim_end().chars().take(LONGEST_MARKER).count();
        let length = mark.length.unwrap_or(rest).clamp(1, rest.max(1));
        let secret = *self.secrets.borrow_mut().entry(mark.line).or_insert_with(|| secret_at(line));
        Place::file(self.path).on(mark.line, mark.column, source_line(line, mark.column, length, secret))
    }
}

/// The known word that was probably meant: few edits away, for its length.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let short: String = word.chars().take(64).collect::<String>().to_lowercase();
    let allowed = (short.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&short, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A pointer to a key of the value at `pointer`.
pub(crate) fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", escape(key))
}
