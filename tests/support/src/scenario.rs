//! Golden scenarios: a script of commands with the expected text beside each.
//!
//! A line that begins with `$ ` is a command; what it says stands below it, up to the next command or comment. A line that
//! begins with `#` is a comment. `BACKSTAY_UPDATE=1` writes the file anew with what was really said.
//!
//! ```text
//! $ backstay ARGUMENTS…         the real command line; `[exit N]` stands last when N is not 0
//! $ yes | backstay ARGUMENTS…   the same, with a person who types `yes`
//! $ fleet NAME                  copies tests/scenarios/fleets/NAME
//! $ write PATH                  writes the lines below, each after `| `, to a file
//! $ replace PATH OLD => NEW     replaces a text that must be there once; `\n` begins a line
//! $ remove PATH                 removes a file or directory
//! $ time INSTANT                sets the host's clock
//! $ break SITE delete CLUSTER SLOT | stop INSTANCE | start INSTANCE | forge DISK CLUSTER | foreign DISK | retag CLUSTER SLOT KEY VALUE
//! $ edit-plan FILE HOW          tampers with a plan file and makes its digest right again
//! ```

use crate::shell::Shell;
use anyhow::{Context as _, Result, bail, ensure};
use backstay_core::model::{Desired, Site};
use backstay_core::name::{DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::observed::Snapshot;
use backstay_core::resolve::resolve;
use backstay_core::tags;
use backstay_provider::{Home, Inventory as _};
use backstay_provider_sim::SimSite;
use backstay_runtime::sources::from_directory;
use backstay_sim::Meddle;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs one script, and compares what was said with what stands there; an error shows the difference.
pub async fn run(script: &Path) -> Result<()> {
    let expected = fs::read_to_string(script).with_context(|| format!("reading {}", script.display()))?;
    let directory = tempfile::tempdir()?;
    let fleets = script.parent().context("a script lies in a directory")?.join("fleets");
    let stage = Stage { shell: Shell::in_directory(directory.path()), fleets };
    let actual = stage.play(&expected).await.with_context(|| format!("playing {}", script.display()))?;
    if actual == expected {
        return Ok(());
    }
    if std::env::var_os("BACKSTAY_UPDATE").is_some() {
        fs::write(script, actual)?;
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&expected, &actual);
    bail!("{} says something else now:\n{}", script.display(), diff.unified_diff().header("expected", "said"))
}

struct Stage {
    shell: Shell,
    fleets: PathBuf,
}

impl Stage {
    /// Plays the commands, and gives the script with what they said.
    async fn play(&self, script: &str) -> Result<String> {
        let mut out = String::new();
        let mut lines = script.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                writeln!(out, "{line}")?;
                continue;
            }
            let Some(command) = line.strip_prefix("$ ") else { continue };
            // A blank line before each command, but the first after its comment.
            writeln!(out, "{line}")?;
            let mut body = String::new();
            while let Some(text) = lines.peek().and_then(|next| next.strip_prefix('|')) {
                writeln!(out, "|{text}")?;
                writeln!(body, "{}", text.strip_prefix(' ').unwrap_or(text))?;
                lines.next();
            }
            let said = self.command(command, &body).await.with_context(|| format!("command `{command}`"))?;
            out.push_str(&said);
            if !said.is_empty() && !said.ends_with('\n') {
                out.push('\n');
            }
            out.push('\n');
        }
        while out.ends_with("\n\n") {
            out.pop();
        }
        Ok(out)
    }

    async fn command(&self, command: &str, body: &str) -> Result<String> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let place = |path: &str| self.shell.directory.join(path);
        match verb {
            "backstay" => return Ok(self.backstay(rest, None).await),
            "yes" | "no" => {
                let rest = rest.strip_prefix("| backstay ").context("expected `yes | backstay …`")?;
                return Ok(self.backstay(rest, Some(verb)).await);
            }
            "fleet" => copy_directory(&self.fleets.join(rest), &self.shell.directory)?,
            "write" => {
                let path = place(rest);
                fs::create_dir_all(path.parent().context("a file lies in a directory")?)?;
                fs::write(path, body)?;
            }
            "replace" => {
                let (path, texts) = rest.split_once(' ').context("expected a path, and OLD => NEW")?;
                let (old, new) = texts.split_once(" =>").context("expected OLD => NEW")?;
                let new = new.strip_prefix(' ').unwrap_or(new);
                let new = &new.replace("\\n", "\n");
                let content = fs::read_to_string(place(path))?;
                ensure!(
                    content.matches(old).count() == 1,
                    "`{old}` stands {} times in {path}",
                    content.matches(old).count()
                );
                fs::write(place(path), content.replace(old, new))?;
            }
            "remove" => {
                let path = place(rest);
                if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
            }
            "time" => self.shell.clock.set(rest.parse()?),
            "break" => self.meddle(rest).await?,
            "edit-plan" => {
                let (file, kind) = rest.split_once(' ').context("expected a file and a kind")?;
                crate::tamper::edit(&place(file), kind)?;
            }
            _ => bail!("unknown command"),
        }
        Ok(String::new())
    }

    async fn backstay(&self, arguments: &str, answer: Option<&str>) -> String {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let said = self.shell.run(&arguments, answer).await;
        let mut text = String::new();
        // Results first, then all else: two streams have no common order.
        text.push_str(&said.out);
        text.push_str(&said.err);
        if said.code != 0 {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("[exit {}]\n", said.code));
        }
        // Where the fleet lies differs from run to run.
        let text = text.replace(&*self.shell.directory.to_string_lossy(), "DIR");
        // A blank line would end nothing, but lines of a script must not begin with its marks.
        text.lines()
            .map(|line| {
                if line.starts_with(['$', '#', '|']) { format!(" {line}\n") } else { format!("{}\n", line.trim_end()) }
            })
            .collect()
    }

    fn open(&self, name: &str) -> Result<(Arc<SimSite>, Desired)> {
        let sources = from_directory(&self.shell.directory)?;
        let desired = resolve(&sources.tree, sources.origin).desired.context("the fleet does not resolve")?;
        let site: &Site = desired.sites.get(&SiteName::new(name)?).with_context(|| format!("no site {name}"))?;
        let state = self.shell.directory.join(".backstay");
        let clock = self.shell.clock.clone();
        let now = Arc::new(move || backstay_cli::Clock::now(&clock));
        let site = SimSite::open(site, Home { fleet: &self.shell.directory, state: &state }, now)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok((site, desired))
    }

    /// Changes a simulated world behind Backstay's back.
    async fn meddle(&self, rest: &str) -> Result<()> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [site, verb, arguments @ ..] = words.as_slice() else { bail!("expected a site and what to do") };
        let (site, desired) = self.open(site)?;
        let meddles = match (*verb, arguments) {
            ("stop", [instance]) => vec![Meddle::StopServer { instance: InstanceId::new(instance)? }],
            ("start", [instance]) => vec![Meddle::StartServer { instance: InstanceId::new(instance)? }],
            ("delete", [cluster, slot]) => {
                let ids = snapshots_of(&site, &desired, cluster, slot).await?;
                ids.into_iter().map(|snapshot| Meddle::DeleteSnapshot { id: snapshot.id }).collect()
            }
            ("retag", [cluster, slot, key, value]) => {
                let change = |id: SnapshotId| Meddle::Retag {
                    id,
                    tags: [((*key).to_owned(), (*value).to_owned())].into_iter().collect(),
                };
                snapshots_of(&site, &desired, cluster, slot).await?.into_iter().map(|s| change(s.id)).collect()
            }
            ("forge", [disk, cluster, slot]) => {
                // A copy of a real point's tags on a snapshot that Backstay did not make.
                let model = snapshots_of(&site, &desired, cluster, slot).await?;
                let tags = model.first().context("no such point")?.tags.clone();
                vec![Meddle::CreateForeign { disk: DiskId::new(disk)?, tags }]
            }
            ("foreign", [disk]) => {
                vec![Meddle::CreateForeign { disk: DiskId::new(disk)?, tags: tags::Tags::default() }]
            }
            _ => bail!("unknown way to break a site: {verb}"),
        };
        for meddle in meddles {
            site.meddle(meddle).map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        Ok(())
    }
}

/// The snapshots of one cluster's point, by the beginning of its slot's stamp.
async fn snapshots_of(site: &SimSite, desired: &Desired, cluster: &str, slot: &str) -> Result<Vec<Snapshot>> {
    let cluster = desired.clusters.values().find(|c| c.name.as_str() == cluster).context("no such cluster")?;
    let mut found = Vec::new();
    let mut page = None;
    loop {
        let listed = site.snapshots(page).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        found.extend(listed.items.into_iter().filter(|snapshot| {
            let is = |key: &str, start: &str| snapshot.tags.get(key).is_some_and(|value| value.starts_with(start));
            is(tags::CLUSTER, cluster.uid.as_str()) && is(tags::POINT, slot)
        }));
        page = listed.next;
        if page.is_none() {
            break;
        }
    }
    ensure!(!found.is_empty(), "no snapshot of {slot}");
    Ok(found)
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
