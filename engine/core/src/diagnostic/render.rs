//! Diagnostics as text, in the look of rustc. Which part has which colour is the command line's to say.

use super::quote::columns;
use super::{Code, Diagnostic, Diagnostics, Place, Severity};
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

/// So many of the same mistakes in one file are drawn; the rest are counted.
const ALIKE: usize = 3;

/// A part of the text, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `error[code]`, and the marker of its place.
    Error,
    /// The same of a warning.
    Warning,
    /// The same of a note.
    Note,
    /// What is wrong.
    Message,
    /// Line numbers, arrows and bars.
    Gutter,
    /// The markers of other places.
    Related,
    /// The word that opens a hint.
    Hint,
}

/// Paints a part of the text.
type Paint<'p> = &'p dyn Fn(Part, &str) -> String;

/// A marked stretch of a line.
struct Mark<'d> {
    place: &'d Place,
    label: &'d str,
    is_main: bool,
}

impl Diagnostic {
    /// It as text, each part painted.
    #[must_use]
    pub fn draw(&self, paint: Paint<'_>) -> String {
        let mut out = String::new();
        let part = self.part();
        let head = format!("{}[{}]", self.severity.as_str(), self.code);
        line(&mut out, &[&paint(part, &head), &paint(Part::Message, &format!(": {}", self.message))]);
        self.draw_places(&mut out, paint);
        if let Some(hint) = &self.hint {
            line(&mut out, &[&paint(Part::Hint, "hint:"), " ", hint]);
        }
        out
    }

    fn part(&self) -> Part {
        match self.severity {
            Severity::Error => Part::Error,
            Severity::Warning => Part::Warning,
            Severity::Note => Part::Note,
        }
    }

    /// Every place, file by file: that of the mistake first.
    fn draw_places(&self, out: &mut String, paint: Paint<'_>) {
        let Some(main) = &self.place else { return };
        let mut marks = vec![Mark { place: main, label: self.label.as_deref().unwrap_or_default(), is_main: true }];
        marks.extend(self.related.iter().map(|r| Mark { place: &r.place, label: &r.label, is_main: false }));
        let widest = marks.iter().map(|mark| digits(mark.place.line)).max().unwrap_or(1);
        let mut files: Vec<(&str, Vec<&Mark<'_>>)> = Vec::new();
        for mark in &marks {
            let file = mark.place.file.as_str();
            match files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, marks)) => marks.push(mark),
                None => files.push((file, vec![mark])),
            }
        }
        let bar = paint(Part::Gutter, &format!("{} |", " ".repeat(widest + 1)));
        for (number, (_, mut marks)) in files.into_iter().enumerate() {
            let arrow = if number == 0 { "-->" } else { ":::" };
            let indent = " ".repeat(widest + 1);
            line(out, &[&indent, &paint(Part::Gutter, arrow), " ", &marks[0].place.address()]);
            marks.sort_by_key(|mark| (mark.place.line, !mark.is_main));
            let mut before = None;
            for mark in marks.into_iter().filter(|mark| mark.place.line > 0 && !mark.place.source_line.is_empty()) {
                match before {
                    None => line(out, &[&bar]),
                    Some(line) if mark.place.line > line + 1 => self::line(out, &[&paint(Part::Gutter, "...")]),
                    Some(_) => {}
                }
                self.draw_mark(out, mark, widest, before, paint);
                before = Some(mark.place.line);
            }
        }
    }

    fn draw_mark(&self, out: &mut String, mark: &Mark<'_>, widest: usize, before: Option<usize>, paint: Paint<'_>) {
        let Place { line: number, source_line, marker, length, .. } = mark.place;
        if before != Some(*number) {
            let gutter = format!(" {number:>widest$} |");
            line(out, &[&paint(Part::Gutter, &gutter), " ", source_line]);
        }
        let wide = |from: usize, count: usize| {
            let shown: usize = source_line.chars().skip(from).take(count).map(columns).sum();
            // Behind the end of a line every character is a column.
            shown + count.saturating_sub(source_line.chars().skip(from).count())
        };
        let (sign, part) = if mark.is_main { ("^", self.part()) } else { ("-", Part::Related) };
        let mut marked = sign.repeat(wide(*marker, *length).max(1));
        if !mark.label.is_empty() {
            write!(marked, " {}", mark.label).expect("a String takes all");
        }
        let gutter = format!("{} |", " ".repeat(widest + 1));
        let indent = " ".repeat(wide(0, *marker) + 1);
        line(out, &[&paint(Part::Gutter, &gutter), &indent, &paint(part, &marked)]);
    }

    /// What makes it the same mistake as another one in the same file: all but which item of a list it is about.
    fn kind(&self) -> Option<(Code, &str, String, Option<&str>)> {
        let place = self.place.as_ref().filter(|place| place.line > 0 && self.related.is_empty())?;
        let mut message = String::with_capacity(self.message.len());
        let mut rest = self.message.as_str();
        while let Some((before, after)) = rest.split_once('[') {
            let number = after.bytes().take_while(u8::is_ascii_digit).count();
            write!(message, "{before}[").expect("a String takes all");
            rest = &after[number..];
        }
        message.push_str(rest);
        Some((self.code, &place.file, message, self.hint.as_deref()))
    }
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

