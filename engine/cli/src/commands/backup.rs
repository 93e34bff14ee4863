//! `backstay backup CLUSTER [-reason=TEXT]`: a point that a person asks for, made at once.

use super::{apply, reason_of};
use crate::args::{BackupOptions, Global};
use crate::commands::plan::{self, Planned};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::selectors::Views;
use crate::session::{self, Session};
use anyhow::anyhow;
use backstay_core::model::{Cluster, Desired};
use backstay_core::plan::WaitingFor;
use backstay_core::planner::{Refused, on_demand};
use backstay_core::saga::End;
use backstay_core::verify::verify;
use backstay_report::clean;
use backstay_runtime::apply::ChangeEnd;
use serde_json::json;
use std::sync::atomic::Ordering;

pub(crate) async fn run(
    options: &BackupOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let reason = reason_of(options.reason.as_deref())?;
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let cluster = super::hold::the_cluster(&session.desired, &options.cluster)?;
    let seen = session.leases().await?;
    let observed = session.observe(host, screen).await?;
    let as_of = session::as_of(None, &session.desired, &observed)?;
    let plan = match on_demand(&session.desired, &observed, &cluster.uid, reason, as_of) {
        Ok(plan) => plan,
        Err(refused) => {
            screen.error(&anyhow!("{}", told(cluster, &refused)));
            return Ok(Codes::of(code_of(&refused)));
        }
    };
    let plan = verify(plan, &session.desired, &observed).map_err(|violations| {
        anyhow!("the point broke an invariant, and was not made. This is a defect of Backstay:\n{violations}")
    })?;
    plan::tell(plan.plan(), &Views::default(), screen);
    let planned = Planned { plan, left_out: None, observed, seen };
    host.is_working.store(true, Ordering::SeqCst);
    let applied = apply::carry_out(&session, &session.desired, &planned, None, global, host, screen).await;
    host.is_working.store(false, Ordering::SeqCst);
    let applied = applied?;
    apply::tell_applied(planned.plan.plan(), &applied, false, screen);
    let mut codes = apply::codes_of_ends(&applied, host);
    codes.add_if(session.has_errors, Code::Error);
    if applied.count(|end| *end == ChangeEnd::Saga(End::Done)) > 0 {
        tell_made(cluster, &session.desired, planned.plan.plan(), screen);
    }
    Ok(codes)
}

fn code_of(refused: &Refused) -> Code {
    match refused {
        Refused::Wait { why: WaitingFor::SiteUnknown { .. }, .. } => Code::Coverage,
        Refused::NotDeclared | Refused::Retired | Refused::Wait { .. } | Refused::Exists(_) => Code::Error,
    }
}

fn told(cluster: &Cluster, refused: &Refused) -> String {
    let name = &cluster.name;
    match refused {
        Refused::NotDeclared => format!("no document declares {name}"),
        Refused::Retired => format!("{name} is being retired: nothing new is made of it; take `retire` away first"),
        Refused::Wait { why, incapable: None } => {
            format!("no point of {name} can be made now: {}", clean(&why.to_string()))
        }
        Refused::Wait { why, incapable: Some(what) } => {
            format!("no point of {name} can be made now: {}; {}", clean(&why.to_string()), clean(&what.to_string()))
        }
        Refused::Exists(point) => format!("{name} has a point of this very second: {point}"),
    }
}

/// What the point is called, and for how long it stays.
fn tell_made(cluster: &Cluster, desired: &Desired, plan: &backstay_core::plan::Plan, screen: &Screen) {
    let Some(point) = plan.changes.first().map(|change| change.action.point()) else { return };
    let policy = desired.policy_of(cluster);
    let kept = match policy.retention.on_demand_max.unwrap_or(0) {
        0 => format!(
            "policy {} keeps no points for being asked for (`onDemand`): its other rules decide; `backstay hold {} {point}` keeps it",
            policy.name, cluster.name
        ),
        most => format!("policy {} keeps the newest {most} of those that were asked for", policy.name),
    };
    let message = format!("{} has point {point}; {kept}.", cluster.name);
    if screen.is_json {
        let fields = json!({ "cluster": cluster.uid, "name": cluster.name, "point": point, "keeps": policy.retention.on_demand_max });
        screen.json("info", "backup", &message, fields);
    } else {
        screen.out(&format!("{message}\n"));
    }
}
