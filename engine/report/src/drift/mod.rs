//! Drift as people and other tools read it: text, Markdown, SARIF and JUnit.

mod junit;
mod md;
mod sarif;
mod text;

pub use junit::drift_junit;
pub use md::drift_md;
pub use sarif::drift_sarif;
pub use text::drift_text;

use crate::{count, plural};
use backstay_core::drift::{Class, Drift, Item, Kind, Severity};
use backstay_core::time::brief;
use std::collections::BTreeMap;

/// The items of one kind that no rule ignores, in their order.
struct Group<'a> {
    kind: Kind,
    items: Vec<&'a Item>,
}

impl Group<'_> {
    /// What is the matter, and with how many.
    fn heading(&self) -> String {
        format!("{} {}", count(self.items.len()), self.kind.heading(self.items.len() == 1))
    }

    /// The next steps, each once, the most frequent first.
    fn steps(&self) -> Vec<String> {
        let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
        for item in &self.items {
            *steps.entry(&item.next).or_default() += 1;
        }
        let is_one = steps.len() == 1;
        let mut steps: Vec<(&str, usize)> = steps.into_iter().collect();
        steps.sort_by_key(|(step, number)| (std::cmp::Reverse(*number), *step));
        let tell = |(step, number)| if is_one { str::to_owned(step) } else { format!("{}: {step}", count(number)) };
        steps.into_iter().map(tell).collect()
    }
}

/// What no rule ignores, by kind, worst first.
fn groups(drift: &Drift) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in drift.items.iter().filter(|item| item.ignored.is_none()) {
        match groups.last_mut() {
            Some(group) if group.kind == item.kind => group.items.push(item),
            Some(_) | None => groups.push(Group { kind: item.kind, items: vec![item] }),
        }
    }
    groups
}

/// How many rows each group may have, so that all of them together have at most `most`. What small groups do not need, large ones have.
fn rows_each(groups: &[Group<'_>], most: usize) -> usize {
    const FEWEST: usize = 3;
    let total = |each: usize| groups.iter().map(|group| group.items.len().min(each)).sum::<usize>();
    (FEWEST..=most).rev().find(|each| total(*each) <= most).unwrap_or(FEWEST)
}

/// The cluster, or whatever it is about where there is none.
fn who(item: &Item) -> String {
    let cluster = item.name.as_ref().map(ToString::to_string);
    cluster.or_else(|| Some(item.cluster.as_ref()?.to_string())).unwrap_or_else(|| item.subject.id.clone())
}

fn site(item: &Item) -> String {
    item.site.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn since(item: &Item) -> String {
    item.since.map_or_else(|| "-".to_owned(), brief)
}

/// What was looked at.
fn heading(drift: &Drift) -> String {
    format!(
        "Drift of fleet {} as of {}: {} at {}",
        drift.fleet,
        brief(drift.as_of),
        plural(drift.clusters.len(), "cluster"),
        plural(drift.coverage.sites.len(), "site"),
    )
}

/// How many there are of each class.
fn by_class(drift: &Drift) -> Option<String> {
    let counts = &drift.counts.by_class;
    let told: Vec<String> =
        Class::ALL.iter().filter_map(|class| Some(format!("{} {class}", count(*counts.get(class)?)))).collect();
    let clusters = format!("{} of {}", count(drift.counts.clusters), plural(drift.clusters.len(), "cluster"));
    (!told.is_empty()).then(|| format!("By class: {}; {clusters}.", told.join(", ")))
}

/// The last line.
fn sum(drift: &Drift) -> String {
    let counts = &drift.counts;
    let ignored = if counts.ignored > 0 { format!("; {} ignored", count(counts.ignored)) } else { String::new() };
    if !drift.is_found() {
        let seen = if drift.coverage.is_complete { "" } else { " in what could be read" };
        return format!("No drift{seen}{ignored}.");
    }
    let told: Vec<String> = Severity::ALL
        .iter()
        .filter_map(|severity| Some(plural(*counts.by_severity.get(severity)?, severity.as_str())))
        .collect();
    format!("Drift: {}{ignored}.", told.join(", "))
}

/// What could not be read, each with why.
fn unread(drift: &Drift) -> Vec<String> {
    let sites = drift.coverage.sites.iter();
    let sites = sites.filter_map(|s| Some(format!("site {} could not be read: {}", s.site, s.unknown.as_ref()?)));
    let records = drift.coverage.records_unknown.iter();
    sites.chain(records.map(|because| format!("the state store could not be read: {because}"))).collect()
}

#[cfg(test)]
mod tests;
