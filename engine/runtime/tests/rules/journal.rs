//! The journal's form.

use crate::support::{VirtualClock, Watched, at, now};
use backstay_core::canonical::Digest;
use backstay_core::name::ClusterUid;
use backstay_core::saga::{Effect, End, Event};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::journal::{Entry, Journal, Reading, read, read_on};
use backstay_runtime::seams::StateStore as _;
use tempfile::TempDir;

fn entries() -> Vec<Entry> {
    let cluster = ClusterUid::new("orders-0001").unwrap();
    vec![
        Entry::Run { plan: Digest::of(b"plan"), as_of: at("2026-11-23T08:00:00Z") },
        Entry::Intent { index: 0, cluster, effect: Effect::Cut { parts: vec![0, 1] } },
        Entry::Outcome { index: 0, event: Event::Failed { because: "no room — «disk»\nfull".to_owned() } },
        Entry::Ended { index: 0, end: End::Stale { because: "größer".to_owned() } },
        Entry::Finished,
    ]
}

fn written() -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let (store, clock) = (FileStore::new(directory.path()), VirtualClock::noon());
    let journal = Journal::open(&store, &clock, "run-1");
    for entry in entries() {
        now(journal.write(entry)).unwrap();
        clock.advance(1);
    }
    now(store.get("journal/run-1.jsonl")).unwrap().unwrap()
}

#[test]
fn what_was_written_reads_back_numbered_and_dated() {
    let records = read(&written()).unwrap();
    assert_eq!(records.iter().map(|record| record.entry.clone()).collect::<Vec<_>>(), entries());
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(records[4].at, at("2026-11-23T12:00:04Z"));
}

#[test]
fn a_last_line_that_is_torn_at_any_byte_is_left_out() {
    let bytes = written();
    let start_of_last = |bytes: &[u8]| bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    // The line before the last has letters of two bytes.
    let shorter = &bytes[..start_of_last(&bytes)];
    for (whole, kept) in [(&bytes[..], 4), (shorter, 3)] {
        for end in start_of_last(whole)..whole.len() {
            let records = read(&whole[..end]).unwrap();
            assert_eq!(records.len(), kept, "torn at byte {end}");
        }
        assert_eq!(read(whole).unwrap().len(), kept + 1);
    }
    assert_eq!(read(b"").unwrap(), []);
}

#[test]
fn any_changed_byte_before_the_last_line_is_an_error_that_names_the_line() {
    let bytes = written();
    let last = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
    for place in 0..last {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        let told = read(&damaged).expect_err(&format!("byte {place} was changed")).to_string();
        assert!(told.ends_with("of the journal is damaged"), "{told}");
    }
    let mut second = bytes;
    let line = second.iter().position(|b| *b == b'\n').unwrap() + 3;
    second[line] ^= 1;
    assert_eq!(read(&second).unwrap_err().to_string(), "line 2 of the journal is damaged");
}

#[test]
fn a_line_that_is_missing_doubled_or_moved_is_damage_and_what_is_before_it_can_be_read() {
    let bytes = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for order in [[0, 2, 3, 4], [0, 1, 1, 2], [0, 2, 1, 3]] {
        let wrong: Vec<u8> = order.iter().flat_map(|line| lines[*line].to_vec()).collect();
        let Reading { records, damaged } = read_on(&wrong);
        assert_eq!(damaged, Some(records.len() + 1), "{order:?}");
        assert!((1..=2).contains(&records.len()), "{order:?}");
        assert!(read(&wrong).is_err());
    }
    // Without its first line nothing of it is believed.
    assert_eq!(read_on(&lines[1..].concat()), Reading { records: Vec::new(), damaged: Some(1) });
}

#[test]
fn lines_that_wait_at_once_share_one_append_in_their_order() {
    let directory = TempDir::new().unwrap();
    let (store, clock) = (Watched::new(directory.path()), VirtualClock::noon());
    let journal = Journal::open(&store, &clock, "run-1");
    let ended = |index| Entry::Ended { index, end: End::Done };
    let at_once = async {
        let writes = (0..100).map(|index| journal.write(ended(index)));
        for written in futures::future::join_all(writes).await {
            written.unwrap();
        }
        journal.write(Entry::Finished).await.unwrap();
    };
    now(at_once);
    assert_eq!(store.calls(), 2, "one append for the hundred, one for the last");
    let records = read(&now(store.get("journal/run-1.jsonl")).unwrap().unwrap()).unwrap();
    let expected: Vec<Entry> = (0..100).map(ended).chain([Entry::Finished]).collect();
    assert_eq!(records.into_iter().map(|record| record.entry).collect::<Vec<_>>(), expected);
}

#[test]
fn when_a_shared_append_fails_all_that_waited_for_it_are_told() {
    let directory = TempDir::new().unwrap();
    let (store, clock) = (Watched::failing(directory.path(), 1, |number, at| number == at), VirtualClock::noon());
    let journal = Journal::open(&store, &clock, "run-1");
    let writes = (0..10).map(|index| journal.write(Entry::Ended { index, end: End::Done }));
    let told = now(futures::future::join_all(writes));
    assert!(told.iter().all(Result::is_err), "{told:?}");
    assert_eq!(store.calls(), 1);
}

#[test]
fn after_a_line_that_could_not_be_written_none_is() {
    let directory = TempDir::new().unwrap();
    let (store, clock) = (Watched::failing(directory.path(), 2, |number, at| number == at), VirtualClock::noon());
    let journal = Journal::open(&store, &clock, "run-1");
    now(journal.write(Entry::Finished)).unwrap();
    let told = now(journal.write(Entry::Finished)).unwrap_err().to_string();
    assert!(told.contains("the disk is full"), "{told}");
    // The disk has room again, but what was not written was not started: nothing may follow it.
    let told = now(journal.write(Entry::Finished)).unwrap_err().to_string();
    assert!(told.contains("nothing more is started"), "{told}");
    assert_eq!(store.calls(), 2);
}
