//! Creates that are refused.

use super::{DISKS, POLICY, check, day};
use crate::support::lab::{Point, UPGRADED, attached, instance, time};
use backstay_core::model::{ConsistencyWanted, CopyPolicy, Provider};
use backstay_core::name::{InstanceId, Location, NodeName, SiteName};
use backstay_core::observed::{DatabaseRole, DatabaseState, DiskRole, Readiness, Unmanaged};
use backstay_core::tags::{Intent, PointKey};
use backstay_core::time::Duration;

#[test]
fn one_point_for_the_latest_slot_that_nothing_serves() {
    check(&[
        ("two points for one slot", &[8], |world| {
            let change = world.plan.changes[0].clone();
            world.plan.changes.push(change);
        }),
        ("a slot in the future", &[15], |world| {
            world.create().point.slot = day(25);
            world.renumber();
        }),
        ("an earlier slot", &[8, 15], |world| {
            world.only_create();
            world.create().point = PointKey { slot: day(23), attempt: 2 };
            world.renumber();
        }),
        ("a slot that the schedule does not have", &[15], |world| {
            world.create().point.slot = time("2026-11-24T00:30Z");
            world.renumber();
        }),
        ("a slot that a cron schedule does not have", &[15], |world| {
            world.only_create();
            world.lab.set_policy(&POLICY.replace("{ every: 24h, spread: 0s }", "{ cron: 30 0 * * * }"));
        }),
        ("not the latest slot of a cron schedule", &[15], |world| {
            world.only_create();
            world.lab.set_policy(&POLICY.replace("{ every: 24h, spread: 0s }", "{ cron: \"0,30 0 * * *\" }"));
        }),
        ("the latest slot of a cron schedule", &[], |world| {
            world.only_create();
            world.lab.set_policy(&POLICY.replace("{ every: 24h, spread: 0s }", "{ cron: 0 0 * * * }"));
        }),
        ("a slot that has a point", &[8], |world| {
            world.only_create();
            world
                .lab
                .put(&Point { key: "20261124t000000z-9".parse().unwrap(), ..Point::at(time("2026-11-24T00:30Z")) });
        }),
        ("a slot whose point is being made", &[8], |world| {
            world.only_create();
            let key = "20261124t000000z-9".parse().unwrap();
            world.lab.put(&Point { key, readiness: Readiness::CutFixed, ..Point::at(time("2026-11-24T00:30Z")) });
        }),
        ("a slot that only a point from the future serves", &[], |world| {
            world.only_create();
            world.lab.put(&Point { key: "20261124t000000z-9".parse().unwrap(), ..Point::at(time("2027-01-01")) });
        }),
        ("an attempt that was begun before", &[8], |world| {
            world.only_create();
            world.lab.put(&Point { unsealed: true, ..Point::at(day(24)) });
        }),
    ]);
}

#[test]
fn all_disks_of_the_source_each_once_the_data_directory_last() {
    check(&[
        ("a disk is missing", &[8], |world| {
            world.create().parts.remove(0);
            world.renumber();
        }),
        ("the data directory is not last", &[8], |world| {
            world.create().parts.swap(0, 2);
            world.renumber();
        }),
        ("the WAL is cut before a tablespace", &[8], |world| {
            world.create().parts.swap(0, 1);
            world.renumber();
        }),
        ("a disk is there twice", &[8], |world| {
            let part = world.create().parts[0].clone();
            world.create().parts.insert(0, part);
            world.renumber();
        }),
        ("no disk at all", &[8], |world| world.create().parts.clear()),
        ("a disk of another instance", &[8], |world| {
            world.create().parts[0].disk = attached("orders-db", 0, DiskRole::Tablespace).id;
            world.renumber();
        }),
        ("a disk in another role", &[8], |world| {
            let disk = world.create().parts[0].disk.clone();
            world.create().parts[0].disk = world.create().parts[1].disk.clone();
            world.create().parts[1].disk = disk;
            world.renumber();
        }),
        ("a part out of its place", &[8], |world| world.create().parts[0].name.index = 2),
        ("the intent of another attempt", &[9], |world| {
            let disk = world.create().parts[0].disk.clone();
            let point = PointKey { slot: day(24), attempt: 2 };
            let (class, uid) = (world.create().class, crate::support::lab::uid("orders-db"));
            world.create().parts[0].intent = Intent::of(&uid, class, point, &disk);
        }),
        ("a disk of which nothing is known", &[8], |world| {
            world.lab.disks("orders-db", 1).push(attached("orders-db", 1, DiskRole::Unknown));
        }),
        ("a disk that is not encrypted", &[8], |world| {
            for disk in world.lab.disks("orders-db", 1) {
                disk.encrypted = disk.role != DiskRole::Wal;
            }
        }),
        ("a disk was attached since", &[8], |world| {
            let mut disk = attached("orders-db", 1, DiskRole::Tablespace);
            disk.id = backstay_core::name::DiskId::new("vol-new").unwrap();
            world.lab.disks("orders-db", 1).push(disk);
        }),
    ]);
}

