//! Locks that are refused.

use super::day;
use super::sites::{Sites, check_sites, key};
use crate::support::lab::time;
use backstay_core::model::{LockMode, LockPolicy};
use backstay_core::observed::Readiness;
use backstay_core::plan::{Action, LockPoint};
use backstay_core::tags::{self, PointClass};
use backstay_core::time::Duration;

const PERIOD: Duration = Duration::days(14);

/// The policy locks for 14 days, and the plan locks a day's point at a site.
fn lock(sites: &mut Sites, number: u32, name: &str, change: impl FnOnce(&mut LockPoint)) {
    sites.policy(|policy| policy.lock = Some(LockPolicy { mode: LockMode::Governance, period: PERIOD }));
    let mut lock = LockPoint {
        point: key(number),
        class: PointClass::Scheduled,
        cut: day(number),
        mode: LockMode::Governance,
        until: PERIOD.after(day(number)),
        snapshots: vec![sites.expect(number, name)],
    };
    change(&mut lock);
    sites.plan(name, Action::Lock(lock));
}

#[test]
fn only_what_the_policy_locks_and_for_as_long_as_it_says() {
    check_sites(&[
        ("the newest point", &[], |sites| lock(sites, 23, "eu", |_| {})),
        ("a copy", &[], |sites| lock(sites, 22, "us", |_| {})),
        ("the policy has no lock", &[1], |sites| {
            lock(sites, 23, "eu", |_| {});
            sites.policy(|policy| policy.lock = None);
        }),
        ("the policy has another mode", &[1], |sites| lock(sites, 23, "eu", |lock| lock.mode = LockMode::Compliance)),
        ("longer than the policy says", &[1], |sites| {
            lock(sites, 23, "eu", |lock| lock.until = Duration::seconds(1).after(lock.until));
        }),
        ("from now on", &[1], |sites| {
            lock(sites, 23, "eu", |lock| lock.until = PERIOD.after(time("2026-11-24T01:00Z")));
        }),
        ("over already", &[1], |sites| {
            lock(sites, 22, "eu", |lock| lock.until = Duration::days(1).after(lock.cut));
            sites.policy(|policy| policy.lock.as_mut().unwrap().period = Duration::days(1));
        }),
        ("shorter than it is", &[1], |sites| {
            sites.snapshot(23, "eu").locked_until = Some(Duration::days(15).after(day(23)));
            lock(sites, 23, "eu", |_| {});
        }),
        ("longer than it is", &[], |sites| {
            sites.snapshot(23, "eu").locked_until = Some(Duration::days(13).after(day(23)));
            lock(sites, 23, "eu", |_| {});
        }),
        ("a site that has no lock", &[26], |sites| {
            sites.profile("eu", "gcp");
            lock(sites, 23, "eu", |_| {});
        }),
        ("a site that has no such lock", &[26], |sites| {
            sites.profile("eu", "alibaba");
            lock(sites, 23, "eu", |_| {});
        }),
    ]);
}

#[test]
fn what_must_go_is_never_locked() {
    check_sites(&[
        ("what retention lets go", &[1], |sites| lock(sites, 20, "eu", |_| {})),
        ("what the copy site's retention keeps", &[], |sites| lock(sites, 20, "us", |_| {})),
        ("what is marked", &[1, 3], |sites| lock(sites, 17, "us", |_| {})),
        ("what is kept again, and still marked", &[3], |sites| {
            sites.mark(22, "us");
            lock(sites, 22, "us", |_| {});
        }),
        ("what has a tag only", &[3], |sites| {
            sites.snapshot(22, "us").tags.insert(tags::EXPIRE, "20261119t000000z");
            lock(sites, 22, "us", |_| {});
        }),
        ("what the plan marks", &[1, 11], |sites| {
            lock(sites, 20, "eu", |_| {});
            sites.expire(20, "eu");
        }),
        ("what is not ready", &[7], |sites| {
            sites.snapshot(23, "eu").readiness = Readiness::CutFixed;
            lock(sites, 23, "eu", |_| {});
        }),
        ("a double", &[1], |sites| {
            let mut twin = sites.snapshot(23, "eu").clone();
            twin.id = backstay_core::name::SnapshotId::new("snap-twin").unwrap();
            let second = backstay_core::tags::PointKey { attempt: 2, ..key(23) };
            twin.tags.insert(tags::POINT, second.to_string());
            sites.seal(&mut twin, "eu");
            sites.at("eu").snapshots.push(twin);
            lock(sites, 23, "eu", |_| {});
        }),
        ("what has no genuine seal", &[5, 7], |sites| {
            sites.snapshot(23, "eu").tags.insert(tags::CUT, "20200101t000000z");
            lock(sites, 23, "eu", |_| {});
        }),
        ("no snapshot", &[8], |sites| lock(sites, 23, "eu", |lock| lock.snapshots.clear())),
        ("another point's snapshot", &[6, 8], |sites| {
            let other = sites.expect(22, "eu");
            lock(sites, 23, "eu", |lock| lock.snapshots[0] = other);
        }),
        ("another cut", &[10], |sites| {
            lock(sites, 23, "eu", |lock| (lock.cut, lock.until) = (day(24), PERIOD.after(day(24))));
        }),
        ("what changed since", &[10], |sites| {
            lock(sites, 23, "eu", |_| {});
            sites.snapshot(23, "eu").tags.insert("note", "mine");
        }),
        ("a site that is none of its places", &[6], |sites| {
            lock(sites, 23, "eu", |_| {});
            sites.changes[0].site = super::sites::site("ap");
        }),
    ]);
}
