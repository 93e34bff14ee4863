//! The ledger, told: sums, shares and money.

use super::ledger::{DayBook, Hourly, Level, classes_at, largest_gap};
use super::life::{Life, rules_of};
use super::outcome::{
    Basis, BudgetUse, ClusterForecast, Day, Example, ExamplePoint, FORMAT_VERSION, Forecast, HeldUp, PolicyForecast,
    RuleFilled, SiteForecast, Total, Unknown, Window,
};
use super::run::{Walk, real, runs};
use super::{Assumptions, storage};
use crate::capabilities::{Budget, Iaas};
use crate::model::Policy;
use crate::name::{PolicyName, SiteName};
use crate::observed::{Listing, Observed};
use crate::plan::Cause;
use crate::tags::PointClass;
use crate::time::Duration;
use jiff::Timestamp;
use std::collections::BTreeMap;

pub(super) fn tell(walk: &Walk<'_>, observed: &Observed, assumptions: &Assumptions) -> Forecast {
    let desired = walk.desired;
    let is_read = |site: &SiteName| observed.sites.get(site).is_some_and(|listing| listing.complete().is_some());
    let clusters = desired.clusters.values().filter(|cluster| is_read(&cluster.site)).count();
    let sites: Vec<SiteForecast> =
        desired.sites.keys().filter(|site| is_read(site)).map(|site| site_of(walk, site)).collect();
    Forecast {
        format_version: FORMAT_VERSION,
        fleet: desired.fleet.name.clone(),
        basis: Basis {
            origin: desired.origin.clone(),
            from: assumptions.from,
            until: assumptions.until,
            every: assumptions.every,
            clusters,
            simulated: walk.lives.len(),
            runs: runs(assumptions),
        },
        unknown: unknown(walk, observed),
        days: walk.ledger.days.iter().map(|day| day_of(walk, day)).collect(),
        total: total(walk, &sites),
        sites,
        policies: policies(walk, assumptions.until),
        clusters: walk.lives.iter().map(|life| cluster_of(life, assumptions.until)).collect(),
        held_up: held_up(walk),
    }
}

/// A sum over a sample, as a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and bytes, never negative")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn wholes<K: Copy + Ord>(counts: &BTreeMap<K, f64>, name: fn(K) -> &'static str) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(key, count)| (name(*key), whole(*count))).collect()
}

fn unknown(walk: &Walk<'_>, observed: &Observed) -> Vec<Unknown> {
    let desired = walk.desired;
    let mut unknown: Vec<Unknown> = desired
        .sites
        .keys()
        .filter_map(|site| {
            let because = match observed.sites.get(site) {
                Some(Listing::Complete(_)) => return None,
                Some(Listing::Unknown { because }) => because.clone(),
                None => "it was not observed".to_owned(),
            };
            let clusters = desired.clusters.values().filter(|cluster| cluster.site == *site).count();
            Some(Unknown { site: Some(site.clone()), because, clusters })
        })
        .collect();
    if let Listing::Unknown { because } = &observed.records {
        unknown.push(Unknown { site: None, because: because.clone(), clusters: 0 });
    }
    unknown
}

fn price(walk: &Walk<'_>, site: &SiteName) -> Option<f64> {
    walk.desired.fleet.prices.get(site)?.snapshot_gib_month
}

/// The sum of what has a price; `None` where nothing has.
fn sum(costs: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    costs.into_iter().flatten().fold(None, |sum, cost| Some(sum.unwrap_or(0.0) + cost))
}

fn day_of(walk: &Walk<'_>, day: &DayBook) -> Day {
    let level = &day.level;
    let costs = level.bytes.iter().map(|(site, bytes)| Some(storage::cost_of_month(*bytes, price(walk, site)?)));
    Day {
        date: day.date,
        made: whole(day.made),
        copied: whole(day.copied),
        marked: whole(day.marked),
        revived: whole(day.revived),
        deleted: wholes(&day.deleted, Cause::as_str),
        living: whole(level.living()),
        living_by_class: wholes(&level.by_class, PointClass::as_str),
        living_by_site: level.by_site.iter().map(|(site, points)| (site.clone(), whole(*points))).collect(),
        bytes: whole(level.all_bytes()),
        cost_per_month: sum(costs),
    }
}

fn total(walk: &Walk<'_>, sites: &[SiteForecast]) -> Total {
    let ledger = &walk.ledger;
    let mut deleted: BTreeMap<Cause, f64> = BTreeMap::new();
    for (cause, number) in ledger.days.iter().flat_map(|day| &day.deleted) {
        *deleted.entry(*cause).or_default() += number;
    }
    Total {
        made: wholes(&ledger.made, PointClass::as_str),
        copied: whole(ledger.days.iter().map(|day| day.copied).sum()),
        marked: whole(ledger.days.iter().map(|day| day.marked).sum()),
        deleted: wholes(&deleted, Cause::as_str),
        living_before: whole(ledger.before.living()),
        bytes_before: whole(ledger.before.all_bytes()),
        cost: sum(sites.iter().map(|site| site.cost)),
    }
}

