//! Disks that are directories, with a real PostgreSQL on them.
//!
//! ```text
//! <root>/disks/<disk>/                          live contents
//! <root>/instances/<instance>/<mount>           -> ../../disks/<disk>: the attachment
//! <root>/snapshots/<snapshot>/contents/         what the disk held
//! <root>/snapshots/<snapshot>/snapshot.json     all that is known of it
//! <root>/points/<cluster>/<point>/              backup_label, tablespace_map, wal/
//! <root>/clock                                  the virtual clock, where declared
//! ```
//!
//! Whatever is written counts only once it is durable: it gets its name, by a rename, after its bytes were synced. A run
//! that dies leaves hidden names behind (`.tmp-…`, `.trash-…`), which are never listed and which the next delete removes.
//!
//! It never knows another provider, nor retention.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod btrfs;
mod clock;
mod copy;
mod databases;
mod files;
mod inventory;
mod layout;
mod method;
mod mounts;
mod place;
mod points;
mod record;
mod removal;
mod store;

use crate::place::{HostTime, Place};
use backstay_core::model::{Provider, Site};
use backstay_postgres::PassFile;
use backstay_provider::{Capabilities, Home, Opener, PointFiles, ProviderError, VirtualClock};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens local sites.
pub struct LocalOpener {
    host: HostTime,
    pass_file: Option<PassFile>,
}

impl LocalOpener {
    /// An opener that reads the host's time by this function, and passwords where libpq would look (`PGPASSFILE`).
    #[must_use]
    pub fn new(host: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self { host, pass_file: PassFile::of_environment() }
    }

    /// Reads passwords from this file instead.
    #[must_use]
    pub fn with_pass_file(self, path: impl Into<PathBuf>) -> Self {
        Self { pass_file: Some(PassFile::at(path)), ..self }
    }
}

impl Opener for LocalOpener {
    fn open(&self, site: &Site, home: Home<'_>) -> Result<Capabilities, ProviderError> {
        let Provider::Local(settings) = &site.provider else {
            return Err(ProviderError::invalid(format!(
                "site {} is of provider {}, not local",
                site.name,
                site.kind()
            )));
        };
        let root = home.fleet.join(&settings.root);
        let place = Arc::new(Place::new(root, Arc::clone(&self.host), settings.virtual_clock));
        let clock: Option<Arc<dyn VirtualClock>> =
            if settings.virtual_clock { Some(Arc::new(place.clock.clone())) } else { None };
        let point_files: Arc<dyn PointFiles> = Arc::new(points::LocalPointFiles { place: Arc::clone(&place) });
        let pass_file = self.pass_file.clone();
        Ok(Capabilities {
            inventory: Arc::new(inventory::LocalInventory { place: Arc::clone(&place) }),
            store: Arc::new(store::LocalStore { place: Arc::clone(&place) }),
            locker: None,
            restorer: None,
            sweeper: Arc::new(removal::LocalSweeper { place: Arc::clone(&place) }),
            databases: Some(Arc::new(databases::LocalDatabases { place, pass_file })),
            point_files: Some(point_files),
            clock,
        })
    }
}
