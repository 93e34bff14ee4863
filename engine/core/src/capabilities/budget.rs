//! How many calls a site answers in a time, as data (CLOUDS.md 0.3.10, 1.6, 2.7, 3.5, 4.5).
//!
//! A call takes one from every budget that names its class, and is refused when any of them is empty.

use crate::time::Duration;
use std::fmt;

/// The kinds of calls that clouds count apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallClass {
    /// One page of a listing, or what carries a tag: also how a retry finds its own work.
    List,
    /// One thing by its id.
    Describe,
    /// A snapshot of one disk.
    Create,
    /// Snapshots of several disks at one instant.
    CreateGroup,
    /// A copy from another site.
    Copy,
    /// Adding or removing tags of one snapshot.
    Tag,
    /// Locking a snapshot.
    Lock,
    /// Deleting a snapshot.
    Delete,
    /// Making a disk from a snapshot.
    CreateDisk,
    /// Attaching or detaching a disk.
    Attach,
    /// Deleting a disk.
    DeleteDisk,
}

impl CallClass {
    /// Every class.
    pub const ALL: [Self; 11] = [
        Self::List,
        Self::Describe,
        Self::Create,
        Self::CreateGroup,
        Self::Copy,
        Self::Tag,
        Self::Lock,
        Self::Delete,
        Self::CreateDisk,
        Self::Attach,
        Self::DeleteDisk,
    ];

    /// The word for reports and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Describe => "describe",
            Self::Create => "create",
            Self::CreateGroup => "create-group",
            Self::Copy => "copy",
            Self::Tag => "tag",
            Self::Lock => "lock",
            Self::Delete => "delete",
            Self::CreateDisk => "create-disk",
            Self::Attach => "attach",
            Self::DeleteDisk => "delete-disk",
        }
    }
}

impl fmt::Display for CallClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What calls of some classes share, for one account in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What the cloud calls it, or the call that it is named by.
    pub name: &'static str,
    /// Whose calls take from it.
    pub calls: &'static [CallClass],
    /// How much there is.
    pub allowance: Allowance,
}

impl Budget {
    /// Whether a call of this class takes from it.
    #[must_use]
    pub fn counts(&self, class: CallClass) -> bool {
        self.calls.contains(&class)
    }
}

/// How much a budget gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// A bucket of tokens, full at first; it refills all the time, and never beyond its capacity.
    Bucket {
        /// How many calls it holds.
        capacity: u32,
        /// How many come back within `every`.
        refill: u32,
        /// In which time.
        every: Duration,
    },
    /// So many calls in each window. Windows follow each other from the epoch: all minutes begin at their second 0. Once one is
    /// used up, everything fails until it ends.
    Window {
        /// How many calls.
        calls: u32,
        /// How long a window is.
        length: Duration,
    },
}

impl Allowance {
    /// How many calls may come at once where none came before.
    #[must_use]
    pub fn burst(self) -> u32 {
        match self {
            Self::Bucket { capacity, .. } => capacity,
            Self::Window { calls, .. } => calls,
        }
    }

    /// How many calls it gives in a time of this length, however they are spread: the most that a forecast may count on.
    #[must_use]
    pub fn within(self, length: Duration) -> u64 {
        let (start, refill, every) = match self {
            Self::Bucket { capacity, refill, every } => (capacity, refill, every),
            Self::Window { calls, length } => (0, calls, length),
        };
        let periods = length.as_seconds() / every.as_seconds().max(1);
        let refilled = u64::from(refill).saturating_mul(periods);
        u64::from(start).saturating_add(refilled)
    }
}

const SECOND: Duration = Duration::seconds(1);
const MINUTE: Duration = Duration::minutes(1);

const fn bucket(capacity: u32, per_second: u32) -> Allowance {
    Allowance::Bucket { capacity, refill: per_second, every: SECOND }
}

const fn window(calls: u32, length: Duration) -> Allowance {
    Allowance::Window { calls, length }
}

/// CLOUDS.md 1.6: token buckets per account and region. A describe by id has neither filter nor paging. `CreateTags` and
/// `DeleteTags` are taken as one bucket, and so are "all other mutating": whether each call has its own is not documented.
pub(super) static AWS: [Budget; 9] = [
    Budget { name: "Describe* with a filter", calls: &[CallClass::List], allowance: bucket(100, 20) },
    Budget { name: "Describe* without a filter", calls: &[CallClass::Describe], allowance: bucket(50, 10) },
    Budget { name: "CreateSnapshot", calls: &[CallClass::Create], allowance: bucket(100, 5) },
    Budget { name: "CreateSnapshots", calls: &[CallClass::CreateGroup], allowance: bucket(100, 5) },
    Budget { name: "DeleteSnapshot", calls: &[CallClass::Delete], allowance: bucket(100, 5) },
    Budget { name: "CreateVolume", calls: &[CallClass::CreateDisk], allowance: bucket(100, 5) },
    Budget { name: "DeleteVolume", calls: &[CallClass::DeleteDisk], allowance: bucket(100, 5) },
    Budget { name: "CreateTags, DeleteTags", calls: &[CallClass::Tag], allowance: bucket(100, 10) },
    Budget {
        name: "other mutating calls",
        calls: &[CallClass::Copy, CallClass::Lock, CallClass::Attach],
        allowance: bucket(50, 5),
    },
];

const THREE_MINUTES: Duration = Duration::minutes(3);
const HALF_AN_HOUR: Duration = Duration::minutes(30);

