//! One report, many views: what a plan, an apply or a fleet's state says to people and to machines.
//!
//! Pure: it decides how things are told, never what they are. Nothing here knows a terminal; colour is a parameter.

mod base_text;
mod drawn;
mod drift;
mod fold;
mod forecast_md;
mod forecast_tables;
#[cfg(test)]
mod forecast_tests;
mod forecast_text;
mod general;
mod harmless;
mod json;
mod paint;
mod plan_md;
mod plan_table;
#[cfg(test)]
mod plan_tests;
mod plan_text;
mod report;
mod status;
mod table;

pub use base_text::{Caused, base_text};
pub use drift::{drift_junit, drift_md, drift_sarif, drift_text};
pub use fold::{fold, fold_around_quotes};
pub use forecast_md::forecast_md;
pub use forecast_tables::forecast_line;
pub use forecast_text::forecast_text;
pub use json::plan_json;
pub use paint::{Paint, clean};
pub use plan_md::{LEAST_CHARS, MARKER, plan_md};
pub use plan_table::{By, plan_table};
pub use plan_text::{ChangeLine, View, change_line, plan_text, summary_line};
pub use report::Report;
pub use status::{FleetView, cluster_text, status_text, table_text};

/// A number with its thousands apart: `9,412`.
#[must_use]
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 point`, `2 points`.
#[must_use]
pub fn plural(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_apart() {
        let shown: Vec<String> = [0, 12, 999, 1000, 10_412, 1_000_000].into_iter().map(super::count).collect();
        assert_eq!(shown, ["0", "12", "999", "1,000", "10,412", "1,000,000"]);
    }
}
