//! Servers and clocks, where a site has them.

use super::trial::failed;
use super::{Outcome, Trial, claim};
use backstay_core::observed::DatabaseState;
use jiff::SignedDuration;

/// A backup of a server that answers leaves a label that fits its WAL range, and all WAL of it can be read.
pub async fn a_backup_leaves_its_label_and_wal(trial: &Trial<'_>) -> Result<Outcome, String> {
    let Some(databases) = &trial.capabilities.databases else {
        return Ok(Outcome::Skipped { because: "this site reaches no servers" });
    };
    let (instance, address) = (&trial.fixture.instance, trial.fixture.address.as_ref());
    let DatabaseState::Known(status) = databases.status(instance, address).await else {
        return Ok(Outcome::Skipped { because: "no server answers on the instance" });
    };
    let mut session = databases
        .begin_backup(instance, address, "backstay conformance")
        .await
        .map_err(|e| failed("beginning a backup", &e))?;
    let system = session.start().system;
    claim(system == status.system, || format!("the status tells system {}, the backup {system}", status.system))?;
    let end = session.stop().await.map_err(|e| failed("stopping the backup", &e))?;
    let label = String::from_utf8_lossy(&end.label).into_owned();
    let start = format!("START WAL LOCATION: {} (file ", end.wal.start);
    claim(label.starts_with(&start), || format!("the label does not begin with `{start}`: {label}"))?;
    claim(label.contains("LABEL: backstay conformance\n"), || format!("the label is not the one given: {label}"))?;
    claim(end.wal.start < end.wal.end, || format!("it ends at {}, before its start", end.wal.end))?;
    for name in end.wal.segments(end.segment_size) {
        let bytes = session.wal_file(&name).await.map_err(|e| failed("reading WAL", &e))?;
        let length = u64::try_from(bytes.len()).expect("a length fits 64 bits");
        claim(length == end.segment_size, || format!("`{name}` has {length} of {} bytes", end.segment_size))?;
    }
    claim(session.wal_file("../postgresql.conf").await.is_err(), || "it read a file that is no WAL".to_owned())?;
    session.close().await.map_err(|e| failed("closing the session", &e)).map(Outcome::from)
}

/// A virtual clock is where it was moved to, and never goes back.
pub async fn the_virtual_clock_only_moves_forward(trial: &Trial<'_>) -> Result<Outcome, String> {
    let Some(clock) = &trial.capabilities.clock else {
        return Ok(Outcome::Skipped { because: "its clock is not ours to move" });
    };
    let now = || clock.now().map_err(|e| failed("reading the clock", &e));
    let later = now()? + SignedDuration::from_hours(1);
    for instant in [later, later - SignedDuration::from_mins(30)] {
        clock.advance_to(instant).map_err(|e| failed("advancing the clock", &e))?;
        let shown = now()?;
        claim(shown == later, || format!("after advancing to {instant} it shows {shown}, not {later}"))?;
    }
    let facts = trial.capabilities.inventory.facts(later).await.map_err(|e| failed("facts", &e))?;
    claim(facts.clock.now == later, || format!("the clock shows {later}, and facts tell {}", facts.clock.now))
        .map(Outcome::from)
}
