//! Whether a point is marked for deletion, and whether its mark is ripe (INVARIANTS.md 3).

use super::World;
use crate::name::{ClusterUid, SiteName};
use crate::observed::Records;
use crate::plan::Cause;
use crate::point::RecoveryPoint;
use crate::snapshots::print_of;
use crate::tags;
use crate::time::{Duration, stamp};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};

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

/// Which snapshots have a record, at each site, by the prints of their ids: most have none, and need not be looked for.
#[derive(Default)]
pub(super) struct Recorded<'a>(BTreeMap<&'a SiteName, HashSet<u64>>);

impl<'a> Recorded<'a> {
    pub(super) fn of(records: &'a Records) -> Self {
        let prints = records.tombstones.iter().map(|(site, at_site)| (site, at_site.keys().map(print_of).collect()));
        Self(prints.collect())
    }

    fn may_have_any(&self, site: &SiteName, point: &RecoveryPoint<'_>) -> bool {
        self.0.get(site).is_some_and(|prints| point.parts.iter().any(|part| prints.contains(&part.print)))
    }
}

/// Reads a point's mark from records and tags together.
pub(super) fn of(point: &RecoveryPoint<'_>, cluster: &ClusterUid, site: &SiteName, world: &World<'_>) -> Mark {
    if !point.is_tagged_marked && !world.recorded.may_have_any(site, point) {
        return Mark::None;
    }
    let (records, keyring) = (world.records(), &world.observed.keyring);
    let at_site = records.tombstones.get(site);
    let mut has_any = false;
    let mut is_full = true;
    let mut full =
        FullMark { at: Timestamp::MIN, seen: Some(Timestamp::MIN), grace: Duration::ZERO, cause: Cause::Due };
    for part in &point.parts {
        let snapshot = part.snapshot.snapshot();
        let record = at_site.and_then(|records| records.get(&snapshot.id));
        let tag = snapshot.tags.get(tags::EXPIRE);
        has_any |= record.is_some() || tag.is_some();
        let genuine = record.filter(|record| {
            let said = &record.content;
            let same_point = said.cluster == *cluster && said.point == point.key;
            let same_snapshot = said.site == *site && said.snapshot == snapshot.id;
            same_point && same_snapshot && tag == Some(&stamp(said.at)) && record.is_genuine(keyring)
        });
        let Some(record) = genuine else {
            is_full = false;
            continue;
        };
        let seen = records.sightings.get(&record.digest()).copied();
        full.at = full.at.max(record.content.at);
        full.seen = full.seen.zip(seen).map(|(a, b)| a.max(b));
        full.grace = full.grace.max(record.content.grace);
        full.cause = full.cause.max(record.content.cause);
    }
    match (has_any, is_full && !point.parts.is_empty()) {
        (false, _) => Mark::None,
        (true, false) => Mark::Partial,
        (true, true) => Mark::Full(full),
    }
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
