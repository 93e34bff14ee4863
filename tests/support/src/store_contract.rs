//! What a state store must do before it may hold leases. Every backend passes the same checks.
#![expect(clippy::unwrap_used, reason = "a contract that is not kept fails its test")]

use backstay_core::name::ClusterUid;
use backstay_core::time::Duration;
use backstay_runtime::lease::{Acquired, Terms, acquire};
use backstay_runtime::seams::{Clock, StateStore};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::Barrier;

/// Opens a store of one backend anew, as another process would: the same place is the same store, another place is another.
pub type Open = dyn Fn(&str) -> Arc<dyn StateStore> + Send + Sync;

const RACERS: usize = 64;

/// Runs every check; `many` is how many keys are listed: more than a page of the backend's.
pub async fn check(open: &Open, many: usize) {
    values_come_back_as_they_were(open).await;
    a_refused_write_changes_nothing(open).await;
    of_64_creators_exactly_one_creates(open).await;
    of_64_swappers_exactly_one_swaps(open).await;
    a_log_keeps_the_order_of_its_lines(open).await;
    places_do_not_see_each_other(open).await;
    a_listing_has_every_key_once_in_order(open, many).await;
}

async fn values_come_back_as_they_were(open: &Open) {
    let store = open("values");
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = "größer, 大きい, ".repeat(60_000).into_bytes();
    let values: [&[u8]; 5] = [b"", b"\0", "späť ünïcode 🦀".as_bytes(), &every_byte, &large];
    for (number, value) in values.into_iter().enumerate() {
        let key = format!("odd/%2Fkey.{number}_-");
        assert_eq!(store.get(&key).await.unwrap(), None);
        store.put(&key, value).await.unwrap();
        assert!(open("values").get(&key).await.unwrap().as_deref() == Some(value), "{key}");
        store.put(&key, b"another").await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(&b"another"[..]));
        store.remove(&key).await.unwrap();
        store.remove(&key).await.unwrap();
        assert_eq!(store.get(&key).await.unwrap(), None);
        assert!(store.create(&key, value).await.unwrap());
        assert!(store.swap(&key, Some(value), b"swapped").await.unwrap());
        assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(&b"swapped"[..]));
    }
}

async fn a_refused_write_changes_nothing(open: &Open) {
    let store = open("refused");
    assert!(store.create("a", b"1").await.unwrap());
    // Not even the same bytes are written again.
    assert!(!store.create("a", b"1").await.unwrap());
    assert!(!store.create("a", b"2").await.unwrap());
    assert!(!store.swap("a", None, b"2").await.unwrap());
    assert!(!store.swap("a", Some(b"2"), b"3").await.unwrap());
    assert!(!store.swap("a", Some(b""), b"3").await.unwrap());
    assert!(!store.swap("missing", Some(b"1"), b"2").await.unwrap());
    assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.list("").await.unwrap(), ["a"]);
}

/// Lets many tasks do something at once, with eight stores among them, and counts those that it succeeded for.
async fn winners<F>(open: &Open, place: &str, attempt: impl Fn(Arc<dyn StateStore>, usize) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(Barrier::new(RACERS));
    let stores: Vec<_> = (0..8).map(|_| open(place)).collect();
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (start, attempt) = (start.clone(), attempt(stores[racer % stores.len()].clone(), racer));
            tokio::spawn(async move {
                start.wait().await;
                attempt.await
            })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += usize::from(racer.await.unwrap());
    }
    won
}

async fn of_64_creators_exactly_one_creates(open: &Open) {
    for round in 0..2 {
        let key = format!("created-{round}");
        let create = |store: Arc<dyn StateStore>, racer: usize| {
            let key = key.clone();
            async move { store.create(&key, format!("racer {racer}").as_bytes()).await.unwrap() }
        };
        assert_eq!(winners(open, "create", create).await, 1, "round {round}");
    }
}

