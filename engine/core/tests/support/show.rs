//! Plans as a few lines of text, for snapshots in tests.

use backstay_core::plan::{Action, Plan};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// Every change, every wait and every finding, each on its line.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let (sign, when) = match &change.action {
            Action::Create(create) => ("+", brief(create.point.slot)),
            Action::Copy(copy) => (">", brief(copy.cut)),
            Action::Tag(tag) => ("t", brief(tag.cut)),
            Action::Lock(lock) => ("l", brief(lock.cut)),
            Action::Revive(mark) => ("<", brief(mark.cut)),
            Action::Expire(mark) => ("~", brief(mark.cut)),
            Action::Delete(mark) => ("-", brief(mark.cut)),
        };
        writeln!(text, "{sign} {} {when} {}: {}", change.name, change.cause.as_str(), change.reason).unwrap();
    }
    for waiting in &plan.waiting {
        let slot = waiting.point.map_or(String::new(), |point| format!(" {}", brief(point.slot)));
        writeln!(text, "? {}{slot}: {}", waiting.name, waiting.why).unwrap();
    }
    for finding in &plan.findings {
        writeln!(text, "! {}: {}", finding.subject, finding.what).unwrap();
    }
    if text.is_empty() { "nothing to do\n".to_owned() } else { text }
}
