//! Mended tags that are refused.

use super::day;
use super::sites::{Sites, check_sites, hours_ago, key, site};
use crate::support::lab::{time, uid};
use backstay_core::observed::HeldLease;
use backstay_core::plan::{Action, Repair, TagPoint};
use backstay_core::tags::{self, Tags};
use backstay_core::time::{Duration, stamp};

fn set(tags: &[(&str, &str)]) -> Tags {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Somebody changed one of the tags of the 20th's point at home; the plan puts back what is said.
fn mend(sites: &mut Sites, key: &str, changed: &str, to: &[(&str, &str)]) {
    let id = sites.id(20, "eu");
    sites.lab.snapshot(&id).tags.insert(key, changed);
    // The plan is about the snapshot, whatever its tags say now.
    let snapshot = sites.lab.snapshot(&id).clone();
    let expected = backstay_core::plan::ExpectedSnapshot { generation: snapshot.generation(), id, disk: snapshot.disk };
    let snapshots = vec![backstay_core::plan::Retagged { expected, set: set(to) }];
    let class = backstay_core::tags::PointClass::Scheduled;
    let tag = TagPoint { point: super::sites::key(20), class, cut: day(20), repair: Repair::Restore, snapshots };
    sites.plan("eu", Action::Tag(tag));
}

#[test]
fn only_what_a_genuine_seal_proves_is_put_back() {
    check_sites(&[
        ("the cut", &[], |sites| mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")])),
        ("the cluster", &[], |sites| mend(sites, tags::CLUSTER, "uid-billing-db", &[(tags::CLUSTER, "uid-orders-db")])),
        ("the point", &[], |sites| {
            mend(sites, tags::POINT, "20261121t000000z-1", &[(tags::POINT, "20261120t000000z-1")]);
        }),
        ("half of the seal itself", &[5], |sites| {
            let half = sites.snapshot(20, "eu").tags[tags::SEAL_2].to_owned();
            mend(sites, tags::SEAL_2, "x", &[(tags::SEAL_2, &half)]);
        }),
        ("a wrong guess", &[5, 10], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000001z")]);
        }),
        ("the right guess, and a tag that no seal covers", &[5], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z"), (tags::EXPIRE, "x")]);
        }),
        ("it is another cluster's", &[6], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.changes[0].cluster = uid("billing-db");
        }),
        ("it is another point's", &[6, 10], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.last(|action| {
                if let Action::Tag(tag) = action {
                    (tag.point, tag.cut) = (key(21), day(21));
                }
            });
        }),
        ("nothing is wrong", &[11], |sites| {
            mend(sites, tags::CUT, "20261120t000000z", &[(tags::CUT, "20261120t000000z")]);
        }),
        ("it changed since", &[10], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            let id = sites.id(20, "eu");
            sites.lab.snapshot(&id).tags.insert("note", "mine");
        }),
        ("it does not exist", &[6], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.lose(20, "eu");
        }),
        ("its site is unknown", &[4], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.is_unknown("eu");
        }),
        ("its cluster is not declared", &[16], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.lab.desired.clusters.remove(&uid("orders-db"));
        }),
        ("the same one twice", &[11], |sites| {
            mend(sites, tags::CUT, "20200101t000000z", &[(tags::CUT, "20261120t000000z")]);
            sites.changes.push(sites.changes[0].clone());
        }),
    ]);
}

#[test]
fn a_holds_tag_follows_its_record() {
    fn hold(sites: &mut Sites, set: Tags) {
        sites.lab.records().holds.insert((uid("orders-db"), key(20)));
        sites.tag(20, "us", Repair::MirrorHold, set);
    }
    check_sites(&[
        ("a hold", &[], |sites| hold(sites, set(&[(tags::HOLD, "1")]))),
        ("no record holds it", &[11], |sites| {
            hold(sites, set(&[(tags::HOLD, "1")]));
            sites.lab.records().holds.clear();
        }),
        ("another cluster's record", &[11], |sites| {
            hold(sites, set(&[(tags::HOLD, "1")]));
            sites.lab.records().holds.clear();
            sites.lab.records().holds.insert((uid("billing-db"), key(20)));
        }),
        ("the records are unknown", &[4], |sites| {
            hold(sites, set(&[(tags::HOLD, "1")]));
            sites.lab.records_are_unknown();
        }),
        ("more than the hold", &[11], |sites| hold(sites, set(&[(tags::HOLD, "1"), (tags::EXPIRE, "x")]))),
        ("nothing at all", &[11], |sites| hold(sites, Tags::new())),
        ("what has no genuine seal", &[5], |sites| {
            sites.snapshot(20, "us").tags.insert(tags::CUT, stamp(day(1)));
            hold(sites, set(&[(tags::HOLD, "1")]));
        }),
    ]);
}