async fn of_64_swappers_exactly_one_swaps(open: &Open) {
    let store = open("swap");
    store.put("record", b"round 0").await.unwrap();
    for round in 0..2 {
        let swap = |store: Arc<dyn StateStore>, racer: usize| async move {
            let expected = store.get("record").await.unwrap().unwrap();
            let begins_the_round = expected == format!("round {round}").into_bytes();
            let mine = format!("{racer} won {round}");
            begins_the_round && store.swap("record", Some(&expected), mine.as_bytes()).await.unwrap()
        };
        assert_eq!(winners(open, "swap", swap).await, 1, "round {round}");
        let left = store.get("record").await.unwrap().unwrap();
        assert!(String::from_utf8(left).unwrap().ends_with(&format!(" won {round}")));
        store.put("record", format!("round {}", round + 1).as_bytes()).await.unwrap();
    }
}

async fn a_log_keeps_the_order_of_its_lines(open: &Open) {
    let key = "journal/run-1.jsonl";
    let mut whole = String::new();
    for process in 0..3 {
        let store = open("log");
        for line in 0..12 {
            // The same line twice is two lines.
            let line = format!("{process} {}\n", line / 2);
            store.append(key, line.as_bytes()).await.unwrap();
            whole.push_str(&line);
        }
    }
    let store = open("log");
    assert_eq!(String::from_utf8(store.get(key).await.unwrap().unwrap()).unwrap(), whole);
    store.append("journal/run-2.jsonl", b"x\n").await.unwrap();
    store.put("journal.json", b"{}").await.unwrap();
    assert_eq!(store.list("journal/").await.unwrap(), [key, "journal/run-2.jsonl"]);
    assert_eq!(store.list("journal").await.unwrap(), ["journal.json", key, "journal/run-2.jsonl"]);
    store.remove(key).await.unwrap();
    store.remove(key).await.unwrap();
    assert_eq!(store.get(key).await.unwrap(), None);
    store.append(key, b"anew\n").await.unwrap();
    assert_eq!(store.get(key).await.unwrap().as_deref(), Some(&b"anew\n"[..]));
    assert_eq!(store.get("journal/run-2.jsonl").await.unwrap().as_deref(), Some(&b"x\n"[..]));
}

async fn places_do_not_see_each_other(open: &Open) {
    let (one, other) = (open("place"), open("place-2"));
    one.put("leases/a", b"1").await.unwrap();
    other.put("leases/b", b"2").await.unwrap();
    assert_eq!(one.list("").await.unwrap(), ["leases/a"]);
    assert_eq!(other.list("leases/").await.unwrap(), ["leases/b"]);
    assert_eq!(other.get("leases/a").await.unwrap(), None);
    for key in ["../place-2/leases/b", "/leases/a", "leases//a", "a/../b", "", "a b", ".hidden"] {
        assert!(one.get(key).await.is_err(), "{key}");
        assert!(one.put(key, b"").await.is_err(), "{key}");
    }
}

async fn a_listing_has_every_key_once_in_order(open: &Open, many: usize) {
    let store = open("many");
    let keys: Vec<String> = (0..many).map(|number| format!("sightings/{number:06}")).collect();
    let put = |key: String| {
        let store = store.clone();
        async move { store.put(&key, b"").await.unwrap() }
    };
    futures::stream::iter(keys.clone()).map(put).buffer_unordered(16).collect::<Vec<()>>().await;
    for key in ["sighting", "sightings.json", "sightingt/x"] {
        store.put(key, b"").await.unwrap();
    }
    assert!(store.list("sightings/").await.unwrap() == keys, "every key once");
    let of_a_hundred: Vec<_> = keys.iter().filter(|key| key.starts_with("sightings/0007")).cloned().collect();
    assert_eq!(store.list("sightings/0007").await.unwrap(), of_a_hundred);
    assert_eq!(store.list("").await.unwrap().len(), many + 3);
    assert_eq!(store.list("nothing/").await.unwrap(), Vec::<String>::new());
    assert_eq!(store.list("sightings/000001/").await.unwrap(), Vec::<String>::new(), "a record has nothing below it");
}