fn line(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
    out.push('\n');
}

impl Diagnostics {
    /// All of them as text with an empty line between, each part painted. Of the same mistakes in one file the first ones
    /// are drawn, and the rest counted.
    #[must_use]
    pub fn draw(&self, paint: Paint<'_>) -> String {
        let mut alike: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for diagnostic in self {
            if let (Some(kind), Some(place)) = (diagnostic.kind(), &diagnostic.place) {
                let (count, last) = alike.entry(kind).or_default();
                *count += 1;
                *last = place.line;
            }
        }
        let mut drawn: BTreeMap<_, usize> = BTreeMap::new();
        let mut out = String::new();
        for diagnostic in self {
            let kind = diagnostic.kind();
            let number = kind.clone().map_or(1, |kind| {
                let number = drawn.entry(kind).or_default();
                *number += 1;
                *number
            });
            if number > ALIKE {
                continue;
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&diagnostic.draw(paint));
            let (count, last) = kind.and_then(|kind| alike.get(&kind)).copied().unwrap_or_default();
            if number == ALIKE && count > ALIKE {
                let (more, places) = (count - ALIKE, if count - ALIKE == 1 { "place" } else { "places" });
                let text = format!("the same at {more} more {places} of this file, the last in line {last}");
                line(&mut out, &[&paint(Part::Gutter, "  ="), " ", &text]);
            }
        }
        out
    }

    /// All of them as plain text.
    #[must_use]
    pub fn render(&self) -> String {
        self.draw(&|_, text| text.to_owned())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(&|_, text| text.to_owned()))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, line: usize, source_line: &str, marked: &str) -> Place {
        let marker = source_line[..source_line.find(marked).expect("it is there")].chars().count();
        let length = marked.chars().count();
        Place { file: file.into(), line, column: marker + 1, source_line: source_line.into(), marker, length }
    }

    #[test]
    fn a_diagnostic_looks_like_the_one_of_the_style_guide() {
        let diagnostic =
            Diagnostic::error(Code::OutOfBounds, "policy `gold` keeps 7 days, but `orders-db` requires 30")
                .at(at("policies/gold.yaml", 4, "  recoveryWindow: 7d", "7d"))
                .hint("raise `recoveryWindow` to 30d, or give `orders-db` another policy");
        let expected = "\
error[out-of-bounds]: policy `gold` keeps 7 days, but `orders-db` requires 30
  --> policies/gold.yaml:4:19
   |
 4 |   recoveryWindow: 7d
   |                   ^^
hint: raise `recoveryWindow` to 30d, or give `orders-db` another policy
";
        assert_eq!(diagnostic.to_string(), expected);
    }

    #[test]
    fn other_places_stand_beside_it_in_the_order_of_their_lines() {
        let diagnostic = Diagnostic::error(Code::DuplicateUid, "two")
            .at(at("b.yaml", 110, "uid: x", "x"))
            .label("again")
            .beside(at("b.yaml", 7, "uid: x", "x"), "first")
            .beside(at("a.yaml", 1, "uid: x", "x"), "and here");
        let expected = "\
error[duplicate-uid]: two
    --> b.yaml:110:6
     |
   7 | uid: x
     |      - first
...
 110 | uid: x
     |      ^ again
    ::: a.yaml:1:6
     |
   1 | uid: x
     |      - and here
";
        assert_eq!(diagnostic.to_string(), expected);
    }

    #[test]
    fn a_marker_stands_under_wide_characters() {
        let diagnostic = Diagnostic::error(Code::WrongForm, "no").at(at("a.yaml", 1, "名: 注文 x", "注文"));
        assert!(diagnostic.to_string().ends_with(" 1 | 名: 注文 x\n   |     ^^^^\n"), "{diagnostic}");
    }

    #[test]
    fn the_same_mistakes_are_counted_after_the_first_ones() {
        let wrong = |n: usize| {
            let message = format!("`clusters[{n}]` knows no key `colour`");
            Diagnostic::error(Code::UnknownKey, message).at(at("a.yaml", n, "colour: red", "colour"))
        };
        let text = (1..=9).map(wrong).collect::<Diagnostics>().render();
        assert_eq!(text.matches("error[unknown-key]").count(), 3);
        assert!(text.ends_with("  = the same at 6 more places of this file, the last in line 9\n"), "{text}");
    }

    #[test]
    fn every_part_can_be_painted_and_nothing_else_changes() {
        let diagnostics: Diagnostics =
            [Diagnostic::warning(Code::NotYet, "later").at(at("a.yaml", 1, "agent: x", "agent")).hint("wait")]
                .into_iter()
                .collect();
        let painted = diagnostics.draw(&|part, text| format!("<{part:?}>{text}</>"));
        assert!(painted.starts_with("<Warning>warning[not-yet]</><Message>: later</>\n"), "{painted}");
        assert!(painted.contains("<Warning>^^^^^</>") && painted.contains("<Hint>hint:</> wait"), "{painted}");
        let mut plain = painted.replace("</>", "");
        for part in ["Warning", "Message", "Gutter", "Hint"] {
            plain = plain.replace(&format!("<{part}>"), "");
        }
        assert_eq!(plain, diagnostics.render());
    }
}
