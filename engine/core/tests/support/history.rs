//! Random histories: what a fleet may look like after months of runs, crashes, mistakes and garbage.

use super::lab::{Lab, Point, SYSTEM, UPGRADED, time};
use backstay_core::model::{ConsistencyWanted, Keep, Limit, Policy, Retention, SourcePreference};
use backstay_core::name::{SiteName, SnapshotId};
use backstay_core::observed::{DatabaseRole, DatabaseState, DiskRole, Readiness, RecentDelete};
use backstay_core::plan::Cause;
use backstay_core::schedule::Schedule;
use backstay_core::seal::SealKey;
use backstay_core::tags::{self, PointClass, PointKey};
use backstay_core::time::{Duration, stamp};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};

/// The clusters of every history; the last one is not declared.
pub const CLUSTERS: [&str; 3] = ["orders-db", "billing-db", "ghost-db"];

/// A world of which everything was drawn by lot.
#[derive(Debug, Clone)]
pub struct History {
    pub policy: Wanted,
    pub baseline: Option<Wanted>,
    pub points: Vec<Drawn>,
    pub servers: [Server; 2],
    pub trouble: Trouble,
    pub recent_deletes: Vec<u64>,
    pub cluster_limit: u32,
    pub fleet_limit: Option<u32>,
}

/// A policy as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub interval_hours: u64,
    pub zone: &'static str,
    pub source: SourcePreference,
    pub consistency: ConsistencyWanted,
    pub window_hours: Option<u64>,
    pub keep: Keep,
    pub minimum_redundancy: u32,
    pub on_demand: Option<u32>,
    pub grace_hours: u64,
}

/// A point, with what went wrong with it.
#[derive(Debug, Clone)]
pub struct Drawn {
    pub cluster: usize,
    pub hours_ago: i64,
    pub micros: i64,
    pub attempt: u32,
    pub class: PointClass,
    pub parts: usize,
    pub is_upgraded: bool,
    pub flaw: Flaw,
    pub mark: Mark,
    pub hold: Hold,
    pub is_locked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    Creating,
    CutFixed,
    Failed,
    Unsealed,
    HalfSealed,
    HalfGone,
    Doubled,
    UnsealedTwin,
    Forged,
    UnknownKey,
    Disagrees,
    CutInFuture,
    CreatedInFuture,
    CreatedLater,
    WrongSlotTag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    None,
    Full { hours_ago: i64, grace_hours: u64, cause: Cause, is_seen: bool },
    TagOnly,
    RecordOnly,
    Forged,
    Backdated,
    OnePart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    None,
    Tag,
    Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Fine,
    Unreachable,
    Silent,
    Lagging,
    Upgraded,
    Swapped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    SiteUnknown,
    RecordsUnknown,
    ClockSkew,
    NoAtomicCut,
}

/// The instant of every history.
pub fn now() -> Timestamp {
    time("2026-11-23T12:34:56.789Z")
}

pub fn wanted() -> impl Strategy<Value = Wanted> {
    let keep = (0..4u32, 0..4u32, 0..5u32, 0..3u32, 0..3u32, 0..2u32).prop_map(
        |(last, hourly, daily, weekly, monthly, yearly)| Keep { last, hourly, daily, weekly, monthly, yearly },
    );
    let source = prop_oneof![
        3 => Just(SourcePreference::PreferStandby),
        1 => Just(SourcePreference::Primary),
        1 => Just(SourcePreference::Standby)
    ];
    let consistency = prop_oneof![3 => Just(ConsistencyWanted::Application), 1 => Just(ConsistencyWanted::Crash)];
    (
        prop_oneof![Just(1u64), Just(6), Just(24)],
        prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York")],
        source,
        consistency,
        proptest::option::of(0..200u64),
        keep,
        1..4u32,
        proptest::option::of(0..3u32),
        prop_oneof![Just(1u64), Just(24), Just(72)],
    )
        .prop_map(
            |(
                interval_hours,
                zone,
                source,
                consistency,
                window_hours,
                keep,
                minimum_redundancy,
                on_demand,
                grace_hours,
            )| {
                Wanted {
                    interval_hours,
                    zone,
                    source,
                    consistency,
                    window_hours,
                    keep,
                    minimum_redundancy,
                    on_demand,
                    grace_hours,
                }
            },
        )
}

