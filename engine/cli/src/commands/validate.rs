//! `backstay validate`.

use crate::args::Global;
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::read_documents;
use backstay_report::plural;
use serde_json::json;

pub(crate) fn run(global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let documents = read_documents(global, host, screen)?;
    let errors =
        documents.diagnostics.iter().filter(|d| d.severity == backstay_core::diagnostic::Severity::Error).count();
    let is_valid = !documents.diagnostics.has_errors();
    let (sites, policies, clusters) = documents
        .desired
        .as_ref()
        .map_or((0, 0, 0), |desired| (desired.sites.len(), desired.policies.len(), desired.clusters.len()));
    let content = [(clusters, "cluster"), (sites, "site")].map(|(number, one)| plural(number, one)).join(", ");
    let policies = if policies == 1 { "1 policy".to_owned() } else { format!("{policies} policies") };
    let text = if is_valid {
        format!("The fleet is valid: {content}, {policies}.")
    } else {
        format!("{} in {}.", plural(errors, "error"), plural(documents.sources.tree.len(), "file"))
    };
    let fields = json!({ "valid": is_valid, "error_count": errors, "clusters": clusters, "sites": sites });
    screen.json(if is_valid { "info" } else { "error" }, "validated", &text, fields);
    if is_valid && !screen.is_json {
        screen.out(&format!("{}\n", screen.out_paint.green(&text)));
    } else if !screen.is_json {
        screen.err(&format!("{}\n", screen.err_paint.red(&text)));
    }
    let mut codes = Codes::none();
    codes.add_if(!is_valid, Code::Error);
    Ok(codes)
}
