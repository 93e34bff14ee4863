//! What may be marked and deleted where.

use super::day;
use super::sites::{Sites, check_sites, key, site};
use crate::support::lab::{Point, UPGRADED, uid};
use backstay_core::model::CopyPolicy;
use backstay_core::name::SnapshotId;
use backstay_core::observed::Readiness;
use backstay_core::tags::{self, PointKey};
use backstay_core::time::{Duration, stamp};

#[test]
fn each_place_is_judged_by_its_own_retention() {
    check_sites(&[
        ("what home lets go", &[], |sites| sites.delete(17, "eu")),
        ("what the copy site lets go", &[], |sites| sites.delete(17, "us")),
        ("both at once", &[], |sites| {
            sites.delete(17, "eu");
            sites.delete(17, "us");
        }),
        ("what only the copy site keeps is deleted at home", &[], |sites| sites.mark_and_delete(20, "eu")),
        ("what only the copy site keeps is deleted there", &[1], |sites| sites.mark_and_delete(20, "us")),
        ("what only the copy site keeps is marked there", &[1], |sites| sites.expire(20, "us")),
        ("what the planned copy will push out is marked at the copy site", &[], |sites| {
            sites.copy(23, "eu", "us");
            sites.expire(18, "us");
        }),
        ("what the planned copy will push out is deleted at the copy site", &[1], |sites| {
            sites.copy(23, "eu", "us");
            sites.mark_and_delete(18, "us");
        }),
        ("the mark shortens the copy's grace", &[3], |sites| {
            sites.lose(17, "us");
            sites.copied(17, "us");
            sites.policy(|policy| policy.copies[0].retention.grace = Duration::hours(96));
            sites.expire(17, "us");
        }),
        ("the copy's grace is longer", &[3], |sites| {
            sites.policy(|policy| policy.copies[0].retention.grace = Duration::days(30));
            sites.delete(17, "us");
        }),
    ]);
}

#[test]
fn floors_count_each_point_once_and_stand_at_each_place() {
    fn upgraded(sites: &mut Sites) {
        sites.lab.upgrade("orders-db");
        for (number, hour) in [(22, 1), (23, 1)] {
            let cut = Duration::hours(hour).after(day(number));
            let key = PointKey { slot: cut, attempt: 1 };
            sites.lab.put(&Point { key, system: Some(UPGRADED), ..Point::at(cut) });
        }
    }
    check_sites(&[
        ("after an upgrade, home has enough, and the copy site none yet", &[2], |sites| {
            upgraded(sites);
            sites.delete(17, "us");
        }),
        ("after an upgrade, home has enough, and loses none of it", &[], |sites| {
            upgraded(sites);
            sites.delete(17, "eu");
        }),
        ("one point at two places is one point", &[2], |sites| {
            sites.lab.upgrade("orders-db");
            let cut = Duration::hours(1).after(day(23));
            let key = PointKey { slot: cut, attempt: 1 };
            let ids = sites.lab.put(&Point { key, system: Some(UPGRADED), ..Point::at(cut) });
            let mut copy = sites.lab.snapshot(&ids[0]).clone();
            copy.id = SnapshotId::new("copy-of-new").unwrap();
            sites.seal(&mut copy, "us");
            sites.at("us").snapshots.push(copy);
            sites.delete(17, "eu");
        }),
        ("the last copy of a copy site goes, and home has plenty", &[1, 2], |sites| {
            let id = sites.id(17, "us");
            sites.at("us").snapshots.retain(|snapshot| snapshot.id == id);
            sites.delete(17, "us");
        }),
    ]);
}

#[test]
fn where_something_may_lie_must_be_known() {
    check_sites(&[
        ("the copy site is unknown, and home marks", &[4], |sites| {
            sites.is_unknown("us");
            sites.expire(20, "eu");
        }),
        ("the copy site is unknown, and home deletes", &[4], |sites| {
            sites.is_unknown("us");
            sites.delete(17, "eu");
        }),
        ("the copy site was not observed", &[4], |sites| {
            sites.lab.observed.sites.remove(&site("us"));
            sites.delete(17, "eu");
        }),
        ("home is unknown, and the copy site deletes", &[4], |sites| {
            sites.delete(17, "us");
            sites.is_unknown("eu");
        }),
        ("the copy site itself is unknown", &[4], |sites| {
            sites.delete(17, "us");
            sites.is_unknown("us");
        }),
        ("a third site is unknown", &[], |sites| {
            sites.is_unknown("ap");
            sites.delete(17, "eu");
        }),
        ("the copy site's clock is apart", &[14], |sites| {
            let clock = &mut sites.at("us").clock;
            clock.is_virtual = false;
            clock.host = Duration::minutes(6).before(clock.now);
            sites.delete(17, "us");
        }),
    ]);
}

