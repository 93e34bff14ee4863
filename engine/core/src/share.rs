//! What a part of a fleet may use of the limits that the whole fleet has, where the part is planned alone.
//!
//! Plans that are carried out are always of the whole fleet. Only a forecast plans parts, in a world that it made up.

use crate::name::SiteName;
use std::collections::BTreeMap;

/// A part's share of its fleet's limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Deletes in any 24 hours that the clock alone would not have brought.
    pub(crate) deletes: usize,
    /// Deletes in any 24 hours that fall due.
    pub(crate) due_deletes: usize,
    /// Snapshots that may be on their way to a site at a time; no more than the site takes where nothing is said.
    pub(crate) copies: BTreeMap<SiteName, usize>,
    /// Snapshots that the rest of the fleet has at each site.
    pub(crate) elsewhere: BTreeMap<SiteName, usize>,
}

impl Share {
    /// How many snapshots the rest of the fleet has at a site.
    pub(crate) fn elsewhere(&self, site: &SiteName) -> usize {
        self.elsewhere.get(site).copied().unwrap_or(0)
    }
}
