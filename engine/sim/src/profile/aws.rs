//! EC2 and EBS (CLOUDS.md 1).

use super::{
    Codes, CopyDisk, Denial, Filter, Fixed, Identity, Ids, LockGrain, Profile, ReadyTime, TagAlphabet, TagRules,
};
use backstay_core::capabilities::Iaas;
use backstay_core::time::Duration;

impl Profile {
    /// EC2 and EBS. How long things take is ours: AWS promises nothing.
    #[must_use]
    pub fn aws() -> Self {
        Self {
            name: "aws",
            method: "EBS snapshot (simulated)",
            rules: *Iaas::Aws.rules(),
            identity: Identity::Given,
            snapshot_ids: Ids { prefix: "snap-", digits: 17 },
            disk_ids: Ids { prefix: "vol-", digits: 17 },
            filter: Filter::ByTag,
            denial: Denial::Told,
            deletes_what_is_gone: false,
            // 1.7: the content is fixed when the call returns.
            fixed: Fixed::AtOnce,
            ready: ReadyTime { base: Duration::seconds(30), full_per_gib: 2000, incremental_per_gib: 100 },
            copied: ReadyTime { base: Duration::seconds(30), full_per_gib: 2000, incremental_per_gib: 100 },
            // 1.7: `available` in seconds, whatever the size.
            disk_ready: ReadyTime { base: Duration::seconds(5), full_per_gib: 0, incremental_per_gib: 0 },
            atomic_disk: true,
            copy_disk: CopyDisk::Arbitrary("vol-ffffffff"),
            lock_grain: LockGrain::Exact,
            tags: TagRules { count: 50, key: 127, value: 256, alphabet: TagAlphabet::Any, reserved: &["aws:"] },
            retry_after: None,
            codes: Codes {
                no_snapshot: "InvalidSnapshot.NotFound",
                no_disk: "InvalidVolume.NotFound",
                no_instance: "InvalidInstanceID.NotFound",
                not_attached: "InvalidAttachment.NotFound",
                too_many_pending: "ConcurrentSnapshotLimitExceeded",
                too_soon: "SnapshotCreationPerVolumeRateExceeded",
                too_many_of_disk: "SnapshotLimitExceeded",
                too_many_copies: "ResourceLimitExceeded",
                unsupported: "UnsupportedOperation",
                locked: "SnapshotLocked",
                wrong_state: "IncorrectState",
                in_use: "VolumeInUse",
                wrong_zone: "InvalidVolume.ZoneMismatch",
                name_taken: "IdempotentParameterMismatch",
                too_many_snapshots: "SnapshotLimitExceeded",
                too_many_tags: "TagLimitExceeded",
                invalid_value: "InvalidParameterValue",
                invalid_combination: "InvalidParameterCombination",
                throttled: "RequestLimitExceeded",
                denied: "UnauthorizedOperation",
                unavailable: "ServiceUnavailable",
            },
        }
    }
}
