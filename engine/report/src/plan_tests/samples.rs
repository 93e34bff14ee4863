//! Made-up plans: every kind of change, reason, wait and finding, and fleets of any size.

use backstay_core::canonical::Digest;
use backstay_core::model::Origin;
use backstay_core::observed::Provenance;
use backstay_core::plan::{
    Action, Basis, Cause, Change, FORMAT_VERSION, Finding, FindingKind, Plan, Reason, SiteCoverage, Waiting, WaitingFor,
};
use backstay_core::time::Duration;
use jiff::Timestamp;
use serde_json::json;

pub(super) const SITES: [&str; 4] = ["aws-eu10", "az-eu20", "gcp-eu30", "ali-cn40"];
pub(super) const POLICIES: [&str; 3] = ["bronze", "gold", "silver"];
pub(super) const VERBS: [&str; 7] = ["create", "copy", "tag", "lock", "revive", "expire", "delete"];

pub(super) fn at(text: &str) -> Timestamp {
    format!("{text}:00Z").parse().unwrap()
}

pub(super) fn plan(changes: Vec<Change>) -> Plan {
    let site =
        |name: &&str| SiteCoverage { site: name.parse().unwrap(), unknown: None, clock: None, snapshots: 250_000 };
    Plan {
        format_version: FORMAT_VERSION.to_owned(),
        basis: Basis {
            origin: Origin { commit: Some("0123456789abcdef".repeat(2)), dirty: false, documents: Digest::of(b"") },
            as_of: at("2026-11-23T08:00"),
            made_at: at("2026-11-23T08:00"),
            valid_until: at("2026-11-23T09:00"),
            provenance: Provenance::Live,
            baseline: None,
            clusters: 10_000,
            narrowed: None,
        },
        changes,
        waiting: Vec::new(),
        findings: Vec::new(),
        coverage: SITES.iter().map(site).collect(),
    }
}

pub(super) fn action(verb: &str, number: usize) -> Action {
    let point = format!("202611{:02}t{:02}0000z-1", 1 + number % 22, number % 24);
    let cut = "2026-11-20T08:00:01Z";
    let expected = json!({ "id": format!("snap-{number}"), "disk": format!("vol-{number}"), "generation": "g" });
    let value = match verb {
        "create" => json!({ "point": point, "class": "scheduled", "node": "n-0", "instance": "i-1", "role": "primary",
            "consistency": "application", "atomic_group": true, "system": "7301234567890123456",
            "parts": [{ "name": "data-1of1", "disk": "vol-1", "intent": "i" }] }),
        "copy" => json!({ "point": point, "class": "scheduled", "cut": cut, "from": "aws-eu10", "system": null,
            "kms_key": "alias/backup", "wal": { "timeline": 1, "start": "0/3000028", "end": "0/4000000" },
            "parts": [{ "name": "data-1of1", "source": expected, "intent": "i" }] }),
        "tag" => json!({ "point": point, "class": "on-demand", "cut": cut, "repair": "adopt",
            "snapshots": [{ "expected": expected, "set": { "backstay-managed": "1" } }] }),
        "lock" => json!({ "point": point, "class": "scheduled", "cut": cut, "mode": "governance",
            "until": "2026-12-04T08:00:01Z", "snapshots": [expected] }),
        "revive" | "expire" | "delete" => {
            json!({ "point": point, "cut": cut, "grace": "72h", "snapshots": [expected] })
        }
        other => panic!("{other}"),
    };
    let mut value = value;
    value["kind"] = json!(verb);
    serde_json::from_value(value).unwrap()
}

pub(super) fn change(verb: &str, number: usize, place: usize, cause: Cause, reason: Reason) -> Change {
    Change {
        cluster: format!("uid-{number:05}").parse().unwrap(),
        name: format!("db-{number:05}").parse().unwrap(),
        site: SITES[place % SITES.len()].parse().unwrap(),
        policy: POLICIES[place % POLICIES.len()].parse().unwrap(),
        action: action(verb, number),
        cause,
        reason,
    }
}

