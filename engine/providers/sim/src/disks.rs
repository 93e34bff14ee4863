//! Disks made from snapshots.

use crate::capabilities::{gone_is_success, word_of};
use crate::site::{SimSite, Turn};
use async_trait::async_trait;
use backstay_core::name::{DiskId, InstanceId};
use backstay_core::tags::{INTENT, Intent, MANAGED};
use backstay_provider::{CreateDisk, Disk, ErrorClass, ProviderError, Restorer};
use backstay_sim::{Call, Identity, NewDisk, Reply, ShownDisk, SimErrorKind};

/// What holds for every reply below.
const ANSWERS: &str = "a call of disks is answered by its own reply";

#[async_trait]
impl Restorer for SimSite {
    async fn create_disk(&self, order: &CreateDisk) -> Result<Disk, ProviderError> {
        let call = format!("make a disk from snapshot `{}`", order.snapshot);
        self.check_findable(&call, &order.intent, &order.tags)?;
        let mut turn = self.act()?;
        if let Some(disk) = turn.disks_by_intent(&order.intent)?.into_iter().next() {
            return match &disk.from {
                Some(from) if *from == order.snapshot => Ok(disk),
                Some(_) | None => {
                    let message = format!("{call}: its intent is taken by disk `{}`", disk.id);
                    Err(self.refuse(ErrorClass::Invalid, &message))
                }
            };
        }
        let new = NewDisk {
            snapshot: order.snapshot.clone(),
            instance: order.instance.clone(),
            tags: order.tags.clone(),
            word: word_of(&order.intent),
        };
        let Reply::Disk(disk) = turn.call(Call::CreateDisk(new))? else {
            unreachable!("{ANSWERS}");
        };
        Ok(shown(*disk))
    }

    async fn describe_disk(&self, id: &DiskId) -> Result<Option<Disk>, ProviderError> {
        self.look()?.describe_disk(id)
    }

    async fn disks_by_intent(&self, intent: &Intent) -> Result<Vec<Disk>, ProviderError> {
        self.look()?.disks_by_intent(intent)
    }

    async fn attach(&self, disk: &DiskId, instance: &InstanceId) -> Result<(), ProviderError> {
        let call = Call::AttachDisk { disk: disk.clone(), instance: instance.clone() };
        self.act()?.call(call).map(|_| ())
    }

    async fn detach(&self, disk: &DiskId, instance: &InstanceId) -> Result<(), ProviderError> {
        let call = Call::DetachDisk { disk: disk.clone(), instance: instance.clone() };
        self.act()?.call(call).map(|_| ())
    }
}

impl SimSite {
    /// Deletes a disk that was read just now, carries this intent, and is attached nowhere.
    pub(crate) fn remove_disk(&self, id: &DiskId, intent: &Intent) -> Result<(), ProviderError> {
        let mut turn = self.act()?;
        let Some(disk) = turn.describe_disk(id)? else {
            return Ok(());
        };
        if !is_of(&disk, intent) {
            return Err(self.refuse(ErrorClass::Busy, &format!("delete disk `{id}`: it is not of intent `{intent}`")));
        }
        if let Some(owner) = &disk.attached_to {
            let message = format!("delete disk `{id}`: it is attached to instance `{owner}`");
            return Err(self.refuse(ErrorClass::Busy, &message));
        }
        gone_is_success(turn.call(Call::DeleteDisk { id: id.clone() }))
    }
}

impl Turn<'_> {
    fn describe_disk(&mut self, id: &DiskId) -> Result<Option<Disk>, ProviderError> {
        let call = Call::DescribeDisk { id: id.clone() };
        let told = call.to_string();
        match self.try_call(call)? {
            Ok(Reply::Disk(disk)) => Ok(Some(shown(*disk))),
            Ok(_) => unreachable!("{ANSWERS}"),
            Err(error) if error.kind == SimErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.site().refusal(&told, &error)),
        }
    }

    /// As snapshots are found: by name where the caller chooses names, by tag elsewhere.
    fn disks_by_intent(&mut self, intent: &Intent) -> Result<Vec<Disk>, ProviderError> {
        if let Identity::Named { .. } = self.site().profile().identity {
            let name = DiskId::new(word_of(intent)).map_err(|error| ProviderError::invalid(error.to_string()))?;
            let found = self.describe_disk(&name)?;
            return Ok(found.into_iter().filter(|disk| is_of(disk, intent)).collect());
        }
        let Reply::Disks(found) = self.call(Call::FindDisks { intent: intent.clone() })? else {
            unreachable!("{ANSWERS}");
        };
        Ok(found.into_iter().map(shown).collect())
    }
}

fn is_of(disk: &Disk, intent: &Intent) -> bool {
    disk.tags.contains_key(MANAGED) && disk.tags.get(INTENT) == Some(intent.0.as_str())
}

fn shown(disk: ShownDisk) -> Disk {
    let ShownDisk { id, size, from, is_ready, attached_to, tags } = disk;
    Disk { id, size, from, is_ready, attached_to, tags }
}
