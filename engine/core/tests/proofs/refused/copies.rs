//! Copies that are refused.

use super::day;
use super::sites::{Sites, check_sites, key, site};
use backstay_core::lsn::Lsn;
use backstay_core::name::KmsKey;
use backstay_core::observed::Readiness;
use backstay_core::plan::{Action, CopyPoint};
use backstay_core::seal::SealKey;
use backstay_core::tags::{self, Intent, PointClass, PointKey};

/// The planned copy of the newest point.
fn copy(sites: &mut Sites, change: impl FnOnce(&mut CopyPoint)) {
    sites.copy(23, "eu", "us");
    sites.last(|action| match action {
        Action::Copy(copy) => change(copy),
        Action::Create(_)
        | Action::Tag(_)
        | Action::Lock(_)
        | Action::Expire(_)
        | Action::Revive(_)
        | Action::Delete(_) => panic!("a copy is planned"),
    });
}

/// Leaves the copy of another day's point at the copy site, on its way.
fn on_its_way(sites: &mut Sites, number: u32) {
    sites.lose(number, "us");
    sites.copied(number, "us");
    sites.snapshot(number, "us").readiness = Readiness::Creating;
}

#[test]
fn what_is_copied_is_whole_and_wanted_and_says_what_is_sealed() {
    check_sites(&[
        ("the newest point", &[], |sites| copy(sites, |_| {})),
        ("from another copy site that has it", &[], |sites| {
            sites.copied(23, "ap");
            sites.copy(23, "ap", "us");
        }),
        ("what the copy's retention would not keep", &[1], |sites| {
            sites.lose(17, "us");
            sites.copy(17, "eu", "us");
        }),
        ("a site of no copy policy", &[6], |sites| sites.copy(23, "eu", "ap")),
        ("home", &[6], |sites| sites.copy(22, "us", "eu")),
        ("from a site that is none of its places", &[4], |sites| copy(sites, |copy| copy.from = site("ap"))),
        ("from a site that is unknown", &[4], |sites| {
            sites.copied(23, "ap");
            sites.copy(23, "ap", "us");
            sites.is_unknown("ap");
        }),
        ("to a site that is unknown", &[4], |sites| {
            copy(sites, |_| {});
            sites.is_unknown("us");
        }),
        ("a source that is not ready", &[7], |sites| {
            sites.snapshot(23, "eu").readiness = Readiness::CutFixed;
            copy(sites, |_| {});
        }),
        ("a source that failed", &[7], |sites| {
            sites.snapshot(23, "eu").readiness = Readiness::Failed { because: "internal error".to_owned() };
            copy(sites, |_| {});
        }),
        ("a source that is not ours", &[5, 7], |sites| {
            let real = std::mem::replace(&mut sites.lab.key, SealKey::from_seed(&[9; 32]));
            let mut forged = sites.snapshot(23, "eu").clone();
            sites.seal(&mut forged, "eu");
            *sites.snapshot(23, "eu") = forged;
            sites.lab.key = real;
            copy(sites, |_| {});
        }),
        ("a source that changed since", &[10], |sites| {
            copy(sites, |_| {});
            sites.snapshot(23, "eu").tags.insert("note", "mine");
        }),
        ("the snapshot of another point", &[6, 8, 9], |sites| {
            let other = sites.expect(22, "eu");
            copy(sites, |copy| copy.parts[0].source = other);
        }),
        ("no part at all", &[8], |sites| copy(sites, |copy| copy.parts.clear())),
        ("a part under another name", &[8], |sites| {
            copy(sites, |copy| copy.parts[0].name = "wal-1of1".parse().unwrap());
        }),
        ("another intent", &[9], |sites| {
            let uid = crate::support::lab::uid("orders-db");
            copy(sites, |copy| {
                let source = &copy.parts[0].source.id;
                copy.parts[0].intent = Intent::of_copy(&uid, PointClass::Scheduled, key(23), source, &site("ap"));
            });
        }),
        ("another cut", &[10], |sites| copy(sites, |copy| copy.cut = day(22))),
        ("another system identifier", &[10], |sites| copy(sites, |copy| copy.system = None)),
        ("other WAL", &[10], |sites| {
            copy(sites, |copy| {
                copy.wal = copy.wal.map(|wal| backstay_core::lsn::WalRange { end: Lsn(u64::MAX), ..wal });
            });
        }),
        ("another class", &[7, 9], |sites| copy(sites, |copy| copy.class = PointClass::OnDemand)),
        ("another attempt", &[6, 7, 9], |sites| {
            copy(sites, |copy| copy.point = PointKey { attempt: 2, ..key(23) });
        }),
        ("another key than the policy's", &[8], |sites| {
            copy(sites, |copy| copy.kms_key = Some(KmsKey::new("alias/mine").unwrap()));
        }),
        ("without the policy's key", &[8], |sites| {
            sites.policy(|policy| policy.copies[0].kms_key = Some(KmsKey::new("alias/backup").unwrap()));
            copy(sites, |_| {});
        }),
        ("the cluster is retired", &[16], |sites| {
            sites.cluster(|cluster| cluster.is_retired = true);
            copy(sites, |_| {});
        }),
    ]);
}

