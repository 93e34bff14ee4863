//! One life of one fleet: time passes, things go wrong, Backstay runs.

use crate::chance::Chance;
use crate::judge::{Round, World};
use crate::town::{Policy, Town};
use backstay_core::document::SourceTree;
use backstay_core::model::{Origin, Provider};
use backstay_core::name::{DiskId, InstanceId, SiteName, SnapshotId};
use backstay_core::resolve::resolve;
use backstay_core::tags::Tags;
use backstay_provider::Home;
use backstay_provider_sim::SimSite;
use backstay_sim::Meddle;
use backstay_test_support::shell::{Said, Shell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// How often Backstay runs in a life.
const ROUNDS: usize = 10;

/// When every world begins.
pub(crate) const START: &str = "2026-10-20T00:00:00Z";

/// Everything that a life left: what was said, and every file of the state, by its name.
#[derive(PartialEq, Eq)]
pub(crate) struct Life {
    said: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
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
struct Story {
    chance: Chance,
    town: Town,
    shell: Shell,
    worlds: Vec<World>,
    garbage: BTreeSet<String>,
    shortest_grace: u64,
    said: Vec<String>,
}

/// Lives a seed in a directory of its own, and gives what it left.
pub(crate) async fn live(seed: u64) -> Life {
    // In memory where the host has such a place: the journals are synced thousands of times.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = place.expect("a directory for a life");
    let mut chance = Chance::of(seed);
    let town = Town::draw(&mut chance);
    town.write(directory.path());
    let worlds = vec![World::default(); town.sites.len()];
    let shortest_grace = town.policies.iter().map(|policy| policy.grace_hours).min().unwrap_or(0);
    let shell = Shell::in_directory(directory.path());
    let mut story = Story { chance, town, shell, worlds, garbage: BTreeSet::new(), shortest_grace, said: Vec::new() };
    // The first run makes the key that seals, and for that every site must be readable.
    story.run().await;
    for _ in 1..ROUNDS {
        story.something_happens();
        story.run().await;
    }
    story.end_well().await;
    Life { said: story.said, files: files_of(&directory.path().join(".backstay")) }
}

impl Story {
    /// Documents change, sites break and heal, people meddle.
    fn something_happens(&mut self) {
        for site in &mut self.town.sites {
            site.faults.clear();
            if self.chance.happens(30) {
                let fault = self.chance.one_of(&[
                    "{ call: list-snapshots, page: 2, fail: unavailable }",
                    "{ call: list-instances, fail: throttled }",
                    "{ call: list-snapshots, fail: denied }",
                    "{ call: create, fail: lost-response }",
                    "{ call: create, fail: fails-later }",
                    "{ call: tag, fail: lost-response }",
                    "{ call: tag, fail: throttled }",
                    "{ call: delete, fail: lost-response }",
                    "{ call: delete, fail: unavailable }",
                    "{ call: describe, fail: unavailable }",
                ]);
                site.faults.push(fault.to_owned());
            }
        }
        if self.chance.happens(20) {
            let can_crash = self.town.policies.iter().any(|policy| policy.consistency == "crash");
            let which = usize::try_from(self.chance.below(2)).expect("there are two");
            self.town.policies[which] = Policy::draw(&mut self.chance, can_crash);
            self.shortest_grace = self.shortest_grace.min(self.town.policies[which].grace_hours);
        }
        if self.chance.happens(15) {
            let bound = u64::try_from(self.town.clusters.len()).expect("few clusters");
            let which = usize::try_from(self.chance.below(bound)).expect("below the length");
            let cluster = &mut self.town.clusters[which];
            cluster.is_declared = !cluster.is_declared;
        }
        self.town.write(&self.shell.directory);
        for site in 0..self.town.sites.len() {
            if self.chance.happens(25) {
                self.meddle(site);
            }
        }
        for (site, world) in self.worlds.iter_mut().enumerate() {
            world.follow(&self.shell.directory, &self.town.sites[site].name);
        }
    }

    /// Something happens at a site behind Backstay's back.
    fn meddle(&mut self, number: usize) {
        let snapshots: Vec<String> = self.worlds[number].snapshots.keys().cloned().collect();
        let clusters: Vec<_> = self.town.clusters.iter().filter(|cluster| cluster.site == number).cloned().collect();
        if clusters.is_empty() {
            return;
        }
        let cluster = self.chance.one_of(&clusters);
        let instance = InstanceId::new(self.chance.one_of(&cluster.instances())).expect("an id");
        let site = open(&self.shell, &self.town.sites[number].name);
        let act = |meddle| site.meddle(meddle).expect("nothing stops meddling");
        match self.chance.below(5) {
            0 => drop(act(Meddle::StopServer { instance })),
            1 | 2 => drop(act(Meddle::StartServer { instance })),
            3 if !snapshots.is_empty() => {
                let id = SnapshotId::new(self.chance.one_of(&snapshots)).expect("an id");
                drop(act(Meddle::DeleteSnapshot { id }));
            }
            4 if !snapshots.is_empty() => {
                // A copy of a real snapshot's tags on one that Backstay did not make.
                let model = &self.worlds[number].snapshots[&self.chance.one_of(&snapshots)];
                let tags: Tags = model.tags.clone().into_iter().collect();
                let disk = DiskId::new(format!("vol-{instance}-d")).expect("an id");
                let made = act(Meddle::CreateForeign { disk, tags });
                self.garbage.extend(made.into_iter().map(|snapshot| snapshot.id.to_string()));
            }
            _ => {}
        }
    }

    /// Some hours pass, and Backstay runs; what it did is judged.
    async fn run(&mut self) {
        let hours = 1 + self.chance.below(30);
        let said = self.apply(&format!("-as-of=+{hours}h")).await;
        assert!(matches!(said.code, 0 | 3 | 5 | 7), "{}", self.said.last().expect("something was said"));
        let is_calm = self.town.sites.iter().all(|site| site.faults.is_empty());
        if said.code == 0 && is_calm {
            // What was applied leaves nothing to do. A delete may follow the create that it could not rely on.
            self.apply("-as-of=+1s").await;
            let last = self.apply("-as-of=+1s").await;
            let story = self.said[self.said.len() - 3..].join("\n");
            assert!(last.code != 0 || last.out.contains("No changes."), "12: it does not settle\n{story}");
        }
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
        for (number, before) in before.iter().enumerate() {
            let deletes = self.worlds[number].follow(&self.shell.directory, &self.town.sites[number].name);
            let said = self.only_about(number, &text);
            let round =
                Round { town: &self.town, shortest_grace: self.shortest_grace, garbage: &self.garbage, said: &said };
            round.judge(number, before, &self.worlds[number], &deletes);
        }
        self.said.push(text);
        said
    }

    /// What was said without the words on other sites that could not be read.
    fn only_about(&self, number: usize, text: &str) -> String {
        let name = &self.town.sites[number].name;
        let is_other = |line: &&str| !line.contains("could not be read") || line.contains(name.as_str());
        text.lines().filter(is_other).collect::<Vec<_>>().join("\n")
    }

    /// 26: when faults stop, within two schedule intervals every declared cluster has a restorable point again.
    async fn end_well(&mut self) {
        for site in &mut self.town.sites {
            site.faults.clear();
        }
        self.town.write(&self.shell.directory);
        for cluster in &self.town.clusters {
            let site = open(&self.shell, &self.town.sites[cluster.site].name);
            for instance in cluster.instances() {
                let instance = InstanceId::new(&instance).expect("an id");
                site.meddle(Meddle::StartServer { instance }).expect("nothing stops meddling");
            }
        }
        for (site, world) in self.worlds.iter_mut().enumerate() {
            world.follow(&self.shell.directory, &self.town.sites[site].name);
        }
        for _ in 0..2 {
            self.apply("-as-of=+24h").await;
        }
        for cluster in self.town.clusters.iter().filter(|cluster| cluster.is_declared) {
            let world = &self.worlds[cluster.site];
            let newest = world.restorable(&cluster.uid(), &self.garbage).last().cloned();
            let day_ago = world.now.checked_sub(jiff::SignedDuration::from_hours(25)).expect("a recent instant");
            let wanted = backstay_core::time::stamp(day_ago);
            assert!(
                newest.as_ref().is_some_and(|(cut, _)| *cut > wanted),
                "26: {} has only {newest:?}\n{}",
                cluster.uid(),
                self.said.last().expect("something was said")
            );
        }
    }
}

fn open(shell: &Shell, name: &str) -> Arc<SimSite> {
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
