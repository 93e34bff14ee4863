//! One simulated site: the cloud in memory, kept true to its journal.

use crate::HostClock;
use crate::databases::Servers;
use crate::journal::{Cursor, Entry, Journal, JournalError};
use crate::points::Points;
use crate::world_file::{WorldFile, WorldFileError};
use backstay_core::canonical::Digest;
use backstay_core::model::{Provider, Site};
use backstay_core::name::{InstanceId, SiteName};
use backstay_core::observed::Snapshot;
use backstay_provider::{Capabilities, ErrorClass, Home, ProviderError};
use backstay_sim::{Call, CallRecord, Cloud, Denial, Meddle, Profile, Reply, Settings, SimError, SimErrorKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The sites that one opener has open, by their directory: a copy finds its source among them.
#[derive(Clone, Default)]
pub(crate) struct Sites(Arc<Mutex<BTreeMap<PathBuf, Weak<SimSite>>>>);

impl Sites {
    fn add(&self, directory: PathBuf, site: &Arc<SimSite>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(directory, Arc::downgrade(site));
    }

    fn get(&self, directory: &Path) -> Option<Arc<SimSite>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(directory).and_then(Weak::upgrade)
    }
}

/// One simulated site, open.
pub struct SimSite {
    name: SiteName,
    profile: Profile,
    settings: Settings,
    world_path: PathBuf,
    is_virtual: bool,
    /// How far its clock is ahead.
    skew: SignedDuration,
    /// Where the sites of this fleet lie.
    directories: PathBuf,
    neighbours: Sites,
    host: HostClock,
    journal: Journal,
    pub(crate) points: Points,
    live: Mutex<Live>,
    /// How many backups this process runs on each instance.
    pub(crate) backups: Mutex<BTreeMap<InstanceId, usize>>,
}

/// What this process knows of the site.
struct Live {
    cloud: Cloud,
    cursor: Cursor,
    /// The world that the cloud has.
    world: WorldFile,
    /// The world that the journal last named.
    recorded: Option<Digest>,
}

impl fmt::Debug for SimSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSite").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SimSite {
    /// Opens a site: reads its world file, and nothing else yet.
    ///
    /// Errors are of class `Invalid` and name the site and the file. A site that is opened so knows no other: it takes no
    /// copies. Those of one [`crate::SimOpener`] know each other.
    pub fn open(site: &Site, home: Home<'_>, host: HostClock) -> Result<Arc<Self>, ProviderError> {
        Self::open_beside(site, home, host, &Sites::default())
    }

    /// Opens a site beside others, as [`SimSite::open`] does.
    pub(crate) fn open_beside(
        site: &Site,
        home: Home<'_>,
        host: HostClock,
        neighbours: &Sites,
    ) -> Result<Arc<Self>, ProviderError> {
        let refuse = |problem: String| ProviderError::invalid(format!("site `{}`: {problem}", site.name));
        let Provider::Sim(sim) = &site.provider else {
            return Err(refuse(format!("it is of kind `{}`, not `sim`", site.kind())));
        };
        let profile = Profile::named(&sim.profile).map_err(|error| refuse(error.to_string()))?;
        let world_path = home.fleet.join(&sim.world);
        let world = WorldFile::load(&world_path).map_err(|error| refuse(error.to_string()))?;
        let settings = Settings {
            seed: site_seed(&site.name, sim.seed),
            faults: sim.faults.clone(),
            page_size: sim.page_size,
            enforces_budgets: sim.enforces_budgets,
        };
        let directories = home.state.join("sim");
        let directory = directories.join(site.name.as_str());
        let cloud = Cloud::new(profile.clone(), world.world.clone(), settings.clone());
        let opened = Arc::new(Self {
            name: site.name.clone(),
            profile,
            settings,
            world_path,
            is_virtual: sim.virtual_clock,
            skew: sim.clock_skew,
            directories,
            neighbours: neighbours.clone(),
            host,
            journal: Journal::at(directory.join("effects.jsonl")),
            points: Points::new(site.name.clone(), directory.join("points")),
            live: Mutex::new(Live { cloud, cursor: Cursor::default(), world, recorded: None }),
            backups: Mutex::default(),
        });
        neighbours.add(directory, &opened);
        Ok(opened)
    }

    /// Another site that the same opener has open.
    pub(crate) fn neighbour(&self, name: &SiteName) -> Option<Arc<Self>> {
        self.neighbours.get(&self.directories.join(name.as_str()))
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the engine gets of it.
    #[must_use]
    pub fn capabilities(self: &Arc<Self>) -> Capabilities {
        Capabilities {
            inventory: self.clone(),
            store: self.clone(),
            locker: if self.profile.rules.lock.is_some() { Some(self.clone()) } else { None },
            restorer: Some(self.clone()),
            sweeper: self.clone(),
            databases: Some(Arc::new(Servers::of(self.clone()))),
            point_files: Some(self.clone()),
            clock: if self.is_virtual { Some(self.clone()) } else { None },
        }
    }

    /// Does something behind Backstay's back, durably; answers the snapshots that it made.
    pub fn meddle(&self, meddle: Meddle) -> Result<Vec<Snapshot>, ProviderError> {
        match self.act()?.call(Call::Meddle(meddle))? {
            Reply::Created(snapshots) => Ok(snapshots),
            Reply::Done
            | Reply::Instances(_)
            | Reply::Snapshots(_)
            | Reply::Unmanaged(_)
            | Reply::Locked(_)
            | Reply::Disk(_)
            | Reply::Disks(_)
            | Reply::Instance(_)
            | Reply::Snapshot(_)
            | Reply::Found(_)
            | Reply::Database(_)
            | Reply::Begun(_)
            | Reply::Finished(_)
            | Reply::WalFile(_) => Ok(Vec::new()),
        }
    }

    /// Every call that this value answered, oldest first. Calls of other processes are not among them.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.lock().cloud.log().to_vec()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SiteName {
        &self.name
    }

    /// Whether its time is the caller's to move.
    pub(crate) fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// A turn in which nothing changes: it makes no file, and waits for writers only.
    pub(crate) fn look(&self) -> Result<Turn<'_>, ProviderError> {
        let file = self.journal.open_shared().map_err(|error| self.unreadable(&error))?;
        self.turn(file, false)
    }

    /// A turn in which this process alone may change the site.
    pub(crate) fn act(&self) -> Result<Turn<'_>, ProviderError> {
        let file = self.journal.open_exclusive().map_err(|error| self.unreadable(&error))?;
        self.turn(Some(file), true)
    }

    fn turn(&self, file: Option<File>, may_change: bool) -> Result<Turn<'_>, ProviderError> {
        let mut turn = Turn { live: self.lock(), site: self, file, may_change };
        turn.catch_up()?;
        Ok(turn)
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().expect("no call panics while it holds the site")
    }

    fn unreadable(&self, error: &JournalError) -> ProviderError {
        let class = match error {
            JournalError::Read { .. } => ErrorClass::Unavailable,
            JournalError::Damaged { .. } | JournalError::Format { .. } => ErrorClass::Invalid,
        };
        ProviderError::new(class, format!("site `{}`: {error}", self.name))
    }

    fn no_world(&self, error: &WorldFileError) -> ProviderError {
        ProviderError::invalid(format!("site `{}`: {error}", self.name))
    }
}

