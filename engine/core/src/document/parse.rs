//! From files to documents. What is wrong is reported and left out; what is right beside it is read all the same.

use super::explain::{explain, list};
use super::marks::Mark;
use super::page::{Page, Spot, nearest};
use super::schema::Checked;
use super::value::{ReadValue, Unreadable, read_json, read_yaml};
use super::{API_VERSION, Kind, Metadata, SourceTree, Spec};
use crate::diagnostic::{Diagnostic, Place, quote, source_line};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Larger files are not configuration: 10,000 clusters are 8 MiB.
const LARGEST: usize = 32 << 20;

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    /// Its file, as an index of [`Parsed::pages`].
    pub(crate) page: usize,
    /// Its place within the file.
    pub(crate) index: usize,
}

/// One document, as written.
pub(crate) struct Document {
    pub(crate) seat: Seat,
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
}

/// What all files say.
pub(crate) struct Parsed<'s> {
    pub(crate) pages: Vec<Page<'s>>,
    pub(crate) documents: Vec<Document>,
    /// The kind and name of what is declared but wrong: who refers to it is not mistaken.
    pub(crate) wrong: BTreeMap<(Kind, String), Seat>,
    /// A file in which something could not be read at all, if there is one: anything could be declared there.
    pub(crate) unread: Option<&'s str>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads every file of the tree.
pub(crate) fn parse(sources: &SourceTree) -> Parsed<'_> {
    let mut parsed = Parsed {
        pages: Vec::new(),
        documents: Vec::new(),
        wrong: BTreeMap::new(),
        unread: None,
        diagnostics: Vec::new(),
    };
    for (path, content) in sources.iter() {
        parsed.file(path, content);
    }
    parsed
}

impl<'s> Parsed<'s> {
    fn file(&mut self, path: &'s str, content: Result<&'s [u8], &'s str>) {
        match read(path, content) {
            Ok((page, values)) => {
                let number = self.pages.len();
                for (index, value) in values.into_iter().enumerate() {
                    self.document(&page, Seat { page: number, index }, value);
                }
                self.pages.push(page);
            }
            // A file that breaks off somewhere says nothing that can be trusted before that place either.
            Err(diagnostic) => self.refuse(path, *diagnostic),
        }
    }

    fn refuse(&mut self, path: &'s str, diagnostic: Diagnostic) {
        self.unread.get_or_insert(path);
        self.diagnostics.push(diagnostic);
    }

