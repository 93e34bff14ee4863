//! A point that a person asks for: made at once, beside what the schedule brings.

use super::cluster::{self, Outcome};
use super::{Fleet, Subject, World, places, source, waits};
use crate::model::Desired;
use crate::name::ClusterUid;
use crate::observed::Observed;
use crate::plan::{Action, FindingKind, Plan, Reason, WaitingFor};
use crate::tags::{PointClass, PointKey};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Why no point can be made now.
#[derive(Debug, Clone, PartialEq)]
pub enum Refused {
    /// No document declares such a cluster.
    NotDeclared,
    /// The cluster is being retired.
    Retired,
    /// It has to wait, and what the site or its servers lack.
    Wait {
        /// For what.
        why: WaitingFor,
        /// What cannot be done at all there.
        incapable: Option<FindingKind>,
    },
    /// There is a point of this very second.
    Exists(PointKey),
}

/// Plans one point of one cluster, and nothing else. Its slot is the second of `as_of`: it is due since somebody wants it.
///
/// # Errors
/// Why it cannot be made now.
pub fn on_demand(
    desired: &Desired,
    observed: &Observed,
    uid: &ClusterUid,
    because: Option<&str>,
    as_of: Timestamp,
) -> Result<Plan, Refused> {
    let cluster = desired.clusters.get(uid).ok_or(Refused::NotDeclared)?;
    if cluster.is_retired {
        return Err(Refused::Retired);
    }
    let world = World::of(observed, None);
    let subject = Subject::of(desired, cluster);
    let holdings = world.holdings(uid);
    let places = places::of(&subject, &world, &holdings);
    let wait = |why: WaitingFor| Refused::Wait { why, incapable: None };
    let home = places.home().map_err(|because| wait(WaitingFor::SiteUnknown { because: because.to_owned() }))?;
    let slot = Timestamp::from_second(as_of.as_second()).unwrap_or(as_of);
    let of_slot = || places.known().flat_map(|(_, seen)| seen.points()).filter(|point| point.key.slot == slot);
    if let Some(point) = of_slot().find(|point| point.is_restorable()) {
        return Err(Refused::Exists(point.key));
    }
    let named = places.known().filter_map(|(_, seen)| seen.shelf).flat_map(|shelf| &shelf.attempts);
    let taken: BTreeSet<u32> = named.filter(|key| key.slot == slot).map(|key| key.attempt).collect();
    let key = PointKey { slot, attempt: cluster::free_attempt(&taken) };
    let rules = places::rules(desired, &cluster.site);
    let chosen =
        source::choose(&subject, home.site, &waits::Disks { rules, home: home.site, as_of }).map_err(|refusal| {
            Refused::Wait { why: refusal.why, incapable: refusal.incapable.map(|what| FindingKind::Incapable { what }) }
        })?;
    let mut outcome = Outcome::default();
    let create = cluster::create(&subject, &places, PointClass::OnDemand, key, &chosen);
    outcome.change(cluster, Action::Create(create), Reason::OnDemand { because: because.map(str::to_owned) });
    Ok(Fleet { desired, baseline: None, world: &world, as_of }.planned(outcome))
}
