//! What a call answered survives the process; what others did is seen.
#![allow(clippy::unwrap_used)]

mod support;

use backstay_core::name::InstanceId;
use backstay_core::observed::{DatabaseState, Readiness};
use backstay_provider::ErrorClass;
use backstay_provider_sim::Meddle;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use support::*;

fn append(fleet: &Fleet, bytes: &[u8]) {
    OpenOptions::new().append(true).open(fleet.journal()).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_site_that_is_opened_again_has_everything() {
    let fleet = Fleet::new();
    let (kept, clock) = {
        let site = fleet.open().capabilities();
        let kept = create(&site, "vol-data", 1);
        let gone = create(&site, "vol-wal", 1);
        now(site.store.tag(&kept.id, &tag("x", "1"))).unwrap();
        now(site.sweeper.delete(&gone.id, &gone.disk, &gone.generation())).unwrap();
        let clock = site.clock.clone().unwrap();
        clock.advance_to(at(3600)).unwrap();
        (describe(&site, &kept.id).unwrap(), clock.now().unwrap())
    };
    let again = fleet.open().capabilities();
    assert_eq!(list(&again), std::slice::from_ref(&kept));
    assert_eq!(again.clock.as_ref().unwrap().now().unwrap(), clock);
    assert_eq!(list(&again)[0].readiness, Readiness::Ready, "the clock's move made it ready");
    assert_ne!(create(&again, "vol-data", 2).id, kept.id);
}

#[test]
fn looking_makes_no_file() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    assert!(list(&site).is_empty());
    now(site.inventory.facts(at(0))).unwrap();
    now(site.inventory.instances(None)).unwrap();
    assert!(!fleet.state().exists());
}

#[test]
fn a_line_torn_by_a_crash_is_passed_over_and_cut_by_the_next_write() {
    let fleet = Fleet::new();
    let first = create(&fleet.open().capabilities(), "vol-data", 1);
    let whole = fs::read(fleet.journal()).unwrap();
    for torn in [&b"{\"effect\":{\"deleted\":{\"at\":\"2026"[..], b"\0\0\0\0\0\0\0\0"] {
        append(&fleet, torn);
        let site = fleet.open().capabilities();
        assert_eq!(list(&site).len(), 1);
        assert_ne!(fs::read(fleet.journal()).unwrap(), whole, "looking does not write");
        now(site.store.tag(&first.id, &tag("x", "1"))).unwrap();
        now(site.store.untag(&first.id, &["x"])).unwrap();
        let text = fs::read_to_string(fleet.journal()).unwrap();
        assert!(text.ends_with('\n') && text.lines().all(|line| line.ends_with('}')), "{text}");
        fs::write(fleet.journal(), &whole).unwrap();
    }
}

#[test]
fn a_journal_that_ends_anywhere_is_a_site_that_can_be_used() {
    let fleet = Fleet::new();
    {
        let site = fleet.open().capabilities();
        let made = create(&site, "vol-data", 1);
        now(site.store.tag(&made.id, &tag("x", "1"))).unwrap();
        create(&site, "vol-wal", 1);
    }
    let whole = fs::read(fleet.journal()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    // Around each end of a line every byte, between them some.
    let ends: Vec<usize> = (0..=whole.len()).filter(|n| *n == 0 || whole[n - 1] == b'\n').collect();
    for length in (0..=whole.len()).filter(|n| n % 37 == 0 || ends.iter().any(|end| n.abs_diff(*end) <= 1)) {
        fs::write(fleet.journal(), &whole[..length]).unwrap();
        let site = fleet.open().capabilities();
        let before = list(&site);
        seen.insert(before.len());
        let made = create(&site, "vol-standby", 1);
        let after = list(&fleet.open().capabilities());
        assert_eq!(after.len(), before.len() + 1, "cut to {length} bytes");
        assert!(after.contains(&made) && before.iter().all(|snapshot| after.contains(snapshot)));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn two_processes_see_what_the_other_did() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.open().capabilities(), fleet.open().capabilities());
    let mine = create(&one, "vol-data", 1);
    assert_eq!(list(&other), std::slice::from_ref(&mine));
    let theirs = create(&other, "vol-wal", 1);
    assert_ne!(mine.id, theirs.id);
    now(one.store.tag(&theirs.id, &tag("x", "1"))).unwrap();
    assert_eq!(&describe(&other, &theirs.id).unwrap().tags["x"], "1");
    let refusal = refused(now(other.sweeper.delete(&theirs.id, &theirs.disk, &theirs.generation())));
    assert_eq!(refusal.0, ErrorClass::Busy, "it was tagged since");
    other.clock.as_ref().unwrap().advance_to(at(60)).unwrap();
    assert_eq!(one.clock.as_ref().unwrap().now().unwrap(), at(60));
    assert_eq!(list(&one), list(&other));
}

#[test]
fn the_same_intent_of_two_processes_makes_one_snapshot() {
    let fleet = Fleet::new();
    let ids: Vec<_> = std::thread::scope(|scope| {
        let open = || create(&fleet.open().capabilities(), "vol-data", 1).id;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(list(&fleet.open().capabilities()).len(), 1);
}

#[test]
fn no_effect_of_many_writers_is_lost() {
    let fleet = Fleet::new();
    let id = create(&fleet.open().capabilities(), "vol-data", 1).id;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (fleet, id) = (&fleet, &id);
            scope.spawn(move || {
                let site = fleet.open().capabilities();
                for n in 0..10 {
                    now(site.store.tag(id, &tag(&format!("k{writer}-{n}"), "1"))).unwrap();
                }
            });
        }
    });
    let tags = describe(&fleet.open().capabilities(), &id).unwrap().tags;
    assert_eq!(tags.keys().filter(|key| key.starts_with('k')).count(), 40);
    assert_eq!(fs::read_to_string(fleet.journal()).unwrap().lines().count(), 42, "a header and each effect once");
}

