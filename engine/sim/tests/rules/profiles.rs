//! What the four clouds do differently, each by its own rule.

use crate::support::*;
use backstay_core::capabilities::Iaas;
use backstay_core::model::LockMode;
use backstay_core::name::{Location, SiteName, SnapshotId};
use backstay_core::observed::Readiness;
use backstay_core::tags::Tags;
use backstay_sim::{Call, Cloud, Filter, Meddle, NewCopy, Profile, Reply, Settings, SimError, SimErrorKind, Source};
use jiff::SignedDuration;

fn of(profile: Profile) -> Cloud {
    Cloud::new(profile, world(), Settings { seed: 7, ..Settings::default() })
}

fn clouds() -> [Cloud; 4] {
    Profile::NAMES.map(|name| of(Profile::named(name).unwrap()))
}

fn readiness(cloud: &mut Cloud, seconds: i64, id: &SnapshotId) -> Readiness {
    describe(cloud, seconds, id).unwrap().readiness
}

#[test]
fn a_profile_has_the_rules_of_its_kind() {
    for (name, iaas) in Profile::NAMES.into_iter().zip(Iaas::ALL) {
        assert_eq!(Profile::named(name).unwrap().rules, *iaas.rules(), "{name}");
    }
}

#[test]
fn the_instant_is_fixed_when_each_cloud_says_so() {
    // At once; when the long operation has ended, and then it looks ready; when it uploads; not before it is ready.
    let expected = [
        [(0, Readiness::CutFixed), (229, Readiness::CutFixed), (230, Readiness::Ready)],
        [(0, Readiness::Creating), (4, Readiness::Creating), (5, Readiness::Ready)],
        [(19, Readiness::Creating), (20, Readiness::CutFixed), (160, Readiness::Ready)],
        [(0, Readiness::Creating), (129, Readiness::Creating), (130, Readiness::Ready)],
    ];
    for (mut cloud, states) in clouds().into_iter().zip(expected) {
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        for (seconds, state) in states {
            assert_eq!(readiness(&mut cloud, seconds, &id), state, "{id} after {seconds} s");
        }
    }
}

#[test]
fn a_repeated_create_makes_another_one_on_aws_only() {
    let mut answers = Vec::new();
    for mut cloud in clouds() {
        let first = make(&mut cloud, 0, "vol-data", "a");
        let again = cloud.handle(at(3600), create("vol-data", "a"));
        answers.push(match again {
            Ok(Reply::Created(made)) if made[0].id == first.id => "the same",
            Ok(_) => "another",
            Err(SimError { kind: SimErrorKind::AlreadyExists, code, .. }) => code,
            Err(error) => panic!("{error}"),
        });
    }
    assert_eq!(answers, ["another", "the same", "alreadyExists", "the same"]);
}

#[test]
fn a_name_is_the_callers_and_keeps_the_clouds_alphabet() {
    for (mut cloud, wrong) in [
        (of(Profile::azure()), ["a b".to_owned(), "a".repeat(81), String::new()]),
        (of(Profile::gcp()), ["Upper".to_owned(), "a".repeat(64), "ends-".to_owned()]),
    ] {
        let mut named = |word: &str| {
            let mut part = part("vol-data", "a");
            part.word = Some(word.to_owned());
            let call = Call::CreateSnapshot { instance: instance_id("i-primary"), part };
            cloud.handle(at(0), call)
        };
        for word in wrong {
            assert_eq!(named(&word).unwrap_err().kind, SimErrorKind::Invalid, "{word}");
        }
        assert_eq!(created(named("backstay-0a"))[0].id.as_str(), "backstay-0a");
    }
}

#[test]
fn a_name_that_another_disk_has_is_refused() {
    for mut cloud in [of(Profile::azure()), of(Profile::gcp())] {
        make(&mut cloud, 0, "vol-data", "a");
        let error = cloud.handle(at(0), create("vol-wal", "a")).unwrap_err();
        assert_eq!(error.kind, SimErrorKind::AlreadyExists, "{error}");
    }
}

