//! A forecast is what really happens when nothing fails: the same fleet, applied run by run, gives the same figures.

use crate::support::lab::{DAILY, Lab, Point, time};
use backstay_core::forecast::{Assumptions, Forecast, Impossible, Sample, forecast};
use backstay_core::model::Limit;
use backstay_core::name::{DiskId, SiteName, SnapshotId};
use backstay_core::observed::{Listing, Readiness, Unmanaged};
use backstay_core::plan::Action;
use backstay_core::time::Duration;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

const SHORT: &str =
    "schedule: { every: 8h }\nretention: { recoveryWindow: 3d, keep: { daily: 5, weekly: 2 }, grace: 24h }";

fn assume(lab: &Lab, days: u64) -> Assumptions {
    let until = Duration::days(days).after(lab.now);
    Assumptions { from: lab.now, until, every: Duration::hours(1), sample: Sample::All }
}

fn foretell(lab: &Lab, assumptions: &Assumptions) -> Forecast {
    forecast(&lab.desired, &lab.observed, lab.baseline.as_ref(), assumptions).unwrap()
}

/// Made, copied, marked, revived and deleted by day, and what lives at its end, wherever.
type Figures = BTreeMap<Date, [u64; 6]>;

fn figures(forecast: &Forecast) -> Figures {
    let of = |day: &backstay_core::forecast::Day| {
        [day.made, day.copied, day.marked, day.revived, day.all_deleted(), day.living]
    };
    forecast.days.iter().map(|day| (day.date, of(day))).collect()
}

/// The lab, applied in whole every hour.
fn lived(mut lab: Lab, until: Timestamp) -> Figures {
    let mut figures = Figures::new();
    let mut at = lab.now;
    while at < until {
        lab.set_time(at);
        let day_ago = Duration::days(1).before(at);
        lab.records().recent_deletes.retain(|delete| delete.at > day_ago);
        let plan = lab.verified();
        lab.apply(&plan);
        let day = figures.entry(TimeZone::UTC.to_datetime(at).date()).or_default();
        for change in &plan.changes {
            let place = match change.action {
                Action::Create(_) => 0,
                Action::Copy(_) => 1,
                Action::Expire(_) => 2,
                Action::Revive(_) => 3,
                Action::Delete(_) => 4,
                Action::Tag(_) | Action::Lock(_) => continue,
            };
            day[place] += 1;
        }
        // One disk a cluster: a snapshot is a point.
        let sites = lab.observed.sites.values().filter_map(Listing::complete);
        day[5] = sites.map(|inventory| inventory.snapshots.len() as u64).sum();
        at = Duration::hours(1).after(at);
    }
    figures
}

#[test]
fn a_forecast_is_what_hourly_applies_do() {
    let mut lab = Lab::of(SHORT, &["orders-db", "billing-db", "wiki"]);
    lab.put_daily("billing-db", 20);
    for hours in (0..60).step_by(6) {
        lab.put(&Point::at(Duration::hours(hours).before(time("2026-11-22T03:00Z"))));
    }
    let assumptions = assume(&lab, 14);
    assert_eq!(figures(&foretell(&lab, &assumptions)), lived(lab, assumptions.until));
}

fn site(name: &str) -> SiteName {
    SiteName::new(name).unwrap()
}

/// Both, with as much as must have happened for the comparison to mean something.
fn assert_alike(lab: &Lab, days: u64, least: [u64; 6]) -> Forecast {
    let assumptions = assume(lab, days);
    let told = foretell(lab, &assumptions);
    let figures = figures(&told);
    assert_eq!(figures, lived(lab.clone(), assumptions.until));
    for (place, least) in least.into_iter().enumerate() {
        let all: u64 = figures.values().map(|day| day[place]).sum();
        assert!(all >= least, "{place}: {all} and not {least}: {figures:?}");
    }
    told
}

#[test]
fn due_deletes_stay_within_twice_the_slots_of_the_whole_fleet() {
    let clusters = ["a", "b", "c", "d"];
    let mut lab =
        Lab::of("schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 2 }, grace: 24h }", &clusters);
    for cluster in clusters {
        lab.put_daily(cluster, 20);
    }
    // Two slots a cluster in grace and a day.
    let told = assert_alike(&lab, 7, [24, 0, 72, 0, 80, 0]);
    assert!(told.days.iter().all(|day| day.all_deleted() <= 16), "{:?}", told.days);
    assert!(told.held_up.iter().any(|held| held.because.contains("16 a day that fall due")), "{:?}", told.held_up);
}

