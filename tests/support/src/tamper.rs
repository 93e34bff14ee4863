//! Plan files as somebody with bad intent, or a bad merge, would change them.

use anyhow::{Context as _, Result, bail};
use backstay_core::name::{ClusterName, ClusterUid, PolicyName};
use backstay_core::observed::{Listing, Observed};
use backstay_core::plan::{Action, Cause, Change, ExpectedSnapshot, MarkPoint, Plan, Reason};
use backstay_core::tags;
use backstay_core::time::Duration;
use std::fs;
use std::path::Path;

/// Changes a plan file in one way.
///
/// `flip` adds one byte and leaves the digest. All others make the digest right again: `delete-marked` turns the first expire
/// into a delete, `no-grace` takes the grace from every mark, and `delete-kept INVENTORY UID SLOT` adds the delete of a point.
pub(crate) fn edit(file: &Path, how: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let words: Vec<&str> = how.split_whitespace().collect();
    let directory = file.parent().context("a file lies in a directory")?;
    let changed = match words.first().copied().unwrap_or_default() {
        "delete-kept" => {
            let [_, inventory, uid, slot] = words.as_slice() else { bail!("expected an inventory, a uid and a slot") };
            let inventory: Observed = serde_json::from_str(&fs::read_to_string(directory.join(inventory))?)?;
            let mut plan = Plan::from_file(&text)?;
            plan.changes.push(delete_of(&inventory, uid, slot)?);
            plan.to_file()
        }
        "flip" => text.replacen("\"clusters\":", "\"clusters\": ", 1),
        "delete-marked" => {
            let mut plan = Plan::from_file(&text)?;
            let change = plan.changes.iter_mut().find(|change| matches!(change.action, Action::Expire(_)));
            let change = change.context("the plan expires nothing")?;
            let Action::Expire(mark) = change.action.clone() else { bail!("it is an expire") };
            change.action = Action::Delete(mark);
            plan.to_file()
        }
        "no-grace" => {
            let mut plan = Plan::from_file(&text)?;
            for change in &mut plan.changes {
                if let Action::Expire(mark) = &mut change.action {
                    mark.grace = Duration::ZERO;
                }
            }
            plan.to_file()
        }
        _ => bail!("unknown way to tamper: {how}"),
    };
    fs::write(file, changed)?;
    Ok(())
}

/// The delete of a point that is there, with everything right about it but that it is wanted.
fn delete_of(inventory: &Observed, uid: &str, slot: &str) -> Result<Change> {
    for (site, listing) in &inventory.sites {
        let Listing::Complete(seen) = listing else { continue };
        let mut snapshots = seen.snapshots.clone();
        snapshots.retain(|snapshot| snapshot.tags.get(tags::SLOT).is_some_and(|value| value == slot));
        snapshots.retain(|snapshot| snapshot.tags.get(tags::CLUSTER).is_some_and(|value| value == uid));
        let Some(first) = snapshots.first() else { continue };
        let mark = MarkPoint {
            point: first.tags[tags::POINT].parse()?,
            cut: first.created,
            grace: Duration::ZERO,
            snapshots: snapshots
                .iter()
                .map(|s| ExpectedSnapshot { id: s.id.clone(), disk: s.disk.clone(), generation: s.generation() })
                .collect(),
            is_double: false,
        };
        return Ok(Change {
            cluster: ClusterUid::new(uid)?,
            name: ClusterName::new("wiki")?,
            site: site.clone(),
            policy: PolicyName::new("bronze")?,
            action: Action::Delete(mark),
            cause: Cause::Due,
            reason: Reason::GraceOver { rules: "last 3".to_owned(), marked: first.created, ago: Duration::days(2) },
        });
    }
    bail!("the inventory has no point of {uid} at {slot}")
}
