//! What a request of the traits takes from a cloud's budgets: one request may be several calls.

use backstay_core::capabilities::{CallClass, Iaas};
use backstay_core::name::DiskId;
use std::collections::BTreeMap;

/// What is asked of a site, as far as its cost goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// One page of a listing.
    Page,
    /// One snapshot by its id.
    Describe,
    /// The snapshots that carry an intent.
    ByIntent,
    /// A snapshot of one disk.
    Create(&'a DiskId),
    /// Snapshots of several disks at one instant.
    CreateGroup(&'a [DiskId]),
    /// A copy. Its source's site is asked for the source besides: [`Request::Describe`] there.
    Copy,
    /// Tags, added or removed.
    Tag,
    /// A lock.
    Lock,
    /// The deletion of a snapshot.
    Delete,
}

impl<'a> Request<'a> {
    /// The kind of call that it is there for.
    #[must_use]
    pub fn class(self) -> CallClass {
        match self {
            Self::Page | Self::ByIntent => CallClass::List,
            Self::Describe => CallClass::Describe,
            Self::Create(_) => CallClass::Create,
            Self::CreateGroup(_) => CallClass::CreateGroup,
            Self::Copy => CallClass::Copy,
            Self::Tag => CallClass::Tag,
            Self::Lock => CallClass::Lock,
            Self::Delete => CallClass::Delete,
        }
    }

    /// The disks that it snapshots.
    #[must_use]
    pub fn disks(self) -> &'a [DiskId] {
        match self {
            Self::Create(disk) => std::slice::from_ref(disk),
            Self::CreateGroup(disks) => disks,
            Self::Page | Self::Describe | Self::ByIntent | Self::Copy | Self::Tag | Self::Lock | Self::Delete => &[],
        }
    }
}

/// How many calls of each class a request makes at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost(BTreeMap<CallClass, u32>);

impl Cost {
    /// What a request costs at a kind of site.
    ///
    /// Before it makes something, a provider looks for what an earlier call with the same intent made: by tag where names are
    /// the cloud's, by name where they are the caller's (CLOUDS.md 0.3.4). Where a cloud hides a lost permission behind "nothing
    /// there", each look stands between two dry runs (0.3.8).
    #[must_use]
    pub fn of(iaas: Iaas, request: Request<'_>) -> Self {
        let mut cost = Self::default();
        match request {
            Request::Page => cost.look(iaas, CallClass::List, 1),
            Request::Describe => cost.look(iaas, CallClass::Describe, 1),
            Request::ByIntent => cost.find(iaas, 1),
            Request::Create(_) => {
                cost.find(iaas, 1);
                cost.add(CallClass::Create, 1);
            }
            Request::CreateGroup(disks) => {
                cost.find(iaas, u32::try_from(disks.len()).unwrap_or(u32::MAX));
                cost.add(CallClass::CreateGroup, 1);
            }
            Request::Copy => {
                // Once before the source is looked at, and once after.
                cost.find(iaas, 2);
                cost.add(CallClass::Copy, 1);
            }
            Request::Tag => cost.add(CallClass::Tag, 1),
            Request::Lock => cost.add(CallClass::Lock, 1),
            Request::Delete => {
                cost.look(iaas, CallClass::Describe, 1);
                cost.add(CallClass::Delete, 1);
            }
        }
        cost
    }

    /// How many calls of this class.
    #[must_use]
    pub fn calls_of(&self, class: CallClass) -> u32 {
        self.0.get(&class).copied().unwrap_or(0)
    }

    /// The classes, each with its number of calls.
    pub(super) fn calls(&self) -> impl Iterator<Item = (CallClass, u32)> + '_ {
        self.0.iter().map(|(class, calls)| (*class, *calls))
    }

    fn add(&mut self, class: CallClass, calls: u32) {
        let present = self.0.entry(class).or_default();
        *present = present.saturating_add(calls);
    }

    fn look(&mut self, iaas: Iaas, class: CallClass, times: u32) {
        self.add(class, times);
        match iaas {
            Iaas::Alibaba => self.add(CallClass::List, times.saturating_mul(2)),
            Iaas::Aws | Iaas::Azure | Iaas::Gcp | Iaas::Local => {}
        }
    }

    fn find(&mut self, iaas: Iaas, times: u32) {
        match iaas {
            Iaas::Azure | Iaas::Gcp => self.look(iaas, CallClass::Describe, times),
            Iaas::Aws | Iaas::Alibaba | Iaas::Local => self.look(iaas, CallClass::List, times),
        }
    }
}
