//! Copies from another site, where there are any.

use super::trial::failed;
use super::{Origin, Outcome, Trial, claim};
use crate::{CopySnapshot, Created, ErrorClass};
use backstay_core::capabilities::Copies;
use backstay_core::name::{SiteName, SnapshotId};
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::tags::{self, Intent, PointClass};

const NO_ORIGIN: Outcome = Outcome::Skipped { because: "the fixture names no site to copy from" };
const NO_COPIES: Outcome = Outcome::Skipped { because: "this kind of site makes no copies" };

/// A repeated copy is adopted; a copy has an id and tags of its own, and its source must be ready. Without copies it is refused
/// for good.
pub async fn a_copy_is_made_once_and_has_only_its_own_tags(trial: &Trial<'_>) -> Result<Outcome, String> {
    if !has_copies(trial) {
        let snapshot = trial.create_new(1).await?;
        let from = SiteName::new("another-site").map_err(|e| e.to_string())?;
        return match trial.capabilities.store.copy(&order(trial, from, snapshot, 1)?).await {
            Err(error) if error.class == ErrorClass::Invalid => Ok(Outcome::Passed),
            Err(error) => Err(failed("a copy was refused otherwise: it", &error)),
            Ok(made) => Err(format!("`{}` was copied where there are no copies", made.snapshot().id)),
        };
    }
    let Some(origin) = &trial.fixture.origin else { return Ok(NO_ORIGIN) };
    let away = Trial::new(&origin.capabilities, &origin.fixture, trial.number()).await?;
    let outcome = copy_once(trial, &away, origin).await;
    outcome.and(away.clear().await).map(Outcome::from)
}

async fn copy_once(trial: &Trial<'_>, away: &Trial<'_>, origin: &Origin) -> Result<(), String> {
    let store = &trial.capabilities.store;
    let source = away.create_new(1).await?;
    let early = order(trial, origin.site.clone(), source.clone(), 1)?;
    if away.present(&source.id).await?.readiness != Readiness::Ready {
        match store.copy(&early).await {
            Err(error) if error.class == ErrorClass::Busy => {}
            Err(error) => return Err(failed("a copy of what is not ready was refused otherwise: it", &error)),
            Ok(made) => return Err(format!("`{}` was copied before it was ready", made.snapshot().id)),
        }
    }
    let source = away.ready(&source.id).await?;
    let wanted = order(trial, origin.site.clone(), source.clone(), 1)?;
    let Created::Created(copy) = trial.copy(&wanted).await? else {
        return Err("a copy of a new intent was adopted".to_owned());
    };
    claim(copy.id != source.id, || format!("the copy has its source's id, `{}`", copy.id))?;
    claim(copy.tags == wanted.tags, || format!("it was born with {:?}, not {:?}", copy.tags, wanted.tags))?;
    claim(copy.size == source.size, || format!("it has {} of {} bytes", copy.size, source.size))?;
    match trial.copy(&wanted).await? {
        Created::Adopted(again) => claim(again.id == copy.id, || format!("`{}` was adopted", again.id))?,
        Created::Created(again) => return Err(format!("it was copied twice: `{}` and `{}`", copy.id, again.id)),
    }
    let found = trial.capabilities.inventory.by_intent(&wanted.intent).await.map_err(|e| failed("by intent", &e))?;
    claim(found.iter().map(|found| &found.id).eq([&copy.id]), || format!("its intent finds {found:?}"))?;
    let listed = trial.list().await?;
    claim(listed.iter().any(|listed| listed.id == copy.id), || format!("`{}` is not listed", copy.id))?;
    let ready = trial.ready(&copy.id).await?;
    claim(ready.tags == wanted.tags, || "its tags changed while it was copied".to_owned())?;
    let kept = away.present(&source.id).await?;
    claim(kept.tags == source.tags, || "copying changed its source's tags".to_owned())
}

/// A copy of what is gone is refused, and nothing is made.
pub async fn a_copy_of_what_is_gone_is_refused(trial: &Trial<'_>) -> Result<Outcome, String> {
    if !has_copies(trial) {
        return Ok(NO_COPIES);
    }
    let Some(origin) = &trial.fixture.origin else { return Ok(NO_ORIGIN) };
    let away = Trial::new(&origin.capabilities, &origin.fixture, trial.number()).await?;
    let made = away.create_new(1).await?;
    let source = away.ready(&made.id).await?;
    away.clear().await?;
    let wanted = order(trial, origin.site.clone(), source, 1)?;
    match trial.capabilities.store.copy(&wanted).await {
        Err(error) if matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid) => {}
        Err(error) => return Err(failed("it was refused otherwise: it", &error)),
        Ok(copy) => return Err(format!("`{}` was made of it", copy.snapshot().id)),
    }
    let found = trial.capabilities.inventory.by_intent(&wanted.intent).await.map_err(|e| failed("by intent", &e))?;
    claim(found.is_empty(), || "something carries its intent".to_owned()).map(Outcome::from)
}

fn has_copies(trial: &Trial<'_>) -> bool {
    match trial.fixture.iaas.rules().copies {
        Copies::Queued { .. } => true,
        Copies::None | Copies::PlacedAtCreation => false,
    }
}

/// The order to copy a snapshot for one of the trial's points.
fn order(trial: &Trial<'_>, from: SiteName, source: Snapshot, number: u32) -> Result<CopySnapshot, String> {
    let here = SiteName::new("here").map_err(|e| e.to_string())?;
    let (cluster, point): (_, _) = (&trial.fixture.cluster, trial.point(number));
    let id: &SnapshotId = &source.id;
    let intent = Intent::of_copy(cluster, PointClass::OnDemand, point, id, &here);
    let tags = tags::at_creation(cluster, PointClass::OnDemand, point, &intent);
    Ok(CopySnapshot { from, source, intent, tags, kms_key: None })
}
