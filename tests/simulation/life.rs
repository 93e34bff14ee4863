//! One life of one fleet: time passes, things go wrong, Backstay runs.

use crate::chance::Chance;
use crate::judge::{Memory, Round};
use crate::tally::Tally;
use crate::town::Town;
use crate::world::World;
use backstay_core::document::SourceTree;
use backstay_core::model::{Origin, Provider};
use backstay_core::name::SiteName;
use backstay_core::resolve::resolve;
use backstay_provider::Home;
use backstay_provider_sim::SimSite;
use backstay_test_support::shell::{Said, Shell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// How often Backstay runs in a life.
const ROUNDS: usize = 8;

/// How many runs in a row may still find something to do where nothing goes wrong: a point is made, it is copied once it is
/// ready, the copy is locked once it is there, and marks follow.
const SETTLING: usize = 6;

/// When every world begins.
pub(crate) const START: &str = "2026-10-20T00:00:00Z";

/// Everything that a life left: what was said, and every file of the state, by its name.
#[derive(PartialEq, Eq)]
pub(crate) struct Life {
    said: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
    pub(crate) tally: Tally,
}

impl Life {
    /// Where another life is different, for people.
    pub(crate) fn difference(&self, other: &Self) -> String {
        for (one, two) in self.said.iter().zip(&other.said) {
            if one != two {
                return format!("one said\n{one}\nthe other\n{two}");
            }
        }
        let names: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        let differ = names.into_iter().filter(|name| self.files.get(*name) != other.files.get(*name));
        format!("the files {:?}", differ.collect::<Vec<_>>())
    }
}

/// What was seen so far, and what must be remembered to judge.
pub(crate) struct Story {
    seed: u64,
    pub(crate) chance: Chance,
    pub(crate) town: Town,
    pub(crate) shell: Shell,
    pub(crate) worlds: Vec<World>,
    pub(crate) tally: Tally,
    memory: Memory,
    said: Vec<String>,
}

/// A directory for a life: in memory where the host has such a place, since the journals are synced thousands of times.
pub(crate) fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    place.expect("a directory for a life")
}

/// Lives a seed in a directory of its own, and gives what it left.
pub(crate) async fn live(seed: u64) -> Life {
    let directory = place();
    let mut chance = Chance::of(seed);
    let town = Town::draw(&mut chance);
    town.write(directory.path());
    let mut story = Story {
        seed,
        chance,
        worlds: vec![World::default(); town.sites.len()],
        town,
        shell: Shell::in_directory(directory.path()),
        tally: Tally::default(),
        memory: Memory::default(),
        said: Vec::new(),
    };
    for site in &story.town.sites {
        story.tally.count(format!("a site of {}", site.profile));
    }
    // The first run makes the key that seals, and for that every site must be readable.
    story.run().await;
    for _ in 1..ROUNDS {
        story.something_happens();
        story.run().await;
    }
    story.end_well().await;
    let said = std::mem::take(&mut story.said);
    Life { said, files: files_of(&directory.path().join(".backstay")), tally: std::mem::take(&mut story.tally) }
}

/// Whoever's life ends in a panic tells it.
impl Drop for Story {
    #[expect(clippy::print_stderr, reason = "beside the panic's own message")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tell());
        }
    }
}

impl Story {
    /// Documents change, sites break and heal, people meddle.
    fn something_happens(&mut self) {
        for site in &mut self.town.sites {
            site.break_somehow(&mut self.chance);
            for fault in &site.faults {
                self.tally.count(format!("goes wrong: {}", fault.fail));
            }
            if site.skew.is_some() {
                self.tally.count("goes wrong: skew");
            }
        }
        for changed in self.town.change(&mut self.chance) {
            self.tally.count(format!("declared: {changed}"));
        }
        self.town.write(&self.shell.directory);
        for site in 0..self.town.sites.len() {
            if self.chance.happens(30) {
                self.meddle(site);
            }
        }
        self.follow(false);
    }

    /// Some hours pass, and Backstay runs; what it did is judged.
    async fn run(&mut self) {
        let hours = 1 + self.chance.below(30);
        let said = self.apply(&format!("-as-of=+{hours}h")).await;
        let is_calm = self.town.sites.iter().all(|site| site.faults.is_empty() && site.skew.is_none());
        if said.code == 0 && is_calm {
            self.settle().await;
            self.tally.count("it settles");
        }
    }

    /// 12: where nothing goes wrong, soon nothing is left to do.
    async fn settle(&mut self) {
        let from = self.said.len();
        for _ in 0..SETTLING {
            let said = self.apply("-as-of=+1s").await;
            if said.code != 0 || said.out.contains("No changes.") {
                return;
            }
        }
        panic!("12: it does not settle\n{}", self.said[from..].join("\n"));
    }

