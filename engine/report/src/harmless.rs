//! Text from outside in Markdown: it can neither draw, nor link, nor call anybody.
//!
//! Names of ours are narrow, but errors, tags and ids come from clouds and from whoever can set them. A forge reads `@name` and
//! `#12` in the page that Markdown became, so entities alone do not stop them: a zero-width space after the sign does.

use crate::paint::clean;
use std::fmt::Write as _;

/// Where a long text from outside is cut in Markdown.
const LONGEST: usize = 240;

/// Prose: shown as written, without any meaning in Markdown, HTML, or to a forge.
#[must_use]
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut before = ' ';
    for c in shortened(&clean(text)).chars() {
        match c {
            '@' | '#' => drop(write!(out, "&#{};&#8203;", u32::from(c))),
            // `https://`, `mailto:` and `:smile:`; `10:30` stays.
            ':' if before.is_ascii_alphabetic() => out.push_str("&#8203;:"),
            // `www.` begins a link, and nothing else of ours has a `w` there.
            '.' if before == 'w' || before == 'W' => out.push_str("&#46;&#8203;"),
            // `GH-12` is the number of an issue.
            '-' if before == 'H' => out.push_str("-&#8203;"),
            c if c.is_ascii_punctuation() && !PLAIN.contains(c) => drop(write!(out, "&#{};", u32::from(c))),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Punctuation that means nothing within a line of Markdown.
const PLAIN: &str = "-.,:;/()=+%'\"?{}";

/// A name or an id, in the letters of a machine. What would not be safe there is prose.
#[must_use]
pub(crate) fn code(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_.,:/+=@ \"[]".contains(c);
    let text = shortened(text);
    if !text.is_empty() && text.trim() == text && text.chars().all(is_safe) {
        format!("`{text}`")
    } else {
        prose(&text)
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{code, prose};

    #[test]
    fn nothing_from_outside_means_anything() {
        let cases = [
            ("a|b", "a&#124;b"),
            ("`rm -rf`", "&#96;rm -rf&#96;"),
            ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
            ("<!-- x", "&#60;&#33;-- x"),
            ("--> x", "--&#62; x"),
            ("ping @team/all", "ping &#64;&#8203;team/all"),
            ("closes #12", "closes &#35;&#8203;12"),
            ("closes GH-12", "closes GH-&#8203;12"),
            ("https://evil.example", "https&#8203;://evil.example"),
            ("www.evil.example", "www&#46;&#8203;evil.example"),
            ("[text](javascript:x)", "&#91;text&#93;(javascript&#8203;:x)"),
            ("![](x)", "&#33;&#91;&#93;(x)"),
            ("*b* _i_ ~s~ \\", "&#42;b&#42; &#95;i&#95; &#126;s&#126; &#92;"),
            ("&lt;", "&#38;lt;"),
            ("one\ntwo\r\n# three", "one two\u{fffd} &#35;&#8203; three"),
            ("at 10:30, a: b", "at 10:30, a&#8203;: b"),
            ("$x^2$", "&#36;x&#94;2&#36;"),
        ];
        for (text, expected) in cases {
            assert_eq!(prose(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_code_and_whatever_else_is_prose() {
        assert_eq!(code("orders-db 2026-11-23T00:00Z"), "`orders-db 2026-11-23T00:00Z`");
        assert_eq!(code("user@project:disk"), "`user@project:disk`");
        assert_eq!(code("a`b"), "a&#96;b");
        assert_eq!(code(""), "");
        assert_eq!(code("a|b"), "a&#124;b");
    }

    #[test]
    fn a_long_text_ends() {
        assert_eq!(prose(&"x".repeat(10_000)).chars().count(), 240);
    }
}
