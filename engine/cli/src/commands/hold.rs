//! `backstay hold CLUSTER POINT [-release]`.

use super::{apply, is_complete, reason_of};
use crate::args::{Global, HoldOptions};
use crate::commands::plan::Planned;
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Session, second};
use anyhow::{anyhow, bail};
use backstay_core::model::{Cluster, Desired};
use backstay_core::observed::{Listing, Observed};
use backstay_core::plan::{Action, Repair};
use backstay_core::planner::{self, ClusterStatus, PointStatus};
use backstay_core::saga::End;
use backstay_core::tags::PointKey;
use backstay_core::time::brief;
use backstay_core::verify::verify;
use backstay_report::{clean, plural};
use backstay_runtime::apply::ChangeEnd;
use backstay_runtime::holds::{self, HoldRecord, Release, Released};
use backstay_runtime::lease::Epochs;
use jiff::Timestamp;
use serde_json::json;

pub(crate) async fn run(options: &HoldOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let reason = reason_of(options.reason.as_deref())?;
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let seen = session.leases().await?;
    let observed = session.observe(host, screen).await?;
    let as_of = session::as_of(None, &session.desired, &observed)?;
    let fleet = only(&session.desired, &options.cluster)?;
    let [status] = planner::survey(&fleet, &observed, as_of).try_into().map_err(|_| anyhow!("no single cluster"))?;
    let point = point_of(&status, &options.point, is_complete(&observed))?;
    let by = host.environment.get("USER").filter(|user| !user.is_empty()).cloned();
    let record = HoldRecord { at: second(host.clock.now()), by, reason: reason.map(str::to_owned) };
    let hold = Hold { session, fleet, seen, observed, point, record, as_of };
    let mut codes = match options.release {
        false => hold.place(global, host, screen).await?,
        true => hold.release(host, screen).await?,
    };
    codes.add_if(hold.session.has_errors, Code::Error);
    Ok(codes)
}

/// The fleet with one cluster alone: nothing else is planned.
fn only(desired: &Desired, wanted: &str) -> anyhow::Result<Desired> {
    let uid = the_cluster(desired, wanted)?.uid.clone();
    let mut fleet = desired.clone();
    fleet.clusters.retain(|_, cluster| cluster.uid == uid);
    Ok(fleet)
}

/// The cluster that a person names, by name or uid.
pub(super) fn the_cluster<'d>(desired: &'d Desired, wanted: &str) -> anyhow::Result<&'d Cluster> {
    let is_meant = |cluster: &&Cluster| cluster.name.as_str() == wanted || cluster.uid.as_str() == wanted;
    let mut found = desired.clusters.values().map(AsRef::as_ref).filter(is_meant);
    match (found.next(), found.next()) {
        (Some(cluster), None) => Ok(cluster),
        (None, _) => bail!("there is no cluster `{wanted}`; `backstay status` lists all"),
        (Some(_), Some(_)) => bail!("`{wanted}` is the name of one cluster and the uid of another: rename the first"),
    }
}

/// Finds a point by what people see of it.
fn point_of(status: &ClusterStatus, wanted: &str, all_was_read: bool) -> anyhow::Result<PointKey> {
    let is_meant = |point: &&PointStatus| {
        let shown = [point.point.to_string(), brief(point.cut), brief(point.point.slot), point.cut.to_string()];
        shown.iter().any(|shown| shown == wanted)
    };
    if wanted == "latest" {
        let newest = status.points.iter().filter(|point| point.state == "restorable").max_by_key(|point| point.cut);
        return newest.map(|point| point.point).ok_or_else(|| anyhow!("{} has no restorable point", status.name));
    }
    let found: Vec<PointKey> = status.points.iter().filter(is_meant).map(|point| point.point).collect();
    match (found.as_slice(), wanted.parse()) {
        ([point], _) => Ok(*point),
        // Whatever could not be read may have it, and a hold does no harm.
        ([], Ok(point)) if !all_was_read => Ok(point),
        ([], _) => bail!("{} has no point `{wanted}`; `backstay status {}` lists them", status.name, status.name),
        (several, _) => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            bail!("`{wanted}` may be any of these points of {}: {}", status.name, names.join(", "))
        }
    }
}

struct Hold {
    session: Session,
    /// The fleet with the cluster alone.
    fleet: Desired,
    seen: Epochs,
    observed: Observed,
    point: PointKey,
    record: HoldRecord,
    as_of: Timestamp,
}