#[test]
fn copies_have_rules_of_their_own_and_hold_their_sources() {
    let mut lab = Lab::of(SHORT, &["orders-db", "billing-db", "wiki"]).with_site("us", "aws");
    lab.set_policy(&format!("{SHORT}\ncopies: [ {{ site: us, retention: {{ keep: {{ daily: 7 }}, grace: 48h }} }} ]"));
    lab.baseline = Some(lab.desired.clone());
    lab.put_daily("billing-db", 12);
    let told = assert_alike(&lab, 14, [100, 40, 100, 0, 60, 0]);
    let there = told.sites.iter().find(|of| of.site == site("us")).unwrap();
    assert!(there.calls["copy"] >= 40 && there.snapshots > 20, "{there:?}");
}

#[test]
fn a_queue_of_copies_is_the_whole_fleets_and_the_oldest_cut_goes_first() {
    let clusters = ["a", "b", "c", "d", "e", "f"];
    // Alibaba takes five at a time.
    let mut lab = Lab::of(SHORT, &clusters).with_site("us", "alibaba").with_profile("alibaba");
    for (index, cluster) in (1..).zip(clusters) {
        lab.put_daily(cluster, 2 + index % 4);
    }
    lab.set_policy(&format!("{SHORT}\ncopies: [ {{ site: us }} ]"));
    let told = assert_alike(&lab, 6, [100, 30, 60, 0, 30, 0]);
    assert!(told.held_up.iter().any(|held| held.code == "copy-queue"), "{:?}", told.held_up);
}

#[test]
fn locks_keep_what_retention_lets_go() {
    let locked = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 }, grace: 24h }\nlock: { mode: governance, for: 6d }";
    let mut lab = Lab::of(locked, &["orders-db", "wiki"]);
    lab.put_daily("wiki", 6);
    let told = assert_alike(&lab, 14, [28, 0, 20, 0, 15, 0]);
    assert!(told.sites[0].calls["lock"] >= 28, "{:?}", told.sites[0].calls);
}

#[test]
fn a_retired_cluster_goes_to_its_last_point() {
    let mut lab = Lab::of(DAILY, &["orders-db", "wiki"]);
    lab.set_policy("schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 3 }, grace: 24h }");
    lab.baseline = Some(lab.desired.clone());
    lab.put_daily("orders-db", 4);
    lab.put_daily("wiki", 9);
    lab.retire("wiki", true);
    let told = assert_alike(&lab, 10, [10, 0, 19, 0, 18, 0]);
    let wiki = told.clusters.iter().find(|one| one.name.as_str() == "wiki").unwrap();
    assert_eq!((wiki.made, wiki.points, wiki.deleted), (0, 0, 9));
}

#[test]
fn four_clouds_are_foretold_by_their_own_rules() {
    let mut lab = Lab::of(SHORT, &["a", "b", "c", "d", "e"]);
    for (cluster, profile) in [("b", "azure"), ("c", "gcp"), ("d", "alibaba")] {
        lab = lab.with_site(profile, profile);
        lab.move_to(cluster, &site(profile));
    }
    lab.baseline = Some(lab.desired.clone());
    lab.put_daily("a", 9);
    // What b left behind at its former site.
    lab.put_daily("b", 4);
    let told = assert_alike(&lab, 9, [130, 0, 90, 0, 60, 0]);
    assert_eq!(told.sites.len(), 4);
    assert!(told.sites.iter().all(|site| site.snapshots > 0 && !site.budgets.is_empty()), "{:?}", told.sites);
}