/// Sites that were declared with one seed still have ids of their own, as two regions of one account have.
fn site_seed(name: &SiteName, seed: u64) -> u64 {
    let digest = Digest::of(format!("backstay sim {name} {seed}\n").as_bytes());
    u64::from_str_radix(&digest.as_str()[..16], 16).expect("a digest is hexadecimal")
}

/// One or several calls under one lock of the journal; it ends when this is dropped.
pub(crate) struct Turn<'a> {
    // Dropped before the file: the journal's lock outlasts the cloud's.
    live: MutexGuard<'a, Live>,
    site: &'a SimSite,
    file: Option<File>,
    may_change: bool,
}

impl Turn<'_> {
    /// The site's time; `host` is the caller's clock.
    fn time(&self, host: Timestamp) -> Timestamp {
        let skewed = || host.checked_add(self.site.skew).unwrap_or(host);
        let now = if self.site.is_virtual { self.live.cloud.clock() } else { skewed() };
        self.live.cloud.site_time(now)
    }

    /// The site's time as it tells it: a virtual clock that is off only says so.
    pub(crate) fn told_time(&self, host: Timestamp) -> Timestamp {
        let time = self.time(host);
        let skew = if self.site.is_virtual { self.site.skew } else { SignedDuration::ZERO };
        time.checked_add(skew).unwrap_or(time)
    }

    pub(crate) fn site(&self) -> &SimSite {
        self.site
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        &self.live.cloud
    }

    /// Answers a call; errors name the site and the call.
    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, ProviderError> {
        let shown = call.to_string();
        self.try_call(call)?.map_err(|error| self.site.refusal(&shown, &error))
    }

    /// Answers a call; the inner error is the cloud's own.
    ///
    /// Where a cloud hides a lost permission, "nothing there" counts only between two dry runs that were allowed.
    pub(crate) fn try_call(&mut self, call: Call) -> Result<Result<Reply, SimError>, ProviderError> {
        let check = match (self.site.profile.denial, call.fault_name()) {
            (Denial::Silent, Some(of)) if call.is_question() => Call::CheckPermission { of },
            (Denial::Silent | Denial::Told, _) => return self.answer(call),
        };
        if let Err(error) = self.answer(check.clone())? {
            return Ok(Err(error));
        }
        let answer = self.answer(call)?;
        if says_nothing(&answer)
            && let Err(error) = self.answer(check)?
        {
            return Ok(Err(error));
        }
        Ok(answer)
    }

    fn answer(&mut self, call: Call) -> Result<Result<Reply, SimError>, ProviderError> {
        let now = self.time((self.site.host)());
        let decision = self.live.cloud.decide(now, &call);
        if let Some(effect) = &decision.effect {
            assert!(self.may_change, "a call that changes the site takes a turn to act: {call}");
            self.record(Entry::Effect(effect.clone())).map_err(|error| {
                let message = format!("site `{}`: {call}: its effect could not be kept: {error}", self.site.name);
                ProviderError::new(ErrorClass::OutcomeUnknown, message)
            })?;
        }
        Ok(self.live.cloud.conclude(now, call, decision))
    }

    /// Makes an entry durable, after the header or the world's change that must precede it.
    fn record(&mut self, entry: Entry) -> std::io::Result<()> {
        let live = &mut *self.live;
        let file = self.file.as_mut().expect("a turn to act has its file");
        let digest = &live.world.digest;
        let mut entries = Vec::new();
        match &live.recorded {
            None => entries.push(Entry::header(digest.clone())),
            Some(recorded) if recorded != digest => entries.push(Entry::World(digest.clone())),
            Some(_) => {}
        }
        entries.push(entry);
        live.cursor = self.site.journal.append(file, &live.cursor, &entries)?;
        live.recorded = Some(digest.clone());
        Ok(())
    }

    /// Takes in what other processes appended.
    fn catch_up(&mut self) -> Result<(), ProviderError> {
        let Some(file) = &mut self.file else {
            // Nothing ever happened, or the state was thrown away.
            if self.live.cursor != Cursor::default() {
                self.restart();
            }
            return Ok(());
        };
        let tail = self.site.journal.read(file, &self.live.cursor);
        let tail = tail.map_err(|error| self.site.unreadable(&error))?;
        if tail.restarts {
            self.restart();
        }
        let mut world_told = false;
        for (cursor, entry) in tail.entries {
            match entry {
                Entry::Header { world, .. } | Entry::World(world) => {
                    self.live.recorded = Some(world);
                    world_told = true;
                }
                Entry::Effect(effect) => self.live.cloud.apply(&effect).map_err(|error| {
                    let damage = self.site.journal.damaged(&cursor, &error);
                    self.site.unreadable(&damage)
                })?,
            }
            self.live.cursor = cursor;
        }
        self.live.cursor = tail.cursor;
        if world_told && self.live.recorded.as_ref() != Some(&self.live.world.digest) {
            self.reload_world()?;
        }
        Ok(())
    }

    /// Another process saw another world file: whatever the file holds now is the world.
    fn reload_world(&mut self) -> Result<(), ProviderError> {
        let world = WorldFile::load(&self.site.world_path).map_err(|error| self.site.no_world(&error))?;
        self.live.cloud.replace_world(world.world.clone());
        self.live.world = world;
        Ok(())
    }

    fn restart(&mut self) {
        let SimSite { profile, settings, .. } = self.site;
        self.live.cloud = Cloud::new(profile.clone(), self.live.world.world.clone(), settings.clone());
        self.live.cursor = Cursor::default();
        self.live.recorded = None;
    }
}

