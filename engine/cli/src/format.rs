//! The canonical look of a YAML document. Whitespace, quotes and the breaks of flow collections may change; what it says,
//! its comments and its anchors may not, and that is looked at again before anything is returned.

mod comments;
mod meaning;

pub(crate) use meaning::Unreadable;

use meaning::Meaning;
use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions};

/// How wide a flow collection may be before it is broken.
const WIDTH: usize = 120;

/// A comment seldom needs a second look to find its place; what does not settle is left alone.
const MOST_PASSES: usize = 6;

/// Nobody nests deeper; each level costs the formatter stack.
const DEEPEST: usize = 200;

/// Stack for that many levels in a build without optimisation.
const STACK: usize = 256 << 20;

/// Why a text was not formatted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is not YAML.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// Formatting would change this about it.
    #[error("formatting would change {0}")]
    WouldChange(&'static str),
    /// No thread could be started.
    #[error("{0}")]
    NoThread(String),
}

/// Formats a text. What is formatted already comes back as it is.
pub(crate) fn format(text: &str) -> Result<String, Fault> {
    let text = text.to_owned();
    let work = move || formatted(&text);
    // A thread of its own, for its stack: documents may nest deeper than the caller's allows.
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    let thread = thread.map_err(|error| Fault::NoThread(error.to_string()))?;
    thread.join().unwrap_or(Err(Fault::WouldChange("it in a way that the formatter cannot follow")))
}

fn formatted(text: &str) -> Result<String, Fault> {
    // The line ends of a file are its owner's choice: the first one tells it.
    let has_returns = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    let plain = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let before = Meaning::of(&plain).map_err(Fault::Unreadable)?;
    if before.depth > DEEPEST {
        return Err(Fault::Unreadable(Unreadable {
            message: "this is nested too deeply".to_owned(),
            line: 0,
            column: 0,
        }));
    }
    if plain.trim().is_empty() {
        return Ok(String::new());
    }
    let comments = comments::of(&plain).ok_or(Fault::WouldChange("it: the formatter does not understand its form"))?;
    let settled = settle(&plain)?;
    let after = Meaning::of(&settled).map_err(|_| Fault::WouldChange("it into what is not YAML"))?;
    if let Some(what) = before.difference(&after) {
        return Err(Fault::WouldChange(what));
    }
    if comments::of(&settled).as_ref() != Some(&comments) {
        return Err(Fault::WouldChange("its comments"));
    }
    Ok(if has_returns { settled.replace('\n', "\r\n") } else { settled })
}

/// Formats until nothing moves any more.
fn settle(text: &str) -> Result<String, Fault> {
    let mut current = text.to_owned();
    for _ in 0..MOST_PASSES {
        let next = once(&current)?;
        if next == current {
            return Ok(current);
        }
        current = next;
    }
    Err(Fault::WouldChange("it anew each time"))
}

fn once(text: &str) -> Result<String, Fault> {
    let unclear = Fault::WouldChange("it: the formatter does not understand its form");
    let language = LanguageOptions { trim_trailing_whitespaces: false, ..LanguageOptions::default() };
    let options = FormatOptions { layout: LayoutOptions { print_width: WIDTH, ..LayoutOptions::default() }, language };
    let Ok(formatted) = pretty_yaml::format_text(text, &options) else { return Err(unclear) };
    comments::align(&formatted).ok_or(unclear)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
