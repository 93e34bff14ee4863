//! What every command that looks at the world begins with: the documents, the sites, the state store, one observation.

use crate::args::{AsOf, Global};
use crate::host::Host;
use crate::progress::Progress;
use crate::screen::Screen;
use anyhow::{Context as _, bail};
use backstay_core::admission::default_instant;
use backstay_core::diagnostic::Diagnostics;
use backstay_core::model::{Desired, Provider, StateUrl};
use backstay_core::observed::Observed;
use backstay_core::plan::Plan;
use backstay_core::resolve::{Resolution, resolve};
use backstay_provider::Home;
use backstay_runtime::bucket_store;
use backstay_runtime::events::Observer;
use backstay_runtime::file_store::{FileStore, HostKeyDisk};
use backstay_runtime::keys::KeyFile;
use backstay_runtime::lease::Epochs;
use backstay_runtime::observe;
use backstay_runtime::seams::StateStore;
use backstay_runtime::sites::Sites;
use backstay_runtime::sources::{Sources, from_commit, from_directory};
use backstay_runtime::state::State;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where sites that live on this host keep things when the state is elsewhere.
const HOST_STATE: &str = ".backstay";

/// The documents, read and resolved.
pub(crate) struct Documents {
    pub(crate) root: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) desired: Option<Desired>,
    pub(crate) diagnostics: Diagnostics,
}

/// Reads and resolves the documents, and tells everything that is wrong with them.
pub(crate) fn read_documents(global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Documents> {
    let root = directory(global, host);
    let sources = from_directory(&root)?;
    if let Some(doubt) = &sources.doubt {
        screen.note(&format!("note: which commit these documents are is unknown, since {doubt}"));
    }
    if sources.tree.is_empty() {
        bail!(
            "there are no documents in {}: expected fleet/ and policies/ there (-chdir names another place)",
            root.display()
        );
    }
    Ok(Documents::of(root, sources, screen))
}

/// Reads and resolves the documents of a commit.
fn read_commit(named: &str, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Documents> {
    let root = directory(global, host);
    let sources = from_commit(&root, named)?;
    if sources.tree.is_empty() {
        bail!(
            "there are no documents in `{named}`: expected fleet/ and policies/ there; a fleet elsewhere in it is COMMIT:DIR"
        );
    }
    Ok(Documents::of(root, sources, screen))
}

/// The fleet's directory: relative names of files start from it too, as Terraform's `-chdir` has it.
pub(crate) fn directory(global: &Global, host: &Host) -> PathBuf {
    if global.chdir == Path::new(".") { host.directory.clone() } else { host.directory.join(&global.chdir) }
}

impl Documents {
    fn of(root: PathBuf, sources: Sources, screen: &Screen) -> Self {
        let Resolution { desired, diagnostics } = resolve(&sources.tree, sources.origin.clone());
        screen.diagnostics(&diagnostics);
        Self { root, sources, desired, diagnostics }
    }
}

/// The documents that a plan was made from: those of the work tree where they are the same still, else those of its commit.
///
/// The inner error says why there are none: the plan is stale.
fn sources_of(plan: &Plan, root: &Path) -> anyhow::Result<Result<Sources, String>> {
    let planned = &plan.basis.origin;
    let present = from_directory(root)?;
    if present.origin.documents == planned.documents {
        return Ok(Ok(present));
    }
    let (then, now) = (planned.documents.brief(), present.origin.documents.brief());
    let changed = format!("the documents changed since the plan ({then} then, {now} now)");
    let Some(commit) = planned.commit.as_deref().filter(|_| !planned.dirty) else {
        return Ok(Err(format!("{changed}, and no commit holds them: make a new one")));
    };
    Ok(match from_commit(root, commit) {
        Ok(sources) if sources.origin.documents == planned.documents => Ok(sources),
        Ok(_) => Err(format!("{changed}, and commit {commit} has others here: make a new one")),
        Err(error) => Err(format!("{changed}, and {error}: fetch that commit, or make a new one")),
    })
}

/// A fleet, opened.
pub(crate) struct Session {
    pub(crate) root: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) desired: Desired,
    pub(crate) has_errors: bool,
    pub(crate) sites: Sites,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) key_file: KeyFile,
    /// The documents with the sites of others beside them, where those are to be seen too.
    wider: Option<Desired>,
    parallelism: usize,
}

