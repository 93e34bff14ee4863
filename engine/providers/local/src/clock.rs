//! The site's time: the host's, or a virtual one that lies in `<root>/clock`.
//!
//! Until it is first moved, or written by hand, a virtual clock shows the host's time.

use crate::files::{failing, replace};
use crate::place::{HostTime, lock, read_if_there};
use backstay_provider::{ProviderError, VirtualClock};
use jiff::Timestamp;
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub(crate) struct Clock {
    root: PathBuf,
    host: HostTime,
    pub(crate) is_virtual: bool,
}

impl Clock {
    pub(crate) fn new(root: PathBuf, host: HostTime, is_virtual: bool) -> Self {
        Self { root, host, is_virtual }
    }

    /// The site's time, in whole microseconds as tags keep it.
    pub(crate) fn now(&self) -> Result<Timestamp, ProviderError> {
        let declared = if self.is_virtual { read(&self.path())? } else { None };
        let now = declared.unwrap_or_else(|| (self.host)());
        Ok(Timestamp::from_microsecond(now.as_microsecond()).expect("an instant in fewer digits is an instant"))
    }

    fn path(&self) -> PathBuf {
        self.root.join("clock")
    }
}

fn read(path: &Path) -> Result<Option<Timestamp>, ProviderError> {
    let Some(bytes) = read_if_there(path)? else { return Ok(None) };
    let instant = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
    let wrong = || ProviderError::invalid(format!("{} holds no instant as in 2026-11-23T08:00:00Z", path.display()));
    instant.map(Some).ok_or_else(wrong)
}

impl VirtualClock for Clock {
    fn now(&self) -> Result<Timestamp, ProviderError> {
        Self::now(self)
    }

    fn advance_to(&self, instant: Timestamp) -> Result<(), ProviderError> {
        if !self.is_virtual {
            return Err(ProviderError::invalid("this site's clock is the host's: nobody moves it"));
        }
        let _lock = lock(&self.root)?;
        if instant <= Self::now(self)? {
            return Ok(());
        }
        let path = self.path();
        replace(&path, format!("{instant}\n").as_bytes()).map_err(failing("write", &path))
    }
}
