//! The JSON Schemas: generated from the document types, checked in under `schemas/`, embedded, and used to validate.
//!
//! `BACKSTAY_UPDATE=1 cargo test -p backstay-core --test schemas` writes them anew.

use super::{API_VERSION, Kind, Metadata, archive, cluster, fleet, ignores, policy, restore, site, world};
use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The schema of any document, for editors.
pub const ANY: &str = include_str!("../../../../schemas/backstay.schema.json");

impl Kind {
    /// The file name of its schema.
    #[must_use]
    pub fn schema_file(self) -> &'static str {
        match self {
            Self::Fleet => "fleet.schema.json",
            Self::Site => "site.schema.json",
            Self::Archive => "archive.schema.json",
            Self::BackupPolicy => "backup-policy.schema.json",
            Self::Cluster => "cluster.schema.json",
            Self::ClusterSet => "cluster-set.schema.json",
            Self::Restore => "restore.schema.json",
            Self::World => "world.schema.json",
        }
    }

    /// Its schema as checked in.
    #[must_use]
    pub fn schema(self) -> &'static str {
        match self {
            Self::Fleet => include_str!("../../../../schemas/fleet.schema.json"),
            Self::Site => include_str!("../../../../schemas/site.schema.json"),
            Self::Archive => include_str!("../../../../schemas/archive.schema.json"),
            Self::BackupPolicy => include_str!("../../../../schemas/backup-policy.schema.json"),
            Self::Cluster => include_str!("../../../../schemas/cluster.schema.json"),
            Self::ClusterSet => include_str!("../../../../schemas/cluster-set.schema.json"),
            Self::Restore => include_str!("../../../../schemas/restore.schema.json"),
            Self::World => include_str!("../../../../schemas/world.schema.json"),
        }
    }

    /// Its schema, compiled once a process.
    pub(super) fn checked(self) -> &'static Checked {
        static CHECKED: [OnceLock<Checked>; 8] = [const { OnceLock::new() }; 8];
        CHECKED[self as usize].get_or_init(|| Checked::of(self.schema()))
    }

    fn spec_schema(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::Fleet => generator.subschema_for::<fleet::FleetSpec>(),
            Self::Site => generator.subschema_for::<site::SiteSpec>(),
            Self::Archive => generator.subschema_for::<archive::ArchiveSpec>(),
            Self::BackupPolicy => generator.subschema_for::<policy::PolicySpec>(),
            Self::Cluster => generator.subschema_for::<cluster::ClusterSpec>(),
            Self::ClusterSet => generator.subschema_for::<cluster::ClusterSetSpec>(),
            Self::Restore => generator.subschema_for::<restore::RestoreSpec>(),
            Self::World => generator.subschema_for::<world::WorldSpec>(),
        }
    }
}

/// A schema, as data and compiled.
pub(super) struct Checked {
    pub(super) schema: Value,
    pub(super) validator: Validator,
}

impl Checked {
    /// Compiles an embedded schema.
    pub(super) fn of(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).expect("an embedded schema is JSON");
        // The plain engine is linear in the text, whatever the pattern; ours need no look-around.
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema)
            .expect("an embedded schema is a schema");
        Self { schema, validator }
    }
}

