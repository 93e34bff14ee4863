//! The real binary: signals, kills, two at once, readers that go away.

use crate::place::Place;
use backstay_test_support::shell::Said;
use jiff::{SignedDuration, Timestamp};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// Starts an apply, and waits until so many points are made.
fn apply_until(place: &Place, points: usize) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = place.binary(&["apply", "-auto-approve", "-parallelism=2"]).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let (mut line, mut done) = (String::new(), 0);
    while done < points {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it ended after {done} points");
        done += usize::from(line.trim_end().ends_with("  done"));
    }
    (child, err)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// What a later run, by the same clock, makes of it; nothing waits in it.
fn later(place: &Place, arguments: &[&str]) -> Said {
    place.shell.clock.set(Timestamp::now() + SignedDuration::from_mins(12));
    place.run(arguments)
}

fn assert_one_point_each(place: &Place, clusters: usize) {
    let points = place.points();
    assert_eq!(points.len(), clusters, "{points:?}");
    assert!(points.values().all(|number| *number == 1), "{points:?}");
}

#[test]
fn an_interrupted_apply_ends_with_eight_gives_its_leases_back_and_the_next_run_completes_it() {
    let place = Place::of(80);
    let (mut child, mut err) = apply_until(&place, 5);
    signal(&child, "-INT");
    let (mut out, mut rest) = (String::new(), String::new());
    err.read_to_string(&mut rest).unwrap();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(8), "{rest}");
    assert!(rest.contains("Cancelled: running calls finish, no new one is started."), "{rest}");
    assert!(out.contains("Applied in part."), "{out}");
    // No lease is waited for: the same minute, a real second run.
    let next = place.binary(&["apply", "-auto-approve", "-as-of=+1m"]).output().unwrap();
    assert_eq!(next.status.code(), Some(0), "{}", String::from_utf8_lossy(&next.stderr));
    assert_one_point_each(&place, 80);
    assert!(later(&place, &["plan", "-detailed-exitcode"]).out.ends_with("No changes.\n"));
}

#[test]
fn a_killed_apply_is_completed_by_the_next_one_and_nothing_is_doubled() {
    for points in [1, 7, 23] {
        let place = Place::of(40);
        let (mut child, _err) = apply_until(&place, points);
        child.kill().unwrap();
        child.wait().unwrap();
        let next = later(&place, &["apply", "-auto-approve", "-as-of=+1m"]);
        assert_eq!(next.code, 0, "killed after {points}: {}\n{}", next.out, next.err);
        assert_one_point_each(&place, 40);
        assert!(later(&place, &["plan", "-detailed-exitcode"]).out.ends_with("No changes.\n"));
    }
}

#[test]
fn two_applies_at_once_make_one_point_of_each_slot() {
    let place = Place::of(40);
    for slot in 1..=2 {
        let as_of = format!("-as-of=2026-11-23T{:02}:00:00Z", 8 * slot);
        let start = || place.binary(&["apply", "-auto-approve", "-parallelism=3", &as_of]).spawn().unwrap();
        let runs = [start(), start(), start()];
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            // Each did what the others left it: some of it was stale or held by another.
            assert!([Some(0), Some(3), Some(6)].contains(&output.status.code()), "{:?} {told}", output.status);
        }
        let next = later(&place, &["apply", "-auto-approve", &format!("-as-of=2026-11-23T{:02}:05:00Z", 8 * slot)]);
        assert_eq!(next.code, 0, "{}\n{}", next.out, next.err);
        assert_one_point_each(&place, 40 * slot);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::of(60);
    let mut child = place.binary(&["plan"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.starts_with("Nothing will be deleted."), "{first}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn results_that_could_not_be_written_are_an_error() {
    let place = Place::small();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.binary(&["plan", "-json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("error: could not write to standard output: No space left on device"), "{told}");
}

#[test]
fn an_environment_that_is_no_text_stops_nobody() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::small();
    let output = place
        .binary(&["plan"])
        .env("BROKEN", std::ffi::OsStr::from_bytes(b"\xff\xfe"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_secret_is_in_no_output_log_or_record() {
    let place = Place::small();
    let output = place.binary(&["apply", "-auto-approve", "-log=trace"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let key = place.read(".backstay/seal.key");
    let secret = key.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(secret.len(), 64);
    let mut told = vec![output.stdout, output.stderr];
    for arguments in [&["plan", "-json"][..], &["status", "-json"], &["observe", "-json"], &["plan", "-out=a.plan"]] {
        told.push(place.binary(arguments).output().unwrap().stdout);
    }
    let mut open = vec![place.directory.path().to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.ends_with("seal.key") => {}
                false => told.push(std::fs::read(path).unwrap()),
            }
        }
    }
    assert!(told.len() > 15);
    assert!(!told.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(&secret[..16])));
}
