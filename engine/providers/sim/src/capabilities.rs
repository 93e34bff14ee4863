//! The site as the engine sees it: each trait method is one turn.

use crate::site::{SimSite, Turn};
use async_trait::async_trait;
use backstay_core::model::{LockMode, ProviderKind};
use backstay_core::name::{ClusterUid, DiskId, SnapshotId};
use backstay_core::observed::{Generation, Instance, SiteClock, Snapshot, Unmanaged};
use backstay_core::tags::{INTENT, Intent, MANAGED, PointKey, Tags};
use backstay_provider::{
    CopySnapshot, CreateSnapshot, Created, Description, ErrorClass, Inventory, Locker, Page, PageToken, PointFileId,
    PointFiles, ProviderError, SiteFacts, Store, Sweeper, VirtualClock,
};
use backstay_sim::{Call, NewPart, Reply, SimErrorKind};
use bytes::Bytes;
use jiff::Timestamp;

/// What holds for every reply below.
const ANSWERS: &str = "a call is answered by its own reply";

fn page<T>(page: backstay_sim::Page<T>) -> Page<T> {
    Page { items: page.items, next: page.next.map(PageToken) }
}

#[async_trait]
impl Inventory for SimSite {
    async fn facts(&self, host: Timestamp) -> Result<SiteFacts, ProviderError> {
        let turn = self.look()?;
        Ok(SiteFacts {
            provider: ProviderKind::Sim,
            account: turn.cloud().world().account().clone(),
            abilities: turn.cloud().abilities(),
            clock: SiteClock { now: turn.time(host), host, is_virtual: self.is_virtual() },
        })
    }

    async fn instances(&self, token: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
        let Reply::Instances(found) = self.look()?.call(Call::ListInstances { page: token.map(|t| t.0) })? else {
            unreachable!("{ANSWERS}");
        };
        let mut found = page(found);
        for instance in &mut found.items {
            self.add_own_backups(&instance.id, &mut instance.database);
        }
        Ok(found)
    }

    async fn snapshots(&self, token: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        let Reply::Snapshots(found) = self.look()?.call(Call::ListSnapshots { page: token.map(|t| t.0) })? else {
            unreachable!("{ANSWERS}");
        };
        Ok(page(found))
    }

    async fn unmanaged(&self, token: Option<PageToken>) -> Result<Page<Unmanaged>, ProviderError> {
        let Reply::Unmanaged(found) = self.look()?.call(Call::ListUnmanaged { page: token.map(|t| t.0) })? else {
            unreachable!("{ANSWERS}");
        };
        Ok(page(found))
    }

    async fn describe(&self, id: &SnapshotId) -> Result<Description, ProviderError> {
        self.look()?.describe(id)
    }

    async fn by_intent(&self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        self.look()?.by_intent(intent)
    }
}

#[async_trait]
impl Store for SimSite {
    async fn create(&self, order: &CreateSnapshot) -> Result<Created, ProviderError> {
        let mut turn = self.act()?;
        if let Some(snapshot) = self.adopt(&mut turn, order)? {
            return Ok(Created::Adopted(snapshot));
        }
        let Reply::Created(mut made) =
            turn.call(Call::CreateSnapshot { instance: order.instance.clone(), part: part(order) })?
        else {
            unreachable!("{ANSWERS}");
        };
        Ok(Created::Created(made.pop().expect("one disk gives one snapshot")))
    }

    async fn create_group(&self, orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        let Some(first) = orders.first() else {
            return Err(self.refuse(ErrorClass::Invalid, "a group names at least one disk"));
        };
        if orders.iter().any(|order| order.instance != first.instance) {
            return Err(self.refuse(ErrorClass::Invalid, "a group's disks are of one instance"));
        }
        let mut turn = self.act()?;
        let mut found = Vec::new();
        for order in orders {
            found.extend(self.adopt(&mut turn, order)?);
        }
        if found.is_empty() {
            let parts = orders.iter().map(part).collect();
            let Reply::Created(made) = turn.call(Call::CreateGroup { instance: first.instance.clone(), parts })? else {
                unreachable!("{ANSWERS}");
            };
            return Ok(made.into_iter().map(Created::Created).collect());
        }
        // What is missing could only be cut at another instant, which would be no group.
        if found.len() != orders.len() || found.iter().any(|snapshot| snapshot.created != found[0].created) {
            let ids = found.iter().map(|snapshot| format!("`{}`", snapshot.id)).collect::<Vec<_>>().join(", ");
            let message = format!(
                "snapshot {} disks of instance `{}` together: only {ids} exist of an earlier try, or not of one \
                 instant; another attempt must cut all anew",
                orders.len(),
                first.instance
            );
            return Err(self.refuse(ErrorClass::Invalid, &message));
        }
        Ok(found.into_iter().map(Created::Adopted).collect())
    }

