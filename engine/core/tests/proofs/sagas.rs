//! How changes are carried out: every order of effects, every failure, every illegal answer.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that concerns one effect lets all others go well")]

use crate::support::lab::{Lab, Point, SYSTEM, UPGRADED, WAL, attached, time};
use backstay_core::model::LockMode;
use backstay_core::name::SnapshotId;
use backstay_core::name::{DiskId, SiteName};
use backstay_core::observed::Generation;
use backstay_core::observed::{DatabaseRole, DiskRole, Readiness};
use backstay_core::plan::{Action, CopyPoint, ExpectedSnapshot, LockPoint, PlannedCopy, Repair, Retagged, TagPoint};
use backstay_core::saga::{CutSnapshot, Effect, End, Event, Saga, take_up};
use backstay_core::tags::{Intent, PointClass, PointKey, Tags};
use backstay_core::time::Duration;
use insta::assert_snapshot;
use jiff::SignedDuration;
use std::fmt::Write as _;

const APPLICATION: &str = "schedule: { every: 24h, spread: 0s }\nretention: { keep: { daily: 2 } }";
const CRASH: &str = "schedule: { every: 24h, spread: 0s }\nconsistency: crash\nretention: { keep: { daily: 2 } }";

/// The action of one kind from a world with two disks an instance, and points to mark, to take back and to delete.
fn action(verb: &str, policy: &str, has_groups: bool) -> Action {
    let mut lab = Lab::new(policy).at(time("2026-11-24T01:00Z"));
    lab.inventory().abilities.atomic_group = has_groups;
    for node in 0..2 {
        lab.disks("orders-db", node).push(attached("orders-db", node, DiskRole::Wal));
    }
    for day in 20..=23 {
        let ids = lab
            .put(&Point { disks: vec![DiskRole::Wal, DiskRole::Data], ..Point::at(time(&format!("2026-11-{day}"))) });
        if day == 20 || day == 23 {
            for id in ids {
                lab.mark(&id, time("2026-11-20T02:00Z"), Duration::hours(72), backstay_core::plan::Cause::Due);
            }
        }
    }
    let plan = lab.plan();
    let found = plan.changes.into_iter().find(|change| change.action.verb() == verb);
    found.unwrap_or_else(|| panic!("no {verb}")).action
}

fn expected(id: &str) -> ExpectedSnapshot {
    ExpectedSnapshot {
        id: SnapshotId::new(id).unwrap(),
        disk: DiskId::new(format!("vol-of-{id}")).unwrap(),
        generation: Generation("seen".to_owned()),
    }
}

fn point() -> PointKey {
    "20261123t000000z-1".parse().unwrap()
}

/// A copy of a point with two parts; labelled where it has WAL.
fn copy(is_labelled: bool) -> Action {
    let part = |id: &str, name: &str| PlannedCopy {
        name: name.parse().unwrap(),
        source: expected(id),
        intent: Intent(format!("intent-of-{id}")),
    };
    Action::Copy(CopyPoint {
        point: point(),
        class: PointClass::Scheduled,
        cut: time("2026-11-23"),
        from: SiteName::new("eu").unwrap(),
        kms_key: None,
        system: Some(SYSTEM),
        wal: is_labelled.then_some(WAL),
        parts: vec![part("snap-1", "wal-1of2"), part("snap-2", "data-2of2")],
    })
}

fn tag(repair: Repair) -> Action {
    let set: Tags = [("backstay-hold", "1".to_owned())].into_iter().collect();
    let retagged = |id: &str| Retagged { expected: expected(id), set: set.clone() };
    Action::Tag(TagPoint {
        point: point(),
        class: PointClass::Scheduled,
        cut: time("2026-11-23"),
        repair,
        snapshots: vec![retagged("snap-1"), retagged("snap-2")],
    })
}

fn lock() -> Action {
    Action::Lock(LockPoint {
        point: point(),
        class: PointClass::Scheduled,
        cut: time("2026-11-23"),
        mode: LockMode::Governance,
        until: time("2026-12-07"),
        snapshots: vec![expected("snap-1"), expected("snap-2")],
    })
}

fn actions() -> Vec<Action> {
    let mut all: Vec<Action> =
        ["create", "expire", "revive", "delete"].map(|verb| action(verb, APPLICATION, true)).into();
    all.push(action("create", APPLICATION, false));
    all.push(action("create", CRASH, true));
    all.extend([copy(true), copy(false), lock()]);
    all.extend([Repair::Restore, Repair::MirrorHold, Repair::Adopt].map(tag));
    all
}

