//! A fleet opened to be looked at: what the read-only commands are given instead of a session. Nothing in it can write.

use crate::args::Global;
use crate::host::Host;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::session::{Documents, key_file_of, read_documents, store_of};
use backstay_core::model::Desired;
use backstay_core::observed::Observed;
use backstay_provider::Home;
use backstay_runtime::file_store::HostKeyDisk;
use backstay_runtime::keys::KeyFile;
use backstay_runtime::sources::Sources;
use backstay_runtime::watch::Watch;
use std::path::PathBuf;

/// A fleet that is looked at.
pub(crate) struct Watched {
    pub(crate) root: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) desired: Desired,
    pub(crate) has_errors: bool,
    watch: Watch,
    key_file: KeyFile,
    parallelism: usize,
}

impl Watched {
    /// Opens the fleet; `None` when its documents say too little, which has been told.
    pub(crate) fn open(global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Option<Self>> {
        Self::of(read_documents(global, host, screen)?, global, host)
    }

    /// The same of documents that were read.
    pub(crate) fn of(documents: Documents, global: &Global, host: &Host) -> anyhow::Result<Option<Self>> {
        let Documents { root, sources, desired, diagnostics } = documents;
        let Some(desired) = desired else { return Ok(None) };
        let (store, state) = store_of(&root, &desired, host)?;
        let watch = Watch::open(&host.registry, &desired, Home { fleet: &root, state: &state }, store);
        let key_file = key_file_of(&root, &desired);
        let (has_errors, parallelism) = (diagnostics.has_errors(), global.parallelism);
        Ok(Some(Self { root, sources, desired, has_errors, watch, key_file, parallelism }))
    }

    /// Observes all sites.
    pub(crate) async fn observe(&self, host: &Host, screen: &Screen) -> anyhow::Result<Observed> {
        let progress = Progress::reading(screen);
        let keyring = self.key_file.keyring(&HostKeyDisk)?;
        let clock = host.clock.as_ref();
        Ok(self.watch.observe(&self.desired, keyring, clock, &progress, self.parallelism).await)
    }

    /// The documents of the last apply, by which causes are told.
    pub(crate) async fn baseline(&self, observed: &Observed) -> Option<Desired> {
        self.watch.baseline(observed, &self.desired, &self.root).await
    }
}
