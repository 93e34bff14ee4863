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
