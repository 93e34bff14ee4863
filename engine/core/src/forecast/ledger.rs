//! What is written down on the way: each day's changes and levels, calls by hour, and what was held up.

use super::life::Life;
use super::run::{Still, real};
use crate::capabilities::CallClass;
use crate::name::{PolicyName, SiteName};
use crate::plan::{Action, Cause, Plan, WaitingFor};
use crate::tags::PointClass;
use crate::time::Duration;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// One day's figures, of all clusters that the simulated ones stand for.
#[derive(Debug, Default, Clone)]
pub(super) struct DayBook {
    pub(super) date: Date,
    pub(super) made: f64,
    pub(super) copied: f64,
    pub(super) marked: f64,
    pub(super) revived: f64,
    pub(super) deleted: BTreeMap<Cause, f64>,
    pub(super) level: Level,
}

/// What is there at one instant.
#[derive(Debug, Default, Clone)]
pub(super) struct Level {
    pub(super) by_class: BTreeMap<PointClass, f64>,
    pub(super) by_site: BTreeMap<SiteName, f64>,
    pub(super) bytes: BTreeMap<SiteName, f64>,
    pub(super) snapshots: BTreeMap<SiteName, f64>,
    pub(super) policies: BTreeMap<PolicyName, PolicyLevel>,
}

/// The clusters of one policy at one instant.
#[derive(Debug, Default, Clone)]
pub(super) struct PolicyLevel {
    pub(super) living: f64,
    /// How far back each cluster that has a point reaches, shortest first.
    pub(super) reach: Vec<Duration>,
    pub(super) largest_gap: Option<Duration>,
    pub(super) without: usize,
}

/// Calls of one class or budget in the hours.
#[derive(Debug, Default, Clone)]
pub(super) struct Hourly {
    pub(super) total: f64,
    pub(super) hours: BTreeMap<i64, f64>,
}

/// Something that held changes up.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) because: String,
    pub(super) lives: BTreeMap<usize, f64>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// All that is written down.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) days: Vec<DayBook>,
    today: DayBook,
    /// The first instant after today.
    midnight: Timestamp,
    from: Timestamp,
    until: Timestamp,
    pub(super) before: Level,
    pub(super) made: BTreeMap<PointClass, f64>,
    pub(super) calls: BTreeMap<(SiteName, CallClass), Hourly>,
    pub(super) held: BTreeMap<&'static str, Held>,
    /// By cluster and rule: the day at whose end it first had all that the rule asks for.
    pub(super) filled: Vec<Vec<Option<Date>>>,
}

impl Ledger {
    pub(super) fn new(from: Timestamp, until: Timestamp) -> Self {
        let (date, midnight) = day_of(from);
        Self {
            days: Vec::new(),
            today: DayBook { date, ..DayBook::default() },
            midnight,
            from,
            until,
            before: Level::default(),
            made: BTreeMap::new(),
            calls: BTreeMap::new(),
            held: BTreeMap::new(),
            filled: Vec::new(),
        }
    }

    pub(super) fn begin(&mut self, lives: &[Life], still: &BTreeMap<SiteName, Still>) {
        self.before = Level::of(lives, still, self.from);
        self.filled =
            lives.iter().map(|life| vec![None; super::life::rules_of(&life.policy.retention).len()]).collect();
    }

    /// How long the whole time is.
    pub(super) fn seconds(&self) -> u64 {
        Duration::between(self.from, self.until).as_seconds()
    }

    /// Ends every day that is over at an instant.
    pub(super) fn close_days_before(&mut self, at: Timestamp, lives: &[Life], still: &BTreeMap<SiteName, Still>) {
        while self.midnight <= at {
            self.close(self.midnight, lives, still);
            let (date, midnight) = day_of(self.midnight);
            self.today = DayBook { date, ..DayBook::default() };
            self.midnight = midnight;
        }
    }

    /// Ends the last day, and those without a run before it.
    pub(super) fn close_last(&mut self, lives: &[Life], still: &BTreeMap<SiteName, Still>) {
        self.close_days_before(Duration::seconds(1).before(self.until), lives, still);
        self.close(self.until, lives, still);
    }

    fn close(&mut self, at: Timestamp, lives: &[Life], still: &BTreeMap<SiteName, Still>) {
        let mut today = std::mem::take(&mut self.today);
        today.level = Level::of(lives, still, at);
        for (life, rules) in lives.iter().zip(&mut self.filled) {
            if rules.iter().all(Option::is_some) {
                continue;
            }
            for (rule, is_filled) in rules.iter_mut().zip(life.filled(at)) {
                if is_filled {
                    rule.get_or_insert(today.date);
                }
            }
        }
        self.days.push(today);
    }

    /// Writes a call, or what several clusters' calls come to.
    pub(super) fn call(&mut self, site: &SiteName, class: CallClass, number: f64, at: Timestamp) {
        let hourly = self.calls.entry((site.clone(), class)).or_default();
        hourly.total += number;
        *hourly.hours.entry(at.as_second().div_euclid(3600)).or_default() += number;
    }

