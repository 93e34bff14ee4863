use crate::support::*;
use backstay_core::capabilities::CallClass;
use backstay_sim::{Call, Cloud, Profile, Settings, SimErrorKind};
use jiff::SignedDuration;

fn counting(profile: Profile) -> Cloud {
    Cloud::new(profile, world(), Settings { seed: 7, enforces_budgets: true, ..Settings::default() })
}

/// How many calls in a row are answered, and how long the next one is told to wait.
fn burst(cloud: &mut Cloud, seconds: i64, call: &Call) -> (usize, SignedDuration) {
    for number in 0.. {
        if let Err(error) = cloud.handle(at(seconds), call.clone()) {
            match error.kind {
                SimErrorKind::Throttled { after: Some(after) } => return (number, after),
                SimErrorKind::NotFound => {}
                other => panic!("{other:?}: {error}"),
            }
        }
        assert!(number < 100_000, "no budget holds");
    }
    unreachable!("the numbers do not end")
}

fn list() -> Call {
    Call::ListInstances { page: None }
}

#[test]
fn a_bucket_gives_its_capacity_at_once_and_refills_all_the_time() {
    let mut cloud = counting(Profile::aws());
    assert_eq!(burst(&mut cloud, 0, &list()), (100, SignedDuration::from_millis(50)));
    assert_eq!(burst(&mut cloud, 1, &list()).0, 20, "a second's refill");
    assert_eq!(burst(&mut cloud, 1000, &list()).0, 100, "never more than it holds");
}

#[test]
fn a_window_gives_nothing_more_until_the_next_minute_begins() {
    let mut cloud = counting(Profile::alibaba());
    assert_eq!(burst(&mut cloud, 15, &list()), (500, SignedDuration::from_secs(45)));
    assert_eq!(burst(&mut cloud, 59, &list()), (0, SignedDuration::from_secs(1)));
    assert_eq!(burst(&mut cloud, 60, &list()).0, 500);
}

#[test]
fn azures_lists_are_dear_and_share_what_arm_reads() {
    let mut cloud = counting(Profile::azure());
    assert_eq!(burst(&mut cloud, 0, &list()), (240, SignedDuration::from_secs(180)), "HighCostGet3Min");
    let describe = Call::DescribeSnapshot { id: backstay_core::name::SnapshotId::new("none").unwrap() };
    assert_eq!(
        burst(&mut cloud, 0, &describe),
        (10, SignedDuration::from_millis(40)),
        "what is left of ARM's 250 reads"
    );
}

#[test]
fn a_call_has_its_own_budget_and_a_throttled_one_costs_nothing() {
    let mut cloud = counting(Profile::aws());
    burst(&mut cloud, 0, &list());
    make(&mut cloud, 0, "vol-data", "a");
    for _ in 0..50 {
        cloud.handle(at(0), list()).unwrap_err();
    }
    assert_eq!(burst(&mut cloud, 1, &list()).0, 20);
}

#[test]
fn budgets_hold_only_where_the_site_declares_it() {
    let mut cloud = cloud();
    for _ in 0..2000 {
        cloud.handle(at(0), list()).unwrap();
    }
}

#[test]
fn a_refused_call_says_which_budget_is_used_up() {
    let mut cloud = counting(Profile::gcp());
    burst(&mut cloud, 0, &list());
    let error = cloud.handle(at(0), list()).unwrap_err();
    assert_eq!(error.to_string(), "rateLimitExceeded: the budget `list requests` is used up");
    assert_eq!(list().class(), Some(CallClass::List));
}
