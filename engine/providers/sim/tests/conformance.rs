//! The rules of every provider, run against the simulated one.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::name::{DiskId, InstanceId};
use backstay_provider::conformance::{self, Fixture};
use support::Fleet;

fn fixture() -> Fixture {
    Fixture {
        instance: InstanceId::new("i-primary").unwrap(),
        disks: ["vol-data", "vol-wal"].map(|id| DiskId::new(id).unwrap()).to_vec(),
        cluster: support::cluster(),
        address: None,
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_site_with_a_virtual_clock_conforms() {
    let fleet = Fleet::new();
    conformance::run_all(&fleet.open().capabilities(), &fixture()).await.unwrap();
    // Again on what the first run left: an account is never empty.
    conformance::run_all(&fleet.open().capabilities(), &fixture()).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_site_that_follows_the_hosts_clock_conforms() {
    let mut fleet = Fleet::new();
    fleet.declared.virtual_clock = false;
    fleet.declared.page_size = None;
    conformance::run_all(&fleet.open().capabilities(), &fixture()).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_suite_sees_a_site_that_breaks_a_rule() {
    let broken = [
        (SimCall::ListSnapshots, Some(2), SimFailure::Unavailable, "listing reaches the end without double or loss"),
        (SimCall::Create, None, SimFailure::LostResponse, "the same intent adopts"),
        (SimCall::Create, None, SimFailure::Denied, "a created snapshot can be seen"),
        (SimCall::Tag, None, SimFailure::LostResponse, "tags are added replaced and removed"),
        (SimCall::Delete, None, SimFailure::LostResponse, "deleting what is gone succeeds"),
    ];
    for (call, page, fail, rule) in broken {
        let fleet = Fleet::with_faults(vec![SimFault { page, ..SimFault::of(call, fail) }]);
        let told = conformance::run_all(&fleet.open().capabilities(), &fixture()).await.unwrap_err();
        assert!(told.contains(rule), "{told}");
    }
}
