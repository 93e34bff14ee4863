//! Copies from one simulated site to another.

use crate::site::SimSite;
use backstay_core::capabilities::Copies;
use backstay_core::observed::{Readiness, Snapshot};
use backstay_core::tags::{PART, PartName, PartRole};
use backstay_provider::{CopySnapshot, Created, Description, ErrorClass, ProviderError};
use backstay_sim::{Call, NewCopy, Reply, Source};

/// The copy that a retry goes on with: one that is sealed as a part already, or else the oldest. A call that was delivered
/// twice made two, and both must never become the same part.
fn of_several(found: Vec<Snapshot>) -> Option<Snapshot> {
    let part = |copy: &Snapshot| copy.tags.get(PART).and_then(|text| text.parse::<PartName>().ok());
    let is_part = |copy: &Snapshot| part(copy).is_some_and(|part| part.role != PartRole::Unfinished);
    found.into_iter().min_by_key(|copy| !is_part(copy))
}

impl SimSite {
    /// Adopts the copy of an earlier call, or looks at the source and orders one.
    ///
    /// The source is looked at before this site is locked: two sites that copy from each other never wait for each other.
    pub(crate) fn take_copy(&self, order: &CopySnapshot) -> Result<Created, ProviderError> {
        let call = format!("copy snapshot `{}` of site `{}`", order.source.id, order.from);
        match self.profile().rules.copies {
            Copies::Queued { .. } => {}
            Copies::None | Copies::PlacedAtCreation => {
                return Err(self.refuse(ErrorClass::Invalid, &format!("{call}: this site makes no copies")));
            }
        }
        self.check_findable(&call, &order.intent, &order.tags)?;
        if let Some(copy) = of_several(self.look()?.by_intent(&order.intent)?) {
            return Ok(Created::Adopted(copy));
        }
        let source = self.ready_source(&call, order)?;
        let mut turn = self.act()?;
        // Another process may have been faster.
        if let Some(copy) = of_several(turn.by_intent(&order.intent)?) {
            return Ok(Created::Adopted(copy));
        }
        let new = NewCopy {
            source: Source {
                site: order.from.clone(),
                snapshot: source.id,
                disk: source.disk,
                created: Some(source.created),
            },
            size: source.size,
            encrypted: source.encrypted,
            kms_key: order.kms_key.clone(),
            tags: order.tags.clone(),
            word: self.word(&order.intent),
        };
        let Reply::Created(made) = turn.call(Call::CopySnapshot(new))? else {
            unreachable!("a copy is answered as what was created");
        };
        Ok(Created::Created(made.into_iter().next().expect("one order gives one copy")))
    }

    /// The source, as its own site shows it now.
    fn ready_source(&self, call: &str, order: &CopySnapshot) -> Result<Snapshot, ProviderError> {
        let Some(from) = self.neighbour(&order.from) else {
            let message = format!("{call}: that simulated site is not open beside this one; open it first");
            return Err(self.refuse(ErrorClass::Unavailable, &message));
        };
        if from.profile().name != self.profile().name {
            let message =
                format!("{call}: it is of profile `{}`: clouds copy only among their own", from.profile().name);
            return Err(self.refuse(ErrorClass::Invalid, &message));
        }
        let source = match from.look()?.describe(&order.source.id)? {
            Description::Present(source) => source,
            Description::Absent => {
                return Err(self.refuse(ErrorClass::NotFound, &format!("{call}: there is no such snapshot")));
            }
        };
        match source.readiness {
            Readiness::Ready => Ok(source),
            Readiness::Creating | Readiness::CutFixed => {
                Err(self.refuse(ErrorClass::Busy, &format!("{call}: it is not ready yet")))
            }
            Readiness::Failed { because } => {
                Err(self.refuse(ErrorClass::Invalid, &format!("{call}: it has failed: {because}")))
            }
        }
    }
}