/// Every reason there is.
pub(super) fn reasons() -> Vec<Reason> {
    let rules = || "recoveryWindow 14d, daily 14".to_owned();
    let ago = Duration::hours(75);
    let all = vec![
        Reason::FirstPoint,
        Reason::SlotDue { newest: at("2026-11-23T00:00") },
        Reason::Retry { attempts: 3 },
        Reason::OnDemand { because: Some("before the *big* release".to_owned()) },
        Reason::CopyMissing { from: SITES[0].parse().unwrap() },
        Reason::TagsChanged { keys: vec!["backstay-class".to_owned()] },
        Reason::HoldTagMissing,
        Reason::Abandoned { ago },
        Reason::LockMissing { period: Duration::days(14) },
        Reason::Double { marked: None },
        Reason::Unusable { because: "part data-1of2 | is <gone>\n@everyone".to_owned() },
        Reason::Retired { rules: rules() },
        Reason::Beyond { rules: rules() },
        Reason::GraceOver { rules: rules(), marked: at("2026-11-20T05:00"), ago },
        Reason::KeptAgain,
    ];
    // Whoever adds one is led here.
    for reason in &all {
        match reason {
            Reason::FirstPoint
            | Reason::SlotDue { .. }
            | Reason::Retry { .. }
            | Reason::OnDemand { .. }
            | Reason::CopyMissing { .. }
            | Reason::TagsChanged { .. }
            | Reason::HoldTagMissing
            | Reason::Abandoned { .. }
            | Reason::LockMissing { .. }
            | Reason::Double { .. }
            | Reason::Unusable { .. }
            | Reason::Retired { .. }
            | Reason::Beyond { .. }
            | Reason::GraceOver { .. }
            | Reason::KeptAgain => {}
        }
    }
    all
}

/// Everything that can be waited for.
pub(super) fn waits() -> Vec<WaitingFor> {
    let until = at("2026-11-24T00:00");
    let site = || SITES[1].parse().unwrap();
    let limit = || "10 at a time".to_owned();
    let all = vec![
        WaitingFor::SiteUnknown { because: "timed out".to_owned() },
        WaitingFor::InProgress,
        WaitingFor::BackOff { until, attempts: 2 },
        WaitingFor::Source { because: "n-0: the server cannot be reached: `FATAL`: <b>no</b>".to_owned() },
        WaitingFor::Grace { until },
        WaitingFor::Lock { until },
        WaitingFor::Sighting,
        WaitingFor::NotSafe { because: "the clocks are 6m apart".to_owned() },
        WaitingFor::BlastRadius { limit: limit() },
        WaitingFor::CopyQueue { limit: limit() },
        WaitingFor::SourceNotReady,
        WaitingFor::FailedCopy { site: site() },
        WaitingFor::Copies { sites: vec![site()] },
        WaitingFor::DiskSpacing { disk: "vol-1".parse().unwrap(), until: Some(until) },
        WaitingFor::Quota { limit: limit() },
        WaitingFor::Budget { limit: limit() },
        WaitingFor::Lease { holder: "run-1".to_owned(), until },
    ];
    for wait in &all {
        match wait {
            WaitingFor::SiteUnknown { .. }
            | WaitingFor::InProgress
            | WaitingFor::BackOff { .. }
            | WaitingFor::Source { .. }
            | WaitingFor::Grace { .. }
            | WaitingFor::Lock { .. }
            | WaitingFor::Sighting
            | WaitingFor::NotSafe { .. }
            | WaitingFor::BlastRadius { .. }
            | WaitingFor::CopyQueue { .. }
            | WaitingFor::SourceNotReady
            | WaitingFor::FailedCopy { .. }
            | WaitingFor::Copies { .. }
            | WaitingFor::DiskSpacing { .. }
            | WaitingFor::Quota { .. }
            | WaitingFor::Budget { .. }
            | WaitingFor::Lease { .. } => {}
        }
    }
    all
}

