//! The fleet as a whole, and its sites.

use super::state::StateUrl;
use crate::name::{AccountId, SiteName};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The `Fleet` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Its name.
    pub name: String,
    /// Where leases, journal, tombstones, sightings and baselines live.
    pub state: StateUrl,
    /// The file of the key that seals snapshots, relative to the fleet's directory.
    pub seal_key_file: PathBuf,
    /// How many deletes a day may do at most.
    pub limits: DeleteLimits,
    /// What storage costs, by site, for forecasts.
    pub prices: BTreeMap<SiteName, Prices>,
}

/// What storage costs at one site, in the one currency of the fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    /// A month of one GiB of snapshots.
    pub snapshot_gib_month: Option<f64>,
    /// A month of one GiB of WAL.
    pub wal_gib_month: Option<f64>,
}

/// The blast radius of deletes that the clock alone would not have brought (INVARIANTS.md 18).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeleteLimits {
    /// For the whole fleet in any 24 hours. Unless declared: the larger of 1% of its points and 10.
    pub fleet: Option<Limit>,
    /// For one cluster in any 24 hours.
    pub cluster: u32,
}

/// A number, or a share of what exists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// At most this many.
    Count(u32),
    /// At most this share, in percent.
    Percent(f64),
}

impl Limit {
    /// How many that is of a whole.
    #[must_use]
    pub fn of(self, whole: usize) -> usize {
        match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of a count"
            )]
            Self::Percent(percent) => (whole as f64 * percent.clamp(0.0, 100.0) / 100.0) as usize,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no limit: write a number as 10, or a share as 1%");
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(share) => {
                let percent: f64 = share.parse().map_err(|_| wrong())?;
                if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(wrong()) }
            }
        }
    }
}

/// One account and region on one IaaS, reached through one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// How it is reached.
    pub provider: Provider,
}

/// How a site is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Provider {
    /// A simulated cloud: the embedded default.
    Sim(SimSite),
    /// Disks that are directories on this host.
    Local(LocalSite),
    /// A cloud.
    Cloud {
        /// Which one.
        kind: ProviderKind,
        /// Its region.
        region: String,
        /// The account, subscription or project.
        account: AccountId,
        /// Another address than the cloud's own: for tests and private clouds.
        endpoint: Option<String>,
    },
}

/// A simulated cloud's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct SimSite {
    /// Whose rules it follows: `aws`, `azure`, `gcp` or `alibaba`.
    pub profile: String,
    /// The seed of all its chances.
    pub seed: u64,
    /// The world file, relative to the fleet's directory.
    pub world: PathBuf,
    /// Whether time is the caller's to move.
    pub virtual_clock: bool,
    /// What goes wrong there, on purpose.
    pub faults: Vec<SimFault>,
    /// A smaller page than the profile's, so that a small fleet has several.
    pub page_size: Option<usize>,
    /// Whether it counts calls against its profile's budgets, and refuses those beyond them.
    pub enforces_budgets: bool,
    /// How far its clock is ahead of the host's, or of the virtual one.
    pub clock_skew: SignedDuration,
}

/// One thing that goes wrong at a simulated site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimFault {
    /// Which call.
    pub call: SimCall,
    /// For listings: only this page, from 1. Without it: every one.
    pub page: Option<usize>,
    /// How it fails.
    pub fail: SimFailure,
    /// How often, in percent. Without it: always.
    #[serde(default)]
    pub percent: Option<u8>,
    /// Not before this instant of the site.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// No longer at this instant of the site.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// For [`SimFailure::Slow`]: how many times as long it takes.
    #[serde(default)]
    pub times: Option<u32>,
}

impl SimFault {
    /// A fault of every call of a kind, at all times.
    #[must_use]
    pub fn of(call: SimCall, fail: SimFailure) -> Self {
        Self { call, page: None, fail, percent: None, from: None, until: None, times: None }
    }
}

/// The calls that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimCall {
    /// All of them.
    Any,
    /// Listing instances.
    ListInstances,
    /// Listing snapshots.
    ListSnapshots,
    /// Describing one snapshot or disk, or finding it by its intent.
    Describe,
    /// Creating and copying snapshots.
    Create,
    /// Adding or removing tags, and locking.
    Tag,
    /// Deleting a snapshot.
    Delete,
    /// Making a disk from a snapshot.
    CreateDisk,
    /// Attaching or detaching a disk.
    Attach,
    /// Deleting a disk.
    DeleteDisk,
}

/// How a call can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimFailure {
    /// The site is down; no effect.
    Unavailable,
    /// Too many calls; no effect.
    Throttled,
    /// The credentials do not allow it; no effect. Alibaba answers a question so as if there were nothing.
    Denied,
    /// The effect happens, the answer is lost.
    LostResponse,
    /// The call is delivered twice: its effect happens twice where the cloud cannot tell. Only for calls with an effect.
    Repeated,
    /// The snapshot is accepted, and fails later. Only for `create`.
    FailsLater,
    /// It is accepted, and never becomes ready. Only for `create` and `create-disk`.
    Stuck,
    /// It takes several times as long to become ready. Only for `create` and `create-disk`.
    Slow,
    /// It shows the state of some time ago. Only for `list-snapshots` and `describe`.
    Stale,
    /// A page shows its items in another order. Only for listings.
    Reordered,
}

/// A local site's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSite {
    /// The directory that holds instances, disks and snapshots, relative to the fleet's directory unless absolute.
    pub root: PathBuf,
    /// Whether time is the caller's to move.
    pub virtual_clock: bool,
}

/// The kinds of provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// A simulated cloud.
    Sim,
    /// Directories on this host.
    Local,
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// Alibaba Cloud.
    Alibaba,
}

impl ProviderKind {
    /// The name as documents, seals and Cargo features write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Local => "local",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Alibaba => "alibaba",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Site {
    /// Which kind of provider reaches it.
    #[must_use]
    pub fn kind(&self) -> ProviderKind {
        match &self.provider {
            Provider::Sim(_) => ProviderKind::Sim,
            Provider::Local(_) => ProviderKind::Local,
            Provider::Cloud { kind, .. } => *kind,
        }
    }

    /// Whether its declaration says that time there is the caller's to move.
    #[must_use]
    pub fn has_virtual_clock(&self) -> bool {
        match &self.provider {
            Provider::Sim(sim) => sim.virtual_clock,
            Provider::Local(local) => local.virtual_clock,
            Provider::Cloud { .. } => false,
        }
    }
}
