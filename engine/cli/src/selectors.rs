//! The options that narrow a plan, and those that say how it is shown.

use crate::session::directory;
use crate::{args::Global, host::Host};
use backstay_core::model::{Desired, Limit};
use backstay_core::narrow::{Requirement, Selection};
use backstay_core::plan::Cause;
use backstay_report::{By, LEAST_CHARS};
use clap::Args;
use std::path::{Path, PathBuf};

/// What of a plan is meant to be applied. The world is seen, and everything judged, as without them.
#[derive(Debug, Default, Args)]
#[group(id = "selectors", multiple = true)]
#[command(next_help_heading = "To narrow the plan")]
pub(crate) struct Selectors {
    /// Only this cluster, by name or uid; may be repeated
    #[arg(long = "cluster", value_name = "NAME", value_delimiter = ',')]
    clusters: Vec<String>,
    /// Only the clusters that a file names, one a line
    #[arg(long, value_name = "FILE")]
    cluster_file: Option<PathBuf>,
    /// Not this cluster; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Only clusters with such labels: tier=gold, tier!=gold, tier or !tier; all must hold
    #[arg(long = "selector", value_name = "LABEL,…", value_delimiter = ',')]
    labels: Vec<Requirement>,
    /// Only changes of these causes
    #[arg(long, value_name = "CAUSE,…", value_delimiter = ',')]
    only: Vec<OfCause>,
    /// So many deletes at most, or such a share of all recovery points; beyond it they stop, and the exit code is 5
    #[arg(long, value_name = "N|P%")]
    pub(crate) max_delete: Option<Limit>,
}

/// The causes, as arguments: the clock, the documents, the world.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OfCause {
    Due,
    Config,
    Drift,
}

impl From<OfCause> for Cause {
    fn from(cause: OfCause) -> Self {
        match cause {
            OfCause::Due => Self::Due,
            OfCause::Config => Self::Config,
            OfCause::Drift => Self::Drift,
        }
    }
}

impl Selectors {
    /// What they select in a fleet. Everything that cannot be meant is told at once, before the world is looked at.
    pub(crate) fn selection(&self, desired: &Desired, global: &Global, host: &Host) -> anyhow::Result<Selection> {
        let mut clusters = self.clusters.clone();
        if let Some(file) = &self.cluster_file {
            clusters.extend(names_in(&directory(global, host).join(file))?);
        }
        let selection = Selection {
            clusters,
            exclude: self.exclude.clone(),
            labels: self.labels.clone(),
            causes: self.only.iter().map(|cause| Cause::from(*cause)).collect(),
            deletes: self.max_delete,
        };
        match selection.clusters(desired) {
            Ok(_) => Ok(selection),
            Err(wrong) => {
                let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                anyhow::bail!("{}", told.join("\n"))
            }
        }
    }
}

/// One name a line; what follows a `#` is a comment.
fn names_in(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = crate::commands::read_file(file)?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let names: Vec<String> = lines.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    anyhow::ensure!(!names.is_empty(), "{} names no cluster: write one name a line", file.display());
    Ok(names)
}

/// How a plan is shown.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "To show the plan")]
pub(crate) struct Views {
    /// Markdown, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    pub(crate) md: bool,
    /// How many characters the Markdown may have
    #[arg(long, value_name = "N", default_value = "60000", value_parser = max_chars)]
    pub(crate) max_chars: usize,
    /// Count the changes by these instead of telling them: site, policy, action, cause, cluster
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',', conflicts_with_all = ["md", "json"])]
    pub(crate) group_by: Vec<By>,
    /// Every change on a line of its own, however many there are
    #[arg(long, conflicts_with_all = ["md", "json"])]
    pub(crate) full: bool,
}

fn max_chars(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= LEAST_CHARS => Ok(number),
        Ok(_) | Err(_) => Err(format!("write a number of characters, at least {LEAST_CHARS}")),
    }
}
