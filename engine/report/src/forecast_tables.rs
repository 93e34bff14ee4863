//! What a forecast says, as tables and sentences: text and Markdown only lay them out.

use crate::paint::clean;
use crate::{count, plural};
use backstay_core::forecast::{Day, Forecast, PolicyForecast, SiteForecast};
use backstay_core::time::{Duration, about, brief};

/// How many rows a table has at most: days are put together, the rest is counted.
const MOST_ROWS: usize = 40;

/// How long a reason from outside may be, in characters.
const MOST_OF_A_REASON: usize = 300;

/// A table with a heading.
pub(crate) struct Table {
    pub(crate) heading: &'static str,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// How many rows were left out.
    pub(crate) left_out: usize,
}

impl Table {
    fn new(heading: &'static str, head: Vec<&'static str>, mut rows: Vec<Vec<String>>) -> Self {
        let left_out = rows.len().saturating_sub(MOST_ROWS);
        rows.truncate(MOST_ROWS);
        Self { heading, head, rows, left_out }
    }
}

/// The first line: which fleet, from when until when, by which assumption.
pub(crate) fn heading(forecast: &Forecast) -> String {
    let basis = &forecast.basis;
    format!(
        "Fleet {} from {} until {}, a run every {}: {} at {}",
        clean(&forecast.fleet),
        brief(basis.from),
        brief(basis.until),
        basis.every,
        plural(basis.clusters, "cluster"),
        plural(forecast.sites.len(), "site"),
    )
}

/// That the figures come from a sample; nothing where they do not.
pub(crate) fn sample(forecast: &Forecast) -> Option<String> {
    let basis = &forecast.basis;
    basis.is_sample().then(|| {
        format!(
            "a sample: {} of {} clusters were simulated, and the figures are scaled up; -exact simulates all",
            count(basis.simulated),
            count(basis.clusters)
        )
    })
}

/// What a person must know first.
pub(crate) fn warnings(forecast: &Forecast) -> Vec<String> {
    let unknown = forecast.unknown.iter().map(|unknown| {
        let because = reason(&unknown.because);
        match &unknown.site {
            Some(site) => {
                let clusters = plural(unknown.clusters, "cluster");
                format!("site {site} could not be read: {because}; nothing is foretold of its {clusters}")
            }
            None => format!("the state store could not be read: {because}; nothing would be marked or deleted"),
        }
    });
    let quotas = forecast.sites.iter().filter_map(|site| {
        let quota = site.snapshot_quota.filter(|quota| site.most_snapshots > u64::from(*quota))?;
        let (most, quota) = (number(site.most_snapshots), number(u64::from(quota)));
        Some(format!("site {} would hold {most} snapshots, and its account may have {quota}", site.site))
    });
    let unexplained = forecast.sites.iter().filter(|site| site.unexplained > 0).map(|site| {
        let snapshots = plural(usize::try_from(site.unexplained).unwrap_or(usize::MAX), "snapshot");
        format!("site {}: no readable document explains {snapshots}; they stay as they are, and are counted", site.site)
    });
    let budgets = forecast.sites.iter().flat_map(|site| {
        let over = site.budgets.iter().filter(|budget| budget.calls > budget.allowed);
        over.map(|budget| {
            let (calls, allowed, hour) = (number(budget.calls), number(budget.allowed), brief(budget.hour));
            format!(
                "site {}: {calls} calls of {} in the hour of {hour}, and {allowed} are allowed",
                site.site, budget.budget
            )
        })
    });
    let held = forecast.held_up.iter().map(|held| {
        let clusters = plural(usize::try_from(held.clusters).unwrap_or(usize::MAX), "cluster");
        let when = if held.first == held.last {
            format!("on {}", brief(held.first))
        } else {
            format!("from {} to {}", brief(held.first), brief(held.last))
        };
        format!("{} held up {when} ({}): {}", clusters, held.code, reason(&held.because))
    });
    let without = forecast.policies.iter().filter(|policy| policy.window.without > 0).map(|policy| {
        let clusters = plural(policy.window.without, "cluster");
        format!("policy {}: {clusters} without any restorable point at the end", policy.policy)
    });
    unknown.chain(quotas).chain(unexplained).chain(budgets).chain(held).chain(without).collect()
}

