//! The names that can be referred to, and who referred to what is missing or wrong.

use super::report::Report;
use crate::diagnostic::{Code, Diagnostic, Place, quote};
use crate::document::{Document, Kind, Seat, Spec, Spot, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// After this many places a name's absence is only counted.
const PLACES: usize = 20;
/// So many of the clusters that are left out are named.
const NAMED: usize = 5;

/// The names that can be referred to.
pub(super) struct Known<'s> {
    right: BTreeSet<(Kind, String)>,
    wrong: BTreeMap<(Kind, String), Seat>,
    /// The files in which something could not be read: anything could be declared there.
    unread: Vec<&'s str>,
    /// The clusters that are left out because of something that is declared and wrong, or could not be read.
    left_out: BTreeMap<(Kind, String), Vec<String>>,
    missing: BTreeMap<(Kind, String), usize>,
}

/// What became of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// It is declared, and right.
    Right,
    /// It is declared, and wrong: that is reported already.
    Wrong,
    /// Nobody declared it.
    Missing,
}

impl<'s> Known<'s> {
    pub(super) fn new(wrong: BTreeMap<(Kind, String), Seat>, unread: Vec<&'s str>) -> Self {
        Self { right: BTreeSet::new(), wrong, unread, left_out: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Takes a document's name as one that nobody can refer to.
    pub(super) fn mark_wrong(&mut self, document: &Document) {
        let key = (document.spec.kind(), document.metadata.name.0.clone());
        self.wrong.entry(key).or_insert(document.seat);
    }

    /// Takes a document's name as one that can be referred to, unless it is wrong already.
    pub(super) fn mark_right(&mut self, document: &Document) -> bool {
        let key = (document.spec.kind(), document.metadata.name.0.clone());
        let is_right = !self.wrong.contains_key(&key);
        if is_right {
            self.right.insert(key);
        }
        is_right
    }

    /// Whether any document of this kind is wrong.
    pub(super) fn any_wrong(&self, kind: Kind) -> bool {
        self.wrong.keys().any(|(wrong, _)| *wrong == kind)
    }

    /// Archives have nothing beyond their schema that could be wrong.
    pub(super) fn archives(&mut self, documents: &[Document]) {
        for document in documents {
            if matches!(document.spec, Spec::Archive(_)) {
                self.mark_right(document);
            }
        }
    }

    pub(super) fn look_up(&self, kind: Kind, name: &str) -> Reference {
        let key = (kind, name.to_owned());
        if self.wrong.contains_key(&key) {
            Reference::Wrong
        } else if self.right.contains(&key) {
            Reference::Right
        } else {
            Reference::Missing
        }
    }

    /// The file in which a name may be declared, where something could not be read.
    pub(super) fn unread(&self, name: &str) -> Option<&'s str> {
        self.unread.iter().copied().find(|file| file.contains(name)).or_else(|| self.unread.first().copied())
    }

    /// A name that was meant, in other letters, by a document that is wrong.
    pub(super) fn wrong_in_other_letters(&self, kind: Kind, name: &str) -> Option<String> {
        let mut names = self.wrong.keys().filter(|(k, _)| *k == kind).map(|(_, name)| name);
        names.find(|wrong| wrong.eq_ignore_ascii_case(name)).cloned()
    }

    /// Whether a name that nobody declared is rather one that could not be read than a slip.
    pub(super) fn may_be_unread(&self, kind: Kind, name: &str) -> bool {
        !self.unread.is_empty() && self.similar(kind, name).is_none()
    }

    fn similar(&self, kind: Kind, name: &str) -> Option<&str> {
        let names =
            self.right.iter().chain(self.wrong.keys()).filter(|(k, _)| *k == kind).map(|(_, name)| name.as_str());
        nearest(name, names)
    }

    /// Remembers that a cluster is left out because of something that is declared and wrong, or could not be read.
    pub(super) fn leave_out(&mut self, kind: Kind, name: &str, cluster: &str) {
        self.left_out.entry((kind, name.to_owned())).or_default().push(cluster.to_owned());
    }

    /// A reference to what nobody declared; `None` when that has been said often enough.
    pub(super) fn missing(&mut self, kind: Kind, name: &str) -> Option<Diagnostic> {
        let times = self.missing.entry((kind, name.to_owned())).or_default();
        *times += 1;
        (*times <= PLACES).then(|| self.unknown(kind, name))
    }

    /// The diagnostic for a name that nobody declared.
    pub(super) fn unknown(&self, kind: Kind, name: &str) -> Diagnostic {
        let diagnostic = Diagnostic::error(Code::UnknownName, format!("there is no {kind} {}", quote(name)));
        match (self.similar(kind, name), self.unread(name)) {
            (Some(meant), _) => diagnostic.hint(format!("did you mean `{meant}`?")),
            (None, Some(file)) => diagnostic.hint(format!("it may be in `{file}`, where something could not be read")),
            (None, None) => diagnostic.hint(format!("declare it: `kind: {kind}` with this name")),
        }
    }

    /// Says in one line each what would otherwise be said once a cluster.
    pub(super) fn summarise(&self, report: &mut Report<'_, '_>) {
        for ((kind, name), clusters) in &self.left_out {
            let named: Vec<String> = clusters.iter().take(NAMED).map(|cluster| quote(cluster)).collect();
            let more = clusters.len() - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let (count, verb) = match clusters.len() {
                1 => ("1 cluster".to_owned(), "is"),
                n => (format!("{n} clusters"), "are"),
            };
            let named = format!("{}{more}", named.join(", "));
            // However much else is wrong in that file.
            report.add_made(match (self.wrong.get(&(*kind, name.clone())), self.unread(name)) {
                (Some(seat), _) => {
                    let message = format!("{count} of {kind} `{name}` {verb} left out until it is repaired: {named}");
                    Diagnostic::note(Code::LeftOut, message)
                        .at(report.place(*seat, Spot::Value("/metadata/name")))
                        .hint("nothing of theirs is deleted meanwhile, and nothing new is backed up")
                }
                (None, file) => {
                    let message =
                        format!("{count} {verb} left out: no {kind} `{name}` is in what could be read: {named}");
                    Diagnostic::note(Code::LeftOut, message).at(Place::file(file.unwrap_or_default())).hint(
                        "it may be declared in this file: nothing of theirs is deleted meanwhile, and nothing new is \
                         backed up",
                    )
                }
            });
        }
        for ((kind, name), times) in &self.missing {
            if let Some(more) = times.checked_sub(PLACES).filter(|more| *more > 0) {
                let message = format!("{kind} {} is missing in {more} more places", quote(name));
                report.add_made(Diagnostic::error(Code::UnknownName, message).hint("it is the same name as above"));
            }
        }
    }
}
