//! `backstay explain`: what the code of a diagnostic means.

use crate::args::ExplainOptions;
use crate::exit::{Code as ExitCode, Codes};
use crate::screen::Screen;
use backstay_core::diagnostic::Code;
use backstay_report::Paint;
use serde_json::json;

/// No line of prose is longer.
const WIDTH: usize = 100;

pub(crate) fn run(options: &ExplainOptions, screen: &Screen) -> anyhow::Result<Codes> {
    let Some(asked) = &options.code else {
        all(screen);
        return Ok(Codes::none());
    };
    let word = asked.trim_start_matches("error[").trim_start_matches("warning[").trim_start_matches("note[");
    let Some(code) = Code::find(word.trim_end_matches(']')) else {
        let hint = match Code::nearest(word) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`backstay explain` lists all codes".to_owned(),
        };
        // As a value of a document would be: whoever typed it may have pasted anything.
        screen.error(&anyhow::anyhow!("there is no code {}; {hint}", backstay_core::diagnostic::quote(asked)));
        return Ok(Codes::of(ExitCode::Error));
    };
    if screen.is_json {
        let fields = json!({ "code": code, "summary": code.summary(), "explanation": code.explanation() });
        screen.json("info", "explanation", code.summary(), fields);
    } else {
        screen.out(&page(code, screen.out_paint));
    }
    Ok(Codes::none())
}

/// Every code, with what it means in a line.
fn all(screen: &Screen) {
    if screen.is_json {
        let codes: Vec<_> = Code::ALL.iter().map(|code| json!({ "code": code, "summary": code.summary() })).collect();
        let text = format!("{} codes", codes.len());
        screen.json("info", "explanations", &text, json!({ "codes": codes }));
        return;
    }
    let widest = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    for code in Code::ALL {
        let name = format!("{code:<widest$}");
        screen.out(&format!("  {}  {}\n", screen.out_paint.bold(&name), code.summary()));
    }
    screen.out("\n`backstay explain CODE` shows an example of each that is wrong, one that is right, and why the rule exists.\n");
}

/// A page for a terminal: prose in lines of its width, examples indented.
fn page(code: Code, paint: Paint) -> String {
    let mut out = format!("{}: {}\n\n", paint.bold(code.as_str()), code.summary());
    let mut in_example = false;
    for line in code.explanation().lines() {
        match (line.starts_with("```"), in_example) {
            (true, _) => in_example = !in_example,
            (false, true) if line.is_empty() => out.push('\n'),
            (false, true) => out.push_str(&format!("    {}\n", line.replace('\t', "\u{2192}   "))),
            (false, false) => out.push_str(&prose(line, paint)),
        }
    }
    out
}

/// A paragraph. The words that open a part stand out.
fn prose(paragraph: &str, paint: Paint) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        column += length;
        out.push_str(word);
    }
    for (opening, painted) in
        [("Wrong:", paint.red("Wrong:")), ("Right:", paint.green("Right:")), ("Why:", paint.bold("Why:"))]
    {
        if let Some(rest) = out.strip_prefix(opening) {
            return format!("{painted}{rest}\n");
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_fits_a_terminal_and_holds_all_that_a_page_has() {
        for code in Code::ALL {
            let page = page(*code, Paint::Plain);
            for part in ["\nWrong:\n", "\nRight:\n", "\nWhy: "] {
                assert!(page.contains(part), "{code}: {part:?}");
            }
            assert!(!page.contains("```"), "{page}");
            let widest = page.lines().filter(|line| !line.starts_with("    ")).map(|line| line.chars().count()).max();
            assert!(widest <= Some(WIDTH), "{page}");
        }
    }
}
