//! `backstay apply [FILE]`.

use super::plan::{self, Planned};
use super::{is_complete, read_file, status};
use crate::args::{ApplyOptions, Global, Role};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::selectors::Views;
use crate::session::{self, Session, directory, second};
use backstay_core::admission::not_to_be_applied;
use backstay_core::model::Desired;
use backstay_core::name::ClusterUid;
use backstay_core::observed::Observed;
use backstay_core::plan::{Action, Change, Plan, UnreadablePlan};
use backstay_core::refresh::{Refreshed, Skipped, refresh};
use backstay_core::saga::End;
use backstay_core::verify::{Violations, verify_with};
use backstay_report::{change_line, clean, plural};
use backstay_runtime::apply::{Applied, ChangeEnd, Context, apply};
use backstay_runtime::baseline;
use backstay_runtime::file_store::HostKeyDisk;
use backstay_runtime::history;
use backstay_runtime::keys::SealedBefore;
use backstay_runtime::lease::Terms;
use backstay_runtime::threads::Threads;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

/// A plan that is ready to run with the fleet that it is for, or the code of the reason why not, which was told.
enum Ready {
    Go(Box<Go>),
    Stop(Codes),
}

struct Go {
    session: Session,
    planned: Planned,
    /// The clusters of changes that went stale before the run.
    skipped: BTreeSet<ClusterUid>,
}

pub(crate) async fn run(
    options: &ApplyOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let ready = match &options.file {
        Some(path) => from_file(path, options, global, host, screen).await?,
        None => fresh(options, global, host, screen).await?,
    };
    match ready {
        Ready::Stop(codes) => Ok(codes),
        Ready::Go(go) => {
            // From here a signal lets running calls finish; before, there is nothing to finish.
            host.is_working.store(true, Ordering::SeqCst);
            let desired = &go.session.desired;
            let applied = carry_out(&go.session, desired, &go.planned, options.role, global, host, screen).await;
            let recorded = match &applied {
                // What a sweep leaves to others it has not applied.
                Ok(applied) if options.role != Some(Role::Sweep) => record(&go, applied, host).await,
                Ok(_) | Err(_) => Ok(()),
            };
            host.is_working.store(false, Ordering::SeqCst);
            let applied = applied?;
            recorded?;
            conclude(&go, &applied, options.strict, host, screen).await
        }
    }
}

/// Records what the next plan's causes are judged by, and forgets what nobody asks for any more.
async fn record(go: &Go, applied: &Applied, host: &Host) -> anyhow::Result<()> {
    let mut unfinished = applied.unfinished(&go.planned.plan);
    unfinished.extend(go.skipped.iter().cloned());
    let narrowed = go.planned.plan.plan().basis.narrowed.as_ref();
    unfinished.extend(narrowed.into_iter().flat_map(|narrowed| narrowed.unfinished.iter().cloned()));
    let as_of = go.planned.plan.plan().basis.as_of;
    history::forget_old(go.session.store.as_ref(), host.clock.now()).await?;
    Ok(baseline::record(go.session.store.as_ref(), &go.session.sources, as_of, unfinished).await?)
}

