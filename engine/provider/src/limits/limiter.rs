//! Who may call now, and until when all others wait.

use super::cost::{Cost, Request};
use super::level::Level;
use backstay_core::capabilities::{Budget, CallClass, Iaas, Rules, Spacing};
use backstay_core::name::DiskId;
use backstay_core::time::Duration;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// From when on nobody younger overtakes a waiting call, whatever it waits for.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Whether a call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Now. It counts as sent, and its place in the line is free.
    Go,
    /// Not yet: ask again at this instant.
    WaitUntil(Timestamp),
}

/// The budgets of one account in one region, as one client knows them.
///
/// A call joins the line, asks until it may go, and leaves the line if it gives up. An older call comes first where both wait for
/// the same budget; what an older one cannot use now anyway goes to a younger one, but not for longer than a minute.
#[derive(Debug)]
pub struct Limiter {
    iaas: Iaas,
    budgets: &'static [Budget],
    levels: Vec<Level>,
    spacing: Spacing,
    /// When each disk was snapshotted lately.
    cuts: BTreeMap<DiskId, VecDeque<Timestamp>>,
    /// Until when the cloud wants no call of a class.
    not_before: BTreeMap<CallClass, Timestamp>,
    line: BTreeMap<Ticket, Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    class: CallClass,
    disks: Vec<DiskId>,
    /// What it takes of each budget, in the limiter's order.
    takes: Vec<u32>,
}

impl Limiter {
    /// All budgets of a kind of site, full.
    #[must_use]
    pub fn new(iaas: Iaas) -> Self {
        let Rules { budgets, spacing, .. } = *iaas.rules();
        Self {
            iaas,
            budgets,
            levels: budgets.iter().map(|budget| Level::full(budget.allowance)).collect(),
            spacing,
            cuts: BTreeMap::new(),
            not_before: BTreeMap::new(),
            line: BTreeMap::new(),
            next: 0,
        }
    }

    /// Where no budgets hold: only what the cloud itself asks for is waited for.
    #[must_use]
    pub fn without_budgets(iaas: Iaas) -> Self {
        let spacing = Spacing { interval: Duration::ZERO, most: u32::MAX, window: Duration::ZERO };
        Self { budgets: &[], levels: Vec::new(), spacing, ..Self::new(iaas) }
    }

    /// Joins the line.
    pub fn join(&mut self, now: Timestamp, request: Request<'_>) -> Ticket {
        let cost = Cost::of(self.iaas, request);
        let takes = |budget: &Budget| {
            let counted = cost.calls().filter(|(class, _)| budget.counts(*class));
            counted.fold(0_u32, |sum, (_, calls)| sum.saturating_add(calls))
        };
        let takes = self.budgets.iter().map(takes).collect();
        let ticket = Ticket(self.next);
        self.next += 1;
        let waiting = Waiting { since: now, class: request.class(), disks: request.disks().to_vec(), takes };
        self.line.insert(ticket, waiting);
        ticket
    }

    /// Whether this call may be sent now. A ticket that has left the line may always go.
    pub fn ask(&mut self, now: Timestamp, ticket: Ticket) -> Verdict {
        let Some(own) = self.line.get(&ticket) else { return Verdict::Go };
        let mut until = self.not_before(now, own);
        for (place, level) in self.levels.iter().enumerate().filter(|(place, _)| own.takes[*place] > 0) {
            let others = self.before(now, ticket, own).fold(0_u32, |sum, older| sum.saturating_add(older.takes[place]));
            until = until.max(level.room_at(now, own.takes[place], others));
        }
        if until > now {
            return Verdict::WaitUntil(until);
        }
        if let Some(own) = self.line.remove(&ticket) {
            self.send(now, own);
        }
        Verdict::Go
    }

    /// Gives up.
    pub fn leave(&mut self, ticket: Ticket) {
        self.line.remove(&ticket);
    }

    /// The cloud refused a call of this class and wants none before `after`: somebody else takes from the same budgets.
    pub fn throttled(&mut self, now: Timestamp, class: CallClass, after: Option<SignedDuration>) {
        let counting = self.budgets.iter().zip(&mut self.levels).filter(|(budget, _)| budget.counts(class));
        for (_, level) in counting {
            level.empty(now);
        }
        if let Some(after) = after {
            let until = now.checked_add(after).unwrap_or(Timestamp::MAX);
            let present = self.not_before.entry(class).or_insert(until);
            *present = until.max(*present);
        }
    }

    /// The older calls that come first where they and this one want the same: those that wait for nothing else, or waited long.
    fn before<'a>(&'a self, now: Timestamp, ticket: Ticket, own: &'a Waiting) -> impl Iterator<Item = &'a Waiting> {
        self.line.range(..ticket).map(|(_, older)| older).filter(move |older| {
            let waits_elsewhere = || {
                let mut levels = self.levels.iter().enumerate();
                let is_blocked = |(place, level): (usize, &Level)| {
                    older.takes[place] > 0 && own.takes[place] == 0 && level.room_at(now, older.takes[place], 0) > now
                };
                levels.any(is_blocked) || self.not_before(now, older) > now
            };
            now.duration_since(older.since) >= PATIENCE || !waits_elsewhere()
        })
    }

    /// Before which instant a call would come too early for the cloud or for one of its disks.
    fn not_before(&self, now: Timestamp, call: &Waiting) -> Timestamp {
        let told = self.not_before.get(&call.class).copied().unwrap_or(now);
        let spaced = call.disks.iter().filter_map(|disk| self.cuts.get(disk)).map(|cuts| self.spaced(cuts));
        spaced.fold(now.max(told), Timestamp::max)
    }

    /// When a disk may be snapshotted again.
    fn spaced(&self, cuts: &VecDeque<Timestamp>) -> Timestamp {
        let Spacing { interval, most, window } = self.spacing;
        let after_last = cuts.back().map_or(Timestamp::MIN, |last| interval.after(*last));
        let nth = cuts.len().checked_sub(most as usize).and_then(|place| cuts.get(place));
        nth.map_or(after_last, |first| after_last.max(window.after(*first)))
    }

    fn send(&mut self, now: Timestamp, call: Waiting) {
        for (level, calls) in self.levels.iter_mut().zip(call.takes).filter(|(_, calls)| *calls > 0) {
            level.take(now, calls);
        }
        let Spacing { interval, most, window } = self.spacing;
        if interval == Duration::ZERO && most == u32::MAX {
            return;
        }
        for disk in call.disks {
            let cuts = self.cuts.entry(disk).or_default();
            cuts.push_back(now);
            let longest = interval.max(window);
            while cuts.front().is_some_and(|first| longest.after(*first) <= now) {
                cuts.pop_front();
            }
        }
    }
}
