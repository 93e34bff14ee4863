//! Drift as JUnit XML: one test case a cluster, so that every CI server can show it.
//!
//! What both published schemas allow: Jenkins' of xunit-plugin, and the one of Apache Ant. The latter takes one failure a case, so
//! a cluster's differences are one failure of its worst class, with all of them in its text.

use super::{since, unread};
use crate::paint::clean;
use backstay_core::drift::{Drift, Item, Looked};
use backstay_core::name::{ClusterUid, SiteName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One case of a suite.
struct Case {
    name: String,
    /// What stands in it, as XML.
    result: Outcome,
}

enum Outcome {
    Passed,
    Failed {
        class: &'static str,
        message: String,
        text: String,
    },
    Ignored {
        message: String,
    },
    /// Nothing is known of it.
    Unknown {
        because: String,
    },
}

/// All drift: a suite a site, a case a cluster; what is about no declared cluster has a suite of its own.
#[must_use]
pub fn drift_junit(drift: &Drift) -> String {
    let known: BTreeSet<&ClusterUid> = drift.clusters.iter().map(|cluster| &cluster.uid).collect();
    let mut of_cluster: BTreeMap<&ClusterUid, Vec<&Item>> = BTreeMap::new();
    let mut others = Vec::new();
    for item in &drift.items {
        match item.cluster.as_ref().filter(|uid| known.contains(uid)) {
            Some(uid) => of_cluster.entry(uid).or_default().push(item),
            None => others.push(item),
        }
    }
    let mut suites: BTreeMap<&SiteName, Vec<Case>> = BTreeMap::new();
    for cluster in &drift.clusters {
        let items = of_cluster.get(&cluster.uid).map_or(&[][..], Vec::as_slice);
        suites.entry(&cluster.site).or_default().push(case(drift, cluster, items));
    }
    let mut rest: Vec<Case> = others
        .iter()
        .map(|item| {
            let site = item.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
            Case { name: format!("{} {}{site}", item.class, item.subject.id), result: outcome(&[item]) }
        })
        .collect();
    rest.extend(unread(drift).into_iter().map(|because| Case {
        name: because.split(" could not").next().unwrap_or_default().to_owned(),
        result: Outcome::Unknown { because },
    }));
    let mut all: Vec<(String, Vec<Case>)> = suites.into_iter().map(|(site, cases)| (site.to_string(), cases)).collect();
    if !rest.is_empty() {
        all.push(("no declared cluster".to_owned(), rest));
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (number, (name, cases)) in all.iter().enumerate() {
        suite(drift, number, name, cases, &mut out);
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(drift: &Drift, cluster: &Looked, items: &[&Item]) -> Case {
    let name = cluster.name.to_string();
    if cluster.is_known || !items.is_empty() {
        return Case { name, result: outcome(items) };
    }
    let site = drift.coverage.sites.iter().find(|site| site.site == cluster.site);
    let because = site.and_then(|site| site.unknown.clone()).unwrap_or_default();
    Case { name, result: Outcome::Unknown { because: format!("site {} could not be read: {because}", cluster.site) } }
}

/// Items come worst first, the ignored ones last.
fn outcome(items: &[&Item]) -> Outcome {
    let open: Vec<&&Item> = items.iter().filter(|item| item.ignored.is_none()).collect();
    match (open.first(), items.first()) {
        (Some(worst), _) => {
            let mut text = String::new();
            for item in &open {
                let (class, severity) = (item.class, item.severity.as_str());
                let _ = writeln!(text, "{severity}[{class}] {}: {}", item.subject.id, item.message);
                let _ = writeln!(text, "  since: {}\n  means: {}\n  next: {}", since(item), item.meaning, item.next);
            }
            let more = open.len() - 1;
            let message =
                if more == 0 { worst.message.clone() } else { format!("{} (and {more} more)", worst.message) };
            Outcome::Failed { class: worst.class.as_str(), message, text }
        }
        (None, Some(item)) => {
            let told = item.ignored.as_ref().map(|rule| format!("{}: {} ({})", rule.owner, rule.reason, rule.rule));
            let message = format!("{}; ignored by {}", item.message, told.unwrap_or_default());
            Outcome::Ignored { message }
        }
        (None, None) => Outcome::Passed,
    }
}

fn suite(drift: &Drift, number: usize, name: &str, cases: &[Case], out: &mut String) {
    let many = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.result)).count();
    let failures = many(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let errors = many(|outcome| matches!(outcome, Outcome::Unknown { .. }));
    let skipped = many(|outcome| matches!(outcome, Outcome::Ignored { .. }));
    let timestamp = drift.as_of.strftime("%Y-%m-%dT%H:%M:%S");
    let (fleet, tests) = (escape(&drift.fleet), cases.len());
    let suite = escape(name);
    let _ = writeln!(
        out,
        "  <testsuite id=\"{number}\" name=\"{suite}\" package=\"backstay.drift.{fleet}\" hostname=\"localhost\" \
         timestamp=\"{timestamp}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
         time=\"0\">\n    <properties>\n      <property name=\"as_of\" value=\"{}\"/>\n      \
         <property name=\"documents\" value=\"{}\"/>\n    </properties>",
        drift.as_of,
        escape(&drift.origin.documents),
    );
    for case in cases {
        let head = format!("    <testcase name=\"{}\" classname=\"{fleet}.{suite}\" time=\"0\"", escape(&case.name));
        let _ = match &case.result {
            Outcome::Passed => writeln!(out, "{head}/>"),
            Outcome::Failed { class, message, text } => writeln!(
                out,
                "{head}>\n      <failure type=\"{class}\" message=\"{}\">{}</failure>\n    </testcase>",
                escape(message),
                text.lines().map(escape).collect::<Vec<_>>().join("\n"),
            ),
            Outcome::Unknown { because } => writeln!(
                out,
                "{head}>\n      <error type=\"coverage\" message=\"{}\"/>\n    </testcase>",
                escape(because)
            ),
            Outcome::Ignored { message } => {
                writeln!(out, "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>", escape(message))
            }
        };
    }
    out.push_str("    <system-out/>\n    <system-err/>\n  </testsuite>\n");
}

/// One line of text as XML takes it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No XML 1.0 holds them, escaped or not.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(super::escape("a<b>\"&\u{1}\n]]>\u{ffff}"), "a&lt;b&gt;&quot;&amp;\u{fffd} ]]&gt;\u{fffd}");
    }
}
