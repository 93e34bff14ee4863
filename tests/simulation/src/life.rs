//! One life of one fleet: time passes, things go wrong, Backstay runs.

use crate::chance::Chance;
use crate::doubles::Doubles;
use crate::house::House;
use crate::judge::{Memory, Round};
use crate::refine::Announced;
use crate::runner::{AsOf, Ran, run};
use crate::scheduler::{Task, Upset, play};
use crate::tally::Tally;
use crate::time::Time;
use crate::town::Town;
use crate::trial::Trial;
use crate::wires::{Line, Rates};
use crate::world::{Deed, World};
use backstay_core::plan::Plan;
use backstay_runtime::journal;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many runs in a row may still find something to do where nothing goes wrong: a point is made, it is copied once it is
/// ready, the copy is locked once it is there, and marks follow.
const SETTLING: usize = 6;

/// When every world begins.
pub const START: &str = "2026-10-20T00:00:00Z";

/// Everything that a life left: what was said, and every file and record, by its name.
pub struct Life {
    said: Vec<String>,
    remains: BTreeMap<String, Vec<u8>>,
    /// What was seen.
    pub tally: Tally,
    /// How long it was, in virtual time, times the clusters that there were.
    pub cluster_time: SignedDuration,
}

impl Life {
    /// Where another life is different, for people; nothing where both left the same bytes.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        for (one, two) in self.said.iter().zip(&other.said) {
            if one != two {
                return Some(format!("one said\n{one}\nthe other\n{two}"));
            }
        }
        let names: BTreeSet<&String> = self.remains.keys().chain(other.remains.keys()).collect();
        let differ: Vec<_> =
            names.into_iter().filter(|name| self.remains.get(*name) != other.remains.get(*name)).collect();
        (!differ.is_empty() || self.tally != other.tally).then(|| format!("the files {differ:?}"))
    }
}

/// What was seen so far, and what must be remembered to judge.
pub(crate) struct Story<'a> {
    trial: &'a Trial,
    seed: u64,
    pub(crate) chance: Chance,
    pub(crate) town: Town,
    pub(crate) house: House,
    lines: Vec<Arc<Line>>,
    pub(crate) worlds: Vec<World>,
    pub(crate) tally: Tally,
    memory: Memory,
    said: Vec<String>,
    runs: usize,
    doubles: Doubles,
}

/// Lives a seed, and gives what it left.
#[must_use]
pub fn live(seed: u64, trial: &Trial) -> Life {
    let mut chance = Chance::of(seed);
    let mut town = Town::draw(&mut chance);
    trial.shape(&mut town, &mut chance);
    let start: Timestamp = START.parse().expect("an instant");
    let house = House::new(town.documents(), Time::at(start), seed);
    if trial.is_traced {
        house.wires.trace();
    }
    let lines = (0..trial.runners).map(|runner| Line::new(&house.wires, runner)).collect();
    let mut story = Story {
        trial,
        seed,
        chance,
        worlds: vec![World::default(); town.sites.len()],
        town,
        house,
        lines,
        tally: Tally::default(),
        memory: Memory::default(),
        said: Vec::new(),
        runs: 0,
        doubles: Doubles::default(),
    };
    for site in &story.town.sites {
        story.tally.count(format!("a site of {}", site.profile));
    }
    story.round();
    let mut rounds = 1;
    while !trial.is_over(rounds, story.house.time.now().duration_since(start)) {
        story.something_happens();
        story.round();
        rounds += 1;
    }
    story.end_well();
    let clusters = i32::try_from(story.town.clusters.len()).expect("a few clusters");
    let cluster_time = story.now().duration_since(start).saturating_mul(clusters);
    let remains = story.house.remains();
    Life { said: std::mem::take(&mut story.said), remains, tally: std::mem::take(&mut story.tally), cluster_time }
}

/// Whoever's life ends in a panic tells it.
impl Drop for Story<'_> {
    #[expect(clippy::print_stderr, reason = "beside the panic's own message")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tell());
        }
    }
}

