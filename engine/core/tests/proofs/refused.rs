//! Wrong plans, each with one mistake. The same plan without it passes.

mod copies;
mod creates;
mod leftovers;
mod locks;
mod places;
mod removals;
mod repairs;
mod sites;
mod wholes;

use crate::support::lab::{Lab, Point, attached, time};
use backstay_core::name::SnapshotId;
use backstay_core::observed::DiskRole;
use backstay_core::plan::{Action, Cause, Change, CreatePoint, ExpectedSnapshot, MarkPoint, Plan};
use backstay_core::tags::{self, Intent};
use backstay_core::time::Duration;
use backstay_core::verify::verify_or_leave_out;
use backstay_core::workers::Alone;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A day on which the plan makes a point of three disks, marks three and deletes one.
///
/// Points of 17 to 23 November, one a day. The first is marked since five days, the second since one. Three are kept.
pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) plan: Plan,
}

const POLICY: &str = "\
schedule: { every: 24h, spread: 0s }
source: prefer-standby
maxStandbyLag: 1m
encryption: required
retention:
  keep: { daily: 3 }
  minimumRedundancy: 2
  grace: 72h";

const DISKS: [DiskRole; 3] = [DiskRole::Tablespace, DiskRole::Wal, DiskRole::Data];

pub(super) fn day(day: u32) -> Timestamp {
    time(&format!("2026-11-{day:02}"))
}

impl World {
    fn new() -> Self {
        let mut lab = Lab::of(POLICY, &["orders-db", "billing-db"]).at(time("2026-11-24T01:00Z"));
        for cluster in ["orders-db", "billing-db"] {
            for node in 0..2 {
                let disks = [DiskRole::Wal, DiskRole::Tablespace].map(|role| attached(cluster, node, role));
                lab.disks(cluster, node).extend(disks);
            }
        }
        for number in 17..=23 {
            lab.put(&Point { disks: DISKS.to_vec(), ..Point::at(day(number)) });
        }
        lab.put(&Point { cluster: "billing-db".to_owned(), disks: DISKS.to_vec(), ..Point::at(day(24)) });
        let mut world = Self { plan: lab.plan(), lab };
        world.mark(17, 19);
        world.mark(18, 23);
        world.plan = world.lab.plan();
        world
    }

    /// The snapshots of the point that was cut on a day.
    pub(super) fn parts(&mut self, number: u32) -> Vec<SnapshotId> {
        let is_of = |snapshot: &&backstay_core::observed::Snapshot| {
            snapshot.created == day(number) && &snapshot.tags[tags::CLUSTER] == "uid-orders-db"
        };
        self.lab.snapshots().iter().filter(is_of).map(|snapshot| snapshot.id.clone()).collect()
    }

    /// Marks a point, genuinely and seen, on another day.
    pub(super) fn mark(&mut self, number: u32, marked_on: u32) {
        for id in self.parts(number) {
            self.lab.mark(&id, day(marked_on), Duration::hours(72), Cause::Due);
        }
    }

    /// The delete's target becomes another point.
    pub(super) fn aim_delete_at(&mut self, number: u32) {
        let snapshots = self.expected(number);
        let delete = self.delete();
        delete.point = format!("202611{number:02}t000000z-1").parse().unwrap();
        delete.snapshots = snapshots;
    }

    /// One more point is marked by the plan.
    pub(super) fn also_expire(&mut self, number: u32) {
        let snapshots = self.expected(number);
        let mut change =
            self.plan.changes.iter().find(|change| matches!(change.action, Action::Expire(_))).unwrap().clone();
        if let Action::Expire(mark) = &mut change.action {
            mark.point = format!("202611{number:02}t000000z-1").parse().unwrap();
            mark.snapshots = snapshots;
        }
        self.plan.changes.push(change);
    }

    pub(super) fn expected(&mut self, number: u32) -> Vec<ExpectedSnapshot> {
        let ids = self.parts(number);
        ids.iter().map(|id| self.expect(id)).collect()
    }

    pub(super) fn expect(&mut self, id: &SnapshotId) -> ExpectedSnapshot {
        let snapshot = self.lab.snapshot(id);
        ExpectedSnapshot { id: id.clone(), disk: snapshot.disk.clone(), generation: snapshot.generation() }
    }

    pub(super) fn delete(&mut self) -> &mut MarkPoint {
        self.plan
            .changes
            .iter_mut()
            .find_map(|change| match &mut change.action {
                Action::Delete(mark) => Some(mark),
                Action::Create(_)
                | Action::Copy(_)
                | Action::Tag(_)
                | Action::Lock(_)
                | Action::Expire(_)
                | Action::Revive(_) => None,
            })
            .unwrap()
    }

