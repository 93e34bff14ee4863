//! Creating, tagging, deleting.

use super::trial::failed;
use super::{Trial, claim};
use crate::{Created, Description, ErrorClass};
use backstay_core::name::DiskId;
use backstay_core::observed::Readiness;
use backstay_core::tags::{self, Tags};

/// What create answers is what describe, the listing and the intent show, with every tag of the call.
pub async fn a_created_snapshot_can_be_seen(trial: &Trial<'_>) -> Result<(), String> {
    let order = trial.order(1);
    let made = trial.create_new(1).await?;
    claim(made.disk == order.disk, || format!("it is of disk `{}`, not `{}`", made.disk, order.disk))?;
    claim(!matches!(made.readiness, Readiness::Failed { .. }), || format!("it is born failed: {:?}", made.readiness))?;
    for (key, value) in &order.tags {
        claim(made.tags.get(key) == Some(value), || format!("it was born without the tag `{key}={value}`"))?;
    }
    let seen = trial.present(&made.id).await?;
    let same = |other: &backstay_core::observed::Snapshot| {
        (&other.id, &other.disk, other.created, &other.tags) == (&made.id, &made.disk, made.created, &made.tags)
    };
    claim(same(&seen), || format!("create answered {made:?}, and describe {seen:?}"))?;
    let listed = trial.list().await?;
    claim(listed.iter().any(same), || format!("`{}` is not listed as it was created", made.id))
}

/// A create that is repeated makes nothing, and answers what the first one made.
pub async fn the_same_intent_adopts(trial: &Trial<'_>) -> Result<(), String> {
    let made = trial.create_new(1).await?;
    match trial.create(&trial.order(1)).await? {
        Created::Adopted(snapshot) if snapshot.id == made.id => {}
        Created::Adopted(snapshot) => return Err(format!("it adopted `{}`, not `{}`", snapshot.id, made.id)),
        Created::Created(snapshot) => return Err(format!("it made a second one, `{}`", snapshot.id)),
    }
    let found = trial.capabilities.inventory.by_intent(&trial.order(1).intent).await;
    let found = found.map_err(|e| failed("by intent", &e))?;
    claim(found.len() == 1, || format!("there are {} snapshots of one intent", found.len()))
}

/// An intent finds its own snapshots, and an unknown one finds none.
pub async fn an_intent_finds_its_own_snapshots_only(trial: &Trial<'_>) -> Result<(), String> {
    let inventory = &trial.capabilities.inventory;
    let mut made = Vec::new();
    for number in 1..=2 {
        made.push(trial.create_new(number).await?.id);
    }
    for (number, expected) in (1..).zip([Some(&made[0]), Some(&made[1]), None]) {
        let intent = trial.order(number).intent;
        let found = inventory.by_intent(&intent).await.map_err(|e| failed("by intent", &e))?;
        let ids: Vec<_> = found.iter().map(|snapshot| &snapshot.id).collect();
        claim(ids == expected.into_iter().collect::<Vec<_>>(), || format!("`{intent}` finds {ids:?}"))?;
    }
    Ok(())
}

/// A disk that does not exist is refused for good, and nothing is made.
pub async fn a_disk_that_does_not_exist_is_refused(trial: &Trial<'_>) -> Result<(), String> {
    let text = trial.fixture.disks[0].as_str();
    let (rest, last) = text.split_at(text.len() - 1);
    let never = DiskId::new(format!("{rest}{}0", if last == "0" { "1" } else { "0" })).map_err(|e| e.to_string())?;
    let order = trial.order_of(&never, 1);
    match trial.capabilities.store.create(&order).await {
        Ok(created) => return Err(format!("`{}` was made of it", created.snapshot().id)),
        Err(error) if matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid) => {}
        Err(error) => return Err(failed("create was refused otherwise: it", &error)),
    }
    let found = trial.capabilities.inventory.by_intent(&order.intent).await;
    claim(found.map_err(|e| failed("by intent", &e))?.is_empty(), || "something carries its intent".to_owned())
}