    async fn apply(&mut self, as_of: &str) -> Said {
        let before = self.worlds.clone();
        // The host's clock goes with the sites': where none can be read, it is the one that counts.
        if let Some(now) = before.iter().map(|world| world.now).max() {
            self.shell.clock.set(now.max(START.parse().expect("an instant")));
        }
        let said = self.shell.run(&["apply", "-auto-approve", as_of], None).await;
        let directory = self.shell.directory.to_string_lossy().into_owned();
        let text = format!("apply {as_of}\n{}{}[exit {}]", said.out, said.err, said.code).replace(&directory, "DIR");
        self.said.push(text);
        assert!(matches!(said.code, 0 | 3 | 5 | 7), "an unexpected end: {}", said.code);
        let deeds: Vec<_> = (0..self.worlds.len())
            .map(|site| self.worlds[site].follow(&self.shell.directory, &self.town.sites[site].name, true))
            .collect();
        for deed in deeds.iter().flatten() {
            self.tally.deed(deed);
        }
        let looked = said.out.split("\nAppl").next().unwrap_or_default();
        Round { town: &self.town, before: &before, after: &self.worlds, looked }.judge(&deeds, &mut self.memory);
        said
    }

    /// What the last run said, with whose life it is, what went wrong and what lies where.
    fn tell(&self) -> String {
        let last = self.said.last().map_or("", String::as_str);
        let sites = self.town.sites.iter().zip(&self.worlds);
        let worlds: String = sites.map(|(site, world)| format!("{} {}", site.name, world.tell())).collect();
        format!("seed {}\n{:#?}\n{worlds}{last}", self.seed, self.town)
    }

    /// Takes note of what happened behind our back.
    fn follow(&mut self, by_us: bool) {
        for (site, world) in self.worlds.iter_mut().enumerate() {
            world.follow(&self.shell.directory, &self.town.sites[site].name, by_us);
        }
    }

    /// 26: when faults stop, within two schedule intervals every declared cluster has a restorable point again, and nothing
    /// is unknown. 8: of several points of one slot all but one are on their way out.
    async fn end_well(&mut self) {
        for site in &mut self.town.sites {
            site.faults.clear();
            site.skew = None;
        }
        self.town.write(&self.shell.directory);
        self.heal();
        self.follow(false);
        for _ in 0..2 {
            self.apply("-as-of=+24h").await;
        }
        self.settle().await;
        let last = self.said.last().map_or("", String::as_str);
        assert!(!last.contains("could not be read"), "26: something is unknown");
        for cluster in self.town.clusters.iter().filter(|cluster| cluster.is_declared) {
            let uid = cluster.uid();
            let world = &self.worlds[cluster.site];
            let points = world.points(&uid, world.now);
            let day_ago = world.now - jiff::SignedDuration::from_hours(25);
            let is_served = points.last().is_some_and(|newest| newest.cut > day_ago);
            assert!(cluster.is_retired || is_served, "26: {uid} has only {:?}", points.last());
            let mut slots = BTreeSet::new();
            for point in points.iter().filter(|point| !point.is_marked && !point.is_held) {
                let is_alone = slots.insert((&point.slot, &point.system));
                assert!(is_alone || cluster.is_retired, "8: {uid} has {point:?}, and another one of its slot");
            }
        }
    }
}

pub(crate) fn open(shell: &Shell, name: &str) -> Arc<SimSite> {
    let mut tree = SourceTree::new();
    gather(&shell.directory, &shell.directory, &mut tree);
    let origin = Origin { commit: None, dirty: false, documents: tree.digest() };
    let mut desired = resolve(&tree, origin).desired.expect("the fleet resolves");
    let site = desired.sites.get_mut(&SiteName::new(name).expect("a name")).expect("it is declared");
    let mut site = site.as_ref().clone();
    if let Provider::Sim(sim) = &mut site.provider {
        sim.faults.clear();
    }
    let clock = shell.clock.clone();
    let now = Arc::new(move || backstay_cli::Clock::now(&clock));
    let state = shell.directory.join(".backstay");
    SimSite::open(&site, Home { fleet: &shell.directory, state: &state }, now).expect("it opens")
}

fn gather(root: &Path, directory: &Path, tree: &mut SourceTree) {
    for entry in std::fs::read_dir(directory).expect("it can be listed") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            gather(root, &path, tree);
        } else if SourceTree::takes(&name) {
            tree.insert(name, std::fs::read(&path).expect("it can be read"));
        }
    }
}

/// Every file below a directory, by its relative name.
fn files_of(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut rest = vec![root.to_owned()];
    while let Some(directory) = rest.pop() {
        for entry in std::fs::read_dir(&directory).expect("it can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                rest.push(path);
            } else {
                let name = path.strip_prefix(root).expect("it is below").to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path).expect("it can be read"));
            }
        }
    }
    files
}