fn site_of(walk: &Walk<'_>, site: &SiteName) -> SiteForecast {
    let ledger = &walk.ledger;
    let empty = Level::default();
    let last = ledger.days.last().map_or(&empty, |day| &day.level);
    let at = |levels: &BTreeMap<SiteName, f64>| levels.get(site).copied().unwrap_or(0.0);
    let of_days = ledger.days.iter().map(|day| at(&day.level.snapshots));
    let most = of_days.fold(at(&ledger.before.snapshots), f64::max);
    let price = price(walk, site);
    let still = walk.still.get(site);
    let rules = walk.desired.sites.get(site).map(|site| Iaas::of(site).rules());
    let calls = classes_at(ledger, site)
        .into_iter()
        .filter_map(|class| Some((class.as_str(), whole(ledger.calls.get(&(site.clone(), class))?.total))));
    SiteForecast {
        site: site.clone(),
        snapshots_before: whole(at(&ledger.before.snapshots)),
        snapshots: whole(at(&last.snapshots)),
        most_snapshots: whole(most),
        snapshot_quota: rules.and_then(|rules| rules.snapshots_per_site),
        unexplained: still.map_or(0, |still| still.snapshots),
        bytes_before: whole(at(&ledger.before.bytes)),
        bytes: whole(at(&last.bytes)),
        gib_month: price,
        cost: price.map(|price| storage::cost(byte_seconds(walk, site), price)),
        cost_per_month: price.map(|price| storage::cost_of_month(at(&last.bytes), price)),
        calls: calls.collect(),
        budgets: rules
            .map_or(&[][..], |rules| rules.budgets)
            .iter()
            .filter_map(|b| budget_use(walk, site, b))
            .collect(),
    }
}

/// What was stored at a site over the whole time: bytes times seconds.
fn byte_seconds(walk: &Walk<'_>, site: &SiteName) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "money is rounded to cents")]
    let of_life = |life: &Life| life.stored.get(site).copied().unwrap_or(0) as f64 * life.weight;
    let still = walk.still.get(site).map_or(0.0, |still| real(still.bytes));
    walk.lives.iter().map(of_life).sum::<f64>() + still * real(walk.ledger.seconds())
}

/// A budget in its busiest hour; `None` where nothing takes from it.
fn budget_use(walk: &Walk<'_>, site: &SiteName, budget: &Budget) -> Option<BudgetUse> {
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    let of_budget = budget.calls.iter().filter_map(|class| walk.ledger.calls.get(&(site.clone(), *class)));
    for (hour, calls) in of_budget.flat_map(|Hourly { hours, .. }| hours) {
        *hours.entry(*hour).or_default() += calls;
    }
    // The first of the busiest: later ones do not replace it.
    let busiest = hours.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    Some(BudgetUse {
        budget: budget.name,
        hour: Timestamp::from_second(busiest.0 * 3600).ok()?,
        calls: whole(busiest.1),
        allowed: budget.allowance.within(Duration::hours(1)),
    })
}

fn policies(walk: &Walk<'_>, until: Timestamp) -> Vec<PolicyForecast> {
    let mut by_policy: BTreeMap<&PolicyName, Vec<usize>> = BTreeMap::new();
    for (index, life) in walk.lives.iter().enumerate() {
        by_policy.entry(&life.policy.name).or_default().push(index);
    }
    by_policy.into_values().filter_map(|lives| policy_of(walk, &lives, until)).collect()
}

fn policy_of(walk: &Walk<'_>, lives: &[usize], until: Timestamp) -> Option<PolicyForecast> {
    let ledger = &walk.ledger;
    let first = &walk.lives[*lives.first()?];
    let policy: &Policy = &first.policy;
    let levels = || ledger.days.iter().filter_map(|day| day.level.policies.get(&policy.name));
    let window = levels().next_back().map_or_else(Window::default, |last| Window {
        shortest: last.reach.first().copied(),
        median: last.reach.get(last.reach.len() / 2).copied(),
        largest_gap: last.largest_gap,
        without: last.without,
    });
    let rules = rules_of(&policy.retention).into_iter().enumerate().map(|(rule, name)| {
        let filled =
            lives.iter().map(|life| ledger.filled.get(*life).and_then(|rules| rules.get(rule).copied().flatten()));
        // As long as one has it not, nobody can count on it.
        let all: Option<Vec<_>> = filled.collect();
        RuleFilled { rule: name.to_string(), filled: all.and_then(|days| days.into_iter().max()) }
    });
    Some(PolicyForecast {
        policy: policy.name.clone(),
        clusters: whole(lives.iter().map(|life| walk.lives[*life].weight).sum()),
        change_per_day: policy.rates.change_per_day,
        used: policy.rates.used,
        living: levels().map(|level| whole(level.living)).collect(),
        window,
        worst_gap: levels().filter_map(|level| level.largest_gap).max(),
        rules: rules.collect(),
        example: Some(example(first, until)),
    })
}

fn example(life: &Life, until: Timestamp) -> Example {
    let here = life.view.points.iter().filter(|seen| seen.is_restorable && seen.site == life.cluster.site);
    let mut points: Vec<ExamplePoint> = here
        .map(|seen| ExamplePoint { cut: seen.candidate.cut, is_marked: seen.is_marked })
        .filter(|point| point.cut <= until)
        .collect();
    points.sort_unstable_by_key(|point| (point.cut, point.is_marked));
    Example { cluster: life.cluster.name.clone(), points }
}

fn cluster_of(life: &Life, until: Timestamp) -> ClusterForecast {
    let cuts = life.cuts();
    ClusterForecast {
        uid: life.cluster.uid.clone(),
        name: life.cluster.name.clone(),
        site: life.cluster.site.clone(),
        policy: life.policy.name.clone(),
        made: life.made,
        deleted: life.deleted,
        points: u64::try_from(life.view.points.len()).unwrap_or(u64::MAX),
        bytes: life.view.bytes.values().sum(),
        reaches_back: cuts.first().map(|oldest| Duration::between(*oldest, until)),
        largest_gap: largest_gap(&cuts, until),
    }
}

fn held_up(walk: &Walk<'_>) -> Vec<HeldUp> {
    let one = |(code, held): (&&'static str, &super::ledger::Held)| HeldUp {
        code,
        because: held.because.clone(),
        clusters: whole(held.lives.values().sum()),
        first: held.first,
        last: held.last,
    };
    walk.ledger.held.iter().map(one).collect()
}
