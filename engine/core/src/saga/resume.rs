//! Where a point that a run left half made can be taken up again.

use super::{Effect, Event, Saga};
use crate::plan::Action;

/// Takes up a create by the answers that its journal holds, and gives the effect that comes next; `None` where it must be cut
/// anew (INVARIANTS.md 8).
///
/// What belongs to a backup session is gone with the run that held it. So a create goes on only where nothing of a session is
/// missing: at its seals, or at the one cut of a point without a session, which is then looked for by its intents.
#[must_use]
pub fn take_up(action: &Action, answers: impl IntoIterator<Item = Event>) -> Option<(Saga, Effect)> {
    let Action::Create(create) = action else { return None };
    let (mut saga, mut next) = Saga::begin(action);
    for answer in answers {
        match answer {
            // It may be answered otherwise now; what came after it was only the way out.
            Event::Failed { .. } | Event::Stale { .. } => break,
            answer @ (Event::Done | Event::Begun { .. } | Event::Snapshots { .. } | Event::Stopped { .. }) => {
                next = saga.next(answer).ok()?;
            }
        }
        next.as_ref()?;
    }
    // The session ended with its run.
    if next == Some(Effect::CloseBackup) && saga.end.is_none() {
        next = saga.next(Event::Done).ok()?;
    }
    let next = next?;
    let is_whole_cut = matches!(&next, Effect::Cut { parts } if parts.len() == create.parts.len());
    let goes_on = matches!(next, Effect::Seal { .. }) || is_whole_cut && !saga.session_is_open;
    (goes_on && saga.end.is_none()).then_some((saga, next))
}
