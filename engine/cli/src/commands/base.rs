//! `backstay plan -base`: what a change of the documents causes, and the change itself.

use super::plan::{self, Planned};
use crate::args::{Global, PlanOptions};
use crate::differences::{harmless, painted, unified};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{Session, directory};
use anyhow::Context as _;
use backstay_core::model::Desired;
use backstay_core::name::SiteName;
use backstay_core::narrow::Selection;
use backstay_core::observed::{Listing, Observed, SiteInventory};
use backstay_core::plan::{Change, Plan};
use backstay_core::resolve::{Resolution, resolve};
use backstay_report::{Caused, base_text, change_line, plural};
use backstay_runtime::sources::{Sources, from_commit};
use serde_json::json;
use std::collections::BTreeMap;

/// How many lines of the documents' differences are written out before the rest is only counted.
const MOST_LINES: usize = 200;

/// The documents that a change starts from.
pub(crate) struct Base {
    sources: Sources,
    desired: Desired,
    /// As it was named, and its commit.
    name: String,
    /// What was seen at sites that only these documents declare.
    set_aside: BTreeMap<SiteName, Listing<SiteInventory>>,
}

impl Base {
    /// Reads the documents of a commit. What is wrong in them was not brought about by the change: it is only counted.
    pub(crate) fn read(named: &str, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Self> {
        let sources = from_commit(&directory(global, host), named)?;
        let commit = sources.origin.commit.clone().unwrap_or_default();
        let name = format!("{named} ({})", commit.get(..10).unwrap_or(&commit));
        let Resolution { desired, diagnostics } = resolve(&sources.tree, sources.origin.clone());
        if diagnostics.has_errors() {
            let errors =
                diagnostics.iter().filter(|d| d.severity == backstay_core::diagnostic::Severity::Error).count();
            screen.note(&format!(
                "note: {name} has {} in its documents, which are left out of it",
                plural(errors, "error")
            ));
        }
        let desired = desired.with_context(|| format!("the documents of {name} have no fleet to compare with"))?;
        Ok(Self { sources, desired, name, set_aside: BTreeMap::new() })
    }

    pub(crate) fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Takes out of an observation the sites that the proposed documents do not declare.
    pub(crate) fn setting_aside(mut self, observed: &mut Observed, proposed: &Desired) -> Self {
        let names: Vec<_> = observed.sites.keys().filter(|name| !proposed.sites.contains_key(*name)).cloned().collect();
        self.set_aside = names.into_iter().filter_map(|name| observed.sites.remove_entry(&name)).collect();
        self
    }

    /// Shows what a plan has because of the change, and gives its codes.
    pub(crate) async fn tell(
        self,
        planned: Planned,
        options: &PlanOptions,
        selection: &Selection,
        session: &Session,
        screen: &Screen,
    ) -> anyhow::Result<Codes> {
        let Planned { plan, left_out, mut observed, .. } = planned;
        let proposed = plan.plan();
        observed.sites.extend(self.set_aside);
        observed.sites.retain(|name, _| self.desired.sites.contains_key(name));
        let before = plan::make_for(session, &self.desired, observed, proposed.basis.as_of).await?;
        let without = selected(before.plan.into_plan(), selection, &session.desired);
        let caused = Caused::between(&without, proposed);
        let files = changed_files(&self.sources, &session.sources);
        if screen.wants_json() {
            machines(&self.name, &self.sources, &caused, &files, screen);
        }
        if !screen.is_json {
            people(&files, screen);
            screen.out(&base_text(&caused, &self.name, screen.out_paint));
        }
        let mut is_short = plan::tell_left_out(left_out.as_ref(), screen);
        is_short |= plan::tell_left_out(before.left_out.as_ref(), screen);
        let mut codes = plan::codes_of(proposed, &before.observed, session.has_errors || is_short, false);
        codes.add_if(options.detailed_exitcode && !caused.is_empty(), Code::Differences);
        Ok(codes)
    }
}

/// What of the base's plan is compared, where only a part of the proposed one is.
fn selected(mut plan: Plan, selection: &Selection, proposed: &Desired) -> Plan {
    if !selection.is_all() {
        // Names were looked for before the world was looked at.
        let clusters = selection.clusters(proposed).unwrap_or_default();
        let has_cause = |change: &Change| selection.causes.is_empty() || selection.causes.contains(&change.cause);
        plan.changes.retain(|change| clusters.contains(&change.cluster) && has_cause(change));
        plan.waiting.retain(|waiting| clusters.contains(&waiting.cluster));
    }
    plan
}

/// A file that differs, and the lines of its difference.
struct ChangedFile {
    path: String,
    lines: Vec<String>,
}

fn changed_files(base: &Sources, proposed: &Sources) -> Vec<ChangedFile> {
    let texts = |sources: &Sources| -> BTreeMap<String, String> { sources.texts.iter().cloned().collect() };
    let (before, after) = (texts(base), texts(proposed));
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    changed
        .map(|path| {
            let lines = unified(path, before.get(path).map(String::as_str), after.get(path).map(String::as_str));
            ChangedFile { path: path.clone(), lines: lines.iter().map(|line| harmless(line)).collect() }
        })
        .collect()
}

fn people(files: &[ChangedFile], screen: &Screen) {
    if files.is_empty() {
        return;
    }
    let mut text = String::new();
    let mut left = MOST_LINES;
    let mut unshown = (0, 0);
    for file in files {
        let shown = file.lines.len().min(left);
        left -= shown;
        for line in &file.lines[..shown] {
            text += &painted(line, screen.out_paint);
            text.push('\n');
        }
        if shown < file.lines.len() {
            unshown = (unshown.0 + 1, unshown.1 + file.lines.len() - shown);
        }
    }
    if unshown.1 > 0 {
        text += &format!(
            "… and {} more in {}; `git diff` shows them\n",
            plural(unshown.1, "line"),
            plural(unshown.0, "file")
        );
    }
    screen.out(&format!("{text}\n"));
}

fn machines(name: &str, base: &Sources, caused: &Caused<'_>, files: &[ChangedFile], screen: &Screen) {
    for file in files {
        let fields = json!({ "file": file.path, "diff": file.lines.join("\n") });
        screen.json("info", "document_change", &format!("{} changed", file.path), fields);
    }
    let tell = |effect: &str, change| {
        let line = change_line(change);
        let message = format!("{} {}: {effect}", line.symbol, line.subject);
        screen.json("info", "planned_change", &message, json!({ "effect": effect, "change": change }));
    };
    caused.appears.iter().for_each(|change| tell("appears", change));
    caused.differs.iter().for_each(|(_, change)| tell("differs", change));
    caused.vanishes.iter().for_each(|change| tell("vanishes", change));
    for finding in &caused.findings {
        screen.json(
            "warn",
            "resource_drift",
            &finding.what.to_string(),
            json!({ "effect": "appears", "finding": finding }),
        );
    }
    let counts = json!({
        "appears": caused.appears.len(), "differs": caused.differs.len(), "vanishes": caused.vanishes.len(),
        "same": caused.same, "operation": "plan",
    });
    let commit = &base.origin.commit;
    screen.json(
        "info",
        "change_summary",
        &caused.summary(),
        json!({ "base": { "name": name, "commit": commit }, "changes": counts }),
    );
}
