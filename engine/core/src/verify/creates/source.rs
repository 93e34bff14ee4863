//! The source of a create: one of the cluster's servers, fit for it (POSTGRES.md).

use crate::model::{ConsistencyWanted, NodeRole, SourcePreference};
use crate::observed::{DatabaseRole, DatabaseState};
use crate::plan::CreatePoint;
use crate::verify::Violation;
use crate::verify::world::Context;

/// The source is one of the cluster's servers, in a role that the policy allows, and fit.
pub(super) fn check(context: &Context<'_>, create: &CreatePoint, violations: &mut Vec<Violation>) {
    let site = &context.cluster.site;
    let node = context.cluster.nodes.iter().find(|node| node.instance == create.instance);
    let attached = context.facts.instance(site, &create.instance).map_or(&[][..], |instance| instance.disks.as_slice());
    for declared in node.into_iter().flat_map(|node| &node.disks) {
        if !attached.iter().any(|disk| disk.id == *declared) {
            violations.push(context.violation(8, format!("disk {declared} is declared, and not attached")));
        }
    }
    let mut primaries = 0;
    for node in context.cluster.nodes.iter().filter(|node| node.role == NodeRole::Postgres) {
        let database = context.facts.instance(site, &node.instance).map(|instance| &instance.database);
        if let Some(DatabaseState::Known(status)) = database
            && status.role == DatabaseRole::Primary
        {
            primaries += 1;
        }
    }
    if primaries > 1 {
        violations.push(context.violation(8, "two servers say that they are the primary"));
    }
    if !node.is_some_and(|node| node.role == NodeRole::Postgres && node.name == create.node) {
        violations.push(context.violation(6, format!("instance {} is not a server of this cluster", create.instance)));
    }
    let database = context.facts.instance(site, &create.instance).map(|instance| &instance.database);
    let status = match database {
        Some(DatabaseState::Known(status)) => status,
        Some(DatabaseState::NotObservable) if create.consistency == ConsistencyWanted::Crash => return,
        Some(DatabaseState::NotObservable | DatabaseState::Unreachable { .. }) | None => {
            violations.push(context.violation(8, "the source's server did not answer"));
            return;
        }
    };
    if create.system != Some(status.system) {
        violations.push(context.violation(10, "the source has another system identifier"));
    }
    if create.role.is_none_or(|role| (role == DatabaseRole::Primary) != (status.role == DatabaseRole::Primary)) {
        violations.push(context.violation(10, "the source has another role"));
    }
    let wanted = context.policy.source;
    match status.role {
        DatabaseRole::Primary if wanted == SourcePreference::Standby => {
            violations.push(context.violation(8, "the policy asks for a standby as the source"));
        }
        DatabaseRole::Standby { .. } if wanted == SourcePreference::Primary => {
            violations.push(context.violation(8, "the policy asks for the primary as the source"));
        }
        DatabaseRole::Standby { lag } => {
            if context.policy.max_standby_lag.is_some_and(|max| lag.is_none_or(|lag| lag > max)) {
                violations.push(context.violation(8, "the standby lags more than the policy allows"));
            }
        }
        DatabaseRole::Primary => {}
    }
    if create.consistency == ConsistencyWanted::Application && (status.backup_running || !status.full_page_writes) {
        violations.push(context.violation(8, "the source's server cannot be backed up now"));
    }
}