pub fn drawn() -> impl Strategy<Value = Drawn> {
    let class = prop_oneof![
        8 => Just(PointClass::Scheduled),
        2 => Just(PointClass::OnDemand),
        1 => Just(PointClass::Safety),
        1 => Just(PointClass::Drill)
    ];
    use Flaw::{
        CreatedInFuture, CreatedLater, Creating, CutFixed, CutInFuture, Disagrees, Doubled, Failed, Forged, HalfGone,
        HalfSealed, UnknownKey, Unsealed, UnsealedTwin, WrongSlotTag,
    };
    let flaw = prop_oneof![
        24 => Just(Flaw::None),
        8 => proptest::sample::select(vec![
            Creating, CutFixed, Failed, Unsealed, HalfSealed, HalfGone, Doubled, UnsealedTwin, Forged, UnknownKey, Disagrees,
            CutInFuture, CreatedInFuture, CreatedLater, WrongSlotTag,
        ])
    ];
    let full = (0..120i64, prop_oneof![Just(0u64), Just(1), Just(72)], any::<bool>(), 0..5u8).prop_map(
        |(hours_ago, grace_hours, is_config, seen)| Mark::Full {
            hours_ago,
            grace_hours,
            cause: if is_config { Cause::Config } else { Cause::Due },
            is_seen: seen > 0,
        },
    );
    let mark = prop_oneof![
        6 => Just(Mark::None),
        4 => full,
        1 => proptest::sample::select(vec![
            Mark::TagOnly, Mark::RecordOnly, Mark::Forged, Mark::Backdated, Mark::OnePart,
        ])
    ];
    let hold = prop_oneof![10 => Just(Hold::None), 1 => Just(Hold::Tag), 1 => Just(Hold::Record)];
    let hours_ago = prop_oneof![4 => 0..72i64, 3 => 0..480i64, 1 => 0..9000i64];
    (
        (0..8usize, hours_ago, prop_oneof![3 => Just(0i64), 1 => 0..3_600_000_000i64], 1..3u32),
        (class, 1..4usize, 0..6u8, flaw, mark, hold, 0..12u8),
    )
        .prop_map(|((cluster, hours_ago, micros, attempt), (class, parts, upgraded, flaw, mark, hold, locked))| {
            Drawn {
                cluster: [0, 0, 0, 0, 0, 1, 1, 2][cluster],
                hours_ago,
                micros,
                attempt,
                class,
                parts,
                is_upgraded: upgraded == 0,
                flaw,
                mark,
                hold,
                is_locked: locked == 0,
            }
        })
}

/// Everything, drawn.
pub fn history() -> impl Strategy<Value = History> {
    let server = prop_oneof![
        10 => Just(Server::Fine),
        1 => Just(Server::Unreachable),
        1 => Just(Server::Silent),
        1 => Just(Server::Lagging),
        2 => Just(Server::Upgraded),
        1 => Just(Server::Swapped)
    ];
    let trouble = prop_oneof![
        20 => Just(Trouble::None),
        1 => Just(Trouble::SiteUnknown),
        1 => Just(Trouble::RecordsUnknown),
        1 => Just(Trouble::ClockSkew),
        1 => Just(Trouble::NoAtomicCut)
    ];
    (
        wanted(),
        proptest::option::weighted(0.8, proptest::option::weighted(0.5, wanted())),
        proptest::collection::vec(drawn(), 0..16),
        [server.clone(), server],
        trouble,
        proptest::collection::vec(0..40u64, 0..4),
        0..6u32,
        proptest::option::of(0..12u32),
    )
        .prop_map(|(policy, baseline, points, servers, trouble, recent_deletes, cluster_limit, fleet_limit)| {
            History {
                baseline: baseline.map(|other| other.unwrap_or_else(|| policy.clone())),
                policy,
                points,
                servers,
                trouble,
                recent_deletes,
                cluster_limit,
                fleet_limit,
            }
        })
}

impl Wanted {
    pub fn retention(&self) -> Retention {
        Retention {
            recovery_window: self.window_hours.map(Duration::hours),
            keep: self.keep,
            minimum_redundancy: self.minimum_redundancy,
            on_demand_max: self.on_demand,
            grace: Duration::hours(self.grace_hours),
            zone: TimeZone::get(self.zone).unwrap(),
        }
    }

    fn policy(&self, like: &Policy) -> Policy {
        Policy {
            schedule: Schedule::Every { interval: Duration::hours(self.interval_hours), spread: Duration::ZERO },
            source: self.source,
            max_standby_lag: Some(Duration::minutes(1)),
            consistency: self.consistency,
            retention: self.retention(),
            ..like.clone()
        }
    }

    fn declare(&self, lab: &Lab) -> backstay_core::model::Desired {
        let mut desired = lab.desired.clone();
        for policy in desired.policies.values_mut() {
            *policy = Arc::new(self.policy(policy));
        }
        desired
    }
}

impl History {
    /// The world that it describes.
    pub fn lab(&self) -> Lab {
        static BASE: OnceLock<Lab> = OnceLock::new();
        self.lab_in(BASE.get_or_init(|| Lab::of(super::lab::DAILY, &CLUSTERS).without_cluster("ghost-db")))
    }

