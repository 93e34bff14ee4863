//! What is wrong with a document, where, and what to do: every error at once, never only the first.

mod code;
mod quote;
mod render;

pub use code::Code;
pub use quote::quote;
pub(crate) use quote::{Shown, byte_of, secret_at, source_line};
pub use render::Part;

use serde::{Deserialize, Serialize};

/// A line of a document as others may see it: no secrets, no control characters, and no more than a screen takes.
#[must_use]
pub fn shown(line: &str) -> String {
    source_line(line, 0, 0, secret_at(line)).text
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What it is about is left out until it is repaired.
    Error,
    /// Everything is read as written, and it is probably not what was meant.
    Warning,
    /// What follows from an error elsewhere, and goes away with it.
    Note,
}

impl Severity {
    /// The word that opens a rendered diagnostic.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file, relative to the fleet's directory, with `/` between its parts.
    pub file: String,
    /// The line, from 1; 0 is the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 is the line or the file as a whole.
    pub column: usize,
    /// That line, fit for a terminal: no control characters, no secrets, and no more of it than a screen takes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source_line: String,
    /// Where the marker begins within `source_line`, in characters, from 0.
    #[serde(default)]
    pub marker: usize,
    /// How many characters the marker spans.
    #[serde(default)]
    pub length: usize,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, source_line: String::new(), marker: 0, length: 0 }
    }

    /// A line of it, from 1, and a column, from 0, with what is shown of that line.
    pub(crate) fn on(self, line: usize, column: usize, shown: Shown) -> Self {
        let Shown { text, marker, length } = shown;
        Self { line, column: column + 1, source_line: text, marker, length, ..self }
    }

    /// A line of it, from 1, and a column, from 0, with the line's own text: what is shown of it is fit for a terminal.
    #[must_use]
    pub fn on_line(self, line: usize, column: usize, text: &str) -> Self {
        self.on(line, column, source_line(text, column, 1, secret_at(text)))
    }

    /// `file:line:column`, as far as it is known.
    #[must_use]
    pub fn address(&self) -> String {
        let file = quote::escape(&self.file);
        if self.line == 0 { file } else { format!("{file}:{}:{}", self.line, self.column) }
    }
}

/// Another place that a diagnostic is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of mistake it is: stable, for `backstay explain`.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// Where, unless it is about what is nowhere.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What stands at that place, where other places are shown beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The other places that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place or a hint yet.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: quote::escape(&message.into()),
            place: None,
            label: None,
            related: Vec::new(),
            hint: None,
        }
    }

    /// A warning without a place or a hint yet.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// What follows from an error elsewhere, without a place or a hint yet.
    #[must_use]
    pub fn note(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same with what stands at its place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(quote::escape(&label.into()));
        self
    }

    /// The same with another place that it is about.
    #[must_use]
    pub fn beside(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push(Related { place, label: quote::escape(&label.into()) });
        self
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(quote::escape(&hint.into()));
        self
    }
}

/// Everything that is wrong, by file, line and column; what only follows from it comes last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether anything was left out.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many are this bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl Diagnostic {
    /// What its place in the order is told by.
    fn rank(&self) -> impl Ord + '_ {
        let file = self.place.as_ref().map(|place| place.file.as_str());
        let is_note = self.severity == Severity::Note;
        let count = self.code == Code::TooMany;
        (is_note, file.is_none(), file, count, &self.place, self.severity, &self.message, (&self.hint, &self.related))
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        let mut all: Vec<Diagnostic> = diagnostics.into_iter().collect();
        // Causes come before what follows from them. A file's count of what is not shown follows what is; what has no place
        // at all follows everything.
        all.sort_by(|a, b| a.rank().cmp(&b.rank()));
        all.dedup();
        Self(all)
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