/// Whether an answer is what a cloud that hides a lost permission answers without one.
fn says_nothing(answer: &Result<Reply, SimError>) -> bool {
    match answer {
        Ok(Reply::Instances(page)) => page.items.is_empty(),
        Ok(Reply::Snapshots(page)) => page.items.is_empty(),
        Ok(Reply::Unmanaged(page)) => page.items.is_empty(),
        Ok(Reply::Found(found)) => found.is_empty(),
        Ok(Reply::Disks(found)) => found.is_empty(),
        Ok(
            Reply::Locked(_)
            | Reply::Instance(_)
            | Reply::Snapshot(_)
            | Reply::Created(_)
            | Reply::Disk(_)
            | Reply::Done
            | Reply::Database(_)
            | Reply::Begun(_)
            | Reply::Finished(_)
            | Reply::WalFile(_),
        ) => false,
        Err(error) => error.kind == SimErrorKind::NotFound,
    }
}

impl SimSite {
    /// A refusal of the cloud, as the traits tell it.
    pub(crate) fn refusal(&self, call: &str, error: &SimError) -> ProviderError {
        let class = match error.kind {
            SimErrorKind::NotFound => ErrorClass::NotFound,
            SimErrorKind::AlreadyExists => ErrorClass::AlreadyExists,
            SimErrorKind::Throttled { after } => ErrorClass::Throttled { after },
            SimErrorKind::Busy => ErrorClass::Busy,
            SimErrorKind::QuotaExceeded => ErrorClass::QuotaExceeded,
            SimErrorKind::Locked => ErrorClass::Locked,
            SimErrorKind::Denied => ErrorClass::Denied,
            SimErrorKind::Invalid => ErrorClass::Invalid,
            SimErrorKind::Unavailable => ErrorClass::Unavailable,
            SimErrorKind::OutcomeUnknown => ErrorClass::OutcomeUnknown,
        };
        ProviderError::new(class, format!("site `{}`: {call}: {error}", self.name))
    }
}
