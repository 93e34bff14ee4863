//! From a file's bytes to its values, within bounds; and why a file cannot be read, in words for who wrote it.

use super::marks::Mark;
use super::page::Page;
use super::source::{Absent, SourceTree};
use super::value::{ReadValue, Unreadable, read_json, read_yaml};
use crate::diagnostic::{Code, Diagnostic, Place, quote, secret_at, source_line};

/// The most values that one file may hold: a parsed value costs some 500 bytes, whatever little text it is written with.
/// The 10,000 clusters of the largest fleets are half a million.
const MOST_VALUES: usize = 1_000_000;

/// The most brackets that may be open at once. Parsers look at all of them at every token.
const MOST_OPEN: usize = 1_000;

/// Reads the values of a file, one a document.
pub(super) fn read<'s>(
    path: &'s str,
    content: Result<&'s [u8], Absent<'s>>,
) -> Result<(Page<'s>, Vec<ReadValue>), Box<Diagnostic>> {
    let bytes = content.map_err(|absent| self::absent(path, absent))?;
    let text = decode(path, bytes)?;
    let page = Page::new(path, text);
    if let Some(diagnostic) = excess(&page, text) {
        return Err(diagnostic);
    }
    let values = if path.ends_with(".json") { read_json(text) } else { read_yaml(text) };
    match values {
        Ok(values) => Ok((page, values)),
        Err(error) => Err(syntax(&page, &error).into()),
    }
}

fn absent(path: &str, absent: Absent<'_>) -> Box<Diagnostic> {
    let diagnostic = match absent {
        Absent::Unreadable(because) => Diagnostic::error(Code::Unreadable, format!("this cannot be read: {because}"))
            .hint("repair it, or move it elsewhere: while it is here, anything could be declared in it"),
        Absent::TooLarge(bytes) => too_large(bytes),
    };
    diagnostic.at(Place::file(path)).into()
}

fn too_large(bytes: u64) -> Diagnostic {
    let most = SourceTree::LARGEST_FILE >> 20;
    let message = format!("this file has {} MiB, and documents have {most} at the most", bytes >> 20);
    Diagnostic::error(Code::TooLarge, message)
        .hint("split it, since all files are read as one; or move it elsewhere, when it is no document")
}

/// Bytes as text, without the mark that some editors put first.
fn decode<'s>(path: &str, bytes: &'s [u8]) -> Result<&'s str, Box<Diagnostic>> {
    let at = Place::file(path);
    let length = bytes.len() as u64;
    if length > SourceTree::LARGEST_FILE {
        return Err(too_large(length).at(at).into());
    }
    let has_wide_mark = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    // Without a mark: every second byte of Latin text is zero.
    let is_zero: Vec<bool> = bytes.iter().take(4).map(|byte| *byte == 0).collect();
    if has_wide_mark || matches!(is_zero[..], [true, false, true, false] | [false, true, false, true]) {
        let wrong = Diagnostic::error(Code::Encoding, "this file is UTF-16, and documents are UTF-8");
        return Err(wrong.at(at).hint(format!("convert it: {}", conversion("UTF-16", path))).into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let text = String::from_utf8_lossy(bytes);
            let source = text.lines().nth(line - 1).unwrap_or_default();
            let shown = source_line(source, column, 1, secret_at(source));
            let at = at.on(line, column, shown);
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!("this file is not UTF-8: the byte 0x{byte:02X} has no meaning here");
            let hint = format!("if it is Latin-1, convert it: {}", conversion("LATIN1", path));
            Err(Diagnostic::error(Code::Encoding, message).at(at).hint(hint).into())
        }
    }
}

fn conversion(from: &str, path: &str) -> String {
    format!("`iconv -f {from} -t UTF-8 -o FILE {}`", quote(path).trim_matches('`'))
}

/// What costs more than any document is worth, told before any of it is parsed.
fn excess(page: &Page<'_>, text: &str) -> Option<Box<Diagnostic>> {
    let (mut values, mut open) = (0usize, 0usize);
    let mut next = text.bytes().skip(1).chain([b'\n']);
    for (at, byte) in text.bytes().enumerate() {
        let follows = next.next().unwrap_or(b'\n');
        match byte {
            b'[' | b'{' => (values, open) = (values + 1, open + 1),
            b']' | b'}' => open = open.saturating_sub(1),
            b',' => values += 1,
            b':' | b'-' | b'?' if follows.is_ascii_whitespace() || byte == b':' => values += 1,
            _ => {}
        }
        if open > MOST_OPEN {
            let mark = page.mark_at(at);
            return Some(too_deep().at(page.place_of(mark)).into());
        }
        if values > MOST_VALUES {
            let wrong = Diagnostic::error(Code::TooLarge, "this file holds more than 1,000,000 values")
                .at(Place::file(page.path));
            return Some(wrong.hint("split it: all files are read as one").into());
        }
    }
    None
}

fn too_deep() -> Diagnostic {
    Diagnostic::error(Code::TooDeep, "this is nested more deeply than any document is")
        .hint("look for brackets that are never closed, or for a generator that repeats itself")
}

