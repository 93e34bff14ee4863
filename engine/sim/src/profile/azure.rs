//! Azure managed disks (CLOUDS.md 2).

use super::{
    Codes, CopyDisk, Denial, Filter, Fixed, Identity, Ids, LockGrain, NameForm, Profile, ReadyTime, TagAlphabet,
    TagRules,
};
use backstay_core::capabilities::Iaas;
use backstay_core::time::Duration;

impl Profile {
    /// Managed disks that are no Premium SSD v2 and no Ultra disks: their snapshots look ready at once (2.8).
    #[must_use]
    pub fn azure() -> Self {
        Self {
            name: "azure",
            method: "incremental snapshot (simulated)",
            rules: *Iaas::Azure.rules(),
            // 2.6: the same PUT again is answered by what is there.
            identity: Identity::Named { form: NameForm::Azure, repeats: true },
            snapshot_ids: Ids { prefix: "snapshot-", digits: 16 },
            disk_ids: Ids { prefix: "disk-", digits: 16 },
            // 2.2: no server filter.
            filter: Filter::None,
            denial: Denial::Told,
            deletes_what_is_gone: true,
            // 6: `Creating` until the long operation has ended.
            fixed: Fixed::After(Duration::seconds(5)),
            ready: ReadyTime { base: Duration::seconds(5), full_per_gib: 0, incremental_per_gib: 0 },
            copied: ReadyTime { base: Duration::seconds(60), full_per_gib: 4000, incremental_per_gib: 200 },
            // 2.8: a disk attaches at once, and hydrates unseen.
            disk_ready: ReadyTime { base: Duration::seconds(10), full_per_gib: 0, incremental_per_gib: 0 },
            atomic_disk: true,
            copy_disk: CopyDisk::SourceSnapshot,
            lock_grain: LockGrain::DaysFromStart,
            tags: TagRules {
                count: 50,
                key: 512,
                value: 256,
                alphabet: TagAlphabet::NotInKeys(&['<', '>', '%', '&', '\\', '?', '/']),
                reserved: &[],
            },
            retry_after: Some(Duration::seconds(20)),
            codes: Codes {
                no_snapshot: "ResourceNotFound",
                no_disk: "ResourceNotFound",
                no_instance: "ResourceNotFound",
                not_attached: "ResourceNotFound",
                too_many_pending: "OperationNotAllowed",
                too_soon: "TooManyRequests",
                too_many_of_disk: "QuotaExceeded",
                too_many_copies: "OperationNotAllowed",
                unsupported: "BadRequest",
                locked: "OperationNotAllowed",
                wrong_state: "OperationNotAllowed",
                in_use: "OperationNotAllowed",
                wrong_zone: "BadRequest",
                name_taken: "PropertyChangeNotAllowed",
                too_many_snapshots: "QuotaExceeded",
                too_many_tags: "BadRequest",
                invalid_value: "InvalidParameter",
                invalid_combination: "BadRequest",
                throttled: "TooManyRequests",
                denied: "AuthorizationFailed",
                unavailable: "ServiceUnavailable",
            },
        }
    }
}
