//! What a cloud shows, and changes nothing by it: listings, and what its database servers say.

use crate::call::{Call, Page, Reply};
use crate::cloud::Cloud;
use crate::error::{SimError, SimErrorKind};
use crate::paging::Cursor;
use crate::profile::Filter;
use crate::shelf::Shelf;
use crate::world::{Machine, Server};
use backstay_core::name::{InstanceId, SnapshotId};
use backstay_core::observed::{DatabaseState, Instance, Unmanaged};
use backstay_core::tags::{Intent, MANAGED};
use jiff::Timestamp;
use std::ops::Bound;

/// The listing of instances, as its page tokens name it.
pub(crate) const INSTANCES: &str = "instances";
/// The listing of snapshots, as its page tokens name it.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// The listing of others' snapshots, as its page tokens name it.
pub(crate) const UNMANAGED: &str = "unmanaged";

impl Cloud {
    pub(crate) fn list_instances(&self, token: Option<&str>, shuffle: Option<u64>) -> Result<Reply, SimError> {
        let cursor = self.cursor(INSTANCES, token)?;
        let after = match &cursor.after {
            Some(id) => Some(InstanceId::new(id).map_err(|_| self.bad_token())?),
            None => None,
        };
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.world.machines.range((from, Bound::Unbounded));
        let page = self.page(INSTANCES, &cursor, rest, |(id, _)| id.as_str(), shuffle);
        let shown = page.items.into_iter().map(|(id, machine)| self.shown_instance(id, machine));
        Ok(Reply::Instances(Page { items: shown.collect(), next: page.next }))
    }

    pub(crate) fn describe_instance(&self, id: &InstanceId) -> Result<Reply, SimError> {
        let machine = self.world.machines.get(id).ok_or_else(|| self.no_instance(id))?;
        Ok(Reply::Instance(Box::new(self.shown_instance(id, machine))))
    }

    fn shown_instance(&self, id: &InstanceId, machine: &Machine) -> Instance {
        Instance { id: id.clone(), disks: self.disks_of(id, machine), database: self.database(id, machine) }
    }

    pub(crate) fn list_snapshots(
        &self,
        now: Timestamp,
        shelf: &Shelf,
        only_ours: bool,
        token: Option<&str>,
        shuffle: Option<u64>,
    ) -> Result<Reply, SimError> {
        let cursor = self.cursor(SNAPSHOTS, token)?;
        let after = self.snapshot_after(&cursor)?;
        let all = shelf.after(after.as_ref());
        let mut page = match (only_ours, self.profile.filter) {
            (false, _) => self.page(SNAPSHOTS, &cursor, all, |snapshot| snapshot.id.as_str(), shuffle),
            (true, Filter::ByTag | Filter::ByTagUpTo(_)) => {
                let ours = all.filter(|snapshot| snapshot.tags.contains_key(MANAGED));
                self.page(SNAPSHOTS, &cursor, ours, |snapshot| snapshot.id.as_str(), shuffle)
            }
            (true, Filter::None) => {
                return Err(SimError::invalid(self.profile.codes.unsupported, "this cloud lists snapshots by no tag"));
            }
        };
        if let (true, Filter::ByTagUpTo(most)) = (only_ours, self.profile.filter) {
            let before = (cursor.number - 1).saturating_mul(self.page_size);
            page.items.truncate(most.saturating_sub(before));
            if before + page.items.len() >= most {
                page.next = None;
            }
        }
        let items = page.items.into_iter().map(|snapshot| snapshot.shown(now)).collect();
        Ok(Reply::Snapshots(Page { items, next: page.next }))
    }

    /// A copy's disk is none of this site's: it is never among them.
    pub(crate) fn list_unmanaged(
        &self,
        shelf: &Shelf,
        token: Option<&str>,
        shuffle: Option<u64>,
    ) -> Result<Reply, SimError> {
        let cursor = self.cursor(UNMANAGED, token)?;
        let after = self.snapshot_after(&cursor)?;
        let others = shelf.after(after.as_ref()).filter(|snapshot| {
            !snapshot.tags.contains_key(MANAGED)
                && snapshot.copied.is_none()
                && self.attachment(&snapshot.disk).is_some()
        });
        let page = self.page(UNMANAGED, &cursor, others, |snapshot| snapshot.id.as_str(), shuffle);
        let shown = page.items.into_iter().map(|snapshot| Unmanaged {
            id: snapshot.id.clone(),
            disk: snapshot.disk.clone(),
            created: snapshot.created,
            size: snapshot.size,
        });
        Ok(Reply::Unmanaged(Page { items: shown.collect(), next: page.next }))
    }

    pub(crate) fn find_by_intent(&self, now: Timestamp, shelf: &Shelf, intent: &Intent) -> Result<Reply, SimError> {
        self.check_filter()?;
        let found = shelf.of_intent(&intent.0).filter(|snapshot| snapshot.tags.contains_key(MANAGED));
        Ok(Reply::Found(found.map(|snapshot| snapshot.shown(now)).collect()))
    }

