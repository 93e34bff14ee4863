//! The state store in a directory.

use crate::support::now;
use backstay_runtime::file_store::FileStore;
use backstay_runtime::seams::StateStore as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn store() -> (TempDir, FileStore) {
    let directory = TempDir::new().unwrap();
    let store = FileStore::new(directory.path().join("state"));
    (directory, store)
}

#[test]
fn of_sixteen_creators_one_wins_and_its_value_stays() {
    let (_directory, store) = store();
    for round in 0..20 {
        let key = format!("tombstones/{round}");
        let winners: Vec<String> = std::thread::scope(|scope| {
            let (store, key) = (&store, &key);
            let runs: Vec<_> = (0..16)
                .map(|i| {
                    scope.spawn(move || (format!("{i}"), now(store.create(key, format!("{i}").as_bytes())).unwrap()))
                })
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).filter(|(_, won)| *won).map(|(name, _)| name).collect()
        });
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(now(store.get(&key)).unwrap().unwrap(), winners[0].as_bytes());
    }
}

#[test]
fn a_counter_that_sixteen_threads_swap_loses_no_step() {
    let (_directory, store) = store();
    now(store.put("leases/a", b"0")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut steps = 0;
                while steps < 10 {
                    let present = now(store.get("leases/a")).unwrap().unwrap();
                    let number: u32 = std::str::from_utf8(&present).unwrap().parse().unwrap();
                    let next = (number + 1).to_string();
                    if now(store.swap("leases/a", Some(&present), next.as_bytes())).unwrap() {
                        steps += 1;
                    }
                }
            });
        }
    });
    assert_eq!(now(store.get("leases/a")).unwrap().unwrap(), b"160");
}

#[test]
fn a_swap_changes_only_what_was_expected() {
    let (_directory, store) = store();
    assert!(now(store.swap("a", None, b"1")).unwrap());
    assert!(!now(store.swap("a", None, b"2")).unwrap());
    assert!(!now(store.swap("a", Some(b"0"), b"2")).unwrap());
    assert!(now(store.swap("a", Some(b"1"), b"2")).unwrap());
    assert!(!now(store.swap("b", Some(b"1"), b"2")).unwrap());
    assert_eq!(now(store.get("a")).unwrap().unwrap(), b"2");
    assert_eq!(now(store.get("b")).unwrap(), None);
}

#[test]
fn what_a_killed_writer_left_is_neither_read_nor_in_the_way() {
    let (directory, store) = store();
    now(store.put("baseline.json", b"old")).unwrap();
    // A container's process id is always the same: the names of a killed run's files come again.
    let state = directory.path().join("state");
    for number in 0..200 {
        fs::write(state.join(format!(".tmp-{}-{number}", std::process::id())), b"ne").unwrap();
    }
    assert_eq!(now(store.get("baseline.json")).unwrap().unwrap(), b"old");
    assert_eq!(now(store.list("")).unwrap(), ["baseline.json"]);
    now(store.put("baseline.json", b"new")).unwrap();
    assert!(now(store.create("other.json", b"1")).unwrap());
    assert_eq!(now(store.get("baseline.json")).unwrap().unwrap(), b"new");
}

#[test]
fn a_reader_beside_a_writer_sees_whole_values_only() {
    let (_directory, store) = store();
    let values = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
    now(store.put("k", &values[0])).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|i| now(store.put("k", &values[i % 2])).unwrap()));
        for _ in 0..200 {
            let seen = now(store.get("k")).unwrap().unwrap();
            assert!(values.contains(&seen), "{} bytes of a torn value", seen.len());
        }
    });
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let (directory, store) = store();
    now(store.put("a/b", b"1")).unwrap();
    // `a` is a directory: it cannot be replaced by a record.
    assert!(now(store.put("a", b"1")).is_err());
    let names: Vec<_> = fs::read_dir(directory.path().join("state")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".tmp")), "{names:?}");
}

