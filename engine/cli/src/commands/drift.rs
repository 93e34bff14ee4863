//! `backstay drift`: it is handed what can look, and nothing that can write. It takes no lease.

use crate::args::{DriftOptions, Global, Since};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session;
use crate::watched::Watched;
use backstay_core::document::ignores::{DEFAULT_FILE, read_rules};
use backstay_core::drift::{Class, Drift, Rule, drift};
use backstay_report::{drift_junit, drift_md, drift_sarif, drift_text};
use backstay_runtime::threads::Threads;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

/// Larger files are no list of rules.
const LARGEST_RULES: u64 = 8 << 20;

pub(crate) async fn run(
    options: &DriftOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(watched) = Watched::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let Rules { rules, are_wrong } = read_ignores(options.ignore_file.as_deref(), &watched.root, screen)?;
    let observed = watched.observe(host, screen).await?;
    let as_of = session::as_of(None, &watched.desired, &observed)?;
    let baseline = watched.baseline(&observed).await;
    let since = options.since.map(|since| match since {
        Since::At(instant) => instant,
        Since::Before(length) => length.before(as_of),
    });
    let classes: BTreeSet<Class> = options.class.iter().copied().collect();
    let mut found = drift(&Threads::available(), &watched.desired, &observed, baseline.as_ref(), as_of)
        .ignoring(&rules)
        .narrowed(&classes, since);
    // The places cost a second parse of the documents.
    if options.sarif || screen.is_json {
        found = found.located(&watched.sources.tree);
    }
    tell(&found, options, screen);
    let mut codes = Codes::none();
    codes.add_if(watched.has_errors || are_wrong, Code::Error);
    codes.add_if(found.is_found(), Code::Differences);
    codes.add_if(!found.coverage.is_complete, Code::Coverage);
    Ok(codes)
}

/// The rules that ignore drift.
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    /// Whether some of them were wrong, which has been told.
    pub(super) are_wrong: bool,
}

/// Reads the rules: those of the file that was named, else of the one that lies beside the fleet, if there is one.
pub(super) fn read_ignores(named: Option<&Path>, root: &Path, screen: &Screen) -> anyhow::Result<Rules> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE));
    let place = root.join(path);
    let bytes = match std::fs::metadata(&place) {
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => {
            return Ok(Rules { rules: Vec::new(), are_wrong: false });
        }
        Ok(about) if about.len() > LARGEST_RULES => anyhow::bail!("{} is larger than 8 MiB", place.display()),
        Ok(_) => std::fs::read(&place),
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|error| anyhow::anyhow!("could not read the rules in {}: {error}", place.display()))?;
    let (rules, diagnostics) = read_rules(&path.to_string_lossy().replace('\\', "/"), &bytes);
    screen.diagnostics(&diagnostics);
    Ok(Rules { rules, are_wrong: diagnostics.has_errors() })
}

/// Shows drift to people or machines.
fn tell(found: &Drift, options: &DriftOptions, screen: &Screen) {
    if options.sarif {
        screen.out(&format!("{:#}\n", drift_sarif(found, env!("CARGO_PKG_VERSION"))));
    } else if options.junit {
        screen.out(&drift_junit(found));
    } else if options.md {
        screen.out(&drift_md(found));
    } else if screen.is_json {
        for item in found.items.iter().filter(|item| item.ignored.is_none()) {
            screen.json("warn", "resource_drift", &item.message, json!({ "item": item }));
        }
        let message = format!("{} differences, {} ignored", found.counts.total, found.counts.ignored);
        screen.json("info", "drift", &message, json!({ "drift": found }));
    } else {
        screen.out(&drift_text(found, screen.out_paint));
    }
}
