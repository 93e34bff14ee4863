//! The kit itself: a fleet, its days, and plans that converge.

use crate::support::lab::{Lab, time};
use backstay_core::time::Duration;
use insta::assert_snapshot;

#[test]
fn a_day_in_the_life_of_a_cluster_converges() {
    let mut lab = Lab::daily("orders-db", 31);
    assert_snapshot!(lab.run(), @"~ orders-db 2026-10-24T00:00Z due: beyond daily 30");
    lab.assert_converged();

    lab.advance(Duration::hours(1));
    assert_snapshot!(lab.run(), @"? orders-db 2026-10-24T00:00Z: tombstoned; grace until 2026-11-26T01:00Z");

    lab.advance(Duration::days(3));
    assert_snapshot!(lab.run(), @"
    + orders-db 2026-11-26T00:00Z due: due; newest point is of 2026-11-23T00:00Z
    ~ orders-db 2026-10-25T00:00Z due: beyond daily 30
    - orders-db 2026-10-24T00:00Z due: beyond daily 30, tombstoned 3d 1h ago
    ");
    lab.assert_converged();
    assert_eq!(lab.cuts().first(), Some(&time("2026-10-25")));
}

#[test]
fn a_new_cluster_gets_its_first_point() {
    let mut lab = Lab::new("schedule: { every: 8h, spread: 0s }\nretention: { keep: { last: 3 } }");
    assert_snapshot!(lab.run(), @"+ orders-db 2026-11-23T00:00Z due: no restorable point yet");
    lab.assert_converged();
}
