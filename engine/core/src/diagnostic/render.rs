//! Diagnostics as text, in the look of rustc. Colour is the command line's.

use super::{Diagnostic, Diagnostics};
use std::fmt;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity.as_str(), self.message)?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len() + 2);
            writeln!(f, "{}--> {}", " ".repeat(number.len() + 1), place.address())?;
            if place.line > 0 && !place.source_line.is_empty() {
                let marker = format!("{}{}", " ".repeat(place.marker), "^".repeat(place.length.max(1)));
                writeln!(f, "{gutter}|")?;
                writeln!(f, " {number} | {}", place.source_line)?;
                writeln!(f, "{gutter}| {marker}")?;
            }
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}

impl Diagnostics {
    /// All of them as text, one after the other, with an empty line between.
    #[must_use]
    pub fn render(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostic, Place};

    #[test]
    fn a_diagnostic_looks_like_the_one_of_the_style_guide() {
        let place = Place {
            file: "policies/gold.yaml".into(),
            line: 4,
            column: 19,
            source_line: "  recoveryWindow: 7d".into(),
            marker: 18,
            length: 2,
        };
        let diagnostic = Diagnostic::error("x", "policy `gold` keeps 7 days, but `orders-db` requires 30")
            .at(place)
            .hint("raise `recoveryWindow` to 30d, or give `orders-db` another policy");
        let expected = "\
error: policy `gold` keeps 7 days, but `orders-db` requires 30
  --> policies/gold.yaml:4:19
   |
 4 |   recoveryWindow: 7d
   |                   ^^
hint: raise `recoveryWindow` to 30d, or give `orders-db` another policy
";
        assert_eq!(diagnostic.to_string(), expected);
    }
}