/// The answer of a world in which all goes well.
fn answer(effect: &Effect) -> Event {
    match effect {
        Effect::BeginBackup => Event::Begun { system: SYSTEM, is_standby: true },
        Effect::Cut { parts } => {
            Event::Snapshots { snapshots: parts.iter().map(|part| cut(*part, Readiness::CutFixed)).collect() }
        }
        Effect::AwaitCut { snapshots } => {
            let fixed = |id: &SnapshotId| CutSnapshot {
                id: id.clone(),
                created: time("2026-11-24"),
                readiness: Readiness::CutFixed,
            };
            Event::Snapshots { snapshots: snapshots.iter().map(fixed).collect() }
        }
        Effect::StopBackup => Event::Stopped { wal: WAL },
        // A copy is on its way for hours.
        Effect::Copy { part } => Event::Snapshots { snapshots: vec![cut(*part, Readiness::CutFixed)] },
        Effect::CheckSource { .. }
        | Effect::CopyFiles
        | Effect::SetTags { .. }
        | Effect::Adopt { .. }
        | Effect::Lock { .. }
        | Effect::LookForAttempt
        | Effect::KeepFiles
        | Effect::CloseBackup
        | Effect::Seal { .. }
        | Effect::CheckTarget { .. }
        | Effect::WriteTombstone { .. }
        | Effect::TagTombstone { .. }
        | Effect::SightTombstone { .. }
        | Effect::RevokeTombstone { .. }
        | Effect::UntagTombstone { .. }
        | Effect::CountDelete
        | Effect::Delete { .. }
        | Effect::RemoveFiles => Event::Done,
    }
}

fn cut(part: usize, readiness: Readiness) -> CutSnapshot {
    let created = time("2026-11-24") + SignedDuration::from_secs(i64::try_from(part).unwrap());
    CutSnapshot { id: SnapshotId::new(format!("snap-new-{part}")).unwrap(), created, readiness }
}

/// Drives a saga with these answers, and gives every effect that it asked for.
fn drive(action: &Action, mut answer: impl FnMut(usize, &Effect) -> Event) -> (Saga, Vec<Effect>) {
    let (mut saga, mut next) = Saga::begin(action);
    let mut asked = Vec::new();
    while let Some(effect) = next {
        assert!(asked.len() < 100, "it goes round for ever");
        assert!(saga.end().is_none() || effect == Effect::CloseBackup, "after its end it only closes the session");
        let event = answer(asked.len(), &effect);
        asked.push(effect);
        next = saga.next(event).unwrap();
    }
    assert!(saga.end().is_some(), "it ended without an end");
    (saga, asked)
}

fn words(effects: &[Effect]) -> String {
    let mut text = String::new();
    for effect in effects {
        let word = match effect {
            Effect::CheckTarget { target } => format!("check {}", target.id),
            Effect::CheckSource { target } => format!("check source {}", target.id),
            Effect::Delete { target } => format!("delete {}", target.id),
            Effect::Cut { parts } => format!("cut {parts:?}"),
            other => format!("{other:?}")
                .to_lowercase()
                .replace("snapshotid(", "")
                .replace([')', '{', '}'], "")
                .replace("  ", " "),
        };
        writeln!(text, "{}", word.trim()).unwrap();
    }
    text
}

fn all_well(action: &Action) -> String {
    let (saga, asked) = drive(action, |_, effect| answer(effect));
    assert_eq!(saga.end(), Some(&End::Done));
    words(&asked)
}

