//! `backstay init`.

use super::write_file;
use crate::args::{Global, Iaas, InitOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::init::{NewFile, Wish, directories, faults, files, name_of};
use crate::screen::Screen;
use crate::session::directory;
use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum as _;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(options: &InitOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let root = directory(global, host);
    let Some(iaas) = options.iaas.map_or_else(|| ask(screen), |iaas| Ok(Some(iaas)))? else {
        screen.note("Cancelled: nothing was written.");
        return Ok(Codes::of(Code::Cancelled));
    };
    let name = match &options.name {
        Some(name) => name.clone(),
        None => name_of(&root.file_name().unwrap_or_default().to_string_lossy()),
    };
    let wish = Wish { iaas, name, now: host.clock.now(), chance: host.entropy.bytes()? };
    let mut files = files(&wish);
    let wrong = faults(&files);
    if wrong.has_errors() {
        screen.diagnostics(&wrong);
        bail!("`{}` is no name of a fleet: nothing was written", wish.name);
    }
    // Whoever has one already has it for more than this; the state ignores itself, too.
    let ignores = root.join(".gitignore").exists();
    files.retain(|(path, _)| !(ignores && *path == ".gitignore"));
    refuse_what_is_there(&root, &files)?;
    for (path, text) in &files {
        let path = root.join(path);
        let parent = path.parent().unwrap_or(&root);
        std::fs::create_dir_all(parent).with_context(|| format!("could not make {}", parent.display()))?;
        write_file(&path, text)?;
    }
    for directory in directories(&wish) {
        std::fs::create_dir_all(root.join(directory)).with_context(|| format!("could not make {directory}"))?;
    }
    tell(&wish, &files, global, screen);
    Ok(Codes::none())
}

/// Asks a person for the IaaS; `None` when there is no answer.
fn ask(screen: &Screen) -> anyhow::Result<Option<Iaas>> {
    let choices: Vec<String> = Iaas::value_variants()
        .iter()
        .filter_map(Iaas::to_possible_value)
        .map(|value| {
            format!("  {:8} {}", value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    let names =
        || Iaas::value_variants().iter().filter_map(Iaas::to_possible_value).map(|value| value.get_name().to_owned());
    let choose = format!("choose one with -iaas={}", names().collect::<Vec<_>>().join(", "));
    ensure!(screen.can_ask, "nobody can be asked for the IaaS: {choose}");
    let question = format!("Which IaaS is the fleet for?\n\n{}\n\nEnter a name: ", choices.join("\n"));
    match screen.ask(&question).filter(|answer| !answer.is_empty()) {
        None => Ok(None),
        Some(answer) => match Iaas::from_str(&answer, true) {
            Ok(iaas) => Ok(Some(iaas)),
            Err(_) => bail!("there is no IaaS `{}`: {choose}", backstay_report::clean(&answer)),
        },
    }
}

fn refuse_what_is_there(root: &Path, files: &[NewFile]) -> anyhow::Result<()> {
    let mut there: Vec<&str> = files.iter().map(|(path, _)| *path).filter(|path| root.join(path).exists()).collect();
    // Documents beside ours would make one fleet of two.
    there.extend(["fleet", "policies"].into_iter().filter(|name| {
        root.join(name).read_dir().is_ok_and(|mut entries| entries.next().is_some()) || root.join(name).is_file()
    }));
    there.sort_unstable();
    there.dedup();
    ensure!(
        there.is_empty(),
        "nothing was written, since this is there already: {}\nhint: choose an empty directory with -chdir=DIR",
        there.join(", ")
    );
    Ok(())
}

fn tell(wish: &Wish, files: &[NewFile], global: &Global, screen: &Screen) {
    let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
    if screen.wants_json() {
        let message = format!("made {} files", paths.len());
        screen.json("info", "init", &message, json!({ "files": paths, "name": wish.name }));
    }
    if screen.is_json {
        return;
    }
    let below =
        if global.chdir == Path::new(".") { String::new() } else { format!("-chdir={} ", global.chdir.display()) };
    let kind = match wish.iaas {
        Iaas::Aws | Iaas::Azure | Iaas::Gcp | Iaas::Alibaba => {
            "\nIts site is simulated, since this build cannot reach the real cloud yet; fleet/sites.yaml tells what changes then.\n"
        }
        Iaas::Sim => "\nIts site is simulated: nothing needs credentials, and time there is yours to move.\n",
        Iaas::Local => {
            "\nIts site is the directory local/, where no server lies yet; fleet/sites.yaml tells how one comes there.\n"
        }
    };
    let made: String = paths.iter().map(|path| format!("  {} {path}\n", screen.out_paint.green("+"))).collect();
    screen.out(&format!(
        "Made the fleet `{}`:\n\n{made}{kind}\nNext:\n\n  backstay {below}validate   # every error at once\n  \
         backstay {below}plan       # what would be done, and why\n  backstay {below}apply      # do it\n",
        wish.name
    ));
}
