//! What runs that were cut short must never leave.

use backstay_core::observed::{Listing, Observed};
use backstay_core::tags;
use std::collections::BTreeSet;

/// Nothing was done twice: at each site an intent, and a part of a point, name one snapshot alone. What was cut short is no part.
pub fn assert_nothing_is_there_twice(observed: &Observed, after: &str) {
    for (name, listing) in &observed.sites {
        let Listing::Complete(site) = listing else { panic!("{after}: site {name} was not read") };
        let (mut intents, mut parts) = (BTreeSet::new(), BTreeSet::new());
        for snapshot in &site.snapshots {
            let tag = |key: &str| snapshot.tags.get(key).unwrap_or_default().to_owned();
            assert!(intents.insert(tag(tags::INTENT)), "{after}: {} was made twice", tag(tags::POINT));
            let part = (tag(tags::CLUSTER), tag(tags::POINT), tag(tags::PART));
            let is_part = !part.2.is_empty() && !part.2.starts_with("unfinished");
            assert!(!is_part || parts.insert(part.clone()), "{after}: {part:?} is there twice");
        }
    }
}
