//! The instances of a site, found by id.

use crate::name::InstanceId;
use crate::observed::Instance;

/// Ordered by id: as they are listed, so that there is nothing to sort as a rule.
pub(crate) struct Instances<'a>(Vec<&'a Instance>);

impl<'a> Instances<'a> {
    /// All of a listing, in whatever order.
    pub(crate) fn of(list: &'a [Instance]) -> Self {
        let mut all: Vec<&Instance> = list.iter().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Self(all)
    }

    /// The instance of an id; of several the last one.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<&'a Instance> {
        let after = self.0.partition_point(|instance| instance.id <= *id);
        let found = *self.0.get(after.checked_sub(1)?)?;
        (found.id == *id).then_some(found)
    }
}
