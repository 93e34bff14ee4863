//! Budgets on our side: never more than a cloud allows, and nobody waits for ever.

use backstay_core::capabilities::{Allowance, CallClass, Iaas};
use backstay_core::name::DiskId;
use backstay_provider::limits::{Cost, Limiter, Request, Ticket, Verdict};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLOUDS: [Iaas; 4] = [Iaas::Aws, Iaas::Azure, Iaas::Gcp, Iaas::Alibaba];

fn start() -> Timestamp {
    "2026-11-23T12:00:07.25Z".parse().expect("an instant")
}

fn disk(number: usize) -> DiskId {
    DiskId::new(format!("vol-{number}")).expect("an id")
}

/// What is asked for, with the disks that it names.
#[derive(Debug, Clone)]
struct Wish {
    kind: usize,
    disks: Vec<DiskId>,
}

impl Wish {
    fn request(&self) -> Request<'_> {
        match self.kind {
            0 => Request::Page,
            1 => Request::Describe,
            2 => Request::ByIntent,
            3 => Request::Create(&self.disks[0]),
            4 => Request::CreateGroup(&self.disks),
            5 => Request::Copy,
            6 => Request::Tag,
            7 => Request::Lock,
            _ => Request::Delete,
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    (0..9_usize, 0..40_usize, 1..4_usize)
        .prop_map(|(kind, first, count)| Wish { kind, disks: (first..first + count).map(disk).collect() })
}

/// A call that waits in the line, and when it asks next.
struct Line {
    limiter: Limiter,
    now: Timestamp,
    waiting: Vec<(Ticket, Wish, Timestamp, Timestamp)>,
    sent: Vec<(Timestamp, Wish)>,
    longest: SignedDuration,
}

impl Line {
    fn new(iaas: Iaas) -> Self {
        let (waiting, sent) = (Vec::new(), Vec::new());
        Self { limiter: Limiter::new(iaas), now: start(), waiting, sent, longest: SignedDuration::ZERO }
    }

    fn join(&mut self, wish: Wish) {
        let ticket = self.limiter.join(self.now, wish.request());
        self.waiting.push((ticket, wish, self.now, self.now));
    }

    /// Everybody asks whose time has come: the youngest first, who has the least right to go.
    fn ask(&mut self) {
        for place in (0..self.waiting.len()).rev() {
            let (ticket, wish, since, next) = self.waiting[place].clone();
            if next > self.now {
                continue;
            }
            match self.limiter.ask(self.now, ticket) {
                Verdict::Go => {
                    self.longest = self.longest.max(self.now.duration_since(since));
                    self.sent.push((self.now, wish));
                    self.waiting.remove(place);
                }
                Verdict::WaitUntil(later) => {
                    assert!(later > self.now, "it waits for an instant that has passed");
                    self.waiting[place].3 = later;
                }
            }
        }
    }

