//! The journal's form.

use crate::support::{VirtualClock, Watched, at, now};
use backstay_core::canonical::Digest;
use backstay_core::name::ClusterUid;
use backstay_core::saga::{Effect, End, Event};
use backstay_runtime::file_store::FileStore;
use backstay_runtime::journal::{Entry, Journal, read};
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
fn a_line_that_is_missing_or_moved_within_the_run_shows_in_the_numbers() {
    let bytes = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let records = read(&[lines[0], lines[2]].concat()).unwrap();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 3]);
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
