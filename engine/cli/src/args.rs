//! The command line's grammar. `-flag` and `--flag` both work, as Terraform's users expect.

mod tools;

pub(crate) use tools::{CompletionOptions, FmtOptions, Iaas, InitOptions, ManOptions, ShellName};

use crate::selectors::{Selectors, Views};
use backstay_core::drift::Class;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use jiff::{SignedDuration, Timestamp};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// Declarative reconciliation of PostgreSQL backups: a git repository says how each cluster must be recoverable, Backstay
/// plans the difference to what exists, and applies it.
#[derive(Debug, Parser)]
#[command(name = "backstay", version, disable_version_flag = true, max_term_width = 100, args_override_self = true)]
#[command(after_help = "A flag may be written with one dash or with two: -chdir=DIR, --chdir=DIR.")]
pub(crate) struct Arguments {
    /// Print version
    #[arg(short = 'v', long, short_alias = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The directory that holds `fleet/` and `policies/`, and that file names start from
    #[arg(long, global = true, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) chdir: PathBuf,
    /// Machine-readable output: one JSON object a line while running
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Write the same into a file, and leave standard output to people
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "json")]
    pub(crate) json_into: Option<PathBuf>,
    /// No colours, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// How many calls at once, for each site
    #[arg(long, global = true, value_name = "N", default_value_t = 10)]
    pub(crate) parallelism: usize,
    /// How long to wait for a lease that another run holds
    #[arg(long, global = true, value_name = "DURATION", default_value = "0s", value_parser = length)]
    pub(crate) lease_timeout: SignedDuration,
    /// Whether to ask for what is missing
    #[arg(long, global = true, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          hide_possible_values = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) input: bool,
    /// What to log to standard error: error, warn, info, debug, trace, or a filter
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<String>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a first fleet: commented documents for an IaaS, with schemas for editors
    Init(InitOptions),
    /// Check the documents: every error at once, each with its place and a hint
    Validate(ValidateOptions),
    /// Give all documents one look, without a change to what they say
    Fmt(FmtOptions),
    /// List everything that exists, and record it
    Observe(ObserveOptions),
    /// Show what would be done, and why; changes nothing
    Plan(PlanOptions),
    /// Show a plan file
    Show(ShowOptions),
    /// Do what a plan says: a new plan after asking, or a plan file without asking
    Apply(ApplyOptions),
    /// The backup status of the fleet, or of one cluster with its timeline
    Status(StatusOptions),
    /// Make a point of one cluster at once, beside what its schedule brings
    Backup(BackupOptions),
    /// How the world differs from what is declared; nothing can be changed by it
    Drift(DriftOptions),
    /// Keep a point whatever its policy says, or let it go again
    Hold(HoldOptions),
    /// What will be made, kept, stored and paid until an instant; changes nothing
    Simulate(SimulateOptions),
    /// What the state store holds: runs and their journals, and how many records of each kind
    #[command(subcommand)]
    State(StateCommand),
    /// Which run works on which cluster; take a lease away from a run that has ended
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Print what makes a shell complete verbs, flags, files and clusters
    Completion(CompletionOptions),
    /// Write the manual pages
    #[command(hide = true)]
    Man(ManOptions),
    /// What the code of a diagnostic means, with an example that is wrong and one that is right
    Explain(ExplainOptions),
    /// The version, and the providers that this build has
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The code, as it stands between the brackets of `error[CODE]`; without it, all codes
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateOptions {
    /// Ask every site, too: whether it answers, and whether the machines and disks that are declared exist there
    #[arg(long)]
    pub(crate) online: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ObserveOptions {
    /// Write the inventory to a file, for `plan -inventory`; one that is named .json is JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanOptions {
    /// Write the plan to a file, for `show` and `apply`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit 2 when there are changes
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Plan for this instant (RFC 3339, or +DURATION from the virtual clock) instead of now
    #[arg(long, value_name = "INSTANT")]
    pub(crate) as_of: Option<AsOf>,
    /// Plan over a recorded inventory; such a plan is never applied
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
    /// Plan the documents of a commit instead of the work tree's: a branch, a tag, an id, HEAD~2, or COMMIT:DIR
    #[arg(id = "ref", long, value_name = "GITREF")]
    pub(crate) git_ref: Option<String>,
    /// Show only what the documents cause, compared with those of this commit
    #[arg(long, value_name = "GITREF", conflicts_with_all = ["md", "group_by", "full", "max_delete"])]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) selectors: Selectors,
    #[command(flatten)]
    pub(crate) views: Views,
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// The plan file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) views: Views,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyOptions {
    /// A plan file: it is applied without asking
    #[arg(value_name = "FILE", conflicts_with = "selectors")]
    pub(crate) file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(crate) auto_approve: bool,
    /// Do only this role's part: `sweep` deletes what is due, `store` does all else
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// Exit 4 when anything went stale since the plan; what went stale before the run stops all of it
    #[arg(long)]
    pub(crate) strict: bool,
    /// Plan for this instant; only sites with a virtual clock can be applied for another than now
    #[arg(long, value_name = "INSTANT", conflicts_with = "file")]
    pub(crate) as_of: Option<AsOf>,
    /// Apply the file only if this is its digest, which somebody approved; else exit 5
    #[arg(long, value_name = "SHA256", requires = "file")]
    pub(crate) approved_digest: Option<String>,
    #[command(flatten)]
    pub(crate) selectors: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// One cluster, by name or uid
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: Option<String>,
    /// List every cluster, not only the worst
    #[arg(long)]
    pub(crate) all: bool,
    /// What the map is grouped by: site, policy or a label; `landscape` where clusters have that label, else site
    #[arg(long, value_name = "KEY")]
    pub(crate) group_by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DriftOptions {
    /// Only these classes: missing, late, changed, unmanaged, orphan, unlocked
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',')]
    pub(crate) class: Vec<Class>,
    /// Rules that ignore drift, each with an owner, a reason and an end; drift-ignore.yaml when it is there
    #[arg(long, value_name = "FILE")]
    pub(crate) ignore_file: Option<PathBuf>,
    /// Only what began since then: a length of time before now as 2d, or an instant (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<Since>,
    /// Markdown, for an issue or a comment
    #[arg(long, group = "form", conflicts_with = "json")]
    pub(crate) md: bool,
    /// SARIF 2.1.0, which code hosts show beside the documents
    #[arg(long, group = "form", conflicts_with = "json")]
    pub(crate) sarif: bool,
    /// JUnit XML, one test case a cluster
    #[arg(long, group = "form", conflicts_with = "json")]
    pub(crate) junit: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// All runs, or one run: which changes it began, how each ended, and which calls have no answer
    Show {
        /// The run
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LeaseCommand {
    /// Every lease: the cluster, its holder, since when and until when, and what that run is doing
    List,
    /// Break a lease whose run has ended, instead of waiting until its time is over
    Break(BreakOptions),
}

#[derive(Debug, Args)]
pub(crate) struct BreakOptions {
    /// The cluster, by name or uid
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) auto_approve: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupOptions {
    /// The cluster, by name or uid
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// What for, for whoever finds it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HoldOptions {
    /// The cluster, by name or uid
    #[arg(value_name = "CLUSTER")]
    pub(crate) cluster: String,
    /// The point as `status CLUSTER` shows it: its instant, its name with the attempt, or `latest`
    #[arg(value_name = "POINT")]
    pub(crate) point: String,
    /// Why, for whoever finds it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Release it: from then on the policy decides again
    #[arg(long)]
    pub(crate) release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateOptions {
    /// The end: a length of time from now as 30d, or an instant (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Until,
    /// How often Backstay is taken to run
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) every: backstay_core::time::Duration,
    /// Markdown, for a comment on a pull request
    #[arg(long, conflicts_with = "json")]
    pub(crate) md: bool,
    /// Simulate every cluster of a large fleet, instead of a sample
    #[arg(long)]
    pub(crate) exact: bool,
    /// Begin with a recorded inventory
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
}

/// Which part of a plan a runner's credentials are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Everything but deletes.
    Store,
    /// Deletes alone, and the sightings that start their grace.
    Sweep,
}

/// An instant, or a length of time from now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// RFC 3339.
    At(Timestamp),
    /// `30d` or `+30d`.
    After(backstay_core::time::Duration),
}

