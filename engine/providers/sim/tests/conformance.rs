//! The rules of every provider, run against the simulated one in each of its profiles.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::capabilities::Iaas;
use backstay_core::model::{SimCall, SimFailure, SimFault};
use backstay_core::name::{DiskId, InstanceId, SiteName};
use backstay_core::tags::Tags;
use backstay_provider::conformance::{self, Fixture, Origin, Report};
use backstay_provider_sim::Meddle;
use jiff::SignedDuration;
use support::Fleet;

const PROFILES: [(&str, Iaas); 4] =
    [("aws", Iaas::Aws), ("azure", Iaas::Azure), ("gcp", Iaas::Gcp), ("alibaba", Iaas::Alibaba)];

fn fixture(iaas: Iaas) -> Fixture {
    let disks = ["vol-data", "vol-wal"].map(|id| DiskId::new(id).unwrap()).to_vec();
    let mut fixture = Fixture::new(iaas, InstanceId::new("i-primary").unwrap(), disks, support::cluster());
    fixture.other = Some(InstanceId::new("i-standby").unwrap());
    fixture.poll = SignedDuration::ZERO;
    fixture
}

/// A site, and another one that its copies come from.
async fn conforms(profile: &str, iaas: Iaas) -> Report {
    let mut fleet = Fleet::new();
    fleet.declared.profile = profile.to_owned();
    let opener = fleet.opener();
    let here = fleet.open_by(&opener);
    let mut fixture = fixture(iaas);
    let foreign = Meddle::CreateForeign { disk: fixture.disks[0].clone(), tags: Tags::new() };
    fixture.foreign = Some(fleet.open().meddle(foreign).unwrap().remove(0).id);
    fleet.name = SiteName::new("eu20").unwrap();
    let origin =
        Origin { site: fleet.name.clone(), capabilities: fleet.open_by(&opener), fixture: self::fixture(iaas) };
    fixture.origin = Some(Box::new(origin));
    conformance::run_all(&here, &fixture).await.unwrap();
    // Again on what the first run left: an account is never empty.
    conformance::run_all(&here, &fixture).await.unwrap()
}

fn skipped(report: &Report) -> Vec<&'static str> {
    report.skipped.iter().map(|(name, _)| *name).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn every_profile_conforms_and_only_gcp_has_something_to_skip() {
    for (profile, iaas) in PROFILES {
        let report = conforms(profile, iaas).await;
        let expected: &[&str] = match iaas {
            Iaas::Gcp => &["a_copy_of_what_is_gone_is_refused", "a_lock_is_only_extended_and_forbids_the_delete"],
            Iaas::Aws | Iaas::Azure | Iaas::Alibaba | Iaas::Local => &[],
        };
        assert_eq!(skipped(&report), expected, "{profile}:\n{report}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_site_that_follows_the_hosts_clock_conforms() {
    let mut fleet = Fleet::new();
    fleet.declared.virtual_clock = false;
    fleet.declared.page_size = None;
    let report = conformance::run_all(&fleet.open().capabilities(), &fixture(Iaas::Aws)).await.unwrap();
    assert!(skipped(&report).contains(&"the_virtual_clock_only_moves_forward"), "{report}");
}

#[tokio::test(flavor = "current_thread")]
async fn the_suite_sees_a_site_that_breaks_a_rule() {
    let broken = [
        (SimCall::ListSnapshots, Some(2), SimFailure::Unavailable, "listing reaches the end without double or loss"),
        (SimCall::Create, None, SimFailure::LostResponse, "the same intent adopts"),
        (SimCall::Create, None, SimFailure::Denied, "a created snapshot can be seen"),
        (SimCall::Create, None, SimFailure::Repeated, "an intent finds its own snapshots only"),
        (SimCall::Tag, None, SimFailure::LostResponse, "tags are added replaced and removed"),
        (SimCall::Tag, None, SimFailure::Denied, "a lock is only extended and forbids the delete"),
        (SimCall::Delete, None, SimFailure::LostResponse, "deleting what is gone succeeds"),
        (SimCall::CreateDisk, None, SimFailure::Denied, "a disk is made once and attached once"),
        (SimCall::Attach, None, SimFailure::LostResponse, "a disk is made once and attached once"),
        (SimCall::DeleteDisk, None, SimFailure::LostResponse, "a disk is deleted only detached and by its intent"),
    ];
    for (call, page, fail, rule) in broken {
        let fleet = Fleet::with_faults(vec![SimFault { page, ..SimFault::of(call, fail) }]);
        let told = conformance::run_all(&fleet.open().capabilities(), &fixture(Iaas::Aws)).await.unwrap_err();
        assert!(told.contains(rule), "{told}");
    }
}
