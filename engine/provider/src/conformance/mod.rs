//! What every provider must do, whatever its cloud: the rules that the engine relies on, as functions to run against it.
//!
//! A provider's own tests open a site and call [`run_all`]. Nothing here knows a test framework: a broken rule is an
//! `Err` with the rule's name and what happened. Every check uses points of its own and deletes what it made, so that the
//! suite can run against a real account.
//!
//! Where the site has a [`crate::VirtualClock`], waiting moves it. Elsewhere the suite sleeps, as long as the site asks.

mod copies;
mod disks;
mod files;
mod inventory;
mod locks;
mod report;
mod servers;
mod snapshots;
mod tagging;
mod trial;

pub use copies::{a_copy_is_made_once_and_has_only_its_own_tags, a_copy_of_what_is_gone_is_refused};
pub use disks::{a_disk_is_deleted_only_detached_and_by_its_intent, a_disk_is_made_once_and_attached_once};
pub use files::point_files_are_written_once;
pub use inventory::{
    describing_an_unknown_id_says_absent, facts_tell_account_and_clock, listing_reaches_the_end_without_double_or_loss,
    snapshots_of_others_are_listed_apart, the_instance_is_listed_with_its_disks,
    what_is_deleted_between_two_pages_hides_nothing,
};
pub use locks::a_lock_is_only_extended_and_forbids_the_delete;
pub use report::{Outcome, Report};
pub use servers::{a_backup_leaves_its_label_and_wal, the_virtual_clock_only_moves_forward};
pub use snapshots::{
    a_created_snapshot_can_be_seen, a_delete_refuses_what_has_changed, a_disk_that_does_not_exist_is_refused,
    a_group_is_cut_at_one_instant, an_intent_finds_its_own_snapshots_only, deleting_what_is_gone_succeeds,
    the_same_intent_adopts,
};
pub use tagging::{tags_are_added_replaced_and_removed, tags_beyond_the_limits_are_refused_and_never_cut};
pub use trial::Trial;

use crate::Capabilities;
use backstay_core::capabilities::Iaas;
use backstay_core::model::PostgresAddress;
use backstay_core::name::{ClusterUid, DiskId, InstanceId, SiteName, SnapshotId};
use jiff::SignedDuration;
use std::pin::Pin;

/// What a site has for the suite to work on.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Whose rules the site follows: what it must be able to do.
    pub iaas: Iaas,
    /// An instance.
    pub instance: InstanceId,
    /// Disks that are attached to it, at least one. The group's check needs two.
    pub disks: Vec<DiskId>,
    /// A uid that no cluster has: whose points the suite makes.
    pub cluster: ClusterUid,
    /// How its server is reached, where a site needs to be told.
    pub address: Option<PostgresAddress>,
    /// Another instance in the same zone: no disk is attached to both.
    pub other: Option<InstanceId>,
    /// A snapshot of one of the disks that does not claim to be ours.
    pub foreign: Option<SnapshotId>,
    /// Where copies come from: another site of the same kind.
    pub origin: Option<Box<Origin>>,
    /// How many snapshots fill several pages.
    pub many: u32,
    /// How long to wait between two looks, where the site does not say, and its clock is not ours to move.
    pub poll: SignedDuration,
}

/// The site that copies come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its name.
    pub site: SiteName,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it has to work on.
    pub fixture: Fixture,
}

impl Fixture {
    /// What every site has: an instance with disks.
    #[must_use]
    pub fn new(iaas: Iaas, instance: InstanceId, disks: Vec<DiskId>, cluster: ClusterUid) -> Self {
        Self {
            iaas,
            instance,
            disks,
            cluster,
            address: None,
            other: None,
            foreign: None,
            origin: None,
            many: 9,
            poll: SignedDuration::from_mins(1),
        }
    }
}

type Check = for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Result<Outcome, String>> + 'a>>;

macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        [$((stringify!($check), (|trial| Box::pin(async { $check(trial).await.map(Outcome::from) })) as Check)),*]
    };
}

/// Runs every check. What the site cannot do is skipped, and the report says so; an error tells all rules that are broken.
pub async fn run_all(capabilities: &Capabilities, fixture: &Fixture) -> Result<Report, String> {
    let checks = checks![
        facts_tell_account_and_clock,
        the_instance_is_listed_with_its_disks,
        listing_reaches_the_end_without_double_or_loss,
        what_is_deleted_between_two_pages_hides_nothing,
        snapshots_of_others_are_listed_apart,
        describing_an_unknown_id_says_absent,
        a_created_snapshot_can_be_seen,
        the_same_intent_adopts,
        an_intent_finds_its_own_snapshots_only,
        a_disk_that_does_not_exist_is_refused,
        a_group_is_cut_at_one_instant,
        tags_are_added_replaced_and_removed,
        tags_beyond_the_limits_are_refused_and_never_cut,
        a_delete_refuses_what_has_changed,
        deleting_what_is_gone_succeeds,
        a_copy_is_made_once_and_has_only_its_own_tags,
        a_copy_of_what_is_gone_is_refused,
        a_lock_is_only_extended_and_forbids_the_delete,
        a_disk_is_made_once_and_attached_once,
        a_disk_is_deleted_only_detached_and_by_its_intent,
        point_files_are_written_once,
        a_backup_leaves_its_label_and_wal,
        the_virtual_clock_only_moves_forward,
    ];
    let mut report = Report::default();
    let mut broken = Vec::new();
    for (number, (name, check)) in (1..).zip(checks) {
        let trial = Trial::new(capabilities, fixture, number).await?;
        let outcome = check(&trial).await;
        // What a broken check left behind is deleted too, and its own words come first.
        let cleared = trial.clear().await;
        match outcome.and_then(|outcome| cleared.map(|()| outcome)) {
            Ok(outcome) => report.add(name, outcome),
            Err(problem) => broken.push(format!("{}: {problem}", name.replace('_', " "))),
        }
    }
    if broken.is_empty() {
        Ok(report)
    } else {
        Err(format!("{} rules are broken:\n{}", broken.len(), broken.join("\n")))
    }
}

/// Fails a check unless a claim holds.
fn claim(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
