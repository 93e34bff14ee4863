//! Which points live: each rule on its own, judged by the sealed cut.

use crate::model::Retention;
use crate::name::SystemId;
use crate::point::RecoveryPoint;
use crate::tags::{PointClass, PointKey};
use crate::time::Duration;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;

/// A restorable point, as retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which point.
    pub key: PointKey,
    /// Why it was made.
    pub class: PointClass,
    /// Its sealed cut.
    pub cut: Timestamp,
    /// Its latest creation time by the provider.
    pub created: Timestamp,
    /// Its system identifier.
    pub system: Option<SystemId>,
    /// Whether a hold is on it.
    pub is_held: bool,
}

impl Candidate {
    /// A point as retention sees it.
    #[must_use]
    pub fn of(point: &RecoveryPoint<'_>, is_held: bool) -> Self {
        Self {
            key: point.key,
            class: point.class,
            cut: point.cut,
            created: point.created,
            system: point.system,
            is_held,
        }
    }

    /// The later of cut and creation: neither a wrong seal nor a wrong clock makes a point older (INVARIANTS.md 14).
    fn youngest(&self) -> Timestamp {
        self.cut.max(self.created)
    }
}

/// Why a point lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepReason {
    /// A hold is on it.
    Hold,
    /// Its class is not retention's to judge.
    Class,
    /// It is dated in the future: never trusted, never counted, never expired.
    Future,
    /// Not older than the recovery window.
    Window,
    /// The newest one older than the window: the window's first instants need it.
    WindowBase,
    /// Among the newest `last`.
    Last,
    /// The newest of one of the last hours.
    Hourly,
    /// The newest of one of the last days.
    Daily,
    /// The newest of one of the last ISO weeks.
    Weekly,
    /// The newest of one of the last months.
    Monthly,
    /// The newest of one of the last years.
    Yearly,
    /// Among the newest `minimumRedundancy` of the current system identifier, or the newest of all.
    Redundancy,
    /// Among the newest on-demand points.
    OnDemand,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hold => "held",
            Self::Class => "not judged",
            Self::Future => "dated in the future",
            Self::Window => "recoveryWindow",
            Self::WindowBase => "base of recoveryWindow",
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Redundancy => "minimumRedundancy",
            Self::OnDemand => "onDemand",
        })
    }
}

/// How many reasons there are at most: each once.
const MOST: usize = 13;

/// Reasons to keep, each once, in the order in which they were added. There are many of these, so each is in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepReasons {
    /// Those beyond `count` are the first of all, so that equal ones are equal.
    all: [KeepReason; MOST],
    count: u8,
}

impl KeepReasons {
    /// No reason yet.
    pub(crate) const NONE: Self = Self { all: [KeepReason::Hold; MOST], count: 0 };

    /// Adds a reason, if it is not there.
    pub(crate) fn add(&mut self, reason: KeepReason) {
        let count = usize::from(self.count);
        if !self.as_slice().contains(&reason)
            && let Some(place) = self.all.get_mut(count)
        {
            *place = reason;
            self.count += 1;
        }
    }

    /// The reasons; in a [`Verdict`] never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[KeepReason] {
        &self.all[..usize::from(self.count)]
    }
}

/// Whether a point lives, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It lives.
    Keep(KeepReasons),
    /// No rule keeps it.
    Expire,
}

/// A point with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The point.
    pub point: Candidate,
    /// Whether it lives.
    pub verdict: Verdict,
    /// Whether it counts for `minimumRedundancy`: judged, not from the future, of the current system identifier.
    pub stands_for_floor: bool,
}

/// Which system identifier is the cluster's current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentSystem {
    /// The servers told.
    Known(SystemId),
    /// Nothing at the site could tell: the newest point's own stands for it.
    NewestPoints,
}

/// How far a clock may be off before an instant counts as being in the future.
pub const TOLERANCE: Duration = Duration::minutes(5);

/// Judges every restorable point once, newest first. The order of the input does not matter.
#[must_use]
pub fn judge(
    points: impl IntoIterator<Item = Candidate>,
    retention: &Retention,
    current: CurrentSystem,
    now: Timestamp,
) -> Vec<Judgement> {
    let mut points: Vec<Candidate> = points.into_iter().collect();
    points.sort_by_key(|point| Reverse((point.cut, point.key, point.class)));
    let mut budget = Budget::new(&points, retention, current, now);
    points
        .into_iter()
        .map(|point| {
            let is_duplicate = budget.is_duplicate(&point);
            let reasons = if is_duplicate { KeepReasons::NONE } else { budget.reasons(&point) };
            let verdict = if reasons == KeepReasons::NONE { Verdict::Expire } else { Verdict::Keep(reasons) };
            let stands_for_floor = counts(&point, now) && !is_duplicate && point.system == budget.current;
            Judgement { point, verdict, stands_for_floor }
        })
        .collect()
}

/// What each rule still has to give, while points pass newest first.
struct Budget<'a> {
    retention: &'a Retention,
    now: Timestamp,
    window_start: Option<Timestamp>,
    window_base_is_open: bool,
    last: u32,
    buckets: [(KeepReason, u32, BucketOf, Met<BucketId>); 5],
    slots: Met<(Timestamp, Option<SystemId>)>,
    redundancy: u32,
    newest_is_open: bool,
    current: Option<SystemId>,
    on_demand: u32,
}

type BucketId = (i32, i16, i16);
type BucketOf = fn(Timestamp, &TimeZone) -> BucketId;

/// What was met already, the greatest first: points pass newest first, so that almost all of it comes in this order.
struct Met<T>(Vec<T>);