/// CLOUDS.md 2.7: ARM's token buckets, and the windows of the Compute provider below them. Its round numbers are those that
/// the recorded headers were counting down from.
pub(super) static AZURE: [Budget; 12] = [
    Budget { name: "ARM reads", calls: &[CallClass::List, CallClass::Describe], allowance: bucket(250, 25) },
    Budget {
        name: "ARM writes",
        calls: &[
            CallClass::Create,
            CallClass::Copy,
            CallClass::Tag,
            CallClass::Lock,
            CallClass::CreateDisk,
            CallClass::Attach,
        ],
        allowance: bucket(200, 10),
    },
    Budget { name: "ARM deletes", calls: &[CallClass::Delete, CallClass::DeleteDisk], allowance: bucket(200, 10) },
    Budget { name: "LowCostGet3Min", calls: &[CallClass::Describe], allowance: window(15_000, THREE_MINUTES) },
    Budget { name: "LowCostGet30Min", calls: &[CallClass::Describe], allowance: window(120_000, HALF_AN_HOUR) },
    Budget { name: "HighCostGet3Min", calls: &[CallClass::List], allowance: window(240, THREE_MINUTES) },
    Budget { name: "HighCostGet30Min", calls: &[CallClass::List], allowance: window(1_920, HALF_AN_HOUR) },
    Budget {
        name: "HighCostSnapshotCreateHydrate3Min",
        calls: &[CallClass::Create, CallClass::Copy],
        allowance: window(240, THREE_MINUTES),
    },
    Budget {
        name: "HighCostSnapshotCreateHydrate30Min",
        calls: &[CallClass::Create, CallClass::Copy],
        allowance: window(1_920, HALF_AN_HOUR),
    },
    Budget { name: "DeleteDisks3Min", calls: &[CallClass::DeleteDisk], allowance: window(3_000, THREE_MINUTES) },
    Budget { name: "DeleteDisks30Min", calls: &[CallClass::DeleteDisk], allowance: window(24_000, HALF_AN_HOUR) },
    Budget {
        name: "Update VM",
        calls: &[CallClass::Attach],
        allowance: Allowance::Bucket { capacity: 1_500, refill: 500, every: MINUTE },
    },
];

/// CLOUDS.md 3.5: per project and synchronised minute. The numbers are the older defaults; the newer ones are higher. Disks
/// and instances are of a zone: they are counted apart from what is global.
pub(super) static GCP: [Budget; 4] = [
    Budget { name: "list requests", calls: &[CallClass::List], allowance: window(1_500, MINUTE) },
    Budget { name: "get requests", calls: &[CallClass::Describe], allowance: window(1_500, MINUTE) },
    Budget {
        name: "global mutations",
        calls: &[CallClass::Create, CallClass::Tag, CallClass::Delete],
        allowance: window(1_500, MINUTE),
    },
    Budget {
        name: "zonal mutations",
        calls: &[CallClass::CreateDisk, CallClass::Attach, CallClass::DeleteDisk],
        allowance: window(1_500, MINUTE),
    },
];

/// CLOUDS.md 4.5: per user and per call, in minutes. The numbers are not documented: these are ours, and careful.
pub(super) static ALIBABA: [Budget; 10] = [
    Budget {
        name: "DescribeSnapshots",
        calls: &[CallClass::List, CallClass::Describe],
        allowance: window(500, MINUTE),
    },
    Budget { name: "CreateSnapshot", calls: &[CallClass::Create], allowance: window(100, MINUTE) },
    Budget { name: "CreateSnapshotGroup", calls: &[CallClass::CreateGroup], allowance: window(100, MINUTE) },
    Budget { name: "CopySnapshot", calls: &[CallClass::Copy], allowance: window(100, MINUTE) },
    Budget { name: "TagResources", calls: &[CallClass::Tag], allowance: window(100, MINUTE) },
    Budget { name: "LockSnapshot", calls: &[CallClass::Lock], allowance: window(100, MINUTE) },
    Budget { name: "DeleteSnapshot", calls: &[CallClass::Delete], allowance: window(100, MINUTE) },
    Budget { name: "CreateDisk", calls: &[CallClass::CreateDisk], allowance: window(100, MINUTE) },
    Budget { name: "AttachDisk, DetachDisk", calls: &[CallClass::Attach], allowance: window(100, MINUTE) },
    Budget { name: "DeleteDisk", calls: &[CallClass::DeleteDisk], allowance: window(100, MINUTE) },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capabilities::{Copies, Iaas};

    #[test]
    fn every_call_that_a_cloud_has_is_counted_by_a_budget() {
        for iaas in [Iaas::Aws, Iaas::Azure, Iaas::Gcp, Iaas::Alibaba] {
            let rules = iaas.rules();
            for class in CallClass::ALL {
                let has_it = match class {
                    CallClass::CreateGroup => rules.group.is_some(),
                    CallClass::Copy => matches!(rules.copies, Copies::Queued { .. }),
                    CallClass::Lock => rules.lock.is_some(),
                    CallClass::List
                    | CallClass::Describe
                    | CallClass::Create
                    | CallClass::Tag
                    | CallClass::Delete
                    | CallClass::CreateDisk
                    | CallClass::Attach
                    | CallClass::DeleteDisk => true,
                };
                assert_eq!(rules.budgets_of(class).next().is_some(), has_it, "{iaas}: {class}");
            }
        }
        assert!(Iaas::Local.rules().budgets.is_empty());
    }

    #[test]
    fn an_hour_gives_what_is_refilled_and_a_bucket_its_start_besides() {
        let hour = Duration::hours(1);
        assert_eq!(bucket(100, 5).within(hour), 100 + 5 * 3600);
        assert_eq!(window(240, THREE_MINUTES).within(hour), 240 * 20);
        assert_eq!((bucket(100, 5).burst(), window(240, THREE_MINUTES).burst()), (100, 240));
        assert_eq!(bucket(100, 5).within(Duration::ZERO), 100);
    }
}