#[test]
fn a_cut_at_one_instant_or_a_backup_session() {
    fn crash(world: &mut super::World) {
        world.only_create();
        world.lab.set_policy(&format!("{POLICY}\nconsistency: crash"));
        world.create().consistency = ConsistencyWanted::Crash;
    }
    check(&[
        ("a crash point by one cut", &[], |world| crash(world)),
        ("a crash point, one disk after the other", &[8], |world| {
            crash(world);
            world.create().atomic_group = false;
        }),
        ("a crash point where the site cannot cut at once", &[8], |world| {
            crash(world);
            world.lab.inventory().abilities.atomic_group = false;
        }),
        ("one cut where the site cannot", &[8], |world| world.lab.inventory().abilities.atomic_group = false),
        ("another consistency than the policy's", &[8], |world| world.create().consistency = ConsistencyWanted::Crash),
    ]);
}

#[test]
fn the_source_is_a_fit_server_of_the_cluster_in_the_role_that_the_policy_wants() {
    check(&[
        ("the primary, and the policy wants a standby", &[8], |world| {
            from_primary(world);
            world.lab.set_policy(&POLICY.replace("prefer-standby", "standby"));
        }),
        ("the primary, where a standby is only preferred", &[], from_primary),
        ("a standby, and the policy wants the primary", &[8], |world| {
            world.lab.set_policy(&POLICY.replace("prefer-standby", "primary"));
        }),
        ("a standby that lags too much", &[8], |world| {
            world.lab.status("orders-db", 1).role = DatabaseRole::Standby { lag: Some(Duration::seconds(61)) };
        }),
        ("a standby whose lag is not known", &[8], |world| {
            world.lab.status("orders-db", 1).role = DatabaseRole::Standby { lag: None };
        }),
        ("a server that does not answer", &[8], |world| {
            *world.lab.database("orders-db", 1) =
                DatabaseState::Unreachable { because: "connection refused".to_owned() };
        }),
        ("a server that nothing can ask, for a labelled point", &[8], |world| {
            *world.lab.database("orders-db", 1) = DatabaseState::NotObservable;
        }),
        ("a server with another system identifier", &[10], |world| {
            world.only_create();
            world.lab.status("orders-db", 1).system = UPGRADED;
        }),
        ("a server that was promoted since", &[10], |world| {
            world.lab.status("orders-db", 0).role = DatabaseRole::Standby { lag: Some(Duration::ZERO) };
            world.lab.status("orders-db", 1).role = DatabaseRole::Primary;
        }),
        ("two primaries", &[8], |world| {
            from_primary(world);
            world.lab.status("orders-db", 1).role = DatabaseRole::Primary;
        }),
        ("another backup is running", &[8], |world| world.lab.status("orders-db", 1).backup_running = true),
        ("pages may be torn", &[8], |world| world.lab.status("orders-db", 1).full_page_writes = false),
        ("an instance that does not exist", &[6, 8], |world| {
            world.create().instance = InstanceId::new("i-gone").unwrap();
        }),
        ("an instance of another cluster", &[6, 8], |world| {
            world.create().instance = instance("billing-db", 1);
        }),
        ("an instance under another node's name", &[6], |world| {
            world.create().node = NodeName::new("orders-db-0").unwrap();
        }),
        ("a declared disk is not attached", &[8], |world| {
            let uid = crate::support::lab::uid("orders-db");
            let mut cluster = (*world.lab.desired.clusters[&uid]).clone();
            cluster.nodes[1].disks.push(backstay_core::name::DiskId::new("vol-elsewhere").unwrap());
            world.lab.desired.clusters.insert(uid, std::sync::Arc::new(cluster));
        }),
    ]);
}