#[test]
fn a_changed_world_brings_its_disks_and_keeps_the_snapshots() {
    let fleet = Fleet::new();
    let before = fleet.open().capabilities();
    let made = create(&before, "vol-wal", 1);
    fleet.change_world("vol-wal", "vol-new");

    let after = fleet.open().capabilities();
    assert_eq!(list(&after), std::slice::from_ref(&made));
    assert_eq!(refused(now(after.store.create(&order("vol-wal", 2)))).0, ErrorClass::NotFound);
    create(&after, "vol-new", 1);
    assert_eq!(list(&before).len(), 2);
    assert_eq!(create(&before, "vol-new", 1).disk.as_str(), "vol-new");
    now(before.sweeper.delete(&made.id, &made.disk, &made.generation())).unwrap();

    let text = fs::read_to_string(fleet.journal()).unwrap();
    let worlds = text.lines().filter(|line| line.contains("world")).count();
    assert_eq!(worlds, 2, "the header's, and the change: {text}");
    assert_eq!(list(&fleet.open().capabilities()).len(), 1);
}

#[test]
fn a_damaged_line_refuses_everything_and_is_named() {
    let fleet = Fleet::new();
    create(&fleet.open().capabilities(), "vol-data", 1);
    let reader = fleet.open().capabilities();
    append(&fleet, b"{\"effect\":\"nonsense\"}\n");
    for _ in 0..2 {
        let (class, message) = refused(now(reader.inventory.snapshots(None)));
        assert_eq!(class, ErrorClass::Invalid);
        assert!(
            message.contains("site `aws-eu10`") && message.contains("effects.jsonl` line 3 is damaged"),
            "{message}"
        );
        assert!(now(reader.store.create(&order("vol-wal", 1))).is_err());
    }
}

#[test]
fn an_effect_that_contradicts_the_others_is_damage_too() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    create(&site, "vol-data", 1);
    let text = fs::read_to_string(fleet.journal()).unwrap();
    append(&fleet, format!("{}\n", text.lines().last().unwrap()).as_bytes());
    for _ in 0..2 {
        let message = refused(now(site.inventory.snapshots(None))).1;
        assert!(message.contains("line 3 is damaged") && message.contains("created a second time"), "{message}");
    }
}

#[test]
fn a_journal_of_a_later_format_is_refused() {
    let fleet = Fleet::new();
    create(&fleet.open().capabilities(), "vol-data", 1);
    let text = fs::read_to_string(fleet.journal()).unwrap();
    fs::write(fleet.journal(), text.replacen("\"format\":1", "\"format\":2", 1)).unwrap();
    let message = refused(now(fleet.open().capabilities().inventory.snapshots(None))).1;
    assert!(message.contains("has format 2, and this version reads 1"), "{message}");
}

#[test]
fn a_site_whose_state_is_thrown_away_begins_anew_also_where_it_is_open() {
    let fleet = Fleet::new();
    let site = fleet.open().capabilities();
    let first = create(&site, "vol-data", 1);
    fs::remove_dir_all(fleet.state()).unwrap();
    assert!(list(&site).is_empty());
    assert_eq!(create(&site, "vol-data", 1).id, first.id, "the same seed gives the same ids");
    fs::remove_dir_all(fleet.state()).unwrap();
    create(&fleet.open().capabilities(), "vol-wal", 1);
    assert_eq!(list(&site).len(), 1);
}

#[test]
fn what_happens_behind_our_back_is_durable_too() {
    let fleet = Fleet::new();
    let engine = fleet.open().capabilities();
    let made = create(&engine, "vol-data", 1);
    let god = fleet.open();
    let instance = InstanceId::new("i-primary").unwrap();
    god.meddle(Meddle::DeleteSnapshot { id: made.id.clone() }).unwrap();
    let foreign = Meddle::CreateForeign { disk: made.disk.clone(), tags: tag("Name", "by hand") };
    let foreign = god.meddle(foreign).unwrap().remove(0);
    god.meddle(Meddle::StopServer { instance: instance.clone() }).unwrap();
    for site in [engine, fleet.open().capabilities()] {
        assert!(describe(&site, &made.id).is_none());
        assert!(list(&site).is_empty());
        assert_eq!(describe(&site, &foreign.id), Some(foreign.clone()));
        let state = now(site.databases.unwrap().status(&instance, None));
        assert!(matches!(state, DatabaseState::Unreachable { .. }), "{state:?}");
    }
}
