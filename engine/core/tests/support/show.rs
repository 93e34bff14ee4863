//! Plans as a few lines of text, for snapshots in tests.

use backstay_core::name::SiteName;
use backstay_core::plan::{Action, Change, Plan};
use backstay_core::time::brief;
use std::fmt::Write as _;

/// Every change, every wait and every finding, each on its line.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        writeln!(text, "{}", line(change, "")).unwrap();
    }
    waits(plan, &mut text);
    for finding in &plan.findings {
        writeln!(text, "! {}: {}", finding.subject, finding.what).unwrap();
    }
    if text.is_empty() { "nothing to do\n".to_owned() } else { text }
}

/// Every change and every wait. What is not at `home` says where it is.
pub fn work(plan: &Plan, home: &SiteName) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let at = if change.site == *home { String::new() } else { format!(" at {}", change.site) };
        writeln!(text, "{}", line(change, &at)).unwrap();
    }
    waits(plan, &mut text);
    if text.is_empty() { "nothing to do\n".to_owned() } else { text }
}

fn waits(plan: &Plan, text: &mut String) {
    for waiting in &plan.waiting {
        let slot = waiting.point.map_or(String::new(), |point| format!(" {}", brief(point.slot)));
        writeln!(text, "? {}{slot}: {}", waiting.name, waiting.why).unwrap();
    }
}

fn line(change: &Change, at: &str) -> String {
    let (sign, when) = match &change.action {
        Action::Create(create) => ("+", brief(create.point.slot)),
        Action::Copy(copy) => (">", brief(copy.cut)),
        Action::Tag(tag) => ("t", brief(tag.cut)),
        Action::Lock(lock) => ("l", brief(lock.cut)),
        Action::Revive(mark) => ("<", brief(mark.cut)),
        Action::Expire(mark) => ("~", brief(mark.cut)),
        Action::Delete(mark) => ("-", brief(mark.cut)),
    };
    format!("{sign} {} {when}{at} {}: {}", change.name, change.cause.as_str(), change.reason)
}
