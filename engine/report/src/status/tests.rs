//! Fleets of one and of ten thousand clusters, and one cluster with everything that can be said of points.

use super::*;
use crate::fold::fold;
use backstay_core::drift::{Coverage, Kind, Severity, SiteSeen};
use backstay_core::name::{ClusterName, ClusterUid, PolicyName, SiteName};
use backstay_core::planner::{Gap, PointStatus};
use backstay_core::retention::KeepReason;
use backstay_core::status::{FORMAT_VERSION, FleetStatus, Need, NeedKind};
use backstay_core::tags::PointClass;
use backstay_core::time::Duration;
use insta::assert_snapshot;
use jiff::Timestamp;
use std::collections::BTreeMap;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cluster(name: &str, site: &str, state: ClusterState) -> ClusterStatus {
    ClusterStatus {
        uid: ClusterUid::new(format!("uid-{name}")).unwrap(),
        name: ClusterName::new(name).unwrap(),
        labels: BTreeMap::new(),
        site: SiteName::new(site).unwrap(),
        policy: PolicyName::new("gold").unwrap(),
        state,
        newest: Some(at("2026-11-23T00:00:00Z")),
        age: Some(Duration::hours(2)),
        oldest: None,
        next_due: Some(at("2026-11-23T08:00:00Z")),
        gaps: Vec::new(),
        points: Vec::new(),
        because: None,
    }
}

fn point(cut: &str) -> PointStatus {
    let cut = at(cut);
    PointStatus {
        point: backstay_core::tags::PointKey { slot: cut, attempt: 1 },
        class: PointClass::Scheduled,
        cut,
        state: "restorable",
        kept_by: vec![KeepReason::Daily],
        is_marked: false,
        is_held: false,
        locked_until: None,
        places: vec![SiteName::new("eu").unwrap()],
    }
}

fn fleet(mut clusters: Vec<ClusterStatus>, needs: Vec<Need>) -> FleetStatus {
    clusters.sort_by(|a, b| (a.state, &a.name).cmp(&(b.state, &b.name)));
    let mut counts = BTreeMap::new();
    for cluster in &clusters {
        *counts.entry(cluster.state).or_default() += 1;
    }
    let sites = vec![SiteSeen { site: SiteName::new("eu").unwrap(), snapshots: 0, unknown: None }];
    FleetStatus {
        format_version: FORMAT_VERSION.to_owned(),
        fleet: "f".to_owned(),
        as_of: at("2026-11-23T02:00:00Z"),
        counts,
        needs,
        ignored: 0,
        clusters,
        coverage: Coverage { is_complete: true, sites, records_unknown: None },
    }
}

fn need(kind: Kind, subject: &str, message: &str, next: &str) -> Need {
    Need {
        severity: kind.severity(),
        kind: NeedKind::Drift(kind),
        subject: subject.to_owned(),
        site: None,
        since: None,
        message: message.to_owned(),
        next: next.to_owned(),
    }
}

const PLAIN: FleetView<'_> = FleetView { width: 80, group_by: None, all: false, paint: Paint::Plain };

#[test]
fn a_cluster_that_is_being_retired_says_what_is_left() {
    let text = |points| {
        let mut status = cluster("old-db", "eu", ClusterState::Retiring);
        status.points =
            vec![PointStatus { is_marked: true, kept_by: Vec::new(), ..point("2026-11-23T00:00:00Z") }; points];
        let all = table_text("f", std::slice::from_ref(&status), Timestamp::UNIX_EPOCH, 9, Paint::Plain);
        let one = cluster_text(&status, at("2026-11-23T02:00:00Z"), 80, Paint::Plain);
        format!("{all}\n{one}")
    };
    let left = text(2);
    assert!(left.contains("1 cluster: 1 retiring\n"), "{left}");
    assert!(left.contains("gold    retiring, 2 points left  2026"), "{left}");
    assert!(left.contains("policy gold: retiring, 2 points left\n"), "{left}");
    assert!(text(0).contains("retired, nothing left"), "{}", text(0));
}

