//! What a changed tag was, tried on the seal.
//!
//! The intent is a hash of cluster, class, point and disk: where it fits, it settles four tags at once. What remains are the
//! facts of the cut, which other parts of the same point share. All of it is bounded, whatever somebody wrote.

use super::Subject;
use crate::name::SiteName;
use crate::observed::{AttachedDisk, DatabaseState, Snapshot};
use crate::planner::places::{Places, Seen};
use crate::planner::source::database_of;
use crate::point::RecoveryPoint;
use crate::seal::{Keyring, OwnedSnapshot, Place};
use crate::tags::{self, Intent, PartName, PartRole, PointClass, PointKey, Tags};
use crate::time::{parse_stamp, stamp};
use jiff::Timestamp;

/// So many guesses are tried of one snapshot. A signature takes some 50 µs.
const PER_SNAPSHOT: usize = 200;
/// And of all of a cluster's, at one place.
const PER_CLUSTER: usize = 1000;
/// Attempts beyond this one are not guessed.
const ATTEMPTS: u32 = 3;

/// A snapshot whose seal fits again.
pub(super) struct Repaired {
    pub(super) key: PointKey,
    pub(super) class: PointClass,
    /// The tags that differ from what it carries.
    pub(super) set: Tags,
}

/// Guesses for the snapshots of one cluster at one place.
pub(super) struct Guesser<'a> {
    subject: Subject<'a>,
    site: &'a SiteName,
    place: Place<'a>,
    keyring: &'a Keyring,
    seen: Seen<'a>,
    /// Its points at home: copies name their sources.
    sources: &'a [RecoveryPoint<'a>],
    /// Its points at every place: the same point has the same facts at each.
    everywhere: Vec<&'a RecoveryPoint<'a>>,
    left: usize,
}

/// Which point a snapshot could be of.
struct Identity {
    class: PointClass,
    key: PointKey,
    intent: Intent,
}

impl<'a> Guesser<'a> {
    pub(super) fn new(
        subject: &Subject<'a>,
        site: &'a SiteName,
        place: Place<'a>,
        keyring: &'a Keyring,
        seen: Seen<'a>,
        places: &'a Places<'a>,
    ) -> Self {
        let sources = places.home().map_or(&[][..], |home| home.points());
        let everywhere = places.all.iter().filter_map(|place| place.seen.ok()).flat_map(|seen| seen.points()).collect();
        Self { subject: *subject, site, place, keyring, seen, sources, everywhere, left: PER_CLUSTER }
    }

    /// The tags that make the seal fit, if they are among the guesses.
    pub(super) fn repair(&mut self, snapshot: &Snapshot) -> Option<Repaired> {
        if !snapshot.tags.contains_key(tags::SEAL_1) || !snapshot.tags.contains_key(tags::SEAL_2) {
            return None;
        }
        let mut left = PER_SNAPSHOT.min(self.left);
        let before = left;
        let repaired = self.identities(snapshot).into_iter().find_map(|identity| {
            let set = self.try_identity(snapshot, &identity, &mut left)?;
            Some(Repaired { key: identity.key, class: identity.class, set })
        });
        self.left -= before - left;
        repaired
    }

