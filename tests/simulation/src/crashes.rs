//! 20: each call of a plan is interrupted in each way, enumerated by the calls that an undisturbed run makes; whoever goes on
//! ends where it would have ended.
//!
//! What is compared is the truth at the sites, without what an interruption may change: ids, attempts, and the instants of cuts
//! and marks. A create that was cut short leaves parts that make no point; they are found, sealed and removed within days. Where
//! some are left, both worlds live on until they are gone, and are compared then.

use crate::house::House;
use crate::runner::{Ran, run_plan};
use crate::scenes::{Scene, all, run_once};
use crate::scheduler::play_one;
use crate::wires::{Kind, Line, Mishap};
use crate::world::World;
use backstay_core::name::SiteName;
use backstay_core::plan::Plan;
use backstay_runtime::journal;
use backstay_runtime::lease::LeaseRecord;
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Longer than a lease lasts.
const LATER: SignedDuration = SignedDuration::from_mins(11);

/// How many runs may be needed until nothing is left to do.
const RUNS: usize = 8;

/// How long leftovers may live: a day until they are sealed, a day until they are marked, the grace, and a run now and then.
const DAYS: i64 = 5;

/// What was enumerated, and what went wrong.
#[derive(Debug, Default)]
pub struct Report {
    /// How many calls the undisturbed run made.
    pub calls: usize,
    /// How many interruptions were tried, by kind.
    pub tried: BTreeMap<Mishap, usize>,
    /// Those that ended elsewhere.
    pub wrong: Vec<Wrong>,
}

/// An interruption that did not end where an undisturbed run does.
#[derive(Debug)]
pub struct Wrong {
    /// The interrupted call, by its number.
    pub call: String,
    /// How it was interrupted.
    pub mishap: Mishap,
    /// What went wrong, where it did not come to an end.
    pub broken: Option<String>,
    /// What is there besides.
    pub more: Vec<String>,
    /// What is not there.
    pub less: Vec<String>,
}

/// The names of all scenes.
#[must_use]
pub fn scenes() -> Vec<&'static str> {
    all().into_iter().map(|scene| scene.name).collect()
}

/// How a call of a kind can be interrupted. A question that is killed after its answer is one that is killed before the next.
fn interruptions(kind: Kind) -> &'static [Mishap] {
    use Mishap::{KilledAfter, KilledBefore, Lost, Torn, Twice, TwiceAtOnce};
    match kind {
        Kind::Question => &[KilledBefore, Lost],
        Kind::Effect => &[KilledBefore, KilledAfter, Lost, Twice, TwiceAtOnce],
        Kind::Record => &[KilledBefore, KilledAfter, Lost, Twice, TwiceAtOnce],
        Kind::Line => &[KilledBefore, KilledAfter, Lost, Twice, TwiceAtOnce, Torn],
    }
}

/// The undisturbed run of a scene, and where it leads.
struct Undisturbed {
    kinds: Vec<Kind>,
    /// What is there once nothing is left to do.
    end: String,
    /// What is there days later.
    days_later: String,
}

/// Interrupts every call of a scene's plan.
#[must_use]
pub fn enumerate(name: &str) -> Report {
    let scene = all().into_iter().find(|scene| scene.name == name).expect("there is such a scene");
    let house = scene.prepare();
    let undisturbed = undisturbed(&scene, &house);
    let mut report = Report { calls: undisturbed.kinds.len(), ..Report::default() };
    for (number, kind) in (1_u64..).zip(&undisturbed.kinds) {
        for mishap in interruptions(*kind) {
            *report.tried.entry(*mishap).or_default() += 1;
            if let Err(why) = interrupt(&scene, &house, &undisturbed, number, *mishap) {
                report.wrong.push(why);
            }
        }
    }
    report
}

fn undisturbed(scene: &Scene, house: &House) -> Undisturbed {
    let world = house.fork();
    world.wires.count();
    let ran = run_once(&world, "first").expect("nobody kills it");
    let kinds = world.wires.kinds();
    let told = ran.tell();
    let plan = ran.plan.clone().expect("there is a plan");
    let has_it = plan.changes.iter().any(|change| (scene.wants)(&change.action));
    assert!(ran.went_well() && has_it, "{}: {told}", scene.name);
    let effects = effects(scene, &world);
    again(&world, plan);
    assert_eq!(effects, self::effects(scene, &world), "11: {}: an applied plan has an effect again", scene.name);
    finish(&world).unwrap_or_else(|why| panic!("{}: {why}", scene.name));
    let end = truth(scene, &world);
    live_on(&world);
    Undisturbed { kinds, end, days_later: truth(scene, &world) }
}

/// 11: applies an applied plan again, as `apply FILE` does.
fn again(house: &House, plan: Plan) {
    let line = Line::new(&house.wires, 0);
    drop(play_one(&house.time, run_plan(house, &line, "again", plan)));
}

/// How many effects each site has had.
fn effects(scene: &Scene, house: &House) -> Vec<usize> {
    let lines =
        |site| std::fs::read_to_string(house.state().join(format!("sim/{site}/effects.jsonl"))).unwrap_or_default();
    scene.sites().map(|site| lines(site).lines().count()).collect()
}

