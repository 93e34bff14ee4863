//! `backstay state show [RUN]`: what runs have done, as their journals tell it.

use crate::args::{Global, StateCommand};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{Session, second};
use backstay_core::saga::{End, Event};
use backstay_report::{change_line, clean, plural};
use backstay_runtime::history::{self, Call, Run, Story};
use backstay_runtime::lease::{self, LeaseRecord, Lying};
use backstay_runtime::seams::StoreError;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) async fn run(
    command: &StateCommand,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let StateCommand::Show { run } = command;
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    match run {
        None => show_all(&session, host, screen).await,
        Some(id) => show_one(id, &session, screen).await,
    }
}

/// What a run came to, in numbers.
#[derive(Serialize)]
struct Summary {
    run: String,
    began: Option<Timestamp>,
    plan: Option<String>,
    changes: usize,
    /// Changes without an end.
    unfinished: usize,
    /// When it ended; none: it still runs, or was cut off.
    ended: Option<Timestamp>,
    /// The first line that is damaged.
    damaged: Option<usize>,
}

impl Summary {
    fn of(run: &Run) -> Self {
        let (beginning, stories) = (run.beginning(), run.stories());
        Self {
            run: run.id.clone(),
            began: beginning.map(|beginning| beginning.at).or(run.release().map(|(at, ..)| at)),
            plan: beginning.map(|beginning| beginning.plan.brief().to_owned()),
            changes: stories.len(),
            unfinished: stories.iter().filter(|story| story.end.is_none()).count(),
            ended: run.ended_at(),
            damaged: run.reading.damaged,
        }
    }

    fn state(&self) -> String {
        match (self.damaged, self.ended) {
            (Some(line), _) => format!("damaged from line {line} on"),
            (None, Some(at)) => format!("ended {}", second(at)),
            (None, None) => "has no end: it still runs, or was cut off".to_owned(),
        }
    }
}

/// How many records of each kind there are.
#[derive(Debug, Default, Serialize)]
struct Records {
    leases_held: usize,
    leases_expired: usize,
    leases_damaged: usize,
    tombstones: usize,
    tombstones_revoked: usize,
    sightings: usize,
    holds: usize,
    deletes_counted: usize,
}

impl Records {
    async fn read(session: &Session, now: Timestamp) -> Result<Self, StoreError> {
        let store = session.store.as_ref();
        let mut records = Self::default();
        for (_, lying) in lease::list(store).await? {
            match lying {
                Lying::Damaged(_) => records.leases_damaged += 1,
                Lying::Record(LeaseRecord { holder: None, .. }) => {}
                Lying::Record(record) if record.is_held_at(now) => records.leases_held += 1,
                Lying::Record(_) => records.leases_expired += 1,
            }
        }
        let tombstones = store.list("tombstones/").await?;
        records.tombstones_revoked = tombstones.iter().filter(|key| key.ends_with(".revoked")).count();
        records.tombstones = tombstones.len() - records.tombstones_revoked;
        records.sightings = store.list("sightings/").await?.len();
        records.holds = store.list("holds/").await?.len();
        records.deletes_counted = store.list("deletes/").await?.len();
        Ok(records)
    }

    fn text(&self) -> String {
        format!(
            "Leases: {} held, {} expired, {} damaged. Tombstones: {}, of which {} revoked; sightings: {}. Holds: {}. \
             Deletes counted against the limit: {}.\n",
            self.leases_held,
            self.leases_expired,
            self.leases_damaged,
            self.tombstones,
            self.tombstones_revoked,
            self.sightings,
            self.holds,
            self.deletes_counted
        )
    }
}

async fn show_all(session: &Session, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let mut summaries = Vec::new();
    for id in history::runs(session.store.as_ref()).await? {
        // Another run may have forgotten it since the listing.
        if let Some(run) = history::load(session.store.as_ref(), &id).await? {
            summaries.push(Summary::of(&run));
        }
    }
    let records = Records::read(session, host.clock.now()).await?;
    if screen.wants_json() {
        for summary in &summaries {
            screen.json("info", "run", &format!("{}: {}", summary.run, summary.state()), json!({ "run": summary }));
        }
        screen.json("info", "state", "the state store", json!({ "records": records }));
    }
    if screen.is_json {
        return Ok(Codes::none());
    }
    let mut text = String::new();
    if summaries.is_empty() {
        text.push_str("No run has left a journal.\n");
    } else {
        let width = summaries.iter().map(|summary| summary.run.chars().count()).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "{:width$}  {:20}  {:12}  {:>7}  {:>10}  STATE",
            "RUN", "BEGAN", "PLAN", "CHANGES", "UNFINISHED"
        );
        for summary in &summaries {
            let began = summary.began.map_or_else(String::new, |at| second(at).to_string());
            let plan = summary.plan.as_deref().unwrap_or_default();
            let Summary { run, changes, unfinished, .. } = summary;
            let state = summary.state();
            let _ = writeln!(text, "{run:width$}  {began:20}  {plan:12}  {changes:>7}  {unfinished:>10}  {state}");
        }
    }
    let _ = write!(text, "\n{}", records.text());
    screen.out(&text);
    Ok(Codes::none())
}

