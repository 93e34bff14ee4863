//! Where a fleet lives in a simulation: its documents, its sites, its state store and its runners' wires.

use crate::files::Files;
use crate::taps::{Records, tap};
use crate::time::Time;
use crate::wires::{Line, Wires};
use backstay_core::diagnostic::Diagnostics;
use backstay_core::document::SourceTree;
use backstay_core::model::{Desired, Origin, Provider, ProviderKind, SimCall, SimFailure, SimFault, Site};
use backstay_core::name::{ClusterUid, SiteName, SnapshotId};
use backstay_core::observed::{Observed, Snapshot};
use backstay_core::resolve::resolve;
use backstay_core::seal::SealKey;
use backstay_core::tags::PointKey;
use backstay_provider::{Capabilities, Home, Opener, ProviderError};
use backstay_provider_sim::{SimOpener, SimSite};
use backstay_runtime::memory_store::MemoryStore;
use backstay_runtime::sites::{Registry, Sites};
use backstay_runtime::sources::Sources;
use backstay_sim::Meddle;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A fleet's documents, by their paths.
pub type Texts = BTreeMap<String, String>;

/// The documents with what they mean.
pub struct Documents {
    pub(crate) sources: Sources,
    /// What they mean.
    pub desired: Desired,
    /// What is wrong with them.
    pub(crate) diagnostics: Diagnostics,
}

impl Documents {
    fn of(texts: &Texts) -> Self {
        let mut tree = SourceTree::new();
        for (path, text) in texts {
            tree.insert(path.as_str(), text.as_str());
        }
        let origin = Origin { commit: None, dirty: false, documents: tree.digest() };
        let resolution = resolve(&tree, origin.clone());
        let texts = texts.iter().map(|(path, text)| (path.clone(), text.clone())).collect();
        Self {
            sources: Sources { tree, texts, origin, doubt: None },
            desired: resolution.desired.expect("there is one fleet"),
            diagnostics: resolution.diagnostics,
        }
    }
}

/// Sites stay open from run to run, as clouds do: one that is declared anew, or gets other machines, is opened anew.
struct Opened<T>(Mutex<BTreeMap<SiteName, (Site, String, T)>>);

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Opened<T> {
    fn get(
        &self,
        site: &Site,
        texts: &Texts,
        open: impl FnOnce() -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let world = texts.get(&format!("fleet/worlds/{}.yaml", site.name)).expect("each site has a world");
        let mut opened = self.0.lock().expect("nobody panics while sites are opened");
        if let Some((known, machines, open)) = opened.get(&site.name)
            && (known, machines) == (site, world)
        {
            return Ok(open.clone());
        }
        let new = open()?;
        opened.insert(site.name.clone(), (site.clone(), world.clone(), new.clone()));
        Ok(new)
    }
}

/// How many clusters of a site are worked on at once.
const PARALLELISM: usize = 3;

/// Where a fleet lives.
pub struct House {
    directory: TempDir,
    texts: Arc<Texts>,
    /// The documents as they are now.
    pub documents: Arc<Documents>,
    /// The host's clock.
    pub time: Time,
    /// The state store.
    pub memory: Arc<MemoryStore>,
    /// What every call passes.
    pub wires: Arc<Wires>,
    /// The key that seals.
    pub key: SealKey,
    /// How many clusters of one site are worked on at once.
    pub(crate) parallelism: usize,
    plain: (SimOpener, Arc<Opened<Capabilities>>),
    echo: (SimOpener, Arc<Opened<Capabilities>>),
    pub(crate) shelves: Arc<Shelves>,
    /// The sites as those open them who meddle there.
    hands: Opened<Arc<SimSite>>,
}

/// What lies at the sites besides their snapshots, and what is known of those.
#[derive(Default)]
pub(crate) struct Shelves {
    files: Mutex<BTreeMap<SiteName, Arc<Files>>>,
    /// Every snapshot as a run saw it last, with what it found out of it: a seal is checked once.
    seen: Mutex<BTreeMap<(SiteName, SnapshotId), Snapshot>>,
}

