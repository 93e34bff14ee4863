//! Listing and describing. Nothing here has an effect.

use crate::files::{failed, failing};
use crate::layout::Layout;
use crate::place::{Place, blocking, is_plain, names_in};
use crate::record::{PREFIX, Shelf};
use async_trait::async_trait;
use backstay_core::model::ProviderKind;
use backstay_core::name::{AccountId, InstanceId, SnapshotId};
use backstay_core::observed::{Abilities, DatabaseState, Instance, SiteClock, Snapshot};
use backstay_core::tags::{INTENT, Intent, MANAGED};
use backstay_provider::{Description, Inventory, Page, PageToken, ProviderError, SiteFacts};
use jiff::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How many items a page has.
const PAGE_SIZE: usize = 200;

pub(crate) struct LocalInventory {
    pub(crate) place: Arc<Place>,
}

#[async_trait]
impl Inventory for LocalInventory {
    async fn facts(&self, host: Timestamp) -> Result<SiteFacts, ProviderError> {
        let place = Arc::clone(&self.place);
        blocking(move || {
            let method = place.method(&place.root()?)?;
            Ok(SiteFacts {
                provider: ProviderKind::Local,
                account: AccountId::new("local").expect("a plain word is an account id"),
                abilities: Abilities {
                    atomic_disk: method.is_atomic(),
                    atomic_group: false,
                    method: method.as_str().to_owned(),
                },
                clock: SiteClock { now: place.clock.now()?, host, is_virtual: place.clock.is_virtual },
            })
        })
        .await
    }

    async fn instances(&self, page: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
        let place = Arc::clone(&self.place);
        blocking(move || {
            let root = place.root()?;
            let directory = root.join("instances");
            let names = names_in(&directory).map_err(failing("list", &directory))?;
            let is_instance = |name: &str| directory.join(name).is_dir() && InstanceId::new(name).is_ok();
            paged(names.into_iter().filter(|name| is_instance(name)), page, |name| {
                match Layout::read(&root, name) {
                    Ok(layout) => Ok(Some(instance(name, layout))),
                    // It went away since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    // It alone is out of reach; the others are not touched by it.
                    Err(error) => {
                        let because = failed("look at", &directory.join(name), &error).message;
                        Ok(Some(instance(name, Layout { problem: Some(because), ..Layout::default() })))
                    }
                }
            })
        })
        .await
    }

    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, ProviderError> {
        let (place, name) = (Arc::clone(&self.place), id.to_string());
        blocking(move || {
            let root = place.root()?;
            match Layout::read(&root, &name) {
                Ok(layout) => Ok(Some(instance(&name, layout))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed("look at", &root.join("instances").join(&name), &error)),
            }
        })
        .await
    }

    async fn snapshots(&self, page: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        let place = Arc::clone(&self.place);
        blocking(move || {
            let shelf = Shelf::of(&place.root()?);
            paged(ids(&shelf)?.into_iter(), page, |id| {
                let ours = shelf.read(id)?.filter(|record| record.tags.contains_key(MANAGED));
                Ok(ours.map(|record| shelf.show(record)))
            })
        })
        .await
    }

    async fn describe(&self, id: &SnapshotId) -> Result<Description, ProviderError> {
        let (place, id) = (Arc::clone(&self.place), id.clone());
        blocking(move || {
            let shelf = Shelf::of(&place.root()?);
            let record = shelf.read(id.as_str())?;
            Ok(record.map_or(Description::Absent, |record| Description::Present(shelf.show(record))))
        })
        .await
    }

    async fn by_intent(&self, intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        let (place, intent) = (Arc::clone(&self.place), intent.clone());
        blocking(move || {
            let shelf = Shelf::of(&place.root()?);
            let mut found = Vec::new();
            for id in ids(&shelf)? {
                let carries = |tags: &backstay_core::tags::Tags| tags.get(INTENT) == Some(intent.0.as_str());
                found.extend(shelf.read(&id)?.filter(|record| carries(&record.tags)).map(|record| shelf.show(record)));
            }
            Ok(found)
        })
        .await
    }
}

fn instance(name: &str, layout: Layout) -> Instance {
    let id = InstanceId::new(name).expect("names that are no ids were left out");
    let disks = layout.attached();
    let database = match layout.problem {
        Some(because) => DatabaseState::Unreachable { because },
        None => DatabaseState::NotObservable,
    };
    Instance { id, disks, database }
}

/// The names of all snapshots, ordered. A site where none was ever made has no directory for them.
fn ids(shelf: &Shelf) -> Result<Vec<String>, ProviderError> {
    match names_in(shelf.path()) {
        Ok(names) => Ok(names.into_iter().filter(|name| name.starts_with(PREFIX)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("list", shelf.path(), &error)),
    }
}

/// Cuts one page out of ordered names. The token is the last name that was looked at, so that what comes or goes between
/// two pages neither hides nor repeats another item.
fn paged<T>(
    names: impl Iterator<Item = String>,
    page: Option<PageToken>,
    mut look: impl FnMut(&str) -> Result<Option<T>, ProviderError>,
) -> Result<Page<T>, ProviderError> {
    let after = page.map(|token| token.0).unwrap_or_default();
    let mut rest = names.filter(|name| *name > after).peekable();
    let mut items = Vec::new();
    while let Some(name) = rest.next() {
        items.extend(look(&name)?);
        if items.len() == PAGE_SIZE && rest.peek().is_some() {
            return Ok(Page { items, next: Some(PageToken(name)) });
        }
    }
    Ok(Page { items, next: None })
}

/// Whether an instance is there, for messages.
pub(crate) fn instance_exists(root: &Path, instance: &InstanceId) -> bool {
    is_plain(instance.as_str()) && root.join("instances").join(instance.as_str()).is_dir()
}
