//! Listing and describing.

use super::trial::failed;
use super::{Outcome, Trial, claim};
use crate::{Description, ErrorClass};
use backstay_core::name::{InstanceId, SnapshotId};
use backstay_core::observed::Instance;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// The account is told, and the host's clock comes back as it was given.
pub async fn facts_tell_account_and_clock(trial: &Trial<'_>) -> Result<(), String> {
    let host = Timestamp::now() - SignedDuration::from_secs(1);
    let facts = trial.capabilities.inventory.facts(host).await.map_err(|e| failed("facts", &e))?;
    claim(facts.clock.host == host, || format!("the host's clock was {host}, and came back as {}", facts.clock.host))?;
    let has_clock = trial.capabilities.clock.is_some();
    claim(facts.clock.is_virtual == has_clock, || {
        format!("facts tell a virtual clock: {}, but there is one to move: {has_clock}", facts.clock.is_virtual)
    })
}

/// The fixture's instance is listed once, with all the fixture's disks, in the order of their ids.
pub async fn the_instance_is_listed_with_its_disks(trial: &Trial<'_>) -> Result<(), String> {
    let wanted = &trial.fixture.instance;
    let all = trial.instances().await?;
    let distinct: BTreeSet<_> = all.iter().map(|instance| &instance.id).collect();
    claim(distinct.len() == all.len(), || "an instance is listed twice".to_owned())?;
    let Some(instance) = all.iter().find(|instance| instance.id == *wanted) else {
        return Err(format!("`{wanted}` is not listed"));
    };
    claim(instance.disks.is_sorted_by(|a, b| a.id < b.id), || format!("the disks of `{wanted}` are not in order"))?;
    for disk in &trial.fixture.disks {
        let is_there = instance.disks.iter().any(|attached| attached.id == *disk);
        claim(is_there, || format!("`{wanted}` is listed without its disk `{disk}`"))?;
    }
    the_instance_is_described_as_listed(trial, instance).await
}

/// Asked for alone, it looks the same, and one that was never there is explicitly not there; or the site only lists.
async fn the_instance_is_described_as_listed(trial: &Trial<'_>, listed: &Instance) -> Result<(), String> {
    let inventory = &trial.capabilities.inventory;
    match inventory.instance(&listed.id).await {
        Err(error) if error.class == ErrorClass::Invalid => return Ok(()),
        Err(error) => return Err(failed("describing an instance", &error)),
        Ok(described) => claim(described.as_ref().is_some_and(|now| now.disks == listed.disks), || {
            format!("`{}` is described otherwise than listed: {described:?}", listed.id)
        })?,
    }
    let nobody = InstanceId::new("i-00000000000000000").map_err(|error| error.to_string())?;
    let absent = inventory.instance(&nobody).await.map_err(|e| failed("describing no instance", &e))?;
    claim(absent.is_none(), || format!("`{nobody}` is described: {absent:?}"))
}

/// Following the tokens reaches the end, shows everything once, and shows the same again.
pub async fn listing_reaches_the_end_without_double_or_loss(trial: &Trial<'_>) -> Result<(), String> {
    let mut made = BTreeSet::new();
    for number in 1..=5 {
        made.insert(trial.create_new(number).await?.id);
    }
    claim(made.len() == 5, || "two creates answered the same id".to_owned())?;
    let ids = |all: Vec<backstay_core::observed::Snapshot>| all.into_iter().map(|s| s.id).collect::<Vec<SnapshotId>>();
    let listed = ids(trial.list().await?);
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    claim(distinct.len() == listed.len(), || format!("{} of {} are listed twice", listed.len(), distinct.len()))?;
    if let Some(lost) = made.difference(&distinct).next() {
        return Err(format!("`{lost}` was made, and is not listed"));
    }
    claim(ids(trial.list().await?) == listed, || "a second listing has another order".to_owned())
}

/// What is deleted after its page was read neither hides nor doubles another.
pub async fn what_is_deleted_between_two_pages_hides_nothing(trial: &Trial<'_>) -> Result<Outcome, String> {
    let mut made = BTreeSet::new();
    for number in 1..=trial.fixture.many {
        made.insert(trial.create_new(number).await?.id);
    }
    let inventory = &trial.capabilities.inventory;
    let first = inventory.snapshots(None).await.map_err(|e| failed("listing snapshots", &e))?;
    let mut listed: Vec<SnapshotId> = first.items.into_iter().map(|snapshot| snapshot.id).collect();
    let Some(token) = first.next else {
        return Ok(Outcome::Skipped { because: "all of it fits one page" });
    };
    if let Some(seen) = listed.iter().find(|id| made.contains(*id)).cloned() {
        trial.delete(&seen).await?;
    }
    listed.extend(trial.list_from(Some(token)).await?.into_iter().map(|snapshot| snapshot.id));
    let distinct: BTreeSet<_> = listed.iter().cloned().collect();
    claim(distinct.len() == listed.len(), || format!("{} of {} are listed twice", listed.len(), distinct.len()))?;
    match made.difference(&distinct).next() {
        Some(lost) => Err(format!("`{lost}` was made, and is not listed")),
        None => Ok(Outcome::Passed),
    }
}

/// Snapshots that do not claim to be ours are listed apart, and ours are not among them.
pub async fn snapshots_of_others_are_listed_apart(trial: &Trial<'_>) -> Result<Outcome, String> {
    let made = trial.create_new(1).await?;
    let inventory = &trial.capabilities.inventory;
    let mut others = Vec::new();
    let mut token = None;
    loop {
        let page = match inventory.unmanaged(token).await {
            Ok(page) => page,
            Err(error) if error.class == ErrorClass::Invalid => {
                return Ok(Outcome::Skipped { because: "this site does not list the snapshots of others" });
            }
            Err(error) => return Err(failed("listing the snapshots of others", &error)),
        };
        others.extend(page.items);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    let is_listed = |id: &SnapshotId| others.iter().filter(|other| other.id == *id).count();
    claim(is_listed(&made.id) == 0, || format!("`{}` is ours, and is listed with those of others", made.id))?;
    let Some(foreign) = &trial.fixture.foreign else {
        return Ok(Outcome::Skipped { because: "the fixture names no snapshot of others" });
    };
    let times = is_listed(foreign);
    claim(times == 1, || format!("`{foreign}` is listed {times} times with those of others"))?;
    let ours = trial.list().await?;
    claim(ours.iter().all(|snapshot| snapshot.id != *foreign), || format!("`{foreign}` is listed as ours"))?;
    Ok(Outcome::Passed)
}

/// An id that never was, and one that is gone, are told to be absent: that is no error.
pub async fn describing_an_unknown_id_says_absent(trial: &Trial<'_>) -> Result<(), String> {
    let snapshot = trial.create_new(1).await?;
    let text = snapshot.id.as_str();
    let (rest, last) = text.split_at(text.len() - 1);
    let other = format!("{rest}{}", if last == "0" { "1" } else { "0" });
    let never = SnapshotId::new(other).map_err(|e| e.to_string())?;
    let described = trial.describe(&never).await?;
    claim(matches!(described, Description::Absent), || format!("`{never}` never was, and is told to be present"))?;
    trial.delete(&snapshot.id).await?;
    let described = trial.describe(&snapshot.id).await?;
    claim(matches!(described, Description::Absent), || format!("`{}` is gone, and is told to be present", snapshot.id))
}
