//! The arguments of `backstay-simulation`, in the manner of Backstay's own: one dash, and `=` before a value.

use anyhow::{Context as _, bail};
use backstay_simulation::trial::Trial;
use std::time::Duration;

/// What to type.
pub(crate) const USAGE: &str = "\
Lives random fleets in virtual time, and judges what Backstay did.

usage: backstay-simulation run -seeds=FROM..TO [options]

  -seeds=17..40   these seeds, the last one not among them; -seeds=17 is one; -seeds=17.. goes on
  -for=10m        begins no further life after this long (s, m or h)
  -days=N         each life lasts so many days of virtual time; without it, a few rounds
  -clusters=N     so many clusters a fleet; without it, two or three
  -faults=5%      every kind of fault this often with each call that it can meet; without it, as the seed says
  -crashes        runs are killed at any call
  -pauses         runs stand still for longer than a lease lasts, and go on
  -runners=3      so many runs at once
  -twice          lives each seed twice, and compares all bytes
  -threads=N      so many lives at a time; without it, one for each processor
  -trace          tells every call, in one thread
  -json           tells the summary as JSON
";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) from: u64,
    /// Without it there is no end but that of the time.
    pub(crate) to: Option<u64>,
    pub(crate) longest: Option<Duration>,
    pub(crate) trial: Trial,
    pub(crate) twice: bool,
    pub(crate) threads: usize,
    pub(crate) is_json: bool,
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Arguments> {
    match arguments.next().as_deref() {
        Some("run") => {}
        Some(other) => bail!("there is no command `{other}`"),
        None => bail!("a command is missing"),
    }
    let (mut seeds, mut trial) = (None, Trial::plain());
    let (mut faults, mut crashes, mut pauses, mut runners) = (None, false, false, 1);
    let mut parsed = Arguments {
        from: 0,
        to: None,
        longest: None,
        trial: Trial::plain(),
        twice: false,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        is_json: false,
    };
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let number = || value.parse::<u64>().with_context(|| format!("`{argument}` lacks a number"));
        match name {
            "-seeds" => seeds = Some(range(value)?),
            "-for" => parsed.longest = Some(length(value)?),
            "-days" => trial = trial.lasting(u32::try_from(number()?)?),
            "-clusters" => trial.clusters = Some(usize::try_from(number()?)?),
            "-faults" => faults = Some(value.trim_end_matches('%').parse::<u64>().context("-faults=5%")?),
            "-crashes" => crashes = true,
            "-pauses" => pauses = true,
            "-runners" => runners = usize::try_from(number()?)?.max(1),
            "-twice" => parsed.twice = true,
            "-threads" => parsed.threads = usize::try_from(number()?)?.max(1),
            "-trace" => trial.is_traced = true,
            "-json" => parsed.is_json = true,
            _ => bail!("there is no option `{argument}`"),
        }
    }
    if let Some(percent) = faults {
        anyhow::ensure!((1..=100).contains(&percent), "-faults is from 1% to 100%");
        trial = trial.with_faults(percent);
    }
    if crashes {
        trial = trial.with_crashes();
    }
    if pauses {
        trial = trial.with_pauses();
    }
    if runners > 1 {
        trial = trial.with_runners(runners);
    }
    trial.forgets = trial.days.is_some() && !parsed.twice && !trial.is_traced;
    if trial.is_traced {
        parsed.threads = 1;
    }
    (parsed.from, parsed.to) = seeds.context("-seeds is missing")?;
    parsed.trial = trial;
    Ok(parsed)
}

fn range(text: &str) -> anyhow::Result<(u64, Option<u64>)> {
    let number = |text: &str| text.parse::<u64>().with_context(|| format!("`{text}` is no seed"));
    match text.split_once("..") {
        Some((from, "")) => Ok((number(from)?, None)),
        Some((from, to)) => Ok((number(from)?, Some(number(to)?))),
        None => number(text).map(|only| (only, Some(only + 1))),
    }
}

fn length(text: &str) -> anyhow::Result<Duration> {
    let unit = text.chars().last().context("-for lacks a length")?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => bail!("`{text}` lacks a unit: 90s, 10m, 2h"),
    };
    let number: u64 = text[..text.len() - 1].parse().with_context(|| format!("`{text}` is no length"))?;
    Ok(Duration::from_secs(number * seconds))
}
