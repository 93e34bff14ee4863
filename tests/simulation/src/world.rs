//! One site, folded from its effects.

use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// How one of our tags begins.
const OURS: &str = "backstay-";
const CLUSTER: &str = "backstay-cluster";
pub(crate) const EXPIRE: &str = "backstay-expire";
pub(crate) const HOLD: &str = "backstay-hold";

/// What a part is called that belongs to no point.
const LEFTOVER: &str = "unfinished-1of1";

type Tags = BTreeMap<String, String>;

/// A snapshot as its site's effects tell it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) created: Timestamp,
    pub(crate) done: Timestamp,
    pub(crate) fails: bool,
    pub(crate) locked_until: Option<Timestamp>,
    /// Whether somebody else made it.
    is_foreign: bool,
    pub(crate) tags: Tags,
    /// The tags that the seal covers, as they were when Backstay sealed it.
    sealed: Option<Tags>,
    /// When Backstay marked it, as long as the mark stands.
    pub(crate) marked: Option<Timestamp>,
}

impl Snapshot {
    pub(crate) fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }

    /// Whether it is ours, as our seal says: somebody else neither made it nor changed what the seal covers.
    pub(crate) fn is_ours(&self) -> bool {
        !self.is_foreign && self.sealed.as_ref().is_some_and(|sealed| *sealed == covered(&self.tags))
    }

    /// Whether it is ours, and somebody changed what the seal covers.
    fn is_tampered(&self) -> bool {
        !self.is_foreign && self.sealed.is_some() && !self.is_ours()
    }

    /// Whether it is ours, and a part of a point.
    pub(crate) fn is_a_part(&self) -> bool {
        self.is_ours() && self.tag("backstay-part") != LEFTOVER
    }

    pub(crate) fn point_name(&self) -> PointName {
        PointName { attempt: self.tag("backstay-point").to_owned(), class: self.tag("backstay-class").to_owned() }
    }

    pub(crate) fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.tags.contains_key(HOLD)
    }
}

/// What a seal covers, the seal itself included.
fn covered(tags: &Tags) -> Tags {
    let is_covered = |key: &&String| key.starts_with(OURS) && *key != EXPIRE && *key != HOLD;
    tags.iter().filter(|(key, _)| is_covered(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What a point is called, wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PointName {
    attempt: String,
    class: String,
}

/// A point that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) name: PointName,
    pub(crate) slot: String,
    pub(crate) cut: Timestamp,
    /// The later of the cut and the provider's creation times.
    pub(crate) youngest: Timestamp,
    pub(crate) system: String,
    pub(crate) is_held: bool,
    pub(crate) is_marked: bool,
}

/// What Backstay did.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Created {
        /// Its cluster and its point, as its tags say.
        of: (String, String),
    },
    Copied {
        of: (String, String),
    },
    /// What a seal covers was put back.
    Mended {
        id: String,
    },
    /// A snapshot with our intent only was sealed as a leftover.
    Adopted {
        id: String,
    },
    Locked {
        id: String,
    },
    Revived {
        id: String,
    },
    Marked {
        id: String,
        at: Timestamp,
        was: Snapshot,
    },
    /// The world is as it was just before the run's first delete of this point.
    Deleted {
        id: String,
        at: Timestamp,
        was: Snapshot,
        before: Box<World>,
    },
}

/// Every snapshot of a site, and those of each cluster. Worlds that are remembered share what has not changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshots {
    all: BTreeMap<String, Arc<Snapshot>>,
    of_cluster: BTreeMap<String, BTreeSet<String>>,
}

impl Snapshots {
    pub(crate) fn get(&self, id: &str) -> Option<&Snapshot> {
        self.all.get(id).map(Arc::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Snapshot)> {
        self.all.iter().map(|(id, snapshot)| (id, snapshot.as_ref()))
    }

    pub(crate) fn of_cluster(&self, uid: &str) -> impl Iterator<Item = (&String, &Snapshot)> {
        let ids = self.of_cluster.get(uid).into_iter().flatten();
        ids.filter_map(|id| self.all.get(id).map(|snapshot| (id, snapshot.as_ref())))
    }

    fn insert(&mut self, id: String, snapshot: Snapshot) {
        self.of_cluster.entry(snapshot.tag(CLUSTER).to_owned()).or_default().insert(id.clone());
        self.all.insert(id, Arc::new(snapshot));
    }

    fn remove(&mut self, id: &str) -> Arc<Snapshot> {
        let gone = self.all.remove(id).expect("it exists");
        self.of_cluster.get_mut(gone.tag(CLUSTER)).expect("it is there").remove(id);
        gone
    }

    /// Changes a snapshot, which may then be of another cluster.
    fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Snapshot) -> T) -> T {
        let mut snapshot = Arc::unwrap_or_clone(self.remove(id));
        let changed = change(&mut snapshot);
        self.insert(id.to_owned(), snapshot);
        changed
    }
}

