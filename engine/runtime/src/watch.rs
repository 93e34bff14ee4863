//! Looking without touching: a fleet opened so that nothing which is reached from it can write.
//!
//! Of what a provider opens only the inventory is kept. What makes, tags, locks, attaches or deletes is let go at once, and so is
//! a virtual clock. Servers can be asked for their state and nothing else; files and the state store can be read. A lease is
//! written, so none can be taken.

use crate::baseline;
use crate::events::Observer;
use crate::observe::observe;
use crate::seams::{Clock, StateStore, StoreError};
use crate::sites::{Registry, Sites};
use crate::state::State;
use async_trait::async_trait;
use backstay_core::model::{Desired, PostgresAddress};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SnapshotId};
use backstay_core::observed::{DatabaseState, Generation, Observed};
use backstay_core::seal::Keyring;
use backstay_core::tags::{PointKey, Tags};
use backstay_provider::{
    BackupSession, Capabilities, CopySnapshot, CreateSnapshot, Created, Databases, Home, PointFileId, PointFiles,
    ProviderError, Store, Sweeper,
};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;

/// A fleet that can be looked at.
pub struct Watch {
    sites: Sites,
    store: Reading<dyn StateStore>,
}

impl Watch {
    /// Opens every declared site, and the state store, to be read.
    #[must_use]
    pub fn open(registry: &Registry, desired: &Desired, home: Home<'_>, store: Arc<dyn StateStore>) -> Self {
        Self { sites: registry.open_with(desired, home, inventory_alone), store: Reading(store) }
    }

    /// Observes all sites and the records.
    pub async fn observe(
        &self,
        desired: &Desired,
        keyring: Keyring,
        clock: &dyn Clock,
        observer: &dyn Observer,
        parallelism: usize,
    ) -> Observed {
        observe(desired, &self.sites, State(&self.store), keyring, clock, observer, parallelism).await
    }

    /// The documents of the last apply, where they can be read.
    pub async fn baseline(&self, observed: &Observed, desired: &Desired, root: &Path) -> Option<Desired> {
        let record = observed.records.complete().and_then(|records| records.baseline.as_ref());
        baseline::load(&self.store, record, desired, root).await
    }
}

/// What is left of a site's capabilities when nothing may be written.
fn inventory_alone(site: Capabilities) -> Capabilities {
    Capabilities {
        inventory: site.inventory,
        store: Arc::new(Nothing),
        locker: None,
        restorer: None,
        sweeper: Arc::new(Nothing),
        databases: site.databases.map(|databases| Arc::new(Reading(databases)) as Arc<dyn Databases>),
        point_files: site.point_files.map(|files| Arc::new(Reading(files)) as Arc<dyn PointFiles>),
        clock: None,
    }
}

/// In place of what writes.
struct Nothing;

/// What can be read, and not written.
struct Reading<T: ?Sized>(Arc<T>);

fn refused() -> ProviderError {
    ProviderError::invalid("this run was opened to look: it has nothing that writes")
}

#[async_trait]
impl Store for Nothing {
    async fn create(&self, _: &CreateSnapshot) -> Result<Created, ProviderError> {
        Err(refused())
    }

    async fn create_group(&self, _: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        Err(refused())
    }

    async fn copy(&self, _: &CopySnapshot) -> Result<Created, ProviderError> {
        Err(refused())
    }

    async fn tag(&self, _: &SnapshotId, _: &Tags) -> Result<(), ProviderError> {
        Err(refused())
    }

    async fn untag(&self, _: &SnapshotId, _: &[&str]) -> Result<(), ProviderError> {
        Err(refused())
    }
}

#[async_trait]
impl Sweeper for Nothing {
    async fn delete(&self, _: &SnapshotId, _: &DiskId, _: &Generation) -> Result<(), ProviderError> {
        Err(refused())
    }
}

#[async_trait]
impl Databases for Reading<dyn Databases> {
    async fn status(&self, instance: &InstanceId, address: Option<&PostgresAddress>) -> DatabaseState {
        self.0.status(instance, address).await
    }

    async fn begin_backup(
        &self,
        _: &InstanceId,
        _: Option<&PostgresAddress>,
        _: &str,
    ) -> Result<Box<dyn BackupSession>, ProviderError> {
        Err(refused())
    }
}

#[async_trait]
impl PointFiles for Reading<dyn PointFiles> {
    async fn put(&self, _: &PointFileId, _: &Bytes) -> Result<(), ProviderError> {
        Err(refused())
    }

    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        self.0.points().await
    }

    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        self.0.get(id).await
    }

    async fn remove(&self, _: &ClusterUid, _: PointKey) -> Result<(), ProviderError> {
        Err(refused())
    }
}

