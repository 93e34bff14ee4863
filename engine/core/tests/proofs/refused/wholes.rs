//! Plans that are refused for what was not seen, or for how much they do.

use super::{check, day};
use crate::support::lab::uid;
use backstay_core::model::Limit;
use backstay_core::name::SiteName;
use backstay_core::observed::RecentDelete;
use backstay_core::plan::{Action, Cause};
use jiff::SignedDuration;
use std::sync::Arc;

#[test]
fn nothing_goes_that_was_not_seen() {
    check(&[
        ("the cluster is not declared", &[16], |world| {
            world.lab.desired.clusters.remove(&uid("orders-db"));
        }),
        ("the site is unknown", &[4], |world| world.lab.site_is_unknown()),
        ("the site was not observed", &[4], |world| world.lab.observed.sites.clear()),
        ("the records are unknown", &[4], |world| world.lab.records_are_unknown()),
        ("the clocks are apart", &[14], |world| {
            let clock = &mut world.lab.inventory().clock;
            clock.is_virtual = false;
            clock.host = clock.now - SignedDuration::from_millis(300_001);
        }),
        ("the create is for another site", &[6], |world| {
            world.only_create();
            world.plan.changes[0].site = SiteName::new("us").unwrap();
        }),
        ("the cluster moved to a site that was not read", &[4, 6], |world| {
            let mut moved = (*world.lab.desired.clusters[&uid("orders-db")]).clone();
            moved.site = SiteName::new("us").unwrap();
            world.lab.desired.clusters.insert(uid("orders-db"), Arc::new(moved));
        }),
    ]);
}

#[test]
fn deletes_that_the_clock_did_not_bring_stay_few() {
    check(&[
        ("beyond the limit of a cluster", &[18], |world| {
            world.lab.desired.fleet.limits.cluster = 0;
            by_config(world);
        }),
        ("beyond the limit of the fleet", &[18], |world| {
            world.lab.desired.fleet.limits.fleet = Some(Limit::Count(0));
            by_config(world);
        }),
        ("beyond the share of the fleet", &[18], |world| {
            world.lab.desired.fleet.limits.fleet = Some(Limit::Percent(1.0));
            by_config(world);
        }),
        ("together with the last day's", &[18], |world| {
            world.lab.desired.fleet.limits.cluster = 1;
            let delete = RecentDelete {
                at: day(23) + SignedDuration::from_hours(2),
                cluster: uid("orders-db"),
                point: world.delete().point,
                site: None,
                cause: Cause::Config,
            };
            world.lab.records().recent_deletes.push(delete);
            by_config(world);
        }),
        ("not with those of the last day that were due", &[], |world| {
            world.lab.desired.fleet.limits.cluster = 1;
            let delete = RecentDelete {
                at: day(23) + SignedDuration::from_hours(2),
                cluster: uid("orders-db"),
                point: world.delete().point,
                site: None,
                cause: Cause::Due,
            };
            world.lab.records().recent_deletes.push(delete);
            by_config(world);
        }),
        ("not with those of longer ago", &[], |world| {
            world.lab.desired.fleet.limits.cluster = 1;
            let delete = RecentDelete {
                at: day(23) + SignedDuration::from_hours(1),
                cluster: uid("orders-db"),
                point: world.delete().point,
                site: None,
                cause: Cause::Config,
            };
            world.lab.records().recent_deletes.push(delete);
            by_config(world);
        }),
        ("as many due ones as twice the slots of four days", &[], |world| recently_due(world, 15)),
        ("one more due one", &[18], |world| recently_due(world, 16)),
        ("one more due one, long ago", &[], |world| {
            recently_due(world, 16);
            for delete in &mut world.lab.records().recent_deletes {
                delete.at = day(23);
            }
        }),
        ("one more due one, by cron", &[18], |world| {
            recently_due(world, 16);
            world.lab.set_policy(&super::POLICY.replace("{ every: 24h, spread: 0s }", "{ cron: 0 0 * * * }"));
        }),
        ("one more due one, where points fall due more often", &[], |world| {
            recently_due(world, 16);
            world.only_delete();
            world.lab.set_policy(&super::POLICY.replace("{ every: 24h, spread: 0s }", "{ cron: 0 */12 * * * }"));
        }),
        ("not those that are due", &[], |world| world.lab.desired.fleet.limits.cluster = 0),
        ("a tombstone keeps its cause, whatever the plan says", &[18], |world| {
            world.lab.desired.fleet.limits.cluster = 0;
            for id in world.parts(17) {
                world.lab.mark(&id, day(19), backstay_core::time::Duration::hours(72), Cause::Config);
            }
        }),
    ]);
}

/// So many deletes of the other cluster were due within the last day.
fn recently_due(world: &mut super::World, count: u32) {
    let deletes = (1..=count).map(|attempt| RecentDelete {
        at: day(23) + SignedDuration::from_hours(2),
        cluster: uid("billing-db"),
        point: backstay_core::tags::PointKey { slot: day(1), attempt },
        cause: Cause::Due,
        site: None,
    });
    world.lab.records().recent_deletes.extend(deletes);
}

fn by_config(world: &mut super::World) {
    for change in &mut world.plan.changes {
        if matches!(change.action, Action::Delete(_)) {
            change.cause = Cause::Config;
        }
    }
}
