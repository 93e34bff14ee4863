//! The second parse of a file, which knows places. It is done only when something in the file is wrong.

use saphyr_parser::{Event, Parser, Span};
use std::collections::BTreeMap;

/// Deeper nesting than any document needs; the first parse refuses it, too.
const DEEPEST: usize = 200;

/// Where every value and key of a file stands.
pub(super) struct Marks {
    documents: Vec<usize>,
    nodes: Vec<Node>,
    /// Whether anything stands in more than one place.
    pub(super) has_aliases: bool,
    /// What stopped the parse, if it did not reach the end.
    pub(super) stopped: Option<(usize, usize)>,
}

/// A stretch of one line, from 1 and from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
    /// `None`: to the end of the line.
    pub(super) length: Option<usize>,
}

struct Node {
    mark: Mark,
    children: Children,
}

enum Children {
    None,
    List(Vec<usize>),
    Map(Vec<Entry>),
}

struct Entry {
    key: String,
    mark: Mark,
    value: usize,
}

/// A key that occurs twice.
pub(super) struct Duplicate {
    /// The mapping that holds it.
    pub(super) pointer: String,
    pub(super) key: String,
    pub(super) first: Mark,
    pub(super) second: Mark,
}

/// A list or mapping that has begun.
enum Open {
    List(usize, Vec<usize>),
    Map(usize, Vec<Entry>, Option<(String, Mark)>),
}

impl Marks {
    /// Reads as far as the text can be read.
    pub(super) fn of(text: &str) -> Self {
        let mut marks = Self { documents: Vec::new(), nodes: Vec::new(), has_aliases: false, stopped: None };
        let mut anchors: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open: Vec<Open> = Vec::new();
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(read) => read,
                Err(error) => {
                    marks.stopped = Some((error.marker().line(), error.marker().col() + 1));
                    break;
                }
            };
            let mark = Mark::of(&span);
            match event {
                Event::Scalar(text, _, anchor, _) => {
                    let node = marks.add(mark, Children::None);
                    anchors.insert(anchor, node);
                    marks.place(&mut open, node, Some(&text));
                }
                // An alias stands where its anchor stands: that is what has to be repaired.
                Event::Alias(anchor) => {
                    marks.has_aliases = true;
                    let node = anchors.get(&anchor).copied().unwrap_or_else(|| marks.add(mark, Children::None));
                    marks.place(&mut open, node, None);
                }
                Event::SequenceStart(anchor, _) => {
                    let node = marks.add(mark, Children::None);
                    anchors.insert(anchor, node);
                    open.push(Open::List(node, Vec::new()));
                }
                Event::MappingStart(anchor, _) => {
                    let node = marks.add(mark, Children::None);
                    anchors.insert(anchor, node);
                    open.push(Open::Map(node, Vec::new(), None));
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(done) = open.pop() {
                        let node = marks.close(done, &span);
                        marks.place(&mut open, node, None);
                    }
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
            if open.len() > DEEPEST {
                marks.stopped = Some((mark.line, mark.column + 1));
                break;
            }
        }
        // What was open when the parse stopped is known as far as it was read.
        while let Some(done) = open.pop() {
            let node = match done {
                Open::List(node, items) => {
                    marks.nodes[node].children = Children::List(items);
                    node
                }
                Open::Map(node, entries, _) => {
                    marks.nodes[node].children = Children::Map(entries);
                    node
                }
            };
            marks.place(&mut open, node, None);
        }
        marks
    }

    fn add(&mut self, mark: Mark, children: Children) -> usize {
        self.nodes.push(Node { mark, children });
        self.nodes.len() - 1
    }

