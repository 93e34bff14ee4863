//! Forecasts as they are told, on made-up figures.

use crate::paint::Paint;
use crate::{forecast_md, forecast_text};
use backstay_core::canonical::Digest;
use backstay_core::forecast::{
    Basis, BudgetUse, Day, Example, ExamplePoint, FORMAT_VERSION, Forecast, HeldUp, PolicyForecast, RuleFilled,
    SiteForecast, Total, Unknown, Window,
};
use backstay_core::model::{Origin, Share};
use backstay_core::time::Duration;
use jiff::Timestamp;
use jiff::civil::date;
use std::collections::BTreeMap;

const GIB: u64 = 1 << 30;

fn at(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().unwrap()
}

fn day(number: i8, made: u64, deleted: u64) -> Day {
    let living = 12 + u64::try_from(number).unwrap();
    Day {
        date: date(2026, 11, number),
        made,
        copied: 0,
        marked: deleted,
        revived: 0,
        deleted: [("due", deleted)].into(),
        living,
        living_by_class: [("scheduled", living)].into(),
        living_by_site: BTreeMap::new(),
        bytes: 100 * GIB * u64::try_from(number).unwrap(),
        cost_per_month: Some(5.0 * f64::from(number)),
    }
}

fn site(name: &str) -> SiteForecast {
    SiteForecast {
        site: name.parse().unwrap(),
        snapshots_before: 24,
        snapshots: 120_000,
        most_snapshots: 120_500,
        snapshot_quota: Some(100_000),
        unexplained: 1,
        bytes_before: 0,
        bytes: 2500 * GIB,
        gib_month: Some(0.05),
        cost: Some(41.666),
        cost_per_month: Some(125.0),
        calls: [("create", 1200), ("list", 96)].into(),
        budgets: vec![BudgetUse {
            budget: "CreateSnapshot",
            hour: at("2026-11-24T02:00"),
            calls: 20_000,
            allowed: 18_100,
        }],
    }
}

fn policy(name: &str) -> PolicyForecast {
    let point = |cut: &str, is_marked| ExamplePoint { cut: at(cut), is_marked };
    PolicyForecast {
        policy: name.parse().unwrap(),
        clusters: 9000,
        change_per_day: Share::percent(2),
        used: Share::percent(100),
        living: vec![9000, 18_000, 27_000],
        window: Window {
            shortest: Some(Duration::hours(49)),
            median: Some(Duration::days(3)),
            largest_gap: Some(Duration::hours(8)),
            without: 2,
        },
        worst_gap: Some(Duration::hours(30)),
        rules: vec![
            RuleFilled { rule: "daily 2".to_owned(), filled: Some(date(2026, 11, 24)) },
            RuleFilled { rule: "yearly 3".to_owned(), filled: None },
        ],
        example: Some(Example {
            cluster: "orders-db".parse().unwrap(),
            points: vec![
                point("2026-11-23T00:00", true),
                point("2026-11-24T00:00", false),
                point("2026-11-25T12:00", false),
            ],
        }),
    }
}

fn made() -> Forecast {
    Forecast {
        format_version: FORMAT_VERSION,
        fleet: "example".to_owned(),
        basis: Basis {
            origin: Origin { commit: None, dirty: false, documents: Digest::of(b"") },
            from: at("2026-11-23T00:00"),
            until: at("2026-11-26T00:00"),
            every: Duration::hours(1),
            clusters: 9000,
            simulated: 200,
            runs: 72,
        },
        unknown: vec![Unknown {
            site: Some("us".parse().unwrap()),
            because: "page 2:\u{1b}[31m no".to_owned(),
            clusters: 7,
        }],
        days: vec![day(23, 9000, 0), day(24, 9000, 0), day(25, 9000, 4500)],
        total: Total {
            made: [("scheduled", 27_000)].into(),
            copied: 0,
            marked: 4500,
            deleted: [("due", 4500)].into(),
            living_before: 0,
            bytes_before: 0,
            cost: Some(41.666),
        },
        sites: vec![site("eu")],
        policies: vec![policy("gold")],
        clusters: Vec::new(),
        held_up: vec![HeldUp {
            code: "source",
            because: "wiki: no node is fit".to_owned(),
            clusters: 3,
            first: at("2026-11-23T00:00"),
            last: at("2026-11-25T23:00"),
        }],
    }
}

