//! The sites of a fleet, opened: each with the capabilities that its provider has.

use crate::calls::{Calls, Limits, of_sites};
use crate::events::Observer;
use crate::seams::Clock;
use backstay_core::model::{Desired, ProviderKind};
use backstay_core::name::SiteName;
use backstay_provider::{Capabilities, Home, Opener};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The providers that were compiled in.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<ProviderKind, Arc<dyn Opener>>);

impl Registry {
    /// Adds a provider.
    #[must_use]
    pub fn with(mut self, kind: ProviderKind, opener: Arc<dyn Opener>) -> Self {
        self.0.insert(kind, opener);
        self
    }

    /// The kinds that were compiled in.
    pub fn kinds(&self) -> impl Iterator<Item = ProviderKind> + '_ {
        self.0.keys().copied()
    }

    /// Opens every declared site; one that cannot be opened is told, and does not stop the others.
    #[must_use]
    pub fn open(&self, desired: &Desired, home: Home<'_>) -> Sites {
        self.open_with(desired, home, |site| site)
    }

    /// The same, with what `keep` leaves of each site's capabilities.
    pub(crate) fn open_with(
        &self,
        desired: &Desired,
        home: Home<'_>,
        keep: impl Fn(Capabilities) -> Capabilities,
    ) -> Sites {
        let open_one = |site: &backstay_core::model::Site| {
            let kind = site.kind();
            let Some(opener) = self.0.get(&kind) else {
                return Err(format!("this build has no provider `{kind}`; build with `--features {kind}`"));
            };
            opener.open(site, home).map(&keep).map_err(|error| error.to_string())
        };
        let opened = desired.sites.iter().map(|(name, site)| (name.clone(), open_one(site))).collect();
        Sites { opened, limits: of_sites(desired.sites.values().map(AsRef::as_ref)) }
    }
}

/// The opened sites, and what was taken from their budgets since.
pub struct Sites {
    opened: BTreeMap<SiteName, Result<Capabilities, String>>,
    limits: BTreeMap<SiteName, Arc<Limits>>,
}

impl Sites {
    /// The calls of a site, or why it could not be opened.
    pub fn calls<'a>(
        &'a self,
        name: &SiteName,
        clock: &'a dyn Clock,
        observer: &'a dyn Observer,
    ) -> Result<Calls<'a>, String> {
        match (self.opened.get_key_value(name), self.limits.get(name)) {
            (Some((name, Ok(capabilities))), Some(limits)) => {
                Ok(Calls::new(name, capabilities, limits, clock, observer))
            }
            (Some((_, Err(because))), _) => Err(because.clone()),
            (None, _) | (_, None) => Err(format!("site {name} is not declared")),
        }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &SiteName> {
        self.opened.keys()
    }

    /// The sites whose time is ours to move.
    pub fn with_virtual_clock(&self) -> impl Iterator<Item = (&SiteName, &dyn backstay_provider::VirtualClock)> {
        self.opened.iter().filter_map(|(name, site)| Some((name, site.as_ref().ok()?.clock.as_deref()?)))
    }
}
