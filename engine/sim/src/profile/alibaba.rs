//! Alibaba Cloud ECS disks (CLOUDS.md 4).

use super::{
    Codes, CopyDisk, Denial, Filter, Fixed, Identity, Ids, LockGrain, Profile, ReadyTime, TagAlphabet, TagRules,
};
use backstay_core::capabilities::Iaas;
use backstay_core::time::Duration;

impl Profile {
    /// ECS disks. How long things take is ours: Alibaba promises nothing.
    #[must_use]
    pub fn alibaba() -> Self {
        Self {
            name: "alibaba",
            method: "ECS snapshot (simulated)",
            rules: *Iaas::Alibaba.rules(),
            // 4.4: `ClientToken`.
            identity: Identity::GivenOncePerToken,
            snapshot_ids: Ids { prefix: "s-", digits: 20 },
            disk_ids: Ids { prefix: "d-", digits: 20 },
            // 4.5: filtering by tag returns at most 1,000 resources.
            filter: Filter::ByTagUpTo(1000),
            // 0.3.8.
            denial: Denial::Silent,
            deletes_what_is_gone: true,
            // 6: `progressing` tells nothing apart.
            fixed: Fixed::WhenReady,
            ready: ReadyTime { base: Duration::seconds(30), full_per_gib: 1000, incremental_per_gib: 100 },
            copied: ReadyTime { base: Duration::seconds(60), full_per_gib: 2000, incremental_per_gib: 200 },
            disk_ready: ReadyTime { base: Duration::seconds(10), full_per_gib: 0, incremental_per_gib: 0 },
            atomic_disk: true,
            copy_disk: CopyDisk::SourceDisk,
            lock_grain: LockGrain::DaysFromCall,
            tags: TagRules {
                count: 20,
                key: 128,
                value: 128,
                alphabet: TagAlphabet::NeverContaining(&["http://", "https://"]),
                reserved: &["aliyun", "acs:"],
            },
            retry_after: Some(Duration::minutes(1)),
            codes: Codes {
                no_snapshot: "InvalidSnapshotId.NotFound",
                no_disk: "InvalidDiskId.NotFound",
                no_instance: "InvalidInstanceId.NotFound",
                not_attached: "InvalidDiskId.NotFound",
                too_many_pending: "IncorrectDiskStatus.CreatingSnapshot",
                too_soon: "Throttling.User",
                too_many_of_disk: "QuotaExceed.Snapshot",
                too_many_copies: "OperationConflict",
                unsupported: "InvalidParameter",
                locked: "OperationConflict",
                wrong_state: "IncorrectDiskStatus",
                in_use: "IncorrectDiskStatus",
                wrong_zone: "InvalidParameter",
                name_taken: "IdempotentParameterMismatch",
                too_many_snapshots: "QuotaExceed.Snapshot",
                too_many_tags: "InvalidParameter",
                invalid_value: "InvalidParameter",
                invalid_combination: "InvalidParameter",
                throttled: "Throttling.User",
                denied: "Forbidden.RAM",
                unavailable: "ServiceUnavailable",
            },
        }
    }
}
