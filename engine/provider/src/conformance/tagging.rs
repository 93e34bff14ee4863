//! Tags.

use super::trial::failed;
use super::{Trial, claim};
use crate::ErrorClass;
use backstay_core::tags::{self, Tags};

/// Tags are added, replaced and removed, the others stay, and a repeated call changes nothing.
pub async fn tags_are_added_replaced_and_removed(trial: &Trial<'_>) -> Result<(), String> {
    let store = &trial.capabilities.store;
    let made = trial.create_new(1).await?;
    let (id, born) = (&made.id, &made.tags);
    let with = |pairs: &[(&str, &str)]| -> Tags { pairs.iter().copied().collect() };
    let expect = async |step: &str, pairs: &[(&str, &str)]| {
        let mut wanted = born.clone();
        wanted.extend(with(pairs));
        let tags = trial.present(id).await?.tags;
        claim(tags == wanted, || format!("{step}: it has {tags:?}, not {wanted:?}"))
    };
    let both = [(tags::HOLD, "1"), (tags::EXPIRE, "20261123t080000z")];
    for step in ["tagged", "tagged again"] {
        store.tag(id, &with(&both)).await.map_err(|e| failed(step, &e))?;
        expect(step, &both).await?;
    }
    store.tag(id, &with(&[(tags::HOLD, "2")])).await.map_err(|e| failed("replaced", &e))?;
    expect("replaced", &[(tags::HOLD, "2"), both[1]]).await?;
    for step in ["untagged", "untagged again"] {
        store.untag(id, &[tags::HOLD]).await.map_err(|e| failed(step, &e))?;
        expect(step, &both[1..]).await?;
    }
    store.untag(id, &[]).await.map_err(|e| failed("untagged nothing", &e))?;
    expect("untagged nothing", &both[1..]).await
}

/// What a site cannot keep whole it refuses, and then keeps nothing of it.
pub async fn tags_beyond_the_limits_are_refused_and_never_cut(trial: &Trial<'_>) -> Result<(), String> {
    let store = &trial.capabilities.store;
    let made = trial.create_new(1).await?;
    let one = |key: &str, value: &str| Tags::from_iter([(key, value)]);
    let beyond = [
        ("a value of 2000 characters", one("backstay-x", &"v".repeat(2000))),
        ("a value of 65 characters", one("backstay-x", &"v".repeat(65))),
        ("a key of 600 characters", one(&"k".repeat(600), "1")),
        ("a value that is an address", one("backstay-x", "https://example.com/A?b=c&d")),
        ("a key with a slash", one("backstay/x", "1")),
        ("an empty key", one("", "1")),
        ("70 tags", (0..70).map(|number| (format!("backstay-x{number}"), "1".to_owned())).collect()),
    ];
    for (what, more) in beyond {
        let before = trial.present(&made.id).await?.tags;
        match store.tag(&made.id, &more).await {
            Ok(()) => {
                let mut wanted = before;
                wanted.extend(more.clone());
                let after = trial.present(&made.id).await?.tags;
                claim(after == wanted, || format!("{what}: it was taken, and is not kept as it was given"))?;
                let keys: Vec<&str> = more.keys().collect();
                store.untag(&made.id, &keys).await.map_err(|e| failed("untag", &e))?;
            }
            Err(error) if matches!(error.class, ErrorClass::Invalid | ErrorClass::QuotaExceeded) => {
                let after = trial.present(&made.id).await?.tags;
                claim(after == before, || format!("{what}: it was refused, and something of it was kept"))?;
            }
            Err(error) => return Err(failed(&format!("{what} was refused otherwise: it"), &error)),
        }
    }
    Ok(())
}
