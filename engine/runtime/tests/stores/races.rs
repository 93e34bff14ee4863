//! Races for leases: of all that want one, one gets it.
//!
//! The suite runs some on each backend; `BACKSTAY_RACES=10000` runs that many on each instead.

use crate::backends::Backend;
use backstay_runtime::file_store::FileStore;
use backstay_test_support::buckets::Emulator;
use backstay_test_support::store_contract::{race, race_as};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How many clusters are raced for at once.
const CLUSTERS: usize = 10;

/// How many leases processes race for.
const PROCESS_CLUSTERS: u64 = 50;

/// How many races are wanted, where the environment does not say.
fn wanted(usually: u64) -> u64 {
    std::env::var("BACKSTAY_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// Three runs race for each lease, in turn until enough were raced for.
async fn one_winner_each(backend: &Backend, usually: u64) {
    let began = Instant::now();
    let told = race(backend.open(), 3, CLUSTERS, wanted(usually) / 10).await;
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

/// Four processes, each with its own files open, over the same directory.
#[test]
fn among_processes_on_a_directory_no_epoch_has_two_winners() {
    let directory = tempfile::TempDir::new().unwrap();
    let rounds = (wanted(500) / PROCESS_CLUSTERS).to_string();
    let start = |racer: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["races::a_process_that_races", "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
        command.env("BACKSTAY_RACE_IN", directory.path()).env("BACKSTAY_RACER", format!("run-{racer}"));
        command.env("BACKSTAY_ROUNDS", &rounds).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(start).collect();
    let mut winners: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (racer, process) in processes.into_iter().enumerate() {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            if let ["won", cluster, epoch] = line.split(' ').collect::<Vec<_>>().as_slice() {
                winners.entry(((*cluster).to_owned(), (*epoch).to_owned())).or_default().push(racer);
            }
        }
    }
    let double: Vec<_> = winners.iter().filter(|(_, racers)| racers.len() > 1).collect();
    assert!(double.is_empty(), "{double:?}");
    let of_each: Vec<usize> = (0..4).map(|racer| winners.values().filter(|won| won.contains(&racer)).count()).collect();
    println!("{} races among processes, won by each: {of_each:?}", winners.len());
    assert!(winners.len() >= usize::try_from(PROCESS_CLUSTERS).unwrap(), "{}", winners.len());
}

/// What that test starts.
#[test]
#[ignore = "it is started by another test"]
fn a_process_that_races() {
    let (Ok(directory), Ok(run)) = (std::env::var("BACKSTAY_RACE_IN"), std::env::var("BACKSTAY_RACER")) else { return };
    let rounds = std::env::var("BACKSTAY_ROUNDS").unwrap().parse().unwrap();
    let store = FileStore::new(directory);
    let clusters = usize::try_from(PROCESS_CLUSTERS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!();
    for (cluster, epoch) in runtime.block_on(race_as(&run, &store, clusters, rounds)) {
        println!("won {cluster} {epoch}");
    }
}
