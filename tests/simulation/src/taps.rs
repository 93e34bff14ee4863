//! The seams with wires in them: a site's capabilities and the state store, as a run gets them.

use crate::house::Shelves;
use crate::wires::{Answer, Call, Delivery, Kind, Line, STATE};
use async_trait::async_trait;
use backstay_core::model::{LockMode, PostgresAddress};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::observed::{DatabaseState, Generation, Instance, Snapshot, Unmanaged};
use backstay_core::tags::{CLUSTER, Intent, PointKey, Tags};
use backstay_provider::{
    BackupEnd, BackupSession, BackupStart, Capabilities, CopySnapshot, CreateSnapshot, Created, Databases, Description,
    Inventory, Locker, Page, PageToken, PointFileId, PointFiles, ProviderError, SiteFacts, Store, Sweeper,
};
use backstay_runtime::memory_store::MemoryStore;
use backstay_runtime::seams::{StateStore, StoreError};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A site behind a runner's line.
struct Tap {
    line: Arc<Line>,
    site: String,
    name: SiteName,
    shelves: Arc<Shelves>,
    plain: Capabilities,
    /// The same site, which has every call delivered twice at once.
    echo: Capabilities,
}

/// Puts a runner's line between a run and a site.
pub(crate) fn tap(
    line: &Arc<Line>,
    name: &SiteName,
    shelves: &Arc<Shelves>,
    plain: Capabilities,
    echo: Capabilities,
) -> Capabilities {
    let tap = Arc::new(Tap {
        line: line.clone(),
        site: name.to_string(),
        name: name.clone(),
        shelves: shelves.clone(),
        plain: plain.clone(),
        echo,
    });
    Capabilities {
        inventory: tap.clone(),
        store: tap.clone(),
        locker: if plain.locker.is_some() { Some(tap.clone()) } else { None },
        restorer: plain.restorer,
        sweeper: tap.clone(),
        databases: if plain.databases.is_some() { Some(tap.clone()) } else { None },
        point_files: if plain.point_files.is_some() { Some(tap) } else { None },
        // A clock is read and moved at once: no real site has such a call.
        clock: plain.clock,
    }
}

fn cluster_of(tags: &Tags) -> Option<ClusterUid> {
    tags.get(CLUSTER).and_then(|uid| ClusterUid::new(uid).ok())
}

impl Tap {
    fn of(&self, delivery: Delivery) -> &Capabilities {
        match delivery {
            Delivery::Once | Delivery::Torn => &self.plain,
            Delivery::TwiceAtOnce => &self.echo,
        }
    }

    fn question<'a>(&'a self, verb: &'static str, target: &'a str) -> Call<'a> {
        Call { place: &self.site, verb, target, kind: Kind::Question, clusters: BTreeSet::new() }
    }

    fn effect<'a>(
        &'a self,
        verb: &'static str,
        target: &'a str,
        clusters: impl IntoIterator<Item = ClusterUid>,
    ) -> Call<'a> {
        let clusters = clusters.into_iter().collect();
        Call { place: &self.site, verb, target, kind: Kind::Effect, clusters }
    }

    fn on_snapshot<'a>(&'a self, verb: &'static str, id: &'a SnapshotId) -> Call<'a> {
        self.line.changes(&self.site, id.as_str(), verb);
        self.effect(verb, id.as_str(), self.line.wires.owners(&self.site, id))
    }

    /// Learns whose a snapshot is when it is made: also when nobody hears of it.
    fn making<'a>(&'a self, made: Answer<'a, Created, ProviderError>) -> Answer<'a, Created, ProviderError> {
        Box::pin(async move {
            let made = made.await?;
            let (Created::Created(snapshot) | Created::Adopted(snapshot)) = &made;
            self.learn([snapshot]);
            self.line.has_read(&self.site, snapshot.id.as_str());
            Ok(made)
        })
    }

    fn learn<'a>(&self, snapshots: impl IntoIterator<Item = &'a Snapshot>) {
        for snapshot in snapshots {
            self.line.wires.learn(&self.site, &snapshot.id, &snapshot.tags);
        }
    }
}

#[async_trait]
impl Inventory for Tap {
    async fn facts(&self, host: Timestamp) -> Result<SiteFacts, ProviderError> {
        self.line.pass(self.question("facts", ""), |by| self.of(by).inventory.facts(host)).await
    }

    async fn instances(&self, page: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
        self.line.pass(self.question("list-instances", ""), |by| self.of(by).inventory.instances(page.clone())).await
    }

    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, ProviderError> {
        let question = self.question("instance", id.as_str());
        let found = self.line.pass(question, |by| self.of(by).inventory.instance(id)).await?;
        self.line.has_read(&self.site, id.as_str());
        Ok(found)
    }

    async fn snapshots(&self, page: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        let call = self.question("list-snapshots", "");
        let mut page = self.line.pass(call, |by| self.of(by).inventory.snapshots(page.clone())).await?;
        self.shelves.recall(&self.name, &mut page.items);
        self.learn(&page.items);
        Ok(page)
    }

