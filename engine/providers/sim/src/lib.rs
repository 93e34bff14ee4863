//! The simulated cloud behind the provider traits, durable before it answers.
//!
//! [`SimOpener`] opens sites for the engine. [`SimSite`] is one site; tests that act behind Backstay's back open it
//! themselves, beside the engine, and call [`SimSite::meddle`].
//!
//! Everything lives below `sim/<site>` in the state directory: `effects.jsonl` holds every effect since the site began,
//! `points/` the files beside labelled points. A read-only call makes no file.

mod capabilities;
mod copies;
mod databases;
mod disks;
mod durable;
mod journal;
mod points;
mod site;
mod world_file;

pub use backstay_sim::{CallRecord, Meddle};
pub use site::SimSite;

use backstay_core::model::Site;
use backstay_provider::{Capabilities, Home, Opener, ProviderError};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Reads the host's clock: the one seam through which time comes in.
pub type HostClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Opens simulated sites.
#[derive(Clone)]
pub struct SimOpener {
    host: HostClock,
    sites: site::Sites,
}

impl SimOpener {
    /// An opener whose sites without a virtual clock follow this clock.
    #[must_use]
    pub fn new(host: HostClock) -> Self {
        Self { host, sites: site::Sites::default() }
    }
}

impl fmt::Debug for SimOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimOpener").finish_non_exhaustive()
    }
}

impl Opener for SimOpener {
    fn open(&self, site: &Site, home: Home<'_>) -> Result<Capabilities, ProviderError> {
        SimSite::open_beside(site, home, self.host.clone(), &self.sites).map(|site| site.capabilities())
    }
}
