//! The PostgreSQL servers on a site's instances.

use crate::files::failing;
use crate::inventory::instance_exists;
use crate::layout::Layout;
use crate::place::{Place, blocking};
use async_trait::async_trait;
use backstay_core::model::PostgresAddress;
use backstay_core::name::InstanceId;
use backstay_core::observed::DatabaseState;
use backstay_postgres::{Error, ErrorKind, PassFile, Server};
use backstay_provider::{BackupEnd, BackupSession, BackupStart, Databases, ErrorClass, ProviderError};
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct LocalDatabases {
    pub(crate) place: Arc<Place>,
    pub(crate) pass_file: Option<PassFile>,
}

#[async_trait]
impl Databases for LocalDatabases {
    async fn status(&self, instance: &InstanceId, address: Option<&PostgresAddress>) -> DatabaseState {
        let unreachable = |because| DatabaseState::Unreachable { because };
        let data = match self.data_directory(instance).await {
            Ok(data) => data,
            Err(error) => return unreachable(error.message),
        };
        let Some(address) = address else { return DatabaseState::NotObservable };
        match backstay_postgres::status(&self.server(address)).await {
            Ok(report) => match same_directory(address, &report.data_directory, data.as_deref()) {
                Ok(()) => DatabaseState::Known(report.status),
                Err(error) => unreachable(error.message),
            },
            Err(error) => unreachable(error.full_text()),
        }
    }

    async fn begin_backup(
        &self,
        instance: &InstanceId,
        address: Option<&PostgresAddress>,
        label: &str,
    ) -> Result<Box<dyn BackupSession>, ProviderError> {
        let data = self.data_directory(instance).await?;
        let address = address.ok_or_else(|| {
            ProviderError::invalid(format!("instance {instance} has no `postgres` address: its server cannot be asked"))
        })?;
        let session = backstay_postgres::BackupSession::begin(&self.server(address), label).await.map_err(refused)?;
        let started = session.started();
        // Only now is it known which server answers on the session that will be snapshotted.
        same_directory(address, &started.data_directory, data.as_deref())?;
        let start = BackupStart { system: started.system(), is_standby: started.is_standby() };
        Ok(Box::new(LocalBackup { session, start }))
    }
}

impl LocalDatabases {
    fn server(&self, address: &PostgresAddress) -> Server {
        Server::new(address.clone(), self.pass_file.clone())
    }

    /// The instance's data directory, where its disks have one. What makes its disks unusable is an error.
    async fn data_directory(&self, instance: &InstanceId) -> Result<Option<PathBuf>, ProviderError> {
        let (place, instance) = (Arc::clone(&self.place), instance.clone());
        blocking(move || {
            let root = place.root()?;
            if !instance_exists(&root, &instance) {
                return Err(ProviderError::not_found(format!("there is no instance {instance}")));
            }
            let path = root.join("instances").join(instance.as_str());
            let layout = Layout::read(&root, instance.as_str()).map_err(failing("look at", &path))?;
            match &layout.problem {
                Some(problem) => Err(ProviderError::invalid(problem)),
                None => Ok(layout.data.as_ref().map(|data| layout.absolute(data))),
            }
        })
        .await
    }
}

/// A backup of one server with the snapshot of another one's disks would be corrupt. Server and disks are on this host, so
/// both names must lead to the same directory.
fn same_directory(address: &PostgresAddress, served: &Path, ours: Option<&Path>) -> Result<(), ProviderError> {
    let server = format!("the server at {}:{}", address.host, address.port);
    let Some(ours) = ours else {
        return Err(ProviderError::invalid(format!("{server} runs, but no disk of the instance has a data directory")));
    };
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    let served_identity = identity(served).map_err(failing("look at the server's data directory", served))?;
    if identity(ours).map_err(failing("look at", ours))? == served_identity {
        return Ok(());
    }
    let message = format!("{server} serves {}, not the instance's {}", served.display(), ours.display());
    Err(ProviderError::invalid(message))
}

struct LocalBackup {
    session: backstay_postgres::BackupSession,
    start: BackupStart,
}

#[async_trait]
impl BackupSession for LocalBackup {
    fn start(&self) -> &BackupStart {
        &self.start
    }

    async fn stop(&mut self) -> Result<BackupEnd, ProviderError> {
        let end = self.session.stop().await.map_err(refused)?;
        Ok(BackupEnd { wal: end.wal, label: end.label, map: end.map, segment_size: end.segment_size })
    }

    async fn wal_file(&mut self, name: &str) -> Result<Bytes, ProviderError> {
        self.session.wal_file(name).await.map_err(refused)
    }

    async fn close(self: Box<Self>) -> Result<(), ProviderError> {
        self.session.close().await.map_err(refused)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: Error) -> ProviderError {
    let class = match error.kind() {
        ErrorKind::Unavailable => ErrorClass::Unavailable,
        ErrorKind::Denied => ErrorClass::Denied,
        ErrorKind::Busy => ErrorClass::Busy,
        ErrorKind::Invalid => ErrorClass::Invalid,
        ErrorKind::NotFound => ErrorClass::NotFound,
    };
    ProviderError::new(class, error.full_text())
}
