//! Compute Engine's persistent disks (CLOUDS.md 3).

use super::{
    Codes, CopyDisk, Denial, Filter, Fixed, Identity, Ids, LockGrain, NameForm, Profile, ReadyTime, TagAlphabet,
    TagRules,
};
use backstay_core::capabilities::Iaas;
use backstay_core::time::Duration;

impl Profile {
    /// Standard snapshots of persistent disks. How long things take is ours: Google promises nothing.
    #[must_use]
    pub fn gcp() -> Self {
        Self {
            name: "gcp",
            method: "standard snapshot (simulated)",
            rules: *Iaas::Gcp.rules(),
            // 3.4: a name that is taken is 409 `alreadyExists`, whoever took it.
            identity: Identity::Named { form: NameForm::Gcp, repeats: false },
            snapshot_ids: Ids { prefix: "snapshot-", digits: 16 },
            disk_ids: Ids { prefix: "disk-", digits: 16 },
            filter: Filter::ByTag,
            denial: Denial::Told,
            deletes_what_is_gone: false,
            // 3.3, 3.6: `CREATING`, then `UPLOADING`: a point in time from there on.
            fixed: Fixed::After(Duration::seconds(20)),
            ready: ReadyTime { base: Duration::seconds(60), full_per_gib: 1000, incremental_per_gib: 100 },
            copied: ReadyTime { base: Duration::ZERO, full_per_gib: 0, incremental_per_gib: 0 },
            // 3.3: `RESTORING` while data is copied in.
            disk_ready: ReadyTime { base: Duration::seconds(30), full_per_gib: 500, incremental_per_gib: 500 },
            atomic_disk: true,
            copy_disk: CopyDisk::SourceDisk,
            lock_grain: LockGrain::Exact,
            tags: TagRules { count: 64, key: 63, value: 63, alphabet: TagAlphabet::Labels, reserved: &[] },
            retry_after: None,
            codes: Codes {
                no_snapshot: "notFound",
                no_disk: "notFound",
                no_instance: "notFound",
                not_attached: "notFound",
                too_many_pending: "RESOURCE_OPERATION_RATE_EXCEEDED",
                too_soon: "RESOURCE_OPERATION_RATE_EXCEEDED",
                too_many_of_disk: "QUOTA_EXCEEDED",
                too_many_copies: "UNSUPPORTED_OPERATION",
                unsupported: "UNSUPPORTED_OPERATION",
                locked: "UNSUPPORTED_OPERATION",
                wrong_state: "resourceNotReady",
                in_use: "resourceInUseByAnotherResource",
                wrong_zone: "invalid",
                name_taken: "alreadyExists",
                too_many_snapshots: "QUOTA_EXCEEDED",
                too_many_tags: "invalid",
                invalid_value: "invalid",
                invalid_combination: "badRequest",
                throttled: "rateLimitExceeded",
                denied: "forbidden",
                unavailable: "backendError",
            },
        }
    }
}