impl Session {
    /// Opens the fleet; `None` when its documents say too little, which has been told.
    pub(crate) fn open(global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Option<Self>> {
        Self::open_at(None, global, host, screen)
    }

    /// The same for the documents of a commit, when one is named.
    pub(crate) fn open_at(
        commit: Option<&str>,
        global: &Global,
        host: &Host,
        screen: &Screen,
    ) -> anyhow::Result<Option<Self>> {
        let documents = match commit {
            Some(named) => read_commit(named, global, host, screen)?,
            None => read_documents(global, host, screen)?,
        };
        let has_errors = documents.diagnostics.has_errors();
        let Some(desired) = documents.desired else { return Ok(None) };
        Self::of(documents.root, documents.sources, desired, has_errors, global, host).map(Some)
    }

    /// Opens the fleet as a plan had it; the inner error says why the plan is stale.
    pub(crate) fn open_for(
        plan: &Plan,
        global: &Global,
        host: &Host,
        screen: &Screen,
    ) -> anyhow::Result<Result<Self, String>> {
        let root = directory(global, host);
        let sources = match sources_of(plan, &root)? {
            Ok(sources) => sources,
            Err(because) => return Ok(Err(because)),
        };
        let documents = Documents::of(root, sources, screen);
        let has_errors = documents.diagnostics.has_errors();
        let desired = documents.desired.context("the plan's documents do not resolve")?;
        Self::of(documents.root, documents.sources, desired, has_errors, global, host).map(Ok)
    }

    fn of(
        root: PathBuf,
        sources: Sources,
        desired: Desired,
        has_errors: bool,
        global: &Global,
        host: &Host,
    ) -> anyhow::Result<Self> {
        let (store, state) = store_of(&root, &desired, host)?;
        let sites = host.registry.open(&desired, Home { fleet: &root, state: &state });
        let key_file = key_file_of(&root, &desired);
        let parallelism = global.parallelism;
        Ok(Self { root, sources, desired, has_errors, sites, store, key_file, wider: None, parallelism })
    }

    /// Has what other documents declare observed too, as far as these do not.
    pub(crate) fn also_see(&mut self, others: &Desired, host: &Host) {
        let mut wider = self.desired.clone();
        for (name, site) in &others.sites {
            wider.sites.entry(name.clone()).or_insert_with(|| site.clone());
        }
        if wider.sites.len() == self.desired.sites.len() {
            return;
        }
        let state = match &self.desired.fleet.state {
            StateUrl::File(path) => self.root.join(path),
            StateUrl::Objects(_) => self.root.join(HOST_STATE),
        };
        self.sites = host.registry.open(&wider, Home { fleet: &self.root, state: &state });
        self.wider = Some(wider);
    }

    /// Observes all sites.
    pub(crate) async fn observe(&self, host: &Host, screen: &Screen) -> anyhow::Result<Observed> {
        let progress = Progress::reading(screen);
        self.observe_quietly(host, &progress).await
    }

    async fn observe_quietly(&self, host: &Host, observer: &dyn Observer) -> anyhow::Result<Observed> {
        let keyring = self.key_file.keyring(&HostKeyDisk)?;
        let state = State(self.store.as_ref());
        let clock = host.clock.as_ref();
        let desired = self.wider.as_ref().unwrap_or(&self.desired);
        Ok(observe::observe(desired, &self.sites, state, keyring, clock, observer, self.parallelism).await)
    }

    /// The leases as they are now: read before an observation, they show who worked on a cluster after it.
    pub(crate) async fn leases(&self) -> anyhow::Result<Epochs> {
        Ok(Epochs::read(self.store.as_ref()).await?)
    }

    /// The baseline that causes are judged by.
    pub(crate) async fn baseline(&self, observed: &Observed) -> Option<Desired> {
        let record = observed.records.complete().and_then(|records| records.baseline.as_ref());
        backstay_runtime::baseline::load(self.store.as_ref(), record, &self.desired, &self.root).await
    }
}

/// The state store, and where sites that live on this host keep things: beside the fleet, wherever the state is.
pub(crate) fn store_of(root: &Path, desired: &Desired, host: &Host) -> anyhow::Result<(Arc<dyn StateStore>, PathBuf)> {
    Ok(match &desired.fleet.state {
        StateUrl::File(path) => (Arc::new(FileStore::new(root.join(path))), root.join(path)),
        StateUrl::Objects(url) => (bucket_store::open(url, &host.environment)?, root.join(HOST_STATE)),
    })
}

/// The file of the key that seals.
pub(crate) fn key_file_of(root: &Path, desired: &Desired) -> KeyFile {
    let may_be_made = desired.sites.values().all(|site| matches!(site.provider, Provider::Sim(_) | Provider::Local(_)));
    KeyFile { path: root.join(&desired.fleet.seal_key_file), may_be_made }
}

/// The instant to plan for: the one asked for, else the virtual clock where all sites have one, else the host's.
pub(crate) fn as_of(asked: Option<AsOf>, desired: &Desired, observed: &Observed) -> anyhow::Result<Timestamp> {
    let now = default_instant(desired, observed);
    match asked {
        None => Ok(now),
        Some(AsOf::At(instant)) => Ok(instant),
        Some(AsOf::After(length)) => now.checked_add(length).context("that instant is beyond all calendars"),
    }
}

/// An instant for people: whole seconds.
pub(crate) fn second(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}
