//! A fleet of ten thousand clusters that is adrift in every way.

use super::*;
use crate::paint::Paint;
use backstay_core::drift::Drift;
use backstay_core::drift::{Counts, Coverage, Documents, FORMAT_VERSION, Looked, SiteSeen, Subject, SubjectKind};
use backstay_core::name::{ClusterName, ClusterUid, SiteName};

const KINDS: [Kind; 17] = [
    Kind::NoPoint,
    Kind::PointGone,
    Kind::PointDamaged,
    Kind::MachineMissing,
    Kind::CopyMissing,
    Kind::Late,
    Kind::ForeignSeal,
    Kind::Unencrypted,
    Kind::TagsChanged,
    Kind::OtherKey,
    Kind::Misplaced,
    Kind::FutureDated,
    Kind::HoldTagMissing,
    Kind::Unmanaged,
    Kind::Orphan,
    Kind::Unlocked,
    Kind::ExpiredRule,
];

fn all_adrift(clusters: usize) -> Drift {
    let site = SiteName::new("eu").unwrap();
    let looked: Vec<Looked> = (0..clusters)
        .map(|i| Looked {
            uid: ClusterUid::new(format!("uid-{i:05}")).unwrap(),
            name: ClusterName::new(format!("db-{i:05}")).unwrap(),
            site: site.clone(),
            is_known: true,
        })
        .collect();
    let items = looked.iter().flat_map(|cluster| {
        KINDS.into_iter().map(|kind| Item {
            class: kind.class(),
            kind,
            severity: kind.severity(),
            cluster: Some(cluster.uid.clone()),
            name: Some(cluster.name.clone()),
            site: Some(site.clone()),
            subject: Subject { kind: SubjectKind::Cluster, id: cluster.name.to_string() },
            snapshots: Vec::new(),
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            message: "<script>alert(1)</script> | `x`".to_owned(),
            meaning: kind.meaning().to_owned(),
            next: format!("step {}", cluster.name),
            declared: None,
            ignored: None,
        })
    });
    let unread = (0..40).map(|i| SiteSeen {
        site: SiteName::new(format!("gone-{i}")).unwrap(),
        snapshots: 0,
        unknown: Some("access denied".to_owned()),
    });
    Drift {
        format_version: FORMAT_VERSION.to_owned(),
        fleet: "large".to_owned(),
        origin: Documents { commit: None, dirty: false, documents: "0".repeat(64) },
        as_of: jiff::Timestamp::UNIX_EPOCH,
        items: items.collect(),
        clusters: looked,
        counts: Counts::default(),
        rules: Vec::new(),
        coverage: Coverage { is_complete: false, sites: unread.collect(), records_unknown: None },
    }
    .ignoring(&[])
}

#[test]
fn ten_thousand_clusters_adrift_are_told_in_200_lines_and_the_counts_sum() {
    let drift = all_adrift(10_000);
    let text = drift_text(&drift, Paint::Plain);
    assert!(text.lines().count() <= 200, "{} lines", text.lines().count());
    assert!(text.contains("error[late]: 10,000 clusters are later than sla.maxAge"), "{text}");
    assert!(text.contains("Drift: 70,000 errors, 80,000 warnings, 20,000 notes.\n"), "{text}");
    assert_eq!(groups(&drift).len(), KINDS.len());
}

#[test]
fn markdown_stays_within_a_comment_and_is_no_markup_of_others() {
    let text = drift_md(&all_adrift(10_000));
    assert!(text.chars().count() <= 60_000, "{}", text.chars().count());
    assert!(text.contains("170,000") || text.contains("70,000 errors"), "{text}");
    assert!(!text.contains("<script>"), "{text}");
    for kind in KINDS {
        assert!(text.contains(&format!("(`{}`)", kind.as_str())), "{kind:?} is counted, at least");
    }
}

#[test]
fn small_groups_leave_their_room_to_large_ones() {
    let drift = all_adrift(2);
    let mut few = groups(&drift);
    few.truncate(2);
    assert_eq!(rows_each(&few, 90), 90);
    assert_eq!(rows_each(&groups(&all_adrift(100)), 90), 5);
}
