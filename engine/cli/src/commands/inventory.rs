//! A recorded inventory: what `observe -out` writes, and `plan` and `simulate` read.

use super::{read_bytes, write_file};
use crate::session::Session;
use backstay_core::observed::{Observed, Provenance};
use backstay_core::{canonical, inventory};
use backstay_runtime::file_store::HostKeyDisk;
use backstay_runtime::threads::Threads;
use std::path::Path;

/// Writes what was observed: as JSON where the file's name says so, else in the form that is read fast. With the seal key that
/// file tells which seals are genuine, and is signed.
pub(super) fn record(session: &Session, file: &Path, observed: &Observed) -> anyhow::Result<()> {
    let path = session.root.join(file);
    if file.extension().is_some_and(|extension| extension == "json") {
        return write_file(&path, format!("{}\n", canonical::to_string(observed)));
    }
    let key = session.key_file.key(&HostKeyDisk)?;
    write_file(&path, inventory::write(&Threads::available(), observed, key.as_ref()))
}

/// Reads what [`record`] wrote, in either form.
pub(super) fn recorded(session: &Session, file: &Path) -> anyhow::Result<Observed> {
    let path = session.root.join(file);
    let bytes = read_bytes(&path)?;
    let told = |error: &dyn std::fmt::Display| {
        anyhow::anyhow!("{} is not an inventory ({error}); `backstay observe -out` writes one", path.display())
    };
    let mut observed: Observed = if inventory::is_binary(&bytes) {
        let trusted = session.key_file.keyring(&HostKeyDisk)?;
        inventory::read(&Threads::available(), &bytes, &trusted).map_err(|error| told(&error))?
    } else {
        serde_json::from_slice(&bytes).map_err(|error| told(&error))?
    };
    observed.provenance = Provenance::Recorded;
    Ok(observed)
}
