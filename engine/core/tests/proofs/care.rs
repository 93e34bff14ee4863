//! What the tests of the planner's care have in common: one place through which their plans are checked.

use crate::support::lab::{Lab, site};
use crate::support::show;
use backstay_core::capabilities::Iaas;
use backstay_core::model::{Policy, Provider};
use backstay_core::plan::Plan;
use std::sync::Arc;

/// The plan of a lab, as it is trusted here.
pub(crate) fn checked(lab: &Lab) -> Plan {
    lab.verified()
}

/// Plans and applies; gives the plan as text.
pub(crate) fn run(lab: &mut Lab) -> String {
    let plan = checked(lab);
    lab.apply(&plan);
    show::plan(&plan)
}

/// The plan as text.
pub(crate) fn text(lab: &Lab) -> String {
    show::plan(&checked(lab))
}

/// Another plan at the same instant changes nothing.
pub(crate) fn assert_converged(lab: &Lab) {
    let plan = checked(lab);
    assert!(plan.changes.is_empty(), "not converged:\n{}", show::plan(&plan));
}

/// Has the home site follow the rules of another kind. What is not part of the rules stays.
pub(crate) fn home_is(lab: &mut Lab, iaas: Iaas) {
    let profile = match iaas {
        Iaas::Aws => "aws",
        Iaas::Azure => "azure",
        Iaas::Gcp => "gcp",
        Iaas::Alibaba => "alibaba",
        Iaas::Local => panic!("a local site is not simulated"),
    };
    let home = Arc::make_mut(lab.desired.sites.get_mut(&site()).unwrap());
    let Provider::Sim(sim) = &mut home.provider else { panic!("{home:?} is not simulated") };
    sim.profile = profile.to_owned();
}

/// Changes the one policy, as if it had always been so.
pub(crate) fn policy(lab: &mut Lab, change: impl FnOnce(&mut Policy)) {
    change(Arc::make_mut(lab.desired.policies.values_mut().next().unwrap()));
    lab.baseline = Some(lab.desired.clone());
}
