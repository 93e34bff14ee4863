//! Races for leases: of all that want one, one gets it.
//!
//! The suite runs some on each backend; `BACKSTAY_RACES=10000` runs that many on each instead.

use crate::backends::Backend;
use backstay_test_support::buckets::Emulator;
use backstay_test_support::store_contract::race;
use std::time::Instant;

/// How many clusters are raced for at once.
const CLUSTERS: usize = 10;

/// Three runs race for each lease, in turn until enough were raced for.
async fn one_winner_each(backend: &Backend, usually: u64) {
    let wanted = std::env::var("BACKSTAY_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(usually);
    let began = Instant::now();
    let told = race(backend.open(), 3, CLUSTERS, wanted / 10).await;
    println!("{told:?} in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!((told.won, told.double), (told.races, 0), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory_each_race_has_one_winner() {
    one_winner_each(&Backend::memory(), 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_directory_each_race_has_one_winner() {
    one_winner_each(&Backend::directory(), 500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_s3_by_s3s_fs_each_race_has_one_winner() {
    one_winner_each(&Backend::bucket(Emulator::S3sFs), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_s3_by_moto_each_race_has_one_winner() {
    one_winner_each(&Backend::bucket(Emulator::Moto), 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_azure_by_azurite_each_race_has_one_winner() {
    one_winner_each(&Backend::bucket(Emulator::Azurite), 200).await;
}
