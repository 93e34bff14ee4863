//! One run, as the command line makes it: look, plan, check, apply, remember. Every step is the engine's own.

use crate::house::House;
use crate::wires::Line;
use backstay_core::admission::{default_instant, not_to_be_applied};
use backstay_core::name::{ClusterUid, SiteName};
use backstay_core::observed::Observed;
use backstay_core::plan::Plan;
use backstay_core::planner;
use backstay_core::refresh::{Refreshed, refresh};
use backstay_core::saga::End;
use backstay_core::seal::Keyring;
use backstay_core::verify::{VerifiedPlan, verify};
use backstay_core::workers::Alone;
use backstay_runtime::apply::{Applied, ChangeEnd, Context, apply};
use backstay_runtime::baseline;
use backstay_runtime::events::Silent;
use backstay_runtime::lease::{Epochs, Terms};
use backstay_runtime::observe::observe;
use backstay_runtime::sites::Sites;
use backstay_runtime::state::State;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// For which instant a run plans.
#[derive(Debug, Clone, Copy)]
pub enum AsOf {
    /// Now.
    Now,
    /// This instant; a virtual clock moves there.
    At(Timestamp),
    /// This long after the virtual clock, which then moves.
    After(SignedDuration),
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Ran {
    /// What it was to do.
    pub plan: Option<Plan>,
    /// What became of it.
    pub applied: Option<Applied>,
    /// The changes that went stale before they could begin.
    pub skipped: BTreeSet<ClusterUid>,
    /// The sites that could not be read.
    pub unread: BTreeSet<SiteName>,
    /// Whether the state store's records could not be read.
    pub lacks_records: bool,
    /// Why it stopped early: the state store failed, or its plan is not to be applied.
    pub stopped: Option<String>,
}

impl Ran {
    /// Whether all went well: everything was read, and each change was done.
    #[must_use]
    pub fn went_well(&self) -> bool {
        let is_done = |end: &ChangeEnd| *end == ChangeEnd::Saga(End::Done);
        let refuses = |plan: &Plan| plan.waiting.iter().any(|waiting| waiting.why.is_refusal());
        self.stopped.is_none()
            && self.unread.is_empty()
            && !self.lacks_records
            && self.skipped.is_empty()
            && self.applied.as_ref().is_some_and(|applied| applied.ended.values().all(is_done))
            && !self.plan.as_ref().is_some_and(refuses)
    }

    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.changes.is_empty())
    }

    /// What it planned and what came of it, for people.
    #[must_use]
    pub fn tell(&self) -> String {
        let plan = self
            .plan
            .as_ref()
            .map(|plan| backstay_report::plan_text(&backstay_report::Report::of(plan), backstay_report::View::PLAIN));
        let ends: Vec<String> = self
            .applied
            .iter()
            .flat_map(|applied| &applied.ended)
            .map(|(index, end)| format!("  {index}: {end:?}\n"))
            .collect();
        let Self { skipped, unread, stopped, .. } = self;
        format!(
            "{}{}skipped {skipped:?}, unread {unread:?}, stopped {stopped:?}\n",
            plan.unwrap_or_default(),
            ends.concat()
        )
    }
}

/// A runner in the middle of its run.
struct Running<'a> {
    house: &'a House,
    line: &'a Arc<Line>,
    sites: Sites,
    run: &'a str,
    ran: Ran,
}

/// Looks, plans and applies.
pub async fn run(house: &House, line: &Arc<Line>, run: &str, as_of: AsOf) -> Ran {
    line.begin(run);
    let mut running = Running { house, line, sites: house.sites(line), run, ran: Ran::default() };
    if let Err(error) = running.plan_and_apply(as_of).await {
        running.ran.stopped = Some(error.to_string());
    }
    running.ran
}

/// Applies a plan that was made before, as `apply FILE` does.
pub async fn run_plan(house: &House, line: &Arc<Line>, run: &str, plan: Plan) -> Ran {
    line.begin(run);
    let mut running = Running { house, line, sites: house.sites(line), run, ran: Ran::default() };
    if let Err(error) = running.apply_file(plan).await {
        running.ran.stopped = Some(error.to_string());
    }
    running.ran
}

