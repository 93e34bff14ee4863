//! From files to documents. What is wrong is reported and left out; what is right beside it is read all the same.

use super::explain::{explain, list};
use super::file::read;
use super::page::{Page, Spot, nearest};
use super::schema::Checked;
use super::source::Absent;
use super::value::ReadValue;
use super::{API_VERSION, Kind, Metadata, SourceTree, Spec};
use crate::diagnostic::{Code, Diagnostic, quote};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
    /// The files in which something could not be read at all: anything could be declared there.
    pub(crate) unread: Vec<&'s str>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads every file of the tree.
pub(crate) fn parse(sources: &SourceTree) -> Parsed<'_> {
    let mut parsed = Parsed {
        pages: Vec::new(),
        documents: Vec::new(),
        wrong: BTreeMap::new(),
        unread: Vec::new(),
        diagnostics: Vec::new(),
    };
    for (path, content) in sources.iter() {
        parsed.file(path, content);
    }
    parsed
}

impl<'s> Parsed<'s> {
    fn file(&mut self, path: &'s str, content: Result<&'s [u8], Absent<'s>>) {
        match read(path, content) {
            Ok((page, values)) => {
                let number = self.pages.len();
                for (index, value) in values.into_iter().enumerate() {
                    self.document(&page, Seat { page: number, index }, value);
                }
                self.pages.push(page);
            }
            // A file that breaks off somewhere says nothing that can be trusted before that place either.
            Err(diagnostic) => {
                self.is_unread(path);
                self.diagnostics.push(*diagnostic);
            }
        }
    }

    fn is_unread(&mut self, path: &'s str) {
        if self.unread.last() != Some(&path) {
            self.unread.push(path);
        }
    }

    fn document(&mut self, page: &Page<'s>, seat: Seat, read: ReadValue) {
        let index = seat.index;
        let ReadValue { mut value, has_duplicates } = read;
        if value.is_null() {
            return;
        }
        let Some(kind) = self.kind(page, index, &value) else {
            self.is_unread(page.path);
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
                let wrong = || {
                    Diagnostic::error(Code::WrongValue, format!("this {kind} cannot be read: {error}"))
                        .hint("the schemas let it through, and should not: tell us")
                };
                self.diagnostics.extend(page.report(index, Spot::Key("/spec"), wrong));
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
                self.is_unread(page.path);
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
            let wrong = Diagnostic::error(Code::NotADocument, "a document must be a mapping");
            let hint = format!("it begins with `apiVersion: {API_VERSION}` and `kind: …`");
            return report(Spot::Value(""), wrong.hint(hint));
        }
        let known = Kind::ALL.map(Kind::as_str);
        let Some(kind) = value.get("kind") else {
            let wrong = Diagnostic::error(Code::MissingKey, "the document has no `kind`");
            return report(Spot::Value(""), wrong.hint(format!("it can be {}", list(&known, "or"))));
        };
        let word = kind.as_str().unwrap_or_default();
        if let Ok(kind) = Kind::deserialize(kind) {
            return Some(kind);
        }
        let shown = kind.as_str().map_or_else(|| kind.to_string(), str::to_owned);
        let wrong = Diagnostic::error(Code::UnknownKind, format!("there is no kind {}", quote(&shown)));
        report(
            Spot::Value("/kind"),
            match nearest(word, known) {
                Some(meant) => wrong.hint(format!("did you mean `{meant}`?")),
                None => wrong.hint(format!("it can be {}", list(&known, "or"))),
            },
        )
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
            let twice = || {
                Diagnostic::error(Code::DuplicateKey, "a key occurs twice in this document").hint("remove one of them")
            };
            diagnostics.extend(page.report(index, Spot::Value(""), twice));
        }
        for duplicate in duplicates {
            diagnostics.extend(page.report_at(duplicate.second, || {
                Diagnostic::error(Code::DuplicateKey, format!("the key {} occurs twice", quote(&duplicate.key)))
                    .label("again here")
                    .beside(page.place_of(duplicate.first), "first written here")
                    .hint("remove one of them")
            }));
            pointers.push(duplicate.pointer);
        }
    }
    for complaint in explain(page, index, value, checked) {
        diagnostics.extend(complaint.diagnostic.map(|diagnostic| *diagnostic));
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
