//! Mutual exclusion between runs.

use crate::support::{VirtualClock, now};
use backstay_core::name::ClusterUid;
use backstay_core::time::Duration;
use backstay_runtime::file_store::FileStore;
use backstay_runtime::lease::{Acquired, Epochs, Lease, LeaseRecord, Terms, acquire};
use backstay_runtime::seams::{Clock as _, StateStore as _, StoreError};
use jiff::SignedDuration;
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
        now(acquire(&self.store, &self.clock, Terms::default(), &cluster(), run, "apply")).unwrap()
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
        place.clock.advance(631);
    }
}

/// Bug of others 16: a timeout compared seconds with milliseconds.
#[test]
fn a_lease_lasts_its_ten_minutes_and_the_margin_to_the_end() {
    let place = Place::new();
    place.hold("a");
    place.clock.advance(630);
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
    assert_eq!(LeaseRecord { deadline: first.deadline, turn: 1, ..renewed }, first);
    place.clock.advance(500);
    assert_eq!(place.holder("b"), "a");
}

#[test]
fn a_run_whose_lease_was_taken_sends_nothing_more_and_leaves_it_to_the_other() {
    let place = Place::new();
    let mut first = place.hold("a");
    place.clock.advance(631);
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
    place.clock.advance(631);
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
    let told =
        now(acquire(&place.store, &place.clock, Terms::default(), &cluster(), "a", "apply")).unwrap_err().to_string();
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

#[test]
fn no_call_passes_the_fence_within_the_margin_before_the_deadline_and_all_its_clones_follow_a_renewal() {
    let place = Place::new();
    let mut lease = place.hold("a");
    let (fence, other) = (lease.fence(), lease.fence());
    place.clock.advance(570);
    fence.check(place.clock.now()).unwrap();
    place.clock.advance(1);
    let told = fence.check(place.clock.now()).unwrap_err().to_string();
    assert_eq!(told, "the lease leases/orders-0001 was lost at epoch 1: its time is over");
    place.guard(&mut lease).unwrap();
    fence.check(place.clock.now()).unwrap();
    place.clock.advance(570);
    other.check(place.clock.now()).unwrap();
    place.clock.advance(1);
    other.check(place.clock.now()).unwrap_err();
}

#[test]
fn a_fence_is_closed_for_good_when_the_lease_is_given_back_or_found_lost() {
    let place = Place::new();
    let lease = place.hold("a");
    let fence = lease.fence();
    now(lease.release(&place.store)).unwrap();
    let told = fence.check(place.clock.now()).unwrap_err().to_string();
    assert_eq!(told, "the lease leases/orders-0001 was lost at epoch 1: it is not held any more");
    let mut second = place.hold("b");
    let fence = second.fence();
    place.clock.advance(631);
    place.hold("c");
    place.guard(&mut second).unwrap_err();
    place.clock.advance(-631);
    fence.check(place.clock.now()).unwrap_err();
}

#[test]
fn clocks_that_differ_by_less_than_two_margins_never_let_two_runs_send_at_once() {
    let place = Place::new();
    let fence = place.hold("a").fence();
    // The contender's clock is fast: the holder's shows a minute less.
    for fast in [0, 30, 60] {
        place.clock.advance(631);
        let (theirs, ours) = (place.clock.now(), place.clock.now() - SignedDuration::from_secs(fast));
        let is_sent = fence.check(ours).is_ok();
        place.clock.advance(-631);
        assert!(!is_sent, "{theirs}: it may be taken, and {ours}: it is still used");
    }
}

#[test]
fn no_two_writes_of_a_lease_are_alike() {
    let place = Place::new();
    let mut turns = Vec::new();
    for _ in 0..2 {
        let mut lease = place.hold("a");
        turns.push(place.record().turn);
        place.clock.advance(300);
        place.guard(&mut lease).unwrap();
        turns.push(place.record().turn);
        now(lease.release(&place.store)).unwrap();
        turns.push(place.record().turn);
    }
    assert_eq!(turns, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_record_of_before_turns_and_margins_is_read() {
    let old = r#"{"deadline":"2026-11-23T12:10:00Z","epoch":7,"holder":"a","purpose":"apply"}"#;
    let place = Place::new();
    now(place.store.put("leases/orders-0001", old.as_bytes())).unwrap();
    assert_eq!(place.holder("b"), "a");
    place.clock.advance(631);
    assert_eq!(place.hold("b").epoch(), 8);
}

#[test]
fn a_margin_is_shorter_than_half_of_the_term() {
    let terms = |term, margin| Terms::new(Duration::seconds(term), Duration::seconds(margin));
    assert_eq!(terms(600, 30), Some(Terms::default()));
    assert!(terms(4, 1).is_some());
    assert_eq!((terms(4, 2), terms(0, 0), terms(1, 1)), (None, None, None));
}
