//! What each kind of site can do, as data (CLOUDS.md): what a policy may ask of it, and how fast.
//!
//! These are the clouds' own rules. What a single site found out about itself (a file system without reflinks, say) is
//! observed: [`crate::observed::Abilities`].

use crate::model::{LockMode, Provider, ProviderKind, Site};
use crate::time::Duration;
use std::fmt;

mod budget;

pub use budget::{Allowance, Budget, CallClass};

/// Whose rules a site follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Iaas {
    /// EC2 and EBS.
    Aws,
    /// Azure managed disks.
    Azure,
    /// Compute Engine's persistent disks.
    Gcp,
    /// ECS disks.
    Alibaba,
    /// Directories on this host.
    Local,
}

impl Iaas {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Aws, Self::Azure, Self::Gcp, Self::Alibaba, Self::Local];

    /// Whose rules a site follows: a simulated one follows its profile's.
    #[must_use]
    pub fn of(site: &Site) -> Self {
        match &site.provider {
            Provider::Sim(sim) => match sim.profile.as_str() {
                "azure" => Self::Azure,
                "gcp" => Self::Gcp,
                "alibaba" => Self::Alibaba,
                _ => Self::Aws,
            },
            Provider::Local(_) => Self::Local,
            Provider::Cloud { kind, .. } => match kind {
                ProviderKind::Azure => Self::Azure,
                ProviderKind::Gcp => Self::Gcp,
                ProviderKind::Alibaba => Self::Alibaba,
                ProviderKind::Aws | ProviderKind::Sim => Self::Aws,
                ProviderKind::Local => Self::Local,
            },
        }
    }

    /// Its rules.
    #[must_use]
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::Aws => &AWS,
            Self::Azure => &AZURE,
            Self::Gcp => &GCP,
            Self::Alibaba => &ALIBABA,
            Self::Local => &LOCAL,
        }
    }
}

impl fmt::Display for Iaas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
            Self::Alibaba => "Alibaba Cloud",
            Self::Local => "a local site",
        })
    }
}

/// The rules of one kind of site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How a point comes to lie in another site.
    pub copies: Copies,
    /// How long and by whom a snapshot can be locked; `None` where it cannot.
    pub lock: Option<LockRules>,
    /// How often a disk may be snapshotted.
    pub spacing: Spacing,
    /// How many snapshots of one disk may be unfinished at a time; a failed one counts where `failed_is_pending`.
    pub pending_per_disk: Option<u32>,
    /// Whether a failed snapshot counts as unfinished until it is deleted.
    pub failed_is_pending: bool,
    /// How many snapshots of one disk there may be.
    pub snapshots_per_disk: Option<u32>,
    /// How many snapshots an account may have in a region.
    pub snapshots_per_site: Option<u32>,
    /// How many disks one atomic group may have; `None` where there is none.
    pub group: Option<u32>,
    /// For how long after a call a listing may not show it yet (INVARIANTS.md 9).
    pub consistency_horizon: Duration,
    /// How many items a page of a listing has at most.
    pub page_size: u32,
    /// How many calls are answered in a time: what a call of a class takes from.
    pub budgets: &'static [Budget],
}

impl Rules {
    /// Every budget that a call of this class takes from.
    pub fn budgets_of(&self, class: CallClass) -> impl Iterator<Item = &'static Budget> {
        self.budgets.iter().filter(move |budget| budget.counts(class))
    }
}

/// How a point comes to lie in another site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Not at all.
    None,
    /// There is no copy: the one object is placed when it is made, in one location.
    PlacedAtCreation,
    /// By a copy call.
    Queued {
        /// How many snapshots may be on their way to one site at a time.
        parallel: u32,
        /// Whether a disk's snapshots are copied one at a time, in the order in which they were made.
        in_order: bool,
    },
}

/// Which locks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRules {
    /// By whom they can be lifted.
    pub modes: &'static [LockMode],
    /// The longest one.
    pub longest: Duration,
}

