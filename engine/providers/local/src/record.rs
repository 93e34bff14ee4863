//! `snapshot.json`: all that is known of one snapshot, beside its `contents/`.
//!
//! A snapshot is made under a hidden name and renamed when it is complete and durable, so a directory `snap-…` is always a
//! whole one. The file is pretty-printed, one fact a line, so that a person with a shell can recover from it.

use crate::files::{failed, failing, replace, write_synced};
use crate::layout::{Layout, Located};
use crate::place::read_if_there;
use backstay_core::name::{DiskId, InstanceId, SnapshotId};
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::tags::{Intent, Tags};
use backstay_provider::{ErrorClass, ProviderError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How every snapshot's name begins; anything else in `snapshots/` is not one.
pub(crate) const PREFIX: &str = "snap-";
const FILE: &str = "snapshot.json";
const CONTENTS: &str = "contents";

/// What `snapshot.json` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) format: u32,
    pub(crate) id: SnapshotId,
    pub(crate) disk: DiskId,
    pub(crate) instance: InstanceId,
    pub(crate) intent: Intent,
    /// In the site's time.
    pub(crate) created: Timestamp,
    pub(crate) size: u64,
    /// How it was made.
    pub(crate) method: String,
    /// What lay where when it was made: links inside still lead to live disks.
    pub(crate) holds: Holds,
    /// What was left out.
    pub(crate) skipped: Vec<String>,
    pub(crate) tags: Tags,
}

/// What of a server lies on one disk; paths are relative to its top, which is `.`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pg_wal: Option<String>,
    /// By OID.
    #[serde(default)]
    tablespaces: BTreeMap<String, String>,
}

impl Holds {
    /// What an instance has on one of its disks.
    pub(crate) fn of(layout: &Layout, disk: &DiskId) -> Self {
        let here = |located: &Located| (located.disk == *disk).then(|| shown(&located.path));
        Self {
            data_directory: layout.data.as_ref().and_then(here),
            pg_wal: layout.wal.as_ref().and_then(here),
            tablespaces: layout.tablespaces.iter().filter_map(|(oid, at)| Some((oid.clone(), here(at)?))).collect(),
        }
    }
}

fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() { ".".to_owned() } else { path.display().to_string() }
}

/// The number of `snapshot.json`'s format.
pub(crate) const FORMAT: u32 = 1;

/// The directory of one site's snapshots.
#[derive(Debug, Clone)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.join("snapshots"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    /// Reads a snapshot's record; `None` if there is no such snapshot.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Record>, ProviderError> {
        if !id.starts_with(PREFIX) || id.contains('/') {
            return Ok(None);
        }
        let path = self.directory(id).join(FILE);
        let Some(bytes) = read_if_there(&path)? else {
            // Deleted means that the directory is gone, too. One without its record is damaged, not absent.
            return match self.directory(id).symlink_metadata() {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed("look at", &self.directory(id), &error)),
                Ok(_) => Err(ProviderError::unavailable(format!("{} is missing", path.display()))),
            };
        };
        let wrong = |why: String| ProviderError::unavailable(format!("{} cannot be read: {why}", path.display()));
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if record.format != FORMAT {
            return Err(wrong(format!("its format is {}, and this program knows {FORMAT}", record.format)));
        }
        if record.id.as_str() != id {
            return Err(wrong(format!("it is about {}", record.id)));
        }
        Ok(Some(record))
    }

    /// The snapshot as the inventory shows it.
    pub(crate) fn show(&self, record: Record) -> Snapshot {
        let has_contents = contents(&self.directory(record.id.as_str())).is_dir();
        let lost = || Readiness::Failed { because: "its contents are gone".to_owned() };
        Snapshot {
            id: record.id,
            disk: record.disk,
            created: record.created,
            readiness: if has_contents { Readiness::Ready } else { lost() },
            tags: record.tags,
            size: record.size,
            encrypted: false,
            kms_key: None,
            location: None,
            locked_until: None,
        }
    }

    /// Changes a snapshot's tags. The caller holds the site's lock.
    pub(crate) fn change_tags(&self, id: &SnapshotId, change: impl FnOnce(&mut Tags)) -> Result<(), ProviderError> {
        let record = self.read(id.as_str())?;
        let mut record = record.ok_or_else(|| ProviderError::not_found(format!("there is no snapshot {id}")))?;
        let before = record.tags.clone();
        change(&mut record.tags);
        if record.tags == before {
            return Ok(());
        }
        let path = self.directory(id.as_str()).join(FILE);
        // A rename that was followed by an error may have happened.
        replace(&path, &record.to_json()).map_err(|error| {
            let error = failed("write", &path, &error);
            ProviderError { class: ErrorClass::OutcomeUnknown, ..error }
        })
    }
}

/// Where a snapshot's files lie.
pub(crate) fn contents(directory: &Path) -> PathBuf {
    directory.join(CONTENTS)
}

impl Record {
    fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("a record is JSON");
        json.push(b'\n');
        json
    }

    /// Writes the record of a new snapshot into its directory, which has another name still.
    pub(crate) fn write_new(&self, directory: &Path) -> Result<(), ProviderError> {
        let path = directory.join(FILE);
        write_synced(&path, &self.to_json()).map_err(failing("write", &path))
    }
}
