//! What sites take from one plan, over the whole fleet: how many snapshots they may have, and how many calls they answer within
//! the time that a plan is valid. Backups come before copies, the most overdue first.

use super::cluster::Outcome;
use super::{World, places};
use crate::capabilities::{Budget, CallClass};
use crate::model::Desired;
use crate::name::SiteName;
use crate::plan::{Action, Change, VALID_FOR, WaitingFor};
use std::collections::BTreeMap;

/// What is left at each site of which something was asked.
pub(super) struct Room<'a> {
    desired: &'a Desired,
    world: &'a World<'a>,
    left: BTreeMap<SiteName, Left>,
}

/// What is left at one site.
struct Left {
    /// The snapshots that are there, with those of this plan.
    snapshots: usize,
    /// The most that there may be.
    most: usize,
    /// What each budget still gives.
    budgets: Vec<(&'static Budget, u64)>,
}

impl<'a> Room<'a> {
    pub(super) fn of(desired: &'a Desired, world: &'a World<'a>) -> Self {
        Self { desired, world, left: BTreeMap::new() }
    }

    /// Takes what a create or a copy needs at its site, or tells what it must wait for and takes nothing.
    pub(super) fn take(&mut self, change: &Change) -> Result<(), WaitingFor> {
        let Some((class, calls, snapshots)) = needs(&change.action) else { return Ok(()) };
        let site = &change.site;
        let (desired, world) = (self.desired, self.world);
        let left = self.left.entry(site.clone()).or_insert_with(|| Left::at(desired, world, site));
        if left.snapshots + snapshots > left.most {
            let Left { snapshots, most, .. } = left;
            let limit = format!("{site} has {snapshots} snapshots with those of this plan, and {most} is the most");
            return Err(WaitingFor::Quota { limit });
        }
        let mut budgets = left.budgets.iter().filter(|(budget, _)| budget.counts(class));
        if let Some((budget, _)) = budgets.find(|(_, left)| *left < calls) {
            let (most, name) = (budget.allowance.within(VALID_FOR), budget.name);
            return Err(WaitingFor::Budget { limit: format!("{site} takes {most} calls in {VALID_FOR} ({name})") });
        }
        left.snapshots += snapshots;
        for (_, left) in left.budgets.iter_mut().filter(|(budget, _)| budget.counts(class)) {
            *left -= calls;
        }
        Ok(())
    }

    /// The creates that no longer fit, by their cluster's place among the outcomes.
    pub(super) fn late(&mut self, outcomes: &[Outcome]) -> Vec<(usize, WaitingFor)> {
        let mut creates = Vec::new();
        for (place, outcome) in outcomes.iter().enumerate() {
            for change in &outcome.changes {
                if let Action::Create(create) = &change.action {
                    creates.push((create.point, &change.name, &change.cluster, place, change));
                }
            }
        }
        creates.sort_by_key(|(point, name, uid, ..)| (*point, *name, *uid));
        let late = creates.into_iter().filter_map(|(.., place, change)| Some((place, self.take(change).err()?)));
        late.collect()
    }
}

impl Left {
    fn at(desired: &Desired, world: &World<'_>, site: &SiteName) -> Self {
        let rules = places::rules(desired, site);
        let snapshots = world
            .site(site)
            .map_or(0, |site| site.inventory.snapshots.len() + site.inventory.unmanaged.len() + site.elsewhere);
        let most = rules.snapshots_per_site.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let budgets = rules.budgets.iter().map(|budget| (budget, budget.allowance.within(VALID_FOR))).collect();
        Self { snapshots, most, budgets }
    }
}

/// The calls that make snapshots, with how many they make; `None` for what makes none.
fn needs(action: &Action) -> Option<(CallClass, u64, usize)> {
    let (class, calls, snapshots) = match action {
        Action::Create(create) if create.atomic_group && create.parts.len() > 1 => {
            (CallClass::CreateGroup, 1, create.parts.len())
        }
        Action::Create(create) => (CallClass::Create, create.parts.len(), create.parts.len()),
        Action::Copy(copy) => (CallClass::Copy, copy.parts.len(), copy.parts.len()),
        Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_) | Action::Delete(_) => return None,
    };
    Some((class, u64::try_from(calls).unwrap_or(u64::MAX), snapshots))
}
