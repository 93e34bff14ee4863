//! `backstay-simulation run -seeds=17..40`: lives seeds, tells what was seen, and how to see a failure again.

mod arguments;

use arguments::{Arguments, USAGE, parse};
use backstay_simulation::life::live;
use backstay_simulation::tally::Tally;
use jiff::SignedDuration;
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "this is a program for a terminal")]
fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error:#}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let started = Instant::now();
    let seen = live_all(&arguments, started);
    let took = started.elapsed();
    if arguments.is_json {
        println!("{:#}", seen.json(took));
    } else {
        print!("{}", seen.text(took));
    }
    if seen.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was seen in all lives.
#[derive(Default)]
struct Seen {
    tally: Tally,
    lives: usize,
    cluster_time: SignedDuration,
    failed: Vec<u64>,
}

fn live_all(arguments: &Arguments, started: Instant) -> Seen {
    let (next, seen) = (AtomicU64::new(arguments.from), Mutex::new(Seen::default()));
    let is_over = || arguments.longest.is_some_and(|longest| started.elapsed() >= longest);
    let hands = || {
        while !is_over() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if arguments.to.is_some_and(|to| seed >= to) {
                break;
            }
            live_one(seed, arguments, &seen);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..arguments.threads {
            scope.spawn(hands);
        }
        hands();
    });
    let mut seen = seen.into_inner().expect("a life's panic is caught");
    seen.failed.sort_unstable();
    seen
}

/// A life that ends in a panic has told itself: what broke, when, the last calls and how to see it again.
fn live_one(seed: u64, arguments: &Arguments, seen: &Mutex<Seen>) {
    let lived = std::panic::catch_unwind(|| {
        let life = live(seed, &arguments.trial);
        if arguments.twice {
            let differs = life.difference(&live(seed, &arguments.trial));
            assert!(differs.is_none(), "two lives of seed {seed} differ: {differs:?}");
        }
        life
    });
    let mut seen = seen.lock().expect("nobody panics while it is held");
    match lived {
        Ok(life) => {
            seen.tally.add(&life.tally);
            seen.lives += 1;
            seen.cluster_time = seen.cluster_time.saturating_add(life.cluster_time);
        }
        Err(_) => seen.failed.push(seed),
    }
}

impl Seen {
    fn cluster_years(&self) -> f64 {
        self.cluster_time.as_secs_f64() / (365.25 * 86_400.0)
    }

    /// How many cluster-years pass in ten minutes.
    fn speed(&self, took: Duration) -> f64 {
        self.cluster_years() * 600.0 / took.as_secs_f64().max(0.001)
    }

    /// How many points of one slot there were besides the first, for each snapshot that was made.
    fn duplicates(&self) -> f64 {
        let made = self.tally.of("does: create").max(1);
        ratio(self.tally.of("a point twice"), made)
    }

    fn text(&self, took: Duration) -> String {
        let mut text = self.tally.to_string();
        let Self { lives, failed, .. } = self;
        let (years, speed, seconds) = (self.cluster_years(), self.speed(took), took.as_secs_f64());
        writeln!(
            text,
            "{lives} lives, {years:.1} cluster-years in {seconds:.1} s: {speed:.0} cluster-years in 10 minutes"
        )
        .expect("texts take all");
        writeln!(text, "{:.4} % of what was created is a point of a slot that had one", 100.0 * self.duplicates())
            .expect("texts take all");
        if !failed.is_empty() {
            writeln!(text, "{} seeds failed: {failed:?}", failed.len()).expect("texts take all");
        }
        text
    }

    fn json(&self, took: Duration) -> serde_json::Value {
        json!({
            "lives": self.lives,
            "clusterYears": self.cluster_years(),
            "seconds": took.as_secs_f64(),
            "clusterYearsIn10Minutes": self.speed(took),
            "duplicatesPerCreate": self.duplicates(),
            "counts": self.tally.counts(),
            "failed": self.failed,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