impl Shelves {
    fn files(&self, site: &SiteName) -> Arc<Files> {
        let mut files = self.files.lock().expect("nobody panics while files are looked up");
        files.entry(site.clone()).or_default().clone()
    }

    fn fork(&self) -> Self {
        let files = self.files.lock().expect("nobody panics while files are looked up");
        let files = files.iter().map(|(site, files)| (site.clone(), Arc::new(files.as_ref().clone()))).collect();
        let seen = self.seen.lock().expect("nobody panics while snapshots are kept").clone();
        Self { files: Mutex::new(files), seen: Mutex::new(seen) }
    }

    /// The points of a site that files are kept of.
    pub(crate) fn kept(&self, site: &SiteName) -> BTreeSet<(ClusterUid, PointKey)> {
        self.files(site).points()
    }

    /// Puts in place of snapshots that were seen before the same ones.
    pub(crate) fn recall(&self, site: &SiteName, snapshots: &mut [Snapshot]) {
        let seen = self.seen.lock().expect("nobody panics while snapshots are compared");
        for snapshot in snapshots {
            if let Some(known) = seen.get(&(site.clone(), snapshot.id.clone()))
                && known == snapshot
            {
                snapshot.clone_from(known);
            }
        }
    }

    /// Keeps what a run saw.
    pub(crate) fn remember(&self, observed: &Observed) {
        let mut seen = self.seen.lock().expect("nobody panics while snapshots are kept");
        for (site, listing) in &observed.sites {
            for snapshot in listing.complete().iter().flat_map(|site| &site.snapshots) {
                seen.insert((site.clone(), snapshot.id.clone()), snapshot.clone());
            }
        }
    }
}

/// A directory for a life: in memory where the host has such a place, since sites are synced thousands of times.
#[must_use]
pub fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    place.expect("a directory for a life")
}

impl House {
    /// A fleet of these documents, at the instant that its worlds begin.
    #[must_use]
    pub fn new(texts: Texts, time: Time, seed: u64) -> Self {
        let documents = Arc::new(Documents::of(&texts));
        Self::furnished(Arc::new(texts), documents, time, MemoryStore::default(), Shelves::default(), seed)
    }

    fn furnished(
        texts: Arc<Texts>,
        documents: Arc<Documents>,
        time: Time,
        memory: MemoryStore,
        shelves: Shelves,
        seed: u64,
    ) -> Self {
        let memory = Arc::new(memory);
        let host = time.clone();
        let opener = || {
            let host = host.clone();
            (SimOpener::new(Arc::new(move || host.now())), Arc::default())
        };
        let mut house = Self {
            directory: place(),
            documents,
            wires: Wires::new(time.clone(), memory.clone(), seed),
            key: SealKey::from_seed(&[7; 32]),
            parallelism: PARALLELISM,
            plain: opener(),
            echo: opener(),
            shelves: Arc::new(shelves),
            hands: Opened::default(),
            texts: Arc::default(),
            time,
            memory,
        };
        house.write_worlds(&texts);
        house.texts = texts;
        house
    }

    /// Declares other documents.
    pub fn declare(&mut self, texts: Texts) {
        if texts != *self.texts {
            self.write_worlds(&texts);
            self.documents = Arc::new(Documents::of(&texts));
            self.texts = Arc::new(texts);
        }
    }

    /// Only what a site itself reads lies on the disk.
    fn write_worlds(&self, texts: &Texts) {
        for (path, text) in texts.iter().filter(|(path, _)| path.starts_with("fleet/worlds/")) {
            if self.texts.get(path) != Some(text) {
                let path = self.directory.path().join(path);
                std::fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("it can be made");
                std::fs::write(path, text).expect("it can be written");
            }
        }
    }