/// What an attempt at the point of the 20th left at home, that long ago, is adopted.
fn adopt(sites: &mut Sites, hours: u64) {
    let snapshot = sites.snapshot(20, "eu");
    for tag in [tags::SEAL_1, tags::SEAL_2, tags::PART, tags::CUT, tags::SYSTEM, tags::WAL] {
        snapshot.tags.remove(tag);
    }
    snapshot.created = hours_ago(hours);
    let cut = stamp(hours_ago(hours));
    sites.tag(20, "eu", Repair::Adopt, set(&[(tags::PART, "unfinished-1of1"), (tags::CUT, &cut)]));
}

/// The tags that the plan sets.
fn planned(sites: &mut Sites, change: impl FnOnce(&mut Tags)) {
    sites.last(|action| {
        if let Action::Tag(tag) = action {
            change(&mut tag.snapshots[0].set);
        }
    });
}

/// The same, and then the snapshot has another tag; the plan saw it so.
fn adopt_with(sites: &mut Sites, key: &str, value: &str) {
    adopt(sites, 25);
    sites.changes.clear();
    sites.snapshot(20, "eu").tags.insert(key, value);
    let cut = stamp(hours_ago(25));
    sites.tag(20, "eu", Repair::Adopt, set(&[(tags::PART, "unfinished-1of1"), (tags::CUT, &cut)]));
}

#[test]
fn only_what_carries_our_intent_alone_is_adopted_and_never_as_a_point() {
    check_sites(&[
        ("a day old", &[], |sites| adopt(sites, 24)),
        ("younger", &[7], |sites| adopt(sites, 23)),
        ("as a part of a point", &[7], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| tags.insert(tags::PART, "data-1of1"));
        }),
        ("with an older cut", &[14], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| tags.insert(tags::CUT, stamp(day(1))));
        }),
        ("with a cut of the future", &[14], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| tags.insert(tags::CUT, stamp(day(29))));
        }),
        ("without a cut", &[7, 14], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| assert!(tags.remove(tags::CUT)));
        }),
        ("with more facts", &[7], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| tags.insert(tags::SYSTEM, "7"));
        }),
        ("under another cluster", &[7], |sites| {
            adopt(sites, 25);
            planned(sites, |tags| tags.insert(tags::CLUSTER, "uid-billing-db"));
        }),
        ("a point that is whole", &[5, 14], |sites| {
            sites.tag(20, "eu", Repair::Adopt, set(&[(tags::PART, "unfinished-1of1"), (tags::CUT, "x")]));
        }),
        ("a point that lost half of its seal", &[5], |sites| adopt_with(sites, tags::SEAL_1, "x")),
        ("a point that lost its seal, and not its facts", &[5], |sites| adopt_with(sites, tags::PART, "data-1of1")),
        ("without an intent", &[5], |sites| adopt_with(sites, tags::INTENT, "")),
        ("not managed by us", &[5], |sites| adopt_with(sites, tags::MANAGED, "0")),
        ("another run works on the cluster", &[19], |sites| {
            adopt(sites, 25);
            let lease = HeldLease { holder: "run-2".to_owned(), until: Duration::hours(1).after(time("2026-11-24")) };
            sites.lab.records().leases.insert(uid("orders-db"), lease);
        }),
        ("another run works on another cluster", &[], |sites| {
            adopt(sites, 25);
            let lease = HeldLease { holder: "run-2".to_owned(), until: Duration::hours(1).after(time("2026-11-24")) };
            sites.lab.records().leases.insert(uid("billing-db"), lease);
        }),
        ("nobody knows who works", &[4], |sites| {
            adopt(sites, 25);
            sites.lab.records_are_unknown();
        }),
        ("it is marked by the same plan", &[5], |sites| {
            adopt(sites, 25);
            sites.expire(20, "eu");
        }),
        ("at a site that nobody declares", &[6], |sites| {
            adopt(sites, 25);
            sites.changes[0].site = site("nowhere");
        }),
    ]);
}
