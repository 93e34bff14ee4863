//! Tags that do not say what they must: sealed ones that somebody changed, and holds that are recorded only.
//!
//! What a changed tag was is guessed, and the guess is tried on the seal. Only the signature decides: a guess that does not fit
//! is not proposed, and the snapshot stays a stranger.

mod guess;

use super::cluster::Outcome;
use super::places::{Place, Places, Seen};
use super::view::expected;
use super::{Subject, World};
use crate::plan::{Action, Reason, Repair, Retagged, TagPoint};
use crate::point::{RecoveryPoint, Stranger};
use crate::seal::{NotOurs, Place as Sealed};
use crate::tags::{self, PointClass, PointKey, Tags};
use crate::time::parse_stamp;
use guess::{Guesser, Repaired};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// The hold's tag, as it is written.
const HELD: &str = "1";

/// Plans what mends the tags of a cluster's snapshots, at every place.
pub(super) fn plan(subject: &Subject<'_>, world: &World<'_>, places: &Places<'_>, outcome: &mut Outcome) {
    let holds = world.holds_of(&subject.cluster.uid);
    for place in &places.all {
        let Ok(seen) = place.seen else { continue };
        restore(subject, world, places, place, seen, outcome);
        for point in seen.points().iter().filter(|point| holds.contains(&point.key)) {
            mirror_hold(subject, place, point, outcome);
        }
    }
}

/// What a snapshot's tags are to be, and of which point it then is.
struct Found<'a> {
    snapshot: &'a crate::observed::Snapshot,
    set: Tags,
}

fn restore(
    subject: &Subject<'_>,
    world: &World<'_>,
    places: &Places<'_>,
    place: &Place<'_>,
    seen: Seen<'_>,
    outcome: &mut Outcome,
) {
    let inventory = seen.site.inventory;
    let nobodys = of_nobody(subject, world, place, seen);
    let on_the_shelf = seen.shelf.map_or(&[][..], |shelf| &shelf.strangers);
    let sealed = Sealed { provider: inventory.provider, account: &inventory.account };
    let mut guesser = Guesser::new(subject, place.name, sealed, &world.observed.keyring, seen, places);
    let mut points: BTreeMap<(PointKey, PointClass), (Timestamp, Vec<Found<'_>>)> = BTreeMap::new();
    for stranger in on_the_shelf.iter().chain(&nobodys).filter(|stranger| stranger.why == NotOurs::Forged) {
        let Some(Repaired { key, class, set }) = guesser.repair(stranger.snapshot) else { continue };
        let cut = |key: &str| set.get(key).or_else(|| stranger.snapshot.tags.get(key)).and_then(parse_stamp);
        let cut = cut(tags::CUT).unwrap_or(stranger.snapshot.created);
        let (_, found) = points.entry((key, class)).or_insert_with(|| (cut, Vec::new()));
        found.push(Found { snapshot: stranger.snapshot, set });
    }
    for ((point, class), (cut, found)) in points {
        let mut keys: Vec<String> = found.iter().flat_map(|found| found.set.keys()).map(str::to_owned).collect();
        keys.sort();
        keys.dedup();
        let snapshots =
            found.into_iter().map(|found| Retagged { expected: expected(found.snapshot), set: found.set }).collect();
        let tag = TagPoint { point, class, cut, repair: Repair::Restore, snapshots };
        outcome.change_at(subject.cluster, place.name, Action::Tag(tag), Reason::TagsChanged { keys });
    }
}

/// Snapshots of the cluster's own disks that name no cluster at all.
fn of_nobody<'a>(subject: &Subject<'_>, world: &World<'a>, place: &Place<'_>, seen: Seen<'_>) -> Vec<Stranger<'a>> {
    let strangers = world.nobodys(place.name);
    if strangers.is_empty() {
        return Vec::new();
    }
    let instances = subject.cluster.postgres_nodes().filter_map(|node| seen.site.instance(&node.instance));
    let disks: BTreeSet<_> = instances.flat_map(|instance| &instance.disks).map(|disk| &disk.id).collect();
    strangers.iter().filter(|stranger| disks.contains(&stranger.snapshot.disk)).cloned().collect()
}

/// A hold that is recorded, and that a part does not show: who reads only the tags must see it, too.
fn mirror_hold(subject: &Subject<'_>, place: &Place<'_>, point: &RecoveryPoint<'_>, outcome: &mut Outcome) {
    let lacking = point.parts.iter().map(|part| part.snapshot.snapshot());
    let set: Tags = [(tags::HOLD, HELD)].into_iter().collect();
    let snapshots: Vec<Retagged> = lacking
        .filter(|snapshot| !snapshot.tags.contains_key(tags::HOLD))
        .map(|snapshot| Retagged { expected: expected(snapshot), set: set.clone() })
        .collect();
    if snapshots.is_empty() {
        return;
    }
    let (key, class, cut) = (point.key, point.class, point.cut);
    let tag = TagPoint { point: key, class, cut, repair: Repair::MirrorHold, snapshots };
    outcome.change_at(subject.cluster, place.name, Action::Tag(tag), Reason::HoldTagMissing);
}