/// Everything that can be found.
pub(super) fn findings() -> Vec<FindingKind> {
    let all = vec![
        FindingKind::Orphan { points: 3 },
        FindingKind::Late { age: Some(Duration::hours(31)), max_age: Some(Duration::hours(9)) },
        FindingKind::Missing { what: "instance i-1".to_owned() },
        FindingKind::Foreign { why: "its seal is of another key".to_owned() },
        FindingKind::Doubles { snapshots: 2 },
        FindingKind::Unfinished { snapshots: 2 },
        FindingKind::Incapable { what: "no lock there".to_owned() },
        FindingKind::Moved { points: 4, home: SITES[2].parse().unwrap() },
        FindingKind::Retiring { points: 1 },
        FindingKind::LeftOut { points: 9 },
        FindingKind::Unmanaged { snapshots: 5 },
        FindingKind::Unencrypted { points: 6 },
        FindingKind::OtherKey { points: 7, wanted: "alias/backup".parse().unwrap() },
        FindingKind::Misplaced { points: 8, wanted: "eu".parse().unwrap() },
        FindingKind::FutureDated { points: 1 },
    ];
    for found in &all {
        match found {
            FindingKind::Orphan { .. }
            | FindingKind::Late { .. }
            | FindingKind::Missing { .. }
            | FindingKind::Foreign { .. }
            | FindingKind::Doubles { .. }
            | FindingKind::Unfinished { .. }
            | FindingKind::Incapable { .. }
            | FindingKind::Moved { .. }
            | FindingKind::Retiring { .. }
            | FindingKind::LeftOut { .. }
            | FindingKind::Unmanaged { .. }
            | FindingKind::Unencrypted { .. }
            | FindingKind::OtherKey { .. }
            | FindingKind::Misplaced { .. }
            | FindingKind::FutureDated { .. } => {}
        }
    }
    all
}

pub(super) fn waiting(number: usize, why: WaitingFor) -> Waiting {
    let point = (!number.is_multiple_of(5)).then(|| action("delete", number).point());
    Waiting {
        cluster: format!("uid-{number:05}").parse().unwrap(),
        name: format!("db-{number:05}").parse().unwrap(),
        point,
        why,
    }
}

pub(super) fn finding(number: usize, what: FindingKind) -> Finding {
    let site = (!number.is_multiple_of(7)).then(|| SITES[number % 4].parse().unwrap());
    Finding { site, subject: format!("db-{number:05}"), what }
}

/// One of everything.
pub(super) fn one_of_everything() -> Plan {
    let reasons = reasons();
    let causes = [Cause::Due, Cause::Config, Cause::Drift];
    let number = reasons.len().max(VERBS.len());
    let changes = (0..number).map(|i| change(VERBS[i % 7], i, i, causes[i % 3], reasons[i % reasons.len()].clone()));
    let mut plan = plan(changes.collect());
    plan.waiting = waits().into_iter().enumerate().map(|(i, why)| waiting(i, why)).collect();
    plan.findings = findings().into_iter().enumerate().map(|(i, what)| finding(i, what)).collect();
    plan.coverage[3].unknown = Some("page 7: 503 <!-- x --> | `Service` Unavailable\n## @team".to_owned());
    plan.coverage[3].snapshots = 0;
    plan
}

/// A morning in a large fleet: most points are due, some have had their grace, a few have a story of their own.
pub(super) fn morning(changes: usize) -> Plan {
    let rules = || "recoveryWindow 14d, daily 14".to_owned();
    let made = (0..changes).map(|i| {
        let newest = at("2026-11-23T00:00") + jiff::SignedDuration::from_mins(i64::try_from(i % 50).unwrap());
        let ago = Duration::hours(72 + u64::try_from(i % 20).unwrap());
        match i % 24 {
            _ if i % 2500 == 1234 => change("create", i, i, Cause::Due, Reason::Retry { attempts: 4 }),
            0..=18 => change("create", i, i, Cause::Due, Reason::SlotDue { newest }),
            19 | 20 => change("expire", i, i, Cause::Due, Reason::Beyond { rules: rules() }),
            21 => change("expire", i, i, Cause::Config, Reason::Beyond { rules: rules() }),
            22 => change("copy", i, i, Cause::Due, Reason::CopyMissing { from: SITES[0].parse().unwrap() }),
            _ => {
                let marked = at("2026-11-20T05:00");
                change("delete", i, i, Cause::Due, Reason::GraceOver { rules: rules(), marked, ago })
            }
        }
    });
    let mut plan = plan(made.collect());
    let waits = waits();
    plan.waiting = (0..changes / 20).map(|i| waiting(i, waits[i % waits.len()].clone())).collect();
    let found = findings();
    plan.findings = (0..changes / 50).map(|i| finding(i, found[i % found.len()].clone())).collect();
    if changes > 1000 {
        plan.coverage[3].unknown = Some("page 7: 503 Service Unavailable".to_owned());
    }
    plan
}
