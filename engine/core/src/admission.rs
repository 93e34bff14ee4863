//! For which instant a plan is made, and whether a plan may be applied at all.

use crate::model::Desired;
use crate::name::SiteName;
use crate::observed::{Listing, Observed, Provenance, SiteClock};
use crate::plan::Plan;
use crate::time::Duration;
use jiff::Timestamp;

/// How far from a real clock a plan's instant may be when it was made.
const FURTHEST: Duration = Duration::minutes(5);

/// The instant to plan for when nobody asks for another: the virtual clock where all sites have one, else the host's.
#[must_use]
pub fn default_instant(desired: &Desired, observed: &Observed) -> Timestamp {
    let all_virtual = !desired.sites.is_empty() && desired.sites.values().all(|site| site.has_virtual_clock());
    let clocks = desired.sites.keys().filter_map(|name| match observed.sites.get(name) {
        Some(Listing::Complete(inventory)) => Some(inventory.clock.now),
        Some(Listing::Unknown { .. }) | None => None,
    });
    if all_virtual { clocks.max().unwrap_or(observed.at) } else { observed.at }
}

/// Why a plan can never be applied, whenever and by whomever; `None` if it can.
#[must_use]
pub fn not_to_be_applied(plan: &Plan) -> Option<String> {
    if plan.basis.provenance == Provenance::Recorded {
        return Some("the plan was made from a recorded inventory: such a plan is never applied".to_owned());
    }
    too_far(plan)
}

/// Why a plan's instant is too far from a site's clock when it was made; virtual clocks follow the plan, but never back.
fn too_far(plan: &Plan) -> Option<String> {
    let as_of = plan.basis.as_of;
    let off = |site: &SiteName, clock: SiteClock| {
        let apart = Duration::between(as_of.min(clock.now), as_of.max(clock.now));
        let is_past = clock.is_virtual && as_of < clock.now && apart > FURTHEST;
        let is_elsewhere = !clock.is_virtual && apart > FURTHEST;
        (is_past || is_elsewhere).then(|| {
            format!("the plan is for {as_of}, and the clock of {site} showed {}: such a plan only previews", clock.now)
        })
    };
    plan.coverage.iter().find_map(|site| off(&site.site, site.clock?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Digest;
    use crate::model::Origin;
    use crate::plan::{Basis, FORMAT_VERSION, SiteCoverage};

    fn at(time: &str) -> Timestamp {
        format!("2026-11-23T{time}Z").parse().unwrap()
    }

    /// A plan for 12:00 with one site, whose clock showed this.
    fn plan(clock: &str, is_virtual: bool, provenance: Provenance) -> Plan {
        let clock = SiteClock { now: at(clock), host: at("12:00:00"), is_virtual };
        Plan {
            format_version: FORMAT_VERSION.to_owned(),
            basis: Basis {
                origin: Origin { commit: None, dirty: false, documents: Digest::of(b"") },
                as_of: at("12:00:00"),
                made_at: at("12:00:00"),
                valid_until: at("13:00:00"),
                provenance,
                baseline: None,
                clusters: 0,
                narrowed: None,
            },
            changes: Vec::new(),
            waiting: Vec::new(),
            findings: Vec::new(),
            coverage: vec![SiteCoverage {
                site: SiteName::new("eu").unwrap(),
                unknown: None,
                clock: Some(clock),
                snapshots: 0,
            }],
        }
    }

    #[test]
    fn only_a_virtual_clock_follows_a_plan_and_never_back() {
        let cases = [
            ("12:00:00", false, true),
            ("11:55:00", false, true),
            ("12:05:00", false, true),
            ("11:54:59", false, false),
            ("12:05:01", false, false),
            ("00:00:00", true, true),
            ("12:05:00", true, true),
            ("12:05:01", true, false),
        ];
        for (clock, is_virtual, may_be) in cases {
            let refusal = not_to_be_applied(&plan(clock, is_virtual, Provenance::Live));
            assert_eq!(refusal.is_none(), may_be, "{clock} {is_virtual}: {refusal:?}");
        }
    }

    #[test]
    fn a_plan_from_a_recorded_inventory_is_never_applied() {
        let refusal = not_to_be_applied(&plan("12:00:00", true, Provenance::Recorded));
        assert_eq!(
            refusal.as_deref(),
            Some("the plan was made from a recorded inventory: such a plan is never applied")
        );
    }
}