impl Running<'_> {
    async fn look(&mut self) -> anyhow::Result<(Epochs, Observed)> {
        let House { documents, time, key, .. } = self.house;
        let store = self.house.records(self.line);
        let seen = Epochs::read(&store).await?;
        let keyring = Keyring::new([key.public()]);
        let observed =
            observe(&documents.desired, &self.sites, State(&store), keyring, time, &Silent, self.house.parallelism)
                .await;
        let unread = observed.sites.iter().filter(|(_, site)| site.complete().is_none());
        self.ran.unread = unread.map(|(name, _)| name.clone()).collect();
        self.line.keep_unread(self.ran.unread.iter().map(ToString::to_string));
        self.ran.lacks_records = observed.records.complete().is_none();
        Ok((seen, observed))
    }

    async fn plan_and_apply(&mut self, as_of: AsOf) -> anyhow::Result<()> {
        let (seen, observed) = self.look().await?;
        let documents = self.house.documents.clone();
        let desired = &documents.desired;
        let as_of = instant(as_of, &default_instant(desired, &observed));
        let store = self.house.records(self.line);
        let record = observed.records.complete().and_then(|records| records.baseline.as_ref());
        let before = baseline::load(&store, record, desired, Path::new("/nowhere")).await;
        let plan = planner::plan_with(&Alone, desired, &observed, before.as_ref(), as_of);
        let text = || format!("{plan:#?}");
        let verified = match verify(plan.clone(), desired, &observed) {
            Ok(verified) => verified,
            Err(violations) => panic!("the plan broke an invariant: {violations}\n{}", text()),
        };
        self.house.shelves.remember(&observed);
        self.line.keep_plan(&plan);
        self.ran.plan = Some(plan);
        if let Some(because) = not_to_be_applied(verified.plan()) {
            anyhow::bail!(because);
        }
        self.apply(&verified, &observed, &seen).await
    }

    async fn apply_file(&mut self, plan: Plan) -> anyhow::Result<()> {
        let (seen, observed) = self.look().await?;
        let documents = self.house.documents.clone();
        let Refreshed { plan, skipped } = refresh(plan, &observed);
        self.ran.skipped = skipped.into_iter().map(|skip| skip.change.cluster).collect();
        self.line.keep_plan(&plan);
        self.ran.plan = Some(plan.clone());
        match verify(plan, &documents.desired, &observed) {
            Ok(verified) => self.apply(&verified, &observed, &seen).await,
            Err(violations) => anyhow::bail!("the plan breaks what must always hold: {violations}"),
        }
    }

    async fn apply(&mut self, plan: &VerifiedPlan, observed: &Observed, seen: &Epochs) -> anyhow::Result<()> {
        let store = self.house.records(self.line);
        let documents = self.house.documents.clone();
        let context = Context {
            desired: &documents.desired,
            sites: &self.sites,
            store: &store,
            clock: &self.house.time,
            key: Some(&self.house.key),
            observer: &Silent,
            seen,
            sights: true,
            terms: Terms::default(),
            parallelism: self.house.parallelism,
            lease_timeout: SignedDuration::ZERO,
            run: self.run,
            cancelled: &AtomicBool::new(false),
        };
        let applied = apply(&context, plan, observed).await?;
        let mut unfinished = applied.unfinished(plan);
        unfinished.extend(self.ran.skipped.iter().cloned());
        self.ran.applied = Some(applied);
        Ok(baseline::record(&store, &documents.sources, plan.plan().basis.as_of, unfinished).await?)
    }
}

fn instant(as_of: AsOf, now: &Timestamp) -> Timestamp {
    match as_of {
        AsOf::Now => *now,
        AsOf::At(instant) => instant,
        AsOf::After(length) => now.checked_add(length).unwrap_or(*now),
    }
}
