//! What a life is put through.

use crate::chance::Chance;
use crate::runner::Ran;
use crate::town::Town;
use crate::wires::Rates;
use jiff::SignedDuration;

/// What a life is put through.
#[derive(Debug, Clone)]
pub struct Trial {
    /// How many days it lasts; without it, a few rounds.
    pub days: Option<u32>,
    /// How many clusters there are; without it, as the seed says.
    pub clusters: Option<usize>,
    /// Each kind of fault this often, in percent; without it, as the seed says.
    pub faults: Option<u64>,
    /// Whether runs are killed.
    pub crashes: bool,
    /// Whether runs stand still for longer than a lease lasts.
    pub pauses: bool,
    /// How many run at once.
    pub runners: usize,
    /// Whether every call is told.
    pub is_traced: bool,
    /// Whether what was judged is forgotten, so that long lives do not fill the memory.
    pub forgets: bool,
    pub(crate) rates: Rates,
    /// How often somebody meddles at a site between two runs, in percent.
    pub(crate) meddling: u64,
    /// How many hours lie between two runs at most.
    pub(crate) hours: u64,
}

/// How often Backstay runs in a life that has no length of its own.
const ROUNDS: usize = 5;

/// How often in one with faults and kills: many a run there comes to nothing.
const ROUGH_ROUNDS: usize = 15;

impl Trial {
    /// Random documents, random faults at the sites, and one runner whom nothing befalls.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            days: None,
            clusters: None,
            faults: None,
            crashes: false,
            pauses: false,
            runners: 1,
            is_traced: false,
            forgets: false,
            rates: Rates::default(),
            meddling: 30,
            hours: 30,
        }
    }

    /// Each kind of fault this often, in percent; answers of the state store are lost, too.
    #[must_use]
    pub fn with_faults(mut self, percent: u64) -> Self {
        self.faults = Some(percent);
        let thousandths = percent * 10;
        self.rates =
            Rates { lost: thousandths, twice: thousandths, lost_records: thousandths.div_ceil(10), ..self.rates };
        self.real()
    }

    /// Runs are killed at any call.
    #[must_use]
    pub fn with_crashes(mut self) -> Self {
        self.crashes = true;
        self.rates.slow = 2;
        self.real()
    }

    /// Runs stand still for longer than a lease lasts, as by SIGSTOP, and go on.
    #[must_use]
    pub fn with_pauses(mut self) -> Self {
        self.pauses = true;
        self.real()
    }

    /// Several run at once.
    #[must_use]
    pub fn with_runners(mut self, runners: usize) -> Self {
        self.runners = runners;
        self.real()
    }

    fn real(mut self) -> Self {
        self.rates.takes_time = true;
        self
    }

    /// Whether anything befalls the runs themselves: then the sites' time is the host's.
    pub(crate) fn is_rough(&self) -> bool {
        self.rates.takes_time
    }

    /// Lives so many days. People meddle seldom in a long life: what they leave is never cleaned up.
    #[must_use]
    pub fn lasting(mut self, days: u32) -> Self {
        self.days = Some(days);
        self.meddling = 2;
        self.hours = 24;
        self
    }

    pub(crate) fn shape(&self, town: &mut Town, chance: &mut Chance) {
        town.is_virtual = !self.is_rough();
        if let Some(clusters) = self.clusters {
            town.populate(chance, clusters);
        }
        if self.faults.is_some() {
            for site in &mut town.sites {
                site.page_size = 100;
            }
        }
    }

    pub(crate) fn is_over(&self, rounds: usize, lived: SignedDuration) -> bool {
        match self.days {
            Some(days) => lived >= SignedDuration::from_hours(24 * i64::from(days)),
            None if self.is_rough() => rounds >= ROUGH_ROUNDS,
            None => rounds >= ROUNDS,
        }
    }

    /// What is kept of what a run said.
    pub(crate) fn tell(&self, ran: &Ran) -> String {
        if self.forgets { String::new() } else { ran.tell() }
    }

    /// The command that lives a seed again, and tells every call.
    #[must_use]
    pub fn replay(&self, seed: u64) -> String {
        let mut command = format!("cargo run -p backstay-simulation -- run -seeds={seed}");
        let mut add = |argument: String| command += &format!(" {argument}");
        if let Some(clusters) = self.clusters {
            add(format!("-clusters={clusters}"));
        }
        if let Some(days) = self.days {
            add(format!("-days={days}"));
        }
        if let Some(faults) = self.faults {
            add(format!("-faults={faults}%"));
        }
        if self.crashes {
            add("-crashes".to_owned());
        }
        if self.pauses {
            add("-pauses".to_owned());
        }
        if self.runners > 1 {
            add(format!("-runners={}", self.runners));
        }
        add("-trace".to_owned());
        command
    }
}