    fn document(&mut self, page: &Page<'s>, seat: Seat, read: ReadValue) {
        let index = seat.index;
        let ReadValue { mut value, has_duplicates } = read;
        if value.is_null() {
            return;
        }
        let Some(kind) = self.kind(page, index, &value) else {
            self.unread.get_or_insert(page.path);
            return;
        };
        let checked = kind.checked();
        if has_duplicates || !checked.validator.is_valid(&value) {
            let faults = faults(&mut self.diagnostics, page, index, &value, has_duplicates, checked);
            if !spare_items(kind, &mut value, &faults) {
                return self.is_wrong(page, seat, kind, &value);
            }
        }
        let declared = (kind, value.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned));
        match typed(kind, value) {
            Ok((metadata, spec)) => self.documents.push(Document { seat, metadata, spec }),
            // The schema lets nothing through that the types refuse; if it ever does, it is said and left out.
            Err(error) => {
                let message = format!("this {kind} cannot be read: {error}");
                self.diagnostics
                    .extend(page.report(index, Spot::Key("/spec"), || Diagnostic::error("wrong-value", message)));
                if let (kind, Some(name)) = declared {
                    self.wrong.insert((kind, name), seat);
                }
            }
        }
    }

    fn is_wrong(&mut self, page: &Page<'s>, seat: Seat, kind: Kind, value: &Value) {
        match value.pointer("/metadata/name").and_then(Value::as_str) {
            Some(name) => {
                self.wrong.insert((kind, name.to_owned()), seat);
            }
            None => {
                self.unread.get_or_insert(page.path);
            }
        }
    }

    /// The kind that a document says it has.
    fn kind(&mut self, page: &Page<'_>, index: usize, value: &Value) -> Option<Kind> {
        let mut report = |spot: Spot<'_>, diagnostic: Diagnostic| {
            self.diagnostics.extend(page.report(index, spot, || diagnostic));
            None
        };
        if !value.is_object() {
            let wrong = Diagnostic::error("not-a-document", "a document must be a mapping");
            let hint = format!("it begins with `apiVersion: {API_VERSION}` and `kind: …`");
            return report(Spot::Value(""), wrong.hint(hint));
        }
        let known = Kind::ALL.map(Kind::as_str);
        let Some(kind) = value.get("kind") else {
            let wrong = Diagnostic::error("missing-key", "the document has no `kind`");
            return report(Spot::Value(""), wrong.hint(format!("it can be {}", list(&known, "or"))));
        };
        let word = kind.as_str().unwrap_or_default();
        if let Ok(kind) = Kind::deserialize(kind) {
            return Some(kind);
        }
        let shown = kind.as_str().map_or_else(|| kind.to_string(), str::to_owned);
        let wrong = Diagnostic::error("unknown-kind", format!("there is no kind {}", quote(&shown)));
        report(
            Spot::Value("/kind"),
            match nearest(word, known) {
                Some(meant) => wrong.hint(format!("did you mean `{meant}`?")),
                None => wrong.hint(format!("it can be {}", list(&known, "or"))),
            },
        )
    }
}

/// Reads one file into values; the error says why there are none.
pub(super) fn read<'s>(
    path: &'s str,
    content: Result<&'s [u8], &'s str>,
) -> Result<(Page<'s>, Vec<ReadValue>), Box<Diagnostic>> {
    let text = decode(path, content.map_err(|because| unreadable(path, because))?)?;
    let page = Page::new(path, text);
    let values = if path.ends_with(".json") { read_json(text) } else { read_yaml(text) };
    match values {
        Ok(values) => Ok((page, values)),
        Err(error) => Err(Box::new(syntax(&page, &error))),
    }
}

/// Reports every fault of a document, and returns where they are.
pub(super) fn faults(
    diagnostics: &mut Vec<Diagnostic>,
    page: &Page<'_>,
    index: usize,
    value: &Value,
    has_duplicates: bool,
    checked: &Checked,
) -> Vec<String> {
    let mut pointers = Vec::new();
    if has_duplicates {
        let duplicates = page.duplicates(index);
        // What an alias repeats is wrong wherever it stands, and so is what the second parse did not find.
        if page.has_aliases() || duplicates.is_empty() {
            pointers.push(String::new());
        }
        if duplicates.is_empty() {
            let twice = || Diagnostic::error("duplicate-key", "a key occurs twice in this document");
            diagnostics.extend(page.report(index, Spot::Value(""), twice));
        }
        for duplicate in duplicates {
            let first = page.place_of(duplicate.first).line;
            diagnostics.extend(page.report_at(duplicate.second, || {
                Diagnostic::error("duplicate-key", format!("the key {} occurs twice", quote(&duplicate.key)))
                    .hint(format!("line {first} has it already: remove one of them"))
            }));
            pointers.push(duplicate.pointer);
        }
    }
    for complaint in explain(page, index, value, checked) {
        diagnostics.extend(complaint.diagnostic);
        pointers.push(complaint.pointer);
    }
    pointers
}

/// Takes the wrong items out of a set, when nothing but items is wrong.
fn spare_items(kind: Kind, value: &mut Value, faults: &[String]) -> bool {
    if kind != Kind::ClusterSet {
        return false;
    }
    let item = |pointer: &String| {
        let (number, _) =
            pointer.strip_prefix("/spec/clusters/").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
        number.parse::<usize>().ok()
    };
    let Some(wrong) = faults.iter().map(item).collect::<Option<BTreeSet<usize>>>() else { return false };
    let Some(Value::Array(items)) = value.pointer_mut("/spec/clusters") else { return false };
    for number in wrong {
        if let Some(item) = items.get_mut(number) {
            *item = Value::Null;
        }
    }
    true
}