#[test]
fn an_accounts_quota_is_the_whole_fleets() {
    let mut lab = Lab::of(SHORT, &["a", "b", "c"]);
    let mine = Unmanaged {
        id: SnapshotId::new("mine").unwrap(),
        disk: DiskId::new("other").unwrap(),
        created: lab.now,
        size: 1,
    };
    lab.inventory().unmanaged = vec![mine; 100_000 - 5];
    let told = assert_alike(&lab, 1, [5, 0, 0, 0, 0, 0]);
    assert_eq!(told.days.last().unwrap().living, 5);
    assert!(told.held_up.iter().any(|held| held.code == "quota" && held.clusters >= 1), "{:?}", told.held_up);
}

#[test]
fn deletes_that_a_shorter_policy_asks_for_stay_within_the_limits_of_the_whole_fleet() {
    let clusters = ["a", "b", "c", "d"];
    let mut lab = Lab::of(DAILY, &clusters);
    for cluster in clusters {
        lab.put_daily(cluster, 20);
    }
    let short = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 2 }, grace: 24h }";
    // 5 of a cluster, 10 of the fleet.
    let lab = lab.with_policy(short);
    let assumptions = assume(&lab, 9);
    let told = foretell(&lab, &assumptions);
    let config: Vec<u64> = told.days.iter().map(|day| day.deleted.get("config").copied().unwrap_or(0)).collect();
    assert!(config.iter().all(|deletes| *deletes <= 10) && config.contains(&10), "{config:?}");
    assert!(told.held_up.iter().any(|held| held.code == "blast-radius" && held.clusters == 4), "{:?}", told.held_up);
    assert_eq!(figures(&told), lived(lab.clone(), assumptions.until));
    let lab = lab.with_limits("{ fleet: 3, cluster: 2 }");
    assert_eq!(lab.desired.fleet.limits.fleet, Some(Limit::Count(3)));
    assert_eq!(figures(&foretell(&lab, &assumptions)), lived(lab, assumptions.until));
}

#[test]
fn daily_7_settles_at_seven_points_and_those_in_their_grace() {
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 7 }, grace: 72h }";
    let told = foretell(&Lab::of(policy, &["orders-db"]), &assume(&Lab::of(policy, &["orders-db"]), 30));
    let living: Vec<u64> = told.days.iter().map(|day| day.living).collect();
    assert_eq!(living[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
    assert!(living[10..].iter().all(|living| *living == 10), "{living:?}");
    let policy = &told.policies[0];
    assert_eq!(policy.rules.len(), 1);
    assert_eq!(policy.rules[0].rule, "daily 7");
    // The first point is of the 23rd at 01:00, the seventh of the 29th.
    assert_eq!(policy.rules[0].filled.unwrap().to_string(), "2026-11-29");
    // Ten points, the newest of midnight of the last day, which ends an hour after the next one.
    assert_eq!(policy.window.shortest, Some(Duration::hours(9 * 24 + 1)));
    assert_eq!(policy.worst_gap, Some(Duration::hours(24)));
}

#[test]
fn storage_and_cost_follow_the_declared_rates() {
    // Disks of 1 GiB, 10% a day, 50% in use.
    let policy = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 30 } }\nforecast: { changePerDay: 10%, used: 50% }";
    let mut lab = Lab::of(policy, &["orders-db"]);
    let price = backstay_core::model::Prices { snapshot_gib_month: Some(1.0), wal_gib_month: None };
    lab.desired.fleet.prices.insert(crate::support::lab::site(), price);
    let told = foretell(&lab, &Assumptions { until: time("2026-11-26"), ..assume(&lab, 3) });
    let gib: Vec<f64> = told.days.iter().map(|day| day.bytes as f64 / f64::from(1 << 30)).collect();
    // Points of the 23rd at 01:00, the 24th and the 25th at 00:00; that of the 26th comes after the end.
    let day = 0.1 * 23.0 / 24.0;
    assert_eq!(gib.len(), 3);
    for (gib, expected) in gib.iter().zip([0.5, 0.5 + day, 0.5 + day + 0.1]) {
        assert!((gib - expected).abs() < 1e-6, "{gib} {expected}");
    }
    // 0.5 GiB for 23 hours, and so on; a month has 730 hours.
    let cost = (0.5 * 23.0 + (0.5 + day) * 24.0 + (0.6 + day) * 24.0) / 730.0;
    assert!((told.total.cost.unwrap() - cost).abs() < 1e-6, "{:?} {cost}", told.total.cost);
    assert_eq!(told.sites[0].calls["create"], 3);
    assert_eq!(told.sites[0].budgets[0].allowed, 100 + 20 * 3600);
}

