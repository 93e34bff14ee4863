//! Tags: added or replaced, removed, and refused where a cloud cannot hold them.

use crate::cloud::Cloud;
use crate::effect::Effect;
use crate::error::{SimError, SimErrorKind};
use backstay_core::name::SnapshotId;
use backstay_core::tags::Tags;
use jiff::Timestamp;
use std::collections::BTreeSet;

impl Cloud {
    /// Checks what a snapshot's or a disk's tags would be. What does not fit is refused, and never cut.
    pub(crate) fn check_tags(&self, tags: &Tags) -> Result<(), SimError> {
        let (rules, codes) = (&self.profile.tags, &self.profile.codes);
        if tags.len() > rules.count {
            let message = format!("{} tags are more than the {} that there may be", tags.len(), rules.count);
            return Err(SimError::new(SimErrorKind::QuotaExceeded, codes.too_many_tags, message));
        }
        match tags.iter().find_map(|(key, value)| Some((key, rules.refusal(key, value)?))) {
            None => Ok(()),
            Some((key, rule)) => {
                let shown: String = key.chars().take(40).collect();
                Err(SimError::invalid(codes.invalid_value, format!("tag `{shown}`: {rule}")))
            }
        }
    }

    pub(crate) fn add_tags(&self, now: Timestamp, id: &SnapshotId, tags: &Tags) -> Result<Option<Effect>, SimError> {
        let snapshot = self.find(id)?;
        let mut all = snapshot.tags.clone();
        all.extend(tags.clone());
        self.check_tags(&all)?;
        let changed: Tags = tags.iter().filter(|(key, value)| snapshot.tags.get(key) != Some(*value)).collect();
        Ok((!changed.is_empty()).then(|| Effect::Tagged { at: now, id: id.clone(), tags: changed }))
    }

    pub(crate) fn remove_tags(
        &self,
        now: Timestamp,
        id: &SnapshotId,
        keys: &BTreeSet<String>,
    ) -> Result<Option<Effect>, SimError> {
        let snapshot = self.find(id)?;
        let there: BTreeSet<String> = keys.iter().filter(|key| snapshot.tags.contains_key(key)).cloned().collect();
        Ok((!there.is_empty()).then(|| Effect::Untagged { at: now, id: id.clone(), keys: there }))
    }
}
