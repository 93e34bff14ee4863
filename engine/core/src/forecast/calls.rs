//! Which calls a change makes: by the saga that the executor follows, so that nothing is counted that is not called.

use crate::capabilities::CallClass;
use crate::lsn::{Lsn, Timeline, WalRange};
use crate::model::{Provider, Site};
use crate::name::{SiteName, SnapshotId, SystemId};
use crate::observed::{DatabaseRole, Readiness};
use crate::plan::{Action, Change};
use crate::saga::{CutSnapshot, Effect, Event, Saga};
use jiff::Timestamp;

/// Every call that a change makes when all goes well, each at its site.
#[must_use]
pub(super) fn of_change(change: &Change, at: Timestamp) -> Vec<(SiteName, CallClass)> {
    let mut calls = Vec::new();
    let (mut saga, mut next) = Saga::begin(&change.action);
    while let Some(effect) = next {
        for class in classes(&effect, &change.action) {
            calls.push((place(&effect, change).clone(), class));
        }
        // A good answer always fits.
        next = saga.next(good_answer(&effect, &change.action, at)).unwrap_or(None);
    }
    calls
}

/// The calls to a site by which one run lists what is there.
#[must_use]
pub(super) fn of_listing(site: &Site, rules_page: u32, instances: f64, snapshots: f64, unmanaged: f64) -> f64 {
    let declared = match &site.provider {
        Provider::Sim(sim) => sim.page_size.and_then(|size| u32::try_from(size).ok()),
        Provider::Local(_) | Provider::Cloud { .. } => None,
    };
    let page = f64::from(declared.unwrap_or(rules_page).max(1));
    [instances, snapshots, unmanaged].into_iter().map(|items| (items / page).ceil().max(1.0)).sum()
}

/// A copy reads its source where that lies; all else happens at the change's site.
fn place<'a>(effect: &Effect, change: &'a Change) -> &'a SiteName {
    match (&change.action, effect) {
        (Action::Copy(copy), Effect::CheckSource { .. }) => &copy.from,
        (
            Action::Create(_)
            | Action::Copy(_)
            | Action::Tag(_)
            | Action::Lock(_)
            | Action::Revive(_)
            | Action::Expire(_)
            | Action::Delete(_),
            _,
        ) => &change.site,
    }
}

fn parts(action: &Action) -> usize {
    match action {
        Action::Create(create) => create.parts.len(),
        Action::Copy(copy) => copy.parts.len(),
        Action::Tag(_) | Action::Lock(_) | Action::Revive(_) | Action::Expire(_) | Action::Delete(_) => 0,
    }
}

/// The calls of one effect. Sessions, records and kept files are not the cloud's.
fn classes(effect: &Effect, action: &Action) -> Vec<CallClass> {
    match effect {
        Effect::LookForAttempt => vec![CallClass::List; parts(action)],
        Effect::Cut { parts } => vec![if parts.len() == 1 { CallClass::Create } else { CallClass::CreateGroup }],
        Effect::AwaitCut { snapshots } => vec![CallClass::Describe; snapshots.len()],
        Effect::CheckSource { .. } | Effect::CheckTarget { .. } => vec![CallClass::Describe],
        Effect::Copy { .. } => vec![CallClass::List, CallClass::Copy],
        Effect::Lock { .. } => vec![CallClass::Lock],
        Effect::Delete { .. } => vec![CallClass::Delete],
        Effect::Seal { .. }
        | Effect::SetTags { .. }
        | Effect::Adopt { .. }
        | Effect::TagTombstone { .. }
        | Effect::UntagTombstone { .. } => vec![CallClass::Tag],
        Effect::BeginBackup
        | Effect::StopBackup
        | Effect::KeepFiles
        | Effect::CloseBackup
        | Effect::CopyFiles
        | Effect::WriteTombstone { .. }
        | Effect::SightTombstone { .. }
        | Effect::RevokeTombstone { .. }
        | Effect::CountDelete
        | Effect::RemoveFiles => Vec::new(),
    }
}

/// The answer when all goes well: instants are fixed at once.
fn good_answer(effect: &Effect, action: &Action, at: Timestamp) -> Event {
    let cut = |count: usize| Event::Snapshots {
        snapshots: (0..count)
            .filter_map(|i| SnapshotId::new(format!("forecast-{i}")).ok())
            .map(|id| CutSnapshot { id, created: at, readiness: Readiness::Ready })
            .collect(),
    };
    match effect {
        Effect::BeginBackup => {
            let (system, role) = match action {
                Action::Create(create) => (create.system, create.role),
                Action::Copy(_)
                | Action::Tag(_)
                | Action::Lock(_)
                | Action::Revive(_)
                | Action::Expire(_)
                | Action::Delete(_) => (None, None),
            };
            let is_standby = role.is_some_and(|role| role != DatabaseRole::Primary);
            Event::Begun { system: system.unwrap_or(SystemId(1)), is_standby }
        }
        Effect::StopBackup => Event::Stopped { wal: WalRange { timeline: Timeline(1), start: Lsn(0), end: Lsn(1) } },
        Effect::Cut { parts } => cut(parts.len()),
        Effect::AwaitCut { snapshots } => cut(snapshots.len()),
        Effect::Copy { .. } => cut(1),
        Effect::LookForAttempt
        | Effect::KeepFiles
        | Effect::CloseBackup
        | Effect::Seal { .. }
        | Effect::CheckSource { .. }
        | Effect::CopyFiles
        | Effect::SetTags { .. }
        | Effect::Adopt { .. }
        | Effect::Lock { .. }
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