#[test]
fn the_order_of_the_inputs_does_not_matter_and_nothing_is_changed() {
    let mut lab = Lab::of(SHORT, &["orders-db", "billing-db"]);
    lab.put_daily("billing-db", 9);
    lab.put_daily("orders-db", 4);
    let before = lab.observed.clone();
    let told = foretell(&lab, &assume(&lab, 6));
    assert_eq!(lab.observed, before);
    let mut turned = lab.clone();
    turned.snapshots().reverse();
    turned.inventory().instances.reverse();
    assert_eq!(foretell(&turned, &assume(&turned, 6)), told);
}

#[test]
fn what_could_not_be_read_is_said_and_nothing_is_foretold_of_it() {
    let mut lab = Lab::daily("orders-db", 9);
    lab.records_are_unknown();
    let told = foretell(&lab, &assume(&lab, 40));
    assert_eq!(told.total.deleted.values().sum::<u64>(), 0);
    assert_eq!(told.unknown.len(), 1);
    lab.site_is_unknown();
    let told = foretell(&lab, &assume(&lab, 2));
    let unknown: Vec<_> = told.unknown.iter().map(|one| (one.site.is_some(), one.clusters)).collect();
    assert_eq!(unknown, [(true, 1), (false, 0)]);
    assert_eq!((told.basis.clusters, told.clusters.len(), told.sites.len()), (0, 0, 0));
}

#[test]
fn what_no_document_explains_stays_and_is_counted() {
    let mut lab = Lab::of(DAILY, &["orders-db", "wiki"]);
    lab.put_daily("wiki", 3);
    let lab = lab.without_cluster("wiki");
    let told = foretell(&lab, &assume(&lab, 5));
    let site = &told.sites[0];
    assert_eq!((site.unexplained, site.snapshots_before, site.snapshots), (3, 3, 3 + 6));
    assert!(site.bytes_before > 1 << 30);
}

#[test]
fn a_sample_is_scaled_up_and_says_so() {
    let names: Vec<String> = (0..12).map(|i| format!("db-{i:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lab = Lab::of(SHORT, &names);
    let all = foretell(&lab, &assume(&lab, 10));
    let part = foretell(&lab, &Assumptions { sample: Sample::AtMost(4), ..assume(&lab, 10) });
    assert!(!all.basis.is_sample() && part.basis.is_sample());
    assert_eq!((part.basis.clusters, part.basis.simulated), (12, 4));
    assert_eq!(part.policies[0].clusters, 12);
    let (all, part) = (all.days.last().unwrap().living, part.days.last().unwrap().living);
    assert!(all.abs_diff(part) * 20 <= all, "{all} {part}");
}

#[test]
fn what_is_being_made_is_ready_when_the_next_run_comes() {
    let mut lab = Lab::of(DAILY, &["orders-db"]);
    lab.put(&Point { readiness: Readiness::CutFixed, ..Point::at(time("2026-11-23T00:10Z")) });
    let told = foretell(&lab, &assume(&lab, 1));
    assert_eq!(told.days[0].made, 0);
    assert_eq!(told.clusters[0].points, 2);
    assert!(matches!(lab.observed.records, Listing::Complete(_)));
}

#[test]
fn an_end_that_is_past_and_too_many_runs_are_refused() {
    let lab = Lab::of(DAILY, &["orders-db"]);
    let refused = |assumptions: Assumptions| {
        forecast(&lab.desired, &lab.observed, None, &assumptions).map(|_| ()).unwrap_err().to_string()
    };
    let usual = assume(&lab, 30);
    assert_eq!(
        refused(Assumptions { until: lab.now, ..usual }),
        "2026-11-23T01:00:00Z is not after 2026-11-23T01:00:00Z"
    );
    assert!(refused(Assumptions { every: Duration::ZERO, ..usual }).contains("a minute at least"));
    assert!(
        refused(Assumptions { every: Duration::minutes(1), ..assume(&lab, 100) }).contains("more than 100000 runs")
    );
    let violation = Impossible::TooOften;
    assert!(!violation.to_string().is_empty());
}
