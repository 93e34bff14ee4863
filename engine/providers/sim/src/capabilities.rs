//! The site as the engine sees it: each trait method is one turn.

use crate::site::{SimSite, Turn};
use async_trait::async_trait;
use backstay_core::model::{LockMode, ProviderKind};
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SnapshotId};
use backstay_core::observed::{Generation, Instance, SiteClock, Snapshot, Unmanaged};
use backstay_core::tags::{INTENT, Intent, MANAGED, PointKey, Tags};
use backstay_provider::{
    CopySnapshot, CreateSnapshot, Created, Description, ErrorClass, Inventory, Locker, Page, PageToken, PointFileId,
    PointFiles, ProviderError, SiteFacts, Store, Sweeper, VirtualClock,
};
use backstay_sim::{Call, Filter, Identity, NewPart, Reply, SimErrorKind};
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
            clock: SiteClock { now: turn.told_time(host), host, is_virtual: self.is_virtual() },
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

    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, ProviderError> {
        let call = Call::DescribeInstance { id: id.clone() };
        let shown = call.to_string();
        match self.look()?.try_call(call)? {
            Ok(Reply::Instance(mut instance)) => {
                self.add_own_backups(&instance.id, &mut instance.database);
                Ok(Some(*instance))
            }
            Ok(_) => unreachable!("{ANSWERS}"),
            Err(error) if error.kind == SimErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.refusal(&shown, &error)),
        }
    }

    async fn snapshots(&self, token: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        let only_ours = match self.profile().filter {
            Filter::ByTag => true,
            // One that stops without a word would hide the rest: everything is listed, and ours are picked here.
            Filter::ByTagUpTo(_) | Filter::None => false,
        };
        let call = Call::ListSnapshots { only_ours, page: token.map(|t| t.0) };
        let Reply::Snapshots(mut found) = self.look()?.call(call)? else {
            unreachable!("{ANSWERS}");
        };
        found.items.retain(|snapshot| snapshot.tags.contains_key(MANAGED));
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
        let Reply::Created(made) =
            turn.call(Call::CreateSnapshot { instance: order.instance.clone(), part: self.part(order) })?
        else {
            unreachable!("{ANSWERS}");
        };
        // A call that was delivered twice made two: the first is the answer, and a reader of the intent sees both.
        Ok(Created::Created(made.into_iter().next().expect("one disk gives one snapshot")))
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
            let parts = orders.iter().map(|order| self.part(order)).collect();
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
        gone_is_success(turn.call(Call::DeleteSnapshot { id: id.clone() }))
    }

    async fn delete_disk(&self, id: &DiskId, intent: &Intent) -> Result<(), ProviderError> {
        self.remove_disk(id, intent)
    }
}

/// What was to be deleted is gone, whoever deleted it.
pub(crate) fn gone_is_success(answer: Result<Reply, ProviderError>) -> Result<(), ProviderError> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        Err(error) => Err(error),
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

impl SimSite {
    fn part(&self, order: &CreateSnapshot) -> NewPart {
        NewPart {
            disk: order.disk.clone(),
            tags: order.tags.clone(),
            word: self.word(&order.intent),
            location: order.location.clone(),
        }
    }

    /// What the cloud is to know an order by: a name or a token. The same intent gives the same.
    pub(crate) fn word(&self, intent: &Intent) -> Option<String> {
        match self.profile().identity {
            Identity::Given => None,
            Identity::GivenOncePerToken | Identity::Named { .. } => Some(word_of(intent)),
        }
    }

    /// The snapshot that an earlier call with this intent made. The cloud itself cannot tell: it has no token for it.
    fn adopt(&self, turn: &mut Turn<'_>, order: &CreateSnapshot) -> Result<Option<Snapshot>, ProviderError> {
        let CreateSnapshot { instance, disk, intent, tags, .. } = order;
        let call = format!("snapshot disk `{disk}` of instance `{instance}`");
        self.check_findable(&call, intent, tags)?;
        // Of several, the oldest: they come in that order.
        let found = match self.profile().identity {
            Identity::Named { .. } => turn.by_name(intent)?,
            Identity::Given | Identity::GivenOncePerToken => turn.by_intent(intent)?.into_iter().next(),
        };
        match found {
            Some(snapshot) if snapshot.disk != *disk => {
                let other = format!("`{}` of disk `{}`", snapshot.id, snapshot.disk);
                Err(self.refuse(ErrorClass::Invalid, &format!("{call}: its intent is taken by {other}")))
            }
            Some(snapshot) if !is_of(&snapshot, intent) => {
                let other = format!("`{}`, which is not tagged as ours", snapshot.id);
                Err(self.refuse(ErrorClass::Invalid, &format!("{call}: its name is taken by {other}")))
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

/// A name that every cloud takes, and a token.
pub(crate) fn word_of(intent: &Intent) -> String {
    format!("backstay-{intent}")
}

fn is_of(snapshot: &Snapshot, intent: &Intent) -> bool {
    snapshot.tags.contains_key(MANAGED) && snapshot.tags.get(INTENT) == Some(intent.0.as_str())
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

    /// Where the caller chooses names, a snapshot's name says its intent, and is looked up; elsewhere its tag does.
    pub(crate) fn by_intent(&mut self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        if let Identity::Named { .. } = self.site().profile().identity {
            let found = self.by_name(intent)?;
            return Ok(found.into_iter().filter(|snapshot| is_of(snapshot, intent)).collect());
        }
        let Reply::Found(found) = self.call(Call::FindByIntent { intent: intent.clone() })? else {
            unreachable!("{ANSWERS}");
        };
        Ok(found)
    }

    /// What has the name that says this intent, whosever it is.
    fn by_name(&mut self, intent: &Intent) -> Result<Option<Snapshot>, ProviderError> {
        let name = SnapshotId::new(word_of(intent)).map_err(|error| ProviderError::invalid(error.to_string()))?;
        match self.describe(&name)? {
            Description::Present(snapshot) => Ok(Some(snapshot)),
            Description::Absent => Ok(None),
        }
    }
}
