//! Where resolution writes what it finds.

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::text::Length;
use crate::document::{Document, Page, Seat, Spot};
use crate::time::Duration;
use std::fmt::Display;
use std::str::FromStr;

/// The code of everything that a later version will honour.
pub(super) const NOT_YET: &str = "not-yet";

/// All diagnostics so far, and the pages that know the places.
pub(super) struct Report<'p, 's> {
    pages: &'p [Page<'s>],
    diagnostics: Vec<Diagnostic>,
}

impl<'p, 's> Report<'p, 's> {
    pub(super) fn new(pages: &'p [Page<'s>], diagnostics: Vec<Diagnostic>) -> Self {
        Self { pages, diagnostics }
    }

    /// Writes a diagnostic about a part of a document.
    pub(super) fn add(&mut self, document: &Document, spot: Spot<'_>, diagnostic: impl FnOnce() -> Diagnostic) {
        let Seat { page, index } = document.seat;
        self.diagnostics.extend(self.pages[page].report(index, spot, diagnostic));
    }

    /// Writes a diagnostic that knows its place, or that is about what is nowhere.
    pub(super) fn add_made(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// `file:line:column` of a part of a document.
    pub(super) fn address(&self, document: &Document, spot: Spot<'_>) -> String {
        self.place(document.seat, spot).address()
    }

    pub(super) fn place(&self, seat: Seat, spot: Spot<'_>) -> Place {
        self.pages[seat.page].place(seat.index, spot)
    }

    pub(super) fn path(&self, document: &Document) -> &'s str {
        self.pages[document.seat.page].path
    }

    pub(super) fn finish(self) -> Diagnostics {
        let rest = self.pages.iter().filter_map(Page::rest);
        self.diagnostics.into_iter().chain(rest).collect()
    }
}

/// Reads one document, and remembers whether anything in it was wrong.
pub(super) struct Reader<'r, 'p, 's> {
    pub(super) report: &'r mut Report<'p, 's>,
    pub(super) document: &'r Document,
    pub(super) failed: bool,
}

impl<'r, 'p, 's> Reader<'r, 'p, 's> {
    pub(super) fn new(report: &'r mut Report<'p, 's>, document: &'r Document) -> Self {
        Self { report, document, failed: false }
    }

    /// Writes an error: the document, or the part of it that is being read, is left out.
    pub(super) fn error(&mut self, spot: Spot<'_>, diagnostic: impl FnOnce() -> Diagnostic) {
        self.failed = true;
        self.report.add(self.document, spot, diagnostic);
    }

    /// Refuses what a later version will honour.
    pub(super) fn not_yet(&mut self, spot: Spot<'_>, message: &str, hint: &str) {
        self.error(spot, || Diagnostic::error(NOT_YET, message).hint(hint));
    }

    /// A text that has a form beyond what its schema says.
    pub(super) fn value<T: FromStr>(&mut self, pointer: &str, text: &str) -> Option<T>
    where
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(Spot::Value(pointer), || Diagnostic::error("wrong-form", format!("{error}")));
                None
            }
        }
    }

    /// A length of time; `None` when there is none, and when it is wrong.
    pub(super) fn length(&mut self, pointer: &str, text: Option<&Length>) -> Option<Duration> {
        self.value(pointer, text?.as_str())
    }
}
