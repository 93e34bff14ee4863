//! Rules that ignore drift: each has an owner, a reason and an end.

use super::gather::who;
use super::{Class, Drift, Ignored, Item, Kind, RuleUse, Subject, SubjectKind};
use crate::diagnostic::Place;
use crate::time::brief;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// One rule. It ignores what all that it names fits; what it does not name fits anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: Place,
    /// The classes; none means all.
    pub classes: BTreeSet<Class>,
    /// The cluster's name or uid.
    pub cluster: Option<Pattern>,
    /// The site.
    pub site: Option<Pattern>,
    /// What exactly it is about: a point, a snapshot's id, a machine.
    pub subject: Option<Pattern>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From this instant on it ignores nothing.
    pub expires: Timestamp,
}

/// A text in which `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern as it is written.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether a text fits, as a whole.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let pieces: Vec<&str> = rest.split('*').collect();
        let Some((last, middle)) = pieces.split_last() else { return true };
        for piece in middle {
            match left.find(piece) {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

impl Rule {
    fn fits(&self, item: &Item) -> bool {
        let in_classes = self.classes.is_empty() || self.classes.contains(&item.class);
        let of_cluster = self.cluster.as_ref().is_none_or(|pattern| who(item).any(|name| pattern.fits(name)));
        let at_site = self.site.as_ref().is_none_or(|p| item.site.as_ref().is_some_and(|site| p.fits(site.as_str())));
        let is_subject = self.subject.as_ref().is_none_or(|pattern| pattern.fits(&item.subject.id));
        in_classes && of_cluster && at_site && is_subject
    }

    fn ignored(&self) -> Ignored {
        Ignored {
            rule: self.place.address(),
            owner: self.owner.clone(),
            reason: self.reason.clone(),
            expires: self.expires,
        }
    }
}

/// Ignores what the rules ignore, each item by the first that fits, and tells of each rule what it did.
pub(super) fn apply(drift: &mut Drift, rules: &[Rule]) {
    let mut uses: Vec<RuleUse> = rules
        .iter()
        .map(|rule| RuleUse { rule: rule.ignored(), is_expired: rule.expires <= drift.as_of, matches: 0 })
        .collect();
    for item in &mut drift.items {
        for (rule, used) in rules.iter().zip(&mut uses) {
            if !rule.fits(item) {
                continue;
            }
            used.matches += 1;
            if !used.is_expired && item.ignored.is_none() {
                item.ignored = Some(used.rule.clone());
            }
        }
    }
    drift.items.extend(uses.iter().filter(|used| used.is_expired).map(expired));
    drift.rules = uses;
}

fn expired(used: &RuleUse) -> Item {
    let kind = Kind::ExpiredRule;
    let Ignored { rule, owner, reason, expires } = &used.rule;
    Item {
        class: kind.class(),
        kind,
        severity: kind.severity(),
        cluster: None,
        name: None,
        site: None,
        subject: Subject { kind: SubjectKind::Rule, id: rule.clone() },
        snapshots: Vec::new(),
        since: Some(*expires),
        message: format!("expired {}; owner {owner}: {reason}", brief(*expires)),
        meaning: kind.meaning().to_owned(),
        next: format!("{owner}: repair what it ignored, or set a later end and say why"),
        declared: None,
        ignored: None,
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        let fits = |pattern: &str, text: &str| Pattern::new(pattern).fits(text);
        for (pattern, text) in [
            ("orders", "orders"),
            ("*", ""),
            ("orders-*", "orders-"),
            ("*-db", "a-db"),
            ("a*b*c", "a-b-b-c"),
            ("a**", "a"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("orders", "orders-db"), ("orders-*", "orders"), ("a*a", "a"), ("a*b*c", "a-c-b"), ("", "a")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
