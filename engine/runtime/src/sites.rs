//! The sites of a fleet, opened: each with the capabilities that its provider has.

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
        let open_one = |site: &backstay_core::model::Site| {
            let kind = site.kind();
            let Some(opener) = self.0.get(&kind) else {
                return Err(format!("this build has no provider `{kind}`; build with `--features {kind}`"));
            };
            opener.open(site, home).map_err(|error| error.to_string())
        };
        Sites(desired.sites.iter().map(|(name, site)| (name.clone(), open_one(site))).collect())
    }
}

/// The opened sites.
pub struct Sites(BTreeMap<SiteName, Result<Capabilities, String>>);

impl Sites {
    /// A site's capabilities, or why it could not be opened.
    pub fn get(&self, name: &SiteName) -> Result<&Capabilities, String> {
        match self.0.get(name) {
            Some(Ok(capabilities)) => Ok(capabilities),
            Some(Err(because)) => Err(because.clone()),
            None => Err(format!("site {name} is not declared")),
        }
    }

    /// All sites by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteName, Result<&Capabilities, &str>)> {
        self.0.iter().map(|(name, site)| (name, site.as_ref().map_err(String::as_str)))
    }

    /// The sites whose time is ours to move.
    pub fn with_virtual_clock(&self) -> impl Iterator<Item = (&SiteName, &dyn backstay_provider::VirtualClock)> {
        self.iter().filter_map(|(name, site)| Some((name, site.ok()?.clock.as_deref()?)))
    }
}