/// Every schema file, by its name, as the document types say it now.
#[must_use]
pub fn generate() -> Vec<(&'static str, String)> {
    let mut files: Vec<(&'static str, String)> =
        Kind::ALL.into_iter().map(|kind| (kind.schema_file(), pretty(&of_kind(kind)))).collect();
    files.push(("backstay.schema.json", pretty(&of_any())));
    files.push(("drift-ignore.schema.json", pretty(&of_ignores())));
    files.push(("drift.schema.json", pretty(&of_output::<crate::drift::Drift>("drift"))));
    files.push(("status.schema.json", pretty(&of_output::<crate::status::FleetStatus>("status"))));
    files
}

fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

fn of_kind(kind: Kind) -> Value {
    let mut generator = generator();
    let envelope = envelope(kind, &mut generator);
    let name = kind.schema_file().trim_end_matches(".schema.json");
    root(name, kind.as_str(), envelope, generator)
}

/// The file of rules that ignore drift.
fn of_ignores() -> Value {
    let mut generator = generator();
    let spec = generator.subschema_for::<ignores::IgnoreSpec>();
    let file = json!({
        "description": "Rules that ignore drift, each with an owner, a reason and an end.",
        "type": "object",
        "properties": {
            "apiVersion": { "description": "The version of the format.", "const": API_VERSION },
            "kind": { "description": "The kind of file.", "const": ignores::KIND },
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "spec"],
        "additionalProperties": false,
    });
    root("drift-ignore", ignores::KIND, file, generator)
}

/// What a command gives to machines.
fn of_output<T: JsonSchema>(name: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".into(), format!("https://backstay.dev/schemas/v1/{name}.json").into());
    schema.to_value()
}

/// Selected by `kind` with `if` and `then`, so that an editor's complaint is about the kind that was meant.
fn of_any() -> Value {
    let mut generator = generator();
    let branches: Vec<Value> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let envelope = envelope(kind, &mut generator);
            generator.definitions_mut().insert(kind.as_str().into(), envelope);
            json!({
                "if": { "properties": { "kind": { "const": kind.as_str() } }, "required": ["kind"] },
                "then": { "$ref": format!("#/$defs/{kind}") },
            })
        })
        .collect();
    let any = json!({
        "description": "A declared document of Backstay.",
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "enum": Kind::ALL.map(Kind::as_str) },
        },
        "required": ["apiVersion", "kind"],
        "allOf": branches,
    });
    root("backstay", "Backstay", any, generator)
}

fn envelope(kind: Kind, generator: &mut SchemaGenerator) -> Value {
    let metadata = generator.subschema_for::<Metadata>();
    let spec = kind.spec_schema(generator);
    json!({
        "type": "object",
        "properties": {
            "apiVersion": { "description": "The version of the format.", "const": API_VERSION },
            "kind": { "description": "The kind of document.", "const": kind.as_str() },
            "metadata": metadata,
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
    })
}

fn root(name: &str, title: &str, mut schema: Value, mut generator: SchemaGenerator) -> Value {
    let definitions = generator.take_definitions(true);
    let map = schema.as_object_mut().expect("a root schema is an object");
    map.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    map.insert("$id".into(), format!("https://backstay.dev/schemas/v1/{name}.json").into());
    map.insert("title".into(), title.into());
    map.insert("$defs".into(), Value::Object(definitions));
    let mut schema = Schema::try_from(schema).expect("an object is a schema");
    schemars::transform::Transform::transform(&mut RecursiveTransform(plain), &mut schema);
    schema.to_value()
}

/// Makes a generated schema say what we mean, and in the form that gives one error for one mistake:
/// a key that may be absent is not one that may be null, and a choice of words is an `enum`.
fn plain(schema: &mut Schema) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(branches)) = map.get("anyOf")
        && let [Value::Object(only)] = branches.iter().filter(|b| b["type"] != "null").collect::<Vec<_>>().as_slice()
    {
        let only = only.clone();
        map.remove("anyOf");
        for (key, value) in only {
            map.entry(key).or_insert(value);
        }
    }
    if map.get("default").is_some_and(Value::is_null) {
        map.remove("default");
    }
    bounded(map);
    words(map);
}

/// Rust's integer formats as bounds, which every validator knows.
fn bounded(map: &mut Map<String, Value>) {
    let most: u64 = match map.get("format").and_then(Value::as_str) {
        Some("uint16") => u16::MAX.into(),
        Some("uint32") => u32::MAX.into(),
        Some("uint64") => u64::MAX,
        Some("double") => {
            map.remove("format");
            return;
        }
        Some(_) | None => return,
    };
    map.remove("format");
    map.entry("maximum").or_insert_with(|| most.into());
}

/// A `oneOf` of described constants as an `enum`, with the descriptions in one.
fn words(map: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = map.get("oneOf") else { return };
    let constant = |branch: &Value| branch.get("const").and_then(Value::as_str).map(str::to_owned);
    let Some(words) = branches.iter().map(constant).collect::<Option<Vec<_>>>() else { return };
    let described = branches.iter().zip(&words).map(|(branch, word)| {
        let text = branch.get("description").and_then(Value::as_str).unwrap_or_default();
        format!("`{word}`: {text}")
    });
    let about = map.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = std::iter::once(about.to_owned()).chain(described).collect::<Vec<_>>().join(" ");
    map.remove("oneOf");
    map.insert("type".into(), "string".into());
    map.insert("enum".into(), words.into());
    map.insert("description".into(), description.trim().into());
}
