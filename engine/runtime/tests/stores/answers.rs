//! Answers that are lost, and servers that are busy: what was written is never misread.

use crate::backends::Backend;
use backstay_test_support::buckets::{Emulator, Faults};
use backstay_test_support::store_contract::race;

/// Every n-th write of each kind suffers, while the writer goes on as if nothing had happened.
async fn writes_are_told_as_they_were(emulator: Emulator, faults: Faults) {
    let backend = Backend::bucket(emulator);
    let store = (backend.open())("faults");
    let bucket = backend.bucket.as_ref().unwrap();
    bucket.proxy().set_faults(faults);
    let mut present = b"0".to_vec();
    assert!(store.create("counter", &present).await.unwrap());
    for number in 1..=12 {
        let next = format!("{number}").into_bytes();
        assert!(store.swap("counter", Some(&present), &next).await.unwrap(), "{number}");
        assert!(!store.swap("counter", Some(&present), b"another's").await.unwrap(), "{number}");
        present = next;
        let key = format!("records/{number}");
        assert!(store.create(&key, b"mine").await.unwrap(), "{number}");
        assert!(!store.create(&key, b"another's").await.unwrap(), "{number}");
        store.append("journal/run.jsonl", format!("{number}\n").as_bytes()).await.unwrap();
    }
    bucket.proxy().set_faults(Faults::default());
    assert!(bucket.proxy().suffered() >= 10, "{}", bucket.proxy().suffered());
    assert_eq!(store.get("counter").await.unwrap().unwrap(), b"12");
    assert_eq!(store.list("records/").await.unwrap().len(), 12);
    let log = String::from_utf8(store.get("journal/run.jsonl").await.unwrap().unwrap()).unwrap();
    assert_eq!(log, (1..=12).map(|number| format!("{number}\n")).collect::<String>());
}

const EACH: [Faults; 4] = [
    Faults { lose_answer: 3, busy_after: 0, lose_request: 0, busy_before: 0 },
    Faults { lose_answer: 0, busy_after: 3, lose_request: 0, busy_before: 0 },
    Faults { lose_answer: 0, busy_after: 0, lose_request: 3, busy_before: 0 },
    Faults { lose_answer: 0, busy_after: 0, lose_request: 0, busy_before: 3 },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_s3_a_lost_answer_is_looked_up() {
    for faults in EACH {
        writes_are_told_as_they_were(Emulator::S3sFs, faults).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_azure_a_lost_answer_is_looked_up() {
    for faults in EACH {
        writes_are_told_as_they_were(Emulator::Azurite, faults).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_lost_answers_races_have_one_winner_still() {
    let backend = Backend::bucket(Emulator::S3sFs);
    let bucket = backend.bucket.as_ref().unwrap();
    bucket.proxy().set_faults(Faults { lose_answer: 5, busy_after: 7, lose_request: 11, busy_before: 13 });
    let told = race(backend.open(), 3, 4, 20).await;
    assert_eq!((told.races, told.won, told.double), (80, 80, 0), "{told:?}");
    assert!(bucket.proxy().suffered() > 20, "{}", bucket.proxy().suffered());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_never_empty() {
    // s3s-fs says of a missing bucket that the key is missing; S3 and moto do not.
    for emulator in [Emulator::Moto, Emulator::Azurite] {
        let bucket = emulator.start();
        let url = backstay_core::model::ObjectsUrl { bucket: "nowhere".to_owned(), ..bucket.url("fleet") };
        let store = backstay_runtime::bucket_store::open(&url, &bucket.environment()).unwrap();
        let told = [
            store.get("baseline.json").await.map(|_| ()).unwrap_err().to_string(),
            store.list("leases/").await.map(|_| ()).unwrap_err().to_string(),
            store.create("leases/a", b"1").await.map(|_| ()).unwrap_err().to_string(),
            store.put("baseline.json", b"1").await.unwrap_err().to_string(),
        ];
        for text in told {
            assert!(text.contains("/fleet: there is no such bucket"), "{text}");
        }
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_without_them() {
    for emulator in [Emulator::S3sFs, Emulator::Azurite] {
        let bucket = emulator.start();
        let mut environment = bucket.environment();
        for (name, value) in &mut environment {
            if name.ends_with("KEY") {
                *value = "d3Jvbmctc2VjcmV0".to_owned();
            }
        }
        let store = backstay_runtime::bucket_store::open(&bucket.url("fleet"), &environment).unwrap();
        let told = store.get("baseline.json").await.unwrap_err().to_string();
        assert!(told.contains("the credentials in the environment"), "{told}");
        assert!(!told.contains("d3Jvbmctc2VjcmV0"), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_place() {
    let bucket = Emulator::S3sFs.start();
    let store = bucket.open("fleet");
    drop(bucket);
    let told = store.create("leases/a", b"1").await.unwrap_err().to_string();
    assert!(
        told.starts_with("could not write leases/a in s3://state/fleet: ") || told.starts_with("could not read"),
        "{told}"
    );
}
