//! Long lines on narrow terminals: broken between words, and indented, so that columns stay readable.

use unicode_width::UnicodeWidthChar as _;

/// Breaks each line that is wider than `width` between words; what is broken off stands below, indented further.
///
/// Colours take no room. A word that is wider than the rest of the line stays whole: ids must be copied.
#[must_use]
pub fn fold(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        fold_line(line, width, &mut out);
    }
    out
}

/// The same for what quotes documents: a line of a document and the marker below it stay as they are, since one points into the other.
#[must_use]
pub fn fold_around_quotes(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.split_inclusive('\n') {
        if is_quote(line) {
            out.push_str(line);
        } else {
            fold_line(line, width, &mut out);
        }
    }
    out
}

/// Whether a line begins with a gutter: ` 13 |`, or a bar alone.
fn is_quote(line: &str) -> bool {
    let mut text = line;
    loop {
        text = text.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        // A colour, which takes no room.
        match text.strip_prefix("\u{1b}[").and_then(|code| code.split_once('m')) {
            Some((_, rest)) => text = rest,
            None => return text.starts_with('|'),
        }
    }
}

fn fold_line(line: &str, width: usize, out: &mut String) {
    if shown(line.trim_end()) <= width {
        out.push_str(line);
        return;
    }
    let indent = line.chars().take_while(|c| *c == ' ').count();
    let further = " ".repeat((indent + 4).min(width / 2));
    let words = words(line.trim_end());
    let mut column = 0;
    for (i, (gap, word)) in words.iter().enumerate() {
        // A cell begins after two spaces or more: it goes below as a whole where it fits there.
        let rest =
            words[i + 1..].iter().take_while(|(gap, _)| *gap < 2).map(|(gap, word)| gap + shown(word)).sum::<usize>();
        let needed = shown(word) + if *gap >= 2 && further.len() + shown(word) + rest <= width { rest } else { 0 };
        if column > indent && column + gap + needed > width {
            out.push('\n');
            out.push_str(&further);
            column = further.len();
        } else {
            out.push_str(&" ".repeat(*gap));
            column += gap;
        }
        out.push_str(word);
        column += shown(word);
    }
    if line.ends_with('\n') {
        out.push('\n');
    }
}

/// Each word with the number of spaces before it.
fn words(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut gap = 0;
    for (i, word) in line.split(' ').enumerate() {
        gap += usize::from(i > 0);
        if !word.is_empty() {
            words.push((gap, word));
            gap = 0;
        }
    }
    words
}

/// How many places of a screen it takes: escapes take none.
fn shown(text: &str) -> usize {
    let (mut count, mut in_escape) = (0, false);
    for c in text.chars() {
        match (in_escape, c) {
            (false, '\u{1b}') => in_escape = true,
            (false, c) => count += c.width().unwrap_or(0),
            (true, 'm') => in_escape = false,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{fold, fold_around_quotes};

    #[test]
    fn what_fits_is_left_as_it_is() {
        let text = "  + a  b   c\n\nlast  ";
        assert_eq!(fold(text, 12), text);
    }

    #[test]
    fn a_long_line_goes_on_below_indented_further_and_loses_no_word() {
        let line = "  + recovery-point orders 2026-11-23T00:00Z  eu  no restorable point yet\n";
        let folded = "  + recovery-point orders 2026-11-23T00:00Z  eu\n      no restorable point yet\n";
        for width in 48..73 {
            assert_eq!(fold(line, width), if width < 72 { folded } else { line }, "width {width}");
        }
        let prose = "error: the documents changed since the plan, and no commit holds them\n";
        assert_eq!(fold(prose, 40), "error: the documents changed since the\n    plan, and no commit holds them\n");
        for width in 1..80 {
            let words: Vec<String> = fold(line, width).split_whitespace().map(str::to_owned).collect();
            assert_eq!(words, line.split_whitespace().collect::<Vec<_>>(), "width {width}");
        }
    }

    #[test]
    fn what_a_document_says_stays_on_its_line_above_its_marker() {
        let quote = "\u{1b}[36m 13 |\u{1b}[0m   policy: a-name-that-is-long  # and why\n    |           ^^^^^^ and what it is about\n";
        let told = format!("note: 4 clusters are left out until it is repaired\n{quote}");
        let folded = format!("note: 4 clusters are left\n    out until it is repaired\n{quote}");
        assert_eq!(fold_around_quotes(&told, 28), folded);
    }

    #[test]
    fn colours_take_no_room_and_a_long_word_stays_whole() {
        let painted = "\u{1b}[31mred\u{1b}[0m word\n";
        assert_eq!(fold(painted, 8), painted);
        assert_eq!(fold("  0123456789abcdef x\n", 10), "  0123456789abcdef\n     x\n");
    }
}