/// One site, folded from its effects.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) snapshots: Arc<Snapshots>,
    /// How many bytes of effects it was folded from.
    read: u64,
    /// The latest instant of an effect.
    pub(crate) now: Timestamp,
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).expect("an effect's instant")
}

fn texts(value: &Value) -> Tags {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

impl World {
    /// Folds the effects that are new since the last time, and gives what was done: by us, or behind our back.
    pub(crate) fn follow(&mut self, state: &Path, site: &str, by_us: bool) -> Vec<Deed> {
        let path = state.join(format!("sim/{site}/effects.jsonl"));
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(path) {
            file.seek(SeekFrom::Start(self.read)).expect("the journal only grows");
            file.read_to_string(&mut text).expect("the journal is text");
        }
        self.read += text.len() as u64;
        let mut deeds = Vec::new();
        let mut before: BTreeMap<(String, PointName), World> = BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of the journal");
            let Some(effect) = line.get("effect").and_then(Value::as_object) else { continue };
            let (kind, said) = effect.iter().next().expect("an effect");
            if let Some(at) = said.get("at").or_else(|| said.get("to")) {
                self.now = self.now.max(instant(at));
            }
            if kind == "deleted" && by_us {
                let gone = self.snapshots.get(said["id"].as_str().expect("an id")).expect("it exists");
                before.entry((gone.tag(CLUSTER).to_owned(), gone.point_name())).or_insert_with(|| self.clone());
            }
            self.fold(kind, said, by_us, &mut deeds, &before);
        }
        deeds
    }

    fn fold(
        &mut self,
        kind: &str,
        said: &Value,
        by_us: bool,
        deeds: &mut Vec<Deed>,
        before: &BTreeMap<(String, PointName), World>,
    ) {
        let id = said["id"].as_str().unwrap_or_default().to_owned();
        match kind {
            "snapshots-created" => {
                for made in said["snapshots"].as_array().expect("snapshots") {
                    self.create(made, by_us);
                    let tag = |key: &str| made["tags"][key].as_str().unwrap_or_default().to_owned();
                    let of = (tag("backstay-cluster"), tag("backstay-point"));
                    let is_copy = made.get("copied").is_some();
                    deeds.push(if is_copy { Deed::Copied { of } } else { Deed::Created { of } });
                }
            }
            "tagged" => {
                let (at, tags) = (instant(&said["at"]), texts(&said["tags"]));
                deeds.extend(self.change(&id, |snapshot| tag(&id, snapshot, &tags, at, by_us)));
            }
            "untagged" => {
                for key in said["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.change(&id, |snapshot| snapshot.tags.remove(key));
                    if key == EXPIRE {
                        self.change(&id, |snapshot| snapshot.marked = None);
                        deeds.push(Deed::Revived { id: id.clone() });
                    }
                }
            }
            "locked" => {
                let until = instant(&said["lock"]["until"]);
                self.change(&id, |snapshot| snapshot.locked_until = Some(until));
                deeds.push(Deed::Locked { id });
            }
            "deleted" => {
                let was = Arc::unwrap_or_clone(Arc::make_mut(&mut self.snapshots).remove(&id));
                if by_us {
                    let before = &before[&(was.tag(CLUSTER).to_owned(), was.point_name())];
                    deeds.push(Deed::Deleted { id, at: instant(&said["at"]), was, before: Box::new(before.clone()) });
                }
            }
            _ => {}
        }
    }

    fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Snapshot) -> T) -> T {
        Arc::make_mut(&mut self.snapshots).change(id, change)
    }

    fn create(&mut self, made: &Value, by_us: bool) {
        let snapshot = Snapshot {
            created: instant(&made["created"]),
            done: instant(&made["done"]),
            fails: made.get("fails").is_some(),
            locked_until: None,
            is_foreign: !by_us,
            tags: texts(&made["tags"]),
            sealed: None,
            marked: None,
        };
        self.now = self.now.max(snapshot.created);
        Arc::make_mut(&mut self.snapshots).insert(made["id"].as_str().expect("an id").to_owned(), snapshot);
    }

    /// The points of a cluster that can be restored at an instant, oldest cut first.
    pub(crate) fn points(&self, uid: &str, at: Timestamp) -> Vec<Point> {
        let mut parts: BTreeMap<PointName, Vec<&Snapshot>> = BTreeMap::new();
        for (_, snapshot) in self.snapshots.of_cluster(uid) {
            // A leftover makes no point, whatever lies beside it (decisions 5 and 6), and neither does what is not sealed yet.
            let is_of_attempt = snapshot.is_ours() || (!snapshot.is_foreign && snapshot.sealed.is_none());
            if is_of_attempt {
                parts.entry(snapshot.point_name()).or_default().push(snapshot);
            }
        }
        let mut points: Vec<Point> = parts
            .into_iter()
            .map(|(name, parts)| (name, without_doubles(parts, at)))
            .filter(|(_, parts)| is_whole(parts, at))
            .map(|(name, parts)| point(name, &parts))
            .collect();
        points.sort_by_key(|point| (point.cut, point.name.clone()));
        points
    }

    /// Every snapshot in a line, for messages.
    pub(crate) fn tell(&self) -> String {
        let line = |(id, snapshot): (&String, &Snapshot)| {
            let tag = |key: &str| snapshot.tag(key).to_owned();
            let end = if snapshot.fails { "fails" } else { "done" };
            let ours = match (snapshot.is_foreign, &snapshot.sealed, snapshot.is_ours()) {
                (true, ..) => "foreign",
                (false, None, _) => "unsealed",
                (false, Some(_), true) => "ours",
                (false, Some(_), false) => "tampered",
            };
            let (uid, point, part) = (tag("backstay-cluster"), tag("backstay-point"), tag("backstay-part"));
            let (cut, created, at) = (tag("backstay-cut"), snapshot.created, snapshot.done);
            let (marked, locked, held) = (snapshot.marked, snapshot.locked_until, snapshot.is_held());
            format!(
                "  {id} {ours} {uid} {point} {part} cut {cut}, made {created}, {end} {at}, marked {marked:?}, locked {locked:?}, held {held}\n"
            )
        };
        format!("now {}\n", self.now) + &self.snapshots.iter().map(line).collect::<String>()
    }

    /// What says that it is of a cluster.
    pub(crate) fn parts_of(&self, uid: &str) -> impl Iterator<Item = (&String, &Snapshot)> {
        self.snapshots.of_cluster(uid)
    }
}

