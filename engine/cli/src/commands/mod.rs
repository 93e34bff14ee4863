//! One module a verb.

pub(crate) mod apply;
pub(crate) mod backup;
pub(crate) mod base;
pub(crate) mod completion;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod init;
mod inventory;
pub(crate) mod lease;
pub(crate) mod man;
pub(crate) mod observe;
pub(crate) mod plan;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod validate;
pub(crate) mod version;

use backstay_core::observed::Observed;
use std::io::Write as _;
use std::path::Path;

/// Writes a file whole or not at all.
fn write_file(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let told = |error: std::io::Error| anyhow::anyhow!("could not write {}: {error}", path.display());
    let name = path.file_name().ok_or_else(|| anyhow::anyhow!("{} names no file", path.display()))?;
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.display(), std::process::id()));
    let write = || {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(content.as_ref())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&temporary))).map_err(told)
}

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// What a person says why something is done; nothing where that is only white space.
fn reason_of(given: Option<&str>) -> anyhow::Result<Option<&str>> {
    let reason = given.map(str::trim).filter(|reason| !reason.is_empty());
    let is_short = reason.is_none_or(|reason| reason.chars().count() <= LONGEST_REASON);
    anyhow::ensure!(is_short, "-reason has more than {LONGEST_REASON} characters");
    Ok(reason)
}

/// Whether every site and the state store's records were read.
fn is_complete(observed: &Observed) -> bool {
    observed.records.complete().is_some() && observed.sites.values().all(|site| site.complete().is_some())
}

/// The largest file that is read whole: a plan or an inventory of the largest fleets stays below it.
const LARGEST_FILE: u64 = 4 << 30;

fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let told = |error: std::io::Error| anyhow::anyhow!("could not read {}: {error}", path.display());
    let size = std::fs::metadata(path).map_err(told)?.len();
    anyhow::ensure!(size <= LARGEST_FILE, "{} is larger than 4 GiB", path.display());
    std::fs::read(path).map_err(told)
}

pub(crate) fn read_file(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| anyhow::anyhow!("could not read {}: stream did not contain valid UTF-8", path.display()))
}
