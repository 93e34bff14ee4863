//! `backstay validate`.

use crate::args::Global;
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{Documents, read_documents};
use backstay_core::diagnostic::{self, Diagnostics, Severity};
use backstay_report::plural;
use serde_json::json;
use std::collections::BTreeSet;

/// So many codes are named as ones to explain.
const EXPLAINED: usize = 3;

pub(crate) fn run(global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let documents = read_documents(global, host, screen)?;
    let diagnostics = &documents.diagnostics;
    let is_valid = !diagnostics.has_errors();
    let text = if is_valid { valid(&documents) } else { invalid(&documents) };
    if screen.wants_json() {
        let (sites, policies, clusters) = counts(&documents);
        let fields = json!({
            "valid": is_valid,
            "error_count": diagnostics.count(Severity::Error),
            "warning_count": diagnostics.count(Severity::Warning),
            "files": documents.sources.tree.len(),
            "clusters": clusters,
            "policies": policies,
            "sites": sites,
        });
        screen.json(if is_valid { "info" } else { "error" }, "validated", &text, fields);
    }
    if !screen.is_json {
        if !diagnostics.is_empty() {
            screen.err(&format!("\nmore: {}\n\n", explained(diagnostics)));
        }
        if is_valid {
            screen.out(&format!("{}\n", screen.out_paint.green(&text)));
        } else {
            screen.err(&format!("{}\n", screen.err_paint.red(&text)));
        }
    }
    let mut codes = Codes::none();
    codes.add_if(!is_valid, Code::Error);
    Ok(codes)
}

/// How many sites, policies and clusters are right.
fn counts(documents: &Documents) -> (usize, usize, usize) {
    let desired = documents.desired.as_ref();
    desired.map_or((0, 0, 0), |desired| (desired.sites.len(), desired.policies.len(), desired.clusters.len()))
}

fn valid(documents: &Documents) -> String {
    let (sites, policies, clusters) = counts(documents);
    let content = [(clusters, "cluster"), (sites, "site")].map(|(number, one)| plural(number, one)).join(", ");
    let policies = if policies == 1 { "1 policy".to_owned() } else { format!("{policies} policies") };
    let warnings = match documents.diagnostics.count(Severity::Warning) {
        0 => String::new(),
        number => format!("; {}", plural(number, "warning")),
    };
    format!("The fleet is valid: {content}, {policies}{warnings}.")
}

/// How much is wrong, and what becomes of the rest.
fn invalid(documents: &Documents) -> String {
    let errors = documents.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let wrong: BTreeSet<&str> = errors.filter_map(|error| Some(error.place.as_ref()?.file.as_str())).collect();
    let errors = plural(documents.diagnostics.count(Severity::Error), "error");
    let warnings = match documents.diagnostics.count(Severity::Warning) {
        0 => String::new(),
        number => format!(" and {}", plural(number, "warning")),
    };
    let all = plural(documents.sources.tree.len(), "file");
    let files = if wrong.is_empty() { all } else { format!("{} of {all}", wrong.len()) };
    let rest = match documents.desired.as_ref().map(|desired| desired.clusters.len()) {
        None => "nothing can be planned until the fleet is repaired".to_owned(),
        Some(0) => "no cluster is left that could be planned".to_owned(),
        Some(1) => "1 cluster is right, and goes on".to_owned(),
        Some(number) => format!("{number} clusters are right, and go on"),
    };
    format!("{errors}{warnings} in {files}; {rest}.")
}

/// Which codes can be looked up.
fn explained(diagnostics: &Diagnostics) -> String {
    let codes: BTreeSet<diagnostic::Code> =
        diagnostics.iter().filter(|d| d.severity != Severity::Note).map(|diagnostic| diagnostic.code).collect();
    let named: Vec<String> = codes.iter().take(EXPLAINED).map(|code| format!("`backstay explain {code}`")).collect();
    named.join(", ")
}
