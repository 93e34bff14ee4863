//! A forecast as Markdown, short enough for a comment on a pull request.

use crate::forecast_tables::{STORAGE_NOTE, Table, forecast_line, heading, sample, tables, warnings};
use crate::forecast_text::drawn;
use crate::paint::Paint;
use backstay_core::forecast::Forecast;
use std::fmt::Write as _;

/// The longest comment that all hosts take, in characters (CLI.md).
const LONGEST: usize = 60_000;

/// By it, a later run finds its own comment.
const MARKER: &str = "<!-- backstay simulate -->";

/// As wide as what is drawn needs: a comment has room.
const WIDE: usize = 200;

/// How many warnings are written out.
const MOST_WARNINGS: usize = 20;

/// A whole forecast, with its sum first; at most 60,000 characters.
#[must_use]
pub fn forecast_md(forecast: &Forecast) -> String {
    let mut out = format!("{MARKER}\n### {}\n\n**{}**\n\n", safe(&heading(forecast)), safe(&forecast_line(forecast)));
    if let Some(sample) = sample(forecast) {
        let _ = writeln!(out, "> {}\n", safe(&sample));
    }
    let warnings = warnings(forecast);
    for warning in warnings.iter().take(MOST_WARNINGS) {
        let _ = writeln!(out, "- ⚠ {}", safe(warning));
    }
    if warnings.len() > MOST_WARNINGS {
        let _ = writeln!(out, "- … and {} more", crate::count(warnings.len() - MOST_WARNINGS));
    }
    if !warnings.is_empty() {
        out.push('\n');
    }
    let drawn = drawn(forecast, WIDE, Paint::Plain);
    if !drawn.is_empty() {
        let _ = writeln!(out, "```text\n{}```\n", drawn.replace("```", "'''"));
    }
    let mut left_out = Vec::new();
    for table in tables(forecast).iter().filter(|table| !table.rows.is_empty()) {
        let text = markdown(table);
        // What does not fit is named, never dropped in silence.
        if out.chars().count() + text.chars().count() > LONGEST - 2_000 {
            left_out.push(table.heading);
        } else {
            out.push_str(&text);
        }
    }
    for heading in left_out {
        let _ = writeln!(out, "_{heading}: too long for a comment; `-json` has it._\n");
    }
    let _ = writeln!(out, "{}", safe(STORAGE_NOTE));
    out
}

fn markdown(table: &Table) -> String {
    let mut out = format!("#### {}\n\n", table.heading);
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = table.head.iter().map(|cell| sentence(cell)).collect();
    out.push_str(&line(&head));
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    out.push_str(&line(&rule));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| safe(cell)).collect();
        out.push_str(&line(&cells));
    }
    if table.left_out > 0 {
        let _ = writeln!(out, "\n… and {} more; `-json` has them all.", crate::count(table.left_out));
    }
    out.push('\n');
    out
}

/// `COST A MONTH` as `Cost a month`.
fn sentence(head: &str) -> String {
    let lower = head.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Text that can be no markup: neither of Markdown nor of HTML.
pub(crate) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '\\' | '[' | ']' | '*' | '_' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // A mention would call people.
            '@' => out.push_str("@\u{200b}"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{safe, sentence};

    #[test]
    fn text_from_outside_is_no_markup_and_calls_nobody() {
        assert_eq!(safe("a|b <img> @all [x](y)"), "a\\|b &lt;img&gt; @\u{200b}all \\[x\\](y)");
        assert_eq!(sentence("COST A MONTH"), "Cost a month");
    }
}