    /// Another one in which everything is as it is here, and nobody is at work.
    #[must_use]
    pub fn fork(&self) -> Self {
        let (memory, shelves) = (self.memory.as_ref().clone(), self.shelves.fork());
        let time = Time::at(self.time.now());
        let house = Self::furnished(self.texts.clone(), self.documents.clone(), time, memory, shelves, 0);
        for (name, bytes) in files_of(&self.state()) {
            let path = house.state().join(name);
            std::fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("it can be made");
            std::fs::write(path, bytes).expect("it can be written");
        }
        house.wires.learn_from(&self.wires);
        house
    }

    /// Where the sites lie.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.path().join(".backstay")
    }

    /// The state store of a runner.
    #[must_use]
    pub(crate) fn records(&self, line: &Arc<Line>) -> Records {
        Records { line: line.clone(), memory: self.memory.clone() }
    }

    /// The sites, as a runner reaches them.
    #[must_use]
    pub(crate) fn sites(&self, line: &Arc<Line>) -> Sites {
        let opener = Wired {
            line: line.clone(),
            texts: self.texts.clone(),
            plain: self.plain.clone(),
            echo: self.echo.clone(),
            shelves: self.shelves.clone(),
        };
        let home = Home { fleet: self.directory.path(), state: &self.state() };
        Registry::default().with(ProviderKind::Sim, Arc::new(opener)).open(&self.documents.desired, home)
    }

    /// Does something at a site behind Backstay's back.
    pub(crate) fn meddle(&self, site: &str, meddles: impl IntoIterator<Item = Meddle>) {
        let name = SiteName::new(site).expect("a name");
        let mut site = self.documents.desired.sites[&name].as_ref().clone();
        if let Provider::Sim(sim) = &mut site.provider {
            sim.faults.clear();
        }
        let host = self.time.clone();
        let home = Home { fleet: self.directory.path(), state: &self.state() };
        let open = || SimSite::open(&site, home, Arc::new(move || host.now()));
        let opened = self.hands.get(&site, &self.texts, open).expect("it opens");
        for meddle in meddles {
            drop(opened.meddle(meddle).expect("nothing stops meddling"));
        }
    }

    /// Everything that is durable: each file and each record by its name.
    #[must_use]
    pub fn remains(&self) -> BTreeMap<String, Vec<u8>> {
        let mut remains = files_of(&self.state());
        for (site, files) in self.shelves.files.lock().expect("nobody panics while files are looked up").iter() {
            remains.extend(files.remains().into_iter().map(|(name, bytes)| (format!("points/{site}/{name}"), bytes)));
        }
        remains.extend(self.memory.values().iter().map(|(key, value)| (format!("state/{key}"), value.clone())));
        remains
    }
}

/// Opens sites with a line in between.
struct Wired {
    line: Arc<Line>,
    texts: Arc<Texts>,
    plain: (SimOpener, Arc<Opened<Capabilities>>),
    echo: (SimOpener, Arc<Opened<Capabilities>>),
    shelves: Arc<Shelves>,
}

impl Opener for Wired {
    fn open(&self, site: &Site, home: Home<'_>) -> Result<Capabilities, ProviderError> {
        let mut plain = self.plain.1.get(site, &self.texts, || self.plain.0.open(site, home))?;
        let mut twice = site.clone();
        if let Provider::Sim(sim) = &mut twice.provider {
            sim.faults = vec![SimFault::of(SimCall::Any, SimFailure::Repeated)];
        }
        let mut echo = self.echo.1.get(&twice, &self.texts, || self.echo.0.open(&twice, home))?;
        plain.point_files = Some(self.shelves.files(&site.name));
        echo.point_files.clone_from(&plain.point_files);
        Ok(tap(&self.line, &site.name, &self.shelves, plain, echo))
    }
}

/// Every file below a directory, by its relative name.
fn files_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut rest = vec![root.to_owned()];
    while let Some(directory) = rest.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                rest.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path).expect("it can be read"));
            }
        }
    }
    files
}