#[test]
fn a_prefix_is_a_prefix_of_keys_as_in_an_object_store() {
    let (_directory, store) = store();
    assert_eq!(now(store.list("leases/")).unwrap(), Vec::<String>::new());
    for key in ["leases/b", "leases/a", "leases/ab/c", "leasesx", "baseline.json"] {
        now(store.put(key, b"1")).unwrap();
    }
    let list = |prefix: &str| now(store.list(prefix)).unwrap();
    assert_eq!(list("leases/"), ["leases/a", "leases/ab/c", "leases/b"]);
    assert_eq!(list("leases"), ["leases/a", "leases/ab/c", "leases/b", "leasesx"]);
    assert_eq!(list("leases/a"), ["leases/a", "leases/ab/c"]);
    assert_eq!(list(""), ["baseline.json", "leases/a", "leases/ab/c", "leases/b", "leasesx"]);
    assert_eq!(list("baseline.json/"), Vec::<String>::new(), "a record has nothing below it");
    assert_eq!(list("nothing/here/"), Vec::<String>::new());
}

#[test]
fn a_key_that_would_climb_out_is_refused_by_every_call() {
    let (directory, store) = store();
    fs::write(directory.path().join("secret"), "s").unwrap();
    for key in ["../secret", "a/../../secret", "/etc/passwd", "", "a//b", ".hidden", "a/.git/b", "a\0b", "a b", "a/"] {
        assert!(now(store.get(key)).is_err(), "get {key:?}");
        assert!(now(store.create(key, b"1")).is_err(), "create {key:?}");
        assert!(now(store.put(key, b"1")).is_err(), "put {key:?}");
        assert!(now(store.swap(key, None, b"1")).is_err(), "swap {key:?}");
        assert!(now(store.append(key, b"1")).is_err(), "append {key:?}");
        assert!(now(store.remove(key)).is_err(), "remove {key:?}");
    }
    assert!(now(store.list("../")).is_err());
    assert_eq!(fs::read_to_string(directory.path().join("secret")).unwrap(), "s");
}

#[test]
fn removing_twice_and_appending_to_nothing_work() {
    let (_directory, store) = store();
    now(store.append("journal/r.jsonl", b"1\n")).unwrap();
    now(store.append("journal/r.jsonl", b"2\n")).unwrap();
    assert_eq!(now(store.get("journal/r.jsonl")).unwrap().unwrap(), b"1\n2\n");
    now(store.remove("journal/r.jsonl")).unwrap();
    now(store.remove("journal/r.jsonl")).unwrap();
    assert_eq!(now(store.get("journal/r.jsonl")).unwrap(), None);
}

#[test]
fn git_is_told_to_leave_the_state_alone_unless_somebody_told_it_before() {
    let (directory, store) = store();
    now(store.put("baseline.json", b"1")).unwrap();
    assert_eq!(fs::read_to_string(directory.path().join("state/.gitignore")).unwrap(), "*\n");
    let other = directory.path().join("other");
    fs::create_dir(&other).unwrap();
    now(FileStore::new(&other).put("baseline.json", b"1")).unwrap();
    assert!(!other.join(".gitignore").exists(), "a directory that was there is its owner's");
}

#[test]
fn an_error_names_the_file_and_what_was_tried() {
    if is_root() {
        // Root is refused nothing: a directory in a file's place fails for it too.
        let (directory, store) = store();
        now(store.put("leases/a", b"1")).unwrap();
        let told = now(store.get("leases")).unwrap_err().to_string();
        let path = directory.path().join("state/leases");
        assert!(told.starts_with(&format!("could not read {}: ", path.display())), "{told}");
        let told = now(store.put("leases", b"1")).unwrap_err().to_string();
        assert!(told.starts_with(&format!("could not write {}: ", path.display())), "{told}");
        return;
    }
    let (directory, store) = store();
    now(store.put("leases/a", b"1")).unwrap();
    let path = directory.path().join("state/leases/a");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let told = now(store.get("leases/a")).unwrap_err().to_string();
    assert_eq!(told, format!("could not read {}: Permission denied (os error 13)", path.display()));
}

fn is_root() -> bool {
    fs::metadata("/proc/self").map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0).unwrap_or(false)
}
