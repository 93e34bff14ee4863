//! What never became a point, and the points of a retired cluster.

use super::day;
use super::sites::{Sites, check_sites, hours_ago, key, servers_are_gone};
use crate::support::lab::{Point, uid};
use backstay_core::observed::{DiskRole, Readiness};
use backstay_core::plan::{Action, ExpectedSnapshot, MarkPoint};
use backstay_core::schedule::{Cron, Schedule};
use backstay_core::tags::{self, PointClass};
use backstay_core::time::{Duration, stamp};
use jiff::tz::TimeZone;

fn failed(because: &str) -> Readiness {
    Readiness::Failed { because: because.to_owned() }
}

/// A point of two parts, of the 16th, of which the second is as it is said; it was made that long ago. Its sealed part is marked,
/// or all of it is.
fn unusable(sites: &mut Sites, hours: u64, second: Readiness, class: PointClass) {
    let disks = vec![DiskRole::Wal, DiskRole::Data];
    let ids = sites.lab.put(&Point { disks, class, created: hours_ago(hours), ..Point::at(day(16)) });
    sites.lab.snapshot(&ids[0]).readiness = failed("internal error");
    sites.lab.snapshot(&ids[1]).readiness = second;
    expire_all(sites);
}

/// Marks everything of the 16th's point at home.
fn expire_all(sites: &mut Sites) {
    let point = key(16).to_string();
    let of_point = sites.at("eu").snapshots.iter().filter(|s| s.tags.get(tags::POINT) == Some(&point));
    let snapshots: Vec<ExpectedSnapshot> = of_point
        .map(|s| ExpectedSnapshot { id: s.id.clone(), disk: s.disk.clone(), generation: s.generation() })
        .collect();
    let mark = MarkPoint { point: key(16), cut: day(16), grace: Duration::hours(72), snapshots, is_double: false };
    sites.plan("eu", Action::Expire(mark));
}

#[test]
fn what_is_no_point_is_marked_a_day_later() {
    check_sites(&[
        ("both parts failed", &[], |sites| unusable(sites, 24, failed("quota"), PointClass::Scheduled)),
        ("one part failed", &[], |sites| unusable(sites, 24, Readiness::Ready, PointClass::Scheduled)),
        ("less than a day ago", &[7], |sites| unusable(sites, 23, Readiness::Ready, PointClass::Scheduled)),
        ("a part is still being made", &[7], |sites| unusable(sites, 90, Readiness::CutFixed, PointClass::Scheduled)),
        ("a part has not begun", &[7], |sites| unusable(sites, 90, Readiness::Creating, PointClass::Scheduled)),
        ("a part that is not even sealed is being made", &[7], |sites| {
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
            let mut third = sites.at("eu").snapshots.last().unwrap().clone();
            third.id = backstay_core::name::SnapshotId::new("snap-third").unwrap();
            third.readiness = Readiness::Creating;
            for tag in [tags::SEAL_1, tags::SEAL_2, tags::PART] {
                third.tags.remove(tag);
            }
            sites.at("eu").snapshots.push(third);
        }),
        ("a safety point", &[1], |sites| unusable(sites, 90, Readiness::Ready, PointClass::Safety)),
        ("a drill's point", &[1], |sites| unusable(sites, 90, Readiness::Ready, PointClass::Drill)),
        ("it is held", &[1], |sites| {
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
            sites.lab.records().holds.insert((uid("orders-db"), key(16)));
        }),
        ("half of it", &[8], |sites| {
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
            sites.last(|action| {
                if let Action::Expire(mark) = action {
                    mark.snapshots.pop();
                }
            });
        }),
        ("a leftover that was adopted", &[], |sites| {
            adopted(sites, 25);
            expire_all(sites);
        }),
        ("a leftover that is young", &[7], |sites| {
            adopted(sites, 23);
            expire_all(sites);
        }),
        ("the floor does not stand", &[2], |sites| {
            below_the_floor(sites);
            adopted(sites, 90);
            expire_all(sites);
        }),
        ("what failed below the floor, where it keeps points from being made", &[], |sites| {
            below_the_floor(sites);
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
        }),
        ("what failed below the floor, where it stops nothing", &[2], |sites| {
            below_the_floor(sites);
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
            sites.profile("eu", "azure");
        }),
        ("what failed, and the only point with it", &[1, 2], |sites| {
            below_the_floor(sites);
            unusable(sites, 90, Readiness::Ready, PointClass::Scheduled);
            sites.expire(17, "eu");
        }),
    ]);
}

/// One point is left, and more are the floor.
fn below_the_floor(sites: &mut Sites) {
    let first = key(17).to_string();
    sites.at("eu").snapshots.retain(|snapshot| snapshot.tags.get(tags::POINT) == Some(&first));
    sites.at("us").snapshots.clear();
}

fn adopted(sites: &mut Sites, hours: u64) {
    let created = hours_ago(hours);
    let ids = sites.lab.put(&Point { created, unsealed: true, ..Point::at(day(16)) });
    let mut left = sites.lab.snapshot(&ids[0]).clone();
    left.tags.insert(tags::PART, "unfinished-1of1");
    left.tags.insert(tags::CUT, stamp(created));
    sites.seal(&mut left, "eu");
    *sites.lab.snapshot(&ids[0]) = left;
}

