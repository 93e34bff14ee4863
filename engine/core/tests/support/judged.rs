//! A table of points with the rules that keep them.

use super::lab::{Lab, SYSTEM, time};
use backstay_core::model::Retention;
use backstay_core::retention::{Candidate, CurrentSystem, Verdict, judge};
use backstay_core::tags::{PointClass, PointKey};
use backstay_core::time::Duration;
use jiff::Timestamp;
use std::fmt::Write as _;

/// Points under a retention, at an instant.
#[derive(Clone)]
pub struct Judged {
    pub retention: Retention,
    pub now: Timestamp,
    pub points: Vec<Candidate>,
    pub current: CurrentSystem,
}

/// A retention in UTC: the keys of `spec.retention`, each on its line.
pub fn judged(retention: &str, now: &str) -> Judged {
    judged_in("UTC", retention, now)
}

/// A retention in a time zone.
pub fn judged_in(zone: &str, retention: &str, now: &str) -> Judged {
    Judged {
        retention: retention_in(zone, retention),
        now: time(now),
        points: Vec::new(),
        current: CurrentSystem::Known(SYSTEM),
    }
}

/// Resolves a retention as documents do.
pub fn retention_in(zone: &str, retention: &str) -> Retention {
    let lines: String = retention.lines().map(|line| format!("\n  {}", line.trim())).collect();
    let lab = Lab::new(&format!("schedule: {{ cron: 0 0 * * *, timeZone: {zone} }}\nretention:{lines}"));
    lab.desired.policies.values().next().unwrap().retention.clone()
}

impl Judged {
    /// Adds a scheduled point for each cut, in the order written.
    pub fn cuts(mut self, cuts: &str) -> Self {
        for cut in cuts.split_whitespace().map(time) {
            // Slots of their own: no point is another's duplicate, however close the cuts are.
            let slot = Duration::days(self.points.len() as u64).after(time("2000-01-01"));
            self.points.push(Candidate {
                key: PointKey { slot, attempt: 1 },
                class: PointClass::Scheduled,
                cut,
                created: cut,
                system: Some(SYSTEM),
                is_held: false,
            });
        }
        self
    }

    /// Each point, newest first, with the rules that keep it; `-` when it goes.
    pub fn show(&self) -> String {
        let judgements = judge(self.points.clone(), &self.retention, self.current, self.now);
        let mut backwards = self.points.clone();
        backwards.reverse();
        assert_eq!(judgements, judge(backwards, &self.retention, self.current, self.now), "the order matters");
        let mut text = String::new();
        for judgement in judgements {
            let rules = match &judgement.verdict {
                Verdict::Keep(reasons) => {
                    reasons.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                }
                Verdict::Expire => "-".to_owned(),
            };
            let point = judgement.point;
            let class = if point.class == PointClass::Scheduled { String::new() } else { format!(" {}", point.class) };
            writeln!(text, "{}{class}: {rules}", point.cut).unwrap();
        }
        text
    }
}