#[test]
fn a_name_that_is_free_again_can_be_taken_again() {
    let mut cloud = of(Profile::gcp());
    let first = make(&mut cloud, 0, "vol-data", "a");
    cloud.handle(at(60), Call::DeleteSnapshot { id: first.id.clone() }).unwrap();
    let second = make(&mut cloud, 3600, "vol-data", "a");
    assert_eq!(second.id, first.id);
    assert_ne!(second.created, first.created, "which is how one tells that it was replaced");
}

#[test]
fn groups_are_as_large_as_each_cloud_has_them() {
    let group = Call::CreateGroup {
        instance: instance_id("i-primary"),
        parts: vec![part("vol-data", "a"), part("vol-wal", "b")],
    };
    let can = clouds().map(|mut cloud| {
        assert_eq!(cloud.abilities().atomic_group, cloud.handle(at(0), group.clone()).is_ok());
        cloud.abilities().atomic_group
    });
    assert_eq!(can, [true, false, false, true]);
    assert_eq!(Iaas::ALL.map(|iaas| iaas.rules().group), [Some(40), None, None, Some(16), None]);
}

#[test]
fn a_disk_is_snapshotted_as_often_as_each_cloud_lets_it() {
    // How many of twenty creates a minute apart are taken, and what the first refusal says.
    let mut seen = Vec::new();
    for mut cloud in clouds() {
        let answers: Vec<_> = (0..20).map(|n| cloud.handle(at(n * 60), create("vol-data", &format!("n{n}")))).collect();
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        let refusal = answers.into_iter().find_map(Result::err);
        seen.push((taken, refusal.map(|error| error.code)));
    }
    assert_eq!(
        seen,
        [
            (20, None),
            (20, None),
            (2, Some("RESOURCE_OPERATION_RATE_EXCEEDED")),
            (18, Some("IncorrectDiskStatus.CreatingSnapshot")),
        ]
    );
}

#[test]
fn azure_takes_seven_snapshots_of_a_disk_in_five_minutes() {
    let mut cloud = of(Profile::azure());
    for n in 0..7 {
        make(&mut cloud, n * 10, "vol-data", &format!("n{n}"));
    }
    let error = cloud.handle(at(100), create("vol-data", "x")).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::Throttled { after: Some(SignedDuration::from_secs(200)) });
    make(&mut cloud, 100, "vol-wal", "w");
    make(&mut cloud, 300, "vol-data", "x");
    assert!(cloud.handle(at(309), create("vol-data", "y")).is_err(), "the second leaves the window at 310 s");
}

#[test]
fn gcp_takes_one_snapshot_of_a_disk_in_ten_minutes() {
    let mut cloud = of(Profile::gcp());
    make(&mut cloud, 0, "vol-data", "a");
    let error = cloud.handle(at(599), create("vol-data", "b")).unwrap_err();
    assert_eq!(error.kind, SimErrorKind::Throttled { after: Some(SignedDuration::from_secs(1)) });
    make(&mut cloud, 600, "vol-data", "b");
}

#[test]
fn a_disk_has_as_many_snapshots_as_each_cloud_lets_it() {
    for (profile, most) in [(Profile::azure(), 500), (Profile::alibaba(), 256)] {
        let mut cloud = of(profile);
        for n in 0..most {
            make(&mut cloud, n * 600, "vol-data", &format!("n{n}"));
        }
        let error = cloud.handle(at(most * 600), create("vol-data", "x")).unwrap_err();
        assert_eq!(error.kind, SimErrorKind::QuotaExceeded, "{error}");
        make(&mut cloud, most * 600, "vol-wal", "w");
    }
}

#[test]
fn a_failed_snapshot_is_unfinished_business_on_aws_only() {
    use backstay_core::model::{SimCall, SimFailure, SimFault};
    for (profile, is_taken) in [(Profile::aws(), false), (Profile::alibaba(), true)] {
        let faults = vec![SimFault::of(SimCall::Create, SimFailure::FailsLater)];
        let pending = i64::from(profile.rules.pending_per_disk.unwrap());
        let mut cloud = Cloud::new(profile, world(), Settings { faults, ..Settings::default() });
        for n in 0..pending {
            make(&mut cloud, n * 10_000, "vol-data", &format!("n{n}"));
        }
        assert_eq!(cloud.handle(at(pending * 10_000), create("vol-data", "x")).is_ok(), is_taken);
    }
}

