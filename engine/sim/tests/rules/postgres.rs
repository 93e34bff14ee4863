use crate::support::*;
use backstay_core::document::world::WorldPostgresRole;
use backstay_core::lsn::{Lsn, Timeline};
use backstay_core::observed::{DatabaseRole, DatabaseState};
use backstay_core::time::Duration;
use backstay_sim::{
    Backup, Call, Cloud, FinishedBackup, Meddle, Reply, SEGMENT_SIZE, SimError, SimErrorKind, World, wal_position,
};
use proptest::prelude::*;

fn begin(cloud: &mut Cloud, seconds: i64, instance: &str) -> Result<Backup, SimError> {
    let call = Call::BeginBackup { instance: instance_id(instance), label: "backstay 20261123t000000z-1".into() };
    cloud.handle(at(seconds), call).map(|reply| match reply {
        Reply::Begun(backup) => backup,
        reply => panic!("{reply:?}"),
    })
}

fn stop(cloud: &mut Cloud, seconds: i64, backup: &Backup) -> Result<FinishedBackup, SimError> {
    cloud.handle(at(seconds), Call::StopBackup { backup: backup.clone() }).map(|reply| match reply {
        Reply::Finished(finished) => finished,
        reply => panic!("{reply:?}"),
    })
}

fn read(cloud: &mut Cloud, seconds: i64, backup: &Backup, name: &str) -> Result<Vec<u8>, SimError> {
    let call = Call::ReadWal { backup: backup.clone(), name: name.into() };
    cloud.handle(at(seconds), call).map(|reply| match reply {
        Reply::WalFile(bytes) => bytes,
        reply => panic!("{reply:?}"),
    })
}

fn status(cloud: &mut Cloud, instance: &str) -> DatabaseState {
    match cloud.handle(at(0), Call::DatabaseStatus { instance: instance_id(instance) }) {
        Ok(Reply::Database(state)) => state,
        reply => panic!("{reply:?}"),
    }
}

proptest! {
    #[test]
    fn the_wal_only_grows(system in any::<u64>(), first in 0_i64..10_000_000, length in 1_i64..10_000_000) {
        let position = |seconds| wal_position(backstay_core::name::SystemId(system), at(seconds));
        prop_assert!(position(first) < position(first + length));
        prop_assert!(position(first).0 % 8 == 0);
    }
}

#[test]
fn a_backup_of_a_primary_begins_in_a_new_segment_and_its_label_says_so() {
    let mut cloud = cloud();
    let backup = begin(&mut cloud, 0, "i-primary").unwrap();
    assert!(!backup.is_standby());
    let finished = stop(&mut cloud, 20, &backup).unwrap();
    let start = finished.wal.start;
    assert_eq!(start.0 % SEGMENT_SIZE, 40);
    assert!(start < finished.wal.end && wal_position(backup.system(), at(0)) < start);
    let segment = &finished.wal.segments(SEGMENT_SIZE)[0];
    assert_eq!(
        finished.label,
        format!(
            "START WAL LOCATION: {start} (file {segment})\n\
             CHECKPOINT LOCATION: {}\n\
             BACKUP METHOD: streamed\n\
             BACKUP FROM: primary\n\
             START TIME: 2026-11-23 00:00:00 UTC\n\
             LABEL: backstay 20261123t000000z-1\n\
             START TIMELINE: 1\n",
            Lsn(start.0 + 0x38)
        )
    );
    assert_eq!(finished.map, "");
}

#[test]
fn a_backup_of_a_standby_begins_where_its_replay_is() {
    let mut cloud = cloud();
    let backup = begin(&mut cloud, 300, "i-standby").unwrap();
    assert!(backup.is_standby());
    let finished = stop(&mut cloud, 600, &backup).unwrap();
    assert_eq!(finished.wal.start, wal_position(backup.system(), at(180)), "two minutes behind");
    assert_eq!(finished.wal.end, wal_position(backup.system(), at(480)));
    assert!(finished.label.contains("BACKUP FROM: standby\n"));
    assert_eq!(finished.map, "16384 /var/lib/postgresql/tablespaces/vol-ts\n");
}

