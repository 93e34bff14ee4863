//! What really exists: every page of every site, read concurrently. A page that fails makes its site unknown.

use crate::calls::{CallError, Calls};
use crate::events::{Event, Observer};
use crate::lease;
use crate::seams::{Clock, StoreError};
use crate::sites::Sites;
use crate::state::State;
use backstay_core::model::{Desired, Node};
use backstay_core::name::{ClusterUid, DiskId, SiteName};
use backstay_core::observed::{
    DatabaseState, Instance, Listing, Observed, Provenance, Records, SiteInventory, Snapshot, Unmanaged,
};
use backstay_core::seal::Keyring;
use backstay_core::tags::PointKey;
use backstay_provider::{Capabilities, ErrorClass, Page, PageToken};
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// A listing may not have more pages than this: a page marker that is ignored would never end.
const MOST_PAGES: usize = 100_000;

/// Observes all sites and the state store.
pub async fn observe(
    desired: &Desired,
    sites: &Sites,
    state: State<'_>,
    keyring: Keyring,
    clock: &dyn Clock,
    observer: &dyn Observer,
    parallelism: usize,
) -> Observed {
    let at = clock.now();
    let nodes = nodes_by_site(desired);
    let listings = sites.names().map(|name| {
        let nodes = nodes.get(name).map_or(&[][..], Vec::as_slice);
        let calls = sites.calls(name, clock, observer);
        async move {
            let listing = match calls {
                Ok(calls) => match read_site(name, &calls, nodes, observer, parallelism).await {
                    Ok(inventory) => Listing::Complete(inventory),
                    Err(because) => Listing::Unknown { because },
                },
                Err(because) => Listing::Unknown { because },
            };
            let unknown = match &listing {
                Listing::Complete(_) => None,
                Listing::Unknown { because } => Some(because.clone()),
            };
            observer.on(&Event::SiteRead { site: name.clone(), unknown });
            (name.clone(), listing)
        }
    });
    let listings: BTreeMap<SiteName, Listing<SiteInventory>> =
        futures::future::join_all(listings).await.into_iter().collect();
    let records = match read_records(state, clock).await {
        Ok(records) => Listing::Complete(records),
        Err(error) => Listing::Unknown { because: error.to_string() },
    };
    Observed { at, provenance: Provenance::Live, sites: listings, records, keyring }
}

/// What the state store remembers, with the leases that are held now. Who observes holds none himself yet.
async fn read_records(state: State<'_>, clock: &dyn Clock) -> Result<Records, StoreError> {
    let leases = lease::held(state.0, clock.now()).await?;
    Ok(Records { leases, ..state.records().await? })
}

fn nodes_by_site(desired: &Desired) -> BTreeMap<&SiteName, Vec<&Node>> {
    let mut nodes: BTreeMap<&SiteName, Vec<&Node>> = BTreeMap::new();
    for cluster in desired.clusters.values() {
        nodes.entry(&cluster.site).or_default().extend(cluster.postgres_nodes());
    }
    nodes
}

async fn read_site(
    name: &SiteName,
    calls: &Calls<'_>,
    nodes: &[&Node],
    observer: &dyn Observer,
    parallelism: usize,
) -> Result<SiteInventory, String> {
    let site = calls.capabilities();
    let facts = calls.facts().await.map_err(|error| format!("facts: {error}"))?;
    let (instances, snapshots, unmanaged) = futures::future::join3(
        read_pages(name, "instances", observer, |page| calls.instances(page)),
        read_snapshots(name, calls, observer),
        read_unmanaged(name, calls, observer),
    )
    .await;
    let mut instances = in_order(instances?, |instance: &Instance| &instance.id)?;
    let snapshots = snapshots?;
    let unmanaged = of_attached_disks(unmanaged?, &instances);
    let kept_files = read_kept_files(site).await?;
    ask_servers(site, nodes, &mut instances, parallelism).await;
    Ok(SiteInventory {
        clock: facts.clock,
        provider: facts.provider,
        account: facts.account,
        abilities: facts.abilities,
        instances,
        snapshots: snapshots.into(),
        unmanaged,
        kept_files,
    })
}

