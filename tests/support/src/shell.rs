//! The real command line in one process and in made-up time: no clock, no chance, no terminal.

use async_trait::async_trait;
use backstay_cli::{Clock, Entropy, Host, Io, Registry, StoreError};
use backstay_core::model::ProviderKind;
use backstay_provider::Opener;
use backstay_provider_local::LocalOpener;
use backstay_provider_sim::SimOpener;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A host clock that moves only when it is told, or waited for.
#[derive(Clone)]
pub struct MadeUpClock(Arc<Mutex<Timestamp>>);

impl MadeUpClock {
    /// A clock that shows this.
    #[must_use]
    pub fn at(instant: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(instant)))
    }

    /// Sets it.
    pub fn set(&self, instant: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }
}

#[async_trait]
impl Clock for MadeUpClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, length: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add(length).unwrap_or(Timestamp::MAX);
    }
}

/// Bytes that count up: each call gives other ones, every run the same.
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn bytes(&self) -> Result<[u8; 32], StoreError> {
        Ok([self.0.fetch_add(1, Ordering::Relaxed); 32])
    }
}

/// A directory with a fleet in it, and the command line.
pub struct Shell {
    /// Where the fleet lives.
    pub directory: PathBuf,
    /// The host's clock.
    pub clock: MadeUpClock,
    /// Set when no new call may be started, as by a signal.
    pub cancelled: Arc<AtomicBool>,
    /// The environment variables of every command.
    pub environment: BTreeMap<String, String>,
    entropy: Arc<Counting>,
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code.
    pub code: u8,
}

/// A stream that several hands write to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shell {
    /// A shell in a directory, at noon of 2026-11-23.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let noon = "2026-11-23T12:00:00Z".parse().expect("it is an instant");
        Self {
            directory: directory.to_owned(),
            clock: MadeUpClock::at(noon),
            cancelled: Arc::new(AtomicBool::new(false)),
            environment: BTreeMap::new(),
            entropy: Arc::new(Counting(AtomicU8::new(1))),
        }
    }

    /// Runs `backstay` with these arguments; `answer` is what a person types, when there is one.
    pub async fn run(&self, arguments: &[&str], answer: Option<&str>) -> Said {
        self.run_as(arguments, answer, false, &[]).await
    }

    /// Runs it on a terminal, with these environment variables.
    pub async fn run_on_terminal(&self, arguments: &[&str], answer: &str, environment: &[(&str, &str)]) -> Said {
        self.run_as(arguments, Some(answer), true, environment).await
    }

    async fn run_as(
        &self,
        arguments: &[&str],
        answer: Option<&str>,
        is_terminal: bool,
        environment: &[(&str, &str)],
    ) -> Said {
        let (out, err) = (Shared::default(), Shared::default());
        let io = Io {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(Cursor::new(answer.map(|text| format!("{text}\n")).unwrap_or_default().into_bytes())),
            out_is_terminal: is_terminal,
            width: is_terminal.then_some(80),
            err_is_terminal: is_terminal,
            input_is_terminal: answer.is_some(),
        };
        let mut host = self.host();
        host.environment.extend(environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let arguments = std::iter::once("backstay").chain(arguments.iter().copied()).map(OsString::from);
        let code = backstay_cli::run(arguments, &host, io).await;
        Said { out: out.text(), err: err.text(), code }
    }

    /// The embedded providers, on this shell's clock.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::default()
            .with(ProviderKind::Sim, self.sim_opener())
            .with(ProviderKind::Local, Arc::new(LocalOpener::new(self.now())))
    }

    /// Opens simulated sites, on this shell's clock: what a test puts its own hands around.
    #[must_use]
    pub fn sim_opener(&self) -> Arc<dyn Opener> {
        Arc::new(SimOpener::new(self.now()))
    }

    fn now(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let clock = self.clock.clone();
        Arc::new(move || clock.now())
    }

    fn host(&self) -> Host {
        Host {
            clock: Arc::new(self.clock.clone()),
            entropy: self.entropy.clone(),
            registry: self.registry(),
            environment: self.environment.clone(),
            directory: self.directory.clone(),
            cancelled: self.cancelled.clone(),
            is_working: Arc::default(),
        }
    }
}