    async fn unmanaged(&self, page: Option<PageToken>) -> Result<Page<Unmanaged>, ProviderError> {
        self.line.pass(self.question("list-unmanaged", ""), |by| self.of(by).inventory.unmanaged(page.clone())).await
    }

    async fn describe(&self, id: &SnapshotId) -> Result<Description, ProviderError> {
        let question = self.question("describe", id.as_str());
        let found = self.line.pass(question, |by| self.of(by).inventory.describe(id)).await?;
        self.line.has_read(&self.site, id.as_str());
        Ok(found)
    }

    async fn by_intent(&self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        let call = self.question("find", intent.0.as_str());
        let found = self.line.pass(call, |by| self.of(by).inventory.by_intent(intent)).await?;
        self.learn(&found);
        found.iter().for_each(|snapshot| self.line.has_read(&self.site, snapshot.id.as_str()));
        Ok(found)
    }
}

#[async_trait]
impl Store for Tap {
    async fn create(&self, order: &CreateSnapshot) -> Result<Created, ProviderError> {
        self.line.relies_on(&self.site, order.instance.as_str(), "create");
        let call = self.effect("create", order.disk.as_str(), cluster_of(&order.tags));
        self.line.pass(call, |by| self.making(self.of(by).store.create(order))).await
    }

    async fn create_group(&self, orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        let cluster = orders.first().and_then(|order| cluster_of(&order.tags));
        let instance = orders.first().map_or("", |order| order.instance.as_str());
        self.line.relies_on(&self.site, instance, "create-group");
        let call = self.effect("create-group", instance, cluster);
        let deliver = |by| -> Answer<'_, Vec<Created>, ProviderError> {
            let made = self.of(by).store.create_group(orders);
            Box::pin(async move {
                let made = made.await?;
                for Created::Created(snapshot) | Created::Adopted(snapshot) in &made {
                    self.learn([snapshot]);
                    self.line.has_read(&self.site, snapshot.id.as_str());
                }
                Ok(made)
            })
        };
        self.line.pass(call, deliver).await
    }

    async fn copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        self.line.relies_on(order.from.as_str(), order.source.id.as_str(), "copy");
        let call = self.effect("copy", order.source.id.as_str(), cluster_of(&order.tags));
        self.line.pass(call, |by| self.making(self.of(by).store.copy(order))).await
    }

    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError> {
        self.line.pass(self.on_snapshot("tag", id), |by| self.of(by).store.tag(id, tags)).await
    }

    async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), ProviderError> {
        self.line.pass(self.on_snapshot("untag", id), |by| self.of(by).store.untag(id, keys)).await
    }
}

#[async_trait]
impl Locker for Tap {
    async fn lock(&self, id: &SnapshotId, mode: LockMode, until: Timestamp) -> Result<Timestamp, ProviderError> {
        let deliver = |by| -> Answer<'_, Timestamp, ProviderError> {
            match &self.of(by).locker {
                Some(locker) => locker.lock(id, mode, until),
                None => Box::pin(async { Err(ProviderError::invalid("this site has no locks")) }),
            }
        };
        self.line.pass(self.on_snapshot("lock", id), deliver).await
    }
}

#[async_trait]
impl Sweeper for Tap {
    async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError> {
        self.line.pass(self.on_snapshot("delete", id), |by| self.of(by).sweeper.delete(id, disk, generation)).await
    }

    async fn delete_disk(&self, id: &DiskId, intent: &Intent) -> Result<(), ProviderError> {
        let call = self.effect("delete-disk", id.as_str(), None);
        self.line.pass(call, |by| self.of(by).sweeper.delete_disk(id, intent)).await
    }
}

/// What a site says that has no such capability.
fn lacking<'a, T: Send + 'a>(what: &'static str) -> Answer<'a, T, ProviderError> {
    Box::pin(async move { Err(ProviderError::invalid(format!("this site has no {what}"))) })
}

#[async_trait]
impl Databases for Tap {
    async fn status(&self, instance: &InstanceId, address: Option<&PostgresAddress>) -> DatabaseState {
        let deliver = |by| -> Answer<'_, DatabaseState, ProviderError> {
            match &self.of(by).databases {
                Some(databases) => {
                    let status = databases.status(instance, address);
                    Box::pin(async move { Ok(status.await) })
                }
                None => lacking("servers"),
            }
        };
        let answer = self.line.pass(self.question("status", instance.as_str()), deliver).await;
        answer.unwrap_or_else(|error| DatabaseState::Unreachable { because: error.to_string() })
    }

    async fn begin_backup(
        &self,
        instance: &InstanceId,
        address: Option<&PostgresAddress>,
        label: &str,
    ) -> Result<Box<dyn BackupSession>, ProviderError> {
        let deliver = |by| -> Answer<'_, Box<dyn BackupSession>, ProviderError> {
            match &self.of(by).databases {
                Some(databases) => databases.begin_backup(instance, address, label),
                None => lacking("servers"),
            }
        };
        let session = self.line.pass(self.question("begin-backup", instance.as_str()), deliver).await?;
        Ok(Box::new(Session { line: self.line.clone(), site: self.site.clone(), session }))
    }
}