fn interrupt(
    scene: &Scene,
    house: &House,
    undisturbed: &Undisturbed,
    number: u64,
    mishap: Mishap,
) -> Result<(), Wrong> {
    let world = house.fork();
    world.wires.script(Some((number, mishap)));
    drop(run_once(&world, "first"));
    let calls = world.wires.last_calls();
    let call = calls.iter().find(|call| call.contains('[')).or(calls.last()).cloned().unwrap_or_default();
    world.wires.script(None);
    let broken =
        |why: String| Wrong { call: call.clone(), mishap, broken: Some(why), more: Vec::new(), less: Vec::new() };
    if mishap == Mishap::KilledAfter && call.contains(" append ") {
        check_journal(&world).map_err(broken)?;
    }
    finish(&world).map_err(broken)?;
    let unfenced = world.wires.take_unfenced();
    if !unfenced.is_empty() {
        return Err(broken(format!("19: {}", unfenced.join("\n"))));
    }
    let stale = world.wires.take_stale();
    if !stale.is_empty() {
        return Err(broken(format!("6, 10: {}", stale.join("\n"))));
    }
    if truth(scene, &world) == undisturbed.end {
        return Ok(());
    }
    live_on(&world);
    let end = truth(scene, &world);
    if end == undisturbed.days_later {
        return Ok(());
    }
    let lacks = |one: &str, other: &str| -> Vec<String> {
        one.lines().filter(|line| !other.lines().any(|there| there == *line)).map(ToOwned::to_owned).collect()
    };
    let (more, less) = (lacks(&end, &undisturbed.days_later), lacks(&undisturbed.days_later, &end));
    Err(Wrong { call, mishap, broken: None, more, less })
}

/// A journal that was cut at any byte of its last line reads as what was whole before it. (Every line is the last one once, so
/// whoever goes on after a cut finds what he would find after a kill just before that line.)
fn check_journal(house: &House) -> Result<(), String> {
    let bytes = house.memory.values().get("journal/first.jsonl").cloned().unwrap_or_default();
    let ended = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let from = ended.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let read = |bytes: &[u8]| journal::read(bytes).map_err(|error| error.to_string());
    let all = read(&bytes)?;
    if read(&bytes[..from])?.len() + 1 < all.len() {
        return Err("the journal has lost a line".to_owned());
    }
    for cut in 0..ended.len() - from {
        if !read(&bytes[from..from + cut])?.is_empty() {
            return Err(format!("cut at byte {cut} of its last line, the journal says something"));
        }
    }
    Ok(())
}

/// Runs the same command again and again until nothing is left to do.
fn finish(house: &House) -> Result<(), String> {
    let mut last = String::new();
    for number in 0..RUNS {
        house.time.advance(LATER);
        let ran: Ran = run_once(house, &format!("again-{number}")).ok_or("nobody kills it")?;
        if ran.went_well() && ran.is_idle() {
            return Ok(());
        }
        last = ran.tell();
    }
    Err(format!("12: after {RUNS} runs there is something left to do: {last}"))
}

/// Lives on for some days, with a run every few hours.
fn live_on(house: &House) {
    for number in 0..DAYS * 2 {
        house.time.advance(SignedDuration::from_hours(12));
        drop(run_once(house, &format!("later-{number}")));
    }
    house.time.advance(SignedDuration::from_hours(1));
    drop(run_once(house, "last"));
}

/// What is there, without ids, attempts and instants: each point by its site, cluster and slot, each snapshot that belongs to
/// none, the points that files are kept of, and the leases that are held.
fn truth(scene: &Scene, house: &House) -> String {
    let mut text = String::new();
    let now = house.time.now();
    for site in scene.sites() {
        let mut world = World::default();
        drop(world.follow(&house.state(), site, true));
        let mut shown = BTreeSet::new();
        for point in world.points("uid-0", now) {
            let parts: Vec<_> = world.parts_of("uid-0").filter(|(_, part)| part.point_name() == point.name).collect();
            shown.extend(parts.iter().map(|(id, _)| (*id).clone()));
            let is_locked = parts.iter().any(|(_, part)| part.is_locked(now));
            let (slot, marked, count) = (&point.slot, point.is_marked, parts.len());
            let line = format!("{site} {slot}: {count} parts, marked {marked}, locked {is_locked}");
            writeln!(text, "{line}").expect("texts take all");
        }
        for (_, snapshot) in world.snapshots.iter().filter(|(id, _)| !shown.contains(*id)) {
            writeln!(text, "{site} {}: left over", snapshot.tag("backstay-slot")).expect("texts take all");
        }
        for (_, point) in house.shelves.kept(&SiteName::new(site).expect("a name")) {
            writeln!(text, "{site} {}: files", point.slot).expect("texts take all");
        }
    }
    let values = house.memory.values();
    for (key, value) in values.range("leases/".to_owned()..).take_while(|(key, _)| key.starts_with("leases/")) {
        let record: LeaseRecord = serde_json::from_slice(value).expect("a lease");
        writeln!(text, "{key} is held: {}", record.holder.is_some()).expect("texts take all");
    }
    text
}