#[test]
fn a_forecast_reads_well() {
    insta::assert_snapshot!(forecast_text(&made(), 100, Paint::Plain), @r"
    Fleet example from 2026-11-23T00:00Z until 2026-11-26T00:00Z, a run every 1h: 9,000 clusters at 1 site
      a sample: 200 of 9,000 clusters were simulated, and the figures are scaled up; -exact simulates all

      ! site us could not be read: page 2:�[31m no; nothing is foretold of its 7 clusters
      ! site eu would hold 120,500 snapshots, and its account may have 100,000
      ! site eu: no readable document explains 1 snapshot; they stay as they are, and are counted
      ! site eu: 20,000 calls of CreateSnapshot in the hour of 2026-11-24T02:00Z, and 18,100 are allowed
      ! 3 clusters held up from 2026-11-23T00:00Z to 2026-11-25T23:00Z (source): wiki: no node is fit
      ! policy gold: 2 clusters without any restorable point at the end

    By day, in UTC; levels as it ends

      DAY         MADE   MARKED  DELETED  POINTS  STORED     COST A MONTH
      2026-11-23  9,000  0       0        35      2,300 GiB  115.00
      2026-11-24  9,000  0       0        36      2,400 GiB  120.00
      2026-11-25  9,000  4,500   4,500    37      2,500 GiB  125.00

    Stored, day by day: 2,500 GiB at the end, 125.00 a month

      ███
      2026-11-23 2026-11-25

    The points of one cluster of each policy at the end; † is marked for deletion

      gold  orders-db  ├†····················●······························●···········┤
                       2026-11-23T00:00Z                                2026-11-26T00:00Z

    By policy, at the end

      POLICY  CLUSTERS  POINTS  SHORTEST REACH  MEDIAN REACH  LARGEST GAP  WORST GAP  CHANGE A DAY  FILLED
      gold    9,000     27,000  2d 1h           3d            8h           1d 6h      2%            daily 2 on 2026-11-24, yearly 3 later

    By site

      SITE  SNAPSHOTS      STORED              COST UNTIL THEN  COST A MONTH THEN  CALLS
      eu    24 to 120,000  0 GiB to 2,500 GiB  41.67            125.00             1,296

    Calls against the clouds' budgets, each in its busiest hour

      SITE  BUDGET OF CALLS  BUSIEST HOUR       CALLS   ALLOWED  USED
      eu    CreateSnapshot   2026-11-24T02:00Z  20,000  18,100   110.5%

    Stored bytes are reckoned, not measured: a disk's first snapshot in full, then its change a day (`forecast` of a policy). No WAL is in them, and no snapshot that names no cluster. Every run succeeds, and a copy is ready at the next.
    Until 2026-11-26T00:00Z: 27,000 points made, 4,500 deleted, 37 living then, 41.67 to be paid for storage.
    ");
}

#[test]
fn colours_only_colour() {
    let painted = forecast_text(&made(), 100, Paint::Colour);
    assert!(painted.contains('\u{1b}'));
    let mut plain = String::new();
    let mut in_escape = false;
    for c in painted.chars() {
        match (in_escape, c) {
            (false, '\u{1b}') => in_escape = true,
            (true, 'm') => in_escape = false,
            (true, _) => {}
            (false, c) => plain.push(c),
        }
    }
    assert_eq!(plain, forecast_text(&made(), 100, Paint::Plain));
}

#[test]
fn a_comment_is_short_enough_however_large_the_fleet_is_and_counts_what_it_leaves_out() {
    let mut forecast = made();
    let names: Vec<String> = (0..500).map(|i| format!("{i:03}-{}", "x".repeat(59))).collect();
    forecast.sites = names.iter().map(|name| site(name)).collect();
    forecast.policies = names.iter().map(|name| policy(name)).collect();
    let unknown = |name: &String| Unknown { site: name.parse().ok(), because: "<@all|>".repeat(2000), clusters: 7 };
    forecast.unknown = names.iter().map(unknown).collect();
    let text = forecast_md(&forecast);
    assert!(text.chars().count() <= 60_000, "{}", text.chars().count());
    assert!(text.contains("and 460 more") && text.contains("- … and "), "what is left out is counted");
    assert!(!text.contains("<@all"));
    // A year of days is put together.
    forecast.days = (0..365)
        .map(|i| Day { date: date(2026, 1, 1).checked_add(jiff::Span::new().days(i)).unwrap(), ..day(1, 1, 0) })
        .collect();
    let text = forecast_md(&forecast);
    assert!(text.contains("| 2026-01-01 to 2026-01-10 | 10 |"), "{text}");
}