/// Why a file is not YAML or JSON.
fn syntax(page: &Page<'_>, error: &Unreadable) -> Diagnostic {
    if let Some(line) = page.find_line(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")) {
        return Diagnostic::error(Code::MergeConflict, "a merge conflict is left in this file")
            .at(page.place_of(Mark { line, column: 0, length: None }))
            .hint("resolve it, and remove the lines that mark it");
    }
    let is_json = page.path.ends_with(".json");
    let (line, column) = error.at.or_else(|| page.stopped()).unwrap_or((0, 0));
    let is_indented_by_tab = |line: usize| {
        let text = page.line(line).unwrap_or_default();
        text[..text.len() - text.trim_start().len()].find('\t')
    };
    let tab = [line, line.saturating_sub(1)].into_iter().find_map(|l| Some((l, is_indented_by_tab(l)?)));
    if let Some((line, column)) = tab.filter(|_| !is_json) {
        return Diagnostic::error(Code::Tab, "a tab indents this line, and YAML takes only spaces")
            .at(page.place_of(Mark { line, column, length: Some(1) }))
            .hint("replace it by spaces; `indent_style = space` in .editorconfig keeps editors from it");
    }
    let at = match line {
        0 => Place::file(page.path),
        _ => page.place_of(Mark { line, column: column.saturating_sub(1), length: Some(1) }),
    };
    if is_json {
        return json(&error.message).at(at);
    }
    if let Some(mark) = page.control_character().filter(|_| error.message.contains("control characters")) {
        return yaml(&error.message).at(page.place_of(mark));
    }
    if page.line(line).is_some_and(|line| line.contains("{{")) {
        return Diagnostic::error(Code::Syntax, "a template (`{{ … }}`) is not filled in here")
            .at(at)
            .hint("write the value itself: documents are data, and call nothing");
    }
    let diagnostic = yaml(&error.message).at(at);
    match error.since.filter(|since| ends_what_began(&error.message) && Some(*since) != error.at) {
        Some((line, column)) => {
            let opened = page.place_of(Mark { line, column: column.saturating_sub(1), length: Some(1) });
            diagnostic.label("it should have ended before this").beside(opened, "it begins here")
        }
        None => diagnostic,
    }
}

/// Whether a message of the parser is about something that was opened and not closed.
fn ends_what_began(message: &str) -> bool {
    ["expected ',' or", "unexpected end of stream", "unexpected document indicator"]
        .iter()
        .any(|part| message.contains(part))
}

fn json(message: &str) -> Diagnostic {
    match message {
        "recursion limit exceeded" => too_deep(),
        message if message.starts_with("EOF") => Diagnostic::error(Code::Syntax, "this file ends too early")
            .hint("a bracket or a quote is open at its end: close it, or write what is missing"),
        message => Diagnostic::error(Code::Syntax, format!("this is not JSON that can be read: {message}"))
            .hint("JSON has no comments, no trailing commas and only double quotes; a .yaml file may have them"),
    }
}

/// What the parser's words mean, and what one most probably did.
const YAML: &[(&str, &str, &str)] = &[
    (
        "unknown anchor",
        "this alias has no anchor before it",
        "write the value itself, or set `&NAME` where it stands first",
    ),
    ("expected a string", "a list or a mapping cannot be a key", "put the key in quotes, if its brackets belong to it"),
    ("a YAML tag", "a YAML tag (`!…`) has no meaning here", "remove it: documents are data, and call nothing"),
    (
        "mapping values are not allowed",
        "a second `: ` stands in this line, or this line is indented too far",
        "put the value in quotes, if the colon belongs to it; otherwise align the key with those above",
    ),
    (
        "did not find expected key",
        "this line does not fit to those above it",
        "align the keys of a mapping with each other; put a value with quotes in it into other quotes",
    ),
    (
        "did not find expected '-' indicator",
        "this line does not fit to the list above it",
        "align the dashes of a list with each other, and the keys of an item behind its dash",
    ),
    ("expected ',' or '}'", "a `{` before this is not closed", "close it by `}`, and separate its keys by `, `"),
    ("expected ',' or ']'", "a `[` before this is not closed", "close it by `]`, and separate its items by `, `"),
    ("cannot start any token", "a value cannot begin with this character", "put the value in quotes"),
    ("control characters are not allowed", "a control character stands in this file", "remove it: documents are text"),
    ("unexpected end of stream", "a quote is opened and never closed", "close it, or remove it"),
    ("unexpected document indicator", "a quote is opened and never closed", "close it, or remove it"),
    (
        "could not find expected ':'",
        "there is no `: ` where a key ends, in this line or the one above",
        "write `: ` with its space between a key and its value, as in `name: gold`",
    ),
    (
        "unknown escape character",
        "this `\\` has no meaning between double quotes",
        "write `\\\\` for the character itself, or use single quotes",
    ),
    ("did not find expected node content", "a value must stand here", "write it, or remove what announces it"),
    (
        "block sequence entries are not allowed",
        "an item of a list cannot begin here",
        "begin the list on a line of its own",
    ),
    (
        "did not find expected <document start>",
        "the document has ended before this",
        "begin another one with `---`, or indent this",
    ),
];

fn yaml(message: &str) -> Diagnostic {
    match message {
        "recursion limit exceeded" => return too_deep(),
        text if text == "repetition limit exceeded" || text.contains("aliases in this file") => {
            return Diagnostic::error(Code::TooLarge, "the aliases in this file stand for too much")
                .hint("write it out: what repeats belongs into a `ClusterSet`'s defaults");
        }
        _ => {}
    }
    match YAML.iter().find(|(known, ..)| message.contains(known)) {
        Some((_, meaning, hint)) => Diagnostic::error(Code::Syntax, *meaning).hint(*hint),
        None => Diagnostic::error(Code::Syntax, format!("this is not YAML that can be read: {message}"))
            .hint("compare it with the line above: its indentation, its quotes, its brackets"),
    }
}