    /// Writes what a cluster's run did.
    pub(super) fn note(&mut self, plan: &Plan, index: usize, weight: f64, at: Timestamp) {
        for change in &plan.changes {
            match &change.action {
                Action::Create(create) => {
                    self.today.made += weight;
                    *self.made.entry(create.class).or_default() += weight;
                }
                Action::Copy(_) => self.today.copied += weight,
                Action::Expire(_) => self.today.marked += weight,
                Action::Revive(_) => self.today.revived += weight,
                Action::Delete(_) => *self.today.deleted.entry(change.cause).or_default() += weight,
                Action::Tag(_) | Action::Lock(_) => {}
            }
        }
        for waiting in &plan.waiting {
            let Some(code) = code_of(&waiting.why) else { continue };
            let because = || format!("{}: {}", waiting.name, waiting.why);
            let held = self.held.entry(code).or_insert_with(|| Held {
                because: because(),
                lives: BTreeMap::new(),
                first: at,
                last: at,
            });
            held.lives.insert(index, weight);
            held.last = at;
        }
    }
}

/// What holds changes up beside the clock: a grace, a lock and a point in the making only take their time.
fn code_of(why: &WaitingFor) -> Option<&'static str> {
    match why {
        WaitingFor::InProgress
        | WaitingFor::Grace { .. }
        | WaitingFor::Lock { .. }
        | WaitingFor::Sighting
        | WaitingFor::SourceNotReady
        | WaitingFor::Lease { .. } => None,
        WaitingFor::BackOff { .. } => Some("back-off"),
        WaitingFor::FailedCopy { .. } => Some("failed-copy"),
        WaitingFor::SiteUnknown { .. } => Some("site-unknown"),
        WaitingFor::Source { .. } => Some("source"),
        WaitingFor::NotSafe { .. } => Some("not-safe"),
        WaitingFor::BlastRadius { .. } => Some("blast-radius"),
        WaitingFor::CopyQueue { .. } => Some("copy-queue"),
        WaitingFor::Copies { .. } => Some("copies"),
        WaitingFor::DiskSpacing { .. } => Some("disk-spacing"),
        WaitingFor::Quota { .. } => Some("quota"),
        WaitingFor::Budget { .. } => Some("budget"),
    }
}

/// The day of an instant in UTC, and the midnight that ends it.
fn day_of(at: Timestamp) -> (Date, Timestamp) {
    let date = TimeZone::UTC.to_datetime(at).date();
    let seconds = at.as_second();
    let next = (seconds.div_euclid(86_400) + 1) * 86_400;
    (date, Timestamp::from_second(next).unwrap_or(Timestamp::MAX))
}

impl Level {
    pub(super) fn of(lives: &[Life], still: &BTreeMap<SiteName, Still>, at: Timestamp) -> Self {
        let mut level = Self::default();
        for (site, still) in still {
            level.bytes.insert(site.clone(), real(still.bytes));
            level.snapshots.insert(site.clone(), real(still.snapshots));
        }
        for life in lives {
            for seen in &life.view.points {
                *level.by_class.entry(seen.candidate.class).or_default() += life.weight;
                *level.by_site.entry(seen.site.clone()).or_default() += life.weight;
            }
            for (site, bytes) in &life.view.bytes {
                *level.bytes.entry(site.clone()).or_default() += real(*bytes) * life.weight;
            }
            for (site, snapshots) in &life.view.snapshots {
                *level.snapshots.entry(site.clone()).or_default() += real(*snapshots) * life.weight;
            }
            let policy = level.policies.entry(life.policy.name.clone()).or_default();
            policy.living += real(u64::try_from(life.view.points.len()).unwrap_or(u64::MAX)) * life.weight;
            let cuts = life.cuts();
            match cuts.first() {
                Some(oldest) => policy.reach.push(Duration::between(*oldest, at)),
                None => policy.without += 1,
            }
            policy.largest_gap = policy.largest_gap.max(largest_gap(&cuts, at));
        }
        for policy in level.policies.values_mut() {
            policy.reach.sort_unstable();
        }
        level
    }

    pub(super) fn all_bytes(&self) -> f64 {
        self.bytes.values().sum()
    }

    pub(super) fn living(&self) -> f64 {
        self.by_site.values().sum()
    }
}

/// The largest time between two neighbouring cuts, and between the newest and now.
pub(super) fn largest_gap(cuts: &[Timestamp], now: Timestamp) -> Option<Duration> {
    let between = cuts.windows(2).map(|pair| Duration::between(pair[0], pair[1]));
    between.chain(cuts.last().map(|newest| Duration::between(*newest, now))).max()
}

/// The classes of calls in use at a site.
pub(super) fn classes_at(ledger: &Ledger, site: &SiteName) -> BTreeSet<CallClass> {
    ledger.calls.keys().filter(|(at, _)| at == site).map(|(_, class)| *class).collect()
}