/// A group shows one instant in the order that was asked, and adopts as a whole; elsewhere it is refused for good.
pub async fn a_group_is_cut_at_one_instant(trial: &Trial<'_>) -> Result<(), String> {
    let facts = trial.capabilities.inventory.facts(jiff::Timestamp::now()).await;
    let can = facts.map_err(|e| failed("facts", &e))?.abilities.atomic_group;
    let orders: Vec<_> = trial.fixture.disks.iter().map(|disk| trial.order_of(disk, 1)).collect();
    if !can {
        return match trial.capabilities.store.create_group(&orders).await {
            Err(error) if error.class == ErrorClass::Invalid => Ok(()),
            Err(error) => Err(failed("a group was refused otherwise: it", &error)),
            Ok(_) => Err("a group was made where the site tells that it has none".to_owned()),
        };
    }
    let made: Vec<_> = trial.create_all(&orders, true).await?.into_iter().map(Created::snapshot).collect();
    let disks: Vec<_> = made.iter().map(|snapshot| snapshot.disk.clone()).collect();
    claim(disks == trial.fixture.disks, || format!("the group is of {disks:?}, not {:?}", trial.fixture.disks))?;
    claim(made.iter().all(|snapshot| snapshot.created == made[0].created), || "its parts differ in time".to_owned())?;
    let again = trial.create_all(&orders, true).await?;
    let adopted = again.iter().zip(&made).all(|(again, made)| match again {
        Created::Adopted(snapshot) => snapshot.id == made.id,
        Created::Created(_) => false,
    });
    claim(adopted && again.len() == made.len(), || "the group was made a second time".to_owned())
}

/// A delete needs the disk and the state that were seen, and refuses otherwise without an effect.
pub async fn a_delete_refuses_what_has_changed(trial: &Trial<'_>) -> Result<(), String> {
    let sweeper = &trial.capabilities.sweeper;
    let id = trial.create_new(1).await?.id;
    let before = trial.present(&id).await?;
    let hold = Tags::from_iter([(tags::HOLD, "1")]);
    trial.capabilities.store.tag(&id, &hold).await.map_err(|e| failed("tag", &e))?;
    let now = trial.present(&id).await?;
    let stranger = DiskId::new("another-disk").map_err(|e| e.to_string())?;
    for (what, disk, generation) in
        [("a state that has passed", &before.disk, before.generation()), ("another disk", &stranger, now.generation())]
    {
        match sweeper.delete(&id, disk, &generation).await {
            Err(error) if error.class == ErrorClass::Busy => {}
            Err(error) => return Err(failed(&format!("a delete of {what} was refused otherwise: it"), &error)),
            Ok(()) => return Err(format!("a delete of {what} succeeded")),
        }
        trial.present(&id).await?;
    }
    trial.delete(&id).await?;
    let gone = trial.describe(&id).await?;
    claim(matches!(gone, Description::Absent), || "it is still there".to_owned())?;
    let listed = trial.list().await?;
    claim(listed.iter().all(|snapshot| snapshot.id != id), || "it is still listed".to_owned())
}

/// Deleting what is gone is success; changing its tags is not.
pub async fn deleting_what_is_gone_succeeds(trial: &Trial<'_>) -> Result<(), String> {
    let made = trial.create_new(1).await?;
    let Some(seen) = trial.delete(&made.id).await? else {
        return Err(format!("`{}` was made, and is absent", made.id));
    };
    let again = trial.capabilities.sweeper.delete(&seen.id, &seen.disk, &seen.generation()).await;
    again.map_err(|e| failed("a second delete", &e))?;
    let hold = Tags::from_iter([(tags::HOLD, "1")]);
    match trial.capabilities.store.tag(&made.id, &hold).await {
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        Err(error) => Err(failed("tagging it was refused otherwise: it", &error)),
        Ok(()) => Err("it could be tagged".to_owned()),
    }
}
