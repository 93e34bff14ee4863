//! What a schema's complaint means for who wrote the document.

use super::marks::unescape;
use super::page::{Page, Spot, child, nearest};
use super::schema::Checked;
use crate::diagnostic::{Code, Diagnostic, quote};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;
use std::collections::BTreeSet;

/// Why a document is not what its schema says.
pub(super) struct Complaint {
    /// The JSON pointer of the value that is wrong.
    pub(super) pointer: String,
    /// What to say about it; `None` when the file has enough of them. Boxed: there may be a million without one.
    pub(super) diagnostic: Option<Box<Diagnostic>>,
}

/// So many unknown keys are compared with those that are known: more than a file's diagnostics.
const LOOKED_AT: usize = 1000;

/// Everything in a document that its schema does not allow.
pub(super) fn explain(page: &Page<'_>, document: usize, value: &Value, checked: &Checked) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let about = |error: &ValidationError<'_>, then: &mut dyn FnMut(About<'_, '_, '_>)| {
        then(About { page, document, checked, error, pointer: error.instance_path().as_str() });
    };
    // A key with a slip is one mistake: that the right key is missing needs no words.
    let mut meant = BTreeSet::new();
    for error in checked.validator.iter_errors(value).take(LOOKED_AT) {
        about(&error, &mut |about| meant.extend(about.meant()));
    }
    for error in checked.validator.iter_errors(value) {
        about(&error, &mut |about| {
            if !about.misses().iter().any(|key| meant.contains(&child(about.pointer, key))) {
                about.explain(&mut complaints);
            }
        });
    }
    complaints
}

/// One complaint of the validator.
struct About<'a, 's, 'e> {
    page: &'a Page<'s>,
    document: usize,
    checked: &'a Checked,
    error: &'a ValidationError<'e>,
    pointer: &'a str,
}