#[test]
fn a_labelled_point_is_cut_within_one_session_and_sealed_when_all_is_durable() {
    assert_snapshot!(all_well(&action("create", APPLICATION, false)), @"
    lookforattempt
    beginbackup
    cut [0]
    cut [1]
    stopbackup
    keepfiles
    closebackup
    seal part: 0
    seal part: 1
    ");
}

#[test]
fn a_group_is_cut_at_once() {
    assert_snapshot!(all_well(&action("create", APPLICATION, true)), @"
    lookforattempt
    beginbackup
    cut [0, 1]
    stopbackup
    keepfiles
    closebackup
    seal part: 0
    seal part: 1
    ");
}

#[test]
fn a_crash_point_needs_no_session() {
    assert_snapshot!(all_well(&action("create", CRASH, true)), @"
    lookforattempt
    cut [0, 1]
    seal part: 0
    seal part: 1
    ");
}

#[test]
fn marks_are_records_first_then_tags_then_sightings() {
    assert_snapshot!(all_well(&action("expire", APPLICATION, true)), @"
    check snap-00003
    check snap-00004
    writetombstone snapshot: snap-00003
    tagtombstone snapshot: snap-00003
    sighttombstone snapshot: snap-00003
    writetombstone snapshot: snap-00004
    tagtombstone snapshot: snap-00004
    sighttombstone snapshot: snap-00004
    ");
}

#[test]
fn a_mark_is_taken_back_by_its_record_first() {
    assert_snapshot!(all_well(&action("revive", APPLICATION, true)), @"
    check snap-00007
    check snap-00008
    revoketombstone snapshot: snap-00007
    untagtombstone snapshot: snap-00007
    revoketombstone snapshot: snap-00008
    untagtombstone snapshot: snap-00008
    ");
}

#[test]
fn a_delete_looks_counts_and_then_deletes() {
    assert_snapshot!(all_well(&action("delete", APPLICATION, true)), @"
    check snap-00001
    check snap-00002
    countdelete
    delete snap-00001
    delete snap-00002
    removefiles
    ");
}

#[test]
fn a_copy_is_sealed_at_once_and_its_files_are_there_before_the_first_seal() {
    assert_snapshot!(all_well(&copy(true)), @"
    check source snap-1
    check source snap-2
    copy part: 0
    copyfiles
    seal part: 0
    copy part: 1
    seal part: 1
    ");
}

#[test]
fn a_copy_of_an_atomic_cut_has_no_files() {
    assert_snapshot!(all_well(&copy(false)), @"
    check source snap-1
    check source snap-2
    copy part: 0
    seal part: 0
    copy part: 1
    seal part: 1
    ");
}

#[test]
fn nobody_waits_for_a_copy_that_is_on_its_way() {
    for readiness in [Readiness::Creating, Readiness::CutFixed, Readiness::Ready] {
        let (saga, asked) = drive(&copy(false), |_, effect| match effect {
            Effect::Copy { part } => Event::Snapshots { snapshots: vec![cut(*part, readiness.clone())] },
            other => answer(other),
        });
        assert_eq!(saga.end(), Some(&End::Done));
        assert_eq!(saga.facts().snapshots.len(), 2);
        assert!(!asked.iter().any(|effect| matches!(effect, Effect::AwaitCut { .. })));
    }
}

#[test]
fn a_copy_that_the_provider_gave_up_is_not_sealed() {
    let failed = Readiness::Failed { because: "key is disabled".to_owned() };
    let (saga, asked) = drive(&copy(true), |_, effect| match effect {
        Effect::Copy { part } => Event::Snapshots { snapshots: vec![cut(*part, failed.clone())] },
        other => answer(other),
    });
    assert_eq!(saga.end(), Some(&End::Failed { because: "snapshot snap-new-0 failed: key is disabled".to_owned() }));
    assert_eq!(asked.last(), Some(&Effect::Copy { part: 0 }));
}

#[test]
fn tags_and_locks_are_set_after_every_snapshot_was_looked_at() {
    assert_eq!(all_well(&tag(Repair::Restore)), all_well(&tag(Repair::MirrorHold)));
    assert_snapshot!(all_well(&tag(Repair::Restore)), @"
    check snap-1
    check snap-2
    settags snapshot: snap-1
    settags snapshot: snap-2
    ");
    assert_snapshot!(all_well(&tag(Repair::Adopt)), @"
    check snap-1
    check snap-2
    adopt snapshot: snap-1
    adopt snapshot: snap-2
    ");
    assert_snapshot!(all_well(&lock()), @"
    check snap-1
    check snap-2
    lock snapshot: snap-1
    lock snapshot: snap-2
    ");
}

#[test]
fn whichever_effect_fails_the_saga_ends_there_and_closes_its_session() {
    for action in actions() {
        let (_, whole) = drive(&action, |_, effect| answer(effect));
        for failing in 0..whole.len() {
            for event in
                [Event::Failed { because: "broken".to_owned() }, Event::Stale { because: "changed".to_owned() }]
            {
                let is_close = whole[failing] == Effect::CloseBackup;
                if is_close && matches!(event, Event::Stale { .. }) {
                    continue;
                }
                let (saga, asked) =
                    drive(&action, |n, effect| if n == failing { event.clone() } else { answer(effect) });
                let began = asked[..failing].contains(&Effect::BeginBackup);
                let closed = asked.contains(&Effect::CloseBackup);
                assert_eq!(began, closed, "{:?} at {failing}", action.verb());
                if is_close {
                    // The session ends with its connection: the point is whole.
                    assert_eq!(saga.end(), Some(&End::Done));
                    continue;
                }
                let expected = match &event {
                    Event::Stale { because } => End::Stale { because: because.clone() },
                    _ => End::Failed { because: "broken".to_owned() },
                };
                assert_eq!(saga.end(), Some(&expected));
                // Nothing but the way out came after it: no seal, no delete.
                let ways_out = usize::from(began && !asked[..failing].contains(&Effect::CloseBackup));
                assert_eq!(asked.len(), failing + 1 + ways_out);
            }
        }
    }
}

#[test]
fn a_session_whose_closing_fails_after_a_failure_keeps_the_first_reason() {
    let create = action("create", APPLICATION, true);
    let (saga, asked) = drive(&create, |_, effect| match effect {
        Effect::Cut { .. } => Event::Failed { because: "no quota".to_owned() },
        Effect::CloseBackup => Event::Failed { because: "connection lost".to_owned() },
        other => answer(other),
    });
    assert_eq!(saga.end(), Some(&End::Failed { because: "no quota".to_owned() }));
    assert_eq!(asked.last(), Some(&Effect::CloseBackup));
}

#[test]
fn another_server_than_the_plan_saw_is_left_alone() {
    let create = action("create", APPLICATION, true);
    for begun in
        [Event::Begun { system: UPGRADED, is_standby: true }, Event::Begun { system: SYSTEM, is_standby: false }]
    {
        let (saga, asked) =
            drive(&create, |_, effect| if *effect == Effect::BeginBackup { begun.clone() } else { answer(effect) });
        assert!(matches!(saga.end(), Some(End::Stale { .. })));
        assert_eq!(words(&asked), "lookforattempt\nbeginbackup\nclosebackup\n");
    }
}

#[test]
fn the_cut_is_awaited_before_the_session_stops_and_is_that_of_the_last_part() {
    let create = action("create", APPLICATION, false);
    let mut polls = 0;
    let (saga, asked) = drive(&create, |_, effect| match effect {
        Effect::Cut { parts } => Event::Snapshots { snapshots: vec![cut(parts[0], Readiness::Creating)] },
        Effect::AwaitCut { .. } => {
            polls += 1;
            let readiness = if polls % 3 == 0 { Readiness::CutFixed } else { Readiness::Creating };
            Event::Snapshots { snapshots: vec![cut(usize::from(polls > 3), readiness)] }
        }
        other => answer(other),
    });
    assert_eq!(asked.iter().filter(|effect| matches!(effect, Effect::AwaitCut { .. })).count(), 6);
    assert_eq!(saga.facts().cut(), Some(time("2026-11-24T00:00:01Z")));
    assert_eq!((saga.facts().system, saga.facts().wal), (Some(SYSTEM), Some(WAL)));
    assert_eq!(saga.facts().snapshots.len(), 2);
}

#[test]
fn a_snapshot_that_fails_while_it_is_awaited_fails_the_point() {
    let create = action("create", APPLICATION, true);
    let failed = Readiness::Failed { because: "internal error".to_owned() };
    let (saga, asked) = drive(&create, |_, effect| match effect {
        Effect::Cut { .. } => {
            Event::Snapshots { snapshots: vec![cut(0, Readiness::Creating), cut(1, Readiness::Creating)] }
        }
        Effect::AwaitCut { .. } => {
            Event::Snapshots { snapshots: vec![cut(0, Readiness::CutFixed), cut(1, failed.clone())] }
        }
        other => answer(other),
    });
    assert_eq!(saga.end(), Some(&End::Failed { because: "snapshot snap-new-1 failed: internal error".to_owned() }));
    assert_eq!(asked.last(), Some(&Effect::CloseBackup));
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_and_changes_nothing() {
    let events = [
        Event::Done,
        Event::Begun { system: SYSTEM, is_standby: true },
        Event::Snapshots { snapshots: Vec::new() },
        Event::Snapshots { snapshots: vec![cut(9, Readiness::Ready)] },
        Event::Stopped { wal: WAL },
        Event::Stale { because: "changed".to_owned() },
    ];
    let mut illegal = 0;
    for action in actions() {
        let (mut saga, mut next) = Saga::begin(&action);
        while let Some(effect) = next {
            let fits = answer(&effect);
            for event in &events {
                let is_stale = matches!(event, Event::Stale { .. });
                if std::mem::discriminant(event) == std::mem::discriminant(&fits)
                    && !matches!(event, Event::Snapshots { .. })
                    || is_stale && effect != Effect::CloseBackup
                    || matches!((&effect, event), (Effect::Cut { parts }, Event::Snapshots { snapshots }) if parts.len() == snapshots.len())
                    || matches!((&effect, event), (Effect::Copy { .. }, Event::Snapshots { snapshots }) if snapshots.len() == 1)
                {
                    continue;
                }
                let before = saga.clone();
                saga.next(event.clone()).expect_err("it does not fit");
                assert_eq!(saga, before, "an illegal answer changed the saga");
                illegal += 1;
            }
            next = saga.next(fits).unwrap();
        }
        let ended = saga.clone();
        saga.next(Event::Done).expect_err("it has ended");
        assert_eq!(saga, ended);
    }
    assert!(illegal > 100, "{illegal}");
}

#[test]
fn an_action_without_any_snapshot_is_done_at_once() {
    let Action::Expire(mut mark) = action("expire", APPLICATION, true) else { panic!("not a mark") };
    mark.snapshots.clear();
    let (saga, first) = Saga::begin(&Action::Expire(mark));
    assert_eq!((saga.end(), first), (Some(&End::Done), None));
}

#[test]
fn a_saga_survives_its_journal() {
    for action in actions() {
        let (mut saga, mut next) = Saga::begin(&action);
        while let Some(effect) = next {
            let text = serde_json::to_string(&saga).unwrap();
            let read: Saga = serde_json::from_str(&text).unwrap();
            assert_eq!(read, saga);
            next = saga.next(answer(&effect)).unwrap();
        }
    }
}

#[test]
fn a_role_that_nothing_could_tell_is_not_compared() {
    let Action::Create(mut create) = action("create", APPLICATION, true) else { panic!("not a create") };
    assert!(matches!(create.role, Some(DatabaseRole::Standby { .. })));
    (create.role, create.system) = (None, None);
    let (saga, _) = drive(&Action::Create(create), |_, effect| answer(effect));
    assert_eq!(saga.end(), Some(&End::Done));
    assert_eq!(saga.facts().system, Some(SYSTEM));
}

#[test]
fn a_half_made_point_is_taken_up_where_nothing_of_a_session_is_missing_and_nowhere_else() {
    let creates = actions().into_iter().filter(|action| matches!(action, Action::Create(_)));
    for create in creates {
        let (whole, asked) = drive(&create, |_, effect| answer(effect));
        let is_labelled = asked.contains(&Effect::BeginBackup);
        for cut_off in 0..=asked.len() {
            let answers: Vec<Event> = asked[..cut_off].iter().map(answer).collect();
            let broken = Event::Failed { because: "broken".to_owned() };
            for answers in [answers.clone(), [answers, vec![broken]].concat()] {
                let expected = match asked.get(cut_off) {
                    Some(Effect::CloseBackup) => Some(&asked[cut_off + 1]),
                    Some(seal @ Effect::Seal { .. }) => Some(seal),
                    Some(cut @ Effect::Cut { .. }) if !is_labelled => Some(cut),
                    _ => None,
                };
                let taken = take_up(&create, answers);
                assert_eq!(taken.as_ref().map(|(_, next)| next), expected, "{cut_off} of {asked:?}");
                // From there it ends as it would have.
                let Some((mut saga, mut next)) = taken.map(|(saga, next)| (saga, Some(next))) else { continue };
                while let Some(effect) = next {
                    next = saga.next(answer(&effect)).unwrap();
                }
                assert_eq!((saga.end(), saga.facts()), (whole.end(), whole.facts()));
            }
        }
    }
    assert!(take_up(&lock(), []).is_none());
}

#[test]
fn a_journal_that_does_not_fit_its_create_is_not_taken_up() {
    let create = action("create", CRASH, true);
    assert!(take_up(&create, [Event::Stopped { wal: WAL }]).is_none());
    assert!(take_up(&create, [Event::Done, Event::Snapshots { snapshots: Vec::new() }]).is_none());
}
