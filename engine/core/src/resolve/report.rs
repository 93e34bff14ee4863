//! Where resolution writes what it finds.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Place, quote};
use crate::document::text::Length;
use crate::document::{Document, Page, Seat, Spot};
use crate::time::Duration;
use jiff::Timestamp;
use jiff::civil::Date;
use std::fmt::Display;
use std::str::FromStr;

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
        self.error(spot, || Diagnostic::error(Code::NotYet, message).hint(hint));
    }

    /// A text that has a form beyond what its schema says.
    pub(super) fn value<T: FromStr>(&mut self, pointer: &str, text: &str) -> Option<T>
    where
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(Spot::Value(pointer), &error);
                None
            }
        }
    }

    /// Writes why a text does not have its form. What a type says about it after a colon is how to write it.
    pub(super) fn refuse(&mut self, spot: Spot<'_>, error: &dyn Display) {
        let text = error.to_string();
        let (message, rule) =
            text.split_once(": ").unwrap_or((&text, "`backstay explain wrong-form` shows a right one"));
        self.error(spot, || Diagnostic::error(Code::WrongForm, message).hint(rule));
    }

    /// An instant that is one of the calendar, too.
    pub(super) fn instant(&mut self, pointer: &str, text: &str) -> Option<Timestamp> {
        match text.parse() {
            Ok(instant) => Some(instant),
            Err(_) => {
                self.error(Spot::Value(pointer), || {
                    Diagnostic::error(Code::WrongForm, format!("{} is no instant{}", quote(text), no_such_time(text)))
                        .hint("write an instant in RFC 3339, with its offset: 2026-11-23T08:00:00Z")
                });
                None
            }
        }
    }

    /// A length of time; `None` when there is none, and when it is wrong.
    pub(super) fn length(&mut self, pointer: &str, text: Option<&Length>) -> Option<Duration> {
        self.value(pointer, text?.as_str())
    }
}

/// What of an instant no calendar or clock has.
fn no_such_time(text: &str) -> String {
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i16>().ok());
    let (Some(year), Some(month)) = (number(0, 4), number(5, 7)) else { return String::new() };
    let Some(first) = i8::try_from(month).ok().and_then(|month| Date::new(year, month, 1).ok()) else {
        return format!(": there is no month {month:02}");
    };
    let days = i16::from(first.days_in_month());
    match (number(8, 10), number(11, 13), number(14, 16)) {
        (Some(day), ..) if day < 1 || day > days => format!(": {year:04}-{month:02} has {days} days"),
        (_, Some(hour), _) if hour > 23 => format!(": there is no hour {hour}"),
        (_, _, Some(minute)) if minute > 59 => format!(": there is no minute {minute}"),
        _ => String::new(),
    }
}
