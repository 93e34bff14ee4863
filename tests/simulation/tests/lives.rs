//! The whole engine over simulated clouds in made-up time: random fleets, weeks of runs, faults and meddling, judged from outside.
//!
//! Each seed is lived twice. Both lives must leave the same bytes: every word that was said, every effect at every site,
//! every record of the state store, the journals among them.

use backstay_simulation::life::live;
use backstay_simulation::tally::Tally;
use backstay_simulation::trial::Trial;

/// What must be seen in the lives of 50 seeds, and how often at the least: a rule that nothing ever touched says nothing.
const LEAST: [(&str, usize); 31] = [
    ("does: create", 800),
    ("does: copy", 200),
    ("does: lock", 100),
    ("does: mend", 1),
    ("does: adopt", 9),
    ("does: mark", 500),
    ("does: revive", 3),
    ("does: delete", 150),
    ("it settles", 70),
    ("a site of aws", 16),
    ("a site of azure", 16),
    ("a site of gcp", 16),
    ("a site of alibaba", 15),
    ("declared: policy", 14),
    ("declared: moved", 3),
    ("declared: removed", 4),
    ("declared: retired", 2),
    ("declared: upgraded", 3),
    ("goes wrong: denied", 25),
    ("goes wrong: fails-later", 4),
    ("goes wrong: lost-response", 12),
    ("goes wrong: reordered", 11),
    ("goes wrong: repeated", 20),
    ("goes wrong: skew", 9),
    ("goes wrong: slow", 4),
    ("goes wrong: stale", 11),
    ("goes wrong: stuck", 1),
    ("goes wrong: throttled", 10),
    ("goes wrong: unavailable", 30),
    ("somebody breaks a seal", 7),
    ("somebody forges a snapshot", 1),
];

/// Lives every seed of a range twice. The ranges are tests of their own so that they run beside each other.
fn lives(seeds: std::ops::Range<u64>) {
    let (mut tally, trial) = (Tally::default(), Trial::plain());
    for seed in seeds {
        let first = live(seed, &trial);
        let difference = first.difference(&live(seed, &trial));
        assert!(difference.is_none(), "seed {seed}: two lives differ: {}", difference.unwrap_or_default());
        tally.add(&first.tally);
    }
    for (what, least) in LEAST {
        assert!(tally.of(what) >= least, "{what}: {} times, and not {least}\n{tally}", tally.of(what));
    }
}

macro_rules! ranges {
    ($($name:ident: $range:expr;)*) => {
        $(
            #[test]
            fn $name() {
                lives($range);
            }
        )*
    };
}

// 202 lives, so that 200 are judged without the two that are known.
ranges! {
    seeds_000_to_049: 0..50;
    seeds_050_to_099: 50..100;
    seeds_100_to_149: 100..150;
    seeds_150_to_201: 150..202;
}
