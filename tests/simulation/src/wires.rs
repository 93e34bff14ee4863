//! The wires between the runs and the world: every call of every run passes here, is numbered, and may meet a mishap.

use crate::chance::Chance;
use crate::fresh::{Fresh, Views};
use crate::tally::Tally;
use crate::time::{Time, give_way};
use backstay_core::name::{ClusterUid, SnapshotId};
use backstay_core::plan::Plan;
use backstay_provider::{ErrorClass, ProviderError};
use backstay_runtime::lease::LeaseRecord;
use backstay_runtime::memory_store::MemoryStore;
use backstay_runtime::seams::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// INVARIANTS.md 19: no call is first sent within this much of the lease's deadline.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// How many of the last calls are told when a life ends badly.
const LAST: usize = 40;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// The run is killed just before it is sent.
    KilledBefore,
    /// It has its effect, and the run is killed before the answer comes.
    KilledAfter,
    /// It has its effect, and the answer is lost; the run goes on.
    Lost,
    /// It is delivered a second time after the first one was answered; the second answer comes.
    Twice,
    /// It is delivered twice at once: a cloud without tokens makes two of what it makes.
    TwiceAtOnce,
    /// Half of what is appended is written, and the run is killed.
    Torn,
}

/// Whether a call changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only asks.
    Question,
    /// It changes what a lease must cover: what lies at a site, and what the state store says of it.
    Effect,
    /// It changes the state store besides.
    Record,
    /// It adds to a journal.
    Line,
}

/// One call on its way.
pub(crate) struct Call<'a> {
    /// The site, or the state store.
    pub(crate) place: &'a str,
    pub(crate) verb: &'static str,
    pub(crate) target: &'a str,
    pub(crate) kind: Kind,
    /// Whose lease must cover it: one of theirs.
    pub(crate) clusters: BTreeSet<ClusterUid>,
}

/// One call, for people: nobody asks for most of them.
struct Told {
    number: u64,
    at: Timestamp,
    runner: usize,
    place: String,
    verb: &'static str,
    target: String,
    mishap: Option<Mishap>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, runner, place, verb, target, mishap } = self;
        write!(f, "{number:>6} {at} runner {runner} {place} {verb} {target}")?;
        mishap.map_or(Ok(()), |mishap| write!(f, "  [{mishap:?}]"))
    }
}

/// How a call is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Once,
    TwiceAtOnce,
    Torn,
}

pub(crate) type Answer<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// How often what goes wrong on the way, in thousandths of all calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// The answer of a call to a site is lost.
    pub lost: u64,
    /// A call to a site is delivered twice, one after the other.
    pub twice: u64,
    /// The answer of the state store is lost.
    pub lost_records: u64,
    /// A call takes minutes on its way.
    pub slow: u64,
    /// Whether calls take time at all.
    pub takes_time: bool,
}

/// What an error of a seam must be able to say.
pub(crate) trait Broken {
    fn lost(what: String, is_question: bool) -> Self;
}

impl Broken for ProviderError {
    fn lost(what: String, is_question: bool) -> Self {
        let class = if is_question { ErrorClass::Unavailable } else { ErrorClass::OutcomeUnknown };
        Self::new(class, what)
    }
}

impl Broken for StoreError {
    fn lost(what: String, _is_question: bool) -> Self {
        Self::new(what)
    }
}

/// All wires of one world.
pub struct Wires {
    pub(crate) time: Time,
    memory: Arc<MemoryStore>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// How many calls passed.
    count: u64,
    /// What befalls the call of this number.
    script: Option<(u64, Mishap)>,
    rates: Rates,
    chance: Chance,
    last: VecDeque<Told>,
    /// The kind of each call since the count began.
    kinds: Vec<Kind>,
    counts: bool,
    is_traced: bool,
    tally: Tally,
    /// Whose snapshot it is, and whose it was said to be by somebody who changed its tags.
    owners: BTreeMap<(String, SnapshotId), BTreeSet<ClusterUid>>,
    /// What was sent without a lease that covers it.
    unfenced: Vec<String>,
    fresh: Fresh,
    views: Views,
}