impl Story<'_> {
    /// The latest instant that any clock shows: a virtual site's may be ahead of the host's.
    fn now(&self) -> Timestamp {
        self.worlds.iter().map(|world| world.now).fold(self.house.time.now(), Timestamp::max)
    }

    /// Documents change, sites break and heal, people meddle.
    fn something_happens(&mut self) {
        for site in &mut self.town.sites {
            match self.trial.faults {
                Some(percent) => site.break_evenly(percent),
                None => site.break_somehow(&mut self.chance),
            }
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
        self.house.declare(self.town.documents());
        for site in 0..self.town.sites.len() {
            if self.chance.happens(self.trial.meddling) {
                self.meddle(site);
            }
        }
        drop(self.follow_as(false));
        self.house.wires.set_rates(self.trial.rates);
    }

    /// Some hours pass, and Backstay runs; what it did is judged.
    fn round(&mut self) {
        let hours =
            SignedDuration::from_hours(i64::try_from(1 + self.chance.below(self.trial.hours)).expect("a few hours"));
        let ran = self.apply(hours, true);
        let is_calm = self.town.sites.iter().all(|site| site.faults.is_empty() && site.skew.is_none());
        if is_calm && self.town.is_virtual && matches!(ran.as_slice(), [Some(ran)] if ran.went_well()) {
            self.settle(SETTLING, SignedDuration::from_secs(1));
            self.tally.count("it settles");
        }
    }

    /// 12: where nothing goes wrong, soon nothing is left to do.
    fn settle(&mut self, runs: usize, step: SignedDuration) {
        let from = self.said.len();
        for _ in 0..runs {
            let ran = self.apply(step, false);
            let [Some(ran)] = ran.as_slice() else { continue };
            if !ran.went_well() || ran.is_idle() {
                return;
            }
        }
        panic!("12: it does not settle\n{}", self.said[from..].join("\n"));
    }

    /// Lets time pass; then one runner or all of them look, plan and apply.
    fn apply(&mut self, length: SignedDuration, together: bool) -> Vec<Option<Ran>> {
        let diagnostics = &self.house.documents.diagnostics;
        assert!(!diagnostics.has_errors(), "the fleet is wrong: {diagnostics:#?}");
        let before = self.worlds.clone();
        let as_of = if self.town.is_virtual {
            // The host's clock goes with the sites': where none can be read, it is the one that counts.
            self.house.time.advance_to(self.now());
            AsOf::After(length)
        } else {
            self.house.time.advance(length);
            AsOf::Now
        };
        let lines: Vec<Arc<Line>> = if together { self.lines.clone() } else { vec![self.lines[0].clone()] };
        let names: Vec<String> = lines.iter().map(|_| self.name_run()).collect();
        let upsets: Vec<(Upset, SignedDuration)> = lines.iter().map(|_| self.draw_upset(together)).collect();
        let house = &self.house;
        let tasks = lines.iter().zip(&names).zip(&upsets).map(|((line, name), (upset, delay))| {
            let work = async move {
                house.time.until(house.time.now() + *delay).await;
                run(house, line, name, as_of).await
            };
            Task::new(work, *upset, line.kill())
        });
        let ran = play(&house.time, &mut self.chance, tasks.collect());
        for (name, ran) in names.iter().zip(&ran) {
            let told = ran.as_ref().map_or_else(|| "it was killed\n".to_owned(), |ran| self.trial.tell(ran));
            self.said.push(format!("{name} {as_of:?} {length:#}\n{told}"));
            self.tally.count(if ran.is_some() { "a run ends" } else { "goes wrong: a run is killed" });
        }
        let plans = lines.iter().map(|line| line.take_plan()).collect();
        self.judge(&before, &ran, &names, plans);
        ran
    }

    fn name_run(&mut self) -> String {
        self.runs += 1;
        format!("{}-{:08}", backstay_core::time::stamp(self.house.time.now()), self.runs)
    }

    /// What befalls one of several runners, and how much later it begins.
    fn draw_upset(&mut self, together: bool) -> (Upset, SignedDuration) {
        let mut upset = Upset::default();
        if !together || !self.trial.is_rough() {
            return (upset, SignedDuration::ZERO);
        }
        if self.trial.crashes && self.chance.happens(25) {
            upset.killed_at = Some(1 + self.chance.below(400));
        }
        if self.trial.pauses && self.chance.happens(15) {
            let minutes = 5 + self.chance.below(40);
            upset.paused_at =
                Some((1 + self.chance.below(400), SignedDuration::from_mins(i64::try_from(minutes).expect("few"))));
            self.tally.count("goes wrong: a run is paused");
        }
        (upset, SignedDuration::from_millis(i64::try_from(self.chance.below(20_000)).expect("seconds")))
    }

    fn judge(&mut self, before: &[World], ran: &[Option<Ran>], names: &[String], plans: Vec<Option<Plan>>) {
        let unfenced = self.house.wires.take_unfenced();
        assert!(unfenced.is_empty(), "19: {}", unfenced.join("\n"));
        let unread = self.house.wires.take_stale();
        assert!(unread.is_empty(), "6, 10: {}", unread.join("\n"));
        self.tally.add(&self.house.wires.take_tally());
        if !self.trial.is_rough() {
            let stopped = ran.iter().flatten().find_map(|ran| ran.stopped.as_ref());
            let is_skewed = self.town.sites.iter().any(|site| site.skew.is_some());
            assert!(stopped.is_none() || is_skewed, "an unexpected end: {stopped:?}");
        }
        let deeds = self.follow();
        let mut announced = Announced::default();
        for (name, plan) in names.iter().zip(plans) {
            let key = format!("journal/{name}.jsonl");
            let bytes = self.house.memory.values().get(&key).cloned().unwrap_or_default();
            let records = journal::read(&bytes).expect("a journal can be read");
            if let Some(plan) = plan {
                announced.read(name, &records, &plan);
            }
            if self.trial.forgets {
                self.house.memory.values().remove(&key);
            }
        }
        for (site, deeds) in deeds.iter().enumerate() {
            for deed in deeds {
                self.tally.deed(deed);
                announced.judge(&self.town.sites[site].name, deed);
            }
        }
        let views = self.house.wires.take_views();
        Round { town: &self.town, before, after: &self.worlds, views: &views }.judge(&deeds, &mut self.memory);
        self.doubles.judge(&self.town, &self.worlds, ran, &mut self.tally);
    }

    /// What the last run said, with whose life it is, what went wrong and what lies where.
    fn tell(&self) -> String {
        let last = self.said.last().map_or("", String::as_str);
        let sites = self.town.sites.iter().zip(&self.worlds);
        let worlds: String = sites.map(|(site, world)| format!("{} {}", site.name, world.tell())).collect();
        let calls = self.house.wires.last_calls().join("\n");
        format!(
            "{:#?}\n{worlds}{last}\nthe last calls\n{calls}\nseed {} at {}\nreplay: {}",
            self.town,
            self.seed,
            self.now(),
            self.trial.replay(self.seed)
        )
    }

    /// Takes in what happened since the last time, and gives it.
    fn follow(&mut self) -> Vec<Vec<Deed>> {
        self.follow_as(true)
    }

    fn follow_as(&mut self, by_us: bool) -> Vec<Vec<Deed>> {
        let state = self.house.state();
        let worlds = self.worlds.iter_mut().zip(&self.town.sites);
        worlds.map(|(world, site)| world.follow(&state, &site.name, by_us)).collect()
    }

    /// 26: when faults stop, within two schedule intervals every declared cluster has a restorable point again, and nothing
    /// is unknown. 8: of several points of one slot all but one are on their way out.
    fn end_well(&mut self) {
        for site in &mut self.town.sites {
            site.faults.clear();
            site.skew = None;
        }
        self.house.wires.set_rates(Rates { lost: 0, twice: 0, lost_records: 0, slow: 0, ..self.trial.rates });
        self.house.declare(self.town.documents());
        self.heal();
        drop(self.follow_as(false));
        let last = if self.town.is_virtual {
            for _ in 0..2 {
                self.apply(SignedDuration::from_hours(24), false);
            }
            self.settle(SETTLING, SignedDuration::from_secs(1));
            self.apply(SignedDuration::from_secs(1), false)
        } else {
            for _ in 0..12 {
                self.apply(SignedDuration::from_hours(4), false);
            }
            self.settle(4 * SETTLING, SignedDuration::from_mins(10));
            self.apply(SignedDuration::from_secs(1), false)
        };
        let is_known = last.iter().flatten().all(|ran| ran.unread.is_empty() && !ran.lacks_records);
        assert!(is_known, "26: something is unknown");
        for cluster in self.town.clusters.iter().filter(|cluster| cluster.is_declared) {
            let uid = cluster.uid();
            let world = &self.worlds[cluster.site];
            let now = self.now();
            let points = world.points(&uid, now);
            let day_ago = now - SignedDuration::from_hours(25);
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