/// A plan made now, shown, and approved by a person unless that was waived.
async fn fresh(options: &ApplyOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Ready> {
    let Some(session) = Session::open(global, host, screen)? else {
        return Ok(Ready::Stop(Codes::of(Code::Error)));
    };
    let stop = |code: Code| {
        let mut codes = Codes::of(code);
        codes.add_if(session.has_errors, Code::Error);
        Ok(Ready::Stop(codes))
    };
    let selection = options.selectors.selection(&session.desired, global, host)?;
    let seen = session.leases().await?;
    let observed = session.observe(host, screen).await?;
    let planned = plan::make(&session, observed, seen, options.as_of, &selection).await?;
    let planned = match part_of(planned, options.role, &session) {
        Ok(planned) => planned,
        Err(violations) => anyhow::bail!("this role's part of the plan may not stand alone:\n{violations}"),
    };
    let plan = planned.plan.plan();
    plan::tell(plan, &Views::default(), screen);
    plan::tell_left_out(planned.left_out.as_ref(), screen);
    if let Some(because) = not_to_be_applied(plan) {
        screen.error(&anyhow::anyhow!("{because}"));
        return stop(Code::Refused);
    }
    if !options.auto_approve && !plan.changes.is_empty() {
        let question = "\nDo you want Backstay to do this? Only `yes` is accepted: ";
        match screen.ask(question).as_deref() {
            Some("yes") => {}
            Some(_) => {
                screen.note("Cancelled: nothing was done.");
                return stop(Code::Cancelled);
            }
            None => anyhow::bail!("nobody can be asked: give -auto-approve, or a plan file"),
        }
    }
    Ok(Ready::Go(Box::new(Go { session, planned, skipped: BTreeSet::new() })))
}

/// A plan that was made before: still valid, with its own documents, cut down to what is still so, and checked again.
async fn from_file(
    path: &Path,
    options: &ApplyOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Ready> {
    let stop = |code: Code, because: String| {
        screen.error(&anyhow::anyhow!("{because}"));
        Ok(Ready::Stop(Codes::of(code)))
    };
    let plan = match Plan::from_file(&read_file(&directory(global, host).join(path))?) {
        Ok(plan) => plan,
        Err(error @ UnreadablePlan::Digest) => return stop(Code::Refused, format!("{}: {error}", path.display())),
        Err(error @ (UnreadablePlan::Form(_) | UnreadablePlan::Version(_))) => {
            return stop(Code::Error, format!("{}: {error}", path.display()));
        }
    };
    if let Some(approved) = &options.approved_digest
        && !plan.digest().to_string().eq_ignore_ascii_case(approved.trim_start_matches("sha256:"))
    {
        let because = format!("another plan was approved: the digest of {} is {}", path.display(), plan.digest());
        return stop(Code::Refused, because);
    }
    if let Some(because) = not_to_be_applied(&plan) {
        return stop(Code::Refused, because);
    }
    if host.clock.now() > plan.basis.valid_until {
        return stop(Code::Stale, format!("the plan expired at {}: make a new one", plan.basis.valid_until));
    }
    let session = match Session::open_for(&plan, global, host, screen)? {
        Ok(session) => session,
        Err(because) => return stop(Code::Stale, because),
    };
    let seen = session.leases().await?;
    let observed = session.observe(host, screen).await?;
    let Refreshed { plan, skipped } = refresh(plan, &observed);
    let is_ours = |skip: &Skipped| is_of(options.role, &skip.change);
    let skipped: Vec<Skipped> = skipped.into_iter().filter(is_ours).collect();
    for skip in &skipped {
        tell_skipped(skip, screen);
    }
    if options.strict && !skipped.is_empty() {
        let because = format!("{} went stale since the plan: nothing was done", plural(skipped.len(), "change"));
        return stop(Code::Stale, because);
    }
    let skipped = skipped.into_iter().map(|skip| skip.change.cluster).collect();
    let plan = cut_to(plan, options.role);
    let plan = match verify_with(&Threads::available(), plan, &session.desired, &observed) {
        Ok(plan) => plan,
        Err(violations) => return stop(Code::Refused, format!("the plan breaks what must always hold:\n{violations}")),
    };
    Ok(Ready::Go(Box::new(Go { session, planned: Planned { plan, left_out: None, observed, seen }, skipped })))
}

/// Whether a change is this role's to make.
fn is_of(role: Option<Role>, change: &Change) -> bool {
    let deletes = matches!(change.action, Action::Delete(_));
    match role {
        None => true,
        Some(Role::Store) => !deletes,
        Some(Role::Sweep) => deletes,
    }
}

fn cut_to(mut plan: Plan, role: Option<Role>) -> Plan {
    plan.changes.retain(|change| is_of(role, change));
    plan
}

/// A role's part of a plan, which must hold by itself.
fn part_of(planned: Planned, role: Option<Role>, session: &Session) -> Result<Planned, Violations> {
    if role.is_none() {
        return Ok(planned);
    }
    let Planned { plan, left_out, observed, seen } = planned;
    let plan = cut_to(plan.plan().clone(), role);
    let plan = verify_with(&Threads::available(), plan, &session.desired, &observed)?;
    Ok(Planned { plan, left_out, observed, seen })
}

fn tell_skipped(skip: &Skipped, screen: &Screen) {
    let line = change_line(&skip.change);
    let outcome = json!({ "end": "stale", "because": skip.because });
    screen.json("warn", "apply_errored", &line.subject, json!({ "change": skip.change, "outcome": outcome }));
    if !screen.is_json {
        screen.note(&format!("  {} {}  skipped: {}", line.symbol, line.subject, clean(&skip.because)));
    }
}

/// Applies a plan for a fleet of this session, or for a part of it.
pub(super) async fn carry_out(
    session: &Session,
    desired: &Desired,
    planned: &Planned,
    role: Option<Role>,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Applied> {
    let sealed = SealedBefore::of(&planned.observed);
    let entropy = host.entropy.as_ref();
    // Nothing to do seals nothing: no key is made for it.
    let key = match planned.plan.plan().changes.as_slice() {
        [] => None,
        [_, ..] => Some(session.key_file.key_or_make(&HostKeyDisk, entropy, session.store.as_ref(), sealed).await?),
    };
    let run = run_id(host)?;
    let progress = Progress::applying(screen, planned.plan.plan().changes.len());
    let context = Context {
        desired,
        sites: &session.sites,
        store: session.store.as_ref(),
        clock: host.clock.as_ref(),
        key: key.as_ref(),
        observer: &progress,
        seen: &planned.seen,
        sights: role != Some(Role::Store),
        parallelism: global.parallelism,
        lease_timeout: global.lease_timeout,
        terms: terms(host)?,
        run: &run,
        cancelled: &host.cancelled,
    };
    Ok(apply(&context, &planned.plan, &planned.observed).await?)
}

/// How long leases last. A test that wants to see one end says so in the environment: `BACKSTAY_INTERNAL_LEASE=4s/1s`, a term and a
/// margin.
pub(super) fn terms(host: &Host) -> anyhow::Result<Terms> {
    let Some(text) = host.environment.get("BACKSTAY_INTERNAL_LEASE") else { return Ok(Terms::default()) };
    let terms = text.split_once('/').and_then(|(term, margin)| Terms::new(term.parse().ok()?, margin.parse().ok()?));
    terms.ok_or_else(|| anyhow::anyhow!("BACKSTAY_INTERNAL_LEASE is `{text}`: a term and a margin, as 4s/1s"))
}

/// A run's id: when it began, and chance, so that two runs never share one.
pub(super) fn run_id(host: &Host) -> anyhow::Result<String> {
    let chance = host.entropy.bytes()?;
    let suffix = data_encoding::HEXLOWER.encode(&chance[..4]);
    Ok(format!("{}-{suffix}", backstay_core::time::stamp(second(host.clock.now()))))
}

/// Tells what was done, and shows the fleet.
async fn conclude(go: &Go, applied: &Applied, is_strict: bool, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let Go { session, planned, skipped } = go;
    tell_applied(planned.plan.plan(), applied, !skipped.is_empty(), screen);
    let observed = session.observe(host, screen).await?;
    if !screen.is_json {
        screen.out("\n");
    }
    let as_of = session::as_of(None, &session.desired, &observed)?;
    status::tell_fleet(session, &observed, as_of, status::MOST_AFTER_APPLY, screen);
    Ok(codes_of(go, applied, is_strict, host, &observed))
}

pub(super) fn tell_applied(plan: &Plan, applied: &Applied, was_cut: bool, screen: &Screen) {
    let done = |wanted: fn(&Action) -> bool| {
        let is_done = |(index, end): &(&usize, &ChangeEnd)| {
            **end == ChangeEnd::Saga(End::Done)
                && plan.changes.get(**index).is_some_and(|change| wanted(&change.action))
        };
        applied.ended.iter().filter(is_done).count()
    };
    let added = done(|action| matches!(action, Action::Create(_) | Action::Copy(_)));
    let changed =
        done(|action| matches!(action, Action::Tag(_) | Action::Lock(_) | Action::Expire(_) | Action::Revive(_)));
    let destroyed = done(|action| matches!(action, Action::Delete(_)));
    let all_done = !was_cut && applied.count(|end| *end == ChangeEnd::Saga(End::Done)) == plan.changes.len();
    let verdict = if all_done { "Apply complete!" } else { "Applied in part." };
    let text = format!("{verdict} Resources: {added} added, {changed} changed, {destroyed} destroyed.");
    let changes = json!({ "add": added, "change": changed, "remove": destroyed, "operation": "apply" });
    screen.json("info", "change_summary", &text, json!({ "changes": changes }));
    if !screen.is_json && (was_cut || !plan.changes.is_empty()) {
        let painted = if all_done { screen.out_paint.green(&text) } else { screen.out_paint.yellow(&text) };
        screen.out(&format!("\n{painted}\n"));
    }
}

/// The codes of how the changes of a run ended.
pub(super) fn codes_of_ends(applied: &Applied, host: &Host) -> Codes {
    let mut codes = Codes::none();
    let went_wrong = |end: &ChangeEnd| matches!(end, ChangeEnd::Saga(End::Stale { .. } | End::Failed { .. }));
    codes.add_if(applied.count(went_wrong) > 0, Code::Partial);
    codes.add_if(applied.count(|end| matches!(end, ChangeEnd::LeaseHeld(_))) > 0, Code::LeaseHeld);
    codes.add_if(host.cancelled.load(Ordering::SeqCst), Code::Cancelled);
    codes
}

fn codes_of(go: &Go, applied: &Applied, is_strict: bool, host: &Host, observed: &Observed) -> Codes {
    let Go { session, planned, skipped } = go;
    let plan = planned.plan.plan();
    let has_errors = session.has_errors || planned.left_out.is_some();
    let mut codes = plan::codes_of(plan, &planned.observed, has_errors, false);
    codes.merge(codes_of_ends(applied, host));
    let went_stale = |end: &ChangeEnd| matches!(end, ChangeEnd::Saga(End::Stale { .. }));
    codes.add_if(is_strict && applied.count(went_stale) > 0, Code::Stale);
    codes.add_if(!skipped.is_empty(), Code::Partial);
    codes.add_if(plan.waiting.iter().any(|waiting| waiting.why.is_refusal()), Code::Refused);
    codes.add_if(!is_complete(observed), Code::Coverage);
    codes
}