fn copy(number: i64, disk: &str) -> Call {
    Call::CopySnapshot(NewCopy {
        source: Source {
            site: SiteName::new("elsewhere").unwrap(),
            snapshot: SnapshotId::new(format!("source-{number}")).unwrap(),
            disk: disk_id(disk),
            created: Some(at(number)),
        },
        size: 1 << 30,
        encrypted: true,
        kms_key: None,
        tags: ours(&format!("copy-{number}")),
        word: Some(format!("copy-{number}")),
    })
}

#[test]
fn as_many_copies_travel_as_each_cloud_lets_them() {
    for (mut cloud, most) in clouds().into_iter().zip([20, 100, 0, 5]) {
        for n in 0..most {
            created(cloud.handle(at(0), copy(n, &format!("disk-{n}"))));
        }
        let error = cloud.handle(at(0), copy(most, "disk-x")).unwrap_err();
        let expected = if most == 0 { SimErrorKind::Invalid } else { SimErrorKind::Busy };
        assert_eq!(error.kind, expected, "{error}");
    }
}

#[test]
fn azure_copies_a_disks_snapshots_one_at_a_time_and_in_their_order() {
    let mut cloud = of(Profile::azure());
    created(cloud.handle(at(0), copy(2, "far")));
    assert_eq!(cloud.handle(at(1), copy(3, "far")).unwrap_err().kind, SimErrorKind::Busy);
    created(cloud.handle(at(1), copy(4, "farther")));
    assert_eq!(cloud.handle(at(9000), copy(1, "far")).unwrap_err().kind, SimErrorKind::Invalid, "out of order");
    created(cloud.handle(at(9000), copy(3, "far")));
}

#[test]
fn only_gcp_places_a_snapshot_when_it_is_made() {
    for (mut cloud, name) in clouds().into_iter().zip(Profile::NAMES) {
        let mut part = part("vol-data", "a");
        part.location = Some(Location::new("eu").unwrap());
        let call = Call::CreateSnapshot { instance: instance_id("i-primary"), part };
        match cloud.handle(at(0), call) {
            Ok(Reply::Created(made)) => {
                assert_eq!((name, made[0].location.as_ref().map(Location::as_str)), ("gcp", Some("eu")));
            }
            Ok(reply) => panic!("{reply:?}"),
            Err(error) => assert_eq!((name == "gcp", error.kind), (false, SimErrorKind::Invalid)),
        }
    }
}

#[test]
fn locks_end_as_exactly_as_each_cloud_keeps_them() {
    const HOUR: i64 = 3600;
    let until = at(100 * HOUR);
    let mut ends = Vec::new();
    for mut cloud in clouds() {
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        let mut lock = |seconds, mode, until| {
            let call = Call::LockSnapshot { id: id.clone(), mode, until };
            match cloud.handle(at(seconds), call) {
                Ok(Reply::Locked(end)) => Some(end.duration_since(at(0)).as_secs()),
                Ok(reply) => panic!("{reply:?}"),
                Err(error) => {
                    assert_eq!(error.kind, SimErrorKind::Invalid);
                    None
                }
            }
        };
        ends.push([
            lock(10 * HOUR, LockMode::Governance, until),
            lock(10 * HOUR, LockMode::Compliance, until),
            lock(12 * HOUR, LockMode::Compliance, at(110 * HOUR)),
        ]);
    }
    assert_eq!(
        ends,
        [
            [Some(100 * HOUR), Some(100 * HOUR), Some(110 * HOUR)],
            // Whole days from the first lock.
            [Some(106 * HOUR), Some(106 * HOUR), Some(130 * HOUR)],
            [None, None, None],
            // Whole days from each call; compliance only.
            [None, Some(106 * HOUR), Some(132 * HOUR)],
        ]
    );
}

#[test]
fn a_snapshot_that_fails_loses_its_lock() {
    use backstay_core::model::{SimCall, SimFailure};
    let mut cloud = faulty(SimCall::Create, None, SimFailure::FailsLater);
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let lock = Call::LockSnapshot { id: id.clone(), mode: LockMode::Governance, until: at(90_000) };
    cloud.handle(at(0), lock).unwrap();
    let delete = Call::DeleteSnapshot { id };
    assert_eq!(cloud.handle(at(1), delete.clone()).unwrap_err().kind, SimErrorKind::Locked);
    cloud.handle(at(1000), delete).unwrap();
}

