//! Marks and deletes that are refused.

use super::{World, check, day};
use crate::support::lab::{UPGRADED, site};
use backstay_core::name::SnapshotId;
use backstay_core::observed::{DatabaseState, Readiness};
use backstay_core::plan::{Action, Cause};
use backstay_core::seal::SealKey;
use backstay_core::tags;
use backstay_core::time::{Duration, stamp};
use backstay_core::tombstone::Tombstone;

/// Rewrites the tombstones of the point that is deleted.
fn retomb(world: &mut World, change: impl Fn(&mut Tombstone), is_seen: bool) {
    for id in world.parts(17) {
        let records = world.lab.records();
        let tombstone = records.tombstones.get_mut(&site()).unwrap().get_mut(&id).unwrap();
        change(tombstone);
        let digest = tombstone.digest();
        if is_seen {
            records.sightings.insert(digest, day(19));
        }
    }
}

fn each_part(world: &mut World, change: impl Fn(&mut backstay_core::observed::Snapshot)) {
    for id in world.parts(17) {
        change(world.lab.snapshot(&id));
    }
    world.see_again();
}

#[test]
fn what_a_policy_keeps_is_neither_marked_nor_deleted() {
    check(&[
        ("a kept point is deleted", &[1], |world| {
            world.mark(22, 19);
            world.aim_delete_at(22);
        }),
        ("a kept point is marked", &[1], |world| world.also_expire(22)),
        ("a point that only the planned one displaces is deleted", &[1], |world| {
            world.mark(21, 19);
            world.aim_delete_at(21);
            world
                .plan
                .changes
                .retain(|change| change.action.point().slot != day(21) || change.action.verb() == "delete");
        }),
        ("a point that only the planned one displaces is marked, and none is planned", &[1], |world| {
            world.plan.changes.retain(|change| change.action.rank() != 0);
        }),
        ("the newest point is deleted", &[1, 2], |world| {
            world.mark(23, 19);
            world.aim_delete_at(23);
        }),
        ("the last point is deleted", &[1, 2], |world| {
            world.only_delete();
            world.lab.snapshots().retain(|snapshot| snapshot.created == day(17));
        }),
        ("fewer than minimumRedundancy of the current system are left", &[2], |world| {
            world.lab.upgrade("orders-db");
            world.plan.changes.retain(|change| change.action.rank() != 0 && change.action.point().slot != day(21));
        }),
        ("the servers tell two system identifiers", &[2], |world| world.lab.status("orders-db", 0).system = UPGRADED),
        ("no server tells the system identifier", &[2], |world| {
            world.only_delete();
            for node in 0..2 {
                let gone = DatabaseState::Unreachable { because: "connection refused".to_owned() };
                *world.lab.database("orders-db", node) = gone;
            }
        }),
        ("a point is held by its record", &[1, 3], |world| {
            let hold = (crate::support::lab::uid("orders-db"), world.delete().point);
            world.lab.records().holds.insert(hold);
        }),
        ("a point is held by its tag", &[1, 3], |world| {
            each_part(world, |snapshot| {
                snapshot.tags.insert(tags::HOLD.to_owned(), "1".to_owned());
            });
        }),
        ("what is left of a held point is deleted", &[3], |world| {
            let hold = (crate::support::lab::uid("orders-db"), world.delete().point);
            world.lab.records().holds.insert(hold);
            let gone = world.delete().snapshots.pop().unwrap();
            world.lab.snapshots().retain(|snapshot| snapshot.id != gone.id);
        }),
    ]);
}

