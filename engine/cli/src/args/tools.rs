//! The options of the verbs that serve who writes documents and who sets up a shell; none of them looks at a site.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct InitOptions {
    /// The IaaS that the fleet is for; asked for on a terminal
    #[arg(long, value_name = "IAAS", value_enum)]
    pub(crate) iaas: Option<Iaas>,
    /// The fleet's name; the directory's unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// What a first fleet is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Iaas {
    /// Amazon Web Services, simulated
    Aws,
    /// Microsoft Azure, simulated
    Azure,
    /// Google Cloud, simulated
    Gcp,
    /// Alibaba Cloud, simulated
    Alibaba,
    /// directories on this host, with real PostgreSQL servers
    Local,
    /// a simulated cloud to play with
    Sim,
}

#[derive(Debug, Args)]
pub(crate) struct FmtOptions {
    /// Files and directories; `-` is standard input, formatted to standard output. Without any: every document of the fleet
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write nothing: list what is not formatted, and exit 3 when there is any
    #[arg(long)]
    pub(crate) check: bool,
    /// Show what changes, as `diff -u` does
    #[arg(long)]
    pub(crate) diff: bool,
    /// Also the directories below those that are named
    #[arg(long)]
    pub(crate) recursive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionOptions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: ShellName,
}

/// A shell that completes command lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellName {
    /// `source <(backstay completion bash)` in ~/.bashrc
    Bash,
    /// `source <(backstay completion zsh)` in ~/.zshrc, after compinit
    Zsh,
    /// `backstay completion fish > ~/.config/fish/completions/backstay.fish`
    Fish,
    /// `backstay completion powershell | Out-String | Invoke-Expression` in $PROFILE
    #[value(alias = "pwsh")]
    Powershell,
    /// `eval (backstay completion elvish | slurp)` in ~/.config/elvish/rc.elv
    Elvish,
}

impl ShellName {
    /// The name as the shell calls itself.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Elvish => "elvish",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// Where to write them: a directory that `man` looks into, as ~/.local/share/man/man1; it is made
    #[arg(value_name = "DIR", required_unless_present = "markdown")]
    pub(crate) directory: Option<PathBuf>,
    /// Print the same as one page of Markdown instead: docs/reference/cli.md
    #[arg(long, conflicts_with = "directory")]
    pub(crate) markdown: bool,
}