/// A backup session behind a line. Its calls are steps of one connection: nothing delivers them twice.
struct Session {
    line: Arc<Line>,
    site: String,
    session: Box<dyn BackupSession>,
}

#[async_trait]
impl BackupSession for Session {
    fn start(&self) -> &BackupStart {
        self.session.start()
    }

    async fn stop(&mut self) -> Result<BackupEnd, ProviderError> {
        let call = Call {
            place: &self.site,
            verb: "stop-backup",
            target: "",
            kind: Kind::Question,
            clusters: BTreeSet::new(),
        };
        let answer = self.session.stop().await;
        self.line
            .pass(call, |_| {
                let answer = answer.clone();
                Box::pin(async move { answer })
            })
            .await
    }

    async fn wal_file(&mut self, name: &str) -> Result<Bytes, ProviderError> {
        let call =
            Call { place: &self.site, verb: "read-wal", target: name, kind: Kind::Question, clusters: BTreeSet::new() };
        let answer = self.session.wal_file(name).await;
        self.line
            .pass(call, |_| {
                let answer = answer.clone();
                Box::pin(async move { answer })
            })
            .await
    }

    async fn close(self: Box<Self>) -> Result<(), ProviderError> {
        let Self { line, site, session } = *self;
        let call =
            Call { place: &site, verb: "close-backup", target: "", kind: Kind::Question, clusters: BTreeSet::new() };
        let answer = session.close().await;
        line.pass(call, |_| {
            let answer = answer.clone();
            Box::pin(async move { answer })
        })
        .await
    }
}

#[async_trait]
impl PointFiles for Tap {
    async fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError> {
        let deliver = |by| match &self.of(by).point_files {
            Some(files) => files.put(id, bytes),
            None => lacking("files"),
        };
        self.line.pass(self.effect("put-file", &id.name, Some(id.cluster.clone())), deliver).await
    }

    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        let deliver = |by| match &self.of(by).point_files {
            Some(files) => files.points(),
            None => lacking("files"),
        };
        self.line.pass(self.question("list-files", ""), deliver).await
    }

    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        let deliver = |by| match &self.of(by).point_files {
            Some(files) => files.get(id),
            None => lacking("files"),
        };
        self.line.pass(self.question("get-file", &id.name), deliver).await
    }

    async fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
        let deliver = |by| match &self.of(by).point_files {
            Some(files) => files.remove(cluster, point),
            None => lacking("files"),
        };
        let target = point.to_string();
        self.line.pass(self.effect("remove-files", &target, Some(cluster.clone())), deliver).await
    }
}

/// The state store behind a runner's line.
pub(crate) struct Records {
    pub(crate) line: Arc<Line>,
    pub(crate) memory: Arc<MemoryStore>,
}

impl Records {
    fn call<'a>(&self, verb: &'static str, key: &'a str, is_question: bool) -> Call<'a> {
        let kind = if is_question { Kind::Question } else { Kind::Record };
        Call { place: STATE, verb, target: key, kind, clusters: BTreeSet::new() }
    }
}

/// Delivers a call to the state store as often as it is delivered: the answer is that of the first one there.
async fn deliver<'a, T>(by: Delivery, send: impl Fn() -> Answer<'a, T, StoreError>) -> Result<T, StoreError> {
    let answer = send().await;
    match by {
        Delivery::TwiceAtOnce => drop(send().await),
        Delivery::Once | Delivery::Torn => {}
    }
    answer
}

#[async_trait]
impl StateStore for Records {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.line.pass(self.call("get", key, true), |_| self.memory.get(key)).await
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        let send = |by| -> Answer<'_, _, _> { Box::pin(deliver(by, || self.memory.create(key, value))) };
        self.line.pass(self.call("create", key, false), send).await
    }

    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let send = |by| -> Answer<'_, _, _> { Box::pin(deliver(by, || self.memory.put(key, value))) };
        self.line.pass(self.call("put", key, false), send).await
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        let send = |by| -> Answer<'_, _, _> { Box::pin(deliver(by, || self.memory.swap(key, expected, value))) };
        self.line.pass(self.call("swap", key, false), send).await
    }

    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let call = Call { place: STATE, verb: "append", target: key, kind: Kind::Line, clusters: BTreeSet::new() };
        let send = |by| -> Answer<'_, (), StoreError> {
            match by {
                Delivery::Torn => self.memory.append(key, &value[..value.len() / 2]),
                Delivery::Once | Delivery::TwiceAtOnce => Box::pin(deliver(by, || self.memory.append(key, value))),
            }
        };
        self.line.pass(call, send).await
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let send = |by| -> Answer<'_, _, _> { Box::pin(deliver(by, || self.memory.remove(key))) };
        self.line.pass(self.call("remove", key, false), send).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.line.pass(self.call("list", prefix, true), |_| self.memory.list(prefix)).await
    }
}
