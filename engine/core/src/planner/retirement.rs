//! The end of a cluster's backups: nothing new comes, so each rule counts as the time that it would have spanned.

use super::Subject;
use crate::model::Retention;
use crate::retention::{self, Candidate};
use crate::schedule::Schedule;
use crate::tags::PointClass;
use crate::time::Duration;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// How far back the longest gap of a cron expression is looked for: more than a year, so that it has every season.
const LOOK_BACK: Duration = Duration::days(400);

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The longest time that any rule of a retention spans.
pub(super) struct Span {
    /// Not a [`Duration`]: `yearly: 20` is longer than the longest of those.
    seconds: i64,
    rule: String,
}

impl Span {
    /// Decision 6 has the numbers. What people asked for has no rule of its own here: it goes with the rest.
    pub(super) fn of(subject: &Subject<'_>, retention: &Retention, as_of: Timestamp) -> Self {
        let keep = retention.keep;
        let gap = longest_gap(subject, as_of);
        let window = retention.recovery_window.unwrap_or(Duration::ZERO);
        let rules = [
            (window.signed().as_secs(), format!("recoveryWindow {window}")),
            span("last", keep.last, gap),
            span("hourly", keep.hourly, HOUR),
            span("daily", keep.daily, DAY),
            span("weekly", keep.weekly, 7 * DAY),
            span("monthly", keep.monthly, 31 * DAY),
            span("yearly", keep.yearly, 366 * DAY),
            span("minimumRedundancy", retention.minimum_redundancy.max(1), gap),
        ];
        let mut longest = Self { seconds: 0, rule: String::new() };
        for (seconds, rule) in rules {
            if seconds > longest.seconds {
                longest = Self { seconds, rule };
            }
        }
        longest
    }

    /// Whether a point's time is over: by its cut, and by its creation at the provider.
    pub(super) fn is_over(&self, point: &Candidate, as_of: Timestamp) -> bool {
        let is_judged = matches!(point.class, PointClass::Scheduled | PointClass::OnDemand);
        let youngest = point.cut.max(point.created);
        let is_future = youngest > retention::TOLERANCE.after(as_of);
        let is_old = as_of.duration_since(youngest) > SignedDuration::from_secs(self.seconds);
        is_judged && !point.is_held && !is_future && is_old
    }
}

/// `3d (daily 3)`: the time, and the rule that it comes from.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.seconds {
            s if s % DAY == 0 => (s / DAY, "d"),
            s if s % HOUR == 0 => (s / HOUR, "h"),
            s => (s, "s"),
        };
        write!(f, "{count}{unit} ({})", self.rule)
    }
}

fn span(name: &str, count: u32, each: i64) -> (i64, String) {
    (i64::from(count).saturating_mul(each), format!("{name} {count}"))
}

/// The longest time between two slots, in seconds.
fn longest_gap(subject: &Subject<'_>, as_of: Timestamp) -> i64 {
    let schedule = &subject.policy.schedule;
    match schedule {
        Schedule::Every { interval, .. } => interval.signed().as_secs(),
        Schedule::Cron { .. } => {
            let uid = &subject.cluster.uid;
            let mut longest = 0;
            let mut slot = schedule.next_due(uid, LOOK_BACK.before(as_of));
            while let Some(from) = slot.filter(|slot| *slot <= as_of) {
                slot = schedule.next_due(uid, from);
                let until = slot.filter(|slot| *slot <= as_of);
                longest = longest.max(until.map_or(0, |until| until.duration_since(from).as_secs()));
            }
            // So rare that there are no two: then it is as if the slots were that far apart.
            if longest == 0 { LOOK_BACK.signed().as_secs() } else { longest }
        }
    }
}
