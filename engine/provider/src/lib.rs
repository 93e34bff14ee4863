//! What a site can do, as separate object-safe traits, so that no stolen role can both mark and destroy.
//!
//! [`Inventory`] is all that `plan` and `drift` get; [`Store`] makes, copies and tags snapshots; [`Locker`] has the provider
//! refuse their deletion; [`Restorer`] makes disks from them; [`Sweeper`] alone deletes;
//! [`Databases`] speaks to the PostgreSQL servers of a site that Backstay itself reaches; [`PointFiles`] keeps a labelled
//! point's label, map and WAL where there is no archive; [`VirtualClock`] moves time where time is ours.
//!
//! A provider knows one cloud. It never knows another, nor retention, nor why it is asked.

pub mod conformance;
mod error;
pub mod limits;
mod traits;

pub use error::{ErrorClass, ProviderError};
pub use traits::{
    BackupEnd, BackupSession, BackupStart, CopySnapshot, CreateDisk, CreateSnapshot, Created, Databases, Description,
    Disk, Inventory, Locker, Page, PageToken, PointFileId, PointFiles, Restorer, SiteFacts, Store, Sweeper,
    VirtualClock,
};

use backstay_core::model::Site;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// One site's capabilities, as far as its provider has them.
#[derive(Clone)]
pub struct Capabilities {
    /// Listing and describing.
    pub inventory: Arc<dyn Inventory>,
    /// Creating and tagging snapshots.
    pub store: Arc<dyn Store>,
    /// Locking snapshots, where the site can.
    pub locker: Option<Arc<dyn Locker>>,
    /// Making disks from snapshots, where the site can.
    pub restorer: Option<Arc<dyn Restorer>>,
    /// Deleting snapshots and released disks.
    pub sweeper: Arc<dyn Sweeper>,
    /// Its PostgreSQL servers, where Backstay reaches them itself.
    pub databases: Option<Arc<dyn Databases>>,
    /// Files beside a point, where there is no archive.
    pub point_files: Option<Arc<dyn PointFiles>>,
    /// Its clock, where time is ours to move.
    pub clock: Option<Arc<dyn VirtualClock>>,
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capabilities").finish_non_exhaustive()
    }
}

/// Where a fleet lives: what a provider's relative paths start from.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// The directory that holds `fleet/` and `policies/`.
    pub fleet: &'a Path,
    /// The directory of the state store: embedded providers are durable below it.
    pub state: &'a Path,
}

/// Opens sites of one kind. `main` registers one for each provider that was compiled in.
pub trait Opener: Send + Sync {
    /// Opens a site, without yet listing anything.
    ///
    /// Errors are of class [`ErrorClass::Invalid`] when the site's settings or files are wrong.
    fn open(&self, site: &Site, home: Home<'_>) -> Result<Capabilities, ProviderError>;
}
