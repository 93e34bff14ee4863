//! The contract, kept by each backend.

use crate::backends::{Backend, MANY};
use backstay_test_support::buckets::Emulator;
use backstay_test_support::store_contract::check;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_in_memory_keeps_the_contract() {
    check(Backend::memory().open(), MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_keeps_the_contract() {
    check(Backend::directory().open(), MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_by_s3s_fs_keeps_the_contract() {
    check(Backend::bucket(Emulator::S3sFs).open(), MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_by_moto_keeps_the_contract() {
    check(Backend::bucket(Emulator::Moto).open(), 100).await;
}

/// Half a minute of Python.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_by_moto_lists_more_than_its_page() {
    check(Backend::bucket(Emulator::Moto).open(), MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn azure_by_azurite_keeps_the_contract() {
    check(Backend::bucket(Emulator::Azurite).open(), MANY).await;
}

/// Azure's page has 5,000 keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn azure_by_azurite_lists_more_than_its_page() {
    check(Backend::bucket(Emulator::Azurite).open(), 5_100).await;
}
