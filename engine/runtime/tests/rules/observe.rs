//! What really exists, read from sites that behave badly: a scripted one answers what each test says.

use crate::support::{VirtualClock, at, now};
use async_trait::async_trait;
use backstay_core::model::{Desired, ProviderKind, Site};
use backstay_core::name::{AccountId, DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::observed::{
    Abilities, DatabaseState, Instance, Listing, Observed, Readiness, SiteClock, SiteInventory, Snapshot,
};
use backstay_core::resolve::resolve;
use backstay_core::seal::Keyring;
use backstay_core::tags::{Intent, Tags};
use backstay_provider::{
    Capabilities, CreateSnapshot, Created, Description, ErrorClass, Home, Inventory, Opener, Page, PageToken,
    ProviderError, SiteFacts, Store, Sweeper,
};
use backstay_runtime::events::{Event, Observer};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::observe::observe;
use backstay_runtime::seams::StateStore as _;
use backstay_runtime::sites::Registry;
use backstay_runtime::sources::from_directory;
use backstay_runtime::state::State;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// How a scripted site answers page requests: its pages by their token, "" for the first.
type Pages = BTreeMap<&'static str, Result<(Vec<&'static str>, Option<&'static str>), &'static str>>;

#[derive(Clone, Default)]
struct Script {
    snapshots: Pages,
    instances: Pages,
    no_facts: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

fn page<T>(pages: &Pages, token: Option<PageToken>, make: impl Fn(&str) -> T) -> Result<Page<T>, ProviderError> {
    let token = token.map_or_else(String::new, |token| token.0);
    let Some(answer) = pages.get(token.as_str()) else { return Ok(Page { items: Vec::new(), next: None }) };
    let (items, next) = answer.clone().map_err(ProviderError::unavailable)?;
    let next = next.map(|next| PageToken(next.to_owned()));
    Ok(Page { items: items.into_iter().map(make).collect(), next })
}

#[async_trait]
impl Inventory for Script {
    async fn facts(&self, host: Timestamp) -> Result<SiteFacts, ProviderError> {
        if self.no_facts {
            return Err(ProviderError::new(ErrorClass::Denied, "AccessDenied: who are you"));
        }
        Ok(SiteFacts {
            provider: ProviderKind::Sim,
            account: AccountId::new("111122223333").unwrap(),
            abilities: Abilities { atomic_disk: true, atomic_group: true, method: "scripted".to_owned() },
            clock: SiteClock { now: host, host, is_virtual: false },
        })
    }

    async fn instances(&self, token: Option<PageToken>) -> Result<Page<Instance>, ProviderError> {
        page(&self.instances, token, |id| Instance {
            id: InstanceId::new(id).unwrap(),
            disks: Vec::new(),
            database: DatabaseState::NotObservable,
        })
    }

    async fn snapshots(&self, token: Option<PageToken>) -> Result<Page<Snapshot>, ProviderError> {
        // Two sites that are read at once take turns here.
        tokio::task::yield_now().await;
        self.asked.lock().unwrap().push(token.as_ref().map_or_else(String::new, |token| token.0.clone()));
        page(&self.snapshots, token, |id| Snapshot {
            id: SnapshotId::new(id).unwrap(),
            disk: DiskId::new("vol-1").unwrap(),
            created: at("2026-11-23T08:00:00Z"),
            readiness: Readiness::Ready,
            tags: Tags::new(),
            size: 1,
            encrypted: false,
            kms_key: None,
            location: None,
            locked_until: None,
        })
    }

    async fn describe(&self, _id: &SnapshotId) -> Result<Description, ProviderError> {
        Ok(Description::Absent)
    }

    async fn by_intent(&self, _intent: &Intent) -> Result<Vec<Snapshot>, ProviderError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Store for Script {
    async fn create(&self, _order: &CreateSnapshot) -> Result<Created, ProviderError> {
        Err(ProviderError::invalid("a scripted site is only looked at"))
    }
    async fn create_group(&self, _orders: &[CreateSnapshot]) -> Result<Vec<Created>, ProviderError> {
        Err(ProviderError::invalid("a scripted site is only looked at"))
    }
    async fn tag(&self, _id: &SnapshotId, _tags: &Tags) -> Result<(), ProviderError> {
        Ok(())
    }
    async fn untag(&self, _id: &SnapshotId, _keys: &[&str]) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[async_trait]
impl Sweeper for Script {
    async fn delete(
        &self,
        _id: &SnapshotId,
        _disk: &DiskId,
        _generation: &backstay_core::observed::Generation,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::invalid("a scripted site is only looked at"))
    }
}

/// Opens each site with the script of its name; one without a script cannot be opened.
struct Scripts(BTreeMap<&'static str, Script>);

impl Opener for Scripts {
    fn open(&self, site: &Site, _home: Home<'_>) -> Result<Capabilities, ProviderError> {
        let script = self.0.get(site.name.as_str()).ok_or_else(|| ProviderError::invalid("no such account"))?;
        let script = Arc::new(script.clone());
        Ok(Capabilities {
            inventory: script.clone(),
            store: script.clone(),
            locker: None,
            restorer: None,
            sweeper: script,
            databases: None,
            point_files: None,
            clock: None,
        })
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn on(&self, event: &Event) {
        let line = match event {
            Event::Page { site, of, page, items } => format!("{site} {of} {page}: {items}"),
            Event::SiteRead { site, unknown } => format!("{site} read: {unknown:?}"),
            Event::ChangeStarted { .. }
            | Event::ChangeEnded { .. }
            | Event::Settling { .. }
            | Event::Throttled { .. }
            | Event::ClockMoved { .. } => {
                format!("{event:?}")
            }
        };
        self.0.lock().unwrap().push(line);
    }
}

fn fleet(sites: &[&str]) -> Desired {
    let directory = TempDir::new().unwrap();
    let mut text = "apiVersion: backstay.dev/v1\nkind: Fleet\nmetadata: { name: f }\nspec: {}\n".to_owned();
    for site in sites {
        text += &format!(
            "---\napiVersion: backstay.dev/v1\nkind: Site\nmetadata: {{ name: {site} }}\n\
             spec: {{ provider: sim, profile: aws, seed: 1, world: fleet/world.yaml }}\n"
        );
    }
    fs::create_dir(directory.path().join("fleet")).unwrap();
    fs::write(directory.path().join("fleet/fleet.yaml"), text).unwrap();
    fs::write(directory.path().join("fleet/world.yaml"), WORLD).unwrap();
    let sources = from_directory(directory.path()).unwrap();
    let resolution = resolve(&sources.tree, sources.origin);
    resolution.desired.unwrap_or_else(|| panic!("{}", resolution.diagnostics.render()))
}

const WORLD: &str = "apiVersion: backstay.dev/v1\nkind: World\nmetadata: { name: w }\n\
    spec: { start: 2026-11-23T00:00:00Z, account: \"1\", instances: [] }\n";

fn look(scripts: Scripts, state: &Path) -> (Observed, Vec<String>) {
    let names: Vec<&str> = ["a", "b", "c"].into_iter().collect();
    let desired = fleet(&names);
    let sites = Registry::default()
        .with(ProviderKind::Sim, Arc::new(scripts))
        .open(&desired, Home { fleet: Path::new("/"), state: Path::new("/") });
    let (store, clock, told) = (FileStore::new(state), VirtualClock::noon(), Told::default());
    let observed = now(observe(&desired, &sites, State(&store), Keyring::default(), &clock, &told, 4));
    (observed, told.0.into_inner().unwrap())
}

fn listing<'a>(observed: &'a Observed, site: &str) -> &'a Listing<SiteInventory> {
    &observed.sites[&SiteName::new(site).unwrap()]
}

fn because<'a>(observed: &'a Observed, site: &str) -> &'a str {
    match listing(observed, site) {
        Listing::Unknown { because } => because,
        Listing::Complete(_) => panic!("{site} was read"),
    }
}

fn ids(observed: &Observed, site: &str) -> Vec<String> {
    listing(observed, site).complete().unwrap().snapshots.iter().map(|s| s.id.to_string()).collect()
}

fn with(snapshots: Pages) -> Script {
    Script { snapshots, ..Script::default() }
}

#[test]
fn every_page_is_read_in_turn_and_the_items_are_ordered() {
    let pages: Pages = [
        ("", Ok((vec!["s-5", "s-1"], Some("two")))),
        ("two", Ok((vec![], Some("three")))),
        ("three", Ok((vec!["s-3"], None))),
    ]
    .into();
    let script = with(pages);
    let asked = script.asked.clone();
    let state = TempDir::new().unwrap();
    let scripts = Scripts([("a", script), ("b", Script::default()), ("c", Script::default())].into());
    let (observed, told) = look(scripts, state.path());
    assert_eq!(ids(&observed, "a"), ["s-1", "s-3", "s-5"]);
    assert_eq!(*asked.lock().unwrap(), ["", "two", "three"]);
    for line in ["a snapshots 1: 2", "a snapshots 2: 0", "a snapshots 3: 1", "a read: None"] {
        assert!(told.iter().any(|other| other == line), "{told:?}");
    }
}

#[test]
fn a_page_marker_that_comes_again_is_an_error_and_never_an_endless_listing() {
    let same: Pages = [("", Ok((vec!["s-1"], Some("x")))), ("x", Ok((vec!["s-2"], Some("x"))))].into();
    let ring: Pages =
        [("", Ok((vec!["s-1"], Some("x")))), ("x", Ok((vec!["s-2"], Some("y")))), ("y", Ok((vec!["s-3"], Some("x"))))]
            .into();
    let state = TempDir::new().unwrap();
    let scripts = Scripts([("a", with(same)), ("b", with(ring)), ("c", Script::default())].into());
    let (observed, _) = look(scripts, state.path());
    assert_eq!(because(&observed, "a"), "snapshots, page 2: the site gave the same page marker again");
    assert_eq!(because(&observed, "b"), "snapshots, page 3: the site gave the same page marker again");
    assert!(listing(&observed, "c").complete().is_some());
}

/// Bug of others 5: a listing that stopped at a page limit capped the fleet.
#[test]
fn bug_5_no_number_of_pages_caps_the_fleet() {
    let word = |text: String| -> &'static str { text.leak() };
    let page = |number: usize| word(format!("page-{number}"));
    let many: Pages = (0..2_500)
        .map(|number| {
            let token = if number == 0 { "" } else { page(number) };
            (token, Ok((vec![word(format!("s-{number:05}"))], (number < 2_499).then(|| page(number + 1)))))
        })
        .collect();
    let state = TempDir::new().unwrap();
    let scripts = Scripts([("a", with(many)), ("b", Script::default()), ("c", Script::default())].into());
    let (observed, _) = look(scripts, state.path());
    assert_eq!(ids(&observed, "a"), (0..2_500).map(|number| format!("s-{number:05}")).collect::<Vec<_>>());
}

/// Bug of others 6: the page marker was ignored, and page one read again and again. Whoever ignores it, the site or what
/// stands before it, the listing is not believed.
#[test]
fn bug_6_page_one_that_comes_again_is_never_taken_for_the_next_page() {
    let first = || Ok((vec!["s-1", "s-2"], Some("x")));
    // The same page with the same marker; the same page with no further one; the same page with ever new markers.
    let same: Pages = [("", first()), ("x", first())].into();
    let ends: Pages = [("", first()), ("x", Ok((vec!["s-1", "s-2"], None)))].into();
    let new: Pages =
        [("", first()), ("x", Ok((vec!["s-1", "s-2"], Some("y")))), ("y", Ok((vec!["s-1", "s-2"], None)))].into();
    let state = TempDir::new().unwrap();
    let scripts = Scripts([("a", with(same)), ("b", with(ends)), ("c", with(new))].into());
    let (observed, _) = look(scripts, state.path());
    assert_eq!(because(&observed, "a"), "snapshots, page 2: the site gave the same page marker again");
    for site in ["b", "c"] {
        assert_eq!(because(&observed, site), "a listing showed the same item twice: it changed while it was read");
    }
}

#[test]
fn one_page_that_fails_makes_its_site_unknown_and_no_other() {
    let broken: Pages = [("", Ok((vec!["s-1"], Some("x")))), ("x", Err("503 Slow Down"))].into();
    let whole: Pages = [("", Ok((vec!["s-9"], None)))].into();
    let instances = Script { instances: [("", Err("503 Slow Down"))].into(), ..Script::default() };
    let state = TempDir::new().unwrap();
    let (observed, told) =
        look(Scripts([("a", with(broken)), ("b", with(whole)), ("c", instances)].into()), state.path());
    assert_eq!(because(&observed, "a"), "snapshots, page 2: 503 Slow Down");
    assert_eq!(ids(&observed, "b"), ["s-9"]);
    assert_eq!(because(&observed, "c"), "instances, page 1: 503 Slow Down");
    assert!(told.contains(&"a read: Some(\"snapshots, page 2: 503 Slow Down\")".to_owned()), "{told:?}");
}

#[test]
fn a_site_that_cannot_be_opened_or_asked_is_unknown_and_no_other() {
    let denied = Script { no_facts: true, ..Script::default() };
    let state = TempDir::new().unwrap();
    let (observed, _) = look(Scripts([("a", denied), ("b", Script::default())].into()), state.path());
    assert_eq!(because(&observed, "a"), "facts: AccessDenied: who are you");
    assert!(listing(&observed, "b").complete().is_some());
    assert_eq!(because(&observed, "c"), "no such account");
}

#[test]
fn an_item_that_is_listed_twice_means_that_the_listing_moved() {
    let doubled: Pages = [("", Ok((vec!["s-1", "s-2"], Some("x")))), ("x", Ok((vec!["s-2"], None)))].into();
    let instances: Pages = [("", Ok((vec!["i-1"], Some("x")))), ("x", Ok((vec!["i-1"], None)))].into();
    let state = TempDir::new().unwrap();
    let scripts = Scripts(
        [("a", with(doubled)), ("b", Script { instances, ..Script::default() }), ("c", Script::default())].into(),
    );
    let (observed, _) = look(scripts, state.path());
    for site in ["a", "b"] {
        assert_eq!(because(&observed, site), "a listing showed the same item twice: it changed while it was read");
    }
}

#[test]
fn sites_are_read_at_the_same_time() {
    let pages = || -> Pages { [("", Ok((vec!["s-1"], Some("2")))), ("2", Ok((vec!["s-2"], None)))].into() };
    let asked = Arc::new(Mutex::new(Vec::new()));
    let script = || Script { snapshots: pages(), asked: asked.clone(), ..Script::default() };
    let state = TempDir::new().unwrap();
    look(Scripts([("a", script()), ("b", script()), ("c", script())].into()), state.path());
    // All first pages before any second one.
    assert_eq!(*asked.lock().unwrap(), ["", "", "", "2", "2", "2"]);
}

#[test]
fn records_that_cannot_be_read_are_unknown_not_empty() {
    let state = TempDir::new().unwrap();
    now(FileStore::new(state.path()).put("tombstones/a/s-1/x", b"{")).unwrap();
    let (observed, _) = look(Scripts(["a", "b", "c"].map(|name| (name, Script::default())).into()), state.path());
    let Listing::Unknown { because } = &observed.records else { panic!("{:?}", observed.records) };
    assert!(because.starts_with("state record tombstones/a/s-1/x is damaged: "), "{because}");
    assert!(listing(&observed, "a").complete().is_some());
}