/// What new tags mean.
fn tag(id: &str, snapshot: &mut Snapshot, tags: &Tags, at: Timestamp, by_us: bool) -> Option<Deed> {
    let was = snapshot.clone();
    snapshot.tags.extend(tags.clone());
    if !by_us {
        if tags.contains_key(EXPIRE) {
            snapshot.marked = None;
        }
        return None;
    }
    if tags.contains_key(EXPIRE) {
        snapshot.marked = Some(at);
        return Some(Deed::Marked { id: id.to_owned(), at, was });
    }
    if tags.contains_key("backstay-seal-2") && !was.is_tampered() {
        snapshot.sealed = Some(covered(&snapshot.tags));
        // 5: what bears our intent only is adopted, whoever made it: nobody can tell.
        snapshot.is_foreign = false;
        return (tags.get("backstay-part").map(String::as_str) == Some(LEFTOVER))
            .then(|| Deed::Adopted { id: id.to_owned() });
    }
    was.is_tampered().then(|| Deed::Mended { id: id.to_owned() })
}

/// Where the sealed parts are a point by themselves, what bears the intent of one of them is no part of it (decision 12).
fn without_doubles(all: Vec<&Snapshot>, at: Timestamp) -> Vec<&Snapshot> {
    let (parts, others): (Vec<&Snapshot>, Vec<&Snapshot>) = all.iter().partition(|snapshot| snapshot.is_a_part());
    let intent = |snapshot: &Snapshot| snapshot.tag("backstay-intent").to_owned();
    let intents: BTreeSet<String> = parts.iter().map(|part| intent(part)).collect();
    let are_doubles = others.iter().all(|other| intents.contains(&intent(other)));
    if are_doubles && is_whole(&parts, at) { parts } else { all }
}

fn is_whole(parts: &[&Snapshot], at: Timestamp) -> bool {
    let names: BTreeSet<&str> = parts.iter().map(|part| part.tag("backstay-part")).collect();
    let of = |name: &str| name.rsplit_once("of").and_then(|(_, of)| of.parse::<usize>().ok());
    !names.contains(LEFTOVER)
        && names.len() == parts.len()
        && names.iter().all(|name| of(name) == Some(parts.len()))
        && parts.iter().all(|part| part.done <= at && !part.fails)
}

fn point(name: PointName, parts: &[&Snapshot]) -> Point {
    let first = parts[0];
    let cut = parse_stamp(first.tag("backstay-cut")).expect("a sealed cut");
    Point {
        name,
        slot: first.tag("backstay-slot").to_owned(),
        cut,
        youngest: parts.iter().map(|part| part.created).max().expect("a part").max(cut),
        system: first.tag("backstay-system").to_owned(),
        is_held: parts.iter().any(|part| part.is_held()),
        is_marked: parts.iter().all(|part| part.marked.is_some()),
    }
}

/// Reads `20261123t080000z`, and `20261123t080000-123456z`.
fn parse_stamp(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('t')?;
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..8)?,
        time.get(..2)?,
        time.get(2..4)?,
        time.get(4..6)?
    );
    iso.parse().ok()
}