    /// Time goes on until somebody asks again.
    fn pass(&mut self) {
        if let Some(next) = self.waiting.iter().map(|(.., next)| *next).min() {
            self.now = self.now.max(next);
        }
    }
}

/// What the cloud itself would count, by its own words: no bucket gives more than it held and got back, no window more than its
/// number, no disk is snapshotted too soon.
fn judge(iaas: Iaas, sent: &[(Timestamp, Wish)]) {
    let rules = iaas.rules();
    for budget in rules.budgets {
        let takes: Vec<(Timestamp, u32)> = sent
            .iter()
            .map(|(at, wish)| (*at, calls_of(iaas, wish, |class| budget.counts(class))))
            .filter(|(_, calls)| *calls > 0)
            .collect();
        match budget.allowance {
            Allowance::Bucket { capacity, refill, every } => {
                for first in 0..takes.len() {
                    let mut sum = 0_i128;
                    for (at, calls) in &takes[first..] {
                        sum += i128::from(*calls);
                        let passed = at.duration_since(takes[first].0).as_nanos();
                        let back = passed * i128::from(refill) / every.signed().as_nanos();
                        assert!(sum <= i128::from(capacity) + back, "{iaas}: {} gave {sum}", budget.name);
                    }
                }
            }
            Allowance::Window { calls: most, length } => {
                let mut windows: BTreeMap<i128, u32> = BTreeMap::new();
                for (at, calls) in takes {
                    *windows.entry(at.as_nanosecond().div_euclid(length.signed().as_nanos())).or_default() += calls;
                }
                assert!(windows.values().all(|calls| *calls <= most), "{iaas}: {} gave {windows:?}", budget.name);
            }
        }
    }
    let mut cuts: BTreeMap<&DiskId, Vec<Timestamp>> = BTreeMap::new();
    for (at, wish) in sent {
        for disk in wish.request().disks() {
            cuts.entry(disk).or_default().push(*at);
        }
    }
    for cuts in cuts.values() {
        for pair in cuts.windows(2) {
            assert!(pair[1].duration_since(pair[0]) >= rules.spacing.interval.signed(), "{iaas}: {pair:?}");
        }
        let many = (rules.spacing.most as usize).saturating_add(1);
        for group in cuts.windows(many.min(cuts.len() + 1)) {
            assert!(
                group[group.len() - 1].duration_since(group[0]) >= rules.spacing.window.signed(),
                "{iaas}: {group:?}"
            );
        }
    }
}

fn calls_of(iaas: Iaas, wish: &Wish, counts: impl Fn(CallClass) -> bool) -> u32 {
    let cost = Cost::of(iaas, wish.request());
    CallClass::ALL.into_iter().filter(|class| counts(*class)).map(|class| cost.calls_of(class)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_window_of_any_history_holds_more_calls_than_the_cloud_allows_and_every_call_goes_at_last(
        iaas in prop::sample::select(CLOUDS.to_vec()),
        steps in prop::collection::vec((wish(), 0..30_usize, 0..400_i64), 1..40),
    ) {
        let mut line = Line::new(iaas);
        for (wish, more, millis) in steps {
            for _ in 0..=more {
                line.join(wish.clone());
            }
            line.ask();
            line.now += SignedDuration::from_millis(millis);
        }
        let joined = line.sent.len() + line.waiting.len();
        for _ in 0..100_000 {
            line.ask();
            if line.waiting.is_empty() {
                break;
            }
            line.pass();
        }
        prop_assert_eq!(line.sent.len(), joined, "somebody waits for ever");
        judge(iaas, &line.sent);
    }

    #[test]
    fn who_waits_is_not_overtaken_for_ever_by_a_stream_of_others(
        iaas in prop::sample::select(CLOUDS.to_vec()),
        slow in wish(),
        stream in wish(),
    ) {
        let mut line = Line::new(iaas);
        // The stream asks for more than there is, before and after the slow one, and always first.
        for _ in 0..300 {
            line.join(Wish { disks: vec![disk(99)], ..stream.clone() });
        }
        line.ask();
        let alone: Vec<DiskId> = (200..200 + slow.disks.len()).map(disk).collect();
        line.join(Wish { disks: alone.clone(), ..slow });
        let is_through = |line: &Line| line.sent.iter().any(|(_, wish)| wish.disks == alone);
        let joined = line.now;
        for number in 0..20_000_usize {
            line.ask();
            if is_through(&line) {
                break;
            }
            line.pass();
            line.join(Wish { disks: vec![disk(1_000 + number)], ..stream.clone() });
        }
        prop_assert!(is_through(&line), "still waiting after {}", line.now.duration_since(joined));
    }
}

#[test]
fn a_full_bucket_goes_at_once_and_an_empty_one_as_it_refills() {
    let mut line = Line::new(Iaas::Aws);
    for number in 0..110 {
        line.join(Wish { kind: 6, disks: vec![disk(number)] });
    }
    line.ask();
    // 10 a second come back, the youngest asked first, and the older ones had the right.
    assert_eq!(line.sent.len(), 100);
    line.now += SignedDuration::from_millis(100);
    line.ask();
    assert_eq!(line.sent.len(), 101);
    assert_eq!(line.sent[100].1.disks, [disk(100)], "the oldest that waits");
}

#[test]
fn a_refusal_empties_the_bucket_and_its_time_is_kept() {
    let mut limiter = Limiter::new(Iaas::Aws);
    let now = start();
    limiter.throttled(now, CallClass::Tag, None);
    let ticket = limiter.join(now, Request::Tag);
    assert_eq!(limiter.ask(now, ticket), Verdict::WaitUntil(now + SignedDuration::from_millis(100)));
    let other = limiter.join(now, Request::Lock);
    assert_eq!(limiter.ask(now, other), Verdict::Go);
    limiter.throttled(now, CallClass::Lock, Some(SignedDuration::from_secs(90)));
    let late = limiter.join(now, Request::Lock);
    assert_eq!(limiter.ask(now, late), Verdict::WaitUntil(now + SignedDuration::from_secs(90)));
}

#[test]
fn who_gives_up_keeps_nobody_waiting() {
    let mut limiter = Limiter::new(Iaas::Alibaba);
    let now = start();
    let full: Vec<Ticket> = (0..100).map(|_| limiter.join(now, Request::Tag)).collect();
    let next = limiter.join(now, Request::Tag);
    assert!(matches!(limiter.ask(now, next), Verdict::WaitUntil(_)), "a hundred are before it");
    full.into_iter().for_each(|ticket| limiter.leave(ticket));
    assert_eq!(limiter.ask(now, next), Verdict::Go);
}

#[test]
fn where_no_budgets_hold_only_the_clouds_own_word_is_waited_for() {
    let mut limiter = Limiter::without_budgets(Iaas::Gcp);
    let now = start();
    let disk = disk(1);
    for _ in 0..5_000 {
        let ticket = limiter.join(now, Request::Create(&disk));
        assert_eq!(limiter.ask(now, ticket), Verdict::Go);
    }
    limiter.throttled(now, CallClass::Create, Some(SignedDuration::from_secs(3)));
    let ticket = limiter.join(now, Request::Create(&disk));
    assert_eq!(limiter.ask(now, ticket), Verdict::WaitUntil(now + SignedDuration::from_secs(3)));
}

#[test]
fn a_disk_is_not_snapshotted_sooner_than_its_cloud_allows() {
    for (iaas, wait) in [(Iaas::Aws, 15), (Iaas::Gcp, 600)] {
        let mut limiter = Limiter::new(iaas);
        let (now, disk) = (start(), disk(1));
        let first = limiter.join(now, Request::Create(&disk));
        assert_eq!(limiter.ask(now, first), Verdict::Go);
        let second = limiter.join(now, Request::Create(&disk));
        assert_eq!(limiter.ask(now, second), Verdict::WaitUntil(now + SignedDuration::from_secs(wait)), "{iaas}");
    }
}