impl<T> Default for Met<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Met<T> {
    /// Adds a value; whether it was new.
    fn insert(&mut self, value: T) -> bool {
        let place = self.0.binary_search_by(|other| value.cmp(other));
        place.map_err(|place| self.0.insert(place, value)).is_err()
    }
}

impl<'a> Budget<'a> {
    fn new(newest_first: &[Candidate], retention: &'a Retention, current: CurrentSystem, now: Timestamp) -> Self {
        let keep = retention.keep;
        let current = match current {
            CurrentSystem::Known(system) => Some(system),
            CurrentSystem::NewestPoints => {
                newest_first.iter().find(|point| counts(point, now)).and_then(|point| point.system)
            }
        };
        Self {
            retention,
            now,
            window_start: retention.recovery_window.map(|window| window.before(now)),
            window_base_is_open: true,
            last: keep.last,
            buckets: [
                (KeepReason::Hourly, keep.hourly, hour, Met::default()),
                (KeepReason::Daily, keep.daily, day, Met::default()),
                (KeepReason::Weekly, keep.weekly, iso_week, Met::default()),
                (KeepReason::Monthly, keep.monthly, month, Met::default()),
                (KeepReason::Yearly, keep.yearly, year, Met::default()),
            ],
            slots: Met::default(),
            redundancy: retention.minimum_redundancy.max(1),
            newest_is_open: true,
            current,
            on_demand: retention.on_demand_max.unwrap_or(0),
        }
    }

    /// Whether a newer point of the same slot stands for it (INVARIANTS.md 8): one of them is enough, by every rule.
    fn is_duplicate(&mut self, point: &Candidate) -> bool {
        let may_be = point.class == PointClass::Scheduled && !point.is_held && counts(point, self.now);
        may_be && !self.slots.insert((point.key.slot, point.system))
    }

    fn reasons(&mut self, point: &Candidate) -> KeepReasons {
        let mut reasons = KeepReasons::NONE;
        if point.is_held {
            // A hold outranks retention, and must not spend its budget: it never costs another point its place.
            reasons.add(KeepReason::Hold);
            return reasons;
        }
        match point.class {
            PointClass::Safety | PointClass::Drill => reasons.add(KeepReason::Class),
            PointClass::Scheduled | PointClass::OnDemand if !counts(point, self.now) => {
                reasons.add(KeepReason::Future);
            }
            PointClass::Scheduled | PointClass::OnDemand => self.spend(point, &mut reasons),
        }
        reasons
    }

    fn spend(&mut self, point: &Candidate, reasons: &mut KeepReasons) {
        if let Some(start) = self.window_start {
            if point.youngest() >= start {
                reasons.add(KeepReason::Window);
            } else if self.window_base_is_open {
                self.window_base_is_open = false;
                reasons.add(KeepReason::WindowBase);
            }
        }
        if take(&mut self.last) {
            reasons.add(KeepReason::Last);
        }
        for (reason, left, bucket_of, seen) in &mut self.buckets {
            if *left == 0 {
                continue;
            }
            // All seen ones, not the last: where clocks go back by more than an hour, an hour comes again after another.
            if seen.insert(bucket_of(point.cut, &self.retention.zone)) {
                *left -= 1;
                reasons.add(*reason);
            }
        }
        let is_newest = std::mem::take(&mut self.newest_is_open);
        let stands = point.system == self.current && take(&mut self.redundancy);
        if stands || is_newest {
            reasons.add(KeepReason::Redundancy);
        }
        if point.class == PointClass::OnDemand && take(&mut self.on_demand) {
            reasons.add(KeepReason::OnDemand);
        }
    }
}

/// Whether a point may spend any rule's budget: garbage from the future must evict nothing (INVARIANTS.md 13).
fn counts(point: &Candidate, now: Timestamp) -> bool {
    let judged = matches!(point.class, PointClass::Scheduled | PointClass::OnDemand);
    judged && point.youngest() <= TOLERANCE.after(now)
}

fn take(left: &mut u32) -> bool {
    let had = *left > 0;
    *left = left.saturating_sub(1);
    had
}

fn hour(instant: Timestamp, zone: &TimeZone) -> BucketId {
    let local = zone.to_datetime(instant);
    (day_number(local.date()), i16::from(local.hour()), 0)
}

fn day(instant: Timestamp, zone: &TimeZone) -> BucketId {
    (day_number(zone.to_datetime(instant).date()), 0, 0)
}

fn iso_week(instant: Timestamp, zone: &TimeZone) -> BucketId {
    let week = zone.to_datetime(instant).date().iso_week_date();
    (i32::from(week.year()), i16::from(week.week()), 0)
}

fn month(instant: Timestamp, zone: &TimeZone) -> BucketId {
    let date = zone.to_datetime(instant).date();
    (i32::from(date.year()), i16::from(date.month()), 0)
}

fn year(instant: Timestamp, zone: &TimeZone) -> BucketId {
    (i32::from(zone.to_datetime(instant).year()), 0, 0)
}

fn day_number(date: Date) -> i32 {
    i32::from(date.year()) * 1000 + i32::from(date.day_of_year())
}

/// The rules of a retention in one line, for the reason of an expiry: `recoveryWindow 14d, daily 14`.
#[must_use]
pub fn rules(retention: &Retention) -> String {
    let keep = retention.keep;
    let counted = [
        ("last", keep.last),
        ("hourly", keep.hourly),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
    ];
    let window = retention.recovery_window.map(|window| format!("recoveryWindow {window}"));
    let counted = counted.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}"));
    let mut all: Vec<String> = window.into_iter().chain(counted).collect();
    if all.is_empty() {
        all.push(format!("minimumRedundancy {}", retention.minimum_redundancy.max(1)));
    }
    all.join(", ")
}
