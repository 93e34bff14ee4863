//! A plan for machines: the form that Terraform's users know.

use crate::plan_text::{change_line, summary_line};
use backstay_core::plan::{Action, Change, Plan};
use serde_json::{Value, json};

/// A plan as `show -json` prints it: `format_version`, `resource_changes[].change.{actions,before,after}`, and ours beside.
#[must_use]
pub fn plan_json(plan: &Plan) -> Value {
    let counts = plan.counts();
    json!({
        "format_version": plan.format_version,
        "digest": plan.digest(),
        "basis": plan.basis,
        "summary": { "add": counts.add, "change": counts.change, "destroy": counts.destroy, "text": summary_line(plan) },
        "resource_changes": plan.changes.iter().map(resource_change).collect::<Vec<_>>(),
        "waiting": plan.waiting,
        "findings": plan.findings,
        "coverage": plan.coverage,
    })
}

fn resource_change(change: &Change) -> Value {
    let subject = serde_json::to_value(&change.action).unwrap_or(Value::Null);
    let (actions, before, after) = match &change.action {
        Action::Create(_) | Action::Copy(_) => (["create"], Value::Null, subject),
        Action::Tag(_) => (["update"], json!({ "tags": null }), json!({ "tags": subject })),
        Action::Lock(_) => (["update"], json!({ "lock": null }), json!({ "lock": subject })),
        Action::Expire(_) => (["update"], json!({ "tombstone": null }), json!({ "tombstone": subject })),
        Action::Revive(_) => (["update"], json!({ "tombstone": subject }), json!({ "tombstone": null })),
        Action::Delete(_) => (["delete"], subject, Value::Null),
    };
    json!({
        "address": format!("recovery_point.{}[\"{}\"]", change.name, change.action.point()),
        "mode": "managed",
        "type": "recovery_point",
        "name": change.name,
        "index": change.action.point(),
        "cluster": change.cluster,
        "site": change.site,
        "action": change.action.verb(),
        "cause": change.cause,
        "reason": change.reason,
        "text": change_line(change).why,
        "change": { "actions": actions, "before": before, "after": after },
    })
}