/// A clock that moves when it is told.
#[derive(Debug)]
struct Told(AtomicI64);

#[async_trait::async_trait]
impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a second of our age")
    }

    async fn sleep(&self, _: SignedDuration) {}
}

/// What a number of races came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Races {
    /// How many leases were raced for, each at one epoch.
    pub races: usize,
    /// How many attempts to take one were made.
    pub attempts: usize,
    /// How many ended with a winner; each has one at least.
    pub won: usize,
    /// How many had two: none may.
    pub double: usize,
}

/// Lets `racers` runs, each with a store of its own, race for leases: `clusters` at a time, `epochs` times each.
///
/// Of the epochs of one cluster, every other one begins with a lease that is over instead of one that was given back.
pub async fn race(open: &Open, racers: usize, clusters: usize, epochs: u64) -> Races {
    let mut told = Races::default();
    let runs = (0..clusters).map(|cluster| race_for_one(open, racers, cluster, epochs));
    for one in futures::future::join_all(runs).await {
        told.races += one.races;
        told.attempts += one.attempts;
        told.won += one.won;
        told.double += one.double;
    }
    told
}

/// One of several processes that race over the same leases: each round begins when those of the one before are over, by this
/// process's own clock, which no other waits for. Gives each lease that it won, with its epoch.
pub async fn race_as(run: &str, store: &dyn StateStore, clusters: usize, rounds: i64) -> Vec<(usize, u64)> {
    let mut won = Vec::new();
    for round in 0..rounds {
        let clock = Told(AtomicI64::new(1_795_000_000 + 631 * round));
        for number in 0..clusters {
            let cluster = ClusterUid::new(format!("cluster-{number:04}")).expect("a uid");
            match acquire(store, &clock, Terms::default(), &cluster, run, "race").await.unwrap() {
                Acquired::Held(lease) => won.push((number, lease.epoch())),
                Acquired::HeldByAnother(_) => {}
            }
        }
    }
    won
}

async fn race_for_one(open: &Open, racers: usize, number: usize, epochs: u64) -> Races {
    let cluster = ClusterUid::new(format!("cluster-{number:04}")).expect("a uid");
    let clock = Arc::new(Told(AtomicI64::new(1_795_000_000)));
    let terms = Terms::new(Duration::minutes(10), Duration::seconds(30)).expect("the usual terms");
    let stores: Vec<_> = (0..racers).map(|_| open("races")).collect();
    let mut winners: BTreeMap<u64, usize> = BTreeMap::new();
    for round in 1..=epochs {
        let start = Arc::new(Barrier::new(racers));
        let attempts = stores.iter().enumerate().map(|(racer, store)| {
            let (store, start, clock, cluster) = (store.clone(), start.clone(), clock.clone(), cluster.clone());
            tokio::spawn(async move {
                start.wait().await;
                let run = format!("run-{racer}");
                match acquire(store.as_ref(), clock.as_ref(), terms, &cluster, &run, "race").await.unwrap() {
                    Acquired::Held(lease) => Some((racer, lease)),
                    Acquired::HeldByAnother(_) => None,
                }
            })
        });
        let attempts: Vec<_> = attempts.collect();
        let mut held = Vec::new();
        for attempt in attempts {
            held.extend(attempt.await.unwrap());
        }
        for (_, lease) in &held {
            *winners.entry(lease.epoch()).or_default() += 1;
        }
        if round % 2 == 0 {
            for (racer, lease) in held {
                lease.release(stores[racer].as_ref()).await.unwrap();
            }
        } else {
            clock.0.fetch_add(631, Ordering::SeqCst);
        }
    }
    let rounds = usize::try_from(epochs).expect("not that many");
    Races {
        races: rounds,
        attempts: rounds * racers,
        won: (1..=epochs).filter(|epoch| winners.contains_key(epoch)).count(),
        double: winners.values().filter(|count| **count > 1).count(),
    }
}
