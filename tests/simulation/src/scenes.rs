//! Small worlds with one plan each, in which every call of the plan can be interrupted.

use crate::chance::Chance;
use crate::house::House;
use crate::life::START;
use crate::runner::{AsOf, run};
use crate::scheduler::{Task, Upset, play};
use crate::time::Time;
use crate::town::{Cluster, Copy, Lock, Policy, Retention, Site, Town};
use crate::wires::{Line, Mishap};
use crate::world::World;
use backstay_core::name::SnapshotId;
use backstay_core::plan::{Action, Repair};
use backstay_core::tags::Tags;
use backstay_sim::Meddle;
use jiff::SignedDuration;

/// What happens before the plan.
enum Step {
    /// So many hours pass.
    Hours(i64),
    /// A run that nothing disturbs.
    Run,
    /// A run that is killed after this call to a site.
    KilledAfter(&'static str),
    /// Other documents.
    Declare(fn(&mut Town)),
    /// Somebody takes a point to another slot.
    Retag,
}

/// A world, and what its next plan does.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// What the plan must contain.
    pub(crate) wants: fn(&Action) -> bool,
    town: Town,
    steps: Vec<Step>,
}

const RETENTION: Retention = Retention { window_hours: 0, last: 1, daily: 0, minimum_redundancy: 1, grace_hours: 6 };

fn town(profile: &'static str, sites: usize) -> Town {
    let site = |number| Site { name: format!("site-{number}"), profile, page_size: 50, faults: Vec::new(), skew: None };
    let policy = Policy {
        every_hours: 24,
        spread_hours: Some(1),
        consistency: "application",
        source: "prefer-standby",
        retention: Retention { last: 30, ..RETENTION },
        copies: Vec::new(),
        lock: None,
    };
    let cluster = Cluster {
        number: 0,
        site: 0,
        policy: 0,
        has_wal_disk: true,
        upgrades: 0,
        is_declared: true,
        is_retired: false,
    };
    let sites: Vec<Site> = (0..sites).map(site).collect();
    let policies = sites.iter().flat_map(|_| [policy.clone(), policy.clone()]).collect();
    Town { sites, policies, clusters: vec![cluster], is_virtual: false }
}

fn with(mut town: Town, change: impl FnOnce(&mut Town)) -> Town {
    change(&mut town);
    town
}

fn keep_one(town: &mut Town) {
    town.policies[0].retention = RETENTION;
}

fn keep_many(town: &mut Town) {
    town.policies[0].retention.last = 30;
}

fn is_create(action: &Action) -> bool {
    matches!(action, Action::Create(_))
}

fn is_copy(action: &Action) -> bool {
    matches!(action, Action::Copy(_))
}

fn is_mend(action: &Action) -> bool {
    matches!(action, Action::Tag(tag) if tag.repair == Repair::Restore)
}

fn is_adoption(action: &Action) -> bool {
    matches!(action, Action::Tag(tag) if tag.repair == Repair::Adopt)
}

fn is_lock(action: &Action) -> bool {
    matches!(action, Action::Lock(_))
}

fn is_expire(action: &Action) -> bool {
    matches!(action, Action::Expire(_))
}

fn is_delete(action: &Action) -> bool {
    matches!(action, Action::Delete(_))
}

fn is_revival(action: &Action) -> bool {
    matches!(action, Action::Revive(_))
}

