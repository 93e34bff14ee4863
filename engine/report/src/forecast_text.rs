//! A forecast as people read it on a terminal.

use crate::drawn::{Line, WIDTH, bars, ends};
use crate::forecast_tables::{STORAGE_NOTE, Table, forecast_line, heading, money, sample, stored, tables, warnings};
use crate::paint::Paint;
use crate::table::columns;
use backstay_core::forecast::Forecast;
use backstay_core::time::brief;
use jiff::Timestamp;
use std::fmt::Write as _;

/// How many policies are drawn.
const MOST_DRAWN: usize = 12;
/// The fewest characters that a line of time has.
const NARROWEST: usize = 20;

/// A whole forecast, ending with its sum; what is drawn is as wide as there is room.
#[must_use]
pub fn forecast_text(forecast: &Forecast, width: usize, paint: Paint) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", paint.bold(&heading(forecast)));
    if let Some(sample) = sample(forecast) {
        let _ = writeln!(out, "  {}", paint.yellow(&sample));
    }
    out.push('\n');
    let warnings = warnings(forecast);
    for warning in &warnings {
        let _ = writeln!(out, "  {} {warning}", paint.red("!"));
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
    let mut tables = tables(forecast).into_iter().filter(|table| !table.rows.is_empty());
    if let Some(days) = tables.next() {
        table(&days, paint, &mut out);
    }
    let drawn = drawn(forecast, width, paint);
    if !drawn.is_empty() {
        out.push_str(&drawn);
        out.push('\n');
    }
    for rest in tables {
        table(&rest, paint, &mut out);
    }
    let _ = writeln!(out, "{}", paint.dim(STORAGE_NOTE));
    let _ = writeln!(out, "{}", paint.bold(&forecast_line(forecast)));
    out
}

fn table(table: &Table, paint: Paint, out: &mut String) {
    let _ = writeln!(out, "{}\n", table.heading);
    let head = vec![table.head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    let rows: Vec<Vec<String>> = head.into_iter().chain(table.rows.iter().cloned()).collect();
    for (i, cells) in columns(&rows).into_iter().enumerate() {
        let line = cells.join("  ");
        let line = line.trim_end();
        let _ = writeln!(out, "  {}", if i == 0 { paint.dim(line) } else { line.to_owned() });
    }
    if table.left_out > 0 {
        let _ = writeln!(out, "  … and {} more; -json has them all", crate::count(table.left_out));
    }
    out.push('\n');
}

/// Storage over the days, and one cluster of each policy with its points on one line of time.
pub(crate) fn drawn(forecast: &Forecast, width: usize, paint: Paint) -> String {
    let mut out = String::new();
    if forecast.sites.is_empty() {
        return out;
    }
    let bytes: Vec<u64> = forecast.days.iter().map(|day| day.bytes).collect();
    if let (Some(first), Some(last)) = (forecast.days.first(), forecast.days.last()) {
        let drawn = bars(&bytes);
        let cost = last.cost_per_month.map_or_else(String::new, |cost| format!(", {} a month", money(cost)));
        let _ = writeln!(out, "Stored, day by day: {} at the end{cost}\n", stored(last.bytes));
        let _ = writeln!(out, "  {}", paint.cyan(&drawn));
        let ends = ends(&first.date.to_string(), &last.date.to_string(), drawn.chars().count());
        let _ = writeln!(out, "  {}", paint.dim(&ends));
    }
    let examples: Vec<_> = forecast
        .policies
        .iter()
        .filter_map(|policy| Some((&policy.policy, policy.example.as_ref().filter(|e| !e.points.is_empty())?)))
        .take(MOST_DRAWN)
        .collect();
    let cuts = examples.iter().flat_map(|(_, example)| &example.points).map(|point| point.cut);
    let Some(oldest) = cuts.min() else { return out };
    let until: Timestamp = forecast.basis.until;
    let _ = writeln!(out, "\nThe points of one cluster of each policy at the end; † is marked for deletion\n");
    // Each with an empty cell last: the others are padded.
    let names: Vec<Vec<String>> = examples
        .iter()
        .map(|(policy, example)| vec![policy.to_string(), example.cluster.to_string(), String::new()])
        .collect();
    let names: Vec<String> = columns(&names).into_iter().map(|cells| cells.join("  ")).collect();
    let indent = names.first().map_or(0, |name| name.chars().count());
    let cells = width.saturating_sub(indent + 4).clamp(NARROWEST, WIDTH);
    let line = Line { cells, from: oldest, to: until };
    for (name, (_, example)) in names.iter().zip(&examples) {
        let signs = example.points.iter().map(|point| (point.cut, if point.is_marked { '†' } else { '●' }));
        let _ = writeln!(out, "  {name}{}", line.points(signs, paint));
    }
    let ends = ends(&brief(oldest), &brief(until), cells + 2);
    let _ = writeln!(out, "  {}{}", " ".repeat(indent), paint.dim(&ends));
    out
}