#[test]
fn a_source_waits_for_its_copies() {
    check_sites(&[
        ("the copy was never made", &[25], |sites| {
            sites.lose(20, "us");
            sites.mark_and_delete(20, "eu");
        }),
        ("the copy was never made, and it is only marked", &[], |sites| {
            sites.lose(20, "us");
            sites.expire(20, "eu");
        }),
        ("the copy is on its way", &[25], |sites| {
            sites.snapshot(20, "us").readiness = Readiness::CutFixed;
            sites.mark_and_delete(20, "eu");
        }),
        ("the copy failed", &[25], |sites| {
            sites.snapshot(20, "us").readiness = Readiness::Failed { because: "quota".to_owned() };
            sites.mark_and_delete(20, "eu");
        }),
        ("the copy has no genuine seal", &[25], |sites| {
            sites.snapshot(20, "us").tags.insert(tags::CUT, stamp(day(1)));
            sites.mark_and_delete(20, "eu");
        }),
        ("what the copy site would not keep either", &[], |sites| {
            sites.lose(17, "us");
            sites.delete(17, "eu");
        }),
        ("what nobody wants there is on its way all the same", &[25], |sites| {
            sites.snapshot(17, "us").readiness = Readiness::CutFixed;
            sites.delete(17, "eu");
        }),
        ("a planned copy's source is deleted at another copy site", &[25], |sites| {
            let retention = sites.lab.desired.policies.values().next().unwrap().retention.clone();
            sites.policy(|policy| policy.copies.push(CopyPolicy { site: site("ap"), retention, kms_key: None }));
            sites.policy(|policy| policy.copies[1].retention.keep.daily = 7);
            for number in 17..=22 {
                if number != 18 {
                    sites.copied(number, "ap");
                }
            }
            sites.lose(17, "us");
            sites.copied(17, "us");
            sites.copied(23, "us");
            sites.copied(23, "ap");
            sites.mark(18, "us");
            sites.copy(18, "us", "ap");
            sites.delete(18, "us");
        }),
    ]);
}

#[test]
fn a_former_site_drains_and_is_judged_together_with_home() {
    check_sites(&[
        ("what lies at a former site is old", &[], |sites| {
            sites.copied(18, "ap");
            sites.mark_and_delete(18, "ap");
        }),
        ("what lies at a former site would be kept at home", &[1], |sites| {
            sites.copied(22, "ap");
            sites.mark_and_delete(22, "ap");
        }),
        ("what lies only at a former site is kept by the policy", &[1, 2, 25], |sites| {
            sites.copied(23, "ap");
            sites.lose(23, "eu");
            sites.mark_and_delete(23, "ap");
        }),
        ("the last source of a copy lies at a former site", &[25], |sites| {
            sites.copied(20, "ap");
            sites.lose(20, "eu");
            sites.lose(20, "us");
            sites.mark_and_delete(20, "ap");
        }),
        ("a site where nothing of the cluster lies", &[6], |sites| {
            sites.delete(17, "eu");
            sites.changes[0].site = site("ap");
        }),
        ("a site that nobody declares", &[6], |sites| {
            sites.delete(17, "eu");
            sites.changes[0].site = site("nowhere");
        }),
        ("a tombstone of another place", &[3], |sites| {
            sites.copied(18, "ap");
            sites.mark(18, "eu");
            sites.snapshot(18, "ap").tags.insert(tags::EXPIRE, stamp(day(19)));
            sites.delete(18, "ap");
        }),
    ]);
}

#[test]
fn a_hold_is_on_the_point_wherever_it_lies() {
    check_sites(&[
        ("its record", &[1, 3], |sites| {
            sites.lab.records().holds.insert((uid("orders-db"), key(17)));
            sites.delete(17, "us");
        }),
        ("the tag of another copy", &[1, 3], |sites| {
            sites.snapshot(17, "us").tags.insert(tags::HOLD, "1");
            sites.delete(17, "eu");
        }),
        ("the tag of another copy, and it is only marked", &[1], |sites| {
            sites.snapshot(18, "us").tags.insert(tags::HOLD, "1");
            sites.expire(18, "eu");
        }),
    ]);
}

#[test]
fn an_object_that_is_its_own_copy_lives_as_long_as_either_retention_wants_it() {
    fn placed(sites: &mut Sites, daily: u32) {
        sites.profile("eu", "gcp");
        sites.profile("us", "gcp");
        sites.at("us").snapshots.clear();
        sites.policy(|policy| policy.copies[0].retention.keep.daily = daily);
    }
    check_sites(&[
        ("the copy's retention wants it", &[1], |sites| {
            placed(sites, 5);
            sites.expire(20, "eu");
        }),
        ("the copy's retention wants it, and it is deleted", &[1], |sites| {
            placed(sites, 7);
            sites.delete(17, "eu");
        }),
        ("neither wants it", &[], |sites| {
            placed(sites, 5);
            sites.delete(17, "eu");
        }),
        ("the policy's own wants it", &[1], |sites| {
            placed(sites, 1);
            sites.expire(22, "eu");
        }),
        ("it is copied", &[26], |sites| {
            placed(sites, 5);
            sites.copy(23, "eu", "us");
        }),
        ("nothing lies at the other site, which is unknown", &[], |sites| {
            placed(sites, 5);
            sites.is_unknown("us");
            sites.delete(17, "eu");
        }),
    ]);
}
