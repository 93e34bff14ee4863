//! The real binary, killed at random moments: whatever was left, the next run ends where an uninterrupted one would have.

use crate::place::Place;
use backstay_core::observed::Observed;
use backstay_test_support::twice::assert_nothing_is_there_twice;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// How many kills the suite makes; more are made by hand: `BACKSTAY_KILLS=1000 cargo nextest run --test cli killed::`.
const KILLS: u32 = 100;

const CLUSTERS: usize = 4;

pub(crate) fn kills(of_the_suite: u32) -> u32 {
    std::env::var("BACKSTAY_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(of_the_suite)
}

#[test]
fn killed_at_a_hundred_random_moments_an_apply_is_completed_by_the_next_and_nothing_is_there_twice() {
    let place = Place::of(CLUSTERS);
    let mut slot: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let began = Instant::now();
    assert!(place.binary(&["apply", "-auto-approve"]).output().unwrap().status.success());
    let whole = began.elapsed();
    let (mut cut_short, kills) = (0, kills(KILLS));
    for kill in 1..=kills {
        slot += SignedDuration::from_hours(8);
        let mut child = place.binary(&["apply", "-auto-approve", &format!("-as-of={slot}")]).spawn().unwrap();
        // Spread over the whole run and a little beyond it, in an order that jumps about.
        let share = f64::from(kill * 37 % kills) / f64::from(kills);
        let moment = whole.mul_f64(1.1 * share);
        std::thread::sleep(moment);
        child.kill().unwrap();
        cut_short += u32::from(!child.wait().unwrap().success());
        let after = format!("kill {kill}, after {} ms", moment.as_millis());
        // By then its leases are over.
        let later = Timestamp::now() + SignedDuration::from_mins(12);
        place.shell.clock.set(later);
        let next = place.run(&["apply", "-auto-approve", &format!("-as-of={}", slot + SignedDuration::from_mins(5))]);
        assert_eq!(next.code, 0, "{after}: {}\n{}", next.out, next.err);
        let then = place.run(&["plan", "-detailed-exitcode"]);
        assert!(then.code == 0 && then.out.ends_with("No changes.\n"), "{after}: {}", then.out);
        let points = place.points();
        let observed: Observed = serde_json::from_str(&place.read("inventory.json")).unwrap();
        assert_nothing_is_there_twice(&observed, &after);
        let of_slot = points.iter().filter(|(name, _)| name.ends_with(&format!(" {slot}")));
        let of_slot: Vec<usize> = of_slot.map(|(_, number)| *number).collect();
        assert_eq!(of_slot, [1; CLUSTERS], "{after}: {points:?}");
    }
    assert!(cut_short * 2 > kills, "only {cut_short} of {kills} runs were cut short; a whole one takes {whole:?}");
    assert!(whole > Duration::from_millis(20));
}

/// 20: `apply FILE` is killed, and the same command goes on: what was done is passed over, the rest is done.
#[test]
fn a_killed_apply_of_a_plan_file_is_gone_on_with_by_the_same_command() {
    const CLUSTERS: usize = 24;
    let began = Instant::now();
    // By the host's clock, as the run that is killed.
    let succeeds = |place: &Place, arguments: &[&str]| {
        let output = place.binary(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let undisturbed = Place::of(CLUSTERS);
    succeeds(&undisturbed, &["plan", "-out=a.plan"]);
    succeeds(&undisturbed, &["apply", "a.plan"]);
    let (whole, expected) = (began.elapsed(), undisturbed.points());
    let mut went_on = 0;
    for kill in 1..=8 {
        let place = Place::of(CLUSTERS);
        succeeds(&place, &["plan", "-out=a.plan"]);
        let mut child = place.binary(&["apply", "a.plan"]).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(f64::from(kill) / 10.0));
        child.kill().unwrap();
        child.wait().unwrap();
        // Its leases are over, and the plan is still valid.
        place.shell.clock.set(Timestamp::now() + SignedDuration::from_mins(12));
        let before = place.points().len();
        let again = place.run(&["apply", "a.plan"]);
        assert!([0, 3].contains(&again.code), "kill {kill}: {}\n{}", again.out, again.err);
        let after = place.points().len();
        // At most what was in the hands of the killed run is left to the next plan: it may be cut anew.
        assert!(after + 10 >= CLUSTERS && after >= before, "kill {kill}: {before}, then {after}\n{}", again.err);
        went_on += usize::from(after > before);
        // Applied once more it has no effect.
        place.run(&["apply", "a.plan"]);
        assert_eq!(place.points().len(), after, "kill {kill}");
        let next = place.run(&["apply", "-auto-approve"]);
        assert_eq!(next.code, 0, "kill {kill}: {}\n{}", next.out, next.err);
        assert!(place.run(&["plan", "-detailed-exitcode"]).out.ends_with("No changes.\n"), "kill {kill}");
        assert_eq!(place.points(), expected, "kill {kill}");
        let observed: Observed = serde_json::from_str(&place.read("inventory.json")).unwrap();
        assert_nothing_is_there_twice(&observed, &format!("kill {kill}"));
    }
    assert!(went_on > 0, "no run was cut short; a whole one takes {whole:?}");
}
