//! `backstay plan`.

use super::inventory::recorded;
use super::write_file;
use crate::args::{AsOf, Global, PlanOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Session};
use backstay_core::admission::not_to_be_applied;
use backstay_core::observed::Observed;
use backstay_core::plan::Plan;
use backstay_core::planner;
use backstay_core::verify::{Checked, VerifiedPlan, Violations, verify_or_leave_out};
use backstay_report::{change_line, plan_json, plan_text, summary_line};
use backstay_runtime::lease::Epochs;
use backstay_runtime::threads::Threads;
use serde_json::json;

/// A plan with what it was made from.
pub(crate) struct Planned {
    pub(crate) plan: VerifiedPlan,
    /// What the whole plan would have broken: it was left out.
    pub(crate) left_out: Option<Violations>,
    pub(crate) observed: Observed,
    /// The leases as they were before that.
    pub(crate) seen: Epochs,
}

pub(crate) async fn run(options: &PlanOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let observed = match &options.inventory {
        Some(path) => recorded(&session, path)?,
        None => session.observe(host, screen).await?,
    };
    let planned = make(&session, observed, Epochs::default(), options.as_of).await?;
    let plan = planned.plan.plan();
    tell(plan, screen);
    if let Some(path) = &options.out {
        let file = path.display();
        write_file(&session.root.join(path), plan.to_file())?;
        screen.note(&format!("\nThe plan is in {file}, digest {}.", plan.digest()));
        screen.note(&match not_to_be_applied(plan) {
            None => format!("`backstay apply {file}` applies exactly it, until {}.", plan.basis.valid_until),
            Some(because) => format!("It is not to be applied: {because}."),
        });
    }
    let is_short = tell_left_out(planned.left_out.as_ref(), screen);
    let codes = codes_of(plan, &planned.observed, session.has_errors || is_short, options.detailed_exitcode);
    Ok(codes)
}

/// Plans, and has the plan checked. A violation is a defect of the planner: nothing of the plan may run.
pub(crate) async fn make(
    session: &Session,
    observed: Observed,
    seen: Epochs,
    asked: Option<AsOf>,
) -> anyhow::Result<Planned> {
    let as_of = session::as_of(asked, &session.desired, &observed)?;
    let baseline = session.baseline(&observed).await;
    let plan = planner::plan_with(&Threads::available(), &session.desired, &observed, baseline.as_ref(), as_of);
    let checked =
        verify_or_leave_out(&Threads::available(), plan, &session.desired, &observed).map_err(|violations| {
            anyhow::anyhow!(
                "the plan broke an invariant, and was thrown away. This is a defect of Backstay:\n{violations}"
            )
        })?;
    let Checked { plan, left_out } = checked;
    Ok(Planned { plan, left_out, observed, seen })
}

/// Tells what had to be left out of a plan, and says whether anything had.
pub(crate) fn tell_left_out(left_out: Option<&Violations>, screen: &Screen) -> bool {
    if let Some(violations) = left_out {
        screen.error(&anyhow::anyhow!(
            "what broke an invariant was left out of the plan; all else stands. This is a defect of Backstay:\n{violations}"
        ));
    }
    left_out.is_some()
}

/// Shows a plan to people or machines.
pub(crate) fn tell(plan: &Plan, screen: &Screen) {
    if !screen.is_json {
        screen.out(&plan_text(plan, screen.out_paint));
        return;
    }
    for change in &plan.changes {
        let line = change_line(change);
        screen.json(
            "info",
            "planned_change",
            &format!("{} {}", line.symbol, line.subject),
            json!({ "change": change }),
        );
    }
    for finding in &plan.findings {
        screen.json("warn", "resource_drift", &finding.what.to_string(), json!({ "finding": finding }));
    }
    let counts = plan.counts();
    let changes = json!({ "add": counts.add, "change": counts.change, "remove": counts.destroy, "operation": "plan" });
    screen.json("info", "change_summary", &summary_line(plan), json!({ "changes": changes, "plan": plan_json(plan) }));
}

/// The codes of a plan. Records that could not be read are as bad as a site: "in sync" cannot be said.
pub(crate) fn codes_of(plan: &Plan, observed: &Observed, has_errors: bool, is_detailed: bool) -> Codes {
    let mut codes = Codes::none();
    codes.add_if(has_errors, Code::Error);
    codes.add_if(!plan.is_coverage_complete() || observed.records.complete().is_none(), Code::Coverage);
    codes.add_if(is_detailed && !plan.changes.is_empty(), Code::Differences);
    codes
}
