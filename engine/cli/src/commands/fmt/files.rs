//! Which files are formatted, and how one is replaced.

use anyhow::{Context as _, bail};
use backstay_core::document::SourceTree;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The names of the files, relative to the fleet's directory where they are below it: those that were named, those in
/// directories that were named, or else every document of the fleet.
pub(super) fn of(named: &[PathBuf], is_recursive: bool, root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    if named.is_empty() {
        for directory in ["fleet", "policies"].map(Path::new).into_iter().filter(|name| root.join(name).is_dir()) {
            below(root, directory, true, &mut files)?;
        }
        files.retain(|file| SourceTree::takes(file));
        if files.is_empty() {
            bail!(
                "there are no documents in {}: expected fleet/ and policies/ there (-chdir names another place)",
                root.display()
            );
        }
    }
    for name in named {
        let path = root.join(name);
        if path.is_dir() {
            below(root, name, is_recursive, &mut files)?;
        } else if !path.exists() {
            bail!("there is no file {}", name.display());
        } else if is_yaml(name) {
            files.insert(text(name)?);
        } else {
            bail!("{} is not YAML by its name: `fmt` takes .yaml and .yml", name.display());
        }
    }
    Ok(files)
}

fn below(root: &Path, directory: &Path, is_recursive: bool, files: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let told = || format!("could not list {}", directory.display());
    for entry in fs::read_dir(root.join(directory)).with_context(told)? {
        let entry = entry.with_context(told)?;
        let name = directory.join(entry.file_name());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A directory behind a link is somebody else's, or seen twice.
        let is_directory = entry.file_type().with_context(told)?.is_dir();
        if is_directory && is_recursive {
            below(root, &name, true, files)?;
        } else if !is_directory && is_yaml(&name) && root.join(&name).is_file() {
            files.insert(text(&name)?);
        }
    }
    Ok(())
}

fn is_yaml(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

fn text(name: &Path) -> anyhow::Result<String> {
    let text = name.to_str().with_context(|| format!("the name {} is not UTF-8", name.display()))?;
    Ok(text.strip_prefix("./").unwrap_or(text).to_owned())
}

/// A file's bytes, when they are not too many.
pub(super) fn read(path: &Path, largest: usize) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > u64::try_from(largest).unwrap_or(u64::MAX) {
        return Err(format!("it has {} MiB, and {} are the most", size >> 20, largest >> 20));
    }
    fs::read(path).map_err(|error| error.to_string())
}

/// Replaces a file's content whole or not at all, with its mode and owner, through links; not when somebody else changed it
/// meanwhile.
pub(super) fn replace(path: &Path, before: &[u8], after: &[u8]) -> Result<(), String> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let told = |error: std::io::Error| error.to_string();
    let path = path.canonicalize().map_err(told)?;
    let metadata = fs::metadata(&path).map_err(told)?;
    if metadata.permissions().readonly() {
        return Err("it is write-protected".to_owned());
    }
    let name = path.file_name().unwrap_or_default().display().to_string();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || -> std::io::Result<bool> {
        let mut file = File::create(&temporary)?;
        // Only root can give a file away; whoever owns it needs not.
        let _ = chown(&temporary, Some(metadata.uid()), Some(metadata.gid()));
        file.set_permissions(metadata.permissions())?;
        file.write_all(after)?;
        file.sync_all()?;
        let is_same = fs::read(&path)? == before;
        if is_same {
            fs::rename(&temporary, &path)?;
        }
        Ok(is_same)
    };
    match write() {
        Ok(true) => Ok(()),
        Ok(false) => {
            drop(fs::remove_file(&temporary));
            Err("it changed meanwhile: run this again".to_owned())
        }
        Err(error) => {
            drop(fs::remove_file(&temporary));
            Err(error.to_string())
        }
    }
}
