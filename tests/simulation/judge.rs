//! What a site's effects say was done, judged by INVARIANTS.md's own words. It knows nothing of the planner.

use crate::town::{Policy, Town};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A snapshot as its site's effects tell it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    created: Timestamp,
    done: Timestamp,
    fails: bool,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Snapshot {
    fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }
}

/// One site, folded from its effects.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    /// How many effects it was folded from.
    effects: usize,
    /// The latest instant of an effect.
    pub(crate) now: Timestamp,
}

/// A delete that was found, with the snapshot as it was just before.
pub(crate) struct Delete {
    id: String,
    at: Timestamp,
    was: Snapshot,
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).expect("an effect's instant")
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

impl World {
    /// Folds the effects that are new since the last time, and gives the deletes among them.
    pub(crate) fn follow(&mut self, directory: &Path, site: &str) -> Vec<Delete> {
        let path = directory.join(format!(".backstay/sim/{site}/effects.jsonl"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let effects: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of the journal"))
            .filter_map(|line| line.get("effect").cloned())
            .collect();
        let mut deletes = Vec::new();
        for effect in &effects[self.effects..] {
            let (kind, said) = effect.as_object().and_then(|fields| fields.iter().next()).expect("an effect");
            if let Some(at) = said.get("at").or_else(|| said.get("to")) {
                self.now = self.now.max(instant(at));
            }
            self.fold(kind, said, &mut deletes);
        }
        self.effects = effects.len();
        deletes
    }

    fn fold(&mut self, kind: &str, said: &Value, deletes: &mut Vec<Delete>) {
        let id = said["id"].as_str().unwrap_or_default().to_owned();
        match kind {
            "snapshots-created" => {
                for made in said["snapshots"].as_array().expect("snapshots") {
                    let snapshot = Snapshot {
                        created: instant(&made["created"]),
                        done: instant(&made["done"]),
                        fails: made.get("fails").is_some(),
                        tags: texts(&made["tags"]),
                    };
                    self.now = self.now.max(snapshot.created);
                    self.snapshots.insert(made["id"].as_str().expect("an id").to_owned(), snapshot);
                }
            }
            "tagged" => self.snapshots.get_mut(&id).expect("it exists").tags.extend(texts(&said["tags"])),
            "untagged" => {
                let tags = &mut self.snapshots.get_mut(&id).expect("it exists").tags;
                for key in said["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    tags.remove(key);
                }
            }
            "deleted" => {
                let was = self.snapshots.remove(&id).expect("it exists");
                deletes.push(Delete { id, at: instant(&said["at"]), was });
            }
            _ => {}
        }
    }

    /// The points of a cluster that can be restored: by cut, with their name. Ids in `garbage` make none.
    pub(crate) fn restorable(&self, uid: &str, garbage: &BTreeSet<String>) -> BTreeSet<(String, String)> {
        let mut parts: BTreeMap<(&str, &str), Vec<&Snapshot>> = BTreeMap::new();
        for (id, snapshot) in &self.snapshots {
            let is_ours = snapshot.tag("backstay-cluster") == uid && !snapshot.tag("backstay-seal-2").is_empty();
            if is_ours && !garbage.contains(id) {
                parts
                    .entry((snapshot.tag("backstay-point"), snapshot.tag("backstay-class")))
                    .or_default()
                    .push(snapshot);
            }
        }
        let is_whole = |parts: &[&Snapshot]| {
            let names: BTreeSet<&str> = parts.iter().map(|part| part.tag("backstay-part")).collect();
            let of = |name: &str| name.rsplit_once("of").and_then(|(_, of)| of.parse::<usize>().ok());
            let is_ready = |part: &&Snapshot| part.done <= self.now && !part.fails;
            names.len() == parts.len()
                && names.iter().all(|name| of(name) == Some(parts.len()))
                && parts.iter().all(is_ready)
        };
        let whole = parts.into_iter().filter(|(_, parts)| is_whole(parts));
        whole.map(|((name, _), parts)| (parts[0].tag("backstay-cut").to_owned(), name.to_owned())).collect()
    }
}

/// What a run was allowed to do.
pub(crate) struct Round<'a> {
    pub(crate) town: &'a Town,
    /// The shortest grace that any policy of the cluster ever had.
    pub(crate) shortest_grace: u64,
    /// Snapshots that look like ours and are not.
    pub(crate) garbage: &'a BTreeSet<String>,
    /// What was said, for messages.
    pub(crate) said: &'a str,
}

impl Round<'_> {
    /// Judges the deletes of one run at one site, by what was there before it and what is there now.
    pub(crate) fn judge(&self, site: usize, before: &World, after: &World, deletes: &[Delete]) {
        let said = self.said;
        for Delete { id, at, was } in deletes {
            let uid = was.tag("backstay-cluster");
            assert!(!self.garbage.contains(id), "5: {id} is not ours\n{said}");
            assert!(!was.tag("backstay-seal-1").is_empty(), "5: {id} has no seal\n{said}");
            assert!(was.tag("backstay-hold").is_empty(), "1: {id} is held\n{said}");
            assert!(was.fails || was.done <= *at, "7: {id} is being made\n{said}");
            let mark = parse_stamp(was.tag("backstay-expire"));
            let grace = SignedDuration::from_hours(i64::try_from(self.shortest_grace).expect("a short grace"));
            assert!(mark.is_some_and(|mark| mark + grace <= *at), "3: {id} was not marked for long enough\n{said}");
            assert!(at.duration_since(was.created) >= grace, "14: {id} is too young\n{said}");
            let is_declared = self.town.clusters.iter().any(|c| c.uid() == uid && c.is_declared);
            assert!(is_declared, "16: {uid} is not declared\n{said}");
        }
        assert!(deletes.is_empty() || !said.contains("could not be read"), "4: a site was not read\n{said}");
        for cluster in self.town.clusters.iter().filter(|cluster| cluster.site == site) {
            self.judge_floor(&cluster.uid(), &self.town.policies[cluster.policy], before, after);
            self.judge_parts(&cluster.uid(), after);
        }
    }

    /// 2: the floor stands, and the newest survives. What is restorable only since the run cannot count for it.
    fn judge_floor(&self, uid: &str, policy: &Policy, before: &World, after: &World) {
        let mut then = before.clone();
        // A point that became ready between the two instants was not deleted by anyone.
        then.now = after.now;
        let then = then.restorable(uid, self.garbage);
        let left = after.restorable(uid, self.garbage);
        let floor = usize::try_from(policy.minimum_redundancy).expect("a small number").min(then.len());
        assert!(left.len() >= floor, "2: {uid} has {} points, its floor is {floor}\n{}", left.len(), self.said);
        if let Some(newest) = then.last() {
            assert!(left.contains(newest), "2: {uid} lost its newest point {newest:?}\n{}", self.said);
        }
    }

    /// 8: no part twice within one attempt.
    fn judge_parts(&self, uid: &str, world: &World) {
        let mut seen = BTreeSet::new();
        for (id, snapshot) in &world.snapshots {
            let is_sealed = snapshot.tag("backstay-cluster") == uid && !snapshot.tag("backstay-seal-2").is_empty();
            if is_sealed && !self.garbage.contains(id) {
                let intent = snapshot.tag("backstay-intent");
                assert!(seen.insert(intent.to_owned()), "8: a part of {uid} twice: {id}\n{}", self.said);
            }
        }
    }
}

/// Reads `20261123t080000z`.
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
