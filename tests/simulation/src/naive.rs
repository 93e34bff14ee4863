//! Retention by INVARIANTS.md's and DESIGN.md's words, as plainly as it can be said; it shares nothing with the engine.

use crate::town::{Policy, Retention};
use crate::world::{Point, PointName};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// How far a clock may be off before an instant is in the future.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

pub(crate) fn hours(count: u64) -> SignedDuration {
    SignedDuration::from_hours(i64::try_from(count).expect("a few hours"))
}

fn many(count: u64) -> usize {
    usize::try_from(count).expect("a small number")
}

/// The points of one place that may not go from it now.
pub(crate) fn kept(points: &[Point], rules: &Retention, system: &str, now: Timestamp) -> BTreeSet<PointName> {
    let judged = |point: &&Point| is_judged(point, now);
    let mut kept: BTreeSet<PointName> = points.iter().filter(|p| !judged(p)).map(|p| p.name.clone()).collect();
    let mut newest_first: Vec<&Point> = points.iter().filter(judged).collect();
    newest_first.sort_by_key(|point| std::cmp::Reverse((point.cut, &point.slot, &point.name)));
    // 8: one of a slot is enough, the newest one.
    let mut slots = BTreeSet::new();
    newest_first.retain(|point| slots.insert((&point.slot, &point.system)));
    let mut keep = |points: &mut dyn Iterator<Item = &&Point>| kept.extend(points.map(|point| point.name.clone()));
    if rules.window_hours > 0 {
        let start = now - hours(rules.window_hours);
        keep(&mut newest_first.iter().filter(|point| point.youngest >= start));
        keep(&mut newest_first.iter().filter(|point| point.youngest < start).take(1));
    }
    keep(&mut newest_first.iter().take(many(rules.last)));
    let day = |point: &Point| -> Date { jiff::tz::Offset::UTC.to_datetime(point.cut).date() };
    let days: BTreeSet<Date> = newest_first.iter().map(|point| day(point)).collect();
    for wanted in days.into_iter().rev().take(many(rules.daily)) {
        keep(&mut newest_first.iter().filter(|point| day(point) == wanted).take(1));
    }
    keep(&mut newest_first.iter().filter(|p| p.system == system).take(many(rules.minimum_redundancy.max(1))));
    keep(&mut newest_first.iter().take(1));
    kept
}

/// What is held, and what is dated in the future, lives whatever the rules say, and takes no other point's place.
fn is_judged(point: &Point, now: Timestamp) -> bool {
    !point.is_held && point.youngest <= now + TOLERANCE
}

/// How long a retired cluster's points live: the longest time that any rule would have spanned.
pub(crate) fn span(policy: &Policy, rules: &Retention) -> SignedDuration {
    let every = policy.every_hours;
    let spans = [rules.window_hours, rules.last * every, rules.daily * 24, rules.minimum_redundancy * every];
    hours(spans.into_iter().max().expect("four of them"))
}
