//! What a run shows while it runs: bars on a terminal, lines in a log, JSON for machines.

use crate::screen::Screen;
use crate::session::second;
use backstay_core::plan::Change;
use backstay_core::saga::End;
use backstay_report::{change_line, clean};
use backstay_runtime::apply::ChangeEnd;
use backstay_runtime::events::{Event, Observer};
use backstay_runtime::lease::LeaseRecord;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::SignedDuration;
use serde_json::json;

pub(crate) struct Progress<'a> {
    screen: &'a Screen,
    bar: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Shows the reading of the sites.
    pub(crate) fn reading(screen: &'a Screen) -> Self {
        Self::new(screen, None, "{spinner} reading  {wide_msg}")
    }

    /// Shows the applying of so many changes.
    pub(crate) fn applying(screen: &'a Screen, changes: usize) -> Self {
        Self::new(screen, Some(changes), "{spinner} applying [{bar:32}] {pos}/{len}  {elapsed}  {wide_msg}")
    }

    fn new(screen: &'a Screen, length: Option<usize>, template: &str) -> Self {
        let bar = screen.draws.then(|| {
            let length = length.and_then(|length| u64::try_from(length).ok());
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸ "));
            }
            bar
        });
        Self { screen, bar }
    }

    fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.note(text)),
            None => self.screen.note(text),
        }
    }

    fn ended(&self, change: &Change, end: &ChangeEnd) {
        let told = change_line(change);
        let subject = format!("{} {}", told.symbol, told.subject);
        match end {
            // On a terminal the bar tells what went well.
            ChangeEnd::Saga(End::Done) if self.bar.is_some() => {}
            // The verdict counts what was not begun.
            ChangeEnd::Cancelled => {}
            ChangeEnd::Saga(End::Done) => self.line(&format!("  {subject}  done")),
            ChangeEnd::Saga(End::Stale { because }) => self.line(&format!("  {subject}  skipped: {}", clean(because))),
            ChangeEnd::Saga(End::Failed { because }) => self.line(&format!("  {subject}  failed: {}", clean(because))),
            ChangeEnd::LeaseHeld(lease) => self.line(&format!("  {subject}  skipped: {}", held(lease))),
        }
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    fn json(&self, event: &Event) {
        let (level, kind, message, fields) = match event {
            Event::Page { site, of, page, items } => (
                "info",
                "inventory_page",
                format!("{site}: {of}, page {page}"),
                json!({ "site": site, "of": of, "page": page, "items": items }),
            ),
            Event::SiteRead { site, unknown } => {
                let (level, told) = if unknown.is_some() { ("error", "could not be read") } else { ("info", "read") };
                (level, "coverage", format!("{site}: {told}"), json!({ "site": site, "unknown": unknown }))
            }
            Event::ChangeStarted { index, change } => {
                ("info", "apply_start", change_line(change).subject, json!({ "index": index, "change": change }))
            }
            Event::ChangeEnded { index, change, end } => {
                let (level, kind, outcome) = match end {
                    ChangeEnd::Saga(end @ End::Done) => ("info", "apply_complete", json!(end)),
                    ChangeEnd::Saga(end @ End::Stale { .. }) => ("warn", "apply_errored", json!(end)),
                    ChangeEnd::Saga(end @ End::Failed { .. }) => ("error", "apply_errored", json!(end)),
                    ChangeEnd::LeaseHeld(lease) => {
                        let outcome = json!({ "end": "lease-held", "because": held(lease), "lease": lease });
                        ("warn", "apply_errored", outcome)
                    }
                    ChangeEnd::Cancelled => ("warn", "apply_errored", json!({ "end": "cancelled" })),
                };
                let fields = json!({ "index": index, "change": change, "outcome": outcome });
                (level, kind, change_line(change).subject, fields)
            }
            Event::Settling { left } => {
                ("info", "apply_progress", format!("{left} snapshots are not ready yet"), json!({ "left": left }))
            }
            Event::Throttled { site, class, wait } => (
                "warn",
                "throttled",
                format!("{site}: {class} waits {}s", seconds(*wait)),
                json!({ "site": site, "class": class.as_str(), "seconds": seconds(*wait) }),
            ),
            Event::ClockMoved { site, to } => {
                ("info", "apply_progress", format!("{site}: the clock is {to}"), json!({ "site": site, "clock": to }))
            }
        };
        self.screen.json(level, kind, &message, fields);
    }
}

/// What to do about a lease that another run holds.
pub(crate) fn held(lease: &LeaseRecord) -> String {
    let holder = clean(lease.holder.as_deref().unwrap_or("another run"));
    let until = second(lease.until());
    format!("run {holder} holds the lease until {until}: wait with -lease-timeout=11m, or come back then")
}

/// A length in whole seconds, rounded up.
fn seconds(length: SignedDuration) -> i64 {
    length.as_secs() + i64::from(length.subsec_nanos() > 0)
}

impl Observer for Progress<'_> {
    fn on(&self, event: &Event) {
        if self.screen.wants_json() {
            self.json(event);
        }
        if self.screen.is_json {
            return;
        }
        match event {
            Event::Page { site, of, page, .. } => self.say(&format!("{site}: {of}, page {page}")),
            // The plan and the status tell what could not be read.
            Event::SiteRead { .. } => {}
            Event::ChangeStarted { change, .. } => self.say(change.name.as_str()),
            Event::ChangeEnded { change, end, .. } => self.ended(change, end),
            Event::Settling { left } => self.say(&format!("{left} snapshots are not ready yet")),
            Event::Throttled { site, class, wait } => self.say(&format!("{site}: {class} waits {}s", seconds(*wait))),
            Event::ClockMoved { .. } => {}
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