fn typed(kind: Kind, mut value: Value) -> Result<(Metadata, Spec), serde_json::Error> {
    fn read<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
        serde_json::from_value(value)
    }
    let mut take = |key: &str| value.get_mut(key).map(Value::take).unwrap_or_default();
    let (metadata, spec) = (take("metadata"), take("spec"));
    let spec = match kind {
        Kind::Fleet => Spec::Fleet(read(spec)?),
        Kind::Site => Spec::Site(read(spec)?),
        Kind::Archive => Spec::Archive(read(spec)?),
        Kind::BackupPolicy => Spec::BackupPolicy(read(spec)?),
        Kind::Cluster => Spec::Cluster(read(spec)?),
        Kind::ClusterSet => Spec::ClusterSet(read(spec)?),
        Kind::Restore => Spec::Restore(read(spec)?),
        Kind::World => Spec::World(read(spec)?),
    };
    Ok((read(metadata)?, spec))
}

fn unreadable(path: &str, because: &str) -> Box<Diagnostic> {
    Diagnostic::error("unreadable", format!("this file cannot be read: {because}")).at(Place::file(path)).into()
}

/// Bytes as text, without the mark that some editors put first.
fn decode<'s>(path: &str, bytes: &'s [u8]) -> Result<&'s str, Box<Diagnostic>> {
    let at = Place::file(path);
    if bytes.len() > LARGEST {
        let message = format!("this file has {} MiB, and {} are the most", bytes.len() >> 20, LARGEST >> 20);
        return Err(Diagnostic::error("too-large", message).at(at).hint("split it: all files are read as one").into());
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Diagnostic::error("encoding", "this file is UTF-16").at(at).hint("save it as UTF-8").into());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
            let text = String::from_utf8_lossy(bytes);
            let (source_line, marker, length) = source_line(text.lines().nth(line - 1).unwrap_or_default(), column, 1);
            let at = Place { line, column: column + 1, source_line, marker, length, ..at };
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!("this file is not UTF-8: the byte 0x{byte:02X} has no meaning here");
            Err(Diagnostic::error("encoding", message).at(at).hint("save it as UTF-8").into())
        }
    }
}

/// Why a file is not YAML or JSON, in words for who wrote it.
fn syntax(page: &Page<'_>, error: &Unreadable) -> Diagnostic {
    if let Some(line) = page.find_line(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")) {
        return Diagnostic::error("merge-conflict", "a merge conflict is left in this file")
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
        return Diagnostic::error("tab", "a tab indents this line, and YAML takes only spaces")
            .at(page.place_of(Mark { line, column, length: Some(1) }))
            .hint("replace it by spaces");
    }
    let at = match line {
        0 => Place::file(page.path),
        _ => page.place_of(Mark { line, column: column.saturating_sub(1), length: Some(1) }),
    };
    let form = if is_json { "JSON" } else { "YAML" };
    let (code, message) = match error.message.as_str() {
        "recursion limit exceeded" => ("too-deep", "this is nested too deeply".to_owned()),
        "repetition limit exceeded" => ("too-large", "the aliases in this file stand for too much".to_owned()),
        "unknown anchor" => ("syntax", "this alias has no anchor before it".to_owned()),
        text if text.contains("expected a string") => ("syntax", "a list or a mapping cannot be a key".to_owned()),
        text if text.contains("a YAML tag") => ("syntax", "a YAML tag (`!…`) has no meaning here".to_owned()),
        text if text.contains("aliases in this file") => {
            ("too-large", "the aliases in this file stand for too much".to_owned())
        }
        text => ("syntax", format!("this is not {form} that can be read: {text}")),
    };
    Diagnostic::error(code, message).at(at)
}
