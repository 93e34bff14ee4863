//! 17: what goes wrong at one site, and a file that cannot be read, change nothing at another site.

use crate::chance::Chance;
use crate::house::House;
use crate::life::START;
use crate::runner::{AsOf, run};
use crate::scheduler::play_one;
use crate::time::Time;
use crate::town::{Fault, PROFILES, Site, Town, index};
use crate::wires::Line;
use jiff::SignedDuration;

/// The effects at the first of two sites on different clouds, after some runs, with the second one in trouble or not.
fn beside(seed: u64, is_in_trouble: bool) -> String {
    let mut chance = Chance::of(seed);
    let first = index(&mut chance, PROFILES.len());
    let profiles = [PROFILES[first], PROFILES[(first + 1) % PROFILES.len()]];
    let site = |(number, profile)| Site {
        name: format!("site-{number}"),
        profile,
        page_size: 4,
        faults: Vec::new(),
        skew: None,
    };
    let mut town = Town::of(&mut chance, (0..).zip(profiles).map(site).collect::<Vec<_>>());
    // Each site has at least one cluster.
    for (number, cluster) in town.clusters.iter_mut().enumerate() {
        cluster.site = number % 2;
    }
    let mut house = House::new(town.documents(), Time::at(START.parse().expect("an instant")), seed);
    // One cluster of a site after the other: else only their turns are shared with the other site.
    house.parallelism = 1;
    let line = Line::new(&house.wires, 0);
    for round in 0..6 {
        house.time.advance(SignedDuration::from_hours(2 + 3 * round));
        let now = AsOf::At(house.time.now());
        let ran = play_one(&house.time, run(&house, &line, &format!("run-{round}"), now));
        assert_eq!(ran.stopped, None, "seed {seed}");
        assert_eq!(ran.unread.is_empty(), !is_in_trouble || round == 0, "seed {seed}");
        if is_in_trouble {
            town.sites[1].faults = vec![Fault { call: "any", fail: "unavailable", percent: 100 }];
            let mut texts = town.documents();
            texts.insert("fleet/bad.yaml".to_owned(), "kind: Cluster\n".to_owned());
            house.declare(texts);
        }
    }
    std::fs::read_to_string(house.state().join("sim/site-0/effects.jsonl")).expect("something was done")
}

#[test]
fn trouble_elsewhere_changes_nothing_here() {
    for seed in 1000..1012 {
        let alone = beside(seed, false);
        assert!(alone.lines().count() > 20, "seed {seed}: little was done: {alone}");
        assert_eq!(alone, beside(seed, true), "seed {seed}");
    }
}