impl About<'_, '_, '_> {
    /// The kinds are as many as the keywords that our schemas use; the rest speak for themselves.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum of which we use a part")]
    fn explain(&self, out: &mut Vec<Complaint>) {
        let label = label(self.pointer);
        match self.error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    out.push(self.at(Spot::Key(&child(self.pointer, key)), || self.unknown_key(key)));
                }
            }
            ValidationErrorKind::PropertyNames { error } => {
                let key = error.instance().as_str().unwrap_or_default().to_owned();
                out.push(self.at(Spot::Key(&child(self.pointer, &key)), || {
                    Diagnostic::error(Code::WrongKey, format!("{} cannot be a key of {label}", quote(&key)))
                        .hint("letters, digits, `-`, `_`, `.` and `/`, at most 63")
                }));
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                out.push(self.at(self.owner(), || {
                    Diagnostic::error(Code::MissingKey, format!("{label} has no `{key}`")).hint(self.about_key(key))
                }));
            }
            ValidationErrorKind::Type { kind } => out.push(self.at(self.value(), || self.wrong_type(&label, kind))),
            ValidationErrorKind::Enum { options } => {
                out.push(self.at(self.value(), || self.wrong_word(&label, options)));
            }
            ValidationErrorKind::Constant { expected_value } => out.push(self.at(self.value(), || {
                let (given, wanted) = (show(self.error.instance()), show(expected_value));
                let told = Diagnostic::error(Code::WrongValue, format!("{label} is {given}, and must be {wanted}"));
                match self.pointer.ends_with("/apiVersion") {
                    true => told.hint("this is the one version of the format that this Backstay reads"),
                    false => told.hint(format!("write {wanted}, or move it into a file of its own kind")),
                }
            })),
            ValidationErrorKind::Pattern { .. } => out.push(self.at(self.value(), || self.wrong_form(&label))),
            ValidationErrorKind::Minimum { limit } => {
                out.push(self.at(self.value(), || self.out_of_bounds(&label, &format!("at least {limit}"))));
            }
            ValidationErrorKind::Maximum { limit } => {
                out.push(self.at(self.value(), || self.out_of_bounds(&label, &format!("at most {limit}"))));
            }
            ValidationErrorKind::MinLength { limit: 1 } | ValidationErrorKind::MinItems { limit: 1 } => {
                out.push(self.at(self.value(), || Diagnostic::error(Code::Empty, format!("{label} is empty"))));
            }
            ValidationErrorKind::MaxLength { limit } => {
                let rule = format!("at most {limit} characters long");
                out.push(self.at(self.value(), || self.out_of_bounds(&label, &rule)));
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                out.push(self.at(self.owner(), || self.not_exactly_one(&label)));
            }
            _ => out.push(self.at(self.value(), || {
                let text: String = self.error.masked().to_string().chars().take(200).collect();
                Diagnostic::error(Code::WrongValue, format!("{label}: {text}"))
            })),
        }
    }

    /// The keys that unknown ones were probably meant to be.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum of which we use a part")]
    fn meant(&self) -> Vec<String> {
        match self.error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.known_keys();
                let meant = unexpected.iter().take(LOOKED_AT).filter_map(|key| nearest(key, known.iter().copied()));
                meant.map(|key| child(self.pointer, key)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The keys of which one is missing.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a foreign enum of which we use a part")]
    fn misses(&self) -> Vec<&str> {
        match self.error.kind() {
            ValidationErrorKind::Required { property } => property.as_str().into_iter().collect(),
            ValidationErrorKind::OneOfNotValid { .. } => self.alternatives(),
            _ => Vec::new(),
        }
    }

    /// The keys that the mapping knows.
    fn known_keys(&self) -> Vec<&str> {
        let properties = self.schema().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    /// The keys of which exactly one must be there.
    fn alternatives(&self) -> Vec<&str> {
        let branches = self.schema().and_then(|schema| schema.get("oneOf")).and_then(Value::as_array);
        branches.into_iter().flatten().filter_map(|branch| branch["required"][0].as_str()).collect()
    }

    fn at(&self, spot: Spot<'_>, diagnostic: impl FnOnce() -> Diagnostic) -> Complaint {
        let with_hint = || {
            let diagnostic = diagnostic();
            match diagnostic.hint {
                Some(_) => diagnostic,
                None => {
                    let hint = self.what_it_is(diagnostic.code);
                    diagnostic.hint(hint)
                }
            }
        };
        let diagnostic = self.page.report(self.document, spot, with_hint).map(Box::new);
        Complaint { pointer: self.pointer.to_owned(), diagnostic }
    }

    /// What a value is for, where nothing better can be said about it.
    fn what_it_is(&self, code: Code) -> String {
        let description = self.schema().and_then(|schema| schema.get("description")).and_then(Value::as_str);
        match description.filter(|_| !self.pointer.is_empty()) {
            Some(description) => format!("{}: {}", label(self.pointer), lower(description)),
            None => format!("`backstay explain {code}` shows one that is right"),
        }
    }

    fn value(&self) -> Spot<'_> {
        Spot::Value(self.pointer)
    }

    /// For what is missing in a mapping: its key, or where it begins.
    fn owner(&self) -> Spot<'_> {
        let is_item = self.pointer.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
        if self.pointer.is_empty() || is_item { Spot::Value(self.pointer) } else { Spot::Key(self.pointer) }
    }

    /// The schema that complained: the one that holds the keyword.
    fn schema(&self) -> Option<&Value> {
        let (holder, _) = self.error.schema_path().as_str().rsplit_once('/')?;
        self.checked.schema.pointer(holder)
    }

    /// A property's schema, with what it refers to.
    fn property(&self, key: &str) -> Option<(&Value, &Value)> {
        let property = self.schema()?.get("properties")?.get(key)?;
        let referred = property.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        Some((property, referred.and_then(|pointer| self.checked.schema.pointer(pointer)).unwrap_or(property)))
    }

    fn about_key(&self, key: &str) -> String {
        let text = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let description = self.property(key).and_then(|(own, referred)| text(own).or_else(|| text(referred)));
        match description {
            Some(description) => format!("add `{key}`: {}", lower(&description)),
            None => format!("add `{key}`"),
        }
    }

    fn unknown_key(&self, key: &str) -> Diagnostic {
        let label = label(self.pointer);
        let diagnostic = Diagnostic::error(Code::UnknownKey, format!("{label} knows no key {}", quote(key)));
        if key == "<<" {
            return diagnostic
                .hint("merge keys are not read: say it where it belongs, or use a `ClusterSet`'s defaults");
        }
        let known = self.known_keys();
        match nearest(key, known.iter().copied()) {
            Some(meant) => diagnostic.hint(format!("did you mean `{meant}`?")),
            None => diagnostic.hint(format!("it knows {}", list(&known, "and"))),
        }
    }

    fn wrong_type(&self, label: &str, wanted: &TypeKind) -> Diagnostic {
        let schema = self.schema();
        let text = |key: &str| schema.and_then(|schema| schema.get(key)).and_then(Value::as_str);
        let wanted = match (text("title"), wanted) {
            (Some(title), _) => with_article(title),
            (None, TypeKind::Single(one)) => type_name(one.as_str()).to_owned(),
            (None, TypeKind::Multiple(several)) => {
                several.iter().map(|one| type_name(one.as_str())).collect::<Vec<_>>().join(" or ")
            }
        };
        let given = self.error.instance().as_ref();
        if given.is_null() {
            return Diagnostic::error(Code::Empty, format!("{label} is empty, and must be {wanted}"))
                .hint("give it a value, or remove the key");
        }
        let message = format!("{label} must be {wanted}, and is {}", describe(given));
        let diagnostic = Diagnostic::error(Code::WrongType, message);
        // The other way of writing it is proposed only where it would be right.
        let (rewritten, hint) = match given {
            Value::Number(_) | Value::Bool(_) => (Value::String(given.to_string()), "write it in quotes"),
            // As YAML had it once, and people still do.
            Value::String(text) if matches!(text.to_lowercase().as_str(), "yes" | "on" | "y") => {
                (Value::Bool(true), "write `true`")
            }
            Value::String(text) if matches!(text.to_lowercase().as_str(), "no" | "off" | "n") => {
                (Value::Bool(false), "write `false`")
            }
            Value::String(text) => (serde_json::from_str(text).unwrap_or_default(), "write it without quotes"),
            Value::Null | Value::Array(_) | Value::Object(_) => (Value::Null, ""),
        };
        if !rewritten.is_null() && schema.is_some_and(|schema| jsonschema::is_valid(schema, &rewritten)) {
            return diagnostic.hint(hint);
        }
        match text("description").filter(|_| text("title").is_some()) {
            Some(description) => diagnostic.hint(description),
            None => diagnostic,
        }
    }

    fn wrong_word(&self, label: &str, options: &Value) -> Diagnostic {
        let given = self.error.instance().as_ref();
        let shown = show(given);
        let known: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let diagnostic = Diagnostic::error(Code::WrongValue, format!("{label} cannot be {shown}"));
        match given.as_str().and_then(|word| nearest(word, known.iter().copied())) {
            Some(meant) => diagnostic.hint(format!("did you mean `{meant}`?")),
            None => diagnostic.hint(format!("it can be {}", list(&known, "or"))),
        }
    }

    fn wrong_form(&self, label: &str) -> Diagnostic {
        let text = |key: &str| self.schema().and_then(|schema| schema.get(key)).and_then(Value::as_str);
        let given = show(self.error.instance());
        let title = text("title");
        let message = match title {
            Some(title) => format!("{label} is {given}, which is not {}", with_article(title)),
            None => format!("{label} cannot be {given}"),
        };
        let diagnostic = Diagnostic::error(Code::WrongForm, message);
        match text("description") {
            Some(description) if title.is_some() => diagnostic.hint(description),
            Some(_) | None => diagnostic,
        }
    }

    fn out_of_bounds(&self, label: &str, rule: &str) -> Diagnostic {
        let given = show(self.error.instance());
        Diagnostic::error(Code::OutOfBounds, format!("{label} is {given}, and must be {rule}"))
    }

    fn not_exactly_one(&self, label: &str) -> Diagnostic {
        let keys = self.alternatives();
        let given: Vec<&str> = keys.iter().copied().filter(|key| self.error.instance().get(*key).is_some()).collect();
        if given.is_empty() {
            Diagnostic::error(Code::MissingKey, format!("{label} needs {}", list(&keys, "or")))
        } else {
            let message = format!("{label} has {} at once: exactly one of them can hold", list(&given, "and"));
            Diagnostic::error(Code::TooManyKeys, message).hint("remove all but one")
        }
    }
}

