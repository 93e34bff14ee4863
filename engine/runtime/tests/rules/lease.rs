//! Mutual exclusion between runs.

use crate::support::{VirtualClock, now};
use backstay_core::name::ClusterUid;
use backstay_runtime::file_store::FileStore;
use backstay_runtime::lease::{Acquired, Epochs, Lease, LeaseRecord, acquire};
use backstay_runtime::seams::{StateStore as _, StoreError};
use tempfile::TempDir;

struct Place {
    _directory: TempDir,
    store: FileStore,
    clock: VirtualClock,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { store: FileStore::new(directory.path()), _directory: directory, clock: VirtualClock::noon() }
    }

    fn acquire(&self, run: &str) -> Acquired {
        now(acquire(&self.store, &self.clock, &cluster(), run, "apply")).unwrap()
    }

    fn hold(&self, run: &str) -> Lease {
        match self.acquire(run) {
            Acquired::Held(lease) => lease,
            Acquired::HeldByAnother(record) => panic!("{record:?}"),
        }
    }

    fn holder(&self, run: &str) -> String {
        match self.acquire(run) {
            Acquired::Held(lease) => panic!("{lease:?}"),
            Acquired::HeldByAnother(record) => record.holder.unwrap(),
        }
    }

    fn guard(&self, lease: &mut Lease) -> Result<(), StoreError> {
        now(lease.guard(&self.store, &self.clock))
    }

    fn record(&self) -> LeaseRecord {
        serde_json::from_slice(&now(self.store.get("leases/orders-0001")).unwrap().unwrap()).unwrap()
    }
}

fn cluster() -> ClusterUid {
    ClusterUid::new("orders-0001").unwrap()
}

#[test]
fn of_two_runs_one_holds_the_lease_until_it_gives_it_back() {
    let place = Place::new();
    let first = place.hold("a");
    assert_eq!(place.holder("b"), "a");
    // Not even the same run takes it twice.
    assert_eq!(place.holder("a"), "a");
    now(first.release(&place.store)).unwrap();
    let second = place.hold("b");
    assert_eq!(second.epoch(), 2);
    assert_eq!(place.holder("a"), "b");
}

#[test]
fn of_eight_runs_at_once_one_wins_and_each_takeover_raises_the_epoch() {
    let place = Place::new();
    for round in 1..=10 {
        let won = std::thread::scope(|scope| {
            let place = &place;
            let runs: Vec<_> = (0..8).map(|i| scope.spawn(move || place.acquire(&i.to_string()))).collect();
            let held = |run: std::thread::ScopedJoinHandle<'_, Acquired>| match run.join().unwrap() {
                Acquired::Held(lease) => Some(lease.epoch()),
                Acquired::HeldByAnother(_) => None,
            };
            runs.into_iter().filter_map(held).collect::<Vec<_>>()
        });
        assert_eq!(won, [round]);
        place.clock.advance(601);
    }
}

/// Bug of others 16: a timeout compared seconds with milliseconds.
#[test]
fn a_lease_lasts_its_ten_minutes_to_the_end() {
    let place = Place::new();
    place.hold("a");
    place.clock.advance(600);
    assert_eq!(place.holder("b"), "a");
    place.clock.advance(1);
    assert_eq!(place.hold("b").epoch(), 2);
}

#[test]
fn a_lease_is_renewed_in_its_second_half_only() {
    let place = Place::new();
    let mut lease = place.hold("a");
    let first = place.record();
    place.clock.advance(299);
    place.guard(&mut lease).unwrap();
    assert_eq!(place.record(), first);
    place.clock.advance(1);
    place.guard(&mut lease).unwrap();
    let renewed = place.record();
    assert_eq!(renewed.deadline.duration_since(first.deadline).as_secs(), 300);
    assert_eq!(LeaseRecord { deadline: first.deadline, ..renewed }, first);
    place.clock.advance(500);
    assert_eq!(place.holder("b"), "a");
}

#[test]
fn a_run_whose_lease_was_taken_sends_nothing_more_and_leaves_it_to_the_other() {
    let place = Place::new();
    let mut first = place.hold("a");
    place.clock.advance(601);
    let mut second = place.hold("b");
    let told = place.guard(&mut first).unwrap_err().to_string();
    assert_eq!(told, "the lease leases/orders-0001 was lost at epoch 1: another run took it");
    now(first.release(&place.store)).unwrap();
    assert_eq!(place.record().holder.as_deref(), Some("b"));
    place.guard(&mut second).unwrap();
}

#[test]
fn a_lease_that_another_run_had_for_a_moment_is_lost_too() {
    let place = Place::new();
    let mut first = place.hold("a");
    place.clock.advance(601);
    now(place.hold("b").release(&place.store)).unwrap();
    assert!(place.guard(&mut first).is_err());
}

#[test]
fn one_call_that_outlasts_the_term_does_not_lose_a_lease_that_nobody_took() {
    let place = Place::new();
    let mut lease = place.hold("a");
    place.clock.advance(3_600);
    place.guard(&mut lease).unwrap();
    assert_eq!(place.holder("b"), "a");
    assert_eq!(place.record().epoch, 1);
}

#[test]
fn a_renewal_that_took_longer_than_the_term_has_renewed_nothing() {
    let place = Place::new();
    let mut lease = place.hold("a");
    place.clock.advance(400);
    let slow = Slow(place.store.clone(), place.clock.clone());
    let told = now(lease.guard(&slow, &place.clock)).unwrap_err().to_string();
    assert!(told.ends_with("its renewal took too long"), "{told}");
}

/// A store whose swaps take as long as a lease less half a margin.
struct Slow(FileStore, VirtualClock);

#[async_trait::async_trait]
impl backstay_runtime::seams::StateStore for Slow {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }
    async fn create(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        self.0.create(key, value).await
    }
    async fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.put(key, value).await
    }
    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: &[u8]) -> Result<bool, StoreError> {
        let done = self.0.swap(key, expected, value).await;
        self.1.advance(585);
        done
    }
    async fn append(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.append(key, value).await
    }
    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.0.remove(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.0.list(prefix).await
    }
}

#[test]
fn the_epoch_stays_when_a_lease_is_given_back() {
    let place = Place::new();
    for epoch in 1..=3 {
        let lease = place.hold("a");
        assert_eq!(lease.epoch(), epoch);
        now(lease.release(&place.store)).unwrap();
        let record = place.record();
        assert_eq!((record.epoch, record.holder), (epoch, None));
    }
}

#[test]
fn a_damaged_lease_is_an_error_that_names_it_and_is_not_taken_over() {
    let place = Place::new();
    now(place.store.put("leases/orders-0001", b"{")).unwrap();
    let told = now(acquire(&place.store, &place.clock, &cluster(), "a", "apply")).unwrap_err().to_string();
    assert!(told.starts_with("state record leases/orders-0001 is damaged: "), "{told}");
    assert_eq!(now(place.store.get("leases/orders-0001")).unwrap().unwrap(), b"{");
}

#[test]
fn whoever_held_a_lease_since_the_look_shows_in_its_epoch() {
    let place = Place::new();
    let look = || now(Epochs::read(&place.store)).unwrap();
    let (nothing, first) = (look(), place.hold("a"));
    assert!(nothing.is_next(&first));
    let while_held = look();
    now(first.release(&place.store)).unwrap();
    let after = look();
    let second = place.hold("b");
    assert!(after.is_next(&second));
    assert!(!while_held.is_next(&second), "it was held when we looked: work may have ended since");
    assert!(!nothing.is_next(&second));
    now(second.release(&place.store)).unwrap();
    let third = place.hold("c");
    assert!(!after.is_next(&third));
}
