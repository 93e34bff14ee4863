//! `backstay validate [-online]`.

use crate::args::{Global, ValidateOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Documents, read_documents};
use crate::watched::Watched;
use backstay_core::diagnostic::{self, Diagnostics, Severity};
use backstay_core::name::ClusterUid;
use backstay_core::observed::Listing;
use backstay_core::plan::FindingKind;
use backstay_core::planner::plan_with;
use backstay_core::resolve::declared_at;
use backstay_report::{clean, plural};
use backstay_runtime::threads::Threads;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// So many codes are named as ones to explain.
const EXPLAINED: usize = 3;

pub(crate) async fn run(
    options: &ValidateOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
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
    if options.online
        && let Some(watched) = Watched::of(documents, global, host)?
    {
        online(&watched, host, screen, &mut codes).await?;
    }
    Ok(codes)
}

/// Whether what the documents name is there: every site answers, every machine and disk exists, and every policy can be honoured.
async fn online(watched: &Watched, host: &Host, screen: &Screen, codes: &mut Codes) -> anyhow::Result<()> {
    let Watched { desired, sources, .. } = watched;
    let observed = watched.observe(host, screen).await?;
    let unread: Vec<_> = observed
        .sites
        .iter()
        .filter_map(|(site, listing)| match listing {
            Listing::Complete(_) => None,
            Listing::Unknown { because } => Some((site, because)),
        })
        .collect();
    let as_of = session::as_of(None, desired, &observed)?;
    let plan = plan_with(&Threads::available(), desired, &observed, None, as_of);
    let is_wrong = |what: &FindingKind| matches!(what, FindingKind::Missing { .. } | FindingKind::Incapable { .. });
    let wrong: Vec<_> = plan.findings.iter().filter(|finding| is_wrong(&finding.what)).collect();
    let by_name: BTreeMap<&str, &ClusterUid> =
        desired.clusters.values().map(|cluster| (cluster.name.as_str(), &cluster.uid)).collect();
    let named = |subject: &str| by_name.get(subject).copied();
    let uids: BTreeSet<&ClusterUid> = wrong.iter().filter_map(|finding| named(&finding.subject)).collect();
    let declared = declared_at(&sources.tree, &uids, &unread.iter().map(|(site, _)| *site).collect());
    for (site, because) in &unread {
        let place = declared.sites.get(*site);
        let at = place.map_or_else(String::new, |place| format!("{}: ", place.address()));
        let message = format!("{at}site {site} could not be read: {}", clean(because));
        screen.json("error", "online", &message, json!({ "site": site, "because": because, "place": place }));
        if !screen.is_json {
            screen.err(&format!("{} {message}\n", screen.err_paint.red("!")));
        }
    }
    for finding in &wrong {
        let place = named(&finding.subject).and_then(|uid| declared.clusters.get(uid));
        let at = place.map_or_else(String::new, |place| format!("{}: ", place.address()));
        let site = finding.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
        let message = format!("{at}{}{site}: {}", clean(&finding.subject), clean(&finding.what.to_string()));
        screen.json("error", "online", &message, json!({ "finding": finding, "place": place }));
        if !screen.is_json {
            screen.err(&format!("{} {message}\n", screen.err_paint.red("!")));
        }
    }
    let sites = observed.sites.len();
    let found = match (wrong.len(), sites - unread.len()) {
        (_, 0) => "nothing could be checked".to_owned(),
        (0, _) => "all that is declared there exists".to_owned(),
        (number, _) => {
            format!("{} that {} declared there {} not exist", plural(number, "thing"), is(number), does(number))
        }
    };
    let verdict = format!("Online: {} of {} read; {found}.", sites - unread.len(), plural(sites, "site"));
    let fields = json!({ "sites": observed.sites.len(), "unread": unread.len(), "missing": wrong.len() });
    screen.json(if wrong.is_empty() && unread.is_empty() { "info" } else { "error" }, "online", &verdict, fields);
    if !screen.is_json {
        screen.out(&format!("{verdict}\n"));
    }
    codes.add_if(!wrong.is_empty(), Code::Error);
    codes.add_if(!unread.is_empty(), Code::Coverage);
    Ok(())
}

fn is(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

fn does(number: usize) -> &'static str {
    if number == 1 { "does" } else { "do" }
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
