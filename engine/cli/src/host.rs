//! The host behind the seams: its clock, its chance, its streams.

use async_trait::async_trait;
use backstay_runtime::seams::{Clock, Entropy, StoreError};
use backstay_runtime::sites::Registry;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything that a command needs of its host.
pub struct Host {
    /// The host's clock.
    pub clock: Arc<dyn Clock>,
    /// The host's chance.
    pub entropy: Arc<dyn Entropy>,
    /// The providers that were compiled in.
    pub registry: Registry,
    /// The environment variables: how to write, where object stores are, and by which credentials.
    pub environment: BTreeMap<String, String>,
    /// The directory that relative paths start from.
    pub directory: PathBuf,
    /// Set when the run must end: no new call is started then.
    pub cancelled: Arc<AtomicBool>,
    /// Set by a command while it has begun what must not be broken off; else a signal may end the process at once.
    pub is_working: Arc<AtomicBool>,
}

/// The streams of one run.
pub struct Io {
    /// Where results go.
    pub out: Box<dyn Write + Send>,
    /// Where all else goes.
    pub err: Box<dyn Write + Send>,
    /// Where answers come from.
    pub input: Box<dyn BufRead + Send>,
    /// Whether a person reads the results.
    pub out_is_terminal: bool,
    /// How wide the terminal of the results is, where that is known.
    pub width: Option<usize>,
    /// Whether a person reads all else.
    pub err_is_terminal: bool,
    /// Whether a person can answer.
    pub input_is_terminal: bool,
}

/// The host's real clock.
#[must_use]
pub fn real_clock() -> Arc<dyn Clock> {
    struct HostClock;

    #[async_trait]
    impl Clock for HostClock {
        fn now(&self) -> Timestamp {
            Timestamp::now()
        }

        async fn sleep(&self, length: SignedDuration) {
            tokio::time::sleep(length.unsigned_abs()).await;
        }
    }

    Arc::new(HostClock)
}

/// The operating system's chance.
#[must_use]
pub fn real_entropy() -> Arc<dyn Entropy> {
    struct HostEntropy;

    impl Entropy for HostEntropy {
        fn bytes(&self) -> Result<[u8; 32], StoreError> {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)
                .map_err(|error| StoreError::new(format!("the operating system gave no random bytes: {error}")))?;
            Ok(bytes)
        }
    }

    Arc::new(HostEntropy)
}