/// A point of the 16th that stands, and a double of its one part that was sealed as left over.
fn doubled(sites: &mut Sites, hours: u64) {
    let created = hours_ago(hours);
    let ids = sites.lab.put(&Point { created, ..Point::at(day(16)) });
    let mut double = sites.lab.snapshot(&ids[0]).clone();
    double.id = backstay_core::name::SnapshotId::new("snap-double").unwrap();
    for key in [tags::SYSTEM, tags::WAL, tags::SEAL_1, tags::SEAL_2] {
        double.tags.remove(key);
    }
    double.tags.insert(tags::PART, "unfinished-1of1");
    double.tags.insert(tags::CUT, stamp(created));
    sites.seal(&mut double, "eu");
    sites.at("eu").snapshots.push(double);
}

/// Marks some of the 16th's point, with or without the word that they are doubles.
fn expire_some(sites: &mut Sites, is_double: bool, is_it: fn(&str) -> bool) {
    expire_all(sites);
    sites.last(|action| {
        if let Action::Expire(mark) = action {
            mark.is_double = is_double;
            mark.snapshots.retain(|expected| is_it(expected.id.as_str()));
        }
    });
}

#[test]
fn a_double_goes_alone() {
    check_sites(&[
        ("a double", &[], |sites| {
            doubled(sites, 90);
            expire_some(sites, true, |id| id == "snap-double");
        }),
        ("a double that is young", &[7], |sites| {
            doubled(sites, 23);
            expire_some(sites, true, |id| id == "snap-double");
        }),
        ("a double, and with it the files of its point", &[8], |sites| {
            doubled(sites, 90);
            expire_some(sites, false, |id| id == "snap-double");
        }),
        ("a part, as if it were a double", &[8], |sites| {
            doubled(sites, 90);
            expire_some(sites, true, |id| id != "snap-double");
        }),
        ("a double with its part", &[6, 8], |sites| {
            doubled(sites, 90);
            expire_some(sites, true, |_| true);
        }),
        ("a double of a point that is held", &[1], |sites| {
            doubled(sites, 90);
            sites.lab.records().holds.insert((uid("orders-db"), key(16)));
            expire_some(sites, true, |id| id == "snap-double");
        }),
    ]);
}

#[test]
fn a_leftover_goes_like_all_that_is_marked() {
    fn deleted(sites: &mut Sites) {
        adopted(sites, 200);
        sites.mark_and_delete(16, "eu");
    }
    check_sites(&[
        ("after its grace", &[], deleted),
        ("without a sighting", &[3], |sites| {
            deleted(sites);
            sites.lab.records().sightings.clear();
        }),
        ("it is held", &[3], |sites| {
            deleted(sites);
            sites.lab.records().holds.insert((uid("orders-db"), key(16)));
        }),
        ("it is being made again", &[7], |sites| {
            adopted(sites, 200);
            sites.snapshot(16, "eu").readiness = Readiness::CutFixed;
            sites.mark_and_delete(16, "eu");
        }),
    ]);
}

#[test]
fn a_retired_clusters_points_live_out_the_longest_of_their_spans() {
    fn retired(sites: &mut Sites) {
        sites.cluster(|cluster| cluster.is_retired = true);
    }
    check_sites(&[
        ("older than three days", &[], |sites| {
            retired(sites);
            sites.expire(20, "eu");
        }),
        ("three days and an hour old", &[], |sites| {
            retired(sites);
            sites.expire(21, "eu");
        }),
        ("two days old", &[1], |sites| {
            retired(sites);
            sites.expire(22, "eu");
        }),
        ("the copy site keeps five days", &[1], |sites| {
            retired(sites);
            sites.expire(20, "us");
        }),
        ("the last ones, though the servers are gone", &[], |sites| {
            retired(sites);
            servers_are_gone(sites);
            for name in ["eu", "us"] {
                let first = key(17).to_string();
                sites.at(name).snapshots.retain(|snapshot| snapshot.tags.get(tags::POINT) == Some(&first));
                sites.delete(17, name);
            }
        }),
        ("the last one of a cluster that is not retired", &[1, 2, 25], |sites| {
            let first = key(17).to_string();
            sites.at("eu").snapshots.retain(|snapshot| snapshot.tags.get(tags::POINT) == Some(&first));
            sites.at("us").snapshots.clear();
            sites.delete(17, "eu");
        }),
        ("last counts the schedule's interval", &[1], |sites| {
            retired(sites);
            sites.policy(|policy| policy.retention.keep.last = 5);
            sites.expire(20, "eu");
        }),
        ("minimumRedundancy, too", &[1], |sites| {
            retired(sites);
            sites.policy(|policy| policy.retention.minimum_redundancy = 5);
            sites.expire(20, "eu");
        }),
        ("a week of weekly", &[1], |sites| {
            retired(sites);
            sites.policy(|policy| policy.retention.keep.weekly = 1);
            sites.expire(18, "eu");
        }),
        ("the longest gap of a cron schedule", &[1], |sites| {
            retired(sites);
            let cron = Cron::parse("0 0 1,5,9 * *").unwrap();
            let schedule = Schedule::Cron { cron, zone: TimeZone::UTC, spread: Duration::ZERO };
            sites.policy(|policy| policy.schedule = schedule);
            sites.expire(17, "us");
        }),
        ("its grace holds", &[3], |sites| {
            retired(sites);
            sites.mark(18, "eu");
            sites.delete(18, "eu");
            sites.policy(|policy| policy.retention.grace = Duration::days(30));
        }),
        ("its holds hold", &[1, 3], |sites| {
            retired(sites);
            sites.lab.records().holds.insert((uid("orders-db"), key(17)));
            sites.delete(17, "eu");
        }),
        ("its copy site is unknown", &[4], |sites| {
            retired(sites);
            sites.is_unknown("us");
            sites.delete(17, "eu");
        }),
        ("no copy is waited for that will never be made", &[], |sites| {
            retired(sites);
            sites.lose(20, "us");
            sites.mark_and_delete(20, "eu");
        }),
    ]);
}
