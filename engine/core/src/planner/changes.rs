//! How a change at any of a cluster's places is written down.

use super::Subject;
use super::cluster::Outcome;
use crate::name::SiteName;
use crate::observed::Snapshot;
use crate::plan::{Action, Cause, Change, ExpectedSnapshot, Reason};

/// Plans an action at a site. What is not due is told later ([`super::cause`]), or by who planned it.
pub(super) fn change_at(outcome: &mut Outcome, subject: &Subject<'_>, site: &SiteName, action: Action, reason: Reason) {
    let (cluster, name) = (subject.cluster.uid.clone(), subject.cluster.name.clone());
    outcome.changes.push(Change { cluster, name, site: site.clone(), action, cause: Cause::Due, reason });
}

/// A snapshot as it was seen.
pub(super) fn expected(snapshot: &Snapshot) -> ExpectedSnapshot {
    ExpectedSnapshot { id: snapshot.id.clone(), disk: snapshot.disk.clone(), generation: snapshot.generation() }
}