/// All snapshots of a site, ordered by id.
pub(crate) async fn read_snapshots(
    name: &SiteName,
    calls: &Calls<'_>,
    observer: &dyn Observer,
) -> Result<Vec<Snapshot>, String> {
    let snapshots = read_pages(name, "snapshots", observer, |page| calls.snapshots(page)).await?;
    in_order(snapshots, |snapshot| &snapshot.id)
}

/// The snapshots of others, ordered by id. A site that cannot tell them shows none; one that fails is unknown like any other.
async fn read_unmanaged(name: &SiteName, calls: &Calls<'_>, observer: &dyn Observer) -> Result<Vec<Unmanaged>, String> {
    let read = |page: Option<PageToken>| async {
        let is_first = page.is_none();
        match calls.unmanaged(page).await {
            Err(CallError::Refused(error)) if is_first && error.class == ErrorClass::Invalid => {
                Ok(Page { items: Vec::new(), next: None })
            }
            read @ (Ok(_) | Err(_)) => read,
        }
    };
    let unmanaged = read_pages(name, "snapshots of others", observer, read).await?;
    in_order(unmanaged, |snapshot| &snapshot.id)
}

/// Those whose disk an instance here has attached.
fn of_attached_disks(mut unmanaged: Vec<Unmanaged>, instances: &[Instance]) -> Vec<Unmanaged> {
    let disks: BTreeSet<&DiskId> = instances.iter().flat_map(|i| &i.disks).map(|disk| &disk.id).collect();
    unmanaged.retain(|snapshot| disks.contains(&snapshot.disk));
    unmanaged
}

/// The points that files are kept of, where a site keeps any.
pub(crate) async fn read_kept_files(site: &Capabilities) -> Result<BTreeSet<(ClusterUid, PointKey)>, String> {
    match &site.point_files {
        Some(files) => {
            let points = files.points().await.map_err(|error| format!("kept files: {error}"))?;
            Ok(points.into_iter().collect())
        }
        None => Ok(BTreeSet::new()),
    }
}

/// Orders a listing. The same item twice means that it moved while it was read.
fn in_order<T, K: Ord>(mut items: Vec<T>, key: impl Fn(&T) -> &K) -> Result<Vec<T>, String> {
    items.sort_by(|a, b| key(a).cmp(key(b)));
    if items.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err("a listing showed the same item twice: it changed while it was read".to_owned());
    }
    Ok(items)
}

/// Reads a listing to its end. A repeated marker would read the same page for ever: it is an error.
pub(crate) async fn read_pages<T, F>(
    site: &SiteName,
    of: &'static str,
    observer: &dyn Observer,
    mut read: impl FnMut(Option<PageToken>) -> F,
) -> Result<Vec<T>, String>
where
    F: Future<Output = Result<Page<T>, CallError>>,
{
    let mut items = Vec::new();
    let mut token: Option<PageToken> = None;
    let mut seen = BTreeSet::new();
    for number in 1..=MOST_PAGES {
        let page = read(token.clone()).await.map_err(|error| format!("{of}, page {number}: {error}"))?;
        observer.on(&Event::Page { site: site.clone(), of, page: number, items: page.items.len() });
        items.extend(page.items);
        match page.next {
            None => return Ok(items),
            Some(next) if !seen.insert(next.0.clone()) => {
                return Err(format!("{of}, page {number}: the site gave the same page marker again"));
            }
            Some(next) => token = Some(next),
        }
    }
    Err(format!("{of}: more than {MOST_PAGES} pages"))
}

/// Asks the servers that Backstay itself reaches, some at a time.
async fn ask_servers(site: &Capabilities, nodes: &[&Node], instances: &mut [Instance], parallelism: usize) {
    let Some(databases) = &site.databases else { return };
    let asked: Vec<(&Node, usize)> = nodes
        .iter()
        .filter_map(|node| {
            let index = instances.binary_search_by(|instance| instance.id.cmp(&node.instance)).ok()?;
            Some((*node, index))
        })
        .collect();
    let answers: Vec<(usize, DatabaseState)> =
        futures::stream::iter(asked.into_iter().map(|(node, index)| async move {
            (index, databases.status(&node.instance, node.postgres.as_ref()).await)
        }))
        .buffer_unordered(parallelism.max(1))
        .collect()
        .await;
    for (index, state) in answers {
        // What the site itself found wrong outweighs what its server says.
        if !matches!(instances[index].database, DatabaseState::Unreachable { .. }) {
            instances[index].database = state;
        }
    }
}