    pub(crate) fn check_filter(&self) -> Result<(), SimError> {
        match self.profile.filter {
            Filter::ByTag | Filter::ByTagUpTo(_) => Ok(()),
            Filter::None => Err(SimError::invalid(self.profile.codes.unsupported, "this cloud finds nothing by a tag")),
        }
    }

    /// What a cloud answers to a question that it hides a lost permission from; `None` for what it refuses. A dry run is the way
    /// to be told.
    pub(crate) fn as_if_empty(&self, call: &Call) -> Option<Result<Reply, SimError>> {
        match call {
            Call::ListInstances { .. } => Some(Ok(Reply::Instances(Page { items: Vec::new(), next: None }))),
            Call::ListSnapshots { .. } => Some(Ok(Reply::Snapshots(Page { items: Vec::new(), next: None }))),
            Call::ListUnmanaged { .. } => Some(Ok(Reply::Unmanaged(Page { items: Vec::new(), next: None }))),
            Call::DescribeInstance { id } => Some(Err(self.no_instance(id))),
            Call::DescribeSnapshot { id } => Some(Err(self.no_snapshot(id))),
            Call::FindByIntent { .. } => Some(Ok(Reply::Found(Vec::new()))),
            Call::DescribeDisk { id } => Some(Err(self.no_disk(id))),
            Call::FindDisks { .. } => Some(Ok(Reply::Disks(Vec::new()))),
            Call::CheckPermission { .. }
            | Call::CreateSnapshot { .. }
            | Call::CreateGroup { .. }
            | Call::CopySnapshot(_)
            | Call::LockSnapshot { .. }
            | Call::Tag { .. }
            | Call::Untag { .. }
            | Call::DeleteSnapshot { .. }
            | Call::CreateDisk(_)
            | Call::AttachDisk { .. }
            | Call::DetachDisk { .. }
            | Call::DeleteDisk { .. }
            | Call::DatabaseStatus { .. }
            | Call::BeginBackup { .. }
            | Call::StopBackup { .. }
            | Call::ReadWal { .. }
            | Call::AdvanceClock { .. }
            | Call::Meddle(_) => None,
        }
    }

    fn snapshot_after(&self, cursor: &Cursor) -> Result<Option<SnapshotId>, SimError> {
        match &cursor.after {
            Some(id) => SnapshotId::new(id).map(Some).map_err(|_| self.bad_token()),
            None => Ok(None),
        }
    }

    fn cursor(&self, listing: &str, token: Option<&str>) -> Result<Cursor, SimError> {
        Cursor::read(listing, token).ok_or_else(|| self.bad_token())
    }

    fn bad_token(&self) -> SimError {
        SimError::invalid(self.profile.codes.invalid_value, "the page token is not one that this listing gave")
    }

    fn page<T>(
        &self,
        listing: &str,
        cursor: &Cursor,
        rest: impl Iterator<Item = T>,
        id: impl Fn(&T) -> &str,
        shuffle: Option<u64>,
    ) -> Page<T> {
        // One more than fits tells whether there is a next page.
        let mut items: Vec<T> = rest.take(self.page_size + 1).collect();
        let goes_on = items.len() > self.page_size;
        items.truncate(self.page_size);
        let next = items.last().filter(|_| goes_on).map(|last| cursor.next(listing, id(last)));
        if let Some(chance) = shuffle {
            let by = usize::try_from(chance % 1009).expect("a small number");
            items.reverse();
            let length = items.len().max(1);
            items.rotate_left(by % length);
        }
        Page { items, next }
    }

    pub(crate) fn machine(&self, instance: &InstanceId) -> Result<&Machine, SimError> {
        self.world.machines.get(instance).ok_or_else(|| self.no_instance(instance))
    }

    /// A server that answers.
    pub(crate) fn server(&self, instance: &InstanceId) -> Result<(&Machine, &Server), SimError> {
        let machine = self.machine(instance)?;
        let server = machine.server.as_ref().filter(|server| !self.is_server_down(instance, server));
        server.map(|server| (machine, server)).ok_or_else(|| {
            let message = format!("no PostgreSQL server answers on the instance `{instance}`: connection refused");
            SimError::new(SimErrorKind::Unavailable, "08001", message)
        })
    }

    fn is_server_down(&self, instance: &InstanceId, server: &Server) -> bool {
        self.is_down.get(instance).copied().unwrap_or(server.is_down)
    }

    pub(crate) fn database_status(&self, instance: &InstanceId) -> Result<Reply, SimError> {
        self.machine(instance).map(|machine| Reply::Database(self.database(instance, machine)))
    }

    fn database(&self, instance: &InstanceId, machine: &Machine) -> DatabaseState {
        match &machine.server {
            None => DatabaseState::NotObservable,
            Some(server) if self.is_server_down(instance, server) => DatabaseState::Unreachable {
                because: format!("the server of `{instance}` is down: connection refused"),
            },
            Some(server) => DatabaseState::Known(server.status()),
        }
    }
}
