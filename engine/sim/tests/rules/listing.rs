use crate::support::*;
use backstay_core::observed::{DatabaseState, DiskRole, Instance};
use backstay_core::tags::Tags;
use backstay_sim::{Call, Cloud, Meddle, Page, Profile, Reply, Settings, SimErrorKind};

fn small() -> Cloud {
    cloud_with(Settings { seed: 7, page_size: Some(2), ..Settings::default() })
}

fn instances(cloud: &mut Cloud, page: Option<String>) -> Page<Instance> {
    let Ok(Reply::Instances(page)) = cloud.handle(at(0), Call::ListInstances { page }) else { panic!() };
    page
}

#[test]
fn pages_cover_every_snapshot_once_in_a_stable_order() {
    let mut cloud = small();
    for n in 0..5 {
        make(&mut cloud, n * 300, "vol-data", &n.to_string());
    }
    let all = list(&mut cloud, 1500);
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    let first = snapshots(&mut cloud, 1500, None).unwrap();
    assert_eq!(first.items.len(), 2);
    let token = first.next.unwrap();
    assert!(!token.contains("snap-"), "opaque");
}

#[test]
fn a_full_last_page_has_no_next_one() {
    let mut cloud = small();
    make(&mut cloud, 0, "vol-data", "a");
    make(&mut cloud, 0, "vol-wal", "b");
    assert_eq!(snapshots(&mut cloud, 0, None).unwrap().next, None);
}

#[test]
fn a_snapshot_deleted_between_two_pages_neither_hides_nor_repeats_another() {
    let mut cloud = small();
    for n in 0..6 {
        make(&mut cloud, n * 300, "vol-data", &n.to_string());
    }
    let before = list(&mut cloud, 1800);
    let first = snapshots(&mut cloud, 1800, None).unwrap();
    cloud.handle(at(1800), Call::DeleteSnapshot { id: first.items[1].id.clone() }).unwrap();
    let second = snapshots(&mut cloud, 1800, first.next).unwrap();
    assert_eq!(second.items, before[2..4]);
}

#[test]
fn only_snapshots_with_our_tag_are_listed_but_any_can_be_described() {
    let mut cloud = cloud();
    let foreign = |tags| Call::Meddle(Meddle::CreateForeign { disk: disk_id("vol-data"), tags });
    let other = created(cloud.handle(at(0), foreign(Tags::from_iter([("Name", "x")]))));
    let forged = created(cloud.handle(at(0), foreign(ours("i"))));
    assert_eq!(list(&mut cloud, 0), forged);
    assert_eq!(describe(&mut cloud, 0, &other[0].id).unwrap(), other[0]);
}

#[test]
fn a_token_of_another_listing_and_garbage_are_refused() {
    let mut cloud = small();
    let token = instances(&mut cloud, None).next;
    assert_eq!(snapshots(&mut cloud, 0, token).unwrap_err().kind, SimErrorKind::Invalid);
    for garbage in ["", "x", "!!!!"] {
        assert_eq!(snapshots(&mut cloud, 0, Some(garbage.into())).unwrap_err().kind, SimErrorKind::Invalid);
    }
}

#[test]
fn a_page_holds_a_thousand_unless_the_site_asks_for_less() {
    assert_eq!(Profile::aws().page_size(), 1000);
    let mut huge = cloud_with(Settings { page_size: Some(0), ..Settings::default() });
    assert_eq!(instances(&mut huge, None).items.len(), 1, "a page holds something");
}

#[test]
fn instances_show_their_disks_and_servers_as_the_world_has_them() {
    let mut cloud = small();
    let first = instances(&mut cloud, None);
    let rest = instances(&mut cloud, first.next.clone());
    let all: Vec<Instance> = first.items.into_iter().chain(rest.items).collect();
    assert_eq!(all.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["i-pool", "i-primary", "i-standby"]);
    assert_eq!(all[0].database, DatabaseState::NotObservable);
    let disks: Vec<_> = all[1].disks.iter().map(|d| (d.id.as_str(), d.role.clone(), d.size >> 30)).collect();
    assert_eq!(
        disks,
        [("vol-boot", DiskRole::Other, 10), ("vol-data", DiskRole::Data, 100), ("vol-wal", DiskRole::Wal, 20)]
    );
    let DatabaseState::Known(status) = &all[1].database else { panic!() };
    assert_eq!((status.version, status.data_checksums, status.full_page_writes), (150_018, true, true));
    assert_eq!(status.system.to_string(), SYSTEM);
}

#[test]
fn every_call_is_logged_with_its_instant_and_outcome() {
    let mut cloud = cloud();
    let made = make(&mut cloud, 0, "vol-data", "a");
    cloud.handle(at(3), create("vol-data", "b")).unwrap_err();
    describe(&mut cloud, 9, &made.id).unwrap();
    let log: Vec<_> = cloud
        .log()
        .iter()
        .map(|r| (r.at, r.call.to_string(), r.effect.is_some(), r.outcome.as_ref().err().map(|e| e.code)))
        .collect();
    let code = Some("SnapshotCreationPerVolumeRateExceeded");
    let create = "snapshot disk `vol-data` of instance `i-primary`".to_owned();
    assert_eq!(
        log,
        [
            (at(0), create.clone(), true, None),
            (at(3), create, false, code),
            (at(9), format!("describe snapshot `{}`", made.id), false, None)
        ]
    );
}