#[test]
fn every_segment_of_the_range_can_be_read_whole_and_no_other() {
    let mut cloud = cloud();
    let backup = begin(&mut cloud, 0, "i-primary").unwrap();
    let finished = stop(&mut cloud, 900, &backup).unwrap();
    let names = finished.wal.segments(SEGMENT_SIZE);
    assert!(names.len() > 1);
    for name in &names {
        let body = read(&mut cloud, 900, &backup, name).unwrap();
        assert_eq!(body.len() as u64, SEGMENT_SIZE);
        assert_eq!(body[..2], [0x10, 0xD1]);
        assert_eq!(body, read(&mut cloud, 901, &backup, name).unwrap(), "the same whenever it is read");
    }
    assert_ne!(read(&mut cloud, 900, &backup, &names[0]), read(&mut cloud, 900, &backup, &names[1]));
    for wrong in ["000000010000000000000000", "00000002.history", "../x", ""] {
        assert_eq!(read(&mut cloud, 900, &backup, wrong).unwrap_err().kind, SimErrorKind::NotFound, "{wrong}");
    }
}

#[test]
fn a_later_timeline_has_the_histories_of_those_before() {
    let mut spec = spec();
    spec.instances[0].postgres.as_mut().unwrap().timeline = 3;
    let mut cloud = cloud();
    cloud.replace_world(World::parse(&spec).unwrap());
    let backup = begin(&mut cloud, 0, "i-primary").unwrap();
    assert_eq!(stop(&mut cloud, 0, &backup).unwrap().wal.timeline, Timeline(3));
    let text = String::from_utf8(read(&mut cloud, 0, &backup, "00000003.history").unwrap()).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(read(&mut cloud, 0, &backup, "00000002.history").is_ok());
    assert!(read(&mut cloud, 0, &backup, "00000004.history").is_err());
}

#[test]
fn a_server_tells_its_place_in_replication() {
    let mut cloud = cloud();
    let role = |state| match state {
        DatabaseState::Known(status) => status.role,
        state => panic!("{state:?}"),
    };
    assert_eq!(role(status(&mut cloud, "i-primary")), DatabaseRole::Primary);
    let lag = Some(Duration::minutes(2));
    assert_eq!(role(status(&mut cloud, "i-standby")), DatabaseRole::Standby { lag });
    assert_eq!(status(&mut cloud, "i-pool"), DatabaseState::NotObservable);
}

#[test]
fn a_stopped_server_is_unreachable_until_it_is_started() {
    let mut cloud = cloud();
    let backup = begin(&mut cloud, 0, "i-primary").unwrap();
    cloud.handle(at(1), Call::Meddle(Meddle::StopServer { instance: instance_id("i-primary") })).unwrap();
    assert!(matches!(status(&mut cloud, "i-primary"), DatabaseState::Unreachable { .. }));
    assert_eq!(begin(&mut cloud, 1, "i-primary").unwrap_err().kind, SimErrorKind::Unavailable);
    assert_eq!(stop(&mut cloud, 1, &backup).unwrap_err().kind, SimErrorKind::Unavailable);
    cloud.handle(at(2), Call::Meddle(Meddle::StartServer { instance: instance_id("i-primary") })).unwrap();
    assert!(matches!(status(&mut cloud, "i-primary"), DatabaseState::Known(_)));
    assert!(begin(&mut cloud, 2, "i-pool").is_err(), "no server there");
}

#[test]
fn a_standby_that_is_promoted_during_its_backup_spoils_it() {
    let mut cloud = cloud();
    let backup = begin(&mut cloud, 0, "i-standby").unwrap();
    let mut promoted = spec();
    promoted.instances[1].postgres = Some(server(WorldPostgresRole::Primary, None));
    cloud.replace_world(World::parse(&promoted).unwrap());
    let error = stop(&mut cloud, 1, &backup).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::Invalid);
    assert!(error.message.contains("the standby was promoted during online backup"), "{error}");
}

#[test]
fn a_label_that_would_break_its_file_is_refused() {
    let mut cloud = cloud();
    for label in ["a\nSTART TIMELINE: 9", &"x".repeat(1025)] {
        let call = Call::BeginBackup { instance: instance_id("i-primary"), label: label.to_owned() };
        assert_eq!(cloud.handle(at(0), call).unwrap_err().kind, SimErrorKind::Invalid);
    }
}