    /// The same, with a second site of AWS or Azure. The first one is of the same cloud.
    pub fn lab_with(&self, site: &SiteName, profile: &str) -> Lab {
        static BASES: OnceLock<[(&'static str, Lab); 2]> = OnceLock::new();
        let bases = BASES.get_or_init(|| {
            ["aws", "azure"].map(|profile| {
                let lab = Lab::of(super::lab::DAILY, &CLUSTERS).with_profile(profile).with_site(site.as_str(), profile);
                (profile, lab.without_cluster("ghost-db"))
            })
        });
        self.lab_in(&bases.iter().find(|(name, _)| *name == profile).unwrap().1)
    }

    fn lab_in(&self, base: &Lab) -> Lab {
        let mut lab = base.clone().at(now());
        lab.baseline = self.baseline.as_ref().map(|wanted| wanted.declare(base));
        lab.desired = self.policy.declare(base);
        lab.desired.fleet.limits.cluster = self.cluster_limit;
        lab.desired.fleet.limits.fleet = self.fleet_limit.map(Limit::Count);
        for point in &self.points {
            point.put(&mut lab, &super::lab::site());
        }
        for hours in &self.recent_deletes {
            let at = Duration::hours(*hours).before(now());
            let point = PointKey { slot: Timestamp::from_second(at.as_second()).unwrap(), attempt: 1 };
            let cluster = super::lab::uid(CLUSTERS[0]);
            lab.records().recent_deletes.push(RecentDelete {
                at,
                cluster,
                point,
                site: None,
                cause: backstay_core::plan::Cause::Config,
            });
        }
        for (node, server) in self.servers.iter().enumerate() {
            server.set(&mut lab, node);
        }
        self.trouble.cause(&mut lab);
        lab
    }
}

impl Server {
    fn set(self, lab: &mut Lab, node: usize) {
        match self {
            Self::Fine => {}
            Self::Unreachable => {
                *lab.database(CLUSTERS[0], node) =
                    DatabaseState::Unreachable { because: "connection refused".to_owned() };
            }
            Self::Silent => *lab.database(CLUSTERS[0], node) = DatabaseState::NotObservable,
            Self::Lagging => {
                lab.status(CLUSTERS[0], node).role = DatabaseRole::Standby { lag: Some(Duration::hours(1)) }
            }
            Self::Upgraded => lab.status(CLUSTERS[0], node).system = UPGRADED,
            Self::Swapped => {
                let status = lab.status(CLUSTERS[0], node);
                status.role = match status.role {
                    DatabaseRole::Primary => DatabaseRole::Standby { lag: None },
                    DatabaseRole::Standby { .. } => DatabaseRole::Primary,
                };
            }
        }
    }
}

impl Trouble {
    pub fn cause(self, lab: &mut Lab) {
        match self {
            Self::None => {}
            Self::SiteUnknown => lab.site_is_unknown(),
            Self::RecordsUnknown => lab.records_are_unknown(),
            Self::ClockSkew => {
                let clock = &mut lab.inventory().clock;
                clock.is_virtual = false;
                clock.host = clock.now + SignedDuration::from_millis(300_400);
            }
            Self::NoAtomicCut => {
                lab.inventory().abilities.atomic_disk = false;
                lab.inventory().abilities.atomic_group = false;
            }
        }
    }
}

impl Drawn {
    /// Puts it at a site, with what went wrong with it.
    pub fn put(&self, lab: &mut Lab, site: &SiteName) {
        let base = time("2026-11-23T12:00Z") - SignedDuration::from_hours(self.hours_ago);
        let mut point = Point::at(base + SignedDuration::from_micros(self.micros));
        point.cluster = CLUSTERS[self.cluster].to_owned();
        point.key = PointKey { slot: base, attempt: self.attempt };
        point.class = self.class;
        point.disks = [DiskRole::Data, DiskRole::Wal, DiskRole::Tablespace][..self.parts].to_vec();
        point.system = Some(if self.is_upgraded { UPGRADED } else { SYSTEM });
        point.hold_tag = self.hold == Hold::Tag;
        point.locked_until = self.is_locked.then(|| Duration::days(1).after(now()));
        point.unsealed = self.flaw == Flaw::Unsealed;
        match self.flaw {
            Flaw::CutInFuture => point.cut = Duration::days(400).after(now()),
            Flaw::CreatedInFuture => point.created = Duration::days(400).after(now()),
            Flaw::CreatedLater => point.created = Duration::hours(2).before(now()).max(point.cut),
            Flaw::None
            | Flaw::Creating
            | Flaw::CutFixed
            | Flaw::Failed
            | Flaw::Unsealed
            | Flaw::HalfSealed
            | Flaw::HalfGone
            | Flaw::Doubled
            | Flaw::UnsealedTwin
            | Flaw::Forged
            | Flaw::UnknownKey
            | Flaw::Disagrees
            | Flaw::WrongSlotTag => {}
        }
        let mut ids = lab.put_at(site, &point);
        self.spoil(lab, site, &mut ids);
        self.mark_all(lab, &ids);
        if self.hold == Hold::Record {
            let hold = (super::lab::uid(&point.cluster), point.key);
            lab.records().holds.insert(hold);
        }
    }

    fn spoil(&self, lab: &mut Lab, site: &SiteName, ids: &mut Vec<SnapshotId>) {
        let last = ids.last().cloned().unwrap();
        match self.flaw {
            Flaw::None | Flaw::Unsealed | Flaw::CutInFuture | Flaw::CreatedInFuture | Flaw::CreatedLater => {}
            Flaw::Creating => lab.snapshot(&last).readiness = Readiness::Creating,
            Flaw::CutFixed => lab.snapshot(&last).readiness = Readiness::CutFixed,
            Flaw::Failed => lab.snapshot(&last).readiness = Readiness::Failed { because: "internal error".to_owned() },
            Flaw::HalfSealed => {
                lab.snapshot(&last).tags.remove(tags::SEAL_2);
            }
            Flaw::HalfGone => {
                lab.snapshots_at(site).retain(|snapshot| snapshot.id != last);
                ids.pop();
            }
            Flaw::Doubled => {
                let mut twin = lab.snapshot(&last).clone();
                twin.id = SnapshotId::new(format!("{last}-twin")).unwrap();
                lab.seal_at(site, &mut twin);
                ids.push(twin.id.clone());
                lab.snapshots_at(site).push(twin);
            }
            Flaw::UnsealedTwin => {
                let mut twin = lab.snapshot(&last).clone();
                twin.id = SnapshotId::new(format!("{last}-twin")).unwrap();
                twin.tags.remove(tags::SEAL_1);
                lab.snapshots_at(site).push(twin);
            }
            Flaw::Forged => {
                lab.snapshot(&last).tags.insert(tags::CUT.to_owned(), stamp(time("2020-01-01")));
            }
            Flaw::UnknownKey => {
                let mut snapshot = lab.snapshot(&last).clone();
                let key = std::mem::replace(&mut lab.key, SealKey::from_seed(&[9; 32]));
                lab.seal_at(site, &mut snapshot);
                lab.key = key;
                *lab.snapshot(&last) = snapshot;
            }
            Flaw::Disagrees => {
                let mut snapshot = lab.snapshot(&last).clone();
                snapshot.tags.insert(tags::CUT.to_owned(), stamp(time("2020-01-01")));
                lab.seal_at(site, &mut snapshot);
                *lab.snapshot(&last) = snapshot;
            }
            Flaw::WrongSlotTag => {
                lab.snapshot(&last).tags.insert(tags::SLOT.to_owned(), stamp(time("2020-01-01")));
                lab.snapshot(&last).tags.remove(tags::SEAL_1);
            }
        }
    }

    fn mark_all(&self, lab: &mut Lab, ids: &[SnapshotId]) {
        let (at, grace) = (Duration::days(4).before(now()), Duration::hours(72));
        match self.mark {
            Mark::None => {}
            Mark::Full { hours_ago, grace_hours, cause, is_seen } => {
                for id in ids {
                    let at = now() - SignedDuration::from_hours(hours_ago);
                    let tombstone = lab.mark(id, at, Duration::hours(grace_hours), cause);
                    if !is_seen {
                        lab.records().sightings.remove(&tombstone.digest());
                    }
                }
            }
            Mark::TagOnly => {
                for id in ids {
                    lab.snapshot(id).tags.insert(tags::EXPIRE.to_owned(), stamp(at));
                }
            }
            Mark::RecordOnly => {
                for id in ids {
                    // Cut short between record and tag: the sweeper notes only what agrees.
                    let tombstone = lab.mark(id, at, grace, Cause::Due);
                    lab.records().sightings.remove(&tombstone.digest());
                    lab.snapshot(id).tags.remove(tags::EXPIRE);
                }
            }
            Mark::Forged => {
                let key = std::mem::replace(&mut lab.key, SealKey::from_seed(&[9; 32]));
                for id in ids {
                    lab.mark(id, at, grace, Cause::Due);
                }
                lab.key = key;
            }
            Mark::Backdated => {
                for id in ids {
                    lab.mark(id, Duration::minutes(5).before(now()), grace, Cause::Due);
                    lab.snapshot(id).tags.insert(tags::EXPIRE.to_owned(), stamp(at));
                }
            }
            Mark::OnePart => {
                if let Some(id) = ids.first() {
                    lab.mark(id, at, grace, Cause::Due);
                }
            }
        }
    }
}
