//! Whether a point is marked for deletion, and whether its mark is ripe (INVARIANTS.md 3).

use super::places::Seen;
use crate::marks::{Record, Told, text_print};
use crate::name::ClusterUid;
use crate::plan::Cause;
use crate::point::RecoveryPoint;
use crate::time::Duration;
use jiff::Timestamp;

/// How far a point is marked.
pub(super) enum Mark {
    /// No snapshot of it carries a record or a tag.
    None,
    /// Some record or tag is missing, forged or disagrees: it does not count as marked.
    Partial,
    /// Every snapshot has a genuine record and the tag that agrees with it.
    Full(FullMark),
}

/// A mark that counts.
pub(super) struct FullMark {
    /// When the youngest of its records was made.
    pub(super) at: Timestamp,
    /// When the sweeper saw the last of them first; `None` if one was not seen yet.
    pub(super) seen: Option<Timestamp>,
    /// The longest grace that a record carries.
    pub(super) grace: Duration,
    /// What brought it about: the one that weighs most.
    pub(super) cause: Cause,
}

/// Whether a marked point may be deleted.
pub(super) enum Ripeness {
    /// The sweeper has not seen every record yet.
    Unseen,
    /// The longer of the old and the new grace is not over.
    Grace { until: Timestamp },
    /// The provider forbids it.
    Locked { until: Timestamp },
    /// It may.
    Ripe,
}

/// Reads a point's mark from records and tags together, as they were seen where it lies.
pub(super) fn of(point: &RecoveryPoint<'_>, cluster: &ClusterUid, seen: Seen<'_>) -> Mark {
    let told = seen.shelf.and_then(|shelf| shelf.told.as_deref()).filter(|told| !told.is_empty());
    let has_record = |told: &Told| point.parts.iter().any(|part| !matches!(told.of(part.row.print), Record::None));
    if !point.is_tagged_marked && !told.is_some_and(has_record) {
        return Mark::None;
    }
    let cluster = text_print(cluster.as_str());
    let mut is_full = true;
    let mut full =
        FullMark { at: Timestamp::MIN, seen: Some(Timestamp::MIN), grace: Duration::ZERO, cause: Cause::Due };
    for part in &point.parts {
        let said = match told.map_or(Record::None, |told| told.of(part.row.print)) {
            Record::Genuine(said) => said,
            Record::None | Record::Wrong => {
                is_full = false;
                continue;
            }
        };
        if said.cluster != cluster || said.point != point.key || part.row.marked() != Some(said.at) {
            is_full = false;
            continue;
        }
        full.at = full.at.max(said.at);
        full.seen = full.seen.zip(said.seen).map(|(a, b)| a.max(b));
        full.grace = full.grace.max(said.grace);
        full.cause = full.cause.max(said.cause);
    }
    if is_full && !point.parts.is_empty() { Mark::Full(full) } else { Mark::Partial }
}

impl FullMark {
    /// Whether the delete's time has come.
    pub(super) fn ripeness(&self, point: &RecoveryPoint<'_>, grace_now: Duration, as_of: Timestamp) -> Ripeness {
        let Some(seen) = self.seen else { return Ripeness::Unseen };
        let until = self.grace.max(grace_now).after(self.at.max(seen));
        if as_of < until {
            return Ripeness::Grace { until };
        }
        let lock = point.parts.iter().filter_map(|part| part.snapshot.snapshot().locked_until).max();
        match lock {
            Some(until) if as_of < until => Ripeness::Locked { until },
            Some(_) | None => Ripeness::Ripe,
        }
    }
}