impl Wires {
    /// Wires on which nothing goes wrong yet.
    #[must_use]
    pub fn new(time: Time, memory: Arc<MemoryStore>, seed: u64) -> Arc<Self> {
        let inner = Inner {
            count: 0,
            script: None,
            rates: Rates::default(),
            chance: Chance::of(seed ^ 0x5eed),
            last: VecDeque::new(),
            kinds: Vec::new(),
            counts: false,
            is_traced: false,
            tally: Tally::default(),
            owners: BTreeMap::new(),
            unfenced: Vec::new(),
            fresh: Fresh::default(),
            views: Views::default(),
        };
        Arc::new(Self { time, memory, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics while the wires are held")
    }

    /// The kinds of all calls that pass from now on are kept, and begin to be counted.
    pub fn count(&self) {
        self.script(None);
        self.inner().counts = true;
    }

    /// The kind of each call since they began to be counted.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.inner().kinds.clone()
    }

    /// Knows from now on whose snapshots are whose, as other wires do.
    pub(crate) fn learn_from(&self, other: &Self) {
        let owners = other.inner().owners.clone();
        self.inner().owners = owners;
    }

    /// Has the call of this number meet a mishap, counted from 1 from now on; or none.
    pub fn script(&self, script: Option<(u64, Mishap)>) {
        let mut inner = self.inner();
        inner.count = 0;
        inner.kinds.clear();
        inner.script = script;
    }

    /// How often what goes wrong from now on.
    pub fn set_rates(&self, rates: Rates) {
        self.inner().rates = rates;
    }

    /// Tells every call on standard error from now on.
    pub fn trace(&self) {
        self.inner().is_traced = true;
    }

    /// The last calls, oldest first.
    #[must_use]
    pub fn last_calls(&self) -> Vec<String> {
        self.inner().last.iter().map(ToString::to_string).collect()
    }

    /// What was seen so far; it is counted anew from here.
    pub fn take_tally(&self) -> Tally {
        std::mem::take(&mut self.inner().tally)
    }

    /// What was sent without a lease that covers it (INVARIANTS.md 19), and is told once.
    pub fn take_unfenced(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().unfenced)
    }

    /// What was sent without a fresh read (INVARIANTS.md 6, 10), and is told once.
    pub fn take_stale(&self) -> Vec<String> {
        self.inner().fresh.take()
    }

    /// Which runs changed what, since this was asked last.
    pub(crate) fn take_views(&self) -> Views {
        std::mem::take(&mut self.inner().views)
    }

    /// Notes whose a snapshot is.
    pub(crate) fn learn(&self, site: &str, id: &SnapshotId, tags: &backstay_core::tags::Tags) {
        let Some(owner) = tags.get(backstay_core::tags::CLUSTER).and_then(|uid| ClusterUid::new(uid).ok()) else {
            return;
        };
        self.inner().owners.entry((site.to_owned(), id.clone())).or_default().insert(owner);
    }

    pub(crate) fn owners(&self, site: &str, id: &SnapshotId) -> BTreeSet<ClusterUid> {
        self.inner().owners.get(&(site.to_owned(), id.clone())).cloned().unwrap_or_default()
    }

    /// Why a run may not send anything for a cluster now.
    fn unfenced(&self, run: &str, cluster: &ClusterUid) -> Option<String> {
        let now = self.time.now();
        let record = self.memory.values().get(&format!("leases/{cluster}")).cloned();
        let Some(record) = record.and_then(|value| serde_json::from_slice::<LeaseRecord>(&value).ok()) else {
            return Some("nobody holds its lease".to_owned());
        };
        if record.holder.as_deref() != Some(run) {
            return Some(format!("{:?} holds its lease at epoch {}", record.holder, record.epoch));
        }
        (now > record.deadline - MARGIN).then(|| format!("its lease ends at {}", record.deadline))
    }
}

/// One runner's end of the wires.
pub struct Line {
    pub(crate) wires: Arc<Wires>,
    runner: usize,
    run: Mutex<String>,
    plan: Mutex<Option<Plan>>,
    /// Set when the run is to be killed where it stands.
    pub(crate) kill: Arc<AtomicBool>,
}

impl Line {
    /// The line of a runner.
    #[must_use]
    pub fn new(wires: &Arc<Wires>, runner: usize) -> Arc<Self> {
        Arc::new(Self {
            wires: wires.clone(),
            runner,
            run: Mutex::default(),
            plan: Mutex::default(),
            kill: Arc::default(),
        })
    }

    pub(crate) fn begin(&self, run: &str) {
        run.clone_into(&mut self.run.lock().expect("nobody panics while it is held"));
        self.kill.store(false, Ordering::SeqCst);
    }

    /// Set when the run is to be killed where it stands.
    #[must_use]
    pub fn kill(&self) -> Arc<AtomicBool> {
        self.kill.clone()
    }

    /// Keeps what the run is to do, for whoever judges it: also when it is killed.
    pub(crate) fn keep_plan(&self, plan: &Plan) {
        *self.plan.lock().expect("nobody panics while it is held") = Some(plan.clone());
    }

    /// What the last run was to do.
    #[must_use]
    pub fn take_plan(&self) -> Option<Plan> {
        self.plan.lock().expect("nobody panics while it is held").take()
    }

    /// Keeps what the run could not read, for whoever judges what it changes.
    pub(crate) fn keep_unread(&self, unread: impl Iterator<Item = String>) {
        let run = self.run();
        self.wires.inner().views.saw(run, unread.collect());
    }

    fn run(&self) -> String {
        self.run.lock().expect("nobody panics while it is held").clone()
    }

    /// The run has learnt what something at a site is like.
    pub(crate) fn has_read(&self, site: &str, what: &str) {
        let run = self.run();
        self.wires.inner().fresh.read(&run, site, what);
    }

    /// The run makes something of what it has read.
    pub(crate) fn relies_on(&self, site: &str, what: &str, verb: &str) {
        let run = self.run();
        self.wires.inner().fresh.relies_on(&run, site, what, verb);
    }

