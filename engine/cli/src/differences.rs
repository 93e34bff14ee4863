//! Unified differences of texts, as `diff -u` and git show them.

use backstay_core::diagnostic::shown;
use backstay_report::{Paint, clean};
use similar::TextDiff;

/// How many lines around a difference are shown.
const AROUND: usize = 3;

/// The lines of a difference, still without colour; nothing when the texts are equal.
pub(crate) fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> Vec<String> {
    let name = |side: &str, text: Option<&str>| match text {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (name("a", before), name("b", after));
    let difference = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    let text = difference.unified_diff().context_radius(AROUND).header(&from, &to).to_string();
    text.lines().map(str::to_owned).collect()
}

/// A line of a difference of documents, fit for a comment that others read: no secrets and no control characters.
pub(crate) fn harmless(line: &str) -> String {
    match line.char_indices().nth(1) {
        Some((at, _)) if !line.starts_with("@@") => {
            let (mark, text) = line.split_at(at);
            format!("{mark}{}", shown(text))
        }
        Some(_) | None => clean(line),
    }
}

/// One line with its colour.
pub(crate) fn painted(line: &str, paint: Paint) -> String {
    if line.starts_with("+++") || line.starts_with("---") {
        paint.bold(line)
    } else if line.starts_with("@@") {
        paint.cyan(line)
    } else if line.starts_with('+') {
        paint.green(line)
    } else if line.starts_with('-') {
        paint.red(line)
    } else {
        line.to_owned()
    }
}