#[test]
fn a_site_is_asked_for_no_more_than_it_takes() {
    fn disk() -> backstay_core::name::DiskId {
        attached("orders-db", 1, DiskRole::Data).id
    }
    fn minutes_ago(minutes: u64) -> jiff::Timestamp {
        Duration::minutes(minutes).before(time("2026-11-24T01:00Z"))
    }
    /// Somebody else made snapshots of the disk.
    fn unmanaged(world: &mut super::World, created: impl Iterator<Item = jiff::Timestamp>) {
        for (created, number) in created.zip(0..) {
            let id = backstay_core::name::SnapshotId::new(format!("snap-theirs-{number}")).unwrap();
            world.lab.inventory().unmanaged.push(Unmanaged { id, disk: disk(), created, size: 1 });
        }
    }
    /// Attempts of long ago, whose one snapshot never became ready.
    fn attempts(world: &mut super::World, count: u32, readiness: &Readiness) {
        for attempt in 1..=count {
            let key = PointKey { slot: day(1), attempt };
            world.lab.put(&Point { key, readiness: readiness.clone(), ..Point::at(day(1)) });
        }
    }
    fn profile(world: &mut super::World, name: &str) {
        world.only_create();
        let site = crate::support::lab::site();
        let mut declared = (*world.lab.desired.sites[&site]).clone();
        if let Provider::Sim(sim) = &mut declared.provider {
            sim.profile = name.to_owned();
        }
        world.lab.desired.sites.insert(site, std::sync::Arc::new(declared));
    }
    check(&[
        ("ten minutes after another's snapshot", &[], |world| {
            profile(world, "gcp");
            unmanaged(world, [minutes_ago(10)].into_iter());
        }),
        ("nine minutes after another's snapshot", &[26], |world| {
            profile(world, "gcp");
            unmanaged(world, [minutes_ago(9)].into_iter());
        }),
        ("six within an hour", &[26], |world| {
            profile(world, "gcp");
            unmanaged(world, (1..=6).map(|n| minutes_ago(n * 9 + 5)));
        }),
        ("five within an hour", &[], |world| {
            profile(world, "gcp");
            unmanaged(world, (1..=5).map(|n| minutes_ago(n * 9 + 5)));
        }),
        ("one that is dated in the future", &[], |world| {
            profile(world, "gcp");
            unmanaged(world, [time("2027-01-01")].into_iter());
        }),
        ("four unfinished ones", &[], |world| {
            world.only_create();
            attempts(world, 4, &Readiness::CutFixed);
        }),
        ("five unfinished ones", &[26], |world| {
            world.only_create();
            attempts(world, 5, &Readiness::CutFixed);
        }),
        ("five failed ones", &[26], |world| {
            world.only_create();
            attempts(world, 5, &Readiness::Failed { because: "internal error".to_owned() });
        }),
        ("five failed ones, where failed is over", &[], |world| {
            profile(world, "azure");
            attempts(world, 5, &Readiness::Failed { because: "internal error".to_owned() });
        }),
        ("as many as a disk may have", &[26], |world| {
            profile(world, "alibaba");
            unmanaged(world, (0..256).map(|_| day(1)));
        }),
    ]);
}

#[test]
fn an_object_that_is_its_own_copy_is_placed_where_the_policy_wants_its_copy() {
    fn placed(world: &mut super::World, profile: &str, location: Option<&str>) {
        world.only_create();
        let name = crate::support::lab::site();
        let mut declared = (*world.lab.desired.sites[&name]).clone();
        if let Provider::Sim(sim) = &mut declared.provider {
            sim.profile = profile.to_owned();
        }
        let other = SiteName::new("us").unwrap();
        world.lab.desired.sites.insert(name, std::sync::Arc::new(declared.clone()));
        declared.name = other.clone();
        world.lab.desired.sites.insert(other.clone(), std::sync::Arc::new(declared));
        for policy in world.lab.desired.policies.values_mut() {
            let mut changed = (**policy).clone();
            let retention = changed.retention.clone();
            changed.copies.push(CopyPolicy { site: other.clone(), retention, kms_key: None });
            *policy = std::sync::Arc::new(changed);
        }
        world.create().location = location.map(|name| Location::new(name).unwrap());
    }
    check(&[
        ("there", &[], |world| placed(world, "gcp", Some("us"))),
        ("wherever the site likes", &[8], |world| placed(world, "gcp", None)),
        ("elsewhere", &[8], |world| placed(world, "gcp", Some("ap"))),
        ("anywhere, where copies are made afterwards", &[8], |world| placed(world, "aws", Some("us"))),
        ("at home, where copies are made afterwards", &[], |world| placed(world, "aws", None)),
    ]);
}

#[test]
fn only_a_cluster_that_goes_on_makes_points_and_only_at_home() {
    fn cluster(world: &mut super::World, change: impl FnOnce(&mut backstay_core::model::Cluster)) {
        let uid = crate::support::lab::uid("orders-db");
        let mut cluster = (*world.lab.desired.clusters[&uid]).clone();
        change(&mut cluster);
        world.lab.desired.clusters.insert(uid, std::sync::Arc::new(cluster));
    }
    check(&[
        ("a retired cluster", &[16], |world| {
            world.only_create();
            cluster(world, |cluster| cluster.is_retired = true);
        }),
        ("a former site", &[6], |world| {
            world.only_create();
            let us = SiteName::new("us").unwrap();
            let mut empty = world.lab.inventory().clone();
            empty.snapshots.clear();
            world.lab.observed.sites.insert(us.clone(), backstay_core::observed::Listing::Complete(empty));
            world.lab.desired.sites.insert(us.clone(), world.lab.desired.sites.values().next().unwrap().clone());
            cluster(world, |cluster| cluster.site = us);
        }),
        ("files are kept of such an attempt", &[8], |world| {
            let point = world.create().point;
            world.lab.inventory().kept_files.insert((crate::support::lab::uid("orders-db"), point));
        }),
    ]);
}

/// The same point from the primary's disks.
fn from_primary(world: &mut super::World) {
    let create = world.create();
    create.node = NodeName::new("orders-db-0").unwrap();
    create.instance = instance("orders-db", 0);
    create.role = Some(DatabaseRole::Primary);
    for (part, role) in create.parts.iter_mut().zip(&DISKS) {
        part.disk = attached("orders-db", 0, role.clone()).id;
    }
    world.renumber();
}
