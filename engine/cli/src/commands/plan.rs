//! `backstay plan`.

use super::base::Base;
use super::inventory::recorded;
use super::write_file;
use crate::args::{AsOf, Global, PlanOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::selectors::Views;
use crate::session::{self, Session};
use backstay_core::admission::not_to_be_applied;
use backstay_core::model::Desired;
use backstay_core::narrow::{Selection, Unselectable, narrow, without_rest};
use backstay_core::observed::Observed;
use backstay_core::plan::Plan;
use backstay_core::planner;
use backstay_core::verify::{Checked, VerifiedPlan, Violations, verify_or_leave_out, verify_with};
use backstay_report::{Report, change_line, plan_json, plan_md, plan_table, plan_text};
use backstay_runtime::lease::Epochs;
use backstay_runtime::threads::Threads;
use jiff::Timestamp;
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
    let base = options.base.as_ref().map(|named| Base::read(named, global, host, screen)).transpose()?;
    let session = Session::open_at(options.git_ref.as_deref(), global, host, screen)?;
    let Some(mut session) = session else { return Ok(Codes::of(Code::Error)) };
    let selection = options.selectors.selection(&session.desired, global, host)?;
    if let Some(base) = &base {
        session.also_see(base.desired(), host);
    }
    let mut observed = match &options.inventory {
        Some(path) => recorded(&session, path)?,
        None => session.observe(host, screen).await?,
    };
    let base = base.map(|base| base.setting_aside(&mut observed, &session.desired));
    let planned = make(&session, observed, Epochs::default(), options.as_of, &selection).await?;
    let plan = planned.plan.plan();
    if base.is_none() {
        tell(plan, &options.views, screen);
    }
    if let Some(path) = &options.out {
        let file = path.display();
        write_file(&session.root.join(path), plan.to_file())?;
        screen.note(&format!("\nThe plan is in {file}, digest {}.", plan.digest()));
        match not_to_be_applied(plan) {
            None if !screen.hints => {}
            None => {
                let until = plan.basis.valid_until;
                screen.note(&format!("`backstay apply {file}` applies exactly it, until {until}."));
            }
            Some(because) => screen.note(&format!("It is not to be applied: {because}.")),
        }
    }
    if let Some(base) = base {
        return base.tell(planned, options, &selection, &session, screen).await;
    }
    let is_short = tell_left_out(planned.left_out.as_ref(), screen);
    let mut codes = codes_of(plan, &planned.observed, session.has_errors || is_short, options.detailed_exitcode);
    let is_stopped = plan.waiting.iter().any(|waiting| waiting.why.is_refusal());
    codes.add_if(options.selectors.max_delete.is_some() && is_stopped, Code::Refused);
    // The process is about to end: what a million snapshots take need not be given back piece by piece.
    std::mem::forget(planned);
    Ok(codes)
}

/// Plans, and has the plan checked. A violation is a defect of the planner: nothing of the plan may run.
pub(crate) async fn make(
    session: &Session,
    observed: Observed,
    seen: Epochs,
    asked: Option<AsOf>,
    selection: &Selection,
) -> anyhow::Result<Planned> {
    let as_of = session::as_of(asked, &session.desired, &observed)?;
    let planned = make_for(session, &session.desired, observed, as_of).await?;
    if selection.is_all() {
        return Ok(Planned { seen, ..planned });
    }
    let Planned { plan, left_out, observed, .. } = planned;
    let plan = narrowed(plan, selection, session, &observed)?;
    Ok(Planned { plan, left_out, observed, seen })
}

/// The same for other documents and an instant.
pub(crate) async fn make_for(
    session: &Session,
    desired: &Desired,
    observed: Observed,
    as_of: Timestamp,
) -> anyhow::Result<Planned> {
    let baseline = session.baseline(&observed).await;
    let plan = planner::plan_with(&Threads::available(), desired, &observed, baseline.as_ref(), as_of);
    let checked = verify_or_leave_out(&Threads::available(), plan, desired, &observed).map_err(|violations| {
        anyhow::anyhow!("the plan broke an invariant, and was thrown away. This is a defect of Backstay:\n{violations}")
    })?;
    let Checked { plan, left_out } = checked;
    Ok(Planned { plan, left_out, observed, seen: Epochs::default() })
}

/// A part of a plan, checked as what it is. What may not stand without that which was left out is left out with it.
fn narrowed(
    plan: VerifiedPlan,
    selection: &Selection,
    session: &Session,
    observed: &Observed,
) -> anyhow::Result<VerifiedPlan> {
    let wrong = |wrong: Vec<Unselectable>| {
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", told.join("\n"))
    };
    let part = narrow(plan.into_plan(), selection, &session.desired, observed).map_err(wrong)?;
    let alone = |violations: Violations| anyhow::anyhow!("this part of the plan may not stand alone:\n{violations}");
    let whole = part.clone();
    let Checked { plan, left_out } =
        verify_or_leave_out(&Threads::available(), part, &session.desired, observed).map_err(alone)?;
    match left_out {
        None => Ok(plan),
        Some(_) => {
            let smaller = without_rest(&whole, plan.into_plan());
            verify_with(&Threads::available(), smaller, &session.desired, observed).map_err(alone)
        }
    }
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

/// Shows a plan to people and machines.
pub(crate) fn tell(plan: &Plan, views: &Views, screen: &Screen) {
    let report = Report::of(plan);
    if screen.wants_json() {
        tell_machines(&report, screen);
    }
    if !screen.is_json {
        tell_people(&report, views, screen);
    }
}

/// Shows a plan to people, as they asked for it.
pub(super) fn tell_people(report: &Report<'_>, views: &Views, screen: &Screen) {
    if views.md {
        screen.out_whole(&plan_md(report, views.max_chars));
    } else if views.group_by.is_empty() {
        screen.out(&plan_text(report, screen.view(views.full)));
    } else {
        screen.out(&plan_table(report, &views.group_by, screen.view(views.full)));
    }
}

/// One line for each change and each finding, and one for the whole.
pub(super) fn tell_machines(report: &Report<'_>, screen: &Screen) {
    for change in &report.plan.changes {
        let line = change_line(change);
        let message = format!("{} {}", line.symbol, line.subject);
        screen.json("info", "planned_change", &message, json!({ "change": change }));
    }
    for finding in &report.plan.findings {
        screen.json("warn", "resource_drift", &finding.what.to_string(), json!({ "finding": finding }));
    }
    let counts = report.counts;
    let changes = json!({ "add": counts.add, "change": counts.change, "remove": counts.destroy, "operation": "plan" });
    let fields = json!({ "changes": changes, "plan": plan_json(report) });
    screen.json("info", "change_summary", &report.summary(), fields);
}

/// The codes of a plan. Records that could not be read are as bad as a site: "in sync" cannot be said.
pub(crate) fn codes_of(plan: &Plan, observed: &Observed, has_errors: bool, is_detailed: bool) -> Codes {
    let mut codes = Codes::none();
    codes.add_if(has_errors, Code::Error);
    codes.add_if(!plan.is_coverage_complete() || observed.records.complete().is_none(), Code::Coverage);
    codes.add_if(is_detailed && !plan.changes.is_empty(), Code::Differences);
    codes
}