fn not_written(key: &str) -> StoreError {
    StoreError::new(format!("`{key}` is not written: this run was opened to look"))
}

#[async_trait]
impl StateStore for Reading<dyn StateStore> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn create(&self, key: &str, _: &[u8]) -> Result<bool, StoreError> {
        Err(not_written(key))
    }

    async fn put(&self, key: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(not_written(key))
    }

    async fn swap(&self, key: &str, _: Option<&[u8]>, _: &[u8]) -> Result<bool, StoreError> {
        Err(not_written(key))
    }

    async fn append(&self, key: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(not_written(key))
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        Err(not_written(key))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.0.list(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstay_core::model::LockMode;
    use backstay_core::model::Site;
    use backstay_core::name::SiteName;
    use backstay_core::observed::{Instance, Snapshot};
    use backstay_core::tags::Intent;
    use backstay_provider::{Description, Inventory, Locker, Opener, Page, PageToken, SiteFacts, VirtualClock};
    use jiff::Timestamp;
    use std::sync::Weak;

    struct Everything;

    #[async_trait]
    impl Inventory for Everything {
        async fn facts(&self, _: Timestamp) -> Result<SiteFacts, ProviderError> {
            Err(refused())
        }
        async fn instances(&self, _: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
            Err(refused())
        }
        async fn snapshots(&self, _: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
            Err(refused())
        }
        async fn describe(&self, _: &SnapshotId) -> Result<Description, ProviderError> {
            Err(refused())
        }
        async fn by_intent(&self, _: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
            Err(refused())
        }
    }

    #[async_trait]
    impl Locker for Everything {
        async fn lock(&self, _: &SnapshotId, _: LockMode, until: Timestamp) -> Result<Timestamp, ProviderError> {
            Ok(until)
        }
    }

    impl VirtualClock for Everything {
        fn now(&self) -> Result<Timestamp, ProviderError> {
            Ok(Timestamp::UNIX_EPOCH)
        }
        fn advance_to(&self, _: Timestamp) -> Result<(), ProviderError> {
            Ok(())
        }
    }

    type Handed = (Weak<dyn Inventory>, Vec<Weak<dyn Send + Sync>>);

    /// Opens a site, and remembers what it handed out.
    #[derive(Default)]
    struct Remembering(std::sync::Mutex<Vec<Handed>>);

    impl Opener for Remembering {
        fn open(&self, _: &Site, _: Home<'_>) -> Result<Capabilities, ProviderError> {
            let inventory: Arc<dyn Inventory> = Arc::new(Everything);
            let (store, sweeper) = (Arc::new(Nothing), Arc::new(Nothing));
            let (locker, clock) = (Arc::new(Everything), Arc::new(Everything));
            let weak = |shared: Arc<dyn Send + Sync>| Arc::downgrade(&shared);
            let written = vec![weak(store.clone()), weak(sweeper.clone()), weak(locker.clone()), weak(clock.clone())];
            self.0.lock().unwrap().push((Arc::downgrade(&inventory), written));
            Ok(Capabilities {
                inventory,
                store,
                locker: Some(locker),
                restorer: None,
                sweeper,
                databases: None,
                point_files: None,
                clock: Some(clock),
            })
        }
    }

    #[test]
    fn of_a_site_that_is_only_looked_at_nothing_but_the_inventory_is_alive() {
        let opener = Remembering::default();
        let handed = |opener: &Remembering| {
            let all = opener.0.lock().unwrap();
            let (inventory, written) = all.last().unwrap();
            (inventory.strong_count(), written.iter().map(Weak::strong_count).collect::<Vec<_>>())
        };
        let site = Site {
            name: SiteName::new("eu").unwrap(),
            provider: backstay_core::model::Provider::Local(backstay_core::model::LocalSite {
                root: "disks".into(),
                virtual_clock: true,
            }),
        };
        let home = Home { fleet: Path::new("."), state: Path::new(".") };
        let whole = opener.open(&site, home).unwrap();
        assert_eq!(handed(&opener), (1, vec![1, 1, 1, 1]));
        let looking = inventory_alone(whole);
        assert_eq!(handed(&opener), (1, vec![0, 0, 0, 0]), "what writes is gone, not only hidden");
        assert!(looking.locker.is_none() && looking.restorer.is_none() && looking.clock.is_none());
    }
}
