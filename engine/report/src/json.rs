//! A plan for machines: the form that Terraform's users know, with ours beside it. `schemas/plan.schema.json` describes it.

use crate::plan_text::change_line;
use crate::report::{Group, Kind, Report};
use backstay_core::admission::not_to_be_applied;
use backstay_core::plan::{Action, Change, Repair};
use serde_json::{Value, json};

/// A plan as `show -json` prints it: `format_version`, `resource_changes[].change.{actions,before,after}`, and ours beside.
///
/// `resource_changes` has the order of the plan, `groups` that of attention; both are complete.
#[must_use]
pub fn plan_json(report: &Report<'_>) -> Value {
    let plan = report.plan;
    let counts = report.counts;
    json!({
        "format_version": plan.format_version,
        "digest": plan.digest(),
        "timestamp": plan.basis.as_of,
        "complete": plan.is_coverage_complete() && plan.basis.narrowed.is_none(),
        "applyable": not_to_be_applied(plan).is_none() && !plan.changes.is_empty(),
        "errored": false,
        "verdict": report.verdict,
        "basis": plan.basis,
        "summary": {
            "add": counts.add,
            "change": counts.change,
            "destroy": counts.destroy,
            "waiting": plan.waiting.len(),
            "findings": plan.findings.len(),
            "text": report.summary(),
        },
        "groups": report.kinds.iter().flat_map(groups).collect::<Vec<_>>(),
        "resource_changes": plan.changes.iter().map(resource_change).collect::<Vec<_>>(),
        "output_changes": {},
        "waiting": plan.waiting,
        "findings": plan.findings,
        "coverage": plan.coverage,
    })
}

fn groups<'r>(kind: &'r Kind<'_>) -> impl Iterator<Item = Value> + 'r {
    kind.groups.iter().map(|group| group_json(kind, group))
}

fn group_json(kind: &Kind<'_>, group: &Group<'_>) -> Value {
    json!({
        "action": kind.verb,
        "cause": kind.cause,
        "site": group.site,
        "policy": group.policy,
        "reason": group.reason,
        "changes": group.same.len(),
        "clusters": group.clusters,
        "exceptions": group.exceptions.iter().map(|change| address(change)).collect::<Vec<_>>(),
    })
}

fn address(change: &Change) -> String {
    format!("recovery_point.{}[\"{}\"]", change.name, change.action.point())
}

/// Terraform's three sides of a change: what it does, what was, what will be; and what of the last is not known yet.
fn sides(action: &Action) -> (&'static str, Value, Value, Value) {
    let subject = serde_json::to_value(action).unwrap_or(Value::Null);
    let known = json!({});
    match action {
        // When it is cut, and by which ids its snapshots go, the provider says.
        Action::Create(_) => ("create", Value::Null, subject, json!({ "cut": true, "snapshots": true })),
        Action::Copy(_) => ("create", Value::Null, subject, json!({ "snapshots": true })),
        Action::Tag(tag) => {
            let unknown = match tag.repair {
                Repair::Restore | Repair::MirrorHold => known,
                Repair::Adopt => json!({ "tags": { "seal": true } }),
            };
            ("update", json!({ "tags": null }), json!({ "tags": subject }), unknown)
        }
        Action::Lock(_) => ("update", json!({ "lock": null }), json!({ "lock": subject }), known),
        Action::Expire(_) => ("update", json!({ "tombstone": null }), json!({ "tombstone": subject }), known),
        Action::Revive(_) => ("update", json!({ "tombstone": subject }), json!({ "tombstone": null }), known),
        Action::Delete(_) => ("delete", subject, Value::Null, known),
    }
}

fn resource_change(change: &Change) -> Value {
    let (action, before, after, unknown) = sides(&change.action);
    // Nothing in a plan is secret; Terraform says so with `false` where there is no value, and with `{}` where there is one.
    let sensitive = |value: &Value| if value.is_null() { json!(false) } else { json!({}) };
    let (before_sensitive, after_sensitive) = (sensitive(&before), sensitive(&after));
    json!({
        "address": address(change),
        "mode": "managed",
        "type": "recovery_point",
        "name": change.name,
        "index": change.action.point(),
        "provider_name": "backstay.dev/backstay/backstay",
        "cluster": change.cluster,
        "site": change.site,
        "policy": change.policy,
        "action": change.action.verb(),
        "cause": change.cause,
        "reason": change.reason,
        "text": change_line(change).why,
        "change": {
            "actions": [action],
            "before": before,
            "after": after,
            "after_unknown": unknown,
            "before_sensitive": before_sensitive,
            "after_sensitive": after_sensitive,
        },
    })
}