#[test]
fn a_listing_shows_strangers_where_a_cloud_cannot_filter() {
    let mut seen = Vec::new();
    for mut cloud in clouds() {
        let foreign = Meddle::CreateForeign { disk: disk_id("vol-data"), tags: Tags::new() };
        cloud.handle(at(0), Call::Meddle(foreign)).unwrap();
        make(&mut cloud, 3600, "vol-wal", "a");
        let mut count = |only_ours| match cloud.handle(at(3600), Call::ListSnapshots { only_ours, page: None }) {
            Ok(Reply::Snapshots(page)) => Some(page.items.len()),
            Ok(reply) => panic!("{reply:?}"),
            Err(error) => {
                assert_eq!(error.kind, SimErrorKind::Invalid);
                None
            }
        };
        let (all, ours) = (count(false), count(true));
        let find = cloud.handle(at(3600), Call::FindByIntent { intent: intent("a") });
        seen.push((all, ours, find.is_ok()));
    }
    let filters = (Some(2), Some(1), true);
    assert_eq!(seen, [filters, (Some(2), None, false), filters, filters]);
}

#[test]
fn a_listing_by_tag_may_stop_without_a_word() {
    let mut cloud = Cloud::new(
        Profile { filter: Filter::ByTagUpTo(3), ..Profile::alibaba() },
        world(),
        Settings { page_size: Some(2), ..Settings::default() },
    );
    for n in 0..5 {
        make(&mut cloud, n * 600, "vol-data", &format!("n{n}"));
    }
    assert_eq!(list(&mut cloud, 9000).len(), 3, "by tag");
    let mut all = 0;
    let mut page = None;
    loop {
        let Ok(Reply::Snapshots(found)) = cloud.handle(at(9000), Call::ListSnapshots { only_ours: false, page }) else {
            panic!()
        };
        all += found.items.len();
        page = found.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(all, 5);
}

#[test]
fn deleting_what_is_gone_is_an_error_on_aws_and_gcp() {
    let answers = clouds().map(|mut cloud| {
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        let delete = Call::DeleteSnapshot { id };
        cloud.handle(at(600), delete.clone()).unwrap();
        cloud.handle(at(600), delete).is_ok()
    });
    assert_eq!(answers, [false, true, false, true]);
}

#[test]
fn tags_keep_each_clouds_alphabet_and_length() {
    let tagged = |cloud: &mut Cloud, id: &SnapshotId, key: &str, value: &str| {
        let call = Call::Tag { id: id.clone(), tags: Tags::from_iter([(key, value)]) };
        cloud.handle(at(600), call).is_ok()
    };
    let long = "v".repeat(129);
    let key = "k".repeat(200);
    let cases = [
        ("backstay-x", "a_1-b", [true, true, true, true]),
        ("Backstay", "x", [true, true, false, true]),
        ("backstay-x", "A", [true, true, false, true]),
        ("9x", "x", [true, true, false, true]),
        ("a/b", "x", [true, false, false, true]),
        ("ключ", "да", [true, true, true, true]),
        ("aws:x", "x", [false, true, false, true]),
        ("acs:x", "x", [true, true, false, false]),
        ("aliyun-x", "x", [true, true, true, false]),
        ("x", "see http://x", [true, true, false, false]),
        ("x", &long, [true, true, false, false]),
        (&key, "x", [false, true, false, false]),
    ];
    for (key, value, expected) in cases {
        let taken = clouds().map(|mut cloud| {
            let id = make(&mut cloud, 0, "vol-data", "a").id;
            tagged(&mut cloud, &id, key, value)
        });
        assert_eq!(taken, expected, "{key}={value}");
    }
    let most = clouds().map(|mut cloud| {
        let id = make(&mut cloud, 0, "vol-data", "a").id;
        (0..).take_while(|n| tagged(&mut cloud, &id, &format!("k{n}"), "1")).count() + 2
    });
    assert_eq!(most, [50, 50, 64, 20]);
}

#[test]
fn pages_are_as_long_as_each_cloud_has_them() {
    assert_eq!(Profile::NAMES.map(|name| Profile::named(name).unwrap().page_size()), [1000, 200, 500, 100]);
}
