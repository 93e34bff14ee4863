//! `backstay status [CLUSTER]`.

use super::is_complete;
use crate::args::{Global, StatusOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Session};
use backstay_core::observed::Observed;
use backstay_core::planner::survey;
use backstay_report::{cluster_text, status_text};
use jiff::Timestamp;
use serde_json::json;

/// How many clusters are written out, the worst first.
const MOST: usize = 150;

/// How many after an apply: what it did must not be scrolled away.
pub(crate) const MOST_AFTER_APPLY: usize = 20;

pub(crate) async fn run(
    options: &StatusOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let observed = session.observe(host, screen).await?;
    let as_of = session::as_of(None, &session.desired, &observed)?;
    match &options.cluster {
        None => tell_fleet(&session, &observed, as_of, MOST, screen),
        Some(wanted) => {
            let all = survey(&session.desired, &observed, as_of);
            let found = all.iter().find(|status| status.name.as_str() == wanted || status.uid.as_str() == wanted);
            let Some(status) = found else {
                anyhow::bail!("there is no cluster `{wanted}`; `backstay status` lists all");
            };
            screen.json("info", "status", wanted, json!({ "as_of": as_of, "cluster": status }));
            if !screen.is_json {
                screen.out(&cluster_text(status, as_of, screen.out_paint));
            }
        }
    }
    let mut codes = Codes::none();
    codes.add_if(session.has_errors, Code::Error);
    codes.add_if(!is_complete(&observed), Code::Coverage);
    Ok(codes)
}

/// The fleet at a glance.
pub(crate) fn tell_fleet(session: &Session, observed: &Observed, as_of: Timestamp, most: usize, screen: &Screen) {
    let all = survey(&session.desired, observed, as_of);
    if screen.wants_json() {
        screen.json("info", "status", &session.desired.fleet.name, json!({ "as_of": as_of, "clusters": all }));
    }
    if !screen.is_json {
        screen.out(&status_text(&session.desired.fleet.name, &all, as_of, most, screen.out_paint));
    }
}