/// A value as a message names it: its last key, and its place in a list.
fn label(pointer: &str) -> String {
    let mut name = String::new();
    for part in pointer.split('/').skip(1) {
        if part.parse::<usize>().is_ok() && !name.is_empty() {
            name = format!("{name}[{part}]");
        } else {
            name = unescape(part);
        }
    }
    if name.is_empty() { "the document".to_owned() } else { quote(&name) }
}

fn type_name(kind: &str) -> &str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

/// A value as a message shows it, where its type matters.
fn describe(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => format!("the text {}", quote(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            show(value)
        }
    }
}

/// A value as a message shows it.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => quote(&value.to_string()),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => quote(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']) || noun.starts_with("HTTP");
    if vowel { format!("an {noun}") } else { format!("a {noun}") }
}

fn lower(sentence: &str) -> String {
    let first = sentence.split(". ").next().unwrap_or(sentence).trim_end_matches('.');
    let mut chars = first.chars();
    match chars.next() {
        Some(c) if !first.starts_with("HTTP") => c.to_lowercase().chain(chars).collect(),
        Some(_) | None => first.to_owned(),
    }
}

/// `a`, `b` and `c`, or with another word between the last two.
pub(super) fn list(words: &[&str], join: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {join} {last}", rest.join(", ")),
    }
}
