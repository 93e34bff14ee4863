//! Drift as SARIF 2.1.0, which code hosts show beside the lines of the documents.

use super::{sum, unread};
use backstay_core::canonical::Digest;
use backstay_core::drift::{Class, Declared, Drift, Item, Severity};
use serde_json::{Map, Value, json};

/// The form's own schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// All drift as one run of one tool. Items must have been located, else they point nowhere.
#[must_use]
pub fn drift_sarif(drift: &Drift, version: &str) -> Value {
    let rules: Vec<Value> = Class::ALL.into_iter().map(rule).collect();
    let results: Vec<Value> = drift.items.iter().map(result).collect();
    let notifications: Vec<Value> = unread(drift)
        .into_iter()
        .map(|text| json!({ "level": "error", "message": { "text": text } }))
        .chain(drift.idle_rules().map(|used| {
            let text = format!("the rule at {} ignores nothing: {} can remove it", used.rule.rule, used.rule.owner);
            json!({ "level": "note", "message": { "text": text } })
        }))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "backstay",
                "semanticVersion": version,
                "informationUri": "https://backstay.dev",
                "rules": rules,
            } },
            "automationDetails": { "id": format!("backstay/drift/{}/", drift.fleet) },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "FLEET": { "description": { "text": "The fleet's directory." } } },
            "invocations": [{
                "executionSuccessful": drift.coverage.is_complete,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": {
                "asOf": drift.as_of,
                "documents": drift.origin,
                "counts": drift.counts,
                "summary": sum(drift),
            },
        }],
    })
}

fn rule(class: Class) -> Value {
    json!({
        "id": class.as_str(),
        "name": name(class),
        "shortDescription": { "text": class.about() },
        "fullDescription": { "text": class.about() },
        "help": { "text": "`backstay drift` tells what each difference means, and what to do next." },
        "defaultConfiguration": { "level": "warning" },
    })
}

/// As identifiers are written: `ExpiredRule`.
fn name(class: Class) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect::<String>())
    };
    class.as_str().split('-').map(capital).collect()
}

fn result(item: &Item) -> Value {
    let about = item.name.as_ref().map_or_else(|| item.subject.id.clone(), ToString::to_string);
    let site = item.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
    let text = format!("{about}{site}: {}. It means: {}. Next: {}.", item.message, item.meaning, item.next);
    let mut result = Map::new();
    let mut set = |key: &str, value: Value| result.insert(key.to_owned(), value);
    set("ruleId", item.class.as_str().into());
    set("ruleIndex", Class::ALL.iter().position(|class| *class == item.class).into());
    set("level", level(item.severity).into());
    set("message", json!({ "text": text }));
    set("locations", json!([location(item, &about)]));
    set("partialFingerprints", json!({ "backstayDrift/v1": fingerprint(item) }));
    if let Some(ignored) = &item.ignored {
        let why = format!("{} ({}; until {}; {})", ignored.reason, ignored.owner, ignored.expires, ignored.rule);
        set("suppressions", json!([{ "kind": "external", "status": "accepted", "justification": why }]));
    }
    let snapshots: Vec<&str> = item.snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect();
    set(
        "properties",
        json!({
            "kind": item.kind,
            "cluster": item.cluster,
            "site": item.site,
            "subject": item.subject,
            "since": item.since,
            "snapshots": snapshots,
        }),
    );
    Value::Object(result)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn location(item: &Item, about: &str) -> Value {
    let logical = json!([{ "name": about, "fullyQualifiedName": qualified(item, about), "kind": "resource" }]);
    match &item.declared {
        Some(Declared { file, line, column }) => json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(file), "uriBaseId": "FLEET" },
                "region": { "startLine": line, "startColumn": column },
            },
            "logicalLocations": logical,
        }),
        None => json!({ "logicalLocations": logical }),
    }
}

fn qualified(item: &Item, about: &str) -> String {
    match &item.site {
        Some(site) => format!("{site}/{about}"),
        None => about.to_owned(),
    }
}

/// A path as a relative reference: what is no plain character is written in percent.
fn uri(path: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    path.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The same as long as it is the same difference: neither its age nor its wording is part of it.
fn fingerprint(item: &Item) -> String {
    let parts = [
        item.kind.as_str(),
        item.cluster.as_ref().map_or("", |uid| uid.as_str()),
        item.site.as_ref().map_or("", |site| site.as_str()),
        &item.subject.id,
    ];
    Digest::of(parts.join("\n").as_bytes()).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{name, uri};
    use backstay_core::drift::Class;

    #[test]
    fn paths_become_references_and_classes_names() {
        assert_eq!(uri("fleet/eu 10/ü.yaml"), "fleet/eu%2010/%C3%BC.yaml");
        assert_eq!(name(Class::ExpiredRule), "ExpiredRule");
    }
}
