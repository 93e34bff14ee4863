//! The file of rules that ignore drift. It is no document of the fleet: it changes no plan, and no plan's digest.

use super::API_VERSION;
use super::file::read;
use super::page::Spot;
use super::parse::faults;
use super::schema::Checked;
use super::text::{End, Glob, Words};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::drift::{Class, Pattern, Rule};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Where the file is looked for unless a command says otherwise: beside `fleet/` and `policies/`.
pub const DEFAULT_FILE: &str = "drift-ignore.yaml";

/// What its `kind` says.
pub const KIND: &str = "DriftIgnore";

/// Its schema as checked in.
pub const SCHEMA: &str = include_str!("../../../../schemas/drift-ignore.schema.json");

/// The rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreSpec {
    /// Each ignores what all that it names fits. The first one that fits counts.
    pub rules: Vec<IgnoreRule>,
}

/// One rule. What it does not name fits anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreRule {
    /// The classes of drift that it is about.
    #[schemars(length(min = 1))]
    pub classes: Vec<ClassName>,
    /// The cluster, by name or uid; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Glob>,
    /// The site; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Glob>,
    /// What exactly it is about, as `drift` shows it: a point, a snapshot's id, a machine; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Glob>,
    /// Who answers for it.
    pub owner: Words,
    /// Why this is ignored.
    pub reason: Words,
    /// Until when. After that the rule itself is told as drift.
    pub expires: End,
}

/// A class of drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClassName {
    /// Something that must be there is not.
    Missing,
    /// The newest point is older than `sla.maxAge`.
    Late,
    /// What is there is not as it was made, or as the policy wants it.
    Changed,
    /// Snapshots that Backstay did not make.
    Unmanaged,
    /// Points that no declared cluster explains.
    Orphan,
    /// Points without the lock that the policy wants.
    Unlocked,
}

impl ClassName {
    fn class(self) -> Class {
        match self {
            Self::Missing => Class::Missing,
            Self::Late => Class::Late,
            Self::Changed => Class::Changed,
            Self::Unmanaged => Class::Unmanaged,
            Self::Orphan => Class::Orphan,
            Self::Unlocked => Class::Unlocked,
        }
    }
}

/// Reads the rules of a file. One that is wrong is told and left out; the others count.
#[must_use]
pub fn read_rules(path: &str, bytes: &[u8]) -> (Vec<Rule>, Diagnostics) {
    let mut told = Vec::new();
    let mut rules = Vec::new();
    match read(path, Ok(bytes)) {
        Err(diagnostic) => told.push(*diagnostic),
        Ok((page, values)) => {
            for (index, mut value) in values.into_iter().enumerate().filter(|(_, read)| !read.value.is_null()) {
                let wrong = faults(&mut told, &page, index, &value.value, value.has_duplicates, checked());
                if !spare(&mut value.value, &wrong) {
                    continue;
                }
                for (number, rule) in rules_of(&value.value) {
                    let at = format!("/spec/rules/{number}");
                    match end(rule.expires.as_str()) {
                        Some(expires) => rules.push(Rule {
                            place: page.place(index, Spot::Value(&at)),
                            classes: rule.classes.iter().map(|class| class.class()).collect(),
                            cluster: rule.cluster.map(|glob| Pattern::new(glob.as_str())),
                            site: rule.site.map(|glob| Pattern::new(glob.as_str())),
                            subject: rule.subject.map(|glob| Pattern::new(glob.as_str())),
                            owner: rule.owner.0,
                            reason: rule.reason.0,
                            expires,
                        }),
                        None => told.extend(page.report(index, Spot::Value(&format!("{at}/expires")), || {
                            let text = rule.expires.as_str();
                            Diagnostic::error(Code::WrongForm, format!("there is no date or instant `{text}`"))
                                .hint("write a day as 2026-12-31, or an instant in RFC 3339")
                        })),
                    }
                }
            }
            told.extend(page.rest());
        }
    }
    (rules, told.into_iter().collect())
}

fn checked() -> &'static Checked {
    static CHECKED: OnceLock<Checked> = OnceLock::new();
    CHECKED.get_or_init(|| Checked::of(SCHEMA))
}

/// Takes the wrong rules out, when nothing but rules is wrong.
fn spare(file: &mut Value, faults: &[String]) -> bool {
    let number = |pointer: &String| -> Option<usize> {
        let rest = pointer.strip_prefix("/spec/rules/")?;
        rest.split('/').next()?.parse().ok()
    };
    let Some(wrong) = faults.iter().map(number).collect::<Option<BTreeSet<usize>>>() else { return false };
    if let Some(Value::Array(rules)) = file.pointer_mut("/spec/rules") {
        for number in wrong {
            if let Some(rule) = rules.get_mut(number) {
                *rule = Value::Null;
            }
        }
    }
    true
}

/// The rules that are right, with their places in the file.
fn rules_of(file: &Value) -> impl Iterator<Item = (usize, IgnoreRule)> {
    let rules = file.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten().enumerate();
    // The schema lets nothing through that the type refuses.
    rules.filter_map(|(number, rule)| Some((number, IgnoreRule::deserialize(rule).ok()?)))
}

/// An instant, or the end of a day.
fn end(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let date: Date = text.parse().ok()?;
    Offset::UTC.to_timestamp(date.tomorrow().ok()?.at(0, 0, 0, 0)).ok()
}

/// An example that says how one is written.
#[must_use]
pub fn example() -> String {
    format!(
        "apiVersion: {API_VERSION}\nkind: {KIND}\nspec:\n  rules:\n    - classes: [unmanaged]\n      cluster: orders-*\n      \
         owner: team-orders\n      reason: \"INC-1234: the old tool runs until the move is done\"\n      expires: 2026-12-31\n"
    )
}