    /// The points that it could be of: where the intent tells, only what it tells.
    fn identities(&self, snapshot: &Snapshot) -> Vec<Identity> {
        let tag = |key: &str| snapshot.tags.get(key);
        let mut classes: Vec<PointClass> = tag(tags::CLASS).and_then(PointClass::parse).into_iter().collect();
        let mut keys: Vec<PointKey> = tag(tags::POINT).and_then(|text| text.parse().ok()).into_iter().collect();
        let slots = tag(tags::SLOT).and_then(parse_stamp).into_iter();
        keys.extend(slots.flat_map(|slot| (1..=ATTEMPTS).map(move |attempt| PointKey { slot, attempt })));
        // Another part of the same point was made about when this one was.
        let near = |point: &&&RecoveryPoint<'_>| {
            tag(tags::CUT) == Some(&stamp(point.cut)) || point.created == snapshot.created
        };
        keys.extend(self.everywhere.iter().filter(near).take(4).map(|point| point.key));
        classes.extend([PointClass::Scheduled, PointClass::OnDemand, PointClass::Safety, PointClass::Drill]);
        let (classes, keys) = (distinct(classes), distinct(keys));
        let all: Vec<Identity> =
            keys.iter().flat_map(|key| classes.iter().flat_map(|class| self.intents(*class, *key, snapshot))).collect();
        let (told, untold): (Vec<Identity>, Vec<Identity>) =
            all.into_iter().partition(|identity| tag(tags::INTENT) == Some(&identity.intent.0));
        if told.is_empty() { untold } else { told }
    }

    /// Made here, or copied from one of the same point's snapshots at home.
    fn intents(&self, class: PointClass, key: PointKey, snapshot: &Snapshot) -> Vec<Identity> {
        let uid = &self.subject.cluster.uid;
        let mut intents = vec![Intent::of(uid, class, key, &snapshot.disk)];
        if *self.site != self.subject.cluster.site {
            let point = self.sources.iter().filter(|point| point.key == key && point.class == class);
            let ids = point.flat_map(|point| &point.parts).map(|part| part.snapshot.id());
            intents.extend(ids.map(|id| Intent::of_copy(uid, class, key, id, self.site)));
        }
        intents.into_iter().map(|intent| Identity { class, key, intent }).collect()
    }

    fn try_identity(&self, snapshot: &Snapshot, identity: &Identity, left: &mut usize) -> Option<Tags> {
        let Identity { class, key, intent } = identity;
        let settled = [
            (tags::MANAGED, "1".to_owned()),
            (tags::CLUSTER, self.subject.cluster.uid.to_string()),
            (tags::CLASS, class.to_string()),
            (tags::POINT, key.to_string()),
            (tags::SLOT, stamp(key.slot)),
            (tags::INTENT, intent.to_string()),
        ];
        let mut base = snapshot.clone();
        base.tags.extend(settled);
        let facts = self.facts(&base, *class, *key);
        // As they are, then one of them otherwise, then two.
        let mut try_these = |changes: &[&(&'static str, String)]| {
            *left = left.checked_sub(1)?;
            let mut guess = base.clone();
            guess.tags.extend(changes.iter().map(|(key, value)| (*key, value.as_str())));
            OwnedSnapshot::check(&self.place, &guess, self.keyring).ok()?;
            Some(changed(snapshot, &guess))
        };
        if let Some(set) = try_these(&[]) {
            return Some(set);
        }
        if let Some(set) = facts.iter().find_map(|fact| try_these(&[fact])) {
            return Some(set);
        }
        facts.iter().enumerate().find_map(|(number, one)| {
            let others = facts[number + 1..].iter().filter(|other| other.0 != one.0);
            others.into_iter().find_map(|other| try_these(&[one, other]))
        })
    }

    /// Other values that the facts of the cut may have had.
    fn facts(&self, snapshot: &Snapshot, class: PointClass, key: PointKey) -> Vec<(&'static str, String)> {
        let is_of_point = |point: &&&RecoveryPoint<'_>| point.key == key && point.class == class;
        let siblings: Vec<&Snapshot> = self
            .everywhere
            .iter()
            .filter(is_of_point)
            .flat_map(|point| &point.parts)
            .map(|part| part.snapshot.snapshot())
            .collect();
        let theirs = |key: &'static str| siblings.iter().filter_map(move |sibling| sibling.tags.get(key));
        let mut cuts: Vec<String> = theirs(tags::CUT).map(str::to_owned).collect();
        let second = Timestamp::from_second(snapshot.created.as_second()).unwrap_or(snapshot.created);
        cuts.extend([snapshot.created, second, key.slot].map(stamp));
        let mut systems: Vec<String> = theirs(tags::SYSTEM).map(str::to_owned).collect();
        systems.extend(self.systems());
        let wals = theirs(tags::WAL).map(str::to_owned).collect();
        let all = [
            (tags::CUT, cuts),
            (tags::PART, self.parts(snapshot, &siblings)),
            (tags::SYSTEM, systems),
            (tags::WAL, wals),
        ];
        let others = all.into_iter().flat_map(|(key, values)| {
            let values = distinct(values).into_iter();
            values.filter(move |value| snapshot.tags.get(key) != Some(value)).map(move |value| (key, value))
        });
        others.collect()
    }

    /// The system identifiers of its servers and of its newest points.
    fn systems(&self) -> Vec<String> {
        let servers = self.subject.cluster.postgres_nodes().filter_map(|node| {
            match database_of(self.seen.site, &node.instance)? {
                DatabaseState::Known(status) => Some(status.system),
                DatabaseState::NotObservable | DatabaseState::Unreachable { .. } => None,
            }
        });
        let points = self.everywhere.iter().filter_map(|point| point.system);
        let systems = distinct(servers.chain(points).collect());
        systems.into_iter().take(4).map(|system| system.to_string()).collect()
    }

    /// The names that its part may have had: those that no other part here has, of as many parts as the others tell.
    fn parts(&self, snapshot: &Snapshot, siblings: &[&Snapshot]) -> Vec<String> {
        let name_of = |sibling: &&Snapshot| sibling.tags.get(tags::PART)?.parse::<PartName>().ok();
        let names: Vec<PartName> = siblings.iter().filter_map(name_of).collect();
        // The same part at another place has this very name.
        let twins = siblings.iter().filter(|sibling| sibling.disk == snapshot.disk).filter_map(name_of);
        let mut parts: Vec<PartName> = twins.collect();
        let disks = self.disks_beside(snapshot);
        let made = disks.iter().filter(|disk| PartRole::of(&disk.role).is_some()).count();
        let mut sizes: Vec<u16> = names.iter().map(|name| name.of).collect();
        sizes.extend([u16::try_from(made).unwrap_or(1).max(1), 1]);
        let own = disks.iter().find(|disk| disk.id == snapshot.disk).and_then(|disk| PartRole::of(&disk.role));
        let roles: Vec<PartRole> = own.into_iter().chain([PartRole::Data, PartRole::Wal, PartRole::Tblspc]).collect();
        for of in distinct(sizes).into_iter().take(3) {
            for role in distinct(roles.clone()) {
                parts.extend((1..=of.min(8)).map(|index| PartName { role, index, of }));
            }
        }
        parts.push(PartName { role: PartRole::Unfinished, index: 1, of: 1 });
        distinct(parts).iter().take(24).map(ToString::to_string).collect()
    }

    /// The disks of the machine that has this snapshot's disk.
    fn disks_beside(&self, snapshot: &Snapshot) -> &'a [AttachedDisk] {
        let mut instances =
            self.subject.cluster.postgres_nodes().filter_map(|node| self.seen.site.instance(&node.instance));
        let found = instances.find(|instance| instance.disks.iter().any(|disk| disk.id == snapshot.disk));
        found.map_or(&[], |instance| &instance.disks)
    }
}

/// Each value once, at its first place.
fn distinct<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::with_capacity(values.len());
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// The sealed tags in which a guess differs from what is there.
fn changed(snapshot: &Snapshot, guess: &Snapshot) -> Tags {
    let differs = |key: &&str| guess.tags.get(key) != snapshot.tags.get(key);
    tags::SEALED.into_iter().filter(differs).filter_map(|key| Some((key, guess.tags.get(key)?))).collect()
}
