//! A longer retention keeps a superset (INVARIANTS.md 13): each rule by itself, and all of them together.

use super::properties::cases;
use crate::support::history::{now, wanted};
use crate::support::lab::{SYSTEM, UPGRADED};
use backstay_core::model::Retention;
use backstay_core::retention::{Candidate, CurrentSystem, Verdict, judge};
use backstay_core::tags::{PointClass, PointKey};
use backstay_core::time::Duration;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn candidate() -> impl Strategy<Value = Candidate> {
    let class = prop_oneof![
        6 => Just(PointClass::Scheduled),
        3 => Just(PointClass::OnDemand),
        1 => Just(PointClass::Safety)
    ];
    let hours_ago = prop_oneof![3 => -3..60i64, 2 => 0..600i64, 1 => 0..20_000i64];
    let late = prop_oneof![6 => Just(0i64), 1 => 0..200i64];
    (hours_ago, late, class, 0..4u8, 0..8u8, 1..3u32).prop_map(|(hours_ago, late, class, system, held, attempt)| {
        let cut = now() - SignedDuration::from_hours(hours_ago);
        let slot = Timestamp::from_second(cut.as_second()).unwrap();
        Candidate {
            key: PointKey { slot, attempt },
            class,
            cut,
            created: cut + SignedDuration::from_hours(late),
            system: if system == 0 { None } else { Some(if system == 1 { UPGRADED } else { SYSTEM }) },
            is_held: held == 0,
        }
    })
}

/// Points of which no two are the same attempt.
fn candidates(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Candidate>> {
    proptest::collection::vec(candidate(), count).prop_map(|mut points| {
        let mut seen = BTreeSet::new();
        points.retain(|point| seen.insert((point.key, point.class)));
        points
    })
}

type Kept = BTreeSet<(PointKey, PointClass, Timestamp, Timestamp)>;

fn kept(points: &[Candidate], retention: &Retention, current: CurrentSystem) -> Kept {
    judge(points.iter().copied(), retention, current, now())
        .into_iter()
        .filter(|judgement| matches!(judgement.verdict, Verdict::Keep(_)))
        .map(|judgement| (judgement.point.key, judgement.point.class, judgement.point.cut, judgement.point.created))
        .collect()
}

/// Each way of making a retention longer.
fn longer(retention: &Retention, by: u32) -> Vec<(&'static str, Retention)> {
    let with = |name, change: &dyn Fn(&mut Retention)| {
        let mut longer = retention.clone();
        change(&mut longer);
        (name, longer)
    };
    let window = |r: &mut Retention| {
        r.recovery_window =
            Some(Duration::hours(r.recovery_window.map_or(0, Duration::as_seconds) / 3600 + u64::from(by)));
    };
    let mut all = vec![
        with("recoveryWindow", &window),
        with("last", &|r| r.keep.last += by),
        with("hourly", &|r| r.keep.hourly += by),
        with("daily", &|r| r.keep.daily += by),
        with("weekly", &|r| r.keep.weekly += by),
        with("monthly", &|r| r.keep.monthly += by),
        with("yearly", &|r| r.keep.yearly += by),
        with("minimumRedundancy", &|r| r.minimum_redundancy += by),
        with("onDemand", &|r| r.on_demand_max = Some(r.on_demand_max.unwrap_or(0) + by)),
    ];
    all.push(with("all", &|r| {
        window(r);
        let keep = &mut r.keep;
        for count in
            [&mut keep.last, &mut keep.hourly, &mut keep.daily, &mut keep.weekly, &mut keep.monthly, &mut keep.yearly]
        {
            *count += by;
        }
        r.minimum_redundancy += by;
        r.on_demand_max = Some(r.on_demand_max.unwrap_or(0) + by);
    }));
    all
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_longer_retention_keeps_a_superset(
        points in candidates(0..24), wanted in wanted(), by in 1..5u32, is_known in any::<bool>(),
    ) {
        let current = if is_known { CurrentSystem::Known(SYSTEM) } else { CurrentSystem::NewestPoints };
        let retention = wanted.retention();
        let before = kept(&points, &retention, current);
        for (name, longer) in longer(&retention, by) {
            prop_assert!(before.is_subset(&kept(&points, &longer, current)), "a longer {name} keeps less");
        }
    }

    #[test]
    fn a_hold_only_ever_keeps_more(points in candidates(1..24), wanted in wanted(), which in any::<prop::sample::Index>()) {
        let retention = wanted.retention();
        let current = CurrentSystem::Known(SYSTEM);
        let mut held = points.clone();
        held[which.index(points.len())].is_held = true;
        // A hold on the newer of two points of one slot may bring the older one back, never the other way round.
        prop_assert!(kept(&points, &retention, current).is_subset(&kept(&held, &retention, current)));
    }

    #[test]
    fn what_is_dated_in_the_future_changes_no_other_verdict(
        points in candidates(0..24), garbage in candidates(1..6), wanted in wanted(),
    ) {
        let retention = wanted.retention();
        let current = CurrentSystem::NewestPoints;
        let mut with = points.clone();
        with.extend(garbage.into_iter().map(|point| Candidate { created: now() + SignedDuration::from_hours(1), ..point }));
        prop_assert!(kept(&points, &retention, current).is_subset(&kept(&with, &retention, current)));
        prop_assert!(kept(&with, &retention, current).len() - kept(&points, &retention, current).len() <= with.len() - points.len());
    }

    #[test]
    fn the_order_of_points_never_matters(points in candidates(0..16).prop_flat_map(|points| (Just(points.clone()), Just(points).prop_shuffle())), wanted in wanted()) {
        let (one, other) = points;
        let retention = wanted.retention();
        prop_assert_eq!(kept(&one, &retention, CurrentSystem::NewestPoints), kept(&other, &retention, CurrentSystem::NewestPoints));
    }
}