#[test]
fn the_worst_come_first_each_group_is_a_row_and_each_need_has_its_next_step() {
    let mut clusters: Vec<ClusterStatus> =
        (0..9).map(|i| cluster(&format!("db-{i}"), "aws-eu10", ClusterState::Protected)).collect();
    clusters.push(cluster("late-db", "aws-eu10", ClusterState::Late));
    clusters.push(cluster("new-db", "gcp-us20", ClusterState::Due));
    let needs = vec![
        need(Kind::Late, "late-db", "newest point is 3d old, maxAge 9h", "`backstay apply` makes a point now"),
        need(
            Kind::Orphan,
            "uid-gone",
            "1 point that no cluster explains, kept",
            "declare a cluster with this uid again",
        ),
        need(
            Kind::Orphan,
            "uid-lost",
            "9 points that no cluster explains, kept",
            "declare a cluster with this uid again",
        ),
    ];
    assert_snapshot!(status_text(&fleet(clusters, needs), &PLAIN), @"
    Fleet f as of 2026-11-23T02:00Z: 11 clusters: 1 late, 1 due, 9 protected

      aws-eu10  10  L■■■■■■■■■
      gcp-us20   1  d
      L late  d due  ■ protected

      ! 1 cluster is later than sla.maxAge
        late-db: newest point is 3d old, maxAge 9h
        next: `backstay apply` makes a point now
      ! 2 clusters have points, and no document
        uid-gone, uid-lost
        next: declare a cluster with this uid again

      CLUSTER  SITE      STATE      NEWEST POINT       AGE  NEXT DUE
      late-db  aws-eu10  late       2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      new-db   gcp-us20  due        2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-0     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-1     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-2     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-3     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-4     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-5     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-6     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-7     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z
      db-8     aws-eu10  protected  2026-11-23T00:00Z  2h   2026-11-23T08:00Z

    3 things need a person.
    ");
}

/// The larger, the more of everything that is told.
fn large(clusters: usize) -> FleetStatus {
    let states = [ClusterState::Unprotected, ClusterState::Late, ClusterState::Due, ClusterState::Starting];
    let all = (0..clusters).map(|i| {
        let state = if i % 211 == 0 { states[i / 211 % 4] } else { ClusterState::Protected };
        let mut cluster =
            cluster(&format!("a-rather-long-cluster-name-{i:05}"), &format!("aws-site-{:02}", i % 7), state);
        cluster.labels.insert("landscape".to_owned(), format!("landscape-{}", i % 5));
        cluster
    });
    let kinds = [Kind::NoPoint, Kind::Late, Kind::PointGone, Kind::Orphan, Kind::CopyMissing, Kind::Unlocked];
    let mut needs: Vec<Need> = kinds
        .iter()
        .flat_map(|kind| {
            (0..clusters / 20).map(move |i| {
                need(
                    *kind,
                    &format!("a-rather-long-cluster-name-{i:05}"),
                    "m",
                    "do what must be done, and then do even more than that, until it is good",
                )
            })
        })
        .collect();
    needs.sort_by(|a, b| (a.severity, a.kind, &a.subject).cmp(&(b.severity, b.kind, &b.subject)));
    fleet(all.collect(), needs)
}

#[test]
fn ten_thousand_clusters_fit_a_terminal_of_80_by_50_and_nothing_wrong_is_hidden() {
    let status = large(10_000);
    let shown = fold(&status_text(&status, &PLAIN), 80);
    assert!(shown.lines().count() <= 50, "{} lines:\n{shown}", shown.lines().count());
    let widest = shown.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{shown}");
    for told in ["10,000 clusters", "12 unprotected", "12 late", "9,952 protected", "landscape-4", "and 9,990 more"] {
        assert!(shown.contains(told), "{told}:\n{shown}");
    }
    let map: String = shown.lines().filter(|line| line.contains("■■")).collect();
    assert!(map.contains('X') && map.contains('L'), "{map}");
    let wide = status_text(&status, &FleetView { width: 200, ..PLAIN });
    assert!(wide.lines().count() <= 50, "{wide}");
    let all = status_text(&status, &FleetView { all: true, group_by: Some("policy"), ..PLAIN });
    assert!(all.lines().count() > 10_000 && all.contains("  gold  10,000"), "every cluster is listed");
}

#[test]
fn one_cluster_is_drawn_with_all_that_is_so_of_its_points() {
    let mut status = cluster("orders-db", "eu", ClusterState::Late);
    let us = SiteName::new("us").unwrap();
    status.points = vec![
        PointStatus { state: "in-progress", kept_by: Vec::new(), ..point("2026-11-23T01:59:00Z") },
        PointStatus { places: vec![SiteName::new("eu").unwrap(), us], ..point("2026-11-23T00:00:00Z") },
        PointStatus { locked_until: Some(at("2026-12-06T00:00:00Z")), ..point("2026-11-22T00:00:00Z") },
        PointStatus { is_held: true, kept_by: vec![KeepReason::Hold], ..point("2026-11-20T00:00:00Z") },
        PointStatus { kept_by: Vec::new(), ..point("2026-11-17T00:00:00Z") },
        PointStatus { is_marked: true, kept_by: Vec::new(), ..point("2026-11-16T00:00:00Z") },
        PointStatus { state: "failed", kept_by: Vec::new(), ..point("2026-11-15T00:00:00Z") },
    ];
    status.gaps = vec![Gap { from: at("2026-11-20T00:00:00Z"), to: at("2026-11-22T00:00:00Z") }];
    assert_snapshot!(cluster_text(&status, at("2026-11-23T02:00:00Z"), 80, Paint::Plain), @"
    orders-db (uid-orders-db) at eu, policy gold: late
      newest point 2026-11-23T00:00Z (2h old), 5 restorable points
      next point due 2026-11-23T08:00Z
      1 gap in the recovery window; the last from 2026-11-20T00:00Z to 2026-11-22T00:00Z

      kept    ├········································●···············●·······●··○┤
      unkept  ├················◦···················································┤
      marked  ├········†···························································┤
      held    ├········································H···························┤
      locked  ├························································L···········┤
      making  ├································································◌···┤
      failed  ├×···································································┤
      at eu   ├■·······■·······■·······················■···············■·······■···┤
      at us   ├································································■···┤
      gaps    ├········································▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒···········┤
              2026-11-15T00:00Z                           next due 2026-11-23T08:00Z

      CUT                POINT               CLASS      STATE        AT     WHY
      2026-11-23T01:59Z  20261123t015900z-1  scheduled  in-progress  eu
      2026-11-23T00:00Z  20261123t000000z-1  scheduled  restorable   eu us  kept by daily
      2026-11-22T00:00Z  20261122t000000z-1  scheduled  restorable   eu     kept by daily; locked until 2026-12-06T00:00Z
      2026-11-20T00:00Z  20261120t000000z-1  scheduled  restorable   eu     kept by held
      2026-11-17T00:00Z  20261117t000000z-1  scheduled  restorable   eu     no rule keeps it
      2026-11-16T00:00Z  20261116t000000z-1  scheduled  restorable   eu     tombstoned
      2026-11-15T00:00Z  20261115t000000z-1  scheduled  failed       eu
    ");
    let wide = cluster_text(&status, at("2026-11-23T02:00:00Z"), 200, Paint::Plain);
    assert!(
        wide.lines().filter(|line| line.contains('├')).all(|line| line.chars().count() == 2 + 6 + 2 + 122),
        "{wide}"
    );
}

#[test]
fn nothing_is_painted_in_yellow_that_white_would_swallow() {
    let status = fleet(
        (0..5).map(|i| cluster(&format!("db-{i}"), "eu", ClusterState::Due)).collect(),
        vec![need(Kind::Orphan, "x", "m", "n")],
    );
    let painted = status_text(&status, &FleetView { paint: Paint::Colour, ..PLAIN });
    assert!(!painted.contains("\u{1b}[33m") && painted.contains("\u{1b}[30;43m"), "{painted:?}");
    assert_eq!(need(Kind::Orphan, "x", "m", "n").severity, Severity::Warning);
}
