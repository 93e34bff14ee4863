//! The whole engine over simulated clouds in made-up time: random fleets, months of runs, faults and meddling, judged from outside.
//!
//! Each seed is lived twice. Both lives must leave the same bytes: every word that was said, every effect at every site,
//! every record of the state store, the journals among them.

mod chance;
mod judge;
mod life;
mod town;

use life::live;

/// Lives every seed of a range twice. The ranges are tests of their own so that they run beside each other.
async fn lives(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let first = live(seed).await;
        let second = live(seed).await;
        assert!(first == second, "seed {seed}: two lives differ: {}", first.difference(&second));
    }
}

macro_rules! ranges {
    ($($name:ident: $range:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                lives($range).await;
            }
        )*
    };
}

ranges! {
    seeds_000_to_024: 0..25;
    seeds_025_to_049: 25..50;
    seeds_050_to_074: 50..75;
    seeds_075_to_099: 75..100;
    seeds_100_to_124: 100..125;
    seeds_125_to_149: 125..150;
    seeds_150_to_174: 150..175;
    seeds_175_to_199: 175..200;
}