impl Hold {
    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.fleet.clusters.values().next().map(AsRef::as_ref).ok_or_else(|| anyhow!("there is no cluster"))
    }

    /// The record first: from then on it is held. The tags follow as any plan would have them follow.
    async fn place(&self, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
        let cluster = self.cluster()?;
        let is_new = holds::place(self.session.store.as_ref(), &cluster.uid, self.point, &self.record).await?;
        let mut observed = self.observed.clone();
        if let Listing::Complete(records) = &mut observed.records {
            records.holds.insert((cluster.uid.clone(), self.point));
        }
        let mut plan = planner::plan(&self.fleet, &observed, None, self.as_of);
        plan.changes.retain(|change| {
            matches!(&change.action, Action::Tag(tag) if tag.repair == Repair::MirrorHold && tag.point == self.point)
        });
        let plan = verify(plan, &self.fleet, &observed)
            .map_err(|violations| anyhow!("it is held, and its tags could not be planned:\n{violations}"))?;
        let planned = Planned { plan, left_out: None, observed, seen: self.seen.clone() };
        host.is_working.store(true, std::sync::atomic::Ordering::SeqCst);
        let applied = apply::carry_out(&self.session, &self.fleet, &planned, None, global, host, screen).await;
        host.is_working.store(false, std::sync::atomic::Ordering::SeqCst);
        let applied = applied?;
        let went_wrong = |end: &ChangeEnd| matches!(end, ChangeEnd::Saga(End::Failed { .. } | End::Stale { .. }));
        let (failed, left) = (applied.count(went_wrong), applied.count(|end| *end != ChangeEnd::Saga(End::Done)));
        let stands = match is_new {
            true => None,
            false => holds::read(self.session.store.as_ref(), &cluster.uid, self.point).await?,
        };
        self.tell_placed(cluster, stands.as_ref(), left, screen);
        let mut codes = Codes::none();
        codes.add_if(failed > 0, Code::Partial);
        codes.add_if(!is_complete(&self.observed), Code::Coverage);
        Ok(codes)
    }

    fn tell_placed(&self, cluster: &Cluster, stands: Option<&HoldRecord>, left: usize, screen: &Screen) {
        let record = stands.unwrap_or(&self.record);
        let what = format!("{} of {}", self.point, cluster.name);
        let message = match stands {
            None => format!("{what} is held: nothing of it is marked or deleted until `backstay hold -release`."),
            Some(record) => format!("{what} was held already, {}.", told(record)),
        };
        let fields = json!({ "cluster": cluster.uid, "name": cluster.name, "point": self.point,
            "held": true, "new": stands.is_none(), "record": record, "tags_left": left });
        screen.json("info", "hold", &message, fields);
        if screen.is_json {
            return;
        }
        screen.out(&format!("{message}\n"));
        if left > 0 {
            screen.note("Its record holds it. Its tags are not all set yet: the next apply sets them.");
        }
    }

    /// The tags first, the record last. Where anything could not be read, nothing is done: a tag there would go on holding.
    async fn release(&self, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
        let cluster = self.cluster()?;
        if !is_complete(&self.observed) {
            let unread = self.observed.sites.iter().filter_map(|(name, site)| match site {
                Listing::Unknown { because } => Some(format!("site {name} could not be read: {}", clean(because))),
                Listing::Complete(_) => None,
            });
            let unread = unread.collect::<Vec<_>>().join("; ");
            screen.error(&anyhow!("nothing was released, since a tag may hold the point unseen: {unread}"));
            return Ok(Codes::of(Code::Coverage));
        }
        let tagged = holds::tagged(&self.observed, &cluster.uid, self.point);
        let stood = holds::read(self.session.store.as_ref(), &cluster.uid, self.point).await?;
        let what = format!("{} of {}", self.point, cluster.name);
        if stood.is_none() && tagged.is_empty() {
            self.tell_released(cluster, &format!("{what} is not held."), None, screen);
            return Ok(Codes::none());
        }
        let run = apply::run_id(host)?;
        let release = Release {
            sites: &self.session.sites,
            store: self.session.store.as_ref(),
            clock: host.clock.as_ref(),
            terms: apply::terms(host)?,
            run: &run,
            seen: &self.seen,
            cancelled: &host.cancelled,
        };
        host.is_working.store(true, std::sync::atomic::Ordering::SeqCst);
        let released = release.carry_out(&cluster.uid, self.point, &tagged, &self.record).await;
        host.is_working.store(false, std::sync::atomic::Ordering::SeqCst);
        Ok(match released? {
            Released::Done => {
                let before = stood.as_ref().map_or_else(|| "by its tags alone".to_owned(), told);
                let snapshots = plural(tagged.len(), "snapshot");
                let message =
                    format!("{what} is released; it was held {before}. {snapshots} said so. Its policy decides again.");
                self.tell_released(cluster, &message, stood.as_ref(), screen);
                Codes::none()
            }
            Released::LeaseHeld(lease) => {
                screen.error(&anyhow!("{what} is held still: {}", crate::progress::held(&lease)));
                Codes::of(Code::LeaseHeld)
            }
            Released::Failed { because } => {
                screen.error(&anyhow!("{what} is held still: {}", clean(&because)));
                let is_cancelled = host.cancelled.load(std::sync::atomic::Ordering::SeqCst);
                Codes::of(if is_cancelled { Code::Cancelled } else { Code::Error })
            }
        })
    }

    fn tell_released(&self, cluster: &Cluster, message: &str, stood: Option<&HoldRecord>, screen: &Screen) {
        let fields = json!({ "cluster": cluster.uid, "name": cluster.name, "point": self.point,
            "held": false, "record": stood });
        screen.json("info", "hold", message, fields);
        if !screen.is_json {
            screen.out(&format!("{message}\n"));
        }
    }
}

/// Since when, by whom, why.
fn told(record: &HoldRecord) -> String {
    let by = record.by.as_deref().map_or_else(String::new, |by| format!(" by {}", clean(by)));
    let reason = record.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", clean(reason)));
    format!("since {}{by}{reason}", brief(record.at))
}