impl FromStr for Until {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let after = text.strip_prefix('+').unwrap_or(text).parse().map(Self::After);
        after
            .or_else(|_| text.parse().map(Self::At))
            .map_err(|_| "write a length of time from now as 30d, or an instant as 2026-12-24T00:00:00Z".to_owned())
    }
}

/// An instant, or a length of time before now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Since {
    /// RFC 3339.
    At(Timestamp),
    /// `2d`.
    Before(backstay_core::time::Duration),
}

impl FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let before = text.parse().map(Self::Before);
        before
            .or_else(|_| text.parse().map(Self::At))
            .map_err(|_| "write a length of time before now as 2d, or an instant as 2026-11-23T00:00:00Z".to_owned())
    }
}

/// An instant, or a length of time after the virtual clock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AsOf {
    /// RFC 3339.
    At(Timestamp),
    /// `+8h`.
    After(SignedDuration),
}

impl FromStr for AsOf {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('+') {
            Some(rest) => length(rest).map(Self::After),
            None => text
                .parse()
                .map(Self::At)
                .map_err(|_| "write an instant as 2026-11-23T08:00:00Z, or a length after the clock as +8h".to_owned()),
        }
    }
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let length: backstay_core::time::Duration = text.parse().map_err(|error| format!("{error}"))?;
    Ok(length.signed())
}

/// What clap has to say instead of arguments.
pub(crate) struct Told {
    pub(crate) text: String,
    pub(crate) is_error: bool,
}

/// Parses, after giving every `-flag` its second dash.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Told> {
    Arguments::try_parse_from(asked_for_help(doubled(arguments)))
        .map_err(|error| Told { text: error.render().to_string(), is_error: error.use_stderr() })
}

/// `help VERB` as `VERB --help`: an unknown verb is then told with the one that was meant.
fn asked_for_help(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// The grammar itself, for who completes or describes it.
pub(crate) fn grammar() -> clap::Command {
    Arguments::command()
}

/// Gives every `-flag` its second dash; the program's name comes first, and what stands after `--` stays.
pub(crate) fn doubled(arguments: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut is_literal = false;
    arguments.into_iter().enumerate().map(move |(i, argument)| {
        is_literal |= argument == "--";
        match argument.to_str() {
            Some(text) if i > 0 && !is_literal && has_one_dash(text) => OsString::from(format!("-{text}")),
            Some(_) | None => argument,
        }
    })
}

pub(crate) fn has_one_dash(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'-') && bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) && text.len() > 2
}
