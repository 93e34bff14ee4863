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

/// A line of a file as it is shown: the text, and where in it a span of `length` characters from `column` (from 0)
/// now lies.
#[must_use]
pub fn source_line(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    let hidden_from = secret_at(line);
    let mut out = String::new();
    let (mut start, mut end) = (None, None);
    let mut written = 0;
    // A long line is shown around its marker.
    let first = if line.chars().count() > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
    if first > 0 {
        out.push('…');
        written = 1;
    }
    for (i, (at, c)) in line.char_indices().enumerate() {
        if i < first {
            continue;
        }
        if i == column {
            start = Some(written);
        }
        if i == column + length {
            end = Some(written);
        }
        if i >= first + SHOWN {
            out.push('…');
            break;
        }
        if hidden_from.is_some_and(|from| at >= from) {
            out.push_str(HIDDEN);
            written += HIDDEN.len();
            break;
        }
        let piece = match c {
            '\t' => Cow::Borrowed("    "),
            c if is_unfit(c) => Cow::Owned(escape(c.encode_utf8(&mut [0; 4]))),
            c => Cow::Owned(c.to_string()),
        };
        written += piece.chars().count();
        out.push_str(&piece);
    }
    out.truncate(out.trim_end().len());
    // A marker stays under its line, or right behind it.
    let width = out.chars().count();
    let start = start.unwrap_or(written).min(width);
    let end = end.unwrap_or(written).min(width).max(start + 1);
    (out, start, end - start)
}

/// Words in a key that say that its value is a secret. Documents have no such keys; people try them all the same.
const SECRET_KEYS: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "credential", "privatekey"];
/// Beginnings of values that are secrets wherever they stand.
const SECRET_VALUES: [&str; 3] = ["age-secret-key-", "-----begin", "akia"];

/// The byte from which a line holds a secret.
fn secret_at(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let by_key = SECRET_KEYS.iter().filter_map(|word| {
        let at = lower.find(word)?;
        let colon = at + lower[at..].find(':')?;
        Some(colon + 1 + lower[colon + 1..].chars().take_while(|c| *c == ' ').count())
    });
    let by_value = SECRET_VALUES.iter().filter_map(|word| lower.find(word));
    by_key.chain(by_value).chain(user_info(&lower)).filter(|at| *at < line.len()).min()
}

/// Where `user:password@` begins within a URL.
fn user_info(line: &str) -> Option<usize> {
    let start = line.find("://")? + 3;
    let authority = line[start..].split(['/', ' ', '"', '\'']).next()?;
    (authority.contains('@')).then_some(start)
}

fn hide(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    match SECRET_VALUES.iter().filter_map(|word| lower.find(word)).chain(user_info(&lower)).min() {
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
        ] {
            let (shown, ..) = source_line(line, 2, 4);
            assert!(!shown.contains("hunter2") && shown.ends_with(HIDDEN), "{shown}");
        }
        assert_eq!(quote("https://bob:hunter2@example.com/"), "`https://[hidden]`");
        assert_eq!(source_line("seal: { file: .backstay/seal.key }", 0, 4).0, "seal: { file: .backstay/seal.key }");
    }

    #[test]
    fn what_could_move_a_cursor_or_reorder_text_is_escaped() {
        assert_eq!(quote("a\u{1b}[31mb\u{202e}"), "`a\\u{1b}[31mb\\u{202e}`");
        let (shown, marker, length) = source_line("a\u{1b}: \tx", 5, 1);
        assert_eq!((shown.as_str(), marker, length), ("a\\u{1b}:     x", 13, 1));
    }

    #[test]
    fn a_long_line_is_shown_around_its_marker() {
        let line = format!("{}here{}", "x".repeat(5000), "y".repeat(5000));
        let (shown, marker, length) = source_line(&line, 5000, 4);
        assert_eq!(shown.chars().skip(marker).take(length).collect::<String>(), "here");
        assert!(shown.chars().count() < 200);
    }
}
