//! 17: what goes wrong at one site, and a file that cannot be read, change nothing at another site.

use crate::chance::Chance;
use crate::life::{START, place};
use crate::town::{Fault, PROFILES, Site, Town, index};
use backstay_test_support::shell::Shell;
use jiff::{SignedDuration, Timestamp};

/// The effects at the first of two sites on different clouds, after some runs, with the second one in trouble or not.
async fn beside(seed: u64, is_in_trouble: bool) -> String {
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
    let directory = place();
    town.write(directory.path());
    let shell = Shell::in_directory(directory.path());
    let mut now: Timestamp = START.parse().expect("an instant");
    for round in 0..6 {
        now += SignedDuration::from_hours(i64::from(2 + 3 * round));
        shell.clock.set(now);
        let said = shell.run(&["apply", "-auto-approve", &format!("-as-of={now}")], None).await;
        let expected = if is_in_trouble && round > 0 { 1 } else { 0 };
        assert!(said.code == expected || said.code == 7, "seed {seed}: {}{}", said.out, said.err);
        if is_in_trouble {
            town.sites[1].faults = vec![Fault { call: "any", fail: "unavailable", percent: 100 }];
            town.write(directory.path());
            std::fs::write(directory.path().join("fleet/bad.yaml"), "kind: Cluster\n").expect("it can be written");
        }
    }
    std::fs::read_to_string(directory.path().join(".backstay/sim/site-0/effects.jsonl")).expect("something was done")
}

#[tokio::test]
async fn trouble_elsewhere_changes_nothing_here() {
    for seed in 1000..1012 {
        let alone = beside(seed, false).await;
        assert!(alone.lines().count() > 20, "seed {seed}: little was done: {alone}");
        assert_eq!(alone, beside(seed, true).await, "seed {seed}");
    }
}