fn reason(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(MOST_OF_A_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// All tables, in their order.
pub(crate) fn tables(forecast: &Forecast) -> Vec<Table> {
    if forecast.sites.is_empty() {
        return Vec::new();
    }
    vec![days(forecast), policies(forecast), sites(forecast), budgets(forecast)]
}

fn days(forecast: &Forecast) -> Table {
    // Several days in one row where there are many: their changes are added up, and the last one's level is told.
    let together = forecast.days.len().div_ceil(MOST_ROWS).max(1);
    let (has_copies, has_prices) = (forecast.total.copied > 0, forecast.total.cost.is_some());
    let rows = forecast.days.chunks(together).filter_map(|days| {
        let last = days.last()?;
        let sum = |of: fn(&Day) -> u64| number(days.iter().map(of).sum());
        let first = days.first()?.date;
        let date = if together == 1 { first.to_string() } else { format!("{first} to {}", last.date) };
        let mut row = vec![date, sum(|day| day.made)];
        row.extend(has_copies.then(|| sum(|day| day.copied)));
        row.extend([sum(|day| day.marked), sum(Day::all_deleted), number(last.living), stored(last.bytes)]);
        row.extend(has_prices.then(|| last.cost_per_month.map_or_else(|| "-".to_owned(), money)));
        Some(row)
    });
    let mut head = vec!["DAY", "MADE"];
    head.extend(has_copies.then_some("COPIED"));
    head.extend(["MARKED", "DELETED", "POINTS", "STORED"]);
    head.extend(has_prices.then_some("COST A MONTH"));
    Table::new("By day, in UTC; levels as it ends", head, rows.collect())
}

fn policies(forecast: &Forecast) -> Table {
    let rows = forecast.policies.iter().map(|policy| {
        let window = &policy.window;
        vec![
            policy.policy.to_string(),
            number(policy.clusters),
            number(policy.living.last().copied().unwrap_or(0)),
            length(window.shortest),
            length(window.median),
            length(window.largest_gap),
            length(policy.worst_gap),
            policy.change_per_day.to_string(),
            filled(policy),
        ]
    });
    let head = vec![
        "POLICY",
        "CLUSTERS",
        "POINTS",
        "SHORTEST REACH",
        "MEDIAN REACH",
        "LARGEST GAP",
        "WORST GAP",
        "CHANGE A DAY",
        "FILLED",
    ];
    Table::new("By policy, at the end", head, rows.collect())
}

/// When each rule has all that it asks for: what is not there yet cannot have been made yet, and is no alarm.
fn filled(policy: &PolicyForecast) -> String {
    let rules = policy.rules.iter().map(|rule| match rule.filled {
        Some(day) => format!("{} on {day}", rule.rule),
        None => format!("{} later", rule.rule),
    });
    rules.collect::<Vec<_>>().join(", ")
}

fn sites(forecast: &Forecast) -> Table {
    let cost = |cost: Option<f64>| cost.map_or_else(|| "no price".to_owned(), money);
    let rows = forecast.sites.iter().map(|site: &SiteForecast| {
        vec![
            site.site.to_string(),
            format!("{} to {}", number(site.snapshots_before), number(site.snapshots)),
            format!("{} to {}", stored(site.bytes_before), stored(site.bytes)),
            cost(site.cost),
            cost(site.cost_per_month),
            number(site.calls.values().sum()),
        ]
    });
    let head = vec!["SITE", "SNAPSHOTS", "STORED", "COST UNTIL THEN", "COST A MONTH THEN", "CALLS"];
    Table::new("By site", head, rows.collect())
}

fn budgets(forecast: &Forecast) -> Table {
    let mut all: Vec<_> =
        forecast.sites.iter().flat_map(|site| site.budgets.iter().map(move |budget| (&site.site, budget))).collect();
    all.sort_by(|(a_site, a), (b_site, b)| {
        b.percent().total_cmp(&a.percent()).then_with(|| (a_site, a.budget).cmp(&(b_site, b.budget)))
    });
    let rows = all.into_iter().map(|(site, budget)| {
        vec![
            site.to_string(),
            budget.budget.to_owned(),
            brief(budget.hour),
            number(budget.calls),
            number(budget.allowed),
            if budget.percent() < 0.1 { "below 0.1%".to_owned() } else { format!("{:.1}%", budget.percent()) },
        ]
    });
    let head = vec!["SITE", "BUDGET OF CALLS", "BUSIEST HOUR", "CALLS", "ALLOWED", "USED"];
    Table::new("Calls against the clouds' budgets, each in its busiest hour", head, rows.collect())
}

/// The last line: what it comes to.
#[must_use]
pub fn forecast_line(forecast: &Forecast) -> String {
    let total = &forecast.total;
    let (made, deleted) = (total.made.values().sum(), total.deleted.values().sum());
    let points = |number_of: u64| plural(usize::try_from(number_of).unwrap_or(usize::MAX), "point");
    let living = forecast.days.last().map_or(total.living_before, |day| day.living);
    let paid = total.cost.map_or_else(String::new, |cost| format!(", {} to be paid for storage", money(cost)));
    let copied = if total.copied > 0 { format!("{} copied, ", number(total.copied)) } else { String::new() };
    format!(
        "Until {}: {} made, {copied}{} deleted, {} living then{paid}.",
        brief(forecast.basis.until),
        points(made),
        number(deleted),
        number(living),
    )
}

/// Where the figures of storage come from.
pub(crate) const STORAGE_NOTE: &str = "Stored bytes are reckoned, not measured: a disk's first snapshot in full, then its change a day \
    (`forecast` of a policy). No WAL is in them, and no snapshot that names no cluster. Every run succeeds, and a copy is ready \
    at the next.";

pub(crate) fn number(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX))
}

/// Bytes in GiB: whole ones from ten on.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn stored(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    if gib >= 10.0 || bytes == 0 { format!("{} GiB", number(rounded(gib))) } else { format!("{gib:.1} GiB") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative")]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// Money with two digits, in whatever currency the prices are.
pub(crate) fn money(amount: f64) -> String {
    let hundredths = rounded(amount * 100.0);
    format!("{}.{:02}", number(hundredths / 100), hundredths % 100)
}

fn length(length: Option<Duration>) -> String {
    length.map_or_else(|| "-".to_owned(), about)
}

#[cfg(test)]
mod tests {
    use super::{money, stored};

    #[test]
    fn money_and_bytes_read_well() {
        let money: Vec<String> = [0.0, 0.004, 0.005, 1234.5].into_iter().map(money).collect();
        assert_eq!(money, ["0.00", "0.00", "0.01", "1,234.50"]);
        let bytes: Vec<String> = [0, 1 << 29, 10 << 30, 1 << 42].into_iter().map(stored).collect();
        assert_eq!(bytes, ["0 GiB", "0.5 GiB", "10 GiB", "4,096 GiB"]);
    }
}
