//! `backstay status [CLUSTER]`: like `drift` it is handed what can look, and nothing that can write.

use super::drift::{Rules, read_ignores};
use super::is_complete;
use crate::args::{Global, StatusOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Session};
use crate::watched::Watched;
use backstay_core::drift;
use backstay_core::observed::Observed;
use backstay_core::planner::{plan_with, survey};
use backstay_core::status::status;
use backstay_report::{FleetView, cluster_text, status_text, table_text};
use backstay_runtime::threads::Threads;
use jiff::Timestamp;
use serde_json::json;

/// How many clusters are listed after an apply: what it did must not be scrolled away.
pub(crate) const MOST_AFTER_APPLY: usize = 20;

pub(crate) async fn run(
    options: &StatusOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(watched) = Watched::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let mut has_errors = watched.has_errors;
    let observed = watched.observe(host, screen).await?;
    let desired = &watched.desired;
    let as_of = session::as_of(None, desired, &observed)?;
    let all = survey(desired, &observed, as_of);
    match &options.cluster {
        Some(wanted) => {
            let found = all.iter().find(|status| status.name.as_str() == wanted || status.uid.as_str() == wanted);
            let Some(status) = found else {
                anyhow::bail!("there is no cluster `{wanted}`; `backstay status -all` lists all");
            };
            screen.json("info", "status", wanted, json!({ "as_of": as_of, "cluster": status }));
            if !screen.is_json {
                screen.out(&cluster_text(status, as_of, screen.width(), screen.out_paint));
            }
        }
        None => {
            let Rules { rules, are_wrong } = read_ignores(None, &watched.root, screen)?;
            has_errors |= are_wrong;
            let baseline = watched.baseline(&observed).await;
            let plan = plan_with(&Threads::available(), desired, &observed, baseline.as_ref(), as_of);
            let drift = drift::of_plan(&plan, desired, &observed).ignoring(&rules);
            let status = status(all, &plan, &drift);
            if screen.wants_json() {
                screen.json("info", "status", &desired.fleet.name, json!(status));
            }
            if !screen.is_json {
                let group_by = options.group_by.as_deref();
                let view = FleetView { width: screen.width(), group_by, all: options.all, paint: screen.out_paint };
                screen.out(&status_text(&status, &view));
            }
        }
    }
    let mut codes = Codes::none();
    codes.add_if(has_errors, Code::Error);
    codes.add_if(!is_complete(&observed), Code::Coverage);
    Ok(codes)
}

/// The fleet after a run.
pub(crate) fn tell_fleet(session: &Session, observed: &Observed, as_of: Timestamp, most: usize, screen: &Screen) {
    let all = survey(&session.desired, observed, as_of);
    if screen.wants_json() {
        screen.json("info", "status", &session.desired.fleet.name, json!({ "as_of": as_of, "clusters": all }));
    }
    if !screen.is_json {
        screen.out(&table_text(&session.desired.fleet.name, &all, as_of, most, screen.out_paint));
    }
}
