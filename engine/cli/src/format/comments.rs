//! Comments: which there are, and where those behind values stand. The formatter puts them right behind the value; people
//! read them more easily in a column.

use yaml_parser::{SyntaxKind, SyntaxNode};

/// At least so far from the value, as yamllint wants it.
const GAP: usize = 2;

/// Every comment in order, without the blanks behind it; `None` where the text cannot be read.
pub(super) fn of(text: &str) -> Option<Vec<String>> {
    Some(starts(text)?.into_iter().map(|(start, end)| text[start..end].trim_end().to_owned()).collect())
}

fn starts(text: &str) -> Option<Vec<(usize, usize)>> {
    let tree: SyntaxNode = yaml_parser::parse(text).ok()?;
    let tokens = tree.descendants_with_tokens().filter_map(|element| element.into_token());
    let comments = tokens.filter(|token| token.kind() == SyntaxKind::COMMENT);
    Some(
        comments
            .map(|token| (usize::from(token.text_range().start()), usize::from(token.text_range().end())))
            .collect(),
    )
}

/// A line with a comment behind its value.
struct Trailing<'t> {
    line: usize,
    value: &'t str,
    comment: &'t str,
}

impl Trailing<'_> {
    fn indent(&self) -> usize {
        self.value.len() - self.value.trim_start().len()
    }

    fn width(&self) -> usize {
        self.value.chars().count()
    }

    /// Whether one column suits both: the other stands right above it, as deep.
    fn follows(&self, above: &Self) -> bool {
        self.line == above.line + 1 && self.indent() == above.indent()
    }
}

/// Puts the comments behind values of neighbouring lines into one column.
pub(super) fn align(text: &str) -> Option<String> {
    let starts = starts(text)?;
    let mut begins: Vec<usize> = vec![0];
    begins.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let trailing: Vec<Trailing<'_>> = starts
        .into_iter()
        .filter_map(|(start, end)| {
            let line = begins.partition_point(|begin| *begin <= start) - 1;
            let value = text[begins[line]..start].trim_end();
            (!value.is_empty()).then(|| Trailing { line, value, comment: text[start..end].trim_end() })
        })
        .collect();
    let mut columns = Vec::with_capacity(trailing.len());
    for group in trailing.chunk_by(|above, below| below.follows(above)) {
        let widest = group.iter().map(Trailing::width).max().unwrap_or_default();
        columns.extend(std::iter::repeat_n(widest + GAP, group.len()));
    }
    let mut out = String::with_capacity(text.len() + trailing.len() * 8);
    let mut next = trailing.iter().zip(columns).peekable();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match next.next_if(|(found, _)| found.line == number) {
            Some((found, column)) => {
                out.push_str(found.value);
                out.extend(std::iter::repeat_n(' ', column - found.width()));
                out.push_str(found.comment);
                out.push_str(&line[line.trim_end_matches('\n').len()..]);
            }
            None => out.push_str(line),
        }
    }
    Some(out)
}
