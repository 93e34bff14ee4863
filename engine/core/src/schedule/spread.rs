//! Each cluster's own place within a spread, so that a fleet does not call its clouds all at once.

use crate::name::ClusterUid;
use crate::time::Duration;
use sha2::{Digest as _, Sha256};

/// The cluster's offset: less than `spread`, the same for ever; whole minutes where the spread has 60 of them, which is fine
/// enough for any fleet and reads better, and whole seconds below that.
///
/// It hangs on the uid alone, so that a rename or a move does not shift a schedule.
pub(super) fn of(uid: &ClusterUid, spread: Duration) -> Duration {
    if spread == Duration::ZERO {
        return Duration::ZERO;
    }
    // The prefix keeps this hash apart from every other use of a uid's hash.
    let hash = Sha256::new().chain_update("backstay schedule spread\n").chain_update(uid.as_str()).finalize();
    let (head, _) = hash.split_first_chunk::<8>().expect("a SHA-256 has 32 bytes");
    // 64 bits over at most ten years of seconds: the bias of the remainder is below one in 10^10.
    let grain = if spread >= Duration::hours(1) { 60 } else { 1 };
    Duration::seconds(u64::from_be_bytes(*head) % (spread.as_seconds() / grain) * grain)
}
