//! What a policy promises, and its own schedule and retention cannot keep.

use super::counts::{longest_gap, longest_life, shortest_gap, surest_life};
use super::report::Reader;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Spot;
use crate::document::policy::PolicySpec;
use crate::document::text::Length;
use crate::model::{LockPolicy, Policy, Retention};
use crate::schedule::Schedule;
use crate::time::Duration;

/// Refuses what cannot be kept, and warns of what can be kept for some points only.
pub(super) fn check(reader: &mut Reader<'_, '_, '_>, policy: &Policy, spec: &PolicySpec) {
    if let Some(gap) = longest_gap(&policy.schedule) {
        let sla = spec.sla.clone().unwrap_or_default();
        promise(reader, policy, gap, "maxAge", sla.max_age.as_ref());
        // With its WAL archived, a cluster loses less than the time between two points.
        if spec.pitr.is_none() {
            promise(reader, policy, gap, "rpo", sla.rpo.as_ref());
        }
    }
    let (Some(lock), Some(short), Some(long)) =
        (policy.lock, shortest_gap(&policy.schedule), longest_gap(&policy.schedule))
    else {
        return;
    };
    self::lock(reader, lock, &policy.retention, (short, long), "/spec/retention");
    for (number, copy) in policy.copies.iter().enumerate() {
        if copy.retention != policy.retention {
            self::lock(reader, lock, &copy.retention, (short, long), &format!("/spec/copies/{number}/retention"));
        }
    }
}

/// A promise about the age of the newest point must allow for the schedule.
fn promise(reader: &mut Reader<'_, '_, '_>, policy: &Policy, gap: Duration, key: &str, promised: Option<&Length>) {
    let Some(promised) = promised.and_then(|text| text.as_str().parse::<Duration>().ok()) else { return };
    if promised >= gap {
        return;
    }
    let schedule = match policy.schedule {
        Schedule::Every { .. } => "/spec/schedule/every",
        Schedule::Cron { .. } => "/spec/schedule/cron",
    };
    let place = reader.report.place(reader.document.seat, Spot::Value(schedule));
    let enough = Duration::seconds(gap.as_seconds() + Duration::hours(1).as_seconds());
    reader.error(Spot::Value(&format!("/spec/sla/{key}")), || {
        Diagnostic::error(Code::SlaTooShort, format!("`{key}` is {promised}, and points fall due up to {gap} apart"))
            .label(format!("broken before each next point: allow for {gap} and the time that a point takes"))
            .beside(place, "the schedule")
            .hint(format!("write `{key}: {enough}` or more, or back up more often"))
    });
}

/// What the provider locks cannot be deleted when retention lets it go. `gaps` are the shortest and the longest time between two
/// points.
fn lock(
    reader: &mut Reader<'_, '_, '_>,
    lock: LockPolicy,
    retention: &Retention,
    gaps: (Duration, Duration),
    pointer: &str,
) {
    let with_grace = |life: Duration| Duration::seconds(life.as_seconds() + retention.grace.as_seconds());
    let longest = with_grace(longest_life(retention, gaps.1));
    let surest = with_grace(surest_life(retention, gaps.0));
    let period = lock.period;
    if period <= surest {
        return;
    }
    let place = reader.report.place(reader.document.seat, Spot::Key(pointer));
    let grace = retention.grace;
    if period > longest {
        reader.error(Spot::Value("/spec/lock/for"), || {
            let message = format!("the lock lasts {period}, and no point is kept for longer than {longest}");
            Diagnostic::error(Code::LockTooLong, message)
                .label("nothing can be deleted before this is over")
                .beside(
                    place,
                    format!("this lets every point go after {longest} at the latest, its grace of {grace} included"),
                )
                .hint(format!("lock for {longest} at the most, or keep the points for longer"))
        });
    } else {
        let message = format!("the lock lasts {period}, and some points are kept for {surest} only");
        let warning = Diagnostic::warning(Code::LockTooLong, message)
            .label("they stay, and are paid for, until this is over")
            .beside(place, format!("this lets those that no longer rule keeps go after {surest}, grace included"))
            .hint(format!("lock for {surest} at the most, or set `recoveryWindow: {period}`"));
        reader.report.add(reader.document, Spot::Value("/spec/lock/for"), || warning);
    }
}