#[test]
fn nothing_is_copied_twice() {
    check_sites(&[
        ("by one plan", &[8], |sites| {
            copy(sites, |_| {});
            copy(sites, |_| {});
        }),
        ("it is there", &[8], |sites| {
            sites.copied(23, "us");
            copy(sites, |_| {});
        }),
        ("it is on its way", &[8], |sites| {
            sites.copied(23, "us");
            sites.snapshot(23, "us").readiness = Readiness::CutFixed;
            copy(sites, |_| {});
        }),
        ("an earlier call left it without a seal", &[], |sites| {
            sites.copied(23, "us");
            let left = sites.snapshot(23, "us");
            for tag in [tags::SEAL_1, tags::SEAL_2, tags::PART, tags::CUT, tags::SYSTEM, tags::WAL] {
                left.tags.remove(tag);
            }
            copy(sites, |_| {});
        }),
        ("what is there carries its source's seal, which proves nothing here", &[], |sites| {
            let stolen = sites.snapshot(23, "eu").clone();
            sites.at("us").snapshots.push(stolen);
            copy(sites, |_| {});
        }),
        ("something else of the point is there", &[8], |sites| {
            sites.copied(23, "us");
            let mut left = sites.snapshot(23, "us").clone();
            left.tags.insert(tags::INTENT, "0".repeat(40));
            left.tags.insert(tags::PART, "data-1of2");
            sites.seal(&mut left, "us");
            *sites.snapshot(23, "us") = left;
            copy(sites, |_| {});
        }),
    ]);
}

#[test]
fn copies_keep_to_the_receiving_sites_queue() {
    check_sites(&[
        ("a site of another kind", &[1, 26], |sites| {
            sites.profile("us", "azure");
            copy(sites, |_| {});
        }),
        ("five at a time", &[], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "alibaba");
            }
            for number in 19..=22 {
                on_its_way(sites, number);
            }
            copy(sites, |_| {});
        }),
        ("one more", &[26], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "alibaba");
            }
            for number in 18..=22 {
                on_its_way(sites, number);
            }
            copy(sites, |_| {});
        }),
        ("not with what is being cut at the copy site", &[], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "alibaba");
            }
            for number in 18..=22 {
                on_its_way(sites, number);
                let mut cut = sites.snapshot(number, "us").clone();
                let uid = crate::support::lab::uid("billing-db");
                cut.tags.insert(tags::CLUSTER, uid.to_string());
                let intent = Intent::of(&uid, PointClass::Scheduled, key(number), &cut.disk);
                cut.tags.insert(tags::INTENT, intent.to_string());
                sites.seal(&mut cut, "us");
                *sites.snapshot(number, "us") = cut;
            }
            copy(sites, |_| {});
        }),
        ("in order, nothing older is missing", &[], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "azure");
            }
            copy(sites, |_| {});
        }),
        ("in order, an older one is missing", &[26], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "azure");
            }
            sites.lose(20, "us");
            copy(sites, |_| {});
        }),
        ("in order, an older one is missing that nobody wants", &[], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "azure");
            }
            sites.lose(18, "us");
            copy(sites, |_| {});
        }),
        ("in order, an older one is on its way", &[26], |sites| {
            for name in ["eu", "us"] {
                sites.profile(name, "azure");
            }
            on_its_way(sites, 20);
            copy(sites, |_| {});
        }),
    ]);
}
