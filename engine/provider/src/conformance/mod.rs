//! What every provider must do, whatever its cloud: the rules that the engine relies on, as functions to run against it.
//!
//! A provider's own tests open a site and call [`run_all`]. Nothing here knows a test framework: a broken rule is an
//! `Err` with the rule's name and what happened. Every check uses points of its own and deletes what it made, so that the
//! suite can run against a real account.
//!
//! Where the site has a [`crate::VirtualClock`], waiting moves it. Elsewhere the suite sleeps, as long as the site asks.

mod files;
mod inventory;
mod servers;
mod snapshots;
mod trial;

pub use files::point_files_are_written_once;
pub use inventory::{
    describing_an_unknown_id_says_absent, facts_tell_account_and_clock, listing_reaches_the_end_without_double_or_loss,
    the_instance_is_listed_with_its_disks,
};
pub use servers::{a_backup_leaves_its_label_and_wal, the_virtual_clock_only_moves_forward};
pub use snapshots::{
    a_created_snapshot_can_be_seen, a_delete_refuses_what_has_changed, a_disk_that_does_not_exist_is_refused,
    a_group_is_cut_at_one_instant, an_intent_finds_its_own_snapshots_only, deleting_what_is_gone_succeeds,
    tags_are_added_replaced_and_removed, the_same_intent_adopts,
};
pub use trial::Trial;

use crate::Capabilities;
use backstay_core::model::PostgresAddress;
use backstay_core::name::{ClusterUid, DiskId, InstanceId};
use std::pin::Pin;

/// What a site has for the suite to work on.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// An instance.
    pub instance: InstanceId,
    /// Disks that are attached to it, at least one. The group's check needs two.
    pub disks: Vec<DiskId>,
    /// A uid that no cluster has: whose points the suite makes.
    pub cluster: ClusterUid,
    /// How its server is reached, where a site needs to be told.
    pub address: Option<PostgresAddress>,
}

type Check = for<'a> fn(&'a Trial<'a>) -> Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

macro_rules! checks {
    ($($check:ident),* $(,)?) => { [$((stringify!($check), (|trial| Box::pin($check(trial))) as Check)),*] };
}

/// Runs every check, and tells all rules that are broken.
pub async fn run_all(capabilities: &Capabilities, fixture: &Fixture) -> Result<(), String> {
    let checks = checks![
        facts_tell_account_and_clock,
        the_instance_is_listed_with_its_disks,
        listing_reaches_the_end_without_double_or_loss,
        describing_an_unknown_id_says_absent,
        a_created_snapshot_can_be_seen,
        the_same_intent_adopts,
        an_intent_finds_its_own_snapshots_only,
        a_disk_that_does_not_exist_is_refused,
        a_group_is_cut_at_one_instant,
        tags_are_added_replaced_and_removed,
        a_delete_refuses_what_has_changed,
        deleting_what_is_gone_succeeds,
        point_files_are_written_once,
        a_backup_leaves_its_label_and_wal,
        the_virtual_clock_only_moves_forward,
    ];
    let mut broken = Vec::new();
    for (number, (name, check)) in (1..).zip(checks) {
        let trial = Trial::new(capabilities, fixture, number).await?;
        let outcome = check(&trial).await;
        // What a broken check left behind is deleted too, and its own words come first.
        let cleared = trial.clear().await;
        if let Err(problem) = outcome.and(cleared) {
            broken.push(format!("{}: {problem}", name.replace('_', " ")));
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("{} rules are broken:\n{}", broken.len(), broken.join("\n"))) }
}

/// Fails a check unless a claim holds.
fn claim(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
