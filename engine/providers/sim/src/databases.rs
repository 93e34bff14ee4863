//! The site's PostgreSQL servers. A backup's session lives in this process, and ends with it.

use crate::site::SimSite;
use async_trait::async_trait;
use backstay_core::model::PostgresAddress;
use backstay_core::name::InstanceId;
use backstay_core::observed::DatabaseState;
use backstay_provider::{BackupEnd, BackupSession, BackupStart, Databases, ErrorClass, ProviderError};
use backstay_sim::{Backup, Call, Reply, SEGMENT_SIZE};
use bytes::Bytes;
use std::sync::Arc;

/// The servers of one site. A simulated server is reached by its instance: an address adds nothing.
pub(crate) struct Servers(Arc<SimSite>);

impl Servers {
    pub(crate) fn of(site: Arc<SimSite>) -> Self {
        Self(site)
    }
}

#[async_trait]
impl Databases for Servers {
    async fn status(&self, instance: &InstanceId, _address: Option<&PostgresAddress>) -> DatabaseState {
        let call = Call::DatabaseStatus { instance: instance.clone() };
        match self.0.look().and_then(|mut turn| turn.call(call)) {
            Ok(Reply::Database(mut state)) => {
                self.0.add_own_backups(instance, &mut state);
                state
            }
            Ok(_) => unreachable!("a status is answered by a status"),
            Err(error) => DatabaseState::Unreachable { because: error.to_string() },
        }
    }

    async fn begin_backup(
        &self,
        instance: &InstanceId,
        _address: Option<&PostgresAddress>,
        label: &str,
    ) -> Result<Box<dyn BackupSession>, ProviderError> {
        let call = Call::BeginBackup { instance: instance.clone(), label: label.to_owned() };
        let Reply::Begun(backup) = self.0.look()?.call(call)? else {
            unreachable!("a backup that begins is answered by itself");
        };
        self.0.count_backup(instance, Count::Begun);
        let start = BackupStart { system: backup.system(), is_standby: backup.is_standby() };
        Ok(Box::new(Session { site: self.0.clone(), backup, start, is_stopped: false }))
    }
}

/// A backup that runs until this is dropped.
struct Session {
    site: Arc<SimSite>,
    backup: Backup,
    start: BackupStart,
    is_stopped: bool,
}

#[async_trait]
impl BackupSession for Session {
    fn start(&self) -> &BackupStart {
        &self.start
    }

    async fn stop(&mut self) -> Result<BackupEnd, ProviderError> {
        if self.is_stopped {
            let message =
                format!("site `{}`: the backup on `{}` has stopped", self.site.name(), self.backup.instance());
            return Err(ProviderError::new(ErrorClass::Invalid, message));
        }
        let call = Call::StopBackup { backup: self.backup.clone() };
        let Reply::Finished(finished) = self.site.look()?.call(call)? else {
            unreachable!("a backup that stops is answered by what it left");
        };
        self.is_stopped = true;
        Ok(BackupEnd {
            wal: finished.wal,
            label: finished.label.into(),
            map: finished.map.into(),
            segment_size: SEGMENT_SIZE,
        })
    }

    async fn wal_file(&mut self, name: &str) -> Result<Bytes, ProviderError> {
        let call = Call::ReadWal { backup: self.backup.clone(), name: name.to_owned() };
        let Reply::WalFile(bytes) = self.site.look()?.call(call)? else {
            unreachable!("a WAL file is answered by its bytes");
        };
        Ok(bytes.into())
    }

    async fn close(self: Box<Self>) -> Result<(), ProviderError> {
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.site.count_backup(self.backup.instance(), Count::Ended);
    }
}

/// What happened to one of this process's backups.
#[derive(Clone, Copy)]
enum Count {
    Begun,
    Ended,
}

impl SimSite {
    fn count_backup(&self, instance: &InstanceId, count: Count) {
        let mut backups = self.backups.lock().expect("no one panics while counting");
        let running = backups.entry(instance.clone()).or_default();
        match count {
            Count::Begun => *running += 1,
            Count::Ended => *running -= 1,
        }
        if *running == 0 {
            backups.remove(instance);
        }
    }

    /// The cloud does not know which backups this process runs.
    pub(crate) fn add_own_backups(&self, instance: &InstanceId, state: &mut DatabaseState) {
        if let DatabaseState::Known(status) = state {
            let backups = self.backups.lock().expect("no one panics while counting");
            status.backup_running |= backups.contains_key(instance);
        }
    }
}
