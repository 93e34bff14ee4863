//! Disks made from snapshots, where a site makes any.

use super::trial::failed;
use super::{Outcome, Trial, claim};
use crate::{CreateDisk, Disk, ErrorClass, Restorer};
use backstay_core::name::{DiskId, SnapshotId};
use backstay_core::observed::Instance;
use backstay_core::tags::{self, Intent, PointClass};
use std::sync::Arc;

const NO_DISKS: Outcome = Outcome::Skipped { because: "this site makes no disks" };

/// A repeated order is answered by the same disk; attaching and detaching again change nothing; a disk is on one instance.
pub async fn a_disk_is_made_once_and_attached_once(trial: &Trial<'_>) -> Result<Outcome, String> {
    let Some(restorer) = &trial.capabilities.restorer else { return Ok(NO_DISKS) };
    let snapshot = trial.create_new(1).await?;
    let snapshot = trial.ready(&snapshot.id).await?;
    let order = order(trial, &snapshot.id, 1);
    let made = trial.create_disk(&order).await?;
    claim(made.from.as_ref() == Some(&snapshot.id), || format!("it is made from {:?}", made.from))?;
    claim(made.size >= snapshot.size, || format!("it has {} of {} bytes", made.size, snapshot.size))?;
    for (key, value) in &order.tags {
        claim(made.tags.get(key) == Some(value), || format!("it was born without the tag `{key}={value}`"))?;
    }
    let again = trial.create_disk(&order).await?;
    claim(again.id == made.id, || format!("it was made twice: `{}` and `{}`", made.id, again.id))?;
    let unknown = self::order(trial, &snapshot.id, 2).intent;
    for (intent, wanted) in [(&order.intent, Some(&made.id)), (&unknown, None)] {
        let found = restorer.disks_by_intent(intent).await.map_err(|e| failed("disks by intent", &e))?;
        let ids: Vec<_> = found.iter().map(|disk| &disk.id).collect();
        claim(ids == wanted.into_iter().collect::<Vec<_>>(), || format!("`{intent}` finds {ids:?}"))?;
    }
    ready(trial, restorer, &made.id).await?;
    attach_and_detach(trial, restorer, &made.id).await?;
    // A disk is as good as its own: its snapshot may go.
    trial.delete(&snapshot.id).await?;
    present(restorer, &made.id).await.map(|_| Outcome::Passed)
}

async fn attach_and_detach(trial: &Trial<'_>, restorer: &Arc<dyn Restorer>, id: &DiskId) -> Result<(), String> {
    let instance = &trial.fixture.instance;
    for step in ["attach", "attach again"] {
        restorer.attach(id, instance).await.map_err(|e| failed(step, &e))?;
        let disk = present(restorer, id).await?;
        claim(disk.attached_to.as_ref() == Some(instance), || format!("{step}: it is on {:?}", disk.attached_to))?;
        claim(has_disk(&trial.instances().await?, trial, id), || format!("{step}: `{instance}` is listed without it"))?;
    }
    if let Some(other) = &trial.fixture.other {
        match restorer.attach(id, other).await {
            Err(error) if error.class == ErrorClass::Busy => {}
            Err(error) => return Err(failed("attaching it elsewhere was refused otherwise: it", &error)),
            Ok(()) => return Err(format!("it is attached to `{other}` as well")),
        }
    }
    for step in ["detach", "detach again"] {
        restorer.detach(id, instance).await.map_err(|e| failed(step, &e))?;
        let disk = present(restorer, id).await?;
        claim(disk.attached_to.is_none(), || format!("{step}: it is on {:?}", disk.attached_to))?;
        claim(!has_disk(&trial.instances().await?, trial, id), || format!("{step}: `{instance}` is listed with it"))?;
    }
    Ok(())
}

/// A disk goes only when it is attached nowhere, and only by the intent that it carries; one that is gone is success.
pub async fn a_disk_is_deleted_only_detached_and_by_its_intent(trial: &Trial<'_>) -> Result<Outcome, String> {
    let Some(restorer) = &trial.capabilities.restorer else { return Ok(NO_DISKS) };
    let (sweeper, instance) = (&trial.capabilities.sweeper, &trial.fixture.instance);
    let snapshot = trial.create_new(1).await?;
    let snapshot = trial.ready(&snapshot.id).await?;
    let order = order(trial, &snapshot.id, 1);
    let id = &trial.create_disk(&order).await?.id;
    ready(trial, restorer, id).await?;
    let stranger = self::order(trial, &snapshot.id, 2).intent;
    restorer.attach(id, instance).await.map_err(|e| failed("attach", &e))?;
    let mut refused = vec![("an attached disk", &order.intent), ("an attached disk of another intent", &stranger)];
    for step in 0..2 {
        for (what, intent) in &refused {
            match sweeper.delete_disk(id, intent).await {
                Err(error) if error.class == ErrorClass::Busy => {}
                Err(error) => return Err(failed(&format!("a delete of {what} was refused otherwise: it"), &error)),
                Ok(()) => return Err(format!("a delete of {what} succeeded")),
            }
            present(restorer, id).await?;
        }
        if step == 0 {
            restorer.detach(id, instance).await.map_err(|e| failed("detach", &e))?;
            refused = vec![("a disk of another intent", &stranger)];
        }
    }
    for step in ["delete", "delete again"] {
        sweeper.delete_disk(id, &order.intent).await.map_err(|e| failed(step, &e))?;
        let found = restorer.describe_disk(id).await.map_err(|e| failed("describe disk", &e))?;
        claim(found.is_none(), || format!("{step}: it is still there"))?;
    }
    trial.delete(&snapshot.id).await?;
    let gone = self::order(trial, &snapshot.id, 3);
    match restorer.create_disk(&gone).await {
        Err(error) if matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid) => Ok(Outcome::Passed),
        Err(error) => Err(failed("a disk of what is gone was refused otherwise: it", &error)),
        Ok(disk) => Err(format!("`{}` was made of a snapshot that is gone", disk.id)),
    }
}

fn has_disk(instances: &[Instance], trial: &Trial<'_>, id: &DiskId) -> bool {
    let instance = instances.iter().find(|instance| instance.id == trial.fixture.instance);
    instance.is_some_and(|instance| instance.disks.iter().any(|disk| disk.id == *id))
}

async fn present(restorer: &Arc<dyn Restorer>, id: &DiskId) -> Result<Disk, String> {
    let found = restorer.describe_disk(id).await.map_err(|e| failed("describe disk", &e))?;
    found.ok_or_else(|| format!("describe says that there is no disk `{id}`"))
}

async fn ready(trial: &Trial<'_>, restorer: &Arc<dyn Restorer>, id: &DiskId) -> Result<(), String> {
    trial.until(&format!("disk `{id}`"), async || Ok(present(restorer, id).await?.is_ready.then_some(()))).await
}

/// The order to make a disk for one of the trial's points.
fn order(trial: &Trial<'_>, snapshot: &SnapshotId, number: u32) -> CreateDisk {
    let (cluster, point) = (&trial.fixture.cluster, trial.point(number));
    let text = format!("disk {snapshot}");
    let named = DiskId::new(text.replace(' ', "-")).expect("an id with a word before it is an id");
    let intent = Intent::of(cluster, PointClass::OnDemand, point, &named);
    let tags = tags::at_creation(cluster, PointClass::OnDemand, point, &intent);
    CreateDisk { snapshot: snapshot.clone(), instance: trial.fixture.instance.clone(), intent, tags }
}