/// Every scene.
pub(crate) fn all() -> Vec<Scene> {
    use Step::{Declare, Hours, KilledAfter, Retag, Run};
    let scene = |name, wants: fn(&Action) -> bool, town, steps| Scene { name, wants, town, steps };
    vec![
        scene(
            "a create with one part",
            is_create,
            with(town("aws", 1), |town| {
                town.clusters[0].has_wal_disk = false;
                town.policies[0].consistency = "crash";
            }),
            vec![Hours(2)],
        ),
        scene("a create with two parts, without a group, and files", is_create, town("azure", 1), vec![Hours(2)]),
        scene("a create of a group", is_create, town("aws", 1), vec![Hours(2)]),
        scene(
            "a copy",
            is_copy,
            with(town("aws", 2), |town| {
                let retention = Retention { window_hours: 12, last: 30, ..RETENTION };
                town.policies[0].copies = vec![Copy { site: 1, retention }];
            }),
            vec![Hours(2), Run, Hours(1)],
        ),
        scene("a mended tag", is_mend, town("aws", 1), vec![Hours(2), Run, Hours(1), Retag]),
        scene(
            "adopted leftovers",
            is_adoption,
            town("azure", 1),
            vec![Hours(2), KilledAfter("create"), Hours(1), Run, Hours(25)],
        ),
        scene(
            "a lock",
            is_lock,
            with(town("aws", 1), |town| town.policies[0].lock = Some(Lock { mode: "governance", hours: 6 })),
            vec![Hours(2), Run, Hours(1)],
        ),
        scene(
            "an expiry",
            is_expire,
            town("azure", 1),
            vec![Hours(2), Run, Hours(24), Run, Hours(1), Declare(keep_one)],
        ),
        scene(
            "a delete of two parts",
            is_delete,
            with(town("azure", 1), keep_one),
            vec![Hours(2), Run, Hours(24), Run, Hours(7)],
        ),
        scene(
            "a revival",
            is_revival,
            with(town("azure", 1), keep_one),
            vec![Hours(2), Run, Hours(24), Run, Hours(1), Declare(keep_many)],
        ),
    ]
}

impl Scene {
    /// The world just before the plan.
    pub(crate) fn prepare(&self) -> House {
        let mut town = self.town.clone();
        let mut house = House::new(town.documents(), Time::at(START.parse().expect("an instant")), 0);
        for (number, step) in self.steps.iter().enumerate() {
            match step {
                Step::Hours(hours) => house.time.advance(SignedDuration::from_hours(*hours)),
                Step::Run => drop(run_once(&house, &format!("before-{number}"))),
                Step::KilledAfter(verb) => kill_after(&house, verb, &format!("before-{number}")),
                Step::Declare(change) => {
                    change(&mut town);
                    house.declare(town.documents());
                }
                Step::Retag => retag(&house),
            }
        }
        house
    }

    pub(crate) fn sites(&self) -> impl Iterator<Item = &str> {
        self.town.sites.iter().map(|site| site.name.as_str())
    }
}

/// A run that nothing disturbs, or that meets what was scripted; nothing where it was killed.
pub(crate) fn run_once(house: &House, name: &str) -> Option<crate::runner::Ran> {
    let line = Line::new(&house.wires, 0);
    let task = Task::new(run(house, &line, name, AsOf::Now), Upset::default(), line.kill());
    play(&house.time, &mut Chance::of(0), vec![task]).pop().flatten()
}

/// Kills a run after its first call of this kind.
fn kill_after(house: &House, verb: &str, name: &str) {
    for number in 1_u64.. {
        let trial = house.fork();
        trial.wires.script(Some((number, Mishap::KilledAfter)));
        assert!(run_once(&trial, name).is_none(), "no call of {name} is {verb}");
        if trial.wires.last_calls().last().is_some_and(|call| call.contains(&format!(" {verb} "))) {
            house.wires.script(Some((number, Mishap::KilledAfter)));
            break;
        }
    }
    drop(run_once(house, name));
    house.wires.script(None);
}

fn retag(house: &House) {
    let mut world = World::default();
    drop(world.follow(&house.state(), "site-0", true));
    let (id, _) = world.snapshots.iter().next().expect("there is a snapshot");
    let tags = Tags::from_iter([("backstay-slot", "20261020t010203z".to_owned())]);
    house.meddle("site-0", [Meddle::Retag { id: SnapshotId::new(id).expect("an id"), tags }]);
}