/// How often a disk may be snapshotted: never sooner than `interval` after the last time, and never more than `most` times
/// within `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// Between two.
    pub interval: Duration,
    /// How many within the window.
    pub most: u32,
    /// The window.
    pub window: Duration,
}

const UNLIMITED: Spacing = Spacing { interval: Duration::ZERO, most: u32::MAX, window: Duration::ZERO };

/// CLOUDS.md 1.3 to 1.7. Lock: `LockDuration` of at most 36,500 days. Five pending snapshots is the limit of all volume types but
/// st1 and sc1, on which no database lies.
static AWS: Rules = Rules {
    copies: Copies::Queued { parallel: 20, in_order: false },
    lock: Some(LockRules { modes: &[LockMode::Governance, LockMode::Compliance], longest: Duration::days(36_500) }),
    spacing: Spacing { interval: Duration::seconds(15), most: u32::MAX, window: Duration::ZERO },
    pending_per_disk: Some(5),
    failed_is_pending: true,
    snapshots_per_disk: None,
    snapshots_per_site: Some(100_000),
    group: Some(40),
    consistency_horizon: Duration::minutes(5),
    page_size: 1_000,
    budgets: &budget::AWS,
};

/// CLOUDS.md 2.5, 2.7. `Unlocked` is our governance, `Locked` our compliance. Its longest lock is not documented (CLOUDS.md 8): the
/// one of the other clouds. A listing's pages are as long as Azure likes; 200 is ours, and careful. Three pending snapshots is the limit of
/// Premium SSD v2 and Ultra disks; the others have none.
static AZURE: Rules = Rules {
    copies: Copies::Queued { parallel: 100, in_order: true },
    lock: Some(LockRules { modes: &[LockMode::Governance, LockMode::Compliance], longest: Duration::days(36_500) }),
    spacing: Spacing { interval: Duration::ZERO, most: 7, window: Duration::minutes(5) },
    pending_per_disk: Some(3),
    failed_is_pending: false,
    snapshots_per_disk: Some(500),
    snapshots_per_site: None,
    group: None,
    consistency_horizon: Duration::minutes(5),
    page_size: 200,
    budgets: &budget::AZURE,
};

/// CLOUDS.md 3.2, 3.5. No copy and no lock in v1. Instant snapshot groups are a preview: no group.
static GCP: Rules = Rules {
    copies: Copies::PlacedAtCreation,
    lock: None,
    spacing: Spacing { interval: Duration::minutes(10), most: 6, window: Duration::hours(1) },
    pending_per_disk: None,
    failed_is_pending: false,
    snapshots_per_disk: None,
    snapshots_per_site: None,
    group: None,
    consistency_horizon: Duration::minutes(1),
    page_size: 500,
    budgets: &budget::GCP,
};

/// CLOUDS.md 4.2, 4.3, 4.5. The number of parallel copies is not documented (CLOUDS.md 8): five is ours, and careful.
static ALIBABA: Rules = Rules {
    copies: Copies::Queued { parallel: 5, in_order: false },
    lock: Some(LockRules { modes: &[LockMode::Compliance], longest: Duration::days(36_500) }),
    spacing: UNLIMITED,
    pending_per_disk: Some(1),
    failed_is_pending: false,
    snapshots_per_disk: Some(256),
    snapshots_per_site: None,
    group: Some(16),
    consistency_horizon: Duration::minutes(5),
    page_size: 100,
    budgets: &budget::ALIBABA,
};

/// Directories: whatever the file system does is done when the call returns.
static LOCAL: Rules = Rules {
    copies: Copies::None,
    lock: None,
    spacing: UNLIMITED,
    pending_per_disk: None,
    failed_is_pending: false,
    snapshots_per_disk: None,
    snapshots_per_site: None,
    group: None,
    consistency_horizon: Duration::ZERO,
    page_size: u32::MAX,
    budgets: &[],
};