    async fn copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        self.take_copy(order)
    }

    async fn tag(&self, id: &SnapshotId, tags: &Tags) -> Result<(), ProviderError> {
        self.act()?.call(Call::Tag { id: id.clone(), tags: tags.clone() }).map(|_| ())
    }

    async fn untag(&self, id: &SnapshotId, keys: &[&str]) -> Result<(), ProviderError> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.act()?.call(Call::Untag { id: id.clone(), keys }).map(|_| ())
    }
}

#[async_trait]
impl Locker for SimSite {
    async fn lock(&self, id: &SnapshotId, mode: LockMode, until: Timestamp) -> Result<Timestamp, ProviderError> {
        let call = Call::LockSnapshot { id: id.clone(), mode, until };
        let Reply::Locked(until) = self.act()?.call(call)? else {
            unreachable!("{ANSWERS}");
        };
        Ok(until)
    }
}

#[async_trait]
impl Sweeper for SimSite {
    async fn delete(&self, id: &SnapshotId, disk: &DiskId, generation: &Generation) -> Result<(), ProviderError> {
        let mut turn = self.act()?;
        let Description::Present(snapshot) = turn.describe(id)? else {
            return Ok(());
        };
        if snapshot.id != *id || snapshot.disk != *disk || snapshot.generation() != *generation {
            let message =
                format!("delete snapshot `{id}`: it is no longer what was seen: disk `{disk}`, state {}", generation.0);
            return Err(self.refuse(ErrorClass::Busy, &message));
        }
        turn.call(Call::DeleteSnapshot { id: id.clone() }).map(|_| ())
    }
}

#[async_trait]
impl PointFiles for SimSite {
    async fn put(&self, id: &PointFileId, bytes: &Bytes) -> Result<(), ProviderError> {
        self.points.put(id, bytes)
    }

    async fn points(&self) -> Result<Vec<(ClusterUid, PointKey)>, ProviderError> {
        self.points.list()
    }

    async fn get(&self, id: &PointFileId) -> Result<Option<Bytes>, ProviderError> {
        self.points.get(id)
    }

    async fn remove(&self, cluster: &ClusterUid, point: PointKey) -> Result<(), ProviderError> {
        self.points.remove(cluster, point)
    }
}

impl VirtualClock for SimSite {
    fn now(&self) -> Result<Timestamp, ProviderError> {
        Ok(self.look()?.cloud().clock())
    }

    fn advance_to(&self, instant: Timestamp) -> Result<(), ProviderError> {
        self.act()?.call(Call::AdvanceClock { to: instant }).map(|_| ())
    }
}

fn part(order: &CreateSnapshot) -> NewPart {
    NewPart { disk: order.disk.clone(), tags: order.tags.clone() }
}

impl SimSite {
    /// The snapshot that an earlier call with this intent made. The cloud itself cannot tell: it has no token for it.
    fn adopt(&self, turn: &mut Turn<'_>, order: &CreateSnapshot) -> Result<Option<Snapshot>, ProviderError> {
        let CreateSnapshot { instance, disk, intent, tags, .. } = order;
        let call = format!("snapshot disk `{disk}` of instance `{instance}`");
        self.check_findable(&call, intent, tags)?;
        // Of several, the oldest: they come in that order.
        let found = turn.by_intent(intent)?.into_iter().next();
        match found {
            Some(snapshot) if snapshot.disk != *disk => {
                let other = format!("`{}` of disk `{}`", snapshot.id, snapshot.disk);
                Err(self.refuse(ErrorClass::Invalid, &format!("{call}: its intent is taken by {other}")))
            }
            found => Ok(found),
        }
    }

    /// Refuses tags by which no retry could find its own work.
    pub(crate) fn check_findable(&self, call: &str, intent: &Intent, tags: &Tags) -> Result<(), ProviderError> {
        if tags.get(INTENT) == Some(intent.0.as_str()) && tags.contains_key(MANAGED) {
            return Ok(());
        }
        let message = format!("{call}: its tags lack `{MANAGED}` or its intent, so no retry could find it");
        Err(self.refuse(ErrorClass::Invalid, &message))
    }

    pub(crate) fn refuse(&self, class: ErrorClass, message: &str) -> ProviderError {
        ProviderError::new(class, format!("site `{}`: {message}", self.name()))
    }
}

impl Turn<'_> {
    pub(crate) fn describe(&mut self, id: &SnapshotId) -> Result<Description, ProviderError> {
        let call = Call::DescribeSnapshot { id: id.clone() };
        let shown = call.to_string();
        match self.try_call(call)? {
            Ok(Reply::Snapshot(snapshot)) => Ok(Description::Present(*snapshot)),
            Ok(_) => unreachable!("{ANSWERS}"),
            Err(error) if error.kind == SimErrorKind::NotFound => Ok(Description::Absent),
            Err(error) => Err(self.site().refusal(&shown, &error)),
        }
    }

    pub(crate) fn by_intent(&mut self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        let Reply::Found(found) = self.call(Call::FindByIntent { intent: intent.clone() })? else {
            unreachable!("{ANSWERS}");
        };
        Ok(found)
    }
}