    /// Puts a finished node where it belongs: into the list or mapping that is open, or as a document of its own.
    fn place(&mut self, open: &mut [Open], node: usize, text: Option<&str>) {
        match open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some((text.unwrap_or_default().to_owned(), self.nodes[node].mark)),
                Some((key, mark)) => entries.push(Entry { key, mark, value: node }),
            },
        }
    }

    fn close(&mut self, done: Open, end: &Span) -> usize {
        let (node, children, first) = match done {
            Open::List(node, items) => {
                let first = items.first().map(|item| self.nodes[*item].mark);
                (node, Children::List(items), first)
            }
            Open::Map(node, entries, _) => {
                let first = entries.first().map(|entry| entry.mark);
                (node, Children::Map(entries), first)
            }
        };
        let mark = self.nodes[node].mark;
        let on_one_line = end.end.line() == mark.line && end.end.col() > mark.column;
        self.nodes[node].mark = match first {
            // `{ … }` and `[ … ]` on one line are marked as a whole, everything else by its beginning.
            _ if on_one_line && !end.is_empty() => Mark { length: Some(end.end.col() - mark.column), ..mark },
            Some(first) => first,
            None => Mark { length: Some(1), ..mark },
        };
        self.nodes[node].children = children;
        node
    }

    /// Where a value stands.
    pub(super) fn value(&self, document: usize, pointer: &str) -> Option<Mark> {
        self.find(document, pointer).map(|node| self.nodes[node].mark)
    }

    /// Where the key of a value stands; for an item of a list, the item.
    pub(super) fn key(&self, document: usize, pointer: &str) -> Option<Mark> {
        let (parent, last) = pointer.rsplit_once('/')?;
        let node = self.find(document, parent)?;
        match &self.nodes[node].children {
            Children::Map(entries) => {
                let key = unescape(last);
                entries.iter().find(|entry| entry.key == key).map(|entry| entry.mark)
            }
            Children::List(_) | Children::None => self.value(document, pointer),
        }
    }

    fn find(&self, document: usize, pointer: &str) -> Option<usize> {
        let mut node = *self.documents.get(document)?;
        for part in pointer.split('/').skip(1) {
            node = match &self.nodes[node].children {
                Children::List(items) => *items.get(part.parse::<usize>().ok()?)?,
                Children::Map(entries) => {
                    let key = unescape(part);
                    entries.iter().find(|entry| entry.key == key)?.value
                }
                Children::None => return None,
            };
        }
        Some(node)
    }

    /// Every key of a document that occurs twice in its mapping. An alias is looked into only where it is defined.
    pub(super) fn duplicates(&self, document: usize) -> Vec<Duplicate> {
        let mut found = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let mut rest: Vec<(usize, String)> =
            self.documents.get(document).map(|node| (*node, String::new())).into_iter().collect();
        while let Some((node, pointer)) = rest.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            match &self.nodes[node].children {
                Children::None => {}
                Children::List(items) => {
                    rest.extend(items.iter().enumerate().map(|(i, item)| (*item, format!("{pointer}/{i}"))));
                }
                Children::Map(entries) => {
                    let mut firsts: BTreeMap<&str, Mark> = BTreeMap::new();
                    for entry in entries {
                        match firsts.get(entry.key.as_str()) {
                            Some(first) => found.push(Duplicate {
                                pointer: pointer.clone(),
                                key: entry.key.clone(),
                                first: *first,
                                second: entry.mark,
                            }),
                            None => {
                                firsts.insert(&entry.key, entry.mark);
                            }
                        }
                        rest.push((entry.value, format!("{pointer}/{}", escape(&entry.key))));
                    }
                }
            }
        }
        found
    }
}

impl Mark {
    fn of(span: &Span) -> Self {
        let on_one_line = span.start.line() == span.end.line() && span.end.col() > span.start.col();
        let length = on_one_line.then(|| span.end.col() - span.start.col());
        Self { line: span.start.line(), column: span.start.col(), length }
    }
}

/// A key as a part of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A part of a JSON pointer as the key it names.
pub(super) fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
a: { b: [x, \"y z\"] }
# comment
list:
  - name: one
    role: pgpool
  - name: two
---
second: *anchor
";

    #[test]
    fn values_and_keys_have_their_places() {
        let marks = Marks::of(TEXT);
        let at = |mark: Option<Mark>| mark.map(|m| (m.line, m.column, m.length));
        assert_eq!(at(marks.value(0, "/a")), Some((1, 3, Some(17))));
        assert_eq!(at(marks.value(0, "/a/b/1")), Some((1, 12, Some(5))));
        assert_eq!(at(marks.key(0, "/a/b")), Some((1, 5, Some(1))));
        assert_eq!(at(marks.value(0, "/list/0/role")), Some((5, 10, Some(6))));
        assert_eq!(at(marks.key(0, "/list/0/role")), Some((5, 4, Some(4))));
        assert_eq!(at(marks.value(0, "/list/1")), Some((6, 4, Some(4))));
        assert_eq!(at(marks.value(0, "/list/7")), None);
    }

    #[test]
    fn duplicates_are_found_at_any_depth() {
        let marks = Marks::of("a: 1\nb:\n  - { c: 1, c: 2 }\na: 2\n");
        let found: Vec<_> =
            marks.duplicates(0).iter().map(|d| (d.pointer.clone(), d.key.clone(), d.second.line)).collect();
        assert_eq!(found, [(String::new(), "a".into(), 4), ("/b/0".into(), "c".into(), 3)]);
    }

    #[test]
    fn a_bomb_of_aliases_costs_no_more_than_its_text() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..40 {
            let before = format!("*a{}", i - 1);
            text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", ")));
        }
        let marks = Marks::of(&text);
        assert!(marks.nodes.len() < 200 && marks.duplicates(0).is_empty());
    }
}
