//! Text from documents, made fit for terminals, logs and pull requests: no control characters, no secrets, bounded.

use std::borrow::Cow;
use std::fmt::Write as _;

/// How much of a value a message quotes.
const QUOTED: usize = 60;
/// How much of a line is shown.
const SHOWN: usize = 160;
/// What stands where a secret was.
const HIDDEN: &str = "[hidden]";

/// Quotes a value in a message: escaped, at most 60 characters, in backticks.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", hide(&escape(&short)))
}

/// Writes control characters, and those that reorder or hide text, as their code points.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_unfit(c) => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes all"),
            c => out.push(c),
        }
    }
    out
}

fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A line of a file as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The text.
    pub(crate) text: String,
    /// Where the marker begins within it, in characters from 0.
    pub(crate) marker: usize,
    /// How many characters the marker spans.
    pub(crate) length: usize,
}

/// Shows a line of a file with a marker on `length` of its characters from `column`, which count from 0. From the byte
/// `hidden_from` on a secret stands there ([`secret_at`]).
///
/// The cost is that of what is shown, and of finding the column: a line may be a whole file.
#[must_use]
pub(crate) fn source_line(line: &str, column: usize, length: usize, hidden_from: Option<usize>) -> Shown {
    let mut text = String::new();
    let (mut start, mut end) = (None, None);
    let mut written = 0;
    // A long line is shown around its marker.
    let is_long = line.len() > SHOWN && line.chars().nth(SHOWN).is_some();
    let first = if is_long { column.saturating_sub(SHOWN / 2) } else { 0 };
    if first > 0 {
        text.push('…');
        written = 1;
    }
    let begin = byte_of(line, first);
    for (i, (at, c)) in line[begin..].char_indices().enumerate() {
        let (i, at) = (i + first, at + begin);
        if i == column {
            start = Some(written);
        }
        if i == column + length {
            end = Some(written);
        }
        if i >= first + SHOWN {
            text.push('…');
            break;
        }
        if hidden_from.is_some_and(|from| at >= from) {
            text.push_str(HIDDEN);
            written += HIDDEN.len();
            break;
        }
        let piece = match c {
            '\t' => Cow::Borrowed("    "),
            c if is_unfit(c) => Cow::Owned(escape(c.encode_utf8(&mut [0; 4]))),
            c => Cow::Owned(c.to_string()),
        };
        written += piece.chars().count();
        text.push_str(&piece);
    }
    text.truncate(text.trim_end().len());
    // A marker stays under its line, or right behind it.
    let width = text.chars().count();
    let marker = start.unwrap_or(written).min(width);
    let end = end.unwrap_or(written).min(width).max(marker + 1);
    Shown { text, marker, length: end - marker }
}

/// The byte at which a character of a line begins; the line's end when it has fewer.
pub(crate) fn byte_of(line: &str, character: usize) -> usize {
    if line.is_ascii() {
        character.min(line.len())
    } else {
        line.char_indices().nth(character).map_or(line.len(), |(at, _)| at)
    }
}

/// How many columns of a terminal a character takes: two for East Asian wide ones and pictures, none for what joins the one
/// before it (Unicode Standard Annex 11, in ranges that are wide enough for a marker).
pub(super) fn columns(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1faff => 2,
        0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Words in a key that say that its value is a secret. Documents have no such keys; people try them all the same.
const SECRET_KEYS: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "credential", "privatekey"];
/// Beginnings of values that are secrets wherever they stand.
const SECRET_VALUES: [&str; 3] = ["age-secret-key-", "-----begin", "akia"];

/// The byte from which a line holds a secret: the value of a key that says so, a private key, or the user of a URL.
#[must_use]
pub(crate) fn secret_at(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let by_key =
        SECRET_KEYS.iter().flat_map(|word| lower.match_indices(word)).filter_map(|(at, _)| value_after(&lower, at));
    let by_value = SECRET_VALUES.iter().filter_map(|word| lower.find(word));
    by_key.chain(by_value).chain(user_info(&lower)).filter(|at| *at < line.len()).min()
}

/// Where the value of the key around a word begins: `clientSecret: …`, `"password":…`, `password=…`.
fn value_after(line: &str, word: usize) -> Option<usize> {
    let is_of_a_key = |c: char| c.is_ascii_alphanumeric() || "_-\"' ".contains(c);
    let sign = word + line[word..].find(|c| !is_of_a_key(c))?;
    let rest = line[sign..].strip_prefix([':', '='])?;
    Some(line.len() - rest.trim_start().len())
}

/// Where `user:password@` begins within a URL.
fn user_info(line: &str) -> Option<usize> {
    line.match_indices("://").find_map(|(at, sign)| {
        let start = at + sign.len();
        let authority = line[start..].split(['/', ' ', '"', '\'']).next()?;
        authority.contains('@').then_some(start)
    })
}

/// A value of a document without the secret that it may hold.
fn hide(text: &str) -> Cow<'_, str> {
    match secret_at(text) {
        Some(at) => Cow::Owned(format!("{}{HIDDEN}", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        for line in [
            "  password: hunter2",
            "{ \"clientSecret\": \"hunter2\" }",
            "endpoint: https://bob:hunter2@example.com/",
            "recipients: [AGE-SECRET-KEY-hunter2]",
            "host: db.example.com password=hunter2",
            "{ a: 1, 'apiToken' : hunter2 }",
            "see https://example.com, or https://bob:hunter2@example.com",
        ] {
            let shown = source_line(line, 2, 4, secret_at(line)).text;
            assert!(!shown.contains("hunter2") && shown.ends_with(HIDDEN), "{shown}");
        }
        assert_eq!(quote("https://bob:hunter2@example.com/"), "`https://[hidden]`");
        assert_eq!(quote("dbname=x password=hunter2"), "`dbname=x password=[hidden]`");
        for line in
            ["seal: { file: .backstay/seal.key }", "- { name: secret-store, uid: token-1 }", "# the token bucket"]
        {
            assert_eq!(secret_at(line), None, "{line}");
        }
    }

    #[test]
    fn what_could_move_a_cursor_or_reorder_text_is_escaped() {
        assert_eq!(quote("a\u{1b}[31mb\u{202e}"), "`a\\u{1b}[31mb\\u{202e}`");
        let shown = source_line("a\u{1b}: \tx", 5, 1, None);
        assert_eq!(shown, Shown { text: "a\\u{1b}:     x".to_owned(), marker: 13, length: 1 });
    }

    #[test]
    fn a_long_line_is_shown_around_its_marker() {
        let line = format!("{}here{}", "x".repeat(5000), "y".repeat(5000));
        let Shown { text, marker, length } = source_line(&line, 5000, 4, None);
        assert_eq!(text.chars().skip(marker).take(length).collect::<String>(), "here");
        assert!(text.chars().count() < 200);
    }
}
