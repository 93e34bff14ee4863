//! Histories that a property once failed on, made small, each with a name.

use super::over_places::may_follow;
use crate::support::history::{Drawn, Flaw, History, Hold, Mark, Server, Trouble, Wanted};
use crate::support::lab::site;
use crate::support::show;
use crate::support::wide::Wide;
use backstay_core::model::{ConsistencyWanted, Keep, SourcePreference};
use backstay_core::plan::{Action, Cause};
use backstay_core::tags::PointClass;

fn drawn(hours_ago: i64, is_upgraded: bool) -> Drawn {
    Drawn {
        cluster: 0,
        hours_ago,
        micros: 0,
        attempt: 1,
        class: PointClass::Scheduled,
        parts: 1,
        is_upgraded,
        flaw: Flaw::None,
        mark: Mark::None,
        hold: Hold::None,
        is_locked: true,
    }
}

fn wanted(minimum_redundancy: u32, source: SourcePreference) -> Wanted {
    let keep = Keep { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 };
    Wanted {
        interval_hours: 1,
        zone: "UTC",
        source,
        consistency: ConsistencyWanted::Application,
        window_hours: None,
        keep,
        minimum_redundancy,
        on_demand: None,
        grace_hours: 1,
    }
}

/// The nodes have different system identifiers, so that of the newest points counts. The new point is of the old system, and its copy has
/// to wait in an ordered queue: once it is planned, the floor at the copy site counts the old system's points again.
#[test]
fn what_a_queue_brings_may_make_another_system_current_whose_marked_points_are_kept_again() {
    let wide = Wide {
        history: History {
            policy: wanted(1, SourcePreference::Standby),
            baseline: None,
            points: vec![
                Drawn { flaw: Flaw::Failed, ..drawn(0, true) },
                drawn(10, true),
                drawn(0, true),
                drawn(32, false),
                drawn(332, true),
                drawn(33, true),
                Drawn { hold: Hold::Tag, ..drawn(176, true) },
                Drawn { class: PointClass::Safety, ..drawn(0, true) },
                drawn(1, true),
                drawn(1, true),
                drawn(2, true),
            ],
            servers: [Server::Upgraded, Server::Fine],
            trouble: Trouble::None,
            recent_deletes: vec![],
            cluster_limit: 0,
            fleet_limit: None,
        },
        copies: Some(wanted(3, SourcePreference::PreferStandby)),
        copies_before: None,
        profile: "azure",
        is_retired: false,
        is_unknown: false,
        copied: vec![],
        twins: vec![],
        there: vec![Drawn {
            mark: Mark::Full { hours_ago: 0, grace_hours: 0, cause: Cause::Due, is_seen: false },
            ..drawn(11, false)
        }],
    };
    let mut lab = wide.lab();
    let baseline = lab.baseline.clone();
    let mut plan = lab.plan();
    let mut revived = 0;
    for _ in 0..60 {
        if plan.changes.is_empty() {
            assert_eq!(revived, 1);
            return;
        }
        lab.apply(&plan);
        lab.baseline.clone_from(&baseline);
        let next = lab.plan();
        lab.verify(next.clone()).unwrap();
        for change in &next.changes {
            revived += usize::from(matches!(change.action, Action::Revive(_)));
            assert!(
                may_follow(&plan, change),
                "first:\n{}\nthen:\n{}",
                show::work(&plan, &site()),
                show::work(&next, &site())
            );
        }
        plan = next;
    }
    panic!("it never ends: {}", show::work(&plan, &site()));
}