/// Bug of others 27: a stolen tagging role backdates a tombstone.
#[test]
fn a_delete_needs_record_and_tag_and_sighting_and_grace() {
    check(&[
        ("no tombstone at all", &[3], |world| {
            world.lab.records().tombstones.clear();
            each_part(world, |snapshot| {
                snapshot.tags.remove(tags::EXPIRE);
            });
        }),
        ("a tag without a record", &[3], |world| world.lab.records().tombstones.clear()),
        ("a record without a tag", &[3], |world| {
            each_part(world, |snapshot| {
                snapshot.tags.remove(tags::EXPIRE);
            });
        }),
        ("a forged tombstone", &[3], |world| {
            retomb(
                world,
                |tombstone| *tombstone = Tombstone::sign(tombstone.content.clone(), &SealKey::from_seed(&[9; 32])),
                true,
            );
        }),
        ("a tombstone that was changed after it was signed", &[3], |world| {
            retomb(world, |tombstone| tombstone.content.reason = "other".to_owned(), true);
        }),
        ("a tombstone of another site", &[3], |world| {
            let key = world.lab.key.clone();
            let other = |tombstone: &mut Tombstone| {
                let mut content = tombstone.content.clone();
                content.site = backstay_core::name::SiteName::new("us").unwrap();
                *tombstone = Tombstone::sign(content, &key);
            };
            retomb(world, other, true);
        }),
        ("a tombstone of another point", &[3], |world| {
            let key = world.lab.key.clone();
            let other = |tombstone: &mut Tombstone| {
                let mut content = tombstone.content.clone();
                content.point = "20261118t000000z-1".parse().unwrap();
                *tombstone = Tombstone::sign(content, &key);
            };
            retomb(world, other, true);
        }),
        ("a tag that is older than its record", &[3], |world| {
            for id in world.parts(17) {
                world.lab.mark(&id, day(24), Duration::hours(72), Cause::Due);
            }
            each_part(world, |snapshot| {
                snapshot.tags.insert(tags::EXPIRE.to_owned(), stamp(day(19)));
            });
        }),
        ("the grace is not over", &[3], |world| world.aim_delete_at(18)),
        ("the grace of the tombstone was longer", &[3], |world| {
            for id in world.parts(17) {
                world.lab.mark(&id, day(19), Duration::days(30), Cause::Due);
            }
            world.see_again();
        }),
        ("the grace of the policy is longer now", &[3], |world| {
            world.only_delete();
            world.lab.set_policy(&super::POLICY.replace("72h", "30d"));
        }),
        ("the mark shortens the grace", &[3], |world| {
            for change in &mut world.plan.changes {
                if let Action::Expire(mark) = &mut change.action {
                    mark.grace = Duration::hours(1);
                }
            }
        }),
        ("the sweeper never saw the tombstone", &[3], |world| world.lab.records().sightings.clear()),
        ("the sweeper saw it too short a time ago", &[3], |world| {
            for seen in world.lab.records().sightings.values_mut() {
                *seen = day(23);
            }
        }),
        ("one part is not marked", &[3], |world| {
            let id = world.parts(17).remove(0);
            world.lab.records().tombstones.get_mut(&site()).unwrap().remove(&id);
        }),
        ("the provider locks it", &[3], |world| each_part(world, |snapshot| snapshot.locked_until = Some(day(25)))),
    ]);
}

#[test]
fn only_what_is_ours_whole_and_finished_is_touched() {
    check(&[
        ("half of a point", &[8], |world| {
            world.delete().snapshots.pop();
        }),
        ("no snapshot at all", &[6], |world| world.delete().snapshots.clear()),
        ("a snapshot that does not exist", &[3, 6], |world| {
            let mut unknown = world.delete().snapshots[0].clone();
            unknown.id = SnapshotId::new("snap-99999").unwrap();
            world.delete().snapshots.push(unknown);
        }),
        ("a snapshot of another cluster", &[3, 6], |world| {
            let is_other = |s: &&backstay_core::observed::Snapshot| &s.tags[tags::CLUSTER] == "uid-billing-db";
            let id = world.lab.snapshots().iter().find(is_other).unwrap().id.clone();
            let other = world.expect(&id);
            world.delete().snapshots.push(other);
        }),
        ("a snapshot of another point", &[1, 3, 6], |world| {
            let other = world.expected(22).remove(0);
            world.delete().snapshots.push(other);
        }),
        ("another disk's snapshot", &[10], |world| {
            let disk = world.delete().snapshots[1].disk.clone();
            world.delete().snapshots[0].disk = disk;
        }),
        ("a forged seal", &[5], |world| {
            each_part(world, |snapshot| {
                snapshot.tags.insert(tags::CUT.to_owned(), stamp(day(1)));
            });
        }),
        ("a seal by an unknown key", &[5], |world| {
            let mut lab = world.lab.clone();
            lab.key = SealKey::from_seed(&[9; 32]);
            each_part(world, |snapshot| lab.seal(snapshot));
        }),
        ("no seal", &[5], |world| {
            each_part(world, |snapshot| {
                snapshot.tags.remove(tags::SEAL_2);
            });
        }),
        ("a snapshot that is still being made", &[7], |world| {
            each_part(world, |snapshot| snapshot.readiness = Readiness::CutFixed);
        }),
        ("a failed point is marked once it is a day old", &[], |world| {
            let id = world.parts(20).remove(0);
            world.lab.snapshot(&id).readiness = Readiness::Failed { because: "internal error".to_owned() };
            world.see_again();
        }),
        ("it changed since the plan", &[10], |world| {
            let id = world.parts(19).remove(0);
            world.lab.snapshot(&id).tags.insert("note".to_owned(), "mine".to_owned());
        }),
        ("a snapshot is touched twice", &[11], |world| world.also_expire(17)),
    ]);
}