    /// The run changes a snapshot.
    pub(crate) fn changes(&self, site: &str, id: &str, verb: &str) {
        let run = self.run();
        let mut inner = self.wires.inner();
        inner.fresh.change(&run, site, id, verb);
        inner.views.changed(run, site, id);
    }

    /// Draws what befalls a call, and how long it is on its way there and back.
    fn send(&self, call: &Call<'_>) -> (Option<Mishap>, Way, Way) {
        let unfenced = match call.kind {
            Kind::Effect if !call.clusters.is_empty() => {
                let run = self.run();
                let why: Option<Vec<String>> =
                    call.clusters.iter().map(|cluster| self.wires.unfenced(&run, cluster)).collect();
                why.map(|why| format!("{run} sends for {:?}: {}", call.clusters, why.join(", ")))
            }
            Kind::Effect | Kind::Question | Kind::Record | Kind::Line => None,
        };
        let mut inner = self.wires.inner();
        inner.count += 1;
        let number = inner.count;
        if inner.counts {
            inner.kinds.push(call.kind);
        }
        let mishap = inner.draw(call, number);
        if let Some(mishap) = mishap {
            let what = if call.place == STATE { "a record" } else { "a call" };
            inner.tally.count(format!("goes wrong: {what}, {mishap:?}"));
        }
        let told = Told {
            number,
            at: self.wires.time.now(),
            runner: self.runner,
            place: call.place.to_owned(),
            verb: call.verb,
            target: call.target.to_owned(),
            mishap,
        };
        if let Some(why) = unfenced {
            inner.unfenced.push(format!("{told}: {why}"));
        }
        inner.tell(told);
        let (there, back) = (inner.way(), inner.way());
        (mishap, there, back)
    }

    async fn travel(&self, way: Way) {
        match way {
            Way::AtOnce => give_way().await,
            Way::Until(length) => {
                let until = self.wires.time.now().checked_add(length).unwrap_or(Timestamp::MAX);
                self.wires.time.until(until).await;
            }
        }
    }

    /// Passes a call on, and its answer back.
    pub(crate) async fn pass<'a, T, E: Broken>(
        &self,
        call: Call<'_>,
        deliver: impl Fn(Delivery) -> Answer<'a, T, E> + Send + Sync,
    ) -> Result<T, E> {
        let (mishap, there, back) = self.send(&call);
        self.travel(there).await;
        if mishap == Some(Mishap::KilledBefore) {
            return self.die().await;
        }
        let delivery = match mishap {
            Some(Mishap::TwiceAtOnce) => Delivery::TwiceAtOnce,
            Some(Mishap::Torn) => Delivery::Torn,
            Some(Mishap::KilledBefore | Mishap::KilledAfter | Mishap::Lost | Mishap::Twice) | None => Delivery::Once,
        };
        let mut answer = deliver(delivery).await;
        if mishap == Some(Mishap::Twice) {
            drop(answer);
            answer = deliver(Delivery::Once).await;
        }
        if matches!(mishap, Some(Mishap::KilledAfter | Mishap::Torn)) {
            return self.die().await;
        }
        self.travel(back).await;
        if mishap == Some(Mishap::Lost) {
            let what =
                format!("{}: {} {}: the connection broke before the answer came", call.place, call.verb, call.target);
            return Err(E::lost(what, call.kind == Kind::Question));
        }
        answer
    }

    async fn die<T>(&self) -> T {
        self.kill.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// What the state store is called where sites have names.
pub(crate) const STATE: &str = "state";

enum Way {
    AtOnce,
    Until(SignedDuration),
}

impl Inner {
    fn draw(&mut self, call: &Call<'_>, number: u64) -> Option<Mishap> {
        if let Some((at, mishap)) = self.script {
            return (at == number).then_some(mishap);
        }
        let Rates { lost, twice, lost_records, .. } = self.rates;
        if call.place == STATE {
            return (lost_records > 0 && self.chance.below(1000) < lost_records).then_some(Mishap::Lost);
        }
        if lost + twice == 0 {
            return None;
        }
        match self.chance.below(1000) {
            drawn if drawn < lost => Some(Mishap::Lost),
            drawn if drawn < lost + twice && call.kind == Kind::Effect => Some(Mishap::Twice),
            _ => None,
        }
    }

    fn way(&mut self) -> Way {
        if !self.rates.takes_time {
            return Way::AtOnce;
        }
        let is_slow = self.rates.slow > 0 && self.chance.below(1000) < self.rates.slow;
        let millis = if is_slow { 60_000 + self.chance.below(180_000) } else { 1 + self.chance.below(200) };
        Way::Until(SignedDuration::from_millis(i64::try_from(millis).expect("minutes")))
    }

    #[expect(clippy::print_stderr, reason = "whoever traces wants to see it")]
    fn tell(&mut self, told: Told) {
        if self.is_traced {
            eprintln!("{told}");
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(told);
    }
}
