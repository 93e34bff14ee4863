use crate::support::*;
use backstay_core::tags::{INTENT, MANAGED, Tags};
use backstay_sim::{Call, Reply, SimErrorKind};
use std::collections::BTreeSet;

fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn tagging_adds_or_replaces_and_leaves_the_others() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    cloud.handle(at(1), Call::Tag { id: id.clone(), tags: tags([("x", "1"), ("y", "1")]) }).unwrap();
    cloud.handle(at(2), Call::Tag { id: id.clone(), tags: tags([("x", "2")]) }).unwrap();
    let shown = describe(&mut cloud, 3, &id).unwrap().tags;
    assert_eq!(shown, tags([(MANAGED, "1"), (INTENT, "a"), ("x", "2"), ("y", "1")]));
}

#[test]
fn tagging_and_untagging_again_change_nothing() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let tag = Call::Tag { id: id.clone(), tags: tags([("x", "1")]) };
    let untag = Call::Untag { id, keys: BTreeSet::from(["x".to_owned(), "never".to_owned()]) };
    for (call, changes) in [(&tag, true), (&tag, false), (&untag, true), (&untag, false)] {
        cloud.handle(at(1), call.clone()).unwrap();
        assert_eq!(cloud.log().last().unwrap().effect.is_some(), changes, "{call}");
    }
}

#[test]
fn a_snapshot_has_at_most_fifty_tags() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let many = |n: usize| (0..n).map(|i| (format!("k{i}"), String::new())).collect::<Tags>();
    let error = cloud.handle(at(1), Call::Tag { id: id.clone(), tags: many(49) }).unwrap_err();
    assert_eq!((error.kind, error.code), (SimErrorKind::QuotaExceeded, "TagLimitExceeded"));
    cloud.handle(at(1), Call::Tag { id: id.clone(), tags: many(48) }).unwrap();
    cloud.handle(at(1), Call::Tag { id, tags: many(48) }).unwrap();
}

#[test]
fn keys_and_values_may_be_as_long_as_the_limits_and_no_longer() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let mut tag = |key: usize, value: usize| {
        let tags = tags([("k".repeat(key).as_str(), "ü".repeat(value).as_str())]);
        cloud.handle(at(1), Call::Tag { id: id.clone(), tags })
    };
    assert!(tag(127, 256).is_ok());
    assert!(tag(128, 0).is_err());
    assert!(tag(0, 0).is_err());
    assert!(tag(1, 257).is_err());
}

#[test]
fn a_found_intent_follows_the_tag_and_not_what_was_created() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    let mut found = |call| {
        cloud.handle(at(1), call).unwrap();
        ["a", "b"].map(|text| match cloud.handle(at(1), Call::FindByIntent { intent: intent(text) }) {
            Ok(Reply::Found(found)) => found.len(),
            reply => panic!("{reply:?}"),
        })
    };
    assert_eq!(found(Call::Tag { id: id.clone(), tags: tags([("x", "1")]) }), [1, 0]);
    assert_eq!(found(Call::Tag { id: id.clone(), tags: tags([(INTENT, "b")]) }), [0, 1]);
    assert_eq!(found(Call::Untag { id: id.clone(), keys: BTreeSet::from([INTENT.to_owned()]) }), [0, 0]);
    assert_eq!(found(Call::DeleteSnapshot { id }), [0, 0]);
}

#[test]
fn what_is_gone_cannot_be_tagged_or_deleted() {
    let mut cloud = cloud();
    let id = make(&mut cloud, 0, "vol-data", "a").id;
    cloud.handle(at(1), Call::DeleteSnapshot { id: id.clone() }).unwrap();
    let calls = [
        Call::DescribeSnapshot { id: id.clone() },
        Call::Tag { id: id.clone(), tags: tags([("x", "1")]) },
        Call::Untag { id: id.clone(), keys: BTreeSet::new() },
        Call::DeleteSnapshot { id },
    ];
    for call in calls {
        assert_eq!(cloud.handle(at(1), call).unwrap_err().code, "InvalidSnapshot.NotFound");
    }
}