    pub(super) fn create(&mut self) -> &mut CreatePoint {
        self.plan
            .changes
            .iter_mut()
            .find_map(|change| match &mut change.action {
                Action::Create(create) => Some(create),
                Action::Copy(_)
                | Action::Tag(_)
                | Action::Lock(_)
                | Action::Delete(_)
                | Action::Expire(_)
                | Action::Revive(_) => None,
            })
            .unwrap()
    }

    /// Only the create is left.
    pub(super) fn only_create(&mut self) {
        self.keep(|change| matches!(change.action, Action::Create(_)));
    }

    /// Only the delete is left.
    pub(super) fn only_delete(&mut self) {
        self.keep(|change| matches!(change.action, Action::Delete(_)));
    }

    fn keep(&mut self, is_kept: fn(&Change) -> bool) {
        self.plan.changes.retain(is_kept);
    }

    /// The create's parts get the places and intents that fit their order, slot and disks.
    pub(super) fn renumber(&mut self) {
        let create = self.create();
        let (class, point, of) = (create.class, create.point, u16::try_from(create.parts.len()).unwrap());
        for (part, index) in create.parts.iter_mut().zip(1..) {
            (part.name.index, part.name.of) = (index, of);
            part.intent = Intent::of(&crate::support::lab::uid("orders-db"), class, point, &part.disk);
        }
    }

    /// The plan saw all snapshots as they are now: the mistake is not that it is stale.
    fn see_again(&mut self) {
        let now: Vec<_> = self.lab.snapshots().iter().map(|s| (s.id.clone(), s.generation())).collect();
        for change in &mut self.plan.changes {
            let mark = match &mut change.action {
                Action::Create(_) | Action::Copy(_) | Action::Tag(_) | Action::Lock(_) => continue,
                Action::Expire(mark) | Action::Revive(mark) | Action::Delete(mark) => mark,
            };
            for expected in &mut mark.snapshots {
                if let Some((_, generation)) = now.iter().find(|(id, _)| *id == expected.id) {
                    expected.generation = generation.clone();
                }
            }
        }
    }
}

/// A mistake and the invariants that it breaks.
pub(super) type Mistake = (&'static str, &'static [u8], fn(&mut World));

/// Makes each mistake in a world of its own.
pub(super) fn check(mistakes: &[Mistake]) {
    let mut wrong = String::new();
    for (name, breaks, make) in mistakes {
        let mut world = World::new();
        world.lab.verify(world.plan.clone()).expect("the plan without the mistake passes");
        make(&mut world);
        let result = world.lab.verify(world.plan.clone());
        let broken: BTreeSet<u8> = result.as_ref().err().into_iter().flat_map(|v| &v.0).map(|v| v.invariant).collect();
        if !broken.iter().eq(breaks.iter()) {
            let text = result.err().map_or_else(|| "it passes".to_owned(), |violations| violations.to_string());
            wrong += &format!("{name}: {breaks:?} expected:\n{text}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_plan_without_a_mistake_does_one_of_each() {
    let world = World::new();
    insta::assert_snapshot!(crate::support::show::plan(&world.plan), @"
    + orders-db 2026-11-24T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-11-19T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-20T00:00Z due: beyond daily 3
    ~ orders-db 2026-11-21T00:00Z due: beyond daily 3
    - orders-db 2026-11-17T00:00Z due: beyond daily 3, tombstoned 5d 1h ago
    ? orders-db 2026-11-18T00:00Z: tombstoned; grace until 2026-11-26T00:00Z
    ");
}

#[test]
fn what_breaks_an_invariant_is_left_out_and_all_else_stands() {
    let rest = |verbs: &[&str], world: &World| {
        let checked = verify_or_leave_out(&Alone, world.plan.clone(), &world.lab.desired, &world.lab.observed).unwrap();
        let left: Vec<&str> = checked.plan.plan().changes.iter().map(|change| change.action.verb()).collect();
        assert_eq!(left, verbs);
        checked.left_out.map(|left_out| left_out.0.iter().map(|violation| violation.invariant).collect::<BTreeSet<_>>())
    };
    let mut world = World::new();
    let whole: Vec<&str> = world.plan.changes.iter().map(|change| change.action.verb()).collect();
    assert_eq!(rest(&whole, &world), None);
    // A kept point is deleted: the cluster's marks and deletes go, its new point is made.
    world.mark(22, 19);
    world.aim_delete_at(22);
    assert_eq!(rest(&["create"], &world), Some(BTreeSet::from([1])));
    // A create that is wrong itself takes all of its cluster with it.
    let mut world = World::new();
    let again = world.plan.changes[0].clone();
    world.plan.changes.push(again);
    assert!(rest(&[], &world).is_some_and(|broken| broken.contains(&8)));
}
