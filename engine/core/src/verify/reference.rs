//! Retention once more, rule by rule, each by its own definition.

use super::points::{Rank, Whole};
use crate::model::Retention;
use crate::name::SystemId;
use crate::tags::PointClass;
use crate::time::Duration;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The points that may not go.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeSet<Rank>);

impl Kept {
    pub(super) fn has(&self, point: &Whole<'_>) -> bool {
        self.0.contains(&point.rank())
    }

    /// What of it fits.
    pub(super) fn only(mut self, fits: impl Fn(&Rank) -> bool) -> Self {
        self.0.retain(fits);
        self
    }

    /// What one of two keeps.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

/// Whether a point is dated in the future, by its seal or by the provider.
pub(super) fn is_from_the_future(point: &Whole<'_>, now: Timestamp) -> bool {
    point.cut.max(point.created).duration_since(now) > SignedDuration::from_mins(5)
}

/// Whether a class is retention's: a safety or drill point is whoever's made it.
pub(super) fn is_of_retention(class: PointClass) -> bool {
    class == PointClass::Scheduled || class == PointClass::OnDemand
}

/// Whether retention has a say: by its class, and unless it is dated in the future.
pub(super) fn is_judged(point: &Whole<'_>, now: Timestamp) -> bool {
    is_of_retention(point.class) && !is_from_the_future(point, now)
}

/// The points that take part in any count, newest first: of several scheduled ones of one slot and system, the newest.
pub(super) fn counted<'p, 'a>(points: &[&'p Whole<'a>], now: Timestamp) -> Vec<&'p Whole<'a>> {
    let mut counted: Vec<&Whole<'_>> = Vec::with_capacity(points.len());
    counted.extend(points.iter().copied().filter(|point| is_judged(point, now)));
    counted.sort_by_key(|point| Reverse(point.rank()));
    let slot_of = |point: &Whole<'_>| {
        let may_double = point.class == PointClass::Scheduled && !point.held;
        may_double.then_some((point.key.slot, point.system))
    };
    let mut slots: Vec<_> = counted.iter().filter_map(|point| slot_of(point)).collect();
    slots.sort_unstable();
    // Hardly ever are there any.
    if slots.windows(2).any(|two| two[0] == two[1]) {
        let mut slots = BTreeSet::new();
        counted.retain(|point| slot_of(point).is_none_or(|slot| slots.insert(slot)));
    }
    counted
}

/// The system that floors count: the known one, or that of the newest point.
pub(super) fn floor_system(counted: &[&Whole<'_>], known: Option<SystemId>) -> Option<SystemId> {
    known.or_else(|| counted.first().and_then(|point| point.system))
}

/// What nobody's rules let go: what is held, of another class, or dated in the future.
fn untouchable<'p>(points: &[&'p Whole<'_>], now: Timestamp) -> impl Iterator<Item = Rank> + use<'p> {
    let of_nobody: Vec<Rank> =
        points.iter().filter(|point| point.held || !is_judged(point, now)).map(|point| point.rank()).collect();
    of_nobody.into_iter()
}

/// What a retention keeps of these points.
pub(super) fn kept(points: &[&Whole<'_>], r: &Retention, known: Option<SystemId>, now: Timestamp) -> Kept {
    let counted = counted(points, now);
    let system = floor_system(&counted, known);
    // A held point takes no other point's place.
    let judged: Vec<&Whole<'_>> = counted.into_iter().filter(|point| !point.held).collect();
    let mut is_kept = vec![false; judged.len()];
    let mut keep = |rule: &mut dyn FnMut(usize, &Whole<'_>) -> bool| {
        for ((newer, point), is_kept) in judged.iter().enumerate().zip(&mut is_kept) {
            *is_kept |= rule(newer, point);
        }
    };
    let fewer_than = |limit: u32, count: usize| u32::try_from(count).is_ok_and(|count| count < limit);
    // The newest of all, and the newest `last`.
    keep(&mut |newer, _| newer == 0 || fewer_than(r.keep.last, newer));
    if let Some(window) = r.recovery_window {
        let start = window.before(now);
        let mut all_newer_are_inside = true;
        keep(&mut |_, point| {
            let is_inside = point.cut.max(point.created) >= start;
            let is_base = all_newer_are_inside;
            all_newer_are_inside &= is_inside;
            is_inside || is_base
        });
    }
    for (count, bucket_of) in buckets(r) {
        let mut newer_buckets = BTreeSet::new();
        keep(&mut |_, point| {
            let has_room = fewer_than(count, newer_buckets.len());
            has_room && newer_buckets.insert(bucket_of(r.zone.to_datetime(point.cut)))
        });
    }
    let mut peers = 0;
    keep(&mut |_, point| {
        let is_peer = point.system == system;
        peers += usize::from(is_peer);
        is_peer && fewer_than(r.minimum_redundancy.max(1), peers - 1)
    });
    let mut on_demand = 0;
    keep(&mut |_, point| {
        let is_one = point.class == PointClass::OnDemand;
        on_demand += usize::from(is_one);
        is_one && fewer_than(r.on_demand_max.unwrap_or(0), on_demand - 1)
    });
    let living = judged.iter().zip(&is_kept).filter(|(_, is_kept)| **is_kept).map(|(point, _)| point.rank());
    Kept(untouchable(points, now).chain(living).collect())
}

/// A bucket's name: which of the fields of a date and an hour it has in common.
type Bucket = (i16, i16, i16);
/// A rule that counts buckets: how many of them, and in which one a time of the wall clock is.
type CountsBuckets = (u32, fn(DateTime) -> Bucket);

fn buckets(r: &Retention) -> [CountsBuckets; 5] {
    [
        (r.keep.hourly, |at| (at.year(), at.day_of_year(), i16::from(at.hour()))),
        (r.keep.daily, |at| (at.year(), i16::from(at.month()), i16::from(at.day()))),
        (r.keep.weekly, |at| (at.date().iso_week_date().year(), i16::from(at.date().iso_week_date().week()), 0)),
        (r.keep.monthly, |at| (at.year(), i16::from(at.month()), 0)),
        (r.keep.yearly, |at| (at.year(), 0, 0)),
    ]
}

/// What a retired cluster's retention keeps: what is not older than the longest of its spans, to the last one.
pub(super) fn kept_of_retired(points: &[&Whole<'_>], span: SignedDuration, now: Timestamp) -> Kept {
    let start = now.checked_sub(span).unwrap_or(Timestamp::MIN);
    let young = counted(points, now).into_iter().filter(|point| point.cut.max(point.created) >= start);
    Kept(young.map(Whole::rank).chain(untouchable(points, now)).collect())
}

/// The longest time that any rule would have spanned, had the schedule gone on (docs/decisions/0006).
pub(super) fn longest_span(r: &Retention, longest_gap: Duration) -> SignedDuration {
    let of = |count: u32, seconds: i64| SignedDuration::from_secs(i64::from(count).saturating_mul(seconds));
    let (hour, day, gap) = (3600, 86_400, longest_gap.signed().as_secs());
    let spans = [
        r.recovery_window.map_or(SignedDuration::ZERO, Duration::signed),
        of(r.keep.last, gap),
        of(r.minimum_redundancy.max(1), gap),
        of(r.keep.hourly, hour),
        of(r.keep.daily, day),
        of(r.keep.weekly, 7 * day),
        of(r.keep.monthly, 31 * day),
        of(r.keep.yearly, 366 * day),
    ];
    spans.into_iter().max().unwrap_or(SignedDuration::MAX)
}