async fn show_one(id: &str, session: &Session, screen: &Screen) -> anyhow::Result<Codes> {
    let Some(run) = history::load(session.store.as_ref(), id).await? else {
        anyhow::bail!("there is no run `{id}`; `backstay state show` lists all");
    };
    if screen.wants_json() {
        let summary = Summary::of(&run);
        screen.json("info", "run", &format!("{id}: {}", summary.state()), json!({ "run": summary }));
        for record in &run.reading.records {
            screen.json("info", "journal", &record.seq.to_string(), json!({ "record": record }));
        }
    }
    if !screen.is_json {
        screen.out(&run_text(&run));
    }
    Ok(Codes::none())
}

fn run_text(run: &Run) -> String {
    let summary = Summary::of(run);
    let mut text = format!("Run {}: {}\n", run.id, summary.state());
    if let Some(beginning) = run.beginning() {
        let (at, as_of) = (second(beginning.at), second(beginning.as_of));
        let _ = writeln!(text, "  began {at}, with plan {} as of {as_of}", beginning.plan.brief());
    }
    if let Some((at, cluster, point, release)) = run.release() {
        let by = release.by.as_deref().map_or_else(String::new, |by| format!(" by {}", clean(by)));
        let _ = writeln!(text, "  began {}, to release the hold of {point} of {cluster}{by}", second(at));
    }
    let stories = run.stories();
    let (ended, open): (Vec<_>, Vec<_>) = stories.iter().partition(|story| story.end.is_some());
    if !open.is_empty() {
        let _ = writeln!(text, "\nBegun, and without an end: {}", plural(open.len(), "change"));
        for story in open {
            text.push_str(&story_text(story, true));
        }
    }
    if !ended.is_empty() {
        let _ = writeln!(text, "\nBegun and ended: {}", plural(ended.len(), "change"));
        for story in ended {
            text.push_str(&story_text(story, story.end != Some(&End::Done)));
        }
    }
    text
}

/// One change; with its calls where they explain how it came to be so.
fn story_text(story: &Story<'_>, with_calls: bool) -> String {
    let line = change_line(story.change);
    let end = match story.end {
        None => format!("begun {}", second(story.began)),
        Some(End::Done) => "done".to_owned(),
        Some(End::Stale { because }) => format!("stale: {}", clean(because)),
        Some(End::Failed { because }) => format!("failed: {}", clean(because)),
    };
    let site = &story.change.site;
    let mut text = format!("  {} {}  {site}  epoch {}  {end}\n", line.symbol, line.subject, story.epoch);
    for call in story.calls.iter().filter(|_| with_calls) {
        let _ = writeln!(text, "      {}  {}", second(call.at), call_line(call));
    }
    text
}

/// A call and its answer, in words.
pub(super) fn call_line(call: &Call<'_>) -> String {
    let answer = match call.answer {
        None => "no answer: whether it happened is unknown, and the next run looks first".to_owned(),
        Some(Event::Failed { because }) => format!("failed: {}", clean(because)),
        Some(Event::Stale { because }) => format!("stale: {}", clean(because)),
        Some(Event::Done | Event::Begun { .. } | Event::Snapshots { .. } | Event::Stopped { .. }) => {
            "answered".to_owned()
        }
    };
    format!("{}: {answer}", words(call.effect))
}

/// An effect's name in the journal is the word for it; what it is about stands beside it.
fn words(effect: &impl Serialize) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(effect) else { return "a call".to_owned() };
    let name = fields.get("effect").and_then(Value::as_str).unwrap_or("a call").replace('-', " ");
    let about = fields.get("snapshot").or_else(|| fields.get("target").and_then(|target| target.get("id")));
    match about.and_then(Value::as_str) {
        Some(about) => format!("{name} {}", clean(about)),
        None => name,
    }
}
